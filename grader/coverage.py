"""make coverage: which lines of the solution's lab code do the tests reach? Found from QEMU's log of the blocks that it translates.

QEMU translates a block of instructions when execution first comes to it, and a block ends with the first branch. So an
instruction of the kernel that is in the log was executed, unless one before it in its block trapped: the kernel's don't.
"""

import posixpath
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from rich.console import Console
from rich.table import Table

from . import CouldNotGrade, build, hidden, lab, machine, sandbox, tree
from .grade import OFFICIAL, transcript_path
from .transcript import Ending

HERE = Path(__file__).resolve().parent
SOLUTION = HERE.parent / "solution"
ARGUED = HERE / "tests/unreached.toml"  # the lines that no test can reach, and why
WORK = Path("build/coverage")           # below the current directory: a page for each file, transcripts, the built tree
MAKE = ("make", "-j2", "FAILALLOC=1",   # with the program that has allocations fail
        "OPT=-Og")                      # what code a line has is still told apart, and the kernel's stacks suffice
LAB_FILES = ("mmap.c", "vma.c", "meminfo.c")    # count whole; of other files only the regions of tasks do
TRACK = "all"                           # whose tests are run
MORE = ("mmapfuzz 1 500", "mmapstress 5", "mmapoom")    # and these
MORE_SECONDS = 120.0                    # that each of them may use

LOGGED = re.compile(r"0x([0-9a-f]+):  ([0-9a-f]+) ")    # the address of an instruction, and the instruction
REGION = re.compile(r"#if LAB_TASK >= \d")
FUNCTION = re.compile(r"(\w+)\(")       # at the start of a line, as our style has it


@dataclass(frozen=True)
class Span:
    """The addresses [low, high) of code that belongs to a line of a file."""

    low: int
    high: int
    file: str
    line: int


@dataclass(frozen=True)
class Line:
    """A line of lab code that has instructions."""

    number: int
    text: str
    function: str
    tests: tuple[str, ...]              # the commands that reach it
    whole: bool                         # each of its instructions is executed by one of them


@dataclass(frozen=True)
class Argument:
    """Why lines of a function with this text are not reached."""

    file: str
    function: str
    text: str
    why: str

    def covers(self, file, line):
        """Whether a Line of a file is meant."""
        return (self.file, self.function, self.text) == (file, line.function, line.text)


def add_arguments(parser):
    """Tell an argparse parser the options of this command: there are none."""


def main(options):
    """Run all tests on solution/, print what they reach, write the pages; return the exit status 0. Raises CouldNotGrade."""
    arguments = read_arguments(ARGUED.read_text())
    rubric = lab.load(strict=True, track=TRACK)
    built = compile_kernel(rubric.protected, WORK / "tree")
    reached = {}
    for program in MORE:
        reached[program] = addresses(built, program, MORE_SECONDS, transcript_path(WORK, program))
    for program in commands(rubric):
        reached[program] = addresses(built, program, rubric.budget(program), transcript_path(WORK, program))
    disk = hidden.build(built, WORK / "hidden", rubric)
    for program in commands(rubric.hidden):
        reached[program] = addresses(disk, program, rubric.hidden.budget(program), transcript_path(WORK, program))
    lines = lab_lines(spans(built.kernel), reached, SOLUTION / "kernel")
    for file, found in lines.items():
        (WORK / f"{file}.txt").write_text(page((SOLUTION / "kernel" / file).read_text(), found))
    report(lines, arguments)
    return 0


# Running.

def compile_kernel(protected, scratch):
    """The Build of solution/ in scratch (a Path), with a kernel whose code keeps to its lines."""
    copy = tree.prepare(SOLUTION, scratch, protected, OFFICIAL)
    built = build.judge(copy.path, sandbox.run([*MAKE, *build.TARGETS], copy.path))
    if not built.ok:
        raise CouldNotGrade(f"solution/ does not build: {built.error}")
    return built


def commands(rubric):
    """All that can be run of a Lab: each program as it is, and the sections that it runs only where they are named."""
    return (*(program.name for program in rubric.tests), *(s.command for s in rubric.sections if s.alone))


def addresses(built, program, budget, out):
    """The addresses of all code that was executed while a program ran, from boot on, as of parse_log.

    budget is in seconds, out the Path for the transcript. Raises CouldNotGrade if the program fails: what it did not come
    to would seem to be unreached."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-") as place:
        log = Path(place, "log")
        guest = machine.Machine(built.kernel, built.image, options=("-d", "in_asm", "-D", str(log)))
        seen = machine.run(guest, program, budget, out=out)
        if seen.ending is not Ending.DONE:
            raise CouldNotGrade(f"{program}: {seen.ending.value}: {seen.why} ({out})")
        with open(log) as text:
            return parse_log(text)


def parse_log(text):
    """The addresses of the code in a log of QEMU's (its lines), as a set: instructions have one or two addresses, 2 apart."""
    found = filter(None, map(LOGGED.match, text))
    return {int(one[1], 16) + at for one in found for at in range(0, len(one[2]) // 2, 2)}


# Lines.

def spans(kernel):
    """The Spans of a kernel (the Path of an ELF file with debug information), from its table of lines."""
    found = []
    with open(kernel, "rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            states = [entry.state for entry in program.get_entries() if entry.state] if program else []
            found += pair(states, lambda index: file_name(program, unit, index))
    return found


def file_name(program, unit, index):
    """The path of a line program's file, relative to the tree that was compiled."""
    entries = program["file_entry"]
    directories = program["include_directory"]
    modern = program["version"] >= 5
    entry = entries[index if modern else index - 1]
    at = entry.dir_index
    top = unit.get_top_DIE().attributes["DW_AT_comp_dir"].value.decode("utf-8", "replace")
    directory = directories[at] if modern else directories[at - 1] if at else b""
    path = posixpath.join(top, directory.decode("utf-8", "replace"), entry.name.decode("utf-8", "replace"))
    path = posixpath.normpath(path)
    return path[len(top) + 1:] if top and path.startswith(top + "/") else path


def pair(states, name):
    """The Spans of a line program's states (address, file, line, end_sequence); name() tells the path of a file's number.

    A state holds up to the next one's address. Where that is the same, the line has no code there."""
    return [Span(state.address, after.address, name(state.file), state.line)
            for state, after in zip(states, states[1:]) if not state.end_sequence and state.address < after.address]


def lab_lines(found, reached, kernel):
    """The Lines of lab code by file name, from Spans, the addresses that each command reached, and the sources' Path."""
    code = {}                           # (file, line) -> the addresses of its code
    for span in found:
        code.setdefault((span.file, span.line), set()).update(range(span.low, span.high, 2))
    executed = set().union(*reached.values())
    lines = {}
    for source in sorted(kernel.glob("*.c"), key=lambda path: (path.name not in LAB_FILES, path.name)):
        text = source.read_text().splitlines()
        mine = range(1, len(text) + 1) if source.name in LAB_FILES else regions(text)
        functions = function_names(text)
        here = [Line(number, text[number - 1].strip(), functions[number - 1],
                     tuple(program for program, seen in reached.items() if at & seen), at <= executed)
                for number in mine if (at := code.get((f"kernel/{source.name}", number)))]
        if here:
            lines[source.name] = here
    return lines


def regions(text):
    """The numbers of the lines (strings) that stand in a region of a task; #else and nested conditions included."""
    depth, found = [], []
    for number, line in enumerate(text, 1):
        if line.startswith("#if"):
            depth.append(bool(REGION.match(line)))
        elif line.startswith("#endif"):
            depth.pop()
        elif any(depth):
            found.append(number)
    return found


def function_names(text):
    """For each line (a string) the name of the function that it stands in, or that was the last to begin."""
    name, names = "", []
    for line in text:
        found = FUNCTION.match(line)
        name = found[1] if found else name
        names.append(name)
    return names


# What is argued, and what is shown.

def read_arguments(text):
    """The Arguments in a TOML text. Raises CouldNotGrade if it is not as its own first lines say."""
    try:
        arguments = tuple(Argument(**entry) for entry in tomllib.loads(text).get("unreached", ()))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise CouldNotGrade(f"{ARGUED}: {error}") from None
    if silent := next((a for a in arguments if not a.why.strip()), None):
        raise CouldNotGrade(f"{ARGUED}: {silent.function}: say why {silent.text!r} can't be reached")
    return arguments


def unreached(lines):
    """Pairs of file name and Line, of the lines that no test reached."""
    return [(file, line) for file, found in lines.items() for line in found if not line.tests]


def stale(lines, arguments):
    """The Arguments that no unreached line needs: the lines are reached, or are no more."""
    return [a for a in arguments if not any(a.covers(file, line) for file, line in unreached(lines))]


def page(text, found):
    """The text of a source file, with how many tests reach each line: ##### for none, nothing where it has no lab code.

    A ? behind the number: some of the line's instructions are not executed by any test, such as one side of a condition."""
    marks = {line.number: f"{len(line.tests)}{' ' if line.whole else '?'}" if line.tests else "#####" for line in found}
    return "".join(f"{marks.get(number, ''):>5} {number:4} {line}".rstrip() + "\n"
                   for number, line in enumerate(text.splitlines(), 1))


def report(lines, arguments):
    """Print the table, the lines that were not reached or in part, and the arguments that are stale."""
    table = Table(title="make coverage: lines of lab code")
    for heading, side in (("file", "left"), ("lines", "right"), ("reached", "right"), ("", "right")):
        table.add_column(heading, justify=side)
    for file, found in lines.items():
        reached = sum(bool(line.tests) for line in found)
        table.add_row(file, str(len(found)), str(reached), f"{100 * reached / len(found):.1f} %")
    Console(width=80).print(table)
    for file, line in unreached(lines):
        why = next((a.why for a in arguments if a.covers(file, line)), "")
        print(f"{file}:{line.number}: {line.function}: {line.text}\n    {why or 'to do: write a test, or argue in ' + ARGUED.name}")
    for file, line in ((file, line) for file, found in lines.items() for line in found if line.tests and not line.whole):
        print(f"{file}:{line.number}: {line.function}: {line.text}\n    reached in part: not all of its instructions were executed")
    for argument in stale(lines, arguments):
        print(f"{ARGUED.name}: stale: {argument.function}: {argument.text!r} is reached, or is no line of {argument.file}")
    print(f"Pages: {WORK}/*.txt")
