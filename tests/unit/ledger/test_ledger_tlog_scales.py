"""An exported ledger read and checked by `tlog-scales`, a Python library nobody here wrote."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.ledger import Log, NoteSigner
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.export import Snapshot
from cloison.ledger.note import Note, parse_note
from cloison.ledger.reader import WITNESSED
from cloison.ledger.tree import leaf_hash

backend: Any = pytest.importorskip("tlog_scales.backend", reason="tlog-scales is not installed")
reading: Any = pytest.importorskip("tlog_scales.reader")
tlog: Any = pytest.importorskip("tlog_scales.tlog")
signing: Any = pytest.importorskip("tlog_scales.signing")

ENTRIES = 600
WITNESS = Cosigner("cnil", Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32))


@pytest.fixture
def folder(log: Log, signer: NoteSigner, tmp_path: Path) -> Path:
    """A ledger laid out as a static folder, under a cosigned head."""
    log.append_many([b"entry %d" % place for place in range(ENTRIES)])
    note = parse_note(log.checkpoint())
    line = WITNESS.cosign(note.text, 1_790_000_000)
    (log.directory / WITNESSED).write_bytes(Note(note.text, (*note.signatures, line)).encode())
    Snapshot(log.directory, signer.verifier).write(tmp_path / "out", entries=True)
    return tmp_path / "out"


def accepted(folder: Path, signer: NoteSigner) -> int | None:
    """The size of the ledger, if `tlog-scales` finds nothing wrong with it."""
    try:
        return check(folder, signer)
    except (InvalidSignature, RuntimeError, ValueError, tlog.InclusionProofInvalid):
        return None


def check(folder: Path, signer: NoteSigner) -> int:
    """Signature, cosignature, root, and the place of entries; raises where one fails."""
    reader = reading.TilesReader(backend.LocalBackend(folder))
    head = reader.get_checkpoint()
    head.verify(signing.Vkey.from_string(signer.verifier.vkey))
    head.verify(signing.Vkey.from_string(WITNESS.verifier.vkey))
    if reader.calculate_root_hash() != head.root_hash:
        raise ValueError("another root")
    for index in (0, 255, 256, 300, head.size - 1):
        leaf = leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, head.size).check(leaf, head.root_hash)
    return int(head.size)


def test_tlog_scales_accepts_an_exported_ledger(folder: Path, signer: NoteSigner) -> None:
    assert accepted(folder, signer) == ENTRIES


def test_tlog_scales_accepts_consistency_with_a_smaller_tree(folder: Path, log: Log) -> None:
    reader = reading.TilesReader(backend.LocalBackend(folder))
    head = reader.get_checkpoint()
    for size in (1, 255, 256, 257, 512, ENTRIES):
        proof = reader.get_consistency_proof(size, head.size)
        proof.check(log.root(size), head.root_hash)
        assert list(proof.node_hashes) == log.consistency_proof(size, head.size)


@pytest.mark.parametrize(
    "name", ["checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001"]
)
def test_tlog_scales_refuses_an_altered_byte(folder: Path, signer: NoteSigner, name: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    place = 3 if name.startswith("tile/entries") else len(data) // 2
    data[place] ^= 1
    path.write_bytes(data)
    assert accepted(folder, signer) is None
