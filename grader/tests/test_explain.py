"""Explanations: faults and panics read from lines, and resolved in real and in hostile ELF files."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings, strategies as st

from grader import events, explain, facts, score
from grader.explain import Facts
from grader.tests import synthetic as syn
from grader.transcript import Ending

PREFIX = next((p for p in ("riscv64-unknown-elf-", "riscv64-elf-", "riscv64-linux-gnu-") if shutil.which(p + "gcc")), None)
MMAPTEST = syn.LAB.program_named("mmaptest")

# The lines are counted below: keep helper's load on line 4, and the call on line 9.
CODE = """
__attribute__((noinline)) int
helper(int *p)
{ return *p;
}
int
sys_munmap(int *p)
{ int n = 1;
  n += helper(p);
  return n + 1;
}
int _start(int *p) { return sys_munmap(p) + 1; }
"""
PROC = """
typedef unsigned long uint64;
struct file { int ref; };
struct inode { int n; };
%s
struct proc { int pid; struct file *ofile[16]; %s };
struct proc procs[2];
int _start(void) { return procs[0].pid; }
"""


def compiled(tree, code, path="kernel/kernel"):
    """The ELF file of a C program, put into a tree under path. Returns the tree."""
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / "a.c").write_text(code)
    subprocess.run([PREFIX + "gcc", "-O1", "-ggdb", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-nostdlib",
                    "-march=rv64imac_zicsr", "-mabi=lp64", "-Wl,-Ttext=0x1000", "-o", path, "a.c"], cwd=tree, check=True)
    return tree


def address(tree, symbol, path="kernel/kernel"):
    """The address of a symbol in an ELF file."""
    names = subprocess.run([PREFIX + "nm", path], cwd=tree, check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[0], 16) for line in names.splitlines() if line.endswith(" " + symbol))


def table(tree, vma, member):
    """What facts say of a kernel whose struct proc has a member, with the declarations vma before it."""
    return facts.gather(syn.build(tree=compiled(tree, PROC % (vma, member))), [])


# Lines.

def test_a_fault_is_read_whatever_stands_around_it():
    lines = ["x", "debugusertrap(): unexpected scause 0xf pid=12", "other output", "\tsepc=0xbfe stval=0x40011000", "y"]
    assert [(f.at, f.cause, f.pid, f.pc, f.address) for f in events.faults(lines)] == [(1, 0xf, 12, 0xbfe, 0x40011000)]


def test_a_fault_without_its_second_line_is_none():
    assert events.faults(["usertrap(): unexpected scause 0xd pid=3"]) == []


def test_a_panic_has_its_backtrace():
    panic = events.panic(["a", "panic: kfree: twice", "backtrace:", "0x0000000080001234", "noise 0x80005678", "$ ", "0x99"])
    assert (panic.at, panic.why, panic.addresses) == (1, "kfree: twice", (0x80001234, 0x80005678))


def test_a_panic_without_a_backtrace_has_no_addresses():
    assert events.panic(["panic: x", "0x80001234"]).addresses == ()


@given(st.lists(st.text(max_size=60) | st.sampled_from(syn.FAULT + ["panic: ", "backtrace:", "0x1", "0x" + "f" * 40]), max_size=20))
def test_any_lines_can_be_read(lines):
    for fault in events.faults(lines):
        assert fault.lines[0] in lines[fault.at] and 0 <= fault.address < 1 << 64
    panic = events.panic(lines)
    assert "panic: " in lines[panic.at] if panic else "panic: " not in lines


# Words.

def told(run, places=None, end=None):
    """The Trouble of a whole run."""
    lines = run.evidence
    return explain.trouble(run, 0, len(lines) if end is None else end, MMAPTEST, Facts(places=places or {}), syn.LAB.mapped)


def test_what_the_program_says_comes_before_a_later_panic():
    trouble = told(syn.run("mmaptest", ["mmaptest failure: munmap (1), pid=3", "panic: freewalk: leaf"], Ending.PANICKED))
    assert trouble.line.startswith("mmaptest failure: munmap (1)")


def test_a_panic_after_the_programs_own_words_is_no_place_of_the_failure():
    places = {(explain.KERNEL, 0x80000001): ("freewalk", "kernel/vm.c", 1)}
    after = ["mmaptest failure: munmap (1), pid=3", *syn.FAULT, "panic: freewalk: leaf", "backtrace:", "0x80000002"]
    assert told(syn.run("mmaptest", after, Ending.PANICKED), places).where == ()


def test_a_function_that_calls_itself_is_told_once():
    places = {(explain.KERNEL, a - 1): (name, "kernel/vm.c", a) for a, name in ((1, "panic"), (2, "freewalk"), (3, "freewalk"), (4, "kexit"))}
    trouble = told(syn.run("mmaptest", ["panic: x", "backtrace:", "0x1", "0x2", "0x3", "0x4"], Ending.PANICKED), places)
    assert [(p.what, p.function, p.line) for p in trouble.where] == [("the panic", "freewalk", 2), ("called from", "kexit", 4)]


def test_a_panic_comes_before_what_the_program_says_later():
    assert told(syn.run("mmaptest", ["panic: x", "mmaptest failure: y"], Ending.PANICKED)).line == "panic: x"


def test_a_fault_before_the_programs_own_words_is_told_as_a_place():
    trouble = told(syn.run("mmaptest", syn.FAULT + ["mmaptest failure: child, pid=4"], Ending.FAILED), {("user/_mmaptest", 0x5c): ("f", "user/m.c", 7)})
    assert trouble.line == "mmaptest failure: child, pid=4"
    assert [(p.function, p.file, p.line) for p in trouble.where] == [("f", "user/m.c", 7)]


def test_a_hang_is_told_with_its_reason():
    trouble = told(syn.run("mmaptest", ["test fork"], Ending.HUNG_IDLE, "nothing ran for 3 s"))
    assert trouble.why == "hung idle: nothing ran for 3 s" and trouble.line == "test fork"


@pytest.mark.parametrize("at, words", [(0x40000000, "in the range"), (0x7fffffff, "in the range"), (0x80000000, "outside"), (8, "near address 0")])
def test_an_address_is_put_into_words(at, words):
    fault = events.Fault(0, ("", ""), 0xd, 3, 0, at)
    assert words in explain.fault_words(fault, syn.LAB.mapped)


# ELF files.

@pytest.mark.skipif(PREFIX is None, reason="no RISC-V compiler")
class TestElf:
    """What real ELF files say."""

    def test_a_faults_address_is_resolved(self, tmp_path):
        tree = compiled(tmp_path, CODE, "user/_mmaptest")
        compiled(tmp_path, CODE)
        pc = address(tree, "helper", "user/_mmaptest")
        run = syn.run("mmaptest fork", ["usertrap(): unexpected scause 0xd pid=3", f"sepc=0x{pc:x} stval=0x0"])
        got = facts.gather(syn.build(tree=tree), [run])
        assert got.places["user/_mmaptest", pc] == ("helper", "a.c", 4)

    def test_a_return_address_stands_for_its_call(self, tmp_path):
        tree = compiled(tmp_path, CODE)
        listing = subprocess.run([PREFIX + "objdump", "-d", "kernel/kernel"], cwd=tree, check=True, capture_output=True, text=True).stdout
        lines = listing.splitlines()
        call = next(n for n, line in enumerate(lines) if "<helper>" in line and "jal" in line)
        after = int(lines[call + 1].split(":")[0], 16)
        run = syn.run("mmaptest", ["panic: x", "backtrace:", f"0x{after:016x}"], Ending.PANICKED)
        got = facts.gather(syn.build(tree=tree), [run])
        assert got.places[explain.KERNEL, after - 1] == ("sys_munmap", "a.c", 9)
        assert explain.panic_functions(run, got) == ["sys_munmap"]

    def test_an_address_that_is_no_code_stays_unresolved(self, tmp_path):
        run = syn.run("mmaptest", ["panic: x", "backtrace:", "0xffffffffffffffff", "0x0"], Ending.PANICKED)
        assert facts.gather(syn.build(tree=compiled(tmp_path, CODE)), [run]).places == {}

    def test_more_addresses_than_can_be_looked_up_are_bounded(self, tmp_path):
        tree = compiled(tmp_path, CODE, "user/_mmaptest")
        compiled(tmp_path, CODE)
        pc = address(tree, "helper", "user/_mmaptest")
        lines = [line for n in range(5 * facts.MOST)
                 for line in ("usertrap(): unexpected scause 0xd pid=3", f"sepc=0x{pc + (n << 20):x} stval=0x0")]
        got = facts.gather(syn.build(tree=tree), [syn.run("mmaptest fork", lines)])
        assert got.places == {("user/_mmaptest", pc): ("helper", "a.c", 4)}

    def test_a_function_without_debug_information_has_its_name(self, tmp_path):
        tree = compiled(tmp_path, CODE)
        subprocess.run([PREFIX + "strip", "-g", "kernel/kernel"], cwd=tree, check=True)
        at = address(tree, "helper", "kernel/kernel")
        run = syn.run("mmaptest", ["panic: x", "backtrace:", f"{at + 1:#x}"], Ending.PANICKED)
        assert facts.gather(syn.build(tree=tree), [run]).places[explain.KERNEL, at] == ("helper", "", 0)

    def test_tools_that_do_not_know_the_file_leave_the_names_of_functions(self, tmp_path, monkeypatch):
        monkeypatch.setattr(facts, "PREFIXES", ("of-nowhere-",))        # then it is the host's, for its own files
        tree = compiled(tmp_path, CODE)
        at = address(tree, "helper", "kernel/kernel")
        run = syn.run("mmaptest", ["panic: x", "backtrace:", f"{at + 1:#x}"], Ending.PANICKED)
        assert facts.gather(syn.build(tree=tree), [run]).places[explain.KERNEL, at][0] == "helper"

    @pytest.mark.parametrize("shown", [True, False])
    def test_a_table_is_looked_for_only_where_no_run_shows_it(self, tmp_path, shown):
        tree = compiled(tmp_path, PROC % ("struct vma { struct file *f; };", "struct vma v[16];"))
        section = syn.LAB.section_named("table")
        runs = [syn.run("mmaptest", ["no more"], Ending.FAILED), syn.run("mmaptest table", [section.title, section.passed if shown else ""])]
        assert score.asks_facts(syn.LAB, syn.build(tree=tree), runs) is not shown
        assert bool(facts.gather(syn.build(tree=tree), runs, table=not shown).table) is not shown

    @pytest.mark.parametrize("vma, member", [
        ("struct vma { uint64 start; struct file *file; };", "struct vma vma[16];"),
        ("typedef struct { uint64 start; struct file *f; } vma_t;", "vma_t maps[40];"),
        ("typedef struct file *fp; struct vma { const fp f; };", "volatile struct vma v[16];"),
        ("struct vma { union { struct { struct file *f; }; int n; }; };", "struct vma v[16];"),
        ("struct vma { struct file *f; };", "union { struct vma v[16]; int n; };"),
        ("struct vma { struct file *f; }; struct vmas { int n; struct vma v[16]; };", "struct vmas maps;"),
        ("struct vma { struct file *f; };", "struct vma v[4][4];"),
    ])
    def test_a_table_is_found(self, tmp_path, vma, member):
        assert table(tmp_path, vma, member).table

    @pytest.mark.parametrize("vma, member, near", [
        ("", "int x;", "no array of structs"),
        ("struct vma { struct file *f; };", "struct vma v[15];", r"v[15]: fewer than 16"),
        ("struct vma { uint64 start; struct inode *ip; };", "struct vma v[16];", "no array of structs"),
        ("struct vma { struct file *f; };", "struct vma *v[16];", "no array of structs"),
        ("struct vma { struct file *f; };", "struct vma v;", "no array of structs"),
    ])
    def test_what_is_no_table_is_not_taken_for_one(self, tmp_path, vma, member, near):
        got = table(tmp_path, vma, member)
        assert got.table == "" and near in got.near

    def test_a_struct_that_holds_itself_ends(self, tmp_path):
        assert table(tmp_path, "struct vma { struct vma *next; struct vma *others[3]; };", "struct vma v[16];").table == ""

    def test_a_kernel_without_debug_information_says_so(self, tmp_path):
        tree = compiled(tmp_path, PROC % ("", ""))
        subprocess.run([PREFIX + "strip", "-g", "kernel/kernel"], cwd=tree, check=True)
        assert "debug information" in facts.gather(syn.build(tree=tree), []).near

    @pytest.fixture(scope="class")
    def tree(self, tmp_path_factory):
        """A tree with a good kernel, and its bytes."""
        tree = compiled(tmp_path_factory.mktemp("t"), PROC % ("struct vma { struct file *f; };", "struct vma v[16];"))
        return tree, (tree / "kernel/kernel").read_bytes()

    @settings(max_examples=25, deadline=None)
    @given(damage=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=60))
    def test_a_damaged_file_never_stops_the_grader(self, tree, damage):
        tree, good = tree
        content = bytearray(good)
        for at, byte in damage:
            content[at % len(content)] = byte
        (tree / "kernel/kernel").write_bytes(content)
        got = facts.gather(syn.build(tree=tree), [syn.run("mmaptest", ["panic: x", "backtrace:", "0x1004"], Ending.PANICKED)])
        assert isinstance(got.table, str) and (got.table or got.near)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 200, b"#!/bin/sh\n"])
def test_a_file_that_is_no_elf_file_is_only_unreadable(tmp_path, content):
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/kernel").write_bytes(content)
    assert facts.gather(syn.build(tree=tmp_path), []) == Facts(near="the kernel's debug information can't be read")


def test_no_kernel_at_all_is_only_unreadable(tmp_path):
    assert facts.gather(syn.build(tree=tmp_path), []).table == ""


def test_a_parser_that_never_ends_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "kernel").mkdir()
    fifo = tmp_path / "kernel/kernel"
    subprocess.run(["mkfifo", fifo], check=True)
    monkeypatch.setattr(facts, "LIMITS", facts.sandbox.Limits(cpu=1, wall=1, output=100))
    assert facts.gather(syn.build(tree=tmp_path), []).table == ""


def test_names_from_a_file_cannot_drive_the_terminal():
    assert facts.clean_place(["a\x1b[31m", "b\n", 3]) == ("a[31m", "b", 3)
    assert facts.clean_place(["", "", 0]) is None and facts.clean_place("nonsense") is None
