"""python3 -m grader: hands the command line to cli.py, or says which Python module is missing."""

import sys

MODULES = {"pexpect": "python3-pexpect", "elftools": "python3-pyelftools", "psutil": "python3-psutil",
           "rich": "python3-rich"}

try:
    from .cli import main
except ModuleNotFoundError as error:
    if error.name == "tomllib":
        print(f"grader: {sys.executable} is too old: Python 3.11 or newer is needed", file=sys.stderr)
        sys.exit(2)
    if error.name not in MODULES:
        raise
    print(f"grader: {sys.executable} has no module {error.name}. In the kit, run: make setup. By hand, on Debian "
          f"and Ubuntu: apt install {MODULES[error.name]}, then use /usr/bin/python3", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
