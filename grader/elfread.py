"""Reads the debug information of ELF files, in a process of its own: they may be hostile.

    python3 -m grader.elfread '[{"elf": PATH, "table": 16, "addresses": [N, ...], "tools": "riscv64-unknown-elf-"}, ...]'

prints a line for each: {"table": TEXT, "near": TEXT, "places": {"N": [FUNCTION, FILE, LINE], ...},
"segments": [[START, END, FLAGS], ...]}, or {} where it can't be read. tools is what the names of binutils begin with; table is
how many VMAs the table must have, or 0: it is not asked for."""

import contextlib
import itertools
import json
import posixpath
import re
import resource
import subprocess
import sys

MEMORY = 1 << 30        # bytes that this process may use
SEGMENTS = 16           # parts of a program that are told
LONGEST = 4 << 20       # bytes of a tool's output that are read
# A segment, as readelf -l has it.
LOADED = re.compile(r"\s+LOAD\s+\S+ 0x([0-9a-f]+) \S+ \S+ 0x([0-9a-f]+) ([RWE ]{3}) ")
FLAGS = {"E": 1, "W": 2, "R": 4}
# A symbol, as readelf -s has it.
FUNCTION = re.compile(r"\s*\d+: ([0-9a-f]+) +(\d+|0x[0-9a-f]+) FUNC +\S+ +\S+ +\d+ (\S+)")
COMPILED = re.compile(r"DW_AT_comp_dir\s*: (?:\(.*?\): )?(.*)")
NESTED = 8              # how deep types are followed
THROUGH = ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type")
RECORDS = ("DW_TAG_structure_type", "DW_TAG_union_type")


def text(die, name, default=""):
    """The attribute name of a DIE as text."""
    value = die.attributes.get(name)
    return value.value.decode("utf-8", "replace") if value is not None else default


# The VMA table: an array in struct proc.

def target(die):
    """The type that a DIE refers to, typedefs and qualifiers taken off; None for void."""
    for _ in range(NESTED):
        if "DW_AT_type" not in die.attributes:
            return None
        die = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag not in THROUGH:
            return die
    return None


def members(record):
    """The member DIEs of a struct or union."""
    return [child for child in record.iter_children() if child.tag == "DW_TAG_member"]


def length(array):
    """How many elements an array type has, over all its dimensions; 0 if it does not say."""
    total = 1
    for child in array.iter_children():
        if child.tag == "DW_TAG_subrange_type":
            bound = child.attributes.get("DW_AT_upper_bound")
            count = child.attributes.get("DW_AT_count")
            total *= count.value if count else bound.value + 1 if bound else 0
    return total


def holds_file(record, depth=0):
    """Whether a struct or union has a `struct file *`, at any depth of nesting."""
    for member in members(record):
        kind = target(member)
        if kind is None or depth >= NESTED:
            continue
        if kind.tag == "DW_TAG_pointer_type":
            pointee = target(kind)
            if pointee is not None and pointee.tag == "DW_TAG_structure_type" and text(pointee, "DW_AT_name") == "file":
                return True
        if kind.tag in RECORDS and holds_file(kind, depth + 1):
            return True
    return False


def tables(record, depth=0):
    """(element type, member name, length) of each array of structs with a `struct file *` in a struct."""
    for member in members(record):
        kind = target(member)
        if kind is None or depth >= NESTED:
            continue
        if kind.tag in RECORDS:
            yield from tables(kind, depth + 1)
        if kind.tag == "DW_TAG_array_type":
            element = target(kind)
            if element is not None and element.tag == "DW_TAG_structure_type" and holds_file(element):
                yield text(element, "DW_AT_name"), text(member, "DW_AT_name"), length(kind)


def find_struct(dwarf, name):
    """The DIE of the definition of struct name, or None."""
    for unit in dwarf.iter_CUs():
        for die in unit.get_top_DIE().iter_children():
            if (die.tag == "DW_TAG_structure_type" and "DW_AT_declaration" not in die.attributes
                    and text(die, "DW_AT_name") == name):
                return die
    return None


def find_table(dwarf, least):
    """The VMA table of struct proc as (declaration, ""), or ("", why there is none)."""
    proc = find_struct(dwarf, "proc")
    if proc is None:
        return "", "the kernel's debug information has no struct proc"
    near = "struct proc has no array of structs that hold a struct file *"
    for element, name, count in tables(proc):
        declaration = f"struct {element} {name}[{count}]"
        if count >= least:
            return declaration, ""
        near = f"struct proc has {declaration}: fewer than {least}"
    return "", near


def read_table(path, least):
    """find_table() of an ELF file."""
    from elftools.elf.elffile import ELFFile        # here: it takes longer than all else, and not everyone asks for a table
    with open(path, "rb") as file:
        elf = ELFFile(file)
        if not elf.has_dwarf_info():
            return "", "the kernel has no debug information (compile with -ggdb)"
        return find_table(elf.get_dwarf_info(), least)


# Addresses: what the compiler's own tools say of them.

def output(words, asked=""):
    """The lines that a command prints when it is asked something (text on standard input)."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(asked.encode())
            child.stdin.flush()
        child.stdin.close()
        told = child.stdout.read(LONGEST)
        child.kill()
    return told.decode("utf-8", "replace").splitlines()


def outlines(tools, elf):
    """The segments of an ELF file that are loaded, the directories in which its parts were compiled, and its functions."""
    segments, directories, functions = [], set(), []
    for line in output([f"{tools}readelf", "-lsW", "--debug-dump=info", "--dwarf-depth=1", elf]):
        part, top, function = LOADED.match(line), COMPILED.search(line), FUNCTION.match(line)
        if part:
            start, size = int(part[1], 16), int(part[2], 16)
            segments.append([start, start + size, sum(bit for letter, bit in FLAGS.items() if letter in part[3])])
        if top:
            directories.add(top[1])
        if function:
            functions.append((int(function[1], 16), int(function[2], 0), function[3]))
    return segments[:SEGMENTS], directories, functions


def places(tools, elf, addresses, directories, functions):
    """[function, file, line] of the code at each of some addresses, by the address as text; "" and 0 for what is not known."""
    if not addresses:
        return {}
    told = output([f"{tools}addr2line", "-f", "-e", elf], "".join(f"{address:#x}\n" for address in addresses))
    told = told[:2 * len(addresses)]        # a hostile name may have lines of its own
    found = {}
    for address, name, place in itertools.zip_longest(addresses, told[::2], told[1::2], fillvalue=""):
        file, _, line = place.partition(" (")[0].rpartition(":")
        if line.isdecimal() and int(line):
            found[str(address)] = [name.strip("?"), relative(file, directories), int(line)]
        else:
            found[str(address)] = [symbol_at(functions, address), "", 0]
    return found


def symbol_at(functions, address):
    """The name of the function ((address, size, name), ...) that holds address, or "": addr2line takes the one before it."""
    return next((name for start, size, name in functions if 0 <= address - start < max(size, 1)), "")


def relative(path, directories):
    """A path of a source, relative to the directory in which it was compiled, if it is below that."""
    path = posixpath.normpath(path)
    top = max((top for top in directories if path.startswith(top + "/")), key=len, default="")
    return path[len(top) + 1:] if top else path


def read(request):
    """The answer to one request, both as the file's first lines show them."""
    table = near = ""
    if request["table"]:
        table, near = read_table(request["elf"], request["table"])
    tools, elf = request["tools"], request["elf"]
    segments, *known = outlines(tools, elf)
    return {"table": table, "near": near, "segments": segments, "places": places(tools, elf, request["addresses"], *known)}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for request in json.loads(sys.argv[1]):
        try:
            told = read(request)
        except Exception:           # of the library, which trusts the file: whatever it is, others can be read
            told = {}
        print(json.dumps(told), flush=True)
