"""One pass over all entries of a ledger: tiles are compared as they fill, heads as reached."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.ledger.checkpoint import Checkpoint
from cloison.ledger.files import guard_reads
from cloison.ledger.levels import Levels
from cloison.ledger.tiles import TILE_BYTES, TILE_WIDTH, Tile
from cloison.ledger.tree import HASH_BYTES, edge_hashes, leaf_hash, root_from_edges

Tell = Callable[[CloisonError], None]
"""Given each thing that does not agree; raises it, or keeps it and lets the pass go on."""
See = Callable[[int, bytes], None]
"""Given the index and the bytes of each entry, in order."""


def raise_first(error: CloisonError) -> NoReturn:
    """The `Tell` of who wants to know whether all agrees."""
    raise error


def look_away(_index: int, _entry: bytes) -> None:
    """The `See` of who wants no entry."""


class Bundles(Protocol):
    """The entries of a ledger, 256 at a time; those of the last bundle may be fewer."""

    size: int
    minimum: int
    settled_size: int

    def bundle(self, index: int) -> Sequence[bytes]:
        """The entries of a bundle. Raises `StorageError`, `IntegrityError`."""


class Walk:
    """The pass. Where a bundle cannot be read, it goes on with the hashes its tile holds."""

    def __init__(
        self,
        directory: Path,
        bundles: Bundles,
        heads: Sequence[tuple[str, Checkpoint]],
        tell: Tell,
        see: See,
    ) -> None:
        self._directory = directory
        self._bundles = bundles
        self._tell = tell
        self._see = see
        self._heads: dict[int, list[tuple[str, bytes]]] = {}
        for name, head in heads:
            self._heads.setdefault(head.size, []).append((name, head.root))
        self._levels = Levels(lambda tile: (directory / tile.path).read_bytes())
        self.tiles = 0

    def run(self) -> None:
        """Tells each thing that does not agree, in the order of the entries."""
        self._check_heads(0)
        for bundle in range(-(-self._bundles.size // TILE_WIDTH)):
            hashes = self._hashes(bundle)
            if hashes is None:
                return
            start = bundle * TILE_WIDTH
            stops = [size for size in range(start + 1, start + len(hashes)) if size in self._heads]
            done = start
            for stop in [*stops, start + len(hashes)]:
                for tile, expected in self._levels.extend(hashes[done - start : stop - start]):
                    self._check_tile(tile, expected)
                done = stop
                self._check_heads(stop)

    def _hashes(self, bundle: int) -> list[bytes] | None:
        """The leaf hashes of a bundle; None where neither it nor its tile can be read.

        Of entries no longer kept the tile is all there is; those above it say whether it is right.
        """
        if bundle * TILE_WIDTH < self._bundles.minimum:
            hashes = self._of_tile(bundle)
            if hashes is None:  # INVARIANT: no pass ends early without a word
                path = Tile(0, bundle).path
                self._tell(IntegrityError("BAD_TILE", f"`{path}`: not there, or not whole"))
            return hashes
        try:
            entries = self._bundles.bundle(bundle)
        except (IntegrityError, StorageError) as error:
            self._tell(error)
            return self._of_tile(bundle)
        for index, entry in enumerate(entries, bundle * TILE_WIDTH):
            self._see(index, entry)
        return [leaf_hash(entry) for entry in entries]

    def _of_tile(self, bundle: int) -> list[bytes] | None:
        path = self._directory / Tile(0, bundle).path
        data = path.read_bytes() if path.exists() else b""
        return list(_split(data)) if len(data) == TILE_BYTES else None

    def _check_heads(self, size: int) -> None:
        heads = self._heads.get(size, [])
        if not heads:
            return
        root = root_from_edges(edge_hashes(self._levels, size))
        for name, signed in heads:
            if signed != root:
                self._tell(
                    IntegrityError(
                        "BAD_ROOT",
                        f"`{name}`: the entries before {size} do not lead to the root signed",
                    )
                )

    def _check_tile(self, tile: Tile, expected: bytes) -> None:
        path = self._directory / tile.path
        end = (tile.index + 1) * TILE_WIDTH ** (tile.level + 1)
        if end > self._bundles.settled_size and not path.exists():
            return
        try:
            with guard_reads(f"`{tile.path}`"):
                found = path.read_bytes()
        except StorageError as error:
            self._tell(error)
            return
        if found != expected:
            self._tell(IntegrityError("BAD_TILE", _difference(tile, found, expected)))
            return
        self.tiles += 1


def _split(tile: bytes) -> Iterator[bytes]:
    return (tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES))


def _difference(tile: Tile, found: bytes, expected: bytes) -> str:
    if len(found) != len(expected):
        return f"`{tile.path}`: {len(found)} bytes where {len(expected)} belong"
    place = next(i for i, byte in enumerate(expected) if found[i] != byte) // HASH_BYTES
    if tile.level == 0:
        entry = tile.index * TILE_WIDTH + place
        return f"`{tile.path}`: hash {place} is not that of entry {entry}"
    below = Tile(tile.level - 1, tile.index * TILE_WIDTH + place)
    return f"`{tile.path}`: hash {place} is not that of `{below.path}`"
