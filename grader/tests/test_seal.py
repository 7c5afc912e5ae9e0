"""Seals: what a program vouches for is found in any noise, and nothing else is; what a kernel tells of traps is checked."""

import os
from dataclasses import replace

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings, strategies as st

from grader import events, lab, machine, seal, traps
from grader.machine import Machine
from grader.tests import synthetic as syn
from grader.transcript import Ending, Traps

LAB = lab.load()
KEY = 0x0123456789abcdef_fedcba9876543210
RUN, SECTION, MUNMAP = 0x100, 0x200, 0x300             # functions of a made-up program
MMAPTEST = seal.Program(11, 22, (RUN, SECTION, MUNMAP), (0x180, 0x280, 0x308), ("run", "section", "munmap"))
ECHO = seal.Program(33, 44, (0,), (8,), ("main",))
BOOK = seal.Book(KEY, {"mmaptest": MMAPTEST, "echo": ECHO})
KNOWN = seal.texts_of(LAB)
END = seal.write(KEY, ECHO, 9, 1, 0, 0, 0, "0")

patient = settings(deadline=None, max_examples=60)
keys = st.integers(0, (1 << 128) - 1)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)


def sealed(text, calls=1, number=1, pid=3, site=RUN + 8, inside=RUN, key=KEY, program=MMAPTEST):
    """A line as the program prints it."""
    mark = seal.write(key, program, pid, number, site, inside, calls, text)
    return mark + text + mark


def vouched(line, known=KNOWN):
    """The texts that mmaptest vouches for in a line."""
    return [one.text for one in seal.said(BOOK, "mmaptest", line, known)]


def read(lines, end=END, **changed):
    """What is made of a run of mmaptest that printed these lines."""
    run = replace(syn.run("mmaptest", [*lines, end]), status=0, **changed)
    return seal.read(run, LAB, BOOK)


def passing(name, calls=0):
    """The two lines of a section that calls one function."""
    return [sealed(f"test {name}", calls + 1), sealed(f"test {name}: OK", calls + 2)]


# Which lines are a program's.

@patient
@given(texts)
def test_a_sealed_line_is_the_programs(text):
    assert vouched(sealed(text)) == [text]
    assert seal.stripped(sealed(text)) == text


@patient
@given(texts, texts)
def test_noise_is_no_seal(before, behind):
    assert vouched(before) == [] and vouched(before + "~3.1.f.108.100.1.0123456789abcdef~" + behind) == []


@patient
@given(texts, keys)
def test_nobody_seals_without_the_key(text, key):
    assert vouched(sealed(text, key=key)) == [] or key == KEY


@patient
@given(texts, texts)
def test_a_seal_is_good_for_its_own_line_alone(text, other):
    mark = sealed(text)[:sealed(text).index("~", 1) + 1]
    assert vouched(mark + other + mark, ()) == [] or other[:len(text)] == text or other[-len(text):] == text or "~" in text


@patient
@given(st.sampled_from(KNOWN), texts.filter(lambda noise: "~" not in noise), st.data())
def test_noise_in_the_middle_of_a_line_costs_nothing(text, noise, data):
    line = sealed(text)
    at = data.draw(st.integers(0, len(line)))
    assert vouched(line[:at] + noise + line[at:]) == [text]


@patient
@given(st.lists(st.sampled_from(KNOWN), max_size=3, unique=True), texts)
def test_several_lines_run_into_one_are_all_seen(said, noise):
    line = noise.join(sealed(text, number=n, calls=n) for n, text in enumerate(said))
    assert vouched(line) == said


@patient
@given(st.sampled_from(KNOWN), st.data())
def test_a_line_that_was_changed_is_nobodys(text, data):
    line = sealed(text)
    at = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef~.x").filter(lambda c: c != line[at]))
    assert set(vouched(line[:at] + other + line[at + 1:])) <= {text}


@pytest.mark.parametrize("changed", [
    {"program": replace(MMAPTEST, image=12)},           # data, code or constants were changed at exec
    {"program": replace(MMAPTEST, code=23)},            # or later
    {"site": SECTION + 8},                              # printf was called in a function that the program is not in
    {"site": 0}, {"inside": 0}, {"inside": RUN + 4},
])
def test_a_program_that_is_not_itself_vouches_for_nothing(changed):
    assert vouched(sealed("test fork: OK", **changed)) == []


# What a strict run shows.

def test_the_lines_of_a_right_run_stay_as_they_are():
    noise = ["usertrap(): unexpected scause 0xd pid=5", "            sepc=0x5c stval=0x40000000", "debug: test of vmfault"]
    run = read([*passing("fork"), *noise, "exit 3" + sealed("mmaptest: all tests succeeded", 3) + " munmap"])
    assert run.doubts == ()
    assert run.evidence[:-1] == ("test fork", "test fork: OK", *noise, "exit 3mmaptest: all tests succeeded munmap")


def test_a_torn_line_counts_as_it_was():
    line = sealed("test fork", 1)
    cut = line.index("test") + 4
    run = read([line[:cut] + "[fault]" + line[cut:], passing("fork")[1]])
    assert run.evidence[:2] == ("test fork", "test fork: OK") and run.doubts == ()


@pytest.mark.parametrize("lines, why, left", [
    (["test fork: OK"], "the line `test fork: OK` was printed, but not by mmaptest", ""),
    (["test fork: OK " + sealed("test exit")], "the line `test fork: OK` was printed, but not by mmaptest", "test exit"),
    ([sealed("test fork").replace("test fork", "test fork: OK")], "the line `test fork: OK` was printed, but not by mmaptest", "test fork"),
    ([sealed("test fork", 4), sealed("test fork: OK", 4)], "mmaptest was led past what it tests", ""),
    ([sealed("test fork: OK", 4)], "mmaptest was led past what it tests", ""),
    ([sealed("mmaptest failure: x, pid=3"), sealed("test fork: OK", 9)], "was printed after mmaptest had reported a failure", ""),
    ([sealed("wait: pid 4 did not end with the status that the kernel tells")], "a status that a process did not end with", ""),
])
def test_what_is_no_evidence_is_taken_out_and_told(lines, why, left):
    run = read(lines)
    assert [reason for _, reason in run.doubts if why in reason]
    assert run.evidence[len(lines) - 1] == left
    assert not any(seal.shown(line, ("test fork: OK",)) for line in run.evidence)


def test_a_failure_itself_stays():
    run = read([sealed("mmaptest failure: munmap (1), pid=3")])
    assert run.evidence[0] == "mmaptest failure: munmap (1), pid=3" and run.doubts == ()


def test_an_end_that_echo_did_not_print_is_told():
    assert read(passing("fork"), end="").doubts == (("", "the end of mmaptest was told by something other than the shell's echo"),)
    assert replace(read([]), doubts=()).doubts == ()
    stopped = replace(syn.run("mmaptest", [], Ending.PANICKED), status=None)
    assert seal.read(stopped, LAB, BOOK).doubts == ()


# What the kernel tells of traps.

FAULT = ["usertrap(): unexpected scause 0xd pid=3", "            sepc=0x5c stval=0x40000000"]


def test_a_fault_that_happened_stays():
    run = read(FAULT, traps=Traps(frozenset({MUNMAP + 2}), frozenset({(13, 0x40000000)})))
    assert run.evidence[:2] == tuple(FAULT) and run.doubts == () and run.called == {"munmap"}


@pytest.mark.parametrize("faults", [(), ((13, 0x40001000),), ((15, 0x40000000),)])
def test_a_fault_that_did_not_happen_is_taken_out(faults):
    run = read(FAULT, traps=Traps(frozenset(), frozenset(faults)))
    assert run.evidence[0] == "" and "at 0x40000000 that did not happen" in run.doubts[0][1]
    assert run.called == frozenset()


def test_the_log_keeps_calls_and_faults_whatever_comes_between():
    line = "riscv_cpu_do_interrupt: hart:0, async:{}, cause:{:016x}, epc:0x{:016x}, tval:0x{:016x}, desc=x\n"
    told = (line.format(0, 8, 0x302, 0), line.format(1, 9, 0x80000000, 0), line.format(0, 13, 0x5c, 0x40000000), "x" * 500 + "\n")
    with traps.listening() as (log, sink):
        text = "".join(told).encode() * 50
        for at in range(0, len(text), 97):
            os.write(sink, text[at:at + 97])
    assert log.traps() == Traps(frozenset({0x302}), frozenset({(13, 0x40000000)}))


# On the disk that strict grading makes.

def test_a_real_run_is_vouched_for_and_its_calls_are_seen(solution_disk):
    boot = Machine(solution_disk.kernel, solution_disk.image, traps=True)
    told = machine.run(boot, "mmaptest fork access", LAB.budget("mmaptest"))
    run = seal.read(told, LAB, seal.book(solution_disk))
    assert run.doubts == () and {"mmap", "munmap", "fork"} <= run.called
    assert len(events.faults(run.evidence)) == 2 and not any("~" in line for line in run.evidence)
    assert [line for line in run.evidence if line.startswith("test ")] == [
        "test fork", "test fork: OK", "test munmap prevents access", "test munmap prevents access: OK"]


@pytest.mark.parametrize("other", ["init", "sh", "echo"])
def test_no_other_program_calls_from_where_mmaptest_calls(solution_disk, other):
    found = seal.book(solution_disk).programs["mmaptest"]
    calls = dict(zip(found.names, found.starts))
    with open(solution_disk.tree / f"user/_{other}", "rb") as file:
        code = ELFFile(file).get_section_by_name(".text")
        assert min(calls["mmap"], calls["munmap"]) > code["sh_addr"] + code["sh_size"]
