"""Where a batch's jobs run: processes of this machine, or a Dask cluster; batch.py does not know which.

Each has the interface of concurrent.futures.Executor, and width(): how many jobs it can have in hand."""

import ctypes
import multiprocessing
import os
import queue
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil

from . import CouldNotGrade, build, machine, sandbox

AHEAD = 2                       # jobs in hand for each worker: one is graded, one waits
LONGEST = 3600.0                # seconds that a job may take on this machine, before its worker is taken for stuck
JOIN = 10.0                     # seconds to wait for a scheduler
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
    """Raise CouldNotGrade if this machine lacks what every grade needs: it is said once, and not for each submission."""
    sandbox.need(machine.QEMU, "qemu-system-misc")
    sandbox.need("make", "make")
    if not any(shutil.which(name) for name in build.COMPILERS):
        sandbox.need(build.COMPILERS[0], "gcc-riscv64-unknown-elf")


class Local(ThreadPoolExecutor):
    """Processes of this machine. A thread for each hands it its jobs; one that dies takes only its own job with it."""

    def __init__(self, jobs):
        """jobs is the number of processes."""
        super().__init__(jobs)
        prctl(PR_SET_CHILD_SUBREAPER, 1)        # what a dead worker leaves behind becomes a child of this process
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["grader.worker"])
        self.workers = queue.SimpleQueue()
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
        worker = self.workers.get() or Worker(self.context)
        try:
            answer = worker.call(work, job)
        except BaseException:
            worker.end()
            self.workers.put(None)
            raise
        self.workers.put(worker)
        return answer

    def close(self):
        """End all that runs, at once, with all its children."""
        self.shutdown(wait=False, cancel_futures=True)
        end_children()


class Worker:
    """One process that does one job after another."""

    def __init__(self, context):
        self.here, there = context.Pipe()
        self.process = context.Process(target=serve, args=(there,), daemon=True)
        self.process.start()
        there.close()

    def call(self, work, job):
        """What work(job) returns there."""
        try:
            self.here.send((work, job))
            if not self.here.poll(LONGEST):
                raise CouldNotGrade(f"no result after {LONGEST / 60:g} minutes")
            return self.here.recv()
        except (EOFError, OSError):
            self.process.join(1)
            raise CouldNotGrade(f"its worker process died (exit status {self.process.exitcode})") from None

    def end(self):
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.here.close()


def serve(there):
    """Do jobs that come through a Connection until it is closed; then, or when the batch dies, die too."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # a Ctrl-C is for the batch, which ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while True:
            work, job = there.recv()
            there.send(work(job))
    except EOFError:
        pass


def prctl(option, value):
    """Set a property of this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def end_children():
    """Kill all that this process started, and what that started, until nothing is left."""
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
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.client.close(timeout=1)
