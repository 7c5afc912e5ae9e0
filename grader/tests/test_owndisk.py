"""The grader's own disk is made once for the same numbers: each copy has a key of its own, and nobody can touch what is kept."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from grader import CouldNotGrade, build, hidden, lab, machine, owndisk, sandbox, seal
from grader.transcript import Ending

STRICT = lab.load(strict=True)


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A Box with a cache, beside which disks are kept."""
    place = tmp_path_factory.mktemp("home")
    (place / "ccache").mkdir()
    return sandbox.confined(place / "box", place / "ccache")


@pytest.fixture(scope="module")
def disks(box, solution_tree, tmp_path_factory):
    """Two Disks for the solution's kernel, of which only the first was compiled."""
    built, place = build.make(solution_tree), tmp_path_factory.mktemp("disks")
    one = hidden.build(built, place / "one", STRICT, box=box)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "run", None)
        return one, hidden.build(built, place / "two", STRICT, box=box)


def kept(box):
    """The files of the disks that are kept beside a Box's cache."""
    return sorted(Path(box.cache).with_name("disks").glob("*.disk"))


def test_each_disk_has_a_key_of_its_own_in_every_program_and_nobody_elses(disks, box):
    one, two = ({path.name: path.read_bytes() for path in [disk.image, *disk.tree.glob("user/_*")]} for disk in disks)
    keys = [disk.key.to_bytes(owndisk.KEY, "little") for disk in disks]
    first, _ = owndisk.load(kept(box)[0])
    assert one.keys() == two.keys() and len({first, *keys}) == 3
    for files, key in ((one, keys[0]), (two, keys[1])):
        counts = {name: content.count(key) for name, content in files.items()}
        assert counts.pop("fs.img") == sum(counts.values()) == len(counts) - 1
        assert [name for name, count in counts.items() if count != 1] == ["_init"]
        assert not any(other in content for content in files.values() for other in {first, *keys} - {key})
    assert {name: content.replace(keys[0], keys[1]) for name, content in one.items()} == two
    assert all((disk.tree / "fsck").stat().st_mode & 0o777 == 0o755 for disk in disks)


def test_the_key_is_where_the_program_looks_for_it(disks):
    for disk in disks:
        with open(disk.tree / "user/_mmaptest", "rb") as file:
            elf = ELFFile(file)
            at, = (symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols() if symbol.name == "runkey")
            segment = next(part for part in elf.iter_segments("PT_LOAD") if 0 <= at - part["p_vaddr"] < part["p_filesz"])
            found = segment.data()[at - segment["p_vaddr"]:][:owndisk.KEY]
        assert int.from_bytes(found, "little") == disk.key


def test_a_disk_vouches_for_itself_alone(disks, tmp_path):
    books = [seal.book(disk) for disk in disks]
    for number, disk in enumerate(disks):
        run = machine.run(machine.Machine(disk.kernel, disk.image), "hidden2table", 8, out=tmp_path / f"{number}.txt")
        assert run.ending is Ending.DONE, run.why
        vouched = [sum(len(seal.said(book, "hidden2table", line)) for line in run.lines) for book in books]
        assert vouched[number] > 2 and vouched[1 - number] == 0


def test_other_numbers_make_another_disk(box, solution_tree, tmp_path):
    rubric, built = lab.load(), build.make(solution_tree)
    before = len(kept(box))
    owndisk.build(built, tmp_path / "one", rubric, box=box)
    (tmp_path / "odd/kernel").mkdir(parents=True)
    (tmp_path / "odd/kernel/syscall.h").write_text("#define SYS_mmap 99\n")
    owndisk.build(replace(built, tree=tmp_path / "odd"), tmp_path / "two", rubric, box=box)
    assert len(kept(box)) == before + 2
    code = [(tmp_path / name / "user/_mmaptest").read_bytes() for name in ("one", "two")]
    assert code[0] != code[1]


def test_other_sources_make_another_disk(tmp_path):
    (tmp_path / "hid.c").write_text("int one;\n")
    tests = {"HIDDEN": str(tmp_path)}
    before = owndisk.name_of({}, tests)
    assert before == owndisk.name_of({}, tests) != owndisk.name_of({"kernel/param.h": ""}, tests)
    (tmp_path / "hid.c").write_text("int two;\n")
    assert owndisk.name_of({}, tests) != before


def test_a_confined_command_does_not_see_what_is_kept(box, disks, tmp_path):
    place = kept(box)[0].parent
    said = sandbox.run(["sh", "-c", f"ls {place} || find / -name '*.disk' 2> /dev/null; touch {place}/x"], tmp_path, box=box).output
    assert "No such file" in said and ".disk\n" not in said and not (place / "x").exists()


# How disks are kept.

KEY, FILES = b"0123456789abcdef", {"fs.img": b"disk" * 100, "user/_sh": b"shell"}


def made():
    """What is made, if that is not there."""
    return KEY, FILES


def never():
    """What must not be called."""
    raise AssertionError("it was there")


def test_what_is_kept_is_not_made_again(tmp_path):
    assert owndisk.kept(tmp_path / "disks", "a.disk", made) == owndisk.kept(tmp_path / "disks", "a.disk", never) == (KEY, FILES)


def test_a_damaged_disk_is_made_again(tmp_path):
    owndisk.kept(tmp_path, "a.disk", made)
    whole = (tmp_path / "a.disk").read_bytes()
    broken = [whole[:at] for at in range(0, len(whole), 7)]
    broken += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in range(0, len(whole), 7)]
    for content in broken:
        (tmp_path / "a.disk").write_bytes(content)
        assert owndisk.load(tmp_path / "a.disk") is None
    assert owndisk.kept(tmp_path, "a.disk", made) == (KEY, FILES)
    assert owndisk.load(tmp_path / "a.disk") == (KEY, FILES)


def test_of_two_workers_who_want_the_same_one_makes_it(tmp_path):
    found, makers, both = [], [], threading.Barrier(4)

    def slow():
        makers.append(threading.get_ident())
        assert not (tmp_path / "a.disk").exists()
        return made()

    def work():
        both.wait()
        found.append(owndisk.kept(tmp_path, "a.disk", slow))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [(KEY, FILES)] * 4 and len(makers) == 1


def test_a_disk_that_could_not_be_made_is_not_kept(tmp_path):
    def fails():
        raise CouldNotGrade("no compiler")

    with pytest.raises(CouldNotGrade, match="no compiler"):
        owndisk.kept(tmp_path, "a.disk", fails)
    assert owndisk.kept(tmp_path, "a.disk", made) == (KEY, FILES)


def test_where_nothing_can_be_kept_it_says_so(tmp_path):
    (tmp_path / "disks").write_text("no directory")
    with pytest.raises(CouldNotGrade, match="can't keep a disk in"):
        owndisk.kept(tmp_path / "disks", "a.disk", made)


def test_only_the_disks_that_were_used_last_are_kept(tmp_path):
    for number in range(owndisk.KEPT):
        owndisk.kept(tmp_path, f"{number}.disk", made)
        os.utime(tmp_path / f"{number}.disk", (number, number))
    owndisk.kept(tmp_path, "0.disk", never)
    owndisk.kept(tmp_path, "new.disk", made)
    left = {path.stem for path in tmp_path.glob("*.disk")}
    assert left == {"new", *map(str, range(owndisk.KEPT))} - {"1"}
