"""Totals over a window for many persons: as `totals.window_total`, one row a person and category.

Exact: amounts have at most twelve digits, so sums of fewer than a million fit 64 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cloison.store.arrays import Numbers
from cloison.store.column_files import VERSION
from cloison.store.gathering import Held, Piece, Statuses
from cloison.store.many import STATUS_NUMBERS, Mask, answer_schema, arrow_type
from cloison.store.partitions import Places
from cloison.store.records import Plan
from cloison.store.totals import UNKNOWN
from cloison.store.values import Status

_DECLARED, _NOTHING = STATUS_NUMBERS[Status.DECLARED], STATUS_NUMBERS[Status.NOTHING_DECLARED]
_NO_CATEGORY = str(None)
"""Under which name records without a category are summed: as `totals`."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows of one person and category, made one.

    Attributes:
        order: Places of the rows among all, group after group.
        starts: Where each group begins in `order`.
        persons: Of each group.
    """

    order: Places
    starts: Places
    persons: Places


def lay_out_totals(plan: Plan, held: Held) -> pa.RecordBatch:
    """The rows of `ManyData.table` for a window's totals."""
    statuses = _statuses(held)
    pieces = list(held.pieces.values())
    category = _texts(pieces, plan.dataset.category or "")
    groups = _group(pieces, category, statuses)
    rows = np.maximum(np.bincount(groups.persons, minlength=len(statuses)), 1)
    persons = np.repeat(np.arange(len(statuses), dtype=np.int32), rows)
    # Whoever is declared has a group for each row, in order; whoever is not has one empty row.
    empty = statuses[persons] != _DECLARED
    first, *_, last = (*plan.empty, *plan.empty)
    columns = [
        pa.array(persons),
        pa.array(np.full(len(persons), first, np.int32)),
        pa.array(statuses[persons]),
        pa.array([f"total {first} to {last}"]).take(
            pa.array(np.zeros(len(empty), np.int8), mask=empty)
        ),
        _spread(_versions(pieces, groups), None, empty, pa.int32()),
        *(_field(plan, name, pieces, category, groups, empty) for name in plan.fields),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=answer_schema(plan.dataset, plan.fields))


def _statuses(held: Held) -> Statuses:
    """Unknown where any period is; else declared where any has a row."""
    statuses = np.where(held.counts.any(axis=1), _DECLARED, _NOTHING).astype(np.int8)
    for unknown in reversed(UNKNOWN):
        number = STATUS_NUMBERS[unknown]
        statuses[(held.statuses == number).any(axis=1)] = number
    return statuses


def _group(pieces: Sequence[Piece], category: pa.Array, statuses: Statuses) -> _Groups:
    persons = np.concatenate([np.zeros(0, np.int64), *(piece.persons for piece in pieces)])
    encoded = category.fill_null(_NO_CATEGORY).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    ranks = np.argsort(np.argsort(np.array(names, object)))
    keys = persons * max(len(names), 1) + ranks[encoded.indices.to_numpy()]
    # Stable: within a group, rows stay in the order of periods.
    order = np.argsort(keys, kind="stable")
    order = order[statuses[persons[order]] == _DECLARED]
    new = np.ones(len(order), np.bool_)
    new[1:] = keys[order[1:]] != keys[order[:-1]]
    starts = np.flatnonzero(new)
    return _Groups(order, starts, persons[order[starts]])


def _field(
    plan: Plan,
    name: str,
    pieces: Sequence[Piece],
    category: pa.Array,
    groups: _Groups,
    empty: Mask,
) -> pa.Array:
    """The category itself; a sum where every amount is stated; nothing of any other field."""
    kind = plan.dataset.fields[name].type
    if name == plan.dataset.category:
        places = np.zeros(len(empty), np.int64)
        places[~empty] = groups.order[groups.starts]
        return category.take(pa.array(places, mask=empty)).cast(pa.string())
    if not kind.summable or not len(groups.starts):
        return pa.nulls(len(empty), arrow_type(kind))
    values, stated = (
        np.concatenate(one)[groups.order]
        for one in zip(*(_amounts(piece, name) for piece in pieces), strict=True)
    )
    sums = np.add.reduceat(values, groups.starts)
    return _spread(sums, np.logical_and.reduceat(stated, groups.starts), empty, pa.int64())


def _amounts(piece: Piece, name: str) -> tuple[Numbers, Mask]:
    values, stated = piece.partition.numbers(name)
    rows = piece.rows
    return values[rows], np.ones(len(rows), np.bool_) if stated is None else stated[rows]


def _versions(pieces: Sequence[Piece], groups: _Groups) -> Numbers:
    if not len(groups.starts):
        return np.zeros(0, np.int32)
    versions = [piece.partition.numbers(VERSION)[0][piece.rows] for piece in pieces]
    highest: Numbers = np.maximum.reduceat(np.concatenate(versions)[groups.order], groups.starts)
    return highest


def _spread(values: Numbers, stated: Mask | None, empty: Mask, kind: pa.DataType) -> pa.Array:
    """One value a group, null in the rows of those who have none."""
    spread = np.zeros(len(empty), kind.to_pandas_dtype())
    unknown = empty.copy()
    spread[~empty] = values
    if stated is not None:
        unknown[~empty] = ~stated
    return pa.array(spread, kind, mask=unknown)


def _texts(pieces: Sequence[Piece], name: str) -> pa.Array:
    taken = [pa.nulls(0, pa.large_string())]
    for piece in pieces:
        held = piece.partition.texts(name)
        rows = len(piece.rows)
        taken.append(
            pa.nulls(rows, pa.large_string()) if held is None else held.take(pa.array(piece.rows))
        )
    return pa.concat_arrays(taken)
