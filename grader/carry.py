"""Carries files out of a box: the words that pack them inside, and what reads the pack outside and trusts nothing in it.

The pack is a plain tar archive (POSIX ustar, IEEE 1003.1 pax, "ustar Interchange Format"); a submission may have forged it."""

import re
import shutil
from fnmatch import fnmatchcase

LARGEST = 64 << 20              # bytes of a pack
BLOCK = 512
TREE = "/tmp/tree"              # where the copy of a directory is in a box
READY = b"ready\n"              # comes before the pack, once the command could be started
KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"5": "a directory", b"6": "a FIFO"}
PART = re.compile(r"[\w+.-]+", re.ASCII)

# Inside: copy directory $1 (or "": work where we are), run the command, then pack what matches $2. The pack goes to what
# is standard input at first, a pipe, which the command does not get.
INSIDE = f"""exec 3>&0 </dev/null
if test -n "$1"; then
  mkdir {TREE} && cp -r --preserve=mode,timestamps -- "$1/." {TREE} && cd {TREE} || exit 1
fi
patterns=$2; shift 2
echo ready >&3
"$@" 3>&-
status=$?
test -z "$patterns" || tar -c --format=ustar --no-recursion --owner=0 --group=0 -f - $patterns >&3 2>/dev/null
exit $status"""


def inside(command, directory, patterns):
    """The words that do a command in a box, on a copy of a directory if files that match patterns are to be brought back."""
    return ["sh", "-c", INSIDE, "sh", str(directory) if patterns else "", " ".join(patterns), *command]


def clear(patterns, to):
    """Delete what matches patterns below to (a Path)."""
    for path in [path for pattern in patterns for path in to.glob(pattern)]:
        remove(path)


def unpack(pack, patterns, to):
    """Write the regular files of a pack (bytes) that match patterns below to (a Path); return in words what is none, a tuple."""
    refused = []
    for name, kind, content in members(pack):
        if not any(fits(name, pattern) for pattern in patterns):
            continue
        if kind in (b"0", b"\0"):
            remove(to / name)
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes(content)
        else:
            refused.append(f"{name} is {KINDS.get(kind, 'of an unknown kind')}, not a file")
    return tuple(refused)


def remove(path):
    """Delete whatever is at path, if anything is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def fits(name, pattern):
    """Whether a plain relative name, without .. or odd characters, matches a pattern part by part."""
    parts, wanted = name.split("/"), pattern.split("/")
    return (len(parts) == len(wanted) and ".." not in parts
            and all(PART.fullmatch(part) and fnmatchcase(part, want) for part, want in zip(parts, wanted)))


def members(pack):
    """The (name, kind, content) of each member of a pack, up to its end or to what is no header."""
    at = 0
    while len(header := pack[at:at + BLOCK]) == BLOCK and header[257:262] == b"ustar":
        name, size, prefix = header[:100], header[124:136].strip(b" \0"), header[345:500]
        if not re.fullmatch(rb"[0-7]{1,11}", size):
            return
        whole = b"/".join(part.split(b"\0")[0] for part in (prefix, name) if part[0])
        content = pack[at + BLOCK:at + BLOCK + int(size, 8)]
        if len(content) < int(size, 8):
            return
        yield whole.decode("utf-8", "replace").rstrip("/"), header[156:157], content
        at += BLOCK + -(-int(size, 8) // BLOCK) * BLOCK
