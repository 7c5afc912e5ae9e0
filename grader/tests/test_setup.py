"""Tests of setup.sh: it installs nothing where nothing is missing, and else says or fetches just what is."""

import shutil
import subprocess

import pytest

from .conftest import KIT

TOOLS = ("sh", "id", "test", "env", "cat")
NEEDED = ("make", "git", "perl", "cc", "riscv64-unknown-elf-gcc", "qemu-system-riscv64", "gdb-multiarch", "bwrap",
          "ccache", "unifdef", "python3")
CACHE = """#!/bin/sh
test -e {lists}
"""
APT = """#!/bin/sh
echo "apt-get $*" >>{log}
case $1 in
  install) grep -q new {lists} && cp -P --remove-destination {stash}/* {bin} ;;
  update) echo new >{lists} ;;
esac
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


def install(path, *words):
    return subprocess.run(["sh", KIT / "grader/setup.sh", *words], env={"PATH": str(path)}, capture_output=True, text=True)


def fake_apt(place, tmp_path, root="0"):
    """Put an apt-get on a PATH that can fetch unifdef once it has updated its lists, and an id that says who is there."""
    stash = tmp_path / "stash"
    stash.mkdir()
    (stash / "unifdef").symlink_to(shutil.which("unifdef"))
    scripts = {"apt-get": APT.format(log=tmp_path / "log", lists=tmp_path / "lists", stash=stash, bin=place),
               "apt-cache": CACHE.format(lists=tmp_path / "lists"), "id": f"#!/bin/sh\necho {root}\n"}
    for name, text in scripts.items():
        (place / name).unlink(missing_ok=True)
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    for tool in ("cp", "grep"):
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


FETCH = "apt-get install -y --no-install-recommends unifdef"


@pytest.mark.parametrize("lists, calls", [
    (None, ["apt-get update", FETCH]), ("old", [FETCH, "apt-get update", FETCH]), ("new", [FETCH])])
def test_what_is_missing_is_fetched_and_nothing_else(machine_without, tmp_path, lists, calls):
    place = machine_without("unifdef")
    fake_apt(place, tmp_path)
    if lists:
        (tmp_path / "lists").write_text(lists)
    said = install(place)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "setup: done"), said
    assert (tmp_path / "log").read_text().splitlines() == calls
    assert install(place).stdout == "setup: nothing is missing\n"


@pytest.mark.parametrize("known, package", [("qemu-system-misc", "qemu-system-misc"), ("*", "qemu-system-riscv")])
def test_a_package_is_asked_for_by_the_first_name_that_the_release_knows(machine_without, tmp_path, known, package):
    place = machine_without("qemu-system-riscv64")
    fake_apt(place, tmp_path)
    (tmp_path / "lists").write_text("new")
    (place / "apt-cache").write_text(f'#!/bin/sh\ncase $2 in {known}) ;; *) exit 100 ;; esac\n')
    said = install(place)
    assert (tmp_path / "log").read_text().splitlines()[-1].split()[-1] == package
    assert said.returncode == 1 and "yet something is missing" in said.stderr


def test_who_is_not_root_and_has_no_sudo_is_told(machine_without, tmp_path):
    place = machine_without("unifdef")
    fake_apt(place, tmp_path, root="1000")
    said = install(place)
    assert said.returncode == 1
    assert "only root can install packages" in said.stderr and "program unifdef" in said.stderr
    assert not (tmp_path / "log").exists()


def test_the_browser_is_wanted_for_the_kit_alone(machine_without):
    place = machine_without()
    assert install(place).stdout == "setup: nothing is missing\n"
    said = install(place, "kit")
    assert said.returncode == 1
    wanted = [line.split() for line in said.stderr.splitlines() if line.startswith("  ")]
    assert {(kind, name) for kind, name, *_ in wanted} >= {("program", "chromium"), ("program", "chromedriver")}
    for tool in ("chromium", "chromedriver"):
        (place / tool).symlink_to("/bin/true")
    assert not {"chromium", "chromedriver"} & set(install(place, "kit").stderr.split())
