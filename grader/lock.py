"""Keeps a directory for one grader at a time."""

import fcntl
import time
from contextlib import contextmanager

from . import CouldNotGrade

PATIENCE = 2.0                  # seconds in which the processes of a grader that was killed are surely gone


@contextmanager
def sole_user(work, name="lock"):
    """Hold work (a Path), which is made, against other graders, by a file in it. Raises CouldNotGrade if one works there."""
    begin = time.monotonic()
    try:
        work.mkdir(parents=True, exist_ok=True)
        with open(work / name, "w") as lock:
            while not taken(lock):
                if time.monotonic() - begin > PATIENCE:
                    raise CouldNotGrade(f"another grader is at work in {work.resolve()}: wait until it has ended")
                time.sleep(0.05)
            yield
    except OSError as error:
        raise CouldNotGrade(f"can't write to {work.resolve()}: {error}") from error


def taken(lock):
    """Whether a file's lock could be had."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
