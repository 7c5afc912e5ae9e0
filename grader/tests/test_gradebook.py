"""Exported gradebooks: scores go into their cells, every other byte stays, and whoever does not match is told."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import CouldNotGrade, gradebooks
from grader.report import canvas, gradebook, moodle, naming
from grader.tests import made_up

STATES = made_up.states()
COLUMN = "mmap lab (1234)"
BOM = b"\xef\xbb\xbf"
CANVAS = (BOM + b'Student,ID,SIS User ID,SIS Login ID,Section,"mmap lab (1234)",Final Score\r\n'
          b',,,,,Manual Posting,\r\n'
          b'    Points Possible,,,,,100.00,(read only)\r\n'
          b'"O\'Hara, ""Zo\xc3\xab""",501,s501,zoe,"CS 1, CS 2",,  71.5 \r\n'
          b'=cmd|\' /C calc\'!A0,502,s502,mal,CS 1,40,"line\nbreak"\r\n'
          b'"Student, Test",503,,f00,CS 1,,\r\n')


def named(**ids):
    """Results of states under other ids: state=id."""
    return [made_up.replace(STATES[state], id=id) for state, id in ids.items()]


def test_canvas_scores_go_into_their_column_and_all_else_stays():
    filled = canvas.fill(CANVAS, COLUMN, named(fraction="501", full="MAL"))
    assert filled.content == CANVAS.replace(b'CS 2",,', b'CS 2",82.5,').replace(b"CS 1,40,", b"CS 1,100,")
    assert filled.filled == 2
    assert filled.told == ("=cmd|' /C calc'!A0: 40 replaced by 100", "Student, Test: no submission")


def test_canvas_tells_of_submissions_without_a_row_and_of_two_for_one():
    filled = canvas.fill(CANVAS, COLUMN, named(full="s501", half="zoe", late="nobody"))
    assert filled.content == CANVAS and filled.filled == 0
    assert any("submission nobody: no row of the gradebook" in line for line in filled.told)
    assert any("the submissions s501, zoe are all its own" in line for line in filled.told)


def test_who_handed_in_with_another_is_told():
    pair = made_up.replace(STATES["full"], id="s501", notes=(f"{naming.TOGETHER}: Zoë O'Hara, Mal",))
    told = canvas.fill(CANVAS, COLUMN, [pair]).told
    assert told[0] == "submission s501: handed in together: Zoë O'Hara, Mal: enter the others' score by hand"


def test_an_id_that_two_rows_have_is_nobodys():
    twice = CANVAS.replace(b"502,s502", b"502,s501")
    filled = canvas.fill(twice, COLUMN, named(full="s501"))
    assert filled.content == twice
    assert "submission s501: 2 rows of the gradebook are its own: enter its score by hand" in filled.told


def test_who_could_not_be_graded_keeps_what_the_gradebook_says():
    filled = canvas.fill(CANVAS, COLUMN, named(failed="502", refused="501"))
    assert b"CS 1,40," in filled.content and b'CS 2",0,' in filled.content
    assert any("left as it was: could not grade: QEMU is not installed" in line for line in filled.told)


def test_a_gradebook_with_another_maximum_is_told():
    filled = canvas.fill(CANVAS.replace(b"100.00", b"10"), COLUMN, named(full="501"))
    assert filled.told[0] == "the gradebook's column counts 10 points, and the lab 100: scores are written as the lab counts them"


@pytest.mark.parametrize("column, says", [
    ("mmap lab", "no column 'mmap lab': do you mean 'mmap lab (1234)'? Its columns are 'Student', 'ID'"),
    ("Section", "'Section' is no assignment"), ("qqq", "no column 'qqq'. Its columns")])
def test_a_column_that_is_not_there_is_told_with_those_that_are(column, says):
    with pytest.raises(CouldNotGrade) as refused:
        canvas.fill(CANVAS, column, [])
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content, says", [
    (b"", "It is empty"), (BOM, "It is empty"), ("Student,ID\n".encode("utf-16"), "UTF-16"),
    (CANVAS.replace(b"Final Score", b'"mmap lab (1234)"'), "more than one column"), (CANVAS.replace(b",ID,", b",Id,"), "no column 'ID'")])
def test_what_is_no_gradebook_is_told(content, says):
    with pytest.raises(CouldNotGrade, match=says):
        canvas.fill(content, COLUMN, [])


@pytest.mark.parametrize("delimiter", [b";", b"\t"])
def test_other_delimiters_are_seen(delimiter):
    book = b"Student,ID,Lab\nA,1,\nB,2,\n".replace(b",", delimiter)
    assert canvas.fill(book, "Lab", named(fraction="2")).content == book[:-1] + b"82.5\n"


def test_bytes_that_are_no_utf_8_stay():
    book = b"Student,ID,Lab\nJos\xe9,1,\n"
    assert canvas.fill(book, "Lab", named(full="1")).content == b"Student,ID,Lab\nJos\xe9,1,100\n"


def test_a_row_that_is_too_short_is_told():
    filled = canvas.fill(b"Student,ID,Lab\nAnn,1\n", "Lab", named(full="1"))
    assert filled.content == b"Student,ID,Lab\nAnn,1\n" and "Ann: left as it was: its row has too few cells" in filled.told[0]


plain = st.text(st.characters(blacklist_characters='",\r\n', blacklist_categories=["Cs"]), max_size=6)
cells = st.one_of(plain.filter(lambda text: not text.startswith("\ufeff")),
                  st.text(st.characters(blacklist_categories=["Cs"]), max_size=6).map(lambda text: '"' + text.replace('"', '""') + '"'))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells, st.sampled_from(["\n", "\r\n", "\r"])), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_every_other_byte_stays_whatever_it_is(rows, bom, last):
    def book(scores):
        text = "Student,ID,Lab,After\r\n" + "".join(
            f"{left},{900 + n},{score},{right}{end}" for n, ((left, right, end), score) in enumerate(zip(rows, scores)))
        return ("\ufeff" * bom + (text if last else text.rstrip("\r\n") if not rows[-1][1].endswith(("\r", "\n")) else text)).encode()

    before = book(['"old, score"'] * len(rows))
    wanted = [made_up.replace(STATES["fraction"], id=str(900 + n)) for n in range(len(rows))]
    assert canvas.fill(before, "Lab", wanted).content == book(["82.5"] * len(rows))
    assert canvas.fill(before, "Lab", []).content == before


# Moodle.

MOODLE = (b'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum grade","Grade can be changed","Feedback comments"\n'
          b'"Participant 71","Ann Lee",e1,ann@uni.edu,"Submitted for grading",,100.00,Yes,\n'
          b'"Participant 72",Bob,e2,bob@uni.edu,"Submitted for grading",50.00,100.00,Yes,"well, "\n'
          b'"Participant 73",Cy,e3,cy@uni.edu,"No submission",,100.00,No,\n')


def rows_of(content):
    """The rows of a CSV, as dicts."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize("ann", ["71", "e1", "Ann@uni.edu", "Participant 71"])
def test_moodle_writes_score_and_comment_for_who_is_known_by_any_id(ann):
    filled = moodle.fill(MOODLE, named(full=ann, fraction="e2"))
    rows = rows_of(filled.content)
    assert [row["Grade"] for row in rows] == ["100", "82.5", ""]
    assert rows[0]["Feedback comments"] == "100 of 100 points."
    assert rows[1]["Feedback comments"].startswith("82.5 of 100 points.<br>Task 5 munmap, 12.5 of 20: failed (mmaptest reports")
    others = [[value for key, value in row.items() if key not in ("Grade", "Feedback comments")] for row in rows]
    assert others == [[value for key, value in row.items() if key not in ("Grade", "Feedback comments")] for row in rows_of(MOODLE)]
    assert filled.told == ("Bob: 50.00 replaced by 82.5", "Bob: the comment 'well, ' replaced", "Cy: no submission")


def test_moodle_knows_a_student_by_the_address_that_another_export_told():
    other = made_up.replace(STATES["full"], id="777", email="BOB@uni.edu")
    assert [row["Grade"] for row in rows_of(moodle.fill(MOODLE, [other]).content)] == ["", "100", ""]
    both = moodle.fill(MOODLE, [made_up.replace(other, id="71")])
    assert both.content == MOODLE and "submission 71: 2 rows of the gradebook are its own" in both.told[0]


def test_moodle_leaves_rows_that_are_closed():
    filled = moodle.fill(MOODLE, named(full="e3"))
    assert filled.content == MOODLE and filled.filled == 0
    assert any("Cy: left as it was: the gradebook says that its grade can't be changed" in line for line in filled.told)


def test_moodle_comments_are_harmless_and_tell_nothing_of_hidden_tests():
    evil = made_up.replace(STATES["evil"], id="e1", outcome="not graded", why=made_up.EVIL)
    comments = [row["Feedback comments"] for row in rows_of(moodle.fill(MOODLE, [evil, *named(capped="e2")]).content)]
    assert "<script" not in comments[0] and "\u202e" not in comments[0] and "&lt;script&gt;" in comments[0]
    assert "1 of 2 hidden tests failed" in comments[1] and "secret" not in comments[1] and "split" not in comments[1]


@pytest.mark.parametrize("gone, says", [(b'"Feedback comments"', "no column 'Feedback comments'"), (b"Grade,", "no column 'Grade'")])
def test_moodle_names_a_column_that_is_missing(gone, says):
    with pytest.raises(CouldNotGrade, match=says):
        moodle.fill(MOODLE.replace(gone, b"X" + b"," * gone.endswith(b",")), [])


def test_moodle_wants_a_column_to_know_students_by():
    with pytest.raises(CouldNotGrade, match="none of the columns"):
        moodle.fill(b"Full name,Grade,Feedback comments\nAnn,,\n", [])


def test_a_gradebook_of_thousands_is_quick():
    rows = [f'"Name, {n}",{n},,u{n},S,,' for n in range(5000)]
    book = ("Student,ID,SIS User ID,SIS Login ID,Section,Lab,End\n" + "\n".join(rows) + "\n").encode()
    filled = canvas.fill(book, "Lab", [made_up.replace(STATES["full"], id=f"u{n}") for n in range(5000)])
    assert filled.filled == 5000 and filled.content.count(b",S,100,") == 5000 and filled.told == ()


def test_values_are_read_as_csv_says():
    sheet = gradebook.read(b'a,"b ""c""" , d\n"x\ny",,z\n', ("a",))
    assert [[sheet.value(row, column) for column in range(3)] for row in range(2)] == [["a", 'b "c"', "d"], ["x\ny", "", "z"]]


# Files.

def test_a_copy_is_filled_and_the_export_stays(tmp_path, capsys):
    export, out = tmp_path / "export.csv", tmp_path / "results"
    out.mkdir()
    export.write_bytes(CANVAS)
    gradebooks.check(export, COLUMN)
    gradebooks.fill(export, COLUMN, named(full="501", half="999"), out)
    assert export.read_bytes() == CANVAS and b'CS 2",100,' in (out / "filled-export.csv").read_bytes()
    said = capsys.readouterr()
    assert said.out == f"1 of 2 scores stand in {out}/filled-export.csv\n"
    assert "export.csv: submission 999: no row of the gradebook is its own: enter its score by hand\n" in said.err


def test_a_worksheet_is_moodles_where_no_column_is_named(tmp_path):
    (tmp_path / "sheet.csv").write_bytes(MOODLE)
    (tmp_path / "results").mkdir()
    gradebooks.fill(tmp_path / "sheet.csv", None, named(full="71"), tmp_path / "results")
    assert rows_of((tmp_path / "results/filled-sheet.csv").read_bytes())[0]["Grade"] == "100"


def test_what_can_not_be_filled_is_told_before_any_work(tmp_path):
    (tmp_path / "export.csv").write_bytes(CANVAS)
    for path, column, says in ((None, COLUMN, "give the exported gradebook too"), (tmp_path / "none.csv", None, "can't read .*none.csv"),
                               (tmp_path / "export.csv", "Lab", "no column 'Lab'"), (tmp_path / "export.csv", None, "--column 'mmap lab")):
        with pytest.raises(CouldNotGrade, match=says):
            gradebooks.check(path, column)
