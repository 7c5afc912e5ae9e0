"""Tests of build.py: what make and the compiler say, in one line, and what is on the disk image."""

import pytest

from grader import CouldNotGrade, build
from grader.build import first_error
from grader.sandbox import Limits

from .conftest import disk_image


@pytest.fixture
def make(tmp_path):
    """make(rules, **limits): the Build of a tree whose Makefile has these rules."""
    def run(rules, **limits):
        if rules is not None:
            (tmp_path / "Makefile").write_text(rules)
        (tmp_path / "disk.bin").write_bytes(disk_image(["mmaptest", "sh"]))
        return build.make(tmp_path, Limits(**limits))
    return run


GOOD = "kernel/kernel:\n\ttouch $@\nfs.img:\n\tcp disk.bin $@\n"


def test_a_tree_that_builds(make, tmp_path):
    built = make(GOOD)
    assert built.ok, built.error
    assert (built.kernel, built.image, built.tree) == (tmp_path / "kernel/kernel", tmp_path / "fs.img", tmp_path)
    assert built.programs == {"mmaptest", "sh"}


def test_the_first_error_of_the_compiler_is_shown_with_file_and_line(make, tmp_path):
    (tmp_path / "a.c").write_text("int f(void)\n{\n  return 1\n}\nint g(void) { return y; }\n")
    built = make("kernel/kernel:\n\triscv64-unknown-elf-gcc -c -Wall -Werror a.c\nfs.img:\n\ttouch $@\n")
    assert (built.ok, built.error) == (False, "a.c:3: expected ';' before '}' token")
    assert "a.c:5" in built.log


@pytest.mark.parametrize("log, error", [
    ("kernel/vm.c:12:5: error: unused variable 'x' [-Werror=unused-variable]\n", "kernel/vm.c:12: unused variable 'x' [-Werror=unused-variable]"),
    ("In file included from kernel/vm.c:3:\nkernel/proc.h:9:10: fatal error: vma.h: No such file or directory\n",
     "kernel/proc.h:9: vma.h: No such file or directory"),
    ("x-ld: warning: kernel/kernel has a LOAD segment with RWX permissions\nx-ld: kernel/trap.o: in function `usertrap':\n"
     "/x/kernel/trap.c:83: undefined reference to `vma_fault'\nmake: *** [Makefile:9: kernel/kernel] Error 1\n",
     "/x/kernel/trap.c:83: undefined reference to `vma_fault'"),
    ("x-ld: a.o:(.sdata+0x0): undefined reference to `tab'\n", "a.o: undefined reference to `tab'"),
    ("x-ld: a.o:/x/a.c:2: undefined reference to `tab'\n", "/x/a.c:2: undefined reference to `tab'"),
    ("x-ld: cannot open linker script file k.ld: No such file or directory\nmake: *** [Makefile:9: kernel/kernel] Error 1\n",
     "x-ld: cannot open linker script file k.ld: No such file or directory"),
    ("Makefile:30: *** missing separator.  Stop.\n", "Makefile:30: missing separator"),
    ("make: *** No rule to make target 'user/_x', needed by 'fs.img'.  Stop.\n", "No rule to make target 'user/_x', needed by 'fs.img'"),
    ("one\nmkfs: no room\nmake: *** [Makefile:9: fs.img] Error 1\n", "mkfs: no room"),
    ("cp disk.bin x\nmake[7]: cc: Resource temporarily unavailable\nmake[7]: *** [Makefile:8: x] Error 127\n", "cc: Resource temporarily unavailable"),
    ("mkfs: no room\ncp disk.bin x\nmake: *** [Makefile:9: fs.img] Error 1\nmake: *** Waiting for unfinished jobs....\n", "mkfs: no room"),
    ("truncate -s 1T fs.img\nmake: *** [Makefile:7: fs.img] File size limit exceeded\n", "Makefile:7: File size limit exceeded"),
    ("spy.s: Assembler messages:\nspy.s:1: Error: file not found: /x\n", "spy.s:1: file not found: /x"),
    ("", "make failed and printed nothing")])
def test_the_first_error_in_one_line(log, error):
    assert first_error(log) == error


def test_a_tree_without_a_makefile(make):
    assert make(None).error == "the tree has no Makefile"


def test_a_build_that_makes_nothing(make):
    assert "did not make kernel/kernel" in make("kernel/kernel fs.img:\n\t@true\n").error


def test_a_build_that_never_ends(make, tmp_path):
    built = make("kernel/kernel:\n\twhile :; do :; done\n", cpu=1)
    assert built.error == "make was stopped: it used more than 1 s of CPU time"
    assert (tmp_path / build.UNFINISHED).exists()


def test_a_build_that_waits_for_input_fails(make):
    assert not make("kernel/kernel:\n\tread answer\n", wall=5).ok


def test_a_build_that_prints_for_ever(make):
    assert "printed more than 1 MiB" in make("kernel/kernel:\n\tyes\n", output=1 << 20).error


@pytest.mark.parametrize("content, says", [
    (b"", "cut off"), (bytes(5000), "magic number"), (disk_image(["sh"])[:2048], "cut off"),
    (disk_image(["sh"])[:2048] + bytes(3000), "inode 1 is no directory")])
def test_what_is_no_disk_image(tmp_path, content, says):
    (tmp_path / "fs.img").write_bytes(content)
    names, wrong = build.root_directory(tmp_path / "fs.img")
    assert names == frozenset() and says in wrong


def test_the_root_directory_of_the_real_image(solution_tree):
    names, wrong = build.root_directory(solution_tree / "fs.img")
    assert wrong == "" and {"sh", "init", "mmaptest", "README", "."} <= names


def test_without_a_compiler_the_message_says_how_to_get_it(make, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/make").symlink_to("/usr/bin/make")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CouldNotGrade, match="apt install gcc-riscv64-unknown-elf"):
        make(GOOD)
