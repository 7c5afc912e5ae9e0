"""The test programs of tasks 9 to 14 on the solution: every section passes, on one hart and on three."""

import re
from dataclasses import replace

import pytest

from grader import machine
from grader.transcript import Ending

PROGRAMS = ("anontest", "placetest", "mprotecttest", "wmaptest", "lazytest", "cowtest", "coherenttest")
BUDGET = 120.0                  # seconds given to the guest for all of them, many times what they need
SECTION = re.compile(r'^  \{ "([\w-]+)", +\w+ \},$', re.M)


def sections(tree, program):
    """The names of a program's sections, as its source (below tree, a Path) lists them."""
    return SECTION.findall((tree / f"user/{program}.c").read_text())


def passes(tree, program):
    """What a program prints if all is well."""
    return [line for name in sections(tree, program) for line in (f"test {name}", f"test {name}: OK")] + [
        f"{program}: all tests succeeded"]


def said(seen):
    """The lines of a Transcript that are the programs' own. (`echo`, which some execute, prints an empty one.)"""
    return [line for line in seen.evidence if line and not re.match(r"usertrap\(\): |\s+sepc=", line)]


@pytest.mark.parametrize("programs", [PROGRAMS[:4], PROGRAMS[4:]])
@pytest.mark.parametrize("harts", [1, 3])
def test_every_section_passes(solution, solution_tree, harts, programs):
    seen = machine.run(replace(solution, harts=harts), "; ".join(programs), BUDGET)
    assert seen.ending is Ending.DONE, seen.why
    assert said(seen) == [line for program in programs for line in passes(solution_tree, program)]


def test_a_section_runs_alone_and_twice(solution):
    seen = machine.run(solution, "cowtest cow-apart; cowtest cow-apart cow-apart", BUDGET)
    assert seen.ending is Ending.DONE, seen.why
    once, end = ["test cow-apart", "test cow-apart: OK"], ["cowtest: all tests succeeded"]
    assert said(seen) == once + end + once + once + end


def test_a_section_that_is_none_is_refused(solution, solution_tree):
    seen = machine.run(solution, "placetest nosuch", BUDGET)
    assert (seen.ending, seen.status) == (Ending.FAILED, 1)
    assert said(seen) == [f"placetest: no section nosuch; there are: {' '.join(sections(solution_tree, 'placetest'))}"]
