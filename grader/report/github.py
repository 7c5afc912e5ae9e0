"""Writes a result as GitHub Classroom's autograding reads it."""

import base64
import json

from grader.report import naming
from grader.score import Outcome


def render(result):
    """The JSON text, for a file."""
    return json.dumps(report(result), indent=2) + "\n"


def output(result):
    """The same as a step's output: the line `result=BASE64` for the file $GITHUB_OUTPUT, without a newline."""
    return "result=" + base64.b64encode(json.dumps(report(result)).encode()).decode()


def report(result):
    """What Classroom is told. Late days and overrides stand as a test of their own, so that the scores add up."""
    tests = [test(result, task) for task in result.grade.tasks] if result.grade else []
    if not tests:
        tests = [entry("the submission", "error", 0, f"{result.outcome}: {result.why}")]
    if result.score is not None and (change := naming.beyond(result)):
        told = "\n".join(naming.adjustment(adjustment) for adjustment in result.adjustments)
        tests.append(entry("adjustments", "pass" if change > 0 else "fail", change, told))
    states = {each["status"] for each in tests}
    status = "error" if "error" in states else "pass" if states == {"pass"} else "fail"
    return {"version": 1, "status": status, "max_score": naming.number(result.max_score), "tests": tests}


def test(result, task):
    """The entry of a task: it passes with full points, whoever gave them."""
    score = naming.points(result, task)
    passed = score >= task.max_score and (task.outcome == Outcome.PASSED or score)
    status = "pass" if passed else "error" if task.outcome == Outcome.NOT_GRADED else "fail"
    place = next((place for place in task.where if place.file), None)
    told = "\n".join([naming.result(task), *naming.explanation(task)])
    command = task.command or next((part.command for part in task.parts if part.command), "")
    return entry(naming.label(task), status, score, told, command,
                 naming.visible(place.file) if place else "", place.line if place else 0,
                 round(naming.seconds(result.grade)[task.number] * 1000))


def entry(name, status, score, message, code="", filename="", line=0, milliseconds=0):
    """One test, with the keys that Classroom knows. code: what a student types to see it again."""
    return {"name": name, "status": status, "score": score, "message": naming.visible(message), "test_code": code,
            "filename": filename, "line_no": line, "duration": milliseconds}
