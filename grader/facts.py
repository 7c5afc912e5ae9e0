"""Learns what a build's ELF files say, in limited processes: the files are a stranger's, and may be made to do harm."""

import json
import re
import sys
from pathlib import Path

from grader import sandbox
from grader.explain import KERNEL, Facts, asked_addresses

LEAST = 16                  # VMAs in struct proc
LIMITS = sandbox.Limits(cpu=20, wall=120, output=1 << 20)      # for one ELF file
LONGEST = 120               # characters of a name that are kept
SOURCES = (Path(__file__).resolve().parent / "official/user", Path(__file__).resolve().parent / "labs/hidden")
PLACES = 3                  # where a text may stand, and still tell
TELLING = 6                 # characters of a text that tells where it stands
READER = Path(__file__).resolve().with_name("elfread.py")


def gather(build, transcripts, box=sandbox.OPEN):
    """The Facts of a Build: its VMA table, and the source of every address that the transcripts show.

    Never raises for what an ELF file holds: what can't be read is not in the Facts."""
    if not build.ok:
        return Facts(near="there is no kernel")
    wanted = {KERNEL: set()}
    for elf, address in asked_addresses(transcripts):
        wanted.setdefault(elf, set()).add(address)
    places = {}
    answers = {elf: ask(build.tree / elf, LEAST if elf == KERNEL else 0, addresses, box) for elf, addresses in wanted.items()}
    for elf, answer in answers.items():
        for address in wanted[elf]:
            place = clean_place(answer.get("places", {}).get(str(address)))
            if place:
                places[elf, address] = place
    segments = {elf: parts for elf, answer in answers.items() if (parts := clean_segments(answer.get("segments")))}
    kernel = answers[KERNEL]
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


def ask(elf, table, addresses, box):
    """What elfread says of one ELF file: a dict, empty if it failed, took too long or said nonsense."""
    if not elf.exists():
        return {}
    request = json.dumps({"elf": str(elf.resolve()), "table": table, "addresses": sorted(addresses)})
    result = sandbox.run([sys.executable, "-I", str(READER), request], elf.resolve().parent, LIMITS, box, read=(READER,))
    if result.status != 0 or result.cut:
        return {}
    try:
        answer = json.loads(result.output)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


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
