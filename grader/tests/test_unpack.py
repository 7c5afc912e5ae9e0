"""Submissions that would do harm: each is refused by name, nothing is written outside the scratch directory, limits are as told."""

import lzma
import os
import socket
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grader import archive, handout, patch, tree, unpack
from grader.archive import Refused
from grader.tests.packing import SMALL, git, lay, make_repository, make_tar, make_zip, member, read, zip_member


@pytest.fixture
def opened(tmp_path):
    """opened(path): the Submission at path."""
    start = lay(tmp_path / "handout", SMALL)
    return lambda path: archive.open_submission(path, tmp_path / "scratch", start)


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


def folder_of_zips(path):
    for name in ("1.zip", "2.zip"):
        make_zip(lay(path, {"a.txt": b"x"}) / name, SMALL)
    return path


def unborn(path):
    """A repository whose branch has no commit, though another has."""
    git(make_repository(path, SMALL), "branch", "other")
    (path / ".git/HEAD").write_bytes(b"ref: refs/heads/unborn\n")
    (path / ".git").rename(path.parent / "inside")
    for name in read(path):
        (path / name).unlink()
    (path.parent / "inside").rename(path / "git")
    return path


HOSTILE = {
    "up.zip": (zipped("../evil"), r"\.\./evil: a path that leads out of the tree"),
    "middle.zip": (zipped("kernel/../../evil"), r"leads out of the tree"),
    "absolute.zip": (zipped("/tmp/evil"), r"/tmp/evil: an absolute path"),
    "drive.zip": (zipped("C:/evil"), r"C:/evil: a name with a Windows drive"),
    "backslash.zip": (zipped("..\\evil"), r"evil: a name with a backslash"),
    "windows-up.zip": (lambda path: make_zip(path, SMALL, [(zip_member("..\\evil", 0, 0), b"x")]), r"leads out of the tree"),
    "control.zip": (zipped("kernel/\x1b[2Jx"), r"kernel/\\x1b\[2Jx: a name with control characters"),
    "nul.zip": (edited(zipped("kernel/#.c"), lambda data: data.replace(b"kernel/#.c", b"kernel/\0.c")), "control characters"),
    "link.zip": (zipped("kernel/out.c", 0o120777, b"../../../etc/passwd"),
                 "kernel/out.c: a symbolic link to ../../../etc/passwd, which lies outside"),
    "rootlink.zip": (zipped("kernel/out.c", 0o120777, b"/etc/passwd"), "symbolic link to /etc/passwd, which lies outside"),
    "fifo.zip": (zipped("kernel/pipe", 0o010644), "kernel/pipe: a FIFO"),
    "device.zip": (zipped("kernel/sda", 0o060644), "kernel/sda: a device file"),
    "password.zip": (edited(zipped("kernel/x.c"), encrypted), "encrypted; hand in an archive without a password"),
    "method.zip": (edited(zipped("kernel/x.c"), other_method), r"packed by a method \(number 9\)"),
    "twice.zip": (zipped("./kernel/vm.c"), "kernel/vm.c: twice in the archive"),
    "both.zip": (zipped("kernel/vm.c/x"), "kernel/vm.c: a file and a folder of one name"),
    "bomb.zip": (zipped("kernel/big", content=bytes(40 << 20)), "kernel/big: .*an archive bomb: up to here more than 200 times"),
    "zips.zip": (lambda path: make_zip(path, {"inner.zip": b"PK\3\4" + bytes(100)}), "no lab tree"),
    "deep.zip": (zipped("d/" * 30 + "x"), "deeper than 20 folders"),
    "long.zip": (zipped("n" * 300), "a name longer than"),
    "cut.zip": (edited(zipped("kernel/x.c"), lambda data: data[:-40]), "a broken zip archive"),
    "sum.zip": (edited(zipped("kernel/x.c", content=os.urandom(500)), lambda data: data.replace(data[300:310], b"0123456789")),
                "a broken zip archive"),
    "empty.zip": (lambda path: make_zip(path, {}), "empty: there is no file in it"),
    "folders.tar": (lambda path: make_tar(path, {}, extra=[(member(name, tarfile.DIRTYPE), b"") for name in ("kernel", "user")]),
                    "empty: there is no file in it"),
    "two.zip": (many_trees, "several lab trees, first, second"),
    "some.zip": (lambda path: make_zip(path, {"mmap.c": b"", "kernel/vm.c": b""}), "no lab tree.*it holds kernel/vm.c, mmap.c"),
    "up.tar": (tarred("../../evil"), "leads out of the tree"),
    "absolute.tar": (tarred("/tmp/evil"), "an absolute path"),
    "link.tar": (tarred("kernel/out.c", tarfile.SYMTYPE, "../../evil"),
                 "kernel/out.c: a symbolic link to ../../evil, which lies outside the tree"),
    "chain.tar": (lambda path: make_tar(path, SMALL, extra=[(member("kernel/a", tarfile.SYMTYPE, "b"), b""),
                                                            (member("kernel/b", tarfile.SYMTYPE, "../../x"), b"")]),
                  "symbolic link to ../../x, which lies outside"),
    "longlink.tar": (tarred("kernel/out.c", tarfile.SYMTYPE, "a/" * 500_000), "a symbolic link to a path longer than 1000 bytes"),
    "longname.tar": (tarred("a/" * 500_000), "a name longer than 1000 bytes"),
    "hard.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "../../evil"), "leads out of the tree"),
    "hardabs.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "/etc/passwd"), "an absolute path"),
    "hardlost.tar": (tarred("kernel/out.c", tarfile.LNKTYPE, "kernel/later.c"),
                     "kernel/out.c: a hard link to kernel/later.c, which is not in the archive"),
    "fifo.tar": (tarred("kernel/pipe", tarfile.FIFOTYPE), "kernel/pipe: a FIFO"),
    "device.tar": (tarred("kernel/null", tarfile.CHRTYPE), "kernel/null: a device file"),
    "sparse.tar": (sparse, "holes.c: a sparse file|broken tar"),
    "cut.tar.gz": (edited(lambda path: make_tar(path, SMALL, "w:gz"), lambda data: data[:-30]), "a broken tar archive: it is cut off"),
    "middle.tar": (edited(tarred("kernel/x.c"), lambda data: data[:1024] + b"nonsense" * 64 + data[1536:]),
                   "a broken tar archive: no header"),
    "short.tar": (edited(tarred("kernel/x.c", content=b"x" * 600), lambda data: data[:5200]), "a broken tar"),
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
    "zips": (folder_of_zips, "1.zip, 2.zip: several archives"),
    "unborn.git": (unborn, "HEAD names no commit"),
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
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_symlink()]
    assert not (tmp_path / "scratch/tree").exists()


def test_a_long_chain_of_links_ends(opened, tmp_path):
    links = [(member(f"kernel/l{n}.c", tarfile.SYMTYPE, f"l{n + 1}.c"), b"") for n in range(5000)]
    submission = opened(make_tar(tmp_path / "x.tar", SMALL | {"kernel/l5000.c": b"end\n"}, extra=links))
    there = read(submission.path)
    assert "kernel/l4999.c" in there and "kernel/l0.c" not in there


@pytest.mark.parametrize("name, start", [("x.bundle", b"# v2 git bundle\n"), ("x.patch", b"--- a\n+++ b\n"), ("x.zip", b"PK\3\4")])
def test_a_file_that_is_too_large_is_not_even_read(opened, tmp_path, name, start):
    with open(tmp_path / name, "wb") as file:
        file.write(start)
        file.truncate(unpack.PACKED + 1)
    with pytest.raises(Refused, match=f"{name}: larger than 64 MiB"):
        opened(tmp_path / name)


@pytest.mark.parametrize("limit, value, says", [("BYTES", 30, "kernel/mmap.c: up to here more than 0 MiB"),
                                                ("MEMBERS", 3, "more than 3 files and folders"), ("PACKED", 100, "larger than 0 MiB")])
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
    page = (handout.KIT / "docs/submissions.md").read_text()
    for told in (f"{unpack.PACKED >> 20} MiB packed; {unpack.BYTES >> 20} MiB unpacked", f"{unpack.MEMBERS:,} members",
                 f"{unpack.RATIO} times", f"{unpack.FREE >> 20} MiB on", f"{unpack.DEPTH} folders; {unpack.LONGEST:,} bytes",
                 f"{tree.FILES:,} files, {tree.BYTES >> 20} MiB", f"{patch.LARGEST >> 20} MiB, {patch.HUNKS:,} hunks"):
        assert told in page, f"docs/submissions.md does not say {told}"


# Any names at all.

NAMES = st.text(st.sampled_from("ab./\\:\0\n~ é") | st.characters(blacklist_categories=("Cs",)), max_size=12)


@settings(deadline=None)
@given(NAMES)
def test_a_name_is_refused_or_lies_in_the_tree(raw):
    try:
        name = unpack.safe_name(raw)
    except Refused as refusal:
        assert str(refusal).isprintable()
        return
    assert os.path.normpath(f"/top/{name}").startswith("/top") and not set(name) & set("\\\0\n") and ".." not in name.split("/")


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
        assert set(read(submission.path)) >= set(SMALL) or any("named" in note for note in submission.notes)
    except Refused:
        pass
    assert {path.name for path in top.iterdir()} == {"handout", "x.tar", "scratch"}
    assert not [path for path in top.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
