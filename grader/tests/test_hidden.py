"""Hidden tests: who gets them, what they weigh, what builds them, and that the solution passes them on any number of harts."""

import io
import json as plain_json
import re
import shutil
from dataclasses import replace

import pytest

from grader import build, handout, hidden, lab, machine, score, tree
from grader.grade import OFFICIAL, grade_tree, run_all
from grader.report import json, text
from grader.score import Outcome
from grader.tests import synthetic as syn
from grader.transcript import Ending

KIT = handout.KIT
STRICT = lab.load(strict=True)
WHOLE = lab.load(strict=True, track="all")
ROW = re.compile(r'^  \{ "([\w-]+)", +"([^"]+)", +\w+ \},$', re.M)


def sources():
    """The hidden tests' own programs."""
    return sorted([*hidden.HOME.glob("hidden*.c"), *hidden.HOME.glob("oracle*.c")])


# Who gets them.

def test_nothing_of_them_is_in_a_handout_or_among_the_official_files():
    words = {path.name for path in hidden.HOME.iterdir()} - {"Makefile", "mmap.toml"} | {path.stem for path in sources()}
    words |= {f'"{section.title}"' for section in WHOLE.hidden.sections} | {"labs/hidden", "hidden failure"}
    stages = [(stage, "core" if stage <= 8 else "all") for stage in range(15)]
    files = {f"stage {stage}: {name}": file.content for stage, track in stages for name, file in handout.stage_files(stage, track).items()}
    files |= {str(path): path.read_bytes() for place in (KIT / "handout", OFFICIAL) for path in place.rglob("*") if path.is_file()}
    assert len(words) > 40 and len(files) > 500
    assert [(name, word) for name, content in files.items() for word in words
            if word.encode() in content or name.endswith("/" + word)] == []


def test_a_copy_without_them_says_so(tmp_path):
    shutil.copy(lab.HERE / "labs/mmap.toml", tmp_path)
    assert lab.load(tmp_path / "mmap.toml").hidden is None
    with pytest.raises(lab.LabError, match="hidden tests come with the instructor's copy"):
        lab.load(tmp_path / "mmap.toml", strict=True)


# What the files say.

def test_every_section_of_every_program_is_in_the_lab_file_and_counts():
    told = {source.stem: ROW.findall(source.read_text()) for source in sources()}
    known = {p.name: [(s.name, s.title.removeprefix("test ")) for s in WHOLE.hidden.sections if s.program == p.name]
             for p in WHOLE.hidden.tests}
    assert told == known and len(told) == len(WHOLE.tasks) + 2
    assert all(e.reason and e.section for task in WHOLE.hidden.tasks for e in task.evidence)


@pytest.mark.parametrize("old, new, says", [
    ('strict = "cap"', 'strict = "zero"', "strict must be 'cap' or 'report', not 'zero'"),
    ("share = 0.5", "share = 1.5", "share must be from 0 to 1, and is 1.5"),
    ("share = 0.5", 'share = "half"', "share must be of type float"),
])
def test_a_weight_that_is_none_is_refused(tmp_path, old, new, says):
    given = (lab.HERE / "labs/mmap.toml").read_text()
    assert old in given
    (tmp_path / "mmap.toml").write_text(given.replace(old, new))
    with pytest.raises(lab.LabError, match=says):
        lab.load(tmp_path / "mmap.toml")


def test_hidden_tests_of_other_tasks_are_refused(tmp_path):
    shutil.copy(lab.HERE / "labs/mmap.toml", tmp_path)
    (tmp_path / "hidden").mkdir()
    given = (hidden.HOME / "mmap.toml").read_text().split("# ---- Task 14")[0].replace("points = 14", "points = 13")
    (tmp_path / "hidden/mmap.toml").write_text(given)
    assert lab.load(tmp_path / "mmap.toml", strict=True, track="cs330").hidden.tasks[-1].number == 13
    with pytest.raises(lab.LabError, match="the tasks are not those of"):
        lab.load(tmp_path / "mmap.toml", strict=True, track="linux")


def test_sections_of_mmaptest_have_no_hidden_tests():
    with pytest.raises(lab.LabError, match="hidden tests belong to whole tasks"):
        STRICT.narrow(sections=("fork",))
    assert STRICT.narrow(task=5).hidden.programs == ("oracle", "hidden5munmap")


# What they weigh.

def found(failing=(), tasks=range(1, 9)):
    """The Grade of made-up hidden runs in which the named sections fail."""
    rubric = replace(STRICT.hidden, asked=tuple(tasks))
    runs = []
    for program in rubric.programs:
        lines = []
        for section in (s for s in rubric.sections if s.program == program):
            bad = section.name in failing
            lines += [section.title, f"hidden failure: {section.name} is wrong, pid=3" if bad else section.passed]
        run = syn.run(program, lines, Ending.FAILED if failing else Ending.DONE)
        runs.append(replace(run, outside=tuple((section.name, "") for section in rubric.sections if section.outside)))
    return score.grade(rubric, syn.build([p.name for p in rubric.tests]), runs, syn.TABLE)


def graded(failing=(), weight="cap", share=0.5, stage=8):
    """The Grade of a made-up submission of a stage, with hidden tests of which some fail."""
    opened = score.grade(STRICT, syn.build(), syn.stage_runs(stage), syn.TABLE)
    rubric = replace(STRICT, strict=weight, share=share)
    return score.with_hidden(opened, rubric, found(failing, [t.number for t in opened.tasks if t.score]))


def test_hidden_tests_that_pass_change_no_points():
    grade = graded()
    assert (grade.score, grade.status) == (100, 0)
    assert sum(len(task.hidden) for task in grade.tasks) == len(STRICT.hidden.sections)
    assert len(grade.runs) == len(syn.stage_runs(8)) + len(STRICT.hidden.tests)


def test_a_cap_leaves_a_task_its_share():
    grade = graded(["split"], share=0.25)
    task = grade.tasks[4]
    assert (grade.score, grade.status, task.score, task.outcome) == (85, 1, 5, Outcome.PASSED)
    assert [part.name for part in task.hidden if not part.passed] == ["split"]
    lost = task.hidden[0]
    assert lost.line == "hidden failure: split is wrong, pid=3" and "leaves two mappings" in lost.hint
    assert lost.command == 'make run STRICT=1 PROG="hidden5munmap split"'


def test_a_cap_takes_nothing_from_less():
    opened = graded()
    some = replace(opened, tasks=tuple(replace(t, score=7.5, outcome=Outcome.FAILED) if t.number == 5 else t for t in opened.tasks))
    assert score.with_hidden(some, STRICT, found(["split"])).tasks[4].score == 7.5


def test_a_report_takes_no_points_but_is_shown():
    grade = graded(["owners", "names"], weight="report")
    assert (grade.score, grade.status) == (100, 0)
    page = io.StringIO()
    text.render(grade, page)
    assert f"passed; 2 of {len(grade.tasks[7].hidden)} hidden tests failed" in page.getvalue()
    assert "hidden failure: names is wrong, pid=3" in page.getvalue()


def test_tasks_that_score_nothing_have_no_hidden_tests():
    grade = graded(stage=4)
    assert [bool(task.hidden) for task in grade.tasks] == [True] * 4 + [False] * 4
    assert grade.score == 45


def test_reports_tell_what_was_found():
    grade = graded(["calls"])
    page = io.StringIO()
    text.render(grade, page)
    for said in ("7.5 / 15", f"passed; 1 of {len(grade.tasks[3].hidden)} hidden tests failed", "Task 4, Page faults: hidden tests",
                 "hidden failure: calls is wrong, pid=3", 'make run STRICT=1 PROG="hidden4fault calls"'):
        assert said in page.getvalue()
    task = plain_json.loads(json.render(grade))["tasks"][3]
    assert [part["name"] for part in task["hidden"] if not part["passed"]] == ["calls"]


# What builds and runs them.

@pytest.mark.parametrize("harts", [1, 8])
def test_the_solution_passes_on_any_number_of_harts(solution_disk, harts, tmp_path):
    disk = solution_disk
    guest = machine.Machine(disk.kernel, disk.image, harts)
    runs = run_all(guest, disk, WHOLE.hidden.programs, WHOLE.hidden, tmp_path, 2, print)
    assert [(run.program, run.ending.value, run.why) for run in runs if run.ending is not Ending.DONE] == []
    grade = score.grade(WHOLE.hidden, disk, runs, syn.TABLE)
    assert grade.score == 14, [part for task in grade.tasks for part in task.parts if not part.passed]


def test_nothing_that_the_tree_says_how_to_build_is_used(solution_tree, tmp_path):
    odd = shutil.copytree(solution_tree, tmp_path / "odd")
    for name in ("Makefile", "GNUmakefile", "user/usys.pl", "user/usys.S"):
        (odd / name).write_text("this is no good\n")
    (odd / "user/_hidden5munmap").write_text("forged")
    built = replace(build.make(solution_tree), tree=odd)
    disk = hidden.build(built, tmp_path / "out", STRICT)
    assert {"init", "sh", "mmaptest", "hidden5munmap"} <= disk.programs and "cat" not in disk.programs
    assert (tmp_path / "out/user/_hidden5munmap").read_bytes()[:4] == b"\x7fELF"


def test_headers_of_the_tree_tell_numbers_and_nothing_else(solution_tree, tmp_path):
    odd = shutil.copytree(solution_tree, tmp_path / "odd")
    for name in ("kernel/types.h", "kernel/fcntl.h", "kernel/stat.h", "user/user.h"):
        (odd / name).write_text('#error "not today"\n')
    (odd / "kernel/syscall.h").write_text("#define SYS_munmap 24\n#define ecall nop\n")
    disk = hidden.build(replace(build.make(solution_tree), tree=odd), tmp_path / "out", STRICT)
    assert "hidden5munmap" in disk.programs
    numbers = (tmp_path / "out/include/kernel/syscall.h").read_text()
    assert "#define SYS_munmap 24\n" in numbers and "#define SYS_mmap 22\n" in numbers and "ecall" not in numbers


def test_a_bug_that_mmaptest_lets_through_is_caught_and_named(tmp_path):
    buggy = tree.prepare(KIT / "solution", tmp_path / "buggy", (), KIT).path
    path = buggy / "kernel/vma.c"
    before = path.read_text()
    after = before.replace("  insertvma(p, i + 1, upper);\n", "  insertvma(p, i + 1, upper);\n  filedup(upper.file);\n")
    assert after != before
    path.write_text(after)
    grade = grade_tree(buggy, STRICT.narrow(task=5), tmp_path / "work")
    task, = grade.tasks
    assert (task.outcome, task.score, task.max_score, grade.status) == (Outcome.PASSED, 10, 20, 1)
    lost = [part for part in task.hidden if not part.passed]
    assert [part.name for part in lost] == ["split"]
    assert "hidden failure: mappings that were split keep files open" in lost[0].line


@pytest.mark.parametrize("blocks", [1000, 20000])
def test_a_disk_of_another_size_costs_no_points(solution_tree, tmp_path, blocks):
    odd = shutil.copytree(solution_tree, tmp_path / "odd")
    param = odd / "kernel/param.h"
    param.write_text(re.sub(r"(FSSIZE +)2000\b", rf"\g<1>{blocks}", param.read_text()))
    built = build.make(odd, programs=["mmaptest"])
    assert built.ok and built.image.stat().st_size == blocks * 1024, built.error
    disk = hidden.build(built, tmp_path / "hidden", STRICT)
    assert disk.image.stat().st_size == blocks * 1024
    for where, part, commands in ((built, STRICT, ["mmaptest exit"]),
                                  (disk, STRICT.hidden, ["hidden5munmap munmap-frees", "hidden7fork files", "hidden7fork fork-frees"])):
        for run in run_all(machine.Machine(where.kernel, where.image), where, commands, part, tmp_path, 1, print):
            assert run.ending is Ending.DONE, run.lines
