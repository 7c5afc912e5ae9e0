"""The system calls that a confined command does without: they take memory that no limit counts, make namespaces, or trace.

A filter is a program for the kernel (seccomp(2), Linux Documentation/userspace-api/seccomp_filter.rst): eight bytes for
each instruction, which looks at the number of a call and at its first argument, and lets it through or not."""

import errno
import platform
import struct

# By machine: what the kernel calls it (AUDIT_ARCH_*), and the numbers of clone and clone3.
MACHINES = {"x86_64": (0xC000003E, 56, 435), "aarch64": (0xC00000B7, 220, 435)}
# System calls and their numbers on the machines, in the same order.
REFUSED = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "mq_open": (240, 180),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "io_uring_setup": (425, 425),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
}
FOREIGN = 0x40000000                # from here on, x86-64 numbers are of another set of calls
NEW_USER = 0x10000000               # the flag of clone that makes a user namespace
LOAD, EQUAL, NOT_LESS, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, ARGUMENT = 0, 4, 16        # where a call's data are
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


def program(machine=platform.machine()):
    """The filter for a machine, as bytes; b"" for one whose numbers are not known here: nothing is filtered there.

    A refused call fails with ENOSYS, as on a kernel that lacks it, so that programs try another way."""
    if machine not in MACHINES:
        return b""
    name, clone, clone3 = MACHINES[machine]
    column = list(MACHINES).index(machine)
    code = [(LOAD, 0, 0, MACHINE), (EQUAL, 1, 0, name), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, NUMBER)]
    code += refuse(NOT_LESS, FOREIGN) + refuse(EQUAL, clone3)       # clone3's flags are out of sight: programs fall back on clone
    for numbers in REFUSED.values():
        code += refuse(EQUAL, numbers[column])
    code += [(EQUAL, 1, 0, clone), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, ARGUMENT), *refuse(ANY_BIT, NEW_USER)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in [*code, (RETURN, 0, 0, ALLOW)])


def refuse(test, value):
    """The instructions that refuse a call for which a test of what was loaded with value is true."""
    return [(test, 0, 1, value), (RETURN, 0, 0, REFUSE)]
