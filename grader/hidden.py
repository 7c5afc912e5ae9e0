"""Hidden tests: where they are, and the disk with them."""

from pathlib import Path

from . import owndisk, sandbox

HOME = Path(__file__).resolve().parent / "labs/hidden"


def build(built, out, rubric, jobs=2, box=sandbox.OPEN):
    """The Disk with the kernel of a Build, and the open and the hidden tests of a strict Lab, made in the directory out.

    out is a Path, and emptied first. Raises CouldNotGrade where it can't be made: that is no student's fault."""
    return owndisk.build(built, out, rubric, jobs, HOME, box)
