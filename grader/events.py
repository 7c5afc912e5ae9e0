"""Reads console lines: whether a program said something, and what the kernel says of faults and panics."""

import re
from dataclasses import dataclass

TRAP = re.compile(r"usertrap\(\): unexpected scause 0x([0-9a-f]{1,16}) pid=(\d{1,9})")
TRAP_AT = re.compile(r"sepc=0x([0-9a-f]{1,16}) stval=0x([0-9a-f]{1,16})")
PANIC = re.compile(r"\bpanic: (.*)")
ADDRESS = re.compile(r"0x([0-9a-f]{1,16})\s*$")
REACH = 4           # lines below the first of a pair in which the second is looked for
DEPTH = 16          # return addresses of one backtrace that are kept


@dataclass(frozen=True)
class Fault:
    """A process that the kernel killed: the usertrap lines."""

    at: int             # index of the first line
    lines: tuple[str, str]
    cause: int          # scause
    pid: int
    pc: int             # sepc
    address: int        # stval


@dataclass(frozen=True)
class Panic:
    """The kernel's last words."""

    at: int
    line: str
    why: str
    addresses: tuple[int, ...]      # return addresses, the latest first


def shows(line, text):
    """Whether a console line says text. Other output may stand before or behind it, but not as part of its words."""
    return text in line and re.search(rf"(?<![A-Za-z]){re.escape(text)}(?!\w)", line) is not None


def prints(transcript, text):
    """Whether the program of a run said text."""
    return any(shows(line, text) for line in transcript.evidence)


def unknown(transcript):
    """Whether the shell did not find the program."""
    return prints(transcript, f"exec {transcript.program.split()[0]} failed")


def faults(lines):
    """The faults in lines (a sequence of str), in order."""
    found = []
    for at, line in enumerate(lines):
        trap = TRAP.search(line)
        if not trap:
            continue
        for below in lines[at:at + 1 + REACH]:
            place = TRAP_AT.search(below)
            if place:
                found.append(Fault(at, (line.strip(), below.strip()), int(trap[1], 16), int(trap[2]),
                                   int(place[1], 16), int(place[2], 16)))
                break
    return found


def panic(lines):
    """The first panic in lines, or None."""
    for at, line in enumerate(lines):
        says = PANIC.search(line)
        if says:
            return Panic(at, line.strip(), says[1].strip(), backtrace(lines[at + 1:]))
    return None


def backtrace(lines):
    """The addresses that stand one to a line behind `backtrace:`, as a tuple."""
    found = []
    started = False
    for line in lines:
        address = ADDRESS.search(line)
        if started and address:
            found.append(int(address[1], 16))
        elif started and found:
            break
        started = started or "backtrace:" in line
        if len(found) == DEPTH:
            break
    return tuple(found)
