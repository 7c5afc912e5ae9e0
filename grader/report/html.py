"""Writes results as pages for a browser: index.html for the class, and one beside each submission's files. They load nothing."""

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from grader import CouldNotGrade, __version__
from grader.report import alike, excerpt, measures, naming
from grader.score import Outcome

TEMPLATES = Path(__file__).resolve().parent / "templates"
LARGEST = 4 << 20           # bytes of a file that are looked at
MEMBERS = 60                # of a group, that a page names
FILES = ("report.txt", "report.json", "junit.xml", "gradescope.json", "autolab.json", "github.json", "build.log", "diff.patch")
STATES = {                  # what became of a task, for one submission: the sign in the table, and the words
    "passed": ("✓", "passed"), "partial": ("◐", "failed in part"), "failed": ("✗", "failed"), "blocked": ("⊘", "blocked"),
    "hidden": ("◇", "passed, hidden tests failed"), "none": ("–", "not graded")}
OUTCOMES = ("graded", "not graded", "could not grade")


@dataclass(frozen=True)
class Shown:
    """A text that a page shows a part of."""

    name: str               # for a person
    file: str               # its path in the result's folder; "" where it is gone
    anchor: str             # what the ids of its lines begin with
    ending: str             # of a run; "" for other texts
    lines: tuple            # excerpt.Lines
    total: int              # lines that it has

    @property
    def marked(self):
        """The numbers of the lines that are marked."""
        return [line.number for line in self.lines if line.marked]


def write(results, out, title=""):
    """Write out/index.html (out is a Path), and index.html in the folder of each Result. Raises OSError."""
    results = list(results)
    groups = alike.groups(results)
    title = title or next((result.grade.title for result in results if result.grade), "Results")
    for place, result in enumerate(results):
        around = (results[place - 1] if place else None, results[place + 1] if place + 1 < len(results) else None)
        result.folder.mkdir(parents=True, exist_ok=True)
        put(result.folder / "index.html", page(result, read_texts(result.folder), groups, around, title))
    put(out / "index.html", index(results, groups, title))


def put(path, text):
    """Make a file hold a text, as a whole or not at all."""
    new = path.parent / f".{path.name}.new"
    new.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(new, path)


def read_texts(folder):
    """The files of a result's folder that pages show or link to: their first LARGEST bytes as text, by their path there."""
    paths = [folder / name for name in FILES] + sorted((folder / "transcripts").glob("*.txt"))
    found = {}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as file:
                found[str(path.relative_to(folder))] = file.read(LARGEST).decode("utf-8", "replace")
    return found


# The pages, as texts.

def index(results, groups, title):
    """The text of the page for a class. groups are those of alike.groups(results)."""
    mine = {}
    for group in groups:
        for result in group.members:
            mine.setdefault(result.id, []).append(group)
    most = next((result.max_score for result in results), 0)
    shared, single = ([group for group in groups if (len(group.members) > 1) is many] for many in (True, False))
    return render("index.html", results=results, shared=shared, single=single, mine=mine, title=title, most=most,
                  spread=measures.spread(results, most), items=measures.items(results), endings=measures.endings(results),
                  counts={outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES},
                  changed=sum(bool(result.adjustments) for result in results), when=when(results))


def page(result, texts, groups, around, title):
    """The text of the page for a Result. texts: see read_texts(); groups are those of the whole class; around are the Results
    before and behind it, or None."""
    told = [told for task in (result.grade.tasks if result.grade else ()) for told in (task, *task.parts, *task.hidden)]
    shown = transcripts(result, texts, [one for one in told if one.line])
    signs = {found.signature for found in alike.failures(result)}
    return render("page.html", result=result, title=title, before=around[0], behind=around[1], transcripts=shown,
                  build=build_log(texts), diff=list(diff_files(texts.get("diff.patch", ""))),
                  files=[name for name in FILES if name in texts], evidence=lambda one: evidence(one, result, shown),
                  alike={(group.signature.task, group.signature.test): group for group in groups if group.signature in signs})


def transcripts(result, texts, told):
    """A Shown for each run of a Result; told are the TaskGrades and Parts that name a line."""
    found = []
    for number, run in enumerate(result.grade.runs if result.grade else (), 1):
        file = f"transcripts/{Path(run.transcript).name}"
        there = excerpt.lines(texts.get(file, ""))
        mine = [one for one in told if naming.run_of(result.grade.runs, one) is run]
        marks = set().union(*(excerpt.find(there, one.line) for one in mine))
        again = " again, from the grader's own disk" if any(run.program == one.name for one in found) else ""
        found.append(Shown(run.program + again, file if file in texts else "", f"t{number}", run.ending,
                           tuple(excerpt.excerpt(there, marks)), len(there)))
    return found


def evidence(told, result, shown):
    """Where the line stands that a TaskGrade or Part tells: (Shown, line number), or None."""
    run = naming.run_of(result.grade.runs, told)
    for one, made in zip(shown, result.grade.runs):
        if made is run and one.marked and told.line:
            lines = [line.text.strip() for line in one.lines]
            at = next((line.number for line, text in zip(one.lines, lines) if line.marked and text and
                       naming.visible(told.line).startswith(text)), None)
            return (one, at) if at else None
    return None


def build_log(texts):
    """The Shown of the build log, its errors marked, or None."""
    if "build.log" not in texts:
        return None
    there = excerpt.lines(texts["build.log"])
    marks = {at for at, line in enumerate(there) if re.search(r"\berror:|\*\*\*", line)}
    return Shown("build log", "build.log", "b", "", tuple(excerpt.excerpt(there, marks)), len(there))


def diff_files(text):
    """The files of a unified diff: (name, lines added, lines taken out, Shown)."""
    pieces = re.split(r"^(?=diff -|Binary files )", text, flags=re.MULTILINE)       # no other line begins so
    for number, piece in enumerate(filter(None, pieces), 1):
        there = excerpt.lines(piece)
        name = re.sub(r"^.*? ['\"]?submission/|['\"]? differ$|['\"]$", "", there[0])
        body = there[3:]            # behind the names
        yield (excerpt.cut(name), sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body),
               Shown(name, "diff.patch", f"d{number}", "", tuple(excerpt.excerpt(there, set())), len(there)))


# Words.

def state(result, task):
    """What became of a task of a Result: a key of STATES."""
    if task.outcome == Outcome.NOT_GRADED:
        return "none"
    if task.outcome == Outcome.BLOCKED:
        return "blocked"
    if task.outcome == Outcome.FAILED:
        return "partial" if task.score else "failed"
    return "hidden" if naming.missed_hidden(task) else "passed"


def decided(result, task):
    """The Adjustment that a person made of a task, or None."""
    return next((change for change in result.adjustments if change.task == task.number), None)


def when(results):
    """The day and time of the latest run, or ""."""
    return utc(max((result.grade.started for result in results if result.grade), default=""))


def utc(moment):
    """A time in ISO 8601, as a batch writes it, for a person to read."""
    return moment[:16].replace("T", " ") + (" UTC" if moment.endswith(("+00:00", "Z")) else "")


def search_text(result):
    """What the search field looks in, beside what the row shows."""
    told = [result.why, *result.notes, result.source]
    for found in alike.failures(result):
        told += [found.signature.function, found.signature.test, found.signature.ending, found.line[:alike.LONGEST]]
    return " ".join(dict.fromkeys(filter(None, told)))


def brief(result):
    """What went wrong first, as short as can be; "" if nothing did."""
    if result.outcome == "could not grade":
        return result.why
    first = next(iter(alike.failures(result)), None)
    if first is None:
        return ""
    sign = first.signature
    words = f"{sign.ending} in {sign.function}" if sign.function else first.line
    return f"{sign.task}{f' hidden {sign.test}' if sign.test else ''}: {words}" if sign.task else words


def listing(shown):
    """The lines of a Shown, as HTML. Not in a template: there are more lines than all else, and this is much quicker."""
    made = []
    for line in shown.lines:
        text = escape(line.text)
        if not line.number:
            made.append(f'<span class="gap">{text}\n</span>')
            continue
        kind = " marked" if line.marked else diff_class(line.text) if shown.file == "diff.patch" else ""
        mark = '<span class="hide">failing line: </span>' if line.marked else ""
        made.append(f'<span class="row{kind}" id="{shown.anchor}-{line.number}" data-n="{line.number}">{mark}{text}\n</span>')
    return "".join(made)


def diff_class(line):
    """The class of a line of a diff, with a space before it, or ""."""
    kinds = {"@@": " hunk", "--- ": " file", "+++ ": " file", "+": " added", "-": " gone"}
    return next((kind for start, kind in kinds.items() if line.startswith(start)), "")


# The machinery of templates.

def render(name, **values):
    """The text of a template, which may run and load nothing but its own style and script."""
    style, script = (TEMPLATES / "style.css").read_text(), (TEMPLATES / "index.js").read_text() if name == "index.html" else ""
    policy = "; ".join(["default-src 'none'", f"style-src {hashed(style)}", f"script-src {hashed(script)}" if script else "script-src 'none'",
                        "base-uri 'none'", "form-action 'none'"])
    return environment().get_template(name).render(style=style, script=script, policy=policy, kit=__version__, **values)


def hashed(text):
    """A text as a source of a Content Security Policy: this text inline, and no other."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


@cache
def environment():
    """The jinja2 environment: everything is escaped, what can't be seen is made visible, an unknown name is an error.

    Raises CouldNotGrade where there is no jinja2, which only those who write pages need."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise CouldNotGrade("the pages of results need jinja2. In the kit, run: make setup. "
                            "By hand, on Debian and Ubuntu: apt install python3-jinja2") from None
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, finalize=lambda value: naming.visible(value) if type(value) is str else value)
    made.filters.update(number=naming.number, signed=naming.signed, search=search_text, listing=listing, utc=utc)
    made.globals.update(STATES=STATES, MEMBERS=MEMBERS, state=state, decided=decided, points=naming.points,
                        what_became=naming.result, brief=brief)
    return made
