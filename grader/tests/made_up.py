"""Made-up results: of one submission in every state, and of a class of any size, with folders as a batch leaves them."""

import random
from dataclasses import replace
from pathlib import Path

from grader import score
from grader.explain import Facts, Place
from grader.report import json
from grader.results import Adjustment, Result
from grader.tests import synthetic as syn
from grader.transcript import Ending

PLACES = {("user/_mmaptest", 0x5c): ("check", "user/mmaptest.c", 61)}
STARTED = "2026-11-20T18:30:00+00:00"
EVIL = ("<script>document.title='owned'</script><img src=x onerror=alert(1)> \u202e}{ = @SUM(1+1) \u2066 ]]> -- \x1b[31m "
        "{{ 7*7 }} \ud800 \ufffe")


def grade(stage, runs=None, **more):
    """The Grade of a stage of the lab from 1 to 8, or of other runs, with a readable fault."""
    facts = Facts(table="struct vma vma[16]" if stage >= 2 else "", near="struct proc has no array", places=PLACES)
    more = {"started": STARTED, "seconds": 3.21, "content_hash": "ab12", **more}
    return score.grade(syn.LAB, syn.build(), syn.stage_runs(stage) if runs is None else runs, facts, **more)


def result(id, found, **more):
    """The Result of a Grade, or of none where found is None."""
    if found is None:
        return Result(**{"id": id, "source": f"{id}.zip", "grade": None, "max_score": syn.LAB.points, "folder": Path(id), **more})
    return Result(**{"id": id, "source": f"{id}.zip", "outcome": found.outcome, "why": found.why, "grade": found,
                     "score": found.score, "max_score": found.max_score, "folder": Path(id), **more})


def capped(found, number=5, names=("split", "holes"), failed=("split",)):
    """A Grade with hidden tests of a task, some of which failed and halve what it counts for."""
    parts = tuple(score.Part(name, name not in failed, 0, 0, "" if name not in failed else "hidden5munmap reports a failure",
                             "" if name not in failed else "hidden failure: secret line", f'make run STRICT=1 PROG="hidden5munmap {name}"',
                             (Place("pid 4: a load faulted", "secret_function", "user/hidden5munmap.c", 7),), "A secret hint.")
                  for name in names)
    tasks = tuple(replace(task, hidden=parts, score=min(task.score, task.max_score / 2) if failed else task.score)
                  if task.number == number else task for task in found.tasks)
    run = score.Run("hidden5munmap", "done", "ended", 0.5, 0.4, "work/hidden5munmap.txt")
    return replace(found, tasks=tasks, score=sum(task.score for task in tasks), runs=found.runs + (run,))


def part_of_munmap():
    """A Grade in which five of the eight sections of task 5 pass: 12.5 points."""
    bad = {"dirty", "lazy", "two-files"}
    lines = [line for s in syn.SECTIONS[:4] for line in syn.passing(s)] + syn.failing(syn.named("dirty"), "a page was not written back")
    runs = [syn.run("mmaptest", lines, Ending.FAILED), syn.shared_run(4)]
    runs += [syn.run(s.command, syn.failing(s) if s.name in bad else syn.passing(s), Ending.FAILED if s.name in bad else Ending.DONE)
             for s in syn.LAB.sections if s.name not in ("basic", "private", "read-only", "read-write", "dirty")]
    return grade(5, runs)


def states():
    """A Result for each state that there is, by its name."""
    no_build = score.grade(syn.LAB, syn.build(ok=False, error="kernel/mmap.c:12:5: error: expected ';'"), [], Facts(), started=STARTED)
    full, half = grade(8), grade(4)
    return {each.id: each for each in (
        result("full", full), result("half", half), result("handout", grade(1)), result("fraction", part_of_munmap()),
        result("capped", capped(full)), result("nobuild", no_build),
        result("refused", None, outcome="not graded", why="a/../../etc/passwd: a path out of the archive", score=0.0),
        result("failed", None, outcome="could not grade", why="QEMU is not installed", score=None),
        result("decided", None, outcome="could not grade", why="QEMU is not installed", score=70.0,
               adjustments=(Adjustment("Total", "shown in office hours", 70.0, "Ada"),)),
        result("late", half, score=half.score - 10, adjustments=(Adjustment("Late, 1 day", "received late: 10% for each day", -10.0),),
               notes=("CRLF line ends were put right",)),
        result("override", half, score=half.score + 15, adjustments=(Adjustment("Task 5", "the test was wrong", 15.0, "Ada", 5),)),
        result("evil", evil()))}


def in_strict_grading(found, number=4):
    """A Grade of a stage that has a task, which is lost when it is run again on the grader's own disk."""
    run = replace(found.runs[0], program="mmaptest", ending="failed", transcript="build/strict-mmaptest.txt")
    line = "mmaptest failure: only here, pid=3"
    lost = tuple(replace(task, score=0, outcome=score.Outcome.FAILED, why=f"{score.STRICTLY}: mmaptest reports a failure", line=line,
                         command="make run PROG=mmaptest", parts=tuple(replace(part, passed=False, line=line, why=f"{score.STRICTLY}: x")
                                                                        for part in task.parts))
                 if task.number == number else task for task in found.tasks)
    return replace(found, tasks=lost, score=sum(task.score for task in lost), runs=found.runs + (run,))


def evil():
    """A Grade in which all that a submission can write is meant to do harm."""
    harmful = syn.run("mmaptest", ["test basic mmap", f"mmaptest failure: {EVIL}, pid=3"], Ending.FAILED)
    runs = [harmful if run.program == "mmaptest" else run for run in syn.stage_runs(3)]
    return replace(grade(3, runs), submission=EVIL)


# A class.

NAMES = ("ada", "bea", "carl", "dora", "emil", "fred", "gina", "hugo", "ines", "jan", "kim", "lena")
DIFF = """diff -ruN handout/kernel/mmap.c submission/kernel/mmap.c
--- handout/kernel/mmap.c\t1970-01-01
+++ submission/kernel/mmap.c\t1970-01-01
@@ -1,3 +1,3 @@
 uint64 sys_mmap(void) {
-  return -1;
+  return 0x40000000;  // <b>bold</b>
 }
diff -ruN handout/Makefile submission/Makefile
--- handout/Makefile\t1970-01-01
+++ submission/Makefile\t1970-01-01
@@ -9,1 +9,1 @@
+\t$U/_mmaptest\\
"""


def fill(result, runs, log="cc -c kernel/mmap.c\nld -o kernel/kernel\n", diff=DIFF):
    """Write the files of a Result's folder that a batch writes: transcripts of runs, build log, diff; returns the Result."""
    (result.folder / "transcripts").mkdir(parents=True)
    for run in runs:
        text = "".join(f"{line}\n" for line in run.lines) + f"-- {run.ending.value}: {run.why}\n"
        (result.folder / "transcripts" / Path(run.path).name).write_text(text, errors="backslashreplace")
    (result.folder / "build.log").write_text(log)
    (result.folder / "diff.patch").write_text(diff)
    (result.folder / "report.json").write_text(json.render(result.grade) if result.grade else "{}")
    return result


def a_class(out, count, seed=1):
    """The Results of a class, with their folders below out (a Path): each state once, the others at some stage of the lab."""
    dice = random.Random(seed)
    found = [fill(replace(each, folder=out / each.id), syn.stage_runs(4)) for each in states().values()]
    for number in range(count - len(found)):
        id = f"{dice.choice(NAMES)}.{number:03}"
        stage = dice.choice((1, 3, 4, 6, 7, 8, 8, 8))
        made = grade(stage, submission=id)
        found.append(fill(result(id, capped(made, failed=("holes",)) if stage == 7 else made, folder=out / id), syn.stage_runs(stage)))
    return sorted(found, key=lambda each: each.id)
