"""Tests of setup.sh: it installs nothing where nothing is missing, and else says or fetches just what is."""

import shutil
import subprocess

import pytest

from .conftest import KIT

TOOLS = ("sh", "id", "test", "env", "cat")
NEEDED = ("make", "git", "perl", "cc", "riscv64-unknown-elf-gcc", "qemu-system-riscv64", "gdb-multiarch", "unifdef", "python3")
APT = """#!/bin/sh
echo "apt-get $*" >>{log}
case $1 in install) test -e {lists} && {{ cp {stash}/* {bin}; exit 0; }}; exit 100 ;; update) touch {lists} ;; esac
"""


@pytest.fixture
def machine_without(tmp_path):
    """machine_without(tools): a PATH on which these are not, as the Path of its one directory."""
    def make(*absent):
        place = tmp_path / "bin"
        place.mkdir()
        for tool in (*TOOLS, *NEEDED):
            if tool not in absent:
                (place / tool).symlink_to(shutil.which(tool))
        return place
    return make


def install(path):
    return subprocess.run(["sh", KIT / "grader/setup.sh"], env={"PATH": str(path)}, capture_output=True, text=True)


def fake_apt(place, tmp_path, root="0"):
    """Put an apt-get on a PATH that knows no package before it has updated, and an id that says who is there."""
    stash = tmp_path / "stash"
    stash.mkdir()
    (stash / "unifdef").symlink_to(shutil.which("unifdef"))
    scripts = {"apt-get": APT.format(log=tmp_path / "log", lists=tmp_path / "lists", stash=stash, bin=place),
               "apt-cache": "#!/bin/sh\nexit 1\n", "id": f"#!/bin/sh\necho {root}\n"}
    for name, text in scripts.items():
        (place / name).unlink(missing_ok=True)
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    for tool in ("cp", "touch"):
        (place / tool).symlink_to(shutil.which(tool))


def test_where_nothing_is_missing_nothing_is_done(machine_without):
    said = install(machine_without())
    assert (said.returncode, said.stdout, said.stderr) == (0, "setup: nothing is missing\n", "")


def test_without_a_package_manager_that_it_knows_it_names_what_is_needed(machine_without):
    said = install(machine_without("unifdef", "qemu-system-riscv64"))
    assert said.returncode == 1
    assert "no apt-get" in said.stderr
    assert [line for line in said.stderr.splitlines() if line.startswith("  ")] == [
        "  program qemu-system-riscv64 (in Debian: qemu-system-riscv qemu-system-misc)",
        "  program unifdef (in Debian: unifdef)"]


def test_what_is_missing_is_fetched_after_the_lists_if_need_be_and_nothing_else(machine_without, tmp_path):
    place = machine_without("unifdef")
    fake_apt(place, tmp_path)
    said = install(place)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "setup: done"), said
    fetch = "apt-get install -y --no-install-recommends unifdef"
    assert (tmp_path / "log").read_text().splitlines() == [fetch, "apt-get update", fetch]
    assert install(place).stdout == "setup: nothing is missing\n"


def test_a_package_that_has_moved_is_found_under_its_older_name(machine_without, tmp_path):
    place = machine_without("qemu-system-riscv64")
    fake_apt(place, tmp_path)
    said = install(place)
    assert "qemu-system-misc" in (tmp_path / "log").read_text()
    assert said.returncode == 1 and "yet something is missing" in said.stderr


def test_who_is_not_root_and_has_no_sudo_is_told(machine_without, tmp_path):
    place = machine_without("unifdef")
    fake_apt(place, tmp_path, root="1000")
    said = install(place)
    assert said.returncode == 1
    assert "only root can install packages" in said.stderr and "program unifdef" in said.stderr
    assert not (tmp_path / "log").exists()
