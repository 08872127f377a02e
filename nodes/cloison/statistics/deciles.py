"""Deciles and shares read off noisy brackets: post-processing, free.

The noisy counts are cumulated as they are and made monotone by isotonic regression. Cutting
negative counts to zero first would add people to every empty bracket and move deciles by as much as
twenty points; it is never done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloison.statistics.hierarchy import Floats
from cloison.statistics.intervals import upper_quantile

_PARTS = 10
Bounds = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of one group.

    Attributes:
        deciles: The nine, in whole euros; None where one lies in an open bracket.
        bounds: Of each decile, the edges between which it is; None: open at that end.
        shares: Of each bracket, of the group; none is negative, they add up to 1.
    """

    deciles: tuple[int | None, ...]
    shares: tuple[float, ...]
    bounds: tuple[Bounds, ...] = ()


def read_distribution(
    counts: Floats, edges: Sequence[int], widths: Floats | None = None
) -> Distribution | None:
    """The distribution of a group's unrounded noisy counts; None where nobody seems to be in it.

    Args:
        counts: By bracket, noise and negative figures included.
        edges: Whole euros at which each bracket but the first begins.
        widths: Of shape (9, edges): how far the noise alone moves `below - decile × total` at each
            edge, as `decile_widths` says; without it no bounds are told.
    """
    curve = np.maximum(isotonic(np.cumsum(counts)), 0.0)
    total = float(curve[-1])
    if total <= 0:
        return None
    deciles = tuple(_quantile(curve, edges, total * part / _PARTS) for part in range(1, _PARTS))
    shares = tuple((np.diff(curve, prepend=0.0) / total).tolist())
    bounds = () if widths is None else _bounds(counts, edges, widths)
    return Distribution(deciles, shares, bounds)


def isotonic_counts(counts: Floats) -> Floats:
    """Counts of zero or more under the nearest curve that never falls."""
    curve = np.maximum(isotonic(np.cumsum(counts)), 0.0)
    return np.diff(curve, prepend=0.0)


def decile_widths(errors: Floats, coverage: float) -> Floats:
    """How far noise alone moves `persons below an edge - decile × all persons`.

    Args:
        errors: Noise of a group's brackets after least squares; shape (draws, brackets).
        coverage: At each edge, so many times of one.

    Returns:
        Shape (9, brackets - 1).
    """
    below = np.cumsum(errors, axis=1)
    parts = np.arange(1, _PARTS) / _PARTS
    return np.stack(
        [upper_quantile(np.abs(below[:, :-1] - part * below[:, -1:]), coverage) for part in parts]
    )


def _bounds(counts: Floats, edges: Sequence[int], widths: Floats) -> tuple[Bounds, ...]:
    """The edges between which each decile is, `coverage` times of one at least.

    A decile is where `below - decile × total` is zero without noise. An edge is taken as under it
    where the noisy figure there is less than minus its width, as above where it is more. The lower
    bound is the last of the edges that are all under from the first on, the upper one the first of
    those that are all above up to the last: so the decile's bracket is lost only if one of its own
    two edges is misjudged, each on one side, and the two chances add up to what coverage leaves.
    """
    below = np.cumsum(counts)
    found: list[Bounds] = []
    for part, width in zip(range(1, _PARTS), widths, strict=True):
        gap = below[:-1] - part / _PARTS * below[-1]
        under = int(np.logical_and.accumulate(gap < -width).sum())
        above = int(np.logical_and.accumulate((gap > width)[::-1]).sum())
        low = edges[under - 1] if under else None
        found.append((low, edges[-above] if above else None))
    return tuple(found)


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
