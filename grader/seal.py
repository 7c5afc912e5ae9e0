"""Tells the console lines that a test program vouches for from what somebody else printed; labs/hidden/seal.c makes the seals."""

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.elf.elffile import ELFFile

from . import events

SEAL = re.compile(r"~([0-9a-f]{1,16})" + r"\.([0-9a-f]{1,16})" * 6 + "~")
ECHO = "echo"                   # what ends each run; its seal vouches for the status alone
LIE = "wait: pid "              # what status.c prints of a status that was made up
WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Program:
    """What a program's seals depend on."""

    image: int                          # mark of code, constants and initial data
    code: int                           # mark of code and constants
    starts: tuple[int, ...]             # addresses of functions, ascending
    ends: tuple[int, ...]               # where each of them ends
    names: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """What it takes to read the seals of a disk's programs."""

    key: int
    programs: dict[str, Program]


@dataclass(frozen=True)
class Said:
    """A line that a program vouches for."""

    program: str
    pid: int
    calls: int                          # of the program's own functions before it
    text: str


# Marks, as seal.c makes them.

def mix(mark, word):
    """A mark after one more word."""
    mark = (mark ^ word) * 0x9e3779b97f4a7c15 & WORD
    return mark ^ mark >> 29


def mixed(mark, words):
    """A mark after some words."""
    for word in words:
        mark = mix(mark, word)
    return mark


def mark_of(key, program, says, text):
    """The mark of a seal that says some numbers of a text (str), by a Program."""
    low, high = key & WORD, key >> 64
    mark = mixed(mix(mix(low, program.image), program.code), says)
    return mix(mixed(mark, text.encode("ascii", "replace")), high)


def write(key, program, pid, number, site, inside, calls, text):
    """The seal of a text, as the program itself would write it."""
    says = (pid, number, len(text), site, inside, calls)
    return "~" + ".".join(f"{value:x}" for value in (*says, mark_of(key, program, says, text))) + "~"


# Programs.

def book(disk):
    """The Book of a Disk that was built with hidden tests."""
    elves = sorted(Path(disk.tree, "user").glob("_*"))
    programs = {path.name[1:]: program(path, disk.key) for path in elves}
    return Book(disk.key, {name: found for name, found in programs.items() if found})


def program(path, key):
    """The Program in an ELF file of ours (a Path); None if it has no seals."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = {symbol.name: symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        if "sealed_code_end" not in symbols:
            return None
        memory = {segment["p_vaddr"]: segment.data() for segment in elf.iter_segments("PT_LOAD")}
    code_end, data, data_end = (symbols[f"sealed_{name}"]["st_value"] for name in ("code_end", "data", "data_end"))
    code = mixed(key >> 64, words(memory, 0, code_end))
    functions = sorted((symbol["st_value"], symbol["st_size"], name) for name, symbol in symbols.items()
                       if symbol["st_info"]["type"] == "STT_FUNC")
    starts, sizes, names = zip(*functions)
    return Program(mixed(code, words(memory, data, data_end)), code, starts, tuple(map(sum, zip(starts, sizes))), names)


def words(memory, begin, end):
    """The 64-bit words from address begin to end in memory, a dict of bytes by address; what is nowhere is zero."""
    found = bytearray(end - begin)
    for start, content in memory.items():
        low, high = max(begin, start), min(end, start + len(content))
        if low < high:
            found[low - begin:high - begin] = content[low - start:high - start]
    return [int.from_bytes(found[at:at + 8], "little") for at in range(0, len(found), 8)]


def function_at(program, address):
    """The name of a Program's function that an address is in, or ""."""
    at = bisect_right(program.starts, address) - 1
    return program.names[at] if at >= 0 and address < program.ends[at] else ""


def at_home(program, site, inside):
    """Whether site is in the function that begins at the address inside: printf was called where the program should be."""
    at = bisect_right(program.starts, inside) - 1
    return at >= 0 and program.starts[at] == inside and inside < site <= program.ends[at]


# Lines.

def said(book, name, line, known=()):
    """What program name, or echo, vouches for in a console line: a list of Said.

    The text stands behind the seal or before it; where other output tore it, it may be one of the known texts."""
    found = []
    for seal in SEAL.finditer(line):
        *says, mark = (int(field, 16) for field in seal.groups())
        pid, _, length, site, inside, calls = says
        near = {line[seal.end():seal.end() + length], line[max(0, seal.start() - length):seal.start()]}
        for author in (name, ECHO):
            program = book.programs.get(author)
            if not program or author == name != ECHO and not at_home(program, site, inside):
                continue
            texts = near | {text for text in known if len(text) == length}
            if author == ECHO:
                texts |= {str(status) for status in range(-1, 256) if len(str(status)) == length}
            text = next((text for text in texts if mark_of(book.key, program, says, text) == mark), None)
            if text is not None and Said(author, pid, calls, text) not in found:
                found.append(Said(author, pid, calls, text))
    return found


def stripped(line):
    """A line without its seals."""
    return SEAL.sub("", line)


def texts_of(lab):
    """The texts that a Lab takes as evidence."""
    sections = [text for section in lab.sections for text in (section.title, section.passed)]
    rungs = [text for rung in lab.rungs for text in rung.prints]
    return tuple(dict.fromkeys(sections + rungs + [text for task in lab.tasks for e in task.evidence for text in e.prints]))


def read(transcript, lab, book):
    """The Transcript without seals, and without lines that are evidence where the program of the run does not vouch for them.

    What was taken out is in its `doubts`: (line, why) pairs. What the program says after it has reported a failure is no
    evidence either, nor the end of a section in which nothing was called."""
    name = transcript.program.split()[0]
    known, reader = texts_of(lab), Reader(lab, name)
    lines, ended = list(transcript.lines), False
    for at in range(transcript.first, len(lines)):
        vouched = said(book, name, lines[at], known)
        ended = ended or any(one.program == ECHO for one in vouched)
        lines[at] = reader.line(stripped(lines[at]), [one for one in vouched if one.program == name], known)
    if transcript.status is not None and not ended:
        reader.doubts.append(("", f"the end of {name} was told by something other than the shell's echo"))
    checked = replace(transcript, lines=tuple(lines), doubts=tuple(reader.doubts))
    return with_traps(checked, book.programs[name]) if transcript.traps else checked


class Reader:
    """Goes through the lines of one run, and keeps in mind what was said before."""

    def __init__(self, lab, name):
        self.name, self.fails = name, lab.program_named(name).fails
        self.titles = {section.passed: section.title for section in lab.sections if section.program == name}
        self.begun = {}             # calls before the title of a section was printed, by pid and title
        self.failed = False
        self.doubts = []            # (line, why) pairs

    def line(self, line, vouched, known):
        """What remains of a line (without seals) in which the program vouches for some texts."""
        rest = line
        for one in vouched:
            rest = rest.replace(one.text, "", 1)
        good = [one.text for one in vouched if self.good(one, known)]
        whole = shown(line, known)      # which may be a text of the program's with more behind it
        foreign = shown(rest, known) or ("" if any(events.shows(one.text, whole) for one in vouched) else whole)
        if foreign:
            self.doubts.append((line.strip(), f"the line `{foreign}` was printed, but not by {self.name}"))
        clean = len(good) == len(vouched) and not foreign and all(text in line for text in good)
        return line if clean else " ".join(good)

    def good(self, one, known):
        """Whether something that the program said (a Said) may be evidence, as far as what was before it goes."""
        text, why = one.text, ""
        title = self.titles.get(text)
        if text.startswith(LIE):
            why = f"the kernel told {self.name} of a status that a process did not end with"
        elif events.shows(text, self.fails):
            self.failed = True
        elif self.failed and shown(text, known):
            why = f"the line `{text}` was printed after {self.name} had reported a failure"
        elif title and self.begun.get((one.pid, title), one.calls) == one.calls:
            why = f"the line `{text}` was printed, but {self.name} was led past what it tests"
        self.begun[one.pid, text] = one.calls
        if why:
            self.doubts.append((text, why))
        return not why


def with_traps(transcript, program):
    """The Transcript without the page faults that did not happen, and with the system calls that the program really made."""
    lines, doubts = list(transcript.lines), list(transcript.doubts)
    for fault in events.faults(transcript.evidence):
        if (fault.cause, fault.address) not in transcript.traps.faults:
            doubts.append((fault.lines[0], f"the kernel tells of a fault at 0x{fault.address:x} that did not happen"))
            lines[transcript.first + fault.at] = ""
    called = frozenset(function_at(program, address) for address in transcript.traps.calls)
    return replace(transcript, lines=tuple(lines), doubts=tuple(doubts), called=called)


def shown(line, known):
    """The longest of the known texts that a line shows, or ""."""
    return max((text for text in known if events.shows(line, text)), key=len, default="")
