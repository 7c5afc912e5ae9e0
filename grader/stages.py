"""Proves the lab: builds and grades every stage of the solution, hidden tests too, and compares what passes with what should."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import CouldNotGrade, handout, lab
from .grade import grade_tree
from .score import Outcome

WORK = Path("build/stages")     # below the current directory: build/stages/K for stage K


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many stages at one time (default: 2)")


def main(options):
    """Grade all stages, print the matrix; returns 0 if each stage passes just its own tasks, else 1.

    Raises CouldNotGrade."""
    old = [path for path in handout.stale() if path.startswith("grader/")]
    if old:
        raise CouldNotGrade(f"{old[0]} is not what solution/ has: run make handout first")
    rubric = lab.load(strict=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        grades = list(pool.map(lambda stage: grade_stage(stage, rubric), range(handout.CORE + 1)))
    print("\n".join(matrix(grades)))
    wrong = [text for stage, grade in enumerate(grades) for text in mistakes(stage, grade)]
    print("\n".join(wrong or ["Every stage passes its own tasks and no other."]))
    return 1 if wrong else 0


def grade_stage(stage, rubric, work=WORK):
    """Write stage below work and grade it, one machine at a time; returns the Grade."""
    home = work.resolve() / str(stage)
    source = home / "source"
    handout.write(handout.stage_files(stage), source, f"The lab, stage {stage}", handout.products(handout.KIT / "solution"))
    return grade_tree(source, rubric, home, jobs=1)


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
    for task in grade.tasks:
        if (task.outcome == Outcome.PASSED) != (task.number <= stage):
            says = f": {task.why} {task.line}" if task.why else ""
            found.append(f"stage {stage}: task {task.number} {task.outcome.value}, and should not have{says}")
        found += [f"stage {stage}: task {task.number}: hidden test {part.name} fails: {part.why} {part.line}"
                  for part in task.hidden if not part.passed]
    want = {0: 0, len(grade.tasks): grade.max_score}.get(stage, grade.score)
    return found + ([f"stage {stage}: scores {grade.score:g}, and should score {want:g}"] if grade.score != want else [])
