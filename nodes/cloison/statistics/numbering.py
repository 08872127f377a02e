"""Persons as numbers from 0, in the order of their keys: two never get one, and none gets two.

Files are in the order of persons, which is why numbering them is a merge; rows in another order
cost a sort.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

KEY_BYTES = 16
BATCH_ROWS = 1 << 16
"""So many rows at a time stay near the processor."""
Numbers = npt.NDArray[np.int32]
_Halves = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Keys:
    """Persons' keys, each as two numbers."""

    high: _Halves
    low: _Halves

    def __len__(self) -> int:
        return len(self.high)

    def at(self, places: Any) -> "Keys":
        """Those at some places."""
        return Keys(self.high[places], self.low[places])

    def changes(self) -> npt.NDArray[np.bool_]:
        """Where another person begins than stands before; the first one does."""
        first = np.ones(len(self), np.bool_)
        first[1:] = (self.high[1:] != self.high[:-1]) | (self.low[1:] != self.low[:-1])
        return first

    def in_order(self) -> bool:
        """Whether none is less than the one before."""
        more = self.high[1:] >= self.high[:-1]
        if not more.all():
            return False
        same = np.flatnonzero(self.high[1:] == self.high[:-1])
        return bool((self.low[1:][same] >= self.low[:-1][same]).all())


def changes(subjects: pa.Array) -> npt.NDArray[np.bool_]:
    """Of each row, whether it is of another person than the one before; the first is."""
    halves = _halves(subjects)
    first = np.ones(len(halves), np.bool_)
    # Both halves at once: two truth values are one number of 16 bits.
    differ = (halves[1:] != halves[:-1]).view(np.uint16)
    np.not_equal(differ.reshape(-1), 0, out=first[1:])
    return first


def keys_at(subjects: pa.Array, places: npt.NDArray[np.int64]) -> Keys:
    """The keys of some rows, in the order that their bytes have."""
    # `take` moves whole rows, in a fifth of the time of an index.
    halves = np.take(_halves(subjects), places, axis=0).view(">u8")
    return Keys(halves[:, 0], halves[:, 1])


def _halves(subjects: pa.Array) -> _Halves:
    """Each row's key as two numbers, in this machine's order of bytes."""
    fixed = subjects.cast(pa.binary(KEY_BYTES))
    start = fixed.offset * KEY_BYTES
    flat = np.frombuffer(fixed.buffers()[1] or b"", np.uint8)
    return flat[start : start + len(fixed) * KEY_BYTES].view(np.uint64).reshape(-1, 2)


def joined(parts: Sequence[Keys]) -> Keys:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    none = np.zeros(0, np.uint64)
    return Keys(
        np.concatenate([none, *(part.high for part in parts)]),
        np.concatenate([none, *(part.low for part in parts)]),
    )


def number(keys: Keys) -> tuple[Keys, Numbers]:
    """The persons in order, each once, and of each of the keys its person's place."""
    order = None
    if not keys.in_order():
        order = np.argsort(keys.high, kind="stable")  # runs in order already are only merged
        if not keys.at(order).in_order():
            order = np.lexsort((keys.low, keys.high))
        keys = keys.at(order)
    first = keys.changes()
    places = np.cumsum(first, dtype=np.int32) - np.int32(1)
    if order is not None:
        sorted_places, places = places, np.empty(len(order), np.int32)
        places[order] = sorted_places
    return (keys if first.all() else keys.at(first)), places


def find(persons: Keys, keys: Keys) -> Numbers:
    """The place of each key among persons, both in order; -1 where it is none of them."""
    found = np.empty(len(keys), np.int32)
    for start in range(0, len(keys), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        batch = keys.at(some)
        # A batch is found among as many neighbours, near the processor.
        begin = int(np.searchsorted(persons.high, batch.high[0]))
        end = int(np.searchsorted(persons.high, batch.high[-1], "right"))
        place = _find_near(persons.at(slice(begin, end)), batch)
        found[some] = np.where(place < 0, -1, place + begin)
    return found


def _less(numbers: _Halves, than: _Halves) -> npt.NDArray[np.int64]:
    """How many of some numbers are less than each of others, both in order.

    A stable sort merges what is in order: less than half the time of as many searches.
    """
    order = np.argsort(np.concatenate([than, numbers]), kind="stable")
    return np.flatnonzero(order < len(than)) - np.arange(len(than))


def _find_near(persons: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    if not len(persons):
        return np.full(len(keys), -1)
    last = len(persons) - 1
    place = np.minimum(_less(persons.high, keys.high), last)
    # Two keys may begin alike: those not found at the first of them look at the next.
    behind = (persons.high[place] == keys.high) & (persons.low[place] < keys.low)
    wrong = np.flatnonzero(behind & (place < last))
    while len(wrong):
        place[wrong] += 1
        at = place[wrong]
        behind = (persons.high[at] == keys.high[wrong]) & (persons.low[at] < keys.low[wrong])
        wrong = wrong[behind & (at < last)]
    same = (persons.high[place] == keys.high) & (persons.low[place] == keys.low)
    return np.where(same, place, -1)
