"""How a command is confined: its limits, its environment, and its end; the one place that knows."""

import os
import selectors
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

import psutil

from . import CouldNotGrade
from .box import OPEN, Box, wrap

# What the shell sets before it becomes the command: no core files, no file above 1 GiB (in blocks of 512 bytes).
CONFINE = ["sh", "-c", 'ulimit -c 0; ulimit -f 2097152; exec "$@"', "sh"]
PASSED_ON = ("PATH", "TMPDIR")


@dataclass(frozen=True)
class Limits:
    """What a command may use: seconds of CPU time of it and all its children, seconds of wall time, bytes of output."""

    cpu: float = 120.0
    wall: float = 600.0
    output: int = 4 << 20


@dataclass(frozen=True)
class Result:
    """How a command ended: its exit status, and in words the limit that it broke ("" if none)."""

    status: int
    output: str
    cut: str
    seconds: float


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


def run(command, directory, limits=Limits(), box=OPEN, read=(), bring=(), to=None):
    """Run a command (a list of words) in a directory until it ends or breaks a limit; return a Result.

    Output and errors come back as one text. Whatever the command started is killed when it ends.
    """
    started = time.monotonic()
    child = subprocess.Popen(CONFINE + command, cwd=directory, env=environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    text = bytearray()
    try:
        cut = watch(child, text, limits, started)
    finally:
        kill_group(child.pid)
        child.stdout.close()
        child.wait()
    return Result(child.returncode, text[:limits.output].decode(errors="replace"), cut, time.monotonic() - started)


def watch(child, text, limits, started):
    """Collect the child's output into text until it ends ("") or breaks a limit (returned in words)."""
    measured = started
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            if ended:
                kill_group(child.pid)       # children that outlive it would hold the output open
            piece = os.read(child.stdout.fileno(), 1 << 16) if selector.select(timeout=0.1) else None
            if ended and not piece:
                return ""
            text += piece or b""
            if piece == b"":
                time.sleep(0.01)            # it closed its output, but still runs
            now = time.monotonic()
            if len(text) > limits.output:
                return f"it printed more than {limits.output / (1 << 20):g} MiB"
            if now - started > limits.wall:
                return f"it did not end within {limits.wall:g} s"
            if now - measured > 0.5:
                measured = now
                if cpu_seconds(child.pid) > limits.cpu:
                    return f"it used more than {limits.cpu:g} s of CPU time"


def cpu_seconds(pid):
    """CPU seconds used by a process and all its descendants, living ones and those already waited for."""
    total = 0.0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            pass
    return total


def kill_group(pid):
    """Kill every process of the group that pid leads; it may have ended already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
