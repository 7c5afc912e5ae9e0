"""Fills scores into a gradebook exported from Canvas."""

from dataclasses import replace

from grader import CouldNotGrade
from grader.report import gradebook

KEYS = ("ID", "SIS User ID", "SIS Login ID")
OTHERS = ("Student", "Section", *KEYS)


def fill(content, column, results):
    """The gradebook.Filled of an exported gradebook (bytes), with scores in a column, named as it is there.

    Students are known by ID, SIS User ID or SIS Login ID. Rows without an ID, such as Points Possible, are no students.
    Raises CouldNotGrade where a column is missing."""
    results = list(results)
    if column in OTHERS:
        raise CouldNotGrade(f"{column!r} is no assignment: give the column of the lab, as the gradebook names it")
    sheet = gradebook.read(content, ("Student", "ID", column))
    at = {name: sheet.header.index(name) for name in (column, *OTHERS) if name in sheet.header}
    rows = range(1, len(sheet.rows))
    keys = {row: {sheet.value(row, at[key]) for key in KEYS if key in at} for row in rows if sheet.value(row, at["ID"])}
    filled = gradebook.fill(sheet, keys, lambda row: sheet.value(row, at["Student"]), at[column], results)
    points = [line for row in rows if sheet.value(row, at["Student"]).strip() == "Points Possible"
              for line in gradebook.out_of(sheet, row, at[column], results)]
    return replace(filled, told=(*points, *filled.told))
