"""Tests of machine.py: every way in which a run can end, on stand-ins for kernels that are a few lines long."""

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from grader import CouldNotGrade, machine, postmortem, sandbox
from grader.transcript import Ending

from .conftest import BANNER

BUSY, IDLE, FLOOD, OFF, AGAIN, NAP, WORK = "\1\2\3\4\5\6\7"


def run(guest, program="x", budget=5.0, **more):
    return machine.run(guest, program, budget, **more)


def test_a_program_that_ends_is_done(fake):
    seen = run(fake({"x": "one\ntwo\n"}))
    assert (seen.ending, seen.status, seen.booted) == (Ending.DONE, 0, True)
    assert seen.evidence == ("one", "two")


def test_a_runs_disk_lies_where_it_is_told(fake, tmp_path):
    seen = []

    @contextmanager
    def attend(path):
        seen.append(path.parent.parent)
        assert (path.parent / "fs.img").is_file()
        yield None
    guest = fake({"x": "one\n"})
    image = tmp_path / "disk"
    image.write_bytes(bytes(4096))
    run(replace(guest, image=image, scratch=tmp_path), attend=attend)
    assert seen == [tmp_path] and sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("mmaplab-")) == []


def test_what_came_before_the_program_was_typed_is_no_evidence(fake):
    seen = run(fake({"x": "two\n"}, boot=BANNER + "test basic mmap: OK\n"))
    assert "test basic mmap: OK" in seen.lines
    assert seen.evidence == ("two",)


def test_output_without_a_newline_at_its_end_is_kept_and_the_end_is_seen(fake):
    seen = run(fake({"x": "one\ntwo"}))
    assert seen.ending is Ending.DONE
    assert seen.evidence == ("one", "two")


def test_a_prompt_that_the_program_prints_does_not_end_it(fake):
    seen = run(fake({"x": f"$ \n$ {NAP}\n$ end\n"}))
    assert seen.ending is Ending.DONE
    assert seen.evidence[-1] == "$ end"


def test_a_status_other_than_0_is_a_failure(fake):
    seen = run(fake({"x": ("oops\n", "-1")}))
    assert (seen.ending, seen.status) == (Ending.FAILED, -1)
    assert "status -1" in seen.why


def test_a_shell_that_does_not_know_the_status_is_lived_with(fake):
    seen = run(fake({"x": ("fine\n", "$?")}))
    assert (seen.ending, seen.status, seen.evidence) == (Ending.DONE, None, ("fine",))


def test_a_program_that_is_not_there_has_failed(fake):
    seen = run(fake(), "nosuch thing")
    assert (seen.ending, seen.why) == (Ending.FAILED, "exec nosuch failed")


def test_carriage_returns_and_control_characters_are_taken_out(fake):
    seen = run(fake({"x": "a\r\nb\x1b[31mc\x08\tä\n"}))
    assert seen.evidence == ("a", "b[31mc\t\\xc3\\xa4")


def test_a_panic_is_seen_with_its_backtrace(fake):
    seen = run(fake({"x": f"one\npanic: freewalk: leaf\nbacktrace:\n0x0000000080001234\n0x0000000080005678\n{BUSY}"}))
    assert (seen.ending, seen.why) == (Ending.PANICKED, "panic: freewalk: leaf")
    assert seen.evidence[-1] == "0x0000000080005678"


def test_a_panic_in_the_middle_of_a_line_is_seen(fake):
    seen = run(fake({"x": f"test x: panic: kerneltrap\n{IDLE}"}))
    assert (seen.ending, seen.why) == (Ending.PANICKED, "panic: kerneltrap")


def test_a_program_that_prints_about_panics_and_goes_on_is_not_one(fake):
    assert run(fake({"x": "panic: not really\n"})).ending is Ending.DONE


def test_a_machine_with_nothing_to_do_and_nothing_to_say_is_a_deadlock(fake):
    seen = run(fake({"x": f"one\n{IDLE}"}), budget=600)
    assert (seen.ending, seen.evidence) == (Ending.HUNG_IDLE, ("one",))


def test_a_short_sleep_is_no_deadlock(fake):
    assert run(fake({"x": f"{NAP}{NAP}{NAP}end\n"})).ending is Ending.DONE


def test_a_loop_uses_up_its_budget(fake):
    seen = run(fake({"x": f"one\n{BUSY}"}), budget=1)
    assert seen.ending is Ending.HUNG_BUSY
    assert seen.used_seconds > 1 and seen.cpu_seconds > 0


def test_work_without_output_is_no_deadlock(fake):
    assert run(fake({"x": WORK * 7 + "end\n"}), budget=60, idle=1.0).ending is Ending.DONE


def test_naps_with_a_word_now_and_then_use_up_the_budget_too(fake):
    assert run(fake({"x": f"{NAP}.\n" * 100}), budget=1.5).ending is Ending.HUNG_BUSY


def test_a_flood_is_cut(fake):
    seen = run(fake({"x": FLOOD}), budget=600)
    assert seen.ending is Ending.FLOODED
    assert sum(map(len, seen.lines)) <= machine.FLOOD + (1 << 16)


def test_a_machine_that_goes_off_has_died(fake):
    seen = run(fake({"x": f"one\n{OFF}"}))
    assert (seen.ending, seen.status, seen.booted) == (Ending.DIED, 0, True)
    assert seen.evidence == ("one",)


def test_a_machine_that_starts_again_has_died(fake):
    seen = run(fake({"x": f"one\n{AGAIN}"}))
    assert (seen.ending, seen.booted) == (Ending.DIED, True)
    assert "started again" in seen.why


@pytest.mark.parametrize("boot, ending", [
    (IDLE, Ending.HUNG_IDLE), (BUSY, Ending.HUNG_BUSY), (FLOOD, Ending.FLOODED), (OFF, Ending.DIED),
    (f"{BANNER}{AGAIN}", Ending.DIED), (f"{BANNER}panic: kvminit\n{BUSY}", Ending.PANICKED)])
def test_a_boot_that_does_not_come_to_the_prompt(fake, monkeypatch, boot, ending):
    monkeypatch.setattr(machine, "BOOT", 1.0 if boot == BUSY else 600.0)
    seen = run(fake({"x": "test basic mmap: OK\n"}, boot=boot))
    assert (seen.ending, seen.booted, seen.evidence) == (ending, False, ())


def test_lines_are_handed_on_as_they_come_without_the_typed_line_and_the_nonce(fake):
    shown = []
    run(fake({"x": f"one\n{NAP}two\nthree"}, boot=BANNER + "init\n"), show=shown.append)
    assert shown == ["one", "two", "three"]


def test_the_transcript_is_written(fake, tmp_path):
    seen = run(fake({"x": f"one\n{OFF}"}), out=tmp_path / "deep/x.txt")
    assert seen.path == str(tmp_path / "deep/x.txt")
    text = (tmp_path / "deep/x.txt").read_text()
    assert "\none\n" in text and text.endswith(f"-- machine died: {seen.why}\n")


def test_a_run_that_is_stopped_ends_and_leaves_no_machine(fake):
    stop = threading.Event()
    guest = fake({"x": f"one\n{BUSY}"})
    with pytest.raises(CouldNotGrade, match="interrupted"):
        run(guest, budget=600, show=lambda line: stop.set(), stop=stop)
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(guest.kernel) in (process.info["cmdline"] or [])]


def test_a_kernel_that_is_no_elf_file_is_the_kernels_fault(fake, tmp_path):
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/kernel").write_text("")
    seen = run(machine.Machine(tmp_path / "kernel/kernel", None))
    assert (seen.ending, seen.booted) == (Ending.DIED, False)
    assert "kernel" in seen.why


def test_a_machine_that_qemu_cannot_make_is_the_graders_fault(fake):
    guest = fake()
    with pytest.raises(CouldNotGrade, match="QEMU could not start"):
        run(machine.Machine(guest.kernel, None, memory="1000000G"))


def test_without_qemu_the_message_says_how_to_get_it(fake, monkeypatch):
    guest = fake()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CouldNotGrade, match="qemu-system-riscv64 is not installed.*apt install qemu-system-misc"):
        run(guest)


def test_a_line_longer_than_the_console_takes_is_refused(fake):
    with pytest.raises(CouldNotGrade, match="too long"):
        run(fake(), "x" * 200)


class Clock:
    """time.monotonic() that a test sets."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def meter(monkeypatch):
    """A Meter of a process whose threads' times the test makes up: meter.pass_time(seconds, {thread: wanted})."""
    clock, threads = Clock(), {}
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(machine, "sample", lambda pid, before: threads.items())
    measured = machine.Meter(psutil.Process())

    def pass_time(seconds, wanted):
        clock.now += seconds
        for thread, share in wanted.items():
            threads[thread] = threads.get(thread, 0.0) + share
        measured.update()

    measured.pass_time = pass_time
    return measured


def test_the_meter_counts_rest_as_idle(meter):
    for _ in range(20):
        meter.pass_time(0.1, {"a": 0.001, "b": 0.002})
    assert meter.idle == pytest.approx(20 * 0.098)
    assert meter.streak == pytest.approx(2.0)


def test_the_meter_does_not_count_a_wait_for_the_host_as_idle(meter):
    for _ in range(20):
        meter.pass_time(0.1, {"a": 0.001, "b": 0.1})
    assert (meter.idle, meter.streak) == (pytest.approx(0.0), 0.0)


def test_the_meter_does_not_count_time_in_which_the_grader_itself_stood_still(meter):
    meter.pass_time(60.0, {"a": 0.0})
    assert meter.idle <= 1.0


@pytest.mark.parametrize("state, seconds, before, held", [
    ("R", 1.5, 1.5, True), ("R", 1.6, 1.5, False), ("R", 1.5, None, False), ("S", 1.5, 1.5, False), ("D", 1.5, 1.4, True), ("T", 1.5, 1.4, True),
])
def test_a_thread_that_waits_for_a_cpu_all_the_while_does_not_rest(monkeypatch, state, seconds, before, held):
    monkeypatch.setattr(machine, "SCHEDSTAT", True)
    assert machine.kept_waiting(state, seconds, before) is held


def test_a_real_wait_for_a_cpu_is_no_rest():
    """A process that spins, on a CPU that it hardly gets."""
    cpu = str(max(os.sched_getaffinity(0)))
    hogs = [subprocess.Popen(["taskset", "-c", cpu, "sh", "-c", "while :; do :; done"]) for _ in range(3)]
    child = subprocess.Popen(["taskset", "-c", cpu, "nice", "-n", "19", "sh", "-c", "while :; do :; done"])
    try:
        measured, begin = machine.Meter(psutil.Process(child.pid)), machine.time.monotonic()
        for _ in range(30):
            machine.time.sleep(0.05)
            measured.update()
        assert measured.streak == 0.0 and measured.idle < (machine.time.monotonic() - begin) / 2
    finally:
        for process in [child, *hogs]:
            process.kill()
            process.wait()


def test_the_meter_does_not_take_a_stopped_process_for_an_idle_one():
    child = subprocess.Popen(["sleep", "60"])
    try:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        measured = machine.Meter(psutil.Process(child.pid))
        for _ in range(5):
            measured.at -= 0.1
            measured.update()
        assert (measured.idle, measured.streak) == (0.0, 0.0)
    finally:
        child.kill()
        child.wait()


def test_a_process_that_has_just_ended_is_measured_as_one_that_does_nothing():
    """Whoever waits for it may be somebody else: nothing of it is left in /proc."""
    child = subprocess.Popen(["true"])
    process = psutil.Process(child.pid)
    child.wait()
    measured = machine.Meter(process)
    measured.at -= 1.0
    measured.update()
    assert measured.given == 0.0 and not list(machine.sample(child.pid, {})) and not sandbox.line(child.pid)


def test_a_machine_that_is_halted_stands_still_until_somebody_lets_it_go(fake):
    with machine.powered(fake(boot=FLOOD)) as (guest, path):
        while len(guest.text) < 1 << 12:
            assert guest.read()
        postmortem.halt(path)
        assert drained(guest)
        before = len(guest.text)
        with postmortem.connect(path) as stub:
            stub.sendall(b"$D#44")              # as gdb leaves a machine
            while len(guest.text) < before + (1 << 12):
                assert guest.read()


def drained(guest):
    """Read until nothing more comes; whether that was before a whole flood came."""
    before = -1
    while before < len(guest.text) < machine.FLOOD:
        before = len(guest.text)
        guest.read()
    return len(guest.text) < machine.FLOOD
