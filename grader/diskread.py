"""Reads a disk image on the host, without trusting a byte of it: the files, as the kernel's log would have left them."""

import struct

LARGEST = 64 << 20              # bytes of an image
BLOCK = 1024
MAGIC = 0x10203040              # of the super block, which is block 1
SUPER = struct.Struct("<8I")    # magic, size, data blocks, inodes, log blocks, starts of log, inodes and bitmap
INODE = struct.Struct("<4hI13I")
ENTRY = struct.Struct("<H14s")
TABLE = struct.Struct(f"<{BLOCK // 4}I")
ROOT = 1
DIRECTORY, FILE = 1, 2
DIRECT = 12                     # blocks that an inode itself names; the next number is that of a table
MOST = DIRECT + BLOCK // 4      # blocks of a file


class DiskError(Exception):
    """An image is none, or is cut off. The text says in what way."""


class Image:
    """A disk image. Whatever its bytes are, every call ends, and raises nothing but DiskError."""

    def __init__(self, content):
        """content is the image's bytes."""
        self.content = content
        self.moved = {}                         # what the log holds, by block
        magic, self.size, _, self.inodes, log, start, self.first, _ = SUPER.unpack_from(self.block(1))
        if magic != MAGIC:
            raise DiskError(f"block 1 has the magic number {magic:#x}, not {MAGIC:#x}")
        self.replay(start, log)

    def block(self, number):
        """The bytes of a block."""
        if number in self.moved:
            return self.moved[number]
        block = self.content[number * BLOCK:(number + 1) * BLOCK]
        if len(block) < BLOCK:
            raise DiskError(f"it is cut off ({len(self.content)} bytes): there is no block {number}")
        return block

    def replay(self, start, length):
        """Have blocks be what a log that was not yet installed makes of them: as the kernel does when it boots."""
        if length < 2:
            return
        count, *numbers = TABLE.unpack(self.block(start))
        if count >= min(length, len(numbers)):
            raise DiskError(f"its log counts {count} blocks, and can't hold them")
        self.moved = {number: self.block(start + 1 + at) for at, number in enumerate(numbers[:count])}

    def inode(self, number):
        """An inode's type, size in bytes, and numbers: of its blocks, and last, of its table of more."""
        if not 0 < number < self.inodes:
            raise DiskError(f"there is no inode {number}")
        each = BLOCK // INODE.size
        kind, _, _, _, size, *blocks = INODE.unpack_from(self.block(self.first + number // each), number % each * INODE.size)
        return kind, size, blocks

    def read(self, number):
        """The bytes of the file or directory that an inode stands for. Blocks that it lacks are zeroes."""
        _, size, numbers = self.inode(number)
        table = numbers.pop()
        if size > MOST * BLOCK:
            raise DiskError(f"inode {number} has {size} bytes, and a file can have {MOST * BLOCK}")
        if table and size > DIRECT * BLOCK:
            numbers += TABLE.unpack(self.block(table))
        numbers += [0] * MOST
        return b"".join(self.block(n) if n else bytes(BLOCK) for n in numbers[:-(-size // BLOCK)])[:size]

    def names(self):
        """The inode numbers of what the root directory has, by name (bytes)."""
        if self.inode(ROOT)[0] != DIRECTORY:
            raise DiskError("inode 1 is no directory")
        listing = self.read(ROOT)
        entries = ENTRY.iter_unpack(listing[:len(listing) // ENTRY.size * ENTRY.size])
        return {name.split(b"\0")[0]: number for number, name in entries if number}

    def file(self, name):
        """The bytes of a file in the root directory, by its name (str); None if there is no file of that name."""
        number = self.names().get(name.encode())
        return self.read(number) if number and self.inode(number)[0] == FILE else None


def read(path):
    """The Image in a file (a Path). Raises DiskError, or OSError where it can't be read."""
    if path.stat().st_size > LARGEST:
        raise DiskError(f"it is larger than {LARGEST >> 20} MiB")
    return Image(path.read_bytes())
