"""Grades many submissions, several at a time; takes up again what it was stopped at, and grades anew only what changed."""

import heapq
import json
import sys
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from . import CouldNotGrade, gradebooks, names, parcel, publish, results, tracks, worker
from .progress import UNCHANGED, Plain, Tally, Terminal
from .report import json as report_json
from .report.text import clean
from .results import FAILED, GRADED, NOT_GRADED, Record

PAUSES = (5.0, 30.0)            # seconds before a submission that could not be graded is tried again, each time
LOOK = 1.0                      # seconds after which a pool is asked again how many jobs it can have in hand


@dataclass(frozen=True)
class Order:
    """What a batch is to do."""

    submissions: Path
    out: Path                           # the results folder
    strict: bool = True
    confined: bool = True
    deadline: str | None = None         # ISO 8601 with zone; "" for none; None: as it was
    track: str = tracks.CORE            # of the lab
    known: tuple[Path, ...] = ()        # more results folders, whose results need not be made again


def run(order, rubric, pool, work=worker.grade, pauses=PAUSES):
    """Grade what is to be graded of an Order in a pool, by a Lab; return the Results of order.out.

    work is a function from a worker.Job to an Answer as JSON. Raises CouldNotGrade where nothing more can be done: what
    has been graded until then is kept."""
    entries = in_order(order, rubric)
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        settle(order)
        results.fresh(order.out / results.UNFINISHED)
        overrides = results.read_overrides(order.out, rubric, {entry.id for entry in entries})
        tally = Tally(len(entries))
        with (Terminal if sys.stderr.isatty() else Plain)(tally) as show:
            Batch(order, rubric, overrides, pool, work, pauses, show).run(entries)
        return publish.everything(order.out, rubric)
    except OSError as error:
        raise CouldNotGrade(f"can't write to {order.out}: {error}. What is graded is kept: make room, or another OUT, and give "
                            "the same command again") from error


def in_order(order, rubric):
    """The Entries that an Order is to grade: one for each id. Raises CouldNotGrade, also where a result would come to lie in the
    place of something else."""
    submissions = order.submissions
    if not submissions.is_dir():
        raise CouldNotGrade(f"{submissions}: there is no such directory: give the one in which the submissions lie")
    if (submissions / "kernel").is_dir() and (submissions / "user").is_dir():
        raise CouldNotGrade(f"{submissions} is itself a lab tree: give the directory in which it lies, or grade it by itself: "
                            f"make grade SUBMISSION={submissions}")
    mine = {path.resolve() for path in (order.out, *order.known)}
    if submissions.resolve() in mine:
        raise CouldNotGrade(f"{order.out} can't be both the submissions and the results: give another OUT")
    if strange := strangers(order.out):
        raise CouldNotGrade(f"{order.out} has other things in it than results ({strange[0]}): give another OUT, new or empty")
    entries = [entry for entry in names.submission_ids(submissions, rubric.exports) if entry.path.resolve() not in mine]
    if not entries:
        raise CouldNotGrade(f"{submissions} holds no submissions: give the directory in which each is a directory or an archive")
    if around := [entry.path for entry in entries if entry.path.resolve() in order.out.resolve().parents]:
        raise CouldNotGrade(f"{order.out} lies in {around[0]}, which would be graded as a submission: give another OUT")
    return [replace(entry, id=unlike_a_file(entry.id)) for entry in entries if not entry.superseded]


def strangers(out):
    """The names of what lies in a directory (a Path), if it is there, and is no part of a results folder. None where a batch has
    begun. Raises CouldNotGrade."""
    try:
        if (out / results.SETTINGS).exists() or not out.is_dir():
            return []
        return [path.name for path in sorted(out.iterdir()) if not path.name.startswith((".", gradebooks.FILLED))
                and path.name not in publish.FILES and not (path / results.RECORD).is_file()]
    except OSError as error:
        raise CouldNotGrade(f"can't read {out}: {error.strerror}") from None


def unlike_a_file(id):
    """An id that is not the name of one of the files in a results folder."""
    return f"{id}-" if id in publish.FILES else id


def settle(order):
    """Write down what a results folder is made from."""
    was = results.read_settings(order.out).deadline if (order.out / results.SETTINGS).exists() else ""
    results.write_settings(order.out, results.Settings(str(order.submissions.resolve()), order.strict,
                                                       was if order.deadline is None else order.deadline, order.track))


@dataclass(frozen=True)
class Task:
    """An Entry on its way."""

    entry: names.Entry
    tries: int = 1
    digest: str = ""            # of what was handed in, once that is known


class Batch:
    """What is still to be done, what is being done, and where the results go."""

    def __init__(self, order, rubric, overrides, pool, work, pauses, show):
        self.order, self.rubric, self.overrides, self.pool, self.work = order, rubric, overrides, pool, work
        self.pauses, self.show = pauses, show
        self.deadline = results.read_settings(order.out).deadline
        self.waiting = deque()
        self.again = []             # a heap of (when, number, Task): what could not be graded, and will be tried again
        self.running = {}           # Task by Future

    def run(self, entries):
        """Grade all that is not there yet."""
        self.waiting.extend(Task(entry) for entry in entries)
        while self.waiting or self.again or self.running:
            while len(self.running) < self.pool.width() and (task := self.next()):
                self.start(task)
            done, _ = wait(self.running, timeout=LOOK if self.running else self.pause(), return_when=FIRST_COMPLETED)
            for future in done:
                self.finish(self.running.pop(future), future)

    def next(self):
        """The next Task that can be started, or None."""
        if self.again and self.again[0][0] <= time.monotonic():
            return heapq.heappop(self.again)[2]
        return self.waiting.popleft() if self.waiting else None

    def pause(self):
        """Sleep until something can be tried again, where nothing runs; returns 0."""
        if self.again and not self.waiting:
            time.sleep(max(0.0, self.again[0][0] - time.monotonic()))
        return 0

    def start(self, task):
        """Hand a Task to the pool, unless it is settled already."""
        try:
            packed = parcel.pack(task.entry.path)
        except parcel.Unfit as error:
            return self.write(task, worker.refused(task.entry.id, self.rubric, error))
        except CouldNotGrade as error:
            return self.settle(task, worker.Answer(FAILED, str(error)))
        task = replace(task, digest=packed.digest)
        if any(self.stands(folder / task.entry.id, task) for folder in (self.order.out, *self.order.known)):
            return self.show.done(UNCHANGED, "")
        version = worker.version(self.order.track)
        job = worker.Job(task.entry.id, packed, version, self.order.strict, self.order.confined, self.order.track,
                         task.entry.received)
        self.running[self.pool.submit(self.work, job)] = task

    def stands(self, folder, task):
        """Whether a result's folder holds what grading a Task again would come to."""
        record = results.read_record(folder)
        return record is not None and record.outcome != FAILED and record.inputs == self.inputs(task)

    def inputs(self, task):
        """What the result of a Task rests on."""
        return task.digest, worker.kit(self.order.track), worker.rules(), self.order.strict

    def finish(self, task, future):
        """Take what came of a Task."""
        try:
            answer = worker.Answer(**json.loads(future.result()))
        except CancelledError:
            answer = worker.Answer(FAILED, "the cluster gave it up: its scheduler or a worker is gone")
        except Exception as error:      # of the pool: a worker died, or could not even begin
            answer = worker.Answer(FAILED, str(error) if isinstance(error, CouldNotGrade) else f"{type(error).__name__}: {error}")
        self.settle(task, answer)

    def settle(self, task, answer):
        """Write an Answer down - or try again later, if nothing came of it."""
        if answer.outcome != FAILED or task.tries > len(self.pauses):
            return self.write(task, answer)
        pause = self.pauses[task.tries - 1]
        self.show.say(f"{task.entry.id}: {FAILED}, will be tried again: {clean(answer.why)}")
        heapq.heappush(self.again, (time.monotonic() + pause, id(task), replace(task, tries=task.tries + 1)))

    def write(self, task, answer):
        """Make the folder of a result."""
        entry = task.entry
        received = answer.received if entry.received is None else datetime.fromtimestamp(entry.received, timezone.utc).isoformat()
        notes = (*entry.notes, *(["the export marks it as late"] if entry.late else []), *answer.notes)
        digest, kit, lab, strict = self.inputs(task)
        record = Record(entry.id, entry.path.name, answer.outcome, answer.why, notes, received, digest, kit, lab, strict, task.tries,
                        entry.name, entry.email)
        grade = report_json.read(answer.report) if answer.report else None
        result = results.result(record, grade, self.overrides, self.rubric, self.deadline, self.order.out / entry.id)
        results.write(self.order.out, record, answer.report, {**answer.files, **publish.texts(result)})
        self.show.done(answer.outcome, f"{entry.id}: {publish.in_words(result)}")
