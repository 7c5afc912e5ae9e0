"""Looks at a machine through gdb: one that panicked or hung -> Postmortem; one in which processes are killed -> Scenes."""

import json
import os
import re
import secrets
import shutil
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from . import sandbox
from .transcript import Frame, Mapping, Postmortem, Scene, Stack

GDB = "gdb-multiarch"
SIDE = Path(__file__).resolve().parent / "gdbside.py"
LIMITS = sandbox.Limits(cpu=30, wall=120, output=1 << 20)
SECONDS = 30.0              # that a machine may take to stand still
PAGE = 4096
FAULTS = (0xc, 0xd, 0xf)    # page faults, as scause has them
NONSENSE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)     # what reading it raises
LONGEST = 80                # characters of a name that are kept
SWITCHING = {"swtch", "sched", "switchaway", "suspend", "sleep", "deepsleep", "yield", "acquiresleep"}  # how a process goes to sleep
BOTTOM = ("trampoline", "start", "_start")    # below all others on a stack
MOST = 64                   # stacks, or functions of one, that are kept


def able():
    """Whether there is a gdb to look with."""
    return shutil.which(GDB) is not None


def examine(path, machine, program):
    """The Postmortem of a Machine whose gdb stub listens at path, and where program was typed; it stands still from now on.

    Never raises for what its ELF files hold, or for a gdb that is not there: the note says what went wrong."""
    if not able():
        return Postmortem(note=f"{GDB} is not installed: with it, this report would show where each hart was")
    with suppress(OSError):             # else gdb says what is wrong
        halt(path)                      # harts that spin would use the host's CPUs while gdb starts
    answers, result = ask(path, machine, program, 0)
    try:
        return read(answers[0], machine.kernel.resolve().parent.parent)
    except NONSENSE:
        told = [line for line in result.output.splitlines() if line.strip() and not line.startswith("[")]
        return Postmortem(note=f"gdb could not look at the machine: {result.cut or clean(told[-1] if told else 'it said nothing')}")


def halt(path):
    """Make a machine whose stub listens at path (a Path) stand still until someone else has come there, and tells it to go on.

    Raises OSError."""
    with connect(path) as stub:
        stub.settimeout(SECONDS)
        stub.recv(1)                    # who connects stops the machine, and is told so


def connect(path):
    """A socket that is connected to one that listens at path (a Path). Raises OSError."""
    stub = socket.socket(socket.AF_UNIX)
    place = os.open(path.parent, os.O_PATH)
    try:
        stub.connect(f"/proc/self/fd/{place}/{path.name}")      # a longer path may not fit in an address
    except OSError:
        stub.close()
        raise
    finally:
        os.close(place)
    return stub


def ask(path, machine, program, kills):
    """What gdbside.py says of a machine, for so many kills: a list of what it printed as JSON, and gdb's sandbox.Result."""
    mark, kernel = secrets.token_hex(8), machine.kernel.resolve()
    request = {"mark": mark, "kernel": str(kernel), "socket": path.name, "programs": str(machine.programs),
               "program": program.split()[0], "kills": kills}
    result = sandbox.run([GDB, "-nx", "-batch", "-iex", "set auto-load off", "-ex", f"python REQUEST = {request!r}",
                          "-x", str(SIDE)], path.parent, LIMITS, machine.box, read=(kernel, machine.programs, SIDE))
    answers = []
    for line in re.findall(rf"^{mark} (.*)$", result.output, re.MULTILINE):
        with suppress(ValueError, RecursionError):
            answers.append(json.loads(line))
    return answers, result


class Killings:
    """Follows a run through gdb, as machine.run's attend: the Scenes of the first processes that the kernel kills for a fault.

    gdb ends when it has seen so many, or when the machine is gone; only then ask for the scenes."""

    def __init__(self, machine, program, most):
        self.wanted = machine, program, most
        self.answers = []

    @contextmanager
    def __call__(self, path):
        self.thread = threading.Thread(target=self.follow, args=(path,), daemon=True)
        self.thread.start()
        yield

    def follow(self, path):
        self.answers, _ = ask(path, *self.wanted)

    def scenes(self):
        """The Scenes, as a tuple."""
        self.thread.join()
        found = []
        for answer in self.answers:
            with suppress(*NONSENSE):
                found.append(scene(answer))
        return tuple(found)


def scene(answer):
    """The Scene that an answer (from JSON) tells. Raises one of NONSENSE where it is none."""
    vmas, size, frames = answer["vmas"], answer["size"], stack_frames(answer["calls"], "")
    if vmas is None:
        return Scene(int(answer["pc"]), size, None, frames)
    found = [mapping for mapping in map(read_vma, vmas[:4 * MOST]) if mapping]
    return Scene(int(answer["pc"]), size, tuple(sorted(found, key=lambda m: m.start)), frames)


def read_vma(fields):
    """The Mapping that a VMA's fields (a dict; the inode's number under "") tell by their names.

    None if it is not in use, or they don't."""
    def named(words):
        return next((int(value) for name, value in fields.items() if re.search(words, name, re.IGNORECASE) and value is not None), None)

    start, end = named(r"addr|start|begin|base|^va"), named(r"end|limit|top")
    length = named(r"len|size|sz")
    if start is None or named(r"use|valid|alloc|active") == 0:
        return None
    if end is None and length is not None:
        end = start + (length + PAGE - 1) // PAGE * PAGE
    return None if end is None or end <= start else Mapping(start, end, fields.get(""), named(r"prot|perm"), named(r"flag|share"))


def clean(text):
    """A text from gdb, fit to be printed."""
    return "".join(c for c in str(text) if c.isprintable())[:LONGEST]


def read(answer, tree):
    """The Postmortem that gdbside.py's answer (from JSON) tells. Raises one of NONSENSE where it is none."""
    names = {p["pid"]: f"pid {int(p['pid'])} {clean(p['name'])}" for p in answer["processes"][:MOST]}
    running = {hart["process"] for hart in answer["harts"]}
    calls = {p["pid"]: stack_frames(p["calls"], tree) for p in answer["processes"][:MOST]}
    harts = tuple(hart_stack(hart, names, calls, tree) for hart in answer["harts"][:MOST])
    asleep = tuple(process_stack(p, names, tree) for p in answer["processes"][:MOST] if p["pid"] not in running)
    return Postmortem(harts, asleep, "", tuple(details(hart) for hart in answer["harts"][:MOST]) + (f"ticks: {clean(answer['ticks'])}",))


def stack_frames(told, tree):
    """The Frames of a stack as gdbside.py tells it, without what is on every stack, or is below it by mistake."""
    found = []
    for function, file, line, _ in told[:MOST]:
        if found and function in BOTTOM:
            break
        found.append(Frame(clean(function), clean(file).removeprefix(f"{tree}/").removeprefix("./"), int(line)))
    while found and not found[-1].function:
        found.pop()
    return tuple(found)


def hart_stack(hart, names, calls, tree):
    """The Stack of a hart; names and calls are what processes are called, and their user programs' Frames, by pid."""
    frames = stack_frames(hart["frames"], tree) + (() if hart["mode"] == "user" else calls.get(hart["process"], ()))
    process = names.get(hart["process"], "")
    functions = {frame.function for frame in frames}
    idle = not process and hart["mode"] != "machine" and (bool(hart["waits"]) or "scheduler" in functions) and not hart["lock"]
    if hart["lock"]:
        doing = "spins for " + lock_words(hart["lock"], hart["lock"]["hart"] == hart["number"], hart_name(hart["lock"]["hart"]))
    elif "panic" in functions:
        doing = "panicked"
    elif idle:
        doing = "has nothing to run"
    else:
        doing = {"user": "is in user space", "machine": "is in machine mode"}.get(hart["mode"], "is in the kernel")
        if hart["mode"] == "user" and hart["csrs"].get("scause") in FAULTS:
            doing += f", where it faulted last at 0x{int(hart['csrs']['stval']):x}"
        doing += "" if frames and frames[0].function else f", at 0x{int(hart['pc']):x}, where no code is known"
    return Stack(f"hart {int(hart['number'])}" + (f", {process}" if process else ""), doing, frames, idle)


def hart_name(hart):
    """A hart, as words."""
    return "" if hart is None else f"hart {int(hart)}"


def lock_words(lock, own, holder):
    """A lock that is waited for, and who holds it."""
    place, name = clean(lock["place"]), clean(lock["name"])
    part = re.search(r"\((inode \d+)\)$", place)
    called = f"lock `{name or place}`" + (f" of {part[1]}" if part else "")
    return called + (", which it holds itself" if own else f", which {holder} holds" if holder else "")


def process_stack(process, names, tree):
    """The Stack of a process that no hart runs."""
    frames = stack_frames(process["frames"], tree)
    last = max((n for n, frame in enumerate(frames) if frame.function in SWITCHING), default=-1)
    lock, state = process["lock"], clean(process["state"])
    if state == "SLEEPING" and lock and any(frame.function == "acquiresleep" for frame in frames):
        doing = "sleeps for " + lock_words(lock, lock["pid"] == process["pid"], names.get(lock["pid"], ""))
    elif state == "SLEEPING" and process["channel"].endswith(f"(pid {process['pid']})"):
        doing = "waits for a child"
    elif state == "SLEEPING":
        doing = f"sleeps on `{clean(process['channel'])}`" if process["channel"] else "sleeps"
    else:
        doing = {"RUNNABLE": "waits for a hart", "ZOMBIE": "has ended", "USED": "is being made"}.get(state, state.lower())
    return Stack(names[process["pid"]], doing, frames[last + 1:] + stack_frames(process["calls"], tree), state == "ZOMBIE")


def details(hart):
    """What a hart's registers were, in a line."""
    csrs = hart["csrs"].items()
    return f"hart {int(hart['number'])}: {clean(hart['mode'])} pc=0x{int(hart['pc']):x} " + \
        " ".join(f"{clean(name)}=0x{int(value):x}" for name, value in csrs if value is not None)


def lines(found):
    """A Postmortem as lines of text, for a transcript's file."""
    told = [found.note] if found.note else []
    for stack in found.harts + found.processes:
        told.append(f"{stack.who}: {stack.doing}")
        told += [f"    {frame.function or '?'}" + (f" ({frame.file}:{frame.line})" if frame.file else "") for frame in stack.frames]
    return told + list(found.details)
