"""The kernel's own mistakes: each ends in a panic that names it, with a backtrace that leads to the culprit."""

import re
import shutil
import subprocess

import pytest

from grader import machine
from grader.transcript import Ending

# What a kernel that errs does, and what the panic must say. Each is compiled into sys_kill, for a pid of its own.
MISTAKES = {
    "a page freed twice": ("void *page = kalloc(); kfree(page); kfree(page);", r"kfree: page 0x[0-9a-f]+ is free already"),
    "a mapped page table freed": ("kfree(myproc()->pagetable);", r"kfree: 0x[0-9a-f]+ is a page of a page table"),
    "a data page freed as a table": ("tablefree(kalloc());", r"tablefree: 0x[0-9a-f]+ is not a page of a page table"),
    "the kernel's own memory freed": ("kfree((void *)KERNBASE);", r"kfree: 0x0*80000000 is not the address of a page"),
    "a free page referenced": ("void *page = kalloc(); kfree(page); kref(page);", r"kref: page 0x[0-9a-f]+ is free already"),
    "a lock taken twice": ("acquire(&tickslock); acquire(&tickslock);", r"acquire: this hart holds ticks already"),
    "a lock released that is free": ("release(&tickslock);", r"release: this hart does not hold ticks"),
    "a sleep with a spinlock held": (
        "static struct spinlock lk = { .name = \"lk\" }; acquire(&lk); acquire(&tickslock); sleep(&lk, &tickslock);",
        r"pid \d+ sleeps while it holds a spinlock"),
    "a sleeplock taken twice": (
        "static struct sleeplock lk; initsleeplock(&lk, \"lk\"); acquiresleep(&lk); acquiresleep(&lk);",
        r"acquiresleep: pid \d+ holds lk already"),
    "a page mapped twice": (
        "mappages(myproc()->pagetable, 0, PGSIZE, (uint64)kalloc(), PTE_R);", r"mappages: 0x0 is mapped already"),
    "a wild store": ("*(volatile int *)64 = 1;", r"kerneltrap: scause 0xf sepc=0x[0-9a-f]+ stval=0x40"),
}
FIRST = 1000001         # the pid of the first mistake


@pytest.fixture(scope="module")
def erring(solution_tree, tmp_path_factory):
    """A built tree whose kernel makes mistake number i when it is asked to kill process FIRST + i."""
    tree = tmp_path_factory.mktemp("erring") / "tree"
    shutil.copytree(solution_tree, tree)
    source = tree / "kernel/sysproc.c"
    text = source.read_text()
    cases = "\n".join(f"  if (pid == {FIRST + i}) {{ {code} }}" for i, (code, _) in enumerate(MISTAKES.values()))
    place = "  return kkill(pid);"
    assert place in text
    text = text.replace(place, f"{cases}\n{place}").replace(
        '#include "defs.h"', '#include "defs.h"\n#include "memlayout.h"\n#include "sleeplock.h"')
    source.write_text(text)
    made = subprocess.run(["make", "kernel/kernel", "OPT=-O2 -Wno-array-bounds"], cwd=tree, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return tree


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=list(MISTAKES))
def test_mistake_is_named(erring, number):
    said = list(MISTAKES.values())[number][1]
    guest = machine.Machine(erring / "kernel/kernel", erring / "fs.img", harts=2)
    run = machine.run(guest, f"kill {FIRST + number}", budget=10)
    assert run.ending is Ending.PANICKED, run.lines[-5:]
    assert re.fullmatch(f"panic: {said}", run.why)
    addresses = re.findall(r"^(0x[0-9a-f]{16})$", "\n".join(run.lines[run.lines.index("backtrace:"):]), re.M)
    names = subprocess.run(["riscv64-unknown-elf-addr2line", "-f", "-e", erring / "kernel/kernel", *addresses],
                           capture_output=True, text=True, check=True).stdout.split()[::2]
    assert [name for name in names if name in ("sys_kill", "syscall", "usertrap")] == ["sys_kill", "syscall", "usertrap"]
