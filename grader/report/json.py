"""Writes a Grade as JSON: report.json, for programs."""

import json
from dataclasses import asdict

from grader import __version__

SCHEMA = 1
TASK = ("number", "name", "score", "max_score", "outcome", "why", "line", "where", "hint", "doc", "command", "parts",
        "hidden")


def render(grade):
    """The JSON text of a grade. Scores and seconds are numbers, outcomes are words."""
    return json.dumps({
        "schema_version": SCHEMA,
        "lab": grade.lab,
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
    }, indent=2) + "\n"


def task(graded):
    """The JSON object of a TaskGrade."""
    values = asdict(graded)
    return {key: values[key] for key in TASK} | {"blocked_by": graded.blocked_by or None}


def run(made):
    """The JSON object of a Run."""
    return {"program": made.program, "ending": made.ending, "why": made.why, "seconds": round(made.seconds, 3),
            "cpu_seconds": round(made.cpu_seconds, 3), "used_seconds": round(made.used_seconds, 3), "transcript": made.transcript}
