"""Rows as small integers: a number a person, a code a cell; nothing is counted or bounded here.

Two names of one person are never told apart, and two persons never get one number (`numbering`): so
what one person moves is the same before and after.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloison.statistics.cube import Axis, Cube
from cloison.statistics.held import Held, HeldPeriod
from cloison.statistics.numbering import (
    BATCH_ROWS,
    KEY_BYTES,
    Keys,
    Numbers,
    changes,
    find,
    joined,
    keys_at,
    number,
)
from cloison.statistics.table import Table

SUBJECT, CORRECTED = "_subject", "_corrected"
"""Columns every dataset has: the person's keyed hash; that the row holds no values."""
PERSON, CELL, CENTS = "_person", "_cell", "_cents"
"""Columns of lines: a number from 0, the code of a cell from 0 (-1: none), an amount."""
BLOCK, CELLS = "_block", "_cells"
"""Columns of words: a number of some persons in a row, and of each of them a bit a cell."""
_THREADS = 2
_WORD_BITS = 62
"""Of a 64-bit integer, so many are used: shifts reach neither the sign nor an engine's check."""
_NONE = np.int32((1 << 31) - 1)
_Words = npt.NDArray[np.int64]


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
class Packing:
    """How persons share a word: 2 ** `shift` of them, each in `width` bits of their own."""

    shift: int
    width: int

    @property
    def places(self) -> range:
        """Where the bits of each person of a block begin."""
        return range(0, self.width << self.shift, self.width)

    def bits(self) -> _Words:
        """Of each place of a block, the word with nothing in it, then with each of its cells."""
        shifts = np.array(self.places, np.int64)[:, None] + np.arange(self.width)
        return np.pad(np.int64(1) << shifts, ((0, 0), (1, 0)))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of one file, or those beside one.

    Attributes:
        keys: Of each run of one person's rows, the person.
        run: Of each row, its run.
        codes: Of each row, its cell.
        cents: Of each row, its amount.
    """

    keys: Keys
    run: Numbers
    codes: Numbers
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


def traits_of(table: Table) -> dict[str, str]:
    """Of each other dataset that the table reads, the column its codes are in."""
    others = [name for name in table.reads() if name != table.dataset]
    return {name: f"trait_{place}" for place, name in enumerate(others)}


def packing_of(table: Table, cube: Cube) -> Packing | None:
    """How words are shared, where a person's cells fit into one; None: lines, and for amounts."""
    own = columns_of(table, cube, table.dataset)
    others = [columns_of(table, cube, name).cells for name in traits_of(table)]
    width = max(own.cells, *((cells + 1).bit_length() for cells in others), 1)
    if own.amount is not None or width > _WORD_BITS:
        return None
    return Packing((_WORD_BITS // width).bit_length() - 1, width)


def encode(table: Table, cube: Cube, held: Held) -> pa.Table:
    """The rows that are counted, as integers, with each person's traits beside them.

    A trait is the least of the codes that the person's rows in another dataset have.

    Shape:
        Lines, a row each: `PERSON`, `CELL`, `CENTS` (null: not stated) where an amount is read, and
        a trait's code (-1: none) in each column of `traits_of`. Words, where `packing_of` says so:
        `BLOCK`, `CELLS`, and a word a trait, where each person has their code and one more (0:
        none); a block has one row or several.
    """
    chosen = {name: columns_of(table, cube, name) for name in table.reads()}
    with ThreadPoolExecutor(_THREADS) as pool:
        begun = {
            name: [pool.submit(_part, columns, *some) for some in _shares(columns, held[name])]
            for name, columns in chosen.items()
        }
        parts = {name: [one.result() for one in some] for name, some in begun.items()}
        own = parts.pop(table.dataset)
        keys, places = number(joined([part.keys for part in own]))
        persons = _of_rows(own, places)
        traits = {
            column: _one_each(keys, parts[name], pool) for name, column in traits_of(table).items()
        }
        packing = packing_of(table, cube)
        if packing is not None:
            return _words(packing, own, persons, traits, pool)
    return _lines(own, persons, traits, chosen[table.dataset].amount)


def _of_rows(parts: Sequence[_Part], places: Numbers) -> list[Numbers]:
    """Of each row of each part, its person."""
    ends = np.cumsum([0, *(len(part.keys) for part in parts)])
    found = []
    for part, (begin, end) in zip(parts, pairwise(ends), strict=True):
        mine = places[begin:end]
        # Runs that are each another person, in order, are numbered already.
        plain = (
            len(mine) and mine[-1] - mine[0] == len(mine) - 1 and bool((np.diff(mine) > 0).all())
        )
        found.append(part.run + mine[0] if plain else mine[part.run])
    return found


def _lines(
    parts: Sequence[_Part],
    persons: Sequence[Numbers],
    traits: dict[str, Numbers],
    amount: str | None,
) -> pa.Table:
    none = np.zeros(0, np.int32)
    person = np.concatenate([none, *persons])
    made = {
        PERSON: pa.array(person),
        CELL: pa.array(np.concatenate([none, *(part.codes for part in parts)])),
    }
    if amount is not None:
        made[CENTS] = pa.chunked_array([one for part in parts for one in part.cents], pa.int64())
    return pa.table(made | {column: pa.array(codes[person]) for column, codes in traits.items()})


def _words(
    packing: Packing,
    parts: Sequence[_Part],
    persons: Sequence[Numbers],
    traits: dict[str, Numbers],
    pool: ThreadPoolExecutor,
) -> pa.Table:
    """Of each block of persons, its words."""
    found = pool.map(lambda part, person: _packed(packing, part, person), parts, persons)
    packed = list(chain.from_iterable(found))
    block = np.concatenate([np.zeros(0, np.int32), *(one for one, _ in packed)])
    cells = np.concatenate([np.zeros(0, np.int64), *(one for _, one in packed)])
    words = {column: _trait_words(packing, codes)[block] for column, codes in traits.items()}
    return pa.table({BLOCK: block, CELLS: cells, **words})


def _packed(packing: Packing, part: _Part, persons: Numbers) -> list[tuple[Numbers, _Words]]:
    """The blocks of a part's rows, in the order they come in, each with a bit a cell."""
    packed = []
    words = packing.bits()
    each, wide = words.shape
    for start in range(0, len(persons), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        person, codes = persons[some], part.codes[some]
        at = (person & np.int32(each - 1)) * np.int32(wide)
        at += codes + np.int32(1)
        block = person >> packing.shift
        begin = np.ones(len(block), np.bool_)
        np.not_equal(block[1:], block[:-1], out=begin[1:])
        begins = np.flatnonzero(begin)
        packed.append((block[begins], np.bitwise_or.reduceat(words.reshape(-1)[at], begins)))
    return packed


def _trait_words(packing: Packing, codes: Numbers) -> _Words:
    """Of each block, the codes of its persons and one more, side by side."""
    each = 1 << packing.shift
    blocks = np.zeros((-(-len(codes) // each), each), np.int64)
    blocks.reshape(-1)[: len(codes)] = codes + 1
    blocks <<= np.array(packing.places, np.int64)
    words: _Words = np.bitwise_or.reduce(blocks, axis=1)
    return words


def _one_each(persons: Keys, parts: Sequence[_Part], pool: ThreadPoolExecutor) -> Numbers:
    """Of each person that counts the least of their codes; -1 for who has none."""
    theirs, places = number(joined([part.keys for part in parts]))
    least = np.full(len(theirs) + 1, _NONE, np.int32)
    rows = _of_rows(parts, places)
    alone = sum(map(len, rows)) == len(theirs)
    for part, mine in zip(parts, rows, strict=True):
        codes = np.where(part.codes < 0, _NONE, part.codes)
        if alone:  # a row a person: nothing to be least of
            least[mine] = codes
        else:
            np.minimum.at(least, mine, codes)
    least[least == _NONE] = -1
    half = -(-len(persons) // _THREADS) or 1
    halves = [slice(begin, begin + half) for begin in range(0, len(persons), half)]
    # Who is not found is at -1: the place behind the last, which has no code.
    found = pool.map(lambda some: least[find(theirs, persons.at(some))], halves)
    return np.concatenate([np.zeros(0, np.int32), *found])


_Share = tuple[Iterable[pa.RecordBatch], int]


def _shares(columns: Columns, periods: Sequence[HeldPeriod]) -> Iterator[_Share]:
    """What is held, in pieces of about equal work: batches, and how many rows there are at most."""
    amount = () if columns.amount is None else (columns.amount,)
    names = list(dict.fromkeys([SUBJECT, CORRECTED, *columns.fields, *amount]))
    for one in periods:
        if one.file is not None:
            with pq.ParquetFile(one.file) as file:
                sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            half = -(-len(sizes) // _THREADS)
            for begin in range(0, len(sizes), half or 1):
                groups = range(len(sizes))[begin : begin + half]
                batches = _read(one, groups, names, columns.fields)
                yield batches, sum(sizes[group] for group in groups)
        if one.rows is not None:
            yield one.rows.select(names).to_batches(), len(one.rows)


def _read(
    period: HeldPeriod, groups: Sequence[int], names: Sequence[str], texts: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Rows of those who did not change since the file was written."""
    gone = pa.array(period.changed, pa.binary(KEY_BYTES))
    with pq.ParquetFile(period.file, read_dictionary=list(texts)) as file:
        for batch in file.iter_batches(BATCH_ROWS, list(groups), list(names), use_threads=False):
            kept = pc.invert(pc.is_in(batch[SUBJECT], value_set=gone)) if period.changed else None
            yield batch if kept is None else batch.filter(kept)


def _part(columns: Columns, batches: Iterable[pa.RecordBatch], most_rows: int) -> _Part:
    """Batch by batch, so that what is read stays near the processor."""
    keys = Keys(np.empty(most_rows, np.uint64), np.empty(most_rows, np.uint64))
    run, codes = np.empty(most_rows, np.int32), np.empty(most_rows, np.int32)
    cents, rows, runs = [], 0, 0
    for batch in batches:
        if not len(batch):
            continue
        first = changes(batch[SUBJECT])
        begins = keys_at(batch[SUBJECT], np.flatnonzero(first))
        if runs and (keys.high[runs - 1], keys.low[runs - 1]) == (begins.high[0], begins.low[0]):
            first[0], begins = False, begins.at(slice(1, None))
        end, begun = rows + len(batch), len(begins)
        np.cumsum(first, out=run[rows:end], dtype=np.int32)
        run[rows:end] += runs - 1
        keys.high[runs : runs + begun], keys.low[runs : runs + begun] = begins.high, begins.low
        codes[rows:end] = _codes_of(columns, batch)
        if columns.amount is not None:
            cents.append(batch[columns.amount].cast(pa.int64()))
        rows, runs = end, runs + begun
    return _Part(keys.at(slice(runs)), run[:rows], codes[:rows], cents)


def _codes_of(columns: Columns, batch: pa.RecordBatch) -> Numbers:
    """Each row's cell; -1 where it is in none, or was withdrawn."""
    codes = np.zeros(len(batch), np.int32)
    for place, (name, axis) in enumerate(zip(columns.fields, columns.axes, strict=True)):
        code = _codes(batch[name], axis)
        if place:
            code = np.where((codes < 0) | (code < 0), -1, codes * len(axis.keys) + code)
        codes = code
    if pc.any(batch[CORRECTED]).as_py():
        codes[np.asarray(batch[CORRECTED].to_numpy(zero_copy_only=False), np.bool_)] = -1
    return codes.astype(np.int32)


def _codes(column: pa.Array, axis: Axis) -> Numbers:
    """Of each value its place among the keys; -1 where it is none of them, or not stated."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    places = {key: place for place, key in enumerate(axis.keys)}
    known = [places.get(str(value), -1) for value in column.dictionary.to_pylist()]
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(known))
    codes: Numbers = np.array([*known, -1], np.int32)[indices.to_numpy()]
    return codes
