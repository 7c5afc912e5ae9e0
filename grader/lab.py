"""A lab file, labs/NAME.toml, as data: what is run, what shows each task, and what it is worth."""

import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

from grader import tracks
from grader.events import prints, unknown
from grader.tracks import Track

HERE = Path(__file__).resolve().parent
FILE = HERE / "labs/mmap.toml"
GROUPS = ("id", "name", "late", "attempt", "beside")     # what names.py looks for in the names of submissions
FACTS = ("VMA table in struct proc",)      # what evidence can ask of the kernel's ELF file


class LabError(ValueError):
    """A lab file is wrong, or a part is asked for that it does not have. The text names file and key."""


@dataclass(frozen=True)
class Program:
    """A test program. Its name is what is typed to the shell."""

    name: str
    budget: float               # CPU seconds that a run may use
    fails: str                  # how a line starts in which it says what went wrong
    section_budget: float = 0.0     # CPU seconds that a run of one of its sections may use; 0: as many as the whole


@dataclass(frozen=True)
class Section:
    """A part of a test program, that can be run by itself: `PROGRAM NAME`."""

    name: str
    program: str
    title: str                  # the line that it starts with; with ": OK" behind, the line that it ends with
    alone: bool = False         # the program runs it only where it is named
    budget: float = 0.0         # CPU seconds that a run of it alone may use; 0: what the program says
    outside: bool = False       # what it did is looked at from outside too: oracle.py knows its name

    @property
    def command(self):
        """What is typed to run it by itself."""
        return f"{self.program} {self.name}"

    @property
    def passed(self):
        """The line that it ends with if all is well."""
        return f"{self.title}: OK"


@dataclass(frozen=True)
class Rung:
    """A sign of how far a test program got, one of a ladder: a later rung shows all earlier ones.

    Any one of prints, fault, inside, stops (these in the program's default run) and sections shows it."""

    name: str
    program: str
    prints: tuple[str, ...] = ()        # any of these lines
    fault: str = ""                     # a user page fault: "mapped", in the range of mappings, or "any"
    inside: tuple[str, ...] = ()        # a panic in any of these kernel functions
    stops: bool = False                 # no end by itself: the kernel panicked, hung, flooded the console or died
    sections: tuple[str, ...] = ()      # any of these sections passed
    call: str = ""                      # in strict runs fault, inside and stops count only if the program really made this call


@dataclass(frozen=True)
class Evidence:
    """One thing that must be seen. Just one of prints, lacks, reaches, section and fact is set."""

    program: str = ""                   # of which; beside section: the one that shows the same to students, where that is another
    prints: tuple[str, ...] = ()        # these lines, in this order
    lacks: str = ""                     # no line has this text
    reaches: str = ""                   # this rung, or a later one
    section: str = ""                   # this section passed
    fact: str = ""                      # one of FACTS holds
    instead: str = ""                   # a section that shows the same as the fact, however the kernel is built
    points: float = 0                   # what it is worth by itself; 0: the task is all or nothing
    once: int = 0                       # asked for only once this task has passed
    spared: tuple[int, ...] = ()        # not asked for while one of these tasks has not passed
    reason: str = ""                    # what it means that it was not seen, if no [[meaning]] says more


@dataclass(frozen=True)
class Task:
    """A task of the lab. All its evidence must be seen."""

    number: int
    name: str
    points: float
    doc: str                            # the page to read
    hint: str                           # what usually makes it fail
    evidence: tuple[Evidence, ...]
    needs: tuple[int, ...] = ()         # tasks without which nothing of this one can be seen
    files: tuple[str, ...] = ()         # glob patterns of files that only a tree with this task has, or with another that names them


@dataclass(frozen=True)
class Meaning:
    """What a line of the console, or an ending, means to a student."""

    text: str                           # a part of the line, or the name of the ending
    means: str
    tasks: tuple[int, ...] = ()         # only for these tasks; (): for all


@dataclass(frozen=True)
class Export:
    """How a course's system names submissions: names.py reads names by it."""

    name: str                           # of the system
    pattern: str                        # of all of a file's or folder's name; named groups, of which id must be there: GROUPS


@dataclass(frozen=True)
class Late:
    """What late days cost, where a deadline is given. A day that has begun counts whole."""

    free: int = 0                       # days that cost nothing
    per_day: float = 0.0                # the share of the lab's points that each further day costs, from 0 to 1
    cutoff: int = 0                     # after so many days, the free ones among them, there are no points; 0: never


@dataclass(frozen=True)
class Lab:
    """A lab, or a part of one."""

    name: str
    title: str
    version: str
    points: float                       # what all tasks are worth
    mapped: tuple[int, ...]             # the addresses that mappings can have: first, and the one behind the last
    protected: tuple[str, ...]          # glob patterns of the official files, laid over a submission
    tests: tuple[Program, ...]          # [[program]]
    sections: tuple[Section, ...]       # [[section]], in the order in which the programs run them
    rungs: tuple[Rung, ...]             # [[rung]], the lowest first
    tasks: tuple[Task, ...]             # [[task]], by number
    meanings: tuple[Meaning, ...] = ()  # [[meaning]], the first that fits counts
    strict: str = "report"              # what hidden tests do to a task: "cap" its points, or only "report"
    share: float = 0.5                  # how much of its points a capped task can keep, from 0 to 1
    factor: float = 1.0                 # the least that a budget is of what the solution uses at most, as `flake` measures it
    late: Late | None = None            # [late]
    exports: tuple[Export, ...] = ()    # [[export]], the first that fits counts
    tracks: tuple[Track, ...] = ()       # [[track]]
    track: str = ""                     # the name of the one that this lab is; "": the lab file as it stands
    withheld: tuple[str, ...] = ()      # glob patterns of files of the solution that no handout has
    hidden: object = None               # the Lab of the hidden tests, where they are run too
    part: str = ""                      # what was asked for, if not all
    asked: tuple[int, ...] = ()         # the tasks that are graded; (): all
    named: tuple[str, ...] = ()         # the sections that are run; (): all

    @property
    def graded(self):
        """The numbers of the tasks that are asked for."""
        return self.asked or tuple(task.number for task in self.tasks)

    @property
    def programs(self):
        """What to run first: a tuple of command lines, each for a fresh boot. What takes longest comes first."""
        if self.named:
            return tuple(s.command for s in self.sections if s.name in self.named)
        evidence = self.asked_evidence()
        wanted = {self.program_of(e) for e in evidence}
        alone = tuple(s.command for s in self.sections if s.alone and s.name in {e.section for e in evidence})
        return alone + tuple(p.name for p in self.tests if p.name in wanted)

    def followups(self, transcripts):
        """What to run next, given all transcripts so far: a tuple of command lines, never one that was run.

        These are the sections that no run has reached, if their program can be started at all."""
        if self.named:
            return ()
        run = {t.program for t in transcripts}
        started = {t.program.split()[0] for t in transcripts if t.booted and not unknown(t)}
        wanted = {e.section for e in self.asked_evidence() if e.section}
        return tuple(s.command for s in self.sections
                     if s.name in wanted and s.program in started and s.command not in run
                     and not any(prints(t, s.title) for t in transcripts if t.program == s.program))

    def budget(self, command):
        """The CPU seconds that a run of command may use."""
        program = self.program_named(command.split()[0])
        section = next((s for s in self.sections if s.command == command), None)
        return section and (section.budget or program.section_budget) or program.budget

    def outside(self, command):
        """Whether what a run of command did is looked at from outside too."""
        return any(s.outside for s in self.sections if s.program == command.split()[0])

    def narrow(self, task=None, sections=()):
        """The part of the lab that is one task, or the named sections.

        Raises LabError where the lab has no such task or section, or both are given."""
        if task is not None and sections:
            raise LabError("a part is one task or some sections, not both")
        if task is not None:
            if task not in {t.number for t in self.tasks}:
                raise LabError(f"{self.name} has no task {task!r}: tasks are {listed(t.number for t in self.tasks)}")
            hidden = self.hidden and replace(self.hidden, asked=(task,))
            return replace(self, part=f"task {task}", asked=(task,), hidden=hidden)
        if not sections:
            return self
        if self.hidden:
            raise LabError("hidden tests belong to whole tasks: give a task, or leave strict out, to grade some sections")
        for name in sections:
            if name not in {s.name for s in self.sections}:
                raise LabError(f"{self.name} has no section {name!r}: sections are {listed(s.name for s in self.sections)}")
        asked = tuple(t.number for t in self.tasks if any(e.section in sections for e in t.evidence))
        return replace(self, part="sections " + ", ".join(sections), asked=asked, named=tuple(sections))

    def track_named(self, name):
        """The Track of that name. Raises LabError where there is none."""
        found = next((track for track in self.tracks if track.name == name), None)
        if not found:
            raise LabError(f"there is no track {name!r}: tracks are {listed(track.name for track in self.tracks) or 'not in this lab'}")
        return found

    def asked_evidence(self):
        """The evidence that is asked for, over all graded tasks."""
        return [e for t in self.tasks if t.number in self.graded for e in t.evidence]

    def program_of(self, evidence):
        """The name of the program whose runs can show evidence; "" for a fact."""
        if evidence.section:
            return self.section_named(evidence.section).program
        if evidence.reaches:
            return next(r.program for r in self.rungs if r.name == evidence.reaches)
        return evidence.program

    def section_named(self, name):
        """The section of that name."""
        return next(s for s in self.sections if s.name == name)

    def program_named(self, name):
        """The program of that name."""
        return next(p for p in self.tests if p.name == name)

    def task_numbered(self, number):
        """The task of that number."""
        return next(t for t in self.tasks if t.number == number)


def listed(words):
    """The words with commas between."""
    return ", ".join(str(word) for word in words)


# Reading the file.

PARTS = {"program": ("tests", Program), "section": ("sections", Section), "rung": ("rungs", Rung),
         "task": ("tasks", Task), "meaning": ("meanings", Meaning),
         "export": ("exports", Export), "track": ("tracks", Track)}
OF_THE_FILE = ("name", "title", "version", "points", "mapped", "protected", "withheld", "strict", "share", "factor")


def load(path=FILE, strict=False, track=tracks.CORE):
    """The Lab that a track of the file path is (a file without tracks is one lab); strict: with its hidden tests, from the
    directory hidden beside it.

    Raises LabError, naming the file and the key, where it can't be read or does not hold together, or has no such track."""
    path = Path(path)
    whole = read_file(path)
    chosen = whole.track_named(track) if whole.tracks or track != tracks.CORE else None
    lab = tracks.narrow(whole, chosen) if chosen else whole
    if not strict:
        return lab
    home = path.parent / "hidden" / path.name
    if not home.exists():
        raise LabError(f"{home}: not there: hidden tests come with the instructor's copy of the grader only")
    hidden = read_file(home)
    if not {task.number for task in lab.tasks} <= {task.number for task in hidden.tasks} <= {task.number for task in whole.tasks}:
        raise LabError(f"{home}: [[task]]: the tasks are not those of {path}")
    if chosen:
        hidden = tracks.narrow(hidden, chosen)
    return replace(lab, hidden=replace(hidden, meanings=hidden.meanings + lab.meanings))


def read_file(path):
    """The Lab in the file path (a Path), by itself. Raises LabError."""
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"{path}: {error}") from None
    try:
        lab = read(data)
        for wrong in faults(lab):
            raise LabError(wrong)
    except LabError as error:
        raise LabError(f"{path}: {error}") from None
    return lab


def read(data):
    """The Lab that a TOML document says, whether or not it holds together. Raises LabError for what is no lab at all."""
    parts = {plural: entries(data.get(name, []), kind, f"[[{name}]]") for name, (plural, kind) in PARTS.items()}
    rest = {key: given for key, given in data.items() if key not in (*PARTS, "late")}
    late = entries([data["late"]], Late, "[late]")[0] if "late" in data else None
    return Lab(**values(rest, {f.name: f for f in fields(Lab) if f.name in OF_THE_FILE}, "the file"), late=late, **parts)


def entries(given, kind, where):
    """A tuple of objects of the dataclass kind from an array of TOML tables; where it stands, for messages."""
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise LabError(f"{where} must be an array of tables")
    known = {f.name: f for f in fields(kind)}
    return tuple(kind(**values(entry, known, f"{where} {entry.get('name') or entry.get('number') or n}"))
                 for n, entry in enumerate(given, 1))


def values(table, known, where):
    """What a TOML table says, checked against the dataclass fields that are known."""
    for key in table:
        if key not in known:
            raise LabError(f"{where}: unknown key {key!r}; known are {listed(known)}")
    for name, f in known.items():
        if f.default is MISSING and name not in table:
            raise LabError(f"{where}: {name} is missing")
    return {key: value(given, known[key].type, f"{where}: {key}") for key, given in table.items()}


def value(given, kind, where):
    """One TOML value as the type kind of a dataclass field: str, bool, int, float, or a tuple of one kind."""
    if kind == tuple[Evidence, ...]:
        return entries(given, Evidence, where)
    if kind in (str, bool, int, float):
        if type(given) is kind or kind is float and type(given) is int:
            return given
        raise LabError(f"{where} must be of type {kind.__name__}, not {given!r}")
    if not isinstance(given, list):
        raise LabError(f"{where} must be an array, not {given!r}")
    return tuple(value(element, kind.__args__[0], where) for element in given)


def faults(lab):
    """What does not hold together in a lab: texts that name the key."""
    yield from task_faults(lab)
    yield from name_faults(lab)
    yield from export_faults(lab)
    for task in lab.tasks:
        for n, evidence in enumerate(task.evidence, 1):
            yield from evidence_faults(lab, task, evidence, f"[[task]] {task.number}: evidence {n}")
    yield from tracks.faults(lab)
    yield from unused(lab)


def task_faults(lab):
    """What is wrong with the tasks' numbers and points."""
    if [task.number for task in lab.tasks] != list(range(1, len(lab.tasks) + 1)):
        yield f"[[task]]: number must count from 1 up, and is {listed(t.number for t in lab.tasks)}"
    if sum(task.points for task in lab.tasks) != lab.points:
        yield f"points is {lab.points:g}, but the tasks' points make {sum(t.points for t in lab.tasks):g}"
    for task in lab.tasks:
        where = f"[[task]] {task.number}"
        parts = sum(e.points for e in task.evidence)
        if parts and (parts != task.points or not all(e.points > 0 for e in task.evidence)):
            yield f"{where}: points is {task.points:g}, but its evidence has {parts:g}; give all of it points, or none"
        if not task.evidence:
            yield f"{where}: evidence is missing: nothing can show this task"
        for number in task.needs:
            if not 1 <= number < task.number:
                yield f"{where}: needs: {number} is no earlier task"
    if lab.strict not in ("cap", "report"):
        yield f"strict must be 'cap' or 'report', not {lab.strict!r}"
    if not 0 <= lab.share <= 1:
        yield f"share must be from 0 to 1, and is {lab.share:g}"
    if lab.factor < 1:
        yield f"factor must be 1 or more, and is {lab.factor:g}: the solution itself would fail"
    if lab.late and not (lab.late.free >= 0 and 0 <= lab.late.per_day <= 1 and lab.late.cutoff >= 0):
        yield "[late]: free and cutoff are days from 0 up, per_day a share from 0 to 1"
    if len(lab.mapped) != 2 or lab.mapped[0] >= lab.mapped[1]:
        yield "mapped must be two addresses, the first and the one behind the last"
    for meaning in lab.meanings:
        for number in meaning.tasks:
            if not 1 <= number <= len(lab.tasks):
                yield f"[[meaning]] of {meaning.text!r}: tasks: there is no task {number}"


def export_faults(lab):
    """What is wrong with the rules for names."""
    for rule in lab.exports:
        try:
            groups = re.compile(rule.pattern).groupindex
        except re.error as error:
            yield f"[[export]] {rule.name}: pattern: {error}"
            continue
        if "id" not in groups:
            yield f"[[export]] {rule.name}: pattern must have a group (?P<id>...)"
        for group in groups.keys() - set(GROUPS):
            yield f"[[export]] {rule.name}: pattern: there is no use for a group {group!r}; known are {listed(GROUPS)}"


def name_faults(lab):
    """Names that are there twice, or name nothing."""
    programs = [program.name for program in lab.tests]
    sections = [section.name for section in lab.sections]
    for where, names in (("program", programs), ("section", sections), ("rung", [r.name for r in lab.rungs])):
        for name in names:
            if names.count(name) > 1:
                yield f"[[{where}]]: there are two called {name!r}"
    for where, parts in (("section", lab.sections), ("rung", lab.rungs)):
        for part in parts:
            if part.program not in programs:
                yield f"[[{where}]] {part.name}: program: no [[program]] is called {part.program!r}"
    for rung in lab.rungs:
        for name in rung.sections:
            if name not in sections:
                yield f"[[rung]] {rung.name}: sections: no [[section]] is called {name!r}"
        if not (rung.prints or rung.fault or rung.inside or rung.stops or rung.sections):
            yield f"[[rung]] {rung.name}: nothing shows it; give prints, fault, inside, stops or sections"
        if rung.fault not in ("", "mapped", "any"):
            yield f"[[rung]] {rung.name}: fault must be 'mapped' or 'any', not {rung.fault!r}"


def evidence_faults(lab, task, evidence, where):
    """What is wrong with one piece of a task's evidence."""
    kinds = [kind for kind in ("prints", "lacks", "reaches", "section", "fact") if getattr(evidence, kind)]
    if len(kinds) != 1:
        yield f"{where}: needs one of prints, lacks, reaches, section, fact, and has {listed(kinds) or 'none'}"
    if (evidence.prints or evidence.lacks) and evidence.program not in {p.name for p in lab.tests}:
        yield f"{where}: program: no [[program]] is called {evidence.program!r}"
    if evidence.section and evidence.section not in {s.name for s in lab.sections}:
        yield f"{where}: section: no [[section]] is called {evidence.section!r}"
    if evidence.instead and not (evidence.fact and evidence.instead in {s.name for s in lab.sections}):
        yield f"{where}: instead: must be the name of a [[section]], beside a fact, and is {evidence.instead!r}"
    if evidence.reaches and evidence.reaches not in {r.name for r in lab.rungs}:
        yield f"{where}: reaches: no [[rung]] is called {evidence.reaches!r}"
    if evidence.fact and evidence.fact not in FACTS:
        yield f"{where}: fact: {evidence.fact!r} is not known; known are {listed(FACTS)}"
    for key, numbers in (("once", (evidence.once,) if evidence.once else ()), ("spared", evidence.spared)):
        for number in numbers:
            if not 1 <= number <= len(lab.tasks) or number == task.number:
                yield f"{where}: {key}: {number} is no other task"


def unused(lab):
    """Tests that no task names: they would run, or not, and nobody would notice."""
    evidence = [e for task in lab.tasks for e in task.evidence]
    for section in lab.sections:
        if section.name not in {e.section for e in evidence}:
            yield f"[[section]] {section.name}: no task's evidence names it"
    used = {lab.program_of(e) for e in evidence}
    for program in lab.tests:
        if program.name not in used:
            yield f"[[program]] {program.name}: no task's evidence names it"
