"""Deciles and shares read off noisy brackets: post-processing, free.

The noisy counts are cumulated as they are and made monotone by isotonic regression. Cutting
negative counts to zero first would add people to every empty bracket and move deciles by as much as
twenty points; it is never done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloison.statistics.hierarchy import Floats

_PARTS = 10


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of one group.

    Attributes:
        deciles: The nine, in whole euros; None where one lies in an open bracket.
        shares: Of each bracket, of the group; none is negative, they add up to 1.
    """

    deciles: tuple[int | None, ...]
    shares: tuple[float, ...]


def read_distribution(counts: Floats, edges: Sequence[int]) -> Distribution | None:
    """The distribution of a group's unrounded noisy counts; None where nobody seems to be in it.

    Args:
        counts: By bracket, noise and negative figures included.
        edges: Whole euros at which each bracket but the first begins.
    """
    curve = np.maximum(isotonic(np.cumsum(counts)), 0.0)
    total = float(curve[-1])
    if total <= 0:
        return None
    deciles = tuple(_quantile(curve, edges, total * part / _PARTS) for part in range(1, _PARTS))
    return Distribution(deciles, tuple((np.diff(curve, prepend=0.0) / total).tolist()))


def isotonic(values: Floats) -> Floats:
    """The nearest curve that never falls (pool adjacent violators)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] >= means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2] = (means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size
            sizes[-2] = size
            means.pop()
            sizes.pop()
    return np.repeat(means, sizes)


def _quantile(curve: Floats, edges: Sequence[int], rank: float) -> int | None:
    """The amount below which `rank` persons are, evenly spread within a bracket."""
    bracket = int(np.searchsorted(curve, rank))
    if bracket in {0, len(edges)}:
        return None
    low, high = edges[bracket - 1], edges[bracket]
    before, after = float(curve[bracket - 1]), float(curve[bracket])
    return round(low + (high - low) * (rank - before) / (after - before))
