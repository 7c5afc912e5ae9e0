"""flake: what is run on what, what is kept of a failed run, how uses are counted, that noise ends; and two runs of the solution."""

import io
import json
import re
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from dataclasses import replace

import psutil
import pytest

from grader import CouldNotGrade, cli, flake, lab, score
from grader.flake import Result, Setting

from . import synthetic as syn
from .conftest import KIT, MAKEFILE
from .test_machine import IDLE

GRADE = score.grade(syn.LAB, syn.build(), syn.stage_runs(8), syn.TABLE)


def result(number, harts, loaded, why="", used=0.5):
    """A Result in which every program used so many seconds."""
    return Result(Setting(number, harts, loaded), replace(GRADE, runs=tuple(replace(r, used_seconds=used) for r in GRADE.runs)), why)


def shown(results, rubric=syn.LAB):
    """What is printed of some Results, with single blanks."""
    out = io.StringIO()
    flake.show(results, rubric, out)
    return [re.sub(r"[\s│┃]+", " ", line).strip() for line in out.getvalue().splitlines()]


def test_each_number_of_harts_is_run_idle_and_loaded():
    plan = flake.settings(20, range(1, 9))
    assert [setting.number for setting in plan] == list(range(1, 21))
    assert {(setting.harts, setting.loaded) for setting in plan[:16]} == {(n, load) for n in range(1, 9) for load in (False, True)}
    assert [(setting.harts, setting.loaded) for setting in plan[16:]] == [(1, False), (1, True), (2, False), (2, True)]


@pytest.mark.parametrize("word, numbers", [("1-8", range(1, 9)), ("3", range(3, 4)), ("2-2", range(2, 3))])
def test_ranges_of_harts(word, numbers):
    assert flake.harts(word) == numbers


@pytest.mark.parametrize("word", ["", "0", "9", "1-9", "5-2", "-1", "1-", "all", "1-2-3", "²"])
def test_what_is_no_range_of_harts(word):
    with pytest.raises(ArgumentTypeError, match="is not a range such as 1-8"):
        flake.harts(word)


@pytest.mark.parametrize("word", ["", "0", "-3", "x", "²", "1.5"])
def test_what_is_no_number_of_runs(word):
    with pytest.raises(ArgumentTypeError, match="is not a number from 1 up"):
        flake.positive(word)


# Statistics.

def test_the_summary_of_some_seconds():
    use = flake.summary([n / 100 for n in range(100, 0, -1)], "mmaptest", replace(syn.LAB, tests=(
        replace(syn.LAB.program_named("mmaptest"), budget=8.0), syn.LAB.program_named("mmapsharedtest"))))
    assert (use.least, use.median, use.high, use.most, use.budget) == (0.01, 0.505, 0.95, 1.0, 8.0)
    assert use.factor == 8.0


def test_one_run_is_its_own_distribution():
    use = flake.summary([0.25], "mmapsharedtest", syn.LAB)
    assert (use.least, use.median, use.high, use.most) == (0.25,) * 4


def test_the_budgets_of_sections_and_of_hidden_tests():
    strict = lab.load(strict=True)
    assert flake.budget(strict, "mmaptest exit") == strict.budget("mmaptest exit") > strict.budget("mmaptest")
    assert flake.budget(strict, "hidden5munmap") == strict.hidden.budget("hidden5munmap")


def test_a_budget_that_is_too_near_is_told_and_fails():
    rubric = replace(syn.LAB, factor=4.0, tests=tuple(replace(one, section_budget=0.0) for one in syn.LAB.tests))
    enough = rubric.budget("mmapsharedtest") / 4
    assert flake.tight(flake.summaries([result(1, 1, False, used=enough)], rubric), rubric) == []
    late = [result(1, 1, False), result(2, 1, True, used=enough * 1.25)]
    names = {use.program for use in flake.tight(flake.summaries(late, rubric), rubric)}
    assert {"mmaptest", "mmapsharedtest"} <= names and "mmaptest exit" not in names
    assert "mmapsharedtest: its budget is 3.2 times the largest use, and should be 4: give it 10 s" in shown(late, rubric)


def test_a_factor_below_one_is_no_factor():
    assert any("factor must be 1 or more, and is 0.5" in wrong for wrong in lab.faults(replace(syn.LAB, factor=0.5)))


def test_passes_are_counted_by_harts_and_load():
    lines = shown([result(1, 1, False), result(2, 1, True, "task 5: failed: [basic] differs"), result(3, 2, False),
                   result(4, 2, True), result(5, 1, False), result(6, 1, True)])
    assert "1 2 / 2 1 / 2" in lines and "2 1 / 1 1 / 1" in lines and "Passed: 5 of 6" in lines
    assert any(line.startswith("Run 2 (1 harts, host loaded) failed: task 5: failed: [basic] differs. See") for line in lines)
    budget = syn.LAB.budget("mmaptest exit")
    assert any(line.startswith(f"mmaptest exit 0.50 0.50 0.50 0.50 {budget:g} {budget / 0.5:.1f}") for line in lines)


def test_nothing_that_was_run_can_be_shown():
    assert shown([])[-1] == "Passed: 0 of 0"
    assert shown([Result(Setting(1, 1, False), None, "could not grade: no room")])[-1] == "Passed: 0 of 1"


# What counts as a pass.

def test_full_marks_with_all_programs_ended_pass():
    assert flake.failure(GRADE) == ""


def test_full_marks_are_not_enough_if_a_program_did_not_end():
    hung = replace(GRADE, runs=(replace(GRADE.runs[0], ending="hung idle", why="no output"), *GRADE.runs[1:]))
    assert hung.status == 0 and flake.failure(hung) == f"{GRADE.runs[0].program}: hung idle: no output"


def test_full_marks_are_not_enough_if_a_hidden_test_failed():
    part = score.Part("split", False, 0, 0, "munmap of the middle", "hidden failure: x", "")
    tasks = tuple(replace(task, hidden=(part,)) if task.number == 5 else task for task in GRADE.tasks)
    assert replace(GRADE, tasks=tasks).status == 0
    assert flake.failure(replace(GRADE, tasks=tasks)) == "task 5: hidden test split: munmap of the middle hidden failure: x"


def test_a_lost_task_is_named():
    runs = [replace(run, ending=syn.Ending.DONE) for run in syn.stage_runs(7)]
    assert flake.failure(score.grade(syn.LAB, syn.build(), runs, syn.TABLE)).startswith("task 8: failed: ")


def test_no_grade_is_a_failure():
    assert flake.failure(score.grade(syn.LAB, syn.build(ok=False, error="x.c:1: error"), [], syn.NO_TABLE))


def test_full_marks_are_not_enough_if_a_section_by_itself_failed():
    alone = tuple(replace(run, program="mmaptest fork", ending=syn.Ending.FAILED, why="it ended with status 1") for run in syn.stage_runs(8)[:1])
    assert flake.failure(GRADE, alone) == "mmaptest fork: failed: it ended with status 1"


def test_what_a_section_by_itself_used_counts():
    alone = tuple(replace(run, program="mmaptest fork", used_seconds=1.5) for run in syn.stage_runs(8)[:1])
    assert flake.uses([replace(result(1, 1, False), alone=alone)])["mmaptest fork"] == [1.5]


# Runs.

def measured(source, work, runs, harts="2-3"):
    """The Results of grading a tree, open tests only."""
    return list(flake.measure(source, flake.settings(runs, flake.harts(harts)), lab.load(), work, 2))


def test_a_failed_run_is_kept_whole_and_not_tried_again(fake_tree, tmp_path):
    source = fake_tree({"mmaptest": "test basic mmap\n", "mmapsharedtest": "mmap syscall: ok\n" + IDLE})
    results = measured(source, tmp_path / "flake", 2)
    assert [r.setting.loaded for r in results] == [False, True]
    assert all("hung idle" in r.why and "mmapsharedtest" in r.why for r in results)
    home = tmp_path / "flake/2"
    assert "mmap syscall: ok" in (home / "mmapsharedtest.txt").read_text()
    assert (home / "mmapsharedtest.img").read_bytes() == (tmp_path / "flake/tree/fs.img").read_bytes()   # it writes nothing
    assert (home / "kernel").read_bytes() == (tmp_path / "flake/tree/kernel/kernel").read_bytes()
    known = json.loads((home / "run.json").read_text())
    assert (known["number"], known["harts"], known["loaded"], known["why"]) == (2, 2, True, results[1].why)
    assert results[1].why in (home / "report.txt").read_text()
    assert json.loads((home / "report.json").read_text())["score"] < 100


def test_a_grader_that_could_not_do_its_work_is_a_failure_that_is_kept(fake_tree, tmp_path, monkeypatch):
    def busy(*given, **guest):
        raise CouldNotGrade("this machine is too busy")
    monkeypatch.setattr(flake, "grade_build", busy)
    (one,) = measured(fake_tree(), tmp_path / "flake", 1)
    assert (one.grade, one.why) == (None, "could not grade: this machine is too busy")
    assert one.why in (tmp_path / "flake/1/report.txt").read_text()


def test_a_run_that_passed_leaves_nothing(fake_tree, tmp_path, monkeypatch):
    monkeypatch.setattr(flake, "failure", lambda grade, alone: "")
    measured(fake_tree(), tmp_path / "flake", 1)
    assert sorted(path.name for path in (tmp_path / "flake").iterdir()) == ["build.log", "tree"]


def test_a_tree_that_does_not_build_is_no_run(fake_tree, tmp_path):
    source = fake_tree(makefile=MAKEFILE.replace("kernel.c\n", "nosuch.c\n"))
    with pytest.raises(CouldNotGrade, match="does not build"):
        measured(source, tmp_path / "flake", 1)


def test_noise_keeps_the_host_busy_and_ends_with_the_block():
    with flake.noise(7) as workers:
        seen = [psutil.Process(worker.pid) for worker in workers]
        end = time.monotonic() + 60
        while any(sum(one.cpu_times()[:2]) < 0.05 for one in seen) and time.monotonic() < end:
            time.sleep(0.05)
        assert all(sum(one.cpu_times()[:2]) >= 0.05 for one in seen)
    assert not any(one.is_running() for one in seen)


def test_noise_ends_with_its_parent():
    program = ("import time\nfrom grader import flake\n"
               "with flake.noise(1) as workers:\n  print(*[one.pid for one in workers], flush=True)\n  time.sleep(600)\n")
    with subprocess.Popen([sys.executable, "-c", program], cwd=KIT, stdout=subprocess.PIPE, text=True) as parent:
        workers = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) > 1
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_the_same_seed_makes_the_same_noise(monkeypatch):
    def order(seed):
        done = []
        monkeypatch.setattr(flake.os, "getppid", lambda: 5 if len(done) < 30 else 6)
        monkeypatch.setattr(flake.signal, "signal", lambda *what: None)
        flake.disturb(5, seed, (lambda dice, file: done.append(dice.random()), lambda dice, file: done.append(1)))
        return done

    assert order(3) == order(3) != order(4)


def test_the_solution_passes_on_an_idle_and_on_a_loaded_host(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status = cli.main(["flake", "--runs", "2", "--harts", "4"])
    out = capsys.readouterr().out
    assert "Passed: 2 of 2" in out, out
    assert all(section.command in out for section in lab.load().sections if section.program == "mmaptest")
    assert (status == 0) == ("its budget is" not in out)        # a host can be so busy that a budget looks too small
