"""A submission as bytes, packed where it lies and sent to where it is graded. Nothing is followed, run or unpacked."""

import hashlib
import io
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from . import CouldNotGrade

MOST_BYTES, MOST_FILES = 128 << 20, 50_000      # of one submission; what archive.py allows inside is less


class Unfit(Exception):
    """Something that no submission can be: too large, or no file and no directory. The text says what."""


@dataclass(frozen=True)
class Parcel:
    """What was handed in: a file as it is, a directory as a tar."""

    name: str
    folder: bool                # content is a tar of a directory; else it is a file as it was
    content: bytes
    digest: str                 # SHA-256 of all that counts: names, links, contents; not when it was written
    changed: float              # seconds since 1970: when the file or directory was last changed


def pack(path):
    """The Parcel of a file or directory (a Path). Raises Unfit, and CouldNotGrade where it can't be read."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return Parcel(path.name, True, *pack_directory(path), found.st_mtime)
        if not stat.S_ISREG(found.st_mode):
            raise Unfit(f"{path.name} is neither a file nor a directory")
        if found.st_size > MOST_BYTES:
            raise Unfit(f"{path.name} has more than {MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise CouldNotGrade(f"can't read {path}: {error.strerror}") from error
    return Parcel(path.name, False, content, hashlib.sha256(encoded(f"{path.name}\0") + content).hexdigest(), found.st_mtime)


def lay(parcel, place):
    """Make the directory place (a Path), and in it the file of a Parcel, as old as what was packed; return its Path."""
    place.mkdir()
    path = place / parcel.name
    path.write_bytes(parcel.content)
    os.utime(path, (parcel.changed, parcel.changed))
    return path


def pack_directory(top):
    """A tar of a directory, and its digest."""
    archive, digest, size, count = io.BytesIO(), hashlib.sha256(), 0, 0
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in everything(top):
            info = member(tar, path, path.relative_to(top).as_posix())
            size, count = size + info.size, count + 1
            if size > MOST_BYTES or count > MOST_FILES:
                raise Unfit(f"{top.name} has more than {MOST_BYTES >> 20} MiB, or more than {MOST_FILES} files")
            content = path.read_bytes() if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
            digest.update(encoded(f"{info.name}\0{info.type}\0{info.linkname}\0{info.size}\0") + content)
    return archive.getvalue(), digest.hexdigest()


def encoded(name):
    """The bytes of a file's name."""
    return name.encode(errors="surrogateescape")


def everything(top):
    """The Paths of all that lies below a directory, in an order that does not change. Links are not followed."""
    for directory, below, names in os.walk(top, onerror=stop):
        below.sort()
        yield from (Path(directory, name) for name in sorted(below + names))


def stop(error):
    """Let no directory that can't be read go missing."""
    raise error


def member(tar, path, name):
    """The TarInfo of one file, directory, link or device; who owns it does not count."""
    info = tar.gettarinfo(path, name)
    if info is None:
        raise Unfit(f"{name} is a socket")
    if info.islnk():                # one file under two names: two files
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
