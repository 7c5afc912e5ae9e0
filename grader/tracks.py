"""Tracks of a lab: the part of it that is one, what is wrong with one, and which one a tree is of."""

import fnmatch
import re
from dataclasses import dataclass, replace

from grader import CouldNotGrade

CORE = "core"           # the track that is meant where none is named
FILE = "TRACK"          # in a tree: the name of its track
NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Track:
    """A choice of tasks that is handed out, and graded, as one lab. Tasks that are neither in it nor given are left out."""

    name: str
    title: str
    points: float                       # what its tasks are worth
    tasks: tuple[int, ...]              # what students do, in this order
    given: tuple[int, ...] = ()         # what is done for them
    programs: tuple[str, ...] = ()      # only evidence of these programs counts; (): of all


def of_tree(path):
    """The name of the track that a tree (a Path) says it is of. Raises CouldNotGrade where it says nothing sensible."""
    try:
        name = (path / FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return CORE
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotGrade(f"{path / FILE} can't be read ({error}): it holds the name of a track") from None
    if not NAME.fullmatch(name):
        raise CouldNotGrade(f"{path / FILE} must hold the name of a track, such as {CORE}, and nothing else")
    return name


def lacks(lab, path, track):
    """Whether no tree of a Track has the file path of the solution: one of tasks that are left out, or withheld from all."""
    owners = {task.number for task in lab.tasks if fits(path, task.files)}
    return fits(path, lab.withheld) or bool(owners) and owners.isdisjoint(track.tasks + track.given)


def fits(path, patterns):
    """Whether a path is one of those that some glob patterns mean."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def narrow(lab, track):
    """The part of a Lab that a Track is: a lab of its own, which asks for nothing that is given."""
    tasks = tuple(asked(lab, lab.task_numbered(number), track) for number in track.tasks)
    evidence = [e for task in tasks for e in task.evidence]
    sections = {name for e in evidence for name in (e.section, e.instead)}
    kept = tuple(s for s in lab.sections if s.name in sections)
    programs = {lab.program_of(e) for e in evidence} | {s.program for s in kept}
    rungs = tuple(replace(rung, sections=tuple(name for name in rung.sections if name in sections))
                  for rung in lab.rungs if rung.program in programs)
    meanings = tuple(meaning for meaning in lab.meanings if not meaning.tasks or set(meaning.tasks) & set(track.tasks))
    return replace(lab, name=lab.name if track.name == CORE else f"{lab.name}-{track.name}", title=track.title,
                   points=sum(task.points for task in tasks), tasks=tasks, sections=kept, rungs=rungs, meanings=meanings,
                   tests=tuple(program for program in lab.tests if program.name in programs), track=track.name,
                   protected=tuple(path for path in lab.protected if not lacks(lab, path, track)))


def asked(lab, task, track):
    """A Task of a Lab as a Track asks for it."""
    def ask(evidence):
        return replace(evidence, once=evidence.once if evidence.once in track.tasks else 0,
                       spared=tuple(number for number in evidence.spared if number in track.tasks))

    kept = counted(lab, task, track)
    points = task.points if len(kept) == len(task.evidence) else sum(e.points for e in kept)
    return replace(task, points=points, evidence=tuple(map(ask, kept)),
                   needs=tuple(number for number in task.needs if number in track.tasks))


def counted(lab, task, track):
    """The evidence of a Task that counts in a Track."""
    return [e for e in task.evidence if not track.programs or (e.program or lab.program_of(e)) in track.programs]


def faults(lab):
    """What does not hold together in the tracks of a Lab: texts that name the key."""
    names = [track.name for track in lab.tracks]
    for track in lab.tracks:
        where = f"[[track]] {track.name}"
        if not NAME.fullmatch(track.name) or names.count(track.name) > 1:
            yield f"{where}: name must be lower-case letters, digits and -, and no other track's"
        named = track.tasks + track.given
        if not track.tasks or len(set(named)) < len(named) or not set(named) <= {task.number for task in lab.tasks}:
            yield f"{where}: tasks and given must be numbers of tasks, none of them twice, and tasks one at least"
        for program in track.programs:
            if program not in {test.name for test in lab.tests}:
                yield f"{where}: programs: no [[program]] is called {program!r}"
        tasks = [task for task in lab.tasks if task.number in track.tasks]
        yield from (f"{where}: {wrong}" for task in tasks for wrong in task_faults(lab, task, track))
        points = sum(asked(lab, task, track).points for task in tasks)
        if points != track.points:
            yield f"{where}: points is {track.points:g}, but its tasks' points make {points:g}"
    if names and CORE not in names:
        yield f"[[track]]: one must be called {CORE!r}, which is meant where none is named"


def task_faults(lab, task, track):
    """What is wrong with one task of a track."""
    kept = counted(lab, task, track)
    if not kept or len(kept) < len(task.evidence) and not all(e.points for e in kept):
        yield f"programs: of task {task.number} they must show a part that has points of its own"
    for need in task.needs:
        if need not in track.tasks + track.given:
            yield f"task {task.number} needs task {need}, which is neither in tasks nor given"
