"""The kernel that is built without the tree's Makefile: what a linker script may name, and that MIT's way of linking works."""

import struct

import pytest

from grader import build, rebuild
from grader.tests.mit import mit_files
from grader.tests.packing import lay

SOURCES = ["kernel/entry.S", "kernel/vm.c"]


@pytest.mark.parametrize("script, more", [
    (".text : { *(.text.entry) *(.text .text.*) } /* a/b */", False),
    (".text : { kernel/entry.o(_entry) *(.text .text.*) } /DISCARD/ : { *(.comment) }", False),
    (".text : { kernel/evil.o(.text) }", True), (".text : { kernel/evil.bin (.text) }", True), (".text : { ../kernel/evil(.text) }", True),
    (".text : { /tmp/evil(.text) }", True), ('.text : { "kernel/evil"(.text) }', True), ("INPUT(evil)", True),
    (".text : { /* */ kernel/evil.o(.text) /* */ }", True), (".data : { BYTE(1) }", True),
])
def test_a_linker_script_may_name_only_what_is_made(script, more):
    assert rebuild.brings_more(script, SOURCES) == more


def test_a_kernel_that_names_its_entry_object_begins_with_it(tmp_path):
    built = build.make(lay(tmp_path / "tree", mit_files(2024)), targets=("kernel/kernel",))
    assert built.ok and "kernel/entry.o(_entry)" in (built.tree / "kernel/kernel.ld").read_text(), built.error
    header = rebuild.kernel(built.tree, tmp_path / "again").read_bytes()[:64]
    assert header[:4] == b"\x7fELF" and struct.unpack_from("<Q", header, 24) == (0x80000000,)
