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
        wait_for((place / "cluster.json").exists)
        address = json.loads((place / "cluster.json").read_text())["address"]
        with contextlib.closing(pool.cluster(address)) as workers:
            wait_for(lambda: len(workers.client.ncores()) == 2)
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
    ids = ["hangonce-1", *(f"s{number}" for number in range(10))]
    desk.hand_in(*ids)

    def hanging():
        return [pid for _, id, pid in stand_in.calls(desk.calls) if id == "hangonce-1"]

    with ThreadPoolExecutor(1) as aside:
        done = aside.submit(run, desk, address, stand_in.quick)
        wait_for(lambda: hanging() or done.done())
        killed, = hanging()
        workers[killed].kill()
        found = done.result(300)
    assert set(found) == set(ids) and {result.outcome for result in found.values()} == {GRADED}
    first, again = hanging()                                # what the killed one had was begun again
    assert first == killed and {again} == workers.keys() - {killed}
    assert {id for _, id, _ in stand_in.calls(desk.calls)} == set(desk.whole()) == set(ids)


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(pool, "JOIN", 0.5)
    with pytest.raises(CouldNotGrade, match="there is no Dask scheduler at tcp://127.0.0.1:9"), \
            pool.chosen("tcp://127.0.0.1:9", 1, True):
        pass
    with pytest.raises(CouldNotGrade, match="'nonsense://' is no address of a scheduler"), pool.chosen("nonsense://", 1, True):
        pass
