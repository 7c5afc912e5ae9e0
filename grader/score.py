"""Scores a lab: from transcripts and facts to a Grade, without running or reading anything."""

import re
from dataclasses import dataclass, replace
from enum import Enum

from grader import events, explain


class Outcome(str, Enum):
    """What became of a task. The values are the words that reports use."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"             # an earlier task is not done, and without it nothing of this one can be seen
    NOT_GRADED = "not graded"


@dataclass(frozen=True)
class Part:
    """One piece of a task's evidence, and what became of it."""

    name: str
    passed: bool
    score: float                    # 0 where the task is all or nothing
    max_score: float
    why: str                        # one sentence; "" where passed
    line: str                       # the console line that shows it
    command: str                    # what reproduces it
    where: tuple[explain.Place, ...] = ()
    hint: str = ""                  # what it means; "" where passed


@dataclass(frozen=True)
class TaskGrade:
    """One task's result."""

    number: int
    name: str
    score: float
    max_score: float
    outcome: Outcome
    why: str                        # one sentence; "" where passed
    line: str                       # the console line that shows it
    where: tuple[explain.Place, ...]
    hint: str                       # what it means, and what to look at
    doc: str                        # the page to read
    command: str                    # what reproduces it
    parts: tuple[Part, ...]
    blocked_by: int = 0             # the task that stands in the way
    hidden: tuple[Part, ...] = ()   # the hidden tests that were run; they may cap the score, and leave the rest as it is


@dataclass(frozen=True)
class Run:
    """One run that the grade rests on."""

    program: str
    ending: str
    why: str
    seconds: float
    cpu_seconds: float
    transcript: str                 # path of the file
    used_seconds: float = 0.0       # of its budget


@dataclass(frozen=True)
class Grade:
    """A submission's result."""

    lab: str
    title: str
    version: str
    part: str                       # "" for the whole lab
    outcome: str                    # graded | not graded
    why: str                        # why not
    score: float
    max_score: float
    tasks: tuple[TaskGrade, ...]
    runs: tuple[Run, ...]
    submission: str = ""
    content_hash: str = ""
    started: str = ""               # ISO 8601
    seconds: float = 0.0
    notes: tuple[str, ...] = ()     # what whoever reads the grade should know besides

    @property
    def status(self):
        """The exit status: 0 if all that was asked for passed and no points are lost, else 1."""
        passed = all(t.outcome == Outcome.PASSED and t.score == t.max_score for t in self.tasks)
        return 0 if self.outcome == "graded" and passed else 1


@dataclass(frozen=True)
class Finding:
    """Whether a piece of evidence was seen; None: nothing was run that could show it."""

    seen: bool | None
    trouble: explain.Trouble = explain.Trouble("")


SEEN = Finding(True)
STRICTLY = "with the official programs on the grader's own disk"


@dataclass(frozen=True)
class Case:
    """All that a grade is made from."""

    lab: object
    build: object
    runs: tuple
    facts: explain.Facts

    def of(self, program):
        """The runs of a program, the default run first."""
        return sorted((r for r in self.runs if r.program.split()[0] == program), key=lambda r: r.program != program)


def grade(lab, build, transcripts, facts, submission="", content_hash="", started="", seconds=0.0):
    """The Grade of a submission.

    lab may be narrowed to a part. build is a Build, transcripts what was run on it (none if it
    failed), facts the ELF files' Facts. The rest is handed on: started in ISO 8601, seconds of wall time."""
    case = Case(lab, build, tuple(transcripts), facts)
    wrong = no_grade(case)
    findings = {} if wrong else {task.number: [find(case, e) for e in task.evidence] for task in lab.tasks}
    firm = {number for number in findings if all_seen(lab, number, findings[number])}
    tasks = []
    for number in lab.graded:
        task = lab.task_numbered(number)
        if wrong:
            tasks.append(blank(lab, task, wrong, case.build.ok))
        else:
            judged = [(e, f) for e, f in zip(task.evidence, findings[number]) if asked(lab, e, firm)]
            tasks.append(task_grade(lab, task, judged))
    tasks = block(lab, tasks, findings)
    runs = tuple(Run(t.program, t.ending.value, t.why, t.seconds, t.cpu_seconds, t.path, t.used_seconds)
                 for t in transcripts)
    notes = doubts_told(transcripts)
    return Grade(lab.name, lab.title, lab.version, lab.part, "not graded" if wrong else "graded", wrong.why if wrong else "",
                 sum(t.score for t in tasks), sum(t.max_score for t in tasks), tuple(tasks), runs,
                 submission, content_hash, started, seconds, notes)


def refused(lab, why, submission=""):
    """The Grade of a submission that holds no tree which could be built: no points, and why."""
    tasks = tuple(replace(blank(lab, lab.task_numbered(number), explain.Trouble(why), False), command="") for number in lab.graded)
    return Grade(lab.name, lab.title, lab.version, lab.part, "not graded", why, 0, sum(task.max_score for task in tasks), tasks, (),
                 submission)


def asks_facts(lab, build, transcripts):
    """Whether a lab asks for a fact of a Build that its transcripts do not show."""
    case = Case(lab, build, tuple(transcripts), explain.Facts())
    return any(not find_fact(case, e).seen for task in lab.tasks for e in task.evidence if e.fact)


def no_grade(case):
    """Why nothing of the submission can be graded: a Trouble, or None."""
    if not case.build.ok:
        return explain.not_built(case.build.error)
    if case.runs and not any(run.booted for run in case.runs):
        return explain.not_booted(case.runs[0])
    return None


def all_seen(lab, number, findings):
    """Whether a task's unconditional evidence was seen: what the conditions of other evidence ask."""
    evidence = lab.task_numbered(number).evidence
    return all(f.seen for e, f in zip(evidence, findings) if not e.once and not e.spared)


def asked(lab, evidence, firm):
    """Whether evidence is asked for, where the tasks in firm have passed."""
    if lab.named and evidence.section not in lab.named:
        return False
    return (not evidence.once or evidence.once in firm) and all(number in firm for number in evidence.spared)


# Evidence.

def find(case, evidence):
    """The Finding for a piece of evidence."""
    if evidence.fact:
        return find_fact(case, evidence)
    program = case.lab.program_of(evidence)
    if program not in case.build.programs:
        return Finding(False, explain.Trouble(f"{program} is not on the disk: add $U/_{program} to UPROGS in the Makefile",
                                              where=(explain.Place("the list UPROGS", "", "Makefile", 0),)))
    if any(events.unknown(run) for run in case.of(program)):
        return Finding(False, explain.Trouble(f"{program} is on the disk, and the shell could not exec it", f"exec {program} failed"))
    if not case.of(program):
        return Finding(None, explain.Trouble(f"{program} was not run"))
    if evidence.section:
        return find_section(case, case.lab.section_named(evidence.section))
    if evidence.reaches:
        return find_rung(case, evidence.reaches)
    return find_text(case, evidence)


def find_fact(case, evidence):
    """The Finding for a fact: in the kernel's debug information, or by what the kernel does."""
    if case.facts.table or evidence.instead and find_section(case, case.lab.section_named(evidence.instead)).seen:
        return SEEN
    return Finding(False, explain.Trouble(case.facts.near, where=(explain.Place("struct proc", "", "kernel/proc.h", 0),)))


def find_section(case, section):
    """The Finding for a section: in the run that reached it, or in its own."""
    best = None
    for run in case.of(section.program):
        if run.program not in (section.program, section.command):
            continue
        lines = run.evidence
        start = next((at for at, line in enumerate(lines) if events.shows(line, section.title)), None)
        if start is None and run.program == section.program:
            continue
        begin = start or 0
        end = next((at for at, line in enumerate(lines) if at > begin and is_title(case.lab, section, line)), len(lines))
        if start is not None and any(events.shows(line, section.passed) for line in lines[begin:end]):
            return seen_outside(run, section)
        if best is None:
            best = Finding(False, doubted(run, section.passed, troubled(case, run, begin, end, f"no line `{section.passed}`")))
    return best or Finding(None, explain.Trouble(f"{section.command} was not run"))


def seen_outside(run, section):
    """The Finding for a section of which a run's console says that it passed."""
    why = dict(run.outside).get(section.name, "nobody has looked at it") if section.outside else ""
    return Finding(False, explain.Trouble(f"seen from outside the machine, {why}")) if why else SEEN


def is_title(lab, section, line):
    """Whether another section of the same program starts with line."""
    return any(s is not section and s.program == section.program and events.shows(line, s.title)
               and not events.shows(line, section.title) for s in lab.sections)


def find_rung(case, name):
    """The Finding for a rung: it, or a later one."""
    names = [rung.name for rung in case.lab.rungs]
    rung = case.lab.rungs[names.index(name)]
    runs = case.of(rung.program)
    for higher in case.lab.rungs[names.index(name):]:
        if any(on_rung(case, run, higher) for run in case.of(higher.program)):
            return SEEN
    trouble = troubled(case, runs[0], 0, len(runs[0].evidence), f"it did not get as far as: {name}")
    told = next((higher for higher in case.lab.rungs[names.index(name):]
                 if any(on_rung(case, replace(run, called=None, traps=None), higher) for run in runs)), None)
    if told:
        why = f"only the kernel's own words show {told.name}, and it did not happen"
        return Finding(False, explain.Trouble(f"{why}; {trouble.why}", trouble.line, trouble.where))
    return Finding(False, trouble)


def on_rung(case, run, rung):
    """Whether a run shows a rung."""
    if any(events.prints(run, case.lab.section_named(name).passed) for name in rung.sections):
        return True
    if run.program != rung.program:
        return False        # a section by itself may do things in another order
    if any(events.prints(run, text) for text in rung.prints):
        return True
    low, high = case.lab.mapped
    if run.called is not None and rung.call and rung.call not in run.called:
        return False        # there is nothing but the kernel's word
    if run.traps and rung.fault == "mapped" and not any(low <= address < high for _, address in run.traps.faults):
        return False
    if rung.stops and explain.stopped(run):
        return True
    if rung.fault and any(rung.fault == "any" or low <= f.address < high for f in events.faults(run.evidence)):
        return True
    return bool(set(rung.inside) & set(explain.panic_functions(run, case.facts)))


def find_text(case, evidence):
    """The Finding for lines that a program must print, in order, or for text that it must not."""
    runs = case.of(evidence.program)
    if evidence.lacks:
        for run in runs:
            line = next((line for line in run.evidence if events.shows(line, evidence.lacks)), None)
            if line:
                return Finding(False, explain.Trouble(f"{run.program} printed it", line.strip()))
        return SEEN
    if runs[0].program != evidence.program:
        return Finding(None, explain.Trouble(f"{evidence.program} was not run"))
    at = 0
    lines = runs[0].evidence
    for text in evidence.prints:
        found = next((n for n in range(at, len(lines)) if events.shows(lines[n], text)), None)
        if found is None:
            return Finding(False, doubted(runs[0], text, troubled(case, runs[0], at, len(lines), f"no line `{text}`")))
        at = found + 1
    return SEEN


def doubts_told(runs):
    """Why some lines of runs are no evidence: a text for each reason, with the first line."""
    kinds = {}
    for run in runs:
        for _, why in run.doubts:
            kinds.setdefault(re.sub(r"`[^`]*`|0x\w+", "", why), []).append(f"{run.program}: {why}")
    return tuple(told[0] + (f" ({len(told) - 1} more like it)" if len(told) > 1 else "") for told in kinds.values())


def doubted(run, text, trouble):
    """The Trouble of a run that lacks a text; if it has a line with it that is no evidence, that is told first."""
    line, why = next(((line, why) for line, why in run.doubts if events.shows(line, text)), ("", ""))
    rest = "" if trouble.why.startswith("no line") else f"; {trouble.why}"
    return explain.Trouble(why + rest, line, trouble.where) if why else trouble


def troubled(case, run, start, end, otherwise):
    """The Trouble in a part of a run; otherwise says why if nothing is to be seen there."""
    if not run.booted:
        return explain.Trouble(f"the kernel did not boot for {run.program}: {run.why}")
    program = case.lab.program_named(run.program.split()[0])
    found = explain.trouble(run, start, end, program, case.facts, case.lab.mapped)
    return found if found.why else explain.Trouble(otherwise, found.line, found.where)


# Tasks.

def evidence_name(lab, evidence):
    """What a report calls a piece of evidence."""
    if evidence.section:
        return lab.section_named(evidence.section).title
    if evidence.fact:
        return evidence.fact
    program = lab.program_of(evidence)
    if evidence.lacks:
        return f"{program} without `{evidence.lacks}`"
    return f"{program} comes to {evidence.reaches}" if evidence.reaches else "`%s`" % "`, `".join(evidence.prints)


def command_for(lab, evidence):
    """What a student types to see a piece of evidence."""
    program = lab.program_of(evidence)
    if evidence.section:
        return f'make run PROG="{lab.section_named(evidence.section).command}"'
    return f"make run PROG={program}" if program else ""


def blank(lab, task, trouble, built):
    """The grade of a task of which nothing could be seen, for a Trouble; built: the tree was."""
    hint = explain.meaning(lab, task, trouble, "") if built else ""
    return TaskGrade(task.number, task.name, 0, points_at_stake(lab, task, task.evidence), Outcome.NOT_GRADED, trouble.why,
                     trouble.line, trouble.where, hint, task.doc, "make qemu", ())


def points_at_stake(lab, task, evidence):
    """What a task can bring where this evidence is asked for: nothing if only a part of all or nothing is."""
    if any(e.points for e in task.evidence):
        return sum(e.points for e in evidence if not lab.named or e.section in lab.named)
    return 0 if lab.named and any(e.section not in lab.named for e in task.evidence) else task.points


def task_grade(lab, task, judged):
    """The grade of a task from its (evidence, finding) pairs, without regard to other tasks."""
    parts = tuple(part_grade(lab, task, e, f) for e, f in judged)
    most = points_at_stake(lab, task, [e for e, _ in judged])
    if all(part.passed for part in parts):
        return TaskGrade(task.number, task.name, most, most, Outcome.PASSED, "", "", (), "", task.doc, "", parts)
    evidence, finding = next(((e, f) for want in (False, None) for e, f in judged if f.seen is want))
    lost = finding.seen is False
    return TaskGrade(task.number, task.name, sum(part.score for part in parts), most,
                     Outcome.FAILED if lost else Outcome.NOT_GRADED, finding.trouble.why, finding.trouble.line,
                     finding.trouble.where, explain.meaning(lab, task, finding.trouble, evidence.reason or task.hint),
                     task.doc, command_for(lab, evidence) or f"make grade TASK={task.number}", parts)


def part_grade(lab, task, evidence, finding):
    """The grade of one piece of a task's evidence."""
    told, seen = finding.trouble, finding.seen is True
    return Part(evidence_name(lab, evidence), seen, evidence.points if seen else 0, evidence.points, told.why, told.line,
                command_for(lab, evidence), told.where,
                "" if seen else explain.meaning(lab, task, told, evidence.reason or task.hint))


# Strict grading.

def confirmed(grade, found):
    """The grade, of which each task keeps what is seen again where nothing but the kernel is the submission's.

    found is the Grade of the same lab there, for the tasks that scored."""
    results = {task.number: task for task in found.tasks}
    notes = grade.notes + tuple(note for note in found.notes if note not in grade.notes)
    if found.outcome != "graded":
        why = f"{STRICTLY}: {found.why}"
        blanks = tuple(replace(task, score=0, outcome=Outcome.NOT_GRADED, why=why, parts=()) for task in grade.tasks)
        return replace(grade, outcome=found.outcome, why=why, score=0, tasks=blanks, runs=grade.runs + found.runs, notes=notes)
    tasks = tuple(lesser(task, results.get(task.number, task)) for task in grade.tasks)
    return replace(grade, tasks=tasks, score=sum(t.score for t in tasks), runs=grade.runs + found.runs, notes=notes)


def lesser(task, strict):
    """The lesser of a task's grade and its grade in strict grading, which rests on more where both come to the same."""
    if strict.score > task.score:
        return task
    if strict.score == task.score:
        return strict
    parts = tuple(part if part.passed else replace(part, why=f"{STRICTLY}: {part.why}") for part in strict.parts)
    return replace(strict, why=f"{STRICTLY}: {strict.why}", parts=parts)


def with_hidden(grade, lab, found):
    """The grade with what came of the hidden tests: found is the Grade of lab.hidden, for the tasks that scored."""
    results = {task.number: task.parts for task in found.tasks}
    tasks = tuple(capped(lab, task, hidden_parts(lab, results.get(task.number, ()))) for task in grade.tasks)
    notes = grade.notes + tuple(note for note in found.notes if note not in grade.notes)
    return replace(grade, tasks=tasks, score=sum(t.score for t in tasks), runs=grade.runs + found.runs, notes=notes)


def hidden_parts(lab, parts):
    """Parts of hidden tests, by the names that run them alone."""
    names = {section.title: section.name for section in lab.hidden.sections}
    return tuple(replace(part, name=names[part.name], command=part.command.replace("make run", "make run STRICT=1"))
                 for part in parts)


def capped(lab, task, hidden):
    """A task's grade with its hidden parts, and with no more than its share of the points if one failed."""
    lost = lab.strict == "cap" and not all(part.passed for part in hidden)
    return replace(task, hidden=hidden, score=min(task.score, lab.share * task.max_score) if lost else task.score)


def provisional(grade, lab):
    """The grade while tests still run: where hidden tests can cost points, no task has more than would be left."""
    if not lab.hidden or lab.strict != "cap":
        return grade
    tasks = tuple(replace(task, score=min(task.score, lab.share * task.max_score)) for task in grade.tasks)
    return replace(grade, tasks=tasks, score=sum(task.score for task in tasks))


# Tasks that stand in the way of others.

def block(lab, grades, findings):
    """The task grades, those marked blocked that failed for want of an earlier task."""
    return [blocked(grade, root) if grade.outcome == Outcome.FAILED and not grade.score
            and (root := missing_need(lab, grade.number, findings)) else grade for grade in grades]


def missing_need(lab, number, findings):
    """The first task that must work before anything of task number can be seen, or 0."""
    for need in lab.task_numbered(number).needs:
        if not works(lab, need, findings[need]):
            return missing_need(lab, need, findings) or need
    return 0


def works(lab, number, findings):
    """Whether a task works, at least in part, or nothing was run that could say that it doesn't."""
    return (all_seen(lab, number, findings) or all(f.seen is not False for f in findings)
            or any(f.seen and e.points for e, f in zip(lab.task_numbered(number).evidence, findings)))


def blocked(grade, by):
    """A failed task's grade, as blocked by another task."""
    return replace(grade, outcome=Outcome.BLOCKED, why=f"nothing of it can be seen before task {by} works",
                   line="", where=(), hint="", command="", blocked_by=by)
