"""The tree's Makefile, as students use it: what it builds again and when, and what it says when something is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from grader import build, grade, lab
from grader.build import root_directory
from grader.machine import Machine, command
from grader.tests.test_programs import Console

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def make(tree, *words, path=None):
    """Run make in a tree; return its exit status and all that it printed."""
    done = subprocess.run(["make", *words], cwd=tree, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**ENVIRONMENT, **({"PATH": str(path)} if path else {})})
    return done.returncode, done.stdout


@pytest.fixture
def tree(solution_tree, tmp_path):
    """A copy of the built solution, to be changed."""
    return shutil.copytree(solution_tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".sources"))   # the grader's own


@pytest.fixture
def bare_path(tmp_path):
    """A directory of links to the few commands that a Makefile always has, and no compiler among them."""
    here = tmp_path / "bin"
    here.mkdir()
    for name in ("sh", "make", "expr", "id", "rm", "test", "echo"):
        (here / name).symlink_to(shutil.which(name))
    return here


def rebuilt(tree, changed):
    """The files that are compiled again after one was changed."""
    os.utime(tree / changed, (2**31, 2**31))
    _, log = make(tree, "-n", "kernel/kernel", "fs.img")
    return set(re.findall(r" -c -o \S+ (\S+)", log))


def test_nothing_is_built_twice(tree):
    assert make(tree, "-q", "kernel/kernel", "fs.img") == (0, "")


def test_a_changed_source_is_compiled_again_and_no_other(tree):
    assert rebuilt(tree, "kernel/vm.c") == {"kernel/vm.c"}
    assert rebuilt(tree, "user/cat.c") == {"kernel/vm.c", "user/cat.c"}


def test_what_includes_a_changed_header_is_compiled_again(tree):
    assert {"kernel/proc.c", "kernel/trap.c", "kernel/vm.c"} <= rebuilt(tree, "kernel/proc.h")
    assert "user/cat.c" not in rebuilt(tree, "kernel/proc.h")
    assert {"user/cat.c", "user/sh.c"} <= rebuilt(tree, "user/user.h")


def test_a_new_system_call_is_seen(tree):
    (tree / "user/usys.pl").write_text((tree / "user/usys.pl").read_text() + 'entry("other", "getpid");\n')
    os.utime(tree / "user/usys.pl", (2**31, 2**31))
    assert make(tree, "user/_echo")[0] == 0
    symbols = subprocess.run(["nm", tree / "user/_echo"], capture_output=True, text=True, check=True).stdout
    assert re.search(r" T other$", symbols, re.M)


def test_a_program_added_to_the_list_comes_onto_the_disk(tree):
    (tree / "user/hello.c").write_text('#include "kernel/types.h"\n#include "user/user.h"\n'
                                       'int main(void) { printf("hello\\n"); exit(0); }\n')
    text = (tree / "Makefile").read_text()
    assert text.count("  $U/_sh \\\n") == 1
    (tree / "Makefile").write_text(text.replace("  $U/_sh \\\n", "  $U/_sh \\\n  $U/_hello\\\n"))
    os.utime(tree / "Makefile", (2**31, 2**31))
    status, log = make(tree, "fs.img")
    assert status == 0, log
    names, _ = root_directory(tree / "fs.img")
    assert "hello" in names
    console = Console(tree / "kernel/kernel", tree / "fs.img")
    assert console.run("hello") == "hello\n"
    console.kill()


def test_a_usertests_from_elsewhere_takes_the_place_of_ours(tree):
    """Its names may be those of our files of tests: they are in an archive, which is only asked for what is missing."""
    text = "".join(path.read_text() for path in (tree / "user").glob("ut*.c"))
    names = set(re.findall(r"^(?!static)[\w *]*\n(\w+)\(.*\)\n\{", text, re.M)) - {"main"}
    assert len(names) > 20
    (tree / "user/usertests.c").write_text('#include "kernel/types.h"\n#include "user/user.h"\n' +
                                           "".join(f"int {name};\n" for name in sorted(names)) +
                                           'int main(void) { printf("another\\n"); exit(0); }\n')
    status, log = make(tree, "user/_usertests")
    assert status == 0, log


def test_a_compiler_error_is_shown_with_its_line(tree):
    with open(tree / "kernel/vm.c", "a") as file:
        file.write("int wrong = ;\n")
    os.utime(tree / "kernel/vm.c", (2**31, 2**31))
    status, log = make(tree, "kernel/kernel")
    assert status == 2 and re.search(r"^kernel/vm\.c:\d+:\d+: error: ", log, re.M)


def test_clean_leaves_the_sources_and_nothing_else(tree):
    def files():
        return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}

    sources = {name for name in files() if re.search(r"\.([chS]|ld|pl|in)$|/README$|^Makefile$|^\.gitignore$", name)}
    assert make(tree, "clean")[0] == 0
    assert files() == sources - {"user/usys.S"}


def test_other_optimisation(tree):
    make(tree, "clean")
    status, log = make(tree, "-j2", "kernel/kernel", "fs.img", "OPT=-O", "UOPT=-O2")
    assert status == 0, log
    console = Console(tree / "kernel/kernel", tree / "fs.img")
    assert console.run("grind 1; mmaptest fork; echo $?").endswith("\n0\n")
    console.kill()


def test_qemu_is_started_as_the_tests_start_it(tree):
    _, line = make(tree, "-n", "qemu", "CPUS=5")
    assert line.split() == [*command(Machine(Path("kernel/kernel"), None, 5), Path("fs.img"))]


def test_gdb(tree):
    status, log = make(tree, "qemu-gdb", "QEMU=true")
    assert status == 0 and "gdb-multiarch" in log
    port = re.search(r"-S -gdb tcp:127\.0\.0\.1:(\d+)$", log, re.M)[1]
    assert f"target remote 127.0.0.1:{port}\n" in (tree / ".gdbinit").read_text()


def test_without_a_compiler(tree, bare_path):
    status, log = make(tree, "kernel/kernel", path=bare_path)
    assert status == 2
    assert "No RISC-V compiler found" in log and "apt install gcc-riscv64-unknown-elf" in log
    assert make(tree, "clean", path=bare_path)[0] == 0


def test_grade_without_a_grader(tree):
    status, log = make(tree, "grade")
    assert status == 2 and "make grade GRADER=path/to/grader" in log
    status, log = make(tree, "grade", "GRADER=nosuch")
    assert status == 2 and "make grade GRADER=path/to/grader" in log


@pytest.mark.parametrize("place", ["tree", "beside"])
def test_grade_finds_the_grader(tree, place):
    """A stand-in tells how it was called."""
    package = (tree if place == "tree" else tree.parent) / "grader"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import os, sys, pexpect\nprint(os.getcwd(), sys.argv[1:])\nsys.exit(1)\n")
    status, log = make(tree, "grade", "GRADEFLAGS=fork exit")
    assert f"{tree} ['grade', '--submission', '.', 'fork', 'exit']\n" in log
    assert status == 2                    # of make, whose recipe ended with 1


def test_programs_that_are_not_wanted_are_not_built(tree):
    (tree / "user/wc.c").write_text("this is no C\n")
    assert "user/wc.c:1" in build.make(tree).error
    make(tree, "clean")
    built = build.make(tree, programs=["mmaptest", "nosuch"])
    assert built.ok and built.programs & {"init", "sh", "echo", "mmaptest", "wc", "cat", "nosuch"} == {"init", "sh", "echo", "mmaptest"}
    assert "wc" not in built.log


def test_a_program_that_no_test_needs_costs_no_points(tree, tmp_path):
    (tree / "user/wc.c").write_text("this is no C\n")
    found = grade.grade_tree(tree, lab.load().narrow(sections=("basic",)), tmp_path / "work")
    assert found.status == 0, found.why
