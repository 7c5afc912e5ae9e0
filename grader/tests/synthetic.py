"""Made-up builds and runs: what a kernel at each stage of the lab would show."""

from pathlib import Path

from grader import lab
from grader.build import Build
from grader.explain import Facts
from grader.transcript import Ending, Transcript

LAB = lab.load()
ALONE = [s.name for s in LAB.sections if s.alone]
SECTIONS = [s for s in LAB.sections if not s.alone]
BOOT = ["xv6 kernel is booting", "hart 1 starting", "hart 2 starting", "init: starting sh"]
TABLE = Facts(table="struct vma vma[16]")
NO_TABLE = Facts(near="struct proc has no array of structs that hold a struct file *")
FAULT = ["usertrap(): unexpected scause 0xd pid=3", "            sepc=0x5c stval=0x40000000"]
SHARED = ["basic map_shared: ok", "parent: shared page success", "child: shared page success",
          "shared_task: passed", "mmapsharedtest done"]


def build(programs=("mmaptest", "mmapsharedtest"), ok=True, error="", tree="/nowhere"):
    """A Build that is said to have programs on its disk."""
    tree = Path(tree)
    return Build(ok=ok, tree=tree, kernel=tree / "kernel/kernel", image=tree / "fs.img",
                 programs=frozenset(programs), log="", error=error, seconds=1.0)


def run(program, lines, ending=Ending.DONE, why="", booted=True):
    """A Transcript of program that printed lines."""
    lines = list(lines)
    return Transcript(program=program, ending=ending, why=why or f"{program} ended", booted=booted,
                      lines=tuple(BOOT + lines), first=len(BOOT) if booted else len(BOOT + lines), status=None,
                      seconds=0.5, cpu_seconds=0.7, path=f"build/{program}.txt")


def passing(section):
    """What a section prints that passes."""
    return [section.title, section.passed]


def everything():
    """What mmaptest prints if all is well."""
    return [line for section in SECTIONS for line in passing(section)] + ["mmaptest: all tests succeeded"]


def failing(section, what="content (2)", before=()):
    """What a section prints that fails."""
    return [section.title, *before, f"mmaptest failure: {what}, pid=3"]


def named(name):
    """The section of that name."""
    return LAB.section_named(name)


def default_run(stage):
    """mmaptest, run whole at a stage from 1 to 8."""
    if stage <= 2:
        return run("mmaptest", failing(named("basic"), "mmap (1)"), Ending.FAILED)
    if stage == 3:
        return run("mmaptest", [named("basic").title, *FAULT], Ending.FAILED)
    if stage == 4:
        return run("mmaptest", failing(named("basic"), "munmap (1)") + ["panic: freewalk: leaf"], Ending.PANICKED)
    if stage <= 6:
        until = [line for s in SECTIONS[:8] for line in passing(s)]
        return run("mmaptest", until + failing(named("fork"), "child (1)", FAULT), Ending.FAILED)
    return run("mmaptest", everything())


def section_run(name, stage):
    """A section by itself, at a stage from 1 to 8."""
    section = named(name)
    first = {"exit": 6, "table": 3, "fork": 7, "access": 5, "read-only-write": 4}.get(name, 5)
    if stage >= first:
        return run(section.command, passing(section))
    if stage <= 2:
        return run(section.command, failing(section, "mmap"), Ending.FAILED)
    if stage == 3:
        return run(section.command, [section.title, *FAULT], Ending.FAILED)
    return run(section.command, failing(section, "munmap"), Ending.FAILED)


def shared_run(stage):
    """mmapsharedtest, at a stage from 1 to 8."""
    lines = ["mmapsharedtest start", "test mmap syscall exists", "mmap syscall error handled", "mmap syscall: ok"]
    if stage < 3:
        return run("mmapsharedtest", lines + ["basic map_shared failed: mmap returned -1"], Ending.FAILED)
    if stage == 3:
        return run("mmapsharedtest", lines + ["test basic map_shared", *FAULT], Ending.FAILED)
    if stage == 4:
        return run("mmapsharedtest", lines + ["test basic map_shared", "basic map_shared failed: munmap returned -1"], Ending.FAILED)
    if stage < 8:
        failure = ["child: shared page failed: what the parent stored in page 0 is not seen", "shared_task: failed"]
        return run("mmapsharedtest", lines + SHARED[:1] + failure, Ending.FAILED)
    return run("mmapsharedtest", lines + SHARED)


def stage_runs(stage, part=LAB):
    """All runs of a stage from 1 to 8, as the grader would have them made."""
    runs = []
    wanted = part.programs
    while wanted:
        for command in wanted:
            words = command.split()
            if words[0] == "mmapsharedtest":
                runs.append(shared_run(stage))
            else:
                runs.append(section_run(words[1], stage) if len(words) > 1 else default_run(stage))
        wanted = part.followups(runs)
    return runs
