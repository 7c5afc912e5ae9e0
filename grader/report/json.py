"""Writes a Grade as JSON: report.json, for programs; and reads it again."""

import json
from dataclasses import MISSING, asdict, fields

from grader import __version__
from grader.explain import Place
from grader.score import Grade, Outcome, Part, Run, TaskGrade

SCHEMA = 1
TASK = ("number", "name", "score", "max_score", "outcome", "why", "line", "where", "hint", "doc", "command", "parts",
        "hidden")


def render(grade):
    """The JSON text of a grade. Scores and seconds are numbers, outcomes are words."""
    return json.dumps({
        "schema_version": SCHEMA,
        "lab": grade.lab,
        "title": grade.title,
        "lab_version": grade.version,
        "part": grade.part,
        "submission": grade.submission,
        "content_hash": grade.content_hash,
        "kit_version": __version__,
        "started": grade.started,
        "seconds": round(grade.seconds, 3),
        "outcome": grade.outcome,
        "why": grade.why,
        "score": grade.score,
        "max_score": grade.max_score,
        "tasks": [task(t) for t in grade.tasks],
        "runs": [run(r) for r in grade.runs],
        "notes": list(grade.notes),
    }, indent=2) + "\n"


def task(graded):
    """The JSON object of a TaskGrade."""
    values = asdict(graded)
    return {key: values[key] for key in TASK} | {"blocked_by": graded.blocked_by or None}


def run(made):
    """The JSON object of a Run."""
    return {"program": made.program, "ending": made.ending, "why": made.why, "seconds": round(made.seconds, 3),
            "cpu_seconds": round(made.cpu_seconds, 3), "used_seconds": round(made.used_seconds, 3), "transcript": made.transcript}


# Reading.

KINDS = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
KEYS = {"version": "lab_version"}       # a Grade's field: its key, where that is another


def read(text):
    """The Grade that a JSON text says, of which render() is the writer.

    Raises ValueError, naming the key, where the text is no report of this schema."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no report: {error}") from None
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA:
        found = data.get("schema_version") if isinstance(data, dict) else None
        raise ValueError(f"schema_version must be {SCHEMA}, not {found!r}: the report is of another version of the kit")
    return an_object(data, Grade, "report")


def an_object(data, kind, where):
    """An object of the dataclass kind from a JSON object; where it stands, for messages."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be an object")
    values = {}
    for field in fields(kind):
        key = KEYS.get(field.name, field.name)
        if key in data:
            values[field.name] = a_value(data[key], field.type, f"{where}.{key}")
        elif field.default is MISSING:
            raise ValueError(f"{where}.{key} is missing")
    return kind(**values)


def a_value(given, kind, where):
    """A JSON value as the type kind of a dataclass field."""
    if kind in (Part, TaskGrade, Run, Place):
        return an_object(given, kind, where)
    if kind is Outcome:
        if given in [outcome.value for outcome in Outcome]:
            return Outcome(given)
        raise ValueError(f"{where} is no outcome: {given!r}")
    if kind in KINDS:
        if given is None and kind is int:       # blocked_by: no task
            return 0
        if type(given) in KINDS[kind]:
            return given
        raise ValueError(f"{where} must be of type {kind.__name__}, not {type(given).__name__}")
    if not isinstance(given, list):
        raise ValueError(f"{where} must be an array")
    return tuple(a_value(element, kind.__args__[0], f"{where}[{n}]") for n, element in enumerate(given))
