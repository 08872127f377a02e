"""Rows as small integers: a number a person, a code a cell; nothing is counted or bounded here.

Two names of one person are never told apart, and two persons never get one number: so what one
person moves is the same before and after. Files are in the order of persons, which is why numbering
them is a merge; rows in another order cost a sort.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloison.statistics.cube import Axis, Cube
from cloison.statistics.held import Held, HeldPeriod
from cloison.statistics.table import Table

SUBJECT, CORRECTED = "_subject", "_corrected"
"""Columns every dataset has: the person's keyed hash; that the row holds no values."""
PERSON, CELL, CENTS = "_person", "_cell", "_cents"
"""Columns that are counted: a number from 0, the code of a cell from 0 (-1: none), an amount."""
_SUBJECT_BYTES = 16
_BATCH = 1 << 16
_NOBODY = np.int32((1 << 31) - 1)
_Numbers = npt.NDArray[np.int32]
_Halves = npt.NDArray[np.uint64]
_Keys = tuple[_Halves, _Halves]


@dataclass(frozen=True, slots=True)
class Columns:
    """What of a dataset is read: the axes that make its cells, and the field of an amount."""

    fields: tuple[str, ...]
    axes: tuple[Axis, ...]
    amount: str | None = None

    @property
    def cells(self) -> int:
        """How many codes there are."""
        return int(np.prod([len(axis.keys) for axis in self.axes], dtype=np.int64))


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one file, or beside one.

    Attributes:
        high: Of each run of one person's rows, the first half of the key; `low`: the other.
        run: Of each row, its run.
        codes: Of each row, its cell.
        cents: Of each row, its amount.
    """

    high: _Halves
    low: _Halves
    run: _Numbers
    codes: _Numbers
    cents: list[pa.Array]


def columns_of(table: Table, cube: Cube, dataset: str) -> Columns:
    """What is read of a dataset. Brackets are no axis of it: they are known once amounts add up."""
    chosen = [
        (dimension.field, axis)
        for dimension, axis in zip(table.dimensions, cube.leaves.axes, strict=True)
        if (dimension.dataset or table.dataset) == dataset
    ]
    amount = None
    if chosen and chosen[-1][1].edges:
        amount = chosen.pop()[0]
    elif dataset == table.dataset:
        amount = table.measure.field
    return Columns(tuple(name for name, _ in chosen), tuple(axis for _, axis in chosen), amount)


def encode(table: Table, cube: Cube, held: Held) -> dict[str, pa.Table]:
    """Of each dataset the table reads, the rows that are counted, as integers.

    The table's own dataset keeps every row: `PERSON`, `CELL`, and `CENTS` (null: not stated) where
    an amount is read. Another has one row a person, with the least of its codes.
    """
    chosen = {name: columns_of(table, cube, name) for name in table.reads()}
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda name: _parts(chosen[name], held[name]), chosen)
        parts = dict(zip(chosen, found, strict=True))
    own = parts.pop(table.dataset)
    if not own:
        own = [_part(chosen[table.dataset], (), 0)]
    keys, persons = _number(own)
    encoded = {table.dataset: _rows(own, persons, chosen[table.dataset])}
    for name, others in parts.items():
        encoded[name] = _one_each(keys, others)
    return encoded


def _joined(columns: Sequence[Any], kind: Any) -> Any:
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns) if columns else np.zeros(0, kind)


def _rows(parts: Sequence[_Part], persons: Sequence[_Numbers], columns: Columns) -> pa.Table:
    made = {
        PERSON: pa.array(_joined(persons, np.int32)),
        CELL: pa.array(_joined([part.codes for part in parts], np.int32)),
    }
    if columns.amount is not None:
        cents = [one for part in parts for one in part.cents]
        made[CENTS] = pa.chunked_array(cents, pa.int64())
    return pa.table(made)


def _one_each(keys: _Keys, parts: Sequence[_Part]) -> pa.Table:
    """One row a person that counts: the least of their codes, and none for who has none."""
    least = np.full(len(keys[0]), _NOBODY, np.int32)
    for part in parts:
        numbers = _find(keys, part.high, part.low)
        for start in range(0, len(part.run), _BATCH):
            some = slice(start, start + _BATCH)
            number, codes = numbers[part.run[some]], part.codes[some]
            counts = (number >= 0) & (codes >= 0)
            np.minimum.at(least, number[counts], codes[counts])
    held = np.flatnonzero(least != _NOBODY)
    return pa.table({PERSON: pa.array(held.astype(np.int32)), CELL: pa.array(least[held])})


def _parts(columns: Columns, periods: Sequence[HeldPeriod]) -> list[_Part]:
    amount = () if columns.amount is None else (columns.amount,)
    names = list(dict.fromkeys([SUBJECT, CORRECTED, *columns.fields, *amount]))
    parts = []
    for one in periods:
        if one.file is not None:
            with pq.ParquetFile(one.file, read_dictionary=list(columns.fields)) as file:
                batches = _kept(file.iter_batches(_BATCH, columns=names), one)
                parts.append(_part(columns, batches, file.metadata.num_rows))
        if one.rows is not None:
            rows = one.rows.select(names)
            parts.append(_part(columns, rows.to_batches(), len(rows)))
    return parts


def _kept(batches: Iterable[pa.RecordBatch], period: HeldPeriod) -> Iterator[pa.RecordBatch]:
    """Rows of those who did not change since the file was written."""
    gone = pa.array(period.changed, pa.binary(_SUBJECT_BYTES))
    for batch in batches:
        kept = pc.invert(pc.is_in(batch[SUBJECT], value_set=gone)) if period.changed else None
        yield batch if kept is None else batch.filter(kept)


def _part(columns: Columns, batches: Iterable[pa.RecordBatch], most_rows: int) -> _Part:
    """Batch by batch, so that what is read stays near the processor."""
    keys = np.empty(most_rows, np.uint64), np.empty(most_rows, np.uint64)
    run, codes = np.empty(most_rows, np.int32), np.empty(most_rows, np.int32)
    cents, rows, runs = [], 0, 0
    for batch in batches:
        if not len(batch):
            continue
        high, low = _halves(batch[SUBJECT])
        first = _changes(high, low)
        if runs and (keys[0][runs - 1], keys[1][runs - 1]) == (high[0], low[0]):
            first[0] = False
        end, begun = rows + len(batch), int(np.count_nonzero(first))
        np.cumsum(first, out=run[rows:end], dtype=np.int32)
        run[rows:end] += runs - 1
        keys[0][runs : runs + begun], keys[1][runs : runs + begun] = high[first], low[first]
        codes[rows:end] = _codes_of(columns, batch)
        if columns.amount is not None:
            cents.append(batch[columns.amount].cast(pa.int64()))
        rows, runs = end, runs + begun
    return _Part(keys[0][:runs], keys[1][:runs], run[:rows], codes[:rows], cents)


def _halves(subjects: pa.Array) -> tuple[_Halves, _Halves]:
    """Each row's key as two numbers."""
    fixed = subjects.cast(pa.binary(_SUBJECT_BYTES))
    start = fixed.offset * _SUBJECT_BYTES
    flat = np.frombuffer(fixed.buffers()[1] or b"", np.uint8)
    keys = flat[start : start + len(fixed) * _SUBJECT_BYTES].view(">u8").reshape(-1, 2)
    return keys[:, 0].astype(np.uint64), keys[:, 1].astype(np.uint64)


def _codes_of(columns: Columns, batch: pa.RecordBatch) -> _Numbers:
    """Each row's cell; -1 where it is in none, or was withdrawn."""
    codes = np.zeros(len(batch), np.int32)
    for name, axis in zip(columns.fields, columns.axes, strict=True):
        code = _codes(batch[name], axis)
        codes = np.where((codes < 0) | (code < 0), -1, codes * len(axis.keys) + code)
    if pc.any(batch[CORRECTED]).as_py():
        codes[np.asarray(batch[CORRECTED].to_numpy(zero_copy_only=False), np.bool_)] = -1
    return codes.astype(np.int32)


def _codes(column: pa.Array, axis: Axis) -> _Numbers:
    """Of each value its place among the keys; -1 where it is none of them, or not stated."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    places = {key: place for place, key in enumerate(axis.keys)}
    known = [places.get(str(value), -1) for value in column.dictionary.to_pylist()]
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(known))
    codes: _Numbers = np.array([*known, -1], np.int32)[indices.to_numpy()]
    return codes


def _changes(high: _Halves, low: _Halves) -> npt.NDArray[np.bool_]:
    """Where another person begins."""
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return first


def _number(parts: Sequence[_Part]) -> tuple[_Keys, list[_Numbers]]:
    """The persons in the order of their keys, and of each row of each part its person's place."""
    high = _joined([part.high for part in parts], np.uint64)
    low = _joined([part.low for part in parts], np.uint64)
    if len(parts) == 1 and _rising(high, low):
        return (high, low), [parts[0].run]
    order = np.argsort(high, kind="stable")  # runs that are in order already are only merged
    high, low = high[order], low[order]
    if ((high[1:] == high[:-1]) & (low[1:] < low[:-1])).any():
        again = np.lexsort((low, high))
        order, high, low = order[again], high[again], low[again]
    first = _changes(high, low)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.cumsum(first, dtype=np.int32) - np.int32(1)
    ends = np.cumsum([len(part.high) for part in parts])[:-1]
    found = zip(np.split(numbers, ends), parts, strict=True)
    return (high[first], low[first]), [number[part.run] for number, part in found]


def _rising(high: _Halves, low: _Halves) -> bool:
    """Whether each key is more than the one before."""
    more = high[1:] > high[:-1]
    return bool(more.all() or (more | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))).all())


def _find(keys: _Keys, high: _Halves, low: _Halves) -> _Numbers:
    """The place of each key among keys in order; -1 where it is none of them."""
    found = np.empty(len(high), np.int32)
    for start in range(0, len(high), _BATCH):
        some = slice(start, start + _BATCH)
        # Of keys in order, a batch is found among as many neighbours, near the processor.
        begin = int(np.searchsorted(keys[0], high[some].min()))
        end = int(np.searchsorted(keys[0], high[some].max(), "right"))
        near = keys[0][begin:end], keys[1][begin:end]
        place = _find_near(near, high[some], low[some])
        found[some] = np.where(place < 0, -1, place + begin)
    return found


def _find_near(keys: _Keys, high: _Halves, low: _Halves) -> npt.NDArray[np.int64]:
    if not len(keys[0]):
        return np.full(len(high), -1)
    last = len(keys[0]) - 1
    place = np.minimum(np.searchsorted(keys[0], high), last)
    # Two keys may begin alike: those not found at the first of them look at the next.
    wrong = np.flatnonzero((keys[0][place] == high) & (keys[1][place] < low) & (place < last))
    while len(wrong):
        place[wrong] += 1
        at = place[wrong]
        onward = (keys[0][at] == high[wrong]) & (keys[1][at] < low[wrong]) & (at < last)
        wrong = wrong[onward]
    return np.where((keys[0][place] == high) & (keys[1][place] == low), place, -1)
