"""Measures the grader by forgeries: trees that cheat. None may get a point that its code did not earn, and each must be told as what it is."""

import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import CouldNotGrade, handout, lab, mutants, tree
from .grade import OFFICIAL, compile_tree, grade_tree
from .report import text

HERE = Path(__file__).resolve().parent
FORGERIES = HERE / "tests/forgeries"    # NAME.patch: a cheat
WORK = Path("build/forgeries")          # below the current directory: a report for each, and the workers' trees
FIELDS = {"Forges", "Stage", "Earns", "Reported", "Brings"}
BRINGS = re.compile(r"([\w./-]+) as ([\w./-]+)")


@dataclass(frozen=True)
class Forgery:
    """A change of a stage of the lab that shows more than the tree can do."""

    name: str
    path: Path
    says: str                           # the cheat, in a sentence
    stage: int                          # that the tree is cut from
    earns: frozenset[int]               # the tasks that its code does, as far as the tests can tell
    reported: str                       # what the report must say, among other things
    brings: tuple[tuple[str, str], ...] = ()    # products of the solution that are in the tree: what, and as which file


@dataclass(frozen=True)
class Verdict:
    """What became of a forgery: its points by task, what the report said, and what is not as it should be."""

    forgery: Forgery
    points: dict[int, float]
    said: str
    mistakes: tuple[str, ...]


def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many forgeries at one time (default: 2)")
    parser.add_argument("name", nargs="*", help="the forgeries to grade, without .patch (default: all)")


def main(options):
    """Grade all forgeries, or those named, and print what they got; returns 0 if none got what it did not earn, else 1.

    Raises CouldNotGrade."""
    verdicts = judge_all(chosen(read_all(), options.name), lab.load(strict=True), WORK.resolve(), options.jobs)
    print("\n".join(table(verdicts)))
    wrong = [f"{verdict.forgery.name}: {mistake}" for verdict in verdicts for mistake in verdict.mistakes]
    print("\n".join(wrong or [f"None of {len(verdicts)} forgeries gets what it did not earn, and each is told as what it is."]))
    return 1 if wrong else 0


# Patch files.

def read_all(directory=FORGERIES):
    """The Forgeries in a directory, by name. Raises CouldNotGrade for a header that is wrong."""
    return [read(path) for path in sorted(directory.glob("*.patch"))]


def read(path):
    """The Forgery in a file (a Path). Raises CouldNotGrade, naming the field that is wrong."""
    found = mutants.fields(path)
    if strange := set(found) - FIELDS or FIELDS - {"Brings"} - set(found):
        raise CouldNotGrade(f"{path}: the header must have Forges, Stage, Earns, Reported, and may have Brings: see {sorted(strange)[0]}")
    if found["Stage"] not in list("012345678"):
        raise CouldNotGrade(f"{path}: Stage must be a number from 0 to 8, not {found['Stage']!r}")
    if found["Earns"] != "none" and not re.fullmatch(r"[1-8](, [1-8])*", found["Earns"]):
        raise CouldNotGrade(f"{path}: Earns must be `none`, or numbers of tasks with commas between, not {found['Earns']!r}")
    brings = tuple(BRINGS.findall(found.get("Brings", "")))
    if ", ".join(f"{what} as {name}" for what, name in brings) != found.get("Brings", ""):
        raise CouldNotGrade(f"{path}: Brings must be `PRODUCT as FILE`, with commas between, not {found['Brings']!r}")
    return Forgery(path.stem, path, found["Forges"], int(found["Stage"]),
                   frozenset(map(int, re.findall(r"\d", found["Earns"]))), found["Reported"], brings)


def chosen(forgeries, names):
    """The forgeries of these names, or all. Raises CouldNotGrade where there is none of a name."""
    for name in names:
        if name not in {forgery.name for forgery in forgeries}:
            raise CouldNotGrade(f"there is no forgery {name}: see {FORGERIES}")
    return [forgery for forgery in forgeries if not names or forgery.name in names]


# Grading.

def judge_all(forgeries, rubric, work, jobs):
    """The Verdicts on forgeries, so many at a time, each worker in a tree of its own; progress is shown."""
    work.mkdir(parents=True, exist_ok=True)
    mutants.use_ccache(work)
    products = solution(work, rubric) if any(forgery.brings for forgery in forgeries) else None
    stages = {stage: handout.contents(stage) for stage in {forgery.stage for forgery in forgeries}}

    def one(forgery, home, stop):
        verdict = judge(forgery, stages[forgery.stage], products, rubric, home, stop)
        save(verdict, home, work)
        return verdict

    return mutants.in_homes(forgeries, work, jobs, one)


def solution(work, rubric):
    """Build the core lab, finished, of which forgeries may bring products; return its tree (a Path)."""
    home = work / "solution"
    home.mkdir(exist_ok=True)
    handout.write_stage(handout.CORE, rubric.track, home / "source")
    built = compile_tree(tree.prepare(home / "source", home / "tree", rubric.protected, OFFICIAL).path, home)
    if not built.ok:
        raise CouldNotGrade(f"the core lab, finished, does not build: {built.error}")
    return built.tree


def lay(forgery, files, products, source):
    """Make source (a Path) the tree that a forgery hands in; returns "" or why that can't be."""
    why = mutants.lay(forgery, files, source)
    for what, name in () if why else forgery.brings:
        if not (products / what).is_file():
            return f"the solution's make has not made {what}"
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(products / what, source / name)
    return why


def judge(forgery, files, products, rubric, home, stop=None):
    """The Verdict on a forgery, built and graded below home. Raises CouldNotGrade if stop (a threading.Event) was set."""
    why = lay(forgery, files, products, home / "source")
    if why:
        return Verdict(forgery, {}, "", (why,))
    try:
        grade = grade_tree(home / "source", rubric, home, jobs=1, stop=stop)
    except CouldNotGrade as error:      # no points, and somebody has to look
        if stop and stop.is_set():
            raise
        points, said = {}, f"could not grade: {error}"
    else:
        page = io.StringIO()
        text.render(grade, page)
        points, said = {task.number: task.score for task in grade.tasks if task.score}, page.getvalue()
    return Verdict(forgery, points, said, tuple(mistakes(forgery, points, said)))


def mistakes(forgery, points, said):
    """What is not as it should be: points by task that were not earned, or not given, and what was not told."""
    for number in sorted(set(points) - forgery.earns):
        yield f"gets {points[number]:g} points for task {number}, which its code did not earn"
    for number in sorted(forgery.earns - set(points)):
        yield f"gets no points for task {number}, which its code earned"
    if " ".join(forgery.reported.split()) not in " ".join(said.split()):
        yield f"is not told as what it is: the report lacks `{forgery.reported}`"


def save(verdict, home, work):
    """Write the report on a forgery that was graded below home; keep the transcripts if something is wrong."""
    name = verdict.forgery.name
    kept = work / name
    shutil.rmtree(kept, ignore_errors=True)
    if verdict.mistakes:
        kept.mkdir(parents=True)
        for transcript in (*home.glob("*.txt"), *home.glob("build.log")):
            shutil.copy(transcript, kept)
    (work / f"{name}.txt").write_text("\n".join([f"{name}: {verdict.forgery.says}", *verdict.mistakes, "", verdict.said]))


def table(verdicts):
    """The lines of the table: what each forgery got for each task, "!" where it should not have, and how that was told."""
    width = max((len(verdict.forgery.name) for verdict in verdicts), default=0)
    yield f"{'':{width}}  task " + "".join(f"{number:>5}" for number in range(1, 9)) + "   reported"
    for verdict in verdicts:
        cells = (f"{points:g}" if number in verdict.forgery.earns else f"{points:g}!" if points else "."
                 for number in range(1, 9) for points in [verdict.points.get(number, 0)])
        yield f"{verdict.forgery.name:{width}}       " + "".join(f"{cell:>5}" for cell in cells) + f"   {verdict.forgery.reported}"
