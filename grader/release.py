"""make release: packs what students, GitHub Classroom, Gradescope and Autolab get; the same content gives the same bytes."""

import ast
import gzip
import hashlib
import io
import os
import re
import subprocess
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from . import CouldNotGrade, __version__, handout, lab, sandbox, tracks, tree
from .handout import KIT, File

OUT = Path("dist")              # if nothing else is said
SUMS = "SHA256SUMS"
WHEN = 1767225600               # 2026-01-01: of all that is packed, so that content alone makes a difference
TEMPLATES = Path(__file__).resolve().parent / "releases"
FILE_NAME = re.compile(r"\w+\.py")
BRANCH = "main"
WHO = "mmaplab <mmaplab@localhost>"
CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"


# What goes where: files by path.

def student_files(track=tracks.CORE, kit=KIT):
    """What students of a track get: its handout, and the grader without what is strict, hidden, or for the kit alone."""
    grader = {f"grader/{path}": read(kit / "grader" / path)
              for path in (*student_modules(kit / "grader"), "setup.sh", "labs/mmap.toml")}
    mine = lab.load(track=track).protected
    official = {f"grader/official/{path}": file for path, file in handout.official_files(kit).items() if tracks.fits(path, mine)}
    return {**handout.stage_files(0, track, kit), **grader, **official, "grader/.gitignore": File(b"__pycache__/\n"),
            "docs/LICENSE": read(kit / "LICENSE")}


def student_modules(grader):
    """The paths of what `grade`, `run` and `gdb` consist of: what cli.py comes to by import statements, and programs that these
    modules name as NAME.py. What they get by kitonly.load() is not for students."""
    found, wanted = set(), {"__init__.py", "__main__.py", "cli.py"}
    while wanted:
        path = wanted.pop()
        found.add(path)
        wanted |= {name for name in named(grader, path) if (grader / name).is_file()} - found
    return sorted(found)


def named(grader, path):
    """The paths, below the grader's directory, of what a module of it may import or run."""
    for node in ast.walk(ast.parse((grader / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            above = Path(path).parts[:-node.level] if node.level else ("..",) * (node.module.split(".")[0] != "grader")
            below = (node.module or "").split(".")[0 if node.level else 1:] if node.module else []
            base = "/".join((*above, *below))
            yield from (f"{base}.py", f"{base}/__init__.py")
            yield from (f"{base}/{name.name}.py".lstrip("/") for name in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and FILE_NAME.fullmatch(node.value):
            yield node.value


def staff_files(track=tracks.CORE, kit=KIT):
    """What Gradescope and Autolab get, below kit/: the grader with the hidden tests, but not the kit's own tests, and the handout of
    a track, which says what is graded."""
    paths = [path for path in handout.walk(kit / "grader")
             if not path.startswith("tests/") and "__pycache__/" not in path and not tree.is_product(path)]
    return {**{f"kit/grader/{path}": read(kit / "grader" / path) for path in paths}, "kit/LICENSE": read(kit / "LICENSE"),
            **{f"kit/handout/{path}": file for path, file in handout.stage_files(0, track, kit).items()}}


def template_files(track=tracks.CORE, kit=KIT):
    """What the repository of a GitHub Classroom assignment starts from."""
    return {**student_files(track, kit), ".github/workflows/classroom.yml": read(TEMPLATES / "classroom.yml")}


def gradescope_files(track=tracks.CORE, kit=KIT):
    """What Gradescope's zip holds."""
    return {**staff_files(track, kit), **{name: File(read(TEMPLATES / name).content, True) for name in ("setup.sh", "run_autograder")}}


def read(path):
    """A file of the kit. Raises CouldNotGrade."""
    try:
        return File(path.read_bytes(), os.access(path, os.X_OK))
    except OSError as error:
        raise CouldNotGrade(f"{path}: {error.strerror}; a release needs it") from None


# How it is packed: sorted, of one date, nobody's.

def tar(files, top=""):
    """The bytes of a tar of files by path, below the directory top."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, file in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}{path}")
            member.size, member.mtime, member.mode = len(file.content), WHEN, 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))
    return packed.getvalue()


def zipped(files):
    """The bytes of a zip of files by path."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, file in sorted(files.items()):
            member = zipfile.ZipInfo(path, time.gmtime(WHEN)[:6])
            member.create_system, member.compress_type = 3, zipfile.ZIP_DEFLATED
            member.external_attr = (0o100755 if file.executable else 0o100644) << 16
            archive.writestr(member, file.content)
    return packed.getvalue()


def repository(files, message, place):
    """Make the directory place (a Path) a bare git repository with one commit of files by path, in one pack."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "made")
        for path, file in files.items():
            target = Path(scratch, "tree", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(0o755 if file.executable else 0o644)
        git(scratch, "init", "-q", "--bare", "--template=", f"--initial-branch={BRANCH}", made)
        there = (f"--git-dir={made}", f"--work-tree={scratch}/tree", "-c", "core.autocrlf=false")
        git(scratch, *there, "add", "--all", "--force")
        git(scratch, *there, "commit", "-q", "--no-gpg-sign", "-m", message)
        git(scratch, *there, "-c", "pack.threads=1", "repack", "-q", "-a", "-d", "-F")
        git(scratch, *there, "pack-refs", "--all")
        for part in ("HEAD", "packed-refs", *(f"objects/pack/{pack.name}" for pack in made.glob("objects/pack/pack-*.[ip]*"))):
            (place / part).parent.mkdir(parents=True, exist_ok=True)
            (place / part).write_bytes((made / part).read_bytes())
    (place / "config").write_text(CONFIG)
    (place / "refs").mkdir()                    # without it, git sees no repository


def git(place, *words):
    """Run git in a directory, with nobody's settings. Raises CouldNotGrade."""
    sandbox.need("git", "git")
    name, mail = WHO.rstrip(">").split(" <")
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", name), ("EMAIL", mail), ("DATE", f"{WHEN} +0000"))}
    plain = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
             "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", *map(str, words)], cwd=place, env={**plain, **who}, capture_output=True, text=True)
    if done.returncode:
        raise CouldNotGrade(f"git {words[0]} failed: {done.stderr.strip()}")


# The directory.

def build(out, track=tracks.CORE, kit=KIT):
    """Write a release of a track into the directory out (a Path), which must not be there yet. Raises CouldNotGrade, LabError."""
    rubric = lab.load(strict=True, track=track)
    name = f"{rubric.name}-{rubric.version}"
    (out / f"{name}-autolab").mkdir(parents=True)
    (out / "VERSION").write_text(f"kit {__version__}\n{rubric.name} lab {rubric.version}\n")
    (out / f"{name}-handout.tar.gz").write_bytes(gzip.compress(tar(student_files(track, kit), f"{rubric.name}-lab/"), mtime=0))
    repository(template_files(track, kit), f"The {rubric.name} lab, version {rubric.version}", out.resolve() / f"{name}-template.git")
    (out / f"{name}-gradescope.zip").write_bytes(zipped(gradescope_files(track, kit)))
    (out / f"{name}-autolab/autograde.tar").write_bytes(tar(staff_files(track, kit)))
    (out / f"{name}-autolab/autograde-Makefile").write_bytes(read(TEMPLATES / "autograde-Makefile").content)
    sums = [f"{hashlib.sha256((out / path).read_bytes()).hexdigest()}  {path}\n" for path in handout.walk(out)]
    (out / SUMS).write_text("".join(sums))


def replace(out, track=tracks.CORE):
    """Put a release of a track in the place of an earlier one at out (a Path), whole or not at all. Raises CouldNotGrade, LabError."""
    if out.exists() and not (out / SUMS).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise CouldNotGrade(f"{out} holds something else than a release: name another directory")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        build(Path(scratch, "new"), track)
        if out.exists():
            out.rename(Path(scratch, "old"))
        Path(scratch, "new").rename(out)


# The command.

def add_arguments(parser):
    """Tell an argparse parser the options of this command."""
    parser.add_argument("--track", default=tracks.CORE, metavar="NAME", help=f"of the lab (default: {tracks.CORE})")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"where to write it (default: {OUT})")


def main(options):
    """`release`: write it, and say what it is. Raises CouldNotGrade, also where the handout is out of date."""
    old = handout.stale()
    if old:
        raise CouldNotGrade(f"{old[0]} is not what solution/ has: run make handout first")
    try:
        replace(options.out.resolve(), options.track)
    except OSError as error:
        raise CouldNotGrade(f"can't write {options.out}: {error}") from error
    print((options.out / SUMS).read_text(), end="")
    return 0
