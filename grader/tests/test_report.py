"""Reports: what a student reads, and what programs read."""

import io
import json as stdlib_json
import re

import pytest

from grader import score
from grader.explain import Facts
from grader.report import json, text
from grader.score import Outcome
from grader.tests import synthetic as syn
from grader.transcript import Ending

PLACES = {("user/_mmaptest", 0x5c): ("check", "user/mmaptest.c", 61)}


def grade(stage, **more):
    """The grade of a stage, with a readable fault."""
    facts = Facts(table="struct vma vma[16]" if stage >= 2 else "", near="struct proc has no array", places=PLACES)
    return score.grade(syn.LAB, syn.build(), syn.stage_runs(stage), facts, **more)


def shown(result, out=None):
    """The text report of a grade."""
    out = out or io.StringIO()
    text.render(result, out)
    return out.getvalue()


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_every_task_is_in_the_table_with_its_points():
    page = shown(grade(4))
    for task in syn.LAB.tasks:
        assert re.search(rf"^ *{task.number} +{re.escape(task.name)} +\d+(\.\d+)? / {task.points} ", page, re.M)
    assert page.splitlines()[-1] == "Total: 45 of 100 points, 4 of 8 tasks passed"


def test_a_lost_task_tells_line_place_meaning_page_and_command():
    page = " ".join(shown(grade(3)).split())
    assert "usertrap(): unexpected scause 0xd pid=3 sepc=0x5c stval=0x40000000" in page
    assert "pid 3 was killed: a load at 0x40000000, in the range of mappings: user/mmaptest.c:61 in check" in page
    assert "vmfault did not make the page present" in page
    assert "docs/task4.md" in page and "make run PROG=mmaptest" in page


def test_a_blocked_task_has_a_row_and_no_paragraph():
    page = shown(grade(3))
    assert "blocked: task 4 first" in page and "Task 5, munmap" not in page


def test_every_lost_section_is_named():
    page = " ".join(shown(grade(4)).split())
    for section in syn.SECTIONS[:8]:
        assert section.title in page


def test_without_a_terminal_it_is_plain_and_80_columns_wide(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    for stage in (1, 3, 4, 6, 8):
        page = shown(grade(stage))
        assert "\x1b" not in page
        assert max(len(line) for line in page.splitlines()) <= 80
        assert not any(line.endswith(" ") for line in page.splitlines())


def test_on_a_terminal_it_has_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown(grade(4), Terminal())


def test_a_console_line_cannot_drive_the_terminal():
    evil = "mmaptest failure: \x1b]0;owned\x07 [bold red]x[/] \x9b31m" + "A" * 5000 + ", pid=3"
    runs = [syn.run("mmaptest", ["test basic mmap", evil], Ending.FAILED), syn.shared_run(3)]
    page = shown(score.grade(syn.LAB, syn.build(), runs, syn.TABLE))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", page)
    assert "[bold red]x[/]" in page and len(page) < 10000


def test_a_line_that_the_output_cannot_encode_is_still_shown():
    runs = [syn.run("mmaptest", ["test basic mmap", "mmaptest failure: \u20ac\u4e2d, pid=3"], Ending.FAILED), syn.shared_run(3)]
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    text.render(score.grade(syn.LAB, syn.build(), runs, syn.TABLE), out)
    out.flush()
    assert b"mmaptest failure: ??, pid=3" in raw.getvalue()


def test_a_tree_that_does_not_build_is_told_in_one_line():
    build = syn.build(ok=False, error="kernel/mmap.c:12:5: error: expected ';'")
    page = shown(score.grade(syn.LAB, build, [], Facts()))
    assert "Not graded: does not build: kernel/mmap.c:12:5: error: expected ';'" in page
    assert "Total: 0 of 100 points" in page


def test_a_part_says_that_it_is_one():
    part = syn.LAB.narrow(sections=("fork",))
    page = shown(score.grade(part, syn.build(), syn.stage_runs(8, part), syn.TABLE))
    assert "sections fork only" in page and "points" not in page.splitlines()[-1]


@pytest.mark.parametrize("stage", [1, 4, 8])
def test_json_has_what_the_format_promises(stage):
    result = grade(stage, submission="s17", content_hash="ab12", started="2025-11-21T12:00:00Z", seconds=3.21)
    data = stdlib_json.loads(json.render(result))
    assert data["schema_version"] == 1 and data["lab"] == "mmap" and data["lab_version"] == syn.LAB.version
    assert (data["submission"], data["content_hash"], data["started"], data["seconds"]) == ("s17", "ab12", "2025-11-21T12:00:00Z", 3.21)
    assert data["outcome"] == "graded" and data["score"] == result.score and data["max_score"] == 100
    assert [t["name"] for t in data["tasks"]] == [t.name for t in syn.LAB.tasks]
    for task in data["tasks"]:
        assert {"number", "name", "score", "max_score", "outcome", "why", "where", "hint", "doc"} <= task.keys()
        assert type(task["score"]) in (int, float) and type(task["max_score"]) in (int, float)
        assert task["outcome"] in [o.value for o in Outcome]
    assert {r["program"] for r in data["runs"]} >= {"mmaptest", "mmapsharedtest"}
    assert all(type(r["cpu_seconds"]) is float and r["ending"] and r["transcript"] for r in data["runs"])


def test_json_tells_places_as_objects():
    data = stdlib_json.loads(json.render(grade(3)))
    place = data["tasks"][3]["where"][0]
    assert (place["function"], place["file"], place["line"]) == ("check", "user/mmaptest.c", 61)
