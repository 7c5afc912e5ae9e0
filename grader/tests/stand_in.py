"""Stands in for grading in tests of batches: what a job's id says happens, and each call is noted in a file.

As a command, `python -m grader.tests.stand_in SUBMISSIONS OUT JOBS WORK`, a batch that the tests can kill."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from grader import CouldNotGrade, batch, pool
from grader.report import json as report_json
from grader.results import FAILED, GRADED
from grader.tests import made_up, stand_in, synthetic       # itself, under the name that workers know
from grader.worker import Answer


@functools.cache
def stage(number):
    """The Grade of a stage of the lab."""
    return made_up.grade(number)


def note(what, job):
    """Note in the file CALLS that something happened to a job: one line, whole."""
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(f"{what} {job.id} {os.getpid()}\n")


def calls(path):
    """The (what, id, pid) that were noted in a file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(what, id, int(pid)) for what, id, pid in map(str.split, lines)]


def quick(job):
    """An Answer at once: 35 points for most; ids that begin with a word below have their ways."""
    note("begin", job)
    kind = job.id.partition("-")[0]
    tries = sum((what, id) == ("begin", job.id) for what, id, _ in calls(Path(os.environ["CALLS"])))
    if kind == "dies" or kind == "dieonce" and tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fails":
        return json.dumps(asdict(Answer(FAILED, "the disk is full", files={"error.txt": "x"})))
    if kind == "flaky" and tries <= 2:
        return json.dumps(asdict(Answer(FAILED, "QEMU could not start")))
    if kind == "raises":
        raise ValueError("a bug in the grader")
    if kind == "nonsense":
        return "{"
    if kind in ("hangs", "leaves"):
        leave_child(job)
    while kind == "hangs" or kind == "hangonce" and tries == 1:
        time.sleep(1000)
    time.sleep(float(os.environ.get("TAKES", 0)))
    return json.dumps(asdict(answer(job)))


def answer(job):
    """The Answer of a stage of the lab: that in the file job.id-STAGE beside CALLS, else the fourth."""
    told = Path(os.environ["CALLS"]).with_name(f"{job.id}-STAGE")
    grade = replace(stage(int(told.read_text()) if told.exists() else 4), submission=job.id)
    return Answer(GRADED, "", ("a note",), "2026-11-20T18:30:00+00:00", report_json.render(grade),
                  {"build.log": f"built {job.id}\n", "diff.patch": "", "transcripts/mmaptest.txt": "test basic mmap\n"})


def leave_child(job):
    """Start a child in a session of its own that has left its parent, and a grandchild that nobody waits for."""
    child = subprocess.Popen(["sh", "-c", "setsid sleep 1000 & echo $!; (true &)"], stdout=subprocess.PIPE, text=True)
    with open(os.environ["CALLS"], "a") as file:
        file.write(f"child {job.id} {child.stdout.readline().strip()}\n")


def main(submissions, out, jobs, work):
    """Run a batch; 0 if all is graded, 2 if not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = batch.Order(Path(submissions), Path(out))
    workers = pool.Local(int(jobs))
    try:
        found = batch.run(order, synthetic.LAB, workers, getattr(stand_in, work), pauses=(0.0, 0.0))
        return 2 if any(result.outcome == FAILED for result in found) else 0
    except CouldNotGrade as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        workers.close()
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
