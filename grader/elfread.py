"""Reads the debug information of ELF files, in a process of its own: they may be hostile.

    python3 -m grader.elfread '[{"elf": PATH, "table": 16, "addresses": [N, ...]}, ...]'

prints a line for each: {"table": TEXT, "near": TEXT, "places": {"N": [FUNCTION, FILE, LINE], ...},
"segments": [[START, END, FLAGS], ...]}, or {} where it can't be read."""

import json
import posixpath
import resource
import sys

from elftools.dwarf.descriptions import describe_form_class
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

MEMORY = 1 << 30        # bytes that this process may use
SEGMENTS = 16           # parts of a program that are told
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


# Addresses.

def spans(die, dwarf):
    """The address ranges [low, high) of a DIE."""
    low = die.attributes.get("DW_AT_low_pc")
    high = die.attributes.get("DW_AT_high_pc")
    if low and high:
        relative = describe_form_class(high.form) == "constant"
        return [(low.value, low.value + high.value if relative else high.value)]
    if "DW_AT_ranges" not in die.attributes:
        return []
    base = die.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = base.value if base else 0
    found = []
    for entry in dwarf.range_lists().get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, die.cu):
        if isinstance(entry, BaseAddressEntry):
            base = entry.base_address
        else:
            start = 0 if entry.is_absolute else base
            found.append((start + entry.begin_offset, start + entry.end_offset))
    return found


def covers(die, dwarf, address):
    """Whether a DIE's code is at address."""
    return any(low <= address < high for low, high in spans(die, dwarf))


def name_of(die):
    """The name of a function, looked up where it was declared if it is a copy."""
    for _ in range(NESTED):
        if "DW_AT_name" in die.attributes:
            return text(die, "DW_AT_name")
        for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if link in die.attributes:
                die = die.get_DIE_from_attribute(link)
                break
        else:
            return ""
    return ""


def innermost(die, dwarf, address):
    """The name of the innermost function, inlined ones too, at address."""
    found = ""
    for child in die.iter_children():
        if child.tag in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block") \
                and covers(child, dwarf, address):
            here = "" if child.tag == "DW_TAG_lexical_block" else name_of(child)
            found = innermost(child, dwarf, address) or here or found
    return found


def unit_at(dwarf, address):
    """The compilation unit whose code is at address, or None."""
    ranges = dwarf.get_aranges()
    offset = ranges.cu_offset_at_addr(address) if ranges else None
    if offset is not None:
        return dwarf.get_CU_at(offset)
    for unit in dwarf.iter_CUs():
        if covers(unit.get_top_DIE(), dwarf, address):
            return unit
    return None


def line_at(dwarf, unit, address):
    """(file, line) of the code at address; ("", 0) if it is not told."""
    program = dwarf.line_program_for_CU(unit)
    before = None
    for entry in program.get_entries() if program else ():
        state = entry.state
        if state is None:
            continue
        if before is not None and before.address <= address < state.address:
            return file_name(program, unit, before.file), before.line
        before = None if state.end_sequence else state
    return "", 0


def file_name(program, unit, index):
    """The path of a line program's file, relative to the tree that was compiled."""
    entries = program["file_entry"]
    directories = program["include_directory"]
    modern = program["version"] >= 5
    entry = entries[index if modern else index - 1]
    at = entry.dir_index
    top = text(unit.get_top_DIE(), "DW_AT_comp_dir")
    directory = directories[at] if modern else directories[at - 1] if at else b""
    path = posixpath.join(top, directory.decode("utf-8", "replace"), entry.name.decode("utf-8", "replace"))
    path = posixpath.normpath(path)
    return path[len(top) + 1:] if top and path.startswith(top + "/") else path


def symbol_at(elf, address):
    """The name of the function symbol that holds address, or ""."""
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table else ():
        if symbol["st_info"]["type"] == "STT_FUNC" and 0 <= address - symbol["st_value"] < max(symbol["st_size"], 1):
            return symbol.name
    return ""


def place(elf, dwarf, address):
    """[function, file, line] of the code at address; "" and 0 for what is not known."""
    unit = unit_at(dwarf, address) if dwarf else None
    if unit is None:
        return [symbol_at(elf, address), "", 0]
    file, line = line_at(dwarf, unit, address)
    return [innermost(unit.get_top_DIE(), dwarf, address) or symbol_at(elf, address), file, line]


def read(request):
    """The answer to one request, both as the file's first lines show them."""
    with open(request["elf"], "rb") as file:
        elf = ELFFile(file)
        dwarf = elf.get_dwarf_info() if elf.has_dwarf_info() else None
        table, near = "", "the kernel has no debug information (compile with -ggdb)"
        if request["table"] and dwarf:
            table, near = find_table(dwarf, request["table"])
        places = {str(address): place(elf, dwarf, address) for address in request["addresses"]}
        segments = [[s["p_vaddr"], s["p_vaddr"] + s["p_memsz"], s["p_flags"]] for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
    return {"table": table, "near": near, "places": places, "segments": segments[:SEGMENTS]}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for request in json.loads(sys.argv[1]):
        try:
            told = read(request)
        except Exception:           # of the library, which trusts the file: whatever it is, others can be read
            told = {}
        print(json.dumps(told), flush=True)
