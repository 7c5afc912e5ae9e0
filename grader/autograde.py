"""Grades the one submission that Gradescope or Autolab hands over, and leaves the result where they look for it."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from . import CouldNotGrade, archive, lab, parcel, publish, results, sandbox, score, tracks
from .grade import grade_tree
from .report import autolab, gradescope, naming

KIT = Path(__file__).resolve().parent.parent
HANDOUT = KIT / "handout"               # what students got says which track is graded
APART = sandbox.Box(apart=True)         # in a container without namespaces, root has other users to offer


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("system", choices=("gradescope", "autolab"))
    parser.add_argument("submission", type=Path, help="the file or directory that was handed in")
    parser.add_argument("--out", type=Path, metavar="FILE", help="Gradescope's results.json; Autolab's result is printed")
    parser.add_argument("--no-strict", dest="strict", action="store_false", help="leave the hidden tests out")


def main(options):
    """`autograde`: grade, report; returns 0 if a report was left, whatever it says. Raises CouldNotGrade where none can be."""
    rubric = lab.load(strict=options.strict, track=tracks.of_tree(HANDOUT))
    if options.system == "autolab":
        result = graded(options.submission, rubric, lambda result: None)
        print(feedback(result))
        print(autolab.render(result))
        return 0
    if not options.out:
        raise CouldNotGrade("say where Gradescope looks for the result: --out /autograder/results/results.json")

    def leave(result, finished=False):
        results.replace_file(options.out, gradescope.render(result, finished))

    leave(unknown(options.submission, rubric, "it was stopped before the first test had run"))
    result = graded(options.submission, rubric, leave)
    leave(result, finished=True)
    print(publish.report(result))               # which Gradescope shows to staff alone
    return 0


def graded(path, rubric, partly):
    """The Result of grading what was handed in at path (a Path) by a Lab. partly(result) is called with what is known so far."""
    name = path.resolve().name
    try:
        with tempfile.TemporaryDirectory(prefix="mmaplab-") as directory:
            place = Path(directory)
            place.chmod(0o711)                  # who builds passes through it
            box = chosen_box(place, bool(rubric.hidden))
            packed = parcel.pack(path)
            handed_in = archive.open_submission(parcel.lay(packed, place / "in"), place / "handed-in", HANDOUT, box, packed.folder)
            (place / "work").mkdir()
            grade = grade_tree(handed_in.path, rubric, place / "work", box=box,
                               partly=lambda grade: partly(results.of(replace(grade, submission=name))))
        runs = tuple(replace(run, transcript="") for run in grade.runs)         # which are gone with the place
        return replace(results.of(replace(grade, submission=name, runs=runs)), notes=handed_in.notes + grade.notes)
    except (archive.Refused, parcel.Unfit) as error:
        return results.of(score.refused(rubric, f"refused: {error}", name))
    except CouldNotGrade as error:
        return unknown(path, rubric, str(error))


def chosen_box(place, strict):
    """The best Box that there is here: bubblewrap's, or another user for what a submission has run, or none. place is for its files.

    Raises CouldNotGrade where a submission could read the hidden tests, if strict."""
    try:
        return sandbox.confined(place / "box")
    except CouldNotGrade as error:
        without = str(error).partition(" Without")[0]
    apart = has_other_users(place / "tried")
    if not strict:
        return APART if apart else sandbox.OPEN
    if not apart:
        raise CouldNotGrade("a submission could read the hidden tests here: run this as root, or mend what is missing, or say "
                            f"--no-strict. {without}")
    if all(above.stat().st_mode & 0o001 for above in (KIT, *KIT.parents)):
        raise CouldNotGrade(f"a submission could read the hidden tests in {KIT}: say chmod 700 {KIT}, or --no-strict. {without}")
    return APART


def has_other_users(place):
    """Whether a command can be run as another user, who owns a directory place (a Path, not there yet) meanwhile."""
    place.mkdir()
    try:
        return os.geteuid() == 0 and sandbox.run(["true"], place, box=APART, theirs=True).status == 0
    except CouldNotGrade:
        return False


def unknown(path, rubric, why):
    """The Result of what could not be graded: no points, and no zero."""
    name = path.resolve().name
    return results.Result(name, name, results.FAILED, why, None, None, rubric.points)


def feedback(result):
    """What a student reads beside the points, as text; hidden tests are counted, and not named."""
    lines = [gradescope.summary(result, finished=True)]
    for task in result.grade.tasks if result.grade else ():
        told = "".join(f"\n    {line}" for line in naming.explanation(task))
        lines.append(f"{naming.label(task)}, {naming.points(result, task)} of {naming.number(task.max_score)} points: {naming.result(task)}{told}")
    return "\n".join(lines)
