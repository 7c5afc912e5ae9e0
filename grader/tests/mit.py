"""Stand-ins for lab trees built on MIT's xv6-riscv: the solution's kernel, stage 8, in a tree of that shape.

Nothing of MIT's is here: files, Makefile and headers have what matters to a grader - where things lie, which names the
headers define and which they lack, what user.h says of mmap - and the kernel below is ours."""

import re
from functools import cache

from grader import handout

MAKEFILE = """\
# Stand-in: a Makefile of MIT's shape.
include conf/lab.mk

K=kernel
U=user

OBJS = \\
%(objects)s

TOOLPREFIX := $(firstword $(foreach p,riscv64-unknown-elf- riscv64-elf- riscv64-linux-gnu-,$(if $(shell command -v $(p)gcc),$(p))))
LABUPPER = $(shell echo $(LAB) | tr a-z A-Z)
CFLAGS = -Wall -Werror -O -fno-omit-frame-pointer -ggdb -gdwarf-2 -DSOL_$(LABUPPER) -DLAB_$(LABUPPER) -MD -I.
CFLAGS += -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-relax -ffreestanding -fno-common -nostdlib -fno-stack-protector -fno-pie
CFLAGS += -fno-delete-null-pointer-checks -fno-strict-aliasing -fno-tree-loop-distribute-patterns

$K/kernel: $(OBJS) $K/kernel.ld %(initcode)s
	$(TOOLPREFIX)ld -z max-page-size=4096 -T $K/kernel.ld -o $@ $(OBJS)
	$(TOOLPREFIX)objdump -S $@ > $K/kernel.asm

$U/initcode: $U/initcode.S
	$(TOOLPREFIX)gcc $(CFLAGS) -c $< -o $U/initcode.o

$K/%%.o: $K/%%.c
	$(TOOLPREFIX)gcc $(CFLAGS) -c -o $@ $<

$K/%%.o: $K/%%.S
	$(TOOLPREFIX)gcc $(CFLAGS) -c -o $@ $<

UPROGS=\\
	$U/_init\\
	$U/_sh\\
	$U/_mmaptest\\

fs.img: mkfs/mkfs README $(UPROGS)
	mkfs/mkfs fs.img README $(UPROGS)
"""

# How students of three years declare mmap and munmap.
PROTOTYPES = {2023: ("void *mmap(void *addr, uint64 length, int prot, int flags, int fd, int offset);", "int munmap(void *addr, int len);"),
              2024: ("char *mmap(void*, uint64, int, int, int, uint64);", "int munmap(void*, uint64);"),
              2025: ("typedef unsigned int size_t;\nvoid *mmap(void *, size_t, int, int, int, long);", "int munmap(void *, size_t);")}


@cache
def mit_files(year):
    """The content (bytes) of a whole solution on MIT's kernel of a year, 2023 to 2025, by path."""
    files = handout.stage_files(8)
    ours = {name: file.content.decode() for name, file in files.items() if name.startswith("kernel/")}
    tree = {name: in_kernel(name, text, year) for name, text in ours.items() if name != "kernel/power.c"}
    objects = re.findall(r"\$K/\w+\.o", files["Makefile"].content.decode())
    listed = "\n".join(f"  {name} \\" for name in dict.fromkeys(objects) if name not in ("$K/power.o", "$K/failalloc.o"))
    tree["Makefile"] = MAKEFILE % {"objects": listed, "initcode": "$U/initcode" if year < 2025 else ""}
    tree["conf/lab.mk"] = "LAB=mmap\n"
    tree["README"] = "Stand-in.\n"
    tree[".gdbinit.tmpl-riscv"] = "set architecture riscv:rv64\n"
    tree["mkfs/mkfs.c"] = "int main(void) { return 1; }\n"
    tree |= in_user(year)
    return {name: text.encode() for name, text in tree.items()}


def in_kernel(name, text, year):
    """A kernel file as that year has it."""
    text = re.sub(r"^typedef .*\b(size_t|off_t);\n", "", text, flags=re.M)
    text = re.sub(r"\bsize_t\b", "uint64", text)
    if name in ("kernel/main.c", "kernel/defs.h"):
        text = re.sub(r"^.*\bpowerinit\(.*\n", "", text, flags=re.M)
    if name == "kernel/fcntl.h":
        at = text.index("#define PROT_NONE")
        text = text[:at] + "#ifdef LAB_MMAP\n" + text[at:] + "#endif\n"
    if name in ("kernel/kernel.ld", "kernel/entry.S"):      # the entry comes first because it is linked first
        text = text.replace("*(.text.entry)", "kernel/entry.o(_entry)").replace(".section .text.entry", ".section .text")
    if year < 2025:
        text = re.sub(r"\b(SYS_|sys_)pause\b", r"\1sleep", text)
        text = text.replace("n > 0 && how == SBRK_LAZY ? growlazy(n) : growproc(n)", "growproc(n)")
        text = text.replace("int n, how;", "int n;").replace("  argint(1, &how);\n", "")
        text = text.replace("LOGBLOCKS", "LOGSIZE")
    if year < 2024:
        text = text.replace("USERSTACK", "STACKPAGES")
    return text


def in_user(year):
    """The files in user/: what a student of that year changes there, and what tells the year."""
    nap = "pause" if year == 2025 else "sleep"
    mmap, munmap = PROTOTYPES[year]
    files = {"user/user.h": f"struct stat;\nint fork(void);\nint {nap}(int);\nchar *sbrk(int);\nvoid *memset(void *, int, uint);\n"
                            f"{mmap}\n{munmap}\n",
             "user/usys.pl": "#!/usr/bin/perl -w\nprint qq(// stand-in\\n);\n",
             "user/ulib.c": '#include "kernel/types.h"\n#include "user/user.h"\n',
             "user/mmaptest.c": "this is not C\n",
             "user/sh.c": "nor is this\n"}
    if year < 2025:
        files["user/initcode.S"] = "  nop\n"
    return files
