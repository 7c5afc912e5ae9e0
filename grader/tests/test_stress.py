"""Stress on the solution: many processes on the same files, and memory that is out at every moment, one after the other."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from grader import machine
from grader.transcript import Ending

ROUNDS = 25                     # of mmapstress; the full form is `make run PROG="mmapstress 1000"`
BUDGET = 120.0                  # seconds given to the guest, many times what it needs
OUTOFMEMORY = ("UPROGS=user/_init user/_sh user/_echo user/_mmapoom", "FAILALLOC=1")


@pytest.fixture(scope="module")
def failing(solution, solution_tree, tmp_path_factory):
    """A copy of the solution whose allocations can be made to fail (a Path)."""
    tree = shutil.copytree(solution_tree, tmp_path_factory.mktemp("stress") / "tree",
                           ignore=shutil.ignore_patterns("fs.img", "disk", ".sources"))
    make(tree)
    return tree


def make(tree):
    """Build the kernel and the disk for mmapoom. What FAILALLOC changes is compiled anew."""
    for source in (tree / "kernel").glob("*.c"):
        if "FAILALLOC" in source.read_text():
            source.touch()
    subprocess.run(["make", "-s", *OUTOFMEMORY, "kernel/kernel", "fs.img"], cwd=tree, check=True)


def stressed(guest, tree):
    """The Transcript of mmapoom on the kernel and disk of a tree (a Path)."""
    return machine.run(replace(guest, kernel=tree / "kernel/kernel", image=tree / "fs.img"), "mmapoom", BUDGET)


@pytest.mark.parametrize("harts", [1, 3])
def test_many_processes_on_the_same_files(solution, harts):
    seen = machine.run(replace(solution, harts=harts), f"mmapstress {ROUNDS}", BUDGET)
    assert seen.ending is Ending.DONE, "\n".join(seen.evidence[-20:])
    assert seen.evidence[-1] == "test mmapstress: OK"


def test_memory_may_be_out_at_any_moment(solution, failing):
    seen = stressed(solution, failing)
    assert seen.ending is Ending.DONE, "\n".join(seen.evidence[-20:])
    count = re.match(r"(\d+) allocations failed, one in each run$", seen.evidence[-2])
    assert seen.evidence[-1] == "test mmapoom: OK" and int(count[1]) > 30


@pytest.mark.parametrize("file, right, wrong", [
    ("mmap.c", "    droppage(page);\n    page = 0;\n", "    page = 0;\n"),              # a page is lost if its table can't be made
    ("mmap.c", "      kfree(page);\n      return -1;\n", "      return -1;\n"),         # the same, in fork
])
def test_a_page_that_is_lost_when_memory_is_out_is_seen(solution, failing, tmp_path, file, right, wrong):
    tree = shutil.copytree(failing, tmp_path / "tree")
    source = tree / "kernel" / file
    assert right in source.read_text()
    source.write_text(source.read_text().replace(right, wrong))
    make(tree)
    seen = stressed(solution, tree)
    assert seen.ending is Ending.FAILED and "mmapoom failure: pages were lost" in "\n".join(seen.evidence)


def test_a_page_that_processes_lose_is_seen(solution, solution_tree, tmp_path):
    tree = shutil.copytree(solution_tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".sources"))
    source = tree / "kernel/mmap.c"
    right = "    return;\n  }\n#else\n  // TODO(task 8): others may have the page too. See docs/task8.md.\n#endif\n  kfree(page);\n"
    assert right in source.read_text()
    source.write_text(source.read_text().replace(right, right.replace("  kfree(page);\n", "")))
    subprocess.run(["make", "-s", "kernel/kernel"], cwd=tree, check=True)
    seen = machine.run(replace(solution, kernel=tree / "kernel/kernel"), "mmapstress 2", BUDGET)
    assert seen.ending is Ending.FAILED and "mmapstress failure: pages were lost" in "\n".join(seen.evidence)
