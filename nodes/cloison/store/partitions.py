"""Files in memory: whose rows stand where, and the columns asked so far.

A file's rows are sorted by row key; a person is found by the first eight bytes of theirs, then held
against all sixteen. Memory: 20 bytes a person, and a row 4 for its version, 8 or 1 a number or
truth value (1 more where some are not stated), and for a text its length and 8.
"""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloison.store.arrays import Mask, Numbers, to_arrow, to_numpy, to_truths
from cloison.store.column_files import (
    CORRECTED,
    SUBJECT,
    check_file,
    damaged,
    fixed_bytes,
    read_file,
)
from cloison.store.manifest import IDENTITIES, PeriodFile, Place
from cloison.store.many import Bytes, Halves, key_halves

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Where the rows of each person asked are: `count` rows from `first` on.

    Attributes:
        held: Something stands of the person, be it that a correction is awaited.
        corrected: A correction is awaited.
    """

    first: Places
    count: Places
    held: Mask
    corrected: Mask


class Partition:
    """One file. Rows whose content is awaited have no place among the values.

    Args:
        path: The file.
        known: What the manifest says of it.
        awaits: Whether such rows can be: of records, not of identities.

    Raises:
        StorageError: `COLUMNS_DAMAGED`: as each column that is read for the first time.
    """

    def __init__(self, path: Path, known: PeriodFile, *, awaits: bool) -> None:
        check_file(path, known)
        self._path = path
        self._rows = known.rows
        table = read_file(path, (SUBJECT, CORRECTED) if awaits else (SUBJECT,))
        self._keys, self._rest, persons = _persons(
            *key_halves(fixed_bytes(table[SUBJECT].combine_chunks()))
        )
        awaited = (
            to_truths(table[CORRECTED].combine_chunks())
            if awaits
            else np.zeros(len(table), np.bool_)
        )
        self._shown = None if not awaited.any() else ~awaited
        self._starts = _starts(persons, len(self._keys), self._shown)
        self._corrected = np.bincount(persons, awaited, len(self._keys)).astype(np.bool_)
        self._numbers: dict[str, tuple[Numbers, Mask | None]] = {}
        self._texts: dict[str, pa.Array | None] = {}
        self.held_bytes = self._keys.nbytes * 2 + self._starts.nbytes + self._corrected.nbytes

    def find(self, first: Halves, rest: Halves) -> Found:
        """Where the rows of persons are, given the halves of their row keys."""
        last = len(self._keys) - 1
        if last < 0:
            none = np.zeros(len(first), np.int64)
            return Found(none, none, none.astype(np.bool_), none.astype(np.bool_))
        place = np.searchsorted(self._keys, first)
        np.minimum(place, last, out=place)
        held = (self._keys[place] == first) & (self._rest[place] == rest)
        # Two keys may begin alike: those not found at the first of them look at the next.
        open_places = np.flatnonzero(~held & (self._keys[place] == first) & (place < last))
        while len(open_places):
            place[open_places] += 1
            at = place[open_places]
            alike = self._keys[at] == first[open_places]
            held[open_places] = alike & (self._rest[at] == rest[open_places])
            open_places = open_places[alike & ~held[open_places] & (at < last)]
        begin = self._starts[place].astype(np.int64)
        count = np.where(held, self._starts[place + 1] - begin, 0)
        return Found(begin, count, held, held & self._corrected[place])

    def numbers(self, name: str) -> tuple[Numbers, Mask | None]:
        """A column of numbers or truth values, and which are stated: None where all are."""
        if name not in self._numbers:
            column = self._column(name)
            stated = None if column.null_count == 0 else to_truths(column.is_valid())
            values = to_numpy(column)
            self._numbers[name] = values, stated
            self.held_bytes += values.nbytes + (0 if stated is None else stated.nbytes)
        return self._numbers[name]

    def texts(self, name: str) -> pa.Array | None:
        """A column of texts or bytes; None where none is stated."""
        if name not in self._texts:
            column = self._column(name)
            kept = None if column.null_count == len(column) else column
            self._texts[name] = kept
            self.held_bytes += 0 if kept is None else kept.nbytes
        return self._texts[name]

    def fixed(self, name: str) -> Bytes:
        """A column of as many bytes a row, shape (rows, bytes)."""
        if name not in self._numbers:
            values = fixed_bytes(self._read(name).combine_chunks())
            self._numbers[name] = values, None
            self.held_bytes += values.nbytes
        return self._numbers[name][0].view(np.uint8)

    def _read(self, name: str) -> pa.ChunkedArray:
        column = read_file(self._path, (name,))[name]
        if len(column) != self._rows:
            raise damaged(self._path, "not as it was written")
        return column

    def _column(self, name: str) -> pa.Array:
        column = self._read(name)
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            # Long offsets: a country's sources are more than two gigabytes.
            long = pa.large_string() if pa.types.is_string(column.type) else pa.large_binary()
            column = column.cast(long)
        whole = column.combine_chunks()
        return whole if self._shown is None else whole.filter(to_arrow(self._shown))


def _persons(first: Halves, rest: Halves) -> tuple[Halves, Halves, Places]:
    """Each person's key once, and of each row whose it is."""
    new = np.ones(len(first), np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (rest[1:] != rest[:-1])
    return first[new], rest[new], np.cumsum(new) - 1


def _starts(persons: Places, count: int, shown: Mask | None) -> npt.NDArray[np.uint32]:
    """Where each person's rows begin among those shown; one more for the end."""
    rows = np.bincount(persons if shown is None else persons[shown], minlength=count)
    return np.concatenate(([0], np.cumsum(rows))).astype(np.uint32)


class PartitionCache:
    """Partitions of the files that count, while there is room.

    Args:
        folder: Where the files are.
        most_bytes: Those used longest ago go when more is held.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._held: OrderedDict[Place, tuple[str, Partition]] = OrderedDict()

    def get(self, dataset: int, known: PeriodFile) -> Partition | None:
        """The partition of a period; None where its file has no row.

        Raises:
            StorageError: `COLUMNS_DAMAGED`.
        """
        place = dataset, known.period
        if known.file is None:
            self._held.pop(place, None)
            return None
        name, partition = self._held.get(place, ("", None))
        if partition is None or name != known.file:
            path = self._folder / known.file
            partition = Partition(path, known, awaits=dataset != IDENTITIES)
            self._held[place] = known.file, partition
        self._held.move_to_end(place)
        return partition

    def make_room(self, used: int) -> None:
        """Lets go of what was used longest ago, but not of the last `used`."""
        held = sum(partition.held_bytes for _, partition in self._held.values())
        while held > self._most_bytes and len(self._held) > used:
            _, (_, oldest) = self._held.popitem(last=False)
            held -= oldest.held_bytes
