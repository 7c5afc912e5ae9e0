"""Scores: made-up runs of each stage, and what students' kernels do to them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from grader import score
from grader.explain import KERNEL, Facts
from grader.score import Outcome
from grader.tests import synthetic as syn
from grader.transcript import Ending


def grade(stage, lab=syn.LAB, runs=None, facts=None, build=None):
    """The grade of a stage, or of the runs that are given."""
    facts = facts or (syn.TABLE if stage >= 2 else syn.NO_TABLE)
    return score.grade(lab, build or syn.build(), syn.stage_runs(stage, lab) if runs is None else runs, facts)


def outcomes(result):
    """The outcome of each task, by number."""
    return {task.number: task.outcome for task in result.tasks}


def task(result, number):
    """A task's grade."""
    return next(t for t in result.tasks if t.number == number)


def with_run(runs, new):
    """The runs, with the one of the same program replaced."""
    return [new if run.program == new.program else run for run in runs]


@pytest.mark.parametrize("stage", range(1, 9))
def test_a_stage_passes_its_tasks_and_no_other(stage):
    passed = [number for number, outcome in outcomes(grade(stage)).items() if outcome == Outcome.PASSED]
    assert passed == list(range(1, stage + 1))


def test_everything_done_scores_100_and_ends_well():
    result = grade(8)
    assert (result.score, result.max_score, result.status, result.outcome) == (100, 100, 0, "graded")


def test_the_handout_scores_nothing_and_says_what_to_add_to_the_makefile():
    result = grade(0, runs=[], build=syn.build(programs=["sh"]))
    assert result.score == 0 and result.max_score == 100 and result.status == 1
    assert task(result, 1).outcome == Outcome.FAILED
    assert "add $U/_mmaptest to UPROGS" in task(result, 1).why
    assert {task(result, n).blocked_by for n in range(3, 9)} == {1}
    assert task(result, 2).why == syn.NO_TABLE.near


def test_mappings_kept_elsewhere_than_in_an_array_count_where_16_can_be_made():
    assert grade(8, facts=syn.NO_TABLE).score == 100
    full = syn.run("mmaptest table", syn.failing(syn.named("table"), "a process can't have 16 mappings"), Ending.FAILED)
    lost = task(grade(8, runs=with_run(syn.stage_runs(8), full), facts=syn.NO_TABLE), 2)
    assert (lost.outcome, lost.score, lost.why) == (Outcome.FAILED, 0, syn.NO_TABLE.near)


def test_a_program_that_is_there_and_cannot_be_started_is_told_as_such():
    runs = [syn.run("mmaptest", ["exec mmaptest failed"], Ending.FAILED), syn.run("mmapsharedtest", ["exec mmapsharedtest failed"], Ending.FAILED)]
    result = grade(0, runs=runs)
    assert "could not exec it" in task(result, 1).why and task(result, 1).line == "exec mmaptest failed" and result.score == 0
    assert syn.LAB.followups(runs) == ()


def test_an_unknown_system_call_loses_task_1_and_shows_the_line():
    runs = [syn.run("mmaptest", ["test basic mmap", "3 mmaptest: unknown sys call 22", "mmaptest failure: mmap (1), pid=3"], Ending.FAILED),
            syn.shared_run(1)]
    lost = task(grade(1, runs=runs), 1)
    assert lost.outcome == Outcome.FAILED and lost.line == "3 mmaptest: unknown sys call 22"
    assert "kernel/syscall.c" in lost.hint


def test_a_small_table_loses_task_2_only_if_mmap_works():
    runs = with_run(syn.stage_runs(8), syn.run("mmaptest table", syn.failing(syn.named("table"), "mmap 9"), Ending.FAILED))
    lost = task(grade(8, runs=runs), 2)
    assert lost.outcome == Outcome.FAILED and "mmap 9" in lost.line and "17th" in lost.hint
    assert outcomes(grade(2))[2] == Outcome.PASSED


def test_a_kernel_without_the_array_fails_task_2_while_nothing_else_shows_a_table():
    result = grade(2, facts=Facts(near="struct proc has struct vma vma[8]: fewer than 16"))
    assert [t.number for t in result.tasks if t.outcome == Outcome.PASSED] == [1]
    assert "vma[8]" in task(result, 2).why


@pytest.mark.parametrize("name", [s.name for s in syn.SECTIONS[:8]])
def test_each_section_of_task_5_is_worth_its_points_and_hides_no_other(name):
    at = [s.name for s in syn.SECTIONS].index(name)
    lines = [line for s in syn.SECTIONS[:at] for line in syn.passing(s)] + syn.failing(syn.SECTIONS[at])
    runs = [syn.run("mmaptest", lines, Ending.FAILED), syn.shared_run(8)]
    assert syn.LAB.followups(runs) == tuple(s.command for s in syn.SECTIONS[at + 1:]) + tuple(f"mmaptest {n}" for n in syn.ALONE)
    runs += [syn.section_run(command.split()[1], 8) for command in syn.LAB.followups(runs)]
    result = grade(8, runs=runs)
    assert result.score == 97.5
    assert [t.number for t in result.tasks if t.outcome != Outcome.PASSED] == [5]
    assert task(result, 5).line == "mmaptest failure: content (2), pid=3"
    assert task(result, 5).command == f'make run PROG="mmaptest {name}"'


def test_the_last_line_counts_for_task_7_if_nothing_stands_before_it():
    lines = syn.everything()[:-1]
    runs = with_run(syn.stage_runs(8), syn.run("mmaptest", lines, Ending.HUNG_IDLE, "no output for 3 s"))
    lost = task(grade(8, runs=runs), 7)
    assert lost.outcome == Outcome.FAILED and "hung idle" in lost.why


def test_a_section_by_itself_that_munmaps_untouched_memory_shows_no_page_faults():
    runs = [syn.run("mmaptest read-only", syn.failing(syn.named("read-only"), "munmap"), Ending.FAILED) if r.program == "mmaptest read-only" else r
            for r in syn.stage_runs(3)]
    assert task(grade(3, runs=runs), 4).outcome == Outcome.FAILED


def test_a_panic_inside_munmap_shows_that_page_faults_work():
    lines = ["test basic mmap", "panic: kfree: page 0x80001000 is free already", "backtrace:", "0x0000000080001002", "0x0000000080002004"]
    runs = [syn.run("mmaptest", lines, Ending.PANICKED), syn.shared_run(3)]
    runs += [syn.section_run(c.split()[1], 3) for c in syn.LAB.followups(runs)]
    places = {(KERNEL, 0x80001001): ("panic", "kernel/printf.c", 9), (KERNEL, 0x80002003): ("sys_munmap", "kernel/sysfile.c", 512)}
    result = grade(4, runs=runs, facts=Facts(table="t", places=places))
    assert task(result, 4).outcome == Outcome.PASSED
    lost = task(result, 5)
    assert lost.line == "panic: kfree: page 0x80001000 is free already" and "freed twice" in lost.hint
    assert [(p.function, p.file, p.line) for p in lost.where if p.what == "the panic"] == [("sys_munmap", "kernel/sysfile.c", 512)]
    assert task(grade(4, runs=runs), 4).outcome != Outcome.PASSED     # the same without a readable backtrace


def test_a_hang_at_the_first_touch_loses_task_4_alone_where_the_table_fills():
    def hung(command, titles):
        return syn.run(command, titles, Ending.HUNG_BUSY, "no end after 8 s")
    runs = [hung("mmaptest", ["test basic mmap"]), hung("mmapsharedtest", syn.shared_run(3).evidence[:5])]
    runs += [syn.section_run("table", 8)] + [hung(s.command, [s.title]) for s in syn.SECTIONS[1:]] + [hung("mmaptest exit", ["test exit"])]
    result = grade(4, runs=runs)
    assert [t.number for t in result.tasks if t.outcome == Outcome.PASSED] == [1, 2, 3]
    assert task(result, 4).outcome == Outcome.FAILED and "loops" in task(result, 4).hint
    assert {task(result, n).blocked_by for n in (5, 6, 7, 8)} == {4}


def test_a_fault_outside_the_range_of_mappings_is_no_mapping():
    away = ["usertrap(): unexpected scause 0xd pid=3", "            sepc=0x5c stval=0xffffffffffffffff"]
    runs = [syn.run("mmaptest", ["test basic mmap", *away], Ending.FAILED)]
    result = grade(3, runs=runs + [syn.shared_run(1)])
    assert (outcomes(result)[1], outcomes(result)[3]) == (Outcome.PASSED, Outcome.FAILED)
    assert "outside the range of mappings" in task(result, 3).where[0].what


def test_lines_before_the_program_was_typed_never_count():
    run = syn.run("mmaptest", syn.everything())
    early = replace(run, first=len(run.lines))
    assert grade(8, runs=[early, syn.shared_run(8)]).tasks[0].outcome == Outcome.FAILED


def test_freewalk_panic_loses_task_6():
    run = syn.run("mmaptest", syn.everything() + ["panic: freewalk: leaf"], Ending.PANICKED)
    lost = task(grade(8, runs=with_run(syn.stage_runs(8), run)), 6)
    assert lost.outcome == Outcome.FAILED and "left a mapping in place" in lost.hint


def test_debug_output_around_a_line_loses_no_points():
    lines = [f"found vma 40000000{line}" if line.startswith("test fork") else line for line in syn.everything()]
    lines = [noise for line in lines for noise in ("kalloc 1", line + " debug", "kalloc 2")]
    assert grade(8, runs=with_run(syn.stage_runs(8), syn.run("mmaptest", lines))).score == 100


def test_words_around_a_line_make_it_another():
    lines = [line + "AY" if line == "test fork: OK" else line for line in syn.everything()]
    assert outcomes(grade(8, runs=with_run(syn.stage_runs(8), syn.run("mmaptest", lines))))[7] == Outcome.FAILED


def test_shared_lines_count_each_for_task_8():
    for missing in syn.SHARED:
        lines = [line for line in syn.shared_run(8).evidence if line != missing]
        result = grade(8, runs=with_run(syn.stage_runs(8), syn.run("mmapsharedtest", lines)))
        assert outcomes(result)[8] == Outcome.FAILED and result.score == 90


def test_a_tree_that_does_not_build_is_not_graded():
    result = grade(0, runs=[], build=syn.build(ok=False, error="kernel/mmap.c:12: error: expected ';'"))
    assert (result.outcome, result.score, result.max_score, result.status) == ("not graded", 0, 100, 1)
    assert {t.outcome for t in result.tasks} == {Outcome.NOT_GRADED}
    assert "kernel/mmap.c:12" in result.why and result.why.startswith("does not build")


def test_a_kernel_that_does_not_boot_is_not_graded_though_it_has_a_table():
    runs = [syn.run(p, ["panic: kalloc"], Ending.PANICKED, "panic: kalloc", booted=False) for p in syn.LAB.programs]
    result = grade(2, runs=runs)
    assert result.score == 0 and result.why == "does not boot: panic: kalloc"
    assert {t.outcome for t in result.tasks} == {Outcome.NOT_GRADED}


def test_a_default_run_that_does_not_boot_shows_no_call_of_mmap():
    bad = syn.run("mmaptest", ["panic: x"], Ending.PANICKED, "panic: x", booted=False)
    lost = task(grade(1, runs=[bad, syn.shared_run(1)]), 1)
    assert not any(part.passed for part in lost.parts if "the call of mmap" in part.name)


def test_one_run_that_does_not_boot_loses_only_what_it_would_have_shown():
    bad = syn.run("mmapsharedtest", ["panic: x"], Ending.PANICKED, "panic: x", booted=False)
    result = grade(8, runs=with_run(syn.stage_runs(8), bad))
    assert [t.number for t in result.tasks if t.outcome != Outcome.PASSED] == [1, 8]
    assert "did not boot" in task(result, 8).why


@pytest.mark.parametrize("number", range(1, 9))
def test_one_task_can_be_graded_by_itself(number):
    part = syn.LAB.narrow(task=number)
    result = grade(8, lab=part)
    assert [t.number for t in result.tasks] == [number]
    assert result.score == result.max_score == syn.LAB.task_numbered(number).points and result.status == 0
    assert grade(number - 1 or 1, lab=part, facts=syn.NO_TABLE).status == (0 if number == 1 else 1)


def test_named_sections_run_alone_and_earn_only_points_of_their_own():
    part = syn.LAB.narrow(sections=("dirty", "fork"))
    runs = syn.stage_runs(8, part)
    assert [run.program for run in runs] == ["mmaptest dirty", "mmaptest fork"]
    result = grade(8, lab=part, runs=runs)
    assert [(t.number, t.score, t.max_score) for t in result.tasks] == [(5, 2.5, 2.5), (7, 0, 0)] and result.status == 0
    result = grade(5, lab=part, runs=syn.stage_runs(5, part))
    assert result.status == 1 and outcomes(result) == {5: Outcome.PASSED, 7: Outcome.FAILED}


def test_a_task_in_the_way_is_named_by_its_root():
    result = grade(1)
    assert {n: task(result, n).blocked_by for n in (4, 5, 6, 7, 8)} == {4: 3, 5: 3, 6: 3, 7: 3, 8: 3}
    assert task(result, 3).outcome == Outcome.FAILED


def test_a_task_that_works_in_part_blocks_nothing():
    lines = [*syn.passing(syn.named("basic")), *syn.failing(syn.named("private"))]
    runs = [syn.run("mmaptest", lines, Ending.FAILED), syn.shared_run(8)]
    runs += [syn.section_run(c.split()[1], 8) if c.split()[1] != "fork" else syn.run(c, syn.failing(syn.named("fork")), Ending.FAILED)
             for c in syn.LAB.followups(runs)]
    assert task(grade(8, runs=runs), 7).outcome == Outcome.FAILED


LINES = st.lists(st.one_of(st.sampled_from(syn.everything() + syn.SHARED + syn.FAULT + ["panic: x", "backtrace:", "0x80000000"]),
                           st.text(max_size=40)), max_size=30)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES, st.sampled_from(list(Ending)))
def test_any_output_is_graded_within_bounds(first, second, ending):
    runs = [syn.run("mmaptest", first, ending), syn.run("mmapsharedtest", second, ending)]
    result = grade(8, runs=runs)
    assert 0 <= result.score <= 100 and result.score == sum(t.score for t in result.tasks)
    for t in result.tasks:
        assert t.outcome == Outcome.PASSED or t.why
        assert t.outcome != Outcome.PASSED or t.score == t.max_score


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(syn.everything())))
def test_more_output_never_loses_points(length):
    def points(n):
        runs = [syn.run("mmaptest", syn.everything()[:n], Ending.HUNG_BUSY, "budget"), syn.shared_run(8)]
        return grade(8, runs=runs).score
    assert points(length) <= points(len(syn.everything()))
