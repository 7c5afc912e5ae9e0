"""Tests of sandbox.py: a command ends, or is ended, and leaves nothing behind."""

import os
import subprocess
import time

import psutil
import pytest

from grader import CouldNotGrade, sandbox
from grader.sandbox import Limits, run


def shell(script, tmp_path, **limits):
    return run(["sh", "-c", script], tmp_path, Limits(**limits))


def test_output_errors_and_status_come_back(tmp_path):
    result = shell("echo out; echo err >&2; exit 3", tmp_path)
    assert (result.status, result.output, result.cut) == (3, "out\nerr\n", "")


def test_all_of_a_long_output_comes_back(tmp_path):
    assert len(shell("head -c 1000000 /dev/zero", tmp_path).output) == 1000000


def test_a_loop_is_cut_by_its_cpu_time(tmp_path):
    assert "1 s of CPU time" in shell("while :; do :; done", tmp_path, cpu=1).cut


def test_cpu_time_of_many_short_children_counts(tmp_path):
    assert "CPU time" in shell("while :; do sh -c 'for i in 1 2 3 4 5 6 7 8 9; do :; done'; done", tmp_path, cpu=1).cut


def test_a_command_that_waits_for_ever_is_cut(tmp_path):
    assert "did not end within 1 s" in shell("sleep 1000", tmp_path, wall=1).cut


def test_a_command_that_closes_its_output_is_still_watched(tmp_path):
    assert "did not end" in shell("exec >&- 2>&-; sleep 1000", tmp_path, wall=1).cut


def test_a_flood_is_cut(tmp_path):
    result = run(["yes"], tmp_path, Limits(output=1 << 20))
    assert "more than 1 MiB" in result.cut
    assert len(result.output) == 1 << 20


def test_what_a_command_leaves_running_is_killed(tmp_path):
    result = shell("sleep 1000 & echo $!; sh -c 'sleep 1000 & echo $!'", tmp_path)
    for pid in map(int, result.output.split()):
        while runs(pid):
            time.sleep(0.01)        # until what was sent to it has come; the test would not end if nothing was


def runs(pid):
    """Whether a process is there, and more than a name that nobody has waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_callers_make_and_secrets_are_not_passed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-n")
    monkeypatch.setenv("TOKEN", "secret")
    words = run(["env"], tmp_path).output
    assert "MAKEFLAGS" not in words and "secret" not in words
    assert f"PATH={os.environ['PATH']}" in words


def test_a_missing_tool_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CouldNotGrade, match="make is not installed.*apt install make"):
        sandbox.need("make", "make")


@pytest.mark.parametrize("listed", [True, False])
def test_the_process_of_a_program_is_found_below_others(monkeypatch, listed):
    """As the kernel lists children, and without its lists."""
    monkeypatch.setattr(sandbox, "LISTED", listed and sandbox.LISTED)
    child = subprocess.Popen(["sh", "-c", "(sleep 1000; true); true"])
    try:
        found = sandbox.inner(child.pid, "sleep")
        assert found.pid != child.pid and child.pid in [process.pid for process in found.parents()]
        assert sandbox.inner(child.pid, "sh").pid == child.pid
    finally:
        for process in sandbox.relatives(child.pid):
            process.kill()
        child.wait()


def test_a_program_that_has_ended_is_not_waited_for():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert sandbox.inner(child.pid, "sleep") is None
    child.wait()
    assert sandbox.inner(child.pid, "sleep") is None
