"""Means as quotients of two noisy figures, and when an amount may be shown: post-processing, free.

The interval holds whatever the two errors have to do with each other: where sum and count are each
in their interval of 97.5 %, which is 95 times of 100 at least, the mean is between the quotients of
their ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats
from cloison.statistics.intervals import COVERAGE, half_widths
from cloison.statistics.plan import Plan
from cloison.statistics.release import Figures

EACH = (1 + COVERAGE) / 2
DOMINANCE_PERCENT = 85
"""No single unit may make more of an amount.

Source: the secrecy rules for data of the tax office (reference: manual of the INSEE, ST-02).
"""


@dataclass(frozen=True, slots=True)
class Means:
    """Of one level, in euros a person; nan where the count may be nothing, so no mean is known."""

    value: Floats
    low: Floats
    high: Floats


def read_means(levels: Sequence[Figures], plan: Plan, cube: Cube) -> list[Means]:
    """The mean of every cell of a sum."""
    if plan.sums is None:
        return []
    counts, sums = half_widths(plan, cube, EACH), half_widths(plan.sums, cube, EACH)
    return [
        quotients(one.unrounded, count, one.sums.unrounded, euros)
        for one, count, euros in zip(levels, counts, sums, strict=True)
        if one.sums is not None
    ]


def quotients(persons: Floats, persons_width: Floats, euros: Floats, euros_width: Floats) -> Means:
    """Means of noisy figures whose intervals each hold `EACH` times of one."""
    least, most = persons - persons_width, persons + persons_width
    known = least >= 1  # of no person there is no mean
    low, high = euros - euros_width, euros + euros_width
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([low / least, low / most, high / least, high / most])
        value = euros / persons
    return Means(
        np.where(known, np.maximum(value, 0), np.nan),
        np.where(known, np.maximum(ends.min(axis=0), 0), np.nan),
        np.where(known, ends.max(axis=0), np.nan),
    )


def may_dominate(clip: int, rounded: int) -> bool:
    """Whether one person, who adds at most the clip, could make more than 85 % of a noisy sum."""
    return clip * 100 > DOMINANCE_PERCENT * rounded
