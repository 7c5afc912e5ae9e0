"""Tests of names.py: who handed in what, by the names that course systems give, and that nobody is lost."""

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from grader import CouldNotGrade, lab, names

RULES = lab.load().exports
METADATA = """---
submission_12345678:
  :submitters:
  - :name: Zoë Doe
    :sid: 'EE23B102'
    :email: zoe@example.edu
  - :name: Bo
    :sid:
    :email: bo@example.edu
  :created_at: 2025-11-20 22:59:01.500 Z
  :score: 3.0
  :history:
  - :id: 77
    :created_at: 2025-10-20 22:59:01.500 Z
submission_555:
  :submitters:
  - :name: No Number
    :email: n@example.edu
  :created_at: 2025-11-20 22:59:01 +0100
"""


@pytest.fixture
def folder(tmp_path):
    """folder(names...): the Entries of a folder with empty things of these names; those without a dot are folders."""
    def make(*given, metadata=""):
        for number, name in enumerate(given):
            path = tmp_path / name
            path.touch() if "." in name else path.mkdir()
            os.utime(path, (1000 + number, 1000 + number))
        if metadata:
            (tmp_path / names.METADATA).write_text(metadata)
        return names.submission_ids(tmp_path, RULES)
    return make


@pytest.mark.parametrize("name, id, student, late", [
    ("doejane_12345_678910_mmap.zip", "12345", "doejane", False),
    ("doejane_LATE_12345_678910_mmap-1.tar.gz", "12345", "doejane", True),
    ("First Last_123456_assignsubmission_file_", "123456", "First Last", False),
    ("First Last_123456_assignsubmission_file_my_lab.zip", "123456", "First Last", False),
    ("Ó Briain-Łęcka_99_assignsubmission_file", "99", "Ó Briain-Łęcka", False),
    ("mmaplab-octo-cat", "octo-cat", "", False),
    ("submission_12345678", "12345678", "", False),
    ("alice", "alice", "", False), ("alice.tar.xz", "alice", "", False),
    ("bob.git", "bob", "", False), ("bob.patch", "bob", "", False),
    ("李明.zip", "李明", "", False), ("-rf.zip", "rf", "", False),
    ("a b;c.zip", "a_b_c", "", False), ("notes.pdf", "notes.pdf", "", False),
])
def test_names_as_course_systems_give_them(folder, name, id, student, late):
    one, = folder(name)
    assert (one.id, one.name, one.late, one.path.name, one.superseded) == (id, student, late, name, False)


def test_the_latest_attempt_counts_and_the_others_are_listed(folder):
    found = folder("doejane_12345_3_mmap-2.zip", "doejane_LATE_12345_4_mmap-10.zip", "doejane_12345_1_mmap.zip",
                   "doejane_12345_9_report.pdf", "x.zip")
    assert [(one.id, one.path.name, one.superseded) for one in found] == [
        ("12345", "doejane_LATE_12345_4_mmap-10.zip", False), ("12345", "doejane_12345_1_mmap.zip", True),
        ("12345", "doejane_12345_3_mmap-2.zip", True), ("12345", "doejane_12345_9_report.pdf", True), ("x", "x.zip", False)]
    assert len(found[0].notes) == 3 and found[1].notes == ("doejane_LATE_12345_4_mmap-10.zip counts instead",)


def test_among_equals_the_newest_counts(folder):
    found = folder("alice.zip", "alice.tar.gz", "alice.patch")
    assert [(one.path.name, one.superseded) for one in found] == [("alice.patch", False), ("alice.tar.gz", True), ("alice.zip", True)]


def test_moodles_text_beside_a_file_is_no_submission(folder):
    found = folder("A B_7_assignsubmission_file_", "A B_7_assignsubmission_onlinetext_")
    assert [one.superseded for one in found] == [False, True] and found[0].path.name.endswith("file_")


def test_gradescopes_metadata_tell_who_and_when(folder):
    by_path = {one.path.name: one for one in folder("submission_12345678", "submission_555", "submission_9", metadata=METADATA)}
    group, single, unknown = (by_path[f"submission_{n}"] for n in ("12345678", "555", "9"))
    assert (group.id, group.name, group.email) == ("EE23B102", "Zoë Doe, Bo", "zoe@example.edu")
    assert group.notes == ("handed in together: Zoë Doe, Bo",) and group.received == 1763679541.5
    assert (single.id, single.email, single.received) == ("555", "n@example.edu", 1763675941.0)
    assert (unknown.id, unknown.received) == ("9", None)


def test_metadata_that_are_none_do_no_harm(folder):
    one, = folder("submission_5", metadata="submission_5: [\n:created_at: yesterday\n- - -\n\t:sid: 3\n")
    assert one.id == "5" and one.received is None


def test_droppings_are_no_submissions(folder):
    assert folder(".DS_Store", "Thumbs.db", "._alice.zip", ".hidden") == ()


def test_ids_that_come_to_the_same_are_kept_apart(folder):
    found = folder("a b.zip", "a_b.zip", "A_B.tar")
    assert len({one.id.casefold() for one in found}) == 3 and not any(one.superseded for one in found)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CouldNotGrade, match="can't read the submissions in .*nowhere"):
        names.submission_ids(tmp_path / "nowhere", RULES)


NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES | st.from_regex(r"\A(doe|ann)_(LATE_)?[12]_\d_x(-\d)?\.zip\Z"), max_size=6, unique=True))
@example(["a/../b".replace("/", "\\"), "CON.zip", "a.zip", "A.zip", "a"])
def test_nobody_is_lost_and_every_id_is_fit_for_a_file(given):
    with tempfile.TemporaryDirectory() as top:
        for name in given:
            Path(top, name).touch()
        found = names.submission_ids(Path(top), RULES)
        there = {path.name for path in Path(top).iterdir() if not path.name.startswith(".") and path.name != names.METADATA
                 and not names.DROPPINGS.fullmatch(path.name)}
    assert sorted(one.path.name for one in found) == sorted(there)
    counting = [one.id.casefold() for one in found if not one.superseded]
    assert len(counting) == len(set(counting)) and {one.id for one in found} == {one.id for one in found if not one.superseded}
    assert all(re.fullmatch(r"[\w][\w.-]{0,79}", one.id) for one in found)
