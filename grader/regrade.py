"""Grades a results folder again with the kit as it is now, and tells whose score changes, by how much and why."""

import shutil
from dataclasses import replace

from . import batch, publish, results, worker
from .report.text import clean

PLACE = ".regraded"             # in the results folder: what the kit says now, until it is taken over


def run(order, rubric, pool, keep, work=worker.grade):
    """Grade again what an Order's results folder holds, and print what changes; return the Results as they are after it.

    keep: have the new results take the place of the old; else these stay, and the new ones are kept aside, so that
    nothing is graded twice. work is as for a batch. Raises CouldNotGrade."""
    aside = order.out / PLACE
    old = {result.id: result for result in results.read(order.out, rubric)}
    batch.run(replace(order, out=aside, known=(order.out,)), rubric, pool, work)
    new = {result.id: result for result in results.read(aside, rubric) if by_this_kit(result, order.track)}
    lines = [line for id in sorted(new) for line in change(old.get(id), new[id])]
    print("\n".join(lines or ["No score changes."]))
    if not keep:
        return tuple(old.values())
    for id in new:
        results.swap(aside / id, order.out / id)
    shutil.rmtree(aside)
    return publish.everything(order.out, rubric)


def by_this_kit(result, track):
    """Whether a Result was made by the kit as it is now, for a track, and not by one that was tried before."""
    record = results.read_record(result.folder)
    return (record.kit, record.lab) == (worker.kit(track), worker.rules())


def change(old, new):
    """Lines that tell how a Result differs from what it was (None: it was not there); none if its score does not."""
    before, after = tested(old), tested(new)
    if before == after and old and old.outcome == new.outcome:
        return
    step = f" ({after - before:+g})" if None not in (before, after) else ""
    yield f"{new.id}: {in_words(old)} -> {in_words(new)}{step}"
    if new.grade is None:
        yield f"    {clean(new.why)}"
        return
    was = {task.number: task for task in old.grade.tasks} if old and old.grade else {}
    for task in new.grade.tasks:
        if task.number not in was or was[task.number].score != task.score:
            yield f"    task {task.number}, {task.name}: {task_change(was.get(task.number), task)}"


def tested(result):
    """The points that the tests gave, or None."""
    return result.grade.score if result and result.grade else None


def in_words(result):
    """What the tests said, shortly."""
    if result is None:
        return "not there"
    return f"{result.grade.score:g}" if result.grade else result.outcome


def task_change(was, now):
    """How a TaskGrade came to differ from what it was (None: nothing)."""
    return f"{was.score:g} -> {now.score:g}: {lost(now) or f'was: {lost(was)}'}" if was else f"{now.score:g}: {lost(now) or 'passed'}"


def lost(task):
    """Why a TaskGrade lost points, or ""."""
    if task.why:
        return clean(": ".join(filter(None, (task.why, task.line))))
    return "; ".join(f"hidden test {part.name}: {clean(part.why)}" for part in task.hidden if not part.passed)
