"""make fuzz: the same random things done on Linux and on the solution; they must see the same."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from . import CouldNotGrade, machine, sandbox, tree
from .grade import OFFICIAL, compile_tree
from .lock import sole_user
from .transcript import Ending

SOLUTION = Path(__file__).resolve().parent.parent / "solution"
WORK = Path("build/fuzz")       # below the current directory: tree/, build.log, and seed-N.txt for each boot
PAGE = 4096                     # bytes of a page, here and there
LINE = 60                       # bytes that an operation prints, at most on average
MOST_OPS = machine.FLOOD // 2 // LINE
SECONDS = 0.01                  # that an operation may take, and some more for each boot
CONTEXT = 5                     # lines shown before a difference
KILLED = re.compile(r"usertrap\(\): |\s+sepc=")          # what the kernel says of a process that it kills
SEED = re.compile(r"seed (\d+)$")


@dataclass(frozen=True)
class Difference:
    """The first line in which Linux and the kernel differ; None for a side that has ended."""

    seed: int
    operation: int              # about how many operations of that seed it takes to get there
    before: tuple[str, ...]     # what both printed before
    linux: str | None
    kernel: str | None


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--seed", type=positive, default=1, metavar="N", help="which sequence of operations (default: 1)")
    parser.add_argument("--ops", type=positive, default=500, metavar="N",
                        help=f"how many operations (default: 500; at most {MOST_OPS})")
    parser.add_argument("--runs", type=positive, default=1, metavar="N", help="this seed and the next ones, N in all (default: 1)")


def positive(word):
    """The number that a word says. Raises argparse.ArgumentTypeError where it is none from 1 up."""
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 1 << 31):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 up")
    return int(word)


def main(options):
    """Compare options.runs seeds and say what differs; returns 0 if nothing does. Raises CouldNotGrade."""
    if options.ops > MOST_OPS:
        raise CouldNotGrade(f"{options.ops} operations print too much for one boot: at most {MOST_OPS}")
    with sole_user(WORK):
        linux = linux_program(SOLUTION, WORK)
        guest = kernel_machine(SOLUTION, WORK)
        bad = 0
        for seed, count in boots(options.seed, options.ops, options.runs):
            found = compare(linux, guest, seed, options.ops, count, WORK)
            bad += bool(found)
            show(found, options.ops)
            print(f"   seeds {seed} to {seed + count - 1}: {'they differ' if found else 'the same'}", file=sys.stderr, flush=True)
    if not bad:
        print(f"{options.runs} seeds of {options.ops} operations: Linux and the kernel see the same.")
    return 1 if bad else 0


def boots(seed, ops, runs):
    """Pairs of a first seed and a number of seeds: as many in a boot as may print so much."""
    most = max(1, MOST_OPS // ops)
    for first in range(seed, seed + runs, most):
        yield first, min(most, seed + runs - first)


def linux_program(source, work):
    """The Path of mmapfuzz of a tree (a Path), compiled below work for this host. Raises CouldNotGrade where that can't be."""
    if sys.platform != "linux" or os.sysconf("SC_PAGE_SIZE") != PAGE:
        raise CouldNotGrade(f"the kernel is compared with Linux here, and it must have pages of {PAGE} bytes")
    sandbox.need("cc", "gcc")
    program = (work / "mmapfuzz").resolve()
    words = ["cc", "-O1", "-Wall", "-Werror", "-I", source, "-o", program, source / "user/mmapfuzz.c"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CouldNotGrade(f"mmapfuzz can't be compiled for this host:\n{done.stderr}")
    return program


def kernel_machine(source, work):
    """The Machine of a tree (a Path), built below work. Raises CouldNotGrade where it can't be built."""
    built = compile_tree(tree.prepare(source, work / "tree", (), OFFICIAL).path, work)
    if not built.ok:
        raise CouldNotGrade(f"{source} does not build: {built.error} (all of it: {work}/build.log)")
    return machine.Machine(built.kernel, built.image)


def compare(linux, guest, seed, ops, runs, work):
    """Run some seeds on both sides, a program (a Path) and a Machine, with the transcript below work.

    Returns the Difference, and None if there is none. Raises CouldNotGrade if the program fails on Linux."""
    expected = on_linux(linux, seed, ops, runs)
    program = f"mmapfuzz {seed} {ops} {runs}"
    seen = machine.run(guest, program, 30.0 + SECONDS * ops * runs, out=work / f"seed-{seed}.txt")
    got = [line for line in seen.evidence if not KILLED.match(line)]
    if seen.ending is not Ending.DONE:
        got.append(f"({seen.ending.value}: {seen.why})")
    return difference(expected, got)


def on_linux(program, seed, ops, runs):
    """The lines that the program (a Path) prints here. Raises CouldNotGrade if it fails."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-fuzz-") as place:
        done = subprocess.run([program, str(seed), str(ops), str(runs)], cwd=place, capture_output=True, text=True)
    if done.returncode:
        raise CouldNotGrade(f"mmapfuzz {seed} {ops} {runs} failed on Linux: {done.stdout[-200:]}{done.stderr}")
    return done.stdout.splitlines()


def difference(linux, kernel):
    """The Difference of two lists of lines; None if they are alike."""
    seed = start = 0
    for number, (here, there) in enumerate(zip_longest(linux, kernel)):
        if here != there:
            return Difference(seed, number - start, tuple(linux[max(start, number - CONTEXT):number]), here, there)
        if begun := SEED.match(here):
            seed, start = int(begun[1]), number
    return None


def show(found, ops):
    """Print a Difference, if there is one."""
    if found is None:
        return
    print(f"Seed {found.seed}: Linux and the kernel differ in line {found.operation + 1}.")
    for line in found.before:
        print(f"  both    {line}")
    print(f"  Linux   {ended(found.linux)}\n  kernel  {ended(found.kernel)}")
    print(f"Again: make fuzz SEED={found.seed} OPS={ops}")


def ended(line):
    """A line as it is shown; None: the output has ended."""
    return "(nothing more)" if line is None else line
