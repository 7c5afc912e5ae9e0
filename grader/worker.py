"""Grades one submission of a batch, on this machine or another: a Parcel goes in, the texts of its result come out."""

import errno
import fcntl
import functools
import hashlib
import itertools
import json
import os
import socket
import subprocess
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from . import CouldNotGrade, archive, cache, kitonly, lab, sandbox, score, tracks, tree
from .grade import OFFICIAL, grade_tree
from .parcel import Parcel, lay
from .report import json as report_json
from .results import FAILED, GRADED, NOT_GRADED

HERE = Path(__file__).resolve().parent
HANDOUT = HERE.parent / "handout"
ELSEWHERE = "Make room there, or set TMPDIR to another directory"
DIFF = sandbox.Limits(cpu=20, wall=60, output=1 << 20)      # for the difference to the handout


@dataclass(frozen=True)
class Job:
    """What is to be graded, and how. Nothing in it belongs to one machine."""

    id: str
    parcel: Parcel
    version: str                # as version() says where the batch runs
    strict: bool                # with hidden tests
    confined: bool              # in the sandbox
    track: str = tracks.CORE    # of the lab
    received: float | None = None       # when the course's system got it, where that tells: POSIX seconds


@dataclass(frozen=True)
class Answer:
    """What came of a Job: texts only."""

    outcome: str                # graded | not graded | could not grade
    why: str
    notes: tuple[str, ...] = ()
    received: str = ""          # ISO 8601 with zone, where the submission itself says when it was made
    report: str = ""            # report.json
    files: dict = field(default_factory=dict)       # texts by path: build.log, diff.patch, transcripts/NAME.txt


def grade(job, tell=lambda line: None):
    """The Answer to a Job, as JSON; tell(line) is called with lines of progress. Raises nothing: what keeps the grader from
    its work is an Answer too."""
    return json.dumps(asdict(answer(job, tell)))


def answer(job, tell):
    """The Answer to a Job."""
    try:
        if job.version != version(job.track):
            return Answer(FAILED, f"{socket.gethostname()} has another version of the kit than this batch began with: bring "
                                  "both to the same, and start workers and batch anew")
        with scratch() as place:
            return grade_in(job, place, tell)
    except CouldNotGrade as error:
        return Answer(FAILED, str(error))
    except Exception as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return Answer(FAILED, f"the disk is full: {tempfile.gettempdir()} is where submissions are graded. {ELSEWHERE}")
        return Answer(FAILED, f"the grader itself failed: {type(error).__name__}: {error}", files={"error.txt": traceback.format_exc()})


def grade_in(job, place, tell):
    """The Answer to a Job, with all that is made for it in an empty directory."""
    path = lay(job.parcel, place / "in")
    box = confined(str(place) + ".box") if job.confined else sandbox.OPEN
    try:
        handed_in = archive.open_submission(path, place / "handed-in", start(job.track), box, job.parcel.folder, job.received)
    except archive.Refused as error:
        return refused(job.id, rubric(job.strict, job.track), error)
    tell("unpacked")
    work, runs = place / "work", place / "runs"
    work.mkdir()
    runs.mkdir()
    graded = grade_tree(handed_in.path, rubric(job.strict, job.track), work, jobs=1, say=tell, box=box, scratch=runs)
    tell("graded")
    graded = replace(graded, submission=job.id,
                     runs=tuple(replace(run, transcript=f"transcripts/{Path(run.transcript).name}") for run in graded.runs))
    received = "" if handed_in.received is None else datetime.fromtimestamp(handed_in.received, timezone.utc).isoformat()
    return Answer(graded.outcome, graded.why, handed_in.notes + graded.notes, received, report_json.render(graded),
                  texts(work) | changes(handed_in.path, start(job.track), place))


def refused(id, lab, reason):
    """The Answer for a submission that can't be opened: no points for any task."""
    why = f"refused: {reason}"
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Answer(NOT_GRADED, why, report=report_json.render(replace(score.refused(lab, why, id), started=started)))


@functools.cache
def rubric(strict, track):
    """The Lab to grade by: its files are as they were when this worker began, as version() says. Raises LabError."""
    return lab.load(strict=strict, track=track)


def texts(work):
    """What a grade left in its work directory and people want to read, by path in the result's folder."""
    found = {f"transcripts/{path.name}": path for path in work.glob("*.txt")} | {"build.log": work / "build.log"}
    return {name: path.read_text(errors="replace") for name, path in found.items()}


def changes(submission, handout, place):
    """The file diff.patch: how a submission differs from the handout that students got."""
    mine, given = tree.read(submission), tree.read(handout)
    given.pop(kitonly.load("handout").MANIFEST, None)
    for name, content in mine.items():
        if content != given.get(name):
            put(place / "diff/submission" / name, content)
            if name in given:
                put(place / "diff/handout" / name, given[name])
    for name in set(given) - set(mine):
        put(place / "diff/handout" / name, given[name])
    for side in ("handout", "submission"):
        (place / "diff" / side).mkdir(parents=True, exist_ok=True)
    result = sandbox.run(["diff", "-ruN", "handout", "submission"], place / "diff", DIFF)
    return {"diff.patch": result.output + (f"-- cut off: {result.cut}\n" if result.cut else "")}


def put(path, content):
    """Write a file whose directory may not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# Places.

def home():
    """The directory of this user's workers on this machine, made."""
    path = Path(tempfile.gettempdir(), f"mmaplab-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise CouldNotGrade(f"{path} belongs to somebody else: set TMPDIR to a directory of your own")
    return path


@contextmanager
def scratch():
    """An empty directory that no other worker of this machine has; it is emptied again, by the next one at the latest."""
    for number in itertools.count():
        with open(home() / f"worker{number}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            place = home() / f"worker{number}"
            clear(place)
            place.mkdir()
            try:
                yield place
            finally:
                clear(place)
            return


@functools.cache
def start(track):
    """The tree that students of a track start from: the kit's handout, or one that is made. Raises CouldNotGrade, LabError."""
    if tracks.of_tree(HANDOUT) == track:
        return HANDOUT
    place = home() / "starts" / track
    place.parent.mkdir(exist_ok=True)
    with open(place.parent / f"{track}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kitonly.load("handout").write_stage(0, track, place)
    return place


@functools.cache
def confined(place):
    """The Box of a worker whose own directory is place (a str). The first worker of a version of the kit fills the cache."""
    with open(home() / "ccache.version", "a+") as filled:
        fcntl.flock(filled, fcntl.LOCK_EX)
        filled.seek(0)
        if filled.read() != version():
            cache.fill(home() / "ccache", Path(place))
            filled.truncate(0)
            filled.write(version())
    return sandbox.confined(Path(place), home() / "ccache")


def clear(place):
    """Delete a directory, whatever a submission made of it: locked directories, or ten thousand one in another."""
    if place.exists() and subprocess.run(["rm", "-rf", "--", place], capture_output=True).returncode:
        subprocess.run(["chmod", "-R", "u+rwX", "--", place], capture_output=True)
        said = subprocess.run(["rm", "-rf", "--", place], capture_output=True, text=True, errors="replace")
        if said.returncode:
            raise CouldNotGrade(f"can't empty {place}: {said.stderr.strip()}")


# Versions.

def version(track=tracks.CORE):
    """What must be the same wherever a batch is graded."""
    return kit(track) + rules()


@functools.cache
def kit(track=tracks.CORE):
    """The SHA-256 of the grader: its code and the handout of a track."""
    code = [path for path in files(HERE) if path.relative_to(HERE).parts[0] not in ("tests", "labs", "official")]
    return digest({HERE: code, start(track): files(start(track))})


@functools.cache
def rules():
    """The SHA-256 of the lab files, the hidden tests and the official files."""
    return digest({HERE: files(HERE / "labs") + files(OFFICIAL)})


def files(top):
    """The regular files below a directory, but what Python or a build keeps there."""
    return [path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts
            and not tree.is_product(path.relative_to(top).as_posix())]


def digest(paths):
    """The SHA-256 of some files: their names below a directory, and their contents; paths is a dict of lists by directory."""
    total = hashlib.sha256()
    for top, below in paths.items():
        for path in sorted(below):
            content = path.read_bytes()
            total.update(f"{path.relative_to(top)}\0{len(content)}\0".encode() + content)
    return total.hexdigest()
