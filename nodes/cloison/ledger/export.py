"""A ledger's directory as others read it: a static C2SP folder, or one entry's proof.

Source: c2sp.org/tlog-tiles, c2sp.org/tlog-proof. Both stand under the newest head that witnesses
cosigned, where there is one; else under the newest signed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cloison.errors import InputError, IntegrityError, StorageError
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import guard_reads, guard_writes
from cloison.ledger.levels import Levels
from cloison.ledger.note import NoteVerifier
from cloison.ledger.proof_file import ProofFile
from cloison.ledger.pruning import require_kept
from cloison.ledger.reader import WITNESSED, EntryReader
from cloison.ledger.recovery import signed_size
from cloison.ledger.tiles import TILE_WIDTH, Tile, bundle_path, encode_bundle
from cloison.ledger.tree import HASH_BYTES, edge_hashes, inclusion_from, root_from_edges, root_of


class Snapshot:
    """A ledger at the size of one signed head, every entry held to its root.

    Args:
        directory: A node's ledger directory.
        verifier: The ledger's key.
        witnessed: Under the newest head that witnesses saw, where there is one.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`, `BAD_BUNDLE`,
            `LEDGER_DAMAGED`, `LEDGER_BEHIND`, `BAD_ROOT`.
    """

    def __init__(self, directory: Path, verifier: NoteVerifier, *, witnessed: bool = True) -> None:
        self._verifier = verifier
        self._reader = EntryReader(directory, lambda note: signed_size(note, verifier))
        path = directory / WITNESSED if witnessed else None
        self.note, self.head = _newest(path, self._reader, verifier)
        self._leaves = bytearray()  # one after the other: a list of them takes three times as much
        self._levels = Levels(self._tile)
        for start in range(0, self.head.size, TILE_WIDTH):
            hashes = self._reader.leaf_hashes(start // TILE_WIDTH)[: self.head.size - start]
            self._leaves += b"".join(hashes)
            for _ in self._levels.extend(hashes):
                pass  # the tile that filled: `write` makes its own
        if len(self._leaves) != self.head.size * HASH_BYTES:
            raise IntegrityError(
                "LEDGER_BEHIND",
                f"ledger `{directory}`: {len(self._leaves) // HASH_BYTES} entries where"
                f" {self.head.size} were signed",
            )
        self._edges = edge_hashes(self._levels, self.head.size)
        if root_from_edges(self._edges) != self.head.root:
            raise IntegrityError("BAD_ROOT", f"ledger `{directory}`: not the entries of its head")

    def entries(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Index, leaf hash and bytes of every entry still kept, in order."""
        for index, data in self._reader.entries(0, self.head.size):
            yield index, self._leaf(index), data

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` entries, at most all of them."""
        return root_from_edges(edge_hashes(self._levels, size))

    def entry(self, index: int) -> bytes:
        """The entry at `index`. Raises `InputError` (`BAD_INDEX`, `PRUNED`)."""
        self._check(index)
        require_kept(index, self._reader.minimum)
        ((_, entry),) = self._reader.entries(index, 1)
        return entry

    def prove(self, index: int, *, with_entry: bool, under: bytes | None = None) -> ProofFile:
        """The proof that an entry stands there; the entry itself beside it, where wanted.

        Args:
            index: Of the entry.
            with_entry: The entry itself beside its proof.
            under: An older head of this ledger to prove it under, where that covers the entry.

        Raises:
            InputError: `BAD_INDEX`: not below the head's size.
            IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`; `BAD_ROOT`: the older
                head is not one of these entries.
        """
        self._check(index)
        note, size, edges = self.note, self.head.size, self._edges
        older = verify_checkpoint(under, self._verifier) if under else self.head
        if index < older.size < size:
            note, size, edges = under or b"", older.size, edge_hashes(self._levels, older.size)
            if root_from_edges(edges) != older.root:
                raise IntegrityError("BAD_ROOT", f"ledger `{older.origin}`: not a head of these")
        elif older.size == size and under:
            note = under
        path = inclusion_from(self._levels, edges, index, size)
        extra = self.entry(index) if with_entry else b""
        return ProofFile(index, tuple(path), note, extra)

    def write(self, folder: Path, *, entries: bool) -> int:
        """The ledger as a static folder: head, every tile, and where wanted every entry.

        Returns:
            How many files were written.

        Raises:
            StorageError: `EXPORT_EXISTS`: something is there. `LEDGER_WRITE`.
        """
        if folder.exists() and any(folder.iterdir()):
            raise StorageError("EXPORT_EXISTS", f"folder `{folder}`: not empty", "name a new one")
        files = [("checkpoint", self.note), *self._tiles()]
        if entries:
            for start in range(self._reader.minimum, self.head.size, TILE_WIDTH):
                count = min(TILE_WIDTH, self.head.size - start)
                found = [entry for _, entry in self._reader.entries(start, count)]
                files.append((bundle_path(start // TILE_WIDTH, count), encode_bundle(found)))
        for name, data in files:
            with guard_writes(f"write `{folder / name}`"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        return len(files)

    def _tile(self, tile: Tile) -> bytes:
        """A full tile, made of the leaves: its file may not be there yet."""
        wide = TILE_WIDTH**tile.level
        first = tile.index * TILE_WIDTH * wide
        if tile.level == 0:
            return bytes(self._leaves[first * HASH_BYTES : (first + TILE_WIDTH) * HASH_BYTES])
        leaves = list(map(self._leaf, range(first, first + TILE_WIDTH * wide)))
        return b"".join(root_of(leaves[at : at + wide]) for at in range(0, len(leaves), wide))

    def _tiles(self) -> list[tuple[str, bytes]]:
        found = []
        level, hashes = 0, list(map(self._leaf, range(self.head.size)))
        while hashes:
            groups = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes), TILE_WIDTH)]
            for index, group in enumerate(groups):
                found.append((Tile(level, index, len(group)).path, b"".join(group)))
            hashes = [root_of(group) for group in groups if len(group) == TILE_WIDTH]
            level += 1
        return found

    def _leaf(self, index: int) -> bytes:
        return bytes(self._leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _check(self, index: int) -> None:
        if not 0 <= index < self.head.size:
            size = self.head.size
            raise InputError("BAD_INDEX", f"entry {index}: not under a head of {size} entries")


def _newest(
    path: Path | None, reader: EntryReader, verifier: NoteVerifier
) -> tuple[bytes, Checkpoint]:
    if path is not None and path.exists():
        with guard_reads(f"`{path}`"):
            note = path.read_bytes()
    else:
        note = _last_note(reader)
    return note, verify_checkpoint(note, verifier)


def _last_note(reader: EntryReader) -> bytes:
    notes: Sequence[bytes] = [record.note for one in reader.segments for record in one.records]
    return notes[-1]
