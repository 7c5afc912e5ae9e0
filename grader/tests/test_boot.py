"""Tests of the machines that the kernel must boot on: 1 to 8 harts, more memory, a legacy disk, no disk."""

import hashlib
import subprocess
from dataclasses import replace

import pytest

from grader import machine
from grader.transcript import Ending

BUDGET = 60.0

VARIANTS = {"1 hart": {"harts": 1}, "2 harts": {"harts": 2}, "3 harts": {}, "8 harts": {"harts": 8},
            "512 MB": {"memory": "512M"}, "legacy disk": {"legacy": True},
            "8 harts, 512 MB, legacy disk": {"harts": 8, "memory": "512M", "legacy": True}}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_kernel_boots_and_runs_the_lab_on(solution, variant):
    seen = machine.run(replace(solution, **variant), "mmaptest", BUDGET)
    assert (seen.ending, seen.status) == (Ending.DONE, 0), seen
    assert seen.evidence[-1] == "mmaptest: all tests succeeded"
    boot = seen.lines[:seen.first]
    assert boot.count("xv6 kernel is booting") == 1
    assert "init: starting sh" in boot


def test_the_kernel_boots_where_the_hardware_does_not_set_the_a_and_d_bits(solution):
    options = ("-cpu", "rv64,svadu=false")
    known = subprocess.run([machine.QEMU, "-machine", "virt", "-cpu", "rv64,svadu=false,help=1", "-display", "none"],
                           capture_output=True, text=True).stderr
    if "svadu" in known:
        pytest.skip("this QEMU always sets them")
    seen = machine.run(replace(solution, options=options), "mmaptest", BUDGET)
    assert seen.evidence[-1:] == ("mmaptest: all tests succeeded",), seen


@pytest.mark.parametrize("harts", [1, 3, 8])
def test_every_hart_starts(solution, harts):
    seen = machine.run(replace(solution, harts=harts), "echo hello", BUDGET)
    said = sorted(line for line in seen.lines if line.startswith("hart "))
    assert said == [f"hart {number} starting" for number in range(1, harts)]


def test_a_machine_without_a_disk_says_so_in_one_line(solution):
    seen = machine.run(replace(solution, image=None), "echo hello", BUDGET)
    assert (seen.ending, seen.booted) == (Ending.PANICKED, False)
    panics = [line for line in seen.lines if "panic: " in line]
    assert len(panics) == 1 and "disk" in panics[0], seen.lines


def test_poweroff_ends_the_machine_with_status_0(solution):
    seen = machine.run(solution, "poweroff", BUDGET)
    assert (seen.ending, seen.status, seen.booted) == (Ending.DIED, 0, True)


def test_a_run_leaves_the_image_as_it_was(solution):
    before = hashlib.sha256(solution.image.read_bytes()).digest()
    assert machine.run(solution, "mkdir new", BUDGET).ending is Ending.DONE
    assert hashlib.sha256(solution.image.read_bytes()).digest() == before
    assert "new" not in " ".join(machine.run(solution, "ls", BUDGET).evidence)
