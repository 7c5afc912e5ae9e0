"""Tests of the commands for many submissions, as they are called: batch, regrade, show, diff, shell."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest

from grader import CouldNotGrade, batch, look, pool, regrade, results, worker

from . import stand_in
from .conftest import KIT
from .synthetic import LAB
from .test_batch import Desk, Here
from .test_cli import PASSES, only


@pytest.fixture
def handed_in(tmp_path, fake_tree):
    """A directory with three submissions: a tree that builds in no time, one that does not build, and what is no archive."""
    place = tmp_path / "in"
    place.mkdir()
    tree = fake_tree(PASSES)
    shutil.copytree(tree, place / "ann")
    (tree / "kernel/kernel.c").write_text("int \x1b]0;owned\x07wrong = ;\n")
    shutil.copytree(tree, place / "bob")
    (place / "cyd.zip").write_bytes(b"PK\3\4 and no more")
    return place


def test_a_batch_from_its_command_to_its_page(grader, handed_in, tmp_path):
    said = grader("batch", handed_in, "--no-strict", "--jobs", "2")
    assert said.status == 0, said.err
    assert "3 of 3 submissions have a result. The page to read: results/index.html" in said.out
    out = tmp_path / "desk/results"
    found = {result.id: result for result in results.read(out, LAB)}
    assert found["ann"].outcome == "graded" and found["ann"].score > 0
    assert (found["bob"].outcome, found["bob"].score) == ("not graded", 0) and "does not build" in found["bob"].why
    assert (found["cyd"].outcome, found["cyd"].score) == ("not graded", 0) and "refused: cyd.zip: " in found["cyd"].why
    assert "mmaptest failure: mmap (1), pid=3" in (out / "ann/transcripts/mmaptest.txt").read_text()
    assert "+++ submission/Makefile" in (out / "ann/diff.patch").read_text()
    page = (out / "index.html").read_text()
    assert all(id in page for id in found)
    again = grader("batch", handed_in, "--no-strict", "--jobs", "2", "--deadline", "2001-01-01T00:00Z")
    assert again.status == 0 and "1 of 3" not in again.err          # nothing is graded again
    late = {result.id: result for result in results.read(out, LAB)}["ann"]
    assert late.score == 0 and late.adjustments[0].what.startswith("Late, ") and late.grade == found["ann"].grade
    shown = grader("show", "ann")
    assert shown.status == 0 and "Counts: 0 of 100 points" in shown.out
    broken = grader("diff", "bob")
    assert broken.status == 0 and "wrong = ;" in broken.out and "\x1b" not in broken.out
    nobody = grader("show", "an")
    assert nobody.status == 2 and "results has no result for 'an'; there is ann" in nobody.err
    entered = shell("ann", tmp_path / "desk", "ls kernel user/mmaptest.c; touch x && echo written; ls /home; echo $HOME; exit 3\n")
    assert entered.returncode == 0, entered.stderr
    assert "kernel.c" in entered.stdout and "user/mmaptest.c" in entered.stdout and "written" in entered.stdout
    assert shell("cyd", tmp_path / "desk", "").returncode == 2


def shell(id, desk, typed):
    """What `grader shell` does with what is typed."""
    return subprocess.run([sys.executable, "-m", "grader", "shell", id], cwd=desk, input=typed, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(KIT)})


@pytest.mark.parametrize("words, says", [
    (["batch"], "SUBMISSIONS"), (["batch", "/nonexistent"], "/nonexistent: there is no such directory"),
    (["batch", "/dev/null"], "there is no such directory"), (["batch", ".", "--deadline", "tomorrow"], "is no time with a zone"),
    (["batch", ".", "--jobs", "0"], "is not a number from 1 up"), (["batch", "."], "holds no submissions"),
    (["batch", ""], "say where the submissions lie: make batch SUBMISSIONS=dir"),
    (["batch", KIT / "handout"], "handout is itself a lab tree: give the directory in which it lies"),
    (["batch", "/etc", "--scheduler", "tcp://127.0.0.1:9"], "there is no Dask scheduler at tcp://127.0.0.1:9"),
    (["batch", "/etc", "--scheduler", "localhost"], "'localhost' is no address of a scheduler: write it as tcp://host:8786"),
    (["batch", "/etc", "--out", "/dev/null/x"], "can't write to /dev/null/x"),
    (["batch", "/etc", "--out", 300 * "x"], "xxx/batch.json: File name too long"), (["batch", 300 * "x"], "xxx: File name too long"),
    (["show", "ann", "--out", 300 * "x"], "File name too long"), (["regrade", "--out", 300 * "x"], "File name too long"),
    (["regrade"], "is no folder of results"), (["show", "ann"], "is no folder of results"), (["diff", "ann"], "is no folder of results")])
def test_what_can_not_be_done_is_told_in_one_message(grader, words, says):
    said = grader(*words)
    assert said.status == 2
    assert says in said.err and "Traceback" not in said.err


def test_a_home_directory_that_the_shell_left_alone_is_found(grader, tmp_path):
    for words in (["batch", "~/none"], ["show", "ann", "--out", "~/none"]):
        assert f"{tmp_path}/none" in grader(*words, env={"HOME": str(tmp_path)}).err


def test_who_reads_no_more_of_a_long_report_is_spared_a_traceback(desk):
    record = json.loads((desk.out / "ann" / results.RECORD).read_text())
    (desk.out / "ann" / results.RECORD).write_text(json.dumps({**record, "notes": [f"{number} is noted" for number in range(100_000)]}))
    words = [sys.executable, "-m", "grader", "show", "ann", "--out", desk.out]
    with subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(KIT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as command:
        assert command.stdout.readline().startswith("mmap and munmap")
        command.stdout.close()
        assert command.stderr.read() == ""


def test_without_bubblewrap_nothing_is_graded(grader, handed_in, tmp_path):
    tools = ("sh", "make", "qemu-system-riscv64", "riscv64-unknown-elf-gcc", "ccache", "setpriv")
    said = grader("batch", handed_in, env=only(*tools)(tmp_path / "bin"))
    assert said.status == 2 and "bubblewrap is not installed" in said.err and "--no-sandbox" in said.err
    assert not (tmp_path / "desk/results/ann").exists()


def test_where_the_sandbox_finds_no_room_is_told_as_the_place_that_it_is(monkeypatch):
    def full(place):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(worker, "confined", full)
    with pytest.raises(CouldNotGrade, match=f"in {worker.home()}: .*No space left on device. Make room there, or set TMPDIR"), \
            pool.chosen("", 1, True):
        pass


# A regrade, with grading stood in for.

@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A Desk with results of three submissions; of a kit that has changed since."""
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    desk = Desk(tmp_path, tmp_path / "calls")
    desk.hand_in("ann", "bob", "cyd")
    desk.run()
    desk.graded()
    monkeypatch.setattr(worker, "kit", lambda *track: "the next version")
    (tmp_path / "bob-STAGE").write_text("5")
    return desk


def again(desk, keep):
    """Regrade a Desk; the scores by id."""
    with Here(2) as workers:
        found = regrade.run(batch.Order(desk.submissions, desk.out), LAB, workers, keep, stand_in.quick)
    return {result.id: result.score for result in found}


def test_a_regrade_shows_what_would_change_and_keeps_it_only_if_told(desk, capsys):
    (desk.out / results.OVERRIDES).write_text('[[override]]\nid = "cyd"\nscore = 50\nwho = "Ada"\nwhy = "so"\n')
    assert again(desk, False) == {"ann": 45, "bob": 45, "cyd": 50}
    assert capsys.readouterr().out.startswith("bob: 45 -> 65 (+20)\n    task 5, munmap: 0 -> 20: was: ")
    assert desk.graded() == ["ann", "bob", "cyd"]
    assert again(desk, True) == {"ann": 45, "bob": 65, "cyd": 50}
    assert "bob: 45 -> 65 (+20)" in capsys.readouterr().out
    assert desk.graded() == []                          # it was graded before, and only taken over now
    assert not (desk.out / regrade.PLACE).exists() and set(results.folders(desk.out)) == {desk.out / id for id in ("ann", "bob", "cyd")}
    assert again(desk, True) == {"ann": 45, "bob": 65, "cyd": 50}
    assert "No score changes." in capsys.readouterr().out and desk.graded() == []


def test_a_regrade_for_a_kit_that_was_tried_before_does_not_count(desk, monkeypatch, capsys):
    again(desk, False)
    monkeypatch.setattr(worker, "kit", lambda *track: "the version after the next")
    (desk.out.parent / "bob-STAGE").unlink()
    desk.graded()
    capsys.readouterr()
    assert again(desk, True) == {"ann": 45, "bob": 45, "cyd": 45}
    assert "No score changes." in capsys.readouterr().out and desk.graded() == ["ann", "bob", "cyd"]


def test_results_among_the_submissions_are_not_graded_by_a_regrade(desk, capsys):
    shutil.move(desk.out, desk.submissions / "results")
    desk.out = desk.submissions / "results"
    assert again(desk, False) == {"ann": 45, "bob": 45, "cyd": 45}
    assert capsys.readouterr().out.startswith("bob: 45 -> 65 (+20)\n") and desk.graded() == ["ann", "bob", "cyd"]


def test_what_is_shown_can_not_drive_a_terminal():
    assert look.readable("a\x1b[31m\x07\u202eb\n\tc") == "a?[31m??b\n\tc"


def test_a_submission_that_is_gone(desk):
    shutil.rmtree(desk.submissions / "ann")
    with pytest.raises(CouldNotGrade, match="in/ann is gone: without it there is nothing to look at"):
        look.shell(desk.out, "ann")
    assert desk.run()["ann"].score == 45                # its result stays
