"""What a table will cost and how far off it will be, before anything is spent or read.

A plan depends on the declaration and the loss alone: so price and error can be shown to anyone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np

from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, Places, estimate_variances
from cloison.statistics.loss import rho_of_epsilon
from cloison.statistics.noise import Mechanism, MechanismKind, gaussian, laplace
from cloison.statistics.table import Table

FEW_CONTRIBUTIONS = 10
"""Up to so many unit contributions a person in a whole release, Laplace is the smaller noise.

Source: measured crossing 9 to 13 for ε from 1/2 to 4 at δ = 10⁻⁶ (Laplace grows with K, Gaussian
with √K); `tests/unit/statistics` measures it again.
"""
_SPLIT_STEPS = 50
_LEAF_WEIGHT = 1.2
"""Leaves are most of what is read: their error counts a fifth more. The optimum is flat."""


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
    """

    kind: MechanismKind
    epsilon: Fraction
    delta: Fraction
    cost: Fraction
    contributions: int
    split: tuple[Fraction, ...]
    mechanisms: tuple[Mechanism, ...]
    variances: tuple[Floats, ...]

    @property
    def rmse(self) -> tuple[float, ...]:
        """Root mean square error expected at each level, in units of the measure."""
        return tuple(float(np.sqrt(level.mean())) for level in self.variances)


def make_plan(table: Table, cube: Cube, epsilon: Fraction, delta: Fraction) -> Plan:
    """The plan of a table at a loss.

    Raises:
        InputError: `BAD_LOSS`: too little for figures to say anything.
    """
    most = table.measure.most_cells
    contributions = most * len(cube.levels)
    pure = delta == 0 or contributions <= FEW_CONTRIBUTIONS
    kind = MechanismKind.LAPLACE if pure else MechanismKind.GAUSSIAN
    cost = epsilon if pure else rho_of_epsilon(epsilon, delta)
    distances = [_distance(table, cube, level, kind) for level in range(len(cube.levels))]
    split = table.shares() or _best_split(kind, tuple(distances), _structure(cube))
    fit = laplace if pure else gaussian
    mechanisms = tuple(
        fit(distance, share * cost) for distance, share in zip(distances, split, strict=True)
    )
    variances = _variances(cube, [mechanism.variance for mechanism in mechanisms])
    return Plan(kind, epsilon, delta, cost, contributions, split, mechanisms, tuple(variances))


def _distance(table: Table, cube: Cube, level: int, kind: MechanismKind) -> int:
    """How far one person moves a level: L1, or the square of L2.

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


@lru_cache(64)
def _best_split(
    kind: MechanismKind, distances: tuple[int, ...], structure: _Structure
) -> tuple[Fraction, ...]:
    """The shares, in fiftieths, with the least weighted sum over levels of the mean variance.

    The loss to share scales every variance alike: the best shares are the same for each.
    """
    cells, packed = structure
    parents: list[Places] = [np.frombuffer(one, np.int64) for one in packed]
    best: tuple[float, tuple[int, ...]] | None = None
    for cuts in combinations(range(1, _SPLIT_STEPS), len(cells) - 1):
        parts = tuple(b - a for a, b in zip((0, *cuts), (*cuts, _SPLIT_STEPS), strict=True))
        raw = [_raw(kind, d, p / _SPLIT_STEPS) for d, p in zip(distances, parts, strict=True)]
        means = [float(level.mean()) for level in estimate_variances(cells, raw, parents)]
        total = sum(means) + (_LEAF_WEIGHT - 1) * means[-1]
        if best is None or total < best[0]:
            best = total, parts
    return tuple(Fraction(part, _SPLIT_STEPS) for part in best[1]) if best else ()


def _raw(kind: MechanismKind, distance: int, cost: float) -> float:
    """The variance of a figure, as of continuous noise: near enough to compare splits."""
    return 2 * (distance / cost) ** 2 if kind is MechanismKind.LAPLACE else distance / (2 * cost)
