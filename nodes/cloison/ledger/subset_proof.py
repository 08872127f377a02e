"""Several leaves of one tree, proved together: the roots of what stands between them.

A proof of n neighbours costs about log n hashes where n proofs cost n · log n. RFC 6962 has proofs
of one leaf only; this one follows its splits (§2.1), so that a check needs nothing but its two
hashes. Without I/O.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cloison.errors import IntegrityError
from cloison.ledger.tree import HASH_BYTES, MAX_SIZE, EdgeHashes, Nodes, node_hash, pair_hashes


def subset_from(nodes: Nodes, edges: EdgeHashes, indexes: Sequence[int], size: int) -> list[bytes]:
    """The roots of the largest subtrees that hold none of the leaves, from left to right.

    Args:
        nodes: Complete subtrees of the tree.
        edges: Its edge, at `size`.
        indexes: Which leaves, growing, each below `size`; at least one.
        size: Leaves of the tree.
    """
    hashes: list[bytes] = []

    def collect(start: int, end: int) -> None:
        place = bisect_left(indexes, start)
        if place == len(indexes) or indexes[place] >= end:
            hashes.append(_subtree(nodes, edges, start, end))
        elif not _all_given(indexes, place, end - start, end):
            middle = start + _left_size(end - start)
            collect(start, middle)
            collect(middle, end)

    collect(0, size)
    return hashes


def verify_subset(
    leaves: Sequence[bytes], indexes: Sequence[int], size: int, hashes: Sequence[bytes], root: bytes
) -> None:
    """The leaf hashes stand at these places of the tree of `size` leaves with this root.

    Args:
        leaves: Leaf hashes, 32 bytes each, in the order of `indexes`.
        indexes: Where they stand, growing.
        size: Leaves of the tree.
        hashes: As `subset_from` gives them.
        root: Of the tree.

    Raises:
        IntegrityError: `BAD_PROOF`: places out of order or outside the tree, wrong number or
            length of hashes, or another root.
    """
    inside = indexes and indexes[0] >= 0 and indexes[-1] < size <= MAX_SIZE
    growing = all(left < right for left, right in pairwise(indexes))
    if not inside or not growing or len(leaves) != len(indexes):
        raise _bad("places out of order, or outside the tree")
    if not {HASH_BYTES}.issuperset(map(len, (*leaves, *hashes, root))):
        raise _bad(f"a hash is not {HASH_BYTES} bytes")
    given = iter(hashes)
    if _computed(leaves, indexes, 0, size, given) != root or next(given, None) is not None:
        raise _bad("the hashes do not lead from the leaves to the root")


def _computed(
    leaves: Sequence[bytes], indexes: Sequence[int], start: int, end: int, given: Iterator[bytes]
) -> bytes:
    place = bisect_left(indexes, start)
    if place == len(indexes) or indexes[place] >= end:
        known = next(given, None)
        if known is None:
            raise _bad("too few hashes")
        return known
    width = end - start
    if width & (width - 1) == 0 and _all_given(indexes, place, width, end):
        return _root(leaves[place : place + width])
    middle = start + _left_size(width)
    left = _computed(leaves, indexes, start, middle, given)
    return node_hash(left, _computed(leaves, indexes, middle, end, given))


def _all_given(indexes: Sequence[int], place: int, width: int, end: int) -> bool:
    """Whether the leaves from this place on fill a subtree up to `end`; `indexes` grow."""
    last = place + width - 1
    return last < len(indexes) and indexes[last] == end - 1


def _root(row: Sequence[bytes]) -> bytes:
    """Of a complete subtree: as many leaves as a power of two."""
    while len(row) > 1:
        row = pair_hashes(row)
    return row[0]


def _subtree(nodes: Nodes, edges: EdgeHashes, start: int, end: int) -> bytes:
    width = end - start
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        return nodes.node(height, start >> height)
    edge = edges[width.bit_length()]
    if edge is None:
        raise _bad("a subtree is not in the tree")
    return edge


def _left_size(width: int) -> int:
    """The largest power of two below `width`, which is at least 2 (RFC 6962 §2.1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _bad(why: str) -> IntegrityError:
    return IntegrityError("BAD_PROOF", f"subset proof: {why}")
