"""What is seen from outside: right kernels pass, and each bug shows where it should; marks and keys; page tables of all kinds."""

import functools
import shutil
import subprocess
import time
from dataclasses import replace

import pytest
from elftools.elf.elffile import ELFFile

from grader import CouldNotGrade, handout, lab, machine, marks, mutants, oracle, score
from grader.gdbstub import Ended
from grader.grade import run_all
from grader.marks import Mark, Page, R, U, V, W, Watch, look, secret
from grader.oracle import PAGE, Traces, judge
from grader.tests import synthetic as syn
from grader.transcript import Ending

HIDDEN = lab.load(strict=True, track="all").hidden
OUTSIDE = {section.name: section for section in HIDDEN.sections if section.outside}
KEY = 0x0123456789abcdef_fedcba9876543210


# Whole kernels.

@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """finished(track): a built tree with all of a track's tasks done (a Path), which mutants are patches of."""
    @functools.cache
    def build(track):
        place = tmp_path_factory.mktemp(track) / "tree"
        handout.write_stage(len(mutants.tasks_of(track)), track, place)
        subprocess.run(["make", "-s", "-j2", "kernel/kernel"], cwd=place, check=True)
        return place
    return build


@pytest.fixture
def seen(finished, solution_disk, tmp_path):
    """seen(mutant, section): what one section shows of a kernel with a bug: the Transcript."""
    def look_at(mutant, section):
        patch = mutants.read(mutants.MUTANTS / f"{mutant}.patch", "mutant")
        tree = shutil.copytree(finished(patch.track), tmp_path / "tree")
        subprocess.run(["patch", "-p1", "--fuzz=0", "--batch", "-s", "-i", patch.path], cwd=tree, check=True)
        subprocess.run(["make", "-s", "kernel/kernel"], cwd=tree, check=True)
        guest = machine.Machine(tree / "kernel/kernel", solution_disk.image)
        return oracle.run(solution_disk, guest, OUTSIDE[section].command, 15, tmp_path / "run.txt")
    return look_at


def test_every_section_has_a_check_and_the_reverse():
    assert sorted(oracle.CHECKS) == sorted(OUTSIDE)


def test_the_solution_is_seen_to_be_right(solution_disk, tmp_path):
    guest, programs = machine.Machine(solution_disk.kernel, solution_disk.image), ["oracle", "oracleext"]
    runs = run_all(guest, solution_disk, programs, HIDDEN, tmp_path, 1, print)
    wrong = {name: dict(run.outside)[name] for run in runs for name, section in OUTSIDE.items() if section.program == run.program}
    assert ([run.ending for run in runs], wrong) == ([Ending.DONE] * 2, dict.fromkeys(OUTSIDE, ""))


@pytest.mark.parametrize("mutant, section, says", [
    ("t3-read-at-once", "page-lazy", "before the first touch of a mapping: page 0 is in the page table"),
    ("t4-write-always", "page-readonly", "MAP_PRIVATE, PROT_READ: the PTE of page 0 has W"),
    ("t5-pages-stay", "page-taken", "after munmap of the middle of a mapping: page 1 is in the page table"),
    ("t5-file-grows", "disk-parts", "o.part on the disk has 20480 bytes, not 17384"),
    ("t5-one-transaction", "disk-many", "what was stored to page 0 of o.many is not on the disk"),
    ("t6-killed-no-write-back", "disk-ends", "after an end by kill: what was stored to page 0 of o.kill is not on the disk"),
    ("t6-exit-leaks-file", "disk-nameless", "in use, but has no links"),
    ("t7-private-shared", "page-copies", "it is the parent's page too"),
    ("t7-dirty-moved", "disk-inherited", "what was stored to page 0 of o.inherited is not on the disk"),
    ("t8-not-shared", "page-shared", "in one process, and at"),
    ("t9-present-at-once", "page-anon", "before the first touch of anonymous memory: page 0 is in the page table"),
    ("t9-shared-if-touched", "page-family", "MAP_SHARED memory, page 1, the child: physical memory does not have there what was stored"),
    ("t10-fixed-drops-dirty", "page-replaced", "what was stored to page 1 of o.under is not on the disk"),
    ("t11-stays-writable", "page-rights", "after mprotect with PROT_READ: the PTE of page 1 has W or X"),
    ("t12-numpp-all", "page-told", "pages; there are"),
    ("t12-va2pa-page", "page-where", "va2pa told"),
    ("t13-always-copies", "page-forked", "the last owner of page 2 stored to it, and has a copy"),
    ("t14-msync-nothing", "disk-synced", "after msync: what was stored to page 0 of o.synced is not on the disk"),
    ("t14-write-to-disk", "disk-truth", "after stores, write and munmap"),
])
def test_a_bug_is_seen(seen, mutant, section, says):
    run = seen(mutant, section)
    assert says in dict(run.outside)[section], run.evidence


def test_a_stub_that_is_not_there_is_no_lost_point(solution_disk, tmp_path):
    with pytest.raises(CouldNotGrade, match="page tables can't be read through QEMU's gdb stub: nobody listens there"):
        with Watch(oracle.MARK, solution_disk.key).attend(tmp_path / "none"):
            pass


def test_marks_of_another_key_are_none(solution_disk, tmp_path):
    guest = machine.Machine(solution_disk.kernel, solution_disk.image)
    run = oracle.run(replace(solution_disk, key=KEY), guest, "oracle page-lazy", 15, tmp_path / "run.txt")
    assert run.ending is Ending.DONE
    assert "did not come to where its page table is looked at" in dict(run.outside)["page-lazy"]


def test_only_the_program_has_code_at_the_mark(solution_disk):
    user = solution_disk.tree / "user"
    with open(user / "_oracle", "rb") as file:
        mark, = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("mark")
    assert mark["st_value"] == oracle.MARK
    for name in ("init", "sh", "echo"):
        with open(user / f"_{name}", "rb") as file:
            assert ELFFile(file).get_section_by_name(".text")["sh_size"] < oracle.MARK


def test_a_disk_that_is_none_is_the_kernels_fault():
    traces = Traces({}, "it is cut off (0 bytes): there is no block 1", ("superblock: bad",), KEY)
    found = dict(judge(traces))
    assert found["disk-ends"] == "the disk can't be read after the run: it is cut off (0 bytes): there is no block 1"
    assert found["disk-nameless"] == "the disk is not whole after the run: superblock: bad"
    assert all(found.values())


# Points.

@pytest.mark.parametrize("outside, passed", [((("page-lazy", ""),), True), ((("page-lazy", "page 0 is there"),), False), ((), False)])
def test_a_section_passes_only_if_console_and_outside_agree(outside, passed):
    rubric = replace(HIDDEN, asked=(4,))
    runs = [syn.run(program, [line for s in rubric.sections if s.program == program for line in (s.title, s.passed)])
            for program in rubric.programs]
    runs = [replace(run, outside=outside + tuple((name, "") for name in OUTSIDE if name != "page-lazy")) for run in runs]
    task, = score.grade(rubric, syn.build([p.name for p in rubric.tests]), runs, syn.TABLE).tasks
    lost = [part for part in task.parts if not part.passed]
    assert [part.name for part in lost] == ([] if passed else [OUTSIDE["page-lazy"].title])
    assert all(part.why.startswith("seen from outside the machine, ") and part.hint for part in lost)


# Checks of made-up traces.

def page(address, bits=V | R | W | U, word=0):
    """A Page."""
    return Page(0x87000000 + address * PAGE, bits, word)


def verdict(section, **told):
    """What a check says of Marks that are given by the name of their number."""
    numbers = {getattr(oracle, name): Mark(getattr(oracle, name), tuple(pages)) for name, pages in told.items()}
    return dict(judge(Traces(numbers, "no disk", (), KEY)))[section]


def copied(word):
    """A word of the file that copies() checks, as the parent stored it before fork."""
    return secret(KEY, oracle.COPIED, word, 1)


def lazy_word(n):
    """The first word of a page of the file that lazy() checks."""
    return Traces({}, "", (), KEY).original(oracle.LAZY, n, 0)


TOUCHED = [page(n, word=lazy_word(n)) for n in range(4)]
MINE = [page(0, word=copied(0)), page(1, word=copied(1)), None]
ITS = [page(7, word=copied(0)), page(1, word=copied(1)), None]


@pytest.mark.parametrize("section, told, says", [
    ("page-lazy", {"UNTOUCHED": [None] * 4, "TOUCHED": TOUCHED}, ""),
    ("page-lazy", {"UNTOUCHED": [None, None, page(1), None], "TOUCHED": TOUCHED}, "page 2 is in the page table"),
    ("page-lazy", {"UNTOUCHED": [None] * 4, "TOUCHED": [*TOUCHED[:3], None]}, "page 3: the page table has nothing there"),
    ("page-lazy", {"UNTOUCHED": [None] * 4, "TOUCHED": [page(0, V | R), *TOUCHED[1:]]}, "page 0: the process may not read"),
    ("page-lazy", {"UNTOUCHED": [None] * 4, "TOUCHED": [page(0), *TOUCHED[1:]]}, "page 0: physical memory has other bytes"),
    ("page-lazy", {"UNTOUCHED": [None] * 4}, "did not come to"),
    ("page-readonly", {"READSHARED": [page(0, V | R | U)], "READPRIVATE": [page(1, V | R | U)]}, ""),
    ("page-readonly", {"READSHARED": [page(0, V | R | U)], "READPRIVATE": [page(1)]}, "MAP_PRIVATE, PROT_READ: the PTE of page 0 has W"),
    ("page-readonly", {"READSHARED": [None], "READPRIVATE": [page(1)]}, "MAP_SHARED, PROT_READ: after a load from page 0"),
    ("page-taken", {"PARTLY": [page(0), None, None, *[page(3)] * 3], "GONE": [None] * 6}, ""),
    ("page-taken", {"PARTLY": [None] * 6, "GONE": [None] * 6}, ""),
    ("page-taken", {"PARTLY": [page(0), None, page(2), *[page(3)] * 3], "GONE": [None] * 6}, "munmap of the middle of a mapping: page 2"),
    ("page-taken", {"PARTLY": [None] * 6, "GONE": [page(0, V | R), *[None] * 5]}, "munmap of the whole of a mapping, in parts: page 0"),
    ("page-copies", {"PARENT": MINE, "CHILD": ITS}, ""),
    ("page-copies", {"PARENT": MINE, "CHILD": [MINE[0], *ITS[1:]]}, "it is the parent's page too, at 0x87000000"),
    ("page-copies", {"PARENT": MINE, "CHILD": [page(7), *ITS[1:]]}, "do not have what the parent stored"),
    ("page-copies", {"PARENT": MINE, "CHILD": [ITS[0], page(1), None]}, "the child's page does not have"),
    ("page-shared", {"OWNER": [page(1), page(2)], "STRANGER": [page(1), page(2)]}, "the disk can't be read"),
    ("page-shared", {"OWNER": [page(1), page(2)], "STRANGER": [page(1), page(3)]},
     "page 1 of a file is at 0x87002000 in one process, and at 0x87003000 in another"),
    ("page-shared", {"OWNER": [page(1), page(2)], "STRANGER": [page(1), None]}, "a process that maps the file itself: the page table"),
])
def test_what_page_tables_show(section, told, says):
    assert says in verdict(section, **told) if says else verdict(section, **told) == ""


# Checks of made-up traces of tasks 9 to 14.

NONE4 = [None] * 4
RO = V | R | U


def pages(file, count, bits=V | R | W | U, first=0, moved=()):
    """Pages that a process stored to, each at a place of its own; the moved ones at another."""
    told = Traces({}, "", (), KEY)
    return [page(first + n + 50 * (n in moved), bits, told.stored(file, n, 0)) for n in range(count)]


def answered(virtual, physical):
    """The page with an answer of numvp and numpp."""
    return [page(99, word=Traces({}, "", (), KEY).stored(oracle.TOLD, 0, 0) + (virtual << 32 | physical))]


def place_told(number, word):
    """A page that holds what the kernel told of it."""
    return page(number, word=Traces({}, "", (), KEY).stored(oracle.WHERE, number, 0) + word)


PLAIN2 = [page(0), None, pages(oracle.PLAIN, 3)[2], None]
FAMILY, RIGHTS, FORKED = (pages(file, 4) for file in (oracle.FAMILY, oracle.RIGHTS, oracle.FORKED))
READ = pages(oracle.RIGHTS, 4, RO)
BEFORE, CHILDS, PARENTS = (pages(oracle.FORKED, 3, bits, moved=moved) for bits, moved in ((RO, ()), (RO, (0,)), (RO, (1,))))
FORK = {"FORKEDPARENT": BEFORE, "FORKEDCHILD": BEFORE, "APARTPARENT": PARENTS, "APARTCHILD": CHILDS, "OWNAGAIN": FORKED[:3]}
PROT = {"PROTWRITE": RIGHTS, "PROTREAD": READ, "PROTNONE": [*RIGHTS[:2], page(2, V | R), RIGHTS[3]], "PROTAGAIN": RIGHTS}
HERE = {n: 0x87000000 + n * PAGE for n in range(6)}
PLACES = [place_told(0, 3), None, place_told(2, HERE[2] + 2), None, place_told(4, HERE[4] + 4), None]


@pytest.mark.parametrize("section, told, says", [
    ("page-anon", {"ANONFRESH": NONE4, "ANONTOUCHED": PLAIN2}, ""),
    ("page-anon", {"ANONFRESH": [None, page(1), None, None], "ANONTOUCHED": PLAIN2}, "anonymous memory: page 1 is in the page table"),
    ("page-anon", {"ANONFRESH": NONE4, "ANONTOUCHED": [page(0, word=1), *PLAIN2[1:]]}, "page 0 of anonymous memory: physical memory does not"),
    ("page-family", {"ANONPARENT": FAMILY[:3], "ANONCHILD": FAMILY[:3]}, ""),
    ("page-family", {"ANONPARENT": FAMILY[:3], "ANONCHILD": pages(oracle.FAMILY, 3, moved=(1,))}, "page 1 is at 0x87001000 in the parent"),
    ("page-rights", PROT, ""),
    ("page-rights", PROT | {"PROTWRITE": READ}, "after a store: the PTE of page 0 has no W"),
    ("page-rights", PROT | {"PROTREAD": RIGHTS}, "after mprotect with PROT_READ: the PTE of page 1 has W or X"),
    ("page-rights", PROT | {"PROTREAD": [*READ[:2], page(2, RO), READ[3]]}, "page 2: physical memory does not have there what was stored"),
    ("page-rights", PROT | {"PROTNONE": READ}, "the process may use page 2"),
    ("page-rights", PROT | {"PROTNONE": NONE4}, ""),
    ("page-rights", PROT | {"PROTAGAIN": READ}, "after mprotect back, and a store: the PTE of page 0 has no W"),
    ("page-told", {"TOLDANSWER": answered(4, 3), "TOLDPAGES": [page(0), page(1, V | R | W), None, page(3)]}, ""),
    ("page-told", {"TOLDANSWER": answered(4, 4), "TOLDPAGES": [page(0), page(1), None, page(3)]}, "told 4 and 4 pages; there are 4, and 3 in"),
    ("page-told", {"TOLDANSWER": [page(9)], "TOLDPAGES": [page(0)]}, "numvp and numpp told"),
    ("page-where", {"ADDRESSES": PLACES}, ""),
    ("page-where", {"ADDRESSES": [place_told(0, 6), *PLACES[1:]]}, "getwmapinfo told 6 loaded pages; 3 are"),
    ("page-where", {"ADDRESSES": [*PLACES[:2], place_told(2, HERE[2]), *PLACES[3:]]}, "va2pa told 0x87002000 for byte 2 of page 2, which is at 0x87002000"),
    ("page-forked", FORK, ""),
    ("page-forked", FORK | {"FORKEDPARENT": FORKED[:3]}, "before a store: the PTE of page 0 has W in the parent"),
    ("page-forked", FORK | {"FORKEDCHILD": CHILDS}, "after fork, before a store: page 0 is at"),
    ("page-forked", FORK | {"APARTCHILD": BEFORE}, "the child stored to page 0, and it is still the other's too"),
    ("page-forked", FORK | {"APARTPARENT": BEFORE}, "the parent stored to page 1, and it is still the other's too"),
    ("page-forked", FORK | {"APARTPARENT": pages(oracle.FORKED, 3, RO, moved=(1, 2))}, "that nobody stored to: page 2 is at"),
    ("page-forked", FORK | {"OWNAGAIN": pages(oracle.FORKED, 3, moved=(2,))}, "the last owner of page 2 stored to it, and has a copy"),
    ("page-forked", FORK | {"OWNAGAIN": BEFORE}, "its PTE has no W"),
])
def test_what_page_tables_of_tasks_9_to_14_show(section, told, says):
    assert says in verdict(section, **told) if says else verdict(section, **told) == ""


def synced_file(stores, spoilt=None):
    """The bytes of the file of msync, with some stores, and one word that is nobody's."""
    told = Traces({}, "", (), KEY)
    words = {(page, word): told.original(oracle.SYNCED, page, word) for page in range(4) for word in range(PAGE // 8)}
    words |= {(page, word): told.stored(oracle.SYNCED, page, word) for page, word in stores}
    words |= {spoilt: 5} if spoilt else {}
    return b"".join(word.to_bytes(8, "little") for word in words.values())


ASKED = [(0, oracle.FIRST), (1, oracle.FIRST), (2, oracle.FIRST), (1, oracle.SECOND)]


@pytest.mark.parametrize("content, says", [
    (synced_file(ASKED), ""),
    (synced_file([*ASKED, (3, oracle.FIRST)]), ""),
    (synced_file(ASKED[:3]), "what was stored to page 1 of o.synced is not on the disk"),
    (synced_file(ASKED[1:]), "what was stored to page 0 of o.synced is not on the disk"),
    (synced_file(ASKED)[:3 * PAGE], "byte 0 of page 3 of o.synced on the disk is nobody's"),
    (synced_file(ASKED, (3, 7)), "byte 56 of page 3 of o.synced on the disk is nobody's"),
])
def test_what_msync_leaves_on_the_disk(content, says):
    found = dict(judge(Traces({}, MadeUpDisk({"o.synced": content}), (), KEY)))["disk-synced"]
    assert says in found if says else found == ""


class MadeUpDisk:
    """A disk with files by name, as oracle sees it."""

    def __init__(self, files):
        self.files = files

    def file(self, name):
        return self.files.get(name)


def private_file(pages=3):
    """The bytes of the file that must not be changed."""
    told = Traces({}, "", (), KEY)
    return b"".join(told.original(oracle.PRIVATE, page, word).to_bytes(8, "little") for page in range(pages) for word in range(PAGE // 8))


@pytest.mark.parametrize("change, says", [
    (lambda content: content, ""),
    (lambda content: None, "the disk has no file o.private after the run"),
    (lambda content: content + b"x", "has 12289 bytes, not 12288"),
    (lambda content: content[:-1], "has 12287 bytes, not 12288"),
    (lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "byte 904 of page 1 of o.private on the disk is"),
])
def test_what_files_show(change, says):
    traces = Traces({}, MadeUpDisk({"o.private": change(private_file())}), (), KEY)
    try:
        oracle.on_disk(traces, "o.private", oracle.PRIVATE, 3 * PAGE, [], "at the end")
        found = ""
    except oracle.Wrong as wrong:
        found = str(wrong)
    assert says in found if says else found == ""


def test_a_store_that_is_missing_is_told_as_that():
    traces = Traces({}, MadeUpDisk({"o.private": private_file()}), (), KEY)
    with pytest.raises(oracle.Wrong, match="what was stored to page 2 of o.private is not on the disk"):
        oracle.on_disk(traces, "o.private", oracle.PRIVATE, 3 * PAGE, [(2, 0)], "at the end")


# Stops, of which some are no marks.

class MadeUpStub:
    """A Stub whose machine stops again and again, as often as there are registers for it; then it ends."""

    def __init__(self, stops):
        self.stops, self.said = list(stops), []

    def wait(self):
        if not self.stops:
            raise Ended
        return "01"

    def registers(self):
        return self.stops.pop(0)

    def satp(self):
        return SATP

    def word(self, address):
        return None

    def __getattr__(self, name):
        return lambda *given: self.said.append((name, *given))


def stopped(number=0, address=0, pages=0, tag=0, pc=oracle.MARK):
    """A hart's registers at a stop; it was called from 0x123."""
    return [0, 0x123, *[0] * 8, number, address, pages, tag, *[0] * 18, pc]


def marked(number, pages):
    """The registers of a program that has the key."""
    return stopped(number, 0x40000000, pages, secret(KEY, number, 0x40000000, pages))


def watched(monkeypatch, *stops):
    """The Watch of a machine with such stops, after its end, and its Stub."""
    stub = MadeUpStub(stops)
    monkeypatch.setattr(marks, "Stub", lambda path, over: stub)
    watch = Watch(oracle.MARK, KEY)
    with watch.attend(None):
        pass
    return watch, stub


def test_nothing_is_typed_before_marks_are_seen(monkeypatch):
    stub = MadeUpStub([])

    def slow(path, over):
        time.sleep(0.2)
        return stub

    monkeypatch.setattr(marks, "Stub", slow)
    with Watch(oracle.MARK, KEY).attend(None):
        assert stub.said[0] == ("breakpoint", oracle.MARK)


def test_a_mark_is_read_and_the_program_goes_back(monkeypatch):
    watch, stub = watched(monkeypatch, marked(3, 2))
    assert watch.marks == {3: Mark(3, (None, None))}
    assert stub.said == [("breakpoint", oracle.MARK), ("resume",), ("choose", "01"), ("set_pc", 0x123), ("resume",), ("leave", oracle.MARK)]


@pytest.mark.parametrize("registers", [stopped(3, 0x40000000, 2, 1), marked(3, 1 << 60), marked(3, marks.MOST_PAGES + 1)])
def test_a_stop_without_the_right_tag_or_of_too_much_is_no_mark(monkeypatch, registers):
    watch, stub = watched(monkeypatch, registers)
    assert watch.marks == {} and ("set_pc", 0x123) in stub.said


def test_the_first_mark_of_a_number_counts(monkeypatch):
    watch, _ = watched(monkeypatch, marked(3, 2), marked(3, 1))
    assert len(watch.marks[3].pages) == 2


def test_a_machine_that_stops_for_ever_is_left_alone(monkeypatch):
    watch, stub = watched(monkeypatch, *[stopped()] * 10000)
    assert watch.stops == marks.MOST_STOPS and stub.said[-1] == ("leave", oracle.MARK)


def test_a_mistake_of_the_grader_is_no_lost_point(monkeypatch):
    with pytest.raises(CouldNotGrade, match="page tables can't be read"):
        watched(monkeypatch, ["no", "registers"])


# Page tables of all kinds.

class Memory:
    """Physical memory as a Stub shows it: words by address."""

    def __init__(self, words):
        self.words, self.reads = words, 0

    def word(self, address):
        self.reads += 1
        return self.words.get(address)


ROOT = 0x80200000
SATP = 8 << 60 | ROOT >> 12


def entry(address, bits):
    """A PTE."""
    return address >> 12 << 10 | bits


def test_a_page_is_found_through_three_levels():
    words = {ROOT + 8: entry(0x80201000, V), 0x80201000: entry(0x80202000, V), 0x80202000 + 8: entry(0x80300000, V | R | U), 0x80300000: 77}
    assert look(Memory(words), SATP, 0x40001000) == Page(0x80300000, V | R | U, 77)
    assert look(Memory(words), SATP, 0x40002000) is None


def test_a_large_page_is_a_page():
    words = {ROOT + 8: entry(0x80201000, V), 0x80201000 + 8: entry(0x80400000, V | R | W | U)}
    assert look(Memory(words), SATP, 0x40203000) == Page(0x80403000, V | R | W | U, None)


def test_more_levels_are_followed():
    words = {ROOT: entry(0x80201000, V), 0x80201000 + 8: entry(0x80202000, V), 0x80202000: entry(0x80203000, V),
             0x80203000: entry(0x80300000, V | R | U), 0x80300000: 1}
    assert look(Memory(words), 9 << 60 | ROOT >> 12, 0x40000000).address == 0x80300000


@pytest.mark.parametrize("satp, words", [
    (0, {}), (7 << 60 | ROOT >> 12, {}), (SATP, {}), (SATP, {ROOT + 8: entry(ROOT, V)} | {ROOT: entry(ROOT, V)}),
    (SATP, {ROOT + 8: (1 << 64) - 1 & ~0xf | V}),
])
def test_tables_that_lead_nowhere_come_to_an_end(satp, words):
    memory = Memory(words)
    assert look(memory, satp, 0x40000000) is None and memory.reads <= 5
