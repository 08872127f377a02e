"""`cloison audit run` and `replay` on ledgers of a disk: what they print, and of bad input."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.federation import ROOT, Template
from tests.misuse.traffic import Span, begin_nodes, reviews
from tests.misuse.world import World, utc

from cloison.cli.app import run
from cloison.ledger.tiles import bundle_path
from cloison.months import Month

SPAN = Span(Month.of(2026, 3), 1)
UNTIL = SPAN.end.isoformat()


@dataclass(frozen=True, slots=True)
class Place:
    var: Path
    keys: Path

    def audit(self, *words: str, root: Path = ROOT) -> int:
        places = ["--var", str(self.var), "--keys", str(self.keys), "--root", str(root)]
        return run(["audit", *words, *places])


@pytest.fixture(scope="module")
def written(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month of a hundred reviews, some refused."""
    world = World(template.policy, 5, utc(2026, 3, 1))
    begin_nodes(world)
    reviews(world, SPAN.first, 300)
    world.at(
        utc(2026, 3, 21),
        lambda: world.ask("caf-dmde", "cnav", "monthly_resources", None, [1]),
    )
    world.run()
    var = tmp_path_factory.mktemp("audited")
    world.write(var, template.keys)
    return var


@pytest.fixture
def place(written: Path, template: Template, tmp_path: Path) -> Place:
    shutil.copytree(written, tmp_path / "var")
    return Place(tmp_path / "var", template.keys)


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


def test_run_says_what_it_found_and_what_it_looked_at(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.audit("run", "--json", "--until", UNTIL) == 1
    said = found(capsys)
    assert set(said) == {"findings", "checked"}
    codes = {one["code"] for one in said["findings"] if one["severity"] != "low"}
    # No witness saw these ledgers: nobody ran any.
    unseen = {"WITNESS_GAP", "RECEIPT_NOT_WITNESSED"}
    assert codes == {"REFUSED_ATTEMPT", "EXPIRED_TEXT_INVOKED"} | unseen
    (one,) = (one for one in said["findings"] if one["code"] == "REFUSED_ATTEMPT")
    assert {"code", "severity", "activity", "article", "sentence", "evidence"} <= set(one)
    assert one["evidence"][0]["grade"] == "ledger"
    assert said["checked"]["replayed"] == said["checked"]["decided"] > 200


def test_run_fits_a_screen_and_names_each_finding(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert place.audit("run", "--until", UNTIL) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100
    assert any("REFUSED_ATTEMPT caf-dmde" in line for line in lines)
    assert any("decisions made again alike" in line for line in lines)


def test_replay_of_honest_decisions_finds_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.audit("replay", "--json", "--until", UNTIL) == 0
    said = found(capsys)
    assert said["findings"] == []
    assert said["checked"]["differing"] == 0
    assert said["checked"]["replayed"] > 200


def test_only_one_body_is_not_held_against_those_not_given(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.audit("run", "--only", "dgfip", "--json", "--until", UNTIL) == 1
    codes = {one["code"] for one in found(capsys)["findings"]}
    assert codes == {"PROVISIONAL_TEXT_RELIED_ON", "WITNESS_GAP", "RECEIPT_NOT_WITNESSED"}


def test_index_beside_the_log_is_not_read(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.audit("run", "--json", "--until", UNTIL)
    before = capsys.readouterr().out
    (place.var / "caf/ledger/traces.index.sqlite").write_bytes(b"not what the log says")
    place.audit("run", "--json", "--until", UNTIL)
    assert capsys.readouterr().out == before


BAD_INPUT = {
    "since after until": (("--since", "2026-04-02", "--until", "2026-04-01"), "BAD_PERIOD"),
    "not a time": (("--since", "yesterday"), "BAD_TIME"),
    "no such body": (("--only", "nobody"), "UNKNOWN_BODY"),
    "no entries": (("--since", "2030-01-01", "--until", "2030-02-01"), "NO_ENTRIES"),
}


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize(("words", "reason"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_refused_with_its_reason(
    command: str,
    words: tuple[str, ...],
    reason: str,
    place: Place,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert place.audit(command, *words) == 3
    assert reason in capsys.readouterr().err


def test_altered_entry_is_a_finding_and_the_others_are_audited(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = place.var / "caf/ledger/traces" / bundle_path(0)
    data = bytearray(bundle.read_bytes())
    data[300] ^= 1
    bundle.write_bytes(data)
    assert place.audit("run", "--json", "--until", UNTIL) == 1
    said = found(capsys)
    (one,) = (one for one in said["findings"] if one["code"] == "LEDGER_BROKEN")
    assert one["severity"] == "high"
    assert "caf.cloison.local/traces ne mène pas" in one["sentence"]
    assert one["evidence"][0]["note"].startswith("caf.cloison.local/traces\n")
    assert not any(each["code"] == "DECIDED_NOT_ASKED" for each in said["findings"])
    assert said["checked"]["decided"] > 100


def test_missing_ledger_ends_the_audit(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(place.var / "msa")
    assert place.audit("run", "--until", UNTIL) == 1
    assert "LEDGER_MISSING" in capsys.readouterr().err


def test_unknown_entry_version_is_a_finding_and_the_others_are_audited(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(template.policy, 6, utc(2026, 3, 1))
    begin_nodes(world)
    world.run()
    data = bytearray(world.logs[next(iter(world.logs))[0], "register"][0])
    assert data[:2] == b"\x08\x01"  # field 1, the version
    data[1] = 2
    world.logs[next(iter(world.logs))[0], "traces"].append(bytes(data))
    world.write(tmp_path / "var", template.keys)
    place = Place(tmp_path / "var", template.keys)
    assert place.audit("run", "--json", "--until", UNTIL) == 1
    said = found(capsys)
    (one,) = (one for one in said["findings"] if one["code"] == "LEDGER_BROKEN")
    assert "entry 0: version 2" in one["sentence"]
    assert said["checked"]["entries"] > 0
    out = tmp_path / "report"
    assert place.audit("report", "--out", str(out), "--until", UNTIL) == 1
    assert "LEDGER_BROKEN" in (out / "tables/findings.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.unlink(), "NO_AUDIT_LIMITS"),
        (lambda path: path.write_text("[unheard_of]\nvalue = 1\nreason = 'x'\n"), "unheard_of"),
        (
            lambda path: path.write_text(path.read_text().replace("value = 3\n", "value = 3.5\n")),
            "value",
        ),
    ],
    ids=["none", "unknown key", "not a whole number"],
)
def test_thresholds_that_are_not_sound_are_refused(
    change: Any,
    reason: str,
    place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "root"
    shutil.copytree(ROOT / "policy", root / "policy")
    shutil.copytree(ROOT / "nodes", root / "nodes", ignore=shutil.ignore_patterns("cloison"))
    change(root / "policy/audit.toml")
    assert place.audit("run", "--until", UNTIL, root=root) == 3
    assert reason in capsys.readouterr().err
