"""Forgeries: headers are checked, patches apply, what a cheat gets is compared with what it earned; a few are graded."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from elftools.elf.elffile import ELFFile

from grader import CouldNotGrade, build, forgeries, handout, lab, rebuild, score
from grader.explain import Facts
from grader.forgeries import Forgery
from grader.score import Outcome
from grader.tests import synthetic as syn
from grader.tests.conftest import KIT
from grader.transcript import Ending, Traps

ALL = forgeries.read_all()
STRICT = lab.load(strict=True)
DIFF = "--- a/kernel/x.c\n+++ b/kernel/x.c\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
HEADER = "Forges: It cheats.\nStage: 1\nEarns: 1\nReported: seen\n"


def written(tmp_path, text):
    """The path of a patch file with this text."""
    path = tmp_path / "cheat.patch"
    path.write_text(text)
    return path


# Headers.

def test_a_header_is_read(tmp_path):
    path = written(tmp_path, "Forges: It\n  cheats.\nStage: 4\nEarns: 1, 3\nReported: seen\nBrings: a/b as c, d as e.bin\n" + DIFF)
    assert forgeries.read(path) == Forgery("cheat", path, "It cheats.", 4, frozenset({1, 3}), "seen", (("a/b", "c"), ("d", "e.bin")))


@pytest.mark.parametrize("old, new, says", [
    ("Reported: seen\n", "", "Reported"), ("Earns: 1", "Gains: 1", "Earns"), ("Stage: 1", "Stage: 9", "Stage must be"),
    ("Earns: 1", "Earns: 0", "Earns must be"), ("Earns: 1", "Earns: 1 2", "Earns must be"),
    ("Reported: seen\n", "Reported: seen\nBrings: all\n", "Brings must be"), ("Reported: seen\n", "Reported: seen\nTask: 1\n", "Task"),
])
def test_a_header_that_is_wrong_is_refused(tmp_path, old, new, says):
    assert old in HEADER
    with pytest.raises(CouldNotGrade, match=says):
        forgeries.read(written(tmp_path, HEADER.replace(old, new) + DIFF))


def test_names_choose(tmp_path):
    assert [f.name for f in forgeries.chosen(ALL, ["eager", "stub"])] == ["eager", "stub"] and forgeries.chosen(ALL, []) == ALL
    with pytest.raises(CouldNotGrade, match="no forgery nothing"):
        forgeries.chosen(ALL, ["nothing"])


# The corpus.

def test_there_are_enough_forgeries_and_each_says_something_else():
    assert len(ALL) >= 20 and len({forgery.says for forgery in ALL}) == len(ALL)


@pytest.mark.parametrize("stage", sorted({forgery.stage for forgery in ALL}))
def test_all_forgeries_apply_to_their_stage(tmp_path, stage):
    files = handout.contents(stage)
    for forgery in ALL:
        if forgery.stage == stage:
            assert forgeries.lay(replace(forgery, brings=()), files, None, tmp_path / "tree") == ""


# What a cheat gets, against what it earned.

@pytest.mark.parametrize("points, said, mistakes", [
    ({1: 10, 2: 5}, "it was\n seen", []),
    ({1: 10}, "seen", ["gets no points for task 2"]),
    ({1: 10, 2: 10, 7: 7.5}, "seen", ["gets 7.5 points for task 7, which its code did not earn"]),
    ({1: 10, 2: 10}, "nothing", ["is not told as what it is"]),
])
def test_points_and_words_are_compared_with_the_header(points, said, mistakes):
    cheat = Forgery("cheat", None, "It cheats.", 1, frozenset({1, 2}), "was seen" if "was" in said else "seen")
    found = list(forgeries.mistakes(cheat, points, said))
    assert len(found) == len(mistakes) and all(text.startswith(start) for text, start in zip(found, mistakes))


def test_the_table_marks_what_was_not_earned():
    cheat = Forgery("cheat", None, "It cheats.", 1, frozenset({1}), "seen")
    row = list(forgeries.table([forgeries.Verdict(cheat, {1: 10, 4: 15}, "", ())]))[1].split()
    assert row == ["cheat", "10", ".", ".", "15!", ".", ".", ".", ".", "seen"]


def test_a_patch_that_does_not_apply_and_a_product_that_is_not_there_are_mistakes(tmp_path):
    cheat = forgeries.read(written(tmp_path, HEADER.replace("seen\n", "seen\nBrings: x as y\n") + DIFF))
    verdict = forgeries.judge(cheat, {"kernel/x.c": b"three\n"}, tmp_path, STRICT, tmp_path / "home")
    assert "the patch does not apply" in verdict.mistakes[0]
    verdict = forgeries.judge(cheat, {"kernel/x.c": b"one\ntwo\n"}, tmp_path, STRICT, tmp_path / "home")
    assert verdict.mistakes == ("the solution's make has not made x",)


# Strict grading keeps the lesser of what two gradings saw.

def graded(stage, asked=()):
    """The grade of made-up runs of a stage, for all tasks or those that are asked for."""
    return score.grade(replace(STRICT, hidden=None, asked=tuple(asked)), syn.build(), syn.stage_runs(stage), syn.TABLE)


def test_a_task_keeps_what_is_seen_twice():
    assert score.confirmed(graded(8), graded(8)).score == 100
    assert score.confirmed(graded(5), graded(8, range(1, 6))).score == graded(5).score
    kept = score.confirmed(graded(8), graded(5))
    assert kept.score == graded(5).score and kept.tasks[5].outcome == Outcome.FAILED
    assert kept.tasks[5].why.startswith(score.STRICTLY) and not kept.tasks[4].why
    assert len(kept.runs) == len(graded(8).runs) + len(graded(5).runs)


def test_a_kernel_that_does_not_boot_with_the_official_disk_gets_nothing():
    runs = [syn.run("mmaptest", [], Ending.PANICKED, "panic: x", booted=False)]
    kept = score.confirmed(graded(8), score.grade(replace(STRICT, hidden=None), syn.build(), runs, syn.TABLE))
    assert (kept.outcome, kept.score, kept.status) == ("not graded", 0, 1) and "does not boot" in kept.why


def test_what_was_not_counted_is_noted_once():
    lines = [("x", f"the line `{text}` was printed, but not by mmaptest") for text in ("test fork", "test fork: OK", "test exit")]
    runs = [replace(syn.default_run(1), doubts=(*lines, ("", "the end was told by others"))), syn.shared_run(1)]
    found = score.grade(replace(STRICT, hidden=None), syn.build(), runs, syn.TABLE)
    assert found.notes == ("mmaptest: the line `test fork` was printed, but not by mmaptest (2 more like it)",
                           "mmaptest: the end was told by others")


def test_what_only_the_kernel_tells_counts_for_nothing_in_a_strict_run():
    panic = ["test basic mmap", "panic: munmap", "backtrace:", "  0x80000008"]
    facts = Facts(table="vma", places={("kernel/kernel", 0x80000007): ("sys_munmap", "kernel/sysfile.c", 1)})
    run = syn.run("mmaptest", panic, Ending.PANICKED, "panic: munmap")
    cases = {None: 35, frozenset({"mmap", "munmap"}): 35, frozenset({"mmap"}): 20, frozenset(): 10}
    for called, points in cases.items():
        traps = Traps(frozenset(), frozenset({(13, 0x40000000)} if called and "munmap" in called else ()))
        runs = [replace(run, called=called, traps=called is not None and traps or None), syn.shared_run(1)]
        found = score.grade(replace(STRICT, hidden=None), syn.build(), runs, facts)
        assert found.score == points, called
        if called == frozenset({"mmap"}):
            assert "only the kernel's own words show" in found.tasks[2].why


# The kernel is built without the tree's word for it.

@pytest.mark.parametrize("script, refused", [
    ("INPUT(kernel/x.o)", True), ("GROUP ( a b )", True), ("INCLUDE other.ld", True), (". = 1; LONG(5)", True),
    (". = ALIGN(0x1000); PROVIDE(end = .);", False), ("/* see INPUT */ *(.text .text.*)", False),
])
def test_linker_scripts_that_bring_in_code_are_told(script, refused):
    assert bool(rebuild.BINARY.search(script)) == refused


@pytest.mark.parametrize("name, text, told", [
    ("x.S", '.incbin "kernel/y.bin"', "x.S"), ("x.c", 'asm(".inc" "bin \\"y\\"");', "x.c"), ("x.h", "#define TAKE .inc\\\nbin", "x.h"),
    ("x.c", "int including, bin;", ""), ("x.txt", ".incbin", ""),
])
def test_sources_that_take_in_a_binary_are_told(tmp_path, name, text, told):
    (tmp_path / "a.c").write_text("int a;\n")
    (tmp_path / name).write_text(text)
    assert rebuild.takes_binary(tmp_path) == told


def test_options_that_may_be_taken_over_are_numbers_and_names():
    line = "gcc -O2 -DN=16 -DNAME -Dmain=other -Ikernel -include x.h -fplugin=x -Wl,x -D'f(x)=1' -Os -c -o kernel/x.o kernel/x.c"
    assert rebuild.options([line]) == [*rebuild.OFFICIAL, "-O2", "-DN=16", "-DNAME", "-Dmain=other", "-Os"]
    assert rebuild.COMPILES.search(line)[1] == "kernel/x.c"


def test_only_warnings_that_the_tree_wants_for_all_its_files_can_fail_the_strict_build():
    lines = [f"gcc {warnings} -c -o kernel/x.o kernel/x.c" for warnings in ("-Wall -Werror -Wno-main", "-Wall")]
    assert rebuild.options(lines)[len(rebuild.OFFICIAL):] == ["-Wall", "-Wno-main"]


def test_options_keep_their_order_so_that_what_is_compiled_is_found_in_the_cache():
    said = subprocess.run(["make", "-n", "-B", "-C", KIT / "handout", "kernel/kernel"], capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if rebuild.COMPILES.search(line))
    assert rebuild.options([line]) == line.partition(" -c ")[0].split()[1:]


def loaded(path):
    """What of an ELF file (a Path) is loaded: bytes by address."""
    with open(path, "rb") as file:
        return {segment["p_vaddr"]: segment.data() for segment in ELFFile(file).iter_segments("PT_LOAD")}


def test_the_rebuilt_kernel_is_the_one_that_make_makes(solution_tree, tmp_path):
    shutil.copytree(solution_tree, tmp_path / "tree", symlinks=True)
    made = build.Build(True, tmp_path / "tree", tmp_path / "tree/kernel/kernel", tmp_path / "tree/fs.img", frozenset(), "", "", 0.0)
    again = rebuild.kernel(made.tree, tmp_path / "again")
    assert again.is_relative_to(tmp_path / "again") and loaded(again) == loaded(made.kernel)
    assert not (made.tree / rebuild.OUT).exists()


def test_a_kernel_that_only_the_trees_makefile_can_make_is_for_somebody_to_look_at(tmp_path):
    tree = tmp_path / "tree"
    (tree / "kernel").mkdir(parents=True)
    (tree / "Makefile").write_text("kernel/kernel:\n\tcp kernel/other $@\n")
    with pytest.raises(CouldNotGrade, match="does not say how the kernel is compiled"):
        rebuild.kernel(tree, tmp_path / "again")
    (tree / "Makefile").write_text("kernel/kernel:\n\tgcc -c -o kernel/x.o kernel/x.c\n")
    (tree / "kernel/x.c").write_text("int x;\n")
    (tree / "kernel/kernel.ld").write_text("INPUT(kernel/other.o)\n")
    with pytest.raises(CouldNotGrade, match="look at kernel/kernel.ld"):
        rebuild.kernel(tree, tmp_path / "again")
    (tree / "kernel/kernel.ld").write_text("SECTIONS { }\n")
    (tree / "kernel/x.c").write_text("int x\n")
    with pytest.raises(CouldNotGrade, match="without the tree's own Makefile: kernel/x.c:1"):
        rebuild.kernel(tree, tmp_path / "again")


# A short selection; `make forgeries` grades them all.

SHORT = ("kernel-write", "steps-over", "status-made-up", "backtrace-printed")


def test_cheats_of_four_kinds_gain_nothing(tmp_path):
    verdicts = forgeries.judge_all(forgeries.chosen(ALL, SHORT), STRICT, tmp_path, jobs=2)
    assert [verdict.mistakes for verdict in verdicts] == [()] * len(SHORT)
    assert all((tmp_path / f"{name}.txt").is_file() for name in SHORT)
