"""What a table will cost and how far off it will be, before anything is spent or read.

A plan depends on the declaration and the loss alone: so price and error can be shown to anyone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np

from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, Places, estimate_variances
from cloison.statistics.loss import rho_of_epsilon
from cloison.statistics.noise import (
    Mechanism,
    MechanismKind,
    NoiseShare,
    Sharing,
    gaussian,
    laplace,
    share_of,
)
from cloison.statistics.table import Table

FEW_CONTRIBUTIONS = 10
"""Up to so many unit contributions a person in a whole release, Laplace is the smaller noise.

Source: measured crossing 9 to 13 for ε from 1/2 to 4 at δ = 10⁻⁶ (Laplace grows with K, Gaussian
with √K); `tests/unit/statistics` measures it again.
"""
_ALONE = Sharing()
_SPLIT_STEPS = {1: 1, 2: 100, 3: 100, 4: 50}
"""Shares are looked for in parts so fine, by the number of levels."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a table will be measured.

    Attributes:
        epsilon: The loss stated; for Gaussian noise, at `delta`.
        delta: The population's; 0 where only pure ε is granted.
        cost: What is charged: ε for Laplace, ρ for Gaussian, exact.
        split: The share of each level.
        mechanisms: One a level, coarsest first.
        variances: Of each figure after least squares, by level.
        sums: How the euros of a sum are measured, beside the persons; its cost is within `cost`.
        sharing: Among whom the noise is shared.
        shares: One holder's, one a level; none where one holder draws it all.
    """

    kind: MechanismKind
    epsilon: Fraction
    delta: Fraction
    cost: Fraction
    contributions: int
    split: tuple[Fraction, ...]
    mechanisms: tuple[Mechanism, ...]
    variances: tuple[Floats, ...]
    sums: "Plan | None" = None
    sharing: Sharing = _ALONE
    shares: tuple[NoiseShare, ...] = ()

    @property
    def noise_variances(self) -> list[float]:
        """Of the noise of a figure of each level, all shares together."""
        return _noise_variances(self.mechanisms, self.shares, self.sharing)

    @property
    def rmse(self) -> tuple[float, ...]:
        """Root mean square error expected at each level, in units of the measure."""
        return tuple(float(np.sqrt(level.mean())) for level in self.variances)


def make_plan(
    table: Table, cube: Cube, epsilon: Fraction, delta: Fraction, sharing: Sharing = _ALONE
) -> Plan:
    """The plan of a table at a loss.

    Raises:
        InputError: `BAD_LOSS`: too little for figures to say anything. `SHARE_TOO_SMALL`.
    """
    measure = table.measure
    vectors = 1 if measure.clip is None else 2
    contributions = measure.most_cells * len(cube.levels) * vectors
    pure = delta == 0 or contributions <= FEW_CONTRIBUTIONS
    cost = epsilon if pure else rho_of_epsilon(epsilon, delta)
    blank = Plan(
        MechanismKind.LAPLACE if pure else MechanismKind.GAUSSIAN,
        epsilon,
        delta,
        cost,
        contributions,
        (),
        (),
        (),
        sharing=sharing,
    )
    if measure.clip is None:
        return _measured(blank, table, cube, 1)
    counted = cost * Fraction(measure.count_share or 1)
    persons = _measured(replace(blank, cost=counted), table, cube, 1)
    euros = _measured(replace(blank, cost=cost - counted), table, cube, measure.clip)
    return replace(persons, cost=cost, sums=euros)


def _measured(blank: Plan, table: Table, cube: Cube, most: int) -> Plan:
    """The mechanisms of one vector of figures, to a cell of which a person adds at most `most`."""
    pure = blank.kind is MechanismKind.LAPLACE
    unit = [_distance(table, cube, level, blank.kind) for level in range(len(cube.levels))]
    aims = table.aims or (1,) * len(cube.levels)
    split = table.shares() or best_split(blank.kind, unit, cube, aims)
    fit = laplace if pure else gaussian
    mechanisms = tuple(
        fit(distance * (most if pure else most**2), share * blank.cost)
        for distance, share in zip(unit, split, strict=True)
    )
    shares = tuple(
        share_of(mechanism, blank.sharing, level.cells)
        for mechanism, level in zip(mechanisms, cube.levels, strict=True)
        if blank.sharing.holders > 1
    )
    variances = tuple(_variances(cube, _noise_variances(mechanisms, shares, blank.sharing)))
    return replace(blank, split=split, mechanisms=mechanisms, variances=variances, shares=shares)


def _noise_variances(
    mechanisms: Sequence[Mechanism], shares: Sequence[NoiseShare], sharing: Sharing
) -> list[float]:
    return [sharing.holders * one.variance for one in shares or mechanisms]


def _distance(table: Table, cube: Cube, level: int, kind: MechanismKind) -> int:
    """How far one person who adds 1 to a cell moves a level: L1, or the square of L2.

    A person touches at most K leaves by 1 each. Coarser cells are sums, so L1 stays K; but several
    of the leaves may fall into one coarser cell, and then the square of L2 is more than K.
    """
    most = table.measure.most_cells
    if kind is MechanismKind.LAPLACE:
        return most
    together = min(most, _most_together(table, cube, level))
    return most // together * together**2 + (most % together) ** 2


def _most_together(table: Table, cube: Cube, level: int) -> int:
    """Leaves that one person may touch and that are one cell of this level.

    A dimension of another dataset has one value a person: other leaves are out of reach.
    """
    place = np.arange(cube.leaves.cells)
    for parent in reversed(cube.parents[level:]):
        place = parent[place]
    sizes = [len(axis.keys) for axis in cube.leaves.axes]
    codes = np.unravel_index(np.arange(cube.leaves.cells), sizes)
    for dimension, code, size in zip(table.dimensions, codes, sizes, strict=True):
        if dimension.dataset not in {None, table.dataset}:
            place = place * size + code
    return int(np.unique(place, return_counts=True)[1].max())


def _variances(cube: Cube, raw: Sequence[float]) -> list[Floats]:
    return estimate_variances([level.cells for level in cube.levels], raw, cube.parents)


_Structure = tuple[tuple[int, ...], tuple[bytes, ...]]


def _structure(cube: Cube) -> _Structure:
    cells = tuple(level.cells for level in cube.levels)
    return cells, tuple(parent.tobytes() for parent in cube.parents)


def best_split(
    kind: MechanismKind, distances: Sequence[int], cube: Cube, aims: Sequence[int]
) -> tuple[Fraction, ...]:
    """The shares of the levels under which the largest mean error over its aim is least.

    Args:
        kind: The noise.
        distances: How far one person moves each level, as a mechanism is told.
        cube: The levels.
        aims: How large the error of each may be beside the others'.
    """
    return _best_split(kind, tuple(distances), _structure(cube), tuple(aims))


@lru_cache(64)
def _best_split(
    kind: MechanismKind,
    distances: tuple[int, ...],
    structure: _Structure,
    aims: tuple[int, ...],
) -> tuple[Fraction, ...]:
    """As `best_split`, of a grid of shares.

    The loss to share scales every variance alike: the best shares are the same for each.
    """
    cells, packed = structure
    parents: list[Places] = [np.frombuffer(one, np.int64) for one in packed]
    best: tuple[float, tuple[int, ...]] | None = None
    steps = _SPLIT_STEPS[len(cells)]
    for cuts in combinations(range(1, steps), len(cells) - 1):
        parts = tuple(b - a for a, b in zip((0, *cuts), (*cuts, steps), strict=True))
        raw = [_raw(kind, d, p / steps) for d, p in zip(distances, parts, strict=True)]
        means = [float(level.mean()) for level in estimate_variances(cells, raw, parents)]
        worst = max(mean / aim**2 for mean, aim in zip(means, aims, strict=True))
        if best is None or worst < best[0]:
            best = worst, parts
    return tuple(Fraction(part, steps) for part in best[1]) if best else ()


def _raw(kind: MechanismKind, distance: int, cost: float) -> float:
    """The variance of a figure, as of continuous noise: near enough to compare splits."""
    return 2 * (distance / cost) ** 2 if kind is MechanismKind.LAPLACE else distance / (2 * cost)
