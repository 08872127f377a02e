"""The folder of keys: whole or not at all, private, never overwritten."""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.bodies import BodyId
from cloison.errors import InputError, StorageError
from cloison.identity import (
    body_of_certificate,
    init_keys,
    key_directory,
    ledger_origin,
    load_activity_keys,
    load_public_activities,
    load_secret,
    load_tls,
    verifier_key,
    witness_name,
)
from cloison.ledger.cosignature import CosignatureVerifier
from cloison.ledger.note import NoteSigner, NoteVerifier, verify_note

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BODIES = [BodyId("caf"), BodyId("cnav")]
ACTIVITIES = {
    "caf-ppa": BodyId("caf"),
    "caf-outreach": BodyId("caf"),
    "drees-statistics": BodyId("drees"),
}
SECRETS = ("traces", "register", "witness", "row", "vault", "agent")

EXPECTED = {
    "ca/ca.key",
    "ca/ca.crt",
    "public/ca.crt",
    "public/issuer.json",
    *(f"issuer/{name}" for name in ("signing.jwk", "tls.key", "tls.crt")),
    *(f"public/activities/{name}.toml" for name in ACTIVITIES),
    *(f"public/witnesses/{b}.vkey" for b in BODIES),
    *(f"public/ledgers/{b}.{log}.vkey" for b in BODIES for log in ("traces", "register")),
    *(
        f"{b}/node/{name}"
        for b in BODIES
        for name in ("tls.key", "tls.crt", *(f"{secret}.key" for secret in SECRETS))
    ),
    *(
        f"{body}/activities/{name}/{file}"
        for name, body in ACTIVITIES.items()
        for file in ("signing.key", "sealing.key", "tls.key", "tls.crt")
    ),
}


def files_of(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def test_init_keys_makes_exactly_the_files_of_the_layout(made_keys: Path) -> None:
    assert {str(p.relative_to(made_keys)) for p in files_of(made_keys)} == EXPECTED


def test_init_keys_private_files_are_0600_in_folders_0700(made_keys: Path) -> None:
    private = [p for p in made_keys.rglob("*") if p.relative_to(made_keys).parts[0] != "public"]
    loose = [p for p in private if p.stat().st_mode & 0o777 != (0o700 if p.is_dir() else 0o600)]
    assert private
    assert loose == []


def test_init_keys_public_folder_may_be_read_by_all(made_keys: Path) -> None:
    public = [made_keys, made_keys / "public", *(made_keys / "public").rglob("*")]
    wrong = [p for p in public if p.stat().st_mode & 0o777 != (0o755 if p.is_dir() else 0o644)]
    assert wrong == []


def test_init_keys_no_two_secrets_are_the_same(made_keys: Path) -> None:
    secrets = [p.read_bytes() for p in files_of(made_keys) if p.suffix == ".key"]
    assert len(set(secrets)) == len(secrets)


def test_init_keys_every_node_secret_loads(made_keys: Path) -> None:
    for name in SECRETS:
        assert len(load_secret(made_keys / "caf/node" / f"{name}.key")) == 32


def test_init_keys_private_and_public_halves_agree(made_keys: Path) -> None:
    register = load_public_activities(made_keys / "public/activities")
    private = {
        name: load_activity_keys(made_keys / body / "activities" / name).public
        for name, body in ACTIVITIES.items()
    }
    assert register == private


def test_init_keys_certificates_name_their_owners(made_keys: Path) -> None:
    node = body_of_certificate(load_tls(made_keys / "cnav/node").certificate)
    activity = body_of_certificate(load_tls(made_keys / "caf/activities/caf-ppa").certificate)
    assert (node.uri, activity.uri) == ("cloison://cnav", "cloison://caf/activity/caf-ppa")


def test_init_keys_existing_keys_are_refused_and_untouched(keys_copy: Path) -> None:
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in files_of(keys_copy)}
    with pytest.raises(InputError) as caught:
        init_keys(keys_copy, BODIES, ACTIVITIES, NOW)
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in files_of(keys_copy)}
    assert (caught.value.reason, after) == ("KEYS_EXIST", before)
    assert [p.name for p in keys_copy.parent.iterdir()] == ["keys"]


def test_init_keys_any_file_inside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        init_keys(tmp_path, BODIES, {}, NOW)
    assert caught.value.reason == "KEYS_EXIST"


def test_init_keys_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    with pytest.raises(InputError) as caught:
        init_keys(tmp_path / "keys", BODIES, {}, NOW)
    assert caught.value.reason == "KEYS_EXIST"


def test_init_keys_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    init_keys(tmp_path / "keys", BODIES, {}, NOW)
    assert (tmp_path / "keys/caf/node/tls.key").exists()


def test_init_keys_folder_filled_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: Path) -> None:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys/other").touch()

    monkeypatch.setattr(key_directory, "_sync_folders", fill)
    with pytest.raises(InputError) as caught:
        init_keys(tmp_path / "keys", BODIES, {}, NOW)
    assert caught.value.reason == "KEYS_EXIST"
    assert [p.name for p in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_init_keys_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(key_directory, "_build_activity", fail)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        init_keys(tmp_path / "keys", BODIES, ACTIVITIES, NOW)
    assert list(tmp_path.iterdir()) == []


def test_init_keys_disk_refuses_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_directory, "_build", fail)
    with pytest.raises(StorageError, match="No space left") as caught:
        init_keys(tmp_path / "keys", BODIES, {}, NOW)
    assert caught.value.reason == "KEYS_WRITE"


def test_init_keys_gives_an_overseer_its_witness_and_no_node(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", BODIES, {}, NOW, [BodyId("cnil"), BODIES[0]])
    made = {str(p.relative_to(tmp_path / "keys")) for p in files_of(tmp_path / "keys")}
    assert {one for one in made if "cnil" in one} == {
        "cnil/node/witness.key",
        "public/witnesses/cnil.vkey",
    }
    vkey = (tmp_path / "keys/public/witnesses/cnil.vkey").read_text()
    assert CosignatureVerifier.parse(vkey).name == witness_name(BodyId("cnil"))


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cloison.identity import init_keys, key_directory

at = sys.argv[2]
setattr(key_directory, at, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
init_keys(Path(sys.argv[1]), ["caf"], {"caf-ppa": "caf"}, datetime(2026, 11, 21, tzinfo=UTC))
"""


@pytest.mark.parametrize("at", ["_build_node", "_build_activity", "_sync_folders"])
def test_init_keys_killed_leaves_no_folder_and_can_be_run_again(tmp_path: Path, at: str) -> None:
    directory = tmp_path / "keys"
    run = subprocess.run([sys.executable, "-c", KILLED, str(directory), at], check=False)
    assert (run.returncode, directory.exists()) == (-signal.SIGKILL, False)
    init_keys(directory, BODIES, ACTIVITIES, NOW)
    assert {str(p.relative_to(directory)) for p in files_of(directory)} == EXPECTED


BAD_NAMES = {
    "no body": ([], {}, "NO_BODIES"),
    "body as a path": ([BodyId("../caf")], {}, "BAD_BODY"),
    "body named as a folder of keys": ([BodyId("public")], {}, "BAD_BODY"),
    "owner as a path": (BODIES, {"caf-ppa": BodyId("/caf")}, "BAD_BODY"),
    "activity as a path": (BODIES, {"../caf-ppa": BodyId("caf")}, "BAD_ACTIVITY"),
    "activity in capitals": (BODIES, {"CAF": BodyId("caf")}, "BAD_ACTIVITY"),
}


@pytest.mark.parametrize(("bodies", "activities", "reason"), BAD_NAMES.values(), ids=BAD_NAMES)
def test_init_keys_bad_name_is_refused(
    tmp_path: Path, bodies: list[BodyId], activities: dict[str, BodyId], reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        init_keys(tmp_path / "keys", bodies, activities, NOW)
    assert (caught.value.reason, list(tmp_path.iterdir())) == (reason, [])


def test_verifier_key_of_the_published_example_is_the_same() -> None:
    # origin: golang.org/x/mod/sumdb/note, package documentation
    published = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public_key = base64.b64decode(published.rsplit("+", 1)[1])[1:]
    assert verifier_key("PeterNeumann", public_key) == published


@pytest.mark.parametrize("ledger", ["traces", "register"])
def test_init_keys_private_ledger_key_signs_for_its_public_one(
    made_keys: Path, ledger: str
) -> None:
    seed = load_secret(made_keys / f"caf/node/{ledger}.key")
    signer = NoteSigner(
        ledger_origin(BodyId("caf"), ledger), Ed25519PrivateKey.from_private_bytes(seed)
    )
    vkey = (made_keys / f"public/ledgers/caf.{ledger}.vkey").read_text("ascii")
    assert verify_note(signer.sign("text\n"), NoteVerifier.parse(vkey)) == "text\n"
