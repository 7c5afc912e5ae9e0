"""Hidden tests: where they are, and the disk with them."""

from pathlib import Path

from . import owndisk, sandbox

HOME = Path(__file__).resolve().parent / "labs/hidden"


def build(built, out, jobs=2, box=sandbox.OPEN):
    """The Disk with the kernel of a Build, the open tests and the hidden ones, made in the directory out (a Path, emptied first).

    Raises CouldNotGrade where it can't be made: that is no student's fault."""
    return owndisk.build(built, out, jobs, HOME, box)
