"""Patches: what git and diff write, applied to the letter, and never outside the tree."""

import difflib
import re
import subprocess

import pytest
from hypothesis import given, settings, strategies as st

from grader import patch
from grader.tests.packing import git, lay, make_repository
from grader.unpack import Refused

START = {"kernel/vm.c": b"".join(b"line %d\n" % n for n in range(40)), "kernel/defs.h": b"one\ntwo\n",
         "user/empty.c": b"", "Makefile": b"all:"}


def applied(text, files=START):
    """The files that a patch makes of others."""
    return patch.applied(text.encode() if isinstance(text, str) else text, files)[0]


def unified(old, new, name="kernel/vm.c"):
    """A patch from the lines old to the lines new."""
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "-- \n", "+++ x\n", "@@ -1 +1 @@\n", "é\n", "\x0c\n"]), max_size=25)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES, st.sampled_from(["", "end"]), st.sampled_from(["", "end"]))
def test_a_difference_applied_is_the_other_file(old, new, end, other):
    old, new = old + [end] * bool(end), new + [other] * bool(other)
    if old == new:
        return
    files = {"kernel/vm.c": "".join(old).encode(), "user/a.c": b""}
    assert applied(unified(old, new), files)["kernel/vm.c"] == "".join(new).encode()


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab/.-+@ \n\\0123456789,"), max_size=80), st.integers(0, 200))
def test_a_damaged_patch_is_refused_or_changes_files_of_the_tree_alone(noise, at):
    whole = "diff --git a/kernel/vm.c b/kernel/vm.c\n" + unified(["line 3\n", "line 4\n"], ["line 3\n", "new\n"])
    try:
        files = applied(whole[:at] + noise + whole[at:])
    except Refused:
        return
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in files)


def test_a_hunk_may_have_moved_but_must_fit_to_the_letter():
    hunk = unified(["line 3\n", "line 4\n", "line 5\n"], ["line 3\n", "NEW\n", "line 5\n"])
    assert applied(hunk)["kernel/vm.c"] == START["kernel/vm.c"].replace(b"line 4\n", b"NEW\n")
    with pytest.raises(Refused, match="kernel/vm.c: hunk 1 of the patch does not fit the handout's file"):
        applied(hunk.replace(" line 5", " line five"))


@pytest.mark.parametrize("options", [("--no-renames",), ("-M",), ("-M", "-C", "--find-copies-harder"), ("--no-prefix",),
                                     ("--src-prefix=old/", "--dst-prefix=new/"), ("-U0",), ("--binary",)])
def test_what_git_writes_is_applied(tmp_path, options):
    end = {"kernel/virtual memory.c": START["kernel/vm.c"].replace(b"line 7\n", b"seven\nand more\n"), "kernel/defs.h": b"one\n2",
           "kernel/mmäp.c": b"mmap\n", "kernel/copy.h": b"one\ntwo\n", "user/made.c": b"", "Makefile": b"all:\n"}
    top = make_repository(tmp_path / "repository", START)
    git(top, "rm", "-q", "-r", ".")
    make_repository(top, end)
    text = git(top, "diff", *options, "HEAD~1", "HEAD")
    assert applied(text) == end


@pytest.mark.parametrize("old, new", [("start", "end"), ("../work/start", "./end"), ("start/", "end")])
def test_what_diff_writes_is_applied(tmp_path, old, new):
    end = {"kernel/vm.c": START["kernel/vm.c"] + b"more\n", "kernel/new.c": b"new\n", "user/empty.c": b"not\n", "Makefile": b"all:\n"}
    here = tmp_path / "/".join("abcdef") / "work"       # whole names begin with as many folders as somebody's home may have
    lay(here / "start", START)
    lay(here / "end", end)
    for names in ((old, new), (here / "start", here / "end")):
        text = subprocess.run(["diff", "-ruN", *names], cwd=here, capture_output=True).stdout
        assert applied(text) == end


def test_a_file_that_diff_names_but_does_not_show_is_noted(tmp_path):
    lay(tmp_path / "start", START)
    lay(tmp_path / "end", START | {"kernel/new.c": b"new\n", "kernel/new.o": b"x", "user/_sh": b"x", "Makefile": b"x:\n"})
    text = subprocess.run(["diff", "-ru", "start", "end"], cwd=tmp_path, capture_output=True).stdout
    assert patch.applied(text, START)[2] == ["the patch says that these differ, but not how (diff -ruN does): kernel/new.c"]


def test_what_a_build_made_is_passed_over(tmp_path):
    top = make_repository(tmp_path / "repository", START)
    git(top, "rm", "-q", "-r", ".")
    make_repository(top, START | {"kernel/vm.o": bytes(100), "fs.img": bytes(range(256)), "Makefile": b"x:\n"})
    for options in ((), ("--binary",)):
        assert applied(git(top, "diff", *options, "HEAD~1", "HEAD")) == START | {"Makefile": b"x:\n"}


def test_several_mails_apply_one_after_another(tmp_path):
    top = make_repository(tmp_path / "repository", START)
    for number in range(3):
        (top / "kernel/defs.h").write_text("one\n" * (number + 2))
        git(top, "commit", "-q", "-a", "-m", f"step {number}\n\n--- a/fake\n+++ b/fake\nnot a change")
    files, when, notes = patch.applied(git(top, "format-patch", "--stdout", "HEAD~3"), START)
    assert files == START | {"kernel/defs.h": b"one\n" * 4} and when == 1_760_000_000 and notes == []


NEW = "--- /dev/null\n+++ {}\n@@ -0,0 +1 @@\n+evil\n"
CHANGE = "--- {0}\n+++ {0}\n@@ -1 +1 @@\n-one\n+two\n"
GOOD = "--- a/kernel/defs.h\n+++ b/kernel/defs.h\n@@ -1,2 +1 @@\n one\n-two\n"


@pytest.mark.parametrize("text, says", [
    (GOOD + NEW.format("b/../../evil"), "leads out of the tree"),
    (GOOD + NEW.format("b/kernel/../../../evil"), "leads out of the tree"),
    (NEW.format("/etc/evil"), "etc/evil: a patch that names no file or folder of the handout"),
    (GOOD + NEW.format("b/kernel\\..\\evil"), "a name with a backslash"),
    (CHANGE.format("/etc/passwd"), "names no file or folder of the handout"),
    (CHANGE.format("a/kernel/lost.c"), "lost.c: the patch changes it, but the handout has no such file"),
    (CHANGE.format("a/kernel/vm.c"), "hunk 1 of the patch does not fit"),
    (NEW.format("b/kernel/vm.c"), "kernel/vm.c: the patch makes it, but the handout has it"),
    ("diff --git a/kernel/l.c b/kernel/l.c\nnew file mode 120000\n" + NEW.format("b/kernel/l.c"), "a symbolic link"),
    ("diff --git a/kernel/l.c b/kernel/l.c\nindex 000..123 120000\n" + NEW.format("b/kernel/l.c"), "a symbolic link"),
    ("diff --git a/kernel/l.png b/kernel/l.png\nnew file mode 100644\nGIT binary patch\nliteral 0\n", "a binary file"),
    (GOOD.replace("-two\n", ""), "was cut off or edited: hunk 1 has other lines than it says"),
    ("--- a\n+++ b\nnothing\n", "changes no file"),
    ("", "changes no file"),
])
def test_what_can_not_be_followed_is_refused(text, says):
    with pytest.raises(Refused, match=says) as refusal:
        applied(text)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("limit, value, says", [("LARGEST", 10, "a patch larger than"), ("HUNKS", 0, "more than 0 hunks"),
                                                ("BYTES", 3, "makes more than 0 MiB")])
def test_limits_are_told(monkeypatch, limit, value, says):
    monkeypatch.setattr(patch, limit, value)
    with pytest.raises(Refused, match=says):
        applied(GOOD)


def test_a_patch_made_to_grow_stops_at_the_limit(monkeypatch):
    monkeypatch.setattr(patch, "BYTES", 5000)
    copies = "".join(f"diff --git a/kernel/vm.c b/kernel/c{n}.c\ncopy from kernel/vm.c\ncopy to kernel/c{n}.c\n" for n in range(100))
    with pytest.raises(Refused, match=re.escape("makes more than 0 MiB of files")):
        applied(copies)


LONG_NEW = NEW.format("b/kernel/new.c").replace("@@ -0,0 +1 @@\n+evil\n", "@@ -0,0 +1,200000 @@\n" + "+\n" * 200_000)
SLOW = {
    "binary": ("Binary files " + " and " * 300_000, "changes no file"),
    "only": ("Only in " + ": " * 500_000, "changes no file"),
    "slashes": (CHANGE.format("/" * 1_000_000 + "x"), "names no file or folder"),
    "blanks": ("diff --git a/" + "x " * 400_000 + "\nnew file mode 100644\n", "longer names than"),
    "anywhere": (LONG_NEW + "--- a/kernel/new.c\n+++ b/kernel/new.c\n@@ -1,100001 +1,100000 @@\n" + " \n" * 100_000 + "-x\n",
                 "hunk 1 of the patch does not fit"),
    "renames": ("".join(f"diff --git a/kernel/vm.c b/kernel/{n}\nrename from kernel/vm.c\nrename to kernel/{n}\n" for n in range(6000)),
                "a patch of more than 5000 files"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_patch_made_to_take_long_does_not(name):
    text, says = SLOW[name]
    with pytest.raises(Refused, match=says):
        applied(text)
