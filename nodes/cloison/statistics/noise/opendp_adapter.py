"""The one place that speaks to OpenDP: two vector mechanisms over 64-bit integers, and their maps.

A scale is a double that OpenDP takes as an exact rational; its maps round the loss up.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import opendp.prelude as dp

dp.enable_features("contrib")


@lru_cache(64)
def _laplace(scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return dp.m.make_laplace(*space, scale=scale)


@lru_cache(64)
def _gaussian(scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return dp.m.make_gaussian(*space, scale=scale)


def laplace_epsilon(scale: float, sensitivity: int) -> float:
    """ε of discrete Laplace noise for an L1 distance, rounded up."""
    return float(_laplace(scale).map(sensitivity))


def gaussian_rho(scale: float, squared_sensitivity: int) -> float:
    """ρ of discrete Gaussian noise for the square of an L2 distance, rounded up."""
    distance = math.sqrt(squared_sensitivity)
    while distance * distance < squared_sensitivity or int(distance) ** 2 > squared_sensitivity:
        distance = math.nextafter(distance, math.inf)
    return float(_gaussian(scale).map(math.nextafter(distance, math.inf)))


def draw_laplace(scale: float, exact: Sequence[int]) -> list[int]:
    """Each integer with noise of its own."""
    return list(_laplace(scale)(list(exact)))


def draw_gaussian(scale: float, exact: Sequence[int]) -> list[int]:
    """Each integer with noise of its own."""
    return list(_gaussian(scale)(list(exact)))
