"""A mechanism ready to draw: its scale, what it costs, how far its noise spreads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from cloison.errors import InputError, IntegrityError
from cloison.statistics.noise import opendp_adapter

LARGEST = 1 << 53
"""Of an exact figure, in absolute value: far from the ends of 64 bits, so noise never saturates."""
_LARGEST_SCALE = float(1 << 40)


class MechanismKind(StrEnum):
    """The two noises."""

    LAPLACE = "discrete-laplace"
    GAUSSIAN = "discrete-gaussian"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Noise for one vector of integers that one person changes by a bounded distance.

    Attributes:
        scale: Laplace's scale, or Gaussian's σ; the double OpenDP is given.
        sensitivity: L1 distance for Laplace; the *square* of the L2 distance for Gaussian.
        cost: ε for Laplace, ρ for Gaussian: what is charged, never less than OpenDP's map says.
    """

    kind: MechanismKind
    scale: float
    sensitivity: int
    cost: Fraction

    @property
    def variance(self) -> float:
        """Of the noise of one figure."""
        if self.kind is MechanismKind.GAUSSIAN:
            return self.scale**2
        decay = math.exp(-1 / self.scale)
        return 2 * decay / (1 - decay) ** 2

    def draw(self, exact: Sequence[int]) -> list[int]:
        """The figures with noise.

        Raises:
            IntegrityError: `MAP_EXCEEDED`: OpenDP says it costs more than is charged.
            InputError: `TOO_LARGE`: a figure beyond 2⁵³, which says nothing of its size.
        """
        if self._mapped() > self.cost:
            raise IntegrityError("MAP_EXCEEDED", "noise: costs more than is charged for it")
        if any(not -LARGEST <= value <= LARGEST for value in exact):
            raise InputError("TOO_LARGE", "figure: beyond 2⁵³", "lower the bound a person")
        if self.kind is MechanismKind.LAPLACE:
            return opendp_adapter.draw_laplace(self.scale, exact)
        return opendp_adapter.draw_gaussian(self.scale, exact)

    def _mapped(self) -> Fraction:
        if self.kind is MechanismKind.LAPLACE:
            return Fraction(opendp_adapter.laplace_epsilon(self.scale, self.sensitivity))
        return Fraction(opendp_adapter.gaussian_rho(self.scale, self.sensitivity))


def laplace(sensitivity: int, epsilon: Fraction) -> Mechanism:
    """The least discrete Laplace noise that costs at most ε for an L1 distance.

    Raises:
        InputError: `BAD_LOSS`: nothing to spend, a distance of zero, or a scale past 2⁴⁰.
    """
    _check(sensitivity, epsilon)
    return _fitted(MechanismKind.LAPLACE, float(sensitivity / epsilon), sensitivity, epsilon)


def gaussian(squared_sensitivity: int, rho: Fraction) -> Mechanism:
    """The least discrete Gaussian noise that costs at most ρ for the square of an L2 distance.

    Raises:
        InputError: `BAD_LOSS`.
    """
    _check(squared_sensitivity, rho)
    scale = math.sqrt(squared_sensitivity / (2 * rho))
    return _fitted(MechanismKind.GAUSSIAN, scale, squared_sensitivity, rho)


def _check(sensitivity: int, cost: Fraction) -> None:
    if sensitivity < 1 or cost <= 0:
        raise InputError("BAD_LOSS", "noise: needs a loss and a distance of more than zero")


def _fitted(kind: MechanismKind, scale: float, sensitivity: int, cost: Fraction) -> Mechanism:
    """Widened by one part in 2⁵⁰ at a time until OpenDP's own map says that the cost covers it."""
    if not scale < _LARGEST_SCALE:
        raise InputError("BAD_LOSS", "noise: so little to spend that figures would say nothing")
    mechanism = Mechanism(kind, scale, sensitivity, cost)
    while mechanism._mapped() > cost:  # noqa: SLF001 - of its own module
        scale *= 1 + 2.0**-50
        mechanism = Mechanism(kind, scale, sensitivity, cost)
    return mechanism
