"""make: from a scratch tree to a kernel and a disk image, or to the compiler's first error."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import CouldNotGrade, carry, diskread, sandbox
from .tree import UNFINISHED

COMPILERS = ("riscv64-unknown-elf-gcc", "riscv64-elf-gcc", "riscv64-linux-gnu-gcc")
TARGETS = ("kernel/kernel", "fs.img")
TYPING = ("init", "sh", "echo")             # programs without which none can be typed, nor its end be seen

# How tools say what went wrong, the most telling first. `where` is FILE:LINE, `what` the rest of the line.
COMPILER = re.compile(r"^(?P<where>[^\s:]+:\d+)(?::\d+)?: (?:fatal )?[Ee]rror: (?P<what>.*)$", re.M)
LINKER = re.compile(r"^(?:\S*ld: )?(?:\S+\.o:)?(?P<where>[^\s:(]+(?::\d+)?):(?:\([^)]*\):)? "
                    r"(?P<what>undefined reference .*|multiple definition .*)$", re.M)
EITHER = re.compile(r"^(?P<what>(?:cc1|\S*ld): (?!warning|.* in function).*)$", re.M)
MAKEFILE = re.compile(r"^(?P<where>\S*[Mm]akefile\S*:\d+): \*\*\* (?P<what>.*?)(?:\.  Stop\.)?$", re.M)
MAKE = re.compile(r"^make(?:\[\d+\])?: \*\*\* (?!\[|Waiting for)(?P<what>.*?)(?:\.  Stop\.)?$", re.M)
START = re.compile(r"^make(?:\[\d+\])?: (?P<what>(?!warning)[\w./+-]+: .+)$", re.M)       # a command that make could not start
TOOL = re.compile(r"^(?P<what>(?!make|.*warning)[\w./+-]+: (?!In function|In file).+)$", re.M)
SIGNAL = re.compile(r"^make(?:\[\d+\])?: \*\*\* \[(?P<where>[^\s\]]+): [^\]]*\] (?P<what>(?!Error \d).*)$", re.M)


@dataclass(frozen=True)
class Build:
    """What `make kernel/kernel fs.img` left in a scratch tree."""

    ok: bool
    tree: Path                      # the scratch tree; user programs' ELF files are tree/user/_NAME
    kernel: Path                    # tree/kernel/kernel
    image: Path                     # tree/fs.img, never booted itself: each run gets a copy
    programs: frozenset[str]        # names in the root directory of the image
    log: str                        # all that make printed
    error: str                      # "" where ok; else one line: the compiler's first error as FILE:LINE: TEXT
    seconds: float


def make(tree, limits=sandbox.Limits(), jobs=2, box=sandbox.OPEN, targets=TARGETS, programs=()):
    """Build a scratch tree (a Path); return a Build.

    limits bound the whole make; jobs is the number of compilers at a time, box where they work.
    targets: what is to be made; without fs.img, the Build has no image and no programs. programs are the names of those that
    will be run (none: all of them): a Makefile that knows ONLY makes no others, another makes what it wants.
    Raises CouldNotGrade where make or a compiler is not installed, or the disk is full.
    """
    sandbox.need("make", "make")
    if not any(shutil.which(name) for name in COMPILERS):
        sandbox.need(COMPILERS[0], "gcc-riscv64-unknown-elf")
    if not any((tree / name).is_file() for name in ("Makefile", "makefile", "GNUmakefile")):
        return failed(tree, "", "the tree has no Makefile", 0.0)
    for target in targets:
        (tree / target).parent.mkdir(exist_ok=True)
    unfinished = tree / UNFINISHED
    unfinished.touch()
    only = [f"ONLY={' '.join((*TYPING, *programs))}"] if programs else []
    result = sandbox.run(["make", f"-j{jobs}", *targets, *only], tree, limits, box, bring=(*targets, "user/_*"), theirs=True)
    if not result.cut:
        unfinished.unlink(missing_ok=True)
    if "No space left on device" in result.output and shutil.disk_usage(tree).free < 1 << 20:
        raise CouldNotGrade(f"the disk that holds {tree} is full: make room there, then grade again")
    return judge(tree, result, targets)


def judge(tree, result, targets=TARGETS):
    """The Build that a run of make for these targets came to."""
    if result.cut:
        return failed(tree, result.output, f"make was stopped: {result.cut}", result.seconds)
    if result.status != 0:
        error = first_error(result.output).replace(f"{tree.resolve()}/", "").replace(f"{carry.TREE}/", "")
        return failed(tree, result.output, error, result.seconds)
    for target in targets:
        if not is_plain(tree / target):
            why = next((text for text in result.refused if text.startswith(f"{target} ")),
                       f"make ended without an error, but did not make {target}")
            return failed(tree, result.output, why, result.seconds)
    programs, wrong = root_directory(tree / "fs.img") if "fs.img" in targets else (frozenset(), "")
    if wrong:
        return failed(tree, result.output, f"fs.img is no disk image of this system: {wrong}", result.seconds)
    return Build(True, tree, tree / TARGETS[0], tree / TARGETS[1], programs, result.output, "", result.seconds)


def is_plain(path):
    """Whether a regular file, and no link to one, is at path."""
    return path.is_file() and not path.is_symlink()


def failed(tree, log, error, seconds):
    """A Build that came to nothing, and why."""
    return Build(False, tree, tree / TARGETS[0], tree / TARGETS[1], frozenset(), log, error, seconds)


def first_error(log):
    """What went wrong first, in one line, from all that a failed make printed."""
    for pattern in (COMPILER, LINKER, EITHER, MAKEFILE, MAKE, START, TOOL, SIGNAL):
        if found := pattern.search(log):
            return ": ".join(found.groupdict().values())
    lines = [line.strip() for line in log.split("\n") if line.strip() and not line.startswith("make")]
    return lines[-1] if lines else "make failed and printed nothing"


def root_directory(image):
    """The names in the root directory of a disk image, and "" - or no names, and what is wrong with the image."""
    try:
        return frozenset(name.decode(errors="replace") for name in diskread.read(image).names()), ""
    except diskread.DiskError as error:
        return frozenset(), str(error)
