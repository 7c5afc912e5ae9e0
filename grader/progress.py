"""Shows how far a batch is: a bar on a terminal, elsewhere a plain line for each submission."""

import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from .results import FAILED, GRADED, NOT_GRADED

UNCHANGED = "unchanged"
OUTCOMES = (GRADED, NOT_GRADED, FAILED, UNCHANGED)


class Tally:
    """What became of the submissions so far, and how fast it goes."""

    def __init__(self, total, clock=time.monotonic):
        self.total, self.clock = total, clock
        self.begin = clock()
        self.counts = Counter()

    def add(self, outcome):
        """One more is done."""
        self.counts[outcome] += 1

    @property
    def done(self):
        """How many are done."""
        return self.counts.total()

    def pace(self):
        """In words: submissions a minute, and the time left. Those that were unchanged took none and say nothing."""
        worked, minutes = self.done - self.counts[UNCHANGED], (self.clock() - self.begin) / 60
        if not worked or not minutes:
            return ""
        left = (self.total - self.done) * minutes / worked
        return f"{worked / minutes:.0f} a minute, {f'{left:.0f} min' if left >= 2 else f'{60 * left:.0f} s'} left"

    def totals(self):
        """In words: how many by outcome."""
        return ", ".join(f"{outcome} {self.counts[outcome]}" for outcome in OUTCOMES if self.counts[outcome])


class Plain:
    """A line for each."""

    def __init__(self, tally):
        self.tally = tally

    def __enter__(self):
        return self

    def __exit__(self, *what):
        pass

    def done(self, outcome, said):
        """A submission is done; said tells what became of it."""
        self.tally.add(outcome)
        if outcome != UNCHANGED:
            parts = [f"{self.tally.done} of {self.tally.total}", said, self.tally.pace()]
            print("   " + "; ".join(filter(None, parts)), file=sys.stderr, flush=True)

    def say(self, line):
        """Something that is to be known."""
        print(f"   {line}", file=sys.stderr, flush=True)


class Terminal:
    """A bar."""

    def __init__(self, tally):
        self.tally = tally
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}", markup=False),
                   TextColumn("{task.fields[totals]}", markup=False))
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=tally.total, pace="", totals="")

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *what):
        self.bar.stop()

    def done(self, outcome, said):
        """A submission is done; what went wrong is said above the bar."""
        self.tally.add(outcome)
        self.bar.update(self.task, completed=self.tally.done, pace=self.tally.pace(), totals=self.tally.totals())
        if outcome == FAILED:
            self.say(said)

    def say(self, line):
        """Something that is to be known."""
        self.bar.console.print(f"   {line}", markup=False, highlight=False)
