"""Running nodes audited over real mutual TLS: those that serve their auditor, and the others."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.federation import CAF, CNAV, Federation, run

from cloison.bodies import BodyId
from cloison.cli import app
from cloison.errors import PeerError
from cloison.identity import Peer
from cloison.wire import public_servicers, server
from cloison.wire.settings import NodeSettings

from .conftest import Audited, free_ports

Command = Callable[..., tuple[int, dict[str, object]]]


class Live:
    """CAF's and CNAV's nodes, served at free ports while a command runs."""

    def __init__(self, audited: Audited, folder: Path) -> None:
        self.federation: Federation = audited.federation
        self.place = audited.place
        self.ports = dict(zip((CAF, CNAV), free_ports(2), strict=True))
        self.addresses = folder / "addresses.toml"
        lines = [f'{body} = "127.0.0.1:{port}"\n' for body, port in self.ports.items()]
        self.addresses.write_text("".join(lines), "utf-8")

    def settings(self, body: BodyId) -> NodeSettings:
        made = self.federation.settings(body)
        addresses = {one: f"127.0.0.1:{port}" for one, port in self.ports.items()}
        return NodeSettings(made.body, made.root, made.keys, made.state, addresses)

    def typed(self, *words: str, served: tuple[BodyId, ...] = (CAF, CNAV)) -> int:
        """What a command exits with, those nodes being served."""
        options = [*self.place.state_options(), "--addresses", str(self.addresses)]

        async def main() -> int:
            running = [
                await server._start(self.federation.node(body), self.settings(body))
                for body in served
            ]
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(None, app.run, ["audit", *words, *options])
            finally:
                for one in running:
                    await server._stop(one)

        return run(main())


@pytest.fixture
def live(audited: Audited, tmp_path: Path) -> Live:
    return Live(audited, tmp_path)


NODES = ("--node", "caf", "--node", "cnav", "--json")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def test_reconcile_of_running_nodes_says_what_their_folders_say(
    live: Live, audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live.typed("reconcile", *NODES) == 0
    running = told(capsys)
    assert app.run(["audit", "reconcile", *audited.options("--json")]) == 0
    assert running == told(capsys)


def test_report_of_a_running_node_has_its_evidence(live: Live, tmp_path: Path) -> None:
    out = tmp_path / "report"
    assert live.typed("report", "--node", "cnav", "--out", str(out)) == 1
    assert list((out / "evidence/cnav.traces").glob("*.tlog-proof"))


def refuse(_self: object, _peer: Peer) -> Callable[[bytes], bool]:
    raise PeerError("NOT_YOURS", "entries: not for you")


def withhold(_self: object, _peer: Peer) -> Callable[[bytes], bool]:
    return lambda entry: entry[-1] % 2 == 0


@pytest.mark.parametrize(
    ("misbehaves", "said"),
    [(refuse, "n'a pas remis ses entrées (NOT_YOURS)"), (withhold, "(ENTRIES_WITHHELD)")],
)
def test_node_that_refuses_to_serve_its_auditor_is_a_finding(
    misbehaves: object,
    said: str,
    live: Live,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(public_servicers.Ledger, "_reader", misbehaves)
    assert live.typed("reconcile", "--node", "cnav", "--json") == 1
    found = told(capsys)["findings"]
    assert isinstance(found, list)
    assert {(one["code"], one["severity"]) for one in found} == {("AUDITOR_NOT_SERVED", "high")}
    assert said in found[0]["sentence"]


def test_node_that_does_not_answer_is_a_finding_and_the_others_are_audited(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live.typed("reconcile", *NODES, served=(CAF,)) == 1
    answer = told(capsys)
    found = answer["findings"]
    assert isinstance(found, list)
    assert {one["severity"] for one in found if one["code"] == "AUDITOR_NOT_SERVED"} == {"medium"}
    assert answer["checked"]["ledgers"] == ["caf"]  # type: ignore[index]


@pytest.mark.parametrize("command", ["run", "replay", "reconcile"])
def test_node_that_refuses_is_a_finding_of_every_command(
    command: str, live: Live, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_servicers.Ledger, "_reader", refuse)
    assert live.typed(command, "--node", "cnav") == 1
    assert "n'a pas remis ses entrées" in " ".join(capsys.readouterr().out.split())


def test_report_of_a_node_that_refuses_says_so_where_nothing_dates_it(
    live: Live,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(public_servicers.Ledger, "_reader", refuse)
    out = tmp_path / "report"
    assert live.typed("report", "--node", "cnav", "--out", str(out)) == 1
    assert "AUDITOR_NOT_SERVED" in capsys.readouterr().err
    ends = ("--since", "2026-06-01", "--until", "2026-07-01")
    assert live.typed("report", "--node", "cnav", "--out", str(out), *ends) == 1
    assert "AUDITOR_NOT_SERVED" in (out / "tables/findings.csv").read_text("utf-8")


def test_node_of_another_key_is_refused(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    """CAF's address given as CNAV's: its certificate does not name that body."""
    assert live.typed("reconcile", "--node", f"cnav=127.0.0.1:{live.ports[CAF]}", "--json") == 1
    assert "AUDITOR_NOT_SERVED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--node", "cnav=nowhere"], "BAD_ADDRESS"),
        (["--node", "nobody"], "UNKNOWN_BODY"),
        (["--node", "cnav", "--only", "caf"], "NODE_AND_ONLY"),
    ],
)
def test_audit_of_what_is_no_node_is_refused(
    options: list[str], reason: str, audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["audit", "reconcile", *audited.place.state_options(), *options]
    assert app.run(words) == 3
    assert f"[{reason}]" in capsys.readouterr().err
