"""The exact cells of a table, by one ibis expression: the bounds a person is held to are in it.

The same expression runs on DuckDB here, and is PostgreSQL's and Spark's SQL elsewhere. It reads
integers (`encoding`): nothing in it is a float, and nothing but figures of public cells comes out.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from cloison.errors import StorageError
from cloison.statistics.cube import Axis, Cube
from cloison.statistics.encoding import (
    BLOCK,
    CELL,
    CELLS,
    CENTS,
    PERSON,
    Columns,
    Packing,
    columns_of,
    encode,
    packing_of,
    traits_of,
)
from cloison.statistics.held import Held
from cloison.statistics.release import ExactCells
from cloison.statistics.table import Table

COUNT, SUM = "cell_count", "cell_cents"
"""Columns of the answer: persons, and for a sum their clipped cents."""
_SETTINGS: Mapping[str, Any] = {
    "threads": 2,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""Persons' rows are never written elsewhere, and nothing is fetched: what does not fit in memory is
an error."""
_CENTS_PER_EURO = 100


@ibis.udf.agg.builtin  # type: ignore[untyped-decorator]
def bit_or(word: int) -> int:  # type: ignore[empty-body]
    """The engine's own aggregate; DuckDB, PostgreSQL and Spark call it by this name."""


def cells_expression(table: Table, cube: Cube, rows: Any) -> Any:
    """Figures by cell: a row for each that is not empty.

    Columns: `CELL` (own code), one a trait dataset (`trait_0`, …), `COUNT`, and `SUM` for sums.

    A person counts once in a cell however many rows name them, in at most `most_cells` cells (the
    first by key, where there are more), and only in cells of public keys; and their amount in a
    cell weighs at least nothing and at most the clip, whatever their rows say.

    `rows` is an ibis table shaped as `encoding.encode` says.
    """
    packing = packing_of(table, cube)
    if packing is None:
        return _from_lines(table, cube, rows)
    return _from_words(table, cube, rows, packing)


def _from_words(table: Table, cube: Cube, rows: Any, packing: Packing) -> Any:
    """Counts where a person's cells fit into one word, a bit each.

    Several persons share a word, so that the engine groups by words and not by persons: the rows of
    a block are put together, then each person is taken out of it, once. A person with two traits,
    which `encode` leaves nobody, is in one cell or none.
    """
    traits = traits_of(table)
    words = rows.group_by(BLOCK).aggregate(
        **{column: bit_or(rows[column]) for column in (CELLS, *traits.values())}
    )
    at = ibis.memtable(pa.table({"at": pa.array(packing.places, pa.int64())}))
    ones = (1 << packing.width) - 1
    split = words.cross_join(at)
    persons = split.select(
        **{column: (split[column] >> split["at"]) & ones for column in (CELLS, *traits.values())}
    )
    # Codes are looked at once persons are groups: a filter of persons is slower than the grouping.
    groups = persons.group_by([CELLS, *traits.values()]).aggregate(persons=persons.count())
    for name, column in traits.items():
        groups = groups.mutate(**{column: groups[column] - 1})
        codes = columns_of(table, cube, name).cells
        groups = groups.filter((groups[column] >= 0) & (groups[column] < codes))
    return _unfold(table, groups, columns_of(table, cube, table.dataset), list(traits.values()))


def _unfold(table: Table, groups: Any, own: Columns, names: list[str]) -> Any:
    """Persons by cell, from persons by set of cells; no more of each set than allowed."""
    codes = ibis.memtable(pa.table({CELL: pa.array(range(own.cells), pa.int64())}))
    cells = groups.cross_join(codes)
    cells = cells.filter(((cells[CELLS] >> cells[CELL]) & 1) == 1)
    if table.measure.most_cells < own.cells:
        window = ibis.window(group_by=[CELLS, *names], order_by=CELL)
        cells = cells.mutate(_rank=ibis.row_number().over(window))
        cells = cells.filter(cells["_rank"] < table.measure.most_cells)
    return cells.group_by([CELL, *names]).aggregate(**{COUNT: cells["persons"].sum()})


def _from_lines(table: Table, cube: Cube, rows: Any) -> Any:
    """Figures where each person's cells are lines of their own; with amounts, if any."""
    own = columns_of(table, cube, table.dataset)
    traits = list(traits_of(table).values())
    held = rows.filter(rows[CELL] >= 0, *(rows[column] >= 0 for column in traits))
    merged = {column: held[column].min() for column in traits}
    if own.amount is not None:
        held = held.filter(held[CENTS].notnull())
        merged[CENTS] = held[CENTS].sum()
    lines = held.group_by([PERSON, CELL]).aggregate(**merged)
    if table.measure.most_cells < own.cells:
        window = ibis.window(group_by=PERSON, order_by=CELL)
        lines = lines.mutate(_rank=ibis.row_number().over(window))
        lines = lines.filter(lines["_rank"] < table.measure.most_cells).drop("_rank")
    brackets = cube.leaves.axes[-1]
    if brackets.edges:
        lines = lines.mutate(**{CELL: _bracketed(lines, brackets)})
    figures = {COUNT: lines.count()}
    if table.measure.clip is not None:
        most = table.measure.clip * _CENTS_PER_EURO
        figures[SUM] = ibis.greatest(ibis.least(lines[CENTS], most), 0).sum()
    return lines.group_by([CELL, *traits]).aggregate(**figures)


def _bracketed(lines: Any, brackets: Axis) -> Any:
    """The code of each line with that of its total's bracket after it.

    Whole cents are added and compared; no amount becomes a float, and none leaves the engine.
    """
    below = [(lines[CENTS] < edge * _CENTS_PER_EURO, n) for n, edge in enumerate(brackets.edges)]
    bracket = ibis.cases(*below, else_=len(brackets.edges))
    return lines[CELL] * len(brackets.keys) + bracket


def count_cells(table: Table, cube: Cube, held: Held) -> ExactCells:
    """The exact cells of what is held.

    Raises:
        StorageError: `COLUMNS_DAMAGED`: the columns cannot be read; the cause may quote a value and
            is not told.
    """
    try:
        rows = ibis.memtable(encode(table, cube, held))
        connection = ibis.duckdb.connect(**_SETTINGS)
        try:
            found = connection.to_pyarrow(cells_expression(table, cube, rows))
        finally:
            connection.disconnect()
    except Exception:  # noqa: BLE001 - whatever the engine says may quote a person's value
        raise StorageError(
            "COLUMNS_DAMAGED", "columns: cannot be read", "`cloison columns` writes them anew"
        ) from None
    places = _leaves(table, cube, found)
    counts = _placed(cube, places, found.column(COUNT).to_pylist())
    if table.measure.clip is None:
        return ExactCells(counts)
    euros = [int(cents) // _CENTS_PER_EURO for cents in found.column(SUM).to_pylist()]
    return ExactCells(counts, _placed(cube, places, euros))


_Integers = np.ndarray[Any, np.dtype[np.int64]]


def _leaves(table: Table, cube: Cube, found: pa.Table) -> _Integers:
    """Of each row its place among the leaves."""
    codes: dict[str, _Integers] = {}
    for dataset, column in {table.dataset: CELL, **traits_of(table)}.items():
        axes = _axes(table, cube, dataset)
        sizes = [len(axis.keys) for axis in axes]
        values = found.column(column).to_numpy().astype(np.int64)
        split = np.unravel_index(values, sizes)
        codes |= {axis.id: code for axis, code in zip(axes, split, strict=True)}
    place = np.zeros(found.num_rows, np.int64)
    for axis in cube.leaves.axes:
        place = place * len(axis.keys) + codes[axis.id]
    return place


def _axes(table: Table, cube: Cube, dataset: str) -> list[Axis]:
    """The axes that a dataset's code is made of, brackets with them."""
    return [
        axis
        for dimension, axis in zip(table.dimensions, cube.leaves.axes, strict=True)
        if (dimension.dataset or table.dataset) == dataset
    ]


def _placed(cube: Cube, places: _Integers, values: list[int]) -> _Integers:
    """Figures in the order of the cells; a cell nobody is in is zero."""
    figures = np.zeros(cube.leaves.cells, np.int64)
    figures[places] = values
    return figures
