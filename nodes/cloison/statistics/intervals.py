"""An interval for each cell, from the plan alone: it holds whatever the data are.

For Gaussian noise a figure's error is a sum of Gaussians, and its interval a multiple of its
standard deviation. For Laplace noise the error of least squares has no closed form: the noise alone
is drawn 5,000 times, by a fixed seed, put through the same least
squares, and the interval is an order statistic on the safe side. It is drawn by numpy: what is
published is never made of these draws.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from cloison.statistics.cube import Cube
from cloison.statistics.hierarchy import Floats, estimate
from cloison.statistics.noise import MechanismKind
from cloison.statistics.plan import Plan

COVERAGE = 0.95
_NORMAL = 1.959963984540054
_DRAWS = 5_000
_MOST_FIGURES = 8_000_000
_LEAST_DRAWS = 2_000
_SEED = 51711


def half_widths(plan: Plan, cube: Cube) -> list[Floats]:
    """Of each cell: the true figure is this near the unrounded one, 95 times of 100 at least."""
    if plan.kind is MechanismKind.GAUSSIAN:
        # Half a unit more: discrete noise is a little wider than its density says.
        return [_NORMAL * np.sqrt(level) + 0.5 for level in plan.variances]
    scales = tuple(mechanism.scale for mechanism in plan.mechanisms)
    raw = tuple(mechanism.variance for mechanism in plan.mechanisms)
    cells = tuple(level.cells for level in cube.levels)
    return list(_drawn(scales, raw, cells, tuple(one.tobytes() for one in cube.parents)))


@lru_cache(64)
def _drawn(
    scales: tuple[float, ...],
    raw: tuple[float, ...],
    cells: tuple[int, ...],
    parents: tuple[bytes, ...],
) -> tuple[Floats, ...]:
    draws = max(_LEAST_DRAWS, min(_DRAWS, _MOST_FIGURES // sum(cells)))
    random = np.random.default_rng(_SEED)
    noise = [
        _laplace(random, scale, (draws, count)) for scale, count in zip(scales, cells, strict=True)
    ]
    errors = estimate(noise, raw, [np.frombuffer(one, np.int64) for one in parents])
    return tuple(_quantile(np.abs(level), draws) for level in errors)


def _laplace(random: np.random.Generator, scale: float, shape: Sequence[int]) -> Floats:
    stop = -np.expm1(-1 / scale)
    return (random.geometric(stop, shape) - random.geometric(stop, shape)).astype(np.float64)


def _quantile(errors: Floats, draws: int) -> Floats:
    """The order statistic that is past the quantile but for two chances in a hundred."""
    place = int(np.ceil(draws * COVERAGE + 2 * np.sqrt(draws * COVERAGE * (1 - COVERAGE))))
    widths: Floats = np.partition(errors, place - 1, axis=0)[place - 1] + 1e-9
    return widths
