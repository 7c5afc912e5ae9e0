"""Submissions in every form that students hand in: the same tree comes out, and what was put right is noted."""

import subprocess
import tarfile

import pytest
from hypothesis import given, settings, strategies as st

from grader import archive, handout, lab, tidy, tree, unpack
from grader.archive import Refused
from grader.grade import OFFICIAL, grade_tree
from grader.tests.mit import mit_files
from grader.tests.packing import SMALL, WHEN, git, lay, make_repository, make_tar, make_zip, member, read, zip_member

KIT = handout.KIT
NOTHING_ELSE = "handed in 2025-10-09T08:53:20Z, by the time of its newest file"


@pytest.fixture
def opened(tmp_path):
    """opened(path, **more): the Submission at path, by a handout of SMALL with another mmap.c."""
    start = lay(tmp_path / "handout", SMALL | {"kernel/mmap.c": b"// to do\n", "README": b"Read.\n"})
    return lambda path, **more: archive.open_submission(path, tmp_path / "scratch", start, **more)


def holds(submission):
    """The files of a Submission, bytes by path."""
    return read(submission.path)


# Every form of the same tree is the same tree.

@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The solution in every form, by name."""
    top = tmp_path_factory.mktemp("forms")
    files = {name: file.content for name, file in handout.read_sources().items()}
    # The handout's pages are no part of the solution: a patch against the handout must say that they go.
    lay(top / "directory", files)
    make_repository(top / "repository", read(KIT / "handout"))
    git(top / "repository", "rm", "-q", "-r", ".")
    make_repository(top / "repository", files)
    git(top / "repository", "bundle", "create", "-q", "../x.bundle", "HEAD")
    git(top, "clone", "-q", "--bare", "repository", "bare.git")
    git(top, "clone", "-q", "--bare", "repository", "packed.git")
    git(top / "packed.git", "gc", "-q")
    (top / "mail.patch").write_bytes(git(top / "repository", "format-patch", "-1", "--stdout", "HEAD"))
    (top / "renames.patch").write_bytes(git(top / "repository", "diff", "-M10%", "-C", "HEAD~1", "HEAD"))
    (top / "plain.patch").write_bytes(git(top / "repository", "diff", "--no-prefix", "--no-renames", "HEAD~1", "HEAD"))
    (top / "windows.patch").write_bytes(git(top / "repository", "diff", "HEAD~1").decode().replace("\n", "\r\n").encode("utf-16"))
    difference = subprocess.run(["diff", "-ruN", KIT / "handout", "directory"], cwd=top, capture_output=True)
    (top / "old.diff").write_bytes(difference.stdout)
    for name, mode in (("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tar.xz", "w:xz"), ("x.tar.bz2", "w:bz2")):
        make_tar(top / name, {f"my lab/{name}": content for name, content in files.items()}, mode)
    make_zip(top / "x.zip", {f"a/b/{name}": content for name, content in files.items()})
    make_zip(top / "bare.zip", {f"x.git/{name}": content for name, content in read(top / "packed.git").items()})
    lay(top / "moodle", {"x.zip": (top / "x.zip").read_bytes(), "desktop.ini": b""})
    return top


FORMS = ("directory", "x.tar", "x.tar.gz", "x.tar.xz", "x.tar.bz2", "x.zip", "repository", "bare.git", "packed.git", "bare.zip", "x.bundle",
         "mail.patch", "renames.patch", "plain.patch", "windows.patch", "old.diff", "moodle")


@pytest.fixture(scope="module")
def solutions_hash(forms):
    return tree_hash(forms / "directory", forms / "scratch")


def tree_hash(path, scratch):
    """What tree.prepare calls the content of a directory."""
    return tree.prepare(path, scratch, lab.load().protected, OFFICIAL).content_hash


@pytest.mark.parametrize("form", FORMS)
def test_a_tree_is_the_same_in_every_form(forms, form, tmp_path, solutions_hash):
    submission = archive.open_submission(forms / form, tmp_path / "in", KIT / "handout")
    assert tree_hash(submission.path, tmp_path / "tree") == solutions_hash


def test_a_tree_on_mits_kernel_gets_all_points(tmp_path):
    path = make_tar(tmp_path / "x.tar.xz", {f"xv6-labs-2023/{name}": content for name, content in mit_files(2023).items()}, "w:xz")
    submission = archive.open_submission(path, tmp_path / "in", KIT / "handout")
    grade = grade_tree(submission.path, lab.load(), tmp_path / "work")
    assert (grade.outcome, grade.score) == ("graded", 100), [(task.number, task.why) for task in grade.tasks]
    assert any("MIT's xv6-riscv as of 2023" in note for note in grade.notes)


# What is put right, and noted.

def test_nothing_is_noted_of_a_tree_as_it_should_be(opened, tmp_path):
    submission = opened(make_tar(tmp_path / "x.tar", SMALL))
    assert holds(submission) == SMALL and submission.notes == (NOTHING_ELSE,) and submission.received == WHEN


@pytest.mark.parametrize("extra, notes", [
    ({"__MACOSX/._vm.c": b"", ".DS_Store": b"x", "kernel/._vm.c": b"x", "user/Thumbs.db": b"x", "desktop.ini": b"x",
      "vm.c:Zone.Identifier": b"x"},
     ["left out what macOS or Windows added: .DS_Store, __MACOSX/._vm.c, desktop.ini and 3 more"]),
    ({"kernel/vm.o": b"x", "fs.img": b"x", "user/_sh": b"x", "kernel/kernel": b"x"},
     ["left out what a build makes: fs.img, kernel/kernel, kernel/vm.o and 1 more"]),
    ({"kernel/x.c": b"a\r\nb\r\n", "Makefile": b"all:\r\n"}, ["Windows line ends (CRLF) made plain: Makefile, kernel/x.c"]),
    ({"kernel/x.h": b"a\rb\r"}, ["old Mac line ends (CR) made plain: kernel/x.h"]),
    ({"kernel/x.c": b"\xef\xbb\xbfa\n"}, ["byte order mark taken off: kernel/x.c"]),
    ({"kernel/x.c": "aé\r\n".encode("utf-16")}, ["UTF-16 made UTF-8, Windows line ends (CRLF) made plain: kernel/x.c"]),
    ({"kernel/x.c": b"\xff\xfea", "user/pic.png": b"\r\n\x00"}, []),
])
def test_what_students_computers_do_is_undone_and_noted(opened, tmp_path, extra, notes):
    submission = opened(make_zip(tmp_path / "x.zip", SMALL | extra))
    assert list(submission.notes[:-1]) == notes
    clean = {"kernel/x.c", "kernel/x.h", "Makefile"}
    assert all(b"\r" not in content and not content.startswith(b"\xef") for name, content in holds(submission).items() if name in clean)
    assert not holds(submission).keys() & (extra.keys() - clean - {"user/pic.png"})


def test_a_tree_in_folders_is_found_and_what_lies_beside_it_left_out(opened, tmp_path):
    old = {"old/kernel/vm.c": b"old", "old/user/sh.c": b"old"}
    files = {f"home/me/lab/{name}": content for name, content in (SMALL | old).items()} | {"home/essay.txt": b"x"}
    submission = opened(make_zip(tmp_path / "x.zip", files))
    assert submission.notes[:-1] == ("the tree lies in home/me/lab", "left out what lies beside the tree: home/essay.txt")
    assert holds(submission) == SMALL | old


def test_names_in_other_case_get_the_handouts(opened, tmp_path):
    files = {"MAKEFILE": b"all:\n", "Kernel/VM.C": b"int vm;\n", "Kernel/mine.c": b"mine", "USER/sh.c": b"int sh;\n"}
    submission = opened(make_zip(tmp_path / "x.zip", files))
    assert holds(submission) == {"Makefile": b"all:\n", "kernel/vm.c": b"int vm;\n", "kernel/mine.c": b"mine", "user/sh.c": b"int sh;\n"}
    assert "Kernel/VM.C: named kernel/vm.c" in submission.notes


def test_links_inside_the_tree_become_copies(opened, tmp_path):
    links = {"in": "../user/./sh.c", "twice": "in.c", "lost": "gone.c", "loop": "loop.c"}
    extra = [(member(f"kernel/{name}.c", tarfile.SYMTYPE, target), b"") for name, target in links.items()]
    extra.append((member("kernel/hard.c", tarfile.LNKTYPE, "kernel/vm.c"), b""))
    submission = opened(make_tar(tmp_path / "x.tar", SMALL, extra=extra))
    shell = SMALL["user/sh.c"]
    assert holds(submission) == SMALL | {"kernel/in.c": shell, "kernel/twice.c": shell, "kernel/hard.c": SMALL["kernel/vm.c"]}
    assert sum("left out" in note for note in submission.notes) == 2


def test_backslashes_of_a_windows_program_part_folders(opened, tmp_path):
    extra = [(zip_member(name.replace("/", "\\"), 0, system=0), content) for name, content in SMALL.items()]
    assert holds(opened(make_zip(tmp_path / "x.zip", {}, extra))) == SMALL


def test_a_directory_in_a_tar_is_taken_as_the_directory(opened, tmp_path):
    make_zip(tmp_path / "lab.zip", SMALL)
    files = {"lab.zip": (tmp_path / "lab.zip").read_bytes(), "text.html": b"hello"}
    path = make_tar(tmp_path / "A B_1_assignsubmission_file_.tar", files)
    submission = opened(path, folder=True)
    assert holds(submission) == SMALL and submission.notes[:2] == ("the tree is in lab.zip", "left out what lies beside it: text.html")
    with pytest.raises(Refused, match="no lab tree"):
        opened(path)                                # a student's own tar with a zip in it is not followed


# When it was handed in.

def test_times_that_can_not_be_true_tell_nothing(opened, tmp_path):
    old = member("kernel/vm.c", size=1)
    old.mtime = 0
    path = make_tar(tmp_path / "x.tar", {}, extra=[(old, b"x"), (replaced(old, "user/sh.c"), b"x")])
    submission = opened(path)
    assert submission.received is None and submission.notes[-1] == "when it was handed in is not known: its newest file does not tell"


def test_what_the_export_says_counts_more_than_the_files(opened, tmp_path):
    submission = opened(make_tar(tmp_path / "x.tar", SMALL), arrived=1763679541.5)
    assert submission.received == 1763679541.5
    assert submission.notes == ("handed in 2025-11-20T22:59:01Z, as the export says",)


def replaced(info, name):
    """A copy of a tar's header with another name."""
    copy = member(name, size=info.size)
    copy.mtime = info.mtime
    return copy


def test_a_commits_time_counts_and_what_differs_from_it_is_noted(opened, tmp_path):
    top = make_repository(tmp_path / "alice", SMALL)
    assert opened(top).notes == ("handed in 2025-10-09T08:53:20Z, by the time of its last commit",)
    (top / "kernel/vm.c").write_bytes(b"int later;\n")
    submission = opened(top)
    assert holds(submission)["kernel/vm.c"] == b"int later;\n" and submission.received == WHEN
    assert submission.notes[0] == "what counts is the files, which are not those of the last commit: kernel/vm.c"


def test_a_tree_deep_in_a_repository_has_its_time(opened, tmp_path):
    top = make_repository(tmp_path / "alice", {f"course/lab/{name}": content for name, content in SMALL.items()} | {"notes.txt": b"x"})
    make_repository(top / "course/other", {"x.txt": b"x"})
    (top / "course/lab/kernel/vm.o").write_bytes(b"x")
    submission = opened(top)
    assert holds(submission) == SMALL and submission.received == WHEN
    assert submission.notes[0] == "what counts is the files, which are not those of the last commit: course/other/x.txt"


def test_a_mails_date_counts(forms, tmp_path):
    submission = archive.open_submission(forms / "mail.patch", tmp_path / "in", KIT / "handout")
    assert submission.received == WHEN and submission.notes[-1].endswith("by the time of the patch")


# Any sources, any paths.

SOURCES = st.text(st.sampled_from("a\n\r \t\ufeffé"), max_size=30)


@settings(deadline=None)
@given(SOURCES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans())
def test_a_sources_text_stays_what_it_is(text, encoding, windows):
    plain = text.replace("\r", "").lstrip("\ufeff")
    given = plain.replace("\n", "\r\n") if windows else plain
    content, changed = tidy.plain(given.encode(encoding))
    assert content == plain.encode() and bool(changed) == (encoding != "utf-8" or given != plain)


PATHS = st.sampled_from(["kernel/a.c", "user/b.c", "Kernel/A.C", "USER/B.c", "x/kernel/a.c", "x/user/b.c", "kernel/vm.o", ".git/HEAD",
                         "__MACOSX/kernel/a.c", "README", "readme"])


@settings(deadline=None)
@given(st.dictionaries(PATHS, st.binary(max_size=4)))
def test_tidying_twice_changes_nothing_more(files):
    start = {"kernel/a.c", "user/b.c", "README"}
    try:
        once = tidy.tidied(unpack.Contents(files, dict.fromkeys(files, 1.0)), start)
    except Refused:
        return
    twice = tidy.tidied(unpack.Contents(once.files, once.times), start)
    assert twice.files == once.files and twice.notes == () and once.times.keys() == once.files.keys()
