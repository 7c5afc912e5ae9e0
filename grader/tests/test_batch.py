"""Tests of batches: many at a time, killed, resumed, out of disk, with workers that die; grading itself is stood in for."""

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from grader import CouldNotGrade, batch, handout, names, parcel, pool, publish, results, worker
from grader.results import FAILED, GRADED, NOT_GRADED

from . import made_up, stand_in
from .conftest import KIT
from .synthetic import LAB
from .test_sandbox import runs

KILLS = int(os.environ.get("KILLS", 8))         # how often a batch is killed at a random moment
CLASS = int(os.environ.get("CLASS", 60))       # submissions in the test of memory and open files


class Here(ThreadPoolExecutor):
    """A pool of threads of this process."""

    def width(self):
        return 4

    def close(self):
        self.shutdown()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A Desk with nothing handed in yet."""
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return Desk(tmp_path, tmp_path / "calls")


class Desk:
    """A directory of submissions, a results folder, and the batch between them."""

    def __init__(self, place, calls):
        self.submissions, self.out, self.calls = place / "in", place / "out", calls
        self.submissions.mkdir(parents=True)

    def hand_in(self, *ids, text="int x;\n"):
        """Hand in a small tree for each id."""
        for id in ids:
            for name in ("kernel/main.c", "user/user.h", "Makefile"):
                (self.submissions / id / name).parent.mkdir(parents=True, exist_ok=True)
                (self.submissions / id / name).write_text(text)

    def run(self, workers=None, pauses=(0.0, 0.0), **order):
        """Run the batch; the Results by id."""
        with contextlib.nullcontext(workers) if workers else Here(2) as workers:
            found = batch.run(batch.Order(self.submissions, self.out, **order), LAB, workers, stand_in.quick, pauses)
        return {result.id: result for result in found}

    def graded(self):
        """The ids that were graded since the last look, sorted, with repetitions."""
        seen = sorted(id for what, id, _ in stand_in.calls(self.calls) if what == "begin")
        self.calls.unlink(missing_ok=True)
        return seen

    def start(self, jobs=2, **environment):
        """Start the batch as a process of its own."""
        words = [sys.executable, "-m", "grader.tests.stand_in", self.submissions, self.out, str(jobs), "quick"]
        return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(KIT), **environment}, cwd=self.out.parent,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def whole(self):
        """The ids that have results, each of which must be whole."""
        records = {}
        for folder in results.folders(self.out):
            record = results.read_record(folder)
            assert record is not None and record.id == folder.name
            assert results.read_grade(folder).score == stand_in.stage(4).score
            assert {"build.log", "report.txt", "junit.xml", "transcripts"} <= {path.name for path in folder.iterdir()}
            records[record.id] = (folder / results.RECORD).stat().st_ino
        return records


def wait_for(condition, seconds=120):
    """Wait until a condition holds; the test fails if it never does. How long that takes on a busy machine decides nothing."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pids):
    """Those of some process ids that still run."""
    return [pid for pid in pids if runs(pid)]


# What is graded, and what is not graded again.

def test_all_are_graded_and_every_report_is_there(desk):
    desk.hand_in("ann", "bob", "cyd")
    found = desk.run()
    assert {id: result.score for id, result in found.items()} == dict.fromkeys(("ann", "bob", "cyd"), stand_in.stage(4).score)
    names = {path.relative_to(desk.out / "bob").as_posix() for path in (desk.out / "bob").rglob("*") if path.is_file()}
    assert names >= {"report.json", "report.txt", "junit.xml", "gradescope.json", "autolab.json", "github.json", "build.log",
                     "diff.patch", "transcripts/mmaptest.txt", "input.json"}
    assert json.loads((desk.out / "bob/report.json").read_text())["submission"] == "bob"
    assert {path.name for path in desk.out.iterdir() if path.is_file()} >= {"grades.csv", "junit.xml", "batch.json"}


def test_only_what_changed_is_graded_again(desk, monkeypatch):
    desk.hand_in("ann", "bob", "cyd")
    desk.run()
    desk.graded()
    desk.run()
    assert desk.graded() == []
    desk.hand_in("bob", text="int y;\n")
    desk.hand_in("dan")
    desk.run()
    assert desk.graded() == ["bob", "dan"]
    (desk.submissions / "ann/kernel/new.c").touch()
    (desk.submissions / "cyd/Makefile").touch()             # newer, and the same
    desk.run()
    assert desk.graded() == ["ann"]
    monkeypatch.setattr(worker, "rules", lambda: "other points")
    desk.run()
    assert desk.graded() == ["ann", "bob", "cyd", "dan"]
    monkeypatch.setattr(worker, "kit", lambda *track: "another grader")
    desk.run()
    assert desk.graded() == ["ann", "bob", "cyd", "dan"]
    desk.run(strict=False)
    assert desk.graded() == ["ann", "bob", "cyd", "dan"]


def test_results_that_are_not_whole_are_made_again(desk):
    desk.hand_in("ann", "bob")
    desk.run()
    desk.graded()
    (desk.out / "ann" / results.RECORD).unlink()
    desk.run()
    assert desk.graded() == ["ann"]
    (desk.out / "bob" / results.RECORD).write_text('{"schema_version": 1, "id": ')
    with pytest.raises(CouldNotGrade, match="bob/input.json is not what a batch writes: delete"):
        desk.run()


def test_files_of_the_results_folder_are_no_ids(desk):
    desk.hand_in("index.html", "grades.csv")
    assert set(desk.run()) == {"index.html-", "grades.csv-"}


def test_hostile_names_stay_in_their_place(desk):
    desk.hand_in("$(touch owned)", "-rf", "a;b", "<b>x", "x..", "x\n1 2", "\x1b[31m", "ü" * 60)
    found = desk.run()
    assert len(found) == 8
    assert sorted(path.name for path in desk.out.parent.iterdir()) == ["calls", "in", "out"]
    assert {path.name for path in desk.out.iterdir() if path.is_dir()} - {results.UNFINISHED} == set(found)
    assert all(results.NAME.fullmatch(id) for id in found)


def test_of_two_submissions_with_one_id_one_counts_and_the_other_is_noted(desk):
    desk.hand_in("ann")
    (desk.submissions / "ann.zip").write_bytes(b"PK")
    os.utime(desk.submissions / "ann.zip", (1, 1))
    result = desk.run()["ann"]
    assert desk.graded() == ["ann"] and result.source == "ann"
    assert any("ann.zip" in note and "does not count" in note for note in result.notes)


def test_a_results_folder_among_the_submissions_is_none(desk):
    desk.out = desk.submissions / "results"
    desk.hand_in("ann")
    assert set(desk.run()) == set(desk.run()) == {"ann"}


@pytest.mark.parametrize("out, says", [
    (".", "can't be both the submissions and the results"), ("ann", "ann has other things in it than results"),
    ("ann/results", "lies in .*ann, which would be graded as a submission"), ("../notes", r"than results \(mine.txt\)")])
def test_results_take_the_place_of_nothing_else(desk, out, says):
    desk.hand_in("ann", "bob")
    (desk.submissions / "../notes").mkdir()
    (desk.submissions / "../notes/mine.txt").write_text("x")
    before = sorted(desk.submissions.parent.rglob("*"))
    desk.out = desk.submissions / out
    with pytest.raises(CouldNotGrade, match=says):
        desk.run()
    assert sorted(desk.submissions.parent.rglob("*")) == before and not desk.graded()


def test_results_that_are_taken_for_submissions_are_not_lost(desk):
    desk.hand_in("ann")
    desk.run()
    desk.submissions = desk.out
    with pytest.raises(CouldNotGrade, match="can't be both"):
        desk.run()
    assert desk.whole()


def test_who_deletes_the_settings_as_told_can_go_on(desk):
    desk.hand_in("ann")
    desk.run()
    (desk.out / "filled-export.csv").touch()
    (desk.out / results.SETTINGS).write_text("{")
    with pytest.raises(CouldNotGrade, match="batch.json is not what a batch writes: delete it, and run the batch again"):
        desk.run()
    (desk.out / results.SETTINGS).unlink()
    desk.graded()
    assert set(desk.run()) == {"ann"} and not desk.graded()


def test_overrides_may_be_there_before_the_first_batch(desk):
    desk.hand_in("ann")
    desk.out.mkdir()
    (desk.out / results.OVERRIDES).write_text('[[override]]\nid = "ann"\nscore = 50\nwho = "Ada"\nwhy = "so"\n')
    assert desk.run()["ann"].score == 50


# What can't be graded.

def test_no_submissions(desk):
    with pytest.raises(CouldNotGrade, match="in holds no submissions: give the directory"):
        desk.run()
    shutil.rmtree(desk.submissions)
    with pytest.raises(CouldNotGrade, match="there is no such directory"):
        desk.run()


def test_what_could_not_be_graded_is_tried_again_and_is_never_a_zero(desk, capsys):
    desk.hand_in("fails-1", "good", "flaky-1")
    found = desk.run()
    assert desk.graded() == ["fails-1"] * 3 + ["flaky-1"] * 3 + ["good"]
    assert (found["fails-1"].outcome, found["fails-1"].score) == (FAILED, None)
    assert found["fails-1"].why == "the disk is full"
    assert found["flaky-1"].outcome == GRADED and results.read_record(desk.out / "flaky-1").tries == 3
    assert "fails-1: could not grade, will be tried again: the disk is full" in capsys.readouterr().err
    desk.run()
    assert desk.graded() == ["fails-1"] * 3                 # and by the next command too


def test_it_is_tried_again_after_the_pause_and_others_go_on_meanwhile(desk, monkeypatch):
    """A clock that stands still until all others have been graded."""
    class Clock:
        @staticmethod
        def monotonic():
            return 100.0 if len(stand_in.calls(desk.calls)) >= 9 else 0.0

        @staticmethod
        def sleep(seconds):
            assert 0 <= seconds <= 30
    monkeypatch.setattr(batch, "time", Clock)
    goods = [f"good-{number}" for number in range(8)]
    desk.hand_in("fails-1", *goods)
    with Here(1) as one:
        desk.run(one, pauses=(30.0,))
    assert [id for _, id, _ in stand_in.calls(desk.calls)] == ["fails-1", *goods, "fails-1"]


@pytest.mark.parametrize("id, why", [("raises-1", "its worker process died (exit status 1)"), ("nonsense-1", "JSONDecodeError"),
                                     ("dies-1", "its worker process died (exit status -9)")])
def test_a_grader_that_breaks_takes_nobody_with_it(desk, id, why):
    desk.hand_in(id, "ann", "bob", "cyd")
    with contextlib.closing(pool.Local(2)) as workers:
        found = desk.run(workers)
    assert found[id].outcome == FAILED and why in found[id].why
    assert desk.graded() == sorted([id] * 3 + ["ann", "bob", "cyd"])
    assert [found[other].outcome for other in ("ann", "bob", "cyd")] == [GRADED] * 3


def test_a_worker_that_dies_once(desk):
    desk.hand_in("dieonce-1")
    with contextlib.closing(pool.Local(1)) as workers:
        assert desk.run(workers)["dieonce-1"].outcome == GRADED


def test_a_worker_that_is_stuck_is_ended(desk, monkeypatch):
    monkeypatch.setattr(pool, "LONGEST", 3.0)
    desk.hand_in("hangs-1")
    with contextlib.closing(pool.Local(2)) as workers:
        found = desk.run(workers, pauses=())
    assert "no result after" in found["hangs-1"].why
    assert alive([pid for _, _, pid in stand_in.calls(desk.calls)]) == []


def test_what_no_submission_can_be_is_refused_by_name(desk, monkeypatch):
    desk.hand_in("ann", "bob", "cyd")
    monkeypatch.setattr("grader.parcel.MOST_BYTES", 1000)
    (desk.submissions / "bob/big").write_bytes(bytes(1001))
    found = desk.run()
    assert found["bob"].outcome == NOT_GRADED and found["bob"].score == 0 and "bob has more than" in found["bob"].why
    assert desk.graded() == ["ann", "cyd"]
    told = json.loads((desk.out / "bob/report.json").read_text())
    assert (told["outcome"], told["score"], told["max_score"], told["submission"]) == ("not graded", 0, LAB.points, "bob")
    assert [task["score"] for task in told["tasks"]] == [0] * len(LAB.tasks) and "bob has more than" in told["why"]


def test_when_the_courses_system_got_it_travels_with_a_submission(desk, monkeypatch):
    desk.hand_in("submission_1", "ann")
    (desk.submissions / names.METADATA).write_text("submission_1:\n  :created_at: 2025-11-20 22:59:01 Z\n")
    sent = {}
    monkeypatch.setattr(stand_in, "quick", lambda job, real=stand_in.quick: sent.update({job.id: job.received}) or real(job))
    found = desk.run()
    assert sent == {"1": 1763679541.0, "ann": None} and found["1"].received == "2025-11-20T22:59:01+00:00"


# What a worker says, whatever happens to it.

def job(path, **more):
    """A Job to grade what lies at a path, unconfined."""
    return worker.Job("ann", parcel.pack(path), worker.version(), **{"strict": False, "confined": False, **more})


@pytest.mark.parametrize("number, says", [
    (errno.ENOSPC, "the disk is full: .* is where submissions are graded. Make room there, or set TMPDIR"),
    (errno.EDQUOT, "the disk is full"),
    (errno.EIO, "the grader itself failed: OSError: .*Input/output error")])
def test_a_full_disk_is_told_with_what_to_do(desk, monkeypatch, number, says):
    def full(*words, **more):
        raise OSError(number, os.strerror(number))
    desk.hand_in("ann")
    monkeypatch.setattr(worker, "grade_tree", full)
    answer = worker.answer(job(desk.submissions / "ann"), print)
    assert answer.outcome == FAILED and re.match(says, answer.why)
    assert bool(answer.files) == (number == errno.EIO)


def test_what_a_killed_worker_leaves_is_where_the_next_one_clears(desk, monkeypatch):
    seen = []

    def grade_tree(path, rubric, work, scratch, **more):
        seen.append(scratch)
        assert scratch.is_dir()
        return made_up.grade(4)
    desk.hand_in("ann")
    monkeypatch.setattr(worker, "grade_tree", grade_tree)
    monkeypatch.setattr(worker, "texts", lambda work: {})
    assert worker.answer(job(desk.submissions / "ann"), print).outcome == GRADED
    assert [scratch.parent.parent for scratch in seen] == [worker.home()] and re.fullmatch(r"worker\d+", seen[0].parent.name)


def test_what_only_the_kits_own_handout_has_is_no_difference(desk, tmp_path):
    start = worker.start("core")
    students = shutil.copytree(start, tmp_path / "students", ignore=shutil.ignore_patterns(handout.MANIFEST))
    assert worker.changes(students, start, tmp_path / "place") == {"diff.patch": ""}


# Where nothing can be written.

def test_the_disk_is_full(desk, monkeypatch):
    desk.hand_in("ann", "bob", "cyd")
    real = results.write_through

    def full(path, text):
        if path.name == "report.json" and "bob" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, text)
    monkeypatch.setattr(results, "write_through", full)
    with pytest.raises(CouldNotGrade, match="(?s)can't write to .*out: .*No space left.*What is graded is kept"):
        desk.run()
    assert "bob" not in desk.whole()
    desk.graded()
    kept = set(desk.whole())
    monkeypatch.setattr(results, "write_through", real)
    assert len(desk.run()) == 3
    assert set(desk.graded()) == {"ann", "bob", "cyd"} - kept


def test_a_results_folder_that_can_not_be_made(desk):
    desk.hand_in("ann")
    desk.out = desk.out.parent / "calls"
    desk.out.touch()
    with pytest.raises(CouldNotGrade, match="can't write to .*calls: "):
        desk.run()


def test_an_interrupted_replacement_of_a_result(desk, monkeypatch):
    """Between the old folder's going and the new one's coming there is none: it is graded again."""
    desk.hand_in("ann")
    desk.run()
    desk.hand_in("ann", text="int y;\n")
    real = os.rename

    def stop(source, target):
        if Path(source).parent.name == results.UNFINISHED:
            raise KeyboardInterrupt
        real(source, target)
    monkeypatch.setattr(os, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    monkeypatch.setattr(os, "rename", real)
    desk.graded()
    desk.run()
    assert desk.graded() == ["ann"] and set(desk.whole()) == {"ann"}
    assert list((desk.out / results.UNFINISHED).iterdir()) == []


# Killed.

def test_killed_at_random_moments_it_loses_only_what_was_running(desk):
    dice = random.Random(1)
    ids = [f"s{number}" for number in range(4 * KILLS)]
    desk.hand_in(*ids)
    before = {}
    for _ in range(KILLS):
        process = desk.start(TAKES="0.05")
        ready = len(stand_in.calls(desk.calls)) + dice.randint(0, 4)
        wait_for(lambda: len(stand_in.calls(desk.calls)) >= ready or process.poll() is not None)
        time.sleep(0.1 * dice.random())
        process.kill()
        process.wait()
        after = desk.whole()
        assert before.items() <= after.items()          # the same files: none was written again
        wait_for(lambda: not alive({pid for _, _, pid in stand_in.calls(desk.calls)}))
        before = after
    process = desk.start()
    assert process.wait(60 + 30 * KILLS) == 0, process.stderr.read()
    after = desk.whole()
    assert before.items() <= after.items() and set(after) == set(ids)
    done = desk.graded()
    assert set(done) == set(ids) and len(done) <= len(ids) + 2 * pool.AHEAD * KILLS


def test_ctrl_c_ends_it_and_all_its_children_whatever_they_do(desk):
    desk.hand_in("hangs-1", "hangs-2", "hangs-3")
    process = desk.start()
    wait_for(lambda: len([1 for what, _, _ in stand_in.calls(desk.calls) if what == "child"]) == 2)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 2                       # for their jobs it would wait for ever
    assert "interrupted" in process.stderr.read()
    assert alive([pid for _, _, pid in stand_in.calls(desk.calls)] + [child.pid for child in family]) == []


def test_a_pool_that_is_closed_starts_no_more_workers(desk):
    """Ctrl-C may come when a thread has a job and no worker yet: what it started then would be ended by nobody."""
    others = set(psutil.Process().children())
    workers = pool.Local(1)
    workers.close()
    with pytest.raises(CouldNotGrade, match="interrupted"):
        workers.call(stand_in.quick, None)
    assert set(psutil.Process().children()) <= others


def test_what_a_submission_leaves_running_is_gone_with_its_result(desk):
    desk.hand_in("leaves-1", "leaves-2")
    others = set(psutil.Process().children())           # of other tests
    with contextlib.closing(pool.Local(1)) as workers:
        assert {result.outcome for result in desk.run(workers).values()} == {GRADED}
        left = [pid for what, _, pid in stand_in.calls(desk.calls) if what == "child"]
        assert len(left) == 2 and not any(map(psutil.pid_exists, left))
        (process,) = set(psutil.Process().children()) - others      # the worker, and none of the dead
        assert process.children() == []


def test_two_batches_in_one_folder(desk):
    from grader.lock import sole_user
    desk.out.mkdir()
    with sole_user(desk.out, ".lock"):
        with pytest.raises(CouldNotGrade, match="another grader is at work in"), sole_user(desk.out, ".lock"):
            pass
    with sole_user(desk.out, ".lock"):
        pass


def test_memory_and_open_files_stay_flat(desk):
    """Of the batch, and of its one worker, after a tenth and at the end."""
    seen = []

    class Watched(pool.Local):
        def submit(self, work, job):
            if len(seen) == 0 and done() >= CLASS // 3 or len(seen) == 1 and done() >= CLASS - 10:
                family = [psutil.Process(), *psutil.Process().children(recursive=True)]
                seen.append([(p.pid, p.memory_info().rss, p.num_fds(), p.num_threads()) for p in family])
            return super().submit(work, job)

    def done():
        return len(results.folders(desk.out))

    desk.hand_in(*(f"s{number}" for number in range(CLASS)))
    with contextlib.closing(Watched(1)) as workers:
        assert len(desk.run(workers)) == CLASS
    early, late = ({pid: rest for pid, *rest in sample} for sample in seen)
    assert set(early) == set(late)
    for pid in early:
        (memory, files, threads), (memory_now, files_now, threads_now) = early[pid], late[pid]
        assert files_now < files + 8 and threads_now < threads + 8          # some come and go; of each submission, none may stay
        assert memory_now < memory + (8 << 20)
