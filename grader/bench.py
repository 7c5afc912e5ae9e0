"""make bench: how long the kernel and the grader take, and how many instructions the kernel needs."""

import os
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from . import CouldNotGrade, build, handout, machine, tracks, tree
from .grade import OFFICIAL
from .transcript import Ending

KIT = Path(__file__).resolve().parent.parent
RUNS = 5
LONG_RUNS = 3                   # of what takes many seconds
BUDGET = 600.0                  # seconds that a program may use

# With -icount shift=0 the machine's clock counts one nanosecond for an instruction; rdtime has ticks of 100 ns.
EXACT = {"harts": 1, "options": ("-icount", "shift=0")}
TICK = 100

# What is counted, the name that the program bench has for it, and the two numbers of rounds whose difference is taken.
COUNTED = (("null system call", "null", 1000, 3000), ("fork + exit + wait", "fork", 20, 60), ("exec", "exec", 20, 60),
           ("page fault: heap (sbrklazy)", "lazyfault", 256, 768), ("page fault: anonymous", "anonfault", 64, 192),
           ("page fault: anonymous, with 127 more VMAs", "crowdfault", 64, 192),
           ("page fault: private file", "privatefault", 64, 192), ("page fault: shared file", "sharedfault", 64, 192),
           ("page fault: shared file of 8 pages, near its end", "smallfault", 64, 192),
           ("page fault: shared file of 64 pages, near its end", "largefault", 64, 192),
           ("page fault: copy-on-write", "cowfault", 64, 192), ("fork + exit + wait, 1,000 pages", "forkmany", 5, 15),
           ("mmap + munmap", "mmap", 100, 300), ("munmap of 1,000 pages, clean", "unmapclean", 2, 6),
           ("munmap of 1,000 pages, dirty", "unmapdirty", 1, 2), ("mprotect of 1,000 pages", "protectmany", 20, 60),
           ("1 MB file write", "write1m", 1, 2), ("pipe round trip", "pipe", 100, 300))
CORE = handout.CORE             # the stage that is counted beside the whole tree, and what of it is
CORE_COUNTED = ("null", "fork", "exec", "lazyfault", "privatefault", "sharedfault", "smallfault", "largefault", "forkmany",
                "mmap", "unmapclean", "pipe")


def add_arguments(parser):
    """Tell an argparse parser the options of this command: there are none."""


def main(options):
    """Measure solution/ and print a table; return the exit status 0. Raises CouldNotGrade where something does not run."""
    table = Table(title="make bench: medians")
    for heading, side in (("what", "left"), ("measured", "right"), ("aim", "right"), ("runs", "right")):
        table.add_column(heading, justify=side)
    with tempfile.TemporaryDirectory(prefix="mmaplab-bench-") as place:
        for row in chain(times(Path(place)), counts(solution(Path(place), **EXACT)), core_counts(Path(place))):
            table.add_row(*row)
            print(f"   {row[0]}: {row[1]}", file=sys.stderr)
    Console(width=80).print(table)
    return 0


def times(place):
    """Rows of the table that are in seconds; the solution is left built in place/0."""
    builds = [built(place / str(number)).seconds for number in range(LONG_RUNS)]
    yield seconds("clean build", builds, "")
    guest = solution(place)
    short = [run(guest, "mmaptest") for _ in range(RUNS)]
    yield seconds("QEMU start to prompt", [seen.boot_seconds for seen in short], "0.15 s")
    yield seconds("mmaptest", [seen.seconds - seen.boot_seconds for seen in short], "0.3 s")
    shared = [run(guest, "mmapsharedtest") for _ in range(RUNS)]
    yield seconds("mmapsharedtest", [seen.seconds - seen.boot_seconds for seen in shared], "")
    long = [run(guest, "usertests -q") for _ in range(LONG_RUNS)]
    yield seconds("usertests -q", [seen.seconds - seen.boot_seconds for seen in long], "25 s")
    grades = [grade_once(place) for _ in range(1 + LONG_RUNS)]
    yield seconds("make grade of a built tree", grades[1:], "2 s")


def counts(guest, names=None, note=""):
    """Rows of the table that are in instructions: of all operations, or those that are named."""
    for what, name, few, many in COUNTED:
        if names is None or name in names:
            yield what + note, f"{instructions(guest, name, few, many):,.0f} instr.", "", str(2 * RUNS)


def core_counts(place):
    """The same of the stage after the core tasks, where fork copies and each private mapping reads."""
    handout.write_stage(CORE, tracks.CORE, place / "stage")
    made = built(place / "core", place / "stage")
    guest = machine.Machine(made.kernel, made.image, **EXACT)
    yield from counts(guest, CORE_COUNTED, f" (stage {CORE})")


def instructions(guest, name, few, many):
    """The instructions that one round of an operation takes on a Machine that counts them.

    The least of several runs: a wait for the host's disk lets the clock go on, and so can only add."""
    least = {rounds: min(ticks(guest, name, rounds) for _ in range(RUNS)) for rounds in (few, many)}
    return (least[many] - least[few]) * TICK / (many - few)


def ticks(guest, name, rounds):
    """The ticks that so many rounds of an operation take, as the program bench says: `bench NAME ROUNDS BEGIN END`."""
    seen = run(guest, f"bench {name} {rounds}")
    said = next(line.split() for line in seen.evidence if line.startswith("bench "))
    return int(said[4]) - int(said[3])


def seconds(what, measured, aim):
    """A row of the table: the median of some seconds."""
    return what, f"{median(measured):.2f} s", aim, str(len(measured))


def built(directory, source=KIT / "solution"):
    """A Build of a tree (a Path) from nothing."""
    made = build.make(tree.prepare(source, directory, (), OFFICIAL).path)
    if not made.ok:
        raise CouldNotGrade(f"{source} does not build: {made.error}")
    return made


def solution(place, **more):
    """The Machine of the built solution."""
    return machine.Machine(place / "0/kernel/kernel", place / "0/fs.img", **more)


def run(guest, program):
    """The Transcript of a program, that must end well. Raises CouldNotGrade if it doesn't: its time would mean nothing."""
    seen = machine.run(guest, program, BUDGET, idle=15.0)
    if seen.ending is not Ending.DONE:
        raise CouldNotGrade(f"{program}: {seen.ending.value}: {seen.why}")
    return seen


def grade_once(place):
    """The seconds that a whole `make grade` of solution/ takes, in a directory that keeps its scratch tree."""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "grader", "grade", "--submission", str(KIT / "solution")], cwd=place,
                          env={**os.environ, "PYTHONPATH": str(KIT)}, capture_output=True, text=True)
    if done.returncode:
        raise CouldNotGrade(f"make grade of solution/ failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - begin
