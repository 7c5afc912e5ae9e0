"""Writes results as grades.csv: a row for each submission, safe to open in a spreadsheet."""

import csv
import io

from grader.report import naming

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")     # what starts one, wide forms too


def render(results):
    """The text of grades.csv. A score that there is none of is empty, and no zero."""
    results = list(results)
    tasks = lab_tasks(results)
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow(["submission", "score", "max_score", "outcome", *tasks.values(), "report"])
    for result in results:
        scores = {task.number: naming.points(result, task) for task in result.grade.tasks} if result.grade else {}
        score = "" if result.score is None else naming.number(result.score)
        sheet.writerow([harmless(result.id), score, naming.number(result.max_score), result.outcome,
                        *(scores.get(number, "") for number in tasks), harmless(f"{result.folder.name}/index.html")])
    return out.getvalue()


def lab_tasks(results):
    """The labels of the lab's tasks by number, as far as the results show them."""
    return {task.number: naming.label(task) for result in results if result.grade for task in result.grade.tasks}


def harmless(text):
    """A text that no spreadsheet takes for a formula: an apostrophe is put before what starts one."""
    text = naming.visible(text)
    return "'" + text if text.lstrip(" ").startswith(FORMULA) else text
