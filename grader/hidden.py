"""Builds the hidden tests against a tree, and a disk with them, with nothing that the tree itself says how to build."""

import shutil
from dataclasses import replace
from pathlib import Path

from . import CouldNotGrade, sandbox
from .build import COMPILERS, first_error, root_directory

HOME = Path(__file__).resolve().parent / "labs/hidden"


def build(built, out, jobs=2):
    """The Build with the same kernel, but the hidden tests' programs and disk.

    built is the Build of the tree, out the directory (a Path, emptied first) for what is made. Raises CouldNotGrade where
    the tests can't be built: that is no student's fault, unless a header of the tree keeps them from it."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "kernel").symlink_to(built.kernel.resolve().parent)
    compiler = next(name for name in COMPILERS if shutil.which(name))
    result = sandbox.run(["make", f"-j{jobs}", "-f", str(HOME / "Makefile"), f"CC={compiler}", f"HERE={HOME}",
                          f"OUT={out.resolve()}"], built.tree)
    image = out / "fs.img"
    if result.cut or result.status != 0 or not image.is_file():
        why = result.cut or first_error(result.output).removeprefix("./")
        raise CouldNotGrade(f"the hidden tests can't be built with this tree's headers: {why}. "
                            "Grade it without STRICT=1, and look at the headers")
    return replace(built, tree=out, image=image, programs=root_directory(image)[0], log=result.output, seconds=result.seconds)
