"""Tiles, bundles, proof files and commit records: golden bytes, bad bytes, names."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.trees import inclusion_path, tiles_of

from cloison.errors import InputError, IntegrityError
from cloison.ledger import NoteSigner, ProofFile, leaf_hash, parse_proof_file, verify_proof_file
from cloison.ledger.commit_record import CommitRecord, parse_record, parse_records, records_after
from cloison.ledger.tiles import Tile, bundle_path, encode_bundle, parse_bundle
from cloison.ledger.tree import root_of

ENTRIES = [f"entry {index}".encode() for index in range(300)]


def test_tiles_of_the_worked_example_are_counted_as_published() -> None:
    counted = Counter((tile.level, tile.width) for tile in tiles_of(70_000))
    assert counted == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}


def test_tiles_of_256_are_a_full_one_and_a_partial_one_above() -> None:
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]


def test_tiles_of_an_empty_tree_are_none() -> None:
    assert list(tiles_of(0)) == []


PATHS = {
    Tile(0, 0): "tile/0/000",
    Tile(1, 999): "tile/1/999",
    Tile(2, 1000): "tile/2/x001/000",
    Tile(0, 1234067): "tile/0/x001/x234/067",
    Tile(0, 273, 112): "tile/0/273.p/112",
}


@pytest.mark.parametrize("tile", PATHS)
def test_tile_path_is_the_specified_one(tile: Tile) -> None:
    assert tile.path == PATHS[tile]


def test_bundle_path_is_the_specified_one() -> None:
    assert bundle_path(1234067) == "tile/entries/x001/x234/067"
    assert bundle_path(0, 3) == "tile/entries/000.p/3"


@given(st.lists(st.binary(max_size=70), max_size=20))
def test_parse_bundle_of_what_was_encoded_gives_it_back(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries), len(entries)) == entries


@given(st.binary(max_size=40), st.integers(0, 4))
def test_parse_bundle_accepts_only_what_it_encodes(data: bytes, count: int) -> None:
    try:
        entries = parse_bundle(data, count)
    except IntegrityError:
        return
    assert encode_bundle(entries) == data


def test_encode_bundle_of_the_longest_entry_passes_and_longer_fails() -> None:
    longest = b"x" * 65_535
    assert parse_bundle(encode_bundle([longest]), 1) == [longest]
    with pytest.raises(InputError) as raised:
        encode_bundle([longest + b"x"])
    assert raised.value.reason == "ENTRY_TOO_LONG"


def proof_of(vectors: Path, index: int, extra: bytes = b"") -> ProofFile:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    note = (vectors / "checkpoint.note").read_bytes()
    return ProofFile(index, tuple(inclusion_path(leaves, index)), note, extra)


def test_proof_file_is_the_golden_one_and_verifies(vectors: Path, signer: NoteSigner) -> None:
    golden = (vectors / "proof.tlog-proof").read_bytes()
    assert proof_of(vectors, 258, b"entry 258").encode() == golden
    head = verify_proof_file(parse_proof_file(golden), leaf_hash(b"entry 258"), signer.verifier)
    assert head.size == 300


def test_verify_proof_file_of_another_entry_fails(vectors: Path, signer: NoteSigner) -> None:
    with pytest.raises(IntegrityError) as raised:
        verify_proof_file(proof_of(vectors, 258), leaf_hash(b"entry 257"), signer.verifier)
    assert raised.value.reason == "BAD_PROOF"


@given(st.data())
def test_proof_file_with_a_changed_byte_fails(
    vectors: Path, signer: NoteSigner, data: st.DataObject
) -> None:
    golden = proof_of(vectors, 7).encode()
    place = data.draw(st.integers(0, len(golden) - 1))
    changed = bytearray(golden)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        verify_proof_file(parse_proof_file(bytes(changed)), leaf_hash(ENTRIES[7]), signer.verifier)


FIRST = b"c2sp.org/tlog-proof@v1\n"
BAD_PROOF_FILES = {
    "empty": b"",
    "another version": b"c2sp.org/tlog-proof@v2\nindex 0\n\n",
    "no index": FIRST + b"\n",
    "index with leading zero": FIRST + b"index 00\n\n",
    "index too great": FIRST + b"index 9223372036854775808\n\n",
    "empty extra": FIRST + b"extra \nindex 0\n\n",
    "extra after index": FIRST + b"index 0\nextra AAAA\n\n",
    "index not canonical behind it": FIRST + b"index 0\n" + b"A" * 42 + b"B=\n\n",
    "short hash": FIRST + b"index 0\nAAAA\n\n",
    "no blank line": FIRST + b"index 0\n",
    "no newline": FIRST + b"index 0",
    "not ASCII": FIRST + "index ٠\n\n".encode(),
    "64 hashes": FIRST + b"index 0\n" + 64 * (b"A" * 43 + b"=\n") + b"\n",
    "too long": FIRST + b"index 0\n\n" + b"x" * 400_000,
}


@pytest.mark.parametrize("name", BAD_PROOF_FILES)
def test_parse_proof_file_of_another_spelling_fails(name: str) -> None:
    with pytest.raises(IntegrityError) as raised:
        parse_proof_file(BAD_PROOF_FILES[name])
    assert raised.value.reason == "BAD_PROOF_FILE"


def test_commit_record_is_the_golden_one(vectors: Path) -> None:
    note = (vectors / "checkpoint.note").read_bytes()
    golden = (vectors / "commit.record").read_bytes()
    assert CommitRecord(297, ENTRIES[297:], note).encode() == golden
    assert parse_record(golden, 0) == (CommitRecord(297, ENTRIES[297:], note), len(golden))


def test_parse_record_cut_or_changed_anywhere_is_no_record(vectors: Path) -> None:
    golden = (vectors / "commit.record").read_bytes()
    for place in range(len(golden)):
        changed = bytearray(golden)
        changed[place] ^= 0x10
        assert parse_record(bytes(changed), 0) is None
        assert parse_record(golden[:place], 0) is None
        assert parse_record(golden[:place].ljust(len(golden), b"\0"), 0) is None


def test_parse_records_stops_at_the_zeros_written_in_advance(vectors: Path) -> None:
    golden = (vectors / "commit.record").read_bytes()
    records, end = parse_records(golden + golden + bytes(100))
    assert (len(records), end) == (2, 2 * len(golden))


def test_records_after_finds_a_record_behind_torn_bytes(vectors: Path) -> None:
    golden = (vectors / "commit.record").read_bytes()
    assert [r.first_index for r in records_after(golden[:50] + b"CLR1" + golden, 0)] == [297]


def test_golden_roots_are_those_of_the_entries(vectors: Path) -> None:
    roots = json.loads((vectors / "roots.json").read_text("utf-8"))
    assert roots
    leaves = [leaf_hash(f"entry {index}".encode()) for index in range(max(map(int, roots)))]
    assert {size: root_of(leaves[: int(size)]).hex() for size in roots} == roots
