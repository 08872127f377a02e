"""From exact cells to a table that may leave: the one door, for noisy figures only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cloison.errors import IntegrityError
from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, estimate
from cloison.statistics.intervals import half_widths
from cloison.statistics.noise import Mechanism
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
    persons = _noisy(exact.levels(cube), plan, cube, draw)
    if plan.sums is None:
        return persons
    euros = _noisy(exact.euros(cube), plan.sums, cube, draw)
    return [replace(one, sums=other) for one, other in zip(persons, euros, strict=True)]


def _noisy(exact: list[list[int]], plan: Plan, cube: Cube, draw: Draw) -> list[Figures]:
    measured = [
        draw(mechanism, level) for mechanism, level in zip(plan.mechanisms, exact, strict=True)
    ]
    raw = [mechanism.variance for mechanism in plan.mechanisms]
    unrounded = estimate(measured, raw, cube.parents)
    rounded = round_levels(unrounded, cube.parents)
    return [
        Figures(*level)
        for level in zip(measured, unrounded, rounded, half_widths(plan, cube), strict=True)
    ]
