"""The map of a day: under which keys its entries stand, sorted, in a tree whose root is entered.

A row is key (32 bytes) ‖ how many entries ‖ SHA-256 of their indexes, numbers 8 bytes big-endian;
the tree over the rows is that of RFC 6962. Rows are in strict order of their keys, so a proof of
one key shows the rows on both sides as well: neither a missing key nor a second row of the same
key passes. Pure; the same entries give the same bytes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Protocol

from cloison.errors import IntegrityError
from cloison.ledger.tree import (
    HASH_BYTES,
    MAX_SIZE,
    EdgeHashes,
    MemoryNodes,
    Nodes,
    edge_hashes,
    inclusion_from,
    leaf_hash,
    root_from_edges,
    verify_inclusion,
)

KEY_BYTES = HASH_BYTES
_NUMBER_BYTES = 8
ROW_BYTES = KEY_BYTES + _NUMBER_BYTES + HASH_BYTES


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a day."""

    key: bytes
    count: int
    indexes_hash: bytes

    def encode(self) -> bytes:
        """The row's bytes, a leaf of the tree."""
        return self.key + self.count.to_bytes(_NUMBER_BYTES, "big") + self.indexes_hash


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A row and its inclusion hashes, from leaf to root."""

    row: Row
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RowsProof:
    """Up to three rows that follow each other: what stands at a key's place, and around it.

    Attributes:
        first: Place of the first row in the map, from 0.
    """

    first: int
    rows: tuple[ProvedRow, ...]


class Rows(Protocol):
    """The rows of a map and its inner hashes: in memory, or in a file."""

    @property
    def size(self) -> int:
        """How many rows."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def nodes(self) -> Nodes:
        """The hashes of complete subtrees."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def edges(self) -> EdgeHashes:
        """Of the tree over the rows, at its size."""
        ...  # pragma: no cover - a protocol has no body

    def row(self, place: int) -> Row:
        """The row at a place, from 0."""
        ...  # pragma: no cover - a protocol has no body


class DayMap:
    """A whole map in memory.

    Args:
        indexes: The entries found under each key, each once, in growing order.
    """

    def __init__(self, indexes: Mapping[bytes, Sequence[int]]) -> None:
        self.rows = [
            Row(key, len(indexes[key]), hash_indexes(indexes[key])) for key in sorted(indexes)
        ]
        self.size = len(self.rows)
        self.nodes = MemoryNodes([leaf_hash(row.encode()) for row in self.rows])
        self.edges = edge_hashes(self.nodes, self.size)

    @property
    def root(self) -> bytes:
        """The root that is entered."""
        return root_from_edges(self.edges)

    def row(self, place: int) -> Row:
        """See `Rows`."""
        return self.rows[place]


def gather(entries: Iterable[tuple[int, Iterable[bytes]]]) -> dict[bytes, list[int]]:
    """The indexes of each key, of entries in growing order; a key twice in one counts once."""
    found: dict[bytes, list[int]] = {}
    for index, keys in entries:
        for key in keys:
            indexes = found.setdefault(key, [])
            if not indexes or indexes[-1] != index:
                indexes.append(index)
    return found


def hash_indexes(indexes: Iterable[int]) -> bytes:
    """SHA-256 of the indexes, 8 bytes big-endian each, in order."""
    return sha256(b"".join(index.to_bytes(_NUMBER_BYTES, "big") for index in indexes)).digest()


def parse_row(data: bytes) -> Row:
    """A row's bytes. Raises `IntegrityError` (`BAD_DAY_MAP`)."""
    if len(data) != ROW_BYTES:
        raise _bad(f"a row of {len(data)} bytes, not {ROW_BYTES}")
    count = int.from_bytes(data[KEY_BYTES:-HASH_BYTES], "big")
    if count < 1:
        raise _bad("a row of no entry")
    return Row(data[:KEY_BYTES], count, data[-HASH_BYTES:])


def find_row(rows: Rows, key: bytes) -> tuple[int, Row | None]:
    """Where a key's row is, or would be; and the row, if there is one."""
    place = bisect_left(range(rows.size), key, key=lambda at: rows.row(at).key)
    found = rows.row(place) if place < rows.size else None
    return place, found if found is not None and found.key == key else None


def prove_key(rows: Rows, key: bytes) -> RowsProof:
    """Shows how often a key stands in a map, or that it does not."""
    place, found = find_row(rows, key)
    first = max(place - 1, 0)
    last = min(place + (1 if found else 0), rows.size - 1)
    return RowsProof(
        first,
        tuple(
            ProvedRow(rows.row(at), tuple(inclusion_from(rows.nodes, rows.edges, at, rows.size)))
            for at in range(first, last + 1)
        ),
    )


def verify_key(proof: RowsProof, key: bytes, size: int, root: bytes) -> Row | None:
    """The one row of a key in the map of this size and root; None: it is proved to have none.

    Raises:
        IntegrityError: `BAD_PROOF`: a row is not in the tree; `BAD_DAY_MAP`: rows out of order,
            two of one key, or not those around the key.
    """
    if not 0 <= size <= MAX_SIZE or len(key) != KEY_BYTES:
        raise _bad("no such map or key")
    if size == 0:
        if proof.rows or root != root_from_edges([None]):
            raise _bad("rows in an empty map")
        return None
    for place, proved in enumerate(proof.rows, proof.first):
        verify_inclusion(leaf_hash(proved.row.encode()), place, size, proved.path, root)
    keys = [proved.row.key for proved in proof.rows]
    if not keys or any(left >= right for left, right in pairwise(keys)):
        raise _bad("rows out of order, or two of one key")
    before = sum(one < key for one in keys)
    after = sum(one > key for one in keys)
    # Nothing is hidden at either side: a neighbour is shown, or the map begins or ends there.
    if not before and proof.first != 0:
        raise _bad("the row before the key is not shown")
    if not after and proof.first + len(keys) != size:
        raise _bad("the row after the key is not shown")
    return next((one.row for one in proof.rows if one.row.key == key), None)


def _bad(why: str) -> IntegrityError:
    return IntegrityError("BAD_DAY_MAP", f"day map: {why}")
