"""The user programs, as somebody at the console sees them: one machine for all, each case a line that is typed."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pexpect
import pytest

from grader.machine import Machine, command

PROGRAMS = Path(__file__).resolve().parent / "programs"
SECONDS = 120                  # for one typed line; only a machine that hangs takes longer
TEXT = "alpha\nbeta gamma\n\nalphabet\na.b\nlast line without end"
OPERATIONS = ("null fork exec lazyfault privatefault sharedfault smallfault largefault cowfault forkmany unmapclean unmapdirty "
              "anonfault crowdfault protectmany mmap write1m pipe")
LONG = "x" * (1023 - len("echo  | wc"))                 # in such a line, the longest that the shell takes
LINES = "".join(f"{n} {'-' * (n % 300)}\n" for n in range(700))
FILES = {
    "text": TEXT,
    "script": "echo one\n\necho two | cat\ncd dir\ncat < nosuch\necho $?\necho three",
    "badscript": "echo a > unmade; echo b |",
    "reader": "cat\nfirst\nsecond\n",
    "longline": f"echo {LONG} | wc\necho {LONG}x | wc\necho after\n",
    "lines": LINES,
    "napscript": "nap\necho status $?\n",
    "readers": "nap | (" + "grep zzz&" * 62 + ")",
    "pipes": "nap" + "|grep zzz" * 58,
    "oneline": "y" * 9000 + "\nz\n",
}


def counts(text):
    """What wc says of a text."""
    return f"{text.count(chr(10))} {len(text.split())} {len(text)} "


class Console:
    """A machine with its disk (a Path), at the shell's prompt."""

    def __init__(self, kernel, disk, harts=3):
        words = command(Machine(kernel, None, harts), disk)
        self.qemu = pexpect.spawn(words[0], words[1:], timeout=SECONDS, encoding="latin-1", maxread=65536)
        self.qemu.delaybeforesend = None
        self.typed = 0
        self.prompt()
        self.boot = self.qemu.before.replace("\r", "")

    def prompt(self):
        """Read up to the next prompt."""
        assert self.qemu.expect_exact(["$ ", "panic: "]) == 0, "panic: " + self.qemu.read_nonblocking(1000, 1)

    def run(self, line):
        """Type a line; return what was printed until the shell did the next line."""
        self.typed += 1
        self.qemu.send(f"{line}\n")
        self.qemu.expect_exact(f"{line}\r\n")
        self.prompt()
        first = self.qemu.before
        self.qemu.send(f"echo end  {self.typed}\n")
        assert self.qemu.expect_exact([f"end {self.typed}\r\n", "panic: "]) == 0, "panic"
        rest = self.qemu.before.replace(f"echo end  {self.typed}\r\n", "", 1)
        self.qemu.expect_exact("$ ")
        return (first + rest).replace("\r", "")

    def status(self, line):
        """Type a line; return what was printed and its exit status, a number."""
        out = self.run(f"{line}; echo status $?")
        text, _, status = out.rpartition("status ")
        return text, int(status)

    def kill(self):
        """Kill QEMU; nothing is written to the disk any more."""
        self.qemu.kill(signal.SIGKILL)
        self.qemu.expect(pexpect.EOF)
        self.qemu.close()


@pytest.fixture(scope="module")
def tree(solution_tree, tmp_path_factory):
    """A copy of the built solution with libtest and nap, and an image programs.img that has FILES too."""
    tree = tmp_path_factory.mktemp("programs") / "tree"
    shutil.copytree(solution_tree, tree)
    for source in PROGRAMS.glob("*.c"):
        shutil.copy(source, tree / "user")
    files = tree / "files"
    files.mkdir()
    for name, text in FILES.items():
        (files / name).write_text(text)
    mine = [f"_{source.stem}" for source in PROGRAMS.glob("*.c")]
    subprocess.run(["make", "-s", *(f"user/{name}" for name in mine), "mkfs/mkfs", "mkfs/fsck"], cwd=tree, check=True)
    for name in mine:
        subprocess.run(["riscv64-unknown-elf-strip", "-o", f"disk/{name}", f"user/{name}"], cwd=tree, check=True)
    extra = [f"files/{name}" for name in FILES]
    programs = sorted(f"disk/{path.name}" for path in (tree / "disk").iterdir())
    subprocess.run(["mkfs/mkfs", "programs.img", "user/README", *programs, *extra], cwd=tree, check=True)
    return tree


def disk(tree, where):
    """A fresh copy of the image in the directory where (a Path)."""
    return Path(shutil.copy(tree / "programs.img", where / "fs.img"))


@pytest.fixture(scope="module")
def shell(tree, tmp_path_factory):
    """The Console that all cases share. Each works in files of its own names."""
    console = Console(tree / "kernel/kernel", disk(tree, tmp_path_factory.mktemp("disk")))
    console.run("mkdir dir")
    yield console
    console.kill()


# ---- the shell

@pytest.mark.parametrize("line, printed", [
    ("", ""),
    (" \t ", ""),
    ("echo", "\n"),
    ("echo one  two", "one two\n"),
    ("  echo x  ", "x\n"),
    ("echo a; echo b", "a\nb\n"),
    ("echo a;echo b;", "a\nb\n"),
    ("echo a | cat", "a\n"),
    ("echo a b | cat | cat | wc", "1 2 4 \n"),
    ("echo a|cat|wc", "1 1 2 \n"),
    ("(echo a)", "a\n"),
    ("(echo a; echo b) | wc", "2 2 4 \n"),
    ("((echo a; (echo b)); echo c) | cat", "a\nb\nc\n"),
    ("echo a | (cat; echo b)", "a\nb\n"),
    ("((((((((echo deep))))))))", "deep\n"),
    ("echo one > r1; cat r1", "one\n"),
    ("echo one > r2; echo two > r2; cat r2", "two\n"),
    ("echo one > r3; echo two >> r3; echo three>>r3; cat r3", "one\ntwo\nthree\n"),
    ("echo new >> r4; cat r4", "new\n"),
    ("echo longer text > r5; echo x > r5; cat r5", "x\n"),
    ("cat < text | grep ^a.b", "a.b\n"),
    ("wc<text>r6;cat<r6", f"{counts(TEXT)}\n"),
    ("< text cat | grep gam", "beta gamma\n"),
    ("> r7 echo before; cat r7", "before\n"),
    ("echo a > r8 b; cat r8", "a b\n"),
    ("echo a > r9 > r10; cat r9; cat r10", "a\n"),
    ("(echo a; echo b) > r11; cat < r11", "a\nb\n"),
    ("cat nosuch > r12; echo more >> r12; cat r12", "cat: cannot open nosuch\nmore\n"),
    ("cd dir; echo x > in; cd ..; cat dir/in", "x\n"),
    ("cd dir; wc ../text; cd /; cat dir/in", f"{counts(TEXT)}../text\nx\n"),
    ("(cd dir; echo y > in); cat dir/in; cat in", "y\ncat: cannot open in\n"),
    ("cd dir; cd; cat README | grep disk | wc", "1 12 66 \n"),
    ("cd dir | echo x; ls README | wc", "x\n1 4 23 \n"),
    ("echo $?; grep nothing text; echo $? $?; echo $?", "0\n1 1\n0\n"),
    ("grep nothing text | cat; echo $?", "0\n"),
    ("(grep nothing text); echo $?", "1\n"),
    ("(nosuch); echo $?", "exec nosuch failed\n127\n"),
    ("cd nosuch; echo $?", "sh: cannot cd to nosuch\n1\n"),
    ("/echo rooted; ./echo here", "rooted\nhere\n"),
])
def test_shell(shell, line, printed):
    assert shell.run(line) == printed


def test_shell_looks_for_plain_names_in_the_root(shell):
    assert shell.run("(cd dir; echo found; ./echo lost)") == "found\nexec ./echo failed\n"


@pytest.mark.parametrize("line, complaint", [
    ("nosuch", "exec nosuch failed\n"),
    ("nosuch a b | cat", "exec nosuch failed\n"),
    ("text", "exec text failed\n"),
    ("dir", "exec dir failed\n"),
    ("| cat", "sh: syntax error at |\n"),
    ("cat |", "sh: syntax error at end of line\n"),
    ("echo a | | cat", "sh: syntax error at |\n"),
    ("echo a ;; echo b", "sh: syntax error at ;\n"),
    ("; echo a", "sh: syntax error at ;\n"),
    ("&", "sh: syntax error at &\n"),
    ("echo a > ", "sh: syntax error at end of line\n"),
    ("echo a > > b", "sh: syntax error at >\n"),
    ("echo a >> | b", "sh: syntax error at |\n"),
    ("(echo a", "sh: syntax error at end of line\n"),
    ("echo a)", "sh: syntax error at )\n"),
    ("()", "sh: syntax error at )\n"),
    ("(echo a) b", "sh: syntax error at b\n"),
    ("echo (a)", "sh: syntax error at (\n"),
    ("> f", "sh: syntax error at end of line\n"),
    ("(" * 9 + "echo deep" + ")" * 9, "sh: too many parentheses in each other\n"),
    ("echo" + " w" * 31, "sh: too many arguments for echo\n"),
    ("cat < nosuch", "sh: cannot open nosuch\n"),
    ("echo a > dir", "sh: cannot open dir\n"),
    ("echo a > nosuch/b", "sh: cannot open nosuch/b\n"),
    ("cd nosuch", "sh: cannot cd to nosuch\n"),
    ("cd text", "sh: cannot cd to text\n"),
    ("sh nosuch", "sh: cannot open nosuch\n"),
])
def test_shell_says_what_is_wrong_and_goes_on(shell, line, complaint):
    assert shell.run(line) == complaint


def test_nothing_of_a_line_with_an_error_is_run(shell):
    assert shell.status("sh badscript") == ("sh: syntax error at end of line\n", 2)
    assert shell.run("cat unmade") == "cat: cannot open unmade\n"


def test_as_many_arguments_as_exec_takes(shell):
    assert shell.run("echo" + " w" * 30) == "w " * 29 + "w\n"


def test_background(shell):
    assert shell.run("(echo a & echo b & echo c) | wc") == "3 3 6 \n"
    assert shell.run("(echo a | cat > bg) & echo b") == "b\n"
    wait_for(shell, "cat bg", "a\n")


def test_background_does_not_hold_the_prompt(shell):
    start(shell, "nap &", "napping")
    assert shell.run("echo a | cat") == "a\n"
    end_nap(shell)


def test_a_killed_program_has_status_minus_1(shell):
    shell.run("sh napscript > napout &")
    end_nap(shell)
    wait_for(shell, "cat napout", "status -1\n")


def test_scripts(shell):
    printed = "one\ntwo\nsh: cannot open nosuch\n1\nthree\n"
    assert shell.run("sh script") == printed
    assert shell.run("sh < script") == printed
    assert shell.run("cat script | sh") == printed


def test_a_program_in_a_script_on_standard_input_reads_the_rest_of_it(shell):
    assert shell.run("sh < reader") == "first\nsecond\n"


def test_long_lines(shell):
    assert shell.run("sh longline") == f"1 1 {len(LONG) + 1} \nsh: line longer than 1023 bytes\nafter\n"


def test_shell_lives_when_no_process_can_be_made(shell):
    """Fill the process table with readers of one pipe, which find nothing there; leave by killing its writer."""
    start(shell, "sh readers &", "")

    def started():
        count = Counter(name for _, name in processes(shell))
        return count["sh"] == 2 and count["grep"] > 50

    until(started)
    assert "sh: cannot fork\n" in shell.run("echo a | cat | cat | cat")
    end_nap(shell)
    wait_for(shell, "echo a | cat | cat | cat", "a\n")


def test_shell_lives_when_no_pipe_can_be_made(shell):
    """Each pipe is two open files, and the system has not enough for these; there are processes enough."""
    start(shell, "sh pipes &", "sh: cannot make a pipe")
    end_nap(shell)
    wait_for(shell, "echo a" + " | cat" * 20, "a\n")


def start(shell, line, said):
    """Type a line for the background; go on when that was said of it and the prompt is there, whichever came first.

    What it prints later would get between the letters of the next line typed: let it be silent."""
    shell.qemu.send(f"{line}\n")
    shell.qemu.expect(rf"{said}.*\$ |\$ .*{said}\r\n")


def processes(shell):
    """(number, name) of every process but zombies, as Ctrl-P shows them."""
    shell.qemu.send("\x10\x10")             # what comes between two of the first process is a whole list
    shell.qemu.expect(r"\n1 \w+ init\r\n")
    shell.qemu.expect(r"\n1 \w+ init\r\n")
    rows = re.findall(r"^(\d+) (\w+) (\S+)\r$", shell.qemu.before, re.M)
    return [(int(number), name) for number, state, name in rows if state != "zombie"]


def until(true):
    """Call true() until it is; processes of the background take their time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if result := true():
            return result
    raise AssertionError("it never came to be")


def end_nap(shell):
    """Kill the one process that naps, as soon as it is there, and wait until it is not."""
    def naps():
        return [number for number, name in processes(shell) if name == "nap"]

    number, = until(naps)
    assert shell.run(f"kill {number}") == ""
    until(lambda: not naps())


def wait_for(shell, line, printed):
    """Type the line until that is printed."""
    until(lambda: printed in shell.run(line))


# ---- init

def test_init_starts_a_new_shell(shell):
    shell.qemu.sendeof()
    shell.qemu.expect_exact("init: starting sh\r\n")
    shell.prompt()
    assert shell.run("echo again") == "again\n"


def test_boot(shell):
    assert shell.boot.endswith("init: starting sh\n")
    assert "xv6 kernel is booting\n" in shell.boot


# ---- files

@pytest.mark.parametrize("line, printed, status", [
    ("cat text", TEXT, 0),
    ("cat text nosuch text", TEXT + "cat: cannot open nosuch\n" + TEXT, 1),
    ("cat /README | wc", "2 28 147 \n", 0),
    ("cat lines | wc", counts(LINES) + "\n", 0),
    ("wc text", f"{counts(TEXT)}text\n", 0),
    ("wc text nosuch README", f"{counts(TEXT)}text\nwc: cannot open nosuch\n2 28 147 README\n", 1),
    ("grep alpha text", "alpha\nalphabet\n", 0),
    ("grep ^alpha$ text", "alpha\n", 0),
    ("grep a.b text", "a.b\n", 0),
    ("grep ^$ text", "\n", 0),
    ("grep end$ text", "last line without end\n", 0),
    ("grep ^.l*h text", "", 1),
    ("grep al*p text", "alpha\nalphabet\n", 0),
    ("grep gamma text README", "beta gamma\n", 0),
    ("cat text | grep beta", "beta gamma\n", 0),
    ("grep zzz text", "", 1),
    ("grep a nosuch", "grep: cannot open nosuch\n", 2),
    ("grep", "usage: grep pattern [file...]\n", 2),
    ("grep " + "a" * 64 + " text", "grep: pattern longer than 63 characters\n", 2),
    ("grep ^699 lines | wc", "1 2 104 \n", 0),
    ("grep y*y oneline | wc", "1 1 9001 \n", 0),
    ("grep z oneline", "z\n", 0),
    ("kill", "usage: kill pid...\n", 1),
    ("kill 30000", "kill: no process 30000\n", 1),
    ("ln text", "usage: ln file newname\n", 1),
    ("ln nosuch other", "ln: cannot name nosuch other\n", 1),
    ("ln text README", "ln: cannot name text README\n", 1),
    ("ln dir other", "ln: cannot name dir other\n", 1),
    ("mkdir", "usage: mkdir directory...\n", 1),
    ("mkdir text", "mkdir: cannot make text\n", 1),
    ("mkdir nosuch/a", "mkdir: cannot make nosuch/a\n", 1),
    ("rm", "usage: rm file...\n", 1),
    ("rm nosuch", "rm: cannot remove nosuch\n", 1),
    ("rm .", "rm: cannot remove .\n", 1),
    ("ls nosuch", "ls: cannot open nosuch\n", 1),
    ("logstress", "usage: logstress file...\n", 1),
    ("bench null", f"usage: bench NAME N, where NAME is one of {OPERATIONS}\n", 1),
    ("bench nosuch 1", f"usage: bench NAME N, where NAME is one of {OPERATIONS}\n", 1),
])
def test_program(shell, line, printed, status):
    assert shell.status(line) == (printed, status)


def test_cat_copies_what_is_typed(shell):
    shell.qemu.send("cat\n")
    for line in ("one", "two"):
        shell.qemu.send(f"{line}\n")
        shell.qemu.expect_exact(f"{line}\r\n{line}\r\n")     # as typed, and as copied
    shell.qemu.sendeof()
    shell.prompt()
    assert shell.qemu.before == ""


def test_cat_says_that_the_file_is_full(shell):
    assert shell.status("cat usertests usertests usertests usertests usertests usertests > toolarge") == \
        ("cat: cannot write\n", 1)
    assert 0 <= (12 + 256) * 1024 - int(shell.run("ls toolarge").split()[3]) < 4096
    shell.run("rm toolarge")


def test_names(shell):
    assert shell.run("mkdir n1 n1/n2; echo x > n1/n2/f; ln n1/n2/f n1/g; cat n1/g") == "x\n"
    number = shell.run("ls n1/g").split()[2]
    assert shell.run("ls n1/n2").splitlines()[2].split() == ["f", "2", number, "2"]
    assert shell.run("rm n1") == "rm: cannot remove n1\n"
    assert shell.run("rm n1/n2/f; cat n1/g; rm n1/g n1/n2 n1; ls n1") == "x\nls: cannot open n1\n"


def test_ls(shell):
    shell.run("mkdir l1; cd l1; mkdir sub; echo hello > a; echo > abcdefghijklmn; cd /")
    rows = [line.split() for line in shell.run("ls l1").splitlines()]
    assert [(name, kind, size) for name, kind, _, size in rows] == [
        (".", "1", "80"), ("..", "1", rows[1][3]), ("sub", "1", "32"), ("a", "2", "6"), ("abcdefghijklmn", "2", "1")]
    assert shell.run("ls l1/a text").splitlines()[1].split()[3] == "52"
    assert ["console", "3"] in [line.split()[:2] for line in shell.run("ls /").splitlines()]
    assert shell.run("cd l1; ls; cd /") == shell.run("ls l1")


def test_ls_of_a_path_that_is_nearly_too_long(shell):
    shell.run("mkdir l2; mkdir l2/abcdefghijklmn")
    path = "l2/" + "/" * 100 + "abcdefghijklmn"
    assert shell.run(f"ls {path}") == f"ls: {path}: path too long\n"


# ---- programs that test

@pytest.mark.parametrize("line, printed", [
    ("forktest", "fork test\nfork test OK\n"),
    ("stressfs", "stressfs: 5 writers\nstressfs: OK\n"),
    ("logstress s1 s2 s3 s4", ""),
    ("grind 2", "grind: OK\n"),
    ("grind 0", "grind: OK\n"),
    ("zombie", ""),
    ("libtest two words", "libtest: 0 failures\n"),
])
def test_testing_program(shell, line, printed):
    assert shell.status(line) == (printed, 0)


@pytest.mark.parametrize("name, times", [
    ("null", 10), ("fork", 3), ("exec", 12), ("lazyfault", 300), ("privatefault", 70), ("sharedfault", 3), ("cowfault", 70),
    ("forkmany", 1), ("unmapclean", 1), ("unmapdirty", 1), ("anonfault", 70), ("crowdfault", 1), ("protectmany", 3), ("mmap", 10),
    ("write1m", 1), ("pipe", 10)])
def test_bench(shell, name, times):
    out, status = shell.status(f"bench {name} {times}")
    begin, end = map(int, re.fullmatch(rf"bench {name} \d+ (\d+) (\d+)\n", out).groups())
    assert status == 0 and begin < end


def test_programs_leave_no_files(shell):
    """After the tests above: what they made for themselves is gone."""
    assert re.findall(r"^(?:bench|stressfs)\S*\.?\d\S*", shell.run("ls /"), re.M) == []


def test_logstress_writes_what_it_says(shell):
    shell.run("logstress t1 t2")
    assert shell.run("cat t1 | grep ^[^t] | wc") == "0 0 0 \n"
    sizes = {shell.run(f"ls {name}").split()[3] for name in ("t1", "t2")}
    assert len(sizes) == 1 and 0 < int(*sizes) <= 68608


# ---- the end of the machine

def fsck(tree, image):
    """Fail with fsck's words if the image is damaged or anything leaked."""
    done = subprocess.run(["mkfs/fsck", image], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_poweroff(tree, tmp_path):
    image = disk(tree, tmp_path)
    console = Console(tree / "kernel/kernel", image)
    console.run("echo kept > file; mkdir made")
    console.qemu.send("poweroff\n")
    console.qemu.expect(pexpect.EOF)
    console.qemu.close()
    assert (console.qemu.exitstatus, console.qemu.signalstatus) == (0, None)
    fsck(tree, image)
    console = Console(tree / "kernel/kernel", image)
    assert "ireclaim" not in console.boot
    assert console.run("cat file; ls power") .startswith("kept\npower ")
    console.kill()


def names(console):
    """What ls shows of the root directory, without the sizes of directories."""
    return [line.split()[:3] for line in console.run("ls /").splitlines()]


@pytest.mark.parametrize("programs", [["forphan"], ["dorphan"], ["forphan", "dorphan"]])
def test_orphans_are_reclaimed_after_a_kill(tree, tmp_path, programs):
    image = disk(tree, tmp_path)
    console = Console(tree / "kernel/kernel", image)
    before = names(console)
    for name in programs:
        console.qemu.send(f"{name} &\n")
        console.qemu.expect_exact("wait for kill and reclaim\r\n")
    console.kill()
    console = Console(tree / "kernel/kernel", image)
    assert len(re.findall(r"^ireclaim: orphaned inode \d+$", console.boot, re.M)) == len(programs)
    assert names(console) == before
    console.qemu.send("poweroff\n")
    console.qemu.expect(pexpect.EOF)
    fsck(tree, image)
