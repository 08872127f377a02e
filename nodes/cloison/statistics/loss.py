"""Privacy loss in exact fractions: how it is spelled, and how zCDP is told as (ε, δ).

Every rounding over-states the loss.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from cloison.errors import InputError

_FRACTION = re.compile(r"(0|[1-9][0-9]{0,17})(?:/([1-9][0-9]{0,17}))?", re.ASCII)
_DIGITS = 50
_SLACK = Fraction(1, 10**30)
"""More than the arithmetic of 50 digits loses here; added to what a loss is said to be."""
_RHO_DENOMINATOR = 10**12
_MOST_EPSILON = 100


def parse_fraction(what: str, text: object) -> Fraction:
    """A fraction in its one spelling, `1/2` or `3`: lowest terms, zero or more.

    Raises:
        InputError: `BAD_FRACTION`: a float, a sign, spaces, another spelling.
    """
    match = _FRACTION.fullmatch(text) if isinstance(text, str) else None
    value = Fraction(int(match[1]), int(match[2] or 1)) if match else None
    if value is None or str(value) != text:
        raise InputError(
            "BAD_FRACTION",
            f"{what} `{text}`: not a fraction in lowest terms",
            'write it as text, `"1/2"` or `"3"`',
        )
    return value


def parse_epsilon(text: object) -> Fraction:
    """A loss that a question may state. Raises `InputError` (`BAD_FRACTION`, `BAD_LOSS`)."""
    epsilon = parse_fraction("epsilon", text)
    if not 0 < epsilon <= _MOST_EPSILON:
        raise InputError("BAD_LOSS", f"epsilon `{text}`: not more than 0, at most {_MOST_EPSILON}")
    return epsilon


@lru_cache(256)
def epsilon_of_rho(rho: Fraction, delta: Fraction) -> Fraction:
    """An ε for which ρ-zCDP implies (ε, δ)-privacy: never too small, near the least known.

    Source: Canonne, Kamath, Steinke, *The Discrete Gaussian for Differential Privacy* (2020),
    proposition 12: each α > 1 gives a valid ε; the best of a fine search is taken.
    """
    if rho == 0:
        return Fraction(0)
    if not 0 < delta < 1:
        raise InputError("BAD_DELTA", f"delta `{delta}`: between 0 and 1, neither included")
    with localcontext() as context:
        context.prec = _DIGITS
        log_inverse = -_decimal(delta).ln()
        low, high = Decimal("1e-9"), Decimal(10) ** 9
        for _ in range(90):  # ternary search in the logarithm: the bound has one least point
            ratio = (high / low).ln() / 3
            left, right = low * ratio.exp(), high / ratio.exp()
            if _bound(left, rho, log_inverse) <= _bound(right, rho, log_inverse):
                high = right
            else:
                low = left
        return max(Fraction(0), Fraction(_bound(low, rho, log_inverse))) + _SLACK


def _bound(above: Decimal, rho: Fraction, log_inverse: Decimal) -> Decimal:
    """ε for α = 1 + `above`."""
    alpha = 1 + above
    return alpha * _decimal(rho) + (log_inverse - above.ln() + alpha * (above / alpha).ln()) / above


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@lru_cache(256)
def rho_of_epsilon(epsilon: Fraction, delta: Fraction) -> Fraction:
    """The largest ρ, in units of 10⁻¹², that `epsilon_of_rho` says is within (ε, δ)."""
    low, high = 0, int(epsilon * epsilon * _RHO_DENOMINATOR) + int(epsilon * _RHO_DENOMINATOR)
    while low < high:
        middle = (low + high + 1) // 2
        if epsilon_of_rho(Fraction(middle, _RHO_DENOMINATOR), delta) <= epsilon:
            low = middle
        else:
            high = middle - 1
    return Fraction(low, _RHO_DENOMINATOR)


def square_root_above(value: Fraction) -> Fraction:
    """A square root never too small, exact to 30 digits."""
    with localcontext() as context:
        context.prec = _DIGITS
        context.rounding = ROUND_CEILING
        return Fraction(_decimal(value).sqrt()) + _SLACK


def shown(value: Fraction, *, up: bool = True) -> str:
    """A loss as people read it: four decimals, up for what is spent, down for what is left."""
    with localcontext() as context:
        context.prec = _DIGITS
        mode = ROUND_CEILING if up else ROUND_FLOOR
        text = str(_decimal(value).quantize(Decimal("0.0001"), rounding=mode))
    return text.rstrip("0").rstrip(".") if "." in text else text
