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
from cloison.statistics.encoding import CELL, CENTS, PERSON, Columns, columns_of, encode
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
_WORD_BITS = 62
"""Of a 64-bit integer, so many are used: shifts reach neither the sign nor an engine's check."""


@ibis.udf.agg.builtin  # type: ignore[untyped-decorator]
def bit_or(word: int) -> int:  # type: ignore[empty-body]
    """The engine's own aggregate; DuckDB, PostgreSQL and Spark call it by this name."""


def cells_expression(table: Table, cube: Cube, sources: Mapping[str, Any]) -> Any:
    """Figures by cell: a row for each that is not empty.

    Columns: `CELL` (own code), one a trait dataset (`trait_0`, …), `COUNT`, and `SUM` for sums.

    A person counts once in a cell however many rows name them, in at most `most_cells` cells (the
    first by key, where there are more), and only in cells of public keys; and their amount in a
    cell weighs at least nothing and at most the clip, whatever their rows say.

    `sources` has, for each dataset the table reads, an ibis table shaped as `encoding.encode` says.
    """
    own = columns_of(table, cube, table.dataset)
    traits = [
        (columns_of(table, cube, name), sources[name])
        for name in table.reads()
        if name != table.dataset
    ]
    widths = [own.cells, *((columns.cells + 1).bit_length() for columns, _ in traits)]
    if own.amount is None and max(widths) <= _WORD_BITS:
        return _from_words(table, sources[table.dataset], own, traits, max(widths))
    return _from_lines(table, cube, sources[table.dataset], own, traits)


_Traits = list[tuple[Columns, Any]]


def _from_words(table: Table, source: Any, own: Columns, traits: _Traits, width: int) -> Any:
    """Counts where a person's cells fit into one word, a bit each.

    Several persons share a word, each in bits of their own, so that the engine groups by words and
    not by persons. A person with two traits, which `encode` leaves nobody, is in one cell or none.
    """
    shift = (_WORD_BITS // width).bit_length() - 1
    place = PERSON, shift, width
    words = _words(source, place, lambda code: ibis.literal(1, "int64") << code, "cells")
    for number, (_, trait) in enumerate(traits):
        packed = _words(trait, place, lambda code: code + 1, f"word_{number}")
        words = words.inner_join(packed, "block")
    names = [f"trait_{number}" for number in range(len(traits))]
    at = ibis.memtable(pa.table({"at": pa.array(range(0, width << shift, width), pa.int64())}))
    ones = (1 << width) - 1
    split = words.cross_join(at)
    persons = split.select(
        cells=(split["cells"] >> split["at"]) & ones,
        **{
            name: ((split[f"word_{number}"] >> split["at"]) & ones) - 1
            for number, name in enumerate(names)
        },
    )
    for name, (columns, _) in zip(names, traits, strict=True):
        persons = persons.filter((persons[name] >= 0) & (persons[name] < columns.cells))
    groups = persons.group_by(["cells", *names]).aggregate(persons=persons.count())
    return _unfold(table, groups, own, names)


def _words(source: Any, place: tuple[str, int, int], bits: Any, name: str) -> Any:
    """Of each block of persons, their codes as bits, each person's where the others' are not."""
    person, shift, width = place
    held = source.filter(source[CELL] >= 0)
    offset = (held[person] & ((1 << shift) - 1)) * width
    code = bits(held[CELL].cast("int64"))
    rows = held.select(block=held[person] >> shift, word=code << offset)
    return rows.group_by("block").aggregate(**{name: bit_or(rows["word"])})


def _unfold(table: Table, groups: Any, own: Columns, names: list[str]) -> Any:
    """Persons by cell, from persons by set of cells; no more of each set than allowed."""
    codes = ibis.memtable(pa.table({CELL: pa.array(range(own.cells), pa.int64())}))
    cells = groups.cross_join(codes)
    cells = cells.filter(((cells["cells"] >> cells[CELL]) & 1) == 1)
    if table.measure.most_cells < own.cells:
        window = ibis.window(group_by=["cells", *names], order_by=CELL)
        cells = cells.mutate(_rank=ibis.row_number().over(window))
        cells = cells.filter(cells["_rank"] < table.measure.most_cells)
    return cells.group_by([CELL, *names]).aggregate(**{COUNT: cells["persons"].sum()})


def _from_lines(table: Table, cube: Cube, source: Any, own: Columns, traits: _Traits) -> Any:
    """Figures where each person's cells are lines of their own; with amounts, if any."""
    held = source.filter(source[CELL] >= 0)
    if own.amount is None:
        lines = held.select(PERSON, CELL).distinct()
    else:
        stated = held.filter(held[CENTS].notnull())
        lines = stated.group_by([PERSON, CELL]).aggregate(cents=stated[CENTS].sum())
    brackets = cube.leaves.axes[-1]
    if table.measure.most_cells < own.cells:
        window = ibis.window(group_by=PERSON, order_by=CELL)
        lines = lines.mutate(_rank=ibis.row_number().over(window))
        lines = lines.filter(lines["_rank"] < table.measure.most_cells).drop("_rank")
    if brackets.edges:
        lines = _bracketed(lines, brackets)
    names = [f"trait_{number}" for number in range(len(traits))]
    for name, (_, trait) in zip(names, traits, strict=True):
        lines = lines.inner_join(trait.select(PERSON, **{name: trait[CELL]}), PERSON)
    figures = {COUNT: lines.count()}
    if table.measure.clip is not None:
        most = table.measure.clip * _CENTS_PER_EURO
        figures[SUM] = ibis.greatest(ibis.least(lines["cents"], most), 0).sum()
    return lines.group_by([CELL, *names]).aggregate(**figures)


def _bracketed(lines: Any, brackets: Axis) -> Any:
    """Each person's total in each other cell as the code of its bracket, after the cell's.

    Whole cents are added and compared; no amount becomes a float, and none leaves the engine.
    """
    below = [(lines["cents"] < edge * _CENTS_PER_EURO, n) for n, edge in enumerate(brackets.edges)]
    bracket = ibis.cases(*below, else_=len(brackets.edges))
    return lines.select(PERSON, **{CELL: lines[CELL] * len(brackets.keys) + bracket})


def count_cells(table: Table, cube: Cube, held: Held) -> ExactCells:
    """The exact cells of what is held.

    Raises:
        StorageError: `COLUMNS_DAMAGED`: the columns cannot be read; the cause may quote a value and
            is not told.
    """
    try:
        sources = {name: ibis.memtable(rows) for name, rows in encode(table, cube, held).items()}
        connection = ibis.duckdb.connect(**_SETTINGS)
        try:
            found = connection.to_pyarrow(cells_expression(table, cube, sources))
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
    datasets = [name for name in table.reads() if name != table.dataset]
    columns = [CELL, *(f"trait_{number}" for number in range(len(datasets)))]
    codes: dict[str, _Integers] = {}
    for column, dataset in zip(columns, [table.dataset, *datasets], strict=True):
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
