"""Tests against submissions that mean harm: each of hostile/*.mk is the Makefile of one, and says what is to come of it.

None may change, read or reach anything outside its scratch folder, outlive its build, or keep the grader from a grade that
says what happened. Limits are far below the usual ones, so that all of this is quick."""

import hashlib
import io
import re
import secrets
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from grader import build, facts, grade, lab, machine, sandbox
from grader.report import text
from grader.sandbox import Limits

from .conftest import BANNER, MAKEFILE, disk_image, write_fake
from .test_batch import wait_for

ATTACKS = sorted((Path(__file__).resolve().parent / "hostile").glob("*.mk"))
TIGHT = Limits(cpu=2, wall=120, output=1 << 20, memory=256 << 20, processes=40, file=16 << 20, scratch=64 << 20, files=2000)
RUBRIC = lab.load().narrow(task=1)


class Outside:
    """What a submission must not touch: other people's files, and a program that listens."""

    def __init__(self, place):
        self.place, self.secret, self.mark = place, secrets.token_hex(8), f"left{secrets.token_hex(4)}"
        for path in ("students/ann/canary.c", "results/ann/canary.json", "home/canary.key"):
            (place / path).parent.mkdir(parents=True)
            (place / path).write_text(f"secret {self.secret}\n")
        self.cache = place / "cache"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.named = socket.socket(socket.AF_UNIX)
        self.named.bind(f"\0{self.mark}")
        self.named.listen()
        for listener in (self.tcp, self.named):
            listener.setblocking(False)

    def words(self):
        """What stands for what in an attack."""
        return {"@VICTIM@": self.place / "students/ann", "@RESULTS@": self.place / "results/ann", "@HOME@": self.place / "home",
                "@CACHE@": self.cache, "@PORT@": self.tcp.getsockname()[1], "@NAME@": self.mark, "@MARK@": self.mark}

    def state(self):
        """The hash of all there is, names and rights too, and who has called."""
        digest = hashlib.sha256()
        for path in sorted(self.place.rglob("*")):
            seen = path.lstat()
            digest.update(f"{path}\0{seen.st_mode}\0{seen.st_uid}\0{seen.st_mtime_ns}\0".encode())
            if path.is_file():
                digest.update(path.read_bytes())
        return digest.hexdigest(), tuple(map(called, (self.tcp, self.named)))

    def left(self):
        """The processes that an attack has left behind."""
        return [process for process in psutil.process_iter(["cmdline"]) if self.mark in " ".join(process.info["cmdline"] or [])]


def called(listener):
    """Whether somebody has called a listener."""
    try:
        listener.accept()
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The Outside, with a cache in which something is."""
    made = Outside(tmp_path_factory.mktemp("outside"))
    made.cache.mkdir()
    tree = submission(tmp_path_factory.mktemp("usual") / "tree", "include usual.mk\n")
    box = replace(sandbox.confined(tmp_path_factory.mktemp("fill"), made.cache), fills=True)
    sandbox.run(["riscv64-unknown-elf-gcc", "-c", "kernel.c"], tree / "kernel", box=box, bring=("kernel.o",))
    assert any(path.is_file() for path in made.cache.rglob("*"))
    yield made
    made.tcp.close()
    made.named.close()


def submission(top, makefile):
    """A tree with a Makefile (text) and the rules of a usual one, a stand-in for a kernel, at top (a Path)."""
    (top / "user").mkdir(parents=True)
    (top / "user/user.h").touch()
    write_fake(top / "kernel", BANNER, {})
    (top / "disk.bin").write_bytes(disk_image(["mmaptest", "mmapsharedtest"]))
    (top / "usual.mk").write_text("all: kernel/kernel fs.img\n" + MAKEFILE)
    (top / "Makefile").write_text(makefile)
    return top


@pytest.fixture
def tight(attack, monkeypatch):
    """Tight limits on all that a grade runs, other ones if an attack says so."""
    limits = replace(TIGHT, **{limit: float(told(attack, limit) or getattr(TIGHT, limit)) for limit in ("cpu", "wall")})
    one = partial(build.make, limits=limits, jobs=1)    # a second one may print into the middle of what is looked for
    monkeypatch.setattr(grade.build, "make", one)
    monkeypatch.setattr(facts, "LIMITS", Limits(cpu=2, wall=20, output=1 << 20))
    monkeypatch.setattr(machine, "BOOT", 1.0)


def told(attack, field):
    """What the head of an attack says of a field, a regular expression; "" if nothing."""
    found = re.search(rf"^# {field}: (.*)$", attack.read_text(), re.M)
    return found[1] if found else ""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_a_hostile_submission_harms_nobody_and_is_graded(attack, outside, tight, tmp_path):
    makefile = attack.read_text()
    for word, meaning in outside.words().items():
        makefile = makefile.replace(word, str(meaning))
    tree = submission(tmp_path / "submission", makefile)
    before = outside.state()
    given = grade.grade_tree(tree, RUBRIC, tmp_path / "work", jobs=1, box=sandbox.confined(tmp_path / "box", outside.cache))
    assert outside.state() == before
    wait_for(lambda: not outside.left())    # what was sent to it may take its time to come
    log = (tmp_path / "work/build.log").read_text()
    report = io.StringIO()
    text.render(given, report)
    assert re.search(told(attack, "expect"), f"{given.outcome}: {given.why}"), log
    assert re.search(told(attack, "log"), log), log
    everything = "".join(path.read_text() for path in (tmp_path / "work").glob("*.txt")) + report.getvalue()
    assert outside.secret not in log + everything
    assert "\x1b" not in everything and "\0" not in everything
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box", "submission", "work"]
