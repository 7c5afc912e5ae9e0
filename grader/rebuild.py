"""Builds a submission's kernel from its sources, with nothing but names and numbers of how its own Makefile would."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from . import CouldNotGrade, carry, sandbox
from .build import COMPILERS, first_error

HOME = Path(__file__).resolve().parent / "owndisk"
KERNEL = "kernel/kernel"
OUT = ".strict"                 # below the tree, while it is made
COMPILES = re.compile(r"\s-c\b.*\s(kernel/\w+\.[cS])(?=\s|$)")         # a line of `make -n`
OPTION = re.compile(r"-D\w+(?:=\w+)?|-O[0123sg]?|-fno-inline|-std=(?:gnu|c)\w+|-Wno-[\w=-]+")   # what is taken over from such a
WARNING = re.compile(r"-W[a-z][\w=-]*")                                   # line, and what if all of them have it
# How the official Makefile compiles. In the same order as there, so that what is compiled here need not be again by it.
OFFICIAL = tuple("""-march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax -ffreestanding -nostdlib -fno-common
  -fno-stack-protector -fno-pie -I. -MD -ggdb -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables
  -fno-delete-null-pointer-checks -fno-strict-aliasing -fno-tree-loop-distribute-patterns""".split())
ASKING = sandbox.Limits(cpu=20, wall=120)                                 # for `make -n`
JOINED = b'" \t\n\r\v\f\\'          # what may stand between the parts of a word in assembly
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
PATH = re.compile(r"[^\s(){};,=\"]*/[^\s(){};,=\"]*")                     # in a linker script
BINARY = re.compile(r"\b(?:INPUT|GROUP|INCLUDE|STARTUP|BYTE|SHORT|LONG|QUAD)\s*[(\w\"]")   # in a linker script: code from elsewhere


def kernel(tree, out, jobs=2, box=sandbox.OPEN):
    """Build the kernel of a tree (a Path) from its sources, in a box; return where it is, which is in the directory out (a Path).

    Raises CouldNotGrade where that can't be done: somebody has to look at the tree's Makefile then."""
    sources, options = asked(tree, replace(box, private=False))     # the Makefile's own commands must not write to the cache
    for old in (tree / OUT, out):
        carry.remove(old)
    (tree / OUT / KERNEL).parent.mkdir(parents=True)
    script = tree / "kernel/kernel.ld"
    if not script.is_file() or brings_more(script.read_text(errors="replace"), sources):
        raise CouldNotGrade("the kernel's linker script brings in more than what is compiled: look at kernel/kernel.ld")
    if binary := takes_binary(tree / "kernel"):
        raise CouldNotGrade(f"the kernel's sources take in a binary file (.incbin): look at kernel/{binary}")
    compiler = next(name for name in COMPILERS if shutil.which(name))
    result = sandbox.run(["make", f"-j{jobs}", "-f", str(HOME / "kernel.mk"), f"CC={compiler}", f"OUT={OUT}",
                          f"SOURCES={' '.join(sources)}", f"CFLAGS={' '.join(options)}"], tree, box=box,
                         read=(HOME,), bring=(f"{OUT}/{KERNEL}",))
    if result.cut or result.status != 0 or not (tree / OUT / KERNEL).is_file():
        why = result.cut or first_error(result.output)
        raise CouldNotGrade(f"the kernel can't be built without the tree's own Makefile: {why}. "
                            "Look at that Makefile; grade without STRICT=1 if all is well")
    shutil.move(tree / OUT, out)                # the tree's own make must not reach it
    return out / KERNEL


def takes_binary(directory):
    """The name of a source file in a directory (a Path) that takes in a file as it is, or ""."""
    files = [path for path in sorted(directory.iterdir()) if path.suffix in (".c", ".S", ".h") and path.is_file()]
    return next((path.name for path in files if b"incbin" in path.read_bytes().translate(None, JOINED)), "")


def brings_more(script, sources):
    """Whether a linker script's text names a file that is not made from one of the sources (paths)."""
    text = COMMENT.sub(" ", script)
    made = {Path(name).with_suffix(".o").as_posix() for name in sources}
    return bool(BINARY.search(text)) or not made.issuperset(PATH.findall(text.replace("/DISCARD/", "")))


def asked(tree, box):
    """What the tree's own make would compile for the kernel: the sources, in its order, and the options to compile them with.

    Raises CouldNotGrade where that can't be told."""
    result = sandbox.run(["make", "-n", "-B", KERNEL], tree, ASKING, box, theirs=True)
    lines = [line for line in result.output.replace("\\\n", " ").splitlines() if COMPILES.search(line)]
    sources = list(dict.fromkeys(COMPILES.search(line)[1] for line in lines))
    sources = [name for name in sources if (tree / name).is_file()]
    if not sources:
        raise CouldNotGrade("the tree's Makefile does not say how the kernel is compiled: look at it")
    return sources, options(lines)


def options(lines):
    """The options for the compiler, from lines that compile: the official ones, and what may be taken over."""
    words = [line.split() for line in lines]
    taken = [word for word in dict.fromkeys(word for line in words for word in line)
             if word in OFFICIAL or OPTION.fullmatch(word) or WARNING.fullmatch(word) and all(word in line for line in words)]
    return [word for word in OFFICIAL if word not in taken] + taken
