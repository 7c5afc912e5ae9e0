"""Tests of tree.py: what is taken from a submission, what is laid over it, and what a second copy leaves alone."""

import os

import pytest

from grader import CouldNotGrade, base, tree
from grader.tests.mit import mit_files
from grader.tests.packing import lay

PROTECTED = ("user/mmaptest.c", "mkfs/*")


@pytest.fixture
def official(tmp_path):
    top = tmp_path / "official"
    write(top, {"user/mmaptest.c": "official test", "mkfs/mkfs.c": "official mkfs", "user/other.c": "not asked for"})
    return top


@pytest.fixture
def submission(tmp_path):
    top = tmp_path / "submission"
    write(top, {"Makefile": "all:", "kernel/mmap.c": "mine", "kernel/mmap.h": "mine", "user/mmaptest.c": "edited",
                "mkfs/extra.c": "mine"})
    return top


def write(top, files):
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


def holds(scratch):
    """What a scratch tree holds: paths and texts."""
    return {path.relative_to(scratch).as_posix(): path.read_text() for path in scratch.rglob("*")
            if path.is_file() and path.name != tree.MANIFEST}


@pytest.fixture
def prepare(submission, official, tmp_path):
    """prepare(): the submission to a scratch tree; what it then holds."""
    return lambda: holds(tree.prepare(submission, tmp_path / "scratch", PROTECTED, official).path)


def test_official_files_replace_the_students_and_nothing_else_does(prepare):
    assert prepare() == {"Makefile": "all:", "kernel/mmap.c": "mine", "kernel/mmap.h": "mine",
                         "user/mmaptest.c": "official test", "mkfs/mkfs.c": "official mkfs", "mkfs/extra.c": "mine"}


def test_products_of_the_students_build_are_left_behind(prepare, submission):
    write(submission, {"kernel/mmap.o": "", "kernel/kernel": "", "fs.img": "", "user/_sh": "", "user/usys.S": "",
                       "disk/sh": "", "kernel/mmap.d": ""})
    assert not {"kernel/mmap.o", "kernel/kernel", "fs.img", "user/_sh", "user/usys.S", "disk/sh"} & prepare().keys()


def test_the_kits_own_directories_are_left_behind(prepare, submission):
    write(submission, {"grader/cli.py": "", "build/grade/tree/Makefile": "", ".git/config": "", "kernel/.git/config": ""})
    assert not [name for name in prepare() if "grader" in name or "build" in name or ".git" in name]


def test_a_second_copy_leaves_files_and_products_alone(prepare, submission, tmp_path):
    prepare()
    scratch = tmp_path / "scratch"
    write(scratch, {"kernel/mmap.o": "built", "kernel/other.o": "built"})
    before = os.stat(scratch / "kernel/mmap.h").st_mtime_ns
    write(submission, {"kernel/mmap.c": "mine, changed"})
    after = prepare()
    assert after["kernel/mmap.c"] == "mine, changed"
    assert after["kernel/other.o"] == "built"
    assert os.stat(scratch / "kernel/mmap.h").st_mtime_ns == before


@pytest.mark.parametrize("change", [{"kernel/mmap.h": "changed"}, {"Makefile": "changed"}, {"kernel/new.c": ""}])
def test_what_make_may_not_notice_has_all_built_anew(prepare, submission, tmp_path, change):
    prepare()
    write(tmp_path / "scratch", {"kernel/mmap.o": "built"})
    write(submission, change)
    assert "kernel/mmap.o" not in prepare()


def test_a_file_that_is_gone_has_all_built_anew(prepare, submission, tmp_path):
    prepare()
    write(tmp_path / "scratch", {"kernel/mmap.o": "built"})
    (submission / "kernel/mmap.h").unlink()
    assert not {"kernel/mmap.o", "kernel/mmap.h"} & prepare().keys()


def test_a_build_that_was_cut_off_has_all_built_anew(prepare, tmp_path):
    prepare()
    write(tmp_path / "scratch", {"kernel/mmap.o": "half", tree.UNFINISHED: ""})
    assert not {"kernel/mmap.o", tree.UNFINISHED} & prepare().keys()


def test_a_build_that_changes_its_sources_does_not_keep_the_change(prepare, tmp_path):
    prepare()
    write(tmp_path / "scratch", {"kernel/mmap.c": "changed by the build"})
    assert prepare()["kernel/mmap.c"] == "mine"


def test_links_out_of_the_tree_and_things_that_are_no_files_are_left_behind(prepare, submission, tmp_path):
    write(tmp_path, {"secret": "secret"})
    (submission / "kernel/out.c").symlink_to(tmp_path / "secret")
    (submission / "kernel/in.c").symlink_to("mmap.c")
    (submission / "kernel/lost.c").symlink_to("nowhere.c")
    (submission / "user/round").symlink_to("..")
    os.mkfifo(submission / "kernel/pipe.c")
    files = prepare()
    assert files["kernel/in.c"] == "mine"
    assert not {"kernel/out.c", "kernel/lost.c", "kernel/pipe.c"} & files.keys()
    assert not [name for name in files if name.startswith("user/round")]


def test_what_stands_in_the_way_of_an_official_file_is_left_behind(prepare, submission):
    (submission / "user/mmaptest.c").unlink()
    (submission / "mkfs/extra.c").unlink()
    (submission / "mkfs").rmdir()
    write(submission, {"user/mmaptest.c/trick.c": "", "mkfs": ""})
    files = prepare()
    assert (files["user/mmaptest.c"], files["mkfs/mkfs.c"]) == ("official test", "official mkfs")


def test_the_hash_tells_submissions_apart_by_content_alone(submission, official, tmp_path):
    def digest():
        return tree.prepare(submission, tmp_path / "scratch", PROTECTED, official).content_hash

    first = digest()
    os.utime(submission / "kernel/mmap.c", (0, 0))
    assert digest() == first
    write(submission, {"kernel/mmap.c": "other"})
    assert digest() != first


@pytest.mark.parametrize("path, says", [("nowhere", "no such directory"), ("submission/Makefile", "is a file"),
                                        ("submission/kernel", "no lab tree")])
def test_what_is_no_tree_is_refused(submission, official, tmp_path, path, says):
    with pytest.raises(CouldNotGrade, match=says):
        tree.prepare(tmp_path / path, tmp_path / "scratch", PROTECTED, official)


def test_what_is_too_large_is_refused(prepare, submission, monkeypatch):
    monkeypatch.setattr(tree, "BYTES", 10)
    with pytest.raises(CouldNotGrade, match="too large"):
        prepare()


def test_a_grader_without_its_official_files_says_so(prepare, official):
    (official / "user/mmaptest.c").unlink()
    with pytest.raises(CouldNotGrade, match="lacks user/mmaptest.c.*make handout"):
        prepare()


def test_nothing_is_laid_over_a_tree_on_another_kernel(official, tmp_path):
    files = mit_files(2024)
    prepared = tree.prepare(lay(tmp_path / "mits", files), tmp_path / "scratch", PROTECTED, official)
    there = {path.relative_to(prepared.path).as_posix(): path.read_bytes() for path in prepared.path.rglob("*") if path.is_file()}
    assert {name: text for name, text in there.items() if name != tree.MANIFEST} == files
    assert prepared.base is base.MIT[2024] and "MIT's xv6-riscv as of 2024" in prepared.notes[0]


def test_of_a_tree_on_our_kernel_there_is_nothing_to_tell(submission, official, tmp_path):
    prepared = tree.prepare(submission, tmp_path / "scratch", PROTECTED, official)
    assert (prepared.base, prepared.notes) == (base.OURS, ())


def test_scripts_can_be_executed_and_sources_can_not(submission, official, tmp_path):
    write(submission, {"user/gen.sh": "#!/bin/sh\n"})
    scratch = tree.prepare(submission, tmp_path / "scratch", PROTECTED, official).path
    assert [os.access(scratch / name, os.X_OK) for name in ("user/gen.sh", "kernel/mmap.c")] == [True, False]
