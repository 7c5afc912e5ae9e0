"""The commands for many submissions: batch, regrade, show, diff, shell."""

import argparse
import os
import sys
from pathlib import Path

from . import CouldNotGrade, batch, flake, gradebooks, lab, look, pool, publish, regrade, results, tracks
from .lock import sole_user

OUT = Path("results")           # the results folder, if nothing else is said


def add_commands(add):
    """Add the commands; add(name, call, about) makes a parser for one."""
    commands = {name: add(name, call, about) for name, call, about in (
        ("batch", batch_command, "grade many submissions; go on where an earlier call was stopped"),
        ("regrade", regrade_command, "tell whose score changes with the kit as it is now, by how much and why"),
        ("show", look_command(look.show), "show the report on one submission"),
        ("diff", look_command(look.diff), "show how one submission differs from the handout"),
        ("shell", look_command(look.shell), "open a shell in the sandbox, in the tree of one submission"))}
    commands["batch"].add_argument("submissions", type=place, metavar="SUBMISSIONS", help="the directory in which they lie")
    commands["batch"].add_argument("--track", metavar="NAME", help="which of the lab's tracks they are of (default: as it was, or core)")
    commands["batch"].add_argument("--no-strict", dest="strict", action="store_false", help="leave the hidden tests out")
    commands["batch"].add_argument("--deadline", type=deadline, metavar="TIME",
                                   help="count late days from it: 2026-11-21T23:59+01:00; none: forget an earlier one")
    gradebooks.add_arguments(commands["batch"])
    commands["regrade"].add_argument("--keep", action="store_true", help="have the new results take the place of the old")
    for name in ("show", "diff", "shell"):
        commands[name].add_argument("id", metavar="ID", help="whose: the name of the folder in the results")
    for name in ("batch", "regrade"):
        add_pool_arguments(commands[name])
    for command in commands.values():
        command.add_argument("--out", type=at_home, default=OUT, metavar="DIR", help=f"the results folder (default: {OUT})")


def add_pool_arguments(command):
    """Tell an argparse parser where and how submissions can be graded."""
    command.add_argument("--jobs", type=flake.positive, default=len(os.sched_getaffinity(0)), metavar="N",
                         help="submissions at one time (default: the cores of this machine)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="use the Dask cluster of this scheduler: tcp://host:8786")
    command.add_argument("--no-sandbox", dest="confined", action="store_false",
                         help="run what was handed in unconfined, with your rights: for a machine that you can lose")


def place(word):
    """The Path that a word of the command line names. Raises argparse.ArgumentTypeError where it is empty, which Path takes for
    the current directory."""
    if not word:
        raise argparse.ArgumentTypeError("say where the submissions lie: make batch SUBMISSIONS=dir")
    return at_home(word)


def at_home(word):
    """The Path that a word of the command line names, with ~ for the home directory: in SUBMISSIONS=~/x not every shell sees it."""
    return Path(os.path.expanduser(word))


def deadline(word):
    """The time that a word of the command line says; "" for none. Raises argparse.ArgumentTypeError."""
    try:
        return "" if word == "none" else results.moment(word)
    except CouldNotGrade as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def batch_command(options):
    """`batch`: 0 if there is a result for each."""
    gradebooks.check(options.gradebook, options.column)
    track = options.track or (results.read_settings(options.out).track if (options.out / results.SETTINGS).exists() else tracks.CORE)
    order = batch.Order(options.submissions, options.out, options.strict, options.confined, options.deadline, track)
    status = carry_out(order, options, batch.run)
    if options.gradebook:
        found = results.read(options.out, lab.load(strict=options.strict, track=track))
        gradebooks.fill(options.gradebook, options.column, found, options.out)
    return status


def regrade_command(options):
    """`regrade`: 0 if there is a new result for each."""
    was = results.read_settings(options.out)
    order = batch.Order(Path(was.submissions), options.out, was.strict, options.confined, track=was.track)
    return carry_out(order, options, lambda *words: regrade.run(*words, options.keep))


def carry_out(order, options, run):
    """Run an Order in the pool that the options ask for, and say what came of it; return the exit status."""
    rubric = lab.load(strict=order.strict, track=order.track)
    batch.in_order(order, rubric)           # what is wrong with it is said before anything is made
    try:
        with sole_user(order.out, ".lock"), pool.chosen(options.scheduler, options.jobs, order.confined) as workers:
            found = run(order, rubric, workers)
    except KeyboardInterrupt:
        print("What is graded is kept. The same command goes on from there.", file=sys.stderr)
        raise
    failed = [result for result in found if result.outcome == results.FAILED]
    for result in failed:
        print(f"{result.id}: {publish.in_words(result)}")
    print(f"{len(found) - len(failed)} of {len(found)} submissions have a result. The page to read: {order.out}/index.html")
    return 2 if failed else 0


def look_command(call):
    """The command that looks at one submission with call(out, id)."""
    def command(options):
        call(options.out, options.id)
        return 0
    return command
