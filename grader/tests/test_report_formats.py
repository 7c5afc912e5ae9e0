"""Reports for other systems: numbers are numbers, names are the same, nothing is lost, and nothing of a submission does harm."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import explain, results, score
from grader.report import autolab, csv as grades, github, gradescope, junit, naming
from grader.report import json as report
from grader.tests import made_up
from grader.tests import synthetic as syn
from grader.tests.conftest import KIT

STATES = made_up.states()
LABELS = [f"Task {task.number} {task.name}" for task in syn.LAB.tasks]
every_state = pytest.mark.parametrize("result", STATES.values(), ids=list(STATES))


# JSON, there and back.

words = st.text(max_size=12)
scores = st.one_of(st.integers(-100, 100), st.floats(-100, 100))
times = st.floats(0, 1000).map(lambda value: round(value, 3))
places = st.builds(explain.Place, words, words, words, st.integers(0, 9999))
parts = st.builds(score.Part, words, st.booleans(), scores, scores, words, words, words, st.lists(places, max_size=2).map(tuple), words)
many_parts = st.lists(parts, max_size=2).map(tuple)
tasks = st.builds(score.TaskGrade, st.integers(1, 9), words, scores, scores, st.sampled_from(score.Outcome), words, words,
                  st.lists(places, max_size=2).map(tuple), words, words, words, many_parts, st.integers(0, 8), many_parts)
runs = st.builds(score.Run, words, words, words, times, times, words, times)
grades_of_all_kinds = st.builds(score.Grade, words, words, words, words, words, words, scores, scores, st.lists(tasks, max_size=3).map(tuple),
                                st.lists(runs, max_size=2).map(tuple), words, words, words, times,
                                st.lists(words, max_size=2).map(tuple))


@settings(max_examples=40, deadline=None)
@given(grades_of_all_kinds)
def test_a_grade_comes_back_from_json_as_it_was(grade):
    assert report.read(report.render(grade)) == grade


@settings(max_examples=40, deadline=None)
@given(grades_of_all_kinds, st.data())
def test_a_report_with_a_part_gone_or_changed_is_refused_with_a_sentence(grade, data):
    document = json.loads(report.render(grade))
    key = data.draw(st.sampled_from(sorted(set(document) - {"kit_version", "submission", "content_hash", "started", "seconds", "title", "notes"})))
    if data.draw(st.booleans()):
        del document[key]
    else:
        document[key] = {"no": "such type"}
    with pytest.raises(ValueError, match=rf"\b{key}\b"):
        report.read(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "nil", "[" * 100000, '{"schema_version": 2}', '{"schema_version": 1}', "1"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError):
        report.read(text)


# JUnit: the structure that formats.md lists.

ATTRIBUTES = {"testsuites": {"tests", "failures", "errors", "skipped", "time"},
              "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
              "testcase": {"classname", "name", "time"}, "failure": {"message", "type"}, "error": {"message", "type"},
              "skipped": {"message"}, "system-out": set()}
CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase", "system-out"},
            "testcase": {"failure", "error", "skipped", "system-out"}}


def checked(element):
    """The element, whose structure is as it must be, and whose counts are those of what is in it."""
    assert set(element.keys()) == ATTRIBUTES[element.tag]
    assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    if element.tag in ("testsuites", "testsuite"):
        for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(key)) == len(list(element.iter(tag)))
        cases = [float(case.get("time")) for case in element.iter("testcase")]
        assert float(element.get("time")) == pytest.approx(sum(cases), abs=0.001 * len(cases))
    for child in element:
        checked(child)
    return element


def test_junit_of_the_whole_batch_has_a_suite_for_each_submission_and_a_case_for_each_task():
    top = checked(ElementTree.fromstring(junit.render(STATES.values())))
    assert [suite.get("name") for suite in top] == list(STATES)
    for suite in top:
        names = [case.get("name") for case in suite.iter("testcase")]
        assert names == (LABELS if STATES[suite.get("name")].grade else ["the submission"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))


def test_junit_tells_failed_blocked_and_not_graded_apart():
    suite = ElementTree.fromstring(junit.render([STATES["handout"]]))[0]
    kinds = [next(child.tag for child in case) for case in suite.iter("testcase")]
    assert kinds == ["system-out", "failure", "failure"] + ["skipped"] * 5
    assert [e.get("type") for e in ElementTree.fromstring(junit.render([STATES["nobuild"]])).iter("error")] == ["not graded"] * 8
    assert [e.get("type") for e in ElementTree.fromstring(junit.render([STATES["failed"]])).iter("error")] == ["could not grade"]
    capped = ElementTree.fromstring(junit.render([STATES["capped"]]))
    assert [e.get("type") for e in capped.iter("failure")] == ["hidden tests"]
    assert "split" in next(capped.iter("failure")).text


def test_junit_times_are_those_of_the_runs_and_count_each_once():
    found = STATES["capped"].grade
    assert sum(naming.seconds(found).values()) == pytest.approx(sum(run.seconds for run in found.runs))


def test_junit_of_nobody_is_an_empty_list():
    assert list(checked(ElementTree.fromstring(junit.render([])))) == []


# Gradescope.

TEST = {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "visibility"}
TOP = {"score", "execution_time", "output", "output_format", "visibility", "stdout_visibility", "extra_data", "tests"}


@every_state
def test_gradescope_has_its_keys_and_scores_that_add_up(result):
    data = json.loads(gradescope.render(result))
    assert set(data) <= TOP
    assert type(data.get("score", 0)) in (int, float)
    for test in data.get("tests", []):
        assert set(test) == TEST and test["status"] in ("passed", "failed")
        assert type(test["score"]) in (int, float) and type(test["max_score"]) in (int, float)
        assert 0 <= test["score"] <= test["max_score"]
        assert re.fullmatch(r"\d+(\.\d+)?", test["number"])
    if result.grade:
        assert sum(test["score"] for test in data["tests"]) == pytest.approx(sum(map(result.task_score, result.grade.tasks)), abs=0.001)
        assert sum(test["max_score"] for test in data["tests"]) == 100
    assert data.get("score") == result.score


def test_gradescope_counts_task_5_by_parts():
    data = json.loads(gradescope.render(STATES["fraction"]))
    mine = {test["number"]: test["score"] for test in data["tests"] if test["number"][0] == "5"}
    assert list(mine) == [f"5.{n}" for n in range(1, 9)] and list(mine.values()) == [2.5, 2.5, 2.5, 2.5, 0, 2.5, 0, 0]
    raised = json.loads(gradescope.render(STATES["override"]))
    assert sum(test["score"] for test in raised["tests"] if test["number"][0] == "5") == 15
    assert "Task 5: +15 (the test was wrong)" in raised["output"]


def test_gradescope_says_of_each_part_what_stands_in_its_way():
    data = json.loads(gradescope.render(STATES["handout"]))
    assert [test["output"] for test in data["tests"] if test["number"].startswith("5.")] == ["blocked: task 3 first"] * 8


def test_gradescope_never_gives_a_zero_for_what_could_not_be_graded():
    data = json.loads(gradescope.render(STATES["failed"]))
    assert "score" not in data and "tests" not in data and "could not grade: QEMU is not installed" in data["output"]
    assert json.loads(gradescope.render(STATES["decided"]))["score"] == 70
    assert json.loads(gradescope.render(STATES["refused"]))["score"] == 0


def test_a_grade_that_is_not_finished_says_so_and_condemns_nothing_that_was_not_run():
    part = made_up.result("s", made_up.grade(8, [syn.shared_run(8)]))
    data = json.loads(gradescope.render(part, finished=False))
    assert "Not all tests have run" in data["output"] and "Total" not in data["output"]
    by_number = {test["number"]: test for test in data["tests"]}
    assert by_number["8"]["status"] == "passed" and by_number["8"]["score"] == 10
    assert "status" not in by_number["5.1"] and "status" not in by_number["6"]


STUDENTS_READ = {"gradescope": gradescope.render, "github": github.render, "autolab": autolab.render}


def test_a_note_about_a_hidden_test_is_not_for_students():
    noted = replace(STATES["capped"], notes=("hidden5munmap: a line is no evidence", "CRLF line ends were put right"))
    text = gradescope.render(noted)
    assert "hidden5munmap" not in text and "CRLF line ends" in text


@pytest.mark.parametrize("writer", STUDENTS_READ.values(), ids=list(STUDENTS_READ))
def test_what_students_read_counts_hidden_tests_and_tells_nothing_of_them(writer):
    text = writer(STATES["capped"])
    assert "secret" not in text and "split" not in text and "hidden5munmap" not in text
    assert "1 of 2 hidden tests failed" in text or writer is autolab.render
    assert '"hidden"' not in text.replace('"stdout_visibility": "hidden"', "")


# Autolab.

@every_state
def test_autolab_is_one_line_whose_scores_add_up(result):
    line = autolab.render(result)
    assert "\n" not in line
    data = json.loads(line)
    assert list(data) == ["scores", "scoreboard"] and list(data["scores"].values()) == data["scoreboard"]
    assert all(type(value) in (int, float) for value in data["scoreboard"])
    assert not any(re.search(r"\w+:", name) for name in data["scores"])
    assert sum(data["scoreboard"]) == pytest.approx(result.score or 0)
    assert [name for name in data["scores"] if name != "Adjustments"] == (LABELS if result.grade else [])


def test_autolab_shows_late_days_as_a_line_of_their_own_and_overrides_in_their_task():
    assert json.loads(autolab.render(STATES["late"]))["scores"]["Adjustments"] == -10
    override = json.loads(autolab.render(STATES["override"]))["scores"]
    assert override["Task 5 munmap"] == 15 and "Adjustments" not in override


# GitHub Classroom.

@every_state
def test_github_output_is_base64_of_what_the_action_reads(result):
    key, _, code = github.output(result).partition("=")
    data = json.loads(base64.b64decode(code, validate=True))
    assert key == "result" and data == json.loads(github.render(result))
    assert set(data) == {"version", "status", "max_score", "tests"} and data["version"] == 1 and data["max_score"] == 100
    for test in data["tests"]:
        assert set(test) == {"name", "status", "score", "message", "test_code", "filename", "line_no", "duration"}
        assert test["status"] in ("pass", "fail", "error") and type(test["score"]) in (int, float) and type(test["line_no"]) is int
    assert sum(test["score"] for test in data["tests"]) == pytest.approx(result.score or 0)


def test_github_status():
    states = {name: json.loads(github.render(result))["status"] for name, result in STATES.items()}
    assert states == {"full": "pass", "half": "fail", "handout": "fail", "fraction": "fail", "capped": "fail", "nobuild": "error",
                      "refused": "error", "failed": "error", "decided": "error", "late": "fail", "override": "fail", "evil": "fail"}
    failed = json.loads(github.render(STATES["fraction"]))["tests"][4]
    assert failed["score"] == 12.5 and failed["status"] == "fail" and "lazy access" in failed["message"]


# grades.csv.

def table(text):
    """The rows of a CSV text, as dicts."""
    return list(csv.DictReader(io.StringIO(text)))


def test_grades_csv_has_a_row_for_each_submission_and_no_zero_where_there_is_no_grade():
    rows = table(grades.render(STATES.values()))
    assert list(rows[0]) == ["submission", "score", "max_score", "outcome", *LABELS, "report"]
    assert [row["submission"] for row in rows] == list(STATES)
    by_id = {row["submission"]: row for row in rows}
    assert by_id["failed"]["score"] == "" and by_id["failed"]["Task 1 System call setup"] == ""
    assert (by_id["refused"]["score"], by_id["decided"]["score"]) == ("0", "70")
    assert by_id["fraction"]["Task 5 munmap"] == "12.5" and by_id["override"]["Task 5 munmap"] == "15"
    assert by_id["half"]["report"] == "half/index.html"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_grades_csv_gives_a_spreadsheet_no_formula(name):
    row = table(grades.render([replace(STATES["full"], id=name)]))[0]
    assert row["submission"].startswith("'") or row["submission"].startswith("[U+")


def test_grades_csv_of_nobody_is_a_header():
    assert grades.render([]) == "submission,score,max_score,outcome,report\n"


# All of them.

WRITERS = {"junit": lambda r: junit.render([r]), "gradescope": gradescope.render, "autolab": autolab.render,
           "github": github.render, "csv": lambda r: grades.render([r])}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=list(WRITERS))
def test_no_writer_hands_on_what_can_not_be_seen_or_encoded(writer):
    text = writer(replace(STATES["evil"], id="x\u202ey", notes=(made_up.EVIL,), why=made_up.EVIL))
    text.encode("utf-8")
    said = text if writer is not WRITERS["junit"] else "".join(ElementTree.fromstring(text).itertext())
    assert not re.search("[\u202e\u2066\x1b\ud800\ufffe]", said)
    assert not re.search(r"\\u(202e|2066|001b|d800|fffe)", said)


def test_a_task_has_the_same_name_everywhere_and_no_colon():
    task = replace(made_up.grade(8).tasks[4], name="munmap: the hard part")
    result = made_up.result("s", replace(made_up.grade(8), tasks=(task,), score=20, max_score=20))
    label = "Task 5 munmap the hard part"
    assert list(json.loads(autolab.render(result))["scores"]) == [label]
    assert json.loads(github.render(result))["tests"][0]["name"] == label
    assert label in table(grades.render([result]))[0]
    assert ElementTree.fromstring(junit.render([result]))[0][0].get("name") == label
    assert json.loads(gradescope.render(result))["tests"][0]["name"].startswith("munmap the hard part,")


def test_a_grade_without_a_batch_can_be_written():
    alone = results.of(made_up.grade(8, submission="tree"))
    assert json.loads(gradescope.render(alone))["score"] == 100 and "tree" in junit.render([alone])


@pytest.mark.parametrize("value, text", [(10, "10"), (10.0, "10"), (2.5, "2.5"), (100 / 3, "33.3333"), (-0.0, "0"), (0, "0")])
def test_numbers_are_short_and_exact(value, text):
    assert json.dumps(naming.number(value)) == text


def test_reports_need_nothing_of_the_grader_that_runs_a_process():
    code = ("import sys\nfrom grader.report import alike, autolab, canvas, csv, excerpt, github, gradebook, gradescope, html, json, junit, measures, "
            "moodle, naming, text\nprint(*sorted(name for name in sys.modules if name.startswith('grader')))")
    loaded = subprocess.run([sys.executable, "-c", code], cwd=KIT, capture_output=True, text=True, check=True).stdout.split()
    assert "grader.report.html" in loaded
    allowed = {"grader", "grader.report", "grader.score", "grader.explain", "grader.events", "grader.transcript"}
    assert {name for name in loaded if not name.startswith("grader.report.")} <= allowed
