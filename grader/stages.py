"""Proves the lab: builds and grades every stage of the solution, hidden tests too, and compares what passes with what should."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import CouldNotGrade, handout, lab
from .grade import grade_tree
from .score import Outcome

WORK = Path("build/stages")     # below the current directory: build/stages/TRACK/K for stage K
ALL = "all"                     # the track of all tasks


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--track", default=ALL, metavar="NAME", help=f"the stages of this track of the lab (default: {ALL})")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many stages at one time (default: 2)")


def main(options):
    """Grade all stages of a track, print the matrix; returns 0 if each stage passes just its own tasks, else 1.

    Raises CouldNotGrade, LabError."""
    old = [path for path in handout.stale() if path.startswith("grader/")]
    if old:
        raise CouldNotGrade(f"{old[0]} is not what solution/ has: run make handout first")
    rubric = lab.load(strict=True, track=options.track)
    with ThreadPoolExecutor(options.jobs) as pool:
        grades = list(pool.map(lambda stage: grade_stage(stage, rubric), range(len(rubric.tasks) + 1)))
    print("\n".join(matrix(grades)))
    wrong = [text for stage, grade in enumerate(grades) for text in mistakes(stage, grade)]
    print("\n".join(wrong or ["Every stage passes its own tasks and no other."]))
    return 1 if wrong else 0


def grade_stage(stage, rubric, work=WORK):
    """Write a stage of the track that a Lab is below work, and grade it, one machine at a time; returns the Grade."""
    home = work.resolve() / rubric.track / str(stage)
    handout.write_stage(stage, rubric.track, home / "source")
    return grade_tree(home / "source", rubric, home, jobs=1)


def matrix(grades):
    """The lines of the table of stages and tasks: points, with a + where a task passed."""
    heads = "".join(f"{f'task {task.number}':>7} " for task in grades[0].tasks)
    yield f"stage   {heads}   score"
    for stage, grade in enumerate(grades):
        cells = "".join(f"{task.score:>7g}{'+' if task.outcome == Outcome.PASSED else ' '}" for task in grade.tasks)
        yield f"{stage:>5}   {cells}{grade.score:>8g}"


def mistakes(stage, grade):
    """What is not as it should be in the grade of a stage: a list of texts."""
    if grade.outcome != "graded":
        return [f"stage {stage}: not graded: {grade.why}"]
    found = []
    for place, task in enumerate(grade.tasks, 1):
        if (task.outcome == Outcome.PASSED) != (place <= stage):
            says = f": {task.why} {task.line}" if task.why else ""
            found.append(f"stage {stage}: task {task.number} {task.outcome.value}, and should not have{says}")
        found += [f"stage {stage}: task {task.number}: hidden test {part.name} fails: {part.why} {part.line}"
                  for part in task.hidden if not part.passed]
    want = {0: 0, len(grade.tasks): grade.max_score}.get(stage, grade.score)
    return found + ([f"stage {stage}: scores {grade.score:g}, and should score {want:g}"] if grade.score != want else [])
