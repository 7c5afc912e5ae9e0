"""make: from a scratch tree to a kernel and a disk image, or to the compiler's first error."""

from dataclasses import dataclass
from pathlib import Path


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
