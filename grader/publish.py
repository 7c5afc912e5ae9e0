"""Writes what people and other systems read of a results folder: reports for each result, tables and a page for all."""

import io

from . import results
from .report import autolab, csv, github, gradescope, html, junit, text

FILES = (results.SETTINGS, results.OVERRIDES, "grades.csv", "junit.xml", "index.html")       # of a results folder


def everything(out, lab):
    """Bring all that is written of the Results in a folder (a Path) up to date; return them. Raises CouldNotGrade, OSError."""
    found = results.read(out, lab)
    for result in found:
        for name, content in texts(result).items():
            results.replace_file(result.folder / name, content)
    results.replace_file(out / "grades.csv", csv.render(found))
    results.replace_file(out / "junit.xml", junit.render(found))
    html.write(found, out, lab.title)
    return found


def texts(result):
    """The reports on a Result, by the name of the file in its folder."""
    return {"report.txt": report(result), "junit.xml": junit.render((result,)), "gradescope.json": gradescope.render(result),
            "autolab.json": autolab.render(result) + "\n", "github.json": github.render(result)}


def report(result):
    """The report for a person: what the tests said, and what was changed after them."""
    page = io.StringIO()
    if result.grade:
        text.render(result.grade, page)
    else:
        print(f"{result.id}: {result.outcome}: {text.clean(result.why)}", file=page)
    for adjustment in result.adjustments:
        who = f" ({adjustment.who})" if adjustment.who else ""
        print(f"{adjustment.what}: {adjustment.points:+g} points: {adjustment.why}{who}", file=page)
    if result.adjustments:
        print(f"Counts: {result.score:g} of {result.max_score:g} points", file=page)
    for note in result.notes:
        if not result.grade or note not in result.grade.notes:      # those are told above
            print(f"Note: {text.clean(note)}", file=page)
    return page.getvalue()


def in_words(result):
    """A Result in a few words."""
    told = "no points and no zero" if result.score is None else f"{result.score:g} of {result.max_score:g}"
    return told if result.outcome == results.GRADED else f"{result.outcome}, {told}: {text.clean(result.why)}"
