"""Takes the last commit out of a git repository or bundle. It may be hostile: git never sees its config, hooks or attributes.

Refs are read here. Objects alone are taken over into a repository of our own; there git runs, confined, and writes a tar."""

import re
import shutil

from . import sandbox
from .unpack import BYTES, MEMBERS, Contents, Refused, from_archive, shown

BRANCH = re.compile(rb"ref: (refs/[\w./+-]{1,200})\s*")
ID = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\s*")
OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{38,62}|pack/pack-[0-9a-f]{40,64}\.(?:pack|idx)")
MEMORY = 4 << 30                                                # bytes of address space for git
LIMITS = sandbox.Limits(cpu=30, wall=120, output=1 << 20)
USUAL = ("HEAD", "refs/heads/main", "refs/heads/master")        # where a bundle's last commit is looked for
LONGEST = 1 << 16                                               # bytes of a bundle's header
OWN = {"HEAD": "ref: refs/heads/none\n", "refs/heads/": "", "objects/pack/": "", "info/": "",
       # The submission's own .gitattributes must not change or hide files.
       "info/attributes": "* -export-ignore -export-subst -text -eol -filter -ident -working-tree-encoding\n"}
CONFIG = {40: "[core]\nrepositoryformatversion = 0\nbare = true\n",
          64: "[core]\nrepositoryformatversion = 1\nbare = true\n[extensions]\nobjectFormat = sha256\n"}
# Nothing of this computer's configuration, no prompt, nothing fetched.
SETTINGS = ["GIT_DIR=own", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
            "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1"]
# $1 is a commit. Its files are counted first: ten trees of ten trees of ten trees and so on would fill the memory.
SCRIPT = f"""
ulimit -f {BYTES // 512}
ulimit -v {MEMORY >> 10}
git="git -c core.hooksPath=/dev/null -c core.fsmonitor= -c protocol.allow=never"
if test -f given.bundle; then $git bundle unbundle given.bundle > refs || exit; fi
n=$($git ls-tree -r -t --name-only "$1" | head -n {MEMBERS + 1} | wc -l)
if test "$n" -gt {MEMBERS}; then echo "fatal: more than {MEMBERS} files and folders"; exit 1; fi
exec $git archive --format=tar --output=tree.tar "$1"
"""


def find(files):
    """The folders ("" for the top) of files, a dict by path, in which the insides of a git repository lie."""
    heads, objects, refs = set(), set(), set()
    for name in files:
        parts = name.split("/")
        for depth, part in enumerate(parts):
            places = {"HEAD": heads, "objects": objects, "refs": refs, "packed-refs": refs}.get(part)
            if places is not None:
                places.add("/".join(parts[:depth]))
    return sorted(heads & objects & refs)


def last_commit(files, top):
    """The id (str) of the commit that HEAD of the repository in files below top names. Raises Refused."""
    prefix = top + "/" if top else ""
    text = files[prefix + "HEAD"]
    for _ in range(5):                          # a ref can name another one
        if found := ID.fullmatch(text):
            return found[1].decode()
        branch = BRANCH.fullmatch(text)
        if not branch:
            break
        text = files.get(prefix + branch[1].decode()) or packed_ref(files.get(prefix + "packed-refs", b""), branch[1])
    raise Refused("a git repository whose HEAD names no commit: was nothing committed on its branch?")


def packed_ref(text, ref):
    """The id (bytes) that the file packed-refs has for ref, b"" if none."""
    for line in text.split(b"\n"):
        name, _, of = line.partition(b" ")
        if of.strip() == ref:
            return name
    return b""


def from_repository(files, top, place, box=sandbox.OPEN):
    """The Contents of the last commit of the repository in files (bytes by path) below top.

    place is the Path of a directory that is made and removed. Raises Refused, CouldNotGrade if git is not installed."""
    commit = last_commit(files, top)
    prefix = f"{top}/objects/" if top else "objects/"
    objects = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
    lay_own({f"objects/{name}": content for name, content in objects.items() if OBJECT.fullmatch(name)}, commit, place)
    return archived(commit, place, box)


def from_bundle(path, place, box=sandbox.OPEN):
    """The Contents of the last commit in a bundle (a Path). place, raises: as from_repository."""
    with open(path, "rb") as file:
        header = file.read(LONGEST).partition(b"\n\n")[0].decode("utf-8", "replace")
    refs = {name: commit for commit, name in re.findall(r"^([0-9a-f]{40,64}) (\S+)$", header, re.M)}
    wanted = next((name for name in USUAL if name in refs), next(iter(refs)) if len(refs) == 1 else None)
    if re.search(r"^-[0-9a-f]{40}", header, re.M):
        raise Refused("a git bundle that lacks older commits: make it with git bundle create FILE HEAD")
    if wanted is None or len(refs[wanted]) not in CONFIG:
        raise Refused("a git bundle without HEAD, main or master: make it with git bundle create FILE HEAD")
    lay_own({}, refs[wanted], place)
    shutil.copyfile(path, place / "given.bundle")
    return archived(refs[wanted], place, box)


def lay_own(objects, commit, place):
    """Write a repository of our own with objects (bytes by path) to place/own, of the kind that a commit's id tells by its length."""
    shutil.rmtree(place, ignore_errors=True)
    for name, content in {**OWN, "config": CONFIG[len(commit)], **objects}.items():
        path = place / "own" / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def archived(commit, place, box):
    """The Contents of a commit in place/own; place is removed."""
    sandbox.need("git", "git")
    try:
        result = sandbox.run(["env", *SETTINGS, "sh", "-c", SCRIPT, "sh", commit], place, LIMITS, box, bring=("tree.tar",))
        if result.cut or result.status != 0 or not (place / "tree.tar").is_file():
            lines = [line for line in result.output.split("\n") if line.startswith(("fatal", "error"))]
            why = result.cut or (lines[0] if lines else f"git ended with status {result.status}")
            raise Refused(f"a broken git repository or bundle: {shown(why)}")
        contents = from_archive(place / "tree.tar", "tar", BYTES)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Contents(contents.files, contents.times, (*contents.notes, f"taken from commit {commit[:12]}"))
