"""Judges from outside what labs/hidden/oracle.c and oracleext.c did: by page tables read while it ran, and the disk as it was at the end."""

import struct
from dataclasses import dataclass, replace

from . import CouldNotGrade, diskread, machine, sandbox
from .marks import MASK, R, U, W, X, Watch, mixed, secret

MARK = 0x4000                   # where the program has mark()
PAGE = 4096
GOLDEN = 0x9e3779b97f4a7c15
FIRST, SECOND = 0, 100          # words of a page that are stored to
LAST = PAGE // 8 - 1
IDLE = 20.0                     # seconds in which nothing runs: the machine stands still at marks
LIMITS = sandbox.Limits(cpu=10, wall=60, output=1 << 16)
SHOWN = 3                       # problems of a disk that are told

# As in the programs.
UNTOUCHED, TOUCHED, READSHARED, READPRIVATE, PARTLY, GONE, PARENT, CHILD, OWNER, STRANGER = range(1, 11)
LAZY, READ, TAKEN, PART, PRIVATE, MANY, ENDED = range(1, 8)
COPIED, INHERITED, SHARED = range(ENDED + 9, ENDED + 12)
(ANONFRESH, ANONTOUCHED, ANONPARENT, ANONCHILD, REPLACED, PROTWRITE, PROTREAD, PROTNONE, PROTAGAIN, TOLDPAGES, TOLDANSWER,
 ADDRESSES, FORKEDPARENT, FORKEDCHILD, APARTPARENT, APARTCHILD, OWNAGAIN) = range(20, 37)
PLAIN, FAMILY, UNDER, OVER, RIGHTS, TOLD, WHERE, FORKED, SYNCED, TRUTH = range(20, 30)
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


# Pages of tasks 9 to 14.

def holds(page, word, what):
    """The Page, which a process must have, with a word at its start."""
    if mapped(page, what).word != word:
        raise Wrong(f"{what}: physical memory does not have there what was stored")
    return page


def anon(traces):
    """Anonymous memory is not there before a touch, and zero then."""
    absent(traces.mark(ANONFRESH), range(4), "before the first touch of anonymous memory")
    pages = traces.mark(ANONTOUCHED)
    holds(pages[0], 0, "after a load from page 0 of anonymous memory")
    holds(pages[2], traces.stored(PLAIN, 2, FIRST), "after a store to page 2 of anonymous memory")


def family(traces):
    """Parent and child have the same pages of MAP_SHARED memory, whoever touched them first."""
    for n, (parent, child) in enumerate(zip(traces.mark(ANONPARENT), traces.mark(ANONCHILD))):
        word = traces.stored(FAMILY, n, FIRST)
        same_page(holds(parent, word, f"MAP_SHARED memory, page {n}, the parent"),
                  holds(child, word, f"MAP_SHARED memory, page {n}, the child"), f"MAP_SHARED memory: page {n}")


def same_page(parent, child, what):
    """Parent and child must have one physical page."""
    if parent.address != child.address:
        raise Wrong(f"{what} is at {parent.address:#x} in the parent, and at {child.address:#x} in the child")


def replaced(traces):
    """What MAP_FIXED replaced is gone from the page table, and on the disk; its neighbours are there."""
    pages = traces.mark(REPLACED)
    for n in (0, 3):
        holds(pages[n], traces.stored(UNDER, n, FIRST), f"beside what MAP_FIXED replaced, page {n}")
    holds(pages[2], traces.stored(OVER, 2, FIRST), "after a store to what MAP_FIXED put over page 2")
    if pages[1] is not None and pages[1].word != 0:
        raise Wrong("page 1, over which MAP_FIXED put anonymous memory, is neither gone nor zero")
    on_disk(traces, "o.under", UNDER, 4 * PAGE, [(n, FIRST) for n in range(4)], "after MAP_FIXED over two of its pages, and munmap")


def rights(traces):
    """PTEs follow mprotect, and pages keep their content."""
    words = [traces.stored(RIGHTS, n, FIRST) for n in range(4)]
    for n, page in enumerate(traces.mark(PROTWRITE)):
        if not holds(page, words[n], f"after a store to page {n}").bits & W:
            raise Wrong(f"after a store: the PTE of page {n} has no W")
    for n in (1, 2):
        if holds(traces.mark(PROTREAD)[n], words[n], f"after mprotect, page {n}").bits & (W | X):
            raise Wrong(f"after mprotect with PROT_READ: the PTE of page {n} has W or X")
    none = traces.mark(PROTNONE)[2]
    if none is not None and none.bits & U and none.bits & (R | W | X):
        raise Wrong(f"after mprotect with PROT_NONE: the process may use page 2 (PTE bits {none.bits:#x})")
    for n, page in enumerate(traces.mark(PROTAGAIN)):
        if not holds(page, words[n], f"after mprotect back, page {n}").bits & W:
            raise Wrong(f"after mprotect back, and a store: the PTE of page {n} has no W")


def told(traces):
    """numvp and numpp say how many pages up to the end of the heap there are, and how many of them the page table has."""
    answer, pages = traces.mark(TOLDANSWER)[0], traces.mark(TOLDPAGES)
    there = mapped(answer, "the page with what the kernel answered").word - traces.stored(TOLD, 0, 0) & MASK
    virtual, physical = there >> 32, there & 0xffffffff
    present = sum(page is not None for page in pages)
    if (virtual, physical) != (len(pages), present):
        raise Wrong(f"numvp and numpp told {virtual} and {physical} pages; there are {len(pages)}, and {present} in the page table")


def where(traces):
    """va2pa says where a page is, and getwmapinfo how many there are."""
    pages = traces.mark(ADDRESSES)
    for n in (2, 4):
        told_address = mapped(pages[n], f"after a store to page {n}").word - traces.stored(WHERE, n, FIRST) & MASK
        if told_address != pages[n].address + n:
            raise Wrong(f"va2pa told {told_address:#x} for byte {n} of page {n}, which is at {pages[n].address:#x}")
    count = mapped(pages[0], "after a store to page 0").word - traces.stored(WHERE, 0, FIRST) & MASK
    present = sum(page is not None for page in pages)
    if count != present:
        raise Wrong(f"getwmapinfo told {count} loaded pages; {present} are in the page table")


def forked(traces):
    """After fork there is one page for both, which neither may write; whoever stores has his own; the last owner copies nothing."""
    words = [traces.stored(FORKED, n, FIRST) for n in range(3)]
    before, after = traces.mark(FORKEDPARENT), traces.mark(APARTPARENT)
    for n, (parent, child) in enumerate(zip(before, traces.mark(FORKEDCHILD))):
        for page, who in ((parent, "parent"), (child, "child")):
            if holds(page, words[n], f"after fork, page {n}, the {who}").bits & W:
                raise Wrong(f"after fork, before a store: the PTE of page {n} has W in the {who}")
        same_page(parent, child, f"after fork, before a store: page {n}")
    for n, (parent, child) in enumerate(zip(after, traces.mark(APARTCHILD))):
        holds(parent, words[n], f"after a store to page {n}, the parent")
        holds(child, words[n], f"after a store to page {n}, the child")
        if n < 2 and parent.address == child.address:
            raise Wrong(f"the {('child', 'parent')[n]} stored to page {n}, and it is still the other's too, at {parent.address:#x}")
    same_page(after[2], traces.mark(APARTCHILD)[2], "that nobody stored to: page 2")
    own = holds(traces.mark(OWNAGAIN)[2], words[2], "the last owner of page 2, after a store")
    if own.address != before[2].address:
        raise Wrong(f"the last owner of page 2 stored to it, and has a copy, at {own.address:#x}; it was at {before[2].address:#x}")
    if not own.bits & W:
        raise Wrong("the last owner of page 2 stored to it, and its PTE has no W")


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


def synced(traces):
    """What was stored before msync is on the disk, though nobody has unmapped it. What nobody asked for may be there too."""
    words = struct.unpack("<2048Q", traces.file("o.synced")[:4 * PAGE].ljust(4 * PAGE, b"\0"))
    for page, word in ((0, FIRST), (1, FIRST), (2, FIRST), (1, SECOND)):
        if words[page * PAGE // 8 + word] != traces.stored(SYNCED, page, word):
            raise Wrong(f"after msync: what was stored to page {page} of o.synced is not on the disk")
    for at, there in enumerate(words):
        page, word = divmod(at, PAGE // 8)
        if there not in (traces.original(SYNCED, page, word), traces.stored(SYNCED, page, word)):
            raise Wrong(f"after msync: byte {word * 8} of page {page} of o.synced on the disk is nobody's")


def truth(traces):
    """Stores to a mapping, and what was written to the same page meanwhile."""
    stores = [(page, word) for page in range(2) for word in (FIRST, SECOND)]
    on_disk(traces, "o.truth", TRUTH, 2 * PAGE, stores, "after stores, write and munmap")


# By the names of the programs' sections.
CHECKS = {"page-lazy": lazy, "page-readonly": readonly, "page-taken": taken,
          "disk-parts": parts, "disk-many": many, "disk-ends": ends,
          "disk-nameless": nameless, "page-copies": copies, "disk-inherited": inherited, "page-shared": shared,
          "page-anon": anon, "page-family": family, "page-replaced": replaced, "page-rights": rights, "page-told": told,
          "page-where": where, "page-forked": forked, "disk-synced": synced, "disk-truth": truth}
