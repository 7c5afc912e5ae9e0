"""Fills scores and comments into a grading worksheet exported from Moodle."""

import html
import re
from dataclasses import replace

from grader import CouldNotGrade
from grader.report import gradebook, naming
from grader.score import Outcome

KEYS = ("Identifier", "ID number", "Email address")
GRADE, COMMENT, MOST, OPEN = "Grade", "Feedback comments", "Maximum grade", "Grade can be changed"


def fill(content, results):
    """The gradebook.Filled of an exported grading worksheet (bytes).

    Students are known by ID number, Email address, or the number of their Identifier, as it stands in the names of
    downloaded submissions. Raises CouldNotGrade where a column is missing."""
    results = list(results)
    sheet = gradebook.read(content, (GRADE, COMMENT))
    at = {name: place for place, name in enumerate(sheet.header)}
    if not set(KEYS) & set(at):
        raise CouldNotGrade(f"the worksheet has none of the columns {', '.join(KEYS)}: export it again with one of them")
    rows = range(1, len(sheet.rows))
    keys = {row: {key for name in KEYS for key in names(sheet.value(row, at.get(name)))} for row in rows}
    frozen = {row for row in rows if sheet.value(row, at.get(OPEN)).casefold() == "no"}

    filled = gradebook.fill(sheet, keys, lambda row: who(sheet, row, at), at[GRADE], results, frozen, at[COMMENT], comment)
    most = gradebook.out_of(sheet, 1, at.get(MOST), results) if len(sheet.rows) > 1 else []
    return replace(filled, told=(*most, *filled.told))


def names(value):
    """What a cell with an id may be called: itself, and the number of `Participant 123`."""
    number = re.fullmatch(r"\D*?(\d+)", value)
    return {value, number[1]} if number and " " in value else {value}


def who(sheet, row, at):
    """How a person calls a row."""
    return next(filter(None, (sheet.value(row, at.get(name)) for name in ("Full name", *reversed(KEYS)))), f"row {row + 1}")


def comment(result):
    """What a student is told, as HTML in one line, which Moodle takes comments for."""
    told = [f"{naming.number(result.score)} of {naming.number(result.max_score)} points."]
    if result.outcome != "graded":
        told.append(f"{result.outcome}: {result.why}")
    for task in result.grade.tasks if result.outcome == "graded" else ():
        if task.outcome != Outcome.PASSED or naming.missed_hidden(task):
            why = f" ({task.why})" if task.why and not task.blocked_by else ""
            score = f"{naming.points(result, task)} of {naming.number(task.max_score)}"
            told.append(f"{naming.label(task)}, {score}: {naming.result(task)}{why}.")
    told += [naming.adjustment(change) for change in result.adjustments]
    return "<br>".join(html.escape(naming.visible(" ".join(line.split()))) for line in told)
