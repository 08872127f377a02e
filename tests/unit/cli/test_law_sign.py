"""`cloison law sign`: no name is put under a set that no node would load."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.federation import Federation
from tests.unit.wire.policy_changes import breaking, plain, with_decree

from cloison.cli.app import run
from cloison.cli.first_set import first_set
from cloison.exchange.policy_manifest import MANIFEST
from cloison.ledger.note import parse_note


@pytest.fixture
def keys(federation: Federation, tmp_path: Path) -> Path:
    """A signer's own copy of the federation's keys."""
    shutil.copytree(federation.keys, tmp_path / "keys")
    return tmp_path / "keys"


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def sign(folder: Path, keys: Path) -> int:
    key = keys / "signers/ministere.key"
    return run(["law", "sign", str(folder), "--key", str(key), "--keys", str(keys)])


def test_sign_of_what_permits_no_more_than_the_first_set_proves_nothing_and_signs(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.cli.law_sets.require_kept", None)  # would fail if it were called
    folder = write(tmp_path / "set", with_decree())
    assert sign(folder, keys) == 0
    (signature,) = parse_note((folder / MANIFEST).read_bytes()).signatures
    assert signature.name == "ministere"


def test_sign_of_what_breaks_a_promise_unsaid_is_refused_with_a_counterexample(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "set", breaking())
    assert sign(folder, keys) == 3
    said = capsys.readouterr().err
    assert "promise `income-never-targets`: on 20" in said
    assert "PROMISE_BROKEN" in said
    assert not (folder / MANIFEST).exists()


def test_sign_of_what_its_own_examples_contradict_is_refused(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = with_decree()
    path = "texts/decret-test/examples.yaml"
    folder = write(tmp_path / "set", {**files, path: files[path].replace(b"06-16", b"06-18", 1)})
    assert sign(folder, keys) == 3
    assert "EXAMPLES_FAIL" in capsys.readouterr().err
    assert not (folder / MANIFEST).exists()


def test_sign_with_a_first_set_that_was_altered_is_refused(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a draft laid there would pass for what every node already permits."""
    write(first_set(keys), breaking())
    folder = write(tmp_path / "set", breaking())
    assert sign(folder, keys) == 1
    assert "SET_ALTERED" in capsys.readouterr().err
    assert not (folder / MANIFEST).exists()


def test_sign_without_the_first_set_proves_before_it_signs(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved: list[Mapping[str, bytes]] = []
    monkeypatch.setattr("cloison.cli.law_sets.require_kept", proved.append)
    folder = write(tmp_path / "set", plain())
    shutil.copy(first_set(keys) / MANIFEST, folder / MANIFEST)
    shutil.rmtree(first_set(keys))
    assert sign(folder, keys) == 0
    assert len(proved) == 1
