"""A whole tree at once: its proofs from its leaf hashes, its tiles from its size."""

from collections.abc import Iterator, Sequence

from cloison.ledger.tiles import TILE_WIDTH, Tile
from cloison.ledger.tree import MemoryNodes, consistency_from, edge_hashes, inclusion_from


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Inclusion hashes, leaf to root, of leaf `index` (from 0) in a tree of these leaf hashes."""
    nodes = MemoryNodes(leaf_hashes)
    size = len(leaf_hashes)
    return inclusion_from(nodes, edge_hashes(nodes, size), index, size)


def consistency_path(leaf_hashes: Sequence[bytes], first_size: int) -> list[bytes]:
    """Consistency hashes from the first `first_size` of these leaf hashes to all of them."""
    nodes = MemoryNodes(leaf_hashes)
    size = len(leaf_hashes)
    return consistency_from(nodes, edge_hashes(nodes, size), first_size, size)


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of this size, by level and index; a partial one ends its level."""
    level, hashes = 0, size
    while hashes:
        full, width = divmod(hashes, TILE_WIDTH)
        yield from (Tile(level, index) for index in range(full))
        if width:
            yield Tile(level, full, width)
        level, hashes = level + 1, full
