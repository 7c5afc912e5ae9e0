"""Machines that panic, hang or deadlock, and what is found out about them: real runs, recorded answers of gdb, and nonsense."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pexpect
import pytest
from hypothesis import given, settings, strategies as st

from grader import CouldNotGrade, debug, explain, facts, machine, postmortem, sandbox
from grader.explain import Facts
from grader.tests import synthetic as syn
from grader.tests.conftest import KIT
from grader.transcript import Ending, Frame, Mapping, Postmortem, Scene, Stack

needs_gdb = pytest.mark.skipif(not postmortem.able(), reason="no gdb-multiarch")

# Ways to get stuck. Each is compiled into sys_kill, for a pid of its own: what is done, what to type, what must be told.
FIRST = 1000001
STUCK = {
    "a panic": ('panic("oops");', "kill {}", "pid 3 kill: panicked"),
    "a wild jump": ("((void (*)(void))0x40)();", "kill {}", "pid 3 kill: panicked"),
    "a busy loop": ("for (;;) ;", "kill {}", "pid 3 kill: is in the kernel"),
    "traps without end": ('intr_off(); asm volatile("csrw stvec, zero"); *(volatile int *)(uint64)(pid & 8) = 1;', "kill {}",
                          "pid 3 kill: is in the kernel, at 0x0, where no code is known"),
    "a spinlock that nobody releases": (
        'static struct spinlock a = { .name = "alpha" }; a.locked = 1; a.cpu = &cpus[7]; acquire(&a);', "kill {}",
        "pid 3 kill: spins for lock `alpha`, which hart 7 holds"),
    "two spinlocks in opposite order": (
        'static struct spinlock a = { .name = "alpha" }, b = { .name = "beta" }; static int turn;'
        "int mine = __atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST); acquire(mine ? &b : &a);"
        "while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) < 2) ; acquire(mine ? &a : &b);", "kill {0} & kill {0}",
        "spins for lock `beta`, which hart "),
    "a sleep that nobody ends": (
        "static struct spinlock a; acquire(&a); for (;;) sleep(&a, &a);", "kill {}", "pid 3 kill: sleeps on `a`"),
    "an inode's lock that its holder wants": (
        'struct inode *ip = namei("README"); ilock(ip); extern int again; again = 1; ilock(ip);', "kill {}",
        "pid 3 kill: sleeps for lock `inode` of inode 2, which it holds itself"),
}
RESET = '*(volatile int *)0x100000 = 0x7777; for (;;) ;'
IDLE = ("a sleep that nobody ends", "an inode's lock that its holder wants")


@pytest.fixture(scope="module")
def stuck(solution_tree, tmp_path_factory):
    """A built tree whose kernel gets stuck in way number i when it is asked to kill process FIRST + i."""
    tree = tmp_path_factory.mktemp("stuck") / "tree"
    shutil.copytree(solution_tree, tree)
    source = tree / "kernel/sysproc.c"
    text, place = source.read_text(), "  return kkill(pid);"
    assert place in text
    cases = "\n".join(f"  if (pid == {FIRST + i}) {{ {code} }}" for i, (code, _, _) in enumerate(STUCK.values()))
    cases += f"\n  if (pid == {FIRST - 1}) {{ {RESET} }}"
    headers = "".join(f'#include "{name}.h"\n' for name in ("defs", "memlayout", "spinlock", "sleeplock", "fs", "file"))
    source.write_text(text.replace(place, f"{cases}\n{place}").replace('#include "defs.h"\n', headers))
    lock = tree / "kernel/sleeplock.c"       # the check that turns this deadlock into a panic
    text = lock.read_text()
    assert "lk->pid == me)" in text
    lock.write_text(text.replace("lk->pid == me)", "lk->pid == me && !again)").replace("// Make lk", "int again;\n// Make lk", 1))
    made = subprocess.run(["make", "kernel/kernel", "OPT=-O2 -Wno-array-bounds"], cwd=tree, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return machine.Machine(tree / "kernel/kernel", tree / "fs.img", harts=2)


@needs_gdb
@pytest.mark.parametrize("number", range(len(STUCK)), ids=list(STUCK))
def test_a_stuck_machine_says_where_it_is(stuck, number, tmp_path):
    name, (_, typed, told) = list(STUCK.items())[number]
    out = tmp_path / "out.txt"
    run = machine.run(stuck, typed.format(FIRST + number), budget=2, idle=1.5, out=out)
    assert (run.ending is Ending.PANICKED) == ("panicked" in told)
    assert all(hart.idle for hart in run.postmortem.harts) == (name in IDLE)        # whichever hang a busy host makes of it
    assert told in out.read_text()
    places = explain.panicked_places(run) or explain.stuck_places(run)
    assert any(place.function == "sys_kill" and place.file == "kernel/sysproc.c" and place.line for place in places)
    assert any(place.function == "main" and place.file == "user/kill.c" for place in places)


@needs_gdb
def test_a_machine_that_is_reset_says_who_did_it(stuck):
    run = machine.run(stuck, f"kill {FIRST - 1}", budget=5)
    assert run.ending is Ending.DIED and "started again" in run.why
    assert any(place.function == "sys_kill" for place in explain.stuck_places(run))


@needs_gdb
def test_a_fault_is_followed_into_the_vma_table(solution_tree, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(solution_tree, tree)
    source = tree / "kernel/trap.c"
    text = source.read_text()
    assert "vmfault(p->pagetable, va, access) != 0" in text
    source.write_text(text.replace("vmfault(p->pagetable, va, access) != 0", "va < MMAPBASE && vmfault(p->pagetable, va, access) != 0"))
    assert subprocess.run(["make", "kernel/kernel"], cwd=tree, capture_output=True).returncode == 0
    run = machine.run(machine.Machine(tree / "kernel/kernel", tree / "fs.img"), "mmaptest basic", budget=8)
    assert run.ending is Ending.FAILED
    (scene,) = run.again()
    assert run.again()[0] is scene          # nobody waits for it twice
    (mapping,) = scene.mappings
    assert (mapping.start, mapping.end, mapping.prot, mapping.flags) == (0x40000000, 0x40002000, 1, 2) and mapping.inode > 0
    assert [frame.function for frame in scene.frames[:3]] == ["compare", "same", "firstmapping"]


DEBUG = """
import sys
from pathlib import Path
from grader import debug, machine
debug.main(machine.Machine(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3])
"""


@needs_gdb
def test_gdb_stops_for_a_person_where_the_kernel_panics(stuck):
    desk = pexpect.spawn(sys.executable, ["-c", DEBUG, str(stuck.kernel), str(stuck.image), f"kill {FIRST}"], timeout=120,
                         cwd=KIT, encoding="utf-8", echo=False, env={**os.environ, "TERM": "dumb"})
    desk.expect(r"Breakpoint 1, panic")
    desk.expect_exact("(gdb) ")
    desk.sendline("bt")
    desk.expect_exact("sys_kill")
    desk.expect_exact("(gdb) ")
    desk.sendline("q")
    desk.expect(pexpect.EOF)
    desk.close()
    assert desk.exitstatus == 0


@needs_gdb
def test_gdb_stops_for_a_person_where_a_process_is_killed(solution):
    desk = pexpect.spawn(sys.executable, ["-c", DEBUG, str(solution.kernel), str(solution.image), "mmaptest access"], timeout=120,
                         cwd=KIT, encoding="utf-8", echo=False, env={**os.environ, "TERM": "dumb"})
    desk.expect(r"The kernel kills pid \d+ mmaptest, at 0x[0-9a-f]+: user/mmaptest.c:\d+ in ")
    desk.expect_exact("(gdb) ")
    desk.sendline("q")
    desk.expect(pexpect.EOF)


def test_without_gdb_a_person_is_told_what_to_install(fake, monkeypatch):
    monkeypatch.setattr(postmortem, "GDB", "gdb-of-nowhere")
    with pytest.raises(CouldNotGrade, match="gdb-of-nowhere is not installed.*apt install gdb-multiarch"):
        debug.main(fake(), "x")


def test_without_gdb_it_is_said_and_the_run_stands(fake, monkeypatch):
    monkeypatch.setattr(postmortem, "GDB", "gdb-of-nowhere")
    run = machine.run(fake({"x": "panic: oops\n\1"}), "x", 3.0)
    assert run.ending is Ending.PANICKED and "gdb-of-nowhere is not installed" in run.postmortem.note
    trouble = explain.trouble(run, 0, len(run.evidence), syn.LAB.program_named("mmaptest"), Facts(), syn.LAB.mapped)
    assert trouble.why.startswith("the kernel panicked (gdb-of-nowhere is not installed")


@needs_gdb
def test_a_kernel_without_anything_usual_in_it_is_lived_with(fake):
    run = machine.run(fake({"x": "one\n\1"}), "x", 1.0)
    assert run.ending is Ending.HUNG_BUSY
    assert run.postmortem.harts and not run.postmortem.processes and not run.postmortem.note


@needs_gdb
@pytest.mark.parametrize("content", [b"", b"\x7fELF" + b"\xff" * 200])
def test_an_elf_file_that_is_none_leaves_a_note(fake, tmp_path, monkeypatch, content):
    guest = fake({"x": "one\n\1"})
    look = postmortem.examine

    def spoilt(socket, where, program):
        guest.kernel.write_bytes(content)
        return look(socket, where, program)

    monkeypatch.setattr(postmortem, "examine", spoilt)
    run = machine.run(guest, "x", 1.0)
    assert run.ending is Ending.HUNG_BUSY and (run.postmortem.note or run.postmortem.harts)


def test_a_gdb_that_never_ends_is_stopped(fake, monkeypatch, tmp_path):
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 1000\n")
    slow.chmod(0o755)
    monkeypatch.setattr(postmortem, "GDB", str(slow))
    monkeypatch.setattr(postmortem, "LIMITS", sandbox.Limits(wall=1))
    run = machine.run(fake({"x": "panic: oops\n\1"}), "x", 3.0)
    assert run.ending is Ending.PANICKED and "did not end within 1 s" in run.postmortem.note


# Recorded answers, and nonsense.

HART = {"number": 0, "mode": "supervisor", "pc": 0x80002318, "waits": True, "process": None, "lock": None, "csrs": {"sip": 0},
        "frames": [["scheduler", "kernel/proc.c", 158, None], ["main", "kernel/main.c", 69, None]]}
ASLEEP = {"pid": 4, "name": "mmaptest", "state": "SLEEPING", "channel": "log", "lock": None, "address": 1,
          "frames": [["swtch", "", 0, None], ["sleep", "kernel/proc.c", 222, None], ["begin_op", "kernel/log.c", 80, None],
                     ["sys_munmap", "kernel/sysfile.c", 9, None], ["trampoline", "", 0, None], ["rubbish", "x.c", 1, None]],
          "calls": [["munmap", "user/usys.S", 3, None], ["forktest", "user/mmaptest.c", 77, None]]}


def test_a_sleeping_process_is_told_from_its_callers_on():
    found = postmortem.read({"harts": [HART], "processes": [ASLEEP], "ticks": 9}, "/tree")
    assert found.harts == (Stack("hart 0", "has nothing to run", (Frame("scheduler", "kernel/proc.c", 158), Frame("main", "kernel/main.c", 69)), True),)
    (stack,) = found.processes
    assert (stack.who, stack.doing) == ("pid 4 mmaptest", "sleeps on `log`")
    assert [frame.function for frame in stack.frames] == ["begin_op", "sys_munmap", "munmap", "forktest"]


def test_names_from_gdb_cannot_drive_the_terminal():
    found = postmortem.read({"harts": [], "processes": [{**ASLEEP, "name": "a\x1b[31m" + "b" * 500}], "ticks": None}, "/tree")
    assert "\x1b" not in found.processes[0].who and len(found.processes[0].who) < 100


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.sampled_from([*HART, *ASLEEP, "harts", "processes", "ticks", "vmas", "size"]), inner), max_leaves=20)


@settings(max_examples=150)
@given(JSON)
def test_nonsense_is_refused_as_such(answer):
    for read in (lambda: postmortem.read(answer, "/tree"), lambda: postmortem.scene(answer)):
        try:
            read()
        except postmortem.NONSENSE:
            pass


@pytest.mark.parametrize("fields, found", [
    ({"start": 0x40000000, "end": 0x40002000, "prot": 1, "flags": 2, "": 7}, Mapping(0x40000000, 0x40002000, 7, 1, 2)),
    ({"addr": 0x40000000, "len": 5000, "prot": 3, "flags": 1, "offset": 4096, "": 7}, Mapping(0x40000000, 0x40002000, 7, 3, 1)),
    ({"used": 0, "start": 0x40000000, "end": 0x40002000, "": 7}, None),
    ({"vm_start": 0x40000000, "vm_end": 0x40001000, "": None}, Mapping(0x40000000, 0x40001000, None, None, None)),
    ({"a": 1, "b": 2, "": 7}, None),
    ({"start": 0x40000000, "end": 0, "": 7}, None),
])
def test_a_vma_is_read_by_the_names_of_its_fields(fields, found):
    assert postmortem.read_vma(fields) == found


# Addresses in words.

TWO = (Mapping(0x40000000, 0x40003000, 7, 1, 2), Mapping(0x40005000, 0x40006000, None, None, None))
SEGMENTS = ((0, 0x800, 5), (0x1000, 0x2010, 6))


@pytest.mark.parametrize("address, words", [
    (0x40001008, "page 2 of 3 of the mapping 0x40000000..0x40003000 (file inode 7, MAP_PRIVATE, read-only)"),
    (0x40005000, "page 1 of 1 of the mapping 0x40005000..0x40006000"),
    (0x40003000, "between the mappings 0x40000000..0x40003000 and 0x40005000..0x40006000"),
    (0x40006000, "the first byte behind the end of the last mapping, 0x40005000..0x40006000"),
    (0x40006007, "8 bytes behind the end of the last mapping, 0x40005000..0x40006000"),
])
def test_an_address_among_mappings(address, words):
    assert explain.mapping_words(address, TWO) == words


def test_an_address_where_nothing_is_mapped_or_only_above():
    assert explain.mapping_words(0x40000000, ()) == "the process has no mapping"
    assert explain.mapping_words(0x40000000, TWO[1:]) == "below the first mapping, 0x40005000..0x40006000"


@pytest.mark.parametrize("address, size, words", [
    (0x7ff, None, "the program's code"), (0x1800, None, "the program's data"), (0x2011, None, ""),
    (0x3000, None, "the guard page below the stack, which has overflowed"), (0x4000, None, "the stack, the heap, or behind it"),
    (0x4000, 0x5000, "the stack or the heap"), (0x5000, 0x5000, "behind the end of the heap, 0x5000"),
])
def test_an_address_below_the_mappings(address, size, words):
    assert explain.memory_words(address, SEGMENTS, size) == words


# What a report makes of it.

def hung(ending, *stacks, harts=()):
    """A hung run of mmaptest, with these Stacks of processes."""
    run = syn.run("mmaptest", ["test fork"], ending, "why")
    return replace(run, postmortem=Postmortem(tuple(harts), stacks))


def told(run):
    """The Trouble of a run."""
    return explain.trouble(run, 0, len(run.evidence), syn.LAB.program_named("mmaptest"), Facts(), syn.LAB.mapped)


def test_who_waits_for_a_lock_comes_first_and_the_shell_not_at_all():
    frames = (Frame("begin_op", "kernel/log.c", 80), Frame("usertrap", "kernel/trap.c", 5), Frame("f", "user/mmaptest.c", 9))
    run = hung(Ending.HUNG_IDLE, Stack("pid 2 sh", "waits for a child", frames), Stack("pid 3 mmaptest", "waits for a child", frames),
               Stack("pid 4 mmaptest", "sleeps for lock `inode`, which it holds itself", frames))
    where = told(run).where
    assert [place.what for place in where] == ["pid 4 mmaptest sleeps for lock `inode`, which it holds itself", "called from",
                                               "pid 3 mmaptest waits for a child", "called from"]
    assert [place.function for place in where[:2]] == ["begin_op", "f"]


def test_a_kernel_that_spins_where_it_should_wait_is_told_as_one_that_sleeps():
    idle = Stack("hart 0", "has nothing to run", (), True)
    assert told(hung(Ending.HUNG_BUSY, harts=(idle, idle))).why == "hung busy: why; no process could run"
    assert told(hung(Ending.HUNG_BUSY, harts=(idle, Stack("hart 1", "is in the kernel", ())))).why == "hung busy: why"


def test_a_kernel_that_does_not_boot_says_where_it_stood():
    idle = Stack("hart 1", "has nothing to run", (Frame("scheduler", "kernel/proc.c", 9),), True)
    stack = Stack("hart 0", "is in the kernel", (Frame("kvminit", "kernel/vm.c", 7), Frame("main", "kernel/main.c", 3)))
    run = replace(syn.run("mmaptest", ["xv6 kernel is booting"], Ending.HUNG_BUSY, "no end after 10 s", booted=False),
                  postmortem=Postmortem((idle, stack)))
    trouble = explain.not_booted(run)
    assert (trouble.why, trouble.line) == ("does not boot: hung busy: no end after 10 s", "xv6 kernel is booting")
    assert [(place.what, place.function) for place in trouble.where] == [("hart 0 is in the kernel", "kvminit"), ("called from", "main")]


@pytest.mark.parametrize("error, places", [
    ("kernel/main.c:61: expected ';' before 'void'", [("kernel/main.c", 61)]), ("./kernel/a.h:2: x", [("kernel/a.h", 2)]), ("no rule to make fs.img", []),
])
def test_a_tree_that_does_not_build_says_where(error, places):
    assert [(place.file, place.line) for place in explain.not_built(error).where] == places


def test_a_failure_is_found_in_the_test_programs_source():
    lines = ["mmaptest failure: munmap (1), pid=3", "mmaptest failure: nobody says so, pid=3"]
    run = syn.run("mmaptest basic", lines, Ending.FAILED)
    ((file, at),) = facts.said([run])[lines[0]]
    assert file == "user/mmaptest.c" and '"munmap (1)"' in (KIT / "solution" / file).read_text().splitlines()[at - 1]
    assert lines[1] not in facts.said([run])


def test_a_fault_with_its_scene():
    run = replace(syn.run("mmaptest", syn.FAULT, Ending.FAILED), scenes=(Scene(0x5c, 0x9000, TWO),))
    assert "page 1 of 3 of the mapping" in told(run).where[0].what


@pytest.mark.parametrize("here, times", [(False, 0), (True, 1)])
def test_a_run_is_made_again_only_where_an_explanation_shows_its_fault(tmp_path, here, times):
    """A process is killed in a section that passes, or in the one that fails."""
    asked, part = [], syn.LAB.narrow(task=5)
    passed, failed = syn.named("unmapped"), syn.named("two-files")
    lines = [passed.title, *([] if here else syn.FAULT), passed.passed, *syn.failing(failed, before=syn.FAULT if here else ())]
    run = replace(syn.run("mmaptest", lines, Ending.FAILED), again=lambda: asked.append(1) or (Scene(0x5c, 0x9000, TWO),))
    grade = facts.grade(part, syn.build(tree=tmp_path), [run])
    assert len(asked) == times
    assert any("page 1 of 3 of the mapping" in place.what for task in grade.tasks for place in task.where) is here
    without = facts.grade(part, syn.build(tree=tmp_path), [replace(run, again=None)])
    assert [(task.score, task.outcome, task.why) for task in grade.tasks] == [(task.score, task.outcome, task.why) for task in without.tasks]


def test_who_halts_a_machine_that_says_nothing_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(postmortem, "SECONDS", 0.1)
    with machine.listening(tmp_path / "s") as (path, _), pytest.raises(TimeoutError):
        postmortem.halt(path)


def test_who_halts_a_machine_that_is_gone_is_told(tmp_path):
    with machine.listening(tmp_path / "s"):
        pass
    with pytest.raises(ConnectionRefusedError):
        postmortem.halt(tmp_path / "s")
