"""A ledger as others read it: exported folders and proofs, checked by us and by Go's packages."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.federation import NOW
from typer.testing import CliRunner

from cloison.cli.ledger import app
from cloison.errors import InputError, IntegrityError, StorageError
from cloison.exchange.entries import started_entry
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.export import Snapshot
from cloison.ledger.log import Log
from cloison.ledger.note import Note, NoteSigner, parse_note
from cloison.ledger.proof_file import parse_proof_file, verify_proof_file
from cloison.ledger.reader import WITNESSED
from cloison.ledger.tree import leaf_hash

CHECK = Path(__file__).resolve().parents[2] / "outside/check.go"
KEY = Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32)
SIGNER = NoteSigner("caf.cloison.local/traces", KEY)
COSIGNER = Cosigner("cnil", Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32))
Done = subprocess.CompletedProcess[str]
runner = CliRunner()


@pytest.fixture(params=[0, 1, 255, 256, 257, 70_000])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    with Log.create(tmp_path / "log", SIGNER) as log:
        for start in range(0, request.param, 7_000):
            count = min(7_000, request.param - start)
            log.append_many([b"entry %d" % (start + place) for place in range(count)])
        yield log


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Log]:
    with Log.create(tmp_path / "log", SIGNER) as log:
        log.append_many([started_entry(f"test {place}", bytes(32), NOW) for place in range(300)])
        yield log


def snapshot(log: Log) -> Snapshot:
    return Snapshot(log.directory, SIGNER.verifier)


@pytest.fixture(scope="session")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Go's sumdb packages, as Debian has them (golang-go, golang-golang-x-mod-dev)."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go here: .ci/run installs it")
    program = tmp_path_factory.mktemp("go") / "check"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(program.parent / "cache"),
    }
    build = [go, "build", "-o", str(program), str(CHECK)]
    subprocess.run(build, check=True, env=environment)

    def check(folder: Path, *witnesses: str) -> Done:
        command = [str(program), str(folder), SIGNER.verifier.vkey, *witnesses]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return check


def test_exported_folder_is_accepted_by_go(
    log: Log, tmp_path: Path, go_check: Callable[..., Done]
) -> None:
    if not log.size:
        pytest.skip("Go's reader takes no empty tree")
    snapshot(log).write(tmp_path / "out", entries=True)
    done = go_check(tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"{log.size} entries\n"), done.stderr


@pytest.mark.parametrize(
    "name", ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/entries/000"]
)
def test_exported_folder_with_a_byte_changed_is_refused_by_go(
    name: str, small: Log, tmp_path: Path, go_check: Callable[..., Done]
) -> None:
    snapshot(small).write(tmp_path / "out", entries=True)
    assert go_check(tmp_path / "out").returncode == 0
    path = tmp_path / "out" / name
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    assert go_check(tmp_path / "out").returncode != 0


def test_cosignature_is_accepted_by_go_and_a_missing_one_is_not(
    small: Log, tmp_path: Path, go_check: Callable[..., Done]
) -> None:
    note = parse_note(small.checkpoint())
    seen = Note(note.text, (*note.signatures, COSIGNER.cosign(note.text, 1_790_000_000))).encode()
    (small.directory / WITNESSED).write_bytes(seen)
    snapshot(small).write(tmp_path / "out", entries=True)
    assert go_check(tmp_path / "out", COSIGNER.verifier.vkey).returncode == 0
    other = Cosigner("other", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)).verifier.vkey
    assert "2 of 3 signatures" in go_check(tmp_path / "out", COSIGNER.verifier.vkey, other).stderr
    (tmp_path / "out/checkpoint").write_bytes(seen[:-20] + b"AAAA" + seen[-16:])
    assert go_check(tmp_path / "out", COSIGNER.verifier.vkey).returncode != 0


def test_exported_tiles_are_those_of_the_log(log: Log, tmp_path: Path) -> None:
    files = snapshot(log).write(tmp_path / "out", entries=False)
    log.settle()
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == files
    assert not (tmp_path / "out/tile/entries").exists()
    assert (tmp_path / "out/checkpoint").read_bytes() == log.checkpoint()
    for path in written:
        full = log.directory / path.relative_to(tmp_path / "out")
        if ".p" not in str(path) and path.name != "checkpoint":
            assert path.read_bytes() == full.read_bytes()


def test_entry_whose_tile_is_not_written_yet_is_proved(tmp_path: Path) -> None:
    with Log.create(tmp_path / "traces", SIGNER) as log:
        for start in range(0, 70_000, 10_000):
            log.append_many([b"%d" % place for place in range(start, start + 10_000)])
        assert not (log.directory / "tile").exists()
        proof = snapshot(log).prove(5, with_entry=True)
        assert (proof.extra, proof.path) == (b"5", tuple(log.inclusion_proof(5)))


def test_export_never_writes_over_anything(small: Log, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    with pytest.raises(StorageError, match="not empty"):
        snapshot(small).write(tmp_path / "out", entries=False)


def test_proofs_stand_under_the_newest_witnessed_head(small: Log) -> None:
    note = parse_note(small.checkpoint())
    seen = Note(note.text, (*note.signatures, COSIGNER.cosign(note.text, 1))).encode()
    (small.directory / WITNESSED).write_bytes(seen)
    small.append_many([b"after"])
    found = snapshot(small)
    assert found.note == seen
    for index in (0, 255, 256, 299):
        proof = parse_proof_file(found.prove(index, with_entry=True).encode())
        assert proof.extra == small.entry(index)
        head = verify_proof_file(proof, leaf_hash(proof.extra), SIGNER.verifier)
        assert head.size == 300
        assert COSIGNER.verifier.seen(parse_note(proof.checkpoint)) == 1
    with pytest.raises(InputError, match="not under a head of 300 entries"):
        found.prove(300, with_entry=False)


def test_witnessed_head_longer_than_the_ledger_is_refused(small: Log, tmp_path: Path) -> None:
    with Log.create(tmp_path / "restored", SIGNER) as restored:
        restored.append_many([small.entry(0)])
        (restored.directory / WITNESSED).write_bytes(small.checkpoint())
        with pytest.raises(IntegrityError) as caught:
            snapshot(restored)
    assert caught.value.reason == "LEDGER_BEHIND"


def test_witnessed_head_of_other_entries_is_refused(small: Log, tmp_path: Path) -> None:
    with Log.create(tmp_path / "forked", SIGNER) as forked:
        forked.append_many([b"another %d" % place for place in range(300)])
        (forked.directory / WITNESSED).write_bytes(small.checkpoint())
        with pytest.raises(IntegrityError) as caught:
            snapshot(forked)
    assert caught.value.reason == "BAD_ROOT"


def test_commands_write_and_check_a_proof(small: Log, tmp_path: Path) -> None:
    vkey, proof = tmp_path / "vkey", tmp_path / "7.tlog-proof"
    vkey.write_text(SIGNER.verifier.vkey + "\n")
    key = ["--vkey", str(vkey)]
    words = ["prove", str(small.directory), "7", *key, "--out", str(proof), "--with-entry"]
    assert runner.invoke(app, words).exit_code == 0
    assert proof.stat().st_mode & 0o777 == 0o600
    done = runner.invoke(app, ["check", str(proof), *key, "--json"])
    assert done.exit_code == 0
    assert '"kind": "started"' in done.stdout
    proof.write_bytes(proof.read_bytes().replace(b"index 7", b"index 8"))
    with pytest.raises(IntegrityError):
        runner.invoke(app, ["check", str(proof), *key], catch_exceptions=False)


def test_proof_without_its_entry_asks_for_it(small: Log, tmp_path: Path) -> None:
    vkey, proof, entry = tmp_path / "vkey", tmp_path / "7.tlog-proof", tmp_path / "entry"
    vkey.write_text(SIGNER.verifier.vkey)
    proof.write_bytes(snapshot(small).prove(7, with_entry=False).encode())
    with pytest.raises(InputError, match="holds no entry"):
        runner.invoke(app, ["check", str(proof), "--vkey", str(vkey)], catch_exceptions=False)
    entry.write_bytes(small.entry(7))
    words = ["check", str(proof), "--vkey", str(vkey), "--entry", str(entry)]
    assert runner.invoke(app, words).exit_code == 0
