"""Writes results as JUnit XML, which CI systems show: a suite for each submission, a case for each task."""

from datetime import datetime, timezone
from xml.etree import ElementTree as xml

from grader.report import naming
from grader.score import Outcome


def render(results):
    """The XML text of results (an iterable of Results; a tuple of one for one submission's own file)."""
    suites = [suite(result) for result in results]
    top = xml.Element("testsuites", {key: total(suites, key) for key in ("tests", "failures", "errors", "skipped", "time")})
    top.extend(suites)
    xml.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(top, encoding="unicode") + "\n"


def total(elements, key):
    """The sum of an attribute over elements, as its text."""
    values = [element.get(key) for element in elements]
    return f"{sum(map(float, values)):.3f}" if key == "time" else str(sum(map(int, values)))


def suite(result):
    """The testsuite of a Result."""
    grade = result.grade
    cases = [case(result, task) for task in grade.tasks] if grade else []
    cases = cases or [whole(result)]
    made = xml.Element("testsuite", {
        "name": naming.visible(result.id), "tests": str(len(cases)),
        **{kind: str(sum(case.find(tag) is not None for case in cases))
           for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))},
        "time": total(cases, "time"), "timestamp": timestamp(grade.started if grade else ""), "hostname": "localhost"})
    made.extend(cases)
    told = [naming.visible(f"{result.outcome}: {result.why}")] if result.why else []
    told += [f"score {naming.number(result.score)} of {naming.number(result.max_score)}"] if result.score is not None else []
    told += [naming.adjustment(change) for change in result.adjustments] + [naming.visible(note) for note in result.notes]
    xml.SubElement(made, "system-out").text = "\n".join(told)
    return made


def timestamp(started):
    """A time of ISO 8601 as JUnit wants it: in UTC, without a zone. The epoch, where there is none."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError:
        return "1970-01-01T00:00:00"
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def case(result, task):
    """The testcase of a task: passed, failure, error where nothing could be seen, or skipped where an earlier task blocks it."""
    grade = result.grade
    made = xml.Element("testcase", {"classname": f"{grade.lab}.{naming.visible(result.id)}", "name": naming.label(task),
                                    "time": f"{naming.seconds(grade)[task.number]:.3f}"})
    if task.blocked_by:
        xml.SubElement(made, "skipped", {"message": naming.result(task)})
    elif task.outcome != Outcome.PASSED or naming.missed_hidden(task):
        kind = "error" if task.outcome == Outcome.NOT_GRADED else "failure"
        told = xml.SubElement(made, kind, {"message": naming.visible(task.why) or naming.result(task), "type": task.outcome.value
                                           if task.outcome != Outcome.PASSED else "hidden tests"})
        told.text = "\n".join(naming.explanation(task) + [f"Hidden: {naming.visible(hidden)}" for hidden in lost_hidden(task)])
    xml.SubElement(made, "system-out").text = \
        f"{naming.points(result, task)} of {naming.number(task.max_score)} points; {naming.result(task)}"
    return made


def lost_hidden(task):
    """What the hidden tests of a task found that failed: texts."""
    return [f"{part.name}: {part.why} {part.line}".rstrip() for part in task.hidden if not part.passed]


def whole(result):
    """The testcase of a submission of which no task was seen."""
    made = xml.Element("testcase", {"classname": naming.visible(result.id), "name": "the submission", "time": "0.000"})
    xml.SubElement(made, "error", {"message": naming.visible(result.why), "type": result.outcome}).text = naming.visible(result.why)
    return made
