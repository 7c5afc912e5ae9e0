"""The strict part of a grade: what a submission showed must be seen again where nothing but its kernel's sources are its own."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from . import CouldNotGrade, facts, hidden, machine, oracle, owndisk, rebuild, sandbox, score, seal
from .explain import Facts
from .grade import everything
from .seal import stripped

__all__ = ["first", "grade", "strict_disk", "stripped", "watched"]
PREFIX = "strict-"              # what the names of strict runs' transcripts begin with


def first(tree, work, jobs, box):
    """Build the kernel of a tree (a Path) as a strict_disk has it, before the tree's own make can do anything.

    Returns a function that gives where it is, or raises CouldNotGrade, and a Box for the tree's own make, which finds in its
    cache what was compiled. What is made goes below work (a Path)."""
    filling = private(box, work / "cache") if box.cache else box
    try:
        kernel = rebuild.kernel(tree, work / "kernel", jobs, filling)
    except CouldNotGrade as error:
        return partial(fail, error), replace(filling, private=False)
    return lambda: kernel, replace(filling, private=False)


def private(box, place):
    """The Box with a cache besides, made at place (a Path), which what compiles one submission may write to."""
    place.mkdir()
    place.chmod(0o777)              # whoever that is
    return replace(box, own=str(place.resolve()), private=True)


def fail(error):
    """Raise an error: it is told only if what failed is needed."""
    raise error


def strict_disk(built, kernel, out, lab, jobs=2, box=sandbox.OPEN):
    """The Disk with the tests of a strict Lab, made in the directory out (a Path), for a kernel (a Path) that was made from
    the sources of a Build's tree: nothing else is the submission's."""
    return hidden.build(replace(built, kernel=kernel), out, lab, jobs, box)


def watched(built):
    """What runs a program as machine.run() does, and looks at what it did from outside; built is the Disk that it is on."""
    return partial(oracle.run, built)


def grade(lab, built, build_disk, box, run, seen, partly):
    """The Grade of a Build by a strict Lab: what its own disk shows, as far as the strict_disk shows it too, and the hidden tests.

    build_disk() gives the strict_disk; run(part, disk, programs, seen, prefix, traps) the Transcripts of programs by a part of
    a lab; seen(transcripts) is called with those of the own disk, partly(grade) with what is known before the hidden tests.
    Raises CouldNotGrade."""
    here = partial(run, lab, built)
    own = here([program.name for program in lab.tests if program.name in lab.programs], seen)
    if not score.grade(lab, built, own, Facts()).score:
        own = everything(lab, here, seen, lab.followups(own), own)
        if not (found := facts.grade(lab, built, own, box)).score:
            return found
    disk = build_disk()
    book = seal.book(disk)

    def strictly(part):
        runs = everything(part, lambda programs, seen: sealed(run(part, disk, programs, seen, PREFIX, bool(part.rungs)), part, book))
        return runs, facts.grade(part, disk, runs, box)

    again, found = strictly(replace(lab, hidden=None))
    found = score.confirmed(on_own_disk(lab, built, own, again, here, box), found)
    partly(score.provisional(found, lab))
    asked = tuple(task.number for task in found.tasks if task.score)
    return score.with_hidden(found, lab, strictly(replace(lab.hidden, asked=asked))[1]) if asked else found


def on_own_disk(lab, built, own, again, run, box):
    """The Grade that a Build's own disk shows: own are the Transcripts there, again those of the strict_disk.

    What a section does by itself need not be seen twice: the strict_disk has the same kernel's sources, and the same program.
    It is where the grader has a library of its own that the program is linked with."""
    wanted = [program for program in lab.followups(own) if program.split()[0] not in owndisk.REPLACED]
    shared = tuple(one for one in again if one.program in wanted)
    whole = everything(lab, run, wanted=lab.followups(own + shared), runs=own + shared)
    found = facts.grade(lab, built, whole, box, [one for one in whole if one not in shared])
    return replace(found, runs=tuple(run for run, one in zip(found.runs, whole) if one not in shared))


def sealed(transcripts, lab, book):
    """What a strict_disk's Transcripts hold for a Lab: their seals are read, and taken out of the files too."""
    transcripts = tuple(seal.read(one, lab, book) for one in transcripts)
    for one in transcripts:
        machine.save(one, Path(one.path))
    return transcripts
