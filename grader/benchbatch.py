"""make bench-batch: how fast a class is graded, where the time goes, and how fast the loop is that a TA would write instead."""

import itertools
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import CouldNotGrade, batch, build, flake, grade, handout, lab, machine, mutants, pool, strict, tracks, tree, worker
from .report import json as report_json

KIT = Path(__file__).resolve().parent.parent
CLASS = 100                     # submissions
STAGES = range(9)
NOTES = "BENCH_BATCH_NOTES"     # the variable that tells workers where to note what each step took
MAIN = "BENCH_BATCH_MAIN"       # and which process is the batch's own
PARTS = 4                       # of a batch, which are compared
STEPS = {"unpack": "unpack: take it in, copy the tree", "build": "build", "boot": "QEMU: boots", "tests": "QEMU: tests",
         "watching": "watch and confine QEMU, read ELF files", "report": "report", "batch": "pack, render and write results"}
BARE = ("build", "boot", "tests")       # what no grader can do without
NOTED = ("unpack", "build", "QEMU", "watching", "report")       # what a worker notes of these
BUDGET = 60.0                   # seconds that the loop's boot may take


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--submissions", type=flake.positive, default=CLASS, metavar="N", help=f"how many (default: {CLASS})")
    parser.add_argument("--loop", type=flake.positive, default=10, metavar="N", help="how many the plain loop does (default: 10)")
    parser.add_argument("--jobs", type=flake.positive, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="submissions at one time (default: the cores of this machine)")
    parser.add_argument("--strict", action="store_true", help="run the hidden tests too")


def main(options):
    """Grade a made-up class and print what it took; return 0. Raises CouldNotGrade."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-bench-") as place:
        place = Path(place)
        made = make_class(options.submissions, place / "in")
        rubric = lab.load(strict=options.strict)
        print(f"   {made} submissions; first the loop", file=sys.stderr, flush=True)
        loop = plain_loop(sorted((place / "in").iterdir())[::max(1, made // options.loop)][:options.loop], place / "loop")
        os.environ[NOTES], os.environ[MAIN] = str(place / "notes"), str(os.getpid())
        with pool.chosen("", options.jobs, True) as workers:
            wall, own = measure(batch.Order(place / "in", place / "out", options.strict), rubric, workers)
        notes = [json.loads(line) for line in (place / "notes").read_text().splitlines()]
        taken = mean({**{key: note[key] for key in (*NOTED, "runs")}, "batch": own / made} for note in notes)
        taken = with_boots(taken, boot_seconds(place / "boot"))
    show(made, options.jobs, wall, taken, loop)
    show_growth(parts(notes))
    return 0


def measure(order, rubric, workers):
    """Run a batch; return the seconds of wall time, and of CPU time of this process alone."""
    wall, own = time.monotonic(), time.process_time()
    found = batch.run(order, rubric, workers, timed)
    for result in found:
        if result.score is None:
            raise CouldNotGrade(f"{result.id}: {result.why}: the time would mean nothing")
    return time.monotonic() - wall, time.process_time() - own


# A class.

def make_class(number, place):
    """Make so many different submissions of the core lab below place (a Path): stages, known bugs, other right solutions; return how
    many. Raises CouldNotGrade for a patch that does not apply."""
    stages = [handout.contents(stage) for stage in STAGES]
    patches = [patch for patch in mutants.read_all() if patch.track == tracks.CORE]
    kinds = stages + patches
    random.Random(1).shuffle(kinds)
    for made, kind in zip(range(number), itertools.cycle(kinds)):
        target = place / f"s{made:04}"
        if isinstance(kind, dict):
            write(kind, target)
        elif why := mutants.lay(kind, stages[-1], target):
            raise CouldNotGrade(f"{kind.name}: {why}")
        mark(target / "kernel/proc.c", made)
        mark(target / "kernel/sysfile.c", made)
    return number


def write(files, target):
    """Make target (a Path) the tree of files (contents by path)."""
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def mark(path, number):
    """Give a source a line that no other submission has, so that it has to be compiled."""
    path.write_text(path.read_text() + f"int submission_{path.stem}_{number};\n")


# What each step takes.

def timed(job):
    """The Answer to a Job, as JSON; the CPU seconds of each step are noted in a file."""
    marks = [("begin", spent())]

    def mark(line):
        marks.append((line, spent()))

    with marked(grade, "compile_tree", mark), marked(strict, "strict_disk", mark):
        answer = worker.grade(job, mark)
    mark("reported")
    with open(os.environ[NOTES], "a") as notes:
        sizes = {"main": size(os.environ[MAIN]), "worker": size("self")}
        notes.write(json.dumps({**steps(marks, json.loads(answer)["report"]), **sizes}) + "\n")
    return answer


def size(process):
    """How large a process (its number, or self) is: MB of memory, and open files."""
    resident = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    return resident / 1e6, len(os.listdir(f"/proc/{process}/fd"))


@contextmanager
def marked(module, name, mark):
    """Have mark("built") called whenever a module's function of this name returns, in a context."""
    real = getattr(module, name)

    def build(*words, **more):
        built = real(*words, **more)
        mark("built")
        return built
    setattr(module, name, build)
    try:
        yield
    finally:
        setattr(module, name, real)


def spent():
    """CPU seconds that this process, and all that it started, have used: a pair.

    Nothing of that may still be wanted: what a sandbox leaves behind comes to this process, which waits for its end here, since
    only then it is counted."""
    with suppress(ChildProcessError):
        while True:
            os.wait()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime


def steps(marks, report):
    """The CPU seconds by step. What QEMU itself took is what its runs say; its sandbox, and gdb, belong to the watching."""
    taken = Counter(dict.fromkeys(NOTED, 0))
    for (_, before), (line, after) in zip(marks, marks[1:]):
        step = {"unpacked": "unpack", "building": "unpack", "built": "build", "reported": "report"}.get(line, "watching")
        taken[step] += after[0] - before[0] + after[1] - before[1]
    runs = report_json.read(report).runs if report else ()
    taken["QEMU"] = sum(run.cpu_seconds for run in runs)
    taken["watching"] -= taken["QEMU"]
    return {**taken, "runs": len(runs)}


# The loop.

def plain_loop(trees, place):
    """What a TA would write: a clean build and one boot for each tree (a Path), one after another; (how many, wall, CPU seconds)."""
    wall, begin = time.monotonic(), spent()
    for source in trees:
        shutil.rmtree(place, ignore_errors=True)
        copy = tree.prepare(source, place, lab.load().protected, grade.OFFICIAL)
        built = build.make(copy.path, jobs=1)
        if built.ok:
            machine.run(machine.Machine(built.kernel, built.image), "mmaptest", BUDGET)
    return len(trees), time.monotonic() - wall, sum(spent()) - sum(begin)


# What came of it.

def mean(notes):
    """The mean of each number over some dicts."""
    notes = list(notes)
    return {key: sum(note.get(key, 0) for note in notes) / len(notes) for key in {key for note in notes for key in note}}


def with_boots(taken, boot):
    """The CPU seconds by step, where what QEMU took is parted into boots, of so many seconds each, and tests."""
    boots = min(taken["QEMU"], taken["runs"] * boot)
    return {**taken, "boot": boots, "tests": taken["QEMU"] - boots}


def parts(notes):
    """The parts of a batch, in the order in which it was graded: for each (submissions, CPU seconds for one, the most MB and open
    files of the batch's own process, and of a worker)."""
    length = max(1, -(-len(notes) // PARTS))
    found = []
    for part in (notes[at:at + length] for at in range(0, len(notes), length)):
        seconds = sum(note[step] for note in part for step in NOTED) / len(part)
        sizes = (max(note[who][what] for note in part) for who in ("main", "worker") for what in (0, 1))
        found.append((len(part), seconds, *sizes))
    return found


def boot_seconds(place):
    """The CPU seconds that QEMU takes to boot the solution and end."""
    copy = tree.prepare(KIT / "solution", place, (), grade.OFFICIAL)
    built = build.make(copy.path)
    if not built.ok:
        raise CouldNotGrade(f"solution/ does not build: {built.error}")
    guest = machine.Machine(built.kernel, built.image)
    return min(machine.run(guest, "echo", BUDGET).cpu_seconds for _ in range(3))


def show(made, jobs, wall, taken, loop):
    """Print it all: submissions a minute, CPU seconds by step, and the loop beside it."""
    number, loop_wall, loop_cpu = loop
    total, bare = sum(taken[step] for step in STEPS), sum(taken[step] for step in BARE)
    speed = Table(title=f"{made} submissions, {jobs} at one time, on {len(os.sched_getaffinity(0))} cores")
    for heading, side in (("", "left"), ("a minute", "right"), ("CPU seconds each", "right")):
        speed.add_column(heading, justify=side)
    speed.add_row("make batch", f"{60 * made / wall:.1f}", f"{total:.2f}")
    speed.add_row("clean build, one boot of mmaptest, one after another", f"{60 * number / loop_wall:.1f}", f"{loop_cpu / number:.2f}")
    steps_taken = Table(title="CPU seconds for each submission")
    for heading, side in (("step", "left"), ("seconds", "right"), ("share", "right")):
        steps_taken.add_column(heading, justify=side)
    for step, words in STEPS.items():
        steps_taken.add_row(words, f"{taken[step]:.3f}", f"{taken[step] / total:.0%}")
    console = Console(width=100, highlight=False)
    console.print(speed, steps_taken)
    console.print(f"{taken['runs']:.1f} runs each. Over building and QEMU: {total / bare - 1:.0%}")


def show_growth(found):
    """Print whether a submission costs more, or the processes grow, the longer a batch goes on."""
    growth = Table(title="as it went on")
    for heading in ("submissions", "CPU seconds each", "MB", "open files", "MB of a worker", "its open files"):
        growth.add_column(heading, justify="right")
    for number, seconds, *sizes in found:
        growth.add_row(str(number), f"{seconds:.2f}", *(f"{size:.0f}" for size in sizes))
    Console(width=100, highlight=False).print(growth)
