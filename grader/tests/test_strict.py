"""Strict grading: each section is run once where that shows as much, and each of a kernel's files is compiled once."""

from dataclasses import replace

import pytest

from grader import CouldNotGrade, facts, lab, rebuild, sandbox, strict
from grader.score import Outcome
from grader.tests import synthetic as syn
from grader.transcript import Ending

STRICT = lab.load(strict=True)
OWN, DISK = syn.build(), syn.build(tree="/disk")
DEFAULT = [program.name for program in STRICT.tests]
MAKEFILE = f"""
kernel/kernel: kernel/one.o kernel/two.o
	riscv64-unknown-elf-ld -T kernel/kernel.ld -o $@ $^
kernel/%.o: kernel/%.c
	riscv64-unknown-elf-gcc {" ".join(rebuild.OFFICIAL)} -O2 -c -o $@ $<
"""


@pytest.fixture
def ran(monkeypatch):
    """What is run where, in pairs; no seal is looked for, no ELF file read."""
    monkeypatch.setattr(strict.seal, "book", lambda disk: None)
    monkeypatch.setattr(strict, "sealed", lambda transcripts, part, book: transcripts)
    monkeypatch.setattr(facts, "gather", lambda *_: syn.TABLE)
    return []


def graded(ran, own, again, part=STRICT):
    """The Grade of a Build on whose own disk own(program) gives the Transcripts, and again(program) on the strict disk."""
    def run(_, disk, programs, seen, prefix="", traps=False):
        ran.extend((program, disk) for program in programs)
        return tuple((again if disk is DISK else own)(program) for program in programs)

    return strict.grade(replace(part, strict="report"), OWN, lambda: DISK, sandbox.OPEN, run, lambda _: None, lambda _: None)


def stage(number):
    """What runs a program on a kernel at a stage."""
    runs = {run.program: run for run in syn.stage_runs(number)}

    def run(program):
        name, _, section = program.partition(" ")
        if name not in DEFAULT:
            return syn.run(program, [f"hidden failure: {program}, pid=3"], Ending.FAILED)
        return runs[program] if program in runs else syn.section_run(section, number)
    return run


def where(ran, disk):
    """What of the open tests was run on a disk, in order."""
    return [program for program, there in ran if there is disk and program.split()[0] in DEFAULT]


def test_a_right_kernel_runs_on_its_own_disk_what_students_run_and_all_on_the_other(ran):
    grade = graded(ran, stage(8), stage(8))
    assert grade.score == 100 and where(ran, OWN) == DEFAULT
    assert where(ran, DISK) == [*(f"mmaptest {name}" for name in syn.ALONE), *DEFAULT]
    assert [run.program for run in grade.runs][:2] == DEFAULT and len(grade.runs) == len(ran)


def test_what_follows_a_failure_is_run_on_one_disk_where_both_fail_alike(ran):
    grade = graded(ran, stage(5), stage(5))
    alone = stage(5)
    assert where(ran, OWN) == DEFAULT and len(set(where(ran, DISK))) == len(where(ran, DISK)) > len(DEFAULT) + len(syn.ALONE)
    assert grade.score == sum(task.points for task in STRICT.tasks[:5]) and alone("mmaptest fork").ending is Ending.FAILED


def test_what_only_the_own_disk_fails_to_reach_is_run_there(ran):
    grade = graded(ran, stage(5), stage(8))
    assert "mmaptest access" in where(ran, OWN) and "mmaptest access" not in where(ran, DISK)
    assert grade.tasks[6].outcome == Outcome.FAILED and grade.tasks[4].score == STRICT.tasks[4].points
    assert not grade.tasks[6].why.startswith("with the official")


def test_a_section_that_fails_by_itself_on_the_other_disk_is_not_passed_by_the_run_of_all(ran):
    grade = graded(ran, stage(8), stage(5))
    assert grade.tasks[5].outcome == grade.tasks[6].outcome == Outcome.FAILED and grade.tasks[6].why.startswith("with the official")


def test_a_program_with_a_library_of_the_submission_is_run_on_its_own_disk(ran, monkeypatch):
    monkeypatch.setattr(strict.owndisk, "REPLACED", ("mmaptest",))
    graded(ran, stage(8), stage(8))
    assert where(ran, OWN) == [*DEFAULT, *(f"mmaptest {name}" for name in syn.ALONE)]


def test_nothing_more_is_built_where_nothing_is_earned(ran, monkeypatch):
    monkeypatch.setattr(facts, "gather", lambda *_: syn.NO_TABLE)
    grade = graded(ran, lambda program: syn.run(program, ["panic: x"], Ending.PANICKED), None)
    assert grade.score == 0 and not where(ran, DISK) and "mmaptest exit" in where(ran, OWN)


# The kernel first.

def built_first(tmp_path, makefile):
    """A small tree with a Makefile, its strict kernel's path, and the Box for its own make; the cache of the kit is empty."""
    tree, kit, work = tmp_path / "tree", tmp_path / "kit", tmp_path / "work"
    for place in (tree / "kernel", kit, work):
        place.mkdir(parents=True)
    (tree / "Makefile").write_text(makefile)
    (tree / "kernel/kernel.ld").write_text("SECTIONS { }\n")
    for name in ("one", "two"):
        (tree / f"kernel/{name}.c").write_text(f"int {name};\n")
    kernel, box = strict.first(tree, work, 1, sandbox.confined(tmp_path / "box", kit))
    assert not any(kit.iterdir()) and any((work / "cache").iterdir()) and not (tree / rebuild.OUT).exists()
    return tree, kernel(), box


def test_what_the_strict_kernel_is_made_of_is_not_compiled_again(tmp_path):
    tree, kernel, box = built_first(tmp_path, MAKEFILE)
    assert kernel.read_bytes()[:4] == b"\x7fELF"
    command = "CCACHE_LOGFILE=/tmp/log make kernel/kernel && cat /tmp/log; touch /ccache/x; touch /owncache/x"
    said = sandbox.run(["sh", "-c", command], tree, box=box, bring=("x",)).output
    assert said.count("direct_cache_hit") == 2 and "miss" not in said and said.count("Read-only file system") == 2


def test_no_command_of_the_makefile_writes_to_the_cache_that_the_strict_kernel_comes_from(tmp_path):
    built_first(tmp_path, f"$(shell touch /ccache/here /owncache/here; echo x > /tmp/there)\n{MAKEFILE}")
    assert not list(tmp_path.rglob("here"))


def test_a_kernel_that_can_not_be_built_is_told_only_when_it_is_needed(tmp_path):
    kernel, box = strict.first(tmp_path, tmp_path / "work", 1, sandbox.OPEN)
    assert box == sandbox.OPEN
    with pytest.raises(CouldNotGrade, match="does not say how the kernel is compiled"):
        kernel()
