"""An interval for each cell, from the plan alone: it holds whatever the data are.

For Gaussian noise a figure's error is a sum of Gaussians, and its interval a multiple of its
standard deviation. For Laplace noise the error of least squares has no closed form: the noise alone
is drawn 5,000 times, by a fixed seed, put through the same least
squares, and the interval is an order statistic on the safe side. It is drawn by numpy: what is
published is never made of these draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, Places, estimate
from cloison.statistics.noise import MechanismKind
from cloison.statistics.plan import Plan

COVERAGE = 0.95
_DRAWS = 5_000
_MOST_FIGURES = 8_000_000
_LEAST_DRAWS = 2_000
_SEED = 51711


def half_widths(plan: Plan, cube: Cube, coverage: float = COVERAGE) -> list[Floats]:
    """Of each cell: how near the true figure is to the unrounded one, with this chance at least."""
    if plan.kind is MechanismKind.GAUSSIAN:
        # Half a unit more: discrete noise is a little wider than its density says.
        normal = NormalDist().inv_cdf((1 + coverage) / 2)
        return [normal * np.sqrt(level) + 0.5 for level in plan.variances]
    return list(_half_widths(Simulation.of(plan, cube), coverage))


@dataclass(frozen=True, slots=True)
class Simulation:
    """All that the noise of a plan is drawn again and again from: the same for the same plan.

    Attributes:
        raw: Variance of a figure's noise, one a level.
        weight: Of how many mechanisms' noise a figure has, in variance.
    """

    kind: MechanismKind
    scales: tuple[float, ...]
    raw: tuple[float, ...]
    cells: tuple[int, ...]
    parents: tuple[bytes, ...]
    weight: float

    @classmethod
    def of(cls, plan: Plan, cube: Cube) -> "Simulation":
        """Of a plan over its cells."""
        return cls(
            plan.kind,
            tuple(mechanism.scale for mechanism in plan.mechanisms),
            tuple(plan.noise_variances),
            tuple(level.cells for level in cube.levels),
            tuple(one.tobytes() for one in cube.parents),
            float(plan.sharing.weight),
        )

    def errors(self) -> list[Floats]:
        """Noise after least squares, by level; shape (draws, cells)."""
        draws = max(_LEAST_DRAWS, min(_DRAWS, _MOST_FIGURES // sum(self.cells)))
        random = np.random.default_rng(_SEED)
        draw = _laplace if self.kind is MechanismKind.LAPLACE else _gaussian
        noise = [
            draw(random, (draws, count), scale, self.weight)
            for scale, count in zip(self.scales, self.cells, strict=True)
        ]
        parents: list[Places] = [np.frombuffer(one, np.int64) for one in self.parents]
        return estimate(noise, self.raw, parents)


@lru_cache(64)
def _half_widths(simulation: Simulation, coverage: float) -> tuple[Floats, ...]:
    return tuple(upper_quantile(np.abs(level), coverage) for level in simulation.errors())


def leaf_errors(plan: Plan, cube: Cube) -> Floats:
    """Noise of the leaves after least squares, drawn again and again; shape (draws, leaves)."""
    return Simulation.of(plan, cube).errors()[-1]


def _laplace(
    random: np.random.Generator, shape: Sequence[int], scale: float, weight: float
) -> Floats:
    """Discrete Laplace noise; of `weight` such, as the shares of several holders add up to."""
    stop = -np.expm1(-1 / scale)
    if weight != 1:
        drawn = random.negative_binomial(weight, stop, (2, *shape))
        noise: Floats = (drawn[0] - drawn[1]).astype(np.float64)
        return noise
    return (random.geometric(stop, shape) - random.geometric(stop, shape)).astype(np.float64)


def _gaussian(
    random: np.random.Generator, shape: Sequence[int], scale: float, weight: float
) -> Floats:
    return np.rint(random.normal(0, scale * weight**0.5, shape))


def upper_quantile(errors: Floats, coverage: float) -> Floats:
    """Over the first axis, the order statistic past the quantile but for two chances in 100."""
    draws = len(errors)
    place = int(np.ceil(draws * coverage + 2 * np.sqrt(draws * coverage * (1 - coverage))))
    widths: Floats = np.partition(errors, place - 1, axis=0)[place - 1] + 1e-9
    return widths
