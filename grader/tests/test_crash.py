"""Crash safety: QEMU is killed at random moments while files change; nothing may be lost or leak.

CRASH_ROUNDS says how many times (default 5, the full form is 50), CRASH_SEED repeats one round.
"""

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pexpect
import pytest
from grader.tests.diskimage import DIR, FILE, DiskImage

SOLUTION = Path(__file__).resolve().parents[2] / "solution"
PROGRAMS = ["init", "sh", "poweroff", "stressfs", "logstress", "crashload"]
LOADS = ["crashload {seed}",
         "stressfs & crashload {seed}",
         "logstress a b c & crashload {seed}"]
SECONDS = 120         # to the prompt, or to QEMU's end; a machine that takes longer hangs
FULL = 2000           # bytes; no terminal is full before
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "5"))
SEEDS = [int(os.environ["CRASH_SEED"])] if "CRASH_SEED" in os.environ else \
    [random.randrange(10**6) for _ in range(ROUNDS)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The solution, built, with a disk that has what the test needs."""
    tree = tmp_path_factory.mktemp("crash") / "tree"
    shutil.copytree(SOLUTION, tree)
    programs = " ".join(f"user/_{name}" for name in PROGRAMS)
    subprocess.run(["make", "-s", "kernel/kernel", "mkfs/fsck", "fs.img", f"UPROGS={programs}", "UFILES="], cwd=tree, check=True)
    (tree / "fs.img").rename(tree / "crash.img")
    return tree


class Machine:
    """QEMU with a disk image; out is all it printed. late: this process may have let the terminal run full, and then
    QEMU holds back the last bytes that the kernel sent, which goes on meanwhile.

    iops: disk requests per second at most, 0 for no limit. On a slow disk a kill at a random moment hits
    every point between two requests alike, even those that a fast disk passes in no time.
    """

    def __init__(self, tree, image, iops=0):
        self.out, self.late, self.last = "", False, 0
        self.qemu = pexpect.spawn(
            "qemu-system-riscv64",
            ["-machine", "virt", "-bios", "none", "-kernel", str(tree / "kernel/kernel"), "-m", "128M",
             "-smp", "3", "-nographic", "-global", "virtio-mmio.force-legacy=false",
             "-drive", f"file={image},if=none,format=raw,id=x0,throttling.iops-total={iops}",
             "-device", "virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0"],
            timeout=SECONDS, encoding="utf-8", codec_errors="replace", maxread=65536)
        self.qemu.delaybeforesend = None

    def prompt(self):
        """Wait for the shell."""
        assert self.qemu.expect_exact(["$ ", "panic:"]) == 0, "panic at boot:" + self.qemu.before[-500:]

    def run_until(self, command, enough):
        """Type a command, and kill QEMU when so many seconds have passed, or when enough() is true."""
        self.qemu.send(command + "\n")
        if callable(enough):
            end = time.monotonic() + SECONDS
            while not enough() and time.monotonic() < end:
                self._take(0.1)
        else:
            self.watch(enough)
        self.kill()
        assert "panic" not in self.out, self.out[-500:]
        assert "failed" not in self.out, self.out[-500:]

    def watch(self, seconds):
        """Take what it prints, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._take(left)

    def _take(self, timeout):
        try:
            piece = self.qemu.read_nonblocking(65536, timeout)
        except pexpect.TIMEOUT:
            return
        self.out += piece
        self.late = self.last + len(piece) >= FULL      # two small pieces: the second was held back no more
        self.last = len(piece)

    def kill(self):
        """Kill QEMU, and take what it printed before."""
        self.qemu.kill(9)
        try:
            while True:
                self._take(SECONDS)
        except pexpect.EOF:
            self.qemu.close(force=True)

    def poweroff(self):
        """End it from within."""
        self.qemu.send("poweroff\n")
        self.qemu.expect(pexpect.EOF)
        self.qemu.close()
        assert self.qemu.exitstatus == 0


def fsck(tree, image, *flags):
    """Fail with fsck's words if it finds anything."""
    done = subprocess.run(["mkfs/fsck", *flags, image], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def content(seed, size):
    """What crashload writes to a file."""
    return bytes((seed + 7 * i + 13 * (i // 256)) & 0xff for i in range(size))


def claims(out):
    """crashload's last word on each path, without those it was changing when it was stopped."""
    last = {}
    for line in out.split("\r\n")[:-1]:   # what follows the last line end may be cut
        if m := re.fullmatch(r"(doing|have|dir|gone) (w\d(?:/f\d)?)(?: (\d+) (\d+))?", line.removeprefix("$ ")):
            last[m[2]] = m
    return {path: m for path, m in last.items() if m[1] != "doing"}


def check_claim(disk, path, claim):
    """What crashload said of path must be so."""
    inum = disk.lookup(path)
    if claim[1] == "gone":
        assert inum is None, f"{path} was removed, but is there"
        return
    assert inum is not None, f"{path} is lost: {claim[0]}"
    assert disk.inode(inum)[0] == (DIR if claim[1] == "dir" else FILE), path
    if claim[1] == "have":
        assert disk.content(inum) == content(int(claim[4]), int(claim[3])), f"{path} has other content"


@pytest.mark.parametrize("seed", SEEDS)
def test_crash(tree, tmp_path, seed):
    """Kill, check, boot, check again. Half of the time the boot that recovers is killed, too."""
    chance = random.Random(seed)
    image = tmp_path / "fs.img"
    shutil.copy(tree / "crash.img", image)

    iops = chance.choice([0, 150, 150])
    machine = Machine(tree, image, iops)
    machine.prompt()
    command = chance.choice(LOADS).format(seed=seed)
    when = chance.uniform(0.05, 3)
    print(f"seed {seed}: {command}, killed after {when:.3f} s, {iops or 'unlimited'} disk requests per second")
    machine.run_until(command, when)
    said = {} if machine.late else claims(machine.out)
    fsck(tree, image, "-o")

    if chance.random() < 0.5:
        machine = Machine(tree, image, iops)
        machine.watch(chance.uniform(0.05, 0.5))
        machine.kill()
        fsck(tree, image, "-o")

    machine = Machine(tree, image)
    machine.prompt()
    machine.poweroff() if chance.random() < 0.5 else machine.kill()
    fsck(tree, image)
    disk = DiskImage(image)
    print(f"{len(said)} paths to be as claimed")
    for path, claim in said.items():
        check_claim(disk, path, claim)


@pytest.mark.parametrize("load", LOADS)
def test_claims_are_made(tree, tmp_path, load):
    """Each load says enough for the test above to mean something."""
    image = tmp_path / "fs.img"
    shutil.copy(tree / "crash.img", image)
    machine = Machine(tree, image)
    machine.prompt()

    def enough():
        made = re.findall(r"^(have|dir|gone) (\S+)[ \r]", machine.out, re.M)
        return {kind for kind, _ in made} == {"have", "dir", "gone"} and len({path for _, path in made}) > 10

    machine.run_until(load.format(seed=1), enough)
    assert enough()
