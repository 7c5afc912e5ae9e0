"""What a confined command sees and may do: the one place that knows bubblewrap."""

import itertools
import math
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import CouldNotGrade, seccomp

# What of the system is shown, read-only. Nothing of it is a person's or secret; /etc is not shown as a whole.
SYSTEM = ("/usr", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
          "/etc/alternatives", "/etc/ld.so.cache")
TOOLS = ("make", "perl", "cc", "tar", "riscv64-unknown-elf-gcc", "riscv64-elf-gcc", "riscv64-linux-gnu-gcc",
         "qemu-system-riscv64", "gdb-multiarch", "git", "patch", "ccache")      # those that are installed must be seen inside
CACHED = ("cc", "gcc", *TOOLS[4:7])                             # compilers that ccache stands before
SCRATCH = "/tmp"                    # a file system in memory, all that a confined command can write to
CACHE, OWN = "/ccache", "/owncache"     # where a confined command sees the caches, and
MASKS = "/masks"                    # links with compilers' names to ccache
# For the out-of-memory killer these come first. Descriptor 9 is the filter of system calls, and stays here.
START = ["sh", "-c", 'echo 1000 > /proc/self/oom_score_adj; exec 9< "$0"; exec "$@"']
ALONE = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent",
         "--new-session"]
GRADER = "MMAPLAB_GRADER"           # by this name bubblewrap's own words, too, tell whose a box is
STRANGERS = 1 << 30                 # user ids from here to 2^31 belong to nobody
serial = itertools.count()


@dataclass(frozen=True)
class Limits:
    """What a command and all its children may use together; what is not said is said for every one."""

    cpu: float = 120.0              # seconds of CPU time; where confined, four times that for each process, if nobody watches
    wall: float = 600.0             # seconds of wall time
    output: int = 4 << 20           # bytes of output
    memory: int = 2 << 30           # bytes of memory; where confined, twice as much address space for each process
    processes: int = 128            # at a time; where confined, twice as many threads
    file: int = 64 << 20            # bytes of a file; where confined
    scratch: int = 512 << 20        # bytes of all files; where confined
    files: int = 50_000             # in the scratch folder; where confined


@dataclass(frozen=True)
class Box:
    """How commands are kept from the rest of the machine."""

    confined: bool = False
    filter: str = ""                # the file with the filter of system calls, /dev/null for none
    cache: str = ""                 # the directory of ccache, "" for none
    fills: bool = False             # a trusted command may write to the cache
    own: str = ""                   # a second one, for one submission alone
    private: bool = False           # what compiles its sources may write to that
    root: bool = False              # the grader is root: a confined command is not, but a user of its own
    apart: bool = False             # not confined, but what a submission runs is another user, who can't read the kit; needs root


OPEN = Box()                # limits only: a student's own machine, and a tree that is trusted


def confined(scratch, cache=None):
    """A Box in which a stranger's command does no harm; scratch is a directory (a Path) for a file of its own.

    cache is a directory (a Path) for ccache, as cache.fill() left it, or None. Raises CouldNotGrade where bubblewrap does
    not work, or does not show what is needed."""
    if not shutil.which("bwrap"):
        raise refusal("bubblewrap is not installed: run make setup (Debian: apt install bubblewrap)")
    sweep()
    scratch.mkdir(parents=True, exist_ok=True)
    program = scratch.resolve() / "seccomp.bpf"
    program.write_bytes(seccomp.program())
    box = Box(True, str(program if program.stat().st_size else os.devnull),
              str(cache.resolve()) if cache and shutil.which("ccache") else "", root=is_root())
    try_out(box, program)
    return box


def grader(pid):
    """A process as the boxes that it made name it: its number, when it began, and in which namespace that is its number.

    Raises OSError if it has ended."""
    began = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]       # proc(5): starttime
    return f"{pid} {began} {os.stat('/proc/self/ns/pid').st_ino}"


def sweep():
    """Kill the boxes whose graders are gone. Bubblewrap's box ends with its maker only once it is set up: of a grader that is
    killed just then, one may be left, which nobody else would end."""
    here = str(os.stat("/proc/self/ns/pid").st_ino)
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["name"] != "bwrap" or GRADER not in words:
            continue
        named = words[words.index(GRADER) + 1]
        pid, _, namespace = named.split()
        with suppress(OSError):
            if namespace != here or grader(pid) == named:
                continue
        with suppress(psutil.Error):
            process.kill()


def try_out(box, written):
    """Run a command in a box that looks for each tool that is here, and for a file that was written just now (a Path).

    Raises CouldNotGrade if that fails."""
    here = [tool for tool in (*TOOLS, sys.executable) if shutil.which(tool)]
    script = ('test -r "$0" || { echo "what the grader writes, others can not read: set umask 022" >&2; exit 1; }; '
              'for tool; do command -v "$tool" > /dev/null || echo "$tool"; done')
    try:
        seen = subprocess.run(wrap(["sh", "-c", script, str(written), *here], box, read=(written,)), text=True, errors="replace",
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise refusal("bubblewrap did not end within 60 s") from None
    if seen.returncode:
        said = seen.stderr.strip().splitlines() or [f"bubblewrap ended with status {seen.returncode}"]
        raise refusal(said[-1])
    if seen.stdout:
        tool = seen.stdout.split()[0]
        raise refusal(f"a confined command would not see {shutil.which(tool)}: install it below /usr or /opt")


def refusal(why):
    """The CouldNotGrade that says why submissions can't be confined, and what can be done."""
    return CouldNotGrade(f"Submissions can't be confined here: {why}. Without confinement, a submission can do whatever you "
                         "can: only if you trust them all, say --no-sandbox")


def is_root():
    """Whether this process is root of the whole machine, to whom limits on processes don't apply."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2 ** 32 - 1)]


def wrap(words, box, read=(), write=(), directory="/", limits=Limits()):
    """The words that run a command (a list of words) in a box, for who starts it himself.

    A confined command sees the Paths in read, and may change the files in write, each at its own place; directory is where
    it starts. It ends, with all that it started, when the words' own process ends or the thread that began it."""
    if not box.confined:
        return list(words)
    become = []
    if box.root and not box.fills:
        for path in write:
            os.chmod(path, 0o666)
        stranger = STRANGERS + (os.getpid() << 8) % STRANGERS + next(serial) % 256
        become = ["setpriv", f"--reuid={stranger}", f"--regid={stranger}", "--clear-groups", "--inh-caps=-all", "--"]
    names = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if box.root else ["--unshare-user"]
    calls = [] if box.filter == os.devnull else ["--seccomp", "9"]
    # A core of 1 byte: none, and no program of the machine is called for it.
    bounds = ["prlimit", "--core=1", f"--cpu={math.ceil(4 * limits.cpu)}", f"--as={2 * limits.memory}",
              f"--nproc={2 * limits.processes}", "--nofile=512", f"--fsize={limits.file}", "--"]
    return [*START, box.filter, "bwrap", *ALONE, *names, "--setenv", GRADER, grader(os.getpid()), *view(box, limits),
            *shown("--ro-bind", read), *shown("--bind", write), "--remount-ro", "/dev", "--remount-ro", "/",
            "--chdir", str(directory), *calls, "--", *become, *bounds, *words]


def shown(how, paths):
    """The words that show Paths at their own places, in directories that everyone may pass.

    A directory that only its owner may read is shown by what is in it: the command may be another user."""
    words = []
    for path in map(Path, map(os.path.abspath, paths)):
        private = path.is_dir() and path.stat().st_mode & 0o005 != 0o005
        for above in [*reversed(path.parents[:-1]), *([path] if private else [])]:
            words += ["--perms", "0755", "--dir", str(above)]
        for part in sorted(path.iterdir()) if private else [path]:
            if private and part.is_symlink():
                words += ["--symlink", os.readlink(part), str(part)]        # it may lead anywhere
            else:
                words += [how, os.path.realpath(part), str(part)]
    return words


def view(box, limits):
    """The words that say what of the machine is seen: tools, the cache, and an empty scratch folder."""
    there = [path for path in SYSTEM if os.path.lexists(path)]
    links = {path for path in there if os.path.islink(path)}
    words = shown("--ro-bind", [path for path in there if path not in links])
    for path in links:
        words += ["--symlink", os.readlink(path), path]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(limits.scratch), "--tmpfs", SCRATCH,
              "--setenv", "TMPDIR", SCRATCH]
    if not box.cache:
        return words
    words += ["--perms", "0755", "--dir", MASKS]
    for name in CACHED:
        words += ["--symlink", shutil.which("ccache"), f"{MASKS}/{name}"]
    writable, stores = box.fills or box.private, []
    for path, place, writes in ((box.own, OWN, box.private), (box.cache, CACHE, box.fills)):
        if path:
            words += ["--bind" if writes else "--ro-bind", path, place]
            stores.append(f"file://{place}{'' if writes else '|read-only'}")
    # To ccache both are remote: only of such it takes several. The one that it calls its own stays empty.
    settings = {"DIR": f"{SCRATCH}/ccache", "REMOTE_STORAGE": " ".join(stores), "REMOTE_ONLY": "1", "TEMPDIR": SCRATCH,
                "NOSTATS": "1", "SLOPPINESS": "include_file_mtime,include_file_ctime", **({} if writable else {"READONLY": "1"})}
    for name, value in settings.items():
        words += ["--setenv", f"CCACHE_{name}", value]
    return [*words, "--setenv", "PATH", f"{MASKS}:{os.environ.get('PATH', os.defpath)}"]
