"""Writes a result as Gradescope's results.json: a test for each task, or for each part that has points of its own."""

import json

from grader.report import naming


def render(result, finished=True):
    """The JSON text of a Result. finished: False while tests still run, so that what is known stands if the rest never comes.

    Everything in it may be read by the student: a hidden test would hide the total. Hidden tests of the lab are
    therefore counted, in the task that they belong to, and not named. Without a score Gradescope shows that the autograder
    failed, which is what "could not grade" means."""
    grade = result.grade
    data = {"output": summary(result, finished), "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden"}
    if result.score is not None:
        data["score"] = naming.number(result.score)
        data["tests"] = [test for task in (grade.tasks if grade else ()) for test in tests(result, task, finished)]
    if grade:
        data["execution_time"] = round(grade.seconds, 3)
        data["extra_data"] = {"lab": grade.lab, "lab_version": grade.version, "content_hash": grade.content_hash,
                              "started": grade.started, "finished": finished,
                              "endings": {naming.visible(run.program): run.ending for run in grade.runs if is_public(grade, run)}}
    return json.dumps(data, indent=2) + "\n"


def is_public(grade, run):
    """Whether a run is of a program that students have."""
    return run.program.split()[:1] in [naming.program(part.command).split()[:1] for task in grade.tasks for part in task.parts]


def may_be_read(result, note):
    """Whether a note says nothing of a hidden test."""
    runs = result.grade.runs if result.grade else ()
    return not any(run.program.split()[0] in note for run in runs if not is_public(result.grade, run))


def summary(result, finished):
    """The lines above all tests."""
    lines = [] if finished else ["Not all tests have run. Where this stays, they were stopped before their end: submit again."]
    if result.outcome != "graded":
        lines.append(f"{result.outcome}: {result.why}")
    if result.score is None:
        lines.append("This is no fault of your submission that the grader knows of, and no zero: course staff must look at it.")
    lines += [naming.adjustment(change) for change in result.adjustments]
    lines += [note for note in result.notes if may_be_read(result, note)]
    if finished and result.score is not None:
        lines.append(f"Total: {naming.number(result.score)} of {naming.number(result.max_score)} points")
    return "\n".join(naming.visible(line) for line in lines)


def tests(result, task, finished):
    """The tests of a task: one, or one for each part with points, whose scores add up to what the task counts for."""
    parts = [part for part in task.parts if part.max_score]
    told = "\n".join([naming.result(task), *naming.explanation(task)])
    score = result.task_score(task)
    unseen = not finished and score < task.max_score
    if not parts:
        return [test(str(task.number), naming.name(task), score, task.max_score, told, unseen)]
    rule = f"{naming.missed_hidden(task)}, which costs points of the task." if finished and score < sum(part.score for part in parts) else ""
    return [test(f"{task.number}.{place}", f"{naming.name(task)}, {part.name.replace(':', ' ')}", share, part.max_score,
                 "\n".join(filter(None, (*part_told(task, part), rule))), unseen)
            for place, (part, share) in enumerate(zip(parts, shares(score, parts)), 1)]


def shares(score, parts):
    """How a task's score, capped or decided by hand, is spread over its parts: less of what they won, or more of what they lost."""
    won, most = sum(part.score for part in parts), sum(part.max_score for part in parts)
    if score <= won:
        return [part.score * score / won if won else 0 for part in parts]
    return [part.score + (part.max_score - part.score) * (score - won) / (most - won) for part in parts]


def part_told(task, part):
    """What a student needs to mend a part, as lines."""
    if part.passed:
        return ["passed"]
    if task.blocked_by:
        return [naming.result(task)]
    where = [f"Where: {naming.at(place)}" for place in part.where]
    lines = [f"Seen: {part.why}", part.line and f"  {part.line}", *where, part.hint and f"Means: {part.hint}",
             f"Read: {task.doc}", part.command and f"Try: {part.command}"]
    return [naming.visible(line) for line in lines if line]


def test(number, name, score, most, told, unseen):
    """One test. unseen: tests that may still show it have not run, so it has not failed."""
    passed = score >= most
    status = {} if unseen and not passed else {"status": "passed" if passed else "failed"}
    return {"number": number, "name": naming.visible(name), "name_format": "text", "score": naming.number(score),
            "max_score": naming.number(most), **status, "output": told, "output_format": "text", "visibility": "visible"}
