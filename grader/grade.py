"""One tree the whole way: copied, built, booted, scored -> Grade."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from . import CouldNotGrade, build, facts, kitonly, machine, sandbox, score, tree

OFFICIAL = Path(__file__).resolve().parent / "official"


def ignore(_):
    """Do nothing with what is told."""


def grade_tree(submission, lab, work, jobs=2, say=None, box=sandbox.OPEN, stop=None, partly=None, **guest):
    """Grade a tree (a Path) against a Lab, or a part of one; return the Grade.

    The scratch tree and the transcripts go below work (a Path); jobs is the number of machines at a time; say(line) is
    called with a line of progress; box is where the tree is built and run; stop (a threading.Event) ends machines early;
    partly(grade) is called, if given, with what is known so far, after each run; guest is what its Machine has other than
    usual. Raises CouldNotGrade, also if it was stopped.
    """
    begin = time.monotonic()
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    say = say or (lambda line: None)
    copy = tree.prepare(submission, work / "tree", lab.protected, OFFICIAL)
    say("building")
    kernel, theirs = kitonly.load("strict").first(copy.path, work, jobs, box) if lab.hidden else (None, box)
    built = compile_tree(copy.path, work, theirs, ("kernel/kernel",) if copy.base.own_disk else build.TARGETS,
                         [program.name for program in lab.tests])
    disk = kitonly.load("owndisk").build(built, work / "disk", lab, jobs, box=box) if copy.base.own_disk and built.ok else built

    def build_hidden():
        say("building the official programs")
        return kitonly.load("strict").strict_disk(built, kernel(), work / "hidden", lab, jobs, box)

    grade = grade_build(disk, build_hidden, lab, work, jobs, say, box, stop, partly, **guest)
    if stop and stop.is_set():
        raise CouldNotGrade("interrupted")
    return replace(grade, submission=str(submission), content_hash=copy.content_hash, notes=copy.notes + grade.notes, started=started,
                   seconds=time.monotonic() - begin)


def grade_build(built, build_hidden, lab, work, jobs, say, box=sandbox.OPEN, stop=None, partly=None, **guest):
    """Grade a Build against a Lab; return the Grade, which does not know the submission.

    build_hidden() is called for the strict_disk() if the lab is strict; guest is what its Machine has other than usual.
    Raises CouldNotGrade."""
    guest = {"box": box, **guest}
    known = facts.gather(built, (), box) if partly else None

    def seen(runs):
        if partly:
            partly(score.provisional(score.grade(lab, built, runs, known), lab))

    def run(part, disk, wanted, seen=ignore, prefix="", traps=False):
        boot = machine.Machine(disk.kernel, disk.image, user=disk.tree / "user", traps=traps, **guest)
        there = [program for program in wanted if program.split()[0] in disk.programs]
        return run_all(boot, disk, there, part, work, jobs, say, prefix, stop, seen)

    if not built.ok:
        return score.grade(lab, built, (), facts.gather(built, (), box))
    if lab.hidden:
        return kitonly.load("strict").grade(lab, built, build_hidden, box, run, seen, partly or ignore)
    return facts.grade(lab, built, everything(lab, partial(run, lab, built), seen), box)


def everything(lab, run, seen=ignore, wanted=None, runs=()):
    """The Transcripts of all that a lab wants to be run, runs among them, which are there; run(programs, seen) gives more.

    wanted is what comes first, if that is not what the lab says. seen(transcripts) is called with what there is, after each run."""
    wanted = lab.programs if wanted is None else wanted
    while wanted:
        before = runs
        runs += run(wanted, lambda more: seen(before + more))
        wanted = lab.followups(runs)
    return runs


def compile_tree(path, work, box=sandbox.OPEN, targets=build.TARGETS, programs=()):
    """Build a scratch tree as build.make() does, with the log in work/build.log and no transcript of an earlier build left."""
    built = build.make(path, box=box, targets=targets, programs=programs)
    try:
        for old in work.glob("*.txt"):
            old.unlink()
        (work / "build.log").write_text(built.log)
    except OSError as error:
        raise CouldNotGrade(f"can't write to {work}: {error}") from error
    return built


def run_all(guest, built, programs, lab, work, jobs, say, prefix="", stop=None, seen=ignore):
    """Run each program on a fresh boot of a machine, which is that of a Build, jobs at a time; return a tuple of
    Transcripts, in the programs' order."""
    def one(program):
        look = kitonly.load("strict").watched(built) if lab.outside(program) else machine.run
        run = look(guest, program, lab.budget(program), out=transcript_path(work, prefix + program), stop=stop)
        say(f"{program}: {run.ending.value} ({run.seconds:.1f} s)")
        return run

    shared = stop is not None           # with the grading of other trees, which go on
    stop = stop or threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, program) for program in programs]
        try:
            made = ()
            for future in futures:
                made += (future.result(),)
                seen(made)
            return made
        except BaseException:
            if not shared:
                stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def transcript_path(work, program):
    """Where the transcript of a program's run is kept."""
    return work / (re.sub(r"[^\w.-]+", "-", program) + ".txt")
