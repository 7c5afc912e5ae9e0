"""Cuts stages and handouts from solution/, and the official files that the grader carries."""

import fnmatch
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grader import CouldNotGrade, lab

KIT = Path(__file__).resolve().parent.parent
CORE = 8            # the last task of the core lab, and so the last stage
LAST = 14           # the last task of all
EXTENSION = ("kernel/meminfo.c", "kernel/wmap.h", "user/wmap.[ch]", "user/extlib.[ch]", "user/anontest.c", "user/placetest.c",
             "user/mprotecttest.c", "user/wmaptest.c", "user/lazytest.c", "user/cowtest.c", "user/coherenttest.c",
             "user/mmapfuzz.c", "user/linux.h", "user/mmapstress.c", "user/mmapoom.c")      # of tasks behind the core lab alone
MANIFEST = ".generated"
DOCS = ("docs/lab.md", *(f"docs/task{n}.md" for n in range(1, CORE + 1)), "docs/grading.md", "docs/kernel.md")
README = "docs/student/README.md"
INCLUDED = LAST     # the stage whose headers the grader's own programs include: it has what tests call
INCLUDES = ("kernel/fcntl.h", "kernel/file.h", "kernel/fs.h", "kernel/param.h", "kernel/riscv.h", "kernel/sleeplock.h",
            "kernel/spinlock.h", "kernel/stat.h", "kernel/syscall.h", "kernel/types.h", "kernel/vm.h", "kernel/wmap.h",
            "user/user.h", "user/wmap.h")

OPENS = re.compile(r"#if LAB_TASK >= (\d+)$")
DIRECTIVE = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")
TODO = re.compile(r"TODO\(task (\d+)\):")
COMMENT = re.compile(r"\s*(//|/\*|\*|#(?!\s*(define|include|if|else|endif)\b))")


class HandoutError(CouldNotGrade):
    """A handout cannot be made. The text names the file and line, and what to do."""


@dataclass(frozen=True)
class Line:
    """One line of a source, and the stages that keep it: low <= stage < high."""

    text: str
    low: int
    high: int
    directive: bool = False
    stub: bool = False      # in an #else that a student starts from

    def kept(self, stage):
        """Whether stage keeps the line."""
        return not self.directive and self.low <= stage < self.high


@dataclass(frozen=True)
class File:
    """What a generated file holds, and whether it can be run."""

    content: bytes
    executable: bool = False


@dataclass
class Region:
    """A conditional that is open while a source is read."""

    task: int | None        # None: not one of ours
    low: int
    high: int
    at: int                 # line number of its #if
    stub: bool = False      # past its #else
    todos: int = 0


# Reading a source: which stages keep which line.

def read_lines(text, name):
    """The lines of a source with the stages that keep each.

    text is the source, name its path for messages. Raises HandoutError where a
    region is malformed, or a stub has not exactly one TODO of its own task."""
    if not needs_cut(text):
        return [Line(line, 0, LAST + 1) for line in text.splitlines()]
    stack = [Region(0, 0, LAST + 1, 0)]
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        directive = DIRECTIVE.match(line)
        if directive:
            ours = step(stack, directive[1], line, f"{name}:{number}", number)
        else:
            ours = False
            count_todo(stack[-1], line, f"{name}:{number}")
        top = stack[-1]
        lines.append(Line(line, top.low, top.high, ours, top.stub and top.low == 0))
    if len(stack) > 1:
        raise HandoutError(f"{name}:{stack[-1].at}: this #if has no #endif")
    return lines


def needs_cut(text):
    """Whether a source has anything for unifdef to do."""
    return "LAB_TASK" in text or "#ifdef SOLUTION" in text


def step(stack, word, line, where, number):
    """Open, turn or close a region; returns whether the line is one of our directives."""
    top = stack[-1]
    if word.startswith("if"):
        stack.append(open_region(top, line, where, number))
        return stack[-1].task is not None
    if len(stack) == 1:
        raise HandoutError(f"{where}: #{word} without #if")
    if word == "elif" and top.task is not None:
        raise HandoutError(f"{where}: a LAB_TASK region has no #elif: nest regions instead")
    if word == "else" and top.task is not None:
        outer = stack[-2]
        if top.stub or top.task == 0:
            raise HandoutError(f"{where}: this region has no place for an #else")
        stack[-1] = Region(top.task, outer.low, min(outer.high, top.task), top.at, stub=True)
    if word == "endif":
        if top.stub and top.todos != 1:
            raise HandoutError(f"{where}: the stub of task {top.task} needs exactly one TODO(task {top.task}): comment,"
                               f" and has {top.todos}")
        stack.pop()
    return top.task is not None


def open_region(outer, line, where, number):
    """The region that an #if, #ifdef or #ifndef line opens inside outer."""
    opens = OPENS.match(line)
    if opens:
        task = int(opens[1])
        if not 1 <= task <= LAST:
            raise HandoutError(f"{where}: there is no task {task}")
        return Region(task, max(outer.low, task), outer.high, number)
    if line == "#ifdef SOLUTION":
        return Region(0, LAST + 1, LAST + 1, number)     # no stage keeps it
    if "LAB_TASK" in line or "SOLUTION" in line:
        raise HandoutError(f"{where}: write '#if LAB_TASK >= N' or '#ifdef SOLUTION', with nothing behind it")
    return Region(None, outer.low, outer.high, number)


def count_todo(region, line, where):
    """Check that a TODO stands in the stub of its own task."""
    for task in TODO.findall(line):
        if not region.stub or int(task) != region.task:
            raise HandoutError(f"{where}: TODO(task {task}) belongs into the #else of '#if LAB_TASK >= {task}'")
        region.todos += 1


def cut(text, stage, name):
    """The source text as stage has it, by unifdef.

    Raises HandoutError where unifdef refuses, or leaves other lines than the regions say."""
    lines = read_lines(text, name)
    if not needs_cut(text):
        return text
    command = ["unifdef", "-t", "-B", f"-DLAB_TASK={stage}", "-USOLUTION"]
    try:
        run = subprocess.run(command, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        raise HandoutError("unifdef is not installed: run make setup, or apt install unifdef") from None
    if run.returncode not in (0, 1):
        raise HandoutError(f"{name}: {run.stderr.strip()} (does a comment start with '# if' or '# else'?)")
    want = [line.text for line in lines if line.kept(stage) and line.text.strip()]
    if [line for line in run.stdout.splitlines() if line.strip()] != want:
        raise HandoutError(f"{name}: unifdef did not keep the lines that stage {stage} should have")
    return run.stdout


def unasked(text):
    """The text without the TODO lines of tasks that are not in the core lab."""
    return "".join(line for line in text.splitlines(keepends=True)
                   if not any(int(task) > CORE for task in TODO.findall(line)))


# The files of a stage.

def products(tree):
    """The patterns of what make leaves in a tree: the lines of its .gitignore."""
    lines = (tree / ".gitignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_product(path, patterns):
    """Whether path (relative, with /) is built, not written."""
    for pattern in patterns:
        if pattern.endswith("/"):
            matches = pattern in f"{path}"[:path.rfind("/") + 1]
        else:
            matches = fnmatch.fnmatchcase(path if "/" in pattern else path.rsplit("/", 1)[-1], pattern)
        if matches:
            return True
    return False


def walk(top):
    """The paths of all files below top, relative, with /, in order."""
    return sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file() or p.is_symlink())


def read_sources(kit=KIT):
    """The sources of solution/, by path: what is neither built nor a link."""
    solution = kit / "solution"
    try:
        patterns = products(solution)
        return {path: File((solution / path).read_bytes(), os.access(solution / path, os.X_OK))
                for path in walk(solution) if not is_product(path, patterns)}
    except OSError as error:
        raise HandoutError(f"{error.filename}: {error.strerror}; handouts are cut from solution/") from None


def stage_files(stage, kit=KIT):
    """All files of a stage, by path.

    stage is 0 (the handout) to 8. Raises HandoutError where a source, a page or a region is wrong."""
    if not 0 <= stage <= CORE:
        raise HandoutError(f"there is no stage {stage}: a stage is 0 (nothing done) to {CORE} (all tasks done)")
    files = {}
    for path, source in read_sources(kit).items():
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in EXTENSION):
            continue
        text = decode(source.content, f"solution/{path}")
        files[path] = File(unasked(cut(text, stage, f"solution/{path}")).encode(), source.executable)
    for path in DOCS:
        files[path] = File(read_page(kit / path))
    files["README.md"] = File(read_page(kit / README))
    leaks = find_leaks(stage, files, kit)
    if leaks:
        raise HandoutError("stage %d would give away or keep what it must not:\n  %s" % (stage, "\n  ".join(leaks)))
    return files


def decode(content, name):
    """content as text; HandoutError if it is none."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise HandoutError(f"{name} is not text: if make builds it, name it in solution/.gitignore") from None


def read_page(path):
    """The content of a page that handouts carry."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise HandoutError(f"{path}: {error.strerror}; every handout carries this page") from None


def official_files(kit=KIT):
    """The files that the grader lays over every submission, by path, and below include/ the headers for its own programs.

    Raises HandoutError if one that is laid over has regions: they must be the same in every stage."""
    patterns, sources = lab.read_file(lab.FILE).protected, read_sources(kit)
    files = {path: source for path, source in sources.items()
             if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)}
    for path, source in files.items():
        if needs_cut(source.content.decode()):
            raise HandoutError(f"solution/{path} is laid over every submission, so it can have no LAB_TASK region")
    headers = {path: decode(sources[path].content, f"solution/{path}") for path in INCLUDES}
    return files | {f"include/{path}": File(cut(text, INCLUDED, f"solution/{path}").encode()) for path, text in headers.items()}


# The leak check.

def plain(line):
    """What of a line counts when lines are compared: "" for comments and trivial lines."""
    if COMMENT.match(line):
        return ""
    code = " ".join(re.sub(r"\s*(//|/\*).*", "", line).split())
    return code if len(re.findall(r"\w+", code)) >= 3 else ""


def allowed_stages(kit=KIT):
    """For each line of solution/ that counts, the set of stages that may hold it; and which are declarations.

    That a line stands in a stub allows it only if it is nowhere else: a stub gives no solution away.
    A declaration starts at the left margin."""
    finished, stubs, declarations = {}, {}, set()
    for path, source in read_sources(kit).items():
        for line in read_lines(decode(source.content, path), f"solution/{path}"):
            code = plain(line.text)
            if code and not line.directive:
                (stubs if line.stub else finished).setdefault(code, set()).update(range(line.low, line.high))
                if not line.text[0].isspace():
                    declarations.add(code)
    return stubs | finished, declarations


def find_leaks(stage, files, kit=KIT):
    """What in files does not belong into stage: one text for each line."""
    allowed, declarations = allowed_stages(kit)
    leaks = []
    for path, file in sorted(files.items()):
        shown = declarations if path.endswith(".md") else ()      # a page may show them: they are the lab's interface
        for number, line in enumerate(file.content.decode().splitlines(), 1):
            reason = misplaced(line, stage, allowed, shown)
            if reason:
                leaks.append(f"{path}:{number}: {reason}: {line.strip()}")
    return leaks


def misplaced(line, stage, allowed, shown):
    """Why line must not be in stage, or "". allowed says which stages may hold a line; any may hold those that are shown."""
    if "LAB_TASK" in line or "#ifdef SOLUTION" in line:
        return "speaks of stages"
    if any(int(task) <= stage for task in TODO.findall(line)):
        return "stub of a task that is done"
    code = plain(line)
    stages = allowed.get(code)
    if not stages or stage in stages or code in shown:
        return ""
    return f"belongs to stage {min(stages)} and up" if min(stages) > stage else "belongs to earlier stages"


# Writing a directory.

def manifest(files, what):
    """The text of the file that says what was generated, so that nothing else is ever overwritten."""
    digests = (f"{hashlib.sha256(file.content).hexdigest()}  {path}\n" for path, file in sorted(files.items()))
    return f"# {what}. Generated by make handout from solution/; change it there.\n" + "".join(digests)


def foreign(out, patterns):
    """A file in out that make handout did not write, or "" ."""
    listed = {}
    if (out / MANIFEST).is_file():
        for line in (out / MANIFEST).read_text().splitlines()[1:]:
            digest, _, path = line.partition("  ")
            listed[path] = digest
    for path in walk(out):
        if path == MANIFEST or is_product(path, patterns):
            continue
        if listed.get(path) != hashlib.sha256((out / path).read_bytes()).hexdigest():
            return path
    return ""


def differences(files, out, patterns):
    """The paths in which the directory out is not what files say; patterns are those of built files, which may be there."""
    there = {path for path in walk(out) if not is_product(path, patterns)} if out.is_dir() else set()
    return sorted(path for path in there | files.keys()
                  if path not in there or path not in files
                  or (out / path).read_bytes() != files[path].content
                  or os.access(out / path, os.X_OK) != files[path].executable)


def write(files, out, what, patterns):
    """Make the directory out hold exactly files, at once or not at all.

    patterns are those of built files, which may be lost. Raises HandoutError where out holds
    a file that was not generated, or was changed since, and where it can't be written."""
    files = {**files, MANIFEST: File(manifest(files, what).encode())}
    if out.exists() and not out.is_dir():
        raise HandoutError(f"{out} is a file: name a directory")
    if not differences(files, out, patterns):
        return
    if out.is_dir() and (strange := foreign(out, patterns)):
        raise HandoutError(f"{out}/{strange} was not made by make handout, or was changed since: "
                           f"save it elsewhere, and delete it or all of {out}")
    try:
        replace(files, out)
    except OSError as error:
        raise HandoutError(f"cannot write {out}: {error.strerror}") from None


def replace(files, out):
    """Write files into a new directory beside out, and put it in out's place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        fresh = scratch / "new"
        for path, file in files.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(0o755 if file.executable else 0o644)
        if out.exists():
            out.rename(scratch / "old")
        fresh.rename(out)
    except OSError:
        if (scratch / "old").exists() and not out.exists():
            (scratch / "old").rename(out)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def generated(kit=KIT):
    """The generated directories of the kit: (directory, files, what it is) for each."""
    yield kit / "grader/official", official_files(kit), "The files that the grader lays over every submission"
    yield kit / "handout", stage_files(0, kit), "The handout, stage 0"


def stale(kit=KIT):
    """The paths below the kit that make handout would change."""
    found = []
    for out, files, what in generated(kit):
        files = {**files, MANIFEST: File(manifest(files, what).encode())}
        found += [f"{out.relative_to(kit)}/{path}" for path in differences(files, out, products(kit / "solution"))]
    return found


# The command.

def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--stage", type=int, metavar="K", help=f"how many tasks are done: 0 to {CORE} (needs --out)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the stage")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if handout/ is not up to date")


def main(options):
    """Do what the options say; returns the exit status: 0, or 1 if --check finds a difference.

    Raises HandoutError."""
    if options.check:
        for path in (wrong := stale()):
            print(f"{path} is not what make handout makes")
        return 1 if wrong else 0
    patterns = products(KIT / "solution")
    if options.out is None:
        if options.stage is not None:
            raise HandoutError("say where the stage goes: make handout STAGE=5 OUT=dir")
        for out, files, what in generated():
            write(files, out, what, patterns)
        return 0
    stage = options.stage or 0
    write(stage_files(stage), options.out.resolve(), f"The lab, stage {stage}", patterns)
    return 0
