"""Speaks gdb's remote protocol with QEMU: stop, look at harts and physical memory, go on. Appendix E of gdb's manual."""

import re
import select

from . import postmortem

LONGEST = 1 << 16               # bytes of one packet that are taken
PIECE = 1024                    # bytes of memory that one packet asks for
REGISTERS = 33                  # x0 to x31, and pc
PC = 32
RAM = 0x80000000                # where the machine's memory begins
LEAVING = 30.0                  # seconds that the last words may take


class StubError(Exception):
    """QEMU's stub does not answer as it should. The text says how."""


class Ended(Exception):
    """The machine has ended, or nobody wants to know any more."""


class Stub:
    """A connection to a machine's stub. The machine stands still until resume().

    path is the socket (a Path), over a file descriptor that can be read once nobody waits for answers any more. seconds is
    how long one answer may take. All calls raise StubError or Ended."""

    def __init__(self, path, over, seconds=120.0):
        self.over, self.seconds = over, seconds
        self.held = b""                         # what has come and was not yet taken
        self.running = False
        self.socket = connect(path)
        self.wait(seconds)                      # who connects stops the machine
        self.satp_number = self.register_number("satp")
        self.demand("Qqemu.PhyMemMode:1")       # memory is read as the bus has it, whatever a hart's page table says

    # Packets.

    def send(self, text):
        """Send a packet."""
        data = text.encode()
        try:
            self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) % 256))
        except OSError as error:
            raise Ended from error

    def receive(self, seconds):
        """The next packet that comes, as text; seconds is how long that may take, None: for ever."""
        while True:
            packet = re.search(rb"\$([^#]*)#..", self.held, re.DOTALL)
            if packet:
                self.held = self.held[packet.end():]
                return unescaped(packet[1])
            if len(self.held) > LONGEST:
                raise StubError(f"a packet of more than {LONGEST} bytes")
            self.held += self.more(seconds)

    def more(self, seconds):
        """Some bytes that have come."""
        ready, _, _ = select.select([self.socket, self.over], [], [], seconds)
        if self.over in ready and self.over is not self.socket:
            raise Ended
        if not ready:
            raise StubError(f"no answer within {seconds:g} s")
        try:
            data = self.socket.recv(LONGEST)
        except OSError as error:
            raise Ended from error
        if not data:
            raise Ended
        return data

    def command(self, text):
        """Send a packet; return the answer, for which a + is sent."""
        self.send(text)
        answer = self.receive(self.seconds)
        self.acknowledge()
        return answer

    def acknowledge(self):
        """Say that a packet has come."""
        try:
            self.socket.sendall(b"+")
        except OSError as error:
            raise Ended from error

    def demand(self, text):
        """Send a packet that is answered with OK, or is not understood."""
        answer = self.command(text)
        if answer != "OK":
            raise StubError(f"it answers {text.partition(':')[0]!r} with {answer[:40]!r}")

    # What the machine is.

    def document(self, name):
        """A description of the registers, by its name."""
        text = ""
        while len(text) < LONGEST:
            answer = self.command(f"qXfer:features:read:{name}:{len(text):x},{PIECE:x}")
            if answer[:1] not in ("l", "m"):
                raise StubError(f"it has no {name}")
            text += answer[1:]
            if answer[0] == "l":
                return text
        raise StubError(f"{name} has no end")

    def register_number(self, name):
        """The number of a register that only a description tells."""
        for part in re.findall(r'href="([\w.-]{1,80})"', self.document("target.xml"))[:20]:
            number = re.search(rf'<reg name="{name}"[^>]* regnum="(\d+)"', self.document(part))
            if number:
                return int(number[1])
        raise StubError(f"no description has the register {name}")

    # Harts and memory, while the machine stands still.

    def choose(self, thread):
        """Make thread, as wait() told it, the hart that is asked."""
        self.demand(f"Hg{thread}")

    def registers(self):
        """The chosen hart's x0 to x31 and pc, as a list of ints."""
        data = bytes_of(self.command("g"))
        if len(data) < 8 * REGISTERS:
            raise StubError(f"only {len(data)} bytes of registers")
        return [int.from_bytes(data[at:at + 8], "little") for at in range(0, 8 * REGISTERS, 8)]

    def satp(self):
        """The chosen hart's satp."""
        return int.from_bytes(bytes_of(self.command(f"p{self.satp_number:x}")), "little")

    def set_pc(self, address):
        """Have the chosen hart go on at an address."""
        self.demand(f"P{PC:x}={address.to_bytes(8, 'little').hex()}")

    def memory(self, address, length):
        """length bytes of physical memory, or None where there is none."""
        data = b""
        while address >= RAM and len(data) < length:
            size = min(PIECE, length - len(data))
            answer = self.command(f"m{address + len(data):x},{size:x}")
            if answer.startswith("E"):
                return None
            piece = bytes_of(answer)
            if len(piece) != size:
                raise StubError(f"{len(piece)} bytes of memory, not {size}")
            data += piece
        return data if len(data) == length else None

    def word(self, address):
        """The 8 bytes of physical memory at an address as an int, or None."""
        data = self.memory(address, 8)
        return data and int.from_bytes(data, "little")

    # Running.

    def breakpoint(self, address, insert=True):
        """Stop the machine when a hart comes to an address, or no longer."""
        self.demand(f"{'Z' if insert else 'z'}0,{address:x},2")

    def resume(self):
        """Let the machine go on."""
        self.send("c")
        self.running = True

    def wait(self, seconds=None):
        """Wait until the machine stops, for ever or for so many seconds; return the thread that stopped it."""
        while True:
            told = self.receive(seconds)
            self.running = False
            self.acknowledge()
            if told[:1] in ("W", "X"):
                raise Ended
            thread = re.match(r"T[0-9a-f]{2}.*?thread:(p?[0-9a-f.]{1,16});", told)
            if thread:
                return thread[1]
            if told[:1] not in ("S", "T", "O"):
                raise StubError(f"it stopped and said {told[:40]!r}")

    def leave(self, address):
        """Take the breakpoint at an address away, and let the machine run as if nobody had been here; closes the connection."""
        try:
            self.over = self.socket             # nothing else ends this
            if self.running:
                self.socket.sendall(b"\x03")
                self.wait(LEAVING)
            self.send(f"z0,{address:x},2")
            self.send("D")
            while self.receive(LEAVING) != "OK" or self.receive(LEAVING) != "OK":
                pass
        except (StubError, Ended, OSError):
            pass                                # it has ended, or hangs; whoever started it will kill it
        finally:
            self.socket.close()


def connect(path):
    """A socket that is connected to the stub that listens at path (a Path)."""
    try:
        return postmortem.connect(path)
    except OSError as error:
        raise StubError(f"nobody listens there: {error}") from error


def unescaped(data):
    """The text of a packet's content (bytes): } and the byte behind it stand for that byte with bit 5 turned."""
    return re.sub(rb"\}(.)", lambda two: bytes([two[1][0] ^ 0x20]), data, flags=re.DOTALL).decode("latin-1")


def bytes_of(digits):
    """The bytes that an answer of hex digits tells. Raises StubError if it is none."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise StubError(f"{digits[:40]!r} is no hex number") from None
