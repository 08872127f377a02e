"""A running node's ledger, copied for its auditor: what was served is what a folder then holds.

The copy has the layout of a node's own ledger, so that whatever reads a folder reads it. Nothing is
believed: who opens the copy holds every entry to the head's signed root.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.commit_record import CommitRecord
from cloison.ledger.files import guard_writes
from cloison.ledger.journal import segment_path
from cloison.ledger.levels import Levels
from cloison.ledger.note import NoteVerifier
from cloison.ledger.pruning import kept_hashes, write_minimum
from cloison.ledger.tiles import MAX_ENTRY_BYTES, TILE_WIDTH, bundle_path, encode_bundle
from cloison.ledger.tree import leaf_hash
from cloison.v1 import ledger_service_pb2, ledger_service_pb2_grpc
from cloison.wire.program import CALL_SECONDS
from cloison.wire.refusal import told

_LOGS = {
    "traces": ledger_service_pb2.LOG_NAME_TRACES,
    "register": ledger_service_pb2.LOG_NAME_REGISTER,
}


@dataclass(frozen=True, slots=True)
class LedgerCopy:
    """Copies one log of one node.

    Attributes:
        stub: Over a channel with the auditor's certificate.
        log: `traces` or `register`.
        verifier: The ledger's key.
        minimum: The first entry still kept, as the register's certificate says: of those before it
            the hash tiles are copied.
    """

    stub: ledger_service_pb2_grpc.LedgerServiceStub
    log: str
    verifier: NoteVerifier
    minimum: int = 0

    def write(self, folder: Path) -> None:
        """Head and every entry under it, in a folder that is not there yet.

        Raises:
            PeerError: `NOT_YOURS`, or another reason the node gave; `PEER_UNAVAILABLE`;
                `ENTRIES_WITHHELD`: it gave fewer entries than its head counts; `BAD_ANSWER`: one
                that no ledger can hold.
            IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`: of its head. `BAD_TILE`.
            StorageError: `LEDGER_WRITE`.
        """
        with told():
            asked = ledger_service_pb2.GetCheckpointRequest(log=_LOGS[self.log])
            note = self.stub.GetCheckpoint(asked, timeout=CALL_SECONDS).checkpoint
        size = verify_checkpoint(note, self.verifier).size
        settled = size // TILE_WIDTH * TILE_WIDTH
        levels = Levels(lambda tile: (folder / tile.path).read_bytes())
        last: Sequence[bytes] = ()
        for bundle in range(self.minimum // TILE_WIDTH):
            hashes = self._tile(bundle)
            for tile, data in levels.extend(hashes):
                _write(folder / tile.path, data)
        if self.minimum:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_minimum(folder, self.minimum)
        for start, entries in self._entries(size):
            if start == settled:
                last = entries
                continue
            _write(folder / bundle_path(start // TILE_WIDTH), encode_bundle(entries))
            for tile, data in levels.extend(list(map(leaf_hash, entries))):
                _write(folder / tile.path, data)
        _write(
            segment_path(folder / "entries", settled), CommitRecord(settled, last, note).encode()
        )
        _write(folder / "checkpoint", note)

    def _entries(self, size: int) -> Iterator[tuple[int, list[bytes]]]:
        for start in range(self.minimum, size, TILE_WIDTH):
            count = min(TILE_WIDTH, size - start)
            found: list[bytes] = []
            while len(found) < count:
                found += self._some(start + len(found), count - len(found))
            yield start, found

    def _tile(self, bundle: int) -> list[bytes]:
        request = ledger_service_pb2.GetTileRequest(
            log=_LOGS[self.log], level=0, index=bundle, width=TILE_WIDTH
        )
        with told():
            tile = self.stub.GetTile(request, timeout=CALL_SECONDS).tile
        return kept_hashes(lambda _: tile, bundle)

    def _some(self, first: int, count: int) -> list[bytes]:
        request = ledger_service_pb2.GetEntriesRequest(
            log=_LOGS[self.log], first_index=first, count=min(count, limits.ENTRIES_PER_CALL)
        )
        with told():
            entries = self.stub.GetEntries(request, timeout=CALL_SECONDS).entries
        places = [one.leaf_index for one in entries]
        if not places or places != list(range(first, first + len(places))) or len(places) > count:
            raise PeerError(
                "ENTRIES_WITHHELD",
                f"ledger `{self.verifier.name}`: not the entries asked from {first} on",
                "its head counts them: the node must serve them to its auditor",
            )
        if any(len(one.entry) > MAX_ENTRY_BYTES for one in entries):
            raise PeerError("BAD_ANSWER", f"ledger `{self.verifier.name}`: an entry is too long")
        return [one.entry for one in entries]


def _write(path: Path, data: bytes) -> None:
    with guard_writes(f"copy `{path}`"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(data)
