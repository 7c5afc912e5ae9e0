"""Handouts: what each stage keeps, what is refused, what leaks, and that handout/ is up to date."""

import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grader import handout, lab, regions, tracks
from grader.regions import Choice, HandoutError

KIT = handout.KIT
STAGES = range(handout.CORE + 1)
WHOLE = handout.whole()
PAGES = (*handout.DOCS, *(task.doc for task in WHOLE.tasks if task.number <= handout.CORE))

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
    files |= {page: f"# {page}\n" for page in (*handout.DOCS, *(task.doc for task in WHOLE.tasks))}
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
        files = handout.stage_files(stage, kit=kit)
        mmap = text(files, "kernel/mmap.c")
        assert ("find_mapping(int a, int b)" in mmap) == (stage >= 3)
        assert ("search(a, b, plain(a, b))" in mmap) == (stage >= 5)
        assert ("plain(a, b) + 1000" in mmap) == (3 <= stage < 5)
        assert ("TODO(task 3)" in mmap) == (stage < 3) and ("TODO(task 5)" in mmap) == (3 <= stage < 5)
        assert ("UPROGS += $U/_mmaptest" in text(files, "Makefile")) == (stage >= 1)
        assert ('entry("mmap");' in text(files, "user/usys.pl")) == (stage >= 1)


def test_what_has_no_region_is_kept_to_the_letter(kit):
    files = handout.stage_files(0, kit=kit)
    assert "#ifdef DEBUG\nint debug_level = 3 + 4;\n#else\nint debug_level = 4 + 5;\n#endif\n" in text(files, "kernel/mmap.c")
    assert "  $U/_sh \\\n  $U/_echo\n" in text(files, "Makefile") and "\trm -f user/*.o kernel/*.o\n" in text(files, "Makefile")
    assert USYS_PL.split("#if")[0] == text(files, "user/usys.pl")


def test_no_stage_speaks_of_stages_or_has_built_files(kit):
    for stage in STAGES:
        files = handout.stage_files(stage, kit=kit)
        assert not any(b"LAB_TASK" in f.content or b"SOLUTION" in f.content for f in files.values())
        assert set(files) == {"kernel/mmap.c", "Makefile", "user/usys.pl", "user/ulib.c", ".gitignore", "README.md", "TRACK", *PAGES}
        assert files["user/usys.pl"].executable and not files["Makefile"].executable


@pytest.mark.parametrize("stage, track, says", [
    (-1, "core", r"no stage -1 of core: a stage is 0 \(nothing done\) to 8"), (9, "core", "to 8"), (14, "core", "to 8"),
    (5, "linux", r"no stage 5 of linux: .* to 4 \(all"), (15, "all", "to 14")])
def test_a_stage_that_is_none_is_refused(kit, stage, track, says):
    with pytest.raises(HandoutError, match=says):
        handout.stage_files(stage, track, kit)


def test_a_track_that_is_none_is_refused_with_those_that_are(kit):
    with pytest.raises(lab.LabError, match="there is no track 'cs5': tracks are core, linux, cs537, cs330, x86, all"):
        handout.stage_files(0, "cs5", kit)


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
    ("docs/task5.md", "#", "  return search(a, b, plain(a, b));\n#", "docs/task5.md:1: belongs to task 5: return search"),
])
def test_a_mistake_is_named_with_file_and_line(kit, path, old, new, says):
    change(kit, path, old, new)
    with pytest.raises(HandoutError, match=says):
        handout.stage_files(0, kit=kit)


def test_a_page_that_is_missing_is_named(kit):
    (kit / "docs/task4.md").unlink()
    with pytest.raises(HandoutError, match="docs/task4.md.*every handout carries this page"):
        handout.stage_files(0, kit=kit)


def test_a_built_file_that_nobody_named_is_told(kit):
    (kit / "solution/kernel/strange").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HandoutError, match="strange is not text: if make builds it, name it in solution/.gitignore"):
        handout.stage_files(0, kit=kit)


def test_without_unifdef_it_says_how_to_get_it(kit, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HandoutError, match="apt install unifdef"):
        handout.stage_files(0, kit=kit)


def test_wrong_work_of_unifdef_is_noticed(kit, monkeypatch, tmp_path):
    fake = tmp_path / "bin/unifdef"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec grep -v LAB_TASK\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(HandoutError, match="unifdef did not keep the lines"):
        handout.stage_files(0, kit=kit)


LINE = st.text(st.sampled_from("ab'\"\\/*#$ \t%"), max_size=12).filter(lambda s: "#" not in s.strip()[:1])
SETS = st.frozensets(st.integers(1, 14))


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.lists(LINE, max_size=3).map(list), lambda inner: st.tuples(st.integers(1, 14), inner, inner).map(
    lambda r: [f"#if LAB_TASK >= {r[0]}", *r[1], *(["#else", f"# TODO(task {r[0]}): x", *[l for l in r[2] if "#" not in l]]), "#endif"]), max_leaves=6),
    st.tuples(SETS, SETS).map(lambda sets: Choice(sets[0], sets[1] - sets[0])))
def test_text_of_any_kind_is_cut_by_its_regions_alone(lines, choice):
    source = "\n".join(lines) + "\n"
    text = regions.cut(source, choice, "x", frozenset(range(1, 15)))
    kept = [line.text for line in regions.read_lines(source, "x", frozenset(range(1, 15))) if line.kept(choice) and line.text.strip()]
    assert [line for line in text.splitlines() if line.strip()] == kept
    assert not any(int(task) in choice.done | choice.left_out for task in regions.TODO.findall(text))


# Three tasks, one in another, as done, a stub, or left out.
NESTED = """\
int a(int x, int y);
#if LAB_TASK >= 10
int b(int x, int y);
#if LAB_TASK >= 12
int c(int x, int y);
#else
// TODO(task 12): c. It is a
// longer story.
int d(int x, int y);
#endif
#else
// TODO(task 10): b.
int e(int x, int y);
#endif
#ifdef FAILALLOC
int f(int x, int y);
#endif
"""


@pytest.mark.parametrize("done, left_out, names, todos", [
    ({10, 12}, (), "abc", ""), ({10}, (), "abd", "12"), ({10}, {12}, "abd", ""), ({12}, (), "ae", "10"), (set(), (), "ae", "10"),
    ({12}, {10}, "ae", ""), (set(), {10, 12}, "ae", ""), ({1, 9, 14}, {12}, "ae", "10"),
])
def test_each_task_is_done_or_a_stub_or_left_out(done, left_out, names, todos):
    text = regions.cut(NESTED, Choice(frozenset(done), frozenset(left_out)), "x.c", frozenset(range(1, 15)))
    assert [line[4] for line in text.splitlines() if line.startswith("int ")] == list(names)
    assert "".join(regions.TODO.findall(text)) == todos
    assert ("longer story" in text) == (todos == "12"), "half a comment of a task that is left out"
    assert "\n\n" not in text and "FAILALLOC" not in text


# Leaks.

def done(stage):
    """The Choice of a stage of the core lab."""
    return handout.chosen(stage, WHOLE.track_named("core"))


def test_a_finished_line_in_a_stub_is_a_leak(kit):
    change(kit, "solution/kernel/mmap.c", "// TODO(task 3): find_mapping.", "  return search(a, b, plain(a, b));\n// TODO(task 3): f.")
    assert handout.stage_files(8, kit=kit) and handout.stage_files(3, kit=kit)
    with pytest.raises(HandoutError, match="kernel/mmap.c:3: belongs to task 5: return search"):
        handout.stage_files(0, kit=kit)


def test_a_finished_line_anywhere_else_is_a_leak(kit):
    files = {"x.c": handout.File(b"  return search(a, b,  plain(a, b));  // same\n")}
    assert handout.find_leaks(done(4), files, kit) == ["x.c:1: belongs to task 5: return search(a, b,  plain(a, b));  // same"]
    assert handout.find_leaks(done(5), files, kit) == []


def test_a_line_for_the_kit_alone_is_a_leak_everywhere(kit):
    change(kit, "solution/kernel/mmap.c", "#ifdef DEBUG", "#ifdef FAILALLOC\n  fail(now, and, here);\n#endif\n#ifdef DEBUG")
    assert handout.stage_files(8, kit=kit)
    files = {"docs/x.md": handout.File(b"    fail(now, and, here);\n")}
    assert handout.find_leaks(done(8), files, kit) == ["docs/x.md:1: is for the kit alone: fail(now, and, here);"]


def test_a_stub_in_a_later_stage_is_a_leak(kit):
    files = {"x.c": handout.File(b"  return plain(a, b) + 1000;\n# TODO(task 2): x\n")}
    assert [leak.split(":")[2].strip() for leak in handout.find_leaks(done(7), files, kit)] == [
        "belongs to a stub of a task that is done", "stub of a task that is done"]


def test_a_todo_of_a_task_that_is_left_out_is_a_leak(kit):
    files = {"x.c": handout.File(b"// TODO(task 9): x\n// TODO(task 8): y\n")}
    assert handout.find_leaks(done(7), files, kit) == ["x.c:1: asks for a task that is left out: // TODO(task 9): x"]


def test_a_page_may_show_declarations(kit):
    (kit / "docs/task3.md").write_text("    find_mapping(int a, int b)\n")
    assert handout.stage_files(0, kit=kit)


def test_comments_and_trivial_lines_are_no_leaks(kit):
    change(kit, "solution/kernel/mmap.c", "  return search", "  // a secret told in a comment\n  return 0;\n  return search")
    files = {"x.c": handout.File(b"// a secret told in a comment\n  return 0;\n}\n")}
    assert handout.find_leaks(done(0), files, kit) == []


# Writing.

def make(kit, out, stage=0):
    """Write a stage into out."""
    handout.write(handout.stage_files(stage, kit=kit), out, "A test", handout.products(kit / "solution"))


def test_a_stage_is_written_whole_and_again(kit, tmp_path):
    out = tmp_path / "out"
    make(kit, out)
    files = handout.stage_files(0, kit=kit)
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

@pytest.mark.parametrize("stage, track", [(5, None), (None, "linux"), (0, "core")])
def test_a_stage_needs_a_place_to_go(stage, track):
    with pytest.raises(HandoutError, match="make handout TRACK=core STAGE=5 OUT=dir"):
        handout.main(Namespace(stage=stage, track=track, out=None, check=False))


# The real thing.

@pytest.fixture(scope="module")
def trees():
    """All files of all stages of all tracks: a dict by track and stage."""
    return {(track.name, stage): handout.stage_files(stage, track.name) for track in WHOLE.tracks for stage in range(len(track.tasks) + 1)}


def todos(files):
    """The tasks that files ask for."""
    return {int(number) for file in files.values() for number in handout.TODO.findall(file.content.decode())}


def test_the_handout_in_git_is_what_make_handout_makes():
    assert handout.stale() == [], "run make handout"


def test_every_stage_differs_from_the_one_before(trees):
    for track, stage in trees:
        assert stage == 0 or trees[track, stage] != trees[track, stage - 1], f"nothing belongs to stage {stage} of {track}"


def test_each_stage_asks_for_just_what_is_not_done(trees):
    stubs = todos(handout.read_sources())
    assert stubs == {task.number for task in WHOLE.tasks}, "a task without a stub"
    for (name, stage), files in trees.items():
        track = WHOLE.track_named(name)
        assert todos(files) <= set(track.tasks[stage:]), f"stage {stage} of {name} asks for a task that is done or left out"
        assert stage < len(track.tasks) or not todos(files)
    for track in WHOLE.tracks:
        asked = todos(trees[track.name, 0])
        missing = set(track.tasks) - asked
        assert all(any(number in todos(trees[track.name, stage]) for stage in range(len(track.tasks))) for number in missing)


# Words that only what belongs to a task uses. (bench.c measures what the kernel has, and asks for that.)
WORDS = {9: b"FD_ANON|anonfile|anontest", 10: b"mergevma|freerange|placetest", 11: b"mprotect",
         12: b"wmap|numvp|numpp|getptsize|va2pa|vmap|lazytest", 13: b"cfork|PTE_COW|kcow|cowtest", 14: b"msync|filepage|coherenttest|mmapstress"}


def test_tasks_that_are_left_out_leave_no_trace(trees):
    for (name, stage), files in trees.items():
        track = WHOLE.track_named(name)
        for number, words in WORDS.items():
            seen = [path for path, file in files.items() if not path.startswith(("docs/", "user/bench.c"))
                    and re.search(words, file.content.replace(b"kvmmap", b"") + path.encode())]
            assert bool(seen) == (number in track.tasks + track.given), f"stage {stage} of {name}, task {number}: {seen}"


def test_nothing_withheld_is_in_any_tree(trees):
    for files in trees.values():
        assert not any(tracks.fits(path, WHOLE.withheld) for path in files)
        assert not any(re.search(rb"FAILALLOC|LAB_TASK|SOLUTION|mmapfuzz|mmapoom", file.content) for path, file in files.items()
                       if not path.startswith("docs/"))


def test_a_tree_says_its_track_and_has_the_pages_of_its_tasks(trees):
    for (name, stage), files in trees.items():
        track = WHOLE.track_named(name)
        assert text(files, tracks.FILE) == f"{name}\n"
        assert {path for path in files if re.fullmatch(r"docs/task\d+\.md", path)} == {f"docs/task{n}.md" for n in track.tasks + track.given}
        rows = re.findall(r"^\| \[(\d+) .*?\]\((.*)\) \| ([\d.]+) \|$", text(files, "README.md"), re.M)
        assert [int(number) for number, _, _ in rows] == list(track.tasks) and all(page in files for _, page, _ in rows)
        assert sum(float(points) for *_, points in rows) == track.points
        assert "{" not in text(files, "README.md").split("## Debug")[0]


def test_a_handout_can_be_taken_elsewhere(tmp_path):
    options = Namespace(stage=2, track="cs330", out=tmp_path / "elsewhere", check=False)
    assert handout.main(options) == 0
    assert (tmp_path / "elsewhere/README.md").is_file() and tracks.of_tree(tmp_path / "elsewhere") == "cs330"
    assert "// TODO(task 13)" in (tmp_path / "elsewhere/kernel/mmap.c").read_text()


def test_the_kernel_of_every_stage_of_the_other_tracks_compiles_without_a_warning(trees, tmp_path):
    """With -O: test_stages.py builds first and last stages with -O2, and `make stages` all of them."""
    for (name, stage), files in trees.items():
        if name == "core" or name == "all" and stage not in (12, 13):
            continue        # these have neighbours among the others, or are in test_stages.py
        handout.write(files, tmp_path / "tree", "A test", handout.products(KIT / "solution"))
        made = subprocess.run(["make", "-j2", "OPT=-O", "kernel/kernel"], cwd=tmp_path / "tree", capture_output=True, text=True)
        assert made.returncode == 0 and "warning:" not in made.stderr, f"stage {stage} of {name}: {made.stderr[-2000:]}"


def test_without_jinja_it_says_how_to_get_it(kit, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(HandoutError, match="apt install python3-jinja2"):
        handout.stage_files(0, kit=kit)
