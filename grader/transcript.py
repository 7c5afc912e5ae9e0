"""What the console showed while one program ran on one machine, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Ending(str, Enum):
    """How a run ended. The values are the words that reports use."""

    DONE = "done"                   # the program ended, and did not say that it failed
    FAILED = "failed"               # it could not be started, or ended with a status other than 0
    PANICKED = "panicked"           # the kernel printed `panic: WHY` and stopped
    HUNG_IDLE = "hung idle"         # nothing to run, no output, no end: a deadlock
    HUNG_BUSY = "hung busy"         # it ran until its budget was used up
    FLOODED = "flooded"             # it printed more than the output limit
    DIED = "machine died"           # QEMU ended by itself, or the machine started again


@dataclass(frozen=True)
class Frame:
    """A function that was at work, and the line of source where it was; "" and 0 for what is not known."""

    function: str
    file: str                       # relative to the tree
    line: int


@dataclass(frozen=True)
class Stack:
    """What a hart or a process of a machine that stands still was about."""

    who: str                        # "hart 1, pid 3 mmaptest" or "pid 3 mmaptest"
    doing: str                      # in words: "sleeps on `log`", "waits for lock `a`, which hart 0 holds"
    frames: tuple[Frame, ...]       # the innermost first
    idle: bool = False              # it has nothing to do, and is not to blame


@dataclass(frozen=True)
class Postmortem:
    """A machine that panicked or hung, as gdb saw it."""

    harts: tuple[Stack, ...] = ()
    processes: tuple[Stack, ...] = ()   # those that no hart runs
    note: str = ""                      # why nothing more is known; "" if all is
    details: tuple[str, ...] = ()       # of the harts' registers: for those who look for a bug in the kernel or the grader


@dataclass(frozen=True)
class Mapping:
    """A mapping, as the kernel's VMA table has it; None for what it does not tell."""

    start: int
    end: int                        # the first address behind it
    inode: int | None
    prot: int | None                # PROT_* bits
    flags: int | None               # MAP_* bits


@dataclass(frozen=True)
class Scene:
    """What memory a process had when the kernel killed it for a fault."""

    pc: int                         # sepc
    size: int | None                # bytes of text, stack and heap, from 0
    mappings: tuple[Mapping, ...] | None    # in order of address; None: the kernel has no table that could be read
    frames: tuple[Frame, ...] = ()  # its stack in user space, the innermost first


@dataclass(frozen=True)
class Traps:
    """Exceptions that the guest really had, in any process, each told once."""

    calls: frozenset[int]                   # addresses of ecall instructions that user code executed
    faults: frozenset[tuple[int, int]]      # page faults: exception code and address


@dataclass(frozen=True)
class Transcript:
    """One program on one fresh boot.

    Where `booted` is false the shell's prompt never came, the program was not
    typed, and `ending` tells how the boot ended instead. Only `evidence` says
    anything about the program: what was printed before it was typed never counts.
    """

    program: str                    # what was typed, such as "mmaptest fork"
    ending: Ending
    why: str                        # the ending in one sentence, with the line or number that shows it
    booted: bool
    lines: tuple[str, ...]          # every console line, without control characters
    first: int                      # index in lines of the first that came after the program was typed
    status: int | None              # exit status: of the program (done, failed) or of QEMU (machine died); None: unknown
    seconds: float                  # wall time, from the start of QEMU
    cpu_seconds: float              # CPU time that QEMU used, over all its threads
    path: str                       # the file that holds the transcript, "" where none was written
    boot_seconds: float = 0.0       # the part of seconds until the program was typed; 0 where it was not
    used_seconds: float = 0.0       # what it used of its budget: CPU time and rest, since it was typed
    postmortem: Postmortem | None = None    # what gdb saw at the end of a run that panicked or hung; None: nobody looked
    scenes: tuple[Scene, ...] = ()  # what gdb saw of the processes that were killed, in a second run; empty: nobody looked
    again: Callable | None = field(default=None, compare=False, repr=False)     # makes that second run: gives the scenes
    outside: tuple[tuple[str, str], ...] = ()   # sections of which something was looked at from outside: what is wrong, or ""
    traps: Traps | None = None      # what QEMU told of exceptions; None: nobody asked
    called: frozenset[str] | None = None    # of a strict run: the system calls that the program really made; None: not known
    doubts: tuple[tuple[str, str], ...] = ()    # of a strict run: lines that are no evidence, and why not, in a sentence

    @property
    def evidence(self):
        """The lines that the program can answer for, as a tuple."""
        return self.lines[self.first:]
