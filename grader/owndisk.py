"""Builds the grader's own disk for a submission's kernel: official programs, and nothing that the submission says how to build."""

import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from . import CouldNotGrade, base, carry, sandbox
from .build import COMPILERS, Build, first_error, root_directory

HOME = Path(__file__).resolve().parent / "owndisk"
OFFICIAL = HOME.parent / "official"
REPLACED = ("wmaptest", "lazytest")                # programs that have a library of ours on it, and a submission's on its own disk
# The key is data, so that all that is compiled is the same for every disk, and in the cache.
RUNKEY = "extern const unsigned long runkey[2];\n#define RUNKEY0 runkey[0]\n#define RUNKEY1 runkey[1]\n"
WORD = 64                                           # bits


@dataclass(frozen=True)
class Disk(Build):
    """The Build with a submission's kernel and the grader's own disk."""

    key: int = 0                # random bits, 2 * WORD, that only this build's test programs know


def build(built, out, rubric, jobs=2, secret=None, box=sandbox.OPEN):
    """The Disk for the kernel of built (a Build), made in the directory out (a Path, emptied first).

    rubric is the Lab whose test programs are on it; secret the directory of its hidden ones (None: those that students have,
    alone). Nothing that a submission wrote is compiled, so what is compiled in box fills its cache for all that follow.
    Raises CouldNotGrade where the disk can't be made, which is no student's fault."""
    shutil.rmtree(out, ignore_errors=True)
    key = secrets.randbits(2 * WORD)
    include = out / "include/kernel"
    include.mkdir(parents=True)
    (out / "kernel").symlink_to(built.kernel.resolve().parent)
    for name, text in base.headers(built.tree).items():
        (out / "include" / name).write_text(text)
    (include.parent / "runkey.h").write_text(RUNKEY)
    (out / "runkey.s").write_text(f".section .rodata\n.balign 8\n.global runkey\nrunkey: .quad {key % (1 << WORD):#x}, {key >> WORD:#x}\n")
    compiler = next(name for name in COMPILERS if shutil.which(name))
    place = carry.TREE if box.confined else out.resolve()
    tests = [f"TESTS={names(rubric)}", *([f"HIDDEN={secret}", f"SECRET={names(rubric.hidden)}"] if secret else ())]
    result = sandbox.run(["make", f"-j{jobs}", "-f", str(HOME / "Makefile"), f"CC={compiler}", f"HERE={HOME}",
                          f"OFFICIAL={OFFICIAL}", f"OUT={place}", *tests], out,
                         box=replace(box, fills=bool(box.cache)), read=(HOME, OFFICIAL, *([secret] if secret else ())),
                         bring=("fs.img", "fsck", "user/_*"))
    image = out / "fs.img"
    if result.cut or result.status != 0 or not image.is_file():
        why = result.cut or first_error(result.output).removeprefix("./")
        raise CouldNotGrade(f"the grader's own disk can't be built for this tree: {why}")
    if box.confined and secret:
        (out / "fsck").chmod(0o755)             # ours, and to be run: what comes out of a box is no program otherwise
    return Disk(True, out, built.kernel, image, root_directory(image)[0], result.output, "", result.seconds, key)


def names(rubric):
    """The names of a Lab's test programs."""
    return " ".join(program.name for program in rubric.tests)
