"""Hostile git repositories and bundles: nothing of theirs is executed, nothing of others is read."""

import hashlib
import os
import subprocess
import zlib

import pytest

from grader import CouldNotGrade, archive, sandbox
from grader.archive import Refused
from grader.tests.packing import GIT, SMALL, WHEN, git, lay, make_repository, read

HOOKS = ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc")
HEADS = (b"ref: ../../../etc/passwd\n", b"ref: refs/heads/../../x\n", b"ref: refs/heads/a\n" * 9000, b"--upload-pack=x\n", b"")


@pytest.fixture
def trap(tmp_path):
    """A program that leaves a mark when it is executed, and the mark."""
    program, mark = tmp_path / "trap", tmp_path / "sprung"
    program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    program.chmod(0o755)
    return program, mark


@pytest.fixture
def opened(tmp_path):
    start = lay(tmp_path / "handout", SMALL)
    return lambda path, **more: archive.open_submission(path, tmp_path / "scratch", start, **more)


def holds(submission):
    """The files of a Submission, bytes by path."""
    return read(submission.path)


def arm(directory, program):
    """Give a repository all that makes an unwary git execute something."""
    with open(directory / "config", "a") as config:
        config.write(f"""[core]
fsmonitor = {program}
hooksPath = {directory}/hooks
sshCommand = {program}
pager = {program}
editor = {program}
gitProxy = {program}
alternateRefsCommand = {program}
[filter "x"]
smudge = {program}
clean = {program}
required = true
[tar "tar"]
command = {program}
[gpg]
program = {program}
[log]
showSignature = true
[diff]
external = {program}
[alias]
archive = !{program}
[uploadpack]
packObjectsHook = {program}
[protocol "ext"]
allow = always
[extensions]
partialClone = evil
[remote "evil"]
url = ext::{program}
promisor = true
""")
    for hook in HOOKS:
        (directory / "hooks").mkdir(exist_ok=True)
        (directory / "hooks" / hook).write_bytes(program.read_bytes())
        (directory / "hooks" / hook).chmod(0o755)


def in_place(tmp_path):
    """A checked out repository, whose files all pass through a filter."""
    top = make_repository(tmp_path / "evil", SMALL | {".gitattributes": b"* filter=x\n"})
    return top, top / ".git"


def bare(tmp_path):
    """A bare one, of which an object is missing, to be fetched from the owner's remote."""
    top = make_repository(tmp_path / "source", SMALL)
    git(tmp_path, "clone", "-q", "--bare", "source", "evil")
    blob = git(top, "rev-parse", "HEAD:kernel/vm.c").decode().strip()
    (tmp_path / "evil/objects" / blob[:2] / blob[2:]).unlink()
    return tmp_path / "evil", tmp_path / "evil"


@pytest.mark.parametrize("make, command", [(in_place, ("status",)), (bare, ("archive", "--format=zip", "HEAD"))])
def test_nothing_of_a_repository_is_executed(opened, tmp_path, trap, make, command):
    program, mark = trap
    top, inside = make(tmp_path)
    arm(inside, program)
    subprocess.run(["git", *command], cwd=top, env=GIT, capture_output=True)
    assert mark.exists(), "the trap is no trap"
    mark.unlink()
    try:
        submission = opened(top)
        assert make is in_place and holds(submission) == SMALL | {".gitattributes": b"* filter=x\n"} and submission.received == WHEN
    except Refused as refusal:
        assert make is bare and "a broken git repository or bundle" in str(refusal)
    assert not mark.exists()


def test_attributes_neither_hide_nor_change_files(opened, tmp_path):
    attributes = b"kernel/vm.c export-ignore\nuser/sh.c export-subst ident text eol=crlf\n"
    files = SMALL | {".gitattributes": attributes, "user/sh.c": b"$Format:%H$ $Id$\n"}
    make_repository(tmp_path / "source", files)
    git(tmp_path, "clone", "-q", "--bare", "source", "x.git")
    assert holds(opened(tmp_path / "x.git")) == files


def test_objects_of_others_are_not_read(opened, tmp_path):
    make_repository(tmp_path / "victim", SMALL)
    git(tmp_path, "clone", "-q", "--bare", "--shared", "victim", "thief.git")
    assert (tmp_path / "thief.git/objects/info/alternates").exists() and git(tmp_path / "thief.git", "show", "HEAD:kernel/vm.c")
    with pytest.raises(Refused, match="a broken git repository"):
        opened(tmp_path / "thief.git")


def test_a_head_that_leads_elsewhere_is_refused(opened, tmp_path):
    make_repository(tmp_path / "source", SMALL)
    for number, head in enumerate(HEADS):
        git(tmp_path, "clone", "-q", "--bare", "source", f"x{number}.git")
        (tmp_path / f"x{number}.git/HEAD").write_bytes(head)
        with pytest.raises(Refused, match="HEAD names no commit"):
            opened(tmp_path / f"x{number}.git")


def write_object(top, kind, content):
    """Put an object that git itself would refuse to make into a bare repository; return its id as bytes."""
    whole = b"%s %d\0" % (kind, len(content)) + content
    name = hashlib.sha1(whole)
    path = top / "objects" / name.hexdigest()[:2] / name.hexdigest()[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole, 1))
    return name.digest()


def commit_tree(top, tree):
    """Make HEAD of a bare repository a commit of a tree (its id as bytes)."""
    commit = write_object(top, b"commit", b"tree %s\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nx\n" % tree.hex().encode())
    lay(top, {"HEAD": commit.hex().encode() + b"\n", "refs/heads/x": commit.hex().encode()})


@pytest.mark.parametrize("mode, name, content, says", [
    (b"100644", b"..", b"x", "leads out of the tree|broken git"),
    (b"100644", b"../evil", b"x", "leads out of the tree|broken git"),
    (b"120000", b"out.c", b"../../evil", "out.c: a symbolic link to ../../evil, which lies outside"),
    (b"100644", b"a\\..\\evil", b"x", "backslash"),
    (b"100644", b"/evil", b"x", "absolute path|broken git|no lab tree"),
])
def test_hostile_trees_are_refused(opened, tmp_path, mode, name, content, says):
    top = tmp_path / "x.git"
    (top / "objects").mkdir(parents=True)
    blob = write_object(top, b"blob", content)
    commit_tree(top, write_object(top, b"tree", b"%s %s\0%s" % (mode, name, blob)))
    with pytest.raises(Refused, match=says):
        opened(top)
    assert not (tmp_path / "evil").exists()


def test_a_tree_of_many_trees_ends_at_a_limit(opened, tmp_path):
    top = tmp_path / "bomb.git"
    (top / "objects").mkdir(parents=True)
    tree = write_object(top, b"blob", b"boom\n")
    for level in range(9):
        mode = b"100644" if level == 0 else b"40000"
        tree = write_object(top, b"tree", b"".join(b"%s %d\0%s" % (mode, n, tree) for n in range(10)))
    commit_tree(top, tree)
    with pytest.raises(Refused, match="more than 20000 files and folders"):
        opened(top)


def test_a_bundle_that_lacks_its_beginning_says_how_to_make_one(opened, tmp_path):
    top = make_repository(tmp_path / "source", SMALL)
    git(top, "commit", "-q", "--allow-empty", "-m", "more")
    git(top, "bundle", "create", "-q", "../x.bundle", "HEAD~1..HEAD")
    with pytest.raises(Refused, match="x.bundle: a git bundle that lacks older commits: make it with git bundle create FILE HEAD"):
        opened(tmp_path / "x.bundle")


def test_a_bundle_with_sha256_is_taken(opened, tmp_path):
    lay(tmp_path / "source", SMALL)
    git(tmp_path / "source", "init", "-q", "--object-format=sha256")
    git(tmp_path / "source", "add", "-A")
    git(tmp_path / "source", "commit", "-q", "-m", "all")
    git(tmp_path / "source", "bundle", "create", "-q", "../x.bundle", "HEAD")
    assert holds(opened(tmp_path / "x.bundle")) == SMALL


def test_in_a_box_it_is_the_same(opened, tmp_path):
    try:
        box = sandbox.confined(tmp_path / "box")
    except CouldNotGrade as error:
        pytest.skip(str(error))
    top = make_repository(tmp_path / "source", SMALL)
    git(top, "bundle", "create", "-q", "../x.bundle", "HEAD")
    git(tmp_path, "clone", "-q", "--bare", "source", "x.git")
    for form in ("source", "x.bundle", "x.git"):
        submission = opened(tmp_path / form, box=box)
        assert holds(submission) == SMALL and submission.received == WHEN
    assert os.listdir(tmp_path / "scratch") == ["tree"]
