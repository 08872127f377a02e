"""Deciles from noisy brackets: monotone, near in rank, and never by cutting negatives first."""

import math
from fractions import Fraction
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloison.statistics.cells import cells_expression, count_cells
from cloison.statistics.deciles import decile_widths, isotonic, read_distribution
from cloison.statistics.declared import Declared
from cloison.statistics.document import build_document, read_document
from cloison.statistics.held import HeldPeriod
from cloison.statistics.hierarchy import estimate
from cloison.statistics.intervals import COVERAGE, leaf_errors
from cloison.statistics.noise import laplace
from cloison.statistics.release import ExactCells, release

TABLE = "cnav-income"


def _held(folder: Path, rows: list[tuple[int, int | None]]) -> HeldPeriod:
    path = folder / "incomes.parquet"
    persons = [person.to_bytes(16, "big") for person, _ in rows]
    columns = {
        "_subject": pa.array(persons, pa.binary(16)),
        "_corrected": pa.array([False] * len(rows), pa.bool_()),
        "mns": pa.array([cents for _, cents in rows], pa.int64()),
    }
    pq.write_table(pa.table(columns), path)
    return HeldPeriod(path)


def _counted(
    declared: Declared, folder: Path, rows: list[tuple[int, int | None]]
) -> dict[str, int]:
    table, cube = declared.tables[TABLE], declared.cubes[TABLE]
    held = {"monthly_resources": [_held(folder, rows)]}
    figures = count_cells(table, cube, held).levels(cube)[-1]
    return {key: n for (key,), n in zip(cube.leaves.keys(), figures, strict=True) if n}


@pytest.mark.parametrize(
    ("cents", "bracket"),
    [(0, "b00"), (9_999, "b00"), (10_000, "b01"), (500_000, "b50"), (2_000_000, "b63")],
)
def test_count_cells_amount_is_in_the_bracket_it_begins(
    declared: Declared, tmp_path: Path, cents: int, bracket: str
) -> None:
    assert _counted(declared, tmp_path, [(1, cents)]) == {bracket: 1}


def test_count_cells_thousands_of_lines_are_one_person_in_one_bracket(
    declared: Declared, tmp_path: Path
) -> None:
    rows: list[tuple[int, int | None]] = [(1, 10)] * 5000
    assert _counted(declared, tmp_path, rows) == {"b05": 1}
    assert _counted(declared, tmp_path, [(1, 2**62)] * 3) == {"b63": 1}


def test_count_cells_amount_not_stated_does_not_count(declared: Declared, tmp_path: Path) -> None:
    assert _counted(declared, tmp_path, [(1, None), (2, None), (2, 100)]) == {"b00": 1}
    assert _counted(declared, tmp_path, []) == {}


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "pyspark"])
def test_cells_expression_brackets_compare_whole_cents(declared: Declared, dialect: str) -> None:
    columns = {"_person": "int32", "_cell": "int32", "_cents": "int64"}
    rows = ibis.table(columns, name="monthly_resources")
    expression = cells_expression(declared.tables[TABLE], declared.cubes[TABLE], rows)
    sql = str(ibis.to_sql(expression, dialect=dialect))
    assert "< 2000000" in sql.replace("CAST(2000000 AS BIGINT)", "2000000")
    assert "DOUBLE" not in sql.upper()


@pytest.mark.parametrize("seed", range(30))
def test_isotonic_is_the_nearest_curve_that_never_falls(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.cumsum(random.normal(0.2, 2, 40))
    fitted = isotonic(values)
    assert (np.diff(fitted) >= 0).all()
    assert fitted.sum() == pytest.approx(values.sum())
    assert np.allclose(isotonic(fitted), fitted)
    # Optimal: the residual is orthogonal to the fit, and to no rising curve positively.
    assert (values - fitted) @ fitted == pytest.approx(0, abs=1e-9)
    assert ((values - fitted) @ np.sort(random.normal(0, 1, (40, 20)), axis=0)).max() < 1e-9


def test_read_distribution_without_noise_is_exact_within_a_bracket() -> None:
    found = read_distribution(np.array([10.0, 10, 10, 10, 10, 10, 10, 10, 10, 10]), list(range(9)))
    assert found is not None
    assert found.deciles == (None, 1, 2, 3, 4, 5, 6, 7, 8)
    assert found.shares == pytest.approx([0.1] * 10)


@pytest.mark.parametrize("counts", [[0.0, 0.0, 0.0], [-3.0, 1.0, -4.0]])
def test_read_distribution_of_nobody_is_none(counts: list[float]) -> None:
    assert read_distribution(np.array(counts), [1, 2]) is None


def _rank_error(persons: int, brackets: int = 64, *, cut: bool) -> float:
    """Mean error in persons of the nine deciles at ε = 1, over 200 releases."""
    random = np.random.default_rng(11)
    edges = [6400 * place // brackets for place in range(1, brackets)]
    incomes = np.sort(np.clip(random.lognormal(7.5, 0.5, persons), 0, 6_000))
    exact = np.bincount(np.searchsorted(edges, incomes, side="right"), minlength=brackets)
    truth = read_distribution(exact.astype(np.float64), edges)
    assert truth is not None
    noise = np.array(laplace(1, Fraction(1)).draw([0] * (brackets * 200))).reshape(200, brackets)
    errors = []
    for one in exact + noise:
        found = read_distribution(np.maximum(one, 0.0) if cut else one.astype(np.float64), edges)
        assert found is not None
        for told, true in zip(found.deciles, truth.deciles, strict=True):
            ranks = np.searchsorted(incomes, [told or 0, true or 0])
            errors.append(abs(int(ranks[0]) - int(ranks[1])))
    return float(np.mean(errors))


def test_read_distribution_rank_error_is_a_few_persons_and_cutting_first_is_worse() -> None:
    assert _rank_error(5_000, cut=False) < 7
    assert _rank_error(500, 1600, cut=True) > 2 * _rank_error(500, 1600, cut=False)


def test_document_has_deciles_and_withholds_shares_of_small_brackets(
    declared: Declared, tmp_path: Path
) -> None:
    question = declared.question(TABLE, "2026-03", "1")
    random = np.random.default_rng(5)
    incomes = (random.lognormal(7.5, 0.4, 20_000) * 100).astype(int)
    rows: list[tuple[int, int | None]] = [(n, int(cents)) for n, cents in enumerate(incomes)]
    held = {"monthly_resources": [_held(tmp_path, rows)]}
    exact = count_cells(question.table, question.cube, held)
    levels = release(exact, question.plan(), question.cube)
    content = read_document(build_document(question, question.plan(), levels, bytes(32)))
    (group,) = content["distributions"]
    assert group["deciles"] == sorted(group["deciles"])
    assert abs(group["deciles"][4] - np.median(incomes) / 100) < 30
    withheld = [count is None for count in content["levels"][0]["rounded"]]
    assert [share is None for share in group["shares"]] == withheld
    assert any(withheld)


@pytest.mark.parametrize("name", ["cnav-income", "cnav-income-tree"])
def test_decile_bounds_hold_over_two_thousand_releases(declared: Declared, name: str) -> None:
    question, runs = declared.question(name, "2026-03", "1"), 2_000
    plan, cube = question.plan(), question.cube
    edges = cube.leaves.axes[-1].edges
    incomes = np.sort(np.random.default_rng(7).lognormal(7.2, 0.6, 3_000))
    places = np.searchsorted(edges, incomes, side="right")
    exact = ExactCells(np.bincount(places, minlength=len(edges) + 1)).levels(cube)
    random = np.random.default_rng(13)
    noisy = []
    for mechanism, level in zip(plan.mechanisms, exact, strict=True):
        stop, shape = -np.expm1(-1 / mechanism.scale), (runs, len(level))
        noisy.append(level + random.geometric(stop, shape) - random.geometric(stop, shape))
    leaves = estimate(noisy, [one.variance for one in plan.mechanisms], cube.parents)[-1]
    widths = decile_widths(leaf_errors(plan, cube), COVERAGE)
    truth = [incomes[math.ceil(len(incomes) * part / 10) - 1] for part in range(1, 10)]
    held, wide = np.zeros(9), np.zeros(9)
    for one in leaves:
        found = read_distribution(one, edges, widths)
        assert found is not None
        for place, ((low, high), true) in enumerate(zip(found.bounds, truth, strict=True)):
            held[place] += (low is None or low <= true) and (high is None or true <= high)
            wide[place] += (edges[-1] if high is None else high) - (low or 0)
    assert held.min() / runs > 0.95 - 5 * np.sqrt(0.95 * 0.05 / runs)
    # And they say something: a few brackets, not the whole range.
    assert (wide[:8] / runs).max() < 1_000


def test_decile_bounds_among_empty_brackets_are_their_ends() -> None:
    counts = np.array([0.0, 50, 0, 0, 0, 50, 0])
    found = read_distribution(counts, [1, 2, 3, 4, 5, 6], np.full((9, 6), 1.0))
    assert found is not None
    assert found.bounds[1] == (1, 2)
    assert found.bounds[4] == (1, 6)  # half below, half above: anywhere between is the median
    assert found.bounds[7] == (5, 6)


def test_read_distribution_by_a_tree_is_nearer_for_a_large_group(declared: Declared) -> None:
    persons, runs = 300_000, 40
    incomes = np.sort(np.random.default_rng(2).lognormal(7.2, 0.6, persons))
    errors = {}
    for name in ("cnav-income", "cnav-income-tree"):
        question = declared.question(name, "2026-03", "1")
        plan, cube = question.plan(), question.cube
        edges = cube.leaves.axes[-1].edges
        places = np.searchsorted(edges, incomes, side="right")
        exact = ExactCells(np.bincount(places, minlength=len(edges) + 1))
        ranks = []
        for _ in range(runs):
            found = read_distribution(release(exact, plan, cube)[-1].unrounded, edges)
            assert found is not None
            for part, told in enumerate(found.deciles, 1):
                assert told is not None
                ranks.append(abs(np.searchsorted(incomes, told) - persons * part / 10))
        errors[name] = float(np.mean(ranks))
    assert errors["cnav-income-tree"] < errors["cnav-income"] / 2
