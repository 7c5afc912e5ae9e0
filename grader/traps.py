"""Which exceptions the guest really had, as QEMU itself tells: what a kernel prints of page faults need not be true."""

import fcntl
import os
import re
import threading
from contextlib import contextmanager

from .transcript import Traps

CALL = 8                            # the exception code of a system call
LINE = re.compile(rb"async:0, cause:0*([0-9a-f]+), epc:0x([0-9a-f]{16}), tval:0x([0-9a-f]{16})")
MOST = 100000                       # different exceptions that are kept of each kind
LONGEST = 200                       # bytes of a line of the log
LOWEST = 10                         # the shell that opens a box uses smaller file descriptors


class Log:
    """QEMU's log of exceptions, read as it comes, so that no guest can fill the disk with it."""

    def __init__(self, source):
        self.source = source
        self.calls, self.faults = set(), set()
        self.reader = threading.Thread(target=self.follow, daemon=True)
        self.reader.start()

    def follow(self):
        """Read to the end of the log."""
        rest = b""
        while piece := os.read(self.source, 1 << 16):
            lines, _, rest = (rest + piece).rpartition(b"\n")
            rest = rest[-LONGEST:]
            self.note(lines)
        os.close(self.source)

    def note(self, lines):
        """Keep what some lines tell."""
        for cause, pc, address in set(LINE.findall(lines)):
            code = int(cause, 16)
            if code == CALL and len(self.calls) < MOST:
                self.calls.add(int(pc, 16))
            elif code != CALL and len(self.faults) < MOST:
                self.faults.add((code, int(address, 16)))

    def traps(self):
        """The Traps, once QEMU has ended."""
        self.reader.join()
        return Traps(frozenset(self.calls), frozenset(self.faults))


@contextmanager
def listening():
    """A Log, and the file descriptor for QEMU to inherit and write to, which is closed behind the context."""
    source, sink = os.pipe()
    os.fchmod(sink, 0o666)              # in a box, QEMU is another user, and opens it anew
    inherited = fcntl.fcntl(sink, fcntl.F_DUPFD, LOWEST)
    os.close(sink)
    try:
        yield Log(source), inherited
    finally:
        os.close(inherited)


def words(inherited):
    """The words that have QEMU write exceptions to a file descriptor that it inherits."""
    return ["-d", "int", "-D", f"/dev/fd/{inherited}"]
