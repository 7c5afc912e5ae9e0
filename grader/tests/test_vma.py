"""The kernel's table of mappings, compiled for the host and compared with a list of tuples."""

import ctypes
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

HERE = Path(__file__).resolve().parent
SOLUTION = HERE.parents[1] / "solution"
PAGE = 4096
BASE, TOP = 0x40000000, 0x80000000
SLOTS = 128
PLACES = [BASE + n * PAGE for n in range(13)] + [TOP - n * PAGE for n in range(12, -1, -1)]
NONE = (1 << 64) - 1            # -1, as a uint64


class Area(NamedTuple):
    """A mapping; file is 0 to 3, None for anonymous memory."""

    start: int
    end: int
    prot: int = 3
    flags: int = 1
    file: int | None = None
    off: int = 0


class Vma(ctypes.Structure):
    """struct vma of proc.h."""

    _fields_ = [("start", ctypes.c_uint64), ("end", ctypes.c_uint64), ("prot", ctypes.c_int), ("flags", ctypes.c_int),
                ("file", ctypes.c_void_p), ("off", ctypes.c_uint64)]


class Table:
    """The C code's table, with the calls of vma.c as methods."""

    def __init__(self, library, size):
        self.c = library
        self.owner = ctypes.c_void_p(library.host_table(ctypes.c_uint64(size)))
        self.files = library.host_references()

    def vma(self, area):
        file = None if area.file is None else ctypes.addressof(self.files.contents) + area.file * ctypes.sizeof(ctypes.c_int)
        return Vma(*area._replace(file=file))

    def areas(self):
        """What the table has, as a list of Areas."""
        return [Area(v.start, v.end, v.prot, v.flags, self.number(v.file), v.off)
                for v in self.c.host_vmas()[:self.c.host_count()]]

    def number(self, file):
        return None if file is None else (file - ctypes.addressof(self.files.contents)) // ctypes.sizeof(ctypes.c_int)

    def references(self):
        return self.files[:4]

    def find(self, address):
        return self.c.findvma(self.owner, ctypes.c_uint64(address))

    def insert(self, area):
        self.c.insertvma(self.owner, self.find(area.start), self.vma(area))

    def remove(self, index):
        self.c.removevma(self.owner, index)

    def split(self, index, address):
        self.c.splitvma(self.owner, index, ctypes.c_uint64(address))

    def merge(self, index):
        return self.c.mergevma(self.owner, index)

    def place(self, length):
        return self.c.placevma(self.owner, ctypes.c_uint64(length))

    def free(self, start, end):
        return self.c.freerange(self.owner, ctypes.c_uint64(start), ctypes.c_uint64(end))

    def cuts(self, start, end):
        return self.c.cuts(self.owner, ctypes.c_uint64(start), ctypes.c_uint64(end))

    def slots(self, start, end):
        return self.c.slots(self.owner, ctypes.c_uint64(start), ctypes.c_uint64(end))


def load(directory):
    """Compile vma_host.c into directory (a Path) and load it."""
    library = directory / "vma.so"
    subprocess.run(["cc", "-ffreestanding", "-fno-builtin", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-DLAB_TASK=14",
                    f"-I{SOLUTION}", f"-I{SOLUTION}/kernel", "-o", library, HERE / "vma_host.c"], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.host_table.restype = ctypes.c_void_p
    loaded.host_vmas.restype = ctypes.POINTER(Vma)
    loaded.host_references.restype = ctypes.POINTER(ctypes.c_int)
    loaded.placevma.restype = ctypes.c_uint64
    return loaded


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return load(tmp_path_factory.mktemp("vma"))


# ---- the model: what each call must do, said in another way

def overlaps(area, start, end):
    return area.start < end and start < area.end


def first_after(areas, address):
    return next((i for i, area in enumerate(areas) if area.end > address), len(areas))


def fitting(areas, size, length):
    """The lowest address where length bytes fit; 0 if there is none."""
    floor = max(BASE, -(-size // PAGE) * PAGE)
    starts = [floor] + [area.end for area in areas]
    return min((at for at in starts if at >= floor and at + length <= TOP
                and not any(overlaps(area, at, at + length) for area in areas)), default=0)


def without(areas, start, end):
    """What is left of the areas when [start, end) is taken away."""
    ends = [(area.start, min(area.end, start)) for area in areas] + [(max(area.start, end), area.end) for area in areas]
    return [piece for piece in ends if piece[0] < piece[1]]


def continues(one, other):
    """Whether two neighbours are one mapping."""
    return one.end == other.start and one[2:5] == other[2:5] and one.off + one.end - one.start == other.off


class Areas(RuleBasedStateMachine):
    """Random calls; after each, the table must be the model's."""

    library = None

    @initialize(size=st.sampled_from([0x5000, BASE, BASE + PAGE + 100]))
    def begin(self, size):
        self.size, self.areas = size, []
        self.table = Table(self.library, size)

    @rule(a=st.sampled_from(PLACES), b=st.sampled_from(PLACES), prot=st.sampled_from([1, 3]), flags=st.sampled_from([1, 2]),
          file=st.sampled_from([None, 0, 1, 3]), shift=st.sampled_from([0, 0, 0, PAGE]))
    def insert(self, a, b, prot, flags, file, shift):
        start, end = min(a, b), max(a, b)
        if start == end or start < self.size or any(overlaps(area, start, end) for area in self.areas):
            return
        area = Area(start, end, prot, flags, file, start - BASE + shift)
        self.table.insert(area)
        self.areas = sorted([*self.areas, area])

    @precondition(lambda self: self.areas)
    @rule(data=st.data())
    def remove(self, data):
        index = data.draw(st.integers(0, len(self.areas) - 1))
        self.table.remove(index)
        del self.areas[index]

    @rule(address=st.sampled_from(PLACES))
    def split(self, address):
        for index, area in enumerate(self.areas):
            if area.start < address < area.end:
                self.table.split(index, address)
                self.areas[index:index + 1] = [area._replace(end=address),
                                               area._replace(start=address, off=area.off + address - area.start)]
                return

    @rule(data=st.data())
    def merge(self, data):
        index = data.draw(st.integers(-1, len(self.areas)))
        pair = self.areas[index:index + 2] if index >= 0 else []
        alike = len(pair) == 2 and continues(*pair)
        assert bool(self.table.merge(index)) == alike
        if alike:
            self.areas[index:index + 2] = [pair[0]._replace(end=pair[1].end)]

    @rule(a=st.sampled_from(PLACES), b=st.sampled_from(PLACES), beyond=st.booleans())
    def look(self, a, b, beyond):
        start, end = min(a, b), max(a, b) + PAGE * beyond
        fits = start >= max(BASE, self.size) and end <= TOP and not any(overlaps(area, start, end) for area in self.areas)
        if start < end:
            assert bool(self.table.free(start, end)) == fits
            assert len(self.areas) + self.table.slots(start, end) == len(without(self.areas, start, end)) + 1
        assert self.table.cuts(start, end) == sum(area.start < at < area.end for area in self.areas for at in (start, end))

    @rule(length=st.sampled_from([PAGE, 2 * PAGE, 5 * PAGE, TOP - BASE - 30 * PAGE, TOP - BASE]))
    def place(self, length):
        assert self.table.place(length) == fitting(self.areas, self.size, length)

    @rule(address=st.sampled_from([at + more for at in PLACES for more in (-1, 0, 1)] + [0, NONE]))
    def find(self, address):
        assert self.table.find(address) == first_after(self.areas, address)

    @invariant()
    def alike(self):
        assert self.table.areas() == self.areas
        assert self.table.references() == [sum(area.file == file for area in self.areas) for file in range(4)]
        assert self.library.host_strays() == 0


def test_the_table_does_what_the_model_does(library):
    machine = type("Areas", (Areas,), {"library": library})
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))


# ---- the edges

def full(library):
    """A Table without a free slot: a page each, and one free between two."""
    table = Table(library, 0x5000)
    for number in range(SLOTS):
        table.insert(Area(BASE + 2 * number * PAGE, BASE + (2 * number + 1) * PAGE, file=number % 4, off=number * PAGE))
    return table


def test_each_of_as_many_as_fit_is_found(library):
    table = full(library)
    for number in range(SLOTS):
        start = BASE + 2 * number * PAGE
        assert [table.find(at) for at in (start - 1, start, start + PAGE - 1, start + PAGE)] == [number] * 3 + [number + 1]
    assert table.find(0) == 0 and table.find(NONE) == SLOTS and library.host_strays() == 0


@pytest.mark.parametrize("index", [0, 1, 63, 126, 127])
def test_a_slot_of_a_full_table_is_used_again(library, index):
    table = full(library)
    before = table.areas()
    table.remove(index)
    assert table.areas() == before[:index] + before[index + 1:]
    table.insert(before[index])
    assert table.areas() == before and table.references() == [SLOTS // 4] * 4 and library.host_strays() == 0


@pytest.mark.parametrize("index", [0, 64, 126])
def test_a_split_takes_the_last_slot_and_a_merge_gives_it_back(library, index):
    table = full(library)
    table.remove(index + 1)
    table.remove(index)
    low = BASE + 2 * index * PAGE
    table.insert(Area(low, low + 3 * PAGE, file=2, off=7 * PAGE))
    table.split(index, low + PAGE)
    halves = table.areas()[index:index + 2]
    assert halves == [Area(low, low + PAGE, file=2, off=7 * PAGE), Area(low + PAGE, low + 3 * PAGE, file=2, off=8 * PAGE)]
    assert library.host_count() == SLOTS and sum(table.references()) == SLOTS
    assert table.merge(index) == 1 and table.merge(SLOTS - 2) == 0
    assert library.host_count() == SLOTS - 1 == sum(table.references()) and library.host_strays() == 0


def test_all_of_the_range_can_be_one_mapping(library):
    table = Table(library, 0x5000)
    assert table.place(TOP - BASE) == BASE and table.free(BASE, TOP)
    assert not table.free(BASE - PAGE, TOP) and not table.free(BASE, TOP + PAGE)
    table.insert(Area(BASE, TOP))
    assert table.place(PAGE) == 0 and not table.free(TOP - PAGE, TOP) and not table.free(BASE, BASE + PAGE)
    assert table.find(TOP - 1) == 0 and table.find(TOP) == 1
    assert table.cuts(BASE, TOP) == 0 and table.cuts(BASE + PAGE, TOP - PAGE) == 2


def test_the_heap_is_no_place(library):
    table = Table(library, BASE + 3 * PAGE + 1)
    assert table.place(PAGE) == BASE + 4 * PAGE
    assert not table.free(BASE + 3 * PAGE, BASE + 5 * PAGE) and table.free(BASE + 4 * PAGE, BASE + 5 * PAGE)


@pytest.mark.parametrize("change", [{"prot": 1}, {"flags": 2}, {"file": 1}, {"file": None}, {"off": 0},
                                    {"start": BASE + 2 * PAGE, "end": BASE + 3 * PAGE}])
def test_what_differs_is_not_merged(library, change):
    table = Table(library, 0)
    table.insert(Area(BASE, BASE + PAGE, file=0))
    table.insert(Area(BASE + PAGE, BASE + 2 * PAGE, file=0, off=PAGE)._replace(**change))
    before = table.areas()
    assert table.merge(0) == 0 and table.areas() == before
