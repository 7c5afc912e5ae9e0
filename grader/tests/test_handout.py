"""Handouts: what each stage keeps, what is refused, what leaks, and that handout/ is up to date."""

import os
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grader import handout
from grader.handout import HandoutError

KIT = handout.KIT
STAGES = range(handout.CORE + 1)

MMAP_C = """\
// mmap.c - a file of the lab; don't stumble over apostrophes or "quotes.
int plain(int a, int b);
#if LAB_TASK >= 3

int
find_mapping(int a, int b)
{
#if LAB_TASK >= 5
  return search(a, b, plain(a, b));
#else
  // TODO(task 5): search better. See docs/task5.md.
  return plain(a, b) + 1000;
#endif
}
#else
// TODO(task 3): find_mapping. See docs/task3.md.
#endif
#ifdef DEBUG
int debug_level = 3 + 4;
#else
int debug_level = 4 + 5;
#endif
"""
MAKEFILE = """\
# Makefile - it's the student's; `make` reads '#if' as a comment.
UPROGS = \\
  $U/_sh \\
  $U/_echo
#if LAB_TASK >= 1
UPROGS += $U/_mmaptest
#else
# TODO(task 1): mmaptest isn't here yet: "UPROGS". See docs/task1.md.
#endif
#ifdef SOLUTION
LAB_TASK = 14
CFLAGS += -DLAB_TASK=$(LAB_TASK)
#endif
clean:
	rm -f user/*.o kernel/*.o
"""
USYS_PL = """\
#!/usr/bin/perl -w
# it's generated: don't edit user/*.S
print "# /* not a comment\\n";
entry('it\\'s');
#if LAB_TASK >= 1
entry("mmap");
#endif
"""


@pytest.fixture
def kit(tmp_path):
    """A small kit that handouts can be cut from."""
    kit = tmp_path / "kit"
    files = {"solution/kernel/mmap.c": MMAP_C, "solution/Makefile": MAKEFILE, "solution/user/usys.pl": USYS_PL,
             "solution/.gitignore": "# built\n*.o\nkernel/kernel\nuser/_*\nbuild/\n", "solution/user/ulib.c": "int x;\n",
             "solution/kernel/mmap.o": "\xff\xfe", "solution/user/_sh": "built", "solution/build/x/y": "built",
             handout.README: "# The lab\n"}
    files |= {page: f"# {page}\n" for page in handout.DOCS}
    for path, text in files.items():
        (kit / path).parent.mkdir(parents=True, exist_ok=True)
        (kit / path).write_text(text, encoding="latin-1")
    (kit / "solution/user/usys.pl").chmod(0o755)
    return kit


def text(files, path):
    """The text of a generated file."""
    return files[path].content.decode()


def change(kit, path, old, new):
    """Replace text in a file of the kit."""
    before = (kit / path).read_text()
    assert old in before
    (kit / path).write_text(before.replace(old, new, 1))


# Cutting.

def test_each_stage_keeps_its_own_lines(kit):
    for stage in STAGES:
        files = handout.stage_files(stage, kit)
        mmap = text(files, "kernel/mmap.c")
        assert ("find_mapping(int a, int b)" in mmap) == (stage >= 3)
        assert ("search(a, b, plain(a, b))" in mmap) == (stage >= 5)
        assert ("plain(a, b) + 1000" in mmap) == (3 <= stage < 5)
        assert ("TODO(task 3)" in mmap) == (stage < 3) and ("TODO(task 5)" in mmap) == (3 <= stage < 5)
        assert ("UPROGS += $U/_mmaptest" in text(files, "Makefile")) == (stage >= 1)
        assert ('entry("mmap");' in text(files, "user/usys.pl")) == (stage >= 1)


def test_what_has_no_region_is_kept_to_the_letter(kit):
    files = handout.stage_files(0, kit)
    assert "#ifdef DEBUG\nint debug_level = 3 + 4;\n#else\nint debug_level = 4 + 5;\n#endif\n" in text(files, "kernel/mmap.c")
    assert "  $U/_sh \\\n  $U/_echo\n" in text(files, "Makefile") and "\trm -f user/*.o kernel/*.o\n" in text(files, "Makefile")
    assert USYS_PL.split("#if")[0] == text(files, "user/usys.pl")


def test_no_stage_speaks_of_stages_or_has_built_files(kit):
    for stage in STAGES:
        files = handout.stage_files(stage, kit)
        assert not any(b"LAB_TASK" in f.content or b"SOLUTION" in f.content for f in files.values())
        assert set(files) == {"kernel/mmap.c", "Makefile", "user/usys.pl", "user/ulib.c", ".gitignore", "README.md", *handout.DOCS}
        assert files["user/usys.pl"].executable and not files["Makefile"].executable


@pytest.mark.parametrize("stage", [-1, 9, 14])
def test_a_stage_that_is_none_is_refused(kit, stage):
    with pytest.raises(HandoutError, match="a stage is 0"):
        handout.stage_files(stage, kit)


@pytest.mark.parametrize("path, old, new, says", [
    ("solution/kernel/mmap.c", "  // TODO(task 5): search better. See docs/task5.md.\n", "", "mmap.c:12: the stub of task 5 needs exactly one TODO.task 5.: comment, and has 0"),
    ("solution/kernel/mmap.c", "  return plain(a, b) + 1000;", "  // TODO(task 5): again\n", "and has 2"),
    ("solution/kernel/mmap.c", "TODO(task 5)", "TODO(task 4)", "mmap.c:11: TODO.task 4. belongs into the #else"),
    ("solution/kernel/mmap.c", "int plain", "// TODO(task 3): here\nint plain", "mmap.c:2: TODO.task 3. belongs into"),
    ("solution/kernel/mmap.c", "#if LAB_TASK >= 5", "#if LAB_TASK >= 5 // munmap", "mmap.c:8: write '#if LAB_TASK >= N'"),
    ("solution/kernel/mmap.c", "#if LAB_TASK >= 5", "#if LAB_TASK > 4", "mmap.c:8: write '#if LAB_TASK >= N'"),
    ("solution/kernel/mmap.c", "#if LAB_TASK >= 5", "#if LAB_TASK >= 15", "there is no task 15"),
    ("solution/kernel/mmap.c", "#ifdef DEBUG", "#endif\n#ifdef DEBUG", "mmap.c:18: #endif without #if"),
    ("solution/kernel/mmap.c", "int debug_level = 4 + 5;\n#endif", "int debug_level = 4 + 5;", "mmap.c:18: this #if has no #endif"),
    ("solution/kernel/mmap.c", "#else\n  //", "#elif X\n  //", "mmap.c:10: a LAB_TASK region has no #elif"),
    ("solution/Makefile", "clean:", "# if you clean, do it well\nclean:", "this #if has no #endif"),
    ("solution/Makefile", "clean:", "X = $(LAB_TASK)\nclean:", "speaks of stages: X = "),
    ("docs/task5.md", "#", "  return search(a, b, plain(a, b));\n#", "docs/task5.md:1: belongs to stage 5 and up"),
])
def test_a_mistake_is_named_with_file_and_line(kit, path, old, new, says):
    change(kit, path, old, new)
    with pytest.raises(HandoutError, match=says):
        handout.stage_files(0, kit)


def test_a_page_that_is_missing_is_named(kit):
    (kit / "docs/task4.md").unlink()
    with pytest.raises(HandoutError, match="docs/task4.md.*every handout carries this page"):
        handout.stage_files(0, kit)


def test_a_built_file_that_nobody_named_is_told(kit):
    (kit / "solution/kernel/strange").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HandoutError, match="strange is not text: if make builds it, name it in solution/.gitignore"):
        handout.stage_files(0, kit)


def test_without_unifdef_it_says_how_to_get_it(kit, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HandoutError, match="apt install unifdef"):
        handout.stage_files(0, kit)


def test_wrong_work_of_unifdef_is_noticed(kit, monkeypatch, tmp_path):
    fake = tmp_path / "bin/unifdef"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec grep -v LAB_TASK\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(HandoutError, match="unifdef did not keep the lines"):
        handout.stage_files(0, kit)


LINE = st.text(st.sampled_from("ab'\"\\/*#$ \t%"), max_size=12).filter(lambda s: "#" not in s.strip()[:1])


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.lists(LINE, max_size=3).map(list), lambda inner: st.tuples(st.integers(1, 8), inner, inner).map(
    lambda r: [f"#if LAB_TASK >= {r[0]}", *r[1], *(["#else", f"# TODO(task {r[0]}): x", *[l for l in r[2] if "#" not in l]]), "#endif"]), max_leaves=6))
def test_text_of_any_kind_is_cut_by_its_regions_alone(lines):
    source = "\n".join(lines) + "\n"
    for stage in (0, 3, 8):
        kept = [line.text for line in handout.read_lines(source, "x") if line.kept(stage) and line.text.strip()]
        assert [line for line in handout.cut(source, stage, "x").splitlines() if line.strip()] == kept


# Leaks.

def test_a_finished_line_in_a_stub_is_a_leak(kit):
    change(kit, "solution/kernel/mmap.c", "// TODO(task 3): find_mapping.", "  return search(a, b, plain(a, b));\n// TODO(task 3): f.")
    assert handout.stage_files(8, kit) and handout.stage_files(3, kit)
    with pytest.raises(HandoutError, match="kernel/mmap.c:3: belongs to stage 5 and up: return search"):
        handout.stage_files(0, kit)


def test_a_finished_line_anywhere_else_is_a_leak(kit):
    files = {"x.c": handout.File(b"  return search(a, b,  plain(a, b));  // same\n")}
    assert handout.find_leaks(4, files, kit) == ["x.c:1: belongs to stage 5 and up: return search(a, b,  plain(a, b));  // same"]
    assert handout.find_leaks(5, files, kit) == []


def test_a_stub_in_a_later_stage_is_a_leak(kit):
    files = {"x.c": handout.File(b"  return plain(a, b) + 1000;\n# TODO(task 2): x\n")}
    assert [leak.split(":")[2].strip() for leak in handout.find_leaks(7, files, kit)] == ["belongs to earlier stages", "stub of a task that is done"]


def test_a_page_may_show_declarations(kit):
    (kit / "docs/task3.md").write_text("    find_mapping(int a, int b)\n")
    assert handout.stage_files(0, kit)


def test_comments_and_trivial_lines_are_no_leaks(kit):
    change(kit, "solution/kernel/mmap.c", "  return search", "  // a secret told in a comment\n  return 0;\n  return search")
    files = {"x.c": handout.File(b"// a secret told in a comment\n  return 0;\n}\n")}
    assert handout.find_leaks(0, files, kit) == []


# Writing.

def make(kit, out, stage=0):
    """Write a stage into out."""
    handout.write(handout.stage_files(stage, kit), out, "A test", handout.products(kit / "solution"))


def test_a_stage_is_written_whole_and_again(kit, tmp_path):
    out = tmp_path / "out"
    make(kit, out)
    files = handout.stage_files(0, kit)
    assert set(handout.walk(out)) == {*files, handout.MANIFEST}
    assert os.access(out / "user/usys.pl", os.X_OK) and (out / "Makefile").read_bytes() == files["Makefile"].content
    before = (out / "Makefile").stat().st_ino
    make(kit, out)
    assert (out / "Makefile").stat().st_ino == before, "nothing changed, and yet it was written"
    make(kit, out, 8)
    assert "UPROGS += $U/_mmaptest" in (out / "Makefile").read_text()
    assert {p.name for p in tmp_path.iterdir()} == {"kit", "out"}


def test_two_runs_write_the_same(kit, tmp_path):
    make(kit, tmp_path / "a", 5)
    make(kit, tmp_path / "b", 5)
    assert {p: (tmp_path / "a" / p).read_bytes() for p in handout.walk(tmp_path / "a")} == \
           {p: (tmp_path / "b" / p).read_bytes() for p in handout.walk(tmp_path / "b")}


def test_built_files_in_a_handout_do_not_hinder(kit, tmp_path):
    out = tmp_path / "out"
    make(kit, out)
    (out / "user/_sh").write_bytes(b"built")
    make(kit, out, 3)
    assert not (out / "user/_sh").exists()


@pytest.mark.parametrize("path", ["kernel/own.c", "kernel/mmap.c", ".git/HEAD"])
def test_a_students_work_is_never_overwritten(kit, tmp_path, path):
    out = tmp_path / "out"
    make(kit, out)
    (out / path).parent.mkdir(exist_ok=True)
    (out / path).write_text("my work\n")
    with pytest.raises(HandoutError, match=f"{path} was not made by make handout, or was changed since"):
        make(kit, out, 1)
    assert (out / path).read_text() == "my work\n" and "UPROGS += $U/_mmaptest" not in (out / "Makefile").read_text()


def test_a_directory_that_is_no_handout_is_refused(kit, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("x")
    with pytest.raises(HandoutError, match="thesis.tex was not made by make handout"):
        make(kit, tmp_path / "home")
    with pytest.raises(HandoutError, match="is a file: name a directory"):
        make(kit, tmp_path / "home/thesis.tex")


def test_an_empty_directory_will_do(kit, tmp_path):
    (tmp_path / "out").mkdir()
    make(kit, tmp_path / "out")
    assert (tmp_path / "out/Makefile").is_file()


def test_a_failure_in_the_middle_leaves_the_old_handout(kit, tmp_path, monkeypatch):
    out = tmp_path / "out"
    make(kit, out)
    before = {p: (out / p).read_bytes() for p in handout.walk(out)}
    real, calls = Path.write_bytes, []

    def fails(self, content):
        calls.append(self)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return real(self, content)
    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(HandoutError, match="No space left on device"):
        make(kit, out, 8)
    assert {p: (out / p).read_bytes() for p in handout.walk(out)} == before
    assert {p.name for p in tmp_path.iterdir()} == {"kit", "out"}


def test_an_official_file_has_no_region(kit):
    (kit / "solution/user/ulib.c").write_text("#if LAB_TASK >= 1\nint x;\n#endif\n")
    with pytest.raises(HandoutError, match="solution/user/ulib.c is laid over every submission"):
        handout.official_files(kit)


# The command.

def test_a_stage_needs_a_place_to_go(monkeypatch):
    options = Namespace(stage=5, out=None, check=False)
    with pytest.raises(HandoutError, match="make handout STAGE=5 OUT=dir"):
        handout.main(options)


# The real thing.

@pytest.fixture(scope="module")
def stages():
    """All files of all stages."""
    return [handout.stage_files(stage) for stage in STAGES]


def test_the_handout_in_git_is_what_make_handout_makes():
    assert handout.stale() == [], "run make handout"


def test_every_stage_differs_from_the_one_before(stages):
    for stage in STAGES[1:]:
        assert stages[stage] != stages[stage - 1], f"nothing belongs to task {stage}"


def test_the_handout_asks_for_every_task_once_or_more(stages):
    todos = {int(n) for f in stages[0].values() for n in handout.TODO.findall(f.content.decode())}
    stubs = {int(n) for f in handout.read_sources().values() for n in handout.TODO.findall(f.content.decode())}
    assert todos <= stubs and stubs >= set(range(1, handout.CORE + 1))


def test_no_todo_of_the_core_lab_is_left_in_the_last_stage(stages):
    left = [n for f in stages[handout.CORE].values() for n in handout.TODO.findall(f.content.decode()) if int(n) <= handout.CORE]
    assert left == []


def test_a_handout_can_be_taken_elsewhere(tmp_path):
    options = Namespace(stage=2, out=tmp_path / "elsewhere", check=False)
    assert handout.main(options) == 0
    assert (tmp_path / "elsewhere/README.md").is_file() and (tmp_path / "elsewhere/kernel/mmap.c").is_file()
    shutil.rmtree(tmp_path / "elsewhere")
