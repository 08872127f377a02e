"""A copy of a served ledger reads as the node's own folder; what is withheld is noticed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import IntegrityError, PeerError
from cloison.ledger.export import Snapshot
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner
from cloison.ledger.reader import LedgerReader
from cloison.ledger.tiles import MAX_ENTRY_BYTES
from cloison.v1 import ledger_service_pb2
from cloison.wire.ledger_copy import LedgerCopy

SIGNER = NoteSigner("caf.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner(
    "caf.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
)
Entries = list[ledger_service_pb2.LedgerEntry]


class Served:
    """The service of one log, in memory; `after` changes what it answers."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.after: Callable[[Entries], Entries] = lambda entries: entries

    def GetCheckpoint(self, _: object, timeout: float) -> object:  # noqa: N802 - gRPC's name
        assert timeout > 0
        return ledger_service_pb2.GetCheckpointResponse(checkpoint=self.log.checkpoint())

    def GetTile(self, request: Any, timeout: float) -> object:  # noqa: N802 - gRPC's name
        assert timeout > 0
        tile = self.log.tile(request.level, request.index, request.width)
        return ledger_service_pb2.GetTileResponse(tile=tile)

    def GetEntries(self, request: Any, timeout: float) -> object:  # noqa: N802 - gRPC's name
        assert timeout > 0
        found = self.log.entries(request.first_index, request.count)
        entries = [
            ledger_service_pb2.LedgerEntry(leaf_index=index, entry=entry)
            for index, entry in enumerate(found, request.first_index)
        ]
        return ledger_service_pb2.GetEntriesResponse(entries=self.after(entries))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.create(tmp_path / "log", SIGNER) as log:
        yield log


def copy(served: Served, folder: Path, signer: NoteSigner = SIGNER) -> None:
    LedgerCopy(cast("Any", served), "traces", signer.verifier).write(folder)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700, 66_000])
def test_copy_reads_as_the_ledger_itself(size: int, log: Log, tmp_path: Path) -> None:
    for start in range(0, size, 6_000):
        log.append_many([b"entry %d" % number for number in range(start, min(size, start + 6_000))])
    copy(Served(log), tmp_path / "copy")
    copied = Snapshot(tmp_path / "copy", SIGNER.verifier)
    assert list(copied.entries()) == list(Snapshot(log.directory, SIGNER.verifier).entries())
    assert LedgerReader(tmp_path / "copy", SIGNER.verifier).verify().checkpoint.size == size


def test_copy_takes_what_a_node_gives_a_few_at_a_time(log: Log, tmp_path: Path) -> None:
    log.append_many([b"entry %d" % number for number in range(300)])
    served = Served(log)
    served.after = lambda entries: entries[:100]
    copy(served, tmp_path / "copy")
    assert Snapshot(tmp_path / "copy", SIGNER.verifier).head.size == 300


def test_copy_of_a_ledger_whose_oldest_entries_went_proves_what_is_kept(
    log: Log, tmp_path: Path
) -> None:
    log.append_many([b"entry %d" % number for number in range(700)])
    log.settle()
    log.begin_file()
    log.append_many([b"entry %d" % number for number in range(700, 1_100)])
    log.settle()
    before = Snapshot(log.directory, SIGNER.verifier).prove(600, with_entry=True)
    log.prune(512)
    LedgerCopy(cast("Any", Served(log)), "traces", SIGNER.verifier, 512).write(tmp_path / "copy")
    copied = Snapshot(tmp_path / "copy", SIGNER.verifier)
    assert [index for index, _, _ in copied.entries()] == list(range(512, 1_100))
    assert copied.prove(600, with_entry=True) == before


@pytest.mark.parametrize(
    "withheld",
    [
        lambda _: [],
        lambda entries: entries[1:],
        lambda entries: entries[:5] + entries[6:],
        lambda entries: entries + entries[-1:],
        lambda entries: entries[::-1],
    ],
    ids=["none", "the first", "one between", "one twice", "backwards"],
)
def test_copy_notices_what_is_withheld(
    withheld: Callable[[Entries], Entries], log: Log, tmp_path: Path
) -> None:
    log.append_many([b"entry %d" % number for number in range(20)])
    served = Served(log)
    served.after = withheld
    with pytest.raises(PeerError) as raised:
        copy(served, tmp_path / "copy")
    assert raised.value.reason == "ENTRIES_WITHHELD"


def test_copy_of_an_entry_no_ledger_can_hold_is_refused(log: Log, tmp_path: Path) -> None:
    log.append_many([b"entry"])
    served = Served(log)
    served.after = lambda _: [
        ledger_service_pb2.LedgerEntry(leaf_index=0, entry=bytes(MAX_ENTRY_BYTES + 1))
    ]
    with pytest.raises(PeerError) as raised:
        copy(served, tmp_path / "copy")
    assert raised.value.reason == "BAD_ANSWER"


def test_copy_of_altered_entries_does_not_open(log: Log, tmp_path: Path) -> None:
    log.append_many([b"entry %d" % number for number in range(20)])
    served = Served(log)

    def altered(entries: Entries) -> Entries:
        entries[7].entry += b"."
        return entries

    served.after = altered
    copy(served, tmp_path / "copy")
    with pytest.raises(IntegrityError) as raised:
        Snapshot(tmp_path / "copy", SIGNER.verifier)
    assert raised.value.reason == "BAD_ROOT"


def test_copy_of_a_head_by_another_key_is_refused(log: Log, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as raised:
        copy(Served(log), tmp_path / "copy", OTHER)
    assert raised.value.reason in {"BAD_SIGNATURE", "BAD_NOTE"}
