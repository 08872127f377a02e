"""Read a ledger's directory without its key and without touching it; verify all of it offline.

Works on the ledger of a stopped, killed or running node: what it reads first (`checkpoint`, then
the append files) fixes the size, and everything is held to that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.errors import IntegrityError, StorageError
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import guard_reads
from cloison.ledger.journal import NoteCheck, Segment, read_segments
from cloison.ledger.levels import Levels
from cloison.ledger.note import NoteVerifier
from cloison.ledger.recovery import read_checkpoint_file, settled_size_of, signed_size
from cloison.ledger.tiles import TILE_WIDTH, Tile, bundle_path, parse_bundle
from cloison.ledger.tree import HASH_BYTES, edge_hashes, leaf_hash, root_from_edges

_READ_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: the head, and how many files and signed heads agree with it.

    `torn_bytes` are those of a commit that was never acknowledged.
    """

    checkpoint: Checkpoint
    tiles: int
    bundles: int
    heads: int
    torn_bytes: int


class EntryReader:
    """The entries a ledger's directory held at the moment this was made; verifies nothing.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: `LEDGER_DAMAGED`: the append files do not hang together.
    """

    def __init__(self, directory: Path, note_size: NoteCheck = lambda _: -1) -> None:
        if not (directory / "entries").is_dir():
            raise StorageError("LEDGER_MISSING", f"ledger `{directory}`: none here")
        self._directory = directory
        self.segments = _read_while_written(directory / "entries", note_size)
        self.settled_size = settled_size_of(self.segments)
        records = [record for segment in self.segments for record in segment.records]
        self.appended_from = records[0].first_index
        self._appended = [entry for record in records for entry in record.entries]
        self.size = records[-1].size

    def entries(self, first_index: int, count: int) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of at most `count` entries from `first_index`.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_BUNDLE`.
        """
        end = min(first_index + count, self.size)
        for bundle in range(first_index // TILE_WIDTH, -(-end // TILE_WIDTH)):
            start = bundle * TILE_WIDTH
            for index, entry in enumerate(self.bundle(bundle), start):
                if first_index <= index < end:
                    yield index, entry

    def bundle(self, index: int) -> Sequence[bytes]:
        """The entries of a bundle; those of the last one may be fewer than 256.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_BUNDLE`: not 256 entries, or not those of the append files.
        """
        start = index * TILE_WIDTH
        path = self._directory / bundle_path(index)
        appended = self._appended[max(0, start - self.appended_from) :][
            : max(0, start + TILE_WIDTH - max(start, self.appended_from))
        ]
        if start >= self.settled_size and (start + TILE_WIDTH > self.size or not path.exists()):
            return appended
        with guard_reads(f"`{bundle_path(index)}`"):
            data = path.read_bytes()
        return _agreeing(index, data, appended)


class LedgerReader:
    """Verifies a ledger's directory with nothing but the ledger's public key.

    Args:
        directory: A node's ledger directory.
        verifier: The ledger's key; its name is the origin.
    """

    def __init__(self, directory: Path, verifier: NoteVerifier) -> None:
        self._directory = directory
        self._verifier = verifier

    def verify(self) -> Verified:
        """Every signature, every entry, every tile and the root agree.

        Raises:
            StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
            IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`, `LEDGER_DAMAGED`,
                `LEDGER_BEHIND`, `BAD_BUNDLE`, `BAD_TILE`, `BAD_ROOT`; each names the file, and
                the entry where there is one.
        """
        floor = read_checkpoint_file(self._directory, self._verifier)
        reader = EntryReader(self._directory, lambda note: signed_size(note, self._verifier))
        heads = self._signed_heads(reader)
        if floor.size > reader.size:
            raise IntegrityError(
                "LEDGER_BEHIND",
                f"ledger `{self._directory}`: {reader.size} entries where {floor.size} were signed",
            )
        walk = _Walk(self._directory, reader, [("checkpoint", floor), *heads])
        walk.run()
        return Verified(
            checkpoint=heads[-1][1],
            tiles=walk.tiles,
            bundles=reader.size // TILE_WIDTH,
            heads=1 + len(heads),
            torn_bytes=len(reader.segments[-1].rest),
        )

    def _signed_heads(self, reader: EntryReader) -> list[tuple[str, Checkpoint]]:
        heads = []
        for segment in reader.segments:
            name = f"entries/{segment.path.name}"
            for record in segment.records:
                head = verify_checkpoint(record.note, self._verifier)
                if head.size != record.size:
                    raise IntegrityError(
                        "BAD_CHECKPOINT",
                        f"`{name}`: the commit at entry {record.first_index} signs size "
                        f"{head.size} where it ends at {record.size}",
                    )
                heads.append((name, head))
        return heads


class _Walk:
    """One pass over all entries: tiles are compared as they fill, heads as they are reached."""

    def __init__(
        self, directory: Path, reader: EntryReader, heads: Sequence[tuple[str, Checkpoint]]
    ) -> None:
        self._directory = directory
        self._reader = reader
        self._heads: dict[int, list[tuple[str, bytes]]] = {}
        for name, head in heads:
            self._heads.setdefault(head.size, []).append((name, head.root))
        self._levels = Levels(lambda tile: (directory / tile.path).read_bytes())
        self.tiles = 0

    def run(self) -> None:
        """Raises `IntegrityError` at the first thing that does not agree."""
        self._check_heads(0)
        for bundle in range(-(-self._reader.size // TILE_WIDTH)):
            start = bundle * TILE_WIDTH
            hashes = [leaf_hash(entry) for entry in self._reader.bundle(bundle)]
            stops = [size for size in range(start + 1, start + len(hashes)) if size in self._heads]
            done = start
            for stop in [*stops, start + len(hashes)]:
                for tile, expected in self._levels.extend(hashes[done - start : stop - start]):
                    self._check_tile(tile, expected)
                done = stop
                self._check_heads(stop)

    def _check_heads(self, size: int) -> None:
        heads = self._heads.get(size, [])
        if not heads:
            return
        root = root_from_edges(edge_hashes(self._levels, size))
        for name, signed in heads:
            if signed != root:
                raise IntegrityError(
                    "BAD_ROOT",
                    f"`{name}`: the entries before {size} do not lead to the root signed",
                )

    def _check_tile(self, tile: Tile, expected: bytes) -> None:
        path = self._directory / tile.path
        end = (tile.index + 1) * TILE_WIDTH ** (tile.level + 1)
        if end > self._reader.settled_size and not path.exists():
            return
        with guard_reads(f"`{tile.path}`"):
            found = path.read_bytes()
        if found != expected:
            raise IntegrityError("BAD_TILE", _difference(tile, found, expected))
        self.tiles += 1


def _difference(tile: Tile, found: bytes, expected: bytes) -> str:
    if len(found) != len(expected):
        return f"`{tile.path}`: {len(found)} bytes where {len(expected)} belong"
    place = next(i for i, byte in enumerate(expected) if found[i] != byte) // HASH_BYTES
    if tile.level == 0:
        entry = tile.index * TILE_WIDTH + place
        return f"`{tile.path}`: hash {place} is not that of entry {entry}"
    below = Tile(tile.level - 1, tile.index * TILE_WIDTH + place)
    return f"`{tile.path}`: hash {place} is not that of `{below.path}`"


def _agreeing(index: int, data: bytes, appended: Sequence[bytes]) -> list[bytes]:
    try:
        entries = parse_bundle(data, TILE_WIDTH)
    except IntegrityError as error:
        raise IntegrityError("BAD_BUNDLE", f"`{bundle_path(index)}`: not 256 entries") from error
    offset = TILE_WIDTH - len(appended)
    for place, entry in enumerate(appended, offset):
        if entries[place] != entry:
            raise IntegrityError(
                "BAD_BUNDLE",
                f"`{bundle_path(index)}`: entry {index * TILE_WIDTH + place} is not the one in "
                "the append file",
            )
    return entries


def _read_while_written(directory: Path, note_size: NoteCheck) -> list[Segment]:
    """The append files, read again where a running node removed one meanwhile."""
    for _ in range(_READ_ATTEMPTS - 1):
        try:
            return read_segments(directory, note_size)
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
    return read_segments(directory, note_size)
