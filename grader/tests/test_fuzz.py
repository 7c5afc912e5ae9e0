"""make fuzz: the solution sees what Linux sees; a kernel that is wrong does not; what is printed of a difference."""

import shutil
import subprocess
from argparse import ArgumentTypeError
from dataclasses import replace

import pytest

from grader import CouldNotGrade, fuzz
from grader.fuzz import Difference

SEEDS, OPS = 20, 500


@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    """mmapfuzz, compiled for this host."""
    return fuzz.linux_program(fuzz.SOLUTION, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("first, count", list(fuzz.boots(1, OPS, SEEDS)))
def test_linux_and_the_solution_see_the_same(linux, solution, tmp_path, first, count):
    assert fuzz.compare(linux, solution, first, OPS, count, tmp_path) is None


@pytest.mark.parametrize("seed, file, right, wrong", [
    (1, "mmap.c", "if (page + off % PGSIZE != src)", "if (0)"),  # a mapping does not see what is written
    (1, "mmap.c", "*pte &= ~PTE_W;   // both have it until one stores", ""),  # processes share what is private
    (1, "vma.c", "|| v->off + (v->end - v->start) != next->off", ""),  # neighbours merge that are not alike
    (1, "vma.c", "upper.off += va - upper.start;", ""),  # what is split shows the wrong page
])
def test_a_wrong_kernel_is_found_out(linux, solution, solution_tree, tmp_path, seed, file, right, wrong):
    tree = shutil.copytree(solution_tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".sources"))
    source = tree / "kernel" / file
    assert right in source.read_text()
    source.write_text(source.read_text().replace(right, wrong))
    subprocess.run(["make", "-s", "kernel/kernel"], cwd=tree, check=True)
    found = fuzz.compare(linux, replace(solution, kernel=tree / "kernel/kernel"), seed, OPS, 3, tmp_path)
    assert found and found.linux != found.kernel and found.before


def test_a_kernel_that_panics_is_found_out(linux, fake, tmp_path):
    guest = fake({"mmapfuzz 1 5 1": "seed 1\npanic: of a sort\n"})
    found = fuzz.compare(linux, guest, 1, 5, 1, tmp_path)
    assert (found.seed, found.operation, found.before) == (1, 1, ("seed 1",))
    assert found.linux.startswith("1.0 ") and found.kernel == "panic: of a sort"


def test_a_program_that_ends_too_early_is_found_out(linux, fake, tmp_path):
    said = "".join(f"{line}\n" for line in fuzz.on_linux(linux, 1, 5, 1))
    assert fuzz.compare(linux, fake({"mmapfuzz 1 5 1": said}), 1, 5, 1, tmp_path) is None
    found = fuzz.compare(linux, fake({"mmapfuzz 1 5 1": (said, "1")}), 1, 5, 1, tmp_path)
    assert found.linux is None and found.kernel.startswith("(failed: ")


def test_what_the_kernel_says_of_killed_processes_is_no_difference(linux, fake, tmp_path):
    killed = "usertrap(): unexpected scause 0xf pid=4\n            sepc=0x1 stval=0x2\n"
    said = f"\n{killed}".join(fuzz.on_linux(linux, 1, 5, 1)) + "\n"
    assert fuzz.compare(linux, fake({"mmapfuzz 1 5 1": said}), 1, 5, 1, tmp_path) is None


@pytest.mark.parametrize("linux_lines, kernel_lines, found", [
    ([], [], None),
    (["seed 1", "a"], ["seed 1", "a"], None),
    (["seed 1", "a"], ["seed 1", "b"], Difference(1, 1, ("seed 1",), "a", "b")),
    (["seed 1", "a", "seed 2", "b", "c"], ["seed 1", "a", "seed 2", "b", "d"], Difference(2, 2, ("seed 2", "b"), "c", "d")),
    (["seed 9", *"abcdefgh"], ["seed 9", *"abcdefg"], Difference(9, 8, tuple("cdefg"), "h", None)),
    (["seed 9"], ["seed 9", "x"], Difference(9, 1, ("seed 9",), None, "x")),
])
def test_the_first_difference(linux_lines, kernel_lines, found):
    assert fuzz.difference(linux_lines, kernel_lines) == found


def test_a_difference_is_shown(capsys):
    fuzz.show(Difference(7, 2, ("seed 7", "1.0 load 3 4 = 5, 6"), "2.0 sync", None), 500)
    assert capsys.readouterr().out.splitlines() == [
        "Seed 7: Linux and the kernel differ in line 3.", "  both    seed 7", "  both    1.0 load 3 4 = 5, 6",
        "  Linux   2.0 sync", "  kernel  (nothing more)", "Again: make fuzz SEED=7 OPS=500"]


@pytest.mark.parametrize("ops", [1, 500, 5000, fuzz.MOST_OPS])
def test_no_seed_is_left_out_and_no_boot_prints_too_much(ops):
    pairs = list(fuzz.boots(5, ops, 100))
    assert [seed for first, count in pairs for seed in range(first, first + count)] == list(range(5, 105))
    assert max(count for _, count in pairs) * ops <= fuzz.MOST_OPS


@pytest.mark.parametrize("word", ["", "0", "-1", "x", "1.5", str(1 << 31)])
def test_what_is_no_number(word):
    with pytest.raises(ArgumentTypeError, match="is not a number from 1 up"):
        fuzz.positive(word)


def test_more_operations_than_a_boot_may_print(grader):
    said = grader("fuzz", "--ops", fuzz.MOST_OPS + 1)
    assert said.status == 2 and f"at most {fuzz.MOST_OPS}" in said.err


def test_a_program_that_does_not_compile_here(tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user/mmapfuzz.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(CouldNotGrade, match="can't be compiled for this host"):
        fuzz.linux_program(tmp_path, tmp_path)
