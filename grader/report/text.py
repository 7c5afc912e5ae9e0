"""Writes a Grade for a person at a terminal: a table of the tasks, then a paragraph for each that lost points."""

import io
import os
import shutil
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.explain import CALLER, NOWHERE
from grader.score import Outcome

WIDTH = 80              # columns, where the output is no terminal; a terminal's lines are never longer than WIDEST
WIDEST = 110
LONGEST = 300           # characters of a console line that are shown
STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.BLOCKED: "yellow", Outcome.NOT_GRADED: "yellow"}


def render(grade, out=sys.stdout):
    """Print a grade to the file out: in colour if it is a terminal, else plain and 80 columns wide."""
    terminal = out.isatty()
    page = io.StringIO()
    console = Console(file=page, highlight=False, markup=False, emoji=False, force_terminal=terminal,
                      color_system="auto" if terminal else None)
    console.width = min(shutil.get_terminal_size().columns, WIDEST) if terminal else WIDTH
    heading = grade.title + (f": {grade.part} only" if grade.part else "")
    console.print(Text(heading + (f"   ({clean(grade.submission)})" if grade.submission else ""), style="bold"))
    console.print()
    if grade.outcome == "graded":
        console.print(task_table(grade))
        console.print()
        for task in grade.tasks:
            if task.outcome in (Outcome.FAILED, Outcome.NOT_GRADED):
                console.print(paragraph(task))
            if any(not part.passed for part in task.hidden):
                console.print(hidden_paragraph(task))
    else:
        console.print(Text("Not graded: " + clean(grade.why), style="bold red"))
        console.print()
        if grade.tasks:
            console.print(stop_paragraph(grade.tasks[0]))
    for note in grade.notes:
        console.print(Text(f"Note: {clean(note)}"))
    kept = os.path.dirname(next((run.transcript for run in grade.runs if run.transcript), ""))
    if kept and grade.status:
        console.print(Text(f"What the machine printed is in {clean(kept)}/"))
    console.print(total(grade))
    shown = "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())
    encoding = out.encoding or "utf-8"
    out.write(shown.encode(encoding, "replace").decode(encoding))


def clean(text):
    """Text of a submission, fit for a terminal: no control characters, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def points(score, most):
    """A score as people write it, right-aligned in a column; "" where nothing is at stake."""
    return f"{score:>4g} / {most:<3g}" if most else ""


def task_table(grade):
    """The table of all tasks."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("Task", justify="right")
    table.add_column("")
    table.add_column("Points")
    table.add_column("Result")
    for task in grade.tasks:
        result = f"blocked: task {task.blocked_by} first" if task.blocked_by else task.outcome.value
        missed = sum(not part.passed for part in task.hidden)
        result += f"; {missed} of {len(task.hidden)} hidden tests failed" if missed else ""
        table.add_row(str(task.number), task.name, points(task.score, task.max_score),
                      Text(result, style=STYLES[task.outcome]))
    return table


def titled_grid(title):
    """An empty grid of labels and texts, with a heading."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.title = Text(title, style="bold")
    grid.title_justify = "left"
    grid.add_column(style="dim", min_width=8)
    grid.add_column(overflow="fold")
    return grid


def hidden_paragraph(task):
    """What the hidden tests of a task found."""
    grid = titled_grid(f"Task {task.number}, {task.name}: hidden tests")
    for part in task.hidden:
        if not part.passed:
            add_finding(grid, part.name, part)
            add_advice(grid, task.doc, part)
    return grid


def add_finding(grid, tested, found):
    """Add the rows of what was tested, and what was found: a TaskGrade or a Part."""
    grid.add_row("Tested", Text(tested))
    grid.add_row("Seen", Text(clean(found.why)))
    add_places(grid, found)


def add_places(grid, found):
    """Add the rows of the line that shows it, where it happened, and what it means."""
    if found.line:
        grid.add_row("", Text(clean(found.line), style="red"))
    for place in found.where:
        grid.add_row("" if place.what == CALLER else "Where", Text(in_source(place)))
    if found.hint:
        grid.add_row("Means", Text(found.hint))


def paragraph(task):
    """What a person needs to mend a task: a heading, and a grid of labels and texts."""
    grid = titled_grid(f"Task {task.number}, {task.name}")
    lost = [part for part in task.parts if not part.passed]
    first = next(part for part in lost if part.why == task.why)
    add_finding(grid, first.name, task)
    for other in others(lost, first):
        grid.add_row("Also", Text(other))
    add_advice(grid, task.doc, task)
    return grid


def add_advice(grid, page, found):
    """Add the rows of what to read, and what to type: in gdb too, where the machine got stuck or killed a process."""
    grid.add_row("Read", Text(page))
    if found.command:
        grid.add_row("Try", Text(found.command, style="cyan"))
    if found.command.startswith("make run") and any(place.function for place in found.where):
        grid.add_row("", Text(found.command.replace("make run", "make gdb"), style="cyan"))
    grid.add_row("", "")


def stop_paragraph(task):
    """Where a tree stopped that does not build or boot: what each of its tasks says."""
    grid = titled_grid("")
    grid.title = None
    add_places(grid, task)
    add_advice(grid, "docs/lab.md", task)
    return grid


def in_source(place):
    """A place in the source, as a person reads it."""
    at = clean(place.file) + (f":{place.line}" if place.line else "") if place.file else ""
    spot = f"{at} in {clean(place.function)}" if at and place.function else at or clean(place.function)
    if not spot and place.what.endswith(NOWHERE):
        return clean(place.what)
    return f"{clean(place.what)}{' ' if place.what == CALLER else ': '}{spot or 'could not be resolved'}"


def others(lost, first):
    """The parts that were lost beside the first and what was seen there: a text for all that saw the same."""
    names = {}
    for part in lost:
        if part is not first:
            names.setdefault(part.line or part.why, []).append(part.name)
    same = names.pop(first.line or first.why, [])
    return [f"{'; '.join(parts)}: {clean(told)}" for told, parts in names.items()] + (["the same: " + "; ".join(same)] if same else [])


def total(grade):
    """The last line."""
    passed = sum(task.outcome == Outcome.PASSED for task in grade.tasks)
    score = f"{grade.score:g} of {grade.max_score:g} points, " if grade.max_score else ""
    return Text(f"Total: {score}{passed} of {len(grade.tasks)} tasks passed", style="bold")
