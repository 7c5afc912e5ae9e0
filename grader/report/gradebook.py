"""Fills scores into a gradebook that a course system exported: a CSV of which every other byte stays as it is."""

import difflib
import re
from dataclasses import dataclass

from grader import CouldNotGrade
from grader.report import naming

CELL = r'"(?:[^"]|"")*"?[^{0}\r\n]*|[^{0}\r\n]*'      # {0}: the delimiter
BOM = "\ufeff"
SHOWN = 12          # columns that a message names


@dataclass(frozen=True)
class Filled:
    """A gradebook with scores in it."""

    content: bytes
    filled: int                     # rows that got a score
    told: tuple[str, ...]           # lines for whoever uploads it: what did not match, what was replaced


@dataclass(frozen=True)
class Sheet:
    """The cells of a CSV text, as they are written there."""

    text: str
    rows: tuple[tuple[tuple[int, int], ...], ...]       # for each row, its cells' start and end in text

    def value(self, row, column):
        """What a cell says; "" where its row is shorter."""
        if column is None or column >= len(self.rows[row]):
            return ""
        start, end = self.rows[row][column]
        raw = self.text[start:end].strip()
        return raw[1:-1].replace('""', '"') if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw

    @property
    def header(self):
        """The names of the columns."""
        return [self.value(0, column) for column in range(len(self.rows[0]))]

    def written(self, cells):
        """The text with cells, texts by (row, column), replaced."""
        pieces, done = [], 0
        for (row, column), text in sorted(cells.items()):
            start, end = self.rows[row][column]
            pieces += [self.text[done:start], text]
            done = end
        return "".join(pieces) + self.text[done:]


def read(content, wanted):
    """The Sheet in a file's content (bytes) that has the wanted columns, delimited by comma, semicolon or tab.

    Raises CouldNotGrade, which names the column that is missing and those that are there."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CouldNotGrade("the gradebook is UTF-16: export it again as CSV (UTF-8)")
    text = content.decode("utf-8", "surrogateescape")
    sheets = [Sheet(text, parse(text, delimiter)) for delimiter in ",;\t"]
    sheet = max(sheets, key=lambda one: len(one.rows[0]) if one.rows else 0)
    header = sheet.header if sheet.rows else []
    for name in wanted:
        if header.count(name) != 1:
            raise CouldNotGrade(missing(name, header))
    return sheet


def missing(name, header):
    """The message that a column is not there, or twice."""
    if name in header:
        return f"the gradebook has more than one column {name!r}: rename all but one, and export it again"
    near = difflib.get_close_matches(name, header, 1, 0.4)
    there = ", ".join(map(repr, header[:SHOWN])) + (f" and {len(header) - SHOWN} more" if len(header) > SHOWN else "")
    return (f"the gradebook has no column {name!r}" + (f": do you mean {near[0]!r}?" if near else ".")
            + (f" Its columns are {there}" if header else " It is empty"))


def parse(text, delimiter):
    """Where the cells of a CSV text stand: rows of (start, end). Empty lines are no rows."""
    cell = re.compile(CELL.replace("{0}", delimiter))
    rows, row, at = [], [], len(BOM) if text.startswith(BOM) else 0
    while at <= len(text):
        found = cell.match(text, at)
        row.append(found.span())
        at = found.end()
        if text[at:at + 1] == delimiter:
            at += 1
            continue
        if len(row) > 1 or row[0][0] != row[0][1]:
            rows.append(tuple(row))
        row = []
        at += 2 if text[at:at + 2] == "\r\n" else 1
    return tuple(rows)


def quoted(text):
    """A text as a cell of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",;\t\r\n]', text) else text


def pair(keys, results):
    """Which Results belong to which row: (lists of Results by row, lines about those that belong to none or to several).

    keys are the ids by which each row may be known, sets of str by row. Case does not count."""
    rows_of = {}
    for row, names in keys.items():
        for key in {name.casefold() for name in names if name}:
            rows_of.setdefault(key, set()).add(row)
    claims, told = {}, []
    for result in results:
        rows = {row for key in (result.id, result.email) for row in rows_of.get(key.casefold(), ())}
        if len(rows) == 1:
            claims.setdefault(min(rows), []).append(result)
        else:
            found = f"{len(rows)} rows of the gradebook are" if rows else "no row of the gradebook is"
            told.append(f"submission {result.id}: {found} its own: enter its score by hand")
        told += [f"submission {result.id}: {note}: enter the others' score by hand" for note in result.notes
                 if note.startswith(naming.TOGETHER)]
    return claims, told


def fill(sheet, keys, who, column, results, frozen=(), comments=None, comment=None):
    """The Filled of a Sheet. keys: see pair(). who(row) names a row for a person; column is where scores go; frozen rows are left
    alone; comments is a column where comment(result) goes (None: there is none)."""
    claims, told = pair(keys, results)
    cells, replaced, count = {}, [], 0
    for row, mine in sorted(claims.items()):
        result, wanted = mine[0], [column] if comments is None else [column, comments]
        if why := obstacle(sheet, row, mine, max(wanted), row in frozen):
            told.append(f"{who(row)}: left as it was: {why}")
            continue
        count += 1
        cells[row, column] = score = str(naming.number(result.score))
        before = sheet.value(row, column)
        if before and not same(before, result.score):
            replaced.append(f"{who(row)}: {before} replaced by {score}")
        if comments is not None:
            cells[row, comments] = quoted(comment(result))
            if before := sheet.value(row, comments):
                replaced.append(f"{who(row)}: the comment {before!r} replaced")
    told += replaced + [f"{who(row)}: no submission" for row in sorted(set(keys) - set(claims))]
    content = sheet.written(cells).encode("utf-8", "surrogateescape")
    return Filled(content, count, tuple(naming.visible(line) for line in told))


def obstacle(sheet, row, mine, last, frozen):
    """Why a row must be left as it was, or ""; mine are its Results, last is the last of the columns that are wanted."""
    if len(mine) > 1:
        return f"the submissions {', '.join(result.id for result in mine)} are all its own: enter one's score by hand"
    if mine[0].score is None:
        return f"could not grade: {mine[0].why}"
    if frozen:
        return "the gradebook says that its grade can't be changed"
    if last >= len(sheet.rows[row]):
        return f"its row has too few cells: enter {naming.number(mine[0].score)} by hand"
    return ""


def same(text, score):
    """Whether a cell says a score already."""
    try:
        return abs(float(text.replace(",", ".")) - score) < 0.005
    except ValueError:
        return False


def out_of(sheet, row, column, results):
    """The line that a row gives another maximum than the lab has, in a list that is empty where it does not."""
    given, most = sheet.value(row, column), next((result.max_score for result in results), None)
    if given and most is not None and not same(given, most):
        return [f"the gradebook's column counts {given} points, and the lab {naming.number(most)}: "
                "scores are written as the lab counts them"]
    return []
