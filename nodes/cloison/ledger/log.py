"""One append-only ledger on disk: an entry is acknowledged when it is durable and in the tree.

How a commit becomes durable with one `fdatasync`. The new entries and the signed checkpoint over
them are one record of the append file (`entries/…`). The head is computed and signed first, the
record written, `fdatasync` called, and only then does anything leave: so the head of every
acknowledged entry is on disk with it, and a head whose entries are not on disk was shown to nobody.
All else is a projection of that file: `checkpoint` (replaced atomically each time a tile settles,
at opening and at closing, so it may be older than the last record, never newer), the full tiles
and the entry bundles.

What opening holds to. A torn last record was never acknowledged and is cut off. A whole last
record is kept, even where nobody was told. The root computed from tiles and records must be the one
the last record signs; the `checkpoint` file must not be ahead of it, nor on another branch.

One writer: a lock refuses a second process. Calls block and belong to one thread.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cloison.errors import InputError, StorageError
from cloison.ledger.checkpoint import Checkpoint, sign_checkpoint
from cloison.ledger.commit_record import CommitRecord, check_entries
from cloison.ledger.files import guard_writes, make_directories, replace_file_durably, sync_path
from cloison.ledger.journal import Journal
from cloison.ledger.lock import lock_ledger
from cloison.ledger.note import NoteSigner, NoteVerifier
from cloison.ledger.pruning import drop_bundles, read_minimum, require_kept, write_minimum
from cloison.ledger.recovery import Recovered, recover
from cloison.ledger.tile_files import Settling
from cloison.ledger.tiles import TILE_WIDTH, Tile, encode_bundle
from cloison.ledger.tree import EMPTY_ROOT

_MOST_UNSETTLED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Appended:
    """A commit: the first entry's index, the log's size after it, the signed head of that size."""

    first_index: int
    size: int
    checkpoint: bytes


class Log:
    """A ledger open for appending. Made by `create` once, then by `open`."""

    def __init__(
        self, directory: Path, signer: NoteSigner, recovered: Recovered, lock: int
    ) -> None:
        self._directory = directory
        self._signer = signer
        self._lock = lock
        self._tree = recovered.tree
        self._files = recovered.files
        self._checkpoint = recovered.checkpoint
        with guard_writes("recover the append file"):
            self._journal = Journal.reopen(directory / "entries", recovered.segments)
        self._minimum = read_minimum(directory)
        drop_bundles(directory, self._minimum)  # a killed process may have left some
        self._usable = True

    @classmethod
    def create(cls, directory: Path, signer: NoteSigner) -> Self:
        """A new, empty ledger, whole on disk or not there at all.

        Raises:
            StorageError: `LEDGER_EXISTS`: the directory is not empty; `LEDGER_WRITE`.
        """
        if directory.exists() and any(directory.iterdir()):
            raise StorageError("LEDGER_EXISTS", f"ledger `{directory}`: the directory is not empty")
        fresh = directory.with_name(directory.name + ".new")
        note = sign_checkpoint(Checkpoint(signer.name, 0, EMPTY_ROOT), signer)
        with guard_writes(f"create `{directory}`"):
            make_directories(directory.parent)
            if fresh.exists():
                shutil.rmtree(fresh)
            fresh.mkdir(mode=0o700)
            Journal.create(fresh / "entries", CommitRecord(0, (), note))
            replace_file_durably(fresh / "checkpoint", note)
            fresh.replace(directory)
            sync_path(directory.parent)
        return cls.open(directory, signer)

    @classmethod
    def open(cls, directory: Path, signer: NoteSigner) -> Self:
        """An existing ledger with every entry ever acknowledged; a torn last record is cut off.

        Everything is checked before anything is changed.

        Raises:
            StorageError: `LEDGER_MISSING`, `LEDGER_LOCKED`: another process writes to it;
                `LEDGER_READ`, `LEDGER_WRITE`.
            IntegrityError: `LEDGER_DAMAGED`: its bytes do not lead to its signed head;
                `LEDGER_BEHIND`: the `checkpoint` file is ahead of the entries; `LEDGER_FORKED`:
                it signs another tree; `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`: it is not
                this key's ledger.
        """
        lock = lock_ledger(directory)
        try:
            recovered = recover(directory, signer.verifier)
            log = cls(directory, signer, recovered, lock)
        except BaseException:
            os.close(lock)
            raise
        try:
            log._rewrite_tiles(recovered)
        except BaseException:
            log.close()
            raise
        return log

    @property
    def directory(self) -> Path:
        """Where it stands."""
        return self._directory

    @property
    def origin(self) -> str:
        """The ledger's name, which its heads and its key carry."""
        return self._signer.name

    @property
    def verifier(self) -> NoteVerifier:
        """The public half of the ledger's key."""
        return self._signer.verifier

    @property
    def size(self) -> int:
        """Acknowledged entries."""
        return self._checked(None)

    @property
    def minimum(self) -> int:
        """The first entry that is still kept."""
        return self._minimum

    @property
    def unsettled(self) -> int:
        """Full bundles whose files may not be on disk yet (their entries are); 0 once stopped."""
        return self._files.unsettled if self._usable else 0

    def checkpoint(self) -> bytes:
        """The signed head of `size`."""
        self._check_usable()
        return self._checkpoint

    def append_many(self, entries: Sequence[bytes]) -> Appended:
        """The entries, in order, are durable and in the signed tree when this returns.

        Args:
            entries: 1 to 16,384 entries of at most 65,535 bytes.

        Raises:
            InputError: `NO_ENTRIES`, `TOO_MANY_ENTRIES`, `ENTRY_TOO_LONG`; nothing changed.
            StorageError: `LEDGER_WRITE`: nothing is acknowledged, and the log refuses everything
                (`LEDGER_STOPPED`) until it is opened again.
        """
        self._check_usable()
        check_entries(entries)
        with self._stopping_on_failure():
            first_index = self._tree.size
            filled = self._tree.extend(entries)
            size = self._tree.size
            head = Checkpoint(self.origin, size, self._tree.root(size))
            note = sign_checkpoint(head, self._signer)
            self._journal.append(CommitRecord(first_index, entries, note))
            self._checkpoint = note
            for item in filled:
                self._files.add_bundle(item)
            if self._files.unsettled_bytes > _MOST_UNSETTLED_BYTES:
                self._settle()
        return Appended(first_index, size, note)

    def settling(self) -> Settling:
        """The full bundles whose files are to be made durable; entries may be added meanwhile.

        Its `sync` may run in another thread; then `settled`, or `stop` if it failed.
        """
        self._check_usable()
        return self._files.settling()

    def settled(self, settling: Settling) -> None:
        """Those are on disk: let go of append files not needed.

        Raises:
            StorageError: `LEDGER_WRITE`, and the log refuses everything from then on.
        """
        self._check_usable()
        with self._stopping_on_failure():
            self._let_go(settling)

    def settle(self) -> None:
        """Make every full bundle durable here and now. Raises as `settled`."""
        self._check_usable()
        if self._files.unsettled:
            with self._stopping_on_failure():
                self._settle()

    def stop(self) -> None:
        """Refuse everything from now on: the sync after a failed one would call lost bytes safe."""
        self._usable = False

    def entry(self, index: int) -> bytes:
        """The entry at `index`, from 0. Raises `InputError` (`BAD_INDEX`)."""
        return self.entries(index, 1)[0]

    def entries(self, first_index: int, count: int) -> list[bytes]:
        """`count` entries from `first_index`, all of which exist.

        Raises:
            InputError: `BAD_INDEX`; `PRUNED`: one is no longer kept.
        """
        end = first_index + count
        if not 0 <= first_index <= end <= self.size:
            raise _bad_index(f"entries {first_index} to {end}", self.size)
        require_kept(first_index, self._minimum if count else 0)
        found: list[bytes] = []
        while first_index + len(found) < end:
            bundle, start = divmod(first_index + len(found), TILE_WIDTH)
            found += self._bundle(bundle)[start : start + end - first_index - len(found)]
        return found

    def root(self, size: int | None = None) -> bytes:
        """The root at `size`, at most the log's; by default the log's.

        Raises:
            InputError: `BAD_INDEX`.
        """
        return self._tree.root(self._checked(size))

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Hashes from leaf `index` to the root at `size`; a fresh entry's touch memory only.

        Raises:
            InputError: `BAD_INDEX`: not in a tree of this size, or a size the log has not.
        """
        size = self._checked(size)
        if not 0 <= index < size:
            raise _bad_index(f"entry {index}", size)
        return self._tree.inclusion_proof(index, size)

    def inclusion_proofs(self, appended: Appended) -> list[list[bytes]]:
        """The hashes of each entry of a commit, to the root it signed."""
        self._check_usable()
        return self._tree.inclusion_proofs(appended.first_index, appended.size, appended.size)

    def subset_proof(self, indexes: Sequence[int], size: int | None = None) -> list[bytes]:
        """Hashes that show several entries to stand in the log: see `subset_proof.verify_subset`.

        Raises:
            InputError: `BAD_INDEX`: none, out of order, not in a tree of this size, or a size the
                log has not.
        """
        size = self._checked(size)
        growing = list(indexes) == sorted(set(indexes))
        if not indexes or not growing or not 0 <= indexes[0] <= indexes[-1] < size:
            raise _bad_index("entries to prove together", size)
        return self._tree.subset_proof(indexes, size)

    def consistency_proof(self, first_size: int, second_size: int | None = None) -> list[bytes]:
        """Hashes that show the tree of `second_size` to continue that of `first_size`.

        Raises:
            InputError: `BAD_INDEX`: sizes out of order, or that the log has not.
        """
        second_size = self._checked(second_size)
        if not 0 <= first_size <= second_size:
            raise _bad_index(f"size {first_size}", second_size)
        return self._tree.consistency_proof(first_size, second_size)

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """The bytes of a tile of 1 to 256 hashes, all of which exist.

        Raises:
            InputError: `BAD_INDEX`.
        """
        self._check_usable()
        tile = Tile(level, index, width)
        if not self._tree.has_tile(tile):
            raise _bad_index(f"tile `{tile.path}`", self.size)
        return self._tree.tile(tile)

    def bundle(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """The first `width` entries of bundle `index` as a C2SP entry bundle.

        Raises:
            InputError: `BAD_INDEX`.
        """
        return encode_bundle(self.entries(index * TILE_WIDTH, width))

    @property
    def file_start(self) -> int:
        """The first entry of the append file that is written to."""
        return self._journal.last_start

    def begin_file(self) -> None:
        """The next commit begins an append file, so that earlier ones can go once settled."""
        self._journal.begin_next()

    def prunable(self, index: int) -> int:
        """How far entries before `index` can go: whole bundles that stand in no append file."""
        furthest = min(index, self._journal.first_index, self._files.settled_size)
        return max(furthest // TILE_WIDTH * TILE_WIDTH, self._minimum)

    def prune(self, minimum: int) -> None:
        """Keep no entry before `minimum`, which is as `prunable` says; the tree does not change.

        Raises:
            InputError: `BAD_INDEX`.
            StorageError: `LEDGER_WRITE`; what is left is removed when the log is opened again.
        """
        self._check_usable()
        if minimum != self.prunable(minimum):
            raise _bad_index(f"first entry kept {minimum}", self.size)
        write_minimum(self._directory, minimum)
        self._minimum = minimum
        self._files.forget()
        drop_bundles(self._directory, minimum)

    def close(self) -> None:
        """Settle everything, then let go of files and lock. A stopped log only lets go."""
        if self._lock < 0:
            return
        try:
            if self._usable:
                self._settle()
        finally:
            self._usable = False
            self._journal.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rewrite_tiles(self, recovered: Recovered) -> None:
        with self._stopping_on_failure():
            for item in recovered.filled:
                self._files.add_bundle(item)
            self._settle()

    def _settle(self) -> None:
        settling = self._files.settling()
        settling.sync()
        self._let_go(settling)

    def _let_go(self, settling: Settling) -> None:
        self._files.settled(settling)
        with guard_writes("write `checkpoint`"):
            replace_file_durably(self._directory / "checkpoint", self._checkpoint)
        self._journal.drop_below(self._files.settled_size)

    def _bundle(self, index: int) -> list[bytes]:
        if index == self._tree.size // TILE_WIDTH:
            return self._tree.tail
        return self._files.read_bundle(index)

    def _checked(self, size: int | None) -> int:
        self._check_usable()
        if size is None:
            return self._tree.size
        if not 0 <= size <= self._tree.size:
            raise _bad_index(f"size {size}", self._tree.size)
        return size

    def _check_usable(self) -> None:
        if not self._usable:
            raise StorageError(
                "LEDGER_STOPPED",
                f"ledger `{self._directory}`: closed, or stopped by a failed write",
                "restart the node once the disk is well",
            )

    @contextmanager
    def _stopping_on_failure(self) -> Iterator[None]:
        """INVARIANT: a log whose last change did not end well refuses everything."""
        self._usable = False
        yield
        self._usable = True


def _bad_index(what: str, size: int) -> InputError:
    return InputError("BAD_INDEX", f"{what}: not in a log of {size} entries")
