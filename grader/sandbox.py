"""Runs a command within its limits, in a box or not, and ends it with all that it started."""

import itertools
import os
import selectors
import shutil
import signal
import stat
import subprocess
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import CouldNotGrade, carry
from .box import OPEN, SCRATCH, Box, Limits, confined, wrap

__all__ = ["OPEN", "Box", "Limits", "Result", "confined", "environment", "inner", "need", "run", "wrap"]

# What the shell sets before it becomes the command: no core files, no file above 1 GiB (in blocks of 512 bytes), and, where
# there is a program for it (Linux), an end when the grader ends.
CONFINE = ["sh", "-c", 'ulimit -c 0; ulimit -f 2097152; command -v setpriv > /dev/null && exec setpriv --pdeathsig KILL -- "$@"; '
                       'exec "$@"', "sh"]
PASSED_ON = ("PATH", "TMPDIR")
strangers = itertools.count(50000)      # numbers of users that a container has and uses for nothing, each lent out once
LISTED = Path("/proc/thread-self/children").exists()    # the host's kernel lists the children of each thread
LOOK = 0.25                     # seconds between two looks at what a command and its children use


@dataclass(frozen=True)
class Result:
    """How a command ended: its exit status, and in words the limit that it broke ("" if none)."""

    status: int
    output: str
    cut: str
    seconds: float
    refused: tuple[str, ...] = ()   # in words, what was to be brought out of the box and is no regular file


def need(tool, package):
    """Return the path of a program; raise CouldNotGrade, naming the Debian package to install, if there is none."""
    path = shutil.which(tool)
    if not path:
        raise CouldNotGrade(f"{tool} is not installed. In the kit, run: make setup. "
                            f"By hand, on Debian and Ubuntu: apt install {package}")
    return path


def environment():
    """The variables that a command sees: enough to find tools, nothing that changes what they do or print."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, **kept, "HOME": "/nonexistent", "LC_ALL": "C", "TERM": "dumb"}


def run(command, directory, limits=Limits(), box=OPEN, read=(), bring=(), to=None, theirs=False):
    """Run a command (a list of words) in a directory until it ends or breaks a limit; return a Result.

    Output and errors come back as one text. Whatever the command started is killed when it ends. In a box, the Paths in
    read are seen too; with bring (patterns of paths), the command works on a copy of directory, and the regular files that
    match are written below `to` (default: directory) in the end. theirs: the command does what a submission says, such as
    its Makefile. Raises CouldNotGrade if the box can't be made."""
    started = time.monotonic()
    if box.confined:
        carry.clear(bring, to or directory)
        words = wrap(carry.inside(command, directory.resolve(), bring), box, (directory, *read), (),
                     "/" if bring else directory.resolve(), limits)
        child, text, pack, cut = attend(words, None, limits, True)
    else:
        with lent(directory) if box.apart and theirs else nullcontext([]) as become:
            child, text, pack, cut = attend(CONFINE + become + command, directory, limits, False)
    output = text[:limits.output].decode(errors="replace")
    refused = ()
    if box.confined and not cut:
        if not pack.startswith(carry.READY):
            raise CouldNotGrade(f"can't confine a command: {output.strip()[-200:] or 'bubblewrap ended early'}")
        refused = carry.unpack(bytes(pack[len(carry.READY):]), bring, to or directory)
    return Result(child.returncode, output, cut, time.monotonic() - started, refused)


@contextmanager
def lent(directory):
    """The words before a command that make it another user's, who owns a directory meanwhile; needs root.

    Afterwards nothing of that user runs any more, and the directory holds regular files and directories only. Raises
    CouldNotGrade where there is no other user to be."""
    stranger = next(strangers)
    try:
        own(directory, stranger)
    except OSError as error:
        raise CouldNotGrade(f"can't hand {directory} to another user: {error.strerror}") from error
    try:
        yield ["setpriv", f"--reuid={stranger}", f"--regid={stranger}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
               "--no-new-privs", "--"]
    finally:
        while left := [process for process in psutil.process_iter(["uids"]) if belongs(process, stranger)]:
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.01)
        own(directory, os.geteuid())


def belongs(process, user):
    """Whether a process, as psutil.process_iter() gives it, still does something as a user (a number)."""
    with suppress(psutil.Error):
        return process.info["uids"] and user in process.info["uids"] and process.status() != psutil.STATUS_ZOMBIE
    return False


def own(directory, user):
    """Give a directory (a Path), and what is in it, to a user (a number); delete links, and what is neither a file nor a directory."""
    os.chown(directory, user, user)
    for place, below, names in os.walk(directory):
        for path in (os.path.join(place, name) for name in below + names):
            found = os.lstat(path)
            if stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.chown(path, user, user, follow_symlinks=False)
            else:
                os.unlink(path)


def attend(words, directory, limits, packs):
    """Run words to their end; return the ended child, its output, what it packed, and the limit that it broke, in words.

    With packs, its standard input is the pipe that it writes the pack to; else it has none."""
    back, inside = os.pipe() if packs else (None, subprocess.DEVNULL)
    try:
        child = subprocess.Popen(words, cwd=directory, env=environment(), start_new_session=True, stdin=inside,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        if packs:
            os.close(inside)
    text, pack = bytearray(), bytearray()
    sinks = {child.stdout.fileno(): text, **({back: pack} if packs else {})}
    try:
        cut = watch(child, sinks, limits, time.monotonic())
    finally:
        kill_group(child.pid)
        child.stdout.close()
        if packs:
            os.close(back)
        child.wait()
    return child, text, pack, cut


def watch(child, sinks, limits, started):
    """Collect what a child says into sinks (file descriptor: text) until it ends ("") or breaks a limit (returned in words)."""
    looked = started
    output, *pack = sinks.values()
    with selectors.DefaultSelector() as selector:
        for sink in sinks:
            selector.register(sink, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            if ended:
                kill_group(child.pid)       # children that outlive it would hold the output open
            pieces = collect(selector, sinks)
            if ended and not pieces:
                return ""
            now = time.monotonic()
            if len(output) > limits.output:
                return f"it printed more than {limits.output / (1 << 20):g} MiB"
            if pack and len(pack[0]) > carry.LARGEST:
                return f"it made files of more than {carry.LARGEST >> 20} MiB"
            if now - started > limits.wall:
                return f"it did not end within {limits.wall:g} s"
            if now - looked > LOOK:
                looked = now
                if broken := overuse(child.pid, limits):
                    return broken


def collect(selector, sinks):
    """Read what is there within a moment into the sinks; return how many had something to say."""
    if not selector.get_map():
        time.sleep(0.01)                    # it closed its output, but still runs
        return 0
    count = 0
    for key, _ in selector.select(timeout=0.1):
        piece = os.read(key.fd, 1 << 16)
        if piece:
            sinks[key.fd] += piece
            count += 1
        else:
            selector.unregister(key.fd)
    return count


def overuse(pid, limits):
    """What a process and all its descendants use too much of, in words; "" if nothing."""
    cpu, memory = 0.0, 0
    family = relatives(pid)
    for process in family:
        try:
            with process.oneshot():
                cpu += sum(process.cpu_times()[:4])     # of it, and of children that it has waited for
                memory += process.memory_info().rss
        except psutil.Error:
            pass
    if len(family) > limits.processes:
        return f"it ran more than {limits.processes} processes at a time"
    if memory > limits.memory:
        return f"it used more than {limits.memory >> 20} MiB of memory"
    if cpu > limits.cpu:
        return f"it used more than {limits.cpu:g} s of CPU time"
    return overfull(family, limits)


def overfull(family, limits):
    """What there is too much of in the scratch folder of a family of processes, in words; "" if nothing, or if it has none."""
    for process in family[::-1]:
        try:
            scratch = os.statvfs(f"/proc/{process.pid}/root{SCRATCH}")
        except OSError:
            continue                                    # it has just ended, or there is no /proc
        if scratch.f_blocks * scratch.f_frsize != limits.scratch:
            return ""                                   # the machine's own: it is not in a box, or not yet
        if scratch.f_files - scratch.f_ffree > limits.files:
            return f"it made more than {limits.files} files"
        if not scratch.f_bavail:
            return f"it filled its scratch folder of {limits.scratch >> 20} MiB"
        return ""
    return ""


def relatives(pid):
    """A process and all its descendants, as far as they still live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def inner(pid, program):
    """The process of a program (its first word) that a wrapped command became, below the process pid; None if that has ended."""
    while family := line(pid) if LISTED else relatives(pid):
        for process in family:
            try:
                if process.cmdline()[:1] == [program]:
                    return process
            except psutil.Error:
                pass
        if family[0].status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.005)
    return None


def line(pid):
    """As relatives(), from the lists of children that the kernel has: much quicker, and good enough for processes that stay."""
    found, at = [], 0
    with suppress(psutil.Error):
        found.append(psutil.Process(pid))
    while at < len(found):
        for thread in threads(found[at].pid):
            with suppress(OSError, psutil.Error):
                children = Path(f"/proc/{found[at].pid}/task/{thread}/children").read_text().split()
                found += map(psutil.Process, map(int, children))
        at += 1
    return found


def threads(pid):
    """The ids of a process's threads, as text; none if it has ended."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_group(pid):
    """Kill every process of the group that pid leads; it may have ended already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
