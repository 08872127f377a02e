"""Exact cells: what one person may move, whatever they hold; the SQL of three engines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.statistics.conftest import Shaped

from cloison.errors import StorageError
from cloison.statistics import encoding
from cloison.statistics.cells import cells_expression, count_cells
from cloison.statistics.cube import Cube
from cloison.statistics.held import HeldPeriod
from cloison.statistics.table import Table

SUM: dict[str, Any] = {
    "measure": {
        "kind": "sum",
        "most_cells": 3,
        "field": "amount",
        "clip": 2000,
        "clip_source": "a published table",
        "count_share": "1/4",
    }
}
Payment = tuple[int, str]
Home = tuple[int, str]
KEY = pa.binary(16)


def _key(person: int) -> bytes:
    return person.to_bytes(16, "big")


def _rows(rows: Sequence[tuple[int, str]], name: str) -> pa.Table:
    return pa.table(
        {
            "_subject": pa.array([_key(person) for person, _ in rows], KEY),
            "_corrected": pa.array([False] * len(rows), pa.bool_()),
            name: pa.array([value for _, value in rows], pa.string()),
        }
    )


class Holding:
    """Files of payments and homes, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def file(self, rows: Sequence[tuple[int, str]], name: str) -> HeldPeriod:
        self._count += 1
        path = self._folder / f"{self._count}.parquet"
        pq.write_table(_rows(rows, name), path)
        return HeldPeriod(path)

    def cells(
        self, shape: tuple[Table, Cube], payments: Sequence[Payment], homes: Sequence[Home]
    ) -> dict[tuple[str, ...], int]:
        held = {
            "payments": [self.file(payments, "benefit")],
            "households": [self.file(homes, "department")],
        }
        return _found(shape, held)


def _found(shape: tuple[Table, Cube], held: Any) -> dict[tuple[str, ...], int]:
    table, cube = shape
    figures = count_cells(table, cube, held).levels(cube)[-1]
    return {keys: n for keys, n in zip(cube.leaves.keys(), figures, strict=True) if n}


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    return Holding(tmp_path)


def test_count_cells_counts_persons_not_lines(holding: Holding, shaped: Shaped) -> None:
    payments = [(1, "ppa")] * 5000 + [(1, "al"), (2, "ppa")]
    found = holding.cells(shaped(3), payments, [(1, "01"), (2, "75")])
    assert found == {("01", "ppa"): 1, ("01", "al"): 1, ("75", "ppa"): 1}


def test_count_cells_holds_a_person_to_the_cells_allowed(holding: Holding, shaped: Shaped) -> None:
    payments = [(1, name) for name in ("rsa", "ppa", "al")] * 1000
    assert sum(holding.cells(shaped(2), payments, [(1, "01")]).values()) == 2
    assert sum(holding.cells(shaped(1), payments, [(1, "01")]).values()) == 1


def test_count_cells_person_with_many_homes_counts_in_one(holding: Holding, shaped: Shaped) -> None:
    homes = [(1, "75"), (1, "01"), (1, "13")]
    assert holding.cells(shaped(3), [(1, "ppa")], homes) == {("01", "ppa"): 1}


def test_count_cells_many_months_are_one_person(holding: Holding, shaped: Shaped) -> None:
    held = {
        "payments": [holding.file([(1, "ppa"), (2, "al")], "benefit") for _ in range(12)],
        "households": [holding.file([(1, "01"), (2, "01")], "department")],
    }
    assert _found(shaped(3), held) == {("01", "ppa"): 1, ("01", "al"): 1}


def test_count_cells_keys_nobody_declared_are_in_no_cell(holding: Holding, shaped: Shaped) -> None:
    payments = [(1, "secret"), (2, "ppa"), (3, "ppa")]
    assert holding.cells(shaped(3), payments, [(1, "01"), (2, "999"), (3, "02")]) == {
        ("02", "ppa"): 1
    }


@pytest.mark.parametrize("payments", [[], [(1, "ppa")]])
def test_count_cells_empty_and_single_groups_have_the_same_cells(
    holding: Holding, shaped: Shaped, payments: list[Payment]
) -> None:
    table, cube = shaped(3)
    held = {
        "payments": [holding.file(payments, "benefit")],
        "households": [holding.file([(1, "01")], "department")],
    }
    levels = count_cells(table, cube, held).levels(cube)
    assert [len(level) for level in levels] == [3, 54, 303]
    assert sum(levels[-1]) == len(payments)


def test_count_cells_nothing_held_is_zero_everywhere(shaped: Shaped) -> None:
    assert _found(shaped(3), {"payments": [], "households": []}) == {}


def test_count_cells_persons_that_changed_are_read_from_their_rows(
    holding: Holding, shaped: Shaped
) -> None:
    whole = holding.file([(1, "ppa"), (2, "ppa"), (2, "rsa")], "benefit")
    held = {
        "payments": [HeldPeriod(whole.file, (_key(2),), _rows([(2, "al"), (3, "al")], "benefit"))],
        "households": [holding.file([(1, "01"), (2, "01"), (3, "01")], "department")],
    }
    assert _found(shaped(3), held) == {("01", "ppa"): 1, ("01", "al"): 2}


def test_count_cells_withdrawn_rows_do_not_count(tmp_path: Path, shaped: Shaped) -> None:
    rows = _rows([(1, "ppa")], "benefit").set_column(1, "_corrected", pa.array([True]))
    pq.write_table(rows, tmp_path / "withdrawn.parquet")
    homes = Holding(tmp_path).file([(1, "01")], "department")
    held = {"payments": [HeldPeriod(tmp_path / "withdrawn.parquet")], "households": [homes]}
    assert _found(shaped(3), held) == {}


def test_count_cells_damaged_file_is_an_error_that_quotes_nothing(
    tmp_path: Path, shaped: Shaped
) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 173911337 PAR1")
    held = {"payments": [HeldPeriod(tmp_path / "broken.parquet")], "households": []}
    with pytest.raises(StorageError) as failure:
        count_cells(*shaped(3), held)
    assert failure.value.reason == "COLUMNS_DAMAGED"
    assert failure.value.__cause__ is None
    assert "173911337" not in str(failure.value)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [1, 2, 3])
def test_count_cells_one_person_more_moves_no_more_than_allowed(
    holding: Holding, shaped: Shaped, most: int, seed: int
) -> None:
    shape = shaped(most)
    random = np.random.default_rng(seed)
    names, places = ["ppa", "rsa", "al", "other"], ["01", "75", "2A", "nowhere"]
    payments = [(int(p), str(random.choice(names))) for p in random.integers(0, 30, 200)]
    homes = [(int(p), str(random.choice(places))) for p in random.integers(0, 30, 60)]
    before = holding.cells(shape, payments, homes)
    mine = [(99, str(random.choice(names))) for _ in range(random.integers(0, 500))]
    theirs = [(99, str(random.choice(places))) for _ in range(random.integers(0, 20))]
    after = holding.cells(shape, payments + mine, homes + theirs)
    gaps = [after.get(keys, 0) - before.get(keys, 0) for keys in before.keys() | after.keys()]
    assert all(gap in {0, 1} for gap in gaps)
    assert sum(gaps) <= most


def test_count_cells_keys_that_begin_alike_and_rows_out_of_order_are_told_apart(
    holding: Holding, shaped: Shaped
) -> None:
    payments = [(2, "ppa"), (1 << 64 | 2, "al"), (1, "ppa"), (2, "al"), (1 << 64 | 1, "rsa")]
    homes = [(1, "01"), (1 << 64 | 1, "75"), (2, "01"), (1 << 64 | 2, "75"), (3, "75")]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        found = holding.cells(shaped(3), [payments[place] for place in order], homes)
        assert found == {("01", "ppa"): 2, ("01", "al"): 1, ("75", "al"): 1, ("75", "rsa"): 1}


@pytest.mark.parametrize("bits", [0, 62])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_count_cells_person_whose_rows_lie_in_several_row_groups_counts_once(
    tmp_path: Path, shaped: Shaped, monkeypatch: pytest.MonkeyPatch, size: int, bits: int
) -> None:
    """Halves of a file are read apart."""
    monkeypatch.setattr(encoding, "_WORD_BITS", bits)
    persons = [1, 1, 2, 2, 2, 2, 2, 3]
    paid, homes = tmp_path / "paid.parquet", tmp_path / "homes.parquet"
    benefits = ["ppa", "al", "al", "al", "al", "al", "rsa", "ppa"]
    rows = list(zip(persons, benefits, strict=True))
    pq.write_table(_rows(rows, "benefit"), paid, row_group_size=size)
    places = ["75", "75", "nowhere", "75", "13", "01", "13", "13"]
    rows = list(zip(persons, places, strict=True))
    pq.write_table(_rows(rows, "department"), homes, row_group_size=size)
    found = _found(shaped(3), {"payments": [HeldPeriod(paid)], "households": [HeldPeriod(homes)]})
    assert found == {
        ("75", "ppa"): 1,
        ("75", "al"): 1,
        ("01", "al"): 1,
        ("01", "rsa"): 1,
        ("13", "ppa"): 1,
    }


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [1, 2, 3])
def test_cells_expression_by_words_and_by_lines_are_the_same_figures(
    holding: Holding, shaped: Shaped, monkeypatch: pytest.MonkeyPatch, most: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    names, places = ["ppa", "rsa", "al", "other"], ["01", "75", "2A", "nowhere"]
    payments = [(int(p), str(random.choice(names))) for p in random.integers(0, 300, 900)]
    homes = [(int(p), str(random.choice(places))) for p in random.integers(0, 300, 500)]
    words = holding.cells(shaped(most), payments, homes)
    monkeypatch.setattr(encoding, "_WORD_BITS", 0)
    assert holding.cells(shaped(most), payments, homes) == words


ENGINES = ["duckdb", "postgres", "pyspark"]


def _lines(**amount: str) -> Any:
    columns = {"_person": "int32", "_cell": "int32", "trait_0": "int32"}
    return ibis.table({**columns, **amount}, name="lines")


WORDS = {"_block": "int32", "_cells": "int64", "trait_0": "int64"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bits", [0, 62])
def test_cells_expression_is_sql_of_every_engine_with_the_bound_in_it(
    shaped: Shaped, monkeypatch: pytest.MonkeyPatch, engine: str, bits: int
) -> None:
    monkeypatch.setattr(encoding, "_WORD_BITS", bits)
    rows = ibis.table(WORDS, name="words") if bits else _lines()
    sql = str(ibis.to_sql(cells_expression(*shaped(2), rows), dialect=engine))
    assert "ROW_NUMBER()" in sql
    assert "PARTITION BY" in sql
    assert ("BIT_OR" if bits else "GROUP BY") in sql
    assert not {"FLOAT", "DOUBLE", "REAL"} & set(sql.upper().replace("(", " ").split())
    without = str(ibis.to_sql(cells_expression(*shaped(3), rows), dialect=engine))
    # Three benefits, three cells: each person's cells are distinct, and that is the bound.
    assert "ROW_NUMBER" not in without


@pytest.mark.parametrize("engine", ENGINES)
def test_cells_expression_of_a_sum_clips_in_the_query(shaped: Shaped, engine: str) -> None:
    rows = _lines(_cents="int64")
    sql = str(ibis.to_sql(cells_expression(*shaped(3, **SUM), rows), dialect=engine))
    assert "GREATEST(LEAST(" in sql
    assert "200000" in sql
    assert not {"FLOAT", "DOUBLE", "REAL"} & set(sql.upper().replace("(", " ").split())
