"""Submissions in every form that students hand in, and in those that would do harm: what is taken, what is noted, what is refused."""

import lzma
import os
import socket
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grader import archive, handout, lab, patch, tidy, tree, unpack
from grader.archive import Refused
from grader.grade import OFFICIAL, grade_tree
from grader.tests.mit import mit_files
from grader.tests.packing import SMALL, WHEN, git, lay, make_repository, make_tar, make_zip, member, zip_member

KIT = handout.KIT
NOTHING_ELSE = "handed in 2025-10-09T08:53:20Z, by the time of its newest file"


@pytest.fixture
def opened(tmp_path):
    """opened(path, **more): the Submission at path, by a handout of SMALL with another mmap.c."""
    start = lay(tmp_path / "handout", SMALL | {"kernel/mmap.c": b"// to do\n", "README": b"Read.\n"})
    return lambda path, **more: archive.open_submission(path, tmp_path / "scratch", start, **more)


def holds(submission):
    """The files of a Submission, bytes by path."""
    return {path.relative_to(submission.path).as_posix(): path.read_bytes() for path in submission.path.rglob("*") if path.is_file()}


# Every form of the same tree is the same tree.

@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The solution in every form, by name."""
    top = tmp_path_factory.mktemp("forms")
    files = {name: file.content for name, file in handout.read_sources().items()}
    # The handout's pages are no part of the solution: a patch against the handout must say that they go.
    lay(top / "directory", files)
    make_repository(top / "repository", {name: path.read_bytes() for path in (KIT / "handout").rglob("*") if path.is_file()
                                         for name in [path.relative_to(KIT / "handout").as_posix()]})
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
    (top / "old.diff").write_bytes(subprocess.run(["diff", "-ruN", KIT / "handout", "directory"], cwd=top, capture_output=True).stdout)
    for name, mode in (("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tar.xz", "w:xz"), ("x.tar.bz2", "w:bz2")):
        make_tar(top / name, {f"my lab/{name}": content for name, content in files.items()}, mode)
    make_zip(top / "x.zip", {f"a/b/{name}": content for name, content in files.items()})
    make_zip(top / "bare.zip", {path.relative_to(top).as_posix(): path.read_bytes() for path in (top / "packed.git").rglob("*") if path.is_file()})
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
    ({"__MACOSX/._vm.c": b"", ".DS_Store": b"x", "kernel/._vm.c": b"x", "user/Thumbs.db": b"x", "desktop.ini": b"x", "vm.c:Zone.Identifier": b"x"},
     ["left out what macOS or Windows added: .DS_Store, __MACOSX/._vm.c, desktop.ini and 3 more"]),
    ({"kernel/vm.o": b"x", "fs.img": b"x", "user/_sh": b"x", "kernel/kernel": b"x"}, ["left out what a build makes: fs.img, kernel/kernel, kernel/vm.o and 1 more"]),
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
    files = {f"home/me/lab/{name}": content for name, content in SMALL.items()} | {"home/essay.txt": b"x", "home/me/lab/old/kernel/vm.c": b"old",
             "home/me/lab/old/user/sh.c": b"old"}
    submission = opened(make_zip(tmp_path / "x.zip", files))
    assert submission.notes[:-1] == ("the tree lies in home/me/lab", "left out what lies beside the tree: home/essay.txt")
    assert holds(submission) == SMALL | {"old/kernel/vm.c": b"old", "old/user/sh.c": b"old"}


def test_names_in_other_case_get_the_handouts(opened, tmp_path):
    files = {"MAKEFILE": b"all:\n", "Kernel/VM.C": b"int vm;\n", "Kernel/mine.c": b"mine", "USER/sh.c": b"int sh;\n"}
    submission = opened(make_zip(tmp_path / "x.zip", files))
    assert holds(submission) == {"Makefile": b"all:\n", "kernel/vm.c": b"int vm;\n", "kernel/mine.c": b"mine", "user/sh.c": b"int sh;\n"}
    assert "Kernel/VM.C: named kernel/vm.c" in submission.notes


def test_links_inside_the_tree_become_copies(opened, tmp_path):
    extra = [(member("kernel/in.c", tarfile.SYMTYPE, "../user/./sh.c"), b""), (member("kernel/twice.c", tarfile.SYMTYPE, "in.c"), b""),
             (member("kernel/hard.c", tarfile.LNKTYPE, "kernel/vm.c"), b""), (member("kernel/lost.c", tarfile.SYMTYPE, "gone.c"), b""),
             (member("kernel/loop.c", tarfile.SYMTYPE, "loop.c"), b"")]
    submission = opened(make_tar(tmp_path / "x.tar", SMALL, extra=extra))
    assert holds(submission) == SMALL | {"kernel/in.c": b"int sh;\n", "kernel/twice.c": b"int sh;\n", "kernel/hard.c": SMALL["kernel/vm.c"]}
    assert sum("left out" in note for note in submission.notes) == 2


def test_backslashes_of_a_windows_program_part_folders(opened, tmp_path):
    extra = [(zip_member(name.replace("/", "\\"), 0, system=0), content) for name, content in SMALL.items()]
    assert holds(opened(make_zip(tmp_path / "x.zip", {}, extra))) == SMALL


def test_a_directory_in_a_tar_is_taken_as_the_directory(opened, tmp_path):
    make_zip(tmp_path / "lab.zip", SMALL)
    path = make_tar(tmp_path / "A B_1_assignsubmission_file_.tar", {"lab.zip": (tmp_path / "lab.zip").read_bytes(), "text.html": b"hello"})
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


def test_a_mails_date_counts(forms, tmp_path):
    submission = archive.open_submission(forms / "mail.patch", tmp_path / "in", KIT / "handout")
    assert submission.received == WHEN and submission.notes[-1].endswith("by the time of the patch")


# What is refused.

def zipped(name, mode=0o100644, content=b"x"):
    return lambda path: make_zip(path, SMALL, [(zip_member(name, mode), content)])


def tarred(name, kind=tarfile.REGTYPE, link="", content=b""):
    return lambda path: make_tar(path, SMALL, extra=[(member(name, kind, link, len(content)), content)])


def edited(make, change):
    """An archive whose bytes were changed after it was made."""
    def build(path):
        make(path)
        path.write_bytes(change(path.read_bytes()))
        return path
    return build


def sparse(path):
    info = member("kernel/holes.c", tarfile.GNUTYPE_SPARSE, size=0)
    return make_tar(path, SMALL, extra=[(info, b"")])


def folder(change):
    """A directory to which something is done."""
    def build(path):
        change(lay(path, SMALL))
        return path
    return build


def with_socket(top):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(top)                               # a socket's path must be short
        try:
            one.bind("kernel/s.c")
        finally:
            os.chdir(here)


def many_trees(path):
    return make_zip(path, {f"{top}/{name}": content for top in ("first", "second") for name, content in SMALL.items()})


def garbage(start):
    return lambda path: (path.write_bytes(start + bytes(range(256)) * 8), path)[1]


def big_dictionary(path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 128 << 20}]
    path.write_bytes(lzma.compress(b"kernel/vm.c", format=lzma.FORMAT_XZ, filters=filters))
    return path


def encrypted(data):
    """A zip's bytes with the bit in each header of a member that says that it is encrypted."""
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data = bytearray(data)
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + at] |= 1
    return bytes(data)


def other_method(data):
    """A zip's bytes with deflate64 as the method of each member."""
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data = bytearray(data)
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + at] = 9
    return bytes(data)


HOSTILE = {
    "up.zip": (zipped("../evil"), r"\.\./evil: a path that leads out of the tree"),
    "middle.zip": (zipped("kernel/../../evil"), r"leads out of the tree"),
    "absolute.zip": (zipped("/tmp/evil"), r"/tmp/evil: an absolute path"),
    "drive.zip": (zipped("C:/evil"), r"C:/evil: a name with a Windows drive"),
    "backslash.zip": (zipped("..\\evil"), r"evil: a name with a backslash"),
    "windows-up.zip": (lambda path: make_zip(path, SMALL, [(zip_member("..\\evil", 0, 0), b"x")]), r"leads out of the tree"),
    "control.zip": (zipped("kernel/\x1b[2Jx"), r"kernel/\\x1b\[2Jx: a name with control characters"),
    "nul.zip": (edited(zipped("kernel/#.c"), lambda data: data.replace(b"kernel/#.c", b"kernel/\0.c")), "control characters"),
    "link.zip": (zipped("kernel/out.c", 0o120777, b"../../../etc/passwd"), r"kernel/out.c: a symbolic link to ../../../etc/passwd, which lies outside"),
    "rootlink.zip": (zipped("kernel/out.c", 0o120777, b"/etc/passwd"), "symbolic link to /etc/passwd, which lies outside"),
    "fifo.zip": (zipped("kernel/pipe", 0o010644), "kernel/pipe: a FIFO"),
    "device.zip": (zipped("kernel/sda", 0o060644), "kernel/sda: a device file"),
    "password.zip": (edited(zipped("kernel/x.c"), encrypted), "encrypted; hand in an archive without a password"),
    "method.zip": (edited(zipped("kernel/x.c"), other_method), r"packed by a method \(number 9\)"),
    "twice.zip": (zipped("./kernel/vm.c"), "kernel/vm.c: twice in the archive"),
    "both.zip": (zipped("kernel/vm.c/x"), "kernel/vm.c: a file and a folder of one name"),
    "bomb.zip": (zipped("kernel/big", content=bytes(40 << 20)), "kernel/big: .*an archive bomb: more than 200 times"),
    "zips.zip": (lambda path: make_zip(path, {"inner.zip": b"PK\3\4" + bytes(100)}), "no lab tree"),
    "deep.zip": (zipped("d/" * 30 + "x"), "deeper than 20 folders"),
    "long.zip": (zipped("n" * 300), "a name longer than"),
    "cut.zip": (edited(zipped("kernel/x.c"), lambda data: data[:-40]), "a broken zip archive"),
    "sum.zip": (edited(zipped("kernel/x.c", content=os.urandom(500)), lambda data: data.replace(data[300:310], b"0123456789")), "a broken zip archive"),
    "empty.zip": (lambda path: make_zip(path, {}), "empty: there is no file in it"),
    "folders.tar": (lambda path: make_tar(path, {}, extra=[(member("kernel", tarfile.DIRTYPE), b""), (member("user", tarfile.DIRTYPE), b"")]), "empty"),
    "two.zip": (many_trees, "several lab trees, first, second"),
    "some.zip": (lambda path: make_zip(path, {"mmap.c": b"", "kernel/vm.c": b""}), "no lab tree.*it holds kernel/vm.c, mmap.c"),
    "up.tar": (tarred("../../evil"), "leads out of the tree"),
    "absolute.tar": (tarred("/tmp/evil"), "an absolute path"),
    "link.tar": (tarred("kernel/out.c", tarfile.SYMTYPE, "../../evil"), "kernel/out.c: a symbolic link to ../../evil, which lies outside the tree"),
    "chain.tar": (lambda path: make_tar(path, SMALL, extra=[(member("kernel/a", tarfile.SYMTYPE, "b"), b""), (member("kernel/b", tarfile.SYMTYPE, "../../x"), b"")]),
                  "symbolic link to ../../x, which lies outside"),
    "hard.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "../../evil"), "leads out of the tree"),
    "hardabs.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "/etc/passwd"), "an absolute path"),
    "hardlost.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "kernel/later.c"), "kernel/out.c: a hard link to kernel/later.c, which is not in the archive"),
    "fifo.tar": (tarred("kernel/pipe", tarfile.FIFOTYPE), "kernel/pipe: a FIFO"),
    "device.tar": (tarred("kernel/null", tarfile.CHRTYPE), "kernel/null: a device file"),
    "sparse.tar": (sparse, "holes.c: a sparse file|broken tar"),
    "cut.tar.gz": (lambda path: edited(lambda p: make_tar(p, SMALL, "w:gz"), lambda data: data[:-30])(path), "a broken tar archive: it is cut off"),
    "middle.tar": (edited(tarred("kernel/x.c"), lambda data: data[:1024] + b"nonsense" * 64 + data[1536:]), "a broken tar archive: no header"),
    "liar.tar": (tarred("kernel/x.c", content=b"x") and (lambda path: edited(tarred("kernel/x.c", content=b"x" * 600), lambda data: data[:5200])(path)), "a broken tar"),
    "bomb.tar.gz": (lambda path: make_tar(path, SMALL | {"kernel/big": bytes(40 << 20)}, "w:gz"), "an archive bomb"),
    "bomb.tar.bz2": (lambda path: make_tar(path, SMALL | {"kernel/big": bytes(40 << 20)}, "w:bz2"), "an archive bomb"),
    "bomb.tar.xz": (lambda path: make_tar(path, SMALL | {"kernel/big": bytes(40 << 20)}, "w:xz"), "an archive bomb"),
    "memory.tar.xz": (big_dictionary, "a broken tar archive: Memory usage limit"),
    "noise.tar.gz": (garbage(b"\x1f\x8b"), "a broken tar"),
    "noise.zip": (garbage(b"PK\3\4"), "a broken zip"),
    "noise.bundle": (garbage(b"# v2 git bundle\n"), "a git bundle without HEAD"),
    "x.7z": (garbage(b"7z\xbc\xaf\x27\x1c"), "a 7z file: hand in a directory"),
    "x.rar": (garbage(b"Rar!\x1a\x07"), "a RAR file"),
    "essay.pdf": (garbage(b"%PDF-1.7\n"), "a PDF file"),
    "essay.txt": (garbage(b"I did my best.\n"), "neither an archive nor a patch"),
    "nothing.zip": (lambda path: (path.touch(), path)[1], "an empty file"),
    "not-there.zip": (lambda path: path, "there is nothing of that name"),
    "empty": (lambda path: (path.mkdir(), path)[1], "empty: there is no file in it"),
    "fifo": (folder(lambda top: os.mkfifo(top / "kernel/pipe.c")), "kernel/pipe.c: a FIFO"),
    "socket": (folder(with_socket), "kernel/s.c: a socket"),
    "link": (folder(lambda top: (top / "kernel/out.c").symlink_to("/etc/passwd")), "kernel/out.c: a symbolic link to /etc/passwd"),
    "linkdir": (folder(lambda top: (top / "more").symlink_to("../..")), "more: a symbolic link to ../.., which lies outside"),
    "zips": (lambda path: (make_zip(lay(path, {"a.txt": b"x"}) / "1.zip", SMALL), make_zip(path / "2.zip", SMALL), path)[2], "1.zip, 2.zip: several archives"),
    "unborn.git": (lambda path: (path.mkdir(), git(path, "init", "-q", "--bare"), lay(path, {"objects/x": b"", "refs/heads/x": b""}), path)[3], "HEAD names no commit"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_do_harm_is_refused_by_name(opened, tmp_path, name):
    build, says = HOSTILE[name]
    path = build(tmp_path / name)
    canary = tmp_path / "evil"
    outside = {path for path in tmp_path.rglob("*") if "scratch" not in path.parts}
    with pytest.raises(Refused, match=says) as error:
        opened(path)
    assert str(error.value).startswith(f"{name}: ") and "\n" not in str(error.value) and str(error.value).isprintable()
    assert not canary.exists() and not Path("/tmp/evil").exists()
    assert {path for path in tmp_path.rglob("*") if "scratch" not in path.parts} == outside
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_symlink()] and not (tmp_path / "scratch/tree").exists()


@pytest.mark.parametrize("limit, value, says", [("BYTES", 30, "kernel/mmap.c: with this, more than 0 MiB"), ("MEMBERS", 3, "more than 3 files and folders"),
                                                ("PACKED", 100, "larger than 0 MiB")])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_each_limit_is_told(opened, tmp_path, monkeypatch, limit, value, says, make):
    path = make(tmp_path / ("x.zip" if make is make_zip else "x.tar"), SMALL)
    start = opened                                  # made before the limit counts, for the handout is read with it too
    monkeypatch.setattr(unpack, limit, value)
    if limit != "PACKED":
        monkeypatch.setattr(archive, "from_directory", lambda top: unpack.Contents({}, {}))
    monkeypatch.setattr(unpack.from_archive, "__defaults__", (unpack.PACKED,))
    with pytest.raises(Refused, match=says):
        start(path)


def test_a_zip_that_understates_its_sizes_is_counted_by_what_comes(opened, tmp_path):
    path = make_zip(tmp_path / "x.zip", SMALL, [(zip_member("kernel/big"), bytes(1 << 20))])
    data = path.read_bytes()
    path.write_bytes(data.replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(Refused, match="a broken zip archive: Bad CRC-32"):
        opened(path)


def test_more_files_than_a_lab_tree_has_are_refused(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "FILES", 3)
    with pytest.raises(Refused, match="too large for a lab tree: more than 3 files"):
        opened(make_zip(tmp_path / "x.zip", SMALL))


def test_the_page_for_tas_tells_the_limits_as_they_are():
    page = (KIT / "docs/submissions.md").read_text()
    for told in (f"{unpack.PACKED >> 20} MiB packed; {unpack.BYTES >> 20} MiB unpacked", f"{unpack.MEMBERS:,} members", f"{unpack.RATIO} times",
                 f"{unpack.FREE >> 20} MiB on", f"{unpack.DEPTH} folders; {unpack.LONGEST:,} bytes", f"{tree.FILES:,} files, {tree.BYTES >> 20} MiB",
                 f"{patch.LARGEST >> 20} MiB, {patch.HUNKS:,} hunks"):
        assert told in page, f"docs/submissions.md does not say {told}"


# Any names at all.

NAMES = st.text(st.sampled_from("ab./\\:\0\n~ é") | st.characters(blacklist_categories=("Cs",)), max_size=12)


@given(NAMES)
def test_a_name_is_refused_or_lies_in_the_tree(raw):
    try:
        name = unpack.safe_name(raw)
    except Refused as refusal:
        assert str(refusal).isprintable()
        return
    assert os.path.normpath(f"/top/{name}").startswith("/top") and ".." not in name.split("/") and "\\" not in name and "\0" not in name


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(NAMES.filter(bool), st.binary(max_size=20), max_size=6), st.dictionaries(NAMES.filter(bool), NAMES, max_size=3))
def test_whatever_a_tar_holds_nothing_leaves_the_scratch_directory(tmp_path_factory, files, links):
    top = tmp_path_factory.mktemp("any")
    lay(top / "handout", SMALL)
    try:
        extra = [(member(name, tarfile.SYMTYPE, target), b"") for name, target in links.items()]
        path = make_tar(top / "x.tar", SMALL | files, extra=extra)
    except (ValueError, UnicodeError):
        return                                      # a tar can't hold that name
    try:
        submission = archive.open_submission(path, top / "scratch", top / "handout")
        assert set(holds(submission)) >= set(SMALL) or any("named" in note for note in submission.notes)
    except Refused:
        pass
    assert {path.name for path in top.iterdir()} == {"handout", "x.tar", "scratch"}
    assert not [path for path in top.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]


SOURCES = st.text(st.sampled_from("a\n\r \t\ufeffé"), max_size=30)


@given(SOURCES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans())
def test_a_sources_text_stays_what_it_is(text, encoding, windows):
    plain = text.replace("\r", "").lstrip("\ufeff")
    given = plain.replace("\n", "\r\n") if windows else plain
    content, changed = tidy.plain(given.encode(encoding))
    assert content == plain.encode() and bool(changed) == (encoding != "utf-8" or given != plain)


@given(st.dictionaries(st.sampled_from(["kernel/a.c", "user/b.c", "Kernel/A.C", "USER/B.c", "x/kernel/a.c", "x/user/b.c", "kernel/vm.o", ".git/HEAD",
                                        "__MACOSX/kernel/a.c", "README", "readme"]), st.binary(max_size=4)))
def test_tidying_twice_changes_nothing_more(files):
    start = {"kernel/a.c", "user/b.c", "README"}
    try:
        once = tidy.tidied(unpack.Contents(files, dict.fromkeys(files, 1.0)), start)
    except Refused:
        return
    twice = tidy.tidied(unpack.Contents(once.files, once.times), start)
    assert twice.files == once.files and twice.notes == () and once.times.keys() == once.files.keys()
