"""Writes a gradebook that a course system exported, filled with the scores of a class, and says who did not match."""

import sys
from pathlib import Path

from . import CouldNotGrade
from .report import canvas, moodle

FILLED = "filled-"              # before the name of a copy


def add_arguments(parser):
    """Tell an argparse parser the options of a gradebook."""
    parser.add_argument("--gradebook", type=Path, metavar="FILE", help="also fill in this gradebook, a CSV that Canvas or Moodle "
                        "exported; the copy, filled-FILE, lies in the results folder")
    parser.add_argument("--column", metavar="NAME", help="it is Canvas's, and the scores go into this column: 'mmap lab (1234)'")


def check(gradebook, column):
    """Raise CouldNotGrade where a gradebook (a Path or None) can't be filled, before any work is done."""
    if column and not gradebook:
        raise CouldNotGrade("--column belongs to --gradebook: give the exported gradebook too")
    if gradebook:
        filled(gradebook, column, [])


def fill(gradebook, column, results, out):
    """Write a copy of a gradebook (a Path) with the scores of results into the folder out; say what needs a person.

    column is Canvas's; None: the gradebook is a grading worksheet of Moodle. Raises CouldNotGrade."""
    done = filled(gradebook, column, results)
    copy = out / f"{FILLED}{gradebook.name}"
    try:
        copy.write_bytes(done.content)
    except OSError as error:
        raise CouldNotGrade(f"can't write {copy}: {error.strerror}") from None
    for line in done.told:
        print(f"{gradebook.name}: {line}", file=sys.stderr)
    print(f"{done.filled} of {len(results)} scores stand in {copy}")


def filled(gradebook, column, results):
    """The Filled of a gradebook. Raises CouldNotGrade."""
    try:
        content = gradebook.read_bytes()
    except OSError as error:
        raise CouldNotGrade(f"can't read {gradebook}: {error.strerror}") from None
    try:
        return canvas.fill(content, column, results) if column else moodle.fill(content, results)
    except CouldNotGrade as error:
        hint = "" if column else ". Is it Canvas's? Then name the column: --column 'mmap lab (1234)'"
        raise CouldNotGrade(f"{gradebook}: {error}{hint}") from None
