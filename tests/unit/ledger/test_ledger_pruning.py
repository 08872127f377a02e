"""The oldest entries go; the tree, its heads and every proof stay."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import InputError, IntegrityError
from cloison.ledger.export import Snapshot
from cloison.ledger.index import LedgerIndex
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner
from cloison.ledger.pruning import read_minimum
from cloison.ledger.reader import LedgerReader
from cloison.ledger.terms import Group, Term
from cloison.ledger.tiles import bundle_path
from cloison.ledger.tree import leaf_hash, verify_consistency, verify_inclusion

SIGNER = NoteSigner("x.example/traces", Ed25519PrivateKey.from_private_bytes(bytes(32)))
ENTRIES, MINIMUM = 1_000, 512


def entry(index: int) -> bytes:
    return f"entry {index}".encode()


def append_all(log: Log) -> None:
    """1,000 entries, settled, in two files."""
    for start in range(0, ENTRIES, 100):
        if start == 600:
            log.settle()
            log.begin_file()
        log.append_many([entry(index) for index in range(start, start + 100)])
    log.settle()


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    """A ledger of 1,000 entries, of which the first 512 are gone."""
    directory = tmp_path / "traces"
    Log.create(directory, SIGNER).close()
    with Log.open(directory, SIGNER) as log:
        append_all(log)
        assert log.prunable(ENTRIES) == MINIMUM
        log.prune(MINIMUM)
    return directory


def test_prune_keeps_later_entries_and_refuses_earlier_ones(pruned: Path) -> None:
    with Log.open(pruned, SIGNER) as log:
        assert log.minimum == MINIMUM
        assert log.entry(MINIMUM) == entry(MINIMUM)
        for index in (0, MINIMUM - 1):
            with pytest.raises(InputError) as caught:
                log.entry(index)
            assert caught.value.reason == "PRUNED"
    assert not (pruned / bundle_path(0)).exists()
    assert (pruned / bundle_path(2)).exists()


def test_prune_changes_no_root_and_no_proof(pruned: Path) -> None:
    with Log.open(pruned, SIGNER) as log:
        root = log.root()
        for index in (0, 511, 512, 999):
            path = log.inclusion_proof(index)
            verify_inclusion(leaf_hash(entry(index)), index, ENTRIES, path, root)
        verify_consistency(100, ENTRIES, log.consistency_proof(100), log.root(100), root)
        appended = log.append_many([b"later"])
        assert appended.first_index == ENTRIES


def test_a_pruned_ledger_verifies_and_exports(pruned: Path, tmp_path: Path) -> None:
    verified = LedgerReader(pruned, SIGNER.verifier).verify()
    assert (verified.checkpoint.size, verified.minimum) == (ENTRIES, MINIMUM)
    snapshot = Snapshot(pruned, SIGNER.verifier)
    assert [index for index, _, _ in snapshot.entries()] == list(range(MINIMUM, ENTRIES))
    snapshot.write(tmp_path / "out", entries=True)
    assert not (tmp_path / "out" / bundle_path(0)).exists()
    proof = snapshot.prove(3, with_entry=False)
    verify_inclusion(leaf_hash(entry(3)), 3, ENTRIES, proof.path, snapshot.head.root)
    with pytest.raises(InputError) as caught:
        snapshot.entry(3)
    assert caught.value.reason == "PRUNED"


def test_a_pruned_ledger_with_an_altered_hash_is_refused(pruned: Path) -> None:
    tile = pruned / "tile/0/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with pytest.raises(IntegrityError) as caught:
        LedgerReader(pruned, SIGNER.verifier).verify()
    assert caught.value.reason in {"BAD_ROOT", "BAD_TILE"}


def test_open_removes_what_a_crash_left_of_pruned_bundles(pruned: Path) -> None:
    left = pruned / bundle_path(1)
    left.write_bytes(b"left behind")
    Log.open(pruned, SIGNER).close()
    assert not left.exists()


@pytest.mark.parametrize("text", ["", "512", "5\n", "0512\n", "-256\n", "999999999999999999999\n"])
def test_read_minimum_of_another_spelling_is_refused(pruned: Path, text: str) -> None:
    (pruned / "minimum").write_text(text)
    with pytest.raises(IntegrityError) as caught:
        read_minimum(pruned)
    assert caught.value.reason == "LEDGER_DAMAGED"


def test_prune_of_what_still_stands_in_an_append_file_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "traces"
    Log.create(directory, SIGNER).close()
    with Log.open(directory, SIGNER) as log:
        log.append_many([entry(index) for index in range(600)])
        log.settle()
        assert log.prunable(600) == 0
        with pytest.raises(InputError) as caught:
            log.prune(512)
    assert caught.value.reason == "BAD_INDEX"


def by_last_digit(data: bytes) -> list[Term | Group]:
    return [("k", data[-1:]), Group("counted", (data[-1:] * 8,))]


def test_index_of_a_pruned_ledger_is_made_again_from_what_is_kept(
    pruned: Path, tmp_path: Path
) -> None:
    with Log.open(pruned, SIGNER) as log:
        index = LedgerIndex(tmp_path / "index.sqlite", log, by_last_digit, ["counted"])
        assert index.size == ENTRIES
        kept = list(range(517, ENTRIES, 10))
        assert index.find("k", b"7") == kept
        index.prune()
        assert index.find("counted", b"7" * 8) == kept
        assert index.count("counted", b"7" * 8) == len(kept)
        index.close()


def by_hash(data: bytes) -> list[Term | Group]:
    return [("k", leaf_hash(data))]


def test_index_keeps_no_byte_of_a_term_of_what_was_pruned(tmp_path: Path) -> None:
    directory, path = tmp_path / "traces", tmp_path / "index.sqlite"
    Log.create(directory, SIGNER).close()
    with Log.open(directory, SIGNER) as log:
        index = LedgerIndex(path, log, by_hash)
        append_all(log)
        index.catch_up()
        index.flush()
        log.prune(MINIMUM)
        index.prune()
        index.close()
    data = path.read_bytes()
    kept = [leaf_hash(entry(place)) in data for place in range(ENTRIES)]
    assert kept == [place >= MINIMUM for place in range(ENTRIES)]
