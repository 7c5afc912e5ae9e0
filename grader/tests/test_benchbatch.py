"""Tests of what make bench-batch counts; what it measures is no test's business."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from grader import CouldNotGrade, benchbatch, mutants, score
from grader.report import json as report_json

from . import made_up
from .conftest import KIT


def test_a_class_is_of_many_kinds_and_no_two_are_the_same(tmp_path):
    assert benchbatch.make_class(12, tmp_path) == 12
    made = [{path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
            for tree in tmp_path.iterdir()]
    assert len({json.dumps(sorted((name, text.decode()) for name, text in files.items())) for files in made}) == 12
    assert len({files["kernel/proc.c"].split(b"int submission_")[0] + files.get("kernel/mmap.c", b"") for files in made}) > 6
    assert all({"Makefile", "kernel/sysfile.c", "user/mmaptest.c"} <= set(files) for files in made)


def test_a_patch_that_does_not_apply_is_not_left_out_in_silence(tmp_path, monkeypatch):
    bug = tmp_path / "bug.patch"
    bug.write_text("Task: 1\nBug: B.\nLoses: 1\n--- a/kernel/proc.c\n+++ b/kernel/proc.c\n@@ -1,1 +1,1 @@\n-not there\n+2\n")
    monkeypatch.setattr(mutants, "read_all", lambda: [mutants.read(bug, "mutant")])
    with pytest.raises(CouldNotGrade, match="bug: the patch does not apply"):
        benchbatch.make_class(10, tmp_path / "class")


def test_cpu_seconds_go_to_the_step_that_took_them():
    runs = (score.Run("mmaptest", "done", "", 1.0, 0.5, "", 0.1), score.Run("mmaptest exit", "done", "", 1.0, 0.25, "", 0.1))
    report = report_json.render(benchbatch_grade(runs))
    marks = [("begin", (0.0, 0.0)), ("unpacked", (1.0, 0.5)), ("building", (2.0, 0.5)), ("built", (2.5, 4.5)),
             ("mmaptest: done (1.0 s)", (3.0, 9.0)), ("built", (3.0, 10.0)), ("graded", (3.25, 10.25)), ("reported", (3.5, 10.25))]
    assert benchbatch.steps(marks, report) == {"unpack": 2.5, "build": 5.5, "watching": 4.75, "report": 0.25, "QEMU": 0.75, "runs": 2}
    assert benchbatch.steps(marks[:2] + [("reported", (1.5, 0.5))], "") == {"unpack": 1.5, "build": 0, "report": 0.5, "watching": 0,
                                                                          "QEMU": 0, "runs": 0}


SPENDS = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from grader import benchbatch, pool
pool.prctl(pool.PR_SET_CHILD_SUBREAPER, 1)
before = benchbatch.spent()[1]
subprocess.run(["sh", "-c", "sh -c 'i=0; while test $i -lt 300000; do i=$((i+1)); done' > /dev/null &"])
print(benchbatch.spent()[1] - before)
"""


def test_what_outlives_the_command_that_started_it_is_counted_too():
    said = subprocess.run([sys.executable, "-c", SPENDS, KIT], capture_output=True, text=True, check=True)
    assert float(said.stdout) > 0.05


def test_the_end_of_a_build_is_marked_as_long_as_that_is_wanted():
    marks = []
    place = SimpleNamespace(make=lambda name: f"made {name}")
    with benchbatch.marked(place, "make", marks.append):
        assert place.make("x") == "made x"
    place.make("y")
    assert marks == ["built"]


def benchbatch_grade(runs):
    """A Grade that rests on these runs."""
    return made_up.replace(made_up.grade(4), runs=runs)


def test_boots_are_taken_out_of_what_qemu_took():
    assert benchbatch.with_boots({"QEMU": 2.0, "runs": 4}, 0.25) == {"QEMU": 2.0, "runs": 4, "boot": 1.0, "tests": 1.0}
    assert benchbatch.with_boots({"QEMU": 0.5, "runs": 4}, 0.25)["tests"] == 0
    assert benchbatch.mean([{"a": 1, "b": 2}, {"a": 3}]) == {"a": 2, "b": 1}


def noted(seconds, main, worker):
    """What a worker notes of a submission that took so long, by the sizes of two processes."""
    return {"unpack": 0.0, "build": seconds / 2, "QEMU": seconds / 2, "watching": 0.0, "report": 0.0, "main": main, "worker": worker}


def test_the_parts_of_a_batch_show_what_grows():
    notes = [noted(n, (60 + n, 7), (40, 5 + n % 2)) for n in range(1, 10)]
    assert benchbatch.parts(notes) == [(3, 2.0, 63, 7, 40, 6), (3, 5.0, 66, 7, 40, 6), (3, 8.0, 69, 7, 40, 6)]
    assert benchbatch.parts(notes[:1]) == [(1, 1.0, 61, 7, 40, 6)] and benchbatch.parts([]) == []


def test_the_size_of_a_process_is_what_it_holds():
    before = benchbatch.size("self")
    held = bytearray(b"x" * 50_000_000), open(__file__)
    after = benchbatch.size("self")
    assert after[0] - before[0] > 40 and after[1] == before[1] + 1 and held
