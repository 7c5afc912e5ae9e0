"""Tests of bench.py: that a count of instructions is exact, that a program that fails is not measured; what a fault may cost."""

from dataclasses import replace

import pytest
from elftools.elf.elffile import ELFFile

from grader import CouldNotGrade, bench


def test_counts_of_instructions_repeat(solution):
    guest = replace(solution, **bench.EXACT)
    first, second = (bench.instructions(guest, "null", 1000, 3000) for _ in range(2))
    assert first == pytest.approx(second, abs=1)
    assert 10 < first < 100_000


def test_twice_the_rounds_cost_twice_the_instructions(solution):
    guest = replace(solution, **bench.EXACT)
    assert bench.instructions(guest, "fork", 10, 20) == pytest.approx(bench.instructions(guest, "fork", 10, 40), rel=0.05)


@pytest.mark.parametrize("name", [name for _, name, _, _ in bench.COUNTED])
def test_the_program_knows_every_operation(solution, name):
    assert bench.ticks(replace(solution, **bench.EXACT), name, 1) > 0


@pytest.mark.parametrize("few, many", [("anonfault", "crowdfault"), ("smallfault", "largefault")])
def test_a_fault_costs_the_same_among_many_mappings_and_in_a_large_file(solution, monkeypatch, few, many):
    monkeypatch.setattr(bench, "RUNS", 2)
    guest = replace(solution, **bench.EXACT)
    assert bench.instructions(guest, many, 64, 192) < 1.1 * bench.instructions(guest, few, 64, 192)


def test_truncation_looks_for_no_more_pages_than_a_file_can_have(solution, tmp_path):
    with open(solution.kernel, "rb") as file:
        symbol = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("filepagetrunc")[0]
    low, size, log = symbol["st_value"], symbol["st_size"], tmp_path / "log"
    options = ("-d", "exec,nochain", "-dfilter", f"{low:#x}+{size:#x}", "-D", str(log))
    bench.run(replace(solution, options=options), "coherenttest coherent-truncate")
    blocks = log.read_text().splitlines()       # of instructions, as executed one after the other
    calls = sum(f"/{low:016x}/" in block for block in blocks)
    assert calls > 1 and calls <= len(blocks) < 1000 * calls


def test_a_program_that_fails_is_not_measured(solution):
    with pytest.raises(CouldNotGrade, match="bench nosuch 1: failed"):
        bench.run(solution, "bench nosuch 1")
