"""mkfs and fsck: a good image is called clean, and every kind of damage is found and named."""

import resource
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from grader.tests.diskimage import BSIZE, DEVICE, DIR, DIRENT, FILE, NDIRECT, ROOT, DiskImage

SOLUTION = Path(__file__).resolve().parents[2] / "solution"
SMALL, BIG, SUB, CONSOLE = 2, 3, 4, 5   # inodes of the image made below
ORPHAN = 9                              # an inode that it leaves free
NLINK, SIZE, ADDRS = 3, 4, 5            # places in an inode's list


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A directory with mkfs and fsck, compiled from the solution."""
    where = tmp_path_factory.mktemp("tools")
    for name in ("mkfs", "fsck"):
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-I.",
                        "-o", where / name, f"mkfs/{name}.c"], cwd=SOLUTION, check=True)
    return where


def run(*command):
    """The finished process, with its output as text."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def free_block(disk):
    """The number of a block that nothing uses, marked as used."""
    number = next(b for b in range(disk.datastart, disk.size) if not disk.is_marked(b))
    disk.mark(number, True)
    return number


def make_directory(disk, inum, parent):
    """Turn a free inode into an empty directory with one link; its entry is the caller's to make."""
    block = free_block(disk)
    disk.set_inode(inum, [DIR, 0, 0, 1, 2 * DIRENT.size, block] + [0] * NDIRECT)
    disk.set_entry(inum, 0, inum, ".")
    disk.set_entry(inum, 1, parent, "..")


@pytest.fixture
def disk(tools, tmp_path):
    """An image with a small and a big file, a directory that has one of them too, and a device."""
    (tmp_path / "small").write_bytes(b"0123456789")
    (tmp_path / "_big").write_bytes(bytes(range(256)) * 4 * 20)
    done = run(tools / "mkfs", tmp_path / "fs.img", tmp_path / "small", tmp_path / "_big")
    assert done.returncode == 0, done.stderr
    disk = DiskImage(tmp_path / "fs.img")
    make_directory(disk, SUB, ROOT)
    append_entry(disk, ROOT, SUB, "sub")
    append_entry(disk, SUB, BIG, "again")
    change(disk, ROOT, NLINK, 2)
    change(disk, BIG, NLINK, 2)
    disk.set_inode(CONSOLE, [DEVICE, 1, 0, 1, 0] + [0] * 13)
    append_entry(disk, ROOT, CONSOLE, "console")
    disk.save()
    return disk


def append_entry(disk, directory, inum, name):
    """One more entry, in the block that the directory has."""
    fields = disk.inode(directory)
    fields[SIZE] += DIRENT.size
    disk.set_inode(directory, fields)
    disk.set_entry(directory, fields[SIZE] // DIRENT.size - 1, inum, name)


def change(disk, inum, place, value):
    """Set one number of an inode."""
    fields = disk.inode(inum)
    fields[place] = value
    disk.set_inode(inum, fields)


def set_super(disk, place, value):
    """Set one number of the superblock."""
    struct.pack_into("<I", disk.data, BSIZE + 4 * place, value)


def orphan_file(disk):
    """A file of one block that has no name."""
    disk.set_inode(ORPHAN, [FILE, 0, 0, 0, 100, free_block(disk)] + [0] * 12)


def orphan_directory(disk):
    """A removed directory that is still in use, and its parent is gone."""
    make_directory(disk, ORPHAN, 77)
    change(disk, ORPHAN, NLINK, 0)


def table(disk):
    """The block of BIG's further block numbers."""
    return disk.block(disk.inode(BIG)[ADDRS + NDIRECT])


def unreachable_pair(disk):
    """Two directories that have only each other."""
    for inum, other in ((ORPHAN, ORPHAN + 1), (ORPHAN + 1, ORPHAN)):
        make_directory(disk, inum, other)
        append_entry(disk, inum, other, "other")
        change(disk, inum, NLINK, 2)


# Damage, and what fsck says of it.
DAMAGE = {
    "magic": (lambda d: set_super(d, 0, 1), "magic number"),
    "image too short": (lambda d: set_super(d, 1, 3000), "3000 blocks, but the image has 2000"),
    "wrong count of data blocks": (lambda d: set_super(d, 2, 5), "5 data blocks, should be"),
    "no inodes": (lambda d: set_super(d, 3, 0), "no room for log or inodes"),
    "endless inodes": (lambda d: set_super(d, 3, 0xffffffff), "overlap, or reach past the end"),
    "log over the superblock": (lambda d: set_super(d, 5, 1), "no room for log or inodes"),
    "inodes in the log": (lambda d: set_super(d, 6, 20), "overlap"),
    "bitmap past the end": (lambda d: set_super(d, 7, 2000), "overlap, or reach past the end"),
    "log count": (lambda d: struct.pack_into("<I", d.data, d.logstart * BSIZE, 31), "counts 31 blocks, can hold 30"),
    "log entry": (lambda d: struct.pack_into("<II", d.data, d.logstart * BSIZE, 1, 2), "entry 0 is for block 2,"),
    "unknown type": (lambda d: change(d, SMALL, 0, 7), "inode 2: unknown type 7"),
    "negative links": (lambda d: change(d, SMALL, NLINK, -1), "inode 2: link count -1"),
    "too few links": (lambda d: change(d, BIG, NLINK, 1), "inode 3: link count 1, but 2 entries"),
    "too many links": (lambda d: change(d, SMALL, NLINK, 3), "inode 2: link count 3, but 1 entries"),
    "parent's links": (lambda d: change(d, ROOT, NLINK, 1), "inode 1: link count 1, but 2 entries"),
    "huge file": (lambda d: change(d, SMALL, SIZE, 268 * BSIZE + 1), "inode 2: 274433 bytes, a file can have 274432"),
    "size above blocks": (lambda d: change(d, SMALL, SIZE, 1025), "inode 2: block 1 of the file is missing"),
    "size below blocks": (lambda d: change(d, BIG, SIZE, 19 * BSIZE), "for number 19 of the file, past its end"),
    "hole": (lambda d: change(d, BIG, ADDRS + 3, 0), "inode 3: block 3 of the file is missing"),
    "no table": (lambda d: change(d, BIG, ADDRS + NDIRECT, 0), "but no table for those after the first 12"),
    "needless table": (lambda d: change(d, SMALL, ADDRS + NDIRECT, free_block(d)), "and a table of more"),
    "hole in the table": (lambda d: struct.pack_into("<I", table(d), 8, 0), "inode 3: block 14 of the file is missing"),
    "device with bytes": (lambda d: change(d, CONSOLE, SIZE, 5), "inode 5: a device of 5 bytes"),
    "half an entry": (lambda d: change(d, SUB, SIZE, 50), "inode 4: a directory of 50 bytes"),
    "block shared by files": (lambda d: change(d, SMALL, ADDRS, d.blocks(BIG)[15]), "which inode 2 uses"),
    "block used twice by a file": (lambda d: change(d, BIG, ADDRS + 1, d.blocks(BIG)[0]), "which inode 3 uses"),
    "block outside the disk": (lambda d: change(d, SMALL, ADDRS, 2000), "uses block 2000, which is no data block"),
    "block of the inodes": (lambda d: change(d, SMALL, ADDRS, 34), "uses block 34, which is no data block"),
    "table outside the disk": (lambda d: change(d, BIG, ADDRS + NDIRECT, 99999), "uses block 99999,"),
    "leak": (free_block, "is marked used, but nothing uses it (a leak)"),
    "used but free": (lambda d: d.mark(d.blocks(BIG)[19], False), "is marked free, but inode 3 uses it"),
    "table free": (lambda d: d.mark(d.inode(BIG)[ADDRS + NDIRECT], False), "is marked free, but inode 3 uses it"),
    "system block free": (lambda d: d.mark(2, False), "block 2, before the data, is marked free"),
    "root is a file": (lambda d: change(d, ROOT, 0, FILE), "inode 1: should be the root directory"),
    "root is free": (lambda d: change(d, ROOT, 0, 0), "inode 1: should be the root directory"),
    "no dot": (lambda d: d.set_entry(SUB, 0, 0, ""), "directory 4: has no '.'"),
    "no dotdot": (lambda d: d.set_entry(SUB, 1, 0, ""), "directory 4: has no '..'"),
    "dot of another": (lambda d: d.set_entry(SUB, 0, ROOT, "."), "directory 4: '.' leads to inode 1"),
    "dotdot of another": (lambda d: d.set_entry(SUB, 1, SUB, ".."), "'..' leads to inode 4, but the parent is 1"),
    "root's dotdot": (lambda d: d.set_entry(ROOT, 1, SUB, ".."), "directory 1: '..' leads to inode 4, but the parent is 1"),
    "two dots": (lambda d: append_entry(d, SUB, SUB, "."), "directory 4: two entries are called '.'"),
    "same name twice": (lambda d: append_entry(d, ROOT, SMALL, "big"), "directory 1: two entries are called 'big'"),
    "name with a slash": (lambda d: append_entry(d, ROOT, SMALL, "a/b"), "has the bad name 'a/b'"),
    "unprintable name": (lambda d: append_entry(d, SUB, 77, "\x1b[7\udcff"), "'?[7?' leads to inode 77"),
    "empty name": (lambda d: append_entry(d, ROOT, SMALL, ""), "entry for inode 2 has the bad name ''"),
    "entry of a free inode": (lambda d: append_entry(d, SUB, 77, "x"), "'x' leads to inode 77, which is not in use"),
    "entry past the inodes": (lambda d: append_entry(d, SUB, 60000, "x"), "'x' leads to inode 60000, which is not"),
    "directory with two names": (lambda d: append_entry(d, SUB, SUB, "me"), "directory 4: has a second name, 'me'"),
    "second name of the root": (lambda d: append_entry(d, SUB, ROOT, "up"), "directory 4: 'up' leads to the root"),
    "name lost": (lambda d: d.set_entry(ROOT, 2, 0, ""), "inode 2: in use, but no path leads to it"),
    "directory's name lost": (lambda d: d.set_entry(ROOT, 4, 0, ""), "inode 4: in use, but no path leads to it"),
    "island": (unreachable_pair, "inode 9: in use, but no path leads to it"),
    "orphan file": (orphan_file, "inode 9: in use, but has no links (an orphan)"),
    "orphan directory": (orphan_directory, "inode 9: in use, but has no links (an orphan)"),
    "orphan with a name": (lambda d: change(d, SMALL, NLINK, 0), "inode 2: link count 0, but 1 entries"),
}


def test_clean(tools, disk):
    """The undamaged image has no problem; so damage alone makes the tests below pass."""
    done = run(tools / "fsck", disk.path)
    assert (done.returncode, done.stdout) == (0, f"{disk.path}: 0 problems\n")
    assert disk.content(disk.lookup("big")) == bytes(range(256)) * 4 * 20
    assert disk.lookup("sub/again") == BIG


@pytest.mark.parametrize("damage, words", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage(tools, disk, damage, words):
    """Each damage is found, named, and the image left as it was."""
    damage(disk)
    disk.save()
    done = run(tools / "fsck", disk.path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout
    assert disk.path.read_bytes() == disk.data


@pytest.mark.parametrize("make", [orphan_file, orphan_directory])
def test_orphans_may_be_allowed(tools, disk, make):
    """With -o, what was open without a name is no problem."""
    make(disk)
    disk.save()
    done = run(tools / "fsck", "-o", disk.path)
    assert done.returncode == 0, done.stdout


def test_removed_directory_must_be_empty(tools, disk):
    """-o does not excuse names in a removed directory: nobody could have made them."""
    orphan_directory(disk)
    append_entry(disk, ORPHAN, SMALL, "x")
    disk.save()
    done = run(tools / "fsck", "-o", disk.path)
    assert (done.returncode, "was removed, but has an entry 'x'" in done.stdout) == (1, True)


def write_log(disk, entries):
    """Leave (home block, content) pairs in the log, committed."""
    start = disk.logstart
    struct.pack_into(f"<{1 + len(entries)}I", disk.data, start * BSIZE, len(entries), *(home for home, _ in entries))
    for i, (_, data) in enumerate(entries):
        disk.block(start + 1 + i)[:] = data


def test_log_is_replayed(tools, disk):
    """Damage in a block's place is no problem if the log has the block whole; of two copies the later counts."""
    home = disk.inodestart
    good = bytes(disk.block(home))
    change(disk, SMALL, 0, 7)
    bad = bytes(disk.block(home))
    write_log(disk, [(home, bad), (home, good)])
    disk.save()
    assert run(tools / "fsck", disk.path).returncode == 0
    assert disk.path.read_bytes() == disk.data
    assert DiskImage(disk.path).inode(SMALL)[0] == FILE

    write_log(disk, [(home, good), (home, bad)])
    disk.save()
    assert "unknown type 7" in run(tools / "fsck", disk.path).stdout


@pytest.mark.parametrize("data", [None, b"", b"x" * 1500])
def test_unreadable(tools, tmp_path, data):
    """No file, or one that is no image: status 2, and a word about it."""
    if data is not None:
        (tmp_path / "image").write_bytes(data)
    done = run(tools / "fsck", tmp_path / "image")
    assert done.returncode == 2
    assert done.stderr.startswith("fsck: ")


def test_fsck_usage(tools):
    """Without an image: how to call it."""
    done = run(tools / "fsck", "-o")
    assert (done.returncode, done.stderr) == (2, "usage: fsck [-o] image\n")


# ---- mkfs


def test_names(tools, tmp_path):
    """The directory and a leading underscore go; 14 bytes are a name still."""
    for name in ("_cat", "README", "exactly14bytes"):
        (tmp_path / name).write_text(name)
    done = run(tools / "mkfs", tmp_path / "fs.img", *(tmp_path / n for n in ("_cat", "README", "exactly14bytes")))
    assert done.returncode == 0, done.stderr
    disk = DiskImage(tmp_path / "fs.img")
    assert list(disk.entries(ROOT)) == [".", "..", "cat", "README", "exactly14bytes"]
    assert disk.content(disk.lookup("exactly14bytes")) == b"exactly14bytes"


@pytest.mark.parametrize("size", [0, 1, BSIZE, 12 * BSIZE, 12 * BSIZE + 1, 268 * BSIZE])
def test_sizes(tools, tmp_path, size):
    """Files of the sizes at which something changes come out as they went in."""
    data = bytes(i * 7 & 0xff for i in range(size))
    (tmp_path / "file").write_bytes(data)
    assert run(tools / "mkfs", tmp_path / "fs.img", tmp_path / "file").returncode == 0
    assert run(tools / "fsck", tmp_path / "fs.img").returncode == 0
    disk = DiskImage(tmp_path / "fs.img")
    assert disk.content(disk.lookup("file")) == data


def fails(tools, tmp_path, files, words):
    """mkfs must fail with these words, and leave no image."""
    done = run(tools / "mkfs", tmp_path / "fs.img", *files)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "fs.img").exists()


def test_file_too_large(tools, tmp_path):
    """One byte more than a file can have."""
    (tmp_path / "file").write_bytes(bytes(268 * BSIZE + 1))
    fails(tools, tmp_path, [tmp_path / "file"], "file: is larger than a file can be")


def test_disk_full(tools, tmp_path):
    """Files that fit one by one, but not together."""
    files = [tmp_path / f"f{i}" for i in range(8)]
    for file in files:
        file.write_bytes(bytes(260 * BSIZE))
    fails(tools, tmp_path, files, "f7: does not fit: the disk is full")


def test_too_many_files(tools, tmp_path):
    """More files than inodes."""
    files = [tmp_path / f"f{i}" for i in range(199)]
    for file in files:
        file.touch()
    fails(tools, tmp_path, files, "f198: too many files")


def test_bad_names(tools, tmp_path):
    """A name too long, an empty one, and one name twice."""
    (tmp_path / "a-name-of-16-byte").touch()
    (tmp_path / "_").touch()
    (tmp_path / "x").touch()
    (tmp_path / "_x").touch()
    fails(tools, tmp_path, [tmp_path / "a-name-of-16-byte"], "1 to 14 bytes")
    fails(tools, tmp_path, [tmp_path / "_"], "1 to 14 bytes")
    fails(tools, tmp_path, [tmp_path / "x", tmp_path / "_x"], "_x: an earlier file has the same name")


def test_missing_file(tools, tmp_path):
    """A file that is not there, and a directory in place of one."""
    fails(tools, tmp_path, [tmp_path / "none"], "none: can't be opened")
    (tmp_path / "dir").mkdir()
    fails(tools, tmp_path, [tmp_path / "dir"], "can't be read")


def test_image_not_writable(tools, tmp_path):
    """A place where no image can be."""
    done = run(tools / "mkfs", tmp_path / "none" / "fs.img")
    assert (done.returncode, "can't be created" in done.stderr) == (1, True)


def small_files_only():
    """No file of the process may have more than 1 MB, as if the host's disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_host_disk_full(tools, tmp_path):
    """The host has no room: the image that was there stays, and nothing else is left."""
    (tmp_path / "fs.img").write_text("old")
    done = subprocess.run([tools / "mkfs", tmp_path / "fs.img"], capture_output=True, text=True,
                          preexec_fn=small_files_only)
    assert (done.returncode, "can't be written" in done.stderr) == (1, True)
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("fs.img", "old")]
