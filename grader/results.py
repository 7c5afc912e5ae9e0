"""The results folder: what became of each submission, written whole, read back with overrides and late days applied."""

import json
import os
import re
import shutil
import tomllib
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from . import CouldNotGrade, score, tracks
from .report import json as report_json

SCHEMA = 1
RECORD = "input.json"           # in a result's folder: its Record, and the sign that it is whole
REPORT = "report.json"          # beside it, where there is a grade
SETTINGS = "batch.json"         # in the results folder: the Settings
OVERRIDES = "overrides.toml"    # there too, written by hand
UNFINISHED = ".unfinished"      # there too: folders that are being written, or were replaced
NAME = re.compile(r"\w[\w.@+=,~-]{0,99}")      # what an id can be: the name of a folder, harmless in a shell and in HTML
DAY = timedelta(days=1)

GRADED, NOT_GRADED, FAILED = "graded", "not graded", "could not grade"


@dataclass(frozen=True)
class Record:
    """What a batch knows of a submission beside its Grade, and what its result rests on."""

    id: str
    source: str                     # the name of the file or directory that was handed in
    outcome: str                    # graded | not graded (0 points) | could not grade (no points and no zero)
    why: str                        # why not; "" where graded
    notes: tuple[str, ...] = ()     # what had to be put right in the submission, or is odd about it
    received: str = ""              # ISO 8601 with zone; "" where nobody knows
    submission: str = ""            # SHA-256 of what was handed in
    kit: str = ""                   # SHA-256 of the grader
    lab: str = ""                   # SHA-256 of the lab files and the official files
    strict: bool = True             # whether the hidden tests were run
    tries: int = 1                  # how often it was tried
    name: str = ""                  # the student's, and the address, where the names of an export tell
    email: str = ""

    @property
    def inputs(self):
        """What must be the same for the result to stand."""
        return self.submission, self.kit, self.lab, self.strict


@dataclass(frozen=True)
class Settings:
    """What a results folder was made from."""

    submissions: str                # the directory
    strict: bool = True
    deadline: str = ""              # ISO 8601 with zone; "" for none
    track: str = tracks.CORE        # of the lab


@dataclass(frozen=True)
class Override:
    """A score that a person decided."""

    id: str
    score: float
    who: str
    why: str
    task: int = 0                   # 0: the total


@dataclass(frozen=True)
class Adjustment:
    """What changed a score after the tests: a line of its own in every report."""

    what: str                       # "Task 5", "Late, 2 days", "Total"
    why: str
    points: float                   # by which the score rose or fell
    who: str = ""                   # who decided; "" for a rule
    task: int = 0                   # the task whose score it set; 0: none


@dataclass(frozen=True)
class Result:
    """What became of a submission, and what it counts for."""

    id: str
    source: str
    outcome: str                    # as in Record
    why: str
    grade: score.Grade | None       # None where it was refused before it could be built, or could not be graded
    score: float | None             # what counts; None: could not grade, and nobody decided
    max_score: float
    adjustments: tuple[Adjustment, ...] = ()
    notes: tuple[str, ...] = ()
    received: str = ""
    folder: Path = Path()
    name: str = ""
    email: str = ""

    def task_score(self, task):
        """What counts for a TaskGrade of this result: the tests' score, or what was decided."""
        return next((task.score + a.points for a in self.adjustments if a.task == task.number), task.score)


def of(grade):
    """The Result of a Grade alone, that no batch has made."""
    return Result(grade.submission, grade.submission, grade.outcome, grade.why, grade, grade.score, grade.max_score)


# Reading.

def read(out, lab):
    """The Results in a folder (a Path) of a Lab, by id, with its overrides and late days applied. Raises CouldNotGrade."""
    settings = read_settings(out)
    found = {record.id: record for record in map(read_record, folders(out)) if record}
    overrides = read_overrides(out, lab, set(found))
    return tuple(result(found[id], read_grade(out / id), overrides, lab, settings.deadline, out / id) for id in sorted(found))


def folders(out):
    """The folders of results in a results folder."""
    return sorted(path for path in out.iterdir() if path.is_dir() and NAME.fullmatch(path.name)) if out.is_dir() else []


def read_record(folder):
    """The Record in a result's folder, or None if it has none that is whole."""
    try:
        data = json.loads((folder / RECORD).read_text())
        if data.pop("schema_version") != SCHEMA:
            return None
        return Record(**{**data, "notes": tuple(data["notes"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CouldNotGrade(f"{folder / RECORD} is not what a batch writes: delete {folder}, and run the batch again") from None


def read_grade(folder):
    """The Grade in a result's folder, or None."""
    try:
        return report_json.read((folder / REPORT).read_text())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise CouldNotGrade(f"{folder / REPORT} is not what a batch writes: delete {folder}, and run the batch again") from None


def read_settings(out):
    """The Settings of a results folder. Raises CouldNotGrade where it is none."""
    try:
        data = json.loads((out / SETTINGS).read_text())
        return Settings(**{f.name: data[f.name] for f in fields(Settings) if f.name in data})
    except FileNotFoundError:
        raise CouldNotGrade(f"{out} is no folder of results: it has no {SETTINGS}. make batch SUBMISSIONS=dir OUT={out} makes it") from None
    except (ValueError, TypeError, KeyError):
        raise CouldNotGrade(f"{out / SETTINGS} is not what a batch writes: delete it, and run the batch again") from None


def result(record, grade, overrides, lab, deadline, folder):
    """The Result that a Record and its Grade (or None) come to."""
    tested = grade.score if grade else 0 if record.outcome == NOT_GRADED else None
    mine = [override for override in overrides if override.id == record.id]
    adjustments = [by_hand(override, grade) for override in mine if override.task]
    points = tested if tested is None else tested + sum(a.points for a in adjustments)
    late = points and lateness(record.received, deadline, lab, points)
    if late:
        adjustments.append(late)
        points += late.points
    for override in mine:
        if not override.task:
            adjustments.append(Adjustment("Total", override.why, override.score - (points or 0), override.who))
            points = override.score
    unknown = ("when it was handed in is not known: no late days are counted",) if deadline and not record.received else ()
    return Result(record.id, record.source, record.outcome, record.why, grade, points, lab.points, tuple(adjustments),
                  record.notes + unknown, record.received, folder, record.name, record.email)


# Late days.

def lateness(received, deadline, lab, points):
    """The Adjustment of some points for a submission that was received (ISO 8601 with zone, or "") after the deadline, or None."""
    if not (received and deadline and lab.late):
        return None
    over = datetime.fromisoformat(received) - datetime.fromisoformat(deadline)
    if over <= timedelta(0):
        return None
    rule, days = lab.late, -(-over // DAY)
    what = f"Late, {days} day{'s' * (days > 1)}"
    told = f"received {shown(received, deadline)}, due {shown(deadline, deadline)}"
    if rule.cutoff and days > rule.cutoff:
        return Adjustment(what, f"{told}: no points after {rule.cutoff} days", -points)
    lost = min(points, round(max(0, days - rule.free) * rule.per_day * lab.points, 6))
    return Adjustment(what, f"{told}: {rule.per_day:.0%} for each day" + f", {rule.free} free" * bool(rule.free), -lost)


def shown(time, other):
    """A time for a person to read, in the zone of another, both in ISO 8601 with zone."""
    return datetime.fromisoformat(time).astimezone(datetime.fromisoformat(other).tzinfo).isoformat(" ", "seconds")


def moment(word):
    """The time that a word says, in ISO 8601 with a zone. Raises CouldNotGrade where it says none."""
    try:
        when = datetime.fromisoformat(word)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise CouldNotGrade(f"{word!r} is no time with a zone: write it as 2026-11-21T23:59+01:00, or ...Z")
    return when.isoformat()


# Overrides.

def read_overrides(out, lab, ids):
    """The Overrides written in a results folder. ids are those of all submissions. Raises CouldNotGrade, naming what is wrong."""
    path = out / OVERRIDES
    try:
        data = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CouldNotGrade(f"{path}: {error}") from None
    entries = data.get("override", [])
    if set(data) - {"override"} or not isinstance(entries, list):
        raise CouldNotGrade(f"{path}: it must have [[override]] tables, and nothing else")
    wrong = [f"{path}: override {number}: {fault}" for number, entry in enumerate(entries, 1)
             for fault in override_faults(entry, lab, ids)]
    if wrong:
        raise CouldNotGrade("\n".join(wrong))
    overrides = [Override(**entry) for entry in entries]
    for override in overrides:
        if [(o.id, o.task) for o in overrides].count((override.id, override.task)) > 1:
            raise CouldNotGrade(f"{path}: {override.id}, {f'task {override.task}' if override.task else 'total'}: "
                                "there are two overrides: delete one")
    return overrides


def override_faults(entry, lab, ids):
    """What is wrong with an [[override]] table: texts."""
    if not isinstance(entry, dict):
        yield "is no table"
        return
    kinds = {"id": str, "who": str, "why": str, "score": (int, float), "task": int}
    unknown, lacking = set(entry) - set(kinds), set(kinds) - {"task"} - set(entry)
    if unknown or lacking:
        yield "; ".join([f"unknown key {key}" for key in sorted(unknown)] + [f"{key} is missing" for key in sorted(lacking)])
        return
    for key, given in entry.items():
        if not isinstance(given, kinds[key]) or isinstance(given, bool) or isinstance(given, str) and not given.strip():
            yield f"{key} can't be {given!r}: it must be {'a text, in quotes' if kinds[key] is str else 'a number, without quotes'}"
            return
    if entry["id"] not in ids:
        yield f"there is no submission {entry['id']!r}"
    points = {task.number: task.points for task in lab.tasks}
    if "task" in entry and entry["task"] not in points:
        yield f"there is no task {entry['task']}: leave task out for the total"
    elif not 0 <= entry["score"] <= points.get(entry.get("task"), lab.points):
        yield f"score must be from 0 to {points.get(entry.get('task'), lab.points):g}, and is {entry['score']:g}"


def by_hand(override, grade):
    """The Adjustment that an Override of a task makes to a Grade (None: there is none)."""
    tested = next((task.score for task in grade.tasks if task.number == override.task), 0) if grade else 0
    return Adjustment(f"Task {override.task}", override.why, override.score - tested, override.who, override.task)


# Writing.

def write(out, record, report, files):
    """Make out/ID the folder of a result, as a whole or not at all: after a crash at any moment there is the old one or the new,
    or none.

    out is a Path, record a Record, report the text of its report.json ("": no grade), files more texts by their paths in the
    folder. Raises OSError."""
    new = fresh(out / UNFINISHED / record.id)
    everything = {**files, **({REPORT: report} if report else {}),
                  RECORD: json.dumps({"schema_version": SCHEMA, **asdict(record)}, indent=2) + "\n"}
    for name, text in everything.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        write_through(new / name, text)
    for directory in {path.parent for path in new.rglob("*")}:
        sync(directory)
    swap(new, out / record.id)


def swap(new, place):
    """Put a folder into the place of another, if there is one, which goes."""
    old = place.parent / UNFINISHED / f"old {place.name}"
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(place, old)
    os.rename(new, place)
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def fresh(directory):
    """An empty directory; returns it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def replace_file(path, text):
    """Make a file hold a text, as a whole or not at all; one that holds it already is left alone. Raises OSError."""
    if path.is_file() and path.read_text() == text:
        return
    new = path.parent / f".new {path.name}"
    write_through(new, text)
    os.rename(new, path)
    sync(path.parent)


def write_through(path, text):
    """Write a file, and wait until it is on the disk."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync(directory):
    """Wait until a directory's entries are on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_settings(out, settings):
    """Write a results folder's Settings. Raises OSError."""
    replace_file(out / SETTINGS, json.dumps({"schema_version": SCHEMA, **asdict(settings)}, indent=2) + "\n")
