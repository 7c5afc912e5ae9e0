"""Fills ccache with what the handout and the solution compile to, so that a submission's unchanged files cost next to nothing.

Only trees of the kit are compiled into the cache. A submission sees it read-only (box.py), so none can leave anything in
it for another. All are built at the same place in a box, so a file hits whichever directory its tree comes from."""

import shutil
from dataclasses import replace
from pathlib import Path

from . import CouldNotGrade, build, handout, rebuild, sandbox, tracks, tree

KIT = Path(__file__).resolve().parent.parent
TREES = (KIT / "handout", KIT / "solution")


def fill(cache, scratch, trees=TREES, jobs=2):
    """Compile trees (Paths), and the handout with its tasks done, into a cache (the Path of a directory); scratch is a directory
    (a Path) to work in.

    What is in it already costs little more than the look. Returns the Box in which submissions use this cache. Raises
    CouldNotGrade where a tree can't be built, or commands can't be confined."""
    sandbox.need("ccache", "ccache")
    cache.mkdir(parents=True, exist_ok=True)
    box = sandbox.confined(scratch, cache)
    filling = replace(box, fills=True)
    done = scratch / "done"
    shutil.rmtree(done, ignore_errors=True)         # an earlier kit may have made it
    handout.write_stage(handout.CORE, tracks.CORE, done)
    for source in (*trees, done):
        copy = tree.prepare(source, scratch / "fill", (), KIT)
        made = build.make(copy.path, jobs=jobs, box=filling)
        if not made.ok:
            raise CouldNotGrade(f"{source} can't be built: {made.error}")
        rebuild.kernel(copy.path, scratch / "kernel", jobs, filling)
    return box
