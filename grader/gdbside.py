"""Runs inside gdb, attached to a machine: tells what its harts and processes are about, or stops it where something goes wrong.

REQUEST is {"mark", "kernel", "socket", "programs", "program", "kills"}. grader/postmortem.py reads the answers, lines of
JSON behind the mark; kills is how many killed processes to tell of; 0: the machine is stuck. Where kills is None, gdb is
for a person (grader/debug.py): it is left attached, with breakpoints.
"""

import json
import os
import re
import resource

import gdb

MEMORY = 4 << 30        # bytes that gdb may use
DEPTH = 24              # functions of one stack that are told
PROCESSES = 64          # entries of the process table that are looked at
NESTED = 8              # how deep types are followed
MODES = {0: "user", 1: "supervisor", 3: "machine"}
WFI = 0x10500073
IMAGE = 8 << 20         # bytes of a section of the kernel that are searched
TEXTS = 4               # places of a text that are found
NUMBERS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_PTR)
TRAMPOLINE = (1 << 38) - 4096
SAVED = ["pc", "sp"] + [f"s{n}" for n in range(12)]     # what a struct context holds, in its order
KNOWN = (gdb.error, gdb.MemoryError, RuntimeError, ValueError, OverflowError, TypeError, AttributeError)
SETTINGS = ["confirm off", "architecture riscv:rv64", "remotetimeout 10",      # the first three where a person looks, too
            "trust-readonly-sections on", "pagination off", "width 0", "stack-cache off", "code-cache off", "source open off",
            "debuginfod enabled off"]


def attempt(call, default=None):
    """What call() returns, or default where gdb can't tell."""
    try:
        return call()
    except KNOWN:
        return default


def register(name):
    """A register of the selected hart, as a number without a sign."""
    return int(gdb.parse_and_eval(f"${name}").cast(gdb.lookup_type("unsigned long"))) & (1 << 64) - 1


def set_register(name, value):
    """Write a register of the selected hart."""
    gdb.execute(f"set ${name} = {value}", to_string=True)


def physical(on):
    """Whether gdb's addresses are physical ones from now on: all the kernel's data, whatever page table a hart uses."""
    gdb.execute(f"maintenance packet Qqemu.PhyMemMode:{int(on)}", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)


# The kernel's data.

def variable(name):
    """A variable of the kernel, static or not, as a gdb.Value; None if there is none."""
    for look in (gdb.lookup_global_symbol, gdb.lookup_static_symbol):
        symbol = attempt(lambda: look(name))
        value = symbol and attempt(symbol.value)        # one that is only declared has a value too
        if value is not None:
            return value
    return None


def elements(array):
    """The elements of an array (a gdb.Value), or none if it is no array."""
    if array is None or array.type.strip_typedefs().code != gdb.TYPE_CODE_ARRAY:
        return []
    low, high = array.type.strip_typedefs().range()
    return [array[n] for n in range(low, min(high, low + PROCESSES - 1) + 1)]


def number(record, field):
    """A field of a struct (a gdb.Value) as an int, or None."""
    return attempt(lambda: int(record[field]))


def words(record, field):
    """A field of a struct that is a string, as text."""
    return attempt(lambda: record[field].string("ascii", "replace", **({} if record[field].type.code == gdb.TYPE_CODE_ARRAY
                                                                       else {"length": 32})), "").partition("\0")[0]


def path_in(kind, address, offset):
    """The path of what lies at an offset in a variable of a type at address: its text, its type, and the process or inode it is part of."""
    text, owner = "", ""
    for _ in range(NESTED):
        kind = kind.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_ARRAY and kind.target().sizeof:
            kind = kind.target()
            text += f"[{offset // kind.sizeof}]"
            address, offset = address + offset // kind.sizeof * kind.sizeof, offset % kind.sizeof
            owner = owner_of(kind, address) or owner
            continue
        if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) or offset == 0:
            break
        field = next((f for f in kind.fields() if f.bitpos // 8 <= offset < f.bitpos // 8 + f.type.sizeof), None)
        if field is None:
            break
        text += f".{field.name}" if field.name else ""
        address, offset, kind = address + field.bitpos // 8, offset - field.bitpos // 8, field.type
    return text, kind, owner


def owner_of(kind, address):
    """What a struct at address is, where it has a number that people know: a process or an inode."""
    for tag, field in (("proc", "pid"), ("inode", "inum")):
        if kind.strip_typedefs().tag == tag:
            value = number(gdb.Value(address).cast(kind.pointer()).dereference(), field)
            return "" if value is None else f"{'pid' if tag == 'proc' else 'inode'} {value}"
    return ""


def thing_at(address):
    """What lies at an address of the kernel: its name, and its type or None."""
    found = re.match(r"(\w+)(?: \+ (\d+))? in section", attempt(lambda: gdb.execute(f"info symbol {address}", to_string=True), ""))
    value = variable(found[1]) if found else None
    if value is None:
        return f"{address:#x}" if not found else found[1] + (f"+{found[2]}" if found[2] else ""), None
    text, kind, owner = path_in(value.type, address - int(found[2] or 0), int(found[2] or 0))
    return found[1] + text + (f" ({owner})" if owner else ""), kind


def lock_at(address, tag, holder):
    """A lock: what it is called, where it lies, and what its field `holder` says; None if there is no such thing."""
    def read():
        lock = gdb.Value(address).cast(gdb.lookup_type(f"struct {tag}").pointer()).dereference()
        return {"name": words(lock, "name"), "place": thing_at(address)[0], "locked": int(lock["locked"]), holder: number(lock, holder)}
    return attempt(read)


# Stacks.

def frames():
    """The functions of the selected hart's stack, the innermost first: [function, file, line, the lock that acquire() was given]."""
    found, frame = [], attempt(gdb.newest_frame)
    while frame is not None and len(found) < DEPTH:
        at = attempt(frame.find_sal)
        file = at.symtab.filename if at is not None and at.symtab is not None else ""
        function = attempt(frame.name) or ("trampoline" if frame.pc() >= TRAMPOLINE else "")
        found.append([function, file, at.line if file else 0, argument(frame, "lk") if function == "acquire" else None])
        frame = attempt(frame.older)
    return found


def all_frames():
    """As frames(), and what gdb does not see: what was interrupted where the kernel itself took a trap, and who called
    what is no code. Changes the hart's registers."""
    found = frames()
    at = next((n for n, frame in enumerate(found) if frame[0] == "kernelvec"), None)
    if at is not None:
        attempt(lambda: before_trap(at))
        found = found[:at + 1] + frames()
    if [frame[0] for frame in found][-2:] in ([""], ["kernelvec", ""]):
        set_register("pc", register("ra"))
        found += frames()
    return found


def before_trap(depth):
    """Give the selected hart the registers that it had when it took the trap whose entry is that many frames out.

    The entry makes room on the stack, and saves registers there: its instructions say how much, and which where."""
    frame = gdb.newest_frame()
    for _ in range(depth):
        frame = frame.older()
    start = int(gdb.parse_and_eval("(unsigned long)&kernelvec"))
    code = "\n".join(step["asm"] for step in frame.architecture().disassemble(start, count=48))
    values = {"sp": int(frame.read_register("sp")) + int(re.search(r"\badd\w*\s+sp,sp,-(\d+)", code)[1]), "pc": register("sepc")}
    for name in ("ra", "s0"):
        kept = re.search(rf"\b\w*sd\w*\s+{name},(\d+)\(sp\)", code)
        values[name] = word_at(int(frame.read_register("sp")) + int(kept[1])) if kept else int(frame.read_register(name))
    for name, value in values.items():
        set_register(name, value)


def argument(frame, name):
    """The value of an argument of a frame that is a pointer, or None."""
    value = attempt(lambda: frame.read_var(name))
    return None if value is None or value.is_optimized_out else attempt(lambda: int(value))


def word_at(address, size=8):
    """The number at an address."""
    return int.from_bytes(bytes(gdb.selected_inferior().read_memory(address, size)), "little")


def waits(pc):
    """Whether a hart stands at, or just behind, the instruction that waits for interrupts."""
    return any(attempt(lambda: word_at(at, 4)) == WFI for at in (pc, pc - 4))


def hart_facts(hart, thread):
    """What a hart is about, as far as its registers and its stack tell."""
    thread.switch()
    mode = MODES.get(attempt(lambda: register("priv"), 1), "supervisor")
    pc = attempt(lambda: register("pc"), 0)
    csrs = {name: attempt(lambda: register(name)) for name in ("sstatus", "sie", "sip", "scause", "sepc", "stval", "mepc", "mcause")}
    user = attempt(registers_now) if mode == "user" else None
    return {"number": hart, "mode": mode, "pc": pc, "waits": waits(pc), "user": user, "csrs": csrs,
            "frames": [] if user else all_frames()}


def registers_now():
    """The registers that make the selected hart's stack, as user_stack() takes them."""
    return {"pc": register("pc"), "root": register("satp") << 12 & (1 << 56) - 1,
            "registers": {name: register(name) for name in ("ra", "sp", "s0")}}


def kernel_view(threads):
    """Select a hart that sees memory as the kernel does, and make one do so if none does."""
    for thread in threads:
        thread.switch()
        if attempt(lambda: register("priv")) == 1 and attempt(lambda: register("satp"), 0) >> 60 == 8:
            return
    root = physically(lambda: int(variable("kernel_pagetable")))
    if root is not None:
        set_register("satp", 8 << 60 | root >> 12)
        set_register("priv", 1)


def physically(call):
    """What call() returns with physical addresses, or None."""
    physical(True)
    try:
        return attempt(call)
    finally:
        physical(False)


def context_words(process):
    """The registers that a process was left with: ra, sp and the saved ones, in their order; None if they are not as usual."""
    context = process["context"]
    if context.type.sizeof != 8 * len(SAVED):
        return None
    return [word_at(int(context.address) + 8 * n) for n in range(len(SAVED))]


def stack_of(context):
    """The stack of a process that does not run, from the registers that it was left with."""
    for name, value in zip(SAVED, context):
        set_register(name, value)
    return frames()


# The answer.

def process_facts(process):
    """What the process table says of a process: a dict, with its registers under "context"."""
    state = attempt(lambda: str(process["state"]), "")
    channel = number(process, "chan") or 0
    name, kind = thing_at(channel) if channel else ("", None)
    lock = lock_at(channel, "sleeplock", "pid") if channel and (kind is None or kind.strip_typedefs().tag == "sleeplock") else None
    return {"pid": number(process, "pid"), "name": words(process, "name"), "state": state, "channel": name, "lock": lock,
            "address": int(process.address), "context": attempt(lambda: context_words(process)),
            "user": attempt(lambda: user_registers(process))}


def user_registers(process):
    """The registers with which a process left user space last, and its page table."""
    trapframe = process["trapframe"].dereference()
    return {"pc": int(trapframe["epc"]), "root": int(process["pagetable"]),
            "registers": {name: int(trapframe[name]) for name in ("ra", "sp", "s0")}}


def user_stack(pc, root, registers):
    """The stack of a process in user space, when it last called or trapped into the kernel."""
    for name, value in {**registers, "pc": pc, "satp": 8 << 60 | root >> 12, "priv": 0}.items():
        set_register(name, value)
    return frames()


def hart_processes():
    """For each hart the address of the process that it runs, 0 for none."""
    return [number(cpu, "proc") or 0 for cpu in elements(variable("cpus"))]


def hart_of(cpu):
    """The number of the hart that a `struct cpu *` in a lock means, or None."""
    cpus = variable("cpus")
    size = cpus.type.target().sizeof
    return (cpu - int(cpus.address)) // size if cpu and size else None


def lock_awaited(stack):
    """The lock that a stack spins for, with the hart that holds it; None if it doesn't."""
    address = next((lock for _, _, _, lock in stack if lock), None)
    if stack and stack[0][0] == "acquire" and address:
        lock = lock_at(address, "spinlock", "cpu")
        if lock and lock["locked"]:
            return {**lock, "hart": attempt(lambda: hart_of(lock["cpu"]))}
    return None


def look():
    """The whole answer."""
    threads = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
    running, processes = physically(lambda: (
        hart_processes(), [process_facts(p) for p in elements(variable("proc")) if number(p, "state")])) or ([], [])
    harts = [hart_facts(n, thread) for n, thread in enumerate(threads)]
    for hart in harts:
        hart["process"] = next((p["pid"] for p in processes if running[hart["number"]:][:1] == [p["address"]]), None)
        hart["lock"] = physically(lambda: lock_awaited(hart["frames"]))
    kernel_view(threads)
    for process in processes:
        at = process.pop("context")
        process["frames"] = attempt(lambda: stack_of(at), []) if at and process["address"] not in running else []
    load_program({process["name"] for process in processes})
    for process in processes:
        at = process.pop("user")
        process["calls"] = attempt(lambda: user_stack(**at), []) if at and process["name"] == PROGRAM else []
    for hart in harts:
        at = hart.pop("user")
        hart["frames"] += attempt(lambda: user_stack(**at), []) if at else []
    return {"harts": harts, "processes": processes, "ticks": physically(lambda: int(variable("ticks")))}


# Processes that are killed.

def scenes(most):
    """What memory the first processes have that the kernel says it kills, as dicts: one after the other, as it happens."""
    load_program({PROGRAM})
    told = addresses_of(b"usertrap(): unexpected scause")
    stop = gdb.Breakpoint(printf())
    stop.condition = " || ".join(f"$a0 == {address}" for address in told)
    for _ in range(most if told else 0):
        gdb.execute("continue", to_string=True)
        process = current_process()
        yield {"pc": int(process["trapframe"]["epc"]), "size": number(process, "sz"), "vmas": attempt(lambda: vmas(process)),
               "calls": attempt(lambda: calls_of(process), [])}


def calls_of(process):
    """The stack of a process in user space; the hart that runs the kernel for it stays as it is."""
    at = user_registers(process)
    names = ["satp", "priv", "pc", *at["registers"]]
    before = {name: register(name) for name in names}
    try:
        return user_stack(**at)
    finally:
        for name, value in before.items():
            set_register(name, value)


def printf():
    """Where the kernel's printf begins, as breakpoints want it."""
    return "*" + str(int(gdb.parse_and_eval("(unsigned long)&printf")))


def current_process():
    """The process that the selected hart runs."""
    return variable("cpus")[gdb.selected_thread().num - 1]["proc"].dereference()


def addresses_of(text):
    """Where a text is in the kernel's image."""
    found = []
    for low, high in re.findall(r"(0x[0-9a-f]+) - (0x[0-9a-f]+) is \.(?!s?bss)", gdb.execute("info files", to_string=True)):
        at, high = int(low, 16), int(high, 16)
        while at is not None and at < high and len(found) < TEXTS:
            at = attempt(lambda: gdb.selected_inferior().search_memory(at, min(high - at, IMAGE), text))
            if at is not None:
                found.append(at)
                at += 1
    return found


def vmas(process):
    """The VMAs of a process that hold a file: dicts of their fields that are numbers, with the inode's number under "".

    None if there is no table."""
    table = next((field for field in process.type.fields() if is_table(field.type.strip_typedefs())), None)
    return None if table is None else [told for told in map(vma_facts, elements(process[table])) if told]


def is_table(kind):
    """Whether a type is an array of structs that have a `struct file *`."""
    return (kind.code == gdb.TYPE_CODE_ARRAY and kind.target().strip_typedefs().code == gdb.TYPE_CODE_STRUCT
            and any(is_file(field) for field in kind.target().strip_typedefs().fields()))


def is_file(field):
    """Whether a field of a struct is a `struct file *`."""
    kind = field.type.strip_typedefs()
    return kind.code == gdb.TYPE_CODE_PTR and kind.target().strip_typedefs().tag == "file"


def vma_facts(vma):
    """A VMA's fields that are numbers, and the inode of its file under ""; None if it has no file."""
    fields = vma.type.strip_typedefs().fields()
    file = vma[next(field for field in fields if is_file(field))]
    if int(file) == 0:
        return None
    told = {field.name: number(vma, field) for field in fields if field.type.strip_typedefs().code in NUMBERS}
    return {**told, "": attempt(lambda: int(file["ip"]["inum"]))}


def load_program(names):
    """Load the symbols of the program that was typed, if a process has its name and its file is there."""
    elf = os.path.join(REQUEST["programs"], f"_{PROGRAM}")      # noqa: F821
    if PROGRAM in names and re.fullmatch(r"\w+", PROGRAM) and os.path.isfile(elf):
        attempt(lambda: gdb.execute(f"add-symbol-file {json.dumps(elf)}", to_string=True))


class Kill(gdb.Breakpoint):
    """Stops where the kernel prints that it kills a process, and says where in its program that is."""

    def __init__(self):
        super().__init__(printf())
        self.told = addresses_of(b"usertrap(): unexpected scause")
        self.commands = "up"

    def stop(self):
        if register("a0") not in self.told:
            return False
        process = current_process()
        pc = int(process["trapframe"]["epc"])
        line, code = gdb.find_pc_line(pc), gdb.block_for_pc(pc)
        while code and not code.function:
            code = code.superblock
        place = f": {line.symtab.filename}:{line.line} in {code.function}" if line.symtab and code else ""
        print(f"\nThe kernel kills pid {number(process, 'pid')} {words(process, 'name')}, at {pc:#x}{place}")
        return True


def prepare():
    """Set the breakpoints for a person, and load the program's symbols."""
    gdb.execute("break panic", to_string=True)
    attempt(Kill)
    load_program({PROGRAM})


def answer(request):
    """Attach, look, print."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for setting in SETTINGS if request["kills"] is not None else SETTINGS[:3]:
        attempt(lambda: gdb.execute(f"set {setting}", to_string=True))
    gdb.execute(f"file {json.dumps(request['kernel'])}", to_string=True)
    gdb.execute(f"target remote {request['socket']}", to_string=True)
    if request["kills"] is None:
        return prepare()
    for told in scenes(request["kills"]) if request["kills"] else [look()]:
        print(f"\n{request['mark']} {json.dumps(told)}", flush=True)


PROGRAM = REQUEST["program"]    # noqa: F821
answer(REQUEST)                 # noqa: F821
