"""Disk images of the kernel's file system, read and changed from the host, for tests."""

import struct
from pathlib import Path

BSIZE = 1024
MAGIC = 0x10203040
ROOT = 1
DIR, FILE, DEVICE = 1, 2, 3
NDIRECT = 12
INODE = struct.Struct("<4hI13I")
DIRENT = struct.Struct("<H14s")


class DiskImage:
    """An image in memory, its log replayed.

    path: the image file. Raises OSError if it can't be read, ValueError if it has no file system.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.data = bytearray(self.path.read_bytes())
        fields = struct.unpack_from("<8I", self.data, BSIZE)
        if fields[0] != MAGIC:
            raise ValueError(f"{path}: no file system")
        (_, self.size, self.nblocks, self.ninodes,
         self.nlog, self.logstart, self.inodestart, self.bmapstart) = fields
        self.datastart = self.size - self.nblocks
        self._replay()

    def _replay(self):
        count, *blocks = struct.unpack_from("<31I", self.data, self.logstart * BSIZE)
        for i, block in enumerate(blocks[:count]):
            self.block(block)[:] = self.block(self.logstart + 1 + i)
        struct.pack_into("<I", self.data, self.logstart * BSIZE, 0)

    def save(self, path=None):
        """Write the image back, or to another path."""
        Path(path or self.path).write_bytes(self.data)

    def block(self, number):
        """A view of a block, through which it can be changed."""
        return memoryview(self.data)[number * BSIZE:(number + 1) * BSIZE]

    def _inode_at(self, inum):
        return self.inodestart * BSIZE + inum * INODE.size

    def inode(self, inum):
        """An inode as a list: type, major, minor, nlink, size, and 13 addresses from index 5 on."""
        return list(INODE.unpack_from(self.data, self._inode_at(inum)))

    def set_inode(self, inum, fields):
        """Replace an inode by such a list."""
        INODE.pack_into(self.data, self._inode_at(inum), *fields)

    def is_marked(self, number):
        """Does the bitmap have the block as used?"""
        at = self.bmapstart * BSIZE + number // 8
        return bool(self.data[at] >> number % 8 & 1)

    def mark(self, number, used):
        """Set or clear a block's bit in the bitmap."""
        at = self.bmapstart * BSIZE + number // 8
        self.data[at] = self.data[at] & ~(1 << number % 8) | used << number % 8

    def blocks(self, inum):
        """The numbers of a file's data blocks, in order."""
        addrs = self.inode(inum)[5:]
        if addrs[NDIRECT]:
            addrs[NDIRECT:] = struct.unpack_from("<256I", self.data, addrs[NDIRECT] * BSIZE)
        return [b for b in addrs if b]

    def content(self, inum):
        """The bytes of a file."""
        size = self.inode(inum)[4]
        return b"".join(bytes(self.block(b)) for b in self.blocks(inum))[:size]

    def entries(self, inum):
        """A directory's entries in use, by name: inode numbers."""
        return {name.rstrip(b"\0").decode(): number
                for number, name in DIRENT.iter_unpack(self.content(inum)) if number}

    def set_entry(self, inum, index, number, name):
        """Replace the entry at a place of a directory."""
        where, within = divmod(index * DIRENT.size, BSIZE)
        DIRENT.pack_into(self.data, self.blocks(inum)[where] * BSIZE + within, number, name.encode(errors="surrogateescape"))

    def lookup(self, path):
        """The inode number of a path from the root, or None."""
        inum = ROOT
        for name in path.split("/"):
            if inum is None or self.inode(inum)[0] != DIR:
                return None
            inum = self.entries(inum).get(name)
        return inum
