"""Tracks: what each has of the lab, what is refused, which one a tree is of, and that batches keep theirs."""

import re
from argparse import Namespace
from dataclasses import replace

import pytest

from grader import CouldNotGrade, batch, cli, handout, lab, many, results, tracks, worker
from grader.tests.test_lab import KIT, SMALL, load

WHOLE = lab.read_file(lab.FILE)
NAMES = [track.name for track in WHOLE.tracks]
LABS = {name: lab.load(track=name) for name in NAMES}
TWO = SMALL.replace("points = 10\nmapped", "points = 30\nmapped") + """
[[program]]
name = "u"
budget = 5
fails = "u failure:"

[[section]]
name = "b"
program = "u"
title = "test b"

[[task]]
number = 2
name = "Two"
points = 20
doc = "docs/task2.md"
hint = "Do it."
needs = [1]
files = ["user/u.c"]
evidence = [ { section = "b", points = 15, once = 1 }, { program = "t", prints = ["two"], points = 5, spared = [1] } ]

[[meaning]]
text = "x"
means = "Of task 2."
tasks = [2]

[[track]]
name = "core"
title = "One"
points = 10
tasks = [1]

[[track]]
name = "late"
title = "Two alone"
points = 20
tasks = [2]
given = [1]

[[track]]
name = "part"
title = "A part of two"
points = 15
tasks = [2]
given = [1]
programs = ["u"]
"""


def load_track(tmp_path, track, text=TWO):
    """The Lab of a track of a lab file that holds text."""
    load(tmp_path, text)
    return lab.load(tmp_path / "x.toml", track=track)


# What a track has.

def test_the_default_is_the_core_track_which_has_nothing_of_the_others(tmp_path):
    core = load(tmp_path, TWO)
    assert (core.name, core.title, core.points, core.track, core.graded) == ("small", "One", 10, "core", (1,))
    assert core.programs == ("t",) and [s.name for s in core.sections] == ["a"] and core.meanings == ()


def test_what_is_given_is_not_asked_for(tmp_path):
    late = load_track(tmp_path, "late")
    task = late.tasks[0]
    assert (late.name, late.points, late.graded, task.points, task.needs) == ("small-late", 20, (2,), 20, ())
    assert [(e.once, e.spared) for e in task.evidence] == [(0, ()), (0, ())]
    assert set(late.programs) == {"t", "u"} and len(late.meanings) == 1 and [r.name for r in late.rungs] == ["start"]
    with pytest.raises(lab.LabError, match="small-late has no task 1: tasks are 2"):
        late.narrow(task=1)


def test_a_track_may_count_some_programs_alone(tmp_path):
    part = load_track(tmp_path, "part")
    assert part.programs == ("u",) and part.points == part.tasks[0].points == 15 and part.rungs == ()
    assert [e.section for e in part.tasks[0].evidence] == ["b"]


def test_a_lab_without_tracks_has_none_to_choose(tmp_path):
    assert load(tmp_path, SMALL).track == ""
    with pytest.raises(lab.LabError, match="no track 'late': tracks are not in this lab"):
        load_track(tmp_path, "late", SMALL)


@pytest.mark.parametrize("old, new, says", [
    ('name = "part"', 'name = "late"', "no other track's"),
    ('name = "part"', 'name = "Part 2"', "name must be lower-case letters, digits and -"),
    ('name = "core"', 'name = "heart"', "one must be called 'core', which is meant where none is named"),
    ("points = 15\ntasks", "points = 20\ntasks", r"\[\[track\]\] part: points is 20, but its tasks' points make 15"),
    ('programs = ["u"]', 'programs = ["v"]', "programs: no .* is called 'v'"),
    ('title = "Two alone"\npoints = 20\ntasks = [2]\ngiven = [1]', 'title = "Two alone"\npoints = 20\ntasks = [2]', "late: task 2 needs task 1, which is neither"),
    ("tasks = [2]\ngiven = [1]", "tasks = [2]\ngiven = [2]", "none of them twice"),
    ("tasks = [2]\ngiven = [1]", "tasks = [3]\ngiven = [1]", "must be numbers of tasks"),
    ("tasks = [2]\ngiven = [1]", "tasks = []\ngiven = [1]", "tasks one at least"),
])
def test_a_mistake_in_a_track_is_named(tmp_path, old, new, says):
    assert old in TWO
    with pytest.raises(lab.LabError, match=says):
        load(tmp_path, TWO.replace(old, new, 1))


def test_programs_must_show_a_part_with_points_of_its_own(tmp_path):
    text = TWO.replace("points = 15, once", "once").replace("points = 5, spared", "spared")
    with pytest.raises(lab.LabError, match=r"\[\[track\]\] part: programs: of task 2 they must show a part that has points"):
        load(tmp_path, text)


# The real file.

def test_the_tracks_are_those_of_the_courses():
    assert {name: (lab.graded, lab.points) for name, lab in LABS.items()} == {
        "core": (tuple(range(1, 9)), 100), "linux": ((9, 10, 11, 14), 60), "cs537": ((9, 10, 12), 45),
        "cs330": ((10, 11, 13), 50), "x86": ((12,), 10), "all": (tuple(range(1, 15)), 200)}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_track_names_it_has(name):
    one = LABS[name]
    assert next(lab.task_faults(replace(one, tasks=tuple(replace(t, number=n, needs=()) for n, t in enumerate(one.tasks, 1)), meanings=())), None) is None
    for task in one.tasks:
        assert task.evidence and set(task.needs) <= set(one.graded)
        for evidence in task.evidence:
            assert one.program_named(one.program_of(evidence)) if not evidence.fact else one.section_named(evidence.instead)
    assert {s.program for s in one.sections} <= {p.name for p in one.tests}
    assert all((KIT / "solution/user" / f"{program.name}.c").is_file() for program in one.tests)


@pytest.mark.parametrize("name", NAMES)
def test_a_tracks_tests_are_official_files_and_those_left_out_are_not(name):
    own = set(LABS[name].protected)
    for program in WHOLE.tests:
        lacks = tracks.lacks(WHOLE, f"user/{program.name}.c", WHOLE.track_named(name))
        assert tracks.fits(f"user/{program.name}.c", own) != lacks
    assert {f"user/{program.name}.c" for program in LABS[name].tests} <= own


def test_every_file_of_a_task_and_every_withheld_one_is_there():
    for pattern in (*WHOLE.withheld, *(pattern for task in WHOLE.tasks for pattern in task.files)):
        assert list((KIT / "solution").glob(pattern)), f"{pattern} matches nothing"


def test_every_section_is_one_that_its_program_knows():
    for section in WHOLE.sections:
        assert f'"{section.name}"' in (KIT / f"solution/user/{section.program}.c").read_text(), section.name


# Which track a tree is of.

@pytest.mark.parametrize("content, name", [(b"linux\n", "linux"), (b" cs537", "cs537"), (None, "core")])
def test_a_tree_says_its_track(tmp_path, content, name):
    if content is not None:
        (tmp_path / "TRACK").write_bytes(content)
    assert tracks.of_tree(tmp_path) == name
    assert tracks.of_tree(tmp_path / "nothing") == tracks.of_tree(KIT / "Makefile") == "core"


@pytest.mark.parametrize("content", [b"", b"linux core\n", b"\xff\xfe", b"../x\n", b"Linux\n"])
def test_a_tree_that_talks_nonsense_is_told(tmp_path, content):
    (tmp_path / "TRACK").write_bytes(content)
    with pytest.raises(CouldNotGrade, match="TRACK .*the name of a track"):
        tracks.of_tree(tmp_path)
    (tmp_path / "TRACK").unlink()
    (tmp_path / "TRACK").mkdir()
    with pytest.raises(CouldNotGrade, match="TRACK can't be read"):
        tracks.of_tree(tmp_path)


@pytest.mark.parametrize("words, says", [
    (["grade", "--track", "cs999"], "there is no track 'cs999': tracks are core, linux"),
    (["grade", "--track", "linux", "--task", "5"], "mmap-linux has no task 5: tasks are 9, 10, 11, 14"),
    (["grade", "--track", "x86", "fork"], "mmap-x86 has no section 'fork': sections are lazy-"),
    (["stages", "--track", "cs999"], "there is no track 'cs999'"),
    (["release", "--track", "cs999"], "there is no track 'cs999'"),
    (["handout", "--track", "cs999", "--out", "x"], "there is no track 'cs999'"),
    (["handout", "--track", "linux", "--stage", "9", "--out", "x"], "no stage 9 of linux"),
    (["handout", "--track", "linux"], "say where it goes: make handout TRACK=core STAGE=5 OUT=dir"),
])
def test_bad_input_gets_one_clear_message(tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(handout, "stale", lambda: [])
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("grader: ") and says in told.err and told.err.count("\n") == 1 and not told.out
    assert list(tmp_path.iterdir()) == []


# Batches.

def test_the_handout_of_a_track_is_made_where_it_is_graded(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "home", lambda: tmp_path)
    worker.start.cache_clear()
    assert worker.start("core") == worker.HANDOUT
    assert tracks.of_tree(worker.start("x86")) == "x86" and (tmp_path / "starts/x86/kernel/meminfo.c").is_file()
    assert worker.version("x86") != worker.version() == worker.version("core")
    worker.start.cache_clear()


def test_a_batch_keeps_its_track(tmp_path, monkeypatch):
    seen = []

    def remember(order, options, run):
        seen.append(order.track)
        batch.settle(order)
        return 0
    monkeypatch.setattr(many, "carry_out", remember)
    options = Namespace(submissions=tmp_path, out=tmp_path / "out", strict=False, confined=False, deadline=None, gradebook=None,
                        column=None, track=None, keep=False)
    options.out.mkdir()
    for track in ("linux", None, "x86"):
        options.track = track
        assert many.batch_command(options) == 0
    assert many.regrade_command(options) == 0
    assert seen == ["linux", "linux", "x86", "x86"] and results.read_settings(options.out).track == "x86"


def test_results_of_before_there_were_tracks_are_of_the_core_track(tmp_path):
    results.write_settings(tmp_path, results.Settings("in"))
    text = (tmp_path / results.SETTINGS).read_text()
    (tmp_path / results.SETTINGS).write_text(re.sub(r',\s+"track": "core"', "", text))
    assert "track" not in (tmp_path / results.SETTINGS).read_text() and results.read_settings(tmp_path).track == "core"
