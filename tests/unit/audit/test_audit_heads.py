"""Forks, ledgers that went back, stretches no witness saw: from what lies on disk."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.federation import CAF, ROOT, Template
from tests.misuse.world import BODIES, LOGS, World, utc

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.exchange.entries import started_entry
from cloison.ledger.recovery import read_checkpoint_file
from cloison.ledger.witness import Submission, Witness
from cloison.wire.settings import known_ledgers, open_witness

CNIL = BodyId("cnil")
TIME = utc(2026, 3, 2, 9)
UNTIL = utc(2026, 3, 9).isoformat()
WITNESSES = (*BODIES, CNIL)


def write(template: Template, var: Path, *software: str) -> None:
    """Two short logs a node."""
    world = World(template.policy, 1, TIME)
    for name in software:
        for body, log in list(world.logs):
            world.enter(body, started_entry(name, template.policy.hash, TIME), log)
    world.write(var, template.keys)


@contextmanager
def witness(template: Template, var: Path, body: BodyId) -> Iterator[Witness]:
    opened = open_witness(body, template.keys, var / body, lambda: TIME)
    try:
        yield opened
    finally:
        opened.close()


def show(template: Template, var: Path, body: BodyId, ledger: Path) -> int:
    """A witness is shown a ledger's newest head, as a node would; the status it answers."""
    with witness(template, var, body) as opened:
        return opened.add_checkpoint(
            Submission(0, (), (ledger / "checkpoint").read_bytes()).encode()
        ).status


def audited(
    template: Template, var: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, Any]]:
    places = ["--var", str(var), "--keys", str(template.keys), "--root", str(ROOT)]
    run(["audit", "run", "--json", "--until", UNTIL, *places])
    said = json.loads(capsys.readouterr().out)
    return {one["code"]: one for one in said["findings"]}


def cosign(template: Template, var: Path) -> None:
    """Every witness but its own saw every ledger, and each keeps the note."""
    for body, log in ((body, log) for body in BODIES for log in LOGS):
        ledger = var / body / "ledger" / log
        note = (ledger / "checkpoint").read_bytes()
        lines = b""
        for name in WITNESSES:
            if name != body:
                with witness(template, var, name) as opened:
                    reply = opened.add_checkpoint(Submission(0, (), note).encode())
                assert reply.status == 200
                lines += reply.body
        (ledger / "witnessed").write_bytes(note + lines)


def test_ledgers_every_witness_saw_have_no_finding(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template, tmp_path, "a", "b")
    cosign(template, tmp_path)
    assert audited(template, tmp_path, capsys) == {}


def test_ledger_without_the_overseers_cosignature_does_not_count_as_audited(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template, tmp_path, "a", "b")
    cosign(template, tmp_path)
    path = tmp_path / "caf/ledger/traces/witnessed"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "cnil.cloison" not in line))
    (code, one), *others = audited(template, tmp_path, capsys).items()
    assert (code, one["count"], others) == ("WITNESS_GAP", 2, [])
    assert "caf.cloison.local/traces" in one["sentence"]


def test_witnessed_head_that_is_not_of_these_entries_is_a_finding_with_both_heads(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node shows witnesses one tree and its auditor another; no witness is there to be asked."""
    write(template, tmp_path / "now", "a", "b")
    write(template, tmp_path / "other", "a", "x")
    cosign(template, tmp_path / "now")
    cosign(template, tmp_path / "other")
    name = "caf/ledger/traces/witnessed"
    shutil.copy(tmp_path / "other" / name, tmp_path / "now" / name)
    for body in WITNESSES:
        shutil.rmtree(tmp_path / "now" / body / "witness")
    found = audited(template, tmp_path / "now", capsys)
    assert set(found) == {"LEDGER_FORKED", "WITNESS_GAP"}
    assert [place["index"] for place in found["LEDGER_FORKED"]["evidence"]] == [2, 2]
    assert found["WITNESS_GAP"]["count"] == 2


def test_ledger_put_back_as_it_was_is_found_with_both_heads(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template, tmp_path / "now", "a", "b", "c")
    write(template, tmp_path / "then", "a", "b")
    cosign(template, tmp_path / "now")
    kept, backup = tmp_path / "now/caf/ledger/traces", tmp_path / "then/caf/ledger/traces"
    shutil.rmtree(kept)
    shutil.copytree(backup, kept)
    one = audited(template, tmp_path / "now", capsys)["LEDGER_WENT_BACK"]
    assert one["severity"] == "high"
    sizes = [place["index"] for place in one["evidence"]]
    assert sizes == [3, 2]
    assert all(place["note"].startswith("caf.cloison.local/traces\n") for place in one["evidence"])


def test_ledger_rewritten_is_found_with_both_heads(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template, tmp_path / "now", "a", "b")
    write(template, tmp_path / "other", "a", "x", "c")
    cosign(template, tmp_path / "now")
    kept = tmp_path / "now/caf/ledger/traces"
    shutil.rmtree(kept)
    shutil.copytree(tmp_path / "other/caf/ledger/traces", kept)
    one = audited(template, tmp_path / "now", capsys)["LEDGER_FORKED"]
    roots = {place["leaf_hash"] for place in one["evidence"]}
    assert (one["severity"], len(roots)) == ("high", 2)


def test_fork_a_witness_refused_is_found_from_what_it_kept(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template, tmp_path / "now", "a", "b")
    write(template, tmp_path / "other", "a", "x")
    cosign(template, tmp_path / "now")
    assert show(template, tmp_path / "now", CNIL, tmp_path / "other/caf/ledger/traces") == 422
    one = audited(template, tmp_path / "now", capsys)["LEDGER_FORKED"]
    assert [place["index"] for place in one["evidence"]] == [2, 2]


ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "a byte of the note": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "without the cosignature": lambda data: data.rsplit(b"\n", 2)[0] + b"\n",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_witness_file_that_was_altered_is_a_finding_and_counts_for_nothing(
    change: Callable[[bytes], bytes],
    template: Template,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(template, tmp_path, "a", "b")
    cosign(template, tmp_path)
    for path in (tmp_path / "cnil/witness").iterdir():
        if path.name != "lock":
            path.write_bytes(change(path.read_bytes()))
    found = audited(template, tmp_path, capsys)
    assert set(found) == {"WITNESS_KEEPS_FALSE_HEAD"}
    assert "Le témoin cnil" in found["WITNESS_KEEPS_FALSE_HEAD"]["sentence"]
    places = ["--var", str(tmp_path), "--keys", str(template.keys), "--root", str(ROOT)]
    report = ["audit", "report", "--out", str(tmp_path / "report"), *places]
    assert run([*report, "--since", "2026-03-01", "--until", UNTIL]) == 1


def test_ledgers_written_for_these_tests_are_sound(template: Template, tmp_path: Path) -> None:
    write(template, tmp_path, "a", "b")
    verifier = known_ledgers(template.keys)[CAF]
    head = read_checkpoint_file(tmp_path / CAF / "ledger/traces", verifier)
    assert head.size == 2
