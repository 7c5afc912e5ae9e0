"""Writes a result as the last line that Autolab wants on standard output."""

import json

from grader.report import naming

ADJUSTMENTS = "Adjustments"     # the problem that late days and overrides count for


def render(result):
    """The line, without a newline: scores by problem, and the same for the scoreboard.

    Where nothing could be graded it has no scores, and Autolab changes none."""
    scores = {naming.label(task): naming.points(result, task) for task in result.grade.tasks} if result.grade else {}
    if result.score is not None and naming.beyond(result):
        scores[ADJUSTMENTS] = naming.beyond(result)
    return json.dumps({"scores": scores, "scoreboard": list(scores.values())})
