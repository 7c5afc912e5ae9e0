"""Stages: each scores what it should, and a stage that does not is noticed."""

from argparse import Namespace
from dataclasses import replace

import pytest

from grader import CouldNotGrade, handout, lab, score, stages
from grader.tests import synthetic as syn


def grade(stage):
    """The grade of made-up runs of a stage from 1 to 8."""
    return score.grade(syn.LAB, syn.build(), syn.stage_runs(stage), syn.TABLE if stage >= 2 else syn.NO_TABLE)


def zero():
    """The grade of a stage of which nothing works."""
    return score.grade(syn.LAB, syn.build(programs=["sh"]), [], syn.NO_TABLE)


@pytest.mark.parametrize("stage", range(9))
def test_a_stage_as_it_should_be_has_no_mistakes(stage):
    assert stages.mistakes(stage, grade(stage) if stage else zero()) == []


@pytest.mark.parametrize("stage, runs_of, says", [
    (5, 4, "stage 5: task 5 failed, and should not have"),
    (4, 5, "stage 4: task 5 passed, and should not have"),
    (8, 7, "stage 8: scores 90, and should score 100"),
    (0, 1, "stage 0: scores 10, and should score 0"),
])
def test_a_stage_that_is_another_is_noticed(stage, runs_of, says):
    assert any(text.startswith(says) for text in stages.mistakes(stage, grade(runs_of)))


def test_points_without_a_passed_task_are_noticed_in_stage_0():
    tasks = tuple(replace(t, score=2.5) if t.number == 5 else t for t in zero().tasks)
    assert stages.mistakes(0, replace(zero(), tasks=tasks, score=2.5)) == ["stage 0: scores 2.5, and should score 0"]


def test_a_stage_that_does_not_build_is_noticed():
    broken = score.grade(syn.LAB, syn.build(ok=False, error="kernel/vm.c:1: error: x"), [], syn.NO_TABLE)
    assert stages.mistakes(3, broken) == ["stage 3: not graded: does not build: kernel/vm.c:1: error: x"]


def test_old_official_files_are_not_used(monkeypatch):
    monkeypatch.setattr(handout, "stale", lambda: ["grader/official/user/mmaptest.c"])
    with pytest.raises(CouldNotGrade, match="user/mmaptest.c is not what solution/ has: run make handout first"):
        stages.main(Namespace(jobs=2, track="core"))


def test_a_stage_is_the_place_in_its_track():
    lab_of = lab.load(track="cs330")
    failed = score.grade(lab_of, syn.build(programs=["sh"]), [], syn.NO_TABLE)
    assert stages.mistakes(0, failed) == []
    assert [text.split(" failed")[0] for text in stages.mistakes(2, failed)] == ["stage 2: task 10", "stage 2: task 11"]


@pytest.mark.parametrize("track", ["linux", "cs537", "cs330", "x86"])
def test_first_and_last_stage_of_every_other_track(tmp_path, track):
    rubric = lab.load(track=track)
    for stage in (0, len(rubric.tasks)):
        assert stages.mistakes(stage, stages.grade_stage(stage, rubric, tmp_path)) == []


def test_every_stage_of_the_core_lab_passes_just_its_own_tasks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status = stages.main(Namespace(jobs=2, track="core"))
    shown = capsys.readouterr().out
    assert status == 0, shown
    rows = [line.split() for line in shown.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows] == [str(stage) for stage in range(9)]
    for stage, row in enumerate(rows):
        assert [cell.endswith("+") for cell in row[1:-1]] == [task <= stage for task in range(1, 9)]
    assert rows[0][-1] == "0" and rows[8][-1] == "100"
