"""The strict part of a grade: what a submission showed must be seen again where nothing but its kernel's sources are its own."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from . import facts, hidden, machine, oracle, rebuild, sandbox, score, seal
from .seal import stripped

__all__ = ["confirm", "strict_disk", "stripped", "watched"]
PREFIX = "strict-"              # what the names of strict runs' transcripts begin with


def strict_disk(built, out, lab, jobs=2, box=sandbox.OPEN):
    """The Disk with the tests of a strict Lab, made in the directory out (a Path): nothing but the sources of a Build's kernel
    is the submission's."""
    return hidden.build(rebuild.kernel(built, jobs, box), out, lab, jobs, box)


def watched(built):
    """What runs a program as machine.run() does, and looks at what it did from outside; built is the Disk that it is on."""
    return partial(oracle.run, built)


def confirm(grade, lab, disk, box, run, partly):
    """A Grade with what of it is seen again on a strict_disk, and what the hidden tests of a Lab show.

    run(part, prefix, traps, read) runs a part of a lab on that disk, and gives what read() makes of each Transcript;
    partly(grade) is called with what is known before the hidden tests. Raises CouldNotGrade."""
    book = seal.book(disk)

    def strictly(rubric, scored):
        part = replace(rubric, hidden=None, asked=tuple(task.number for task in scored.tasks if task.score))
        transcripts = run(part, PREFIX, bool(part.rungs), lambda one: seal.read(one, part, book))
        for one in transcripts:
            machine.save(one, Path(one.path))
        return score.grade(part, disk, transcripts, facts.gather(disk, transcripts, box))

    grade = score.confirmed(grade, strictly(lab, grade))
    partly(score.provisional(grade, lab))
    return score.with_hidden(grade, lab, strictly(lab.hidden, grade)) if grade.score else grade
