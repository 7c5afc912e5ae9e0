"""Boots a tree under gdb for a person: the program is typed, and the machine stops at a panic, or where a process is killed."""

import signal
import subprocess
import sys
import threading

from . import machine, postmortem, sandbox

HELLO = """gdb is attached, and stops the machine at a panic, or where the kernel kills a process for a fault.
Elsewhere Ctrl-C stops it. Then: bt, up, info locals, thread apply all bt; c goes on, q ends gdb and the machine.
"""


def main(guest, program):
    """Boot a Machine, type a program, and leave the terminal to gdb until it ends; return 0.

    Raises CouldNotGrade where gdb or QEMU is not installed."""
    gdb = sandbox.need(postmortem.GDB, "gdb-multiarch")
    with machine.powered(machine.held(guest)) as (console, socket):
        over = threading.Event()
        thread = threading.Thread(target=show, args=(console, program, over))
        thread.start()
        request = {"mark": "", "kernel": str(guest.kernel.resolve()), "socket": str(socket), "programs": str(guest.programs),
                   "program": program.split()[0], "kills": None}
        print(HELLO, flush=True)
        before = signal.signal(signal.SIGINT, lambda number, frame: None)       # it is for gdb
        try:
            subprocess.run([gdb, "-nx", "-q", "-iex", "set auto-load off", "-ex", f"python REQUEST = {request!r}", "-x",
                            str(postmortem.SIDE), "-ex", "continue"], cwd=guest.kernel.resolve().parent.parent, check=False)
        finally:
            over.set()
            thread.join()
            signal.signal(signal.SIGINT, before)
    return 0


def show(console, program, over):
    """Copy the console of a Guest to the terminal until it is over (an Event).

    The program is typed at the first prompt, and its end is said."""
    shown, typed, ended = 0, 0, False
    while not over.is_set() and console.read():
        text = console.text
        sys.stdout.write(text[shown:].decode("ascii", "replace").replace("\r", ""))
        sys.stdout.flush()
        shown = len(text)
        if not typed and machine.PROMPT.search(text):
            typed = shown
            console.type(program.encode())
        elif typed and not ended and text.endswith(b"\n$ "):
            ended = True
            print(f"\n-- {program} has ended; Ctrl-C, then q, ends the machine", flush=True)
