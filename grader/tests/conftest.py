"""What the tests share: the solution, built once; stand-ins for kernels and trees; the grader as a command."""

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from grader import build, diskread, hidden, lab, tree
from grader.machine import Machine

KIT = Path(__file__).resolve().parent.parent.parent
FAKE = Path(__file__).resolve().parent / "fake"
COMPILE = ["riscv64-unknown-elf-gcc", "-march=rv64ima_zicsr", "-mabi=lp64", "-mcmodel=medany", "-nostdlib",
           "-ffreestanding", "-O1", "-Wall", "-Werror", "-Wl,--no-warn-rwx-segments", "-T", "kernel.ld"]
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])    # as any host may be
settings.load_profile("busy")
BANNER = "xv6 kernel is booting\n"
MAKEFILE = "kernel/kernel: kernel/kernel.c\n\tcd kernel && " + " ".join(COMPILE) + """ -o kernel kernel.c
fs.img: disk.bin
\tcp disk.bin fs.img
"""


@pytest.fixture(scope="session")
def solution_tree(tmp_path_factory):
    """A built copy of solution/ (a Path); read it, boot copies of its image, change nothing."""
    copy = tree.prepare(KIT / "solution", tmp_path_factory.mktemp("solution") / "tree", (), KIT)
    built = build.make(copy.path)
    assert built.ok, built.error
    return copy.path


@pytest.fixture(scope="session")
def solution(solution_tree):
    """The Machine of the built solution."""
    return Machine(solution_tree / "kernel/kernel", solution_tree / "fs.img")


@pytest.fixture(scope="session")
def solution_disk(solution_tree, tmp_path_factory):
    """The Disk of the built solution, with the tests of all tasks on it, and the hidden ones."""
    return hidden.build(build.make(solution_tree), tmp_path_factory.mktemp("hidden") / "out", lab.load(strict=True, track="all"))


def write_fake(directory, boot, programs):
    """Write the stand-in for a kernel: boot is what it prints, programs maps what is typed to what that prints.

    A program's output may be a pair: the text, and what the shell shows as its status."""
    def quoted(line):
        return '"' + "".join(f"\\{byte:03o}" for byte in line.encode()) + '"'

    rows = [(name, *(out if isinstance(out, tuple) else (out, "0"))) for name, out in programs.items()]
    rows = rows or [("nothing at all", "", "0")]
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("kernel.c", "kernel.ld"):
        shutil.copy(FAKE / name, directory)
    (directory / "script.h").write_text(
        f"#define BOOT {quoted(boot)}\n"
        f"#define PROGRAMS {', '.join('{' + ', '.join(map(quoted, row)) + '}' for row in rows)}\n")


@pytest.fixture
def fake(tmp_path):
    """fake({typed: printed}, boot=text): the Machine of a stand-in for a kernel, without a disk."""
    def make(programs=None, boot=BANNER):
        write_fake(tmp_path / "kernel", boot, programs or {})
        subprocess.run([*COMPILE, "-o", "kernel", "kernel.c"], cwd=tmp_path / "kernel", check=True)
        return Machine(tmp_path / "kernel/kernel", None)
    return make


def disk_image(names):
    """The bytes of a disk image whose root directory has these names, and nothing behind them."""
    entries = b"".join(struct.pack("<H14s", number + 2, name.encode()) for number, name in enumerate(names))
    inode = struct.pack("<hhhhI13I", 1, 0, 0, 1, len(entries), 4, *[0] * 12)
    blocks = [b"", struct.pack("<8I", diskread.MAGIC, 5, 1, 16, 0, 2, 2, 3), bytes(64) + inode, b"", entries]
    return b"".join(block.ljust(diskread.BLOCK, b"\0") for block in blocks)


@pytest.fixture
def fake_tree(tmp_path):
    """fake_tree(programs, boot, disk, makefile): the Path of a lab tree that builds in no time to a stand-in for a kernel."""
    def make(programs=None, boot=BANNER, disk=("mmaptest", "mmapsharedtest"), makefile=MAKEFILE):
        top = tmp_path / "submission"
        (top / "user").mkdir(parents=True)
        (top / "user/user.h").touch()
        write_fake(top / "kernel", boot, programs or {})
        (top / "disk.bin").write_bytes(disk_image(disk))
        if makefile is not None:
            (top / "Makefile").write_text(makefile)
        return top
    return make


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def grader(tmp_path):
    """grader(words..., env={}): run `python3 -m grader` in an empty directory; a Said comes back."""
    def run(*words, env=None):
        here = tmp_path / "desk"
        here.mkdir(exist_ok=True)
        result = subprocess.run([sys.executable, "-m", "grader", *map(str, words)], cwd=here, capture_output=True,
                                text=True, env={**os.environ, "PYTHONPATH": str(KIT), **(env or {})})
        return Said(result.returncode, result.stdout, result.stderr)
    return run
