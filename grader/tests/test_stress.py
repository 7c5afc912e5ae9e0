"""Stress on the solution: many processes on the same files, and memory that is out at every moment, one after the other."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from grader import machine
from grader.transcript import Ending

ROUNDS = 50                     # of mmapstress; a longer form is `make run PROG="mmapstress 1000"`
BUDGET = 120.0                  # seconds given to the guest, many times what it needs


@pytest.fixture(scope="module")
def failing(solution, solution_tree, tmp_path_factory):
    """A copy of the solution whose allocations can be made to fail (a Path)."""
    tree = shutil.copytree(solution_tree, tmp_path_factory.mktemp("stress") / "tree",
                           ignore=shutil.ignore_patterns(".sources"))
    make(tree)
    return tree


def make(tree):
    """Build a tree (a Path) whose allocations can be made to fail. What FAILALLOC changes is compiled anew."""
    for source in (tree / "kernel").glob("*.c"):
        if "FAILALLOC" in source.read_text():
            source.touch()
    (tree / "fs.img").unlink(missing_ok=True)
    subprocess.run(["make", "-s", "FAILALLOC=1", "kernel/kernel", "fs.img"], cwd=tree, check=True)


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
    assert seen.evidence[-1] == "test mmapoom: OK" and int(count[1]) > 100


@pytest.mark.parametrize("file, right, wrong, seen_as", [
    # A page is lost if its table can't be made; the same in fork; a new program's pages, if it is not to be.
    ("mmap.c", "    droppage(page);\n    page = 0;\n", "    page = 0;\n", "pages were lost"),
    ("mmap.c", "      kfree(page);\n      return -1;\n", "      return -1;\n", "pages were lost"),
    ("exec.c", "    proc_freepagetable(img.pagetable, img.sz);\n    return -1;\n", "    return -1;\n", "pages were lost"),
    # A promise is kept that was used.
    ("kalloc.c", "      unpromise(f);\n", "", "pages were lost"),
    # One end of a pipe stays open if there is no page for it.
    ("pipe.c", "  if (*rf)\n    fileclose(*rf);\n", "", "open files were lost"),
    # A private store goes to the file if there is no page for a copy.
    ("mmap.c", "privatecopy(pte) < 0)\n      return 0;\n", "privatecopy(pte))\n      ;\n", "does not hold what it must"),
])
def test_what_is_wrong_when_memory_is_out_is_seen(solution, failing, tmp_path, file, right, wrong, seen_as):
    tree = shutil.copytree(failing, tmp_path / "tree")
    source = tree / "kernel" / file
    assert source.read_text().count(right) == 1
    source.write_text(source.read_text().replace(right, wrong))
    make(tree)
    seen = stressed(solution, tree)
    assert seen.ending is Ending.FAILED and re.search(f"mmapoom failure: .*{seen_as}", "\n".join(seen.evidence))


def test_a_page_that_processes_lose_is_seen(solution, solution_tree, tmp_path):
    tree = shutil.copytree(solution_tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".sources"))
    source = tree / "kernel/mmap.c"
    right = "    return;\n  }\n#else\n  // TODO(task 8): others may have the page too. See docs/task8.md.\n#endif\n  kfree(page);\n"
    assert right in source.read_text()
    source.write_text(source.read_text().replace(right, right.replace("  kfree(page);\n", "")))
    subprocess.run(["make", "-s", "kernel/kernel"], cwd=tree, check=True)
    seen = machine.run(replace(solution, kernel=tree / "kernel/kernel"), "mmapstress 2", BUDGET)
    assert seen.ending is Ending.FAILED and "mmapstress failure: pages were lost" in "\n".join(seen.evidence)
