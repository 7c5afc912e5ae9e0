"""Groups failures that are alike, so that a person reads one of each: same task, same ending, same faulting function."""

import re
from dataclasses import dataclass

from grader.report import naming
from grader.score import Outcome

VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")     # in lines that are otherwise the same: addresses, pids, line numbers
LONGEST = 160                                   # characters of a line that count


@dataclass(frozen=True)
class Signature:
    """What failures have in common."""

    task: int                   # 0: the whole submission
    test: str                   # the hidden test; "" for the task's own evidence
    ending: str                 # of the run that shows it; "not graded" for the whole submission
    function: str               # where it faulted or panicked; "" where nothing did
    words: str                  # where there is no function: the line that shows it, without what varies


@dataclass(frozen=True)
class Failure:
    """One failure of a submission: its Signature, and the line that shows it."""

    signature: Signature
    line: str


@dataclass(frozen=True)
class Group:
    """Failures that are alike."""

    number: int                 # 1 for the largest group
    signature: Signature
    line: str                   # of the one to read
    members: tuple              # Results, the one to read first: that with the highest score has the least else in the way


def failures(result):
    """The Failures of a Result: of each task that failed, of each hidden test, or of the whole."""
    if result.outcome == "not graded":
        return [Failure(Signature(0, "", result.outcome, "", steady(result.why)), result.why)]
    found = []
    for task in result.grade.tasks if result.grade else ():
        if task.outcome == Outcome.FAILED:
            found.append(failure(result.grade, task.number, "", task))
        found += [failure(result.grade, task.number, part.name, part) for part in task.hidden if not part.passed]
    return found


def failure(grade, number, test, told):
    """The Failure that a TaskGrade or Part tells."""
    run = naming.run_of(grade.runs, told)
    function = next((place.function for place in told.where if place.function), "")
    line = told.line or told.why
    return Failure(Signature(number, test, run.ending if run else "not run", function, "" if function else steady(line)), line)


def steady(line):
    """A line without what varies from one submission to the next."""
    return VARYING.sub("#", line[:LONGEST])


def groups(results):
    """All Groups of results, the largest first."""
    members, lines = {}, {}
    for result in sorted(results, key=lambda result: (-(result.score or 0), result.id)):
        for found in failures(result):
            mine = members.setdefault(found.signature, [])
            lines.setdefault(found.signature, found.line)
            if result not in mine[-1:]:
                mine.append(result)
    order = sorted(members, key=lambda one: (-len(members[one]), one.task, one.test, one.ending, one.function, one.words))
    return [Group(number, one, lines[one], tuple(members[one])) for number, one in enumerate(order, 1)]
