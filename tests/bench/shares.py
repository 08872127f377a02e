"""Noise of K holders' shares against one central mechanism and against own noise each."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from rich.table import Table
from tests.bench.report import Bar
from tests.bench.section import at_most, table_of

from cloison.statistics.loss import rho_of_epsilon
from cloison.statistics.noise import Mechanism, Sharing, gaussian, laplace, share_of

HOLDERS, FIGURES = (2, 3, 5), 10_000
_WITHIN = 1.1
"""The variance of so many draws is this near to what it is of."""
Ratios = Mapping[str, tuple[float, ...]]


def measure_shares(delta: Fraction) -> Ratios:
    """Variance of a figure's noise over one central mechanism's, by approach and K; ε = 1."""
    mechanisms = {
        "pure ε": laplace(1, Fraction(1)),
        "zCDP": gaussian(1, rho_of_epsilon(Fraction(1), delta)),
    }
    found: dict[str, tuple[float, ...]] = {}
    for noise, mechanism in mechanisms.items():
        central = mechanism.variance
        for colluders in (0, 1):
            found[f"{noise}, shares, {colluders} colluder"] = tuple(
                _variance(_shares(mechanism, Sharing(holders, colluders))) / central
                for holders in HOLDERS
            )
        found[f"{noise}, own noise each"] = tuple(
            _variance([mechanism.draw([0] * FIGURES) for _ in range(holders)]) / central
            for holders in HOLDERS
        )
    return found


def shares_table(ratios: Ratios) -> Table:
    """As the bench prints it."""
    return table_of(
        "variance of noise of K holders, over one central mechanism's",
        ("approach", *(f"K = {holders}" for holders in HOLDERS)),
        [(name, *(f"{one:.2f}" for one in each)) for name, each in ratios.items()],
    )


def shares_bars(ratios: Ratios) -> list[Bar]:
    """Shares are one mechanism's noise; with a colluder reckoned with, K / (K - 1) of it."""
    return [
        at_most(f"noise of K holders over what is due, {name}, the worst K", _WITHIN, worst)
        for name, each in ratios.items()
        if "shares" in name
        for worst in [max(value / _due(name, holders) for holders, value in _by_k(each))]
    ]


def _by_k(each: Sequence[float]) -> list[tuple[int, float]]:
    return list(zip(HOLDERS, each, strict=True))


def _due(name: str, holders: int) -> float:
    return float(Sharing(holders, int("1 colluder" in name)).weight)


def _shares(mechanism: Mechanism, sharing: Sharing) -> list[list[int]]:
    share = share_of(mechanism, sharing, cells=1)
    return [share.draw([0] * FIGURES) for _ in range(sharing.holders)]


def _variance(drawn: Sequence[Sequence[int]]) -> float:
    return float(np.sum(np.array(drawn), axis=0).var())
