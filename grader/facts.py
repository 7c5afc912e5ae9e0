"""Learns what a build's ELF files say, in limited processes: the files are a stranger's, and may be made to do harm."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from grader import events, explain, sandbox, score
from grader.explain import KERNEL, Facts, asked_addresses

LEAST = 16                  # VMAs in struct proc
LIMITS = sandbox.Limits(cpu=20, wall=120, output=1 << 20)      # for all ELF files of a tree
LONGEST = 120               # characters of a name that are kept
SOURCES = (Path(__file__).resolve().parent / "official/user", Path(__file__).resolve().parent / "labs/hidden")
PREFIXES = ("riscv64-unknown-elf-", "riscv64-elf-", "riscv64-linux-gnu-")      # what the names of binutils begin with
MOST = 1000                 # addresses of one ELF file that are looked up: a pipe holds them
PLACES = 3                  # where a text may stand, and still tell
TELLING = 6                 # characters of a text that tells where it stands
READER = Path(__file__).resolve().with_name("elfread.py")


def grade(lab, build, transcripts, box=sandbox.OPEN, told=None):
    """The Grade of transcripts by a Lab. ELF files are read only if something is lacking: only then it matters what they say.

    Runs in which processes were killed are run again where an explanation shows that: what memory they had is told then.
    told are those transcripts whose addresses are of this Build's programs (None: all)."""
    found = score.grade(lab, build, transcripts, Facts())
    if found.status == 0:
        return found
    known = gather(build, transcripts if told is None else told, box, score.asks_facts(lab, build, transcripts))
    found = score.grade(lab, build, transcripts, known)
    places = {place for task in found.tasks for told in (task, *task.parts) for place in told.where}
    looked = [look(run, lab, known, places) for run in transcripts]
    return found if looked == list(transcripts) else score.grade(lab, build, looked, known)


def look(run, lab, known, places):
    """The Transcript with its Scenes, which take a second run, if a fault of it is among the Places of an explanation."""
    if not run.again or not any(place in places for fault in events.faults(run.evidence)
                                for place in explain.fault_places(fault, run, lab.mapped, known)):
        return run
    return replace(run, scenes=run.again())


def gather(build, transcripts, box=sandbox.OPEN, table=True):
    """The Facts of a Build: its VMA table (if that is asked for), and the source of every address that the transcripts show.

    Never raises for what an ELF file holds: what can't be read is not in the Facts."""
    if not build.ok:
        return Facts(near="there is no kernel")
    wanted = {KERNEL: set()}
    for elf, address in asked_addresses(transcripts):
        wanted.setdefault(elf, set()).add(address)
    places = {}
    answers = ask(build.tree, {elf: addresses for elf, addresses in wanted.items() if (build.tree / elf).exists()}, box, table)
    for elf, answer in answers.items():
        for address in wanted[elf]:
            place = clean_place(answer.get("places", {}).get(str(address)))
            if place:
                places[elf, address] = place
    segments = {elf: parts for elf, answer in answers.items() if (parts := clean_segments(answer.get("segments")))}
    kernel = answers.get(KERNEL, {})
    return Facts(clean(kernel.get("table", "")), clean(kernel.get("near", "the kernel's debug information can't be read")),
                 places, segments, said(transcripts))


def said(transcripts):
    """For each console line that tells of a failure where the official test programs say it: ((file, line), ...)."""
    found = {}
    for run in transcripts:
        name = run.program.split()[0]
        sources = [folder / f"{name}.c" for folder in SOURCES if (folder / f"{name}.c").is_file()]
        literals = string_literals(sources[0].read_text()) if sources else {}
        for line in (line.strip() for line in run.evidence if "fail" in line):
            text = max((text for text in literals if text in line), key=len, default="")
            if len(text) >= TELLING and len(literals[text]) <= PLACES:
                found[line] = tuple((f"{sources[0].parent.name}/{name}.c", at) for at in literals[text])
    return found


def string_literals(source):
    """The string literals of a C program, each with the numbers of the lines where it stands."""
    found = {}
    for number, line in enumerate(source.splitlines(), 1):
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', line):
            found.setdefault(text, []).append(number)
    return found


def ask(tree, wanted, box, table):
    """What elfread says of ELF files in a tree: a dict for each that it could read. wanted are addresses by path, the kernel's first.

    It has one process for all of them: where one ELF file keeps it from its work, those behind it are not told either."""
    tools = next((prefix for prefix in PREFIXES if shutil.which(f"{prefix}addr2line")), "")
    requests = [{"elf": str((tree / elf).resolve()), "table": LEAST if table and elf == KERNEL else 0,
                 "addresses": sorted(addresses)[:MOST], "tools": tools} for elf, addresses in wanted.items()]
    places = {Path(request["elf"]).parent for request in requests}
    result = sandbox.run([sys.executable, "-I", str(READER), json.dumps(requests)], tree, LIMITS, box, read=(READER, *places))
    return dict(zip(wanted, map(answer, result.output.splitlines())))


def answer(line):
    """What a line of elfread's says, a dict; empty if it is nonsense."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def clean(text):
    """A name from an ELF file, fit to be printed."""
    return "".join(c for c in str(text) if c.isprintable())[:LONGEST]


def clean_segments(told):
    """((start, end, flags), ...) as elfread told them; empty if that is nonsense."""
    try:
        return tuple((int(start), int(end), int(flags)) for start, end, flags in told)
    except (TypeError, ValueError):
        return ()


def clean_place(place):
    """(function, file, line) as elfread told it, or None if it knew nothing."""
    if not (isinstance(place, list) and len(place) == 3 and isinstance(place[2], int) and any(place)):
        return None
    return clean(place[0]), clean(place[1]), place[2]
