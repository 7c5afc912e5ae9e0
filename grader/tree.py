"""A submission's directory -> a clean scratch tree, with the official files laid over it."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from . import CouldNotGrade
from .base import OURS, Base, recognise

KIT = ("grader", "build", "docs", ".git", ".github")       # top directories that are no part of a submission
PRODUCTS = ("*.o", "*.d", "*.a", "*.asm", "*.sym", "kernel/kernel", "user/_*", "user/usys.S", "mkfs/mkfs", "mkfs/fsck",
            "user/initcode", "user/initcode.out", "disk/*", "fs.img", ".gdbinit", "__pycache__/*", "*.pyc",
            "xv6.out*")                         # what a build makes: always built here, never taken over
SOURCE = (".c", ".S")                           # a change in any other file has everything built anew
FILES, BYTES = 5000, 64 << 20                   # more than this is no lab tree
MANIFEST = ".sources"                           # in a scratch tree: the files that it was given
UNFINISHED = ".unfinished-build"                # in a scratch tree: make works there, or was cut off


@dataclass(frozen=True)
class Tree:
    """A scratch tree that is ready to be built, the SHA-256 of what the student handed in, and what to know about it."""

    path: Path
    content_hash: str
    base: Base = OURS
    notes: tuple[str, ...] = ()


def prepare(submission, scratch, protected, official):
    """Make scratch equal to the submission with the official files over it; return a Tree.

    Over a tree that was built on another kernel nothing is laid: what runs on it is built apart.
    submission, scratch and official are Paths of directories; protected are glob patterns, relative to a tree.
    Files that were the same before are not touched, so that make need not build them again.
    Raises CouldNotGrade where the submission is no tree or can't be read, or the disk is full.
    """
    try:
        mine = read(submission)
        base = recognise(mine)
        theirs = {} if base.own_disk else read_official(official, protected)
        digest = hashlib.sha256()
        for name in sorted(mine):
            digest.update(f"{name}\0{len(mine[name])}\0".encode() + mine[name])
        synchronize({name: text for name, text in mine.items() if not hides(name, theirs)} | theirs, scratch)
    except OSError as error:
        raise CouldNotGrade(f"can't copy the tree to {scratch}: {error}") from error
    notes = (f"built on {base.title}: its kernel alone is built, the tests run from the grader's own disk",) if base.own_disk else ()
    return Tree(scratch, digest.hexdigest(), base, notes)


def matches(name, patterns):
    """Whether a path relative to the tree matches one of the patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def hides(name, official):
    """Whether a path stands where an official file has a directory, or lies below where one has to be."""
    parts = name.split("/")
    return (any("/".join(parts[:length]) in official for length in range(1, len(parts)))
            or any(other.startswith(name + "/") for other in official))


def is_product(name):
    """Whether a path relative to the tree is of something that a build makes."""
    return matches(name, PRODUCTS) or matches(name.rpartition("/")[2], PRODUCTS)


def read(submission):
    """The content of a submission's own files by their paths relative to it. Raises CouldNotGrade if it is no lab tree."""
    if not submission.exists():
        raise CouldNotGrade(f"{submission}: there is no such directory")
    if not submission.is_dir():
        raise CouldNotGrade(f"{submission} is a file: give the directory of a lab tree")
    if not (submission / "kernel").is_dir() or not (submission / "user").is_dir():
        raise CouldNotGrade(f"{submission} is no lab tree: it has no kernel/ and user/. "
                            "Give the directory that holds them and the Makefile")
    files, size = {}, 0
    for path in walk(submission):
        name = path.relative_to(submission).as_posix()
        if is_product(name):
            continue
        size += path.stat().st_size
        if len(files) >= FILES or size > BYTES:
            raise CouldNotGrade(f"{submission} is too large for a lab tree: more than {FILES} files or {BYTES >> 20} MiB")
        files[name] = path.read_bytes()
    return files


def walk(submission):
    """The regular files below a submission. A link counts where it leads to a regular file inside; nothing else does."""
    root = submission.resolve()
    for directory, below, names in os.walk(submission):
        at_top = Path(directory) == submission
        below[:] = [name for name in below if name != ".git" and not (at_top and name in KIT)]
        for name in names:
            path = Path(directory, name)
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path


def read_official(official, protected):
    """The content of the official files by their paths relative to a tree. Raises CouldNotGrade if some are not there."""
    found = {path.relative_to(official).as_posix(): path for path in official.rglob("*") if path.is_file()}
    files = {name: path.read_bytes() for name, path in found.items() if matches(name, protected)}
    lost = [pattern for pattern in protected if not any(fnmatch(name, pattern) for name in files)]
    if lost:
        raise CouldNotGrade(f"the grader is not whole: {official} lacks {' '.join(lost)}. In the kit, run: make handout")
    return files


def synchronize(files, scratch):
    """Make the scratch tree hold just these files and, where make can still use them, the products of the last build."""
    manifest = scratch / MANIFEST
    usable = manifest.exists() and not (scratch / UNFINISHED).exists()
    last = set(manifest.read_text().split("\0")) if usable else set()
    changed = [name for name in files if name not in last or not same(scratch / name, files[name])]
    if last != set(files) or not all(name.endswith(SOURCE) for name in changed):
        shutil.rmtree(scratch, ignore_errors=True)
        changed = list(files)
    for name in changed:
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
        if files[name].startswith(b"#!"):
            path.chmod(0o755)               # an archive may have lost that
    manifest.write_text("\0".join(files))


def same(path, content):
    """Whether a file is there and holds these bytes."""
    return path.is_file() and path.read_bytes() == content
