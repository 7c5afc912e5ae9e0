"""A submission in whatever form -> a plain directory with a lab tree. What can't be taken is refused by name."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from . import CouldNotGrade, patch, repository, sandbox, tidy, tree, unpack
from .unpack import BYTES, Contents, Refused, from_archive, from_directory, shown

EARLIEST = 946684800                # 2000: a time before it says nothing
DAY = 86400
PATCHES = (".patch", ".diff")
OTHERS = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard", b"%PDF": "PDF", b"\x7fELF": "ELF"}
KINDS = ("zip", "tar", "bundle", "patch")
HEAD = 1 << 16                      # bytes of a file that tell what it is
FORMS = "a directory, .tar.gz, .tar.xz, .tar, .zip, git repository or bundle, or a .patch"
TAR_MARK = slice(257, 262)          # where a tar says "ustar"


@dataclass(frozen=True)
class Submission:
    """A lab tree as it was handed in."""

    path: Path                      # a directory with regular files and directories only
    notes: tuple[str, ...]          # what was put right or left out, in words
    received: float | None          # when, as the export or its content tells: POSIX seconds


def open_submission(path, scratch, handout, box=sandbox.OPEN, folder=False, arrived=None):
    """Take what lies at path (a Path) into a directory in scratch, which is emptied first; return the Submission.

    handout is the tree that students start from: patches apply to it, and its names are the right ones. git runs in box.
    folder: path is a tar that stands for a directory, not one that a student made. arrived: when the course's system got it
    (POSIX seconds), if that is known: then it counts.
    Raises Refused with the reason where it can't be taken, CouldNotGrade where the grader or its computer is at fault."""
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        desk = Desk(scratch / "work", from_directory(handout).files, box)
        if path.is_dir() or folder:
            contents, since = from_folder(from_directory(path) if path.is_dir() else from_archive(path, "tar", BYTES), desk)
        else:
            contents, since = from_file(path, desk)
        contents = tidy.tidied(contents, desk.start.keys())
        fail_if_large(contents.files)
        write(contents.files, scratch / "tree")
    except Refused as refusal:
        raise Refused(f"{shown(path.name)}: {refusal}") from None
    except OSError as error:
        raise CouldNotGrade(f"can't take {path} in: {error}") from error
    when, told = received(contents.times, since) if arrived is None else (arrived, f"handed in {utc(arrived)}, as the export says")
    return Submission(scratch / "tree", (*contents.notes, told), when)


@dataclass(frozen=True)
class Desk:
    """What opening a submission needs."""

    place: Path                     # a directory to work in
    start: dict                     # the handout's files
    box: sandbox.Box


def from_folder(contents, desk):
    """What a folder with these Contents holds - a lab tree, a repository, one archive, or patches - and what its times are."""
    files = tidy.without_droppings(contents.files)[0]
    if tidy.roots(files) or repository.find(files):
        return chosen(contents, desk)
    kinds = {name: kind_of(name, files[name]) for name in sorted(files)}
    if kinds and all(kind == "patch" for kind in kinds.values()):
        return patched({name: files[name] for name in kinds}, desk)
    archives = [name for name, kind in kinds.items() if kind in KINDS]
    if len(archives) > 1:
        raise Refused(f"{tidy.named(archives)}: several archives in one folder; it must be clear which one counts")
    if not archives:
        return chosen(contents, desk)
    inside = desk.place.parent / "inside" / archives[0]
    write({archives[0]: files[archives[0]]}, desk.place.parent / "inside")
    found, since = from_file(inside, desk)
    others = kinds.keys() - set(archives)
    notes = [f"the tree is in {shown(archives[0])}"] + [f"left out what lies beside it: {tidy.named(others)}"] * bool(others)
    return Contents(found.files, found.times, (*notes, *found.notes)), since


def from_file(path, desk):
    """What from_folder() returns, for a file."""
    if path.is_symlink() or not path.is_file():
        raise Refused("no regular file" if path.exists() or path.is_symlink() else "there is nothing of that name")
    if path.stat().st_size > unpack.PACKED:
        raise Refused(f"larger than {unpack.PACKED >> 20} MiB")
    with open(path, "rb") as file:
        kind = kind_of(path.name, file.read(HEAD))
    if kind == "patch":
        return patched({path.name: path.read_bytes()}, desk)
    if kind == "bundle":
        return repository.from_bundle(path, desk.place, desk.box), "its commit"
    if kind not in KINDS:
        raise Refused(kind)
    return chosen(from_archive(path, kind), desk)


def chosen(contents, desk):
    """Contents that hold a lab tree, or else of the last commit of the repository that they are; and what their times are."""
    repositories = repository.find(contents.files)
    if tidy.roots(contents.files):
        return with_commit(contents, desk) if repositories else (contents, "its newest file")
    if len(repositories) == 1:
        return repository.from_repository(contents.files, repositories[0], desk.place, desk.box), "its commit"
    return contents, "its newest file"


def with_commit(contents, desk):
    """What chosen() returns, for a tree with .git in it: the files count, with the last commit's time, and a note if they differ."""
    top = repository_of(contents.files, tidy.find_root({name: b"" for name in contents.files if ".git" not in name.split("/")}))
    if top is None:
        return contents, "its newest file"
    try:
        commit = repository.from_repository(contents.files, f"{top}.git", desk.place, desk.box)
    except Refused as refusal:
        notes = (*contents.notes, f"its .git is of no use: {refusal}")
        return Contents(contents.files, contents.times, notes), "its newest file"
    files = {name.removeprefix(top): content for name, content in contents.files.items() if name.startswith(top)}
    differ = [name for name in commit.files.keys() | files.keys() if commit.files.get(name) != files.get(name)
              and not patch.made_by_build(name) and ".git" not in name.split("/") and not tidy.DROPPINGS.fullmatch(name)]
    notes = [f"what counts is the files, which are not those of the last commit: {tidy.named(differ)}"] * bool(differ)
    when = max(commit.times.values(), default=0.0)
    return Contents(contents.files, dict.fromkeys(contents.files, when), (*contents.notes, *notes)), "its last commit"


def repository_of(files, root):
    """The folder, with a / behind it ("" for the top), at root or above, that has the repository of the tree at root; None if none."""
    places = ["/".join(root.split("/")[:depth]) + "/" for depth in range(len(root.split("/")), 0, -1) if root] + [""]
    return next((place for place in places if f"{place}.git/HEAD" in files), None)


def patched(patches, desk):
    """What from_folder() returns, for patches (bytes by name) that apply to the handout's files one after another."""
    files, times, notes = desk.start, [], []
    for name, text in patches.items():
        text, changed = tidy.plain(text)
        files, when, more = patch.applied(text, files)
        times += [when] if when is not None else []
        notes += [f"{shown(name)}: {changed}"] * bool(changed) + more
    return Contents(files, dict.fromkeys(files, max(times, default=0.0)), tuple(notes)), "the patch"


def kind_of(name, head):
    """What a file is by its name and its first bytes: one of KINDS; else a sentence that says why it can't be taken."""
    if not head:
        return "an empty file"
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")) or head[TAR_MARK] == b"ustar" or name.endswith(".tar"):
        return "tar"
    if head.startswith((b"# v2 git bundle\n", b"# v3 git bundle\n")):
        return "bundle"
    other = next((f"a {kind} file" for magic, kind in OTHERS.items() if head.startswith(magic)), "")
    if not other and (name.endswith(PATCHES) or b"\n+++ " in tidy.plain(head[:HEAD])[0]):
        return "patch"
    return f"{other or 'neither an archive nor a patch'}: hand in {FORMS}"


def fail_if_large(files):
    """Refuse more than a lab tree can be."""
    if len(files) > tree.FILES or sum(map(len, files.values())) > tree.BYTES:
        raise Refused(f"too large for a lab tree: more than {tree.FILES} files or {tree.BYTES >> 20} MiB, what a build makes aside")


def write(files, top):
    """Write files (bytes by path) below top (a Path)."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def received(times, since):
    """When a tree was handed in: the newest of its times (POSIX seconds by path), None if that can't be true; and a note of it."""
    newest = max(times.values(), default=0.0)
    if not EARLIEST <= newest <= time.time() + DAY:
        return None, f"when it was handed in is not known: {since} does not tell"
    return newest, f"handed in {utc(newest)}, by the time of {since}"


def utc(moment):
    """POSIX seconds in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
