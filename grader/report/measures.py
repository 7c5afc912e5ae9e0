"""What the results of a class say: how scores are spread, how runs ended, and how hard and how telling each task is."""

from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean, quantiles

from grader.score import Outcome
from grader.transcript import Ending

BINS = 10           # of the histogram, beside one for full marks


@dataclass(frozen=True)
class Bin:
    """One bar of the histogram: scores from low up to, and not including, high; the last: full marks."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Spread:
    """How scores are spread."""

    count: int
    mean: float
    quartiles: tuple[float, float, float]
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Item:
    """What the graded submissions say of a task."""

    number: int
    name: str
    max_score: float
    passed: int                     # how many passed all that shows it
    partly: int                     # how many got a part of its points
    count: int
    difficulty: float               # mean share of its points: 1 is easy
    discrimination: float | None    # item-rest correlation; None where all got the same


def spread(results, most):
    """The Spread of all scores that there are, out of most points, or None where there are none."""
    scores = sorted(result.score for result in results if result.score is not None)
    if not scores:
        return None
    width = most / BINS
    bins = [Bin(n * width, (n + 1) * width, 0) for n in range(BINS)] + [Bin(most, most, 0)]
    counts = [0] * len(bins)
    for score in scores:
        counts[BINS if score >= most else max(0, int(score / width))] += 1
    cuts = quantiles(scores, n=4, method="inclusive") if len(scores) > 1 else scores * 3
    return Spread(len(scores), fmean(scores), tuple(cuts), tuple(Bin(b.low, b.high, n) for b, n in zip(bins, counts)))


def items(results):
    """An Item for each task, from the submissions that were graded."""
    grades = [result.grade for result in results if result.outcome == "graded" and result.grade]
    if not grades:
        return []
    return [item([(grade, grade.tasks[place]) for grade in grades], task) for place, task in enumerate(grades[0].tasks)]


def item(pairs, task):
    """The Item of a task from (Grade, its TaskGrade) pairs."""
    shares = [mine.score / mine.max_score if mine.max_score else 0.0 for _, mine in pairs]
    rest = [grade.score - mine.score for grade, mine in pairs]
    passed = sum(mine.outcome == Outcome.PASSED and mine.score == mine.max_score for _, mine in pairs)
    partly = sum(0 < mine.score < mine.max_score for _, mine in pairs)
    return Item(task.number, task.name, task.max_score, passed, partly, len(pairs), fmean(shares), related(shares, rest))


def related(shares, rest):
    """Pearson's correlation of what a task brought with what all others did; None where one of them never varies.

    For a task that is all or nothing this is the point-biserial correlation, corrected for the task's own points."""
    try:
        return correlation(shares, rest)
    except StatisticsError:
        return None


def endings(results):
    """How runs ended: (ending, runs, submissions with one), in the order of Ending, without what never happened."""
    runs, mine = {}, {}
    for result in results:
        found = [run.ending for run in result.grade.runs] if result.grade else []
        for ending in found:
            runs[ending] = runs.get(ending, 0) + 1
        for ending in set(found):
            mine[ending] = mine.get(ending, 0) + 1
    known = [ending.value for ending in Ending]
    return [(ending, runs[ending], mine[ending]) for ending in known + sorted(set(runs) - set(known)) if ending in runs]
