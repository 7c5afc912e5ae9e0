"""Mutants: headers are checked, patches apply, what a grade shows is compared with what is said; a few are graded."""

import os
import re
import subprocess
from argparse import Namespace
from collections import Counter
from dataclasses import replace

import pytest

from grader import CouldNotGrade, lab, mutants, score, tree
from grader.mutants import Base, Patch
from grader.tests import synthetic as syn

ALL = mutants.read_all()
STRICT = lab.load(strict=True)
TRACKS = sorted({patch.track for patch in ALL})
DIFF = "--- a/kernel/x.c\n+++ b/kernel/x.c\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"


@pytest.fixture(scope="module")
def bases():
    """What patches are of: the Base by track."""
    return {track: mutants.base(track) for track in TRACKS}


@pytest.fixture(scope="module")
def trees(bases, tmp_path_factory):
    """Directories with the files that patches are of, by track."""
    places = {track: tmp_path_factory.mktemp(track) for track in bases}
    for track, base in bases.items():
        for path, content in base.files.items():
            (places[track] / path).parent.mkdir(parents=True, exist_ok=True)
            (places[track] / path).write_bytes(content)
    return places


def hidden_tasks(rubric):
    """The task of each hidden test, by its name."""
    return {evidence.section: task.number for task in rubric.hidden.tasks for evidence in task.evidence if evidence.section}


def written(tmp_path, text):
    """The path of a patch file with this text."""
    path = tmp_path / "bug.patch"
    path.write_text(text)
    return path


def grade(stage, **changed):
    """The grade of made-up runs of a stage; changed: taskN=(hidden test's name, passed) pairs."""
    whole = score.grade(syn.LAB, syn.build(), syn.stage_runs(stage), syn.TABLE)
    return replace(whole, tasks=tuple(replace(task, hidden=tuple(
        score.Part(name, passed, 0, 0, "", "", "") for name, passed in changed.get(f"task{task.number}", ())))
        for task in whole.tasks))


def patch(tasks=(), hidden=(), track="core", may=()):
    """A Patch that says it loses these, and may lose others."""
    return Patch("bug", None, 8, track, "A bug.", frozenset(tasks), frozenset(hidden), "", "", frozenset(may))


# Headers.

def test_a_header_is_read(tmp_path):
    path = written(tmp_path, "Task: 5\nBug: Pages are\n  lost.\nLoses: 4, 5, hidden split\nWhy: It is so.\n" + DIFF)
    assert mutants.read(path, "mutant") == Patch("bug", path, 5, "core", "Pages are lost.", frozenset({4, 5}), frozenset({"split"}), "",
                                                 "It is so.")


def test_an_equivalent_and_a_variant_lose_nothing(tmp_path):
    same = mutants.read(written(tmp_path, "Task: 1\nBug: Nothing.\nEquivalent: it is the same.\n" + DIFF), "mutant")
    other = mutants.read(written(tmp_path, "Differs: It has other names.\n" + DIFF), "variant")
    assert (same.track, other.track) == ("core", "core")
    assert (same.tasks, same.hidden, same.equivalent) == (frozenset(), frozenset(), "it is the same.")
    assert (other.task, other.tasks, other.hidden, other.says) == (0, frozenset(), frozenset(), "It has other names.")


def test_bugs_of_later_tasks_and_variants_that_say_so_are_of_the_whole_tree(tmp_path):
    bug = mutants.read(written(tmp_path, "Task: 9\nBug: B.\nLoses: 9, 13\n" + DIFF), "mutant")
    other = mutants.read(written(tmp_path, "Track: all\nDiffers: D.\n" + DIFF), "variant")
    assert (bug.track, bug.tasks, other.track) == ("all", frozenset({9, 13}), "all")


@pytest.mark.parametrize("text, kind, says", [
    ("", "mutant", "no diff"),
    ("Task: 1\nBug: B.\nLoses: 1\n", "mutant", "no diff"),
    ("Bug: B.\nLoses: 1\n" + DIFF, "mutant", "the header lacks Task:"),
    ("Task: 1\nLoses: 1\n" + DIFF, "mutant", "the header lacks Bug:"),
    ("Task: 15\nBug: B.\nLoses: 1\n" + DIFF, "mutant", "Task must be a number from 1 to 14, not '15'"),
    ("Task: 0\nBug: B.\nLoses: 1\n" + DIFF, "mutant", "Task must be a number from 1 to 14, not '0'"),
    ("Track: linux\nDiffers: D.\n" + DIFF, "variant", "Track can only be all"),
    ("Task: 9\nTrack: all\nBug: B.\nLoses: 9\n" + DIFF, "mutant", "a mutant has no field Track"),
    ("Task: 1\nBug: B.\n" + DIFF, "mutant", "either Loses: or Equivalent:"),
    ("Task: 1\nBug: B.\nLoses: 1\nEquivalent: E.\n" + DIFF, "mutant", "either Loses: or Equivalent:"),
    ("Task: 1\nBug: B.\nLoses: all\n" + DIFF, "mutant", "Loses must be task numbers and `hidden NAME`.*not 'all'"),
    ("Task: 1\nBug: B.\nLoses: 1 2\n" + DIFF, "mutant", "Loses must be"),
    ("Task: 1\nBug: B.\nLoses: 0\n" + DIFF, "mutant", "Loses must be"),
    ("Task: 1\nBug: B.\nLoses: 1\nMay: 2\nWhy: W.\n" + DIFF, "mutant", "May must be hidden tests that are lost in some runs alone"),
    ("Task: 1\nBug: B.\nLoses: 1\nMay: hidden split\n" + DIFF, "mutant", "Why: must say why"),
    ("Task: 1\nBug: B.\nLoses: 1\nBy: me\n" + DIFF, "mutant", "a mutant has no field By"),
    ("Task: 1\nTask: 2\nBug: B.\nLoses: 1\n" + DIFF, "mutant", ":2: not a line of the form"),
    ("Task: 1\nwhatever\n" + DIFF, "mutant", ":2: not a line of the form"),
    (" Task: 1\n" + DIFF, "mutant", ":1: not a line of the form"),
    ("Task: 1\nDiffers: D.\n" + DIFF, "variant", "a variant has no field Task"),
    (DIFF, "variant", "the header lacks Differs:"),
])
def test_a_wrong_header_is_told_with_its_file(tmp_path, text, kind, says):
    with pytest.raises(CouldNotGrade, match=f"bug.patch.*{says}"):
        mutants.read(written(tmp_path, text), kind)


def test_two_patches_of_one_name_are_refused(tmp_path):
    for place, text in (("m", "Task: 1\nBug: B.\nLoses: 1\n"), ("v", "Differs: D.\n")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "same.patch").write_text(text + DIFF)
    with pytest.raises(CouldNotGrade, match="two patches are called same"):
        mutants.read_all(tmp_path / "m", tmp_path / "v")


def test_a_name_that_no_patch_has_is_refused():
    with pytest.raises(CouldNotGrade, match="there is no patch nonsense"):
        mutants.main(Namespace(jobs=1, name=["nonsense"]))


# Patches.

def test_there_are_enough_of_every_task():
    bugs = Counter(patch.task for patch in ALL)
    variants = Counter(patch.track for patch in ALL if not patch.task)
    assert sum(bugs[task] for task in range(1, 9)) >= 80 and all(bugs[task] for task in range(1, 9))
    assert all(bugs[task] >= 7 for task in range(9, 15))
    assert variants["core"] >= 10 and variants["all"] >= 6


@pytest.mark.parametrize("patch", ALL, ids=lambda patch: patch.name)
def test_a_patch_applies_and_touches_what_students_write(patch, bases, trees):
    dry = subprocess.run(["patch", "-p1", "--fuzz=0", "--batch", "--dry-run", "-i", patch.path], cwd=trees[patch.track],
                         capture_output=True, text=True)
    assert dry.returncode == 0, dry.stdout
    touched = re.findall(r"^\+\+\+ b/(\S+)$", patch.path.read_text(), re.M)
    assert touched and not any(tree.matches(name, bases[patch.track].rubric.protected) for name in touched)


@pytest.mark.parametrize("patch", [patch for patch in ALL if patch.hidden | patch.may], ids=lambda patch: patch.name)
def test_the_hidden_tests_that_a_patch_names_are_there(patch, bases):
    assert patch.hidden | patch.may <= set(hidden_tasks(bases[patch.track].rubric))


@pytest.mark.parametrize("patch", [patch for patch in ALL if patch.task], ids=lambda patch: patch.name)
def test_a_bug_that_costs_hidden_tests_of_other_tasks_says_why(patch, bases):
    task = hidden_tasks(bases[patch.track].rubric)
    others = {name for name in patch.hidden | patch.may if task[name] not in patch.tasks | {patch.task}}
    assert bool(others) == bool(patch.why), others


def test_the_list_of_bugs_seen_names_patches_that_are_there():
    rows = re.findall(r"^\| [-\d][^|]*\| [^|]+\| ([^|]+) \|$", (mutants.MUTANTS / "README.md").read_text(), re.M)
    named = {name for row in rows if not row.startswith("none: ") for name in row.split()}
    assert len(rows) > 60 and named <= {patch.name for patch in ALL}


def test_a_patch_that_no_longer_applies_is_a_mistake_and_is_not_graded(tmp_path):
    path = written(tmp_path, "Task: 1\nBug: B.\nLoses: 1\n" + DIFF)
    verdict = mutants.judge(mutants.read(path, "mutant"), Base({"kernel/x.c": b"one\nthree\n"}, STRICT), tmp_path / "home")
    assert verdict.grade is None and "the patch does not apply" in verdict.mistakes[0]


def test_a_patch_is_laid_over_the_files_alone(tmp_path):
    (tmp_path / "target/kernel").mkdir(parents=True)
    (tmp_path / "target/kernel/old.c").touch()
    bug = mutants.read(written(tmp_path, "Task: 1\nBug: B.\nLoses: 1\n" + DIFF), "mutant")
    assert mutants.lay(bug, {"kernel/x.c": b"one\ntwo\n"}, tmp_path / "target") == ""
    assert [path.name for path in (tmp_path / "target/kernel").iterdir()] == ["x.c"]
    assert (tmp_path / "target/kernel/x.c").read_text() == "one\n2\n"


# What was lost against what should be.

@pytest.mark.parametrize("stage, hidden, said, mistakes", [
    (8, {}, patch(), []),
    (7, {}, patch([8]), []),
    (8, {}, patch([8]), ["survives: task 8 is not lost"]),
    (6, {}, patch([8]), ["loses task 7, and should not"]),
    (8, {"task5": [("split", False)]}, patch(hidden=["split"]), []),
    (8, {"task5": [("split", True)]}, patch(hidden=["split"]), ["survives: hidden test split passes"]),
    (8, {}, patch(hidden=["split"]), ["survives: hidden test split is not there"]),
    (8, {"task5": [("split", False)]}, patch(may=["split"]), []),
    (8, {"task5": [("split", True)]}, patch(may=["split"]), []),
    (8, {"task5": [("split", False), ("ranges", False)]}, patch(may=["split"]), ["loses hidden test ranges of task 5, and should not"]),
    (8, {"task5": [("split", False)]}, patch(), ["loses hidden test split of task 5, and should not"]),
    (8, {"task5": [("split", False), ("ranges", False)]}, patch(hidden=["split"]), []),
    (7, {"task8": [("same", False)]}, patch([8]), []),
    (8, {"task8": [("same", False), ("newer", False)]}, patch([]), []),
    (7, {"task4": [("far", False)]}, patch([8]), ["loses hidden test far of task 4, and should not"]),
])
def test_what_is_lost_is_compared_with_what_is_said(stage, hidden, said, mistakes):
    found = mutants.mistakes(said, grade(stage, **hidden))
    assert len(found) == len(mistakes) and all(text.startswith(start) for text, start in zip(found, mistakes))


def test_a_patch_that_does_not_build_is_a_mistake():
    broken = score.grade(syn.LAB, syn.build(ok=False, error="kernel/vm.c:1: error: x"), [], syn.NO_TABLE)
    assert mutants.mistakes(patch([8]), broken) == ["not graded: does not build: kernel/vm.c:1: error: x"]


def test_the_matrix_shows_losses_that_are_said_missing_and_too_many():
    verdicts = [mutants.Verdict(said, grade(7), ()) for said in (patch([8]), patch([7, 8]), patch())]
    rows = [line.split() for line in mutants.matrix(verdicts)][1:]
    assert [row[1:9] for row in rows] == [list("." * 7 + "x"), list("." * 6 + "ox"), list("." * 7 + "X")]
    assert list(mutants.matrix([mutants.Verdict(patch([1]), None, ("why",))]))[1].split()[1:] == list("o.......") + ["no", "grade"]
    assert list(mutants.matrix([mutants.Verdict(patch([14], track="all"), None, ())]))[1].split()[1:-2] == list("." * 13 + "o")


def test_the_transcripts_of_a_patch_that_went_wrong_are_kept(tmp_path, monkeypatch):
    def judge(patch, base, home, stop):
        home.mkdir(parents=True, exist_ok=True)
        (home / "mmaptest.txt").write_text(patch.name)
        return mutants.Verdict(patch, grade(8), tuple(mutants.mistakes(patch, grade(8))))

    monkeypatch.setattr(mutants, "judge", judge)
    monkeypatch.setattr(mutants, "use_ccache", lambda work: None)
    names = [replace(patch([8]), name="survives"), replace(patch(), name="fine")]
    verdicts = mutants.judge_all(names, tmp_path / "work", 1)
    assert [verdict.patch.name for verdict in verdicts] == ["survives", "fine"]
    assert (tmp_path / "work/survives/mmaptest.txt").read_text() == "survives"
    assert not (tmp_path / "work/fine").exists()
    assert "survives: task 8 is not lost" in (tmp_path / "work/survives.txt").read_text()


def test_a_patch_that_could_not_be_graded_is_a_mistake_and_the_others_go_on(tmp_path, monkeypatch):
    def grade_tree(source, *rest, **more):
        if (source / "kernel/x.c").read_text() == "one\n2\n":
            raise CouldNotGrade("this machine is too busy")
        return grade(8)

    monkeypatch.setattr(mutants, "grade_tree", grade_tree)
    bug = mutants.read(written(tmp_path, "Task: 1\nBug: B.\nLoses: 1\n" + DIFF), "mutant")
    verdict = mutants.judge(bug, Base({"kernel/x.c": b"one\ntwo\n"}, STRICT), tmp_path / "home")
    assert (verdict.grade, verdict.mistakes) == (None, ("could not be graded: this machine is too busy",))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_those_at_work_are_told_to_stop(tmp_path, error):
    def do(patch, home, stop):
        if patch.name == "second":
            raise error
        assert stop.wait(60), "it was not told"
        told.append(patch.name)

    told = []
    with pytest.raises(error):
        mutants.in_homes([replace(patch(), name=name) for name in ("first", "second", "third")], tmp_path, 2, do)
    assert told == ["first"]


# Some of them, really.

def test_some_bugs_are_lost_as_they_say_and_a_variant_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.environ["PATH"])    # which the run changes
    names = ["t3-offset-ignored", "t5-clean-written", "t6-exec-keeps", "t8-not-shared", "top-down"]
    status = mutants.main(Namespace(jobs=2, name=names))
    shown = capsys.readouterr().out
    assert status == 0, shown
    assert shown.splitlines()[-1] == "Each of the 5 patches loses what it says, and nothing else."
    assert (tmp_path / "build/mutants/t8-not-shared.txt").exists()


def test_a_bug_that_survives_fails_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutants, "read_all", lambda: [patch([8])])
    monkeypatch.setattr(mutants, "judge_all", lambda patches, *rest: [mutants.Verdict(patches[0], grade(8), ("survives",))])
    assert mutants.main(Namespace(jobs=1, name=[])) == 1
    assert "bug: survives" in capsys.readouterr().out
