"""The RFC 6962 Merkle tree: hashes, roots and proofs, without I/O.

Source: RFC 6962 §2.1; the iterative checks are those of RFC 9162 §2.1.3.2 and §2.1.4.2.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from cloison.errors import IntegrityError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

EdgeHashes = Sequence[bytes | None]


class Nodes(Protocol):
    """Where the hashes of complete subtrees come from: memory, or tiles."""

    def node(self, height: int, index: int) -> bytes:
        """Hash over the entries `[index << height, (index + 1) << height)`, all present."""
        ...  # pragma: no cover - a protocol has no body


class NodeRows(Nodes, Protocol):
    """And many neighbours at once."""

    def row(self, height: int, start: int, stop: int) -> Sequence[bytes]:
        """The hashes of `node` for each index from `start` to `stop`, the last left out."""
        ...  # pragma: no cover - a protocol has no body


class MemoryNodes:
    """Every complete subtree of a small tree, held in memory."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        row = list(leaf_hashes)
        self._rows = [row]
        while len(row) > 1:
            row = pair_hashes(row)
            self._rows.append(row)

    def node(self, height: int, index: int) -> bytes:
        """See `Nodes`."""
        return self._rows[height][index]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def pair_hashes(row: Sequence[bytes]) -> list[bytes]:
    """The next row up: one hash for each complete pair; an odd last hash is left out."""
    return [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(row[::2], row[1::2], strict=False)
    ]


def edge_hashes(nodes: Nodes, size: int) -> EdgeHashes:
    """For each height, the hash over what the last complete subtree of that height leaves over.

    Item `h` covers `[(size >> h) << h, size)` and is None where nothing is left over; the last
    item is the root. With it, every proof in a tree of this size costs look-ups only.
    """
    edge: bytes | None = None
    edges: list[bytes | None] = [None]
    for height in range(size.bit_length()):
        complete = size >> height
        if complete & 1:
            left = nodes.node(height, complete - 1)
            edge = left if edge is None else node_hash(left, edge)
        edges.append(edge)
    return edges


def root_from_edges(edges: EdgeHashes) -> bytes:
    """The root of the tree the edges belong to."""
    root = edges[-1]
    return EMPTY_ROOT if root is None else root


def inclusion_from(nodes: Nodes, edges: EdgeHashes, index: int, size: int) -> list[bytes]:
    """Inclusion hashes from leaf to root; `0 <= index < size`."""
    return _path(nodes, edges, 0, index, size)


def inclusions_from(
    nodes: NodeRows, edges: EdgeHashes, first: int, stop: int, size: int
) -> list[list[bytes]]:
    """As `inclusion_from`, of each leaf from `first` to `stop`, the last left out.

    From the root down, a row of neighbours at a time: what they share is put together once.
    """
    shared = (first ^ (stop - 1)).bit_length()  # from this height up all go one way
    paths = [_path(nodes, edges, shared, first >> shared, size)]
    for height in reversed(range(shared)):
        low, high = first >> height, (stop - 1) >> height
        start, complete = low & ~1, size >> height
        row: list[bytes | None] = [*nodes.row(height, start, min((high | 1) + 1, complete))]
        row += edges[height], None  # the last subtree is not complete, or there is none
        above = low >> 1
        beside = (row[(index ^ 1) - start] for index in range(low, high + 1))
        paths = [
            paths[(index >> 1) - above] if hash_ is None else [hash_, *paths[(index >> 1) - above]]
            for index, hash_ in enumerate(beside, low)
        ]
    return paths


def consistency_from(
    nodes: Nodes, edges: EdgeHashes, first_size: int, second_size: int
) -> list[bytes]:
    """Consistency hashes from `first_size` to `second_size`, the size the edges belong to."""
    if first_size in (0, second_size):
        return []
    height = (first_size & -first_size).bit_length() - 1
    index = (first_size >> height) - 1
    start = [nodes.node(height, index)] if index else []
    return start + _path(nodes, edges, height, index, second_size)


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root of a tree of these leaf hashes."""
    return root_from_edges(edge_hashes(MemoryNodes(leaf_hashes), len(leaf_hashes)))


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """The leaf hash stands at `index` of the tree of `size` leaves with this root.

    Args:
        leaf: A leaf hash (`leaf_hash(entry)`), 32 bytes.
        index: From 0.
        size: Leaves in the tree, at most `MAX_SIZE`.
        path: Hashes from leaf to root, 32 bytes each.
        root: 32 bytes.

    Raises:
        IntegrityError: `BAD_PROOF`: index outside the tree, wrong number or length of hashes,
            or another root.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise _bad_proof("inclusion", f"index `{index}` is outside a tree of `{size}`")
    _check_lengths("inclusion", [leaf, root, *path])
    place, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise _bad_proof("inclusion", "more hashes than the tree is high")
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last or computed != root:
        raise _bad_proof("inclusion", f"the hashes do not lead from leaf `{index}` to the root")


def verify_consistency(
    first_size: int, second_size: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """The tree of `second_size` continues the tree of `first_size`.

    Raises:
        IntegrityError: `BAD_PROOF`: sizes out of order, wrong number or length of hashes, or
            another root.
    """
    if not 0 <= first_size <= second_size <= MAX_SIZE:
        raise _bad_proof("consistency", f"`{first_size}` to `{second_size}`: sizes out of order")
    _check_lengths("consistency", [first_root, second_root, *path])
    if first_size in (0, second_size):
        _verify_trivial(first_size, second_size, path, first_root, second_root)
        return
    hashes = list(path)
    if first_size & (first_size - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes or not _roots_agree(first_size, second_size, hashes, first_root, second_root):
        raise _bad_proof(
            "consistency", f"the tree of `{second_size}` does not continue that of `{first_size}`"
        )


def _path(nodes: Nodes, edges: EdgeHashes, height: int, index: int, size: int) -> list[bytes]:
    hashes = []
    while (size - 1) >> height:
        sibling = _sibling(nodes, edges, height, index, size)
        if sibling is not None:
            hashes.append(sibling)
        index, height = index >> 1, height + 1
    return hashes


def _sibling(nodes: Nodes, edges: EdgeHashes, height: int, index: int, size: int) -> bytes | None:
    """What stands beside a subtree of this height; None where it is the last, and goes up alone."""
    beside, complete = index ^ 1, size >> height
    if beside < complete:
        return nodes.node(height, beside)
    return edges[height] if beside == complete else None


def _roots_agree(
    first_size: int,
    second_size: int,
    hashes: Sequence[bytes],
    first_root: bytes,
    second_root: bytes,
) -> bool:
    place, last = first_size - 1, second_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == first_root and second == second_root


def _verify_trivial(
    first_size: int, second_size: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    if path:
        raise _bad_proof("consistency", "hashes where none belong")
    if first_size == 0 and first_root != EMPTY_ROOT:
        raise _bad_proof("consistency", "the root of the empty tree is wrong")
    if first_size == second_size and first_root != second_root:
        raise _bad_proof("consistency", f"two roots at size `{first_size}`")


def _check_lengths(kind: str, hashes: Sequence[bytes]) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise _bad_proof(kind, f"a hash is not {HASH_BYTES} bytes")


def _bad_proof(kind: str, why: str) -> IntegrityError:
    return IntegrityError("BAD_PROOF", f"{kind} proof: {why}")
