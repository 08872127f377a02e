"""Full tiles and full entry bundles as files, in the C2SP layout.

A tile is written when it fills and made durable later, off the path of the answer: until then its
entries also stand in the append files, from which it is written again if a crash takes it.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cloison.errors import IntegrityError
from cloison.ledger.files import (
    guard_reads,
    guard_writes,
    make_directories,
    replace_file,
    sync_path,
)
from cloison.ledger.growing_tree import FilledBundle
from cloison.ledger.tiles import TILE_BYTES, TILE_WIDTH, Tile, bundle_path, parse_bundle

_CACHED_BUNDLES = 4


@dataclass(frozen=True, slots=True)
class Settling:
    """Full bundles on their way to the disk.

    Attributes:
        end: Entries that stand in full tiles on disk once it is done.
        paths: Their files.
    """

    end: int
    paths: tuple[Path, ...]

    def sync(self) -> None:
        """The files are on disk when this returns. Touches nothing else: any thread may call it.

        Raises:
            StorageError: `LEDGER_WRITE`.
        """
        with guard_writes("sync a tile"):
            for path in (*self.paths, *{path.parent for path in self.paths}):
                sync_path(path)


class TileFiles:
    """The `tile/` tree of one ledger.

    Args:
        directory: The ledger's directory.
        settled_size: Entries known to stand in full tiles on disk, a multiple of 256.
    """

    def __init__(self, directory: Path, settled_size: int) -> None:
        self._directory = directory
        self._settled_size = settled_size
        self._unsettled: deque[list[Path]] = deque()
        self._known: set[Path] = set()
        self._bundles: OrderedDict[int, list[bytes]] = OrderedDict()

    @property
    def settled_size(self) -> int:
        """Entries that stand in full tiles on disk, a multiple of 256."""
        return self._settled_size

    @property
    def unsettled(self) -> int:
        """Bundles written whose files may not be on disk yet."""
        return len(self._unsettled)

    def write_bundle(self, filled: FilledBundle) -> None:
        """The next full bundle, and every tile that it filled; not yet durable.

        Raises:
            StorageError: `LEDGER_WRITE`.
        """
        index = self._settled_size // TILE_WIDTH + len(self._unsettled)
        tiles = ((tile.path, data) for tile, data in filled.tiles)
        files = [(bundle_path(index), filled.bundle), *tiles]
        self._unsettled.append([self._write(name, data) for name, data in files])

    def settling(self, bundles: int) -> Settling:
        """The oldest `bundles`, with their tiles; `settled` once it was synced."""
        groups = list(islice(self._unsettled, bundles))
        paths = tuple(path for group in groups for path in group)
        return Settling(self._settled_size + TILE_WIDTH * len(groups), paths)

    def settled(self, settling: Settling) -> None:
        """Those are on disk. Others may have been settled meanwhile, and these too."""
        while self._settled_size < settling.end:
            self._unsettled.popleft()
            self._settled_size += TILE_WIDTH

    def read_tile(self, tile: Tile) -> bytes:
        """A full tile's hashes.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_TILE`: not 8,192 bytes.
        """
        with guard_reads(f"`{tile.path}`"):
            data = (self._directory / tile.path).read_bytes()
        if len(data) != TILE_BYTES:
            raise IntegrityError("BAD_TILE", f"tile `{tile.path}`: not {TILE_BYTES} bytes")
        return data

    def read_bundle(self, index: int) -> list[bytes]:
        """A full bundle's 256 entries.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_BUNDLE`.
        """
        entries = self._bundles.get(index)
        if entries is None:
            with guard_reads(f"`{bundle_path(index)}`"):
                data = (self._directory / bundle_path(index)).read_bytes()
            entries = self._bundles[index] = parse_bundle(data, TILE_WIDTH)
            if len(self._bundles) > _CACHED_BUNDLES:
                self._bundles.popitem(last=False)
        return entries

    def forget(self) -> None:
        """Bundles read of late are read anew: some may have been removed."""
        self._bundles.clear()

    def _write(self, name: str, data: bytes) -> Path:
        path = self._directory / name
        with guard_writes(f"write `{name}`"):
            if path.parent not in self._known:
                make_directories(path.parent)
                self._known.add(path.parent)
            replace_file(path, data)
        return path
