"""Builds a submission's kernel from its sources, with nothing but names and numbers of how its own Makefile would."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from . import CouldNotGrade, sandbox
from .build import COMPILERS, first_error

HOME = Path(__file__).resolve().parent / "owndisk"
KERNEL = "kernel/kernel"
OUT = ".strict"                 # below the tree
COMPILES = re.compile(r"\s-c\b.*\s(kernel/\w+\.[cS])(?=\s|$)")         # a line of `make -n`
OPTION = re.compile(r"-D\w+(?:=\w+)?|-O[0123sg]?|-fno-inline|-std=(?:gnu|c)\w+")    # what is taken over from such a line
JOINED = re.compile(r'["\s\\]+')      # what may stand between the parts of a word in assembly
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
PATH = re.compile(r"[^\s(){};,=\"]*/[^\s(){};,=\"]*")                     # in a linker script
BINARY = re.compile(r"\b(?:INPUT|GROUP|INCLUDE|STARTUP|BYTE|SHORT|LONG|QUAD)\s*[(\w\"]")   # in a linker script: code from elsewhere


def kernel(built, jobs=2, box=sandbox.OPEN):
    """The Build with a kernel that was built anew from the tree's sources, in a box.

    Raises CouldNotGrade where that can't be done: somebody has to look at the tree's Makefile then."""
    sources, options = asked(built.tree, box)
    shutil.rmtree(built.tree / OUT, ignore_errors=True)
    (built.tree / OUT / KERNEL).parent.mkdir(parents=True)
    script = built.tree / "kernel/kernel.ld"
    if not script.is_file() or brings_more(script.read_text(errors="replace"), sources):
        raise CouldNotGrade("the kernel's linker script brings in more than what is compiled: look at kernel/kernel.ld")
    if binary := takes_binary(built.tree / "kernel"):
        raise CouldNotGrade(f"the kernel's sources take in a binary file (.incbin): look at kernel/{binary}")
    compiler = next(name for name in COMPILERS if shutil.which(name))
    result = sandbox.run(["make", f"-j{jobs}", "-f", str(HOME / "kernel.mk"), f"CC={compiler}", f"OUT={OUT}",
                          f"SOURCES={' '.join(sources)}", f"OPTIONS={' '.join(options)}"], built.tree, box=box,
                         read=(HOME,), bring=(f"{OUT}/{KERNEL}",))
    made = built.tree / OUT / KERNEL
    if result.cut or result.status != 0 or not made.is_file():
        why = result.cut or first_error(result.output)
        raise CouldNotGrade(f"the kernel can't be built without the tree's own Makefile: {why}. "
                            "Look at that Makefile; grade without STRICT=1 if all is well")
    return replace(built, kernel=made)


def takes_binary(directory):
    """The name of a source file in a directory (a Path) that takes in a file as it is, or ""."""
    files = [path for path in sorted(directory.iterdir()) if path.suffix in (".c", ".S", ".h") and path.is_file()]
    return next((path.name for path in files if "incbin" in JOINED.sub("", path.read_text(errors="replace"))), "")


def brings_more(script, sources):
    """Whether a linker script's text names a file that is not made from one of the sources (paths)."""
    text = COMMENT.sub(" ", script)
    made = {Path(name).with_suffix(".o").as_posix() for name in sources}
    return bool(BINARY.search(text)) or not made.issuperset(PATH.findall(text.replace("/DISCARD/", "")))


def asked(tree, box):
    """What the tree's own make would compile for the kernel: the sources, in its order, and the options that may be taken over.

    Raises CouldNotGrade where that can't be told."""
    result = sandbox.run(["make", "-n", "-B", KERNEL], tree, box=box, theirs=True)
    lines = [line for line in result.output.replace("\\\n", " ").splitlines() if COMPILES.search(line)]
    sources = list(dict.fromkeys(COMPILES.search(line)[1] for line in lines))
    sources = [name for name in sources if (tree / name).is_file()]
    if not sources:
        raise CouldNotGrade("the tree's Makefile does not say how the kernel is compiled: look at it")
    return sources, list(dict.fromkeys(OPTION.findall(" ".join(lines))))
