"""Tests of the command line: bad input of every kind gets one clear message and the right exit status."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from grader import build, cli, grade
from grader.sandbox import Limits

from . import made_up
from .conftest import BANNER, KIT, MAKEFILE
from .test_machine import AGAIN, BUSY, FLOOD, IDLE, OFF

PASSES = {"mmaptest": "test basic mmap\nmmaptest failure: mmap (1), pid=3\n", "mmapsharedtest": "mmap syscall: ok\n"}


def only(*tools):
    """A PATH with nothing but the links in a directory to these tools, made below it."""
    def link(directory):
        directory.mkdir()
        for tool in tools:
            (directory / tool).symlink_to(shutil.which(tool))
        return {"PATH": str(directory)}
    return link


def test_points_lost_are_status_1_and_transcripts_are_kept(grader, fake_tree, tmp_path):
    said = grader("grade", "--submission", fake_tree(PASSES))
    assert said.status == 1
    assert "mmaptest failure: mmap (1), pid=3" in said.out
    assert "mmaptest failure: mmap (1), pid=3" in (tmp_path / "desk/build/grade/mmaptest.txt").read_text()


def test_json_is_on_standard_output_and_in_a_file(grader, fake_tree, tmp_path):
    said = grader("grade", "--format", "json", "--submission", fake_tree(PASSES))
    report = json.loads(said.out)
    assert (report["outcome"], report["max_score"], len(report["tasks"])) == ("graded", 100, 8)
    assert {run["program"] for run in report["runs"]} >= {"mmaptest", "mmapsharedtest"}
    assert json.loads((tmp_path / "desk/build/grade/report.json").read_text()) == report


@pytest.mark.parametrize("name, start", [
    ("junit", "<?xml"), ("gradescope", '{\n  "output"'), ("autolab", '{"scores": {"Task 1 System call setup": 10'), ("github", "result=ey")])
def test_a_grade_is_printed_as_other_systems_read_it(name, start, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "grade_tree", lambda *words, **more: made_up.grade(4))
    assert cli.main(["grade", "--format", name]) == 1
    said = capsys.readouterr().out
    assert said.startswith(start) and (len(said.splitlines()) == 1) is (name in ("autolab", "github"))


@pytest.mark.parametrize("words, says", [
    ([], "usage"), (["grade", "--submission", "/nonexistent"], "/nonexistent: there is no such directory"),
    (["grade", "--submission", "/dev"], "/dev is no lab tree: it has no kernel/ and user/"), (["grade"], "is no lab tree"),
    (["grade", "--submission", "/dev/null"], "/dev/null is a file: give the directory"),
    (["grade", "--task", "99"], "no task 99"), (["grade", "nosuch"], "no section 'nosuch'"), (["grade", "--task", "x"], "--task"),
    (["run", ""], 'make run PROG="usertests -q"'), (["run", "ls", "--submission", "/dev"], "no lab tree")])
def test_what_cannot_be_graded_is_status_2_and_says_why(grader, words, says):
    said = grader(*words)
    assert said.status == 2
    assert says in said.err and "Traceback" not in said.err


def not_built(said, error):
    """Whether a grade came out as it should for a tree that does not build."""
    return said.status == 1 and error in said.out and "does not build" in said.out and "0 of 100" in said.out


def test_no_makefile(grader, fake_tree):
    assert not_built(grader("grade", "--submission", fake_tree(makefile=None)), "the tree has no Makefile")


def test_a_build_that_fails_shows_the_first_error_with_file_and_line(grader, fake_tree):
    top = fake_tree()
    (top / "kernel/kernel.c").write_text("int x = ;\nint y = ;\n")
    said = grader("grade", "--submission", top, "--format", "json")
    report = json.loads(said.out)
    assert (said.status, report["outcome"], report["score"]) == (1, "not graded", 0)
    assert "kernel.c:1: expected expression before ';' token" in report["why"]
    assert {task["outcome"] for task in report["tasks"]} == {"not graded"}


def test_a_build_that_never_ends(fake_tree, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grade.build, "make", partial(build.make, limits=Limits(cpu=1)))
    top = fake_tree(makefile="kernel/kernel:\n\twhile :; do :; done\n")
    status = cli.main(["grade", "--submission", str(top)])
    assert status == 1
    assert "make was stopped: it used more than 1 s of CPU time" in capsys.readouterr().out


@pytest.mark.parametrize("boot, says", [
    (IDLE, "nothing to run"), (f"{BANNER}panic: kvminit\nbacktrace:\n0x0000000080000010\n{BUSY}", "panic: kvminit"),
    (BANNER + AGAIN, "started again"), (FLOOD, "MiB"), (BANNER + OFF, "QEMU ended by itself")])
def test_a_kernel_that_does_not_boot(grader, fake_tree, boot, says):
    said = grader("grade", "--submission", fake_tree(PASSES, boot=boot))
    assert said.status == 1
    assert says in " ".join(said.out.split())
    assert "0 of 100" in said.out


def test_a_kernel_that_loops_before_the_prompt(fake_tree, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grade.machine, "BOOT", 1.0)
    assert cli.main(["grade", "--submission", str(fake_tree(PASSES, boot=BANNER + BUSY))]) == 1
    assert "no end after 1 s" in " ".join(capsys.readouterr().out.split())


def test_a_disk_image_without_the_test_program(grader, fake_tree):
    said = grader("grade", "--submission", fake_tree(PASSES, disk=("mmapsharedtest",)))
    assert said.status == 1
    assert "$U/_mmaptest" in said.out and "UPROGS" in said.out


def test_without_qemu(grader, fake_tree, tmp_path):
    said = grader("grade", "--submission", fake_tree(),
                  env=only("make", "sh", "cp", "riscv64-unknown-elf-gcc")(tmp_path / "bin"))
    assert (said.status, said.out) == (2, "")
    assert "qemu-system-riscv64 is not installed" in said.err and "apt install qemu-system-misc" in said.err


def test_without_a_compiler(grader, fake_tree, tmp_path):
    said = grader("grade", "--submission", fake_tree(), env=only("make", "sh", "cp")(tmp_path / "bin"))
    assert (said.status, said.out) == (2, "")
    assert "riscv64-unknown-elf-gcc is not installed" in said.err


def test_without_a_python_module(grader, tmp_path):
    (tmp_path / "pexpect.py").write_text("raise ModuleNotFoundError(name='pexpect')\n")
    said = grader("grade", env={"PYTHONPATH": f"{tmp_path}:{KIT}"})
    assert said.status == 2
    assert "no module pexpect" in said.err and "apt install python3-pexpect" in said.err


@pytest.mark.parametrize("room", ["20k", "200k"])      # too little for the copy of the tree; enough for it, not for the build
def test_a_full_disk(fake_tree, tmp_path, room):
    top = fake_tree()
    (top / "kernel/large.h").write_bytes(bytes(100_000))
    (top / "Makefile").write_text(MAKEFILE + "kernel/kernel: big\nbig:\n\thead -c 1000000 /dev/zero > big\n")
    desk = tmp_path / "small"
    desk.mkdir()
    script = (f"mount -t tmpfs -o size={room} none {desk} && cd {desk} && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={KIT} "
              f"exec {sys.executable} -m grader grade --submission {top}")
    mine = "-m" if os.geteuid() == 0 else "-rm"     # root needs no user namespace to mount
    if subprocess.run(["unshare", mine, "true"], capture_output=True).returncode:
        pytest.skip("this host lets nobody mount a small disk")
    said = subprocess.run(["unshare", mine, "sh", "-c", script], capture_output=True, text=True)
    assert said.returncode == 2, said
    assert "No space left on device" in said.stderr or "is full" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_write_that_finds_no_room_is_no_traceback(fake_tree, tmp_path, monkeypatch, capsys):
    def no_room(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    top = fake_tree()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", no_room)
    assert cli.main(["grade", "--submission", str(top)]) == 2
    assert "No space left on device" in capsys.readouterr().err


def test_two_graders_do_not_work_in_one_place(grader, fake_tree, tmp_path):
    work = tmp_path / "desk/build/grade"
    with cli.sole_user(work):
        said = grader("grade", "--submission", fake_tree())
    assert said.status == 2
    assert "another grader is at work" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_machines(fake_tree, tmp_path, number):
    top = fake_tree({"mmaptest": BUSY, "mmapsharedtest": BUSY})
    desk = tmp_path / "desk"
    desk.mkdir()
    heard = partial(signal.signal, number, signal.SIG_DFL)         # where the tests run in the background, Ctrl-C is not
    grading = subprocess.Popen([sys.executable, "-m", "grader", "grade", "--submission", top], cwd=desk, text=True,
                               preexec_fn=heard, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(KIT)})
    while machines(desk) < 2:
        assert grading.poll() is None
        time.sleep(0.05)
    grading.send_signal(number)
    said = grading.communicate()[1]
    assert (grading.returncode, said) == (2, "grader: interrupted\n")
    assert machines(desk) == 0


def machines(desk):
    """How many QEMUs a grader in a directory runs."""
    return sum(process.info["cwd"] == str(desk) and process.info["name"].startswith("qemu")
               for process in psutil.process_iter(["cwd", "name"]))


def test_run_shows_the_output_and_ends_well(grader, fake_tree):
    said = grader("run", "--submission", fake_tree({"ls -l": "a\nb\n"}), "--", "ls -l")
    assert (said.status, said.out) == (0, "a\nb\n")


@pytest.mark.parametrize("program, prints", [("x", ("oops\n", "1")), ("x", f"panic: x\n{BUSY}"), ("nosuch", "")])
def test_run_does_not_end_well(grader, fake_tree, program, prints):
    assert grader("run", "--submission", fake_tree({"x": prints}), program).status == 1


def test_run_shows_a_boot_that_fails(grader, fake_tree):
    said = grader("run", "--submission", fake_tree(boot=f"{BANNER}panic: kvminit\n{BUSY}"), "ls")
    assert said.status == 1
    assert "panic: kvminit" in said.out


def test_run_of_a_tree_that_does_not_build(grader, fake_tree):
    said = grader("run", "--submission", fake_tree(makefile=None), "ls")
    assert said.status == 2
    assert "does not build: the tree has no Makefile" in said.err


def test_a_handout_alone_beside_the_grader_is_graded_by_its_own_makefile(tmp_path):
    shutil.copytree(KIT / "grader", tmp_path / "grader", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copytree(KIT / "handout", tmp_path / "mylab")
    said = subprocess.run(["make", "grade"], cwd=tmp_path / "mylab", capture_output=True, text=True)
    assert said.returncode != 0             # make's own status for a recipe that failed
    assert "Total: 0 of 100 points" in said.stdout
    assert (tmp_path / "mylab/build/grade/mmaptest.txt").exists() or "UPROGS" in said.stdout
