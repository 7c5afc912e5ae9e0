"""Cuts stages and handouts from solution/, and the official files that the grader carries."""

import fnmatch
import functools
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grader import lab, tracks
from grader.regions import COMMENT, NEVER, TODO, Choice, HandoutError, cut, needs_cut, read_lines
from grader.tracks import CORE as CORE_TRACK

KIT = Path(__file__).resolve().parent.parent
CORE = 8            # the last stage of the core lab
MANIFEST = ".generated"
DOCS = ("docs/lab.md", "docs/grading.md", "docs/kernel.md")     # beside the pages of tasks
README = "docs/student/README.md"
INCLUDES = ("kernel/fcntl.h", "kernel/file.h", "kernel/fs.h", "kernel/param.h", "kernel/riscv.h", "kernel/sleeplock.h",
            "kernel/spinlock.h", "kernel/stat.h", "kernel/syscall.h", "kernel/types.h", "kernel/vm.h", "kernel/wmap.h",
            "user/user.h", "user/wmap.h")       # what the grader's own programs include, with all calls


@dataclass(frozen=True)
class File:
    """What a generated file holds, and whether it can be run."""

    content: bytes
    executable: bool = False


# What belongs into which tree.

@functools.cache
def whole():
    """The lab with all tasks and tracks."""
    return lab.read_file(lab.FILE)


def numbers():
    """The numbers of all tasks."""
    return frozenset(task.number for task in whole().tasks)


def chosen(stage, track):
    """The Choice that a stage of a Track is: the first so many of its tasks done. Raises HandoutError where there is none."""
    if not 0 <= stage <= len(track.tasks):
        raise HandoutError(f"there is no stage {stage} of {track.name}: a stage is 0 (nothing done) to {len(track.tasks)} (all tasks done)")
    return Choice(frozenset(track.given + track.tasks[:stage]), numbers() - {*track.given, *track.tasks})


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


def stage_files(stage, track=CORE_TRACK, kit=KIT):
    """All files of a stage of a track (its name), by path.

    stage is 0 (the handout) to the number of the track's tasks. Raises HandoutError where a source, a page or a region is wrong,
    LabError where there is no such track."""
    track = whole().track_named(track)
    choice = chosen(stage, track)
    files = {}
    for path, source in read_sources(kit).items():
        if not tracks.lacks(whole(), path, track):
            text = decode(source.content, f"solution/{path}")
            files[path] = File(cut(text, choice, f"solution/{path}", numbers()).encode(), source.executable)
    for path in pages(track):
        files[path] = File(read_page(kit / path))
    files["README.md"] = File(readme(read_page(kit / README).decode(), track).encode())
    files[tracks.FILE] = File(f"{track.name}\n".encode())
    leaks = find_leaks(choice, files, kit)
    if leaks:
        raise HandoutError("stage %d would give away or keep what it must not:\n  %s" % (stage, "\n  ".join(leaks)))
    return files


def pages(track):
    """The paths of the pages that a Track's trees have: of what is to be done, and of what is there."""
    return (*DOCS, *(task.doc for task in whole().tasks if task.number in track.tasks + track.given))


def readme(text, track):
    """The README of a Track's trees, from its template."""
    try:
        import jinja2               # here: what grades needs none of it
    except ImportError:
        raise HandoutError("python3-jinja2 is not installed: run make setup, or apt install python3-jinja2") from None
    narrowed = tracks.narrow(whole(), track)
    given = [task for task in whole().tasks if task.number in track.given]
    return jinja2.Template(text, trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined).render(
        lab=narrowed, track=track, given=given, program=narrowed.tests[0].name, sections=[s.name for s in narrowed.sections][:2])


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
    sources = read_sources(kit)
    files = {path: source for path, source in sources.items() if tracks.fits(path, whole().protected)}
    for path, source in files.items():
        if needs_cut(source.content.decode()):
            raise HandoutError(f"solution/{path} is laid over every submission, so it can have no LAB_TASK region")
    headers = {path: decode(sources[path].content, f"solution/{path}") for path in INCLUDES}
    return files | {f"include/{path}": File(cut(text, Choice(numbers()), f"solution/{path}", numbers()).encode())
                    for path, text in headers.items()}


# The leak check.

def plain(line):
    """What of a line counts when lines are compared: "" for comments and trivial lines."""
    if COMMENT.match(line):
        return ""
    code = " ".join(re.sub(r"\s*(//|/\*).*", "", line).split())
    return code if len(re.findall(r"\w+", code)) >= 3 else ""


def sort_lines(choice, kit=KIT):
    """What lines of solution/ a tree with a Choice may hold: a dict of why not ("": it may) by line, of those that count, and
    the set of those that are declarations.

    That a line stands in a stub allows it only if it is nowhere else: a stub gives no solution away.
    A declaration starts at the left margin."""
    finished, stubs, declarations = {}, {}, set()
    for path, source in read_sources(kit).items():
        for line in read_lines(decode(source.content, path), f"solution/{path}", numbers()):
            code = plain(line.text)
            if code and not line.directive:
                known = stubs if line.stub else finished
                known[code] = known.get(code, "?") and why_not(line, choice)
                if not line.text[0].isspace():
                    declarations.add(code)
    return stubs | finished, declarations


def why_not(line, choice):
    """Why a tree with a Choice does not keep a Line, or ""."""
    if line.kept(choice):
        return ""
    missing = line.needs - choice.done
    if NEVER in missing:
        return "is for the kit alone"
    return f"belongs to task {max(missing)}" if missing else "belongs to a stub of a task that is done"


def find_leaks(choice, files, kit=KIT):
    """What in files does not belong into a tree with a Choice: one text for each line."""
    reasons, declarations = sort_lines(choice, kit)
    leaks = []
    for path, file in sorted(files.items()):
        shown = declarations if path.endswith(".md") else ()      # a page may show them: they are the lab's interface
        for number, line in enumerate(file.content.decode().splitlines(), 1):
            reason = misplaced(line, choice) or plain(line) not in shown and reasons.get(plain(line))
            if reason:
                leaks.append(f"{path}:{number}: {reason}: {line.strip()}")
    return leaks


def misplaced(line, choice):
    """Why a line must not be in a tree with a Choice, whatever else there is; or ""."""
    if "LAB_TASK" in line or "#ifdef SOLUTION" in line or "FAILALLOC" in line:
        return "speaks of stages"
    asked = {int(task) for task in TODO.findall(line)}
    if asked & choice.done:
        return "stub of a task that is done"
    return "asks for a task that is left out" if asked & choice.left_out else ""


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
    yield kit / "handout", stage_files(0, kit=kit), "The handout, stage 0"


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
    parser.add_argument("--track", metavar="NAME", help=f"which of the lab's tracks (default: {CORE_TRACK}; needs --out)")
    parser.add_argument("--stage", type=int, metavar="K", help="how many of the track's tasks are done, from 0 up (needs --out)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write it")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if handout/ is not up to date")


def main(options):
    """Do what the options say; returns the exit status: 0, or 1 if --check finds a difference.

    Raises HandoutError, LabError."""
    if options.check:
        for path in (wrong := stale()):
            print(f"{path} is not what make handout makes")
        return 1 if wrong else 0
    patterns = products(KIT / "solution")
    if options.out is None:
        if options.stage is not None or options.track is not None:
            raise HandoutError("say where it goes: make handout TRACK=core STAGE=5 OUT=dir")
        for out, files, what in generated():
            write(files, out, what, patterns)
        return 0
    write_stage(options.stage or 0, options.track or CORE_TRACK, options.out.resolve())
    return 0


def contents(stage, track=CORE_TRACK):
    """The contents of all files of a stage of a track (its name), by path. Raises HandoutError, LabError."""
    return {path: file.content for path, file in stage_files(stage, track).items()}


def write_stage(stage, track, out):
    """Write a stage of a track (its name) into a directory (a Path). Raises HandoutError, LabError."""
    write(stage_files(stage, track), out, f"The lab, track {track}, stage {stage}", products(KIT / "solution"))
