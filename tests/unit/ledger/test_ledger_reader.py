"""Offline verification: passes on every honest ledger, names what was changed in any other."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.ledger import Checkpoint, EntryReader, LedgerReader, Log, NoteSigner, sign_checkpoint
from cloison.ledger.commit_record import parse_records
from cloison.ledger.reader import Verified

SIZE = 1_400


def write_ledger(directory: Path, signer: NoteSigner) -> None:
    """1,400 entries; the first 1,024 stand in tiles alone, the rest in the append file too."""
    with pytest.MonkeyPatch.context() as patch, Log.create(directory, signer) as log:
        patch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 9_000)
        while log.size < SIZE:
            first = log.size
            log.append_many([f"entry {first + place}".encode() for place in range(100)])
            log.settle()


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, signer: NoteSigner) -> Path:
    directory = tmp_path_factory.mktemp("honest") / "traces"
    write_ledger(directory, signer)
    return directory


@pytest.fixture
def copy(honest: Path, directory: Path) -> Path:
    shutil.copytree(honest, directory)
    return directory


def verify(directory: Path, signer: NoteSigner) -> Verified:
    return LedgerReader(directory, signer.verifier).verify()


def change(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_verify_of_an_honest_ledger_counts_what_it_checked(
    honest: Path, signer: NoteSigner
) -> None:
    verified = verify(honest, signer)
    assert (verified.checkpoint.size, verified.bundles, verified.tiles) == (SIZE, 5, 5)
    assert verified.torn_bytes == 0


def test_verify_of_an_empty_ledger_passes(log: Log, directory: Path, signer: NoteSigner) -> None:
    assert log.size == 0
    assert verify(directory, signer).checkpoint.size == 0


def test_verify_of_a_ledger_being_written_passes(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    log.append_many([b"x"] * 700)
    assert verify(directory, signer).checkpoint.size == 700


def test_verify_of_a_killed_ledger_passes_without_the_tiles_not_yet_written(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    log.append_many([b"x"] * 700)
    killed = shutil.copytree(directory, directory.with_name("killed"))
    assert not (killed / "tile").exists()
    verified = verify(killed, signer)
    assert (verified.bundles, verified.tiles) == (2, 0)


def test_verify_with_a_torn_commit_tells_its_bytes(copy: Path, signer: NoteSigner) -> None:
    segment = max((copy / "entries").iterdir())
    with segment.open("rb") as file:
        end = parse_records(file.read())[1]
    data = segment.read_bytes()
    segment.write_bytes(data[:end] + b"CLR1 torn")
    assert verify(copy, signer).torn_bytes == len(b"CLR1 torn")


def test_entries_are_read_from_tiles_and_append_files(honest: Path) -> None:
    reader = EntryReader(honest)
    expected = [(index, f"entry {index}".encode()) for index in range(SIZE)]
    assert list(reader.entries(0, SIZE + 5)) == expected
    assert list(reader.entries(1_020, 10)) == expected[1_020:1_030]
    assert list(reader.entries(SIZE, 10)) == []


CHANGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a tile": (
        lambda d: change(d / "tile/0/002", 32 * 17 + 5),
        "BAD_TILE",
        "`tile/0/002`: hash 17 is not that of entry 529",
    ),
    "an entry": (
        lambda d: change(d / "tile/entries/001", 2 + 6),
        "BAD_TILE",
        "`tile/0/001`: hash 0 is not that of entry 256",
    ),
    "an entry's length": (
        lambda d: change(d / "tile/entries/001", 1),
        "BAD_BUNDLE",
        "`tile/entries/001`: not 256 entries",
    ),
    "an entry and its tile": (
        lambda d: _replace_entry(d, 2, 3),
        "BAD_ROOT",
        "do not lead to the root signed",
    ),
    "a bundle that the append file also holds": (
        lambda d: change(d / "tile/entries/004", 2 + 6),
        "BAD_BUNDLE",
        "`tile/entries/004`: entry 1024 is not the one in the append file",
    ),
    "a tile cut short": (
        lambda d: _cut(d / "tile/0/000"),
        "BAD_TILE",
        "`tile/0/000`: 8191 bytes where 8192 belong",
    ),
    "a tile missing": (lambda d: (d / "tile/0/001").unlink(), "LEDGER_READ", "`tile/0/001`"),
    "a bundle missing": (
        lambda d: (d / "tile/entries/001").unlink(),
        "LEDGER_READ",
        "`tile/entries/001`",
    ),
    "the checkpoint": (lambda d: change(d / "checkpoint", 30), "BAD_", ""),
    "the checkpoint missing": (lambda d: (d / "checkpoint").unlink(), "LEDGER_MISSING", "traces"),
    "the append files missing": (
        lambda d: shutil.rmtree(d / "entries"),
        "LEDGER_MISSING",
        "traces",
    ),
    "an acknowledged entry": (
        lambda d: change(max((d / "entries").iterdir()), 60),
        "LEDGER_",
        "ledger",
    ),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _replace_entry(directory: Path, bundle: int, place: int) -> None:
    """What a thief with the disk but not the key would do: entry and leaf hash agree."""
    from cloison.ledger import leaf_hash  # noqa: PLC0415 - used by this forgery alone
    from cloison.ledger.tiles import encode_bundle, parse_bundle  # noqa: PLC0415 - the same

    path = directory / f"tile/entries/{bundle:03d}"
    entries = parse_bundle(path.read_bytes(), 256)
    entries[place] = b"forged"
    path.write_bytes(encode_bundle(entries))
    hashes = b"".join(leaf_hash(entry) for entry in entries)
    (directory / f"tile/0/{bundle:03d}").write_bytes(hashes)


@pytest.mark.parametrize("name", CHANGES)
def test_verify_names_what_was_changed(copy: Path, signer: NoteSigner, name: str) -> None:
    spoil, reason, says = CHANGES[name]
    spoil(copy)
    with pytest.raises(CloisonError) as raised:
        verify(copy, signer)
    assert raised.value.reason.startswith(reason)
    assert says in raised.value.message


def test_verify_names_the_tile_below_at_higher_levels(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    for _ in range(5):
        log.append_many([b"x"] * 14_000)
    log.close()
    change(directory / "tile/1/000", 32 * 200)
    with pytest.raises(IntegrityError, match="hash 200 is not that of `tile/0/200`"):
        verify(directory, signer)


def test_verify_with_a_commit_that_signs_another_size_fails(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    older = log.append_many([b"a"]).checkpoint
    log.append_many([b"b"])
    segment = min((directory / "entries").iterdir())
    records = parse_records(segment.read_bytes())[0]
    records[2] = replace(records[2], note=older)
    segment.write_bytes(b"".join(record.encode() for record in records))
    with pytest.raises(IntegrityError, match="signs size 1 where it ends at 2"):
        verify(directory, signer)


def test_reading_while_a_node_drops_an_append_file_reads_again(
    honest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Path.read_bytes, []

    def read_bytes(path: Path) -> bytes:
        calls.append(path)
        if len(calls) <= 2:
            raise FileNotFoundError(2, "no such file", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert EntryReader(honest).size == SIZE


def test_reading_what_cannot_be_read_fails_at_once(
    honest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_bytes(path: Path) -> bytes:
        raise PermissionError(13, "permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(StorageError) as raised:
        EntryReader(honest)
    assert raised.value.reason == "LEDGER_READ"


def test_verify_with_another_key_fails(honest: Path) -> None:
    stranger = NoteSigner("caf.cloison.local/traces", Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError) as raised:
        verify(honest, stranger)
    assert raised.value.reason == "BAD_SIGNATURE"


def test_verify_with_a_checkpoint_ahead_fails(copy: Path, signer: NoteSigner) -> None:
    note = sign_checkpoint(Checkpoint(signer.name, SIZE + 1, bytes(32)), signer)
    (copy / "checkpoint").write_bytes(note)
    with pytest.raises(IntegrityError) as raised:
        verify(copy, signer)
    assert raised.value.reason == "LEDGER_BEHIND"


def test_verify_with_a_checkpoint_of_another_tree_fails(copy: Path, signer: NoteSigner) -> None:
    note = sign_checkpoint(Checkpoint(signer.name, 777, bytes(32)), signer)
    (copy / "checkpoint").write_bytes(note)
    with pytest.raises(IntegrityError, match="`checkpoint`: the entries before 777"):
        verify(copy, signer)
