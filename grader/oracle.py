"""Judges from outside what labs/hidden/oracle.c did: by page tables read while it ran, and the disk as it was at the end."""

import struct
from dataclasses import dataclass, replace

from . import CouldNotGrade, diskread, machine, sandbox
from .marks import MASK, R, U, W, Watch, mixed, secret

MARK = 0x4000                   # where the program has mark()
PAGE = 4096
GOLDEN = 0x9e3779b97f4a7c15
FIRST, SECOND = 0, 100          # words of a page that are stored to
LAST = PAGE // 8 - 1
IDLE = 20.0                     # seconds in which nothing runs: the machine stands still at marks
LIMITS = sandbox.Limits(cpu=10, wall=60, output=1 << 16)
SHOWN = 3                       # problems of a disk that are told

# As in the program.
UNTOUCHED, TOUCHED, READSHARED, READPRIVATE, PARTLY, GONE, PARENT, CHILD, OWNER, STRANGER = range(1, 11)
LAZY, READ, TAKEN, PART, PRIVATE, MANY, ENDED = range(1, 8)
COPIED, INHERITED, SHARED = range(ENDED + 9, ENDED + 12)
WAYS = {"exit": "by exit", "kill": "by kill", "exec": "by exec", "fault": "by a fault"}


class Wrong(Exception):
    """Something is not as it must be. The text says what."""


@dataclass(frozen=True)
class Traces:
    """What a run left: Marks by number, the disk (an Image, or why there is none), what fsck says of it, and the key."""

    marks: dict
    disk: object
    problems: tuple[str, ...]
    key: int

    def mark(self, number):
        """The Pages that a mark tells."""
        if number not in self.marks:
            raise Wrong("the program did not come to where its page table is looked at")
        return self.marks[number].pages

    def file(self, name):
        """The bytes of a file on the disk."""
        if isinstance(self.disk, str):
            raise Wrong(f"the disk can't be read after the run: {self.disk}")
        try:
            content = self.disk.file(name)
        except diskread.DiskError as error:
            raise Wrong(f"the disk can't be read after the run: {error}") from None
        if content is None:
            raise Wrong(f"the disk has no file {name} after the run")
        return content

    def original(self, file, page, word):
        """What the program wrote into a word of a page of a file when it made the file."""
        return mixed(secret(self.key, file, page, 0) + word * GOLDEN & MASK)

    def stored(self, file, page, word):
        """What the program stores there instead."""
        return secret(self.key, file, page, word + 1)


def run(disk, guest, program, budget, out, stop=None):
    """Run the program on a Machine, and look at what it did from outside; return its Transcript.

    disk is the Disk that guest boots; the rest is as in machine.run(). Raises CouldNotGrade."""
    watch = Watch(MARK, disk.key)
    found = machine.run(replace(guest, keep=True), program, budget, IDLE, out, stop=stop, attend=watch.attend)
    image = out.with_suffix(".img")
    try:
        content = diskread.read(image)
    except diskread.DiskError as error:
        content = str(error)
    except OSError as error:
        raise CouldNotGrade(f"can't read {image}: {error}") from error
    traces = Traces(watch.marks, content, fsck(disk.tree / "fsck", image, guest.box), disk.key)
    return replace(found, outside=judge(traces))


def judge(traces):
    """For each section that leaves Traces: its name, and what is wrong, in words ("": nothing)."""
    return tuple((name, verdict(check, traces)) for name, check in CHECKS.items())


def verdict(check, traces):
    """What a check finds wrong, or ""."""
    try:
        check(traces)
    except Wrong as wrong:
        return str(wrong)
    return ""


def fsck(checker, image, box):
    """What the checker of the crash tests says is wrong with a disk image: lines. Raises CouldNotGrade if it does not work.

    On a disk that is not made to hinder it, it needs a moment and prints little."""
    result = sandbox.run([str(checker.resolve()), str(image.resolve())], image.parent, LIMITS, box,
                         read=(checker.resolve(), image.resolve()))
    if result.cut.startswith(("it printed more", "it used more")):
        return (f"when it was checked, {result.cut}",)
    if result.cut or result.status not in (0, 1):
        raise CouldNotGrade(f"the disk can't be checked after the run: {result.cut or result.output.strip()}")
    return tuple(result.output.splitlines()[:-1])


# Pages.

def mapped(page, what):
    """The Page, which a process must have: present, and the user may read it."""
    if page is None:
        raise Wrong(f"{what}: the page table has nothing there")
    if not page.bits & U or not page.bits & R:
        raise Wrong(f"{what}: the process may not read the page (PTE bits {page.bits:#x})")
    return page


def absent(pages, numbers, what):
    """These pages must not be mapped."""
    for n in numbers:
        if pages[n] is not None:
            raise Wrong(f"{what}: page {n} is in the page table")


def lazy(traces):
    """Nothing is there before a touch; afterwards each page has its part of the file."""
    absent(traces.mark(UNTOUCHED), range(4), "before the first touch of a mapping")
    for n, page in enumerate(traces.mark(TOUCHED)):
        if mapped(page, f"after a load from page {n}").word != traces.original(LAZY, n, 0):
            raise Wrong(f"after a load from page {n}: physical memory has other bytes there than the file")


def readonly(traces):
    """What can't be written has no W."""
    for number, kind in ((READSHARED, "MAP_SHARED"), (READPRIVATE, "MAP_PRIVATE")):
        for n, page in enumerate(traces.mark(number)):
            if mapped(page, f"{kind}, PROT_READ: after a load from page {n}").bits & W:
                raise Wrong(f"{kind}, PROT_READ: the PTE of page {n} has W")


def taken(traces):
    """What is unmapped is not there."""
    absent(traces.mark(PARTLY), (1, 2), "after munmap of the middle of a mapping")
    absent(traces.mark(GONE), range(6), "after munmap of the whole of a mapping, in parts")


def copies(traces):
    """A page that the child has stored to is not the parent's any more."""
    parent, child = traces.mark(PARENT), traces.mark(CHILD)
    mine, its = mapped(parent[0], "the parent after fork"), mapped(child[0], "the child after a store")
    if mine.address == its.address:
        raise Wrong(f"MAP_PRIVATE: the child stored to a page, and it is the parent's page too, at {mine.address:#x}")
    if mine.word != traces.stored(COPIED, 0, FIRST) or its.word != mine.word:
        raise Wrong("MAP_PRIVATE: parent's and child's page do not have what the parent stored before fork")
    if mapped(child[1], "the child after a load").word != traces.stored(COPIED, 1, FIRST):
        raise Wrong("MAP_PRIVATE: the child's page does not have what the parent stored before fork")


def shared(traces):
    """One physical page for all who map a page of a file, and what they stored is on the disk."""
    pairs = zip(traces.mark(OWNER), traces.mark(STRANGER))
    for n, (owner, stranger) in enumerate(pairs):
        one, other = mapped(owner, "the first process").address, mapped(stranger, "a process that maps the file itself").address
        if one != other:
            raise Wrong(f"MAP_SHARED: page {n} of a file is at {one:#x} in one process, and at {other:#x} in another")
    stores = [(page, word) for page in range(2) for word in (FIRST, SECOND)]
    on_disk(traces, "o.shared", SHARED, 2 * PAGE, stores, "after munmap in two processes")


# Files.

def on_disk(traces, name, file, size, stores, when):
    """A file on the disk is as it was made, but for the stores: pairs of page and word."""
    content = traces.file(name)
    if len(content) != size:
        raise Wrong(f"{when}: {name} on the disk has {len(content)} bytes, not {size}")
    for page in range(-(-size // PAGE)):
        words = [traces.original(file, page, word) for word in range(PAGE // 8)]
        made = struct.pack("<512Q", *words)
        for _, word in (store for store in stores if store[0] == page):
            words[word] = traces.stored(file, page, word)
        wanted, there = struct.pack("<512Q", *words)[:size - page * PAGE], content[page * PAGE:(page + 1) * PAGE]
        if there == wanted:
            continue
        if there == made[:len(there)]:
            raise Wrong(f"{when}: what was stored to page {page} of {name} is not on the disk")
        at = next(n for n in range(len(wanted)) if wanted[n] != there[n])
        raise Wrong(f"{when}: byte {at} of page {page} of {name} on the disk is {there[at]:#04x}, not {wanted[at]:#04x}")


def parts(traces):
    """munmap in parts writes back; the file does not grow; a private mapping is not written back."""
    stores = [(page, word) for page in range(5) for word in (FIRST, LAST) if (page, word) != (4, LAST)]
    on_disk(traces, "o.part", PART, 4 * PAGE + 1000, stores, "after munmap in parts")
    on_disk(traces, "o.private", PRIVATE, 3 * PAGE, [], "after munmap of a MAP_PRIVATE mapping that was stored to")


def many(traces):
    """Sixty dirty pages, by one munmap."""
    on_disk(traces, "o.many", MANY, 60 * PAGE, [(page, FIRST) for page in range(60)], "after munmap of 60 dirty pages")


def ends(traces):
    """However a process ends, shared pages are written back, private ones are not."""
    for n, (way, how) in enumerate(WAYS.items()):
        stores = [(0, FIRST), (1, FIRST), (3, FIRST)]
        on_disk(traces, f"o.{way}", ENDED + 2 * n, 4 * PAGE, stores, f"after an end {how}")
        on_disk(traces, f"o.{way}.p", ENDED + 2 * n + 1, 2 * PAGE, [], f"MAP_PRIVATE, after an end {how}")


def nameless(traces):
    """Nothing is lost on the disk."""
    if traces.problems:
        raise Wrong("the disk is not whole after the run: " + "; ".join(traces.problems[:SHOWN]))


def inherited(traces):
    """What a child stores into an inherited mapping is written back, and so is what the parent stores."""
    on_disk(traces, "o.inherited", INHERITED, 4 * PAGE, [(0, FIRST), (1, FIRST), (2, FIRST)], "after munmap in parent and child")


# By the names of the program's sections.
CHECKS = {"page-lazy": lazy, "page-readonly": readonly, "page-taken": taken,
          "disk-parts": parts, "disk-many": many, "disk-ends": ends,
          "disk-nameless": nameless, "page-copies": copies, "disk-inherited": inherited, "page-shared": shared}
