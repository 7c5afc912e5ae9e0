"""The kit's own commands: for TAs, and for who changes the lab."""

from . import autograde, bench, benchbatch, coverage, flake, forgeries, fuzz, handout, many, mutants, release, stages
from .lock import sole_user


def add_commands(add):
    """Add the commands; add(name, call, about) makes a parser for one."""
    many.add_commands(add)
    stages.add_arguments(add("stages", stages.main, "grade every stage of the solution"))
    mutants.add_arguments(add("mutants", mutants.main, "grade bugs, each of which must lose just what it should"))
    forgeries.add_arguments(add("forgeries", forgeries.main, "grade trees that cheat, none of which may gain by it"))
    flake.add_arguments(add("flake", flake.main, "grade the solution over and over, which must never fail"))
    fuzz.add_arguments(add("fuzz", fuzz.main, "do the same random things on Linux and on the solution, and compare"))
    handout.add_arguments(add("handout", handout.main, "write the handout, or a stage, from the solution"))
    release.add_arguments(add("release", release.main, "pack what students, GitHub Classroom, Gradescope and Autolab get"))
    autograde.add_arguments(add("autograde", autograde.main, "grade what Gradescope or Autolab hands over"))
    bench.add_arguments(add("bench", bench.main, "measure the kernel and the grader"))
    benchbatch.add_arguments(add("bench-batch", benchbatch.main, "measure how fast a class is graded"))
    coverage.add_arguments(add("coverage", coverage_command, "show which lines of the lab's code the tests reach"))


def coverage_command(options):
    """`coverage`: run all tests on the solution, show what they reach."""
    with sole_user(coverage.WORK):
        return coverage.main(options)
