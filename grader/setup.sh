#!/bin/sh
# setup.sh - installs what the kit needs and this machine lacks; where it can't, it says what that is.
#
#   setup.sh lab    what it takes to work on the lab, and to grade one tree
#   setup.sh        also what it takes to grade many, and to change the lab
#   setup.sh kit    also what the kit's own pages and tests need: a browser, some 300 MB
#
# Each line of the table: what must be there (a program, a Python module, a C header), and the Debian packages that
# have it; the first of these that the release knows is taken.

need='
program make                    make
program git                     git
program perl                    perl
program cc                      gcc
header  stdio.h                 libc6-dev
program riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf
program qemu-system-riscv64     qemu-system-riscv qemu-system-misc
program gdb-multiarch           gdb-multiarch
program python3                 python3
module  pexpect                 python3-pexpect
module  elftools                python3-pyelftools
module  psutil                  python3-psutil
module  rich                    python3-rich
'

if test "$1" != lab; then
  need="$need"'
program bwrap                   bubblewrap
program ccache                  ccache
program unifdef                 unifdef
module  pytest                  python3-pytest
module  hypothesis              python3-hypothesis
module  yaml                    python3-yaml
'
fi

if test "$1" = kit; then
  need="$need"'
module  jinja2                  python3-jinja2
module  selenium                python3-selenium
program chromium                chromium chromium-browser
program chromedriver            chromium-driver chromium-chromedriver
'
fi

# Debian's modules belong to /usr/bin/python3; elsewhere the first python3 is as good.
python=/usr/bin/python3
test -x $python || python=python3

there() {
  case $1 in
    program) command -v "$2" ;;
    header) echo "#include <$2>" | cc -E - ;;
    module) $python -c "import importlib.util, sys; sys.exit(not importlib.util.find_spec('$2'))" ;;
  esac >/dev/null 2>&1
}

# Print the lines of the table whose thing is not there.
missing() {
  echo "$need" | while read -r kind name packages; do
    test -z "$kind" || there "$kind" "$name" || echo "$kind $name $packages"
  done
}

# Print the packages for such lines.
packages() {
  while read -r kind name first second; do
    if test -n "$second" && ! apt-cache show "$first" >/dev/null 2>&1; then first=$second; fi
    echo "$first"
  done
}

give_up() {
  echo "setup: $1. Needed, and not there:" >&2
  missing | while read -r kind name packages; do
    echo "  $kind $name (in Debian: $packages)" >&2
  done
  exit 1
}

# What is there must also be new enough.
finish() {
  $python - <<'END' || exit 1
import re, subprocess, sys
told = subprocess.Popen(["qemu-system-riscv64", "--version"], stdout=subprocess.PIPE).communicate()[0].decode()
there = re.search(r"version (\d+)\.(\d+)", told)
old = [("Python", sys.version_info[:2], (3, 11)), ("QEMU", tuple(map(int, there.groups())) if there else (0, 0), (7, 2))]
old = ["setup: %s %d.%d is too old: it takes %d.%d or newer, as in Debian 12 and Ubuntu 24.04" % ((name,) + has + least)
       for name, has, least in old if has < least]
sys.exit("\n".join(old) or 0)
END
  echo "setup: $1"
}

lacking=$(missing)
if test -z "$lacking"; then
  finish "nothing is missing"
  exit 0
fi
command -v apt-get >/dev/null || give_up "this system has no apt-get: install these with its own package manager"
if test "$(id -u)" -eq 0; then as_root=; else as_root=sudo; fi
test -z "$as_root" || command -v sudo >/dev/null || give_up "only root can install packages, and there is no sudo"

export DEBIAN_FRONTEND=noninteractive
fetch() {
  # shellcheck disable=SC2046
  $as_root apt-get install -y --no-install-recommends $(echo "$lacking" | packages)
}
# New lists of packages where there are none, and where what they say is no longer so.
known() {
  for package in $(echo "$lacking" | packages); do
    apt-cache show "$package" >/dev/null 2>&1 || return 1
  done
}
known || $as_root apt-get update || give_up "apt-get update failed"
fetch || { $as_root apt-get update && fetch; } || give_up "apt-get install failed"
test -z "$(missing)" || give_up "apt-get installed the packages, and yet something is missing"
finish "done"
