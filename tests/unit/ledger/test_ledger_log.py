"""The log: what is appended comes back, is proved, and stands in C2SP files."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.ledger.trees import tiles_of

from cloison.errors import CloisonError, InputError, StorageError
from cloison.ledger import (
    Log,
    NoteSigner,
    leaf_hash,
    verify_checkpoint,
    verify_consistency,
    verify_inclusion,
)
from cloison.ledger.tiles import Tile, bundle_path, parse_bundle

GREAT = 70_000


def entries(first: int, count: int) -> list[bytes]:
    return [f"entry {index}".encode() for index in range(first, first + count)]


def fill(log: Log, size: int, group: int = 10_000) -> None:
    while log.size < size:
        log.append_many(entries(log.size, min(group, size - log.size)))


@pytest.fixture(scope="module")
def great(tmp_path_factory: pytest.TempPathFactory, signer: NoteSigner) -> Iterator[Log]:
    """70,000 entries, written, closed and opened again; to be read only."""
    directory = tmp_path_factory.mktemp("great") / "traces"
    with Log.create(directory, signer) as written:
        fill(written, GREAT)
    with Log.open(directory, signer) as again:
        yield again


def test_create_signs_the_empty_tree(log: Log) -> None:
    head = verify_checkpoint(log.checkpoint(), log.verifier)
    assert (head.origin, head.size) == (log.origin, 0)


def test_create_over_anything_is_refused(directory: Path, signer: NoteSigner) -> None:
    directory.mkdir()
    (directory / "something").touch()
    with pytest.raises(StorageError) as raised:
        Log.create(directory, signer)
    assert raised.value.reason == "LEDGER_EXISTS"


def test_create_after_a_crash_in_create_starts_over(directory: Path, signer: NoteSigner) -> None:
    half_made = directory.with_name("traces.new")
    half_made.mkdir()
    (half_made / "entries").touch()
    Log.create(directory, signer).close()
    assert not half_made.exists()


def test_open_of_nothing_is_refused(directory: Path, signer: NoteSigner) -> None:
    with pytest.raises(StorageError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_MISSING"


def test_open_of_an_empty_directory_is_refused(directory: Path, signer: NoteSigner) -> None:
    directory.mkdir()
    with pytest.raises(StorageError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_MISSING"


@pytest.mark.usefixtures("log")
def test_open_twice_is_refused(directory: Path, signer: NoteSigner) -> None:
    with pytest.raises(StorageError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_LOCKED"


def test_open_with_another_key_is_refused(log: Log, directory: Path) -> None:
    log.close()
    stranger = NoteSigner(log.origin, Ed25519PrivateKey.generate())
    with pytest.raises(CloisonError) as raised:
        Log.open(directory, stranger)
    assert raised.value.reason == "BAD_SIGNATURE"


def test_append_returns_place_size_and_head(log: Log) -> None:
    log.append_many(entries(0, 3))
    appended = log.append_many(entries(3, 2))
    head = verify_checkpoint(appended.checkpoint, log.verifier)
    assert (appended.first_index, appended.size, head.size) == (3, 5, 5)
    assert log.checkpoint() == appended.checkpoint


def test_every_entry_is_proved_under_the_head_that_came_with_it(log: Log) -> None:
    for group in (1, 2, 255, 1, 300, 7):
        appended = log.append_many(entries(log.size, group))
        head = verify_checkpoint(appended.checkpoint, log.verifier)
        for index in range(appended.first_index, appended.size):
            path = log.inclusion_proof(index, appended.size)
            leaf = leaf_hash(f"entry {index}".encode())
            verify_inclusion(leaf, index, head.size, path, head.root)


def test_old_entries_are_proved_from_tiles_after_reopening(great: Log) -> None:
    for index in range(0, GREAT, 6_997):
        leaf = leaf_hash(f"entry {index}".encode())
        verify_inclusion(leaf, index, GREAT, great.inclusion_proof(index), great.root())
        assert great.entry(index) == f"entry {index}".encode()


def test_roots_are_the_golden_ones(great: Log, vectors: Path) -> None:
    roots = json.loads((vectors / "roots.json").read_text("utf-8"))
    assert {size: great.root(int(size)).hex() for size in roots} == roots


def test_consistency_holds_between_any_two_heads(log: Log) -> None:
    fill(log, 1_000, group=77)
    for first in range(1, 1_000, 83):
        for second in range(first, 1_001, 91):
            path = log.consistency_proof(first, second)
            verify_consistency(first, second, path, log.root(first), log.root(second))


def test_full_tiles_and_bundles_are_files_and_partial_ones_are_not(great: Log) -> None:
    full = [tile for tile in tiles_of(GREAT) if tile.width == 256]
    bundles = {bundle_path(tile.index) for tile in full if tile.level == 0}
    files = [path for path in great.directory.glob("tile/**/*") if path.is_file()]
    found = {str(path.relative_to(great.directory)) for path in files}
    assert found == bundles | {tile.path for tile in full}


def test_tile_serves_every_width(great: Log) -> None:
    for tile in list(tiles_of(GREAT))[::40] + list(tiles_of(GREAT))[-4:]:
        data = great.tile(tile.level, tile.index, tile.width)
        assert len(data) == 32 * tile.width
        if tile.width == 256:
            assert data == (great.directory / tile.path).read_bytes()


def test_bundle_serves_every_width(great: Log) -> None:
    assert parse_bundle(great.bundle(273, 112), 112) == entries(273 * 256, 112)
    assert great.bundle(5) == (great.directory / bundle_path(5)).read_bytes()


WRONG_CALLS: dict[str, Callable[[Log], object]] = {
    "entry beyond the end": lambda log: log.entry(10),
    "negative entry": lambda log: log.entry(-1),
    "negative count": lambda log: log.entries(3, -2),
    "proof beyond the end": lambda log: log.inclusion_proof(10),
    "proof in a smaller tree": lambda log: log.inclusion_proof(5, 5),
    "proof in a greater tree": lambda log: log.inclusion_proof(5, 11),
    "consistency backwards": lambda log: log.consistency_proof(6, 5),
    "consistency from below": lambda log: log.consistency_proof(-1),
    "root of a greater tree": lambda log: log.root(11),
    "tile too wide": lambda log: log.tile(0, 0, 11),
    "tile of no width": lambda log: log.tile(0, 0, 0),
    "tile wider than tiles are": lambda log: log.tile(0, 0, 257),
    "tile of a negative level": lambda log: log.tile(-1, 0, 1),
    "tile of a level not reached": lambda log: log.tile(1, 0, 1),
    "tile of a level no log has": lambda log: log.tile(60, 0, 1),
    "bundle beyond the end": lambda log: log.bundle(0, 11),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_reading_what_is_not_there_is_refused(log: Log, name: str) -> None:
    log.append_many(entries(0, 10))
    with pytest.raises(InputError) as raised:
        WRONG_CALLS[name](log)
    assert raised.value.reason == "BAD_INDEX"


WRONG_GROUPS = {
    "NO_ENTRIES": [],
    "ENTRY_TOO_LONG": [b"x" * 65_536],
    "TOO_MANY_ENTRIES": [b"x"] * 16_385,
}


@pytest.mark.parametrize("reason", WRONG_GROUPS)
def test_append_of_a_wrong_group_is_refused_and_changes_nothing(log: Log, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        log.append_many(WRONG_GROUPS[reason])
    assert raised.value.reason == reason
    assert log.append_many([b"x" * 65_535]).first_index == 0


def test_closed_log_refuses_everything(log: Log) -> None:
    log.close()
    log.close()
    with pytest.raises(StorageError) as raised:
        log.checkpoint()
    assert raised.value.reason == "LEDGER_STOPPED"


def test_append_files_are_dropped_once_their_tiles_are_settled(
    log: Log, directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 20_000)
    fill(log, 5_000, group=111)
    assert len(list((directory / "entries").iterdir())) > 2
    while log.unsettled:
        log.settle()
    assert len(list((directory / "entries").iterdir())) <= 2
    log.close()
    with Log.open(directory, signer) as again:
        assert again.entries(0, 5_000) == entries(0, 5_000)


def test_settled_after_more_was_added_and_settled_counts_each_bundle_once(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    fill(log, 1_000, group=100)
    settling = log.settling()
    fill(log, 2_000, group=100)
    log.settle()
    settling.sync()
    log.settled(settling)
    assert (settling.end, log.unsettled) == (768, 0)
    fill(log, 2_400, group=100)
    log.close()
    with Log.open(directory, signer) as again:
        assert again.entries(0, 2_400) == entries(0, 2_400)


def test_settled_leaves_what_filled_meanwhile_unsettled(log: Log) -> None:
    fill(log, 600, group=100)
    settling = log.settling()
    fill(log, 1_100, group=100)
    settling.sync()
    log.settled(settling)
    assert log.unsettled == 2


def test_tiles_not_written_yet_are_read_as_those_that_are(log: Log, directory: Path) -> None:
    fill(log, 40_000)  # more tiles than are kept for being used of late
    assert not (directory / "tile").exists()
    before = [log.tile(0, index) + log.bundle(index) for index in range(log.unsettled)]
    proof = log.inclusion_proof(5)
    log.settle()
    assert log.unsettled == 0
    after = [(directory / Tile(0, index).path).read_bytes() for index in range(156)]
    bundles = [(directory / bundle_path(index)).read_bytes() for index in range(156)]
    assert before == [tile + bundle for tile, bundle in zip(after, bundles, strict=True)]
    verify_inclusion(leaf_hash(b"entry 5"), 5, 40_000, proof, log.root())


def test_tiles_not_written_yet_take_no_more_memory_than_declared(
    log: Log, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.log._MOST_UNSETTLED_BYTES", 50_000)
    most = 0
    for size in range(300, 5_000, 300):
        fill(log, size)
        most = max(most, log.unsettled)
    assert 1 <= most < 5  # 8,192 bytes of hashes and some 3,000 of entries each
    assert (directory / bundle_path(0)).exists()


def test_stopped_log_refuses_everything(log: Log) -> None:
    fill(log, 300, group=100)
    log.stop()
    with pytest.raises(StorageError) as raised:
        log.append_many([b"x"])
    assert raised.value.reason == "LEDGER_STOPPED"


def test_append_goes_on_where_it_left_off_after_reopening(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    for size in (1, 255, 256, 257, 1_000):
        fill(log, size, group=100)
        log.close()
        log = Log.open(directory, signer)
        assert log.entries(0, size) == entries(0, size)
    log.close()


def test_files_are_not_readable_by_others(log: Log, directory: Path) -> None:
    log.append_many([b"x"])
    assert directory.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (directory / "entries").iterdir())
    assert os.access(directory / "lock", os.W_OK)


@pytest.mark.parametrize("before", [0, 1, 255, 300, 1_000])
@pytest.mark.parametrize("count", [1, 2, 64, 257])
def test_proofs_of_a_commit_are_those_of_its_entries(log: Log, before: int, count: int) -> None:
    fill(log, before, group=100)
    appended = log.append_many([b"%d" % place for place in range(count)])
    places = range(appended.first_index, appended.size)
    each = [log.inclusion_proof(place, appended.size) for place in places]
    assert log.inclusion_proofs(appended) == each
