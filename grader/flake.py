"""make flake: grades the solution over and over, on an idle and on a busy host; a right solution must never fail."""

import argparse
import functools
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import CouldNotGrade, lab, machine, rebuild, sandbox, tracks, tree
from .grade import OFFICIAL, compile_tree, grade_build, ignore, run_all
from .report import json as report_json, text
from .strict import strict_disk
from .transcript import Ending

SOLUTION = Path(__file__).resolve().parent.parent / "solution"
WORK = Path("build/flake")      # below the current directory: tree/, hidden/, and N/ for each run that failed
MOST_HARTS = 8                  # that the kernel has room for
MEMORY = 32 << 20               # bytes that noise touches at a time
FILE = 4 << 20                  # bytes that it writes at a time
SPIN = 0.2                      # seconds that it computes at most without looking whether it is still wanted


@dataclass(frozen=True)
class Setting:
    """What one run is made on."""

    number: int                 # of the run, from 1; also the seed of the noise
    harts: int
    loaded: bool                # noise keeps every core of the host busy


@dataclass(frozen=True)
class Result:
    """What became of one run: a Grade (None: there is none), and why it failed ("": it passed)."""

    setting: Setting
    grade: object
    why: str
    alone: tuple = ()           # the Transcripts of sections by themselves, as a submission that fails early has them run


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--runs", type=positive, default=200, metavar="N", help="how many grades (default: 200)")
    parser.add_argument("--harts", type=harts, default=harts(f"1-{MOST_HARTS}"), metavar="A-B",
                        help=f"the numbers of harts, in turn (default: 1-{MOST_HARTS})")
    parser.add_argument("--jobs", type=positive, default=2, metavar="N", help="machines at one time (default: 2)")
    parser.add_argument("--track", default=tracks.CORE, metavar="NAME", help=f"grade it as this track (default: {tracks.CORE})")
    parser.add_argument("--strict", action="store_true", help="run the hidden tests too")


def positive(word):
    """The number that a word says. Raises argparse.ArgumentTypeError where it is none from 1 up."""
    if not (word.isascii() and word.isdigit() and int(word)):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 up")
    return int(word)


def harts(word):
    """The range that a word such as 1-8 or 3 says. Raises argparse.ArgumentTypeError where the kernel has no such harts."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", word, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= MOST_HARTS:
        raise argparse.ArgumentTypeError(f"{word!r} is not a range such as 1-{MOST_HARTS}, within that")
    return range(first, last + 1)


def main(options):
    """Grade the solution options.runs times and print what came of it; returns 0 if all passed within what the budgets leave.

    What failed is kept below WORK until the next call. Raises CouldNotGrade where nothing can be run at all."""
    rubric = lab.load(strict=options.strict, track=options.track)
    results = []
    try:
        for result in measure(SOLUTION, settings(options.runs, options.harts), rubric, WORK, options.jobs):
            results.append(result)
            progress(result, options.runs)
    finally:
        show(results, rubric, sys.stdout)
    return 1 if any(result.why for result in results) or tight(summaries(results, rubric), rubric) else 0


def progress(result, runs):
    """Say what became of a run: of a failed one always, of others where somebody looks on."""
    if result.why or sys.stderr.isatty():
        print(f"   {result.setting.number} of {runs}, {condition(result.setting)}: {result.why or 'passed'}",
              file=sys.stderr, flush=True)


def condition(setting):
    """The setting in words."""
    return f"{setting.harts} harts, host {'loaded' if setting.loaded else 'idle'}"


# Running.

def settings(runs, numbers):
    """The Settings of so many runs: first idle, then loaded, with each of some numbers of harts in turn."""
    return [Setting(run + 1, numbers[run // 2 % len(numbers)], run % 2 == 1) for run in range(runs)]


def measure(source, plan, rubric, work, jobs):
    """Build a tree (a Path) once, and yield the Result of its grade in each Setting of a plan.

    Each run has a directory work/N, which stays if it failed. Raises CouldNotGrade where the tree can't be built or run."""
    sandbox.need(machine.QEMU, "qemu-system-misc")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    built = compile_tree(tree.prepare(source, work / "tree", rubric.protected, OFFICIAL).path, work)
    if not built.ok:
        raise CouldNotGrade(f"{source} does not build: {built.error} (all of it: {work}/build.log)")

    @functools.cache
    def build_hidden():
        return strict_disk(built, rebuild.kernel(built.tree, work / "kernel"), work / "hidden", rubric)

    for setting in plan:
        home = work / str(setting.number)
        with noise(setting.number) if setting.loaded else quiet():
            result = grade_once(built, build_hidden, rubric, home, jobs, setting)
        if result.why:
            keep(result, built.kernel, home)
        else:
            shutil.rmtree(home)
        yield result


def grade_once(built, build_hidden, rubric, home, jobs, setting):
    """The Result of one grade of a Build. A grader that could not do its work is a failure like any other."""
    home.mkdir()
    try:
        grade = grade_build(built, build_hidden, rubric, home, jobs, ignore, harts=setting.harts, keep=True)
        alone = by_themselves(rubric, built, home, jobs, setting)
        if rubric.hidden:
            alone += by_themselves(rubric.hidden, build_hidden(), home, jobs, setting)
    except CouldNotGrade as error:
        return Result(setting, None, f"could not grade: {error}")
    return Result(setting, grade, failure(grade, alone), alone)


def by_themselves(part, disk, home, jobs, setting):
    """The Transcripts of the sections of a Lab, each run by itself on a Build. Raises CouldNotGrade."""
    guest = machine.Machine(disk.kernel, disk.image, setting.harts, user=disk.tree / "user", keep=True)
    wanted = {evidence.section for evidence in part.asked_evidence()}
    commands = [section.command for section in part.sections if section.name in wanted and section.command not in part.programs]
    return run_all(guest, disk, commands, part, home, jobs, ignore)


def failure(grade, alone=()):
    """Why a grade, and the runs of sections by themselves, are not what a right solution must get, in a line; "" if they are."""
    for run in (*grade.runs, *alone):
        if run.ending != Ending.DONE:
            return f"{run.program}: {Ending(run.ending).value}: {run.why}"
    for task in grade.tasks:
        for part in task.hidden:
            if not part.passed:
                return f"task {task.number}: hidden test {part.name}: {part.why} {part.line}".strip()
        if task.why or task.score < task.max_score:
            return f"task {task.number}: {task.outcome.value}: {task.why} {task.line}".strip()
    return "" if grade.status == 0 else f"{grade.outcome}: {grade.why}"


def keep(result, kernel, home):
    """Put into the directory of a failed run, beside transcripts and disks, its kernel and all that is known of it."""
    shutil.copy(kernel, home / "kernel")
    (home / "run.json").write_text(json.dumps({**asdict(result.setting), "why": result.why}, indent=2) + "\n")
    with open(home / "report.txt", "w") as out:
        print(f"{condition(result.setting)}: {result.why}\n", file=out)
        if result.grade:
            text.render(result.grade, out)
    if result.grade:
        (home / "report.json").write_text(report_json.render(result.grade))


# Other work for the host.

@contextmanager
def quiet():
    """No noise."""
    yield


@contextmanager
def noise(seed):
    """Keep the host busy: a process for each core that computes, and one that takes memory and writes to the disk.

    They end with the block, or with this process, however it ends."""
    cores = len(os.sched_getaffinity(0))
    workers = [multiprocessing.get_context("fork").Process(target=disturb, args=(os.getpid(), seed, kinds), daemon=True)
               for kinds in [(spin,)] * cores + [(touch, write)]]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            if worker.pid:
                worker.kill()
                worker.join()


def disturb(parent, seed, kinds):
    """Do work of some kinds, in an order that the seed fixes, as long as the parent (a process id) lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # the parent ends this
    dice = random.Random(seed)
    with tempfile.TemporaryFile() as file:
        while os.getppid() == parent:
            dice.choice(kinds)(dice, file)


def spin(dice, file):
    """Compute for a moment."""
    end = time.monotonic() + SPIN * dice.random()
    while time.monotonic() < end:
        pass


def touch(dice, file):
    """Take memory, and store into each page of it."""
    memory = bytearray(int(MEMORY * dice.random()))
    memory[::4096] = bytes(len(memory[::4096]))


def write(dice, file):
    """Write to the disk, and wait until it is there."""
    file.seek(0)
    file.write(bytes(int(FILE * dice.random())))
    file.flush()
    os.fsync(file.fileno())


# What came of it.

@dataclass(frozen=True)
class Use:
    """What the runs of one program used of its budget, in seconds of CPU time and rest."""

    program: str
    budget: float
    least: float
    median: float
    high: float                 # 95 of 100 used no more
    most: float

    @property
    def factor(self):
        """How many times the largest use the budget is."""
        return self.budget / self.most if self.most else math.inf


def uses(results):
    """The seconds of its budget that each run of each program used, by program, over some Results."""
    found = defaultdict(list)
    for result in results:
        for run in (*result.grade.runs, *result.alone) if result.grade else ():
            found[run.program].append(run.used_seconds)
    return found


def summaries(results, rubric):
    """The Use of each program in some Results."""
    return [summary(seconds, program, rubric) for program, seconds in uses(results).items()]


def summary(seconds, program, rubric):
    """The Use of a program, of which some runs used these seconds."""
    ordered = sorted(seconds)
    return Use(program, budget(rubric, program), ordered[0], statistics.median(ordered),
               ordered[math.ceil(0.95 * len(ordered)) - 1], ordered[-1])


def budget(rubric, program):
    """The budget of a program of a Lab, or of its hidden tests."""
    own = {known.name for known in rubric.tests}
    return (rubric if program.split()[0] in own else rubric.hidden).budget(program)


def tight(found, rubric):
    """The Uses that leave less of their budget than the lab file's factor asks for."""
    return [use for use in found if use.factor < rubric.factor]


def show(results, rubric, out):
    """Print passes and runs by harts and load, what was used of the budgets, and what is wrong."""
    console = Console(file=out, width=100, highlight=False)
    used = summaries(results, rubric)
    console.print(passes(results), times(used), sep="\n")
    for result in results:
        if result.why:
            number = result.setting.number
            console.print(f"Run {number} ({condition(result.setting)}) failed: {result.why}. See {WORK}/{number}/report.txt",
                          markup=False)
    for use in tight(used, rubric):
        console.print(f"{use.program}: its budget is {use.factor:.1f} times the largest use, and should be {rubric.factor:g}: "
                      f"give it {use.most * rubric.factor:.0f} s", markup=False)
    console.print(f"Passed: {sum(not result.why for result in results)} of {len(results)}")


def passes(results):
    """The table of passes / runs by harts, on an idle and on a loaded host."""
    table = Table(title="passes / runs")
    for heading in ("harts", "host idle", "host loaded"):
        table.add_column(heading, justify="right")
    for number in sorted({result.setting.harts for result in results}):
        cells = [[not result.why for result in results if result.setting.harts == number and result.setting.loaded == loaded]
                 for loaded in (False, True)]
        table.add_row(str(number), *(f"{sum(cell)} / {len(cell)}" for cell in cells))
    return table


def times(used):
    """The table of some Uses."""
    table = Table(title="seconds of CPU time and rest, from typed to end")
    for heading in ("program", "min", "median", "95 %", "max", "budget", "factor"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for use in used:
        table.add_row(use.program, *(f"{seconds:.2f}" for seconds in (use.least, use.median, use.high, use.most)),
                      f"{use.budget:g}", f"{use.factor:.1f}")
    return table
