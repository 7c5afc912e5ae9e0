"""Tells which kernel a tree was built on, and what its headers say to user programs - by reading them, never by compiling them.

The lab's own kernel, or MIT's xv6-riscv of the autumn of 2023, 2024 or 2025. Trees on MIT's get nothing laid over them: their
kernel alone is built, with their own Makefile, and the grader's own disk is run on it."""

import math
import re
from dataclasses import dataclass

# What a lab tree has and MIT's have not; and the reverse. A Makefile's marks are patterns of its text.
OURS_FILES = ("kernel/power.c", "mkfs/image.h")
OURS_MAKEFILE = (rb"\bdisk/%", rb"\$K/power\.o")
MITS_FILES = ("conf/lab.mk", "user/initcode.S", ".gdbinit.tmpl-riscv")
MITS_MAKEFILE = (rb"conf/lab\.mk", rb"\binitcode\b", rb"mkfs/mkfs fs\.img")

# What is taken where a tree's headers don't say: numbers of the system calls from 1 up, and flags.
CALLS = ("fork exit wait pipe read kill exec fstat chdir dup getpid sbrk pause uptime open write mknod unlink link mkdir close "
         "mmap munmap mprotect getwmapinfo numvp numpp getptsize cfork msync va2pa").split()
FLAGS = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_CREATE": 0x200, "O_TRUNC": 0x400,
         "PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4,
         "MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_FIXED": 0x10, "MAP_ANONYMOUS": 0x20}
SIZES = {"FSSIZE": range(1000, 20001), "LOGBLOCKS": range(10, 501)}     # of the disk, where they make sense
OLD_NAMES = {"SYS_pause": "SYS_sleep", "LOGBLOCKS": "LOGSIZE"}          # until 2024

LONGEST = 200                                   # characters of a line that is looked at
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.S)
DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\(?([\w \t*]+?)\)?[ \t]*")
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]{1,8}|\d{1,9})[uUlL]{0,3}")


@dataclass(frozen=True)
class Base:
    """A kernel that students start from."""

    name: str
    title: str
    own_disk: bool = True       # the tree's own disk is not built: the open tests run from the grader's, too


OURS = Base("ours", "the lab's kernel", own_disk=False)
MIT = {year: Base(f"xv6-{year}", f"MIT's xv6-riscv as of {year}") for year in (2023, 2024, 2025)}


def recognise(files):
    """The Base of a tree, given the content (bytes) of its files by their paths. Where nothing tells, it is ours."""
    calls = defines(files.get("kernel/syscall.h", b""))
    if "kernel/proc.c" not in files or not any(name.startswith("SYS_") for name in calls):
        return OURS
    makefile = files.get("Makefile", b"")
    ours = marks(files, makefile, OURS_FILES, OURS_MAKEFILE)
    if ours and ours >= marks(files, makefile, MITS_FILES, MITS_MAKEFILE) + ("SYS_sleep" in calls):
        return OURS
    if "SYS_pause" in calls:
        return MIT[2025]
    return MIT[2024 if "USERSTACK" in defines(files.get("kernel/param.h", b"")) else 2023]


def marks(files, makefile, names, patterns):
    """How many of these files and patterns of a Makefile a tree has."""
    return sum(name in files for name in names) + sum(bool(re.search(pattern, makefile)) for pattern in patterns)


def defines(text):
    """The numbers, and products of them, that a header (bytes) defines, by name.

    Conditions are not looked at; the last definition counts."""
    plain = COMMENT.sub(" ", text.decode("latin-1").replace("\r", ""))
    known = {}
    lines = (DEFINE.fullmatch(line) for line in plain.split("\n") if len(line) <= LONGEST)
    for name, product in (line.groups() for line in lines if line):
        factors = [known.get(word.strip(), number(word.strip())) for word in product.split("*")[:3]]
        if None not in factors:
            known[name] = math.prod(factors)
    return known


def number(word):
    """The number that a word of C is, None if it is none."""
    found = NUMBER.fullmatch(word)
    return found and int(found[1], 0 if found[1][:2].lower() == "0x" else 10)


def headers(tree):
    """Texts for kernel/syscall.h, fcntl.h and param.h, by path: numbers that those of a tree (a Path) define, and nothing else.

    The grader's own programs are compiled with these, so that no line of a tree's headers reaches a compiler."""
    calls = {f"SYS_{name}": known for known, name in enumerate(CALLS, 1)}
    theirs = read(tree / "kernel/syscall.h")
    numbers = {name: theirs.get(name, theirs.get(OLD_NAMES.get(name), known)) for name, known in calls.items()}
    theirs = read(tree / "kernel/fcntl.h")
    flags = {name: theirs.get(name, known) for name, known in FLAGS.items()}
    theirs = read(tree / "kernel/param.h")
    sizes = {name: theirs.get(name, theirs.get(OLD_NAMES.get(name))) for name in SIZES}
    sizes = {name: size for name, size in sizes.items() if size in SIZES[name]}
    return {"kernel/syscall.h": header(numbers), "kernel/fcntl.h": header(flags),
            "kernel/param.h": header(sizes, '#include_next "kernel/param.h"\n')}


def read(path):
    """What the header at path defines; nothing if it can't be read."""
    try:
        return defines(path.read_bytes())
    except OSError:
        return {}


def header(numbers, first=""):
    """The text of a header that defines these numbers, whatever first does."""
    return f"#pragma once\n{first}" + "".join(f"#undef {name}\n#define {name} {value}\n" for name, value in numbers.items())
