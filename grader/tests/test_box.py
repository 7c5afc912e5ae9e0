"""Tests of box.py, carry.py and cache.py: what a confined command sees, what comes out, and that nothing of it stays."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import CouldNotGrade, box as boxes, carry, machine, sandbox, seccomp
from grader.sandbox import Limits

from .conftest import KIT


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A Box without a cache."""
    return sandbox.confined(tmp_path_factory.mktemp("box"))


def shell(script, directory, box, **more):
    return sandbox.run(["sh", "-c", script], directory, Limits(wall=120), box, **more)


def test_a_confined_command_is_nobody_and_sees_no_home_no_other_process_and_no_network(box, tmp_path):
    (tmp_path / "here").write_text("seen\n")
    said = shell("cat here; id -u; ls -d /home /root /etc/passwd /var 2>&1 | grep -c 'No such'; "
                 "ls /proc | grep -c '^[0-9]'; "
                 "tail -n +3 /proc/net/dev | cut -d: -f1; echo $HOME; grep Cap[PE] /proc/self/status", tmp_path, box).output.split()
    assert said[0] == "seen" and said[1] != "0"
    assert said[2] == "4" and int(said[3]) < 12
    assert said[4:6] == ["lo", "/nonexistent"]
    assert said[7] == said[9] == "0" * 16


def test_its_limits_are_set(box, tmp_path):
    said = shell("ulimit -c; ulimit -n; ulimit -f; ulimit -p; ulimit -t; df -k /tmp | tail -1", tmp_path, box).output.split()
    limits = Limits()
    assert said[:5] == ["0", "512", str(limits.file // 512), str(2 * limits.processes), str(int(4 * limits.cpu))]
    assert said[6] == str(limits.scratch >> 10)


def test_it_can_write_to_its_scratch_folder_alone(box, tmp_path):
    places = "/ /usr /etc /dev /dev/shm /proc /opt"
    said = shell(f"for d in {places}; do touch $d/x 2>/dev/null && echo $d; done; touch /tmp/x && echo yes; touch ./x 2>&-",
                 tmp_path, box)
    assert said.output == "yes\n"
    assert list(tmp_path.iterdir()) == []


def test_with_bring_it_works_on_a_copy_and_what_matches_comes_back(box, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("old")
    (tmp_path / "out/d").mkdir(parents=True)
    (tmp_path / "out/d/_stale").touch()
    result = shell("echo new > a; mkdir d; echo 1 > d/_x; echo 2 > d/y; ln -s a d/_link; exit 3", tmp_path / "in", box,
                   bring=("a", "d/_*"), to=tmp_path / "out")
    assert (result.status, result.refused) == (3, ("d/_link is a symbolic link, not a file",))
    assert (tmp_path / "in/a").read_text() == "old"
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")}
    assert found == {"a", "d", "d/_x"}
    assert (tmp_path / "out/a").read_text() == "new\n"


def test_too_much_is_not_brought(box, tmp_path):
    result = shell("for i in 1 2 3; do head -c 30000000 /dev/zero > x$i; done", tmp_path, box, bring=("x*",))
    assert "files of more than 64 MiB" in result.cut
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_seen_at_its_place_and_nothing_beside_it(box, tmp_path):
    for name in ("a/shown", "a/hidden", "b/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    said = shell(f"cat {tmp_path}/a/shown; ls {tmp_path}/a", tmp_path / "b", box, read=(tmp_path / "a/shown",))
    assert said.output == "a/shownshown\n"


def test_a_link_in_a_private_directory_shows_nothing(box, tmp_path):
    (tmp_path / "secret").write_text("told\n")
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    (place / "link").symlink_to(tmp_path / "secret")
    assert "told" not in shell("cat link; ls -l", place, box).output
    assert "link ->" in shell("ls -l", place, box).output


@pytest.mark.parametrize("confined", (True, False))
def test_a_grader_that_is_killed_leaves_nothing_running(box, tmp_path, confined):
    mark = f"{os.getpid()}{int(confined)}31"
    code = ("import pathlib, sys; from grader import sandbox; "
            f"box = sandbox.{f'confined(pathlib.Path({str(tmp_path)!r}))' if confined else 'OPEN'}; "
            f"sandbox.run(['sleep', '{mark}'], pathlib.Path('/usr'), box=box)")
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(KIT)})

    while not any(words[0] == "sleep" and waits(process.parent()) for process, words in sleepers(mark)):
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    while sleepers(mark):
        time.sleep(0.02)                # the test would not end if one stayed


def sleepers(mark):
    """(process, words) of all whose last words are sleep and a mark."""
    found = ((process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [(process, words) for process, words in found if words[-2:] == ["sleep", mark]]


def waits(process):
    """Whether a process has nothing left to do but to wait for its children."""
    try:
        return process.status() == psutil.STATUS_SLEEPING
    except psutil.Error:
        return False


def test_a_box_that_a_killed_grader_left_is_ended_by_the_next_and_those_of_others_are_not(box, tmp_path):
    """As if it had been killed while bubblewrap made the box, which does not yet end with its maker then."""
    mark, mine = f"{os.getpid()}32", f"{os.getpid()}33"
    code = ("import pathlib, subprocess; from grader import sandbox; "
            f"words = sandbox.wrap(['sleep', '{mark}'], sandbox.confined(pathlib.Path({str(tmp_path)!r}))); "
            "words.remove('--die-with-parent'); subprocess.Popen(words)")
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(KIT)}, check=True)
    other = subprocess.Popen(sandbox.wrap(["sleep", mine], box))
    while not all(any(words[0] == "sleep" for _, words in sleepers(each)) for each in (mark, mine)):
        time.sleep(0.02)
    boxes.sweep()
    while sleepers(mark):
        time.sleep(0.02)
    assert sleepers(mine) and other.poll() is None
    for process, _ in sleepers(mine):
        process.kill()
    other.wait()


def test_the_kernel_ends_what_nobody_watches(box):
    seen = subprocess.run(sandbox.wrap(["sh", "-c", "while :; do :; done"], box, limits=Limits(cpu=0.2)), timeout=600)
    assert seen.returncode == 128 + signal.SIGKILL


def test_a_machine_in_a_box_runs_as_it_does_outside(box, fake):
    guest = fake({"mmaptest": "hello\n"})
    boxed, free = (machine.run(replace(guest, box=where), "mmaptest", 5.0) for where in (box, sandbox.OPEN))
    assert boxed.lines == free.lines or boxed.lines[-1] == free.lines[-1] == "hello"
    assert (boxed.ending, boxed.status, boxed.booted) == (free.ending, free.status, True)


def test_the_cpu_time_of_a_machine_in_a_box_is_seen(box, solution):
    run = machine.run(replace(solution, box=box), "echo hello", 5.0)
    assert run.booted and run.cpu_seconds > 0


def test_a_machine_that_ends_itself_in_a_box_is_seen_to(box, fake):
    assert machine.run(replace(fake({"mmaptest": "\4"}), box=box), "mmaptest", 5.0).status == 0


def test_without_bubblewrap_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CouldNotGrade, match="bubblewrap is not installed: run make setup.*--no-sandbox"):
        sandbox.confined(tmp_path / "box")


def stand_in(place, text, monkeypatch):
    """Put a program called bwrap first on PATH."""
    place.mkdir()
    (place / "bwrap").write_text(f"#!/bin/sh\n{text}\n")
    (place / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")


def test_where_bubblewrap_may_not_it_says_so_and_what_to_do(tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1", monkeypatch)
    with pytest.raises(CouldNotGrade, match="can't be confined here: bwrap: No permissions.*--no-sandbox"):
        sandbox.confined(tmp_path / "box")


def test_a_box_that_fails_later_is_no_students_fault(box, tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", "echo 'bwrap: no room' >&2; exit 1", monkeypatch)
    with pytest.raises(CouldNotGrade, match="can't confine a command: bwrap: no room"):
        shell("true", tmp_path, box)


def test_a_tool_that_would_not_be_seen_is_named(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/riscv64-elf-gcc").write_text("#!/bin/sh\n")
    (tmp_path / "bin/riscv64-elf-gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tmp_path / 'bin'}")
    with pytest.raises(CouldNotGrade, match=f"would not see {tmp_path}/bin/riscv64-elf-gcc"):
        sandbox.confined(tmp_path / "box")


def test_a_machine_whose_system_calls_are_not_known_goes_without_the_filter(tmp_path, monkeypatch):
    program = seccomp.program
    monkeypatch.setattr(seccomp, "program", lambda: program("riscv64"))
    assert shell("echo here", tmp_path, sandbox.confined(tmp_path / "box")).output == "here\n"


def test_a_foreign_packs_names_lead_nowhere_else():
    for name in ("../x", "a/../x", "/x", "a//x", "a\nx", "a/b/x", ".."):
        assert not carry.fits(name, "a/*") and not carry.fits(name, "*")
    assert carry.fits("a/x", "a/*") and not carry.fits("x/x", "a/*")


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 1535), st.integers(0, 255)), max_size=20))
def test_any_bytes_are_a_pack(tail, changes):
    numbers = b"0000644\0" * 3 + b"00000000003\0" * 2
    header = bytearray(b"a/x".ljust(100, b"\0") + numbers + b"        0".ljust(101, b"\0") + b"ustar\00000").ljust(512, b"\0")
    pack = header + b"abc".ljust(512, b"\0") + header
    for at, byte in changes:
        pack[at] = byte
    for name, kind, content in carry.members(bytes(pack) + tail):
        assert isinstance(name, str) and len(kind) == 1 and len(content) <= len(pack) + len(tail)


def test_a_pack_is_read():
    words = ["tar", "-c", "--format=ustar", "-f", "-", "-C", str(KIT), "LICENSE"]
    packed = subprocess.run(words, capture_output=True, check=True)
    assert list(carry.members(packed.stdout)) == [("LICENSE", b"0", (KIT / "LICENSE").read_bytes())]


def test_unchanged_kernel_files_all_come_from_the_cache_wherever_the_tree_is(tmp_path):
    (tmp_path / "cache").mkdir()
    filled = replace(sandbox.confined(tmp_path / "box", tmp_path / "cache"), fills=True)
    script = "CCACHE_LOGFILE=/tmp/log make kernel/kernel > /tmp/said && grep -o '[a-z_]*_cache_[a-z]*' /tmp/log; ls kernel/*.o"
    command = ["sh", "-c", script]
    first = sandbox.run(command, KIT / "handout", box=filled, bring=("kernel/kernel",), to=tmp_path / "one")
    other = tmp_path / "elsewhere"
    subprocess.run(["cp", "-r", KIT / "handout", other], check=True)
    again = sandbox.run(command, other, box=replace(filled, fills=False), bring=("kernel/kernel",), to=tmp_path / "two")
    files = again.output.count(".o\n")
    assert files > 20 and first.output.count("preprocessed_cache_miss") == files
    assert again.output.count("direct_cache_hit") == files and "miss" not in again.output
    assert (tmp_path / "one/kernel/kernel").read_bytes() == (tmp_path / "two/kernel/kernel").read_bytes()
