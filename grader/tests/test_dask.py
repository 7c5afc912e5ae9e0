"""Tests of batches on a Dask cluster: a scheduler and two workers on this machine, one of which is killed."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from grader import CouldNotGrade, batch, pool, worker
from grader.results import FAILED, GRADED

from . import stand_in
from .conftest import KIT
from .synthetic import LAB
from .test_batch import Desk, wait_for

pytest.importorskip("distributed", reason="python3-distributed is not installed")


@contextlib.contextmanager
def daemon(place, kind, *words):
    """A scheduler or a worker that tells the others where it is by a file in a directory; killed in the end."""
    environment = {**os.environ, "PYTHONPATH": str(KIT), "CALLS": str(place / "calls"), "TMPDIR": str(place),
                   "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60"}
    with open(place / f"{kind}.log", "a") as log:
        process = subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", place / "cluster.json",
                                    "--no-dashboard", *words], stdout=log, stderr=log, cwd=place, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster with two workers, each a process with one thread: (address, the workers by process id, their directory)."""
    place = tmp_path_factory.mktemp("cluster")
    one = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--host", "127.0.0.1")
    with pytest.MonkeyPatch.context() as patch, daemon(place, "scheduler", "--host", "127.0.0.1", "--port", "0"), \
            daemon(place, "worker", *one) as first, daemon(place, "worker", *one) as second:
        patch.setattr(pool, "JOIN", 60.0)
        wait_for((place / "cluster.json").exists, 60)
        address = json.loads((place / "cluster.json").read_text())["address"]
        with contextlib.closing(pool.cluster(address)) as workers:
            wait_for(lambda: len(workers.client.ncores()) == 2, 60)
        yield address, {process.pid: process for process in (first, second)}, place


def run(desk, address, work, **order):
    """Run a batch on a cluster, where all is slow on a busy machine; the Results by id."""
    with contextlib.closing(pool.cluster(address)) as workers:
        found = batch.run(batch.Order(desk.submissions, desk.out, **order), LAB, workers, work, (0.0, 0.0))
    return {result.id: result for result in found}


def test_workers_refuse_a_kit_of_another_version(cluster, monkeypatch):
    address, _, place = cluster
    desk = Desk(place / "refused", place / "calls")
    desk.hand_in("ann")
    monkeypatch.setattr(worker, "version", lambda *track: "another")
    result = run(desk, address, worker.grade)["ann"]
    assert (result.outcome, result.score) == (FAILED, None) and "has another version of the kit" in result.why


def test_a_worker_that_is_killed_has_its_submissions_graded_by_the_other(cluster):
    address, workers, place = cluster
    desk = Desk(place / "killed", place / "calls")
    ids = [f"slow-{number}" for number in range(10)]
    desk.hand_in(*ids)
    with ThreadPoolExecutor(1) as aside:
        done = aside.submit(run, desk, address, stand_in.quick)
        wait_for(lambda: len({pid for _, _, pid in stand_in.calls(desk.calls)}) == 2 or done.done(), 60)
        killed = stand_in.calls(desk.calls)[0][2]
        workers[killed].kill()
        found = done.result(120)
    assert sorted(found) == ids and {result.outcome for result in found.values()} == {GRADED}
    calls = stand_in.calls(desk.calls)
    last = {id: pid for _, id, pid in calls}
    assert killed in {pid for _, _, pid in calls} and len(calls) > len(ids)        # what the killed one had was begun again
    assert set(last) == set(ids)
    assert set(desk.whole()) == set(ids)


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(pool, "JOIN", 0.5)
    with pytest.raises(CouldNotGrade, match="there is no Dask scheduler at tcp://127.0.0.1:9"), \
            pool.chosen("tcp://127.0.0.1:9", 1, True):
        pass
    with pytest.raises(CouldNotGrade, match="there is no Dask scheduler at nonsense"), pool.chosen("nonsense://", 1, True):
        pass
