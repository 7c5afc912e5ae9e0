"""Words to calls. Exit status: 0 full marks, 1 points lost, 2 could not grade."""

import argparse
import os
import signal
import sys
from pathlib import Path

from . import CouldNotGrade, debug, kitonly, lab, machine, results, tracks, tree
from .grade import OFFICIAL, compile_tree, grade_tree, transcript_path
from .lock import sole_user
from .report import autolab, github, gradescope, json, junit, text
from .transcript import Ending

WORK = Path("build")            # below the current directory: scratch trees, transcripts, report.json
FORMATS = {                     # what programs read of a grade: the text, from a Result
    "json": lambda result: json.render(result.grade), "junit": lambda result: junit.render((result,)),
    "gradescope": gradescope.render, "autolab": autolab.render, "github": github.output}
RUN_BUDGET, RUN_IDLE = 1800.0, 15.0     # seconds that `run` gives a program; usertests may sleep for some of them


def main(words=None):
    """Carry out a command line (a list of words; None: the process's own); return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser().parse_args(words)
    try:
        return options.call(options)
    except (CouldNotGrade, lab.LabError) as error:
        print(f"grader: {error}", file=sys.stderr)
    except BrokenPipeError:                     # whoever reads has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"grader: {error.filename}: {error.strerror}" if error.filename else f"grader: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("grader: interrupted", file=sys.stderr)
    return 2


def parser():
    """What the words of the command line may be."""
    top = argparse.ArgumentParser(prog="grader", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name, call, about):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(call=call)
        return command

    grade = add("grade", grade_command, "grade a tree")
    grade.add_argument("--submission", type=Path, default=Path("."), metavar="PATH",
                       help="the tree (default: this directory)")
    grade.add_argument("--track", metavar="NAME", help="which of the lab's tracks (default: the one that the tree says it is of)")
    grade.add_argument("--task", type=int, metavar="N", help="grade this task alone")
    grade.add_argument("--strict", action="store_true", help="run the hidden tests too (instructors' copy only)")
    grade.add_argument("--format", choices=("text", *FORMATS), default="text",
                       help="for people, or for what reads it (see docs/formats.md); github is a line for $GITHUB_OUTPUT")
    grade.add_argument("section", nargs="*", help="run and grade these sections of test programs alone")
    for one in (add("run", run_command, "boot a tree, run one program, show what it prints"),
                add("gdb", gdb_command, "boot a tree, run one program, stop in gdb where the kernel panics or kills it")):
        one.add_argument("--submission", type=Path, default=Path("."), metavar="PATH", help="the tree (default: this directory)")
        one.add_argument("--track", metavar="NAME", help="with --strict: which of the lab's tracks (default: the tree's)")
        one.add_argument("--strict", action="store_true", help="on a disk with the official programs and the hidden tests alone")
        one.add_argument("program", nargs="+", help="what to type to the shell, as one word: 'usertests -q'")
    if kitonly.there("desk"):
        kitonly.load("desk").add_commands(add)
    return top


def grade_command(options):
    """`grade`: build, run, score, report."""
    rubric = lab.load(strict=options.strict, track=asked_track(options)).narrow(options.task, tuple(options.section))
    work = WORK / "grade"
    with sole_user(work):
        grade = grade_tree(options.submission, rubric, work, say=say if sys.stderr.isatty() else None)
        (work / "report.json").write_text(json.render(grade))
    if options.format == "text":
        text.render(grade, sys.stdout)
    else:
        print(FORMATS[options.format](results.of(grade)))
    return grade.status


def asked_track(options):
    """The name of the track that is asked for: the tree's own, if no other is. Raises CouldNotGrade."""
    return options.track or tracks.of_tree(options.submission)


def run_command(options):
    """`run`: one program, shown as it runs; 0 only if it ended well. The tree is taken as it is, with its own test programs, unless
    strict asks for the hidden tests' disk."""
    work = WORK / "run"
    plain = kitonly.load("strict").stripped if options.strict else str
    with sole_user(work):
        program, guest = asked_machine(options, work)
        run = machine.run(guest, program, RUN_BUDGET, RUN_IDLE,
                          transcript_path(work, program), lambda line: print(plain(line), flush=True))
    for line in () if run.booted else run.lines:
        print(line)
    well = run.ending is Ending.DONE or run.booted and run.ending is Ending.DIED and run.status == 0
    print(f"-- {run.program}: {run.ending.value}: {run.why} ({run.path})", file=sys.stderr)
    return 0 if well else 1


def asked_machine(options, work):
    """The program that `run` or `gdb` is asked for, and the Machine for it, built below work (a Path). Raises CouldNotGrade."""
    program = " ".join(options.program).strip()
    if not program:
        raise CouldNotGrade('say which program, as in make run PROG="usertests -q"')
    rubric = lab.load(strict=True, track=asked_track(options)) if options.strict else None
    protected = rubric.protected if rubric else ()
    built = compile_tree(tree.prepare(options.submission, work / "tree", protected, OFFICIAL).path, work)
    if not built.ok:
        raise CouldNotGrade(f"{options.submission} does not build: {built.error} (all of it: {work}/build.log)")
    if rubric:
        built = kitonly.load("hidden").build(built, work / "hidden", rubric)
    return program, machine.Machine(built.kernel, built.image, user=built.tree / "user")


def gdb_command(options):
    """`gdb`: one program, under gdb."""
    work = WORK / "gdb"
    with sole_user(work):
        program, guest = asked_machine(options, work)
        return debug.main(guest, program)


def say(line):
    """Show progress."""
    print(f"   {line}", file=sys.stderr)
