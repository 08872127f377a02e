"""An interval for each cell, from the plan alone: it holds whatever the data are.

For Gaussian noise a figure's error is a sum of Gaussians, and its interval a multiple of its
standard deviation. For Laplace noise the error of least squares has no closed form: the noise alone
is drawn 5,000 times, by a fixed seed, put through the same least
squares, and the interval is an order statistic on the safe side. It is drawn by numpy: what is
published is never made of these draws.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
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
    scales = tuple(mechanism.scale for mechanism in plan.mechanisms)
    raw = tuple(plan.noise_variances)
    cells = tuple(level.cells for level in cube.levels)
    parents = tuple(one.tobytes() for one in cube.parents)
    weight = float(plan.sharing.weight)
    return list(_drawn(scales, raw, cells, parents, coverage, weight))


@lru_cache(64)
def _drawn(
    scales: tuple[float, ...],
    raw: tuple[float, ...],
    cells: tuple[int, ...],
    parents: tuple[bytes, ...],
    coverage: float,
    weight: float,
) -> tuple[Floats, ...]:
    packed = [np.frombuffer(one, np.int64) for one in parents]
    noises = [partial(_laplace, scale=scale, weight=weight) for scale in scales]
    errors = _errors(noises, raw, cells, packed)
    return tuple(upper_quantile(np.abs(level), coverage) for level in errors)


def leaf_errors(plan: Plan, cube: Cube) -> Floats:
    """Noise of the leaves after least squares, drawn again and again; shape (draws, leaves)."""
    pure, weight = plan.kind is MechanismKind.LAPLACE, float(plan.sharing.weight)
    noises = [
        partial(_laplace, scale=mechanism.scale, weight=weight)
        if pure
        else partial(_gaussian, scale=mechanism.scale * weight**0.5)
        for mechanism in plan.mechanisms
    ]
    return _errors(
        noises, plan.noise_variances, [level.cells for level in cube.levels], cube.parents
    )[-1]


def _errors(
    noises: Sequence[Callable[[np.random.Generator, Sequence[int]], Floats]],
    raw: Sequence[float],
    cells: Sequence[int],
    parents: Sequence[Places],
) -> list[Floats]:
    draws = max(_LEAST_DRAWS, min(_DRAWS, _MOST_FIGURES // sum(cells)))
    random = np.random.default_rng(_SEED)
    noise = [draw(random, (draws, count)) for draw, count in zip(noises, cells, strict=True)]
    return estimate(noise, raw, parents)


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


def _gaussian(random: np.random.Generator, shape: Sequence[int], scale: float) -> Floats:
    return np.rint(random.normal(0, scale, shape))


def upper_quantile(errors: Floats, coverage: float) -> Floats:
    """Over the first axis, the order statistic past the quantile but for two chances in 100."""
    draws = len(errors)
    place = int(np.ceil(draws * coverage + 2 * np.sqrt(draws * coverage * (1 - coverage))))
    widths: Floats = np.partition(errors, place - 1, axis=0)[place - 1] + 1e-9
    return widths
