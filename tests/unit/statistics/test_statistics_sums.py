"""Sums and means: clipped whoever is in them, exact maps, intervals that hold, cells withheld."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opendp.prelude as dp
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import kstest
from scipy.stats import laplace as laplace_law
from scipy.stats import norm as normal_law
from tests.unit.statistics.conftest import Shaped

from cloison.errors import InputError, IntegrityError
from cloison.statistics import plan as planning
from cloison.statistics.cells import count_cells
from cloison.statistics.clip import best_clip
from cloison.statistics.cube import Cube
from cloison.statistics.declared import Declared, cost_of
from cloison.statistics.document import build_document, read_document
from cloison.statistics.export import to_rows
from cloison.statistics.held import HeldPeriod
from cloison.statistics.hierarchy import estimate
from cloison.statistics.intervals import half_widths
from cloison.statistics.means import EACH, may_dominate, quotients
from cloison.statistics.noise import Mechanism, MechanismKind
from cloison.statistics.plan import Plan, make_plan
from cloison.statistics.release import ExactCells, release

TABLE, ONE, MILLIONTH = "caf-amounts", Fraction(1), Fraction(1, 10**6)
CLIP = 1200
Line = tuple[int, str, int | None]
Exact = tuple[list[int], list[int]]


def _file(path: Path, columns: Mapping[str, Any], persons: Sequence[int]) -> HeldPeriod:
    keys = pa.array([person.to_bytes(16, "big") for person in persons], pa.binary(16))
    withdrawn = pa.array([False] * len(persons), pa.bool_())
    pq.write_table(pa.table({"_subject": keys, "_corrected": withdrawn, **columns}), path)
    return HeldPeriod(path)


def _exact(
    folder: Path, declared: Declared, lines: Sequence[Line], place: str = "01"
) -> ExactCells:
    table, cube = declared.tables[TABLE], declared.cubes[TABLE]
    persons = sorted({person for person, _, _ in lines})
    paid = {
        "benefit": pa.array([benefit for _, benefit, _ in lines], pa.string()),
        "amount": pa.array([cents for _, _, cents in lines], pa.int64()),
    }
    homes = {"department": pa.array([place] * len(persons), pa.string())}
    held = {
        "payments": [_file(folder / "paid.parquet", paid, [person for person, _, _ in lines])],
        "households": [_file(folder / "homes.parquet", homes, persons)],
    }
    return count_cells(table, cube, held)


def _whole(folder: Path, declared: Declared, lines: Sequence[Line]) -> Exact:
    """Persons and euros by benefit, in the order of the keys."""
    cube, exact = declared.cubes[TABLE], _exact(folder, declared, lines)
    return exact.levels(cube)[0], exact.euros(cube)[0]


@pytest.mark.parametrize(
    ("lines", "persons", "euros"),
    [
        ([(1, "ppa", 12_345)], [1, 0, 0], [123, 0, 0]),
        ([(1, "ppa", 50), (2, "ppa", 50)], [2, 0, 0], [1, 0, 0]),
        ([(1, "ppa", 100_000), (1, "ppa", 100_000)], [1, 0, 0], [CLIP, 0, 0]),
        ([(1, "ppa", 2**62)] * 3, [1, 0, 0], [CLIP, 0, 0]),
        ([(1, "ppa", -500), (2, "ppa", 700)], [2, 0, 0], [7, 0, 0]),
        ([(1, "ppa", 900), (1, "ppa", -500)], [1, 0, 0], [4, 0, 0]),
        ([(1, "ppa", None), (1, "al", 100)], [0, 0, 1], [0, 0, 1]),
        ([(1, "ppa", 1)] * 5_000, [1, 0, 0], [50, 0, 0]),
        ([(1, "other", 100)], [0, 0, 0], [0, 0, 0]),
        ([], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_count_cells_of_a_sum_adds_each_person_clipped(
    declared: Declared, tmp_path: Path, lines: list[Line], persons: list[int], euros: list[int]
) -> None:
    assert _whole(tmp_path, declared, lines) == (persons, euros)


@pytest.mark.parametrize("seed", range(10))
def test_count_cells_of_a_sum_one_person_more_moves_no_more_than_the_plan_says(
    declared: Declared, tmp_path: Path, seed: int
) -> None:
    table, cube = declared.tables[TABLE], declared.cubes[TABLE]
    plan = make_plan(table, cube, ONE, Fraction(0))
    random = np.random.default_rng(seed)

    def drawn(person: int, count: int) -> list[Line]:
        names = ["ppa", "rsa", "al", "other"]
        cents = random.integers(-(10**5), 10**7, count).tolist()
        return [(person, str(random.choice(names)), one) for one in cents]

    lines = [line for person in range(30) for line in drawn(person, int(random.integers(1, 5)))]
    before = _exact(tmp_path, declared, lines)
    after = _exact(tmp_path, declared, [*lines, *drawn(99, int(random.integers(0, 400)))])
    assert plan.sums is not None
    for vectors, mechanisms in (
        ((before.levels(cube), after.levels(cube)), plan.mechanisms),
        ((before.euros(cube), after.euros(cube)), plan.sums.mechanisms),
    ):
        for one, other, mechanism in zip(*vectors, mechanisms, strict=True):
            moved = sum(abs(a - b) for a, b in zip(one, other, strict=True))
            assert moved <= mechanism.sensitivity


@pytest.mark.parametrize("delta", [Fraction(0), MILLIONTH])
def test_make_plan_of_a_sum_costs_what_opendp_says_of_all_its_parts(
    shaped: Shaped, declared: Declared, delta: Fraction
) -> None:
    measure = declared.tables[TABLE].measure.model_dump()
    table, cube = shaped(3, measure=measure)
    plan = make_plan(table, cube, ONE, delta)
    assert plan.sums is not None
    space = dp.vector_domain(dp.atom_domain(T="i64"))
    total = Fraction(0)
    for part, most in ((plan, 1), (plan.sums, CLIP)):
        for mechanism in part.mechanisms:
            if part.kind is MechanismKind.LAPLACE:
                assert mechanism.sensitivity == 3 * most
                made = dp.m.make_laplace(space, dp.l1_distance(T="i64"), scale=mechanism.scale)
                total += Fraction(made.map(3 * most))  # type: ignore[no-untyped-call]
            else:
                made = dp.m.make_gaussian(space, dp.l2_distance(T="f64"), scale=mechanism.scale)
                loss = made.map(mechanism.sensitivity**0.5)  # type: ignore[no-untyped-call]
                total += Fraction(loss)
    assert float(total) == pytest.approx(float(plan.cost), rel=1e-9)
    assert total <= plan.cost * (1 + Fraction(1, 10**9))
    assert cost_of(plan).epsilon + cost_of(plan).rho == plan.cost
    assert plan.kind is (MechanismKind.GAUSSIAN if delta else MechanismKind.LAPLACE)


def test_make_plan_declared_share_goes_to_counting(declared: Declared) -> None:
    plan = make_plan(declared.tables[TABLE], declared.cubes[TABLE], ONE, Fraction(0))
    assert plan.sums is not None
    assert sum(one.cost for one in plan.mechanisms) == Fraction(1, 4)
    assert sum(one.cost for one in plan.sums.mechanisms) == Fraction(3, 4)
    assert plan.cost == 1


RUNS = 2_000


def _drawn(plan: Plan, exact: list[list[int]], cube: Cube) -> list[Any]:
    """The unrounded figures of many releases, from OpenDP's own noise; (runs, cells) a level."""
    noisy = [
        np.array(mechanism.draw(level * RUNS)).reshape(RUNS, -1)
        for mechanism, level in zip(plan.mechanisms, exact, strict=True)
    ]
    return estimate(noisy, [one.variance for one in plan.mechanisms], cube.parents)


@pytest.mark.parametrize("delta", [Fraction(0), MILLIONTH])
def test_means_and_sums_are_in_their_intervals_over_two_thousand_releases(
    shaped: Shaped, declared: Declared, monkeypatch: pytest.MonkeyPatch, delta: Fraction
) -> None:
    measure = declared.tables[TABLE].measure.model_dump() | {"most_cells": 1}
    benefit = declared.tables[TABLE].dimensions[1].model_dump()
    table, cube = shaped(measure=measure, dimensions=[benefit], levels=[[], ["benefit"]], aims=None)
    if delta:
        monkeypatch.setattr(planning, "FEW_CONTRIBUTIONS", 0)
    plan = make_plan(table, cube, ONE, delta)
    assert plan.sums is not None
    exact = ExactCells(np.array([400, 90, 2_000]), np.array([200_000, 9_000, 1_500_000]))
    counts = _drawn(plan, exact.levels(cube), cube)
    sums = _drawn(plan.sums, exact.euros(cube), cube)
    widths, each = half_widths(plan.sums, cube), half_widths(plan, cube, EACH)
    euro_each, least = half_widths(plan.sums, cube, EACH), 0.95 - 5 * (0.95 * 0.05 / RUNS) ** 0.5
    for place in range(2):
        euros, persons = np.array(exact.euros(cube)[place]), np.array(exact.levels(cube)[place])
        assert (np.abs(sums[place] - euros) <= widths[place]).mean(axis=0).min() > least
        means = quotients(counts[place], each[place], sums[place], euro_each[place])
        held = (means.low <= euros / persons) & (euros / persons <= means.high)
        assert held.mean(axis=0).min() > least


def test_quotients_of_what_may_be_nobody_are_not_told() -> None:
    widths = np.array([5.0, 5.0])
    means = quotients(np.array([5.9, 6.0]), widths, np.array([60.0, 60.0]), widths)
    assert np.isnan(means.value).tolist() == [True, False]
    assert np.isnan(means.high).tolist() == [True, False]
    assert means.value[1] == 10


@pytest.mark.parametrize(
    ("clip", "rounded", "withheld"), [(85, 100, False), (86, 100, True), (1, 0, True)]
)
def test_may_dominate_looks_at_the_published_sum(clip: int, rounded: int, withheld: bool) -> None:
    assert may_dominate(clip, rounded) is withheld


def _document(declared: Declared, exact: ExactCells) -> Mapping[str, Any]:
    question = declared.question(TABLE, "2026-03", "1")
    plan = question.plan()
    levels = release(exact, plan, question.cube)
    return read_document(build_document(question, plan, levels, b"\0" * 32))


def test_document_of_a_sum_withholds_by_both_rules_and_adds_up(declared: Declared) -> None:
    persons = np.zeros(303, np.int64)
    persons[:150], persons[150:200] = 50_000, 1
    content = _document(declared, ExactCells(persons, persons * 400))
    for level in content["levels"]:
        clip = content["measure"]["clip"]
        for count, euros, mean in zip(
            level["rounded"], level["sum"]["rounded"], level["mean"]["rounded"], strict=True
        ):
            assert count is None or count >= 11
            assert euros is None or (count is not None and clip * 100 <= 85 * euros)
            assert mean is None or euros is not None
    leaves = content["levels"][-1]
    assert leaves["sum"]["rounded"][0] == pytest.approx(20_000_000, rel=0.05)
    assert leaves["mean"]["rounded"][0] == pytest.approx(400, rel=0.05)
    assert leaves["mean"]["low"][0] <= 400 <= leaves["mean"]["high"][0]
    rows = to_rows(content)
    assert rows["sum_rounded"][-303].as_py() == leaves["sum"]["rounded"][0]
    assert rows["mean_high"][-303].as_py() == leaves["mean"]["high"][0]
    assert len({level["sum"]["total"] for level in content["levels"]}) == 1


def _no_mean(content: dict[str, Any]) -> None:
    content["levels"][0]["mean"]["low"].pop()


def _sum_of_withheld(content: dict[str, Any]) -> None:
    level = content["levels"][0]
    level["rounded"][0], level["withheld"] = None, level["withheld"] + 1


def _sums_differ(content: dict[str, Any]) -> None:
    content["levels"][0]["sum"]["total"] += 1_000


@pytest.mark.parametrize("spoil", [_no_mean, _sum_of_withheld, _sums_differ])
def test_read_document_sum_that_does_not_hold_together_is_refused(
    declared: Declared, spoil: Callable[[dict[str, Any]], None]
) -> None:
    content = dict(_document(declared, ExactCells(np.full(303, 9_000), np.full(303, 9_000_000))))
    spoil(content)
    with pytest.raises(IntegrityError) as refusal:
        read_document(json.dumps(content).encode())
    assert refusal.value.reason == "BAD_DOCUMENT"


def test_best_clip_balances_what_is_cut_off_against_the_noise() -> None:
    edges = list(range(100, 6400, 100))
    random = np.random.default_rng(3)
    for persons in (500, 50_000):
        amounts = np.clip(random.lognormal(6.3, 0.7, persons), 0, 6_300)
        places = np.searchsorted(edges, amounts, side="right")
        counts = np.bincount(places, minlength=64).astype(np.float64)
        stops = 1 - math.exp(-1)  # discrete Laplace of scale 1, by a seed: the bound is for it
        noise = random.geometric(stops, 64) - random.geometric(stops, 64)

        def error(at: int, amounts: Any = amounts) -> float:
            return float(2 * at**2 + np.maximum(amounts - at, 0).sum() ** 2)

        least = min(error(edge) for edge in edges)
        assert error(best_clip(counts, edges, 1, ONE)) <= 1.3 * least
        # A few persons of noise in the far brackets may move it, and cost little.
        assert error(best_clip(counts + noise, edges, 1, ONE)) <= 6 * least


@pytest.mark.parametrize(("cells", "epsilon"), [(1, Fraction(0)), (0, ONE)])
def test_best_clip_of_nothing_to_spend_is_refused(cells: int, epsilon: Fraction) -> None:
    with pytest.raises(InputError) as refusal:
        best_clip(np.ones(2), [1], cells, epsilon)
    assert refusal.value.reason == "BAD_LOSS"


@pytest.mark.parametrize("seed", range(10))
def test_release_of_a_sum_on_a_neighbour_differs_by_no_more_than_declared(
    declared: Declared, seed: int
) -> None:
    question = declared.question(TABLE, "2026-03", "1")
    random = np.random.default_rng(seed)
    persons, euros = random.integers(0, 50, 303), random.integers(0, 10**6, 303)
    other, more = persons.copy(), euros.copy()
    place = 3 * random.integers(0, 101) + random.permutation(3)[: random.integers(0, 4)]
    other[place] += 1
    more[place] += random.integers(0, CLIP + 1, len(place))
    calls: list[list[tuple[Mechanism, list[int]]]] = []
    for cells in (ExactCells(persons, euros), ExactCells(other, more)):
        seen: list[tuple[Mechanism, list[int]]] = []

        def record(mechanism: Mechanism, exact: Sequence[int], to: Any = seen) -> list[int]:
            assert {type(one) for one in exact} == {int}
            to.append((mechanism, list(exact)))
            return list(exact)

        release(cells, question.plan(), question.cube, record)
        calls.append(seen)
    assert [one for one, _ in calls[0]] == [one for one, _ in calls[1]]
    for (mechanism, before), (_, after) in zip(*calls, strict=True):
        gaps = [abs(a - b) for a, b in zip(before, after, strict=True)]
        pure = mechanism.kind is MechanismKind.LAPLACE
        assert sum(gap if pure else gap**2 for gap in gaps) <= mechanism.sensitivity


FALSE_ALARM = 1e-6


@pytest.mark.parametrize(
    "draws", [10_000, pytest.param(1_000_000, marks=pytest.mark.soak)], ids=["short", "soak"]
)
@pytest.mark.parametrize("delta", [Fraction(0), MILLIONTH])
def test_noise_of_a_sum_has_the_distribution_it_is_charged_for(
    declared: Declared, shaped: Shaped, delta: Fraction, draws: int
) -> None:
    """Kolmogorov and Smirnov, one false alarm in a million: noise so wide is all but smooth."""
    measure = declared.tables[TABLE].measure.model_dump()
    plan = make_plan(*shaped(3, measure=measure), ONE, delta)
    assert plan.sums is not None
    for mechanism in plan.sums.mechanisms:
        drawn = np.array(mechanism.draw([0] * draws), np.float64)
        # A unit's jitter makes the whole numbers smooth; it is a thousandth of the scale or less.
        smooth = drawn + np.random.default_rng(1).uniform(-0.5, 0.5, draws)
        pure = mechanism.kind is MechanismKind.LAPLACE
        law = laplace_law(scale=mechanism.scale) if pure else normal_law(scale=mechanism.scale)
        assert mechanism.scale > 1_000
        assert kstest(smooth, law.cdf).pvalue > FALSE_ALARM
