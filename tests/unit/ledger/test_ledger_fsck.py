"""`cloison ledger fsck`: what it finds, names and advises; what it leaves alone."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.audit.fsck import TODO
from cloison.cli.app import run
from cloison.exchange.entries import parse_entry
from cloison.exchange.index_terms import index_terms
from cloison.exchange.statement import to_milliseconds
from cloison.ledger import Checkpoint, LedgerIndex, Log, NoteSigner, sign_checkpoint
from cloison.ledger.reader import WITNESSED
from cloison.v1 import entry_pb2, statement_pb2

START = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
ENTRIES = 530


def decided(place: int, **by: float) -> bytes:
    """A decision's entry, some seconds after the start."""
    entry = entry_pb2.Entry(version=1, entry_time_ms=to_milliseconds(START + timedelta(**by)))
    asked = statement_pb2.Statement(version=1, purpose="calculation", nonce=b"%016d" % place)
    entry.decided.signed.statement = asked.SerializeToString()
    entry.decided.trace_keys.append(sha256(b"%d" % place).digest())
    return entry.SerializeToString()


class Place:
    """A federation's folders with one ledger, whose node is down."""

    def __init__(self, var: Path, signer: NoteSigner) -> None:
        self.var, self.signer = var, signer
        self.folder = var / "caf" / "ledger" / "traces"
        self.index = self.folder.with_name("traces.index.sqlite")
        self.witness = var / "cnav" / "witness"
        self.head = self.witness / sha256(signer.name.encode()).hexdigest()

    def add(self, *entries: bytes) -> None:
        """Appends as the node would, index included."""
        with Log.open(self.folder, self.signer) as log:
            index = LedgerIndex(self.index, log, index_terms)
            appended = log.append_many(entries)
            index.add(appended.first_index, entries)
            index.close()

    def sign(self, size: int, root: bytes) -> bytes:
        return sign_checkpoint(Checkpoint(self.signer.name, size, root), self.signer)

    def fsck(self, *options: str) -> int:
        keys = ("--keys", str(self.var / "keys"), "--var", str(self.var))
        return run(["ledger", "fsck", *keys, *options])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, signer: NoteSigner) -> Path:
    var = tmp_path_factory.mktemp("fsck") / "var"
    place = Place(var, signer)
    place.witness.mkdir(parents=True)
    place.folder.parent.mkdir(parents=True)
    public = var / "keys" / "public" / "ledgers"
    public.mkdir(parents=True)
    (public / "caf.traces.vkey").write_text(signer.verifier.vkey + "\n")
    Log.create(place.folder, signer).close()
    entries = [decided(number, seconds=number) for number in range(ENTRIES)]
    place.add(*entries[:300])
    place.head.write_bytes((place.folder / "checkpoint").read_bytes())
    (place.folder / WITNESSED).write_bytes((place.folder / "checkpoint").read_bytes())
    place.add(*entries[300:])
    return var


@pytest.fixture
def place(made: Path, tmp_path: Path, signer: NoteSigner) -> Place:
    shutil.copytree(made, tmp_path / "var")
    return Place(tmp_path / "var", signer)


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def problems(place: Place, capsys: pytest.CaptureFixture[str], *options: str) -> set[str]:
    code = place.fsck("--json", *options)
    found = json.loads(capsys.readouterr().out)
    assert found["sound"] is (code == 0)
    listed = [one for ledger in found["ledgers"] for one in ledger["problems"]]
    assert all(one["what"] and one["todo"] == TODO[one["code"]] for one in listed)
    return {one["code"] for one in listed}


def test_fsck_of_an_honest_ledger_finds_nothing_and_writes_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(place.var)
    assert problems(place, capsys) == set()
    assert snapshot(place.var) == before


def test_fsck_while_a_node_appends_finds_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with Log.open(place.folder, place.signer) as log:
        index = LedgerIndex(place.index, log, index_terms)
        new = [decided(number, seconds=number) for number in range(ENTRIES, ENTRIES + 40)]
        index.add(log.append_many(new).first_index, new)
        assert problems(place, capsys) == set()
        index.close()


def flip(path: Path, at: int = 40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def two_tiles(place: Place) -> None:
    flip(place.folder / "tile/0/000")
    flip(place.folder / "tile/entries/001")


def swapped(place: Place, folder: str) -> None:
    """Two files of one kind, each in the other's place."""
    first, second = (place.folder / folder / name for name in ("000", "001"))
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)


def from_another_log(place: Place, name: str) -> None:
    """A file of a ledger of the same key and length, with other entries."""
    with Log.create(place.var / "other", place.signer) as other:
        other.append_many([decided(number, seconds=1) for number in range(1_000, 1_000 + ENTRIES)])
        other.settle()
    shutil.copy(place.var / "other" / name, place.folder / name)


def torn(place: Place) -> None:
    (segment,) = (place.folder / "entries").iterdir()
    segment.write_bytes(segment.read_bytes().rstrip(b"\0") + b"CLR1 and no more")


def term_changed(place: Place) -> None:
    with closing(sqlite3.connect(place.index)) as base, base:
        base.execute("UPDATE term SET leaf = leaf + 1 WHERE kind = 'trace' AND leaf = 17")


def term_lost(place: Place) -> None:
    with closing(sqlite3.connect(place.index)) as base, base:
        base.execute("DELETE FROM term WHERE kind = 'trace' AND leaf = 17")


def index_ahead(place: Place) -> None:
    with closing(sqlite3.connect(place.index)) as base, base:
        base.execute("UPDATE progress SET size = size + 1")


def backup(place: Place) -> None:
    """The ledger as it was before the last commits, though a witness saw those."""
    place.head.write_bytes((place.folder / "checkpoint").read_bytes())
    shutil.rmtree(place.folder)
    with Log.create(place.folder, place.signer) as log:
        log.append_many([decided(number, seconds=number) for number in range(300)])
    place.index.unlink()


def fork_kept(place: Place) -> None:
    folder = place.witness / "forks" / place.head.name
    folder.mkdir(parents=True)
    (folder / "evidence").write_bytes(b"two heads")


WRONG: dict[str, tuple[Callable[[Place], object], set[str]]] = {
    "a hash of a tile": (lambda p: flip(p.folder / "tile/0/000"), {"BAD_TILE"}),
    "a tile cut short": (lambda p: shorten(p.folder / "tile/0/001"), {"BAD_TILE"}),
    "an entry of a bundle": (lambda p: flip(p.folder / "tile/entries/000"), {"BAD_BUNDLE"}),
    "two tiles": (
        two_tiles,
        {"BAD_TILE", "BAD_BUNDLE"},
    ),
    "tiles swapped": (lambda p: swapped(p, "tile/0"), {"BAD_TILE"}),
    "bundles swapped": (lambda p: swapped(p, "tile/entries"), {"BAD_BUNDLE"}),
    "a tile of another log": (lambda p: from_another_log(p, "tile/0/000"), {"BAD_TILE"}),
    "entries of another log": (
        lambda p: from_another_log(p, "tile/entries/000"),
        {"BAD_BUNDLE"},
    ),
    "the checkpoint of another log": (
        lambda p: from_another_log(p, "checkpoint"),
        {"BAD_ROOT"},
    ),
    "a commit": (lambda p: flip(min((p.folder / "entries").iterdir()), 500), {"LEDGER_DAMAGED"}),
    "no commit left": (
        lambda p: min((p.folder / "entries").iterdir()).write_bytes(b""),
        {"LEDGER_DAMAGED"},
    ),
    "a torn commit": (torn, {"TORN_COMMIT"}),
    "the checkpoint's signature": (lambda p: flip(p.folder / "checkpoint", -20), {"BAD_SIGNATURE"}),
    "no checkpoint": (lambda p: (p.folder / "checkpoint").unlink(), {"LEDGER_MISSING"}),
    "a checkpoint of another tree": (
        lambda p: (p.folder / "checkpoint").write_bytes(p.sign(300, bytes(32))),
        {"BAD_ROOT"},
    ),
    "a witnessed head of another tree": (
        lambda p: (p.folder / WITNESSED).write_bytes(p.sign(300, bytes(32))),
        {"BAD_ROOT"},
    ),
    "a head a witness keeps of another tree": (
        lambda p: p.head.write_bytes(p.sign(300, bytes(32))),
        {"BAD_ROOT"},
    ),
    "yesterday's backup": (backup, {"LEDGER_BEHIND"}),
    "a fork a witness saw": (fork_kept, {"FORK_KEPT"}),
    "a clock that went back": (lambda p: p.add(decided(900, seconds=1)), {"CLOCK_WENT_BACK"}),
    "a clock ahead": (lambda p: p.add(decided(900, days=40_000)), {"CLOCK_AHEAD"}),
    "a statement answered twice": (
        lambda p: p.add(decided(5, seconds=ENTRIES)),
        {"STATEMENT_TWICE"},
    ),
    "half of a replacement": (
        lambda p: (p.folder / "checkpoint.new").write_bytes(b"half"),
        {"LEFT_OVER"},
    ),
    "a term of the index": (term_changed, {"INDEX_DISAGREES"}),
    "a term lost": (term_lost, {"INDEX_DISAGREES"}),
    "an index ahead": (index_ahead, {"INDEX_DISAGREES"}),
    "an index that is none": (lambda p: p.index.write_bytes(b"no index"), {"LEDGER_INDEX"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_fsck_names_what_is_wrong(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoil, codes = WRONG[name]
    spoil(place)
    assert problems(place, capsys) == codes


def pruned(place: Place) -> None:
    """The oldest 256 entries are gone, as their time of keeping ended."""
    with Log.open(place.folder, place.signer) as log:
        index = LedgerIndex(place.index, log, index_terms)
        log.begin_file()
        more = [decided(number, seconds=number) for number in range(ENTRIES, ENTRIES + 300)]
        index.add(log.append_many(more).first_index, more)
        log.settle()
        log.prune(256)
        index.prune()
        index.close()


def test_fsck_of_a_pruned_ledger_checks_what_is_kept(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    pruned(place)
    assert problems(place, capsys) == set()
    with closing(sqlite3.connect(place.index)) as base, base:
        base.execute("DELETE FROM term WHERE kind = 'trace' AND leaf = 300")
    assert problems(place, capsys) == {"INDEX_DISAGREES"}


def test_fsck_of_a_pruned_ledger_without_a_tile_says_so(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what is no longer kept the hash tiles are all there is: nothing else would show it."""
    pruned(place)
    (place.folder / "tile/0/000").unlink()
    assert problems(place, capsys) == {"BAD_TILE"}


def test_fsck_of_an_unknown_entry_version_names_the_entry(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = parse_entry(decided(ENTRIES, seconds=ENTRIES))
    newer.version = 2
    with Log.open(place.folder, place.signer) as log:
        log.append_many([newer.SerializeToString(), b"\xff no entry"])
    assert place.fsck() == 1
    shown = capsys.readouterr().out
    assert f"entry {ENTRIES}: version 2" in shown
    assert f"entry {ENTRIES + 1}: cannot be decoded" in shown


def test_fsck_rebuilds_an_index_only_when_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    term_lost(place)
    assert problems(place, capsys) == {"INDEX_DISAGREES"}
    assert problems(place, capsys, "--rebuild-index") == set()
    with Log.open(place.folder, place.signer) as log:
        index = LedgerIndex(place.index, log, index_terms)
        assert index.find("trace", sha256(b"17").digest()) == [17]
        index.close()


def test_fsck_rebuilds_no_index_of_a_running_node(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with Log.open(place.folder, place.signer):
        assert place.fsck("--rebuild-index") == 1
    assert "LEDGER_LOCKED" in capsys.readouterr().err


def test_fsck_holds_a_ledger_to_the_key_of_its_place(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    other = NoteSigner("cnav.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    (place.var / "keys/public/ledgers/cnav.traces.vkey").write_text(other.verifier.vkey + "\n")
    shutil.rmtree(place.folder)
    Log.create(place.folder, other).close()
    assert "BAD_SIGNATURE" in problems(place, capsys)


@pytest.mark.parametrize(
    "words",
    [["nowhere"], ["--var", "nowhere"], ["a", "b", "--vkey", "c"], ["elsewhere"]],
)
def test_fsck_of_what_cannot_be_checked_exits_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    assert run(["ledger", "fsck", *words]) == 3


def test_fsck_says_what_to_do(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    term_lost(place)
    assert place.fsck() == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "not sound" in shown
    assert "`--rebuild-index`" in shown
