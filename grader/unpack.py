"""Takes files out of a directory, a tar or a zip. Limits count what really comes; what could do harm is refused by name."""

import bz2
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from dataclasses import dataclass

# Limits. A lab tree with all that a build leaves is 10 MiB in 400 files, 4 folders deep.
BYTES = 128 << 20               # unpacked, all members together
PACKED = 64 << 20               # the archive itself
MEMBERS = 20_000                # files, folders and links
DEPTH = 20                      # folders in each other
RATIO = 200                     # unpacked bytes for one packed byte, looked at from FREE bytes on
FREE = 8 << 20
CHAIN = 40                      # symbolic links that lead to each other
LONGEST = 1000                  # bytes of a path; 255 of a part of it
CHUNK = 1 << 16
MEMORY = 128 << 20              # bytes that an xz stream may make its unpacker hold

GIT = re.compile(r"(?:.*/)?\.git/(?!HEAD$|packed-refs$|refs/|objects/)")     # parts of a repository that nobody looks at
DRIVE = re.compile(r"[A-Za-z]:")
ZIP_MEMBER = b"PK\x01\x02"      # starts each entry of a zip's table of contents
KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device file", stat.S_IFBLK: "a device file", stat.S_IFSOCK: "a socket"}


class Refused(Exception):
    """A submission can't be taken as it is. The text is one sentence: what, and which limit or rule."""


@dataclass(frozen=True)
class Contents:
    """What lay in a container: bytes and times (POSIX seconds) by path, and what happened to the rest, in words."""

    files: dict
    times: dict
    notes: tuple[str, ...] = ()


def shown(name):
    """A name from a submission, fit for a message."""
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name[:200])
    return text if len(text) <= 120 else text[:117] + "..."


def safe_name(raw):
    """The path that a member's name means, "" for the top itself. Raises Refused where it leads elsewhere."""
    if len(raw) > 4 * LONGEST:
        raise Refused(f"{shown(raw)}: a name longer than {LONGEST} bytes")
    if "\0" in raw or any(ord(c) < 32 for c in raw.removesuffix("Icon\r")):
        raise Refused(f"{shown(raw)}: a name with control characters in it")
    if raw.startswith("/"):
        raise Refused(f"{shown(raw)}: an absolute path; names must be relative to the tree")
    if "\\" in raw:
        raise Refused(f"{shown(raw)}: a name with a backslash in it; folders are parted by /")
    if DRIVE.match(raw):
        raise Refused(f"{shown(raw)}: a name with a Windows drive in it; names must be relative to the tree")
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused(f"{shown(raw)}: a path that leads out of the tree (..)")
    if len(parts) > DEPTH:
        raise Refused(f"{shown(raw)}: deeper than {DEPTH} folders")
    if len("/".join(parts).encode()) > LONGEST or any(len(part.encode()) > 255 for part in parts):
        raise Refused(f"{shown(raw)}: a name longer than {LONGEST} bytes, or 255 between two /")
    return "/".join(parts)


class Intake:
    """Collects members one by one, and stops at a limit."""

    def __init__(self, packed=None):
        self.packed = packed                    # bytes of the archive; None: not packed
        self.files, self.times, self.links, self.folders = {}, {}, {}, set()
        self.members = self.bytes = 0

    def name(self, raw):
        """The path of one more member."""
        name = safe_name(raw)
        self.members += 1
        if self.members > MEMBERS:
            raise Refused(f"more than {MEMBERS} files and folders")
        return name

    def count(self, size, where):
        """Note that size more bytes have come, of the member called where."""
        self.bytes += size
        if self.bytes > BYTES:
            raise Refused(f"{shown(where)}: up to here more than {BYTES >> 20} MiB")
        if self.packed is not None and self.bytes > FREE and self.bytes > RATIO * self.packed:
            raise Refused(f"{shown(where)}: an archive bomb: up to here more than {RATIO} times as large as it is packed")

    def folder(self, raw):
        """Take a folder."""
        self.folders.add(self.name(raw))

    def file(self, raw, when, chunks):
        """Take a regular file; chunks are its bytes, in pieces."""
        name = self.name(raw)
        self.fail_if_taken(name)
        if GIT.match(name):
            return
        content = bytearray()
        for chunk in chunks:
            self.count(len(chunk), name)
            content += chunk
        self.files[name], self.times[name] = bytes(content), when

    def link(self, raw, target):
        """Take a symbolic link."""
        name = self.name(raw)
        if len(target) > LONGEST:
            raise Refused(f"{shown(name)}: a symbolic link to a path longer than {LONGEST} bytes")
        self.fail_if_taken(name)
        if not GIT.match(name):
            self.links[name] = target

    def copy(self, raw, target, when):
        """Take a hard link to a member that came before."""
        name = self.name(raw)
        self.fail_if_taken(name)
        source = safe_name(target)
        if source not in self.files:
            raise Refused(f"{shown(name)}: a hard link to {shown(target)}, which is not in the archive before it")
        self.count(len(self.files[source]), name)
        self.files[name], self.times[name] = self.files[source], when

    def fail_if_taken(self, name):
        """Refuse a second member of a name."""
        if not name:
            raise Refused("a file without a name")
        if name in self.files or name in self.links:
            raise Refused(f"{shown(name)}: twice in the archive")

    def contents(self):
        """All that was taken. A link counts as a copy of the file that it leads to."""
        notes, copies = [], {}
        for name in self.links:
            target = self.followed(name)
            if target in self.files:
                copies[name] = target
            else:
                told = f"{shown(name)}: a symbolic link to {shown(self.links[name])}"
                notes.append(f"{told}, which is no file of the tree: left out")
        for name, target in copies.items():
            self.count(len(self.files[target]), name)
            self.files[name], self.times[name] = self.files[target], self.times[target]
        taken = self.files.keys()
        for name in taken | self.folders:
            above = [name[:end] for end, c in enumerate(name) if c == "/"] + [name] * (name in self.folders)
            if both := taken & set(above):
                raise Refused(f"{shown(min(both))}: a file and a folder of one name")
        return Contents(self.files, self.times, tuple(notes))

    def followed(self, name):
        """The path that a chain of symbolic links ends at. Raises Refused where it leaves the tree."""
        seen = set()
        while name in self.links and name not in seen and len(seen) < CHAIN:
            seen.add(name)
            target = self.links[name]
            parts = name.split("/")[:-1]
            for part in target.split("/"):
                if part == ".." and not parts or target.startswith("/") or "\0" in target:
                    raise Refused(f"{shown(name)}: a symbolic link to {shown(target)}, which lies outside the tree")
                parts = parts[:-1] if part == ".." else parts + [part] * (part not in ("", "."))
            name = "/".join(parts)
        return name


# A directory.

def from_directory(top):
    """The Contents of a directory (a Path), links not followed. Raises Refused, OSError."""
    intake = Intake()
    waiting = [(top, "")]
    while waiting:
        directory, prefix = waiting.pop()
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                name = prefix + entry.name
                if entry.is_symlink():
                    intake.link(name, os.readlink(entry.path))
                elif entry.is_dir():
                    intake.folder(name)
                    waiting.append((entry.path, name + "/"))
                else:
                    take(intake, entry.path, name)
    return intake.contents()


def take(intake, path, name):
    """Take a file of the host, if it is a regular one. It is never waited for."""
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{shown(name)}: {KINDS.get(stat.S_IFMT(status.st_mode), 'no regular file')}; hand in regular files only")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        intake.file(name, status.st_mtime, pieces(file))


def pieces(file):
    """The rest of an open file, in pieces."""
    while piece := file.read(CHUNK):
        yield piece


# Archives.

# What Python's readers raise for an archive that is not as it should be.
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError,
          struct.error, IndexError, KeyError, RecursionError)
UNPACKERS = {b"\x1f\x8b": lambda: zlib.decompressobj(31), b"BZh": bz2.BZ2Decompressor,
             b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=MEMORY)}


def from_archive(path, kind, limit=PACKED):
    """The Contents of an archive file (a Path) of a kind, "tar" or "zip", of at most limit bytes.

    Raises Refused, OSError where it can't be opened."""
    size = path.stat().st_size
    if size > limit:
        raise Refused(f"larger than {limit >> 20} MiB")
    with open(path, "rb") as file:
        intake = Intake(size)
        try:
            (from_tar if kind == "tar" else from_zip)(file, intake)
            return intake.contents()
        except BROKEN as error:
            raise Refused(f"a broken {kind} archive: {shown(str(error)) or type(error).__name__}") from None


def unpacked(file, intake):
    """All bytes of a file, unpacked if they are packed."""
    packed = file.read()
    make = next((make for magic, make in UNPACKERS.items() if packed.startswith(magic)), None)
    if make is None:
        intake.packed = None
        return packed
    whole = bytearray()
    while packed.strip(b"\0"):
        stream = make()
        packed = drain(stream, packed, intake, whole)
    intake.bytes = 0                            # counted again as members
    return bytes(whole)


def drain(stream, packed, intake, whole):
    """Add one stream's bytes to whole; return what is packed behind it."""
    while not stream.eof:
        piece = stream.decompress(packed, CHUNK * 16)
        packed = getattr(stream, "unconsumed_tail", b"")
        intake.count(len(piece), "the archive")
        whole += piece
        if not piece and not stream.eof and not packed and getattr(stream, "needs_input", True):
            raise EOFError("it is cut off")
    return stream.unused_data


def from_tar(file, intake):
    """Take all of a tar, packed or not."""
    content = unpacked(file, intake)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive:
            one_of_tar(archive, member, intake)
        rest = content[archive.offset:archive.offset + tarfile.BLOCKSIZE]
    if rest.strip(b"\0"):
        raise EOFError(f"no header where one should be, at byte {archive.offset}")


def one_of_tar(archive, member, intake):
    """Take a member of a tar."""
    if member.issparse():
        raise Refused(f"{shown(member.name)}: a sparse file; hand in plain files only")
    if member.isdir():
        intake.folder(member.name)
    elif member.issym():
        intake.link(member.name, member.linkname)
    elif member.islnk():
        intake.copy(member.name, member.linkname, member.mtime)
    elif member.isreg():
        content = archive.extractfile(member).read()
        if len(content) != member.size:
            raise EOFError(f"it is cut off in {shown(member.name)}")
        intake.file(member.name, member.mtime, [content])
    else:
        kind = "a FIFO" if member.isfifo() else "a device file" if member.isdev() else "no regular file"
        raise Refused(f"{shown(member.name)}: {kind}; hand in regular files only")


def from_zip(file, intake):
    """Take all of a zip."""
    if file.read().count(ZIP_MEMBER) > 2 * MEMBERS:         # its table of contents is read as a whole
        raise Refused(f"more than {MEMBERS} files and folders")
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            one_of_zip(archive, member, intake)


def one_of_zip(archive, member, intake):
    """Take a member of a zip. Some programs of Windows part folders by backslashes."""
    name = member.orig_filename
    if member.create_system == 0:
        name = name.replace("\\", "/")
    mode = member.external_attr >> 16 if member.create_system == 3 else 0
    if member.flag_bits & 0x2041:
        raise Refused(f"{shown(name)}: encrypted; hand in an archive without a password")
    if stat.S_IFMT(mode) in KINDS:
        raise Refused(f"{shown(name)}: {KINDS[stat.S_IFMT(mode)]}; hand in regular files only")
    if name.endswith("/"):
        return intake.folder(name)
    try:
        with archive.open(member) as content:
            if stat.S_ISLNK(mode):
                target = content.read(LONGEST + 1)
                intake.count(len(target), name)
                return intake.link(name, target.decode("utf-8", "replace"))
            return intake.file(name, zip_time(member), pieces(content))
    except NotImplementedError:
        raise Refused(f"{shown(name)}: packed by a method (number {member.compress_type}) that is not known; "
                      "hand in a plain zip or .tar.gz") from None
    except RuntimeError as error:
        raise Refused(f"{shown(name)}: can't be unpacked: {shown(str(error))}") from None


def zip_time(member):
    """When a member was last changed: by the extra field that tells it in UTC, else as this computer's local time."""
    extra = member.extra
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        if tag == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return float(struct.unpack_from("<i", extra, 5)[0])
        extra = extra[4 + size:]
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return 0.0
