"""Full tiles and full entry bundles as files, in the C2SP layout.

A tile is written, and made durable, some time after it filled, off the path of the answer: until
then it is read from memory, and its entries also stand in the append files, from which it is made
again if a crash takes it. A file made or renamed beside a commit can wait for the disk's own
journal, and the commit behind it.
"""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

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
_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Settling:
    """Full bundles on their way to the disk.

    Attributes:
        end: Entries that stand in full tiles on disk once it is done.
        files: Their paths, and what each is to hold.
        writing: Held while files are written: two threads may have some in common.
    """

    end: int
    files: tuple[tuple[Path, bytes], ...]
    writing: threading.Lock

    def sync(self, *, beside: bool = False) -> None:
        """The files are on disk when this returns. Touches nothing else: any thread may call it.

        Args:
            beside: Leave two thirds of the disk's time to the commits of the meantime: each file
                is a flush, as each commit is, and some hundred in a row would hold these up.

        Raises:
            StorageError: `LEDGER_WRITE`.
        """
        with self.writing, guard_writes("write a tile"):
            folders = {path.parent for path, _ in self.files}
            for folder in folders:
                make_directories(folder)
            for path, data in self.files:
                replace_file(path, data)
            for path in (*(path for path, _ in self.files), *folders):
                begun = monotonic()
                sync_path(path)
                if beside:
                    sleep(_PAUSE * (monotonic() - begun))


class TileFiles:
    """The `tile/` tree of one ledger.

    Args:
        directory: The ledger's directory.
        settled_size: Entries known to stand in full tiles on disk, a multiple of 256.
    """

    def __init__(self, directory: Path, settled_size: int) -> None:
        self._directory = directory
        self._settled_size = settled_size
        self._unsettled: deque[list[tuple[str, bytes]]] = deque()
        self._in_memory: dict[str, bytes] = {}
        self._writing = threading.Lock()
        self._unsettled_bytes = 0
        self._bundles: OrderedDict[int, list[bytes]] = OrderedDict()

    @property
    def settled_size(self) -> int:
        """Entries that stand in full tiles on disk, a multiple of 256."""
        return self._settled_size

    @property
    def unsettled(self) -> int:
        """Bundles whose files may not be on disk yet."""
        return len(self._unsettled)

    @property
    def unsettled_bytes(self) -> int:
        """What these take in memory until then."""
        return self._unsettled_bytes

    def add_bundle(self, filled: FilledBundle) -> None:
        """The next full bundle, and every tile that it filled; not yet written."""
        index = self._settled_size // TILE_WIDTH + len(self._unsettled)
        tiles = ((tile.path, data) for tile, data in filled.tiles)
        files = [(bundle_path(index), filled.bundle), *tiles]
        self._unsettled.append(files)
        self._in_memory.update(files)
        self._unsettled_bytes += sum(len(data) for _, data in files)

    def settling(self) -> Settling:
        """All of those, with their tiles; `settled` once it was synced."""
        files = tuple(
            (self._directory / name, data) for group in self._unsettled for name, data in group
        )
        end = self._settled_size + TILE_WIDTH * len(self._unsettled)
        return Settling(end, files, self._writing)

    def settled(self, settling: Settling) -> None:
        """Those are on disk. Others may have been settled meanwhile, and these too."""
        while self._settled_size < settling.end:
            for name, data in self._unsettled.popleft():
                del self._in_memory[name]
                self._unsettled_bytes -= len(data)
            self._settled_size += TILE_WIDTH

    def read_tile(self, tile: Tile) -> bytes:
        """A full tile's hashes.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_TILE`: not 8,192 bytes.
        """
        data = self._read(tile.path)
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
            data = self._read(bundle_path(index))
            entries = self._bundles[index] = parse_bundle(data, TILE_WIDTH)
            if len(self._bundles) > _CACHED_BUNDLES:
                self._bundles.popitem(last=False)
        return entries

    def forget(self) -> None:
        """Bundles read of late are read anew: some may have been removed."""
        self._bundles.clear()

    def _read(self, name: str) -> bytes:
        data = self._in_memory.get(name)
        if data is None:
            with guard_reads(f"`{name}`"):
                data = (self._directory / name).read_bytes()
        return data
