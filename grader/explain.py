"""Puts what went wrong in a run into words: the line that shows it, what it means, and where in the source it happened."""

from dataclasses import dataclass, field

from grader import events
from grader.transcript import Ending

CAUSES = {0xc: "an instruction fetch", 0xd: "a load", 0xf: "a store"}
KERNEL = "kernel/kernel"
NOISE = ("panic", "backtrace")      # functions on top of every backtrace
SHOWN = 6                           # faults, or functions of a backtrace, that are told


@dataclass(frozen=True)
class Place:
    """A place in the source."""

    what: str               # what happened there
    function: str           # "" where it could not be resolved
    file: str               # relative to the tree
    line: int


@dataclass(frozen=True)
class Facts:
    """What the ELF files of a build say."""

    table: str = ""                     # the VMA table of struct proc, as declared; "": there is none
    near: str = ""                      # why there is none
    places: dict = field(default_factory=dict)      # (ELF path in the tree, address) -> (function, file, line)


@dataclass(frozen=True)
class Trouble:
    """Why a piece of evidence is missing."""

    why: str                            # one sentence
    line: str = ""                      # the console line that shows it
    where: tuple[Place, ...] = ()


def user_elf(program):
    """The path of a program's ELF file in a built tree."""
    return f"user/_{program}"


def asked_addresses(transcripts):
    """The addresses that explanations need, as (ELF path, address) pairs.

    A return address stands for the call before it."""
    wanted = []
    for run in transcripts:
        lines = run.evidence
        wanted += [(user_elf(run.program.split()[0]), fault.pc) for fault in events.faults(lines)]
        panic = events.panic(lines)
        wanted += [(KERNEL, address - 1) for address in panic.addresses] if panic else []
    return wanted


def panic_functions(run, facts):
    """The names of the kernel functions that a run panicked in, the innermost first."""
    panic = events.panic(run.evidence)
    places = [facts.places.get((KERNEL, address - 1)) for address in panic.addresses] if panic else []
    return [place[0] for place in places if place]


def trouble(run, start, end, program, facts, mapped):
    """What went wrong in a part of a run: the Trouble.

    run.evidence[start:end] is the part, program the lab's Program, mapped the range of
    addresses that mappings have. What the program itself says, or a panic, comes first,
    then how the run ended, then a process that was killed."""
    lines = run.evidence[start:end]
    panic = events.panic(lines)
    said = next((at for at, line in enumerate(lines) if events.shows(line, program.fails)), len(lines))
    first = min(said, panic.at if panic else said)
    killed = [fault for fault in events.faults(lines) if fault.at <= first]
    where = tuple(fault_place(f, program, facts, mapped) for f in killed[:SHOWN])
    if first == said < len(lines):
        return Trouble(f"{run.program} reports a failure", lines[said].strip(), where)
    where += panic_places(panic, facts)
    if panic:
        return Trouble("the kernel panicked", panic.line, where)
    if stopped(run):
        return Trouble(f"{run.ending.value}: {run.why}", last_line(lines), where)
    if killed:
        return Trouble("the process was killed", " ".join(killed[-1].lines), where)
    return Trouble("", last_line(lines), where)


def stopped(run):
    """Whether a program was started and did not end by itself, well or not."""
    return run.booted and run.ending not in (Ending.DONE, Ending.FAILED)


def last_line(lines):
    """The last line that is not blank, or ""."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def fault_words(fault, mapped):
    """A fault in words."""
    cause = CAUSES.get(fault.cause, f"exception 0x{fault.cause:x}")
    if mapped[0] <= fault.address < mapped[1]:
        return f"{cause} faulted at 0x{fault.address:x}, in the range of mappings"
    if fault.address < 4096:
        return f"{cause} faulted at 0x{fault.address:x}, near address 0"
    return f"{cause} faulted at 0x{fault.address:x}, outside the range of mappings"


def fault_place(fault, program, facts, mapped):
    """The Place of the instruction that faulted."""
    function, file, line = facts.places.get((user_elf(program.name), fault.pc), ("", "", 0))
    return Place(f"pid {fault.pid}: {fault_words(fault, mapped)}", function, file, line)


def panic_places(panic, facts):
    """The Places that a panic's backtrace tells, the innermost first."""
    found = []
    for address in panic.addresses if panic else ():
        function, file, line = facts.places.get((KERNEL, address - 1), ("", "", 0))
        again = found and function == found[-1].function    # a function that calls itself is told once
        if function not in NOISE and not again:
            found.append(Place("called from" if found else "the panic", function, file, line))
    last = max((n for n, place in enumerate(found) if place.function), default=0)     # what is below is no kernel code
    return tuple(found[:last + 1][:SHOWN])


def meaning(lab, task, trouble, default):
    """What a Trouble of a task means: the lab's first [[meaning]] that fits, or default."""
    told = "\n".join([trouble.line, trouble.why, *(place.what for place in trouble.where)])
    for entry in lab.meanings:
        if entry.text in told and (not entry.tasks or task.number in entry.tasks):
            return entry.means
    return default
