"""Reads page tables while a test program runs, at the marks where it stops for that: through QEMU's stub, whatever kernel it is."""

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

from . import CouldNotGrade
from .gdbstub import Ended, Stub

MASK = (1 << 64) - 1
LEVELS = {8: 3, 9: 4, 10: 5}            # of page tables, by the mode in satp
V, R, W, X, U = 1, 2, 4, 8, 16          # bits of a PTE
PPN = (1 << 44) - 1
MOST_PAGES = 128                        # of one mark
MOST_STOPS = 200                        # of one run


@dataclass(frozen=True)
class Page:
    """What a process sees at an address: the physical page, and the PTE's bits."""

    address: int
    bits: int
    word: int | None                    # the first 8 bytes that are there; None: no memory


@dataclass(frozen=True)
class Mark:
    """What a page table said at a mark: for each page from an address on, the Page, or None if nothing is mapped."""

    number: int
    pages: tuple[Page | None, ...]


def mixed(word):
    """A word (64 bits) that tells nothing of the one that it is made from. The same as mix() in labs/hidden/trace.c."""
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9 & MASK
    word = (word ^ word >> 27) * 0x94d049bb133111eb & MASK
    return word ^ word >> 31


def secret(key, *words):
    """A word that is made from words by who knows the key of a Disk. The same as secret() in labs/hidden/trace.c."""
    made = key & MASK
    for word in words:
        made = mixed(made ^ word)
    return mixed(made ^ key >> 64)


def look(stub, satp, address):
    """The Page that a page table has for a virtual address, or None. stub is a Stub, satp a hart's."""
    levels = LEVELS.get(satp >> 60, 0)
    entry = (satp & PPN) << 10 | V
    for level in reversed(range(levels)):
        table = (entry >> 10 & PPN) << 12
        entry = stub.word(table + (address >> 12 + 9 * level & 511) * 8)
        if entry is None or not entry & V:
            return None
        if entry & (R | W | X):
            size = 1 << 12 + 9 * level
            place = (entry >> 10 & PPN) << 12 & -size | address & size - 1
            return Page(place, entry & 0xff, stub.word(place))
    return None


class Watch:
    """The marks of one run: hand attend to machine.run(), and read marks when it has returned.

    address is that of the program's function for marks, key the Disk's."""

    def __init__(self, address, key):
        self.address, self.key = address, key
        self.marks = {}                 # Marks by number; the first counts
        self.trouble = None             # why marks could not be read: what was raised
        self.stops = 0
        self.stood = 0.0                # seconds for which the machine has stood still, and
        self.since = None               # since when it does; None: it runs
        self.ready = threading.Event()  # the breakpoint is set, or can't be

    def standing(self):
        """For how many seconds the machine has been made to stand still so far."""
        since = self.since
        return self.stood + (time.monotonic() - since if since else 0.0)

    @contextmanager
    def attend(self, path):
        """Watch the machine whose stub listens at path (a Path), from the first mark on; gives standing.

        Raises CouldNotGrade if the stub is of no use."""
        over, ring = os.pipe()
        thread = threading.Thread(target=self.work, args=(path, over))
        thread.start()
        try:
            self.ready.wait()           # on a busy host the program could be past its marks before
            yield self.standing
        finally:
            os.close(ring)              # which makes over readable
            thread.join()
            os.close(over)
        if self.trouble:
            raise CouldNotGrade(f"page tables can't be read through QEMU's gdb stub: {self.trouble}") from self.trouble

    def work(self, path, over):
        """Set the breakpoint, and read what marks say until the machine has ended or over can be read."""
        stub, self.since = None, time.monotonic()
        try:
            stub = Stub(path, over)
            stub.breakpoint(self.address)
            self.ready.set()
            while self.stops < MOST_STOPS:
                self.stop(stub, self.run_on(stub))
        except Ended:
            pass
        except Exception as error:      # StubError, or a mistake here: whatever it is, it must not cost points
            self.trouble = error
        finally:
            self.stood, self.since = self.standing(), None
            self.ready.set()
            if stub:
                stub.leave(self.address)

    def run_on(self, stub):
        """Let the machine run until it stops; return the thread that stopped it."""
        self.stood, self.since = self.standing(), None
        stub.resume()
        thread = stub.wait()
        self.since = time.monotonic()
        return thread

    def stop(self, stub, thread):
        """A hart came to the breakpoint: read what it asks for, and send it back to its caller."""
        self.stops += 1
        stub.choose(thread)
        register = stub.registers()
        if register[32] != self.address:
            return
        number, address, pages, tag = register[10:14]
        if tag == secret(self.key, number, address, pages) and pages <= MOST_PAGES and number not in self.marks:
            satp = stub.satp()
            self.marks[number] = Mark(number, tuple(look(stub, satp, address + (page << 12)) for page in range(pages)))
        stub.set_pc(register[1])
