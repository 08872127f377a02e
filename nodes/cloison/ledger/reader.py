"""Read a ledger's directory without its key and without touching it; verify all of it offline.

Works on the ledger of a stopped, killed or running node: what it reads first (`checkpoint`, then
the append files) fixes the size, and everything is held to that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import guard_reads
from cloison.ledger.journal import NoteCheck, Segment, read_segments
from cloison.ledger.note import NoteVerifier
from cloison.ledger.pruning import kept_hashes, read_minimum, require_kept
from cloison.ledger.recovery import read_checkpoint_file, settled_size_of, signed_size
from cloison.ledger.tiles import TILE_WIDTH, Tile, bundle_path, parse_bundle
from cloison.ledger.tree import leaf_hash
from cloison.ledger.walk import See, Tell, Walk, look_away, raise_first

WITNESSED = "witnessed"
"""The file, in a ledger's directory, of the newest head that enough witnesses saw."""
_READ_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: the head, and how many files and signed heads agree with it.

    `minimum` is the first entry still kept: of those before it, the hashes were checked.
    `torn_bytes` are those of a commit that was never acknowledged.
    """

    checkpoint: Checkpoint
    tiles: int
    bundles: int
    heads: int
    torn_bytes: int
    minimum: int = 0


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
        self.minimum = read_minimum(directory)
        self.segments = _read_while_written(directory / "entries", note_size)
        self.settled_size = settled_size_of(self.segments)
        records = [record for segment in self.segments for record in segment.records]
        self.appended_from = records[0].first_index
        self._appended = [entry for record in records for entry in record.entries]
        self.size = records[-1].size

    def entries(self, first_index: int, count: int) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of at most `count` entries from `first_index`; none no longer kept.

        Raises:
            StorageError: `LEDGER_READ`.
            IntegrityError: `BAD_BUNDLE`.
        """
        end = min(first_index + count, self.size)
        first_index = max(first_index, self.minimum)
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
            InputError: `PRUNED`.
        """
        start = index * TILE_WIDTH
        require_kept(start, self.minimum)
        path = self._directory / bundle_path(index)
        first = max(0, start - self.appended_from)
        count = max(0, start + TILE_WIDTH - max(start, self.appended_from))
        appended = self._appended[first : first + count]
        if start >= self.settled_size and (start + TILE_WIDTH > self.size or not path.exists()):
            return appended
        with guard_reads(f"`{bundle_path(index)}`"):
            data = path.read_bytes()
        return _agreeing(index, data, appended)

    def leaf_hashes(self, bundle: int) -> list[bytes]:
        """The leaf hashes of a bundle; those of entries no longer kept from their hash tile.

        Raises:
            StorageError, IntegrityError: as `bundle`; `BAD_TILE`.
        """
        if bundle * TILE_WIDTH < self.minimum:
            return kept_hashes(self._read_tile, bundle)
        return [leaf_hash(entry) for entry in self.bundle(bundle)]

    def _read_tile(self, tile: Tile) -> bytes:
        with guard_reads(f"`{tile.path}`"):
            return (self._directory / tile.path).read_bytes()


class LedgerReader:
    """Verifies a ledger's directory with nothing but the ledger's public key.

    Args:
        directory: A node's ledger directory.
        verifier: The ledger's key; its name is the origin.
        kept: Files of heads of this ledger kept elsewhere, as by a witness.
    """

    def __init__(self, directory: Path, verifier: NoteVerifier, kept: Sequence[Path] = ()) -> None:
        self._directory = directory
        self._verifier = verifier
        self._kept = kept

    def verify(self, tell: Tell = raise_first, see: See = look_away) -> Verified:
        """Every signature, every entry, every tile and the root agree.

        Args:
            tell: Given each thing that does not agree; the first is raised by default. Where it
                returns, the pass goes on as far as it can.
            see: Given the index and the bytes of each entry, in order.

        Raises:
            StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
            IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`, `LEDGER_DAMAGED`,
                `LEDGER_BEHIND`, `BAD_BUNDLE`, `BAD_TILE`, `BAD_ROOT`; each names the file, and
                the entry where there is one.
        """
        kept = list(self._kept_heads(tell))
        reader = EntryReader(self._directory, lambda note: signed_size(note, self._verifier))
        heads = self._signed_heads(reader, tell)
        for name, head in kept:
            if head.size > reader.size:
                tell(
                    IntegrityError(
                        "LEDGER_BEHIND",
                        f"ledger `{self._directory}`: {reader.size} entries where `{name}` has"
                        f" {head.size} that were signed",
                    )
                )
        walk = Walk(self._directory, reader, [*kept, *heads], tell, see)
        walk.run()
        return Verified(
            checkpoint=verify_checkpoint(reader.segments[-1].records[-1].note, self._verifier),
            tiles=walk.tiles,
            bundles=(reader.size - reader.minimum) // TILE_WIDTH,
            minimum=reader.minimum,
            heads=len(kept) + len(heads),
            torn_bytes=len(reader.segments[-1].rest),
        )

    def _kept_heads(self, tell: Tell) -> Iterator[tuple[str, Checkpoint]]:
        """The heads that stand in files of their own: the ledger's, and the last one witnessed."""
        try:
            yield "checkpoint", read_checkpoint_file(self._directory, self._verifier)
        except CloisonError as error:
            tell(error)
        for path in (self._directory / WITNESSED, *self._kept):
            name = path.name if path.parent == self._directory else str(path)
            if path.exists():
                with guard_reads(f"`{path}`"):
                    note = path.read_bytes()
                try:
                    yield name, verify_checkpoint(note, self._verifier)
                except IntegrityError as error:
                    tell(IntegrityError(error.reason, f"`{name}`: {error.message}"))

    def _signed_heads(self, reader: EntryReader, tell: Tell) -> list[tuple[str, Checkpoint]]:
        heads = []
        for segment in reader.segments:
            name = f"entries/{segment.path.name}"
            for record in segment.records:
                try:
                    head = verify_checkpoint(record.note, self._verifier)
                except IntegrityError as error:
                    tell(error)
                    continue
                if head.size == record.size:
                    heads.append((name, head))
                    continue
                tell(
                    IntegrityError(
                        "BAD_CHECKPOINT",
                        f"`{name}`: the commit at entry {record.first_index} signs size "
                        f"{head.size} where it ends at {record.size}",
                    )
                )
        return heads


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
