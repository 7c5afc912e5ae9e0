"""The regions of a source: which lines belong to which tasks, and the source with some tasks done and others left out."""

import functools
import re
import subprocess
from dataclasses import dataclass

from . import CouldNotGrade

KIT_ONLY = ("SOLUTION", "FAILALLOC")    # #ifdef of these holds what is for the kit alone
NEVER = 0                               # a task that nobody does: what needs it is in no tree
OPENS = re.compile(r"#if LAB_TASK >= (\d+)$")
KIT_OPENS = re.compile(rf"#ifdef ({'|'.join(KIT_ONLY)})$")
DIRECTIVE = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")
TODO = re.compile(r"TODO\(task (\d+)\):")
COMMENT = re.compile(r"\s*(//|/\*|\*|#(?!\s*(define|include|if|else|endif)\b))")


class HandoutError(CouldNotGrade):
    """A handout cannot be made. The text names the file and line, and what to do."""


@dataclass(frozen=True)
class Choice:
    """What is done in a tree, and what is left out of it, as numbers of tasks. All other tasks are stubs."""

    done: frozenset
    left_out: frozenset = frozenset()


@dataclass(frozen=True)
class Line:
    """One line of a source, and the trees that keep it."""

    text: str
    needs: frozenset                    # tasks that must be done
    bars: frozenset                     # tasks that must not
    directive: bool = False
    todo: int = 0                       # the task that it tells to do

    def kept(self, choice):
        """Whether a tree with a Choice keeps the line."""
        return (not self.directive and self.needs <= choice.done and not self.bars & choice.done
                and self.todo not in choice.left_out)

    @property
    def stub(self):
        """Whether a student starts from it: no task is needed to have it, and one ends it."""
        return bool(self.bars) and not self.needs


@dataclass
class Region:
    """A conditional that is open while a source is read."""

    task: int | None                    # None: not one of ours
    needs: frozenset = frozenset()
    bars: frozenset = frozenset()
    at: int = 0                         # line number of its #if
    stub: bool = False                  # past its #else
    todos: int = 0


@functools.lru_cache(maxsize=1000)
def read_lines(text, name, tasks):
    """The Lines of a source: a tuple.

    text is the source, name its path for messages, tasks the numbers of all tasks (a frozenset). Raises HandoutError where a
    region is malformed, or a stub has not exactly one TODO of its own task."""
    if not needs_cut(text):
        return tuple(Line(line, frozenset(), frozenset()) for line in text.splitlines())
    stack = [Region(None)]
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        directive = DIRECTIVE.match(line)
        where = f"{name}:{number}"
        ours = step(stack, directive[1], line, where, number, tasks) if directive else False
        todo = 0 if directive else told(stack[-1], line, where)
        if not todo and not directive and lines and lines[-1].todo and COMMENT.match(line):
            todo = lines[-1].todo       # the same comment goes on
        lines.append(Line(line, stack[-1].needs, stack[-1].bars, ours, todo))
    if len(stack) > 1:
        raise HandoutError(f"{name}:{stack[-1].at}: this #if has no #endif")
    return tuple(lines)


def needs_cut(text):
    """Whether a source has regions."""
    return "LAB_TASK" in text or any(f"#ifdef {name}" in text for name in KIT_ONLY)


def step(stack, word, line, where, number, tasks):
    """Open, turn or close a region; returns whether the line is one of our directives."""
    top = stack[-1]
    if word.startswith("if"):
        stack.append(open_region(top, line, where, number, tasks))
        return stack[-1].task is not None
    if len(stack) == 1:
        raise HandoutError(f"{where}: #{word} without #if")
    if word == "elif" and top.task is not None:
        raise HandoutError(f"{where}: a LAB_TASK region has no #elif: nest regions instead")
    if word == "else" and top.task is not None:
        outer = stack[-2]
        if top.stub or top.task == NEVER:
            raise HandoutError(f"{where}: this region has no place for an #else")
        stack[-1] = Region(top.task, outer.needs, outer.bars | {top.task}, top.at, stub=True)
    if word == "endif":
        if top.stub and top.todos != 1:
            raise HandoutError(f"{where}: the stub of task {top.task} needs exactly one TODO(task {top.task}): comment,"
                               f" and has {top.todos}")
        stack.pop()
    return top.task is not None


def open_region(outer, line, where, number, tasks):
    """The region that an #if, #ifdef or #ifndef line opens inside outer."""
    if opens := OPENS.match(line):
        task = int(opens[1])
        if task not in tasks:
            raise HandoutError(f"{where}: there is no task {task}")
        return Region(task, outer.needs | {task}, outer.bars, number)
    if KIT_OPENS.match(line):
        return Region(NEVER, outer.needs | {NEVER}, outer.bars, number)
    if "LAB_TASK" in line or line.lstrip().startswith("#") and any(re.search(rf"\b{name}\b", line) for name in KIT_ONLY):
        raise HandoutError(f"{where}: write '#if LAB_TASK >= N' or '#ifdef {KIT_ONLY[0]}', with nothing behind it")
    return Region(None, outer.needs, outer.bars, number)


def told(region, line, where):
    """The task whose TODO a line is, which must stand in the stub of that task; or 0."""
    found = [int(task) for task in TODO.findall(line)]
    for task in found:
        if not region.stub or task != region.task:
            raise HandoutError(f"{where}: TODO(task {task}) belongs into the #else of '#if LAB_TASK >= {task}'")
    region.todos += len(found)
    return found[0] if found else 0


def cut(text, choice, name, tasks):
    """The source text as a tree with a Choice has it, by unifdef; tasks are the numbers of all tasks.

    Raises HandoutError where unifdef refuses, or leaves other lines than the regions say."""
    if not needs_cut(text):
        return text
    lines = [line for line in read_lines(text, name, tasks) if line.todo not in choice.left_out]
    asked = "".join(OPENS.sub(r"#ifdef TASK_\1", line.text) + "\n" for line in lines)
    command = ["unifdef", "-t", "-B", *(f"-U{name}" for name in KIT_ONLY),
               *(f"-{'D' if task in choice.done else 'U'}TASK_{task}" for task in sorted(tasks))]
    try:
        run = subprocess.run(command, input=asked, capture_output=True, text=True)
    except FileNotFoundError:
        raise HandoutError("unifdef is not installed: run make setup, or apt install unifdef") from None
    if run.returncode not in (0, 1):
        raise HandoutError(f"{name}: {run.stderr.strip()} (does a comment start with '# if' or '# else'?)")
    want = [line.text for line in lines if line.kept(choice) and line.text.strip()]
    if [line for line in run.stdout.splitlines() if line.strip()] != want:
        raise HandoutError(f"{name}: unifdef did not keep the lines that a tree with tasks {sorted(choice.done)} should have")
    return run.stdout
