"""What is released: the same bytes twice, nothing hidden for students, and each bundle does its work where it is used."""

import base64
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from grader import CouldNotGrade, autograde, handout, hidden, lab, release, results, score
from grader.tests import synthetic as syn
from grader.tests.conftest import KIT
from grader.tests.test_machine import BUSY

NAME = f"{lab.load().name}-{lab.load().version}"
ROOT_OF_A_CONTAINER = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE")
STRICT_ALONE = ("strict", "hidden", "seal", "oracle", "marks", "gdbstub", "traps", "rebuild", "owndisk", "desk")


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The Path of a release."""
    out = tmp_path_factory.mktemp("release") / "dist"
    release.build(out)
    return out


@pytest.fixture
def bundle(dist, tmp_path):
    """The Path of the unpacked handout."""
    assert call("tar", "xzf", dist / f"{NAME}-handout.tar.gz", cwd=tmp_path).returncode == 0
    return tmp_path / "mmap-lab"


def contents(top):
    return {path: ((top / path).read_bytes(), os.access(top / path, os.X_OK)) for path in handout.walk(top)}


def lay(files, top):
    """Write files (handout.File by path) below top; return top."""
    for path, file in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(file.content)
        (top / path).chmod(0o755 if file.executable else 0o644)
    return top


def clean():
    """An environment in which nothing leads to this kit."""
    return {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {"HOME": "/nonexistent"}


def call(*words, cwd, **more):
    return subprocess.run(list(map(str, words)), cwd=cwd, env=clean() | more, capture_output=True, text=True)


# The bytes.

def test_twice_gives_the_same_bytes_whoever_packs_and_when(dist, tmp_path, monkeypatch):
    for name, value in {"TZ": "Pacific/Kiritimati", "GIT_AUTHOR_NAME": "somebody", "GIT_CONFIG_COUNT": "1", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    (tmp_path / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[init]\n\tdefaultBranch = odd\n")
    old = os.umask(0o077)
    try:
        release.build(tmp_path / "again")
    finally:
        os.umask(old)
        monkeypatch.undo()
        time.tzset()
    assert contents(tmp_path / "again") == contents(dist)


def test_packed_files_are_nobodys_and_of_one_date(dist):
    with tarfile.open(dist / f"{NAME}-handout.tar.gz") as archive:
        members = archive.getmembers()
    with tarfile.open(dist / f"{NAME}-autolab/autograde.tar") as archive:
        members += archive.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", release.WHEN)}
    assert {m.mode for m in members} <= {0o644, 0o755} and all(m.isreg() for m in members)
    with zipfile.ZipFile(dist / f"{NAME}-gradescope.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
    assert (dist / f"{NAME}-handout.tar.gz").read_bytes()[4:8] == bytes(4)


def test_the_manifest_is_what_sha256sum_reads(dist):
    assert call("sha256sum", "--check", "--strict", release.SUMS, cwd=dist).returncode == 0
    named = {line.split("  ")[1] for line in (dist / release.SUMS).read_text().splitlines()}
    assert named | {release.SUMS} == set(handout.walk(dist))
    assert (dist / "VERSION").read_text() == f"kit {release.__version__}\nmmap lab {lab.load().version}\n"


def test_only_a_release_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "build", lambda out, track: (out.mkdir(), (out / release.SUMS).write_text("new")))
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CouldNotGrade, match="holds something else than a release"):
        release.replace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    for _ in range(2):
        release.replace(tmp_path / "dist")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "thesis.txt"]


def test_no_release_is_made_of_a_handout_that_is_out_of_date(monkeypatch):
    monkeypatch.setattr(handout, "stale", lambda: ["handout/kernel/vm.c"])
    with pytest.raises(CouldNotGrade, match="handout/kernel/vm.c is not what solution/ has: run make handout first"):
        release.main(None)


# What students get.

def test_nothing_hidden_is_in_what_students_get():
    files = release.template_files()
    secrets = [path for path in hidden.HOME.iterdir() if path.is_file()]
    names = {path.name for path in secrets} - {"mmap.toml"} | {path.stem for path in hidden.HOME.glob("hidden*.c")}
    names |= {f'"{section.title}"' for section in lab.read_file(hidden.HOME / "mmap.toml").sections}
    assert len(names) > 40
    text = {path: file.content.decode() for path, file in files.items()}
    assert [(path, name) for path, content in text.items() for name in names if name in content or Path(path).name == name] == []
    assert [path for path in files if re.search(r"tests/|hidden|mutants|forgeries|solution|owndisk", path)] == []
    assert not {f"grader/{name}.py" for name in STRICT_ALONE} & set(files)


def test_no_line_of_a_hidden_test_or_of_what_looks_at_it_is_in_what_students_get():
    def lines(content):
        return {code for code in map(handout.plain, content.decode().splitlines()) if len(code) >= 30}

    def is_idle(line):
        return re.match(r"(from|import|mapped = |name = )", line)

    given = set().union(*(lines(file.content) for file in release.template_files().values()))
    known = set().union(*(lines(file.content) for file in [*handout.stage_files(8).values(), *handout.official_files().values()]))
    secrets = [*hidden.HOME.iterdir(), *(KIT / f"grader/{name}.py" for name in ("seal", "oracle", "marks", "strict", "rebuild"))]
    told = {line for path in secrets if path.is_file() for line in lines(path.read_bytes())}
    assert len(told) > 500
    assert sorted(line for line in told & given - known if not is_idle(line)) == ["except diskread.DiskError as error:"]


def test_the_rule_takes_what_is_imported_or_run_and_no_more():
    modules = release.student_modules(KIT / "grader")
    assert {"cli.py", "score.py", "elfread.py", "gdbside.py", "report/text.py"} <= set(modules)
    assert all((KIT / "grader" / path).is_file() for path in modules)
    assert not {"batch.py", "release.py", "autograde.py", "mutants.py", "report/html.py"} & set(modules)


def test_the_students_copy_says_what_it_does_not_have(bundle):
    said = call(sys.executable, "-m", "grader", "grade", "--strict", cwd=bundle)
    assert said.returncode == 2 and "hidden tests come with the instructor's copy" in said.stderr
    said = call(sys.executable, "-m", "grader", "run", "--strict", "ls", cwd=bundle)
    assert said.returncode == 2 and "instructor's" in said.stderr and "Traceback" not in said.stderr
    said = call(sys.executable, "-m", "grader", "--help", cwd=bundle)
    assert said.returncode == 0 and "mutants" not in said.stdout


def test_the_unpacked_handout_sets_up_and_with_all_tasks_done_gets_all_points(bundle):
    lay(handout.stage_files(8), bundle)
    said = call("make", "setup", "grade", cwd=bundle)
    assert said.returncode == 0, said
    assert "setup: nothing is missing" in said.stdout and "Total: 100 of 100 points" in said.stdout
    assert json.loads((bundle / "build/grade/report.json").read_text())["kit_version"] == release.__version__


def test_a_release_of_another_track_is_graded_as_that_track(tmp_path):
    for path, file in release.template_files("linux").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(file.content)
    names = set(handout.walk(tmp_path / "grader/official"))
    assert {"user/anontest.c", "user/extlib.h", "user/mmaptest.c"} <= names and not {"user/cowtest.c", "include/user/user.h"} & names
    lay(handout.stage_files(2, "linux"), tmp_path)
    said = call("make", "grade", cwd=tmp_path)
    assert said.returncode and "Total: 25 of 60 points, 2 of 4 tasks passed" in said.stdout, said
    said = call("make", "grade", "TASK=5", cwd=tmp_path)
    assert said.returncode and "mmap-linux has no task 5: tasks are 9, 10, 11, 14" in said.stderr


@pytest.mark.parametrize("track, task", [("x86", "12"), ("core", "1")])
def test_an_autograder_grades_the_track_that_it_was_made_for_whatever_a_submission_says(tmp_path, monkeypatch, track, task):
    kit = {path: file for path, file in release.staff_files(track).items() if path.startswith("kit/handout/")}
    lay({path.removeprefix("kit/"): file for path, file in kit.items()}, tmp_path)
    monkeypatch.setattr(autograde, "HANDOUT", tmp_path / "handout")
    seen = []
    monkeypatch.setattr(autograde, "graded", lambda path, rubric, partly: seen.append(rubric) or autograde.unknown(path, rubric, "enough"))
    submission = lay(handout.stage_files(0, "linux"), tmp_path / "submission")
    assert autograde.main(Namespace(system="autolab", submission=submission, strict=False)) == 0
    assert seen[0].track == track and str(seen[0].tasks[0].number) == task


def test_a_release_is_named_after_its_track(tmp_path):
    release.build(tmp_path / "dist", "cs330")
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {"VERSION", release.SUMS, *(
        f"mmap-cs330-{lab.load().version}{end}" for end in ("-handout.tar.gz", "-template.git", "-gradescope.zip", "-autolab"))}


def test_what_grades_needs_no_module_of_what_makes_handouts(tmp_path):
    (tmp_path / "jinja2.py").write_text("raise ImportError('not in the container of an autograder')")
    said = call(sys.executable, "-m", "grader", "autograde", "--help", cwd=KIT, PYTHONPATH=str(tmp_path))
    assert said.returncode == 0 and "gradescope" in said.stdout


# GitHub Classroom.

def test_the_workflow_grades_a_clone_of_the_template(dist, tmp_path):
    assert call("git", "clone", "-q", dist / f"{NAME}-template.git", tmp_path / "student", cwd=tmp_path).returncode == 0
    top = tmp_path / "student"
    assert {path: file for path, (file, _) in contents(top).items() if not path.startswith(".git/")} == {
        path: file.content for path, file in release.template_files().items()}
    workflow = yaml.safe_load((top / ".github/workflows/classroom.yml").read_text())
    fetch, install, grade, report = workflow["jobs"]["run-autograding-tests"]["steps"]
    assert [re.search(r"@v\d", step["uses"]) is not None for step in (fetch, report)] == [True, True]
    assert report["with"]["runners"] == grade["id"] and f"steps.{grade['id']}.outputs.result" in report["env"][f"{grade['id'].upper()}_RESULTS"]
    assert call("bash", "-e", "-c", install["run"], cwd=top).stdout == "setup: nothing is missing\n"
    said = call("bash", "-e", "-c", grade["run"], cwd=top, GITHUB_OUTPUT=str(tmp_path / "output"))
    assert said.returncode == 0, said
    line = (tmp_path / "output").read_text()
    assert line.startswith("result=") and line.count("\n") == 1
    told = json.loads(base64.b64decode(line.removeprefix("result=")))
    assert (told["version"], told["status"], told["max_score"]) == (1, "fail", 100)
    assert sum(test["score"] for test in told["tests"]) == 0 and len(told["tests"]) == len(lab.load().tasks)
    assert call("git", "status", "--porcelain", cwd=top).stdout == ""


# Gradescope.

SPY = """#!/bin/sh
cat /autograder/source/kit/grader/labs/hidden/*.c
echo '{"score": 100}' > /autograder/results/results.json
rm -rf /autograder/source /autograder/results /autograder/submission
for its in $(grep -l python3 /proc/[0-9]*/comm); do kill -9 $(echo $its | cut -d/ -f3); done
ln -s /autograder/source/kit/grader/labs/hidden/hidden1calls.c user/link
setsid sh -c 'touch user/alive; while :; do echo {} > /autograder/results/results.json; sleep 0.1; done' > /dev/null 2>&1 &
while ! test -e user/alive; do sleep 0.1; done
"""


def container(place, *words, rights=ROOT_OF_A_CONTAINER):
    """Run words where place is /autograder, as root of a container would: without namespaces, the network, or a view of this kit.

    rights: what this root may do; none: it is root of one user's namespace, and has no other user to be."""
    shown = []
    for path in sorted(Path("/").iterdir()):
        if path.is_symlink():
            shown += ["--symlink", os.readlink(path), path]
        elif path.name in ("usr", "opt", "etc", "bin", "lib", "lib64", "sbin"):
            shown += ["--ro-bind", path, path]
    may = [word for right in rights for word in ("--cap-add", f"CAP_{right}")]
    who = ["--cap-drop", "ALL", *may] if rights else ["--unshare-user", "--uid", "0", "--cap-drop", "ALL"]
    return call("bwrap", *shown, "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--bind", place, "/autograder",
                "--unshare-pid", "--unshare-net", "--die-with-parent", *who, "--", *words, cwd="/")


def upload(dist, place, submission):
    """Lay out what Gradescope has before it runs an autograder; return its run_autograder as the container sees it."""
    with zipfile.ZipFile(dist / f"{NAME}-gradescope.zip") as archive:
        for info in archive.infolist():
            (place / "source" / info.filename).parent.mkdir(parents=True, exist_ok=True)
            (place / "source" / info.filename).write_bytes(archive.read(info))
            (place / "source" / info.filename).chmod(info.external_attr >> 16 & 0o777)
    shutil.copy(place / "source/run_autograder", place)
    shutil.copytree(submission, place / "submission")
    (place / "results").mkdir()
    return "/autograder/run_autograder"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play a container's root")
def test_gradescope_is_told_what_a_submission_got_that_tried_to_steal_and_to_forge(dist, tmp_path):
    tree = lay(handout.stage_files(1), tmp_path / "stage1/nested")
    (tree / "user/spy.sh").write_text(SPY)
    (tree / "Makefile").write_text("$(if $(findstring main,$(shell sh user/spy.sh)),$(error stolen))\n" + (tree / "Makefile").read_text())
    numbers = tree / "kernel/fcntl.h"
    numbers.write_text(numbers.read_text().replace("PROT_EXEC   0x4", "PROT_EXEC   0x8"))       # a hidden test sees that
    place = tmp_path / "autograder"
    place.mkdir()
    run = upload(dist, place, tmp_path / "stage1")
    assert container(place, "sh", "/autograder/source/setup.sh").stdout == "setup: nothing is missing\n"
    said = container(place, run)
    told = json.loads((place / "results/results.json").read_text())
    assert said.returncode == 0, said
    scores = {test["number"]: test["score"] for test in told["tests"]}
    assert (told["score"], scores["1"], told["extra_data"]["finished"]) == (5, 5, True), told
    assert told["visibility"] == "visible" and told["stdout_visibility"] == "hidden"
    assert "1 of 2 hidden tests failed" in json.dumps(told) and "PROT_ constant" not in json.dumps(told)
    assert "PROT_ constant has another value" in said.stdout        # which staff alone read
    assert (place / "source/kit/grader/labs/hidden/hidden1calls.c").is_file() and (place / "submission").is_dir()


def test_where_gradescope_has_no_other_user_to_offer_no_hidden_test_is_run(dist, tmp_path):
    tree = lay(handout.stage_files(1), tmp_path / "stage1")
    place = tmp_path / "autograder"
    place.mkdir()
    said = container(place, upload(dist, place, tree), rights=())
    told = json.loads((place / "results/results.json").read_text())
    assert said.returncode == 0 and "score" not in told and "could read the hidden tests here" in told["output"], (said, told)


def test_partial_results_are_left_from_before_the_first_test_on(fake_tree, tmp_path, monkeypatch):
    left = []
    monkeypatch.setattr(results, "replace_file", lambda path, text: left.append(json.loads(text)))
    top = fake_tree({"mmaptest": "test basic\n", "mmapsharedtest": "x\n"})
    autograde.main(Namespace(system="gradescope", submission=top, out=tmp_path / "results.json", strict=False))
    assert "score" not in left[0] and "it was stopped before the first test had run" in left[0]["output"]
    assert len(left) > 2 and all(told["extra_data"]["finished"] is False for told in left[1:-1])
    assert left[-1]["extra_data"]["finished"] is True and "Not all tests have run" not in left[-1]["output"]


def test_partial_results_stand_where_the_grader_is_killed(fake_tree, tmp_path):
    top = fake_tree({"mmaptest": "test basic\n", "mmapsharedtest": BUSY})
    out = tmp_path / "results.json"
    grading = subprocess.Popen([sys.executable, "-m", "grader", "autograde", "gradescope", top, "--out", out, "--no-strict"],
                               env=clean() | {"PYTHONPATH": str(KIT)}, stdout=subprocess.DEVNULL, start_new_session=True)
    while not out.is_file() or "tests" not in json.loads(out.read_text()):      # whole, whenever it is read
        assert grading.poll() is None
        time.sleep(0.01)
    os.killpg(grading.pid, signal.SIGKILL)
    grading.wait()
    told = json.loads(out.read_text())
    assert "Not all tests have run" in told["output"] and told["extra_data"]["finished"] is False
    assert isinstance(told["score"], (int, float)) and len(told["tests"]) > 8


def test_points_that_hidden_tests_may_still_cost_are_not_told_before():
    strict = lab.load(strict=True)
    opened = score.grade(strict, syn.build(), syn.stage_runs(8), syn.TABLE)
    assert [task.score for task in score.provisional(opened, strict).tasks] == [task.points * strict.share for task in strict.tasks]
    assert score.provisional(opened, strict).score == opened.score * strict.share
    for open_lab in (lab.load(), replace(strict, strict="report")):
        assert score.provisional(opened, open_lab) == opened


def test_what_can_not_be_graded_is_no_zero_and_what_is_refused_is_one(tmp_path):
    rubric = lab.load()
    (tmp_path / "empty").mkdir()
    refused = autograde.graded(tmp_path / "empty", rubric, None)
    assert (refused.outcome, refused.score) == (results.NOT_GRADED, 0) and "refused" in refused.why
    assert [(task.score, task.max_score) for task in refused.grade.tasks] == [(0, task.points) for task in rubric.tasks]
    lost = autograde.graded(tmp_path / "nothing", rubric, None)
    assert (lost.outcome, lost.score) == (results.FAILED, None)


def test_hidden_tests_that_a_submission_could_read_are_not_run(tmp_path, monkeypatch):
    def no_box(place):
        raise CouldNotGrade("Submissions can't be confined here: no namespaces. Without confinement, ...")
    monkeypatch.setattr(autograde.sandbox, "confined", no_box)
    monkeypatch.setattr(autograde.os, "geteuid", lambda: 1000)
    with pytest.raises(CouldNotGrade, match="could read the hidden tests here.*--no-strict.*no namespaces"):
        autograde.chosen_box(tmp_path, True)
    (tmp_path / "tried").rmdir()
    assert autograde.chosen_box(tmp_path, False) == autograde.sandbox.OPEN


# Autolab.

def autolab(dist, place, handin):
    """Lay out what Autolab has before it runs make; run it."""
    place.mkdir()
    shutil.copy(dist / f"{NAME}-autolab/autograde.tar", place)
    shutil.copy(dist / f"{NAME}-autolab/autograde-Makefile", place / "Makefile")
    (place / "handin.tar.gz").write_bytes(handin)
    said = call("make", cwd=place)
    assert said.returncode == 0, said
    return said.stdout, json.loads(said.stdout.splitlines()[-1])


def packed(files):
    return gzip.compress(release.tar(files, "mine/"))


def test_autolab_reads_the_last_line(dist, tmp_path):
    tree = handout.stage_files(8)
    broken = {**tree, "kernel/vm.c": handout.File(b"int vm = ;\n\x1b[2J{\"scores\": {\"Task 1 System call setup\": 100}}\n")}
    out, told = autolab(dist, tmp_path / "a", packed(broken))
    assert "does not build: kernel/vm.c:1" in out and "\x1b" not in out
    assert list(told["scores"])[0] == "Task 1 System call setup" and set(told["scores"].values()) == {0}
    assert told["scoreboard"] == [0] * len(lab.load().tasks)


def test_autolab_gets_zeros_for_an_archive_that_leads_out(dist, tmp_path):
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../kit/grader/score.py"), io.BytesIO())
    out, told = autolab(dist, tmp_path / "a", evil.getvalue())
    assert "refused" in out and set(told["scores"].values()) == {0} and len(told["scores"]) == len(lab.load().tasks)
