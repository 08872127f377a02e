"""What a loss may be spelled as, and zCDP told as (ε, δ) against a second opinion."""

from fractions import Fraction

import pytest
from dp_accounting.rdp.rdp_privacy_accountant import compute_epsilon

from cloison.errors import InputError
from cloison.statistics.loss import (
    epsilon_of_rho,
    parse_epsilon,
    parse_fraction,
    rho_of_epsilon,
    shown,
)

MILLIONTH = Fraction(1, 10**6)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1.0", "0.5", "1e-3", "nan", "NaN", "inf", "-1", "+1", "1/0", "2/4", "1/1"),
        *("01", "1 /2", "1/-2", "１", "1_0", "1/2/3", "٣"),
        *(1, 0.5, None, True, float("nan"), Fraction(1, 2)),
    ],
)
def test_parse_fraction_another_spelling_is_refused(text: object) -> None:
    with pytest.raises(InputError) as refusal:
        parse_fraction("epsilon", text)
    assert refusal.value.reason == "BAD_FRACTION"


@pytest.mark.parametrize("text", ["0", "101"])
def test_parse_epsilon_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_epsilon(text)
    assert refusal.value.reason == "BAD_LOSS"


@pytest.mark.parametrize("text", ["1/3", "2", "7/1000000", "100"])
def test_parse_epsilon_printed_again_is_the_same(text: str) -> None:
    assert str(parse_epsilon(text)) == text


@pytest.mark.parametrize("rho", ["1/1000", "1/40", "1/10", "1/2", "2"])
@pytest.mark.parametrize("delta", [MILLIONTH, Fraction(1, 10**9)])
def test_epsilon_of_rho_agrees_with_dp_accounting_and_is_not_below_it(
    rho: str, delta: Fraction
) -> None:
    ours = epsilon_of_rho(Fraction(rho), delta)
    orders = [1 + step / 100 for step in range(1, 20_000)]
    losses = [float(Fraction(rho)) * order for order in orders]
    theirs, _ = compute_epsilon(orders, losses, float(delta))
    # Theirs searches a grid of orders: never better than the best order.
    assert theirs >= float(ours) - 1e-9
    assert float(ours) == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    ("epsilon", "rho"), [("1/2", 0.00664), ("1", 0.02436), ("2", 0.08815), ("4", 0.31106)]
)
def test_rho_of_epsilon_is_the_largest_that_fits(epsilon: str, rho: float) -> None:
    found = rho_of_epsilon(Fraction(epsilon), MILLIONTH)
    assert float(found) == pytest.approx(rho, abs=6e-6)
    assert epsilon_of_rho(found, MILLIONTH) <= Fraction(epsilon)
    assert epsilon_of_rho(found + Fraction(1, 10**12), MILLIONTH) > Fraction(epsilon)


def test_shown_rounds_what_is_spent_up_and_what_is_left_down() -> None:
    third = Fraction(1, 3)
    assert (shown(third), shown(third, up=False), shown(Fraction(2))) == ("0.3334", "0.3333", "2")
