"""`cloison ledger`: what it prints, what it never prints, how it exits."""

import json
from pathlib import Path

import pytest

from cloison.cli.app import run
from cloison.ledger import Log, NoteSigner
from cloison.v1 import decision_pb2, entry_pb2, release_pb2, statement_pb2

PLANTED = {
    "trace key": b"planted-trace-key-0123456789abcd",
    "person digest": b"planted-person-digest-0123456789",
    "agent": b"planted-agent-pseudonym-01234567",
}
STATEMENT = statement_pb2.Statement(
    version=1,
    purpose="calculation",
    agent=PLANTED["agent"].decode(),
    person_digests=[PLANTED["person digest"]],
).SerializeToString()
TIME_MS = 1_795_000_000_123


def signed(statement: bytes) -> statement_pb2.SignedStatement:
    return statement_pb2.SignedStatement(statement=statement)


SIGNED = signed(STATEMENT)


def entries() -> list[entry_pb2.Entry]:
    label = release_pb2.Label(received_for="calculation")
    denied = decision_pb2.Decision(outcome=decision_pb2.OUTCOME_DENY, reason="NO_TEXT")
    traces = [PLANTED["trace key"]]
    kinds = [
        {"asked": entry_pb2.Asked(signed=SIGNED, trace_keys=traces)},
        {"decided": entry_pb2.Decided(signed=SIGNED, decision=denied, trace_keys=traces)},
        {
            "received": entry_pb2.Received(
                label=label,
                outcome=decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS,
                reason="PERMITTED",
                person_digests=[PLANTED["person digest"]],
            )
        },
        {"case_closed": entry_pb2.CaseClosed(outcome="decided")},
        {"deposited": entry_pb2.Deposited(labels=[label, label], trace_keys=traces)},
        {
            "failures": entry_pb2.Failures(
                counts=[entry_pb2.FailureCount(reason="BAD_SIGNATURE", count=3)]
            )
        },
        {"started": entry_pb2.Started(software="[red]x\x1b[31m")},
    ]
    return [entry_pb2.Entry(version=1, entry_time_ms=TIME_MS, **kind) for kind in kinds]  # type: ignore[arg-type] # one kind each


@pytest.fixture
def written(log: Log, directory: Path) -> Path:
    log.append_many([entry.SerializeToString() for entry in entries()])
    return directory


@pytest.fixture
def vkey(tmp_path: Path, signer: NoteSigner) -> Path:
    path = tmp_path / "caf.traces.vkey"
    path.write_text(signer.verifier.vkey + "\n")
    return path


def test_show_json_tells_kind_purpose_and_outcome(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "show", str(written), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(line["kind"], line["purpose"], line["outcome"], line["reason"]) for line in lines]
    assert told == [
        ("asked", "calculation", "", ""),
        ("decided", "calculation", "deny", "NO_TEXT"),
        ("received", "calculation", "permit with obligations", "PERMITTED"),
        ("case_closed", "", "decided", ""),
        ("deposited", "calculation", "", ""),
        ("failures", "", "failed", "BAD_SIGNATURE 3"),
        ("started", "", "", ""),
    ]
    assert (lines[6]["index"], lines[6]["time"]) == (6, "2026-11-18T11:06:40.123Z")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_show_never_prints_what_points_at_a_person(
    written: Path, capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    run(["ledger", "show", str(written), *form])
    shown = capsys.readouterr().out
    assert shown
    for planted in PLANTED.values():
        assert planted.decode() not in shown
        assert planted.hex() not in shown


def test_show_of_a_table_has_a_line_for_each_entry(
    written: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["ledger", "show", str(written)]) == 0
    captured = capsys.readouterr()
    assert "2026-11-18 11:06:40" in captured.out
    assert len(captured.out.splitlines()) == 8
    assert captured.err == "7 of 7 entries\n"


def test_show_from_an_index_shows_so_many(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["ledger", "show", str(written), "--first", "2", "--count", "2", "--json"])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [2, 3]


def test_show_cannot_be_made_to_command_the_terminal(
    log: Log, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = statement_pb2.Statement(purpose="[red]x\x1b[31m").SerializeToString()
    log.append_many(
        [entry_pb2.Entry(asked=entry_pb2.Asked(signed=signed(hostile))).SerializeToString()]
    )
    run(["ledger", "show", str(directory)])
    shown = capsys.readouterr().out
    assert "[red]x\N{REPLACEMENT CHARACTER}[31m" in shown
    assert "\x1b" not in shown


BAD_ENTRIES = {
    "not an entry": b"\xff\xff",
    "a statement that is none": entry_pb2.Entry(
        asked=entry_pb2.Asked(signed=signed(b"\xff"))
    ).SerializeToString(),
    "a time beyond the calendar": entry_pb2.Entry(entry_time_ms=2**62).SerializeToString(),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_show_of_bytes_that_are_no_entry_fails(
    log: Log, directory: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    log.append_many([BAD_ENTRIES[name]])
    assert run(["ledger", "show", str(directory)]) == 1
    assert "[BAD_ENTRY]" in capsys.readouterr().err


def test_show_of_an_unknown_kind_and_outcome_says_so(
    log: Log, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = entry_pb2.Received()
    odd.outcome = 9  # type: ignore[assignment] # as a later version might write
    log.append_many([b"", entry_pb2.Entry(entry_time_ms=1, received=odd).SerializeToString()])
    assert run(["ledger", "show", str(directory), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[0]["kind"], lines[1]["outcome"]) == ("unknown", "unknown")


def test_verify_of_an_honest_ledger_exits_0(
    written: Path, vkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "verify", str(written), "--vkey", str(vkey)]) == 0
    assert "caf.cloison.local/traces" in capsys.readouterr().out


def test_verify_json_tells_the_head(
    written: Path, vkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "verify", str(written), "--vkey", str(vkey), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["origin"], told["entries"], told["torn_bytes"]) == (
        "caf.cloison.local/traces",
        7,
        0,
    )


def test_verify_of_an_altered_ledger_exits_1_and_names_the_file(
    log: Log, directory: Path, vkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.append_many([b"x"] * 300)
    log.close()
    tile = directory / "tile/0/000"
    tile.write_bytes(bytes(1) + tile.read_bytes()[1:])
    assert run(["ledger", "verify", str(directory), "--vkey", str(vkey)]) == 1
    assert "`tile/0/000`: hash 0 is not that of entry 0" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"not a key"])
def test_verify_with_a_bad_key_file_exits_3(
    written: Path, vkey: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    if content is None:
        vkey.unlink()
    else:
        vkey.write_bytes(content)
    assert run(["ledger", "verify", str(written), "--vkey", str(vkey)]) == 3
    assert "[BAD_VKEY]" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_directory_that_is_no_ledger_exits_1(
    tmp_path: Path, vkey: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    options = ["--vkey", str(vkey)] if command == "verify" else []
    assert run(["ledger", command, str(tmp_path), *options]) == 1
    assert "[LEDGER_MISSING]" in capsys.readouterr().err
