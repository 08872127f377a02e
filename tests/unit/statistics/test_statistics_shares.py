"""Noise shares: their exact distribution, what they cost, and how much noise the sum carries."""

import math
from collections import Counter
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from scipy.special import chdtrc
from scipy.stats import nbinom

from cloison.errors import InputError, IntegrityError
from cloison.statistics.declared import Declared
from cloison.statistics.masks import MaskKey, add_masked, session_of
from cloison.statistics.noise import MechanismKind, Sharing, gaussian, laplace, share_of, shares
from cloison.statistics.noise import opendp_adapter as opendp
from cloison.statistics.noise.mechanism import LARGEST
from cloison.statistics.noise.shares import MOST_HOLDERS
from cloison.statistics.plan import make_plan

FALSE_ALARM = 1e-6
DRAWS = 20_000
SPAN = 600


def sharing(holders: int, colluders: int = 0) -> Sharing:
    return Sharing.among(holders, colluders)


def polya_pmf(scale: float, parties: int) -> np.ndarray:
    """Of the difference of two negative binomials, from −SPAN to SPAN."""
    one = nbinom.pmf(np.arange(SPAN + 1), 1 / parties, -math.expm1(-1 / scale))
    return np.convolve(one, one[::-1])


def misfit(drawn: list[int], pmf: np.ndarray) -> float:
    """The chance of a χ² as large as that of the draws."""
    found, expected = Counter(drawn), len(drawn) * pmf
    kept = np.flatnonzero(expected >= 20)
    statistic = sum((found[int(i) - SPAN] - expected[i]) ** 2 / expected[i] for i in kept)
    rest = len(drawn) - float(expected[kept].sum())
    others = len(drawn) - sum(found[int(i) - SPAN] for i in kept)
    if rest >= 20:
        statistic += (others - rest) ** 2 / rest
    return float(chdtrc(len(kept) - (rest < 20), statistic))


@pytest.mark.parametrize("parties", [2, 4, 101])
@pytest.mark.parametrize("scale", [0.5, 1.0, 9.0])
def test_polya_shares_convolve_to_the_discrete_laplace_of_one_mechanism(
    parties: int, scale: float
) -> None:
    whole = np.array([1.0])
    for _ in range(parties):
        whole = np.convolve(whole, polya_pmf(scale, parties))
        middle = len(whole) // 2
        whole = whole[max(0, middle - SPAN) : middle + SPAN + 1]
    decay = math.exp(-1 / scale)
    central = (1 - decay) / (1 + decay) * decay ** np.abs(np.arange(-SPAN, SPAN + 1))
    assert np.abs(whole - central).max() < 1e-12


@pytest.mark.parametrize(("scale", "parties"), [(1.0, 1), (1.0, 4), (4.0, 3)])
def test_polya_share_distribution_is_the_exact_one(scale: float, parties: int) -> None:
    share = shares.NoiseShare(MechanismKind.LAPLACE, scale, parties)
    assert misfit(share.draw([0] * DRAWS), polya_pmf(scale, parties)) > FALSE_ALARM


def test_polya_draw_is_kept_with_the_exact_chance() -> None:
    """P(kept | n) = Γ(n + r) / (Γ(r) n!), for r = 1/3, at each of a few n."""
    for value, trials in ((0, 100), (1, 10_000), (3, 10_000)):
        chance = math.prod(((i - 1) * 3 + 1) / (3 * i) for i in range(1, value + 1))
        found = sum(shares._kept(value, 3) for _ in range(trials))
        spread = math.sqrt(trials * chance * (1 - chance))
        assert abs(found - trials * chance) <= 4.9 * spread  # 1e-6 both ways


@pytest.mark.parametrize(("holders", "colluders"), [(4, 0), (4, 1), (2, 1)])
def test_sum_of_laplace_shares_carries_k_over_k_less_t_of_central_noise(
    holders: int, colluders: int
) -> None:
    mechanism, shared = laplace(1, Fraction(1)), sharing(holders, colluders)
    share = share_of(mechanism, shared, 1)
    total = np.sum([share.draw([0] * (DRAWS // 2)) for _ in range(holders)], axis=0)
    expected = mechanism.variance * shared.weight
    # Kurtosis of a sum with weight ≥ 1 is that of Laplace at most: five standard errors.
    assert np.var(total) == pytest.approx(float(expected), rel=5 * math.sqrt(5 / (DRAWS // 2)))
    assert expected <= holders * mechanism.variance
    assert share.variance * holders == pytest.approx(float(expected))


@pytest.mark.parametrize(("holders", "colluders"), [(4, 0), (4, 1)])
def test_sum_of_gaussian_shares_is_as_one_mechanism(holders: int, colluders: int) -> None:
    mechanism, shared = gaussian(1, Fraction(1, 40)), sharing(holders, colluders)
    share = share_of(mechanism, shared, 1)
    total = np.sum([share.draw([0] * (DRAWS // 2)) for _ in range(holders)], axis=0)
    sigma = math.sqrt(mechanism.variance * shared.weight)
    pmf = np.exp(-(np.arange(-SPAN, SPAN + 1) ** 2) / (2 * sigma**2))
    assert misfit(total.tolist(), pmf / pmf.sum()) > FALSE_ALARM


def test_gaussian_cost_is_never_less_than_of_one_mechanism_and_the_gap_is_stated() -> None:
    scale = 4.5 / 2
    cost = shares.gaussian_cost(scale, 4, 1, 606)
    assert cost > Fraction(1) / (2 * 4 * Fraction(scale) ** 2)
    gap = shares.gaussian_cost(4.5, 4, 1, 1) - Fraction(1) / (8 * Fraction(4.5) ** 2)
    assert 0 < gap < 1e-80
    assert shares.gaussian_cost(4.5 / math.sqrt(4), 4, 1, 1) == pytest.approx(1 / 40.5, abs=1e-19)
    assert shares.gaussian_cost(0.4, 4, 1, 1) > 1000


def test_share_too_small_to_add_up_to_a_gaussian_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        share_of(gaussian(1, Fraction(1, 40)), sharing(60), 101)
    assert refusal.value.reason == "SHARE_TOO_SMALL"


@pytest.mark.parametrize("squared", [1, 9])
def test_gaussian_share_costs_no_more_than_is_charged(squared: int) -> None:
    mechanism = gaussian(squared, Fraction(1, 40))
    share = share_of(mechanism, sharing(4, 1), 606)
    assert shares.gaussian_cost(share.scale, 3, squared, 606) <= mechanism.cost


def test_share_figure_or_noise_past_what_a_sum_holds_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = share_of(laplace(1, Fraction(1)), sharing(2), 1)
    with pytest.raises(InputError) as large:
        share.draw([1 << 54])
    assert large.value.reason == "TOO_LARGE"
    far = share_of(gaussian(1, Fraction(1, 40)), sharing(2), 1)
    monkeypatch.setattr(opendp, "draw_gaussian", lambda _, exact: [1 << 57] * len(exact))
    with pytest.raises(IntegrityError) as refusal:
        far.draw([0])
    assert refusal.value.reason == "MASK_OVERFLOW"


@pytest.mark.parametrize("delta", [Fraction(0), Fraction(1, 10**6)])
@pytest.mark.parametrize("colluders", [0, 1])
def test_shares_of_a_sum_cost_no_more_than_is_charged_by_their_exact_map(
    declared: Declared, delta: Fraction, colluders: int
) -> None:
    """The clip is the distance: of euros as of persons, level by level, adding up to the charge."""
    table, cube = declared.tables["amounts"], declared.cubes["amounts"]
    plan = make_plan(table, cube, Fraction(1), delta, sharing(3, colluders))
    assert plan.sums is not None
    cost = Fraction(0)
    for vector, clip in ((plan, 1), (plan.sums, table.measure.clip or 0)):
        for level, share, mechanism in zip(
            cube.levels, vector.shares, vector.mechanisms, strict=True
        ):
            if delta:
                squared = mechanism.sensitivity
                assert squared % clip**2 == 0
                cost += shares.gaussian_cost(share.scale, share.honest, squared, level.cells)
            else:
                assert mechanism.sensitivity == table.measure.most_cells * clip
                cost += Fraction(mechanism.sensitivity) / Fraction(share.scale)
    assert Fraction(999, 1000) * plan.cost < cost <= plan.cost


@pytest.mark.parametrize("delta", [Fraction(0), Fraction(1, 10**6)])
def test_sum_of_shares_of_clipped_euros_has_the_variance_the_plan_says(
    declared: Declared, delta: Fraction
) -> None:
    """Two holders, one colluder: what `amounts` is published with."""
    table, cube = declared.tables["amounts"], declared.cubes["amounts"]
    plan = make_plan(table, cube, Fraction(1), delta, sharing(2, 1))
    assert plan.sums is not None
    share, due = plan.sums.shares[0], plan.sums.noise_variances[0]
    total = np.sum([share.draw([0] * (DRAWS // 4)) for _ in range(2)], axis=0)
    assert np.var(total) == pytest.approx(due, rel=5 * math.sqrt(5 / (DRAWS // 4)))
    assert due == pytest.approx(2 * plan.sums.mechanisms[0].variance, rel=1e-3)


@pytest.mark.parametrize("count", [2, MOST_HOLDERS])
def test_masked_sums_of_the_largest_euros_wrap_round_to_the_exact_total(count: int) -> None:
    """Each vector is a residue modulo 2⁶⁴; the total is within it, of either sign."""
    names = [f"h{place:02d}" for place in range(count)]
    keys = {name: MaskKey() for name in names}
    figures = [shares.LARGEST_SHARE, -shares.LARGEST_SHARE, LARGEST]
    session = session_of(b"\x01" * 32, [b"\x02" * 32])
    vectors = [
        keys[name].mask(
            name, {one: keys[one].public for one in names if one != name}, session, figures
        )
        for name in names
    ]
    assert add_masked(vectors, 3) == [count * one for one in figures]


def test_partner_epsilon_is_the_exact_worst_shift_rounded_up() -> None:
    """Against the distribution itself: K = 4, no colluder, a shift by one."""
    pmf = polya_pmf(2.0, 4)
    three = np.convolve(np.convolve(pmf, pmf), pmf)
    middle = len(three) // 2
    near = three[middle - 200 : middle + 201]
    worst = np.abs(np.log(near[1:] / near[:-1])).max()
    told = shares.partner_epsilon(2.0, 1, sharing(4))
    assert worst <= told == pytest.approx(worst, rel=1e-6)
    assert told > 1 / 2.0


def test_polya_goes_on_without_end() -> None:
    assert len(list(islice(shares._polya(1.0, 2), 5000))) == 5000
