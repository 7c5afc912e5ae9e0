"""The lab file: what load refuses and how it says so, and that mmap.toml fits the course."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grader import lab
from grader.events import shows
from grader.tests import synthetic as syn
from grader.transcript import Ending

KIT = Path(lab.HERE).parent
SMALL = """
name = "small"
title = "A small lab"
version = "1"
points = 10
mapped = [4096, 8192]
protected = ["user/t.c"]

[[program]]
name = "t"
budget = 5
fails = "t failure:"

[[section]]
name = "a"
program = "t"
title = "test a"

[[rung]]
name = "start"
program = "t"
prints = ["t starts"]

[[task]]
number = 1
name = "One"
points = 10
doc = "docs/task1.md"
hint = "Do it."
evidence = [ { section = "a" }, { reaches = "start" } ]
"""


def load(tmp_path, text):
    """The Lab in a file that holds text."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    return lab.load(path)


def test_the_small_lab_loads(tmp_path):
    small = load(tmp_path, SMALL)
    assert small.programs == ("t",) and small.budget("t a") == 5 and small.tasks[0].evidence[0].section == "a"


def test_a_section_by_itself_has_its_own_budget_or_the_programs_for_sections_or_all(tmp_path):
    sections = SMALL.replace("budget = 5\n", "budget = 5\nsection_budget = 2\n")
    assert [load(tmp_path, sections).budget(command) for command in ("t", "t a")] == [5, 2]
    assert load(tmp_path, sections.replace('title = "test a"', 'title = "test a"\nbudget = 9')).budget("t a") == 9


@pytest.mark.parametrize("old, new, says", [
    ("points = 10\nmapped", "points = 11\nmapped", "points is 11, but the tasks' points make 10"),
    ("budget = 5\n", "", r"\[\[program\]\] t: budget is missing"),
    ("budget = 5", 'budget = "5"', r"\[\[program\]\] t: budget must be of type float, not '5'"),
    ("budget = 5", "budget = true", "budget must be of type float"),
    ('hint = "Do it."', 'hnit = "Do it."', r"\[\[task\]\] One: unknown key 'hnit'; known are .*hint"),
    ('version = "1"', 'version = "1"\ncolour = "red"', "the file: unknown key 'colour'"),
    ('{ section = "a" }', '{ section = "b" }', r"\[\[task\]\] 1: evidence 1: section: no \[\[section\]\] is called 'b'"),
    ('{ section = "a" },', "", r"\[\[section\]\] a: no task's evidence names it"),
    ('{ reaches = "start" }', '{ reaches = "end" }', r"evidence 2: reaches: no \[\[rung\]\] is called 'end'"),
    ('{ reaches = "start" }', '{ fact = "x" }', "fact: 'x' is not known"),
    ('{ reaches = "start" }', '{ fact = "VMA table in struct proc", instead = "b" }', "instead: must be the name of a .*'b'"),
    ('{ reaches = "start" }', '{ reaches = "start", instead = "a" }', "instead: must be the name of a .*, beside a fact"),
    ('{ reaches = "start" }', '{ program = "u", prints = ["x"] }', r"program: no \[\[program\]\] is called 'u'"),
    ('{ reaches = "start" }', '{ program = "t", prints = ["x"], lacks = "y" }', "and has prints, lacks"),
    ('{ reaches = "start" }', '{ program = "t" }', "and has none"),
    ('{ reaches = "start" }', '{ reaches = "start", points = 3 }', "its evidence has 3"),
    ('{ reaches = "start" }', '{ reaches = "start", once = 1 }', "once: 1 is no other task"),
    ('evidence = [ { section = "a" }, { reaches = "start" } ]', "evidence = []", "nothing can show this task"),
    ('evidence = [ { section = "a" }, { reaches = "start" } ]', 'evidence = ["a"]', "must be an array of tables"),
    ("number = 1", "number = 2", "number must count from 1 up"),
    ('doc = "docs/task1.md"', 'doc = "docs/task1.md"\nneeds = [1]', "needs: 1 is no earlier task"),
    ('title = "test a"', 'title = "test a"\n[[section]]\nname = "a"\nprogram = "t"\ntitle = "b"', "there are two called 'a'"),
    ('program = "t"\ntitle', 'program = "u"\ntitle', r"\[\[section\]\] a: program: no \[\[program\]\] is called 'u'"),
    ('prints = ["t starts"]', "", r"\[\[rung\]\] start: nothing shows it"),
    ('prints = ["t starts"]', 'fault = "none"', "fault must be 'mapped' or 'any', not 'none'"),
    ('prints = ["t starts"]', 'prints = "t starts"', "prints must be an array"),
    ('prints = ["t starts"]', 'sections = ["z"]', r"sections: no \[\[section\]\] is called 'z'"),
    ("mapped = [4096, 8192]", "mapped = [4096]", "mapped must be two addresses"),
    ('name = "small"', "name = [", "Invalid"),
])
def test_a_mistake_is_named_with_file_and_key(tmp_path, old, new, says):
    assert old in SMALL
    with pytest.raises(lab.LabError, match=says) as error:
        load(tmp_path, SMALL.replace(old, new, 1))
    assert str(error.value).startswith(str(tmp_path / "x.toml"))


def test_a_program_that_nothing_names_is_told(tmp_path):
    more = '[[program]]\nname = "u"\nbudget = 1.0\nfails = "x"\n'
    with pytest.raises(lab.LabError, match=r"\[\[program\]\] u: no task's evidence names it"):
        load(tmp_path, SMALL + more)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(lab.LabError, match="no.toml"):
        lab.load(tmp_path / "no.toml")


VALUES = st.recursive(st.one_of(st.booleans(), st.integers(-9, 9), st.text(max_size=3)),
                      lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "points", "program"]), inner, max_size=2))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["task", "section", "rung", "program", "points", "mapped", "protected", "meaning"]), VALUES)
def test_nonsense_is_refused_or_does_no_harm(key, nonsense):
    data = tomllib.loads(SMALL)
    data[key] = nonsense
    try:
        small = lab.read(data)
    except lab.LabError:
        return
    if next(lab.faults(small), None) is None:
        assert small.programs == ("t",) and small.followups([]) == ()


def test_narrowing_to_what_is_not_there_lists_what_is():
    with pytest.raises(lab.LabError, match="no task 9: tasks are 1, 2, 3"):
        syn.LAB.narrow(task=9)
    with pytest.raises(lab.LabError, match="no section 'frok': sections are basic, "):
        syn.LAB.narrow(sections=("frok",))
    with pytest.raises(lab.LabError, match="not both"):
        syn.LAB.narrow(task=5, sections=("fork",))


def test_followups_are_what_the_default_run_did_not_reach():
    runs = [syn.run("mmaptest", syn.passing(syn.SECTIONS[0]) + syn.failing(syn.SECTIONS[1]), Ending.FAILED), syn.shared_run(8)]
    more = syn.LAB.followups(runs)
    assert more == tuple(s.command for s in syn.SECTIONS[2:]) + tuple(f"mmaptest {n}" for n in syn.ALONE)
    runs += [syn.run(command, []) for command in more]
    assert syn.LAB.followups(runs) == ()


def test_no_followups_of_what_never_started():
    unbooted = [syn.run(p, ["panic: no"], Ending.PANICKED, booted=False) for p in syn.LAB.programs]
    assert syn.LAB.followups(unbooted) == () and syn.LAB.followups([]) == ()
    assert syn.LAB.followups([syn.shared_run(8)]) == ()


def test_a_task_runs_only_what_shows_it():
    assert syn.LAB.narrow(task=8).programs == ("mmapsharedtest",)
    part = syn.LAB.narrow(task=6)
    assert part.programs == ("mmaptest exit", "mmaptest")
    assert part.followups([syn.default_run(8), syn.section_run("exit", 8)]) == ()


# The real file, against the lab's programs and pages.

def source(name):
    """The text of a user program in solution/."""
    return (KIT / "solution/user" / name).read_text()


def test_every_section_is_one_that_mmaptest_knows():
    text = source("mmaptest.c")
    for section in syn.LAB.sections:
        assert f'"{section.name}"' in text, f"mmaptest.c has no section {section.name}"
        assert section.title.removeprefix("test ") in text, f"mmaptest.c never prints {section.title}"


def test_every_failure_of_the_first_section_is_on_the_ladder():
    text = source("mmaptest.c")
    basic = text[text.index("firstmapping(void)"):text.index("// ---- private")]
    whats = set(re.findall(r'"([^"]+)"', basic)) - {"unlink"}
    assert len(whats) > 10
    known = [line for rung in syn.LAB.rungs for line in rung.prints]
    for what in whats:
        assert any(shows(f"mmaptest failure: {what}, pid=3", line) for line in known), f"no rung knows {what!r}"


def test_every_line_is_one_that_its_program_prints():
    for task in syn.LAB.tasks:
        for evidence in task.evidence:
            for line in evidence.prints:
                if not any(line == s.title for s in syn.LAB.sections):
                    tail = line.split(": ", 1)[-1] if line.startswith(f"{evidence.program}: ") else line
                    assert tail in source(f"{evidence.program}.c"), f"{evidence.program}.c never prints {line}"


def test_every_program_says_failures_as_the_file_has_it():
    for program in syn.LAB.tests:
        assert program.fails in source(f"{program.name}.c")


def test_every_panic_is_one_of_the_kernels():
    panics = [text for path in (KIT / "solution/kernel").glob("*.c") for text in re.findall(r'panic\("([^"]*)"', path.read_text())]
    for meaning in syn.LAB.meanings:
        if meaning.text.startswith("panic: "):
            text = meaning.text.removeprefix("panic: ").replace("kfree:", "%s:")
            assert any(panic.startswith(text) for panic in panics), f"no panic in the kernel says {meaning.text!r}"


def test_every_page_and_protected_pattern_is_there():
    for task in syn.LAB.tasks:
        assert (KIT / task.doc).is_file(), f"{task.doc} is missing"
    for pattern in syn.LAB.protected:
        assert list((KIT / "solution").glob(pattern)), f"protected: {pattern} matches nothing"


def test_the_addresses_are_the_kernels():
    header = (KIT / "solution/kernel/memlayout.h").read_text()
    found = tuple(int(re.search(rf"#define {name}\s+(0x[0-9a-f]+)L", header)[1], 16) for name in ("MMAPBASE", "MMAPTOP"))
    assert syn.LAB.mapped == found
