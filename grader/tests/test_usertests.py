"""usertests on the solution: the quick tests pass on 3 harts, its words are obeyed, and a leak is seen."""

import re
import shutil
import subprocess

from grader import build, machine
from grader.transcript import Ending

BUDGET = 240.0      # seconds given to the guest for all quick tests, several times what they need
VERDICT = re.compile(r"test (\w+): (OK|FAILED)")


def verdicts(seen):
    """What usertests said of each test: pairs of name and OK or FAILED, in order."""
    return [match.groups() for match in map(VERDICT.fullmatch, seen.evidence) if match]


def failure(seen):
    """The lines that tell why a run did not pass, or all of its end."""
    told = [line for line in seen.evidence if line.startswith("  ") or "FAILED" in line or "panic" in line]
    return "\n".join([seen.why, *(told or seen.evidence[-20:])])


def test_the_quick_tests_pass_and_leave_the_disk_whole(solution, solution_tree, tmp_path):
    disk, fsck = tmp_path / "fs.img", tmp_path / "fsck"
    shutil.copyfile(solution.image, disk)
    subprocess.run(["cc", "-O2", "-I.", "-o", fsck, "mkfs/fsck.c"], cwd=solution_tree, check=True)
    guest = machine.Guest(machine.command(solution, disk))
    try:
        seen = machine.Run(guest, "usertests -q", BUDGET, machine.IDLE, None).transcript("")
        assert seen.ending is Ending.DONE, failure(seen)
        guest.type(b"poweroff")
        while guest.read():
            assert guest.meter.streak < machine.IDLE, "poweroff does not end the machine"
        assert guest.status() == 0
    finally:
        guest.close()
    assert seen.evidence[-1] == "ALL TESTS PASSED"
    names = [name for name, verdict in verdicts(seen) if verdict == "OK"]
    assert len(names) == len(verdicts(seen)) == len(set(names)) >= 60
    checked = subprocess.run([fsck, disk], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_tests_that_are_named_run_alone(solution):
    seen = machine.run(solution, "usertests path_forms exit_status", BUDGET)
    assert seen.ending is Ending.DONE, failure(seen)
    assert sorted(verdicts(seen)) == [("exit_status", "OK"), ("path_forms", "OK")]


def test_a_name_that_no_test_has_is_refused(solution):
    seen = machine.run(solution, "usertests exit_status nosuch", BUDGET)
    assert (seen.ending, seen.status) == (Ending.FAILED, 1)
    assert verdicts(seen) == []
    assert "no test is called nosuch" in seen.evidence[0]


def test_a_page_that_the_kernel_loses_fails_the_test(solution_tree, tmp_path):
    leaky = shutil.copytree(solution_tree, tmp_path / "leaky")
    pipe = leaky / "kernel/pipe.c"
    source, changed = re.subn(r"kfree\(pi\)", "(void)pi", pipe.read_text())
    assert changed >= 1
    pipe.write_text(source)
    built = build.make(leaky)
    assert built.ok, built.error
    seen = machine.run(machine.Machine(leaky / "kernel/kernel", leaky / "fs.img"), "usertests exit_status pipe_dup", BUDGET)
    assert (seen.ending, seen.status) == (Ending.FAILED, 1)
    assert verdicts(seen) == [("exit_status", "OK"), ("pipe_dup", "FAILED")]
    assert any(re.match(r"  lost 1 pages: ", line) for line in seen.evidence)
    assert seen.evidence[-1] == "SOME TESTS FAILED"
