"""The client of gdb's protocol, against a server that is made up: right answers, wrong ones, and none."""

import os
import socket
import threading
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import gdbstub
from grader.gdbstub import Ended, Stub, StubError

STOPPED = "T02thread:01;"
TARGET = 'l<target><xi:include href="cpu.xml"/><xi:include href="csr.xml"/></target>'
CPU = 'l<feature><reg name="pc" bitsize="64"/></feature>'
CSR = 'l<feature><reg name="satp" bitsize="64" regnum="450"/></feature>'
HELLO = [TARGET, CPU, CSR, "OK"]


def packet(text):
    """The bytes of a packet."""
    return b"$" + text.encode("latin-1") + b"#%02x" % (sum(text.encode("latin-1")) % 256)


class Server:
    """A stub that answers commands with what it is told to, one after another; then it is silent, or hangs up."""

    def __init__(self, path, answers, first=packet(STOPPED), hang_up=False):
        self.asked = []
        self.answers, self.first, self.hang_up = list(answers), first, hang_up
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Serve one client, as long as it is there."""
        client, _ = self.socket.accept()
        with client, suppress(OSError):
            client.sendall(self.first)
            text = b""
            while self.answers or not self.hang_up:
                data = client.recv(4096)
                if not data:
                    return
                text += data
                while b"#" in text:
                    command, _, text = text.partition(b"#")
                    self.asked.append(command.partition(b"$")[2].decode())
                    answer = self.answers.pop(0) if self.answers else None
                    if answer is not None:
                        client.sendall(answer if isinstance(answer, bytes) else b"+" + packet(answer))


@pytest.fixture
def over():
    """A pair of file descriptors: the first can be read once the second is closed."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


@pytest.fixture
def connected(tmp_path, over):
    """connected(answers...): a Stub whose server gives these answers after the first exchange, and the server."""
    def make(*answers, hang_up=False):
        server = Server(tmp_path / "s", [*HELLO, *answers], hang_up=hang_up)
        return Stub(tmp_path / "s", over[0]), server
    return make


def test_it_learns_the_number_of_satp_and_reads_physical_memory(connected):
    stub, server = connected()
    assert stub.satp_number == 450
    assert server.asked[-1] == "Qqemu.PhyMemMode:1"


def test_registers_memory_and_satp(connected):
    registers = b"".join(n.to_bytes(8, "little") for n in range(33))
    stub, server = connected("OK", registers.hex(), (8 << 60 | 0x87f00).to_bytes(8, "little").hex(), "0102030405060708", "E14", "OK")
    stub.choose("01")
    assert stub.registers() == list(range(33))
    assert stub.satp() == 8 << 60 | 0x87f00
    assert stub.word(0x80001000) == 0x0807060504030201
    assert stub.word(0x90000000) is None
    stub.set_pc(0x1234)
    assert server.asked[-6:] == ["Hg01", "g", "p1c2", "m80001000,8", "m90000000,8", "P20=3412000000000000"]


def test_devices_are_never_read(connected):
    stub, server = connected()
    before = len(server.asked)
    assert stub.word(0x10000000) is None and stub.word(0) is None
    assert len(server.asked) == before


def test_long_memory_comes_in_pieces(connected):
    stub, server = connected("11" * gdbstub.PIECE, "22" * 10)
    assert stub.memory(0x80000000, gdbstub.PIECE + 10) == b"\x11" * gdbstub.PIECE + b"\x22" * 10


def test_a_stop_tells_the_thread(connected):
    stub, server = connected("OK", "T05thread:02;")
    stub.breakpoint(0x4000)
    stub.resume()
    assert stub.wait() == "02"
    assert server.asked[-2:] == ["Z0,4000,2", "c"]


def test_escaped_bytes_are_read():
    assert gdbstub.unescaped(b"a}\x03b}]c") == "a#b}c"


@pytest.mark.parametrize("answers, call, says", [
    (["E01"], lambda s: s.breakpoint(0), "answers 'Z0,0,2' with 'E01'"),
    (["00" * 8], lambda s: s.registers(), "only 8 bytes of registers"),
    (["xyz"], lambda s: s.satp(), "'xyz' is no hex number"),
    (["00"], lambda s: s.word(0x80000000), "1 bytes of memory, not 8"),
    ([b"$" + b"a" * (2 * gdbstub.LONGEST)], lambda s: s.registers(), "a packet of more than"),
    (["what?"], lambda s: s.wait(1), "no answer within 1 s"),
])
def test_what_is_no_answer_is_told(connected, answers, call, says):
    with pytest.raises(StubError, match=says):
        call(connected(*answers)[0])


@pytest.mark.parametrize("hello, says", [
    (["E01"], "it has no target.xml"), ([TARGET, CPU, CPU], "no description has the register satp"),
    ([TARGET, CPU, CSR, ""], "Qqemu.PhyMemMode"),
])
def test_a_stub_that_can_not_do_what_is_needed_is_told(tmp_path, over, hello, says):
    Server(tmp_path / "s", hello)
    with pytest.raises(StubError, match=says):
        Stub(tmp_path / "s", over[0])


def test_a_stub_that_is_silent_is_told(connected, tmp_path, over):
    Server(tmp_path / "silent", ["m"] * 3)
    with pytest.raises(StubError, match="no answer within 0.3 s"):
        Stub(tmp_path / "silent", over[0], seconds=0.3)
    stub, _ = connected()
    stub.seconds = 0.3
    with pytest.raises(StubError, match="no answer within 0.3 s"):
        stub.registers()


def test_nobody_there_is_told(tmp_path, over):
    with pytest.raises(StubError, match="nobody listens there"):
        Stub(tmp_path / "s", over[0])


def test_a_machine_that_ends_is_no_error(connected):
    with pytest.raises(Ended):
        connected(hang_up=True)[0].registers()


def test_whoever_does_not_want_to_know_any_more_is_heard(connected, over):
    stub, _ = connected()
    stub.resume()
    threading.Timer(0.1, os.close, [over[1]]).start()
    with pytest.raises(Ended):
        stub.wait()


def test_leaving_takes_the_breakpoint_away_and_lets_the_machine_run(connected):
    stub, server = connected("OK", "OK", "OK")
    stub.breakpoint(0x4000)
    stub.leave(0x4000)
    assert server.asked[-2:] == ["z0,4000,2", "D"]
    with pytest.raises(OSError):
        stub.socket.getpeername()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.text(max_size=30)), max_size=6))
def test_no_answer_is_so_odd_that_it_hurts(tmp_path_factory, answers):
    place = tmp_path_factory.mktemp("stub")
    answers = [answer if isinstance(answer, bytes) else packet(answer.encode("utf-8", "replace").decode("latin-1")) for answer in answers]
    Server(place / "s", [*HELLO, *answers], hang_up=True)
    reading, writing = os.pipe()
    try:
        stub = Stub(place / "s", reading, seconds=0.2)
        for call in (lambda: stub.choose("01"), stub.registers, stub.satp, lambda: stub.word(0x80000000), lambda: stub.wait(0.1)):
            call()
    except (StubError, Ended):
        pass
    finally:
        os.close(reading)
        os.close(writing)
