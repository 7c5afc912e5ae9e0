"""A folder of submissions -> who handed in what: ids from the names that a course's system gives, by the lab file's rules."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from . import CouldNotGrade
from .report.naming import TOGETHER
from .tidy import DROPPINGS

SUFFIX = re.compile(r"(.+?)\.(?:tar(?:\.\w+)?|tgz|txz|tbz2?|zip|bundle|git|patch|diff)", re.I)
METADATA = "submission_metadata.yml"        # Gradescope's, beside the submissions
LONGEST = 80                                # characters of an id


@dataclass(frozen=True)
class Entry:
    """One submission of a folder."""

    id: str                                 # unique among those that count; fit to be a file's name
    path: Path
    name: str = ""                          # of the student, where the export tells
    email: str = ""
    late: bool = False                      # the course's system marked it so
    received: float | None = None           # when the course's system got it: POSIX seconds
    superseded: bool = False                # another one of the same id counts
    notes: tuple[str, ...] = ()
    attempt: int = 0                        # the larger one counts
    beside: bool = False                    # what comes with a submission, and is none
    raw: str = ""                           # the id as the export has it


def submission_ids(directory, rules):
    """The Entries of all submissions in a directory (a Path), by id, those that count first.

    rules are the lab file's Exports: the first whose pattern is all of a name says what is what in it. A name that none fits
    is the id itself. Raises CouldNotGrade where the directory can't be read."""
    try:
        there = (path for path in directory.iterdir() if path.name != METADATA and not path.name.startswith("."))
        paths = sorted(path for path in there if not DROPPINGS.fullmatch(path.name))
        told = metadata(directory / METADATA)
    except OSError as error:
        raise CouldNotGrade(f"can't read the submissions in {directory}: {error.strerror}") from None
    entries = [with_metadata(entry(path, rules), told.get(path.name, {})) for path in paths]
    taken, counted = {}, []
    for group in grouped(entries).values():
        own = unique(safe(group[0].raw), group[0].raw, taken)
        counted += settled([replace(entry, id=own) for entry in group])
    return tuple(sorted(counted, key=lambda entry: (entry.id, entry.superseded, entry.path.name)))


def entry(path, rules):
    """The Entry of one path by the first rule that fits its name."""
    for rule in rules:
        if found := re.fullmatch(rule.pattern, path.name):
            said = {key: value or "" for key, value in found.groupdict().items()}
            attempt = int(said["attempt"]) if said.get("attempt", "").isdecimal() else 0
            return Entry("", path, name=said.get("name", "").replace("_", " ").strip(), late=bool(said.get("late")),
                         attempt=attempt, beside=bool(said.get("beside")), raw=said["id"])
    stem = None if path.is_dir() and not path.name.endswith(".git") else SUFFIX.fullmatch(path.name)
    return Entry("", path, raw=stem[1] if stem else path.name)


def grouped(entries):
    """The entries by their raw ids."""
    groups = {}
    for one in entries:
        groups.setdefault(unicodedata.normalize("NFC", one.raw), []).append(one)
    return groups


def safe(raw):
    """A raw id as a name for a file: letters and digits of any script, and . _ - between them."""
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", raw.encode("utf-8", "replace").decode())).lstrip(".-")
    return text[:LONGEST].rstrip(".") or "unnamed"


def unique(name, raw, taken):
    """The name, with a mark behind it where another raw id (in the dict taken) came to it, or to one that differs in case only."""
    if taken.setdefault(name.casefold(), raw) != raw:
        name = f"{name[:LONGEST - 9]}-{hashlib.sha256(raw.encode('utf-8', 'replace')).hexdigest()[:8]}"
        taken[name.casefold()] = raw
    return name


def settled(group):
    """The entries of one id, the one that counts first: what can be opened, of that the latest attempt, of these the newest file."""
    def rank(one):
        opens = one.path.is_dir() or bool(SUFFIX.fullmatch(one.path.name))
        return not one.beside, opens, one.attempt, one.received or 0, one.path.lstat().st_mtime, one.path.name

    *others, last = sorted(group, key=rank)
    notes = tuple(f"{other.path.name}: of the same student, does not count" for other in others)
    return [replace(last, notes=last.notes + notes)] + [
        replace(other, superseded=True, notes=(*other.notes, f"{last.path.name} counts instead")) for other in others]


# Gradescope's metadata.

def with_metadata(one, said):
    """An Entry with what Gradescope's metadata (a dict) say of it. Its id becomes that of the first submitter who has one."""
    if not said:
        return one
    people = [name for name in said.get("name", ()) if name]
    notes = (f"{TOGETHER}: {', '.join(people)}",) if len(people) > 1 else ()
    first = {key: next(filter(None, values), "") for key, values in said.items()}
    return replace(one, raw=first.get("sid") or one.raw, name=", ".join(people), email=first.get("email", ""),
                   received=moment(first.get("created_at", "")), notes=one.notes + notes)


def metadata(path):
    """What a submission_metadata.yml says, by submission: a dict of tuples of texts. {} if there is no such file.

    Only submitters' names, ids and addresses and the time are read, by their indentation; what lies deeper, such as earlier
    attempts, is passed over."""
    if not path.is_file():
        return {}
    told, current, section = {}, {}, ""
    for line in path.read_text(errors="replace").splitlines():
        field = re.fullmatch(r"( *)((?:- +)?):?([\w.-]+):(?: +(.*))?", line)
        if not field:
            continue
        depth, key = len(field[1]) + len(field[2]), field[3]
        if depth == 0:
            current, section = told.setdefault(key, {}), ""
        elif depth == 2 and not field[2]:
            section = key
        if depth == 2 and not field[2] and key == "created_at" or section == "submitters" and key in ("name", "sid", "email"):
            current[key] = (*current.get(key, ()), (field[4] or "").strip().strip("'\""))
    return told


def moment(text):
    """POSIX seconds of a time like 2025-11-20 22:59:01.123 Z or ISO 8601; None if it is none, or tells no zone."""
    try:
        when = datetime.fromisoformat(re.sub(r" (Z|[+-]\d\d:?\d\d)$", r"\1", text.strip()))
    except ValueError:
        return None
    return when.timestamp() if when.tzinfo else None
