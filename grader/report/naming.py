"""What tasks, scores and losses are called: the same words in every format."""

import re

from grader.score import STRICTLY, Outcome

TOGETHER = "handed in together"     # so begins the note of several students, of whom the first has the id
PROGRAM = re.compile(r'PROG=(?:"([^"]*)"|(\S+))')


def name(task):
    """A task's name, for formats that have its number beside it. It has no colon: some systems cut there."""
    return " ".join(task.name.replace(":", " ").split())


def label(task):
    """A task's name, for formats that have one field for name and number."""
    return f"Task {task.number} {name(task)}"


def number(value):
    """A score as an int where it is whole, else as a float of at most 4 decimals: a number in every format."""
    value = round(float(value), 4)
    return int(value) if value == int(value) else value


def signed(value):
    """A change of a score in words."""
    return f"{number(value):+}"


def visible(text):
    """Text of a submission in which what can't be seen, or turns its order around, stands as [U+202E]."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else f"[U+{ord(c):04X}]" for c in text)


def result(task):
    """What became of a task, in words that a student may read: hidden tests are counted, and not named."""
    if task.blocked_by:
        return f"blocked: task {task.blocked_by} first"
    missed = missed_hidden(task)
    return task.outcome.value + (f"; {missed}" if missed else "")


def missed_hidden(task):
    """How many hidden tests of a task failed, in words; "" if none did."""
    failed = sum(not part.passed for part in task.hidden)
    return f"{failed} of {len(task.hidden)} hidden tests failed" if failed else ""


def explanation(task):
    """What a student needs to mend a task, as lines: what was seen, where, what it means."""
    if task.outcome == Outcome.PASSED and not missed_hidden(task):
        return []
    lines = [task.why and f"Seen: {task.why}", task.line and f"  {task.line}"]
    lines += [f"Where: {at(place)}" for place in task.where]
    lines += [task.hint and f"Means: {task.hint}"]
    lines += [f"Lost: {part.name}" for part in task.parts if not part.passed]
    lines += [missed_hidden(task) and f"{missed_hidden(task)}: they check what the lab's text says in other ways."]
    lines += [f"Read: {task.doc}", task.command and f"Try: {task.command}"]
    return [visible(line) for line in lines if line]


def at(place):
    """A place in the source, in words."""
    spot = f"{place.file}:{place.line}" if place.file else ""
    inside = f"in {place.function}" if place.function else ""
    return f"{place.what}: {' '.join(filter(None, (spot, inside))) or 'could not be resolved'}"


def adjustment(change):
    """An Adjustment, in words."""
    return visible(f"{change.what}: {signed(change.points)}" + (f" ({change.why})" if change.why else ""))


def points(result, task):
    """What counts for a task of a Result, with what was decided by hand, as a number."""
    return number(result.task_score(task))


def beyond(result):
    """What late days and an override of the total add to what the tasks count for, as a number. There must be a score."""
    tasks = result.grade.tasks if result.grade else ()
    return number(result.score - sum(result.task_score(task) for task in tasks))


def program(command):
    """The program that a command such as `make run PROG="mmaptest fork"` runs, as it is typed; "" for none."""
    found = PROGRAM.search(command)
    return (found[1] or found[2]) if found else ""


def run_of(runs, told):
    """The Run that a TaskGrade or Part tells of, or None: its program's, else the default run of that program, else any of it.

    Where a program was run again for strict grading, that run comes later, and what is told says so."""
    asked = program(told.command)
    mine = [run for run in runs if asked and run.program.split()[:1] == asked.split()[:1]]
    if told.why.startswith(STRICTLY):
        mine.reverse()
    return min(mine, key=lambda run: (run.program != asked, " " in run.program), default=None)


def seconds(grade):
    """Seconds of the runs that show each task, a dict by task number; each run counts for the first that needs it."""
    spent = {task.number: 0.0 for task in grade.tasks}
    asked = [(task.number, program(part.command)) for task in grade.tasks for part in task.parts + task.hidden]
    for run in grade.runs:
        exact = [number for number, wanted in asked if wanted == run.program]
        near = [number for number, wanted in asked if wanted.split()[:1] == run.program.split()[:1]]
        for number in (exact or near)[:1]:
            spent[number] += run.seconds
    return spent
