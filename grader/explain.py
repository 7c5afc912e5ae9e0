"""Puts what went wrong in a run into words: the line that shows it, what it means, and where in the source it happened."""

import re
from dataclasses import dataclass, field

from grader import events
from grader.transcript import Ending

CAUSES = {0xc: "an instruction fetch", 0xd: "a load", 0xf: "a store"}
FETCH = 0xc
KINDS = {1: "MAP_SHARED", 2: "MAP_PRIVATE"}
PROTECTIONS = {0: "PROT_NONE", 1: "read-only", 2: "PROT_WRITE alone", 3: "readable and writable", 4: "PROT_EXEC alone",
               5: "readable and executable", 7: "readable, writable and executable"}
EXECUTABLE, WRITABLE = 1, 2         # flags of an ELF segment
PAGE = 4096
KERNEL = "kernel/kernel"
NOISE = ("panic", "backtrace", "kerneltrap", "kernelvec", "syscall", "exception", "usertrap")    # functions on every stack
NOWHERE = "where no code is known"      # the end of what a Place is called that is none
CALLER = "called from"              # what a Place is called that tells who called the one before
WAITS = "waits for a child"
DEPTH = 12                          # functions of a stack that are told
CALLERS = 3                         # callers of a function that faulted that are told
STACKS = 3                          # stacks that are told of a machine that got stuck
SHOWN = 6                           # faults, or functions of a backtrace, that are told


@dataclass(frozen=True)
class Place:
    """A place in the source."""

    what: str               # what happened there
    function: str           # "" where it could not be resolved
    file: str               # relative to the tree
    line: int               # 0: the file as a whole


@dataclass(frozen=True)
class Facts:
    """What the ELF files of a build say."""

    table: str = ""                     # the VMA table of struct proc, as declared; "": there is none
    near: str = ""                      # why there is none
    places: dict = field(default_factory=dict)      # (ELF path in the tree, address) -> (function, file, line)
    segments: dict = field(default_factory=dict)    # ELF path in the tree -> ((start, end, flags), ...)
    said: dict = field(default_factory=dict)        # console line -> where the test program says it: ((file, line), ...)


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
    hart = panicked_hart(run)
    if hart:
        return [frame.function for frame in hart.frames]
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
    where = tuple(place for f in killed[:SHOWN] for place in fault_places(f, run, mapped, facts))
    if first == said < len(lines):
        line = lines[said].strip()
        test = tuple(Place("or here" if n else "the test that failed", "", *at) for n, at in enumerate(facts.said.get(line, ())))
        return Trouble(f"{run.program} reports a failure", line, where + test)
    if panic:
        return Trouble("the kernel panicked" + missing(run), panic.line, (panicked_places(run) or panic_places(panic, facts)) + where)
    if stopped(run):
        return Trouble(f"{run.ending.value}: {run.why}{idleness(run)}{missing(run)}", last_line(lines), stuck_places(run) + where)
    if killed:
        return Trouble("the process was killed", " ".join(killed[-1].lines), where)
    return Trouble("", last_line(lines), where)


def not_built(error):
    """The Trouble of a tree that does not build; error is the compiler's first, with file and line."""
    place = re.match(r"(?:\./)?([\w./-]+):(\d+): ", error)
    return Trouble(f"does not build: {error}", "", (Place("the first error", "", place[1], int(place[2])),) if place else ())


def not_booted(run):
    """The Trouble of a kernel that does not boot; run is one that should have."""
    found = run.postmortem
    stacks = [stack for stack in found.harts + found.processes if not stack.idle][:STACKS] if found else []
    where = panicked_places(run) or tuple(p for s in stacks for p in stack_places(s.frames, f"{s.who} {s.doing}"))
    why = run.why if run.ending is Ending.PANICKED else f"{run.ending.value}: {run.why}"
    return Trouble(f"does not boot: {why}{missing(run)}", last_line(run.lines), where)


def stopped(run):
    """Whether a program was started and did not end by itself, well or not."""
    return run.booted and run.ending not in (Ending.DONE, Ending.FAILED)


def last_line(lines):
    """The last line that is not blank, or ""."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


# Faults.

def fault_words(fault, mapped, scene=None, segments=()):
    """A fault in words: what was done, at which address, and what is there as far as the Scene and the program's segments tell."""
    cause = CAUSES.get(fault.cause, f"exception 0x{fault.cause:x}")
    if mapped[0] <= fault.address < mapped[1]:
        there = mapping_words(fault.address, scene.mappings) if scene and scene.mappings is not None else ""
        return f"{cause} at 0x{fault.address:x}, in the range of mappings" + (f": {there}" if there else "")
    if fault.address < PAGE and fault.cause != FETCH:
        return f"{cause} at 0x{fault.address:x}, near address 0: a null pointer"
    there = memory_words(fault.address, segments, scene.size if scene else None)
    return f"{cause} at 0x{fault.address:x}, outside the range of mappings" + (f": {there}" if there else "")


def mapping_words(address, mappings):
    """Where an address lies among mappings (a tuple, in order of address)."""
    if not mappings:
        return "the process has no mapping"
    inside = next((m for m in mappings if m.start <= address < m.end), None)
    if inside:
        page, pages = (address - inside.start) // PAGE + 1, (inside.end - inside.start + PAGE - 1) // PAGE
        return f"page {page} of {pages} of {described(inside)}"
    below = next((m for m in reversed(mappings) if m.end <= address), None)
    above = next((m for m in mappings if m.start > address), None)
    if below and above:
        return f"between the mappings {span(below)} and {span(above)}"
    if above:
        return f"below the first mapping, {span(above)}"
    behind = "the first byte" if address == below.end else f"{address - below.end + 1} bytes"
    return f"{behind} behind the end of the last mapping, {span(below)}"


def span(mapping):
    """The addresses of a mapping."""
    return f"0x{mapping.start:x}..0x{mapping.end:x}"


def described(mapping):
    """A mapping, with what is known of it."""
    facts = [] if mapping.inode is None else [f"file inode {mapping.inode}"]
    facts += [KINDS[mapping.flags]] if mapping.flags in KINDS else []
    facts += [] if mapping.prot is None else [PROTECTIONS.get(mapping.prot, f"prot {mapping.prot}")]
    return f"the mapping {span(mapping)}" + (f" ({', '.join(facts)})" if facts else "")


def memory_words(address, segments, size):
    """What an address below the mappings is: in one of the program's segments ((start, end, flags), ...), the stack, or the heap.

    The heap ends at size (None: unknown)."""
    for start, end, flags in segments:
        if start <= address < end:
            return "the program's code" if flags & EXECUTABLE else "the program's data" if flags & WRITABLE else "the program's constants"
    top = max((-(-end // PAGE) * PAGE for _, end, _ in segments), default=None)
    if top is None or address < top:
        return ""
    if address < top + PAGE:
        return "the guard page below the stack, which has overflowed"
    if size is None:
        return "the stack, the heap, or behind it"
    return "the stack or the heap" if address < size else f"behind the end of the heap, 0x{size:x}"


def fault_places(fault, run, mapped, facts):
    """The Place of the instruction that faulted, and those of the functions that called it."""
    elf = user_elf(run.program.split()[0])
    function, file, line = facts.places.get((elf, fault.pc), ("", "", 0))
    scene = next((scene for scene in run.scenes if scene.pc == fault.pc), None)
    what = f"pid {fault.pid} was killed: {fault_words(fault, mapped, scene, facts.segments.get(elf, ()))}"
    callers = scene.frames[1:CALLERS + 1] if scene and scene.frames and scene.frames[0].function == function else ()
    return (Place(what, function, file, line), *(Place(CALLER, f.function, f.file, f.line) for f in callers if f.file))


# Panics and hangs.

def idleness(run):
    """A word on a hung run whose harts all had nothing to do, whatever it spent its time on."""
    harts = run.postmortem.harts if run.postmortem else ()
    return "; no process could run" if harts and all(hart.idle for hart in harts) and run.ending is Ending.HUNG_BUSY else ""


def missing(run):
    """Why nothing more is known of a run that got stuck, as the end of a sentence, or ""."""
    return f" ({run.postmortem.note})" if run.postmortem and run.postmortem.note else ""


def panicked_hart(run):
    """The Stack of the hart that panicked, as gdb saw it, or None."""
    return next((hart for hart in (run.postmortem.harts if run.postmortem else ())
                 if any(frame.function == "panic" for frame in hart.frames)), None)


def panicked_places(run):
    """The Places of a panic, as gdb saw the hart's stack, the innermost first."""
    hart = panicked_hart(run)
    return stack_places(hart.frames, f"{hart.who}, the panic") if hart else ()


def stuck_places(run):
    """The Places that tell why a run got stuck: the stacks of harts and processes that had something to do.

    Those that wait for a lock come first."""
    found = run.postmortem
    stacks = [s for s in found.harts + found.processes if not (s.idle or is_bystander(s))] if found else []
    stacks.sort(key=lambda stack: (" lock " not in stack.doing, stack.doing == WAITS))
    return tuple(place for stack in stacks[:STACKS] for place in stack_places(stack.frames, f"{stack.who} {stack.doing}"))


def is_bystander(stack):
    """Whether a stack is of init or the shell, which only wait."""
    return stack.who in ("pid 1 init", "pid 2 sh") and " lock " not in stack.doing


def stack_places(frames, what):
    """The Places of a stack, without the functions that are on every one; the innermost is what, the others called it."""
    telling = [f for f in frames if f.function not in NOISE and not f.file.endswith((".h", ".S"))]
    telling = [f for n, f in enumerate(telling) if not n or f.function != telling[n - 1].function]    # recursion is told once
    places = [Place(CALLER if n else what, f.function, f.file, f.line) for n, f in enumerate(telling)]
    return tuple(places[:DEPTH]) or (Place(what, "", "", 0),)


def panic_places(panic, facts):
    """The Places that a panic's backtrace tells, the innermost first."""
    found = []
    for address in panic.addresses if panic else ():
        function, file, line = facts.places.get((KERNEL, address - 1), ("", "", 0))
        again = found and function == found[-1].function    # a function that calls itself is told once
        if function not in NOISE and not again:
            found.append(Place(CALLER if found else "the panic", function, file, line))
    last = max((n for n, place in enumerate(found) if place.function), default=0)     # what is below is no kernel code
    return tuple(found[:last + 1][:SHOWN])


def meaning(lab, task, trouble, default):
    """What a Trouble of a task means: the lab's first [[meaning]] that fits, or default."""
    told = "\n".join([trouble.line, trouble.why, *(place.what for place in trouble.where)])
    for entry in lab.meanings:
        if entry.text in told and (not entry.tasks or task.number in entry.tasks):
            return entry.means
    return default
