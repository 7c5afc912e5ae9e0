"""The test programs of tasks 9 to 14: on the solution every section passes, on one hart and on three; on a kernel that has not
done its task, none does."""

import re
import subprocess
from dataclasses import replace

import pytest

from grader import handout, lab, machine
from grader.transcript import Ending

PROGRAMS = ("anontest", "placetest", "mprotecttest", "wmaptest", "lazytest", "cowtest", "coherenttest")
TYPED = 70                      # characters of commands that the shell takes in one line
BUDGET = 120.0                  # seconds given to the guest for all of them, many times what they need
WHOLE = lab.load(track="all")
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


def test_the_lab_file_knows_every_section_and_gives_it_points(solution_tree):
    known = {program: [s.name for s in WHOLE.sections if s.program == program] for program in PROGRAMS}
    assert known == {program: sections(solution_tree, program) for program in PROGRAMS}
    assert all(s.title == f"test {s.name}" for s in WHOLE.sections if s.program in PROGRAMS)
    evidence = {e.section: e for task in WHOLE.tasks[8:] for e in task.evidence}
    assert sorted(evidence) == sorted(name for names in known.values() for name in names)
    assert all(e.points > 0 and e.reason for e in evidence.values())


@pytest.mark.parametrize("stage, programs", [(8, PROGRAMS[:3]), (12, PROGRAMS[5:])])
def test_no_section_passes_before_its_task_is_done(solution, solution_tree, tmp_path, stage, programs):
    handout.write_stage(stage, "all", tmp_path / "tree")
    subprocess.run(["make", "-s", "-j2", "kernel/kernel"], cwd=tmp_path / "tree", check=True)
    early = replace(solution, kernel=tmp_path / "tree/kernel/kernel", user=solution_tree / "user")
    waiting = [f"{program} {name}" for program in programs for name in sections(solution_tree, program)]
    told = []
    while waiting:
        line = waiting.pop(0)
        while waiting and len(line + waiting[0]) + 2 <= TYPED:       # as many to a boot as can be
            line += f"; {waiting.pop(0)}"
        seen = machine.run(early, line, BUDGET)
        assert seen.status is not None, seen.why
        told += said(seen)
    titles = [line for line in told if re.fullmatch(r"test [\w-]+", line)]
    assert titles == [f"test {name}" for program in programs for name in sections(solution_tree, program)]
    assert [line for line in told if line.endswith(": OK")] == []
