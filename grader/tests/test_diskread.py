"""The reader of disk images: right for good ones, and at an end with every bad one."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import diskread
from grader.diskread import BLOCK, DiskError, Image
from grader.tests.conftest import KIT, disk_image
from grader.tests.diskimage import DiskImage

SUPER_AT = BLOCK
WORDS = (0, 1, 2, 11, 12, 255, 256, 1999, 2000, 0x7fffffff, 0xffffffff)
HARMFUL = st.one_of(st.sampled_from(WORDS), st.integers(0, 2047), st.integers(0, 0xffffffff))


@pytest.fixture(scope="module")
def real(solution_tree):
    """The bytes of the solution's disk."""
    return (solution_tree / "fs.img").read_bytes()


def everything(image):
    """Read all that an image offers, as far as it goes; returns what was read."""
    found = []
    for call in (image.names, *(lambda n=n: image.read(n) for n in range(40)), lambda: image.file("sh")):
        try:
            found.append(call())
        except DiskError:
            pass
    return found


def test_files_of_a_real_disk(real):
    image = Image(real)
    assert {b"sh", b"init", b"README", b".", b".."} <= image.names().keys()
    assert image.file("README") == (KIT / "solution/user/README").read_bytes()
    assert len(image.file("usertests")) > diskread.DIRECT * BLOCK and image.file("usertests")[:4] == b"\x7fELF"


def test_what_is_no_file_is_none(real):
    assert Image(real).file("nothing") is None
    assert Image(real).file(".") is None


def test_two_readers_agree(solution_tree, real):
    other = DiskImage(solution_tree / "fs.img")
    for name, number in Image(real).names().items():
        if name.strip(b"."):
            assert Image(real).file(name.decode()) == other.content(number)


def log_of(disk):
    """Where the log of a disk begins, in bytes."""
    return struct.unpack_from("<8I", disk, SUPER_AT)[5] * BLOCK


def test_a_log_that_was_not_installed_counts(solution_tree, real):
    other, disk = DiskImage(solution_tree / "fs.img"), bytearray(real)
    struct.pack_into("<2I", disk, log_of(disk), 1, other.blocks(other.lookup("README"))[0])
    disk[log_of(disk) + BLOCK:log_of(disk) + 2 * BLOCK] = b"from the log".ljust(BLOCK, b".")
    assert Image(bytes(disk)).file("README").startswith(b"from the log....")


def test_what_is_cut_off_says_so(real):
    for length in (0, BLOCK, 2 * BLOCK - 1):
        with pytest.raises(DiskError, match="cut off"):
            Image(real[:length])


def test_another_disk_is_none():
    with pytest.raises(DiskError, match="magic number 0x0, not 0x10203040"):
        Image(bytes(5 * BLOCK))


def test_a_log_that_can_not_be_is_told(real):
    disk = bytearray(real)
    struct.pack_into("<I", disk, log_of(disk), 31)
    with pytest.raises(DiskError, match="its log counts 31 blocks"):
        Image(bytes(disk))


def test_an_image_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "fs.img"
    with open(path, "wb") as out:
        out.truncate(diskread.LARGEST + 1)
    with pytest.raises(DiskError, match="larger than 64 MiB"):
        diskread.read(path)


def test_a_file_that_is_larger_than_files_are_is_told():
    disk = bytearray(disk_image(["a"]))
    struct.pack_into("<I", disk, 2 * BLOCK + 64 + 8, (diskread.MOST + 1) * BLOCK)
    with pytest.raises(DiskError, match="inode 1 has"):
        Image(bytes(disk)).names()


@settings(max_examples=300)
@given(st.binary(max_size=6 * BLOCK))
def test_any_bytes_come_to_an_end(content):
    try:
        everything(Image(disk_image(["a", "sh"])[:2 * BLOCK] + content))
        everything(Image(content))
    except DiskError:
        pass


@settings(max_examples=200)
@given(changes=st.lists(st.tuples(st.integers(0, 46 * BLOCK // 4 - 1), HARMFUL), min_size=1, max_size=20),
       fields=st.lists(st.tuples(st.integers(1, 7), HARMFUL), max_size=3))
def test_no_damage_of_a_real_disk_hurts(real, changes, fields):
    disk = bytearray(real)
    for at, word in changes:                    # the super block, the log, inodes, the bitmap, the root directory
        struct.pack_into("<I", disk, SUPER_AT + 4 * at, word)
    struct.pack_into("<I", disk, SUPER_AT, diskread.MAGIC)
    for field, word in fields:
        struct.pack_into("<I", disk, SUPER_AT + 4 * field, word)
    try:
        image = Image(bytes(disk))
    except DiskError:
        return
    for content in everything(image):
        assert content is None or len(content) <= diskread.MOST * BLOCK
