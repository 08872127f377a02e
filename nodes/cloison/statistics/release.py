"""From exact cells to a table that may leave: the one door, for noisy figures only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cloison.errors import IntegrityError
from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, estimate
from cloison.statistics.intervals import half_widths
from cloison.statistics.noise import Mechanism, NoiseShare
from cloison.statistics.plan import Plan
from cloison.statistics.rounding import Integers, round_levels

Draw = Callable[[Mechanism, Sequence[int]], list[int]]


class ExactCells:
    """The exact figures of the leaves; shows nothing of them, whoever prints or logs it.

    Args:
        figures: Persons, by leaf.
        euros: Of a sum: whole euros, by leaf.
    """

    __slots__ = ("_euros", "_figures")

    def __init__(self, figures: Integers, euros: Integers | None = None) -> None:
        self._figures, self._euros = figures, euros

    def __repr__(self) -> str:
        return "ExactCells(…)"

    def levels(self, cube: Cube) -> list[list[int]]:
        """The exact figures of each level, as integers: for `release`, and nobody else."""
        return self._summed(self._figures, cube)

    def euros(self, cube: Cube) -> list[list[int]]:
        """As `levels`, of the sums."""
        return self._summed(self._euros, cube)

    @staticmethod
    def _summed(leaves: Integers | None, cube: Cube) -> list[list[int]]:
        if leaves is None or leaves.shape != (cube.leaves.cells,) or leaves.dtype != np.int64:
            raise IntegrityError("BAD_CELLS", "cells: not those of the table")
        levels = [leaves]
        for parent, level in zip(reversed(cube.parents), reversed(cube.levels[:-1]), strict=True):
            summed = np.zeros(level.cells, np.int64)
            np.add.at(summed, parent, levels[0])
            levels.insert(0, summed)
        return [level.tolist() for level in levels]


@dataclass(frozen=True, slots=True)
class Figures:
    """What may be published of one level, by cell.

    Attributes:
        measured: With noise, as drawn.
        unrounded: After least squares: unbiased, and sums of the next level's.
        rounded: Integers of zero or more, that add up to the unit.
        half_widths: Of the interval around `unrounded`.
        sums: Of a sum: the euros of the same cells.
    """

    measured: list[int]
    unrounded: Floats
    rounded: Integers
    half_widths: Floats
    sums: "Figures | None" = None


def draw_noise(mechanism: Mechanism, exact: Sequence[int]) -> list[int]:
    """As `Mechanism.draw`."""
    return mechanism.draw(exact)


def release(exact: ExactCells, plan: Plan, cube: Cube, draw: Draw = draw_noise) -> list[Figures]:
    """Draws the noise, once, and makes the levels agree.

    INVARIANT: what was reserved for the plan is durable before this is called.

    Privacy: person, add or remove; costs `plan.cost`. Each level is one call of one mechanism, in
    the order of the plan, whatever the data are; sums come after persons.
    """
    levels = zip(plan.mechanisms, exact.levels(cube), strict=True)
    persons = settle([draw(mechanism, level) for mechanism, level in levels], plan, cube)
    if plan.sums is None:
        return persons
    levels = zip(plan.sums.mechanisms, exact.euros(cube), strict=True)
    euros = settle([draw(mechanism, level) for mechanism, level in levels], plan.sums, cube)
    return [replace(one, sums=other) for one, other in zip(persons, euros, strict=True)]


def draw_share(exact: ExactCells, plan: Plan, cube: Cube) -> list[int]:
    """One holder's figures with its share of the noise, level after level: to be masked.

    INVARIANT: as `release`; and what is drawn for a reservation leaves once, masked.

    Privacy: person, add or remove; `plan.cost` once the honest holders' shares are added, nothing
    alone. Each level is one draw of one share, in the order of the plan, whatever the data are;
    sums come after persons.
    """
    persons = _with_shares(plan, exact.levels(cube))
    return persons if plan.sums is None else persons + _with_shares(plan.sums, exact.euros(cube))


def _with_shares(plan: Plan, levels: Sequence[Sequence[int]]) -> list[int]:
    shares: Sequence[Mechanism | NoiseShare] = plan.shares or plan.mechanisms
    drawn = zip(shares, levels, strict=True)
    return [figure for share, level in drawn for figure in share.draw(level)]


def shared_figures(plan: Plan, cube: Cube) -> int:
    """How many figures `draw_share` gives."""
    return cube.cells * (1 if plan.sums is None else 2)


def settle_shared(figures: Sequence[int], plan: Plan, cube: Cube) -> list[Figures]:
    """What all holders' figures, as `draw_share` has them, add up to; as `release` gives it."""
    persons = settle(_parted(figures[: cube.cells], cube), plan, cube)
    if plan.sums is None:
        return persons
    euros = settle(_parted(figures[cube.cells :], cube), plan.sums, cube)
    return [replace(one, sums=other) for one, other in zip(persons, euros, strict=True)]


def _parted(figures: Sequence[int], cube: Cube) -> list[list[int]]:
    """Level after level, by level again."""
    ends = np.cumsum([level.cells for level in cube.levels]).tolist()
    return [
        list(figures[end - level.cells : end]) for end, level in zip(ends, cube.levels, strict=True)
    ]


def settle(measured: Sequence[Sequence[int]], plan: Plan, cube: Cube) -> list[Figures]:
    """Makes noisy levels agree: post-processing, the same whoever does it."""
    raw = plan.noise_variances
    unrounded = estimate(measured, raw, cube.parents)
    rounded = round_levels(unrounded, cube.parents)
    return [
        Figures(*level)
        for level in zip(
            map(list, measured), unrounded, rounded, half_widths(plan, cube), strict=True
        )
    ]
