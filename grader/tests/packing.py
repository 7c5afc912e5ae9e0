"""Makes submissions of every form for tests: archives with any member, repositories, bundles, patches."""

import io
import subprocess
import tarfile
import zipfile

WHEN = 1_760_000_000            # of all members: 2025-10-09
SMALL = {"Makefile": b"all:\n", "kernel/vm.c": b"int vm;\nint two;\n", "kernel/mmap.c": b"int mmap;\n", "user/sh.c": b"int sh;\n"}
GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_COMMITTER_DATE": f"{WHEN} +0000",
       "GIT_AUTHOR_DATE": f"{WHEN} +0000", "PATH": "/usr/bin:/bin"}


def lay(top, files):
    """Write files (bytes by path) below top; return top."""
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def read(top):
    """The bytes of all files below top, by path."""
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    """A tar's header."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mtime = kind, link, size, WHEN
    return info


def make_tar(path, files, mode="w", extra=()):
    """Write a tar of files (bytes by path), then extra members: pairs of a TarInfo and its bytes."""
    with tarfile.open(path, mode) as archive:
        for info, content in [*((member(name, size=len(content)), content) for name, content in files.items()), *extra]:
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_member(name, mode=0o100644, system=3):
    """A zip's header."""
    info = zipfile.ZipInfo(name, (2025, 10, 9, 8, 53, 20))
    info.orig_filename = info.filename = name
    info.external_attr, info.create_system, info.compress_type = mode << 16, system, zipfile.ZIP_DEFLATED
    return info


def make_zip(path, files, extra=()):
    """Write a zip of files (bytes by path), then extra members: pairs of a ZipInfo and its bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in [*((zip_member(name), content) for name, content in files.items()), *extra]:
            archive.writestr(info, content)
    return path


def git(top, *words):
    """Run git in a directory; return what it printed."""
    return subprocess.run(["git", *words], cwd=top, env=GIT | {"HOME": str(top)}, check=True, capture_output=True).stdout


def make_repository(top, files):
    """A repository with files (bytes by path) committed, and checked out; return top."""
    lay(top, files)
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A", "-f")
    git(top, "commit", "-q", "-m", "all")
    return top
