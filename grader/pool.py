"""Where a batch's jobs run: processes of this machine, or a Dask cluster; batch.py does not know which.

Each has the interface of concurrent.futures.Executor, and width(): how many jobs it can have in hand."""

import ctypes
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from . import CouldNotGrade, build, machine, sandbox, worker

AHEAD = 2                       # jobs in hand for each worker: one is graded, one waits
LONGEST = 3600.0                # seconds that a job may take on this machine, before its worker is taken for stuck
JOIN = 10.0                     # seconds to wait for a scheduler
KIT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36      # prctl(2)


@contextmanager
def chosen(scheduler, jobs, confined):
    """The pool for a scheduler's address, or, where that is empty, of so many processes here. Raises CouldNotGrade where
    nothing could be graded in it. However the block ends, what it started ends with it."""
    if not scheduler:
        ready(confined)
    workers = cluster(scheduler) if scheduler else Local(jobs)
    try:
        yield workers
    finally:
        workers.close()


def ready(confined):
    """Make this machine ready to grade. Raises CouldNotGrade if it lacks what every grade needs: it is said once, and not for
    each submission."""
    sandbox.need(machine.QEMU, "qemu-system-misc")
    sandbox.need("make", "make")
    if not any(shutil.which(name) for name in build.COMPILERS):
        sandbox.need(build.COMPILERS[0], "gcc-riscv64-unknown-elf")
    if confined:
        print("   preparing the sandbox; the first time this takes half a minute", file=sys.stderr, flush=True)
        try:
            worker.confined(str(worker.home() / "batch.box"))
        except OSError as error:
            raise CouldNotGrade(f"can't prepare the sandbox in {worker.home()}: {error}. {worker.ELSEWHERE}") from error


class Local(ThreadPoolExecutor):
    """Processes of this machine. A thread for each hands it its jobs; one that dies takes only its own job with it."""

    def __init__(self, jobs):
        """jobs is the number of processes."""
        super().__init__(jobs)
        prctl(PR_SET_CHILD_SUBREAPER, 1)        # what a dead worker leaves behind becomes a child of this process
        self.workers = queue.SimpleQueue()
        self.door = threading.Lock()            # who starts a worker holds it, and who closes it for all
        self.closed = False
        for _ in range(jobs):
            self.workers.put(None)              # started when first needed

    def width(self):
        """How many jobs can be in hand."""
        return AHEAD * self._max_workers

    def submit(self, work, job):
        """A Future of work(job). work is a function of a module: its name is what goes to the process."""
        return super().submit(self.call, work, job)

    def call(self, work, job):
        """What work(job) returns in a worker process. Raises CouldNotGrade if the process dies or gets stuck."""
        worker = self.workers.get()
        try:
            worker = worker or self.hired()
            return worker.call(work, job)
        except BaseException:
            if worker:
                worker.end()
            worker = None
            raise
        finally:
            self.workers.put(worker)

    def hired(self):
        """A new Worker. Raises CouldNotGrade if nothing is to be started any more: nobody would end it."""
        with self.door:
            if self.closed:
                raise CouldNotGrade("interrupted")
            return Worker()

    def close(self):
        """End all that runs, at once, with all its children."""
        self.shutdown(wait=False, cancel_futures=True)
        with self.door:
            self.closed = True
        end_children()
        self.shutdown()


class Worker:
    """One process that does one job after another."""

    def __init__(self):
        here, there = socket.socketpair()
        with there:
            self.process = subprocess.Popen([sys.executable, "-m", "grader.pool", str(there.fileno())], pass_fds=(there.fileno(),),
                                            env={**os.environ, "PYTHONPATH": str(KIT)}, start_new_session=True)
        self.here = Connection(here.detach())

    def call(self, work, job):
        """What work(job) returns there."""
        try:
            self.here.send((work, job))
            if not self.here.poll(LONGEST):
                raise CouldNotGrade(f"no result after {LONGEST / 60:g} minutes")
            return self.here.recv()
        except (EOFError, OSError):
            raise CouldNotGrade(f"its worker process died (exit status {self.process.wait()})") from None

    def end(self):
        """Kill the process, which takes with it all that it started in the sandbox."""
        self.process.kill()
        self.process.wait()
        self.here.close()


def serve(there):
    """Do jobs that come through a Connection until it is closed; then, or when the batch dies, die too."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_CHILD_SUBREAPER, 1)            # what a job leaves behind becomes a child of this process
    try:
        while True:
            work, job = there.recv()
            answer = work(job)
            end_children()
            there.send(answer)
    except EOFError:
        pass


def prctl(option, value):
    """Set a property of this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def end_children():
    """Kill all that this process started, and what that started, until nothing is left, not even the dead."""
    me = psutil.Process()
    while children := me.children(recursive=True):
        for child in children:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(children, timeout=0.5)


def cluster(address):
    """The Executor of a Dask cluster, whose scheduler is at an address such as tcp://host:8786. Raises CouldNotGrade."""
    if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", address):
        raise CouldNotGrade(f"{address!r} is no address of a scheduler: write it as tcp://host:8786")
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise CouldNotGrade("--scheduler needs python3-distributed: apt install python3-distributed") from None
    try:
        client = Client(address, timeout=JOIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CouldNotGrade(f"there is no Dask scheduler at {address}: {error}") from None
    return Cluster(client)


class Cluster:
    """A Dask cluster. A job whose worker dies is done by another."""

    def __init__(self, client):
        self.client = client
        self.executor = client.get_executor(pure=False)

    def width(self):
        """How many jobs can be in hand; workers may come and go."""
        return AHEAD * max(1, sum(self.client.ncores().values()))

    def submit(self, work, job):
        """A Future of work(job)."""
        return self.executor.submit(work, job)

    def close(self):
        """Give up what is not done, and leave the cluster to others."""
        self.executor.shutdown(wait=False)
        self.client.close(timeout=1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
