"""The exact cells of a table, by one ibis expression: the bounds a person is held to are in it.

The same expression runs on DuckDB here, and is PostgreSQL's and Spark's SQL elsewhere. Nothing but
the counts of public cells comes out of the engine.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from cloison.errors import StorageError
from cloison.statistics.cube import Axis, Cube
from cloison.statistics.held import Held, HeldPeriod
from cloison.statistics.release import ExactCells
from cloison.statistics.table import Table

PERSON, WITHDRAWN = "_subject", "_corrected"
"""Columns every dataset has: the person's keyed hash; that the row holds no values."""
_COUNT = "cell_count"
_SETTINGS: Mapping[str, Any] = {
    "threads": 2,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""Persons' rows are never written elsewhere, and nothing is fetched: what does not fit in memory is
an error."""
_CENTS = 100


def cells_expression(table: Table, cube: Cube, sources: Mapping[str, Any]) -> Any:
    """Counts by leaf: a row for each cell that is not empty.

    A person counts once in a cell however many rows name them, in at most `most_cells` cells (the
    first by key, where there are more), and only in cells of public keys.

    `sources` has, for each dataset the table reads, an ibis table with its fields and
    the two columns.
    """
    rows = _own_cells(table, cube, sources[table.dataset])
    for dataset in table.reads():
        if dataset != table.dataset:
            rows = rows.inner_join(_traits(table, cube, dataset, sources[dataset]), PERSON)
    names = [dimension.id for dimension in table.dimensions]
    return rows.group_by(names).aggregate(**{_COUNT: rows.count()})


def _own_cells(table: Table, cube: Cube, source: Any) -> Any:
    """Each person's cells, over the dimensions of the table's own dataset, no more than allowed."""
    chosen = _dimensions(table, cube, table.dataset)
    brackets = cube.leaves.axes[-1]
    if brackets.edges:
        rows = _bracketed(source, chosen, brackets)
        chosen = chosen[:-1]  # of each other cell, a person has one bracket
    else:
        rows = _valid(source, chosen).distinct()
    if table.measure.most_cells < prod(len(keys) for _, _, keys in chosen):
        order = [rows[name] for name, _, _ in chosen]
        window = ibis.window(group_by=rows[PERSON], order_by=order)
        rows = rows.mutate(_place=ibis.row_number().over(window))
        rows = rows.filter(rows["_place"] < table.measure.most_cells).drop("_place")
    return rows


def _bracketed(source: Any, chosen: "_Chosen", brackets: Axis) -> Any:
    """Each person's total in each cell of the other own dimensions, as the key of its bracket.

    Whole cents are added and compared; no amount becomes a float, and none leaves the engine.
    """
    (*others, (name, field, keys)) = chosen
    held = source.filter(source[field].notnull())
    rows = _valid(held, others, amount=field)
    summed = rows.group_by([PERSON, *(one for one, _, _ in others)]).aggregate(
        _total=rows["amount"].sum()
    )
    below = [
        (summed["_total"] < edge * _CENTS, key)
        for edge, key in zip(brackets.edges, keys, strict=False)
    ]
    return summed.mutate(**{name: ibis.cases(*below, else_=keys[-1])}).drop("_total")


def _traits(table: Table, cube: Cube, dataset: str, source: Any) -> Any:
    """One row a person, whatever the dataset holds: the least of the values among the keys."""
    chosen = _dimensions(table, cube, dataset)
    rows = _valid(source, chosen)
    return rows.group_by(PERSON).aggregate(**{name: rows[name].min() for name, _, _ in chosen})


_Chosen = list[tuple[str, str, tuple[str, ...]]]


def _dimensions(table: Table, cube: Cube, dataset: str) -> _Chosen:
    """Id, field and keys of the dimensions that come from a dataset."""
    return [
        (dimension.id, dimension.field, axis.keys)
        for dimension, axis in zip(table.dimensions, cube.leaves.axes, strict=True)
        if (dimension.dataset or table.dataset) == dataset
    ]


def _valid(source: Any, chosen: _Chosen, **amounts: str) -> Any:
    """Rows that count: not withdrawn, and every key public; with fields of amounts beside them."""
    kept = source.filter(~source[WITHDRAWN])
    columns = {name: kept[field] for name, field, _ in chosen}
    named = kept.select(PERSON, **columns, **{name: kept[field] for name, field in amounts.items()})
    for name, _, keys in chosen:
        named = named.filter(named[name].isin(list(keys)))
    return named


def count_cells(table: Table, cube: Cube, held: Held) -> ExactCells:
    """The exact cells of what is held.

    Raises:
        StorageError: `COLUMNS_DAMAGED`: the columns cannot be read; the cause may quote a value and
            is not told.
    """
    try:
        connection = ibis.duckdb.connect(**_SETTINGS)
        try:
            sources = {
                dataset: _source(connection, table, cube, dataset, held[dataset])
                for dataset in table.reads()
            }
            found = connection.to_pyarrow(cells_expression(table, cube, sources))
        finally:
            connection.disconnect()
    except Exception:  # noqa: BLE001 - whatever the engine says may quote a person's value
        raise StorageError(
            "COLUMNS_DAMAGED", "columns: cannot be read", "`cloison columns` writes them anew"
        ) from None
    return ExactCells(_placed(cube, found))


def _placed(cube: Cube, found: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Counts in the order of the cells; a cell nobody is in is zero."""
    places = {keys: place for place, keys in enumerate(cube.leaves.keys())}
    columns = [found.column(axis.id).to_pylist() for axis in cube.leaves.axes]
    figures = np.zeros(cube.leaves.cells, np.int64)
    for *keys, count in zip(*columns, found.column(_COUNT).to_pylist(), strict=True):
        figures[places[tuple(keys)]] = count
    return figures


def _amount_field(table: Table, cube: Cube) -> str | None:
    """The field that brackets are of; None where there are none."""
    return table.dimensions[-1].field if cube.leaves.axes[-1].edges else None


def _source(
    connection: Any, table: Table, cube: Cube, dataset: str, periods: Sequence[HeldPeriod]
) -> Any:
    """What is held of a dataset as one ibis table of the columns that are read."""
    names = [PERSON, WITHDRAWN, *table.reads()[dataset]]
    whole = [one.file for one in periods if one.file is not None and one.rows is None]
    parts = [connection.read_parquet([str(path) for path in whole]).select(names)] if whole else []
    for one in periods:
        if one.rows is not None:
            parts.extend(_mended(connection, names, one))
    if not parts:
        empty = pa.schema([(PERSON, pa.binary()), (WITHDRAWN, pa.bool_())])
        for name in names[2:]:
            kind = pa.int64() if name == _amount_field(table, cube) else pa.string()
            empty = empty.append(pa.field(name, kind))
        return ibis.memtable(empty.empty_table())
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]


def _mended(connection: Any, names: Sequence[str], one: HeldPeriod) -> list[Any]:
    """A period's file without the persons that changed, and their rows."""
    parts = []
    if one.file is not None:
        column = pa.array(one.changed, pa.binary())
        changed = ibis.memtable(pa.table({PERSON: column}))
        parts.append(
            connection.read_parquet(str(one.file)).select(names).anti_join(changed, PERSON)
        )
    if one.rows is not None and one.rows.num_rows:
        rows = one.rows.select(names)
        index = rows.schema.get_field_index(PERSON)
        parts.append(ibis.memtable(rows.set_column(index, PERSON, rows[PERSON].cast(pa.binary()))))
    return parts
