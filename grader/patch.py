"""Applies a patch (git format-patch, git diff, diff -ru) to a tree in memory. A hunk must fit to the letter; it may have moved."""

import email.utils
import re
from dataclasses import dataclass

from .tree import BYTES, is_product
from .unpack import DEPTH, Refused, safe_name, shown

MAIL = re.compile(r"^From [0-9a-f]{40} .*$", re.M)
DATE = re.compile(r"^Date: (.{1,100})$", re.M)
HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
UNTOLD = re.compile(r"^(?:Only in (?P<place>.{1,300}): (?P<name>.{1,300})|Binary files .{1,300} and (?P<path>.{1,300}) differ)$", re.M)
SAME = re.compile(r'diff --git "?(?P<one>[^/"\s]+/)(?P<name>.+?)"? "?(?!(?P=one))[^/"\s]+/(?P=name)"?'
                  r'|diff --git "?(?P<bare>.+?)"? "?(?P=bare)"?')       # git's line for a file that has one name
NOWHERE = re.compile(r"/dev/null$|.*\t(?:1970-01-01|1969-12-31) ")      # a side of a change without a file
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
LARGEST = 4 << 20           # bytes of a patch
HUNKS = 5000                # in a patch, and files
LONGEST = 400               # characters of a line that names files
MOVED = 500                 # lines that a hunk may have moved


@dataclass
class Change:
    """What a patch does to one file. Names are as the patch has them; None: there is no file on that side."""

    old: str | None
    new: str | None
    hunks: tuple = ()
    copies: bool = False


@dataclass(frozen=True)
class Hunk:
    """Lines (with their ends) that are there, from line start on (the first is 0), and those that take their place."""

    start: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def applied(patch, files):
    """What files (bytes by path) come to with a patch (bytes), its mails' last time (POSIX seconds or None), and notes.

    Raises Refused where it does not fit, or leads out of the tree."""
    if len(patch) > LARGEST:
        raise Refused(f"a patch larger than {LARGEST >> 20} MiB")
    text = patch.decode("utf-8", "surrogateescape")
    changes = parse(text.split("\n"))
    if not changes:
        raise Refused("a patch that changes no file")
    files, old, new = dict(files), level([c.old for c in changes], files), level([c.new for c in changes], files)
    size = 0
    for change in changes:
        size += apply(change, path(change.old, old), path(change.new, new), files)
        if size > BYTES:
            raise Refused(f"a patch that makes more than {BYTES >> 20} MiB of files")
    dates = [email.utils.parsedate_tz(date) for date in DATE.findall(text)] if MAIL.search(text) else []
    return files, max((email.utils.mktime_tz(date) for date in dates if date), default=None), untold(text)


def untold(text):
    """A note of the files of which a patch says that they are there, but not what they hold."""
    said = [m["path"] or m["place"].split("/")[-1] + "/" + m["name"] for m in UNTOLD.finditer(text)]
    names = [name for name in said if not made_by_build(name)]
    more = ", ".join(map(shown, names[:5]))
    return [f"the patch says that these differ, but not how (diff -ruN does): {more}"] if names else []


def made_by_build(name):
    """Whether a name in a patch is of what a build makes; folders may stand before those of the tree."""
    return is_product("/".join(name.split("/")[-2:]))


def apply(change, old, new, files):
    """Carry a Change between the paths old and new out in files, which is changed; return the bytes of the new file."""
    made = old is None or old not in files and not any(hunk.before for hunk in change.hunks)
    if old not in files and new in files and not made:
        old = new                               # such as --- vm.c.orig, +++ vm.c
    if made and new in files:
        raise Refused(f"{shown(new)}: the patch makes it, but the handout has it")
    if not made and old not in files:
        raise Refused(f"{shown(old)}: the patch changes it, but the handout has no such file")
    lines = [] if made else split(files[old].decode("utf-8", "surrogateescape"))
    moved = 0
    for number, hunk in enumerate(change.hunks, 1):
        at = fit(lines, hunk, hunk.start + moved)
        if at is None:
            raise Refused(f"{shown(new or old)}: hunk {number} of the patch does not fit the handout's file")
        lines[at:at + len(hunk.before)] = hunk.after
        moved = at - hunk.start + len(hunk.after) - len(hunk.before)
    if not made and not change.copies:
        del files[old]
    if new is None:
        return 0
    files[new] = "".join(lines).encode("utf-8", "surrogateescape")
    return len(files[new])


def split(text):
    """The lines of a text with their ends."""
    *whole, last = text.split("\n")
    return [line + "\n" for line in whole] + [last] * bool(last)


def fit(lines, hunk, wanted):
    """Where the hunk's lines are, as near to wanted as may be; None if nowhere near."""
    length = len(hunk.before)
    for distance in range(MOVED):
        for at in (wanted - distance, wanted + distance):
            if 0 <= at <= len(lines) - length and (not length or lines[at] == hunk.before[0]) \
                    and tuple(lines[at:at + length]) == hunk.before:
                return at
    return None


def level(names, files):
    """How many folders to take off one side's names so that most are in files; if none is, so that most lie in folders there."""
    names = [parts(name) for name in names if name is not None]
    folders = {name.rpartition("/")[0] for name in files} - {""}
    for fits in (lambda name: name in files, lambda name: name.rpartition("/")[0] in folders):
        found = {strip: sum(fits("/".join(name[strip:])) for name in names) for strip in range(DEPTH)}
        if any(found.values()):
            return max(found, key=found.get)
    if names:
        raise Refused(f"{shown('/'.join(names[0]))}: a patch that names no file or folder of the handout")
    return 0


def parts(name):
    """The parts of a name in a patch, without what stands for where diff was run. Raises Refused if it leads out of there."""
    return safe_name(re.sub(r"^(?:\.{0,2}/)+", "", name)).split("/")


def path(name, strip):
    """A name's path in the tree; None for None."""
    if name is None:
        return None
    found = "/".join(parts(name)[strip:])
    if not found:
        raise Refused(f"{shown(name)}: a patch whose names begin in different folders")
    return found


# Reading a patch.

def parse(lines):
    """The Changes that the lines of a patch say. Raises Refused for what can't be followed."""
    changes, header, at, hunks = [], {}, 0, 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("diff "):
            if len(line) > LONGEST or len(changes) > HUNKS:
                raise Refused(f"{shown(line)}: a patch of more than {HUNKS} files, or with longer names than {LONGEST // 2} bytes")
            changes += without_hunks(header)
            header = {"diff": line}
        elif line.startswith("--- ") and HUNK.match("".join(lines[at + 2:at + 3])) and lines[at + 1].startswith("+++ "):
            old, new = named(line[4:]), named(lines[at + 1][4:])
            found, at = read_hunks(lines, at + 2, new or old)
            changes.append(Change(old, new, found, header.get("copies", False)))
            header, hunks = {}, hunks + len(found)
            if hunks > HUNKS:
                raise Refused(f"a patch of more than {HUNKS} hunks")
            continue
        elif header:
            note(header, line)
        at += 1
    return changes + without_hunks(header)


def note(header, line):
    """Keep in the dict header what a line between git's "diff" and the first hunk says."""
    if re.match(r"(?:(?:new file|new|old|deleted file) mode 120000|index \S+ 120000)$", line):
        raise Refused(f"{shown(header['diff'])}: a symbolic link; hand in regular files only")
    if line.startswith(("GIT binary patch", "Binary files ")):
        same = SAME.fullmatch(header["diff"])
        if line.startswith("GIT") and not (same and made_by_build(same["name"] or same["bare"])):
            raise Refused(f"{shown(header['diff'])}: a binary file, which a patch can't bring")
        header.pop("old", None), header.pop("new", None)
    elif side := re.match(r"(rename|copy) (from|to) (.+)", line):
        header["old" if side[2] == "from" else "new"] = side[3]
        header["copies"] = side[1] == "copy"
    elif made := re.match(r"(new|deleted) file mode", line):
        same = SAME.fullmatch(header["diff"])
        if not same:
            raise Refused(f"{shown(header['diff'])}: a patch that was edited")
        name = same["name"] or same["bare"]
        header["new" if made[1] == "new" else "old"] = f'"{name}"' if "\\" in name else name


def without_hunks(header):
    """The Change that a header of git means by itself, as a list of one or none: renamed, copied, made empty, deleted.

    Where other lines have a folder before the tree's, such as a/ and b/, these names have none: they get one."""
    old, new = header.get("old"), header.get("new")
    if old is None and new is None:
        return []
    bare = header["diff"] == f"diff --git {old or new} {new or old}"
    old, new = (name and ("" if bare else "a/") + unquoted(name) for name in (old, new))
    return [Change(old, new, (), header.get("copies", False))]


def named(text):
    """The name in a line that starts with --- or +++; None where there is no file on that side."""
    return None if NOWHERE.match(text) else unquoted(text.split("\t")[0].rstrip())


def unquoted(text):
    """A name as git writes it, without its quotes and escapes."""
    if not (len(text) > 1 and text[0] == text[-1] == '"'):
        return text
    def meant(m):
        return chr(int(m[1], 8) & 255) if len(m[1]) == 3 else ESCAPES.get(m[1], m[1])

    raw = re.sub(r"\\([0-7]{3}|.)", meant, text[1:-1])
    return raw.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def read_hunks(lines, at, name):
    """The Hunks from line at of a patch on, and the number of the line behind them. Raises Refused if they are broken."""
    hunks = []
    while at < len(lines) and (head := HUNK.match(lines[at])):
        old, new = (1 if count is None else int(count) for count in (head[2], head[4]))
        before, after, at = [], [], at + 1
        while at < len(lines):
            mark, rest = lines[at][:1], lines[at][1:] + "\n"
            if mark == "\\":
                unended(lines[at - 1][:1], before, after)
            elif (len(before), len(after)) == (old, new) or mark not in ("", " ", "-", "+"):
                break
            else:
                before += [rest] * (mark != "+")
                after += [rest] * (mark != "-")
            at += 1
        if (len(before), len(after)) != (old, new):
            raise Refused(f"{shown(name)}: a patch that was cut off or edited: "
                          f"hunk {len(hunks) + 1} has other lines than it says")
        hunks.append(Hunk(int(head[1]) - (old > 0), tuple(before), tuple(after)))
    return tuple(hunks), at


def unended(mark, before, after):
    """The line that came last, behind mark in the patch, has no end in the file."""
    for side in (before,) * (mark != "+") + (after,) * (mark != "-"):
        side[-1:] = [line.removesuffix("\n") for line in side[-1:]]
