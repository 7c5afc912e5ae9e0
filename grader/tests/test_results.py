"""Tests of the results folder: what people and late days change, what is said of mistakes in it, and what a regrade shows."""

import json
from dataclasses import replace

import pytest

from grader import CouldNotGrade, lab, publish, regrade, results
from grader.progress import FAILED, GRADED, UNCHANGED, Tally
from grader.report import json as report_json
from grader.results import Record, Settings

from . import made_up
from .synthetic import LAB

DUE = "2026-11-20T23:59:00+01:00"
RULES = replace(LAB, late=lab.Late(free=1, per_day=0.1, cutoff=4))


@pytest.fixture
def folder(tmp_path):
    """folder(id=Grade or None, ..., overrides=text, deadline=): a results folder; its Path comes back."""
    def make(overrides="", deadline="", received="", **grades):
        results.write_settings(tmp_path, Settings("in", True, deadline))
        for id, grade in grades.items():
            outcome = grade.outcome if grade else results.FAILED
            record = Record(id, f"{id}.zip", outcome, "" if grade else "the disk is full", received=received)
            results.write(tmp_path, record, report_json.render(grade) if grade else "", {"build.log": "cc\n"})
        if overrides:
            (tmp_path / results.OVERRIDES).write_text(overrides)
        return tmp_path
    return make


def override(**values):
    """The text of an [[override]]."""
    values = {"who": "Ada", "why": "shown in office hours", **values}
    return "[[override]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def only(out, rules=LAB):
    """The one Result in a folder."""
    (result,) = results.read(out, rules)
    return result


# Read and written.

def test_what_is_written_is_read_back(folder):
    grade = made_up.grade(5)
    result = only(folder(ann=grade))
    assert (result.id, result.source, result.outcome, result.score, result.max_score) == ("ann", "ann.zip", "graded", grade.score, 100)
    assert result.grade == grade and result.folder.name == "ann" and result.adjustments == ()


def test_what_could_not_be_graded_has_no_score(folder):
    result = only(folder(ann=None))
    assert (result.outcome, result.score, result.why, result.grade) == ("could not grade", None, "the disk is full", None)
    assert "0 of" not in publish.report(result)


def test_an_older_result_is_replaced_as_a_whole(folder):
    out = folder(ann=made_up.grade(5))
    results.write(out, Record("ann", "ann.zip", "not graded", "refused: a bomb"), "", {})
    assert [path.name for path in (out / "ann").iterdir()] == [results.RECORD]
    assert only(out).score == 0


def test_a_text_that_can_not_be_encoded_is_written_all_the_same(folder):
    out = folder(ann=made_up.grade(5))
    results.write(out, Record("ann", "\udcff.zip", "not graded", "refused: \udcff"), "", {"build.log": "\ud800"})
    assert (out / "ann/build.log").read_text() == "\\ud800"
    assert only(out).source == "\udcff.zip"


def test_a_folder_without_results(tmp_path):
    with pytest.raises(CouldNotGrade, match="is no folder of results: it has no batch.json. make batch SUBMISSIONS=dir OUT="):
        results.read(tmp_path, LAB)
    (tmp_path / results.SETTINGS).write_text("[]")
    with pytest.raises(CouldNotGrade, match="batch.json is not what a batch writes: delete it"):
        results.read(tmp_path, LAB)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 1, "notes": 3}', "\x00"])
def test_a_broken_record(folder, text):
    out = folder(ann=made_up.grade(5))
    (out / "ann" / results.RECORD).write_text(text)
    with pytest.raises(CouldNotGrade, match="ann/input.json is not what a batch writes: delete .*ann, and run the batch again"):
        results.read(out, LAB)


# Overrides.

def test_an_override_of_a_task_wins_over_the_tests(folder):
    grade = made_up.grade(4)
    result = only(folder(override(id="ann", task=5, score=15), ann=grade))
    assert result.score == grade.score + 15 and result.grade == grade
    assert result.adjustments == (results.Adjustment("Task 5", "shown in office hours", 15.0, "Ada", 5),)
    assert [result.task_score(task) for task in grade.tasks] == [10, 10, 10, 15, 15, 0, 0, 0]
    assert "Task 5: +15 points: shown in office hours (Ada)\nCounts: 60 of 100 points" in publish.report(result)


def test_an_override_of_the_total_wins_over_all_else(folder):
    text = override(id="ann", task=5, score=15) + override(id="ann", score=33.5)
    result = only(folder(text, DUE, "2026-11-25T12:00:00+00:00", ann=made_up.grade(4)), RULES)
    assert result.score == 33.5
    assert [adjustment.what for adjustment in result.adjustments] == ["Task 5", "Late, 5 days", "Total"]
    assert sum(adjustment.points for adjustment in result.adjustments) == 33.5 - 45


def test_a_person_can_decide_what_could_not_be_graded(folder):
    result = only(folder(override(id="ann", score=70), ann=None))
    assert (result.outcome, result.score) == ("could not grade", 70)


@pytest.mark.parametrize("text, says", [
    (override(id="nobody", score=1), "override 1: there is no submission 'nobody'"),
    (override(id="ann", task=9, score=1), "override 1: there is no task 9: leave task out for the total"),
    (override(id="ann", task=0, score=1), "there is no task 0"),
    (override(id="ann", task=5, score=21), "score must be from 0 to 20, and is 21"),
    (override(id="ann", score=-1), "score must be from 0 to 100, and is -1"),
    (override(id="ann", score="1"), "score can't be '1': it must be a number, without quotes"),
    (override(id="ann", score=True), "score can't be True"), (override(id="ann", score=1, why=""), "why can't be ''"),
    (override(id="ann", score=1, who=" "), "who can't be ' '"),
    (override(id=3, score=1), "id can't be 3: it must be a text, in quotes"),
    (override(id="ann"), "override 1: score is missing"), ("[[override]]\n", "id is missing; score is missing; who"),
    (override(id="ann", points=3, score=1), "unknown key points"), ("overrides = 1\n", r"must have \[\[override\]\] tables"),
    ("override = 1\n", r"must have \[\[override\]\] tables"), ("[override]\n", r"must have \[\[override\]\] tables"),
    ("override = [1]\n", "override 1: is no table"),
    ("x", "overrides.toml: Expected"), (2 * override(id="ann", score=1), "ann, total: there are two overrides: delete one"),
    (override(id="ann", score=1) + override(id="x", score=1) + override(id="y", score=1), "(?s)override 2: .*'x'.*override 3: .*'y'")])
def test_a_mistake_in_the_overrides_is_told(folder, text, says):
    with pytest.raises(CouldNotGrade, match=says):
        results.read(folder(text, ann=made_up.grade(4)), LAB)


# Late days.

@pytest.mark.parametrize("received, lost", [
    ("2026-11-20T22:59:00+00:00", None),        # the same moment in another zone
    ("2026-11-20T22:59:01+00:00", 0), ("2026-11-21T22:59:00+00:00", 0),
    ("2026-11-21T22:59:01+00:00", 10), ("2026-11-24T22:59:00+00:00", 30), ("2026-11-24T22:59:01+00:00", 45), ("", None)])
def test_late_days(folder, received, lost):
    """One day is free, each other costs 10 of 100 points, none are left after 4."""
    result = only(folder("", DUE, received, ann=made_up.grade(4)), RULES)
    assert result.score == 45 - (lost or 0)
    assert [adjustment.points for adjustment in result.adjustments] == ([] if lost is None else [-lost])
    assert bool(received) != ("when it was handed in is not known: no late days are counted" in result.notes)


def test_late_days_are_told_in_the_deadlines_zone(folder):
    told = only(folder("", DUE, "2026-11-22T00:32:59.752523+00:00", ann=made_up.grade(4)), RULES).adjustments[0].why
    assert told == "received 2026-11-22 01:32:59+01:00, due 2026-11-20 23:59:00+01:00: 10% for each day, 1 free"


def test_a_note_is_told_once(folder):
    grade = replace(made_up.grade(4), notes=("of the grade",))
    result = replace(only(folder(ann=grade)), notes=("of the archive", "of the grade"))
    told = [line for line in publish.report(result).splitlines() if "Note" in line]
    assert told == ["Note: of the grade", "Note: of the archive"]


def test_late_days_cost_no_more_than_there_is(folder):
    assert only(folder("", DUE, "2026-11-24T22:00:00+00:00", ann=made_up.grade(1)), RULES).score == 0


def test_without_a_rule_or_a_deadline_nothing_is_late(folder):
    out = folder("", DUE, "2027-01-01T00:00:00+00:00", ann=made_up.grade(4))
    assert only(out, replace(LAB, late=None)).score == 45
    results.write_settings(out, Settings("in"))
    assert only(out, RULES).score == 45


@pytest.mark.parametrize("word", ["tomorrow", "2026-11-20", "2026-11-20T23:59", ""])
def test_a_deadline_needs_a_zone(word):
    with pytest.raises(CouldNotGrade, match="is no time with a zone: write it as 2026-11-21T23:59"):
        results.moment(word)


def test_a_deadline():
    assert results.moment("2026-11-20T23:59+01:00") == DUE and results.moment("2026-11-20T22:59Z") == "2026-11-20T22:59:00+00:00"


def test_the_lab_file_has_a_rule_that_holds_together():
    assert LAB.late.per_day > 0
    for late in (lab.Late(free=-1), lab.Late(per_day=2.0), lab.Late(cutoff=-1)):
        assert any("[late]" in fault for fault in lab.faults(replace(LAB, late=late)))


# A regrade.

def test_a_regrade_tells_whose_score_changes_and_why():
    full, half = made_up.grade(8), made_up.grade(4)
    lines = list(regrade.change(made_up.result("ann", full), made_up.result("ann", half)))
    assert lines[0] == "ann: 100 -> 45 (-55)"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["task 5, munmap", "task 6, Exit and exec", "task 7, fork", "task 8, Shared memory"]
    assert all(task.why in line for task, line in zip(half.tasks[4:], lines[1:]))
    lines = list(regrade.change(made_up.result("ann", half), made_up.result("ann", full)))
    assert lines[0] == "ann: 45 -> 100 (+55)" and "was: " in lines[1]
    assert list(regrade.change(made_up.result("ann", full), made_up.result("ann", full))) == []


def test_a_regrade_tells_of_hidden_tests_and_of_other_outcomes():
    states = made_up.states()
    lines = list(regrade.change(states["full"], states["capped"]))
    assert lines[0] == "full: 100 -> 90 (-10)".replace("full", "capped") and "hidden test split" in lines[1]
    assert list(regrade.change(states["failed"], states["refused"])) == [
        "refused: could not grade -> not graded", "    a/../../etc/passwd: a path out of the archive"]
    assert next(regrade.change(None, states["full"])) == "full: not there -> 100"


# How far it is.

def test_the_pace_counts_what_was_graded_alone():
    now = [0.0]
    tally = Tally(10, lambda: now[0])
    assert tally.pace() == ""
    for _ in range(4):
        tally.add(UNCHANGED)
    now[0] = 30.0
    assert tally.pace() == ""
    tally.add(GRADED)
    tally.add(FAILED)
    assert tally.pace() == "4 a minute, 60 s left"
    assert tally.totals() == "graded 1, could not grade 1, unchanged 4" and tally.done == 6
