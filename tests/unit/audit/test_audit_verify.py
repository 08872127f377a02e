"""Folders of proofs checked again by their command: whole, altered by a byte, without a file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.federation import ANNE, CNAV, Federation
from tests.unit.wire.persons import Reader, ask

from cloison.cli.app import run
from cloison.cli.audit import open_sets
from cloison.cli.audit_report import write_report
from cloison.programs.person.proofs import write_proofs
from cloison.wire.days import DayBook

from .conftest import Audited


@pytest.fixture(scope="module")
def evidence(audited: Audited, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified") / "report"
    chosen = (("caf", "cnav"), ())
    write_report(audited.place, folder, (None, None), chosen, open_sets(audited.place, ()))
    return folder


def verify(
    folder: Path, keys: Path, capsys: pytest.CaptureFixture[str], status: int
) -> dict[str, Any]:
    assert run(["audit", "verify", str(folder), "--keys", str(keys), "--json"]) == status
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


def test_evidence_pack_holds_and_says_what_was_checked(
    evidence: Path, audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verify(evidence / "evidence", audited.place.keys, capsys, 0)
    assert found["wrong"] == []
    assert found["proofs"] == len(list(evidence.rglob("*.tlog-proof"))) > 3
    assert found["heads"] == found["witnessed"] == len(found["ledgers"])
    assert found["sums"] > found["proofs"]


@pytest.mark.parametrize("ending", [".entry", ".tlog-proof", "checkpoint", "vkey", "VERIFIER.md"])
def test_evidence_pack_with_a_byte_changed_is_refused(
    ending: str,
    evidence: Path,
    audited: Audited,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(evidence, tmp_path / "report")
    pack = tmp_path / "report/evidence"
    path = min(pack.rglob(f"*{ending}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    wrong = {Path(one["file"]).name for one in verify(pack, audited.place.keys, capsys, 1)["wrong"]}
    assert path.name.removesuffix(".entry").removesuffix(".tlog-proof") in {
        Path(name).name.removesuffix(".entry").removesuffix(".tlog-proof") for name in wrong
    }


@pytest.fixture
def proofs(federation: Federation, tmp_path: Path) -> Path:
    """What Anne took home: a day that is closed."""
    ask(federation)
    federation.clock.advance(days=1)
    DayBook(federation.node(CNAV)).close_all()
    folder = tmp_path / "proofs"
    write_proofs(folder, {CNAV: Reader(federation, ANNE).read()})
    return folder


def test_persons_proofs_hold_and_count_the_day(
    proofs: Path, federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verify(proofs, federation.keys, capsys, 0)
    assert (found["days"], found["wrong"]) == (1, [])
    assert found["proofs"] == len(list(proofs.glob("*.tlog-proof"))) >= 1


def test_persons_proofs_without_one_of_them_are_refused(
    proofs: Path, federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    """The day's map counts what the folder no longer shows."""
    min(proofs.glob("*.tlog-proof")).unlink()
    ((one),) = verify(proofs, federation.keys, capsys, 1)["wrong"]
    assert one["file"] == "cnav-days.json"
    assert "0 entries here where 1 are counted" in one["why"]


def test_no_byte_of_a_proof_can_be_changed(
    proofs: Path, federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    path = min(proofs.glob("*.tlog-proof"))
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert verify(proofs, federation.keys, capsys, 1)["wrong"], place


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cnav-days.json", b"[" * 100_000),
        ("cnav-days.json", b'[{"closed": 1}]'),
        ("cnav-days.json", b'{"closed": "x"}'),
        ("x.heads", b"\xff\x00"),
        ("7.tlog-proof", b""),
        ("SHA256SUMS", b"00  ../../../../../etc/passwd\n"),
        ("\x1b[31m.tlog-proof", b"c2sp.org/tlog-proof@v1\n"),
    ],
)
def test_hostile_file_is_refused_by_name_and_commands_nothing(
    name: str,
    data: bytes,
    proofs: Path,
    federation: Federation,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (proofs / name).write_bytes(data)
    assert run(["audit", "verify", str(proofs), "--keys", str(federation.keys)]) == 1
    said = capsys.readouterr()
    assert said.err
    assert "\x1b[31m" not in said.out + said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--keys", "nowhere"), "NO_KEYS"),
        (("--vkey", "nowhere"), "BAD_VKEY"),
        ((), "NO_PROOFS"),
    ],
)
def test_verify_of_bad_input_is_refused(
    words: tuple[str, ...],
    reason: str,
    audited: Audited,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = words or ("--keys", str(audited.place.keys))
    assert run(["audit", "verify", str(tmp_path), *keys]) == 3
    assert f"[{reason}]" in capsys.readouterr().err


def test_proofs_under_another_ledgers_key_are_refused(
    proofs: Path, federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    vkey = federation.keys / "public/ledgers/caf.traces.vkey"
    assert run(["audit", "verify", str(proofs), "--vkey", str(vkey)]) == 1
    said = capsys.readouterr()
    assert "its key was not given" in said.err
    assert "do not hold" in said.out
