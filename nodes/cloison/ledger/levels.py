"""The tree's hashes by tile: the growing right edge in memory, full tiles read back when asked.

Memory is the right edge (at most one tile a level, inner hashes included) and the tiles last
used: some megabytes, whatever the size of the log. Proofs of fresh entries touch memory only.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from cloison.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Tile
from cloison.ledger.tree import HASH_BYTES, pair_hashes

_CACHED_TILES = 128

ReadTile = Callable[[Tile], bytes]


class Rows:
    """A tile's hashes and the hashes above them, up to its root once it is full."""

    def __init__(self, index: int, hashes: Sequence[bytes] = ()) -> None:
        self.index = index
        self.rows: list[list[bytes]] = [[] for _ in range(TILE_HEIGHT + 1)]
        self.extend(hashes)

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Add hashes at the right; never more than the tile has room for."""
        self.rows[0].extend(hashes)
        for lower, upper in zip(self.rows, self.rows[1:], strict=False):
            upper.extend(pair_hashes(lower[2 * len(upper) :]))

    @property
    def width(self) -> int:
        """Hashes in the tile, 0 to 256."""
        return len(self.rows[0])

    @property
    def root(self) -> bytes:
        """The root of a full tile."""
        return self.rows[TILE_HEIGHT][0]


class Levels:
    """Every complete subtree of a growing tree (`tree.Nodes`).

    Args:
        read_tile: Reads a full tile that is no longer in memory.
    """

    def __init__(self, read_tile: ReadTile) -> None:
        self._read_tile = read_tile
        self._edges: list[Rows] = []
        self._cache: OrderedDict[tuple[int, int], Rows] = OrderedDict()

    @classmethod
    def restore(cls, read_tile: ReadTile, size: int) -> Self:
        """The levels of a tree whose `size`, a multiple of 256, entries are all in full tiles."""
        levels = cls(read_tile)
        hashes = size
        while hashes:
            index, width = divmod(hashes, TILE_WIDTH)
            below = len(levels._edges) - 1
            first = index * TILE_WIDTH
            roots = [levels._load(below, first + place).root for place in range(width)]
            levels._edges.append(Rows(index, roots))
            hashes = index
        return levels

    def extend(self, leaf_hashes: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        """Add leaf hashes; yields each tile that became full, with its bytes, lower levels first.

        The caller must exhaust it.
        """
        return self._extend(0, leaf_hashes)

    def node(self, height: int, index: int) -> bytes:
        """Hash over the entries `[index << height, (index + 1) << height)`, all present."""
        level, row = divmod(height, TILE_HEIGHT)
        tile = index >> (TILE_HEIGHT - row)
        rows = self._rows(level, tile)
        return rows.rows[row][index - (tile << (TILE_HEIGHT - row))]

    def row(self, height: int, start: int, stop: int) -> list[bytes]:
        """The hashes of `node` for each index from `start` to `stop`, the last left out."""
        level, row = divmod(height, TILE_HEIGHT)
        wide = TILE_HEIGHT - row
        found: list[bytes] = []
        while (at := start + len(found)) < stop:
            tile = at >> wide
            first = tile << wide
            found += self._rows(level, tile).rows[row][at - first : stop - first]
        return found

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile of any width the tree has reached."""
        return b"".join(self._rows(tile.level, tile.index).rows[0][: tile.width])

    def _extend(self, level: int, hashes: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        if level == len(self._edges):
            self._edges.append(Rows(0))
        start = 0
        while start < len(hashes):
            edge = self._edges[level]
            room = TILE_WIDTH - edge.width
            edge.extend(hashes[start : start + room])
            start += room
            if edge.width == TILE_WIDTH:
                self._edges[level] = Rows(edge.index + 1)
                self._remember(level, edge)
                yield Tile(level, edge.index), b"".join(edge.rows[0])
                yield from self._extend(level + 1, [edge.root])

    def _rows(self, level: int, index: int) -> Rows:
        if level < len(self._edges) and self._edges[level].index == index:
            return self._edges[level]
        cached = self._cache.get((level, index))
        if cached is None:
            return self._load(level, index)
        self._cache.move_to_end((level, index))
        return cached

    def _load(self, level: int, index: int) -> Rows:
        data = self._read_tile(Tile(level, index))
        hashes = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
        rows = Rows(index, hashes)
        self._remember(level, rows)
        return rows

    def _remember(self, level: int, rows: Rows) -> None:
        self._cache[level, rows.index] = rows
        if len(self._cache) > _CACHED_TILES:
            self._cache.popitem(last=False)
