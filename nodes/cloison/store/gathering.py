"""Laying out what partitions hold of many persons as the rows of an answer.

Persons are looked up in the order of their row keys, so that memory is read forwards; each row is
written straight to its place in the answer.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloison.store.arrays import Numbers, to_arrow
from cloison.store.column_files import NAMED, SOURCE, VERSION
from cloison.store.many import (
    STATUS_NUMBERS,
    TEXTUAL,
    Bytes,
    Mask,
    answer_schema,
    arrow_type,
    key_halves,
)
from cloison.store.partitions import Found, Partition, Places
from cloison.store.records import Plan
from cloison.store.values import Status

Statuses = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one period: where they stand in its partition, and whose they are.

    Attributes:
        rows: Places in the partition.
        persons: Of each row, the place of its person among those asked.
        within: Of each row, its place among those of the same person and period.
    """

    partition: Partition
    rows: Places
    persons: Places
    within: Places


@dataclass(frozen=True, slots=True)
class Held:
    """What is found of n persons in p periods.

    Attributes:
        statuses: Shape (n, p), `STATUS_NUMBERS`.
        counts: Shape (n, p): rows.
        pieces: The rows, by place of the period among those asked.
    """

    statuses: Statuses
    counts: Places
    pieces: Mapping[int, Piece]


def find(
    plan: Plan,
    keys: Bytes,
    partitions: Sequence[Partition | None],
    late: Mapping[int, AbstractSet[int]],
) -> Held:
    """Looks all persons up.

    Args:
        plan: The question.
        keys: Row keys, shape (n, 16).
        partitions: Of each period asked, in order; None where there are no rows.
        late: Periods that wait for one who declares, of persons by their place in `keys`.
    """
    first, rest = key_halves(keys)
    order = np.argsort(first)
    first, rest = first[order], rest[order]
    shape = len(keys), len(plan.empty)
    statuses = np.zeros(shape, np.int8)
    lacking = np.ones(shape, np.bool_)
    counts = np.zeros(shape, np.int64)
    pieces = {}
    for place, (period, partition) in enumerate(zip(plan.empty, partitions, strict=True)):
        if partition is not None:
            found = partition.find(first, rest)
            statuses[order[found.held], place] = STATUS_NUMBERS[plan.held_status(period)]
            statuses[order[found.corrected], place] = STATUS_NUMBERS[Status.UNDER_CORRECTION]
            lacking[order[found.held | found.corrected], place] = False
            counts[order, place] = found.count
            pieces[place] = _piece(partition, found, order)
    _say_empty(plan, lacking, statuses)
    _say_late(plan, statuses, late)
    return Held(statuses, counts, pieces)


def _say_empty(plan: Plan, lacking: Mask, statuses: Statuses) -> None:
    """A period without any record says of each person what it says of everybody."""
    persons, places = np.nonzero(lacking)
    everybody = np.array([STATUS_NUMBERS[status] for status in plan.empty.values()], np.int8)
    statuses[persons, places] = everybody[places]


def _say_late(plan: Plan, statuses: Statuses, late: Mapping[int, AbstractSet[int]]) -> None:
    """A period is late for those who wait for one who declares, whatever others declared."""
    places = {period: place for place, period in enumerate(plan.empty)}
    corrected = STATUS_NUMBERS[Status.UNDER_CORRECTION]
    for person, periods in late.items():
        for place in map(places.__getitem__, periods):
            if statuses[person, place] != corrected:
                statuses[person, place] = STATUS_NUMBERS[Status.LATE]


def _piece(partition: Partition, found: Found, order: Places) -> Piece:
    count = found.count
    persons = np.repeat(order, count)
    within = np.arange(len(persons)) - np.repeat(np.cumsum(count) - count, count)
    return Piece(partition, np.repeat(found.first, count) + within, persons, within)


def lay_out(plan: Plan, held: Held) -> pa.RecordBatch:
    """The rows of `ManyData.table`, for any granularity but the total."""
    cells = np.maximum(held.counts, 1)
    persons, periods = cells.shape
    starts = (np.cumsum(cells) - cells.ravel()).reshape(cells.shape)
    rows = int(cells.sum())
    targets = {
        place: starts[piece.persons, place] + piece.within for place, piece in held.pieces.items()
    }
    flat = cells.ravel()
    taken = [to_arrow(piece.rows) for piece in held.pieces.values()]
    order = _order(targets, rows)
    columns = [
        to_arrow(np.repeat(np.repeat(np.arange(persons, dtype=np.int32), periods), flat)),
        to_arrow(np.repeat(np.tile(np.array(list(plan.empty), np.int32), persons), flat)),
        to_arrow(np.repeat(held.statuses.ravel(), flat)),
        _texts(held.pieces, taken, order, SOURCE),
        _numbers(held.pieces, targets, VERSION, rows, pa.int32()),
    ]
    for name in plan.fields:
        kind = plan.dataset.fields[name].type
        if kind in TEXTUAL:
            columns.append(_texts(held.pieces, taken, order, name))
        else:
            columns.append(_numbers(held.pieces, targets, name, rows, arrow_type(kind)))
    schema = answer_schema(plan.dataset, plan.fields)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _numbers(
    pieces: Mapping[int, Piece],
    targets: Mapping[int, Places],
    name: str,
    rows: int,
    kind: pa.DataType,
) -> pa.Array:
    values: Numbers = np.zeros(rows, kind.to_pandas_dtype())
    unknown = np.ones(rows, np.bool_)
    for place, piece in pieces.items():
        held, stated = piece.partition.numbers(name)
        values[targets[place]] = held[piece.rows]
        unknown[targets[place]] = False if stated is None else ~stated[piece.rows]
    return to_arrow(values, kind, unknown)


def _order(targets: Mapping[int, Places], rows: int) -> pa.Array:
    """Of each row of the answer, its place among those of all pieces; null where there is none."""
    places = np.full(rows, -1)
    before = 0
    for those in targets.values():
        places[those] = before + np.arange(len(those))
        before += len(those)
    return to_arrow(places, unknown=places < 0)


def _texts(
    pieces: Mapping[int, Piece], taken: Sequence[pa.Array], order: pa.Array, name: str
) -> pa.Array:
    columns = [pa.nulls(0, pa.large_string())]
    for piece, rows in zip(pieces.values(), taken, strict=True):
        held = piece.partition.texts(name)
        columns.append(pa.nulls(len(rows), pa.large_string()) if held is None else held.take(rows))
    return pa.concat_arrays(columns).take(order).cast(pa.string())


def named_in(held: Held) -> dict[int, bytes]:
    """Row keys of those the rows name, by place of the person whose rows they are."""
    named: dict[int, bytes] = {}
    for piece in held.pieces.values():
        column = piece.partition.texts(NAMED)
        if column is not None:
            taken = column.take(to_arrow(piece.rows)).to_pylist()
            for place, keys in zip(piece.persons.tolist(), taken, strict=True):
                if keys is not None:
                    named[place] = named.get(place, b"") + keys
    return named
