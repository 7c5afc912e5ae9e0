"""Tests of base.py: which kernel a tree was built on, and what of its headers is believed."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from grader import base, handout
from grader.tests.mit import mit_files

KIT = handout.KIT


def files_of(top):
    """The content of all files below a directory, by path."""
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["solution", "handout"])
def test_our_own_trees_are_ours(name):
    assert base.recognise(files_of(KIT / name)) is base.OURS


@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_mits_trees_are_told_by_year(year):
    assert base.recognise(mit_files(year)) is base.MIT[year]


@pytest.mark.parametrize("lost", ["conf/lab.mk", ".gdbinit.tmpl-riscv", "user/initcode.S"])
def test_a_file_less_changes_nothing(lost):
    assert base.recognise({name: text for name, text in mit_files(2024).items() if name != lost}) is base.MIT[2024]


def test_a_file_of_the_other_kernel_changes_nothing():
    ours = files_of(KIT / "handout") | {"conf/lab.mk": b"LAB=mmap\n"}
    assert base.recognise(ours) is base.OURS
    assert base.recognise(mit_files(2025) | {"mkfs/image.h": b""}) is base.MIT[2025]


def test_what_is_no_tree_is_ours_to_complain_about():
    assert base.recognise({}) is base.OURS
    assert base.recognise({"kernel/proc.c": b"", "kernel/syscall.h": b"no numbers"}) is base.OURS


def test_the_numbers_where_none_are_told_are_the_solutions():
    header = base.defines((KIT / "solution/kernel/syscall.h").read_bytes())
    assert [header[f"SYS_{name}"] for name in base.CALLS] == list(range(1, len(base.CALLS) + 1))
    fcntl = base.defines((KIT / "solution/kernel/fcntl.h").read_bytes())
    assert fcntl == base.FLAGS


def test_a_trees_own_numbers_count(tmp_path):
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/syscall.h").write_text("#define SYS_mmap 30 // mine\n#define SYS_sleep (13)\n/* #define SYS_fork 9 */\n")
    (tmp_path / "kernel/fcntl.h").write_text("#ifdef LAB_MMAP\r\n#define MAP_SHARED 0x01\r\n#define MAP_PRIVATE 0x04UL\r\n#endif\r\n")
    texts = base.headers(tmp_path)
    calls, flags = (base.defines(texts[name].encode()) for name in ("kernel/syscall.h", "kernel/fcntl.h"))
    assert (calls["SYS_mmap"], calls["SYS_pause"], calls["SYS_fork"], calls["SYS_munmap"]) == (30, 13, 1, 23)
    assert (flags["MAP_SHARED"], flags["MAP_PRIVATE"], flags["PROT_WRITE"]) == (1, 4, 2)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["#define SYS_mmap ", "22", "\n", "\\\n", '#include "x"\n', "printf", "(", ")", "0x", "0", "/*", "*/", "//",
                                 "#undef O_RDONLY\n", "#define O_RDWR ", "asm(\"ecall\")", "\0", "\x80"]), max_size=20))
def test_no_line_of_a_header_gets_through(pieces):
    text = "".join(pieces).encode("latin-1")
    assert re.fullmatch(r"#pragma once\n(#undef (\w+)\n#define \2 \d+\n)*", base.header(base.defines(text)))


def test_headers_that_are_not_there_do_no_harm(tmp_path):
    assert set(base.headers(tmp_path)) == {"kernel/syscall.h", "kernel/fcntl.h", "kernel/param.h"}


def test_the_disk_is_as_large_as_the_trees_kernel_wants(tmp_path):
    def sizes(text):
        (tmp_path / "kernel").mkdir(exist_ok=True)
        (tmp_path / "kernel/param.h").write_text(text)
        return base.defines(base.headers(tmp_path)["kernel/param.h"].encode())

    log = "#define MAXOPBLOCKS  10 // most\n#define LOGSIZE (MAXOPBLOCKS*3)\n"
    assert sizes(f"{log}#define FSSIZE 2000\n") == {"FSSIZE": 2000, "LOGBLOCKS": 30}
    assert sizes("#define LOGBLOCKS 40\n#define FSSIZE 999999999\n#define NPROC (64)\n") == {"LOGBLOCKS": 40}
    assert sizes("#define FSSIZE FSSIZE\n#define LOGSIZE 5 * x\n") == {}


@pytest.mark.parametrize("text", ["/*" * 300_000, " " * 1_000_000 + "x", "#define A " + "1 * " * 300_000, "#define " + "A " * 300_000],
                         ids=["comments", "blanks", "product", "words"])
def test_a_header_made_to_take_long_does_not(text):
    assert base.defines(text.encode()) == {}
