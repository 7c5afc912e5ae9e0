"""QEMU under pexpect: boot, type a program, watch it -> Transcript.

Time is what the guest was given: CPU seconds of the QEMU process, and seconds in which it had nothing
to run. Seconds in which QEMU waited for a busy host count nowhere, so a loaded machine fails nobody.
"""

import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import pexpect
import psutil

from . import CouldNotGrade, events, kitonly, postmortem, sandbox
from .transcript import Ending, Transcript

QEMU = "qemu-system-riscv64"
POLL = 0.05                     # seconds that one look at the console may wait
FLOOD = 1 << 20                 # bytes of output that a run may print
BOOT = 10.0                     # seconds that a boot may use
IDLE = 2.5                      # seconds in a row without output and without anything to run: a deadlock
LINE = 99                       # characters that a shell of this kind takes in one line
KILLS = 6                       # killed processes of a run that are looked at
STUCK = (Ending.PANICKED, Ending.HUNG_IDLE, Ending.HUNG_BUSY, Ending.FLOODED)   # endings after which gdb is asked why
SETTLE = 0.1                    # seconds given to the guest in which nothing more comes after a panic
PATIENCE = 20                   # wall seconds for each second of budget, before the grader itself gives up

PROMPT = re.compile(rb"\$ ")
PANIC = re.compile(rb"panic: [^\r\n]*")
BOOTING = b"xv6 kernel is booting"
SCHEDSTAT = Path("/proc/self/schedstat").exists()       # the host's kernel tells how long a thread waited for a CPU
LONGEST_MATCH = 80              # bytes: how far a pattern can reach back into what was searched before
CONTROL = {code: None for code in range(32) if code != 9} | {127: None}


@dataclass(frozen=True)
class Machine:
    """What is booted, and on what: a kernel (Path) and a disk image (Path; None: no disk), of which each run gets a copy."""

    kernel: Path
    image: Path | None
    harts: int = 3
    memory: str = "128M"
    legacy: bool = False        # the disk is a version 1 virtio device
    keep: bool = False          # leave a run's disk as it was at the end beside its transcript: NAME.img
    options: tuple[str, ...] = ()
    box: sandbox.Box = sandbox.OPEN
    traps: bool = False         # note which exceptions the guest has: Transcript.traps
    scratch: Path | None = None     # where a run's copy of the disk lies; None: in $TMPDIR, or /tmp
    user: Path | None = None    # the directory of the user programs' ELF files; None: user/ beside the kernel's

    @property
    def programs(self):
        """The directory of the user programs' ELF files."""
        return (self.user or self.kernel.resolve().parent.parent / "user").resolve()


def command(machine, disk):
    """The words that start QEMU, with disk (a Path or None) as the drive."""
    words = [QEMU, "-machine", "virt", "-bios", "none", "-kernel", str(machine.kernel), "-m", machine.memory,
             "-smp", str(machine.harts), "-nographic"]
    if not machine.legacy:
        words += ["-global", "virtio-mmio.force-legacy=false"]
    if disk:
        words += ["-drive", f"file={disk},if=none,format=raw,id=x0",
                  "-device", "virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0"]
    return words + list(machine.options)


def unattended(_):
    """The context of a run to which nobody else attends."""
    return nullcontext()


def run(machine, program, budget, idle=IDLE, out=None, show=None, stop=None, attend=unattended):
    """Boot a machine on a copy of its disk image, type a program, watch it to its end; return a Transcript.

    budget is in seconds given to the guest, idle in seconds without output and without anything to run. The transcript is
    written to out (a Path), each line of the program's output handed to show() as it comes; stop (a threading.Event) ends
    the run early. The watching is done in the context attend(path), where path is the socket of QEMU's gdb stub; it gives
    None, or a function that tells for how many seconds it has made the machine stand still. A machine that panicked or hung
    is looked at through the stub: the Postmortem. It is run once more if it was reset, to be looked at before that. Raises
    CouldNotGrade where QEMU is not installed or can't start, the disk is full, or time runs out.
    """
    transcript = run_once(machine, program, budget, idle, out, show, stop, attend)
    if transcript.ending is Ending.DIED and transcript.booted and transcript.status is None:
        pausing = replace(machine, options=(*machine.options, "-no-reboot", "-no-shutdown"), traps=False)
        again = run_once(pausing, program, budget, IDLE, None, None, stop, unattended)
        return replace(transcript, postmortem=again.postmortem)
    kills = len(events.faults(transcript.evidence)[:KILLS]) if transcript.ending is Ending.FAILED else 0
    return replace(transcript, again=cache(partial(scenes, machine, program, budget, stop, kills))) if kills else transcript


def scenes(machine, program, budget, stop, kills):
    """Run a program once more, as run() does, under gdb: the Scenes of so many processes that are killed for faults."""
    if not postmortem.able():
        return ()
    killings = postmortem.Killings(machine, program, kills)
    run_once(held(machine), program, budget, budget, None, None, stop, killings, autopsy=False)
    return killings.scenes()


def held(machine):
    """The Machine that does not start before gdb lets it go."""
    return replace(machine, options=(*machine.options, "-S"), traps=False)


def run_once(machine, program, budget, idle, out, show, stop, attend, autopsy=True):
    """As run(), without the second time; without autopsy, a machine that is stuck is not looked at."""
    sandbox.need(QEMU, "qemu-system-misc")
    with tempfile.TemporaryDirectory(prefix="mmaplab-", dir=machine.scratch) as place:
        try:
            disk = machine.image and Path(shutil.copyfile(machine.image, Path(place, "fs.img")))
            traps = kitonly.load("traps") if machine.traps else None
            noting = traps.listening() if traps else nullcontext((None, None))
            with listening(Path(place, "gdb.sock")) as (path, stub), noting as (log, sink):
                words = [*command(machine, disk), *gdb_words(stub), *(traps.words(sink) if log else ())]
                words = sandbox.wrap(words, machine.box, (machine.kernel,), (disk,) if disk else ())
                guest = Guest(words, stop, (stub, sink) if log else (stub,), machine.box.confined)
            try:
                with attend(path) as stood:
                    guest.meter.stood = stood or guest.meter.stood
                    transcript = Run(guest, program, budget, idle, show).transcript(str(out or ""))
                if autopsy and transcript.ending in STUCK:
                    transcript = replace(transcript, postmortem=postmortem.examine(path, machine, program))
            finally:
                guest.close()
            if log:
                transcript = replace(transcript, traps=log.traps())
            if out:
                save(transcript, out)
            if out and disk and machine.keep:
                shutil.copyfile(disk, out.with_suffix(".img"))
        except OSError as error:
            raise CouldNotGrade(f"can't run {program!r}: {error}") from error
    return transcript


@contextmanager
def listening(path):
    """A unix socket that listens at path (a Path), for QEMU to inherit: the path and the file descriptor, in a context."""
    with socket.socket(socket.AF_UNIX) as stub:
        place = os.open(path.parent, os.O_PATH)
        try:
            stub.bind(f"/proc/self/fd/{place}/{path.name}")     # a longer path may not fit in an address
        finally:
            os.close(place)
        os.chmod(path, 0o666)               # gdb may be another user in its box; the directory is private
        stub.listen(1)
        inherited = fcntl.fcntl(stub, fcntl.F_DUPFD, 10)            # the shell that opens a box uses smaller ones
        try:
            yield path, inherited
        finally:
            os.close(inherited)


@contextmanager
def powered(machine):
    """A Guest on a copy of the machine's disk, and the path of its gdb stub's socket, in a context."""
    sandbox.need(QEMU, "qemu-system-misc")
    with tempfile.TemporaryDirectory(prefix="mmaplab-") as place:
        disk = machine.image and Path(shutil.copyfile(machine.image, Path(place, "fs.img")))
        with listening(Path(place, "gdb.sock")) as (path, stub):
            guest = Guest([*command(machine, disk), *gdb_words(stub)], None, (stub,))
        try:
            yield guest, path
        finally:
            guest.close()


def gdb_words(stub):
    """The words that have QEMU serve gdb on a socket (a file descriptor) that listens."""
    return ["-chardev", f"socket,id=gdb,fd={stub},server=on,wait=off", "-gdb", "chardev:gdb"]


def save(transcript, out):
    """Write a transcript to a file: the console's lines, how it ended, what a stuck machine was about then, and what was not
    counted."""
    lines = [*transcript.lines, f"-- {transcript.ending.value}: {transcript.why}"]
    lines += [f"-- not counted: {why}: {line}" for line, why in transcript.doubts]
    if transcript.postmortem:
        lines += [f"-- {line}" for line in postmortem.lines(transcript.postmortem)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{line}\n" for line in lines))


class Meter:
    """How much time a process was given: seconds of CPU, and seconds in which it asked for none."""

    def __init__(self, process):
        """process is a psutil.Process, which may have ended."""
        self.process = process
        self.at = time.monotonic()
        self.threads = {}           # what sample() said last
        self.cpu = 0.0
        self.idle = 0.0
        self.streak = 0.0           # idle seconds since it was last busy
        self.stood = float          # tells how much of idle was the grader's doing: as long as nobody says more, float() is none

    @property
    def given(self):
        """Seconds that the process had for its work."""
        return self.cpu + max(0.0, self.idle - self.stood())

    def count(self):
        """Read what CPU time was used; returns false if the process has just ended."""
        try:
            times = self.process.cpu_times()
        except psutil.NoSuchProcess:
            return False
        self.cpu = times.user + times.system
        return True

    def update(self):
        """Measure what has passed since the last update, if that is long enough ago to tell."""
        at = time.monotonic()
        span = min(at - self.at, 10 * POLL)        # if it was longer, this process itself had to wait
        if at - self.at < POLL / 2:
            return
        self.at = at
        if not self.count():
            return
        threads = dict(sample(self.process.pid, self.threads))
        wanted = max((span if now is None else now - (self.threads.get(thread) or 0.0)
                      for thread, now in threads.items()), default=span)
        self.threads = threads
        self.idle += max(0.0, span - wanted)
        self.streak = 0.0 if wanted > span / 2 else self.streak + span


def sample(pid, before):
    """Pairs of a thread's id and the seconds in which it ran or wanted to, for each thread of a process; before has the last ones.

    None instead of seconds: it has not chosen to rest, and how long is not known. See kept_waiting()."""
    for thread in sandbox.threads(pid):
        try:
            state, *fields = Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(") ")[2].split()
            if SCHEDSTAT:
                ran, waited, _ = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()
                seconds = (int(ran) + int(waited)) / 1e9
            else:
                seconds = (int(fields[10]) + int(fields[11])) / os.sysconf("SC_CLK_TCK")
        except (FileNotFoundError, ProcessLookupError):
            continue                                # it has just ended
        yield thread, None if kept_waiting(state, seconds, before.get(thread)) else seconds


def kept_waiting(state, seconds, before):
    """Whether a thread in a state (a letter, as in /proc) is kept from running: by the host's disk, a signal, or a wait for a CPU.

    That wait is counted in its seconds only when it is over (or never, without schedstat): they are what they were before."""
    return state in "DT" or state == "R" and (not SCHEDSTAT or seconds == before)


class Terminal(pexpect.spawn):
    """A process on a terminal, that inherits file descriptors beside it."""

    def __init__(self, words, inherited, **more):
        self.inherited = inherited
        super().__init__(words[0], words[1:], **more)

    def _spawnpty(self, args, **more):
        return super()._spawnpty(args, pass_fds=self.inherited, **more)


class Guest:
    """A running QEMU, and all the text that its console showed. It inherits some file descriptors."""

    def __init__(self, words, stop=None, inherited=(), boxed=False):
        self.stop, self.boxed = stop, boxed
        self.text = bytearray()
        self.started = time.monotonic()
        self.child = Terminal(words, inherited, timeout=None, maxread=1 << 16, echo=False, env=sandbox.environment())
        for owner in (self.child, self.child.ptyproc):
            owner.delaybeforesend = owner.delayafterread = None
            owner.delayafterclose = owner.delayafterterminate = 0
        process = sandbox.inner(self.child.pid, QEMU) if boxed else None
        self.meter = Meter(process or psutil.Process(self.child.pid))

    def read(self, moment=POLL):
        """Wait a moment (in seconds) for output, and take it; false once QEMU has ended and all is read."""
        if self.stop and self.stop.is_set():
            raise CouldNotGrade("interrupted")
        try:
            self.text += self.child.read_nonblocking(1 << 16, moment)
            self.meter.streak = 0.0
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            return False
        self.meter.update()
        return True

    def type(self, line):
        """Type a line."""
        self.child.send(line + b"\n")

    def status(self):
        """The exit status of a QEMU that has ended: -N if signal N killed it, None if it still runs."""
        if self.child.isalive():
            return None
        if self.boxed and (self.child.exitstatus or 0) > 128:
            return 128 - self.child.exitstatus              # bwrap's word for a signal
        return self.child.exitstatus if self.child.signalstatus is None else -self.child.signalstatus

    def close(self):
        """End QEMU at once."""
        if self.boxed and self.child.isalive():
            with suppress(psutil.NoSuchProcess):
                self.meter.process.kill()
                self.meter.process.wait()                   # only then nobody writes to the disk
        if self.child.isalive():
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.wait()
        self.child.close()


class Run:
    """One program on one guest: what to look for, and what was found."""

    def __init__(self, guest, program, budget, idle, show):
        self.guest, self.program, self.budget, self.idle, self.show = guest, program, budget, idle, show
        self.typed = None           # where in the text the program was typed
        self.tail = b""             # the end of the typed line
        self.shown = 0              # how much of the text show() has been given
        self.found = None           # the match of what was waited for
        self.boot_seconds = 0.0
        self.boot_given = 0.0       # seconds that the guest had been given when the program was typed

    def transcript(self, path):
        """Boot, type, watch; return the Transcript."""
        ending, why = self.watch(PROMPT, BOOT)
        booted, status = ending is Ending.DONE, None
        if booted:
            ending, why, status = self.execute()
        elif ending is Ending.DIED:
            status = self.guest.status()
        text = self.guest.text[:self.found.start()] if ending in (Ending.DONE, Ending.FAILED) else self.guest.text
        lines = clean(text)
        self.guest.meter.count()
        first = text.count(b"\n", 0, self.output()) if booted else len(lines)
        return Transcript(self.program, ending, why, booted, lines, min(first, len(lines)), status,
                          time.monotonic() - self.guest.started, self.guest.meter.cpu, path, self.boot_seconds,
                          self.guest.meter.given - self.boot_given if booted else 0.0)

    def output(self):
        """Where in the text the program's output begins: behind the echo of the typed line."""
        text = self.guest.text
        echo = max(text.find(self.tail, self.typed), self.typed)
        return text.find(b"\n", echo) + 1 or len(text)

    def execute(self):
        """Type the program, with an echo behind it that shows its end and status; return ending, why and status.

        The line has two blanks where what echo prints has one, so the typed line is never taken for the printed one.
        """
        one, two = secrets.token_hex(3), secrets.token_hex(3)
        self.typed = len(self.guest.text)
        self.boot_seconds = time.monotonic() - self.guest.started
        self.boot_given = self.guest.meter.given
        self.tail = f"; echo {one}  {two} $?".encode()
        line = self.program.encode() + self.tail
        if len(line) > LINE or not line.decode("ascii", "replace").isprintable():
            raise CouldNotGrade(f"{self.program!r} can't be typed: too long, or with characters that no keyboard has")
        self.guest.type(line)
        ending, why = self.watch(re.compile(rf"{one} {two} (\S*)\r?\n".encode()), self.budget)
        if ending is Ending.DIED:
            return ending, why, self.guest.status()
        if ending is not Ending.DONE:
            return ending, why, None
        said = self.found[1].decode("ascii", "replace")
        status = int(said) if re.fullmatch(r"-?\d+", said) else None
        lacking = f"exec {self.program.split()[0]} failed"
        if lacking in clean(self.guest.text[self.output():self.found.start()]):
            return Ending.FAILED, lacking, status
        if status:
            return Ending.FAILED, f"it ended with status {status}", status
        return Ending.DONE, "it ended", status

    def watch(self, wanted, budget):
        """Read until the wanted pattern comes (Ending.DONE), or the run ends in another way; return ending and why."""
        guest, meter = self.guest, self.guest.meter
        begin, given, searched = len(guest.text), meter.given, len(guest.text)
        patience = time.monotonic() + 60 + PATIENCE * budget
        while True:
            alive = guest.read()
            self.found = wanted.search(guest.text, searched)
            self.pass_on()
            if self.found:
                return Ending.DONE, ""
            if PANIC.search(guest.text, searched):
                return self.panicked(wanted, begin)
            searched = max(begin, len(guest.text) - LONGEST_MATCH)
            if not alive:
                return Ending.DIED, self.death()
            if guest.text.count(BOOTING) > 1:
                return Ending.DIED, f"the machine started again: {BOOTING.decode()!r} came twice"
            if len(guest.text) > FLOOD:
                return Ending.FLOODED, f"more than {FLOOD >> 20} MiB of output"
            if meter.streak > self.idle:
                return Ending.HUNG_IDLE, f"no output and nothing to run for {meter.streak:.1f} s"
            if meter.given - given > budget:
                return Ending.HUNG_BUSY, f"no end after {budget:g} s"
            if time.monotonic() > patience:
                raise CouldNotGrade(f"{self.program}: this machine is too busy to run QEMU: "
                                    f"{meter.cpu:.1f} s of CPU time in {time.monotonic() - guest.started:.0f} s")

    def panicked(self, wanted, begin):
        """A panic was seen: read on until nothing more comes, for the backtrace; return ending and why."""
        guest, length, mark = self.guest, 0, 0.0
        while len(guest.text) < FLOOD:
            if len(guest.text) > length:
                length, mark = len(guest.text), guest.meter.given
            if not guest.read(SETTLE / 10) or guest.meter.given - mark > SETTLE:
                break
        self.found = wanted.search(guest.text, begin)
        self.pass_on()
        if self.found:
            return Ending.DONE, ""              # the program's own words, not the kernel's
        return Ending.PANICKED, clean(PANIC.search(guest.text, begin)[0])[0]

    def death(self):
        """Why QEMU ended by itself. Raises CouldNotGrade where the fault is the grader's machine, not the kernel's."""
        status = self.guest.status()
        lines = clean(self.guest.text)
        complaint = next((line for line in lines if line.startswith("qemu-system")), "")
        if self.guest.boxed and lines and lines[0].startswith("bwrap: "):
            raise CouldNotGrade(f"can't confine QEMU: {lines[0]}")
        if complaint and "kernel" not in complaint and "ROM" not in complaint:
            raise CouldNotGrade(f"QEMU could not start: {complaint}")
        return complaint or f"QEMU ended by itself, with status {status}"

    def pass_on(self):
        """Hand the lines that the program has completed to show()."""
        if not self.show or self.typed is None:
            return
        begin = max(self.shown, self.output())
        end = self.found.start() if self.found else self.guest.text.rfind(b"\n") + 1
        for line in clean(self.guest.text[begin:end]):
            self.show(line)
        self.shown = max(begin, end)


def clean(text):
    """The lines of some console text (bytes), without carriage returns and other control characters."""
    lines = text.decode("ascii", "backslashreplace").split("\n")
    return tuple(line.translate(CONTROL) for line in (lines if lines[-1] else lines[:-1]))
