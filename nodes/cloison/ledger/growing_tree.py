"""The tree of a log as it grows: entries of the last bundle, hashes, heads of recent sizes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from cloison.ledger import tree
from cloison.ledger.levels import Levels, ReadTile
from cloison.ledger.subset_proof import subset_from
from cloison.ledger.tiles import TILE_WIDTH, Tile, encode_bundle

_CACHED_HEADS = 16


@dataclass(frozen=True, slots=True)
class FilledBundle:
    """A bundle that became full, and the tiles it filled, lower levels first."""

    bundle: bytes
    tiles: Sequence[tuple[Tile, bytes]]


class GrowingTree:
    """In memory: the last, partial bundle, the right edge, some tiles used of late.

    Args:
        read_tile: Reads a full tile that is no longer in memory.
        size: A multiple of 256; these entries all stand in full tiles.
    """

    def __init__(self, read_tile: ReadTile, size: int = 0) -> None:
        self.size = size
        self.tail: list[bytes] = []
        self._levels = Levels.restore(read_tile, size)
        self._heads: OrderedDict[int, tree.EdgeHashes] = OrderedDict()

    def extend(self, entries: Sequence[bytes]) -> list[FilledBundle]:
        """Add entries at the right; what became full."""
        filled: list[FilledBundle] = []
        start = 0
        while start < len(entries):
            chunk = entries[start : start + TILE_WIDTH - len(self.tail)]
            start += len(chunk)
            self.tail.extend(chunk)
            tiles = list(self._levels.extend([tree.leaf_hash(entry) for entry in chunk]))
            if len(self.tail) == TILE_WIDTH:
                filled.append(FilledBundle(encode_bundle(self.tail), tiles))
                self.tail = []
        self.size += len(entries)
        return filled

    def root(self, size: int) -> bytes:
        """The root at `size`, at most this tree's."""
        return tree.root_from_edges(self._edges(size))

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Hashes from leaf to root; `index < size`, at most this tree's."""
        return tree.inclusion_from(self._levels, self._edges(size), index, size)

    def inclusion_proofs(self, first: int, stop: int, size: int) -> list[list[bytes]]:
        """As `inclusion_proof`, of each leaf from `first` to `stop`, the last left out."""
        return tree.inclusions_from(self._levels, self._edges(size), first, stop, size)

    def subset_proof(self, indexes: Sequence[int], size: int) -> list[bytes]:
        """What proves several leaves together; growing, below `size`, at most this tree's."""
        return subset_from(self._levels, self._edges(size), indexes, size)

    def consistency_proof(self, first_size: int, second_size: int) -> list[bytes]:
        """Hashes from one size to another, at most this tree's."""
        edges = self._edges(second_size)
        return tree.consistency_from(self._levels, edges, first_size, second_size)

    def has_tile(self, tile: Tile) -> bool:
        """All hashes of the tile exist."""
        if not (1 <= tile.width <= TILE_WIDTH and tile.level >= 0 and tile.index >= 0):
            return False
        return tile.index * TILE_WIDTH + tile.width <= self.size >> (8 * min(tile.level, 8))

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile that exists."""
        return self._levels.tile(tile)

    def _edges(self, size: int) -> tree.EdgeHashes:
        edges = self._heads.get(size)
        if edges is None:
            edges = self._heads[size] = tree.edge_hashes(self._levels, size)
            if len(self._heads) > _CACHED_HEADS:
                self._heads.popitem(last=False)
        return edges
