"""Builds the grader's own disk for a submission's kernel: official programs, and nothing that the submission says how to build.

Of a submission it depends on numbers of its headers alone. So for the same numbers it is made once, and kept beside the
compiler's cache; each submission gets a copy with a key of its own."""

import fcntl
import hashlib
import io
import os
import secrets
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from . import CouldNotGrade, base, carry, sandbox
from .build import COMPILERS, Build, first_error, root_directory

HOME = Path(__file__).resolve().parent / "owndisk"
OFFICIAL = HOME.parent / "official"
REPLACED = ("wmaptest", "lazytest")                # programs that have a library of ours on it, and a submission's on its own disk
BROUGHT = ("fs.img", "fsck", "user/_*")
# The key is data, so that a copy with another key is as good as one that was linked with it.
RUNKEY = "extern const unsigned long runkey[2];\n#define RUNKEY0 runkey[0]\n#define RUNKEY1 runkey[1]\n"
KEY = 16                                            # bytes; in files as in memory, at a multiple of as many
SUM = hashlib.sha256().digest_size
KEPT = 12                                           # disks, of 4 MB each; which of them was not used for longest is deleted


@dataclass(frozen=True)
class Disk(Build):
    """The Build with a submission's kernel and the grader's own disk."""

    key: int = 0                # random, that only the test programs of this disk know


def build(built, out, rubric, jobs=2, secret=None, box=sandbox.OPEN):
    """The Disk for the kernel of built (a Build), made in the directory out (a Path, emptied first).

    rubric is the Lab whose test programs are on it; secret the directory of its hidden ones (None: those that students have,
    alone). Raises CouldNotGrade where the disk can't be made, which is no student's fault."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "kernel").symlink_to(built.kernel.resolve().parent)
    tests = {"TESTS": names(rubric), **({"HIDDEN": str(secret), "SECRET": names(rubric.hidden)} if secret else {})}
    headers = base.headers(built.tree)

    def made():
        return make(headers, tests, out, jobs, box)

    old, files = kept(Path(box.cache).with_name("disks"), name_of(headers, tests), made) if box.cache else made()
    key = secrets.token_bytes(KEY)
    for name, content in files.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(content.replace(old, key))
    if secret:
        (out / "fsck").chmod(0o755)             # ours, and to be run: what comes out of a box is no program otherwise
    image = out / "fs.img"
    return Disk(True, out, built.kernel, image, root_directory(image)[0], "", "", 0.0, int.from_bytes(key, "little"))


def make(headers, tests, out, jobs, box):
    """Make a disk in the directory out (a Path): its key (bytes), and its files, bytes by name.

    headers are as base.headers() gives them, tests variables of the Makefile. Nothing that a submission wrote is compiled, so
    what is compiled in box fills its cache for all that follow. Raises CouldNotGrade."""
    include, key = out / "include", secrets.token_bytes(KEY)
    (include / "kernel").mkdir(parents=True)
    for name, text in {**headers, "runkey.h": RUNKEY}.items():
        (include / name).write_text(text)
    (out / "runkey.s").write_text(f".section .rodata\n.balign {KEY}\n.global runkey\nrunkey: .byte {', '.join(map(str, key))}\n")
    place = carry.TREE if box.confined else out.resolve()
    result = sandbox.run(["make", f"-j{jobs}", "-f", str(HOME / "Makefile"), f"CC={compiler()}", f"HERE={HOME}",
                          f"OFFICIAL={OFFICIAL}", f"OUT={place}", *(f"{name}={value}" for name, value in tests.items())], out,
                         box=replace(box, fills=bool(box.cache)), read=sources(tests), bring=BROUGHT)
    files = {path.relative_to(out).as_posix(): path.read_bytes() for pattern in BROUGHT for path in out.glob(pattern)}
    if result.cut or result.status != 0 or "fs.img" not in files:
        why = result.cut or first_error(result.output).removeprefix("./")
        raise CouldNotGrade(f"the grader's own disk can't be built for this tree: {why}")
    keys = {name: content.count(key) for name, content in files.items()}
    if keys.pop("fs.img") != sum(keys.values()):
        raise CouldNotGrade("the programs on the grader's own disk are not as the linker made them: strip, or mkfs, is at fault")
    return key, files


def names(rubric):
    """The names of a Lab's test programs."""
    return " ".join(program.name for program in rubric.tests)


def compiler():
    """The name of the compiler."""
    return next(name for name in COMPILERS if shutil.which(name))


def sources(tests):
    """The directories with the sources of a disk: ours, and that of hidden tests."""
    return (HOME, OFFICIAL, *(Path(place) for name, place in tests.items() if name == "HIDDEN"))


# Disks that are kept, each in one file, which is there whole or not at all.

def kept(place, name, made):
    """The key and the files of the disk with this name in a directory (a Path); made() gives them if it is not there.

    Where several want one that is not there, one of them makes it. Raises CouldNotGrade."""
    path = place / name
    if found := load(path):
        return found
    try:
        place.mkdir(exist_ok=True)
        with open(place / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = load(path) or made()
            save(path, *found)
    except OSError as error:
        raise CouldNotGrade(f"can't keep a disk in {place}: {error}") from error
    return found


def load(path):
    """The key and the files of the disk that is kept at path; None if there is none, or a damaged one."""
    try:
        os.utime(path)
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[SUM:]).digest() != content[:SUM]:
        return None
    with zipfile.ZipFile(io.BytesIO(content[SUM:])) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    return files.pop("key"), files


def save(path, key, files):
    """Keep the key and the files of a disk at path, and no more than KEPT disks there."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as pack:
        for name, text in {"key": key, **files}.items():
            pack.writestr(name, text)
    new = path.with_suffix(".new")
    new.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())
    new.replace(path)
    disks = sorted(path.parent.glob("*.disk"), key=lambda disk: disk.stat().st_mtime)
    for old in disks[:-KEPT]:
        old.unlink()


def name_of(headers, tests):
    """The name of what is made from headers, for tests, with the sources and the compiler that are here now."""
    used = os.stat(shutil.which(compiler()))
    total = hashlib.sha256(repr((headers, tests, used.st_size, used.st_mtime_ns)).encode())
    for path in [Path(__file__), *(path for top in sources(tests) for path in sorted(top.rglob("*")) if path.is_file())]:
        content = path.read_bytes()
        total.update(f"{path}\0{len(content)}\0".encode() + content)
    return f"{total.hexdigest()}.disk"
