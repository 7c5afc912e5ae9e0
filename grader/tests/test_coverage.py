"""Tests of coverage.py: QEMU's log and the table of lines are read right, regions are found, arguments can't rot; one real run."""

from types import SimpleNamespace

import pytest

from grader import CouldNotGrade, build, coverage, lab, tree
from grader.coverage import Argument, Line, Span

LOG = """----------------
IN: ilock
Priv: 1; Virt: 0
0x0000000080000010:  1101              addi                    sp,sp,-32
0x0000000080000012:  00000297          auipc                   t0,0                    # 0x80000030

----------------
IN:
Priv: 0; Virt: 0
0x0000000000000020:  ffb5              bnez                    a5,-132                 # 0x80000040
"""

SOURCE = """#include "types.h"
int
outside(void)
{
  return 1;
}
#if LAB_TASK >= 3
int
first(int n)
{
#ifdef DEBUG
  n++;
#endif
  return n;
#if LAB_TASK >= 5
  n--;
#else
  n = 0;
#endif
}
#endif
int
after(void)
{
  return 2;
}
"""


def state(address, line=0, file=1, end=False):
    return SimpleNamespace(address=address, file=file, line=line, end_sequence=end)


def line(number=7, tests=(), whole=True, function="first", text="return n;"):
    return Line(number, text, function, tests, whole)


def argument(function="first", text="return n;"):
    return Argument("mmap.c", function, text, "nothing calls it")


def test_the_log_gives_the_code_of_both_lengths_of_instructions():
    assert coverage.parse_log(LOG.splitlines()) == {0x80000010, 0x80000012, 0x80000014, 0x20}


def test_addresses_that_are_only_mentioned_do_not_count():
    assert coverage.parse_log(["IN: 0x10", "  0x12:  1101  addi", "0x14: no code", ""]) == set()


def test_a_state_holds_up_to_the_next_and_not_over_a_sequence_end():
    states = [state(0, 5), state(4, 6), state(4, 7), state(8, end=True), state(0x20, 9, 2), state(0x22, end=True)]
    assert coverage.pair(states, {1: "kernel/a.c", 2: "kernel/b.h"}.get) == [
        Span(0, 4, "kernel/a.c", 5), Span(4, 8, "kernel/a.c", 7), Span(0x20, 0x22, "kernel/b.h", 9)]


def test_no_states_give_no_spans():
    assert coverage.pair([], str) == [] == coverage.pair([state(0, end=True)], str)


def test_regions_reach_from_condition_to_end_with_what_is_nested():
    text = SOURCE.splitlines()
    found = coverage.regions(text)
    assert [text[number - 1].strip() for number in found if text[number - 1].startswith("  ")] == [
        "n++;", "return n;", "n--;", "n = 0;"]
    assert text.index("  return 1;") + 1 not in found and text.index("  return 2;") + 1 not in found


def test_functions_are_told_by_where_they_begin():
    names = coverage.function_names(SOURCE.splitlines())
    assert names[0] == "" and names[4] == "outside" and names[13] == "first" and names[-2] == "after"


@pytest.fixture
def sources(tmp_path):
    """A directory with SOURCE as mmap.c and as vm.c."""
    for name in ("mmap.c", "vm.c"):
        (tmp_path / name).write_text(SOURCE)
    return tmp_path


@pytest.mark.parametrize("file", coverage.LAB_FILES)
def test_these_files_count_whole(sources, file):
    (sources / file).write_text(SOURCE)
    lines = coverage.lab_lines([Span(0, 4, f"kernel/{file}", 5)], {"one": {0, 2}}, sources)
    assert [(one.number, one.function) for one in lines[file]] == [(5, "outside")]


def test_mmap_counts_whole_and_other_files_by_their_regions(sources):
    spans = [Span(0, 4, "kernel/vm.c", 5), Span(4, 8, "kernel/vm.c", 14),
             Span(100, 104, "kernel/mmap.c", 5), Span(104, 108, "kernel/mmap.c", 14)]
    lines = coverage.lab_lines(spans, {"one": {0, 2}, "two": {100, 102}}, sources)
    assert {file: [(one.number, one.tests) for one in found] for file, found in lines.items()} == {
        "mmap.c": [(5, ("two",)), (14, ())], "vm.c": [(14, ())]}
    assert list(lines) == ["mmap.c", "vm.c"]


def test_a_line_is_whole_once_the_tests_together_executed_all_of_it(sources):
    spans = [Span(0, 4, "kernel/mmap.c", 14), Span(10, 12, "kernel/mmap.c", 14)]
    half, = coverage.lab_lines(spans, {"one": {0, 2}}, sources)["mmap.c"]
    both, = coverage.lab_lines(spans, {"one": {0, 2}, "two": {10}}, sources)["mmap.c"]
    assert (half.tests, half.whole) == (("one",), False)
    assert (both.tests, both.whole, both.text, both.function) == (("one", "two"), True, "return n;", "first")


def test_code_of_headers_and_of_other_directories_is_nobodys(sources):
    spans = [Span(0, 4, "kernel/riscv.h", 14), Span(4, 8, "user/mmap.c", 14)]
    assert coverage.lab_lines(spans, {"one": {0, 4}}, sources) == {}


def test_the_page_marks_what_is_reached_in_part_or_not_at_all():
    found = [line(1, ("one", "two")), line(2, ("one",), whole=False), line(3)]
    assert coverage.page("a\nb\nc\n\n", found) == "   2     1 a\n   1?    2 b\n#####    3 c\n         4\n"


def test_an_argument_is_stale_once_its_line_is_reached_changed_or_gone():
    assert coverage.stale({"mmap.c": [line()]}, (argument(),)) == []
    assert coverage.stale({"mmap.c": [line(tests=("one",))]}, (argument(),)) == [argument()]
    assert coverage.stale({"mmap.c": [line(), line(function="other")]}, (argument("third"),)) == [argument("third")]
    assert coverage.stale({}, (argument(),)) == [argument()]


def test_one_argument_serves_all_such_lines_that_are_not_reached():
    lines = {"mmap.c": [line(7, ("one",)), line(9), line(11)]}
    assert coverage.stale(lines, (argument(),)) == []


def test_the_report_tells_to_do_argued_and_stale_apart(capsys):
    coverage.report({"mmap.c": [line(7), line(8, function="other"), line(9, ("one",), whole=False, function="third")]},
                    (argument(), argument("gone")))
    said = capsys.readouterr().out
    assert "mmap.c:7: first: return n;\n    nothing calls it\n" in said
    assert "mmap.c:8: other: return n;\n    to do" in said
    assert "mmap.c:9: third: return n;\n    reached in part" in said
    assert "stale: gone: 'return n;'" in said and "stale: first" not in said
    assert "33.3 %" in said


@pytest.mark.parametrize("text", ["[[unreached]", '[[unreached]]\nfile = "mmap.c"\n', '[[unreached]]\nfunctoin = "first"\n',
                                  '[[unreached]]\nfile = "a.c"\nfunction = "f"\ntext = "x"\nwhy = " "\n'])
def test_a_file_of_arguments_that_is_wrong_is_named(text):
    with pytest.raises(CouldNotGrade, match="unreached.toml"):
        coverage.read_arguments(text)


def test_what_is_argued_is_in_the_solution():
    for entry in coverage.read_arguments(coverage.ARGUED.read_text()):
        text = (coverage.SOLUTION / "kernel" / entry.file).read_text().splitlines()
        assert (entry.function, entry.text) in zip(coverage.function_names(text), map(str.strip, text)), entry


def test_sections_that_are_run_only_alone_are_run_too():
    rubric = lab.load(strict=True)
    assert {"mmaptest", "mmaptest exit", "mmapsharedtest"} <= set(coverage.commands(rubric))
    assert len(coverage.commands(rubric.hidden)) == 9


def test_a_run_shows_what_a_program_does_and_does_not_do(solution_tree, tmp_path):
    built = build.Build(True, solution_tree, solution_tree / "kernel/kernel", solution_tree / "fs.img", frozenset(), "", "", 0.0)
    seen = {program: coverage.addresses(built, program, 10.0, tmp_path / "run.txt") for program in ("echo", "mmaptest basic")}
    lines = coverage.lab_lines(coverage.spans(built.kernel), seen, coverage.SOLUTION / "kernel")
    def tests(function):
        return {test for one in lines["mmap.c"] if one.function == function for test in one.tests}
    assert tests("mmapinit") == set(seen)
    assert tests("mmapfault") == {"mmaptest basic"}
    assert tests("copyprivate") == set()


def test_a_program_that_fails_has_no_coverage_but_a_transcript(solution_tree, tmp_path):
    built = build.Build(True, solution_tree, solution_tree / "kernel/kernel", solution_tree / "fs.img", frozenset(), "", "", 0.0)
    with pytest.raises(CouldNotGrade, match="nosuch: failed"):
        coverage.addresses(built, "nosuch", 10.0, tmp_path / "run.txt")
    assert "exec nosuch failed" in (tmp_path / "run.txt").read_text()
