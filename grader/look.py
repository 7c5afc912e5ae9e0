"""Shows one result of a batch: its report, its difference to the handout, its tree in the sandbox."""

import subprocess
import sys
from pathlib import Path

from . import CouldNotGrade, archive, lab, parcel, publish, results, sandbox, tree, worker
from .grade import OFFICIAL

ENTER = 'cp -r "$1" /tmp/tree && cd /tmp/tree && exec sh -i'


def show(out, id):
    """Print the report on a submission as it counts."""
    result = found(out, id)
    sys.stdout.write(readable(publish.report(result)))
    print(f"Files: {result.folder}/")


def diff(out, id):
    """Print how a submission differs from the handout."""
    path = found(out, id).folder / "diff.patch"
    if not path.is_file():
        raise CouldNotGrade(f"there is no difference to show: {found(out, id).why}")
    sys.stdout.write(readable(path.read_text(errors="replace")))


def shell(out, id):
    """Open a shell in the sandbox, in a copy of a submission's tree as it is graded; what is done there is lost at its end."""
    path = handed_in(out, found(out, id))
    track = results.read_settings(out).track
    with worker.scratch() as place:
        box = worker.confined(f"{place}.box")
        try:
            packed = parcel.pack(path)
            submission = archive.open_submission(parcel.lay(packed, place / "in"), place / "handed-in", worker.start(track), box, packed.folder)
        except (archive.Refused, parcel.Unfit) as error:
            raise CouldNotGrade(f"there is no tree to look at: {error}") from None
        ready = tree.prepare(submission.path, place / "ready", lab.load(track=track).protected, OFFICIAL)
        print(f"{id}: a copy of the tree, with the official files over it, in the sandbox. make qemu boots it; exit leaves.")
        subprocess.run(sandbox.wrap(["sh", "-c", ENTER, "sh", ready.path.resolve()], box, (ready.path,)), env=sandbox.environment())


def handed_in(out, result):
    """The Path of what was handed in for a Result. Raises CouldNotGrade where it is gone."""
    path = Path(results.read_settings(out).submissions, result.source)
    if not path.exists():
        raise CouldNotGrade(f"{path} is gone: without it there is nothing to look at")
    return path


def found(out, id):
    """The Result of an id. Raises CouldNotGrade where there is none."""
    all_of_them = {result.id: result for result in results.read(out, lab.load(track=results.read_settings(out).track))}
    if id not in all_of_them:
        alike = ", ".join(known for known in all_of_them if id.lower() in known.lower())
        raise CouldNotGrade(f"{out} has no result for {id!r}" + (f"; there is {alike}" if alike else ""))
    return all_of_them[id]


def readable(text):
    """A submission's text, fit for a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
