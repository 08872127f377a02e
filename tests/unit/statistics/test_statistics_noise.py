"""Mechanisms: the exact map; the exact distribution, one false alarm in a million."""

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import chdtrc

from cloison.errors import InputError, IntegrityError
from cloison.statistics.noise import Mechanism, MechanismKind, gaussian, laplace

FALSE_ALARM = 1e-6
DRAWS = 100_000
LOSSES = st.fractions(Fraction(1, 1000), 20)


@given(sensitivity=st.integers(1, 10**6), epsilon=LOSSES)
def test_laplace_exact_loss_is_covered_by_what_is_charged(
    sensitivity: int, epsilon: Fraction
) -> None:
    mechanism = laplace(sensitivity, epsilon)
    assert Fraction(sensitivity) / Fraction(mechanism.scale) <= epsilon == mechanism.cost
    assert mechanism.scale == pytest.approx(float(sensitivity / epsilon), rel=1e-12)


@given(squared=st.integers(1, 10**9), rho=LOSSES)
def test_gaussian_exact_loss_is_covered_by_what_is_charged(squared: int, rho: Fraction) -> None:
    mechanism = gaussian(squared, rho)
    assert Fraction(squared) / (2 * Fraction(mechanism.scale) ** 2) <= rho == mechanism.cost
    assert mechanism.scale == pytest.approx(math.sqrt(squared / (2 * rho)), rel=1e-12)


@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize(
    ("sensitivity", "cost"),
    [(0, Fraction(1)), (-1, Fraction(1)), (1, Fraction(0)), (1, Fraction(-1))],
)
def test_mechanism_without_loss_or_distance_is_refused(
    make: Callable[[int, Fraction], Mechanism], sensitivity: int, cost: Fraction
) -> None:
    with pytest.raises(InputError) as refusal:
        make(sensitivity, cost)
    assert refusal.value.reason == "BAD_LOSS"


def test_laplace_scale_past_all_use_is_refused() -> None:
    with pytest.raises(InputError, match="so little to spend"):
        laplace(1000, Fraction(1, 10**12))


def test_draw_mechanism_that_costs_more_than_is_charged_is_refused() -> None:
    cheap = Mechanism(MechanismKind.LAPLACE, 1.0, 1, Fraction(1, 2))
    with pytest.raises(IntegrityError) as refusal:
        cheap.draw([1])
    assert refusal.value.reason == "MAP_EXCEEDED"


@pytest.mark.parametrize("figure", [1 << 54, -(1 << 54)])
def test_draw_figure_past_64_bits_is_refused_and_not_quoted(figure: int) -> None:
    with pytest.raises(InputError) as refusal:
        laplace(1, Fraction(1)).draw([figure])
    assert refusal.value.reason == "TOO_LARGE"
    assert str(figure) not in str(refusal.value)


@pytest.mark.parametrize("mechanism", [laplace(1, Fraction(1)), gaussian(1, Fraction(1, 40))])
def test_draw_gives_integers_each_with_noise_of_its_own(mechanism: Mechanism) -> None:
    drawn = mechanism.draw([1000] * 200)
    assert all(type(value) is int for value in drawn)
    assert len(set(drawn)) > 2


def _laplace_pmf(scale: float) -> Callable[[int], float]:
    decay = math.exp(-1 / scale)
    return lambda value: (1 - decay) / (1 + decay) * decay ** abs(value)


def _gaussian_pmf(scale: float) -> Callable[[int], float]:
    weights = {value: math.exp(-(value**2) / (2 * scale**2)) for value in range(-400, 401)}
    total = sum(weights.values())
    return lambda value: weights.get(value, 0.0) / total


@pytest.mark.parametrize("loss", [Fraction(1, 4), Fraction(1), Fraction(3)])
def test_laplace_distribution_is_the_exact_one(loss: Fraction) -> None:
    mechanism = laplace(1, loss)
    assert _misfit(mechanism, _laplace_pmf(mechanism.scale)) > FALSE_ALARM


@pytest.mark.parametrize("loss", [Fraction(1, 40), Fraction(1, 2), Fraction(2)])
def test_gaussian_distribution_is_the_exact_one(loss: Fraction) -> None:
    mechanism = gaussian(1, loss)
    assert _misfit(mechanism, _gaussian_pmf(mechanism.scale)) > FALSE_ALARM


def _misfit(mechanism: Mechanism, pmf: Callable[[int], float]) -> float:
    """The chance of a χ² as large as that of the draws, values with few expected put together."""
    found = Counter(mechanism.draw([0] * DRAWS))
    kept = [value for value in range(-400, 401) if DRAWS * pmf(value) >= 20]
    statistic = sum(
        (found[value] - DRAWS * pmf(value)) ** 2 / (DRAWS * pmf(value)) for value in kept
    )
    rest = DRAWS * (1 - sum(map(pmf, kept)))
    others = DRAWS - sum(found[value] for value in kept)
    if rest >= 20:
        statistic += (others - rest) ** 2 / rest
    return float(chdtrc(len(kept) - (rest < 20), statistic))


@pytest.mark.parametrize("mechanism", [laplace(3, Fraction(1)), gaussian(3, Fraction(1, 40))])
def test_variance_is_that_of_the_draws(mechanism: Mechanism) -> None:
    drawn = mechanism.draw([0] * DRAWS)
    mean = sum(drawn) / DRAWS
    variance = sum((value - mean) ** 2 for value in drawn) / DRAWS
    # Five standard errors: kurtosis is 6 at most.
    assert abs(mean) < 5 * math.sqrt(mechanism.variance / DRAWS)
    assert variance == pytest.approx(mechanism.variance, rel=5 * math.sqrt(5 / DRAWS))
