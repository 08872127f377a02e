"""Noise made by several holders: each draws a share, and the sum carries one mechanism's noise.

K holders, of whom t may pool what they know with whoever reads the sum: the shares of the K − t
others alone are the noise that was paid for. The proofs are in `shares.md`.
"""

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cloison.errors import InputError, IntegrityError
from cloison.statistics.noise import opendp_adapter
from cloison.statistics.noise.mechanism import LARGEST, Mechanism, MechanismKind

LARGEST_SHARE = 1 << 56
"""Of a figure with its noise, in absolute value: 64 holders' figures add up within 64 bits."""
MOST_HOLDERS = 64
_MOST_WIDENING = 1.01
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who adds noise to one figure.

    Attributes:
        holders: K, each with a share of the noise.
        colluders: t: so many may tell the reader of the sum what they hold and drew.
    """

    holders: int = 1
    colluders: int = 0

    @classmethod
    def among(cls, holders: int, colluders: int) -> "Sharing":
        """Of so many holders; one is always taken to be honest."""
        return cls(holders, min(colluders, holders - 1))

    @property
    def honest(self) -> int:
        """K − t."""
        return self.holders - self.colluders

    @property
    def weight(self) -> Fraction:
        """Of how many central mechanisms the sum carries the noise, in variance: K / (K − t)."""
        return Fraction(self.holders, self.honest)


@dataclass(frozen=True, slots=True)
class NoiseShare:
    """One holder's share of the noise of a level.

    Attributes:
        scale: Laplace's scale of the sum of `honest` shares; σ of one share for Gaussian.
    """

    kind: MechanismKind
    scale: float
    honest: int

    @property
    def variance(self) -> float:
        """Of one share of one figure."""
        if self.kind is MechanismKind.GAUSSIAN:
            return self.scale**2
        decay = math.exp(-1 / self.scale)
        return 2 * decay / (1 - decay) ** 2 / self.honest

    def draw(self, exact: Sequence[int]) -> list[int]:
        """The figures with this holder's share of the noise.

        Raises:
            InputError: `TOO_LARGE`: a figure beyond 2⁵³, which says nothing of its size.
            IntegrityError: `MASK_OVERFLOW`: noise so large that the sum might not fit 64 bits.
        """
        if any(not -LARGEST <= value <= LARGEST for value in exact):
            raise InputError("TOO_LARGE", "figure: beyond 2⁵³", "lower the bound a person")
        if self.kind is MechanismKind.GAUSSIAN:
            drawn = opendp_adapter.draw_gaussian(self.scale, exact)
        else:
            polya = _polya(self.scale, self.honest)
            drawn = [value + next(polya) - next(polya) for value in exact]
        if any(not -LARGEST_SHARE <= value <= LARGEST_SHARE for value in drawn):
            raise IntegrityError("MASK_OVERFLOW", "share: does not fit the sum", "ask again")
        return drawn


def share_of(mechanism: Mechanism, sharing: Sharing, cells: int) -> NoiseShare:
    """A holder's share of a mechanism's noise over so many cells, at no more than its cost.

    Raises:
        InputError: `SHARE_TOO_SMALL`: so little Gaussian noise a holder that the sum of shares is
            not near enough to one discrete Gaussian.
    """
    if mechanism.kind is MechanismKind.LAPLACE:
        return NoiseShare(mechanism.kind, mechanism.scale, sharing.honest)
    first = scale = mechanism.scale / math.sqrt(sharing.honest)
    while gaussian_cost(scale, sharing.honest, mechanism.sensitivity, cells) > mechanism.cost:
        scale *= 1 + 2.0**-12
        if scale > first * _MOST_WIDENING:
            raise InputError(
                "SHARE_TOO_SMALL",
                f"noise: {sharing.honest} shares are too small to add up to Gaussian noise",
                "ask with a smaller epsilon, or of fewer holders",
            )
    return NoiseShare(mechanism.kind, scale, sharing.honest)


def gaussian_cost(scale: float, shares: int, squared_sensitivity: int, cells: int) -> Fraction:
    """ρ of the sum of so many discrete Gaussians, never too small.

    Source: Kairouz, Liu, Steinke, *The Distributed Discrete Gaussian Mechanism* (2021),
    proposition 14, first bound: `Δ² / 2nσ² + τ d`, for σ ≥ 1/2.
    """
    own = Fraction(squared_sensitivity) / (2 * shares * Fraction(scale) ** 2)
    if shares == 1:
        return own
    if scale < 0.5:  # noqa: PLR2004 - the proposition's own condition
        return Fraction(10**9)
    gap = 10 * sum(math.exp(-2 * math.pi**2 * scale**2 * k / (k + 1)) for k in range(1, shares))
    return own + Fraction(math.nextafter(gap * (1 + 1e-9), math.inf)) * cells


def _polya(scale: float, shares: int) -> Iterator[int]:
    """Negative binomial draws of shape 1/`shares` and decay exp(−1/`scale`), exact, without end.

    A draw z of OpenDP's discrete Laplace, given its side of zero, is geometric: n = z, or −z − 1 if
    it is negative. It is kept with chance Π (i − 1 + r) / i over i = 1 … n, r the shape.
    """
    while True:
        for value in opendp_adapter.draw_laplace(scale, [0] * _BATCH):
            place = value if value >= 0 else -value - 1
            if _kept(place, shares):
                yield place


def _kept(value: int, shares: int) -> bool:
    """True with chance Π ((i − 1) m + 1) / (i m) over i = 1 … `value`, m = `shares`, exactly."""
    return shares == 1 or all(
        secrets.randbelow(place * shares) < (place - 1) * shares + 1
        for place in range(1, value + 1)
    )


def partner_epsilon(scale: float, sensitivity: int, sharing: Sharing) -> float:
    """ε towards one of several holders, for Laplace noise with no colluder reckoned with.

    K − 1 shares stand against the partner: their distribution is log-convex, so a shift by one
    costs most at 0. Rounded up.
    """
    shape, decay = 1 - 1 / sharing.holders, math.exp(-1 / scale)
    chance, same, next_to = 1.0, 0.0, 0.0
    place = 0
    while chance > 1e-18 or place < scale:  # noqa: PLR2004 - below what a double adds to 1
        after = chance * decay * (place + shape) / (place + 1)
        same += chance * chance
        next_to += chance * after
        chance, place = after, place + 1
    same += chance * chance / (1 - decay * decay)  # what was not added, and more
    return sensitivity * math.log(same / next_to) * (1 + 1e-9)
