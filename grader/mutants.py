"""Measures the grader itself: by bugs, each of which must lose just what its patch says, and by right solutions that must not.

Patches for tasks 1 to 8 are of the core lab, finished, and graded as such; those for tasks 9 to 14 are of the whole tree, and
graded for all tasks. So a task more changes nothing of what is known of the core lab's bugs."""

import functools
import math
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import CouldNotGrade, build, handout, lab, sandbox, tracks
from .grade import grade_tree
from .report import text
from .score import Outcome

HERE = Path(__file__).resolve().parent
MUTANTS = HERE / "tests/mutants"        # NAME.patch: a bug
VARIANTS = HERE / "tests/variants"      # NAME.patch: another right solution
WORK = Path("build/mutants")            # below the current directory: a report for each patch, and the workers' trees
FIELD = re.compile(r"([A-Z][a-z]+): +(\S.*)")
LOSS = re.compile(r"(?P<task>[1-9]\d?)|hidden (?P<hidden>[\w-]+)")
WHOLE = "all"                           # the track with all tasks


@dataclass(frozen=True)
class Patch:
    """A change of the solution. What it loses is empty for a variant, and for a bug that nothing can show."""

    name: str
    path: Path
    task: int                           # that the bug belongs to; 0: no bug, a variant
    track: str                          # whose finished tree it changes, and by whose tasks it is graded
    says: str                           # the bug, or what is different, in a sentence
    tasks: frozenset[int]               # whose evidence in the lab file must be lost
    hidden: frozenset[str]              # hidden tests that must be lost
    equivalent: str                     # why a bug can't be seen; "" if it can
    why: str                            # why a bug loses hidden tests of tasks whose own evidence it does not lose
    may: frozenset[str] = frozenset()   # hidden tests that some runs lose and others don't


@dataclass(frozen=True)
class Base:
    """What patches of a track change, and how the result is graded."""

    files: dict[str, bytes]             # contents by path: the tree with all the track's tasks done
    rubric: lab.Lab


@dataclass(frozen=True)
class Verdict:
    """What became of a patch: the Grade (None: there is none), and what is not as its header says."""

    patch: Patch
    grade: object
    mistakes: tuple[str, ...]


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many patches at one time (default: 2)")
    parser.add_argument("name", nargs="*", help="the patches to grade, without .patch (default: all)")


def main(options):
    """Grade all patches, or those named, and print the matrix; returns 0 if each loses just what it says, else 1.

    Raises CouldNotGrade."""
    patches = chosen(read_all(), options.name)
    verdicts = judge_all(patches, WORK.resolve(), options.jobs)
    print("\n".join(matrix(verdicts)))
    wrong = [f"{verdict.patch.name}: {mistake}" for verdict in verdicts for mistake in verdict.mistakes]
    print("\n".join(wrong or [f"Each of the {len(patches)} patches loses what it says, and nothing else."]))
    return 1 if wrong else 0


# Patch files.

def read_all(mutants=MUTANTS, variants=VARIANTS):
    """The Patches in two directories, by task and name. Raises CouldNotGrade for a header that is wrong."""
    patches = [read(path, kind) for kind, directory in (("mutant", mutants), ("variant", variants))
               for path in sorted(directory.glob("*.patch"))]
    names = [patch.name for patch in patches]
    for name in names:
        if names.count(name) > 1:
            raise CouldNotGrade(f"two patches are called {name}: rename one")
    return sorted(patches, key=lambda patch: (patch.task or math.inf, patch.name))


def read(path, kind):
    """The Patch in a file (a Path); kind is "mutant" or "variant". Raises CouldNotGrade, naming the field that is wrong."""
    found = fields(path)
    known = {"mutant": {"Task", "Bug", "Loses", "May", "Equivalent", "Why"}, "variant": {"Differs", "Track"}}[kind]
    for name in found:
        if name not in known:
            raise CouldNotGrade(f"{path}: a {kind} has no field {name}: known are {', '.join(sorted(known))}")
    for name in known - {"Loses", "May", "Equivalent", "Why", "Track"}:
        if name not in found:
            raise CouldNotGrade(f"{path}: the header lacks {name}:")
    if kind == "variant":
        if found.get("Track", WHOLE) != WHOLE:
            raise CouldNotGrade(f"{path}: Track can only be {WHOLE}; leave it out where the patch is of the core lab")
        return Patch(path.stem, path, 0, found.get("Track", tracks.CORE), found["Differs"], frozenset(), frozenset(), "", "")
    if found["Task"] not in map(str, tasks_of(WHOLE)):
        raise CouldNotGrade(f"{path}: Task must be a number from 1 to {tasks_of(WHOLE)[-1]}, not {found['Task']!r}")
    if ("Loses" in found) == ("Equivalent" in found):
        raise CouldNotGrade(f"{path}: the header must have either Loses: or Equivalent:")
    tasks, hidden = losses(path, found.get("Loses", ""))
    certain, may = losses(path, found.get("May", ""))
    if certain or may and not found.get("Why"):
        raise CouldNotGrade(f"{path}: May must be hidden tests that are lost in some runs alone, and Why: must say why")
    task = int(found["Task"])
    track = tracks.CORE if task in tasks_of(tracks.CORE) else WHOLE
    return Patch(path.stem, path, task, track, found["Bug"], tasks, hidden, found.get("Equivalent", ""), found.get("Why", ""), may)


def fields(path):
    """The fields of a patch file's header, which ends where the diff begins. An indented line goes on with the last field."""
    found, last = {}, ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("--- "):
            return found
        if line[:1] == " " and last:
            found[last] += " " + line.strip()
        elif (field := FIELD.fullmatch(line.rstrip())) and field[1] not in found:
            last = field[1]
            found[last] = field[2]
        elif line.strip():
            raise CouldNotGrade(f"{path}:{number}: not a line of the form `Field: text`, or the second one of that field")
    raise CouldNotGrade(f"{path}: no diff: no line begins with ---")


def losses(path, said):
    """The tasks and the names of hidden tests in a Loses field, such as `4, 5, hidden split`."""
    items = [LOSS.fullmatch(item.strip()) for item in said.split(",")] if said else []
    if None in items:
        raise CouldNotGrade(f"{path}: Loses must be task numbers and `hidden NAME`, with commas between, not {said!r}")
    return (frozenset(int(item["task"]) for item in items if item["task"]),
            frozenset(item["hidden"] for item in items if item["hidden"]))


def chosen(patches, names):
    """The patches of these names, or all. Raises CouldNotGrade where there is none of a name."""
    for name in names:
        if name not in {patch.name for patch in patches}:
            raise CouldNotGrade(f"there is no patch {name}: see {MUTANTS} and {VARIANTS}")
    return [patch for patch in patches if not names or patch.name in names]


@functools.cache
def tasks_of(track):
    """The numbers of a track's tasks, in order."""
    return lab.read_file(lab.FILE).track_named(track).tasks


def base(track):
    """The Base of a track's patches. Raises CouldNotGrade."""
    rubric = lab.load(strict=True, track=track)
    return Base(handout.contents(len(rubric.tasks), track), rubric)


def lay(patch, files, target):
    """Make target (a Path) the tree of files (contents by path) with a patch applied; returns "" or why that can't be."""
    shutil.rmtree(target, ignore_errors=True)
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    command = [sandbox.need("patch", "patch"), "-p1", "--fuzz=0", "--batch", "--no-backup-if-mismatch", "-i", patch.path.resolve()]
    result = subprocess.run(command, cwd=target, capture_output=True, text=True)
    return "" if result.returncode == 0 else "the patch does not apply: " + " ".join(result.stdout.split())


# Grading.

def judge_all(patches, work, jobs):
    """The Verdicts on patches, so many at a time, each worker in a tree of its own; progress is shown."""
    work.mkdir(parents=True, exist_ok=True)
    bases = {track: base(track) for track in {patch.track for patch in patches}}
    use_ccache(work)

    def one(patch, home, stop):
        verdict = judge(patch, bases[patch.track], home, stop)
        save(verdict, home, work)
        return verdict

    return in_homes(patches, work, jobs, one)


def in_homes(patches, work, jobs, do):
    """What do(patch, home, stop) returns for each patch, so many at a time, each with a directory below work; progress is
    shown. Where one of them raises an exception, or Ctrl-C is typed, stop (a threading.Event) tells the others to end."""
    homes, stop = queue.SimpleQueue(), threading.Event()
    for number in range(jobs):
        homes.put(work / f"worker{number}")
    with shown(len(patches)) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("", total=len(patches))

        def one(patch):
            progress.update(task, description=patch.name)
            home = homes.get()
            try:
                result = None if stop.is_set() else do(patch, home, stop)
            except BaseException:
                stop.set()          # before this thread can begin the next one
                raise
            finally:
                homes.put(home)
            progress.advance(task)
            return result

        futures = [pool.submit(one, patch) for patch in patches]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                end_children()
                time.sleep(0.1)
            raise
        return [future.result() for future in futures]


def end_children():
    """Kill all processes that this one has started, and theirs: compilers do not look whether they are to stop."""
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass


def judge(patch, base, home, stop=None):
    """The Verdict on one patch of a Base, built and graded below home, where the last one left its objects.

    Raises CouldNotGrade if stop (a threading.Event) was set meanwhile."""
    why = lay(patch, base.files, home / "source")
    if why:
        return Verdict(patch, None, (why,))
    try:
        grade = grade_tree(home / "source", base.rubric, home, jobs=1, stop=stop)
    except CouldNotGrade as error:      # this one; the others may be graded
        if stop and stop.is_set():
            raise
        return Verdict(patch, None, (f"could not be graded: {error}",))
    return Verdict(patch, grade, tuple(mistakes(patch, grade)))


def save(verdict, home, work):
    """Write the report on a patch that was graded below home; keep the transcripts if something is wrong."""
    name = verdict.patch.name
    kept = work / name
    shutil.rmtree(kept, ignore_errors=True)
    if verdict.mistakes and verdict.grade:
        kept.mkdir(parents=True)
        for transcript in home.glob("*.txt"):
            shutil.copy(transcript, kept)
    with open(work / f"{name}.txt", "w") as out:
        print(f"{verdict.patch.name}: {verdict.patch.says}", *verdict.mistakes, sep="\n", file=out)
        if verdict.grade:
            text.render(verdict.grade, out)


def shown(total):
    """How far the work is, on standard error."""
    columns = (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)


def use_ccache(work):
    """Have builds of this process go through ccache, if it is installed: the patches leave most files as they are."""
    compiler = next(filter(None, map(shutil.which, build.COMPILERS)), None)
    if not (compiler and shutil.which("ccache")):
        return
    place = work / "bin"
    place.mkdir(exist_ok=True)
    wrapper = place / Path(compiler).name
    if Path(compiler) == wrapper:
        return
    wrapper.write_text(f'#!/bin/sh\nCCACHE_DIR="{work}/ccache" exec ccache {compiler} "$@"\n')
    wrapper.chmod(0o755)
    os.environ["PATH"] = f"{place}:{os.environ['PATH']}"


# What was lost.

def lost_tasks(grade):
    """The numbers of the tasks whose own evidence was not all seen."""
    return {task.number for task in grade.tasks if task.outcome != Outcome.PASSED}


def lost_hidden(grade):
    """The hidden tests that failed: the task's number by the test's name."""
    return {part.name: task.number for task in grade.tasks for part in task.hidden if not part.passed}


def mistakes(patch, grade):
    """What a Grade of a patch shows that its header does not say, and the reverse: a list of texts."""
    if grade.outcome != "graded":
        return [f"not graded: {grade.why}"]
    tasks, hidden = lost_tasks(grade), lost_hidden(grade)
    known = {part.name: task.number for task in grade.tasks for part in task.hidden}
    related = patch.tasks | {patch.task} | {known[name] for name in patch.hidden & set(known)}
    return ([f"survives: task {number} is not lost" for number in sorted(patch.tasks - tasks)]
            + [f"loses task {number}, and should not: {why(grade, number)}" for number in sorted(tasks - patch.tasks)]
            + [f"survives: hidden test {name} {'passes' if name in known else 'is not there'}"
               for name in sorted(patch.hidden - set(hidden))]
            + [f"loses hidden test {name} of task {hidden[name]}, and should not"
               for name in sorted(set(hidden) - patch.hidden - patch.may) if hidden[name] not in related])


def why(grade, number):
    """Why a task was lost, in a line."""
    task = next(task for task in grade.tasks if task.number == number)
    return f"{task.outcome.value}: {task.why} {task.line}".strip()


def matrix(verdicts):
    """The lines of the kill matrix: bug by task, and the tests that failed.

    x: lost, as it should be; X: lost, and should not be; o: should be lost, and is not; blank: not among the tasks of the
    patch's track, so not graded."""
    width = max((len(verdict.patch.name) for verdict in verdicts), default=0)
    numbers = tasks_of(WHOLE)
    yield f"{'':{width}}  task " + " ".join(map(str, numbers)) + "   tests lost"
    for verdict in verdicts:
        signs = " ".join(f"{sign(verdict, number):>{len(str(number))}}" for number in numbers)
        yield f"{verdict.patch.name:{width}}       {signs}   " + ", ".join(tests(verdict.grade))


def sign(verdict, number):
    """What became of one task."""
    if number not in tasks_of(verdict.patch.track):
        return " "
    said, seen = number in verdict.patch.tasks, bool(verdict.grade) and number in lost_tasks(verdict.grade)
    return "x" if said and seen else "X" if seen else "o" if said else "."


def tests(grade):
    """The names of the tests that failed."""
    if grade is None or grade.outcome != "graded":
        return ["no grade"]
    own = [part.name.removeprefix("test ") for task in grade.tasks for part in task.parts
           if task.outcome == Outcome.FAILED and not part.passed]
    return own + [f"hidden {name}" for name in lost_hidden(grade)]
