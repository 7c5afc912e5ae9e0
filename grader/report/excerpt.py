"""What a page shows of a long text: the lines around those that matter, none without end."""

from dataclasses import dataclass

from grader.report import naming

WHOLE = 300             # lines of a text that is shown as a whole
HEAD, AROUND, TAIL = 30, 40, 60
WIDTH = 400             # characters of a line
REACH = 4               # lines below the first of a pair in which the second is looked for


@dataclass(frozen=True)
class Line:
    """A line of an excerpt, or a gap: then number is 0, and text says what is left out."""

    number: int
    text: str
    marked: bool = False


def lines(text):
    """The lines of a text, as a console has them: nothing but a newline ends one."""
    return text.removesuffix("\n").split("\n") if text else []


def excerpt(all_lines, marks):
    """The Lines to show of some lines (a list of str), of which those with an index in marks are marked."""
    count = len(all_lines)
    wanted = set(range(count)) if count <= WHOLE else {
        at for start, end in [(0, HEAD), (count - TAIL, count), *((mark - AROUND, mark + AROUND + 1) for mark in sorted(marks)[:5])]
        for at in range(max(start, 0), min(end, count))}
    shown, last = [], -1
    for at in sorted(wanted):
        if at > last + 1:
            shown.append(Line(0, f"{at - last - 1} lines are left out here"))
        shown.append(Line(at + 1, cut(all_lines[at]), at in marks))
        last = at
    return shown


def cut(line):
    """A line that is fit to be shown: what can't be seen is visible, and what is too long is cut."""
    line = line.removesuffix("\r")
    left = len(line) - WIDTH
    return naming.visible(line[:WIDTH]) + (f" … ({left} more characters)" if left > 0 else "")


def find(all_lines, told):
    """The indices of the lines that a report tells of: told is one line, or two joined by a space. The first that fits counts."""
    told = naming.visible(told)
    for at, line in enumerate(all_lines) if told else ():
        line = naming.visible(line.strip())
        if line == told:
            return {at}
        if line and told.startswith(line + " "):
            for below in range(at + 1, min(at + 1 + REACH, len(all_lines))):
                if naming.visible(all_lines[below].strip()) == told[len(line) + 1:]:
                    return {at, below}
    return set()
