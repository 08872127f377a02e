"""The demo itself, small and on ports of its own, and what it takes for a failure."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from socket import socket
from types import ModuleType
from typing import Any

import pytest
from tests.system.conftest import ROOT, free_ports, write_addresses

from cloison.cli.federation import running_pid
from cloison.cli.places import Place, read_nodes

DEMO = ROOT / "deploy/local/demo.py"
BODIES = ("caf", "cnav", "dgfip", "msa")
TABLE = {"free_again": True, "refused": True, "verified": True}
LAW = {"2023-06-01": "deny", "2024-06-01": "permit_with_obligations", "2026-06-01": "deny"}


@pytest.fixture(scope="module")
def demo() -> Iterator[ModuleType]:
    spec = spec_from_file_location("demo", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "demo", module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo of 200 people; its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    addresses = write_addresses(folder, BODIES)
    with addresses.open("a", encoding="ascii") as file:
        doors = zip(BODIES, free_ports(len(BODIES)), strict=True)
        file.write("\n".join(["[person]", *(f'{one} = "127.0.0.1:{port}"' for one, port in doors)]))
    place = ["--var", str(folder / "var"), "--addresses", str(addresses)]
    place += ["--issuer-port", str(free_ports(1)[0])]
    dated = ["--dated-addresses", str(write_addresses(folder, BODIES, "dated.toml"))]
    done = subprocess.run(
        [sys.executable, str(DEMO), "--persons", "200", *place, *dated],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "var", done.stdout


@pytest.fixture
def summary(played: tuple[Path, str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((played[0] / "summary.json").read_text("utf-8"))
    return content


def test_demo_summary_has_exactly_the_keys_promised(summary: dict[str, Any]) -> None:
    assert list(summary) == [
        "entitlement", "targeting", "targeting_local", "targeting_by_law_date", "person",
        "statistics", "ledgers",
        "witnesses", "audit", "seconds",
    ]  # fmt: skip
    assert list(summary["entitlement"]) == [
        "cases", "computed", "set_aside", "asked", "permitted", "refused"
    ]  # fmt: skip
    assert list(summary["targeting"]) == ["asked", "permitted", "refused"]
    assert {tuple(one) for one in summary["ledgers"].values()} == {("entries", "verified")}


def test_demo_summary_computed_and_set_aside_are_all_cases(summary: dict[str, Any]) -> None:
    rights = summary["entitlement"]
    assert rights["computed"] + sum(rights["set_aside"].values()) == rights["cases"] > 0


def test_demo_refuses_targeting_but_in_the_window_of_the_experiment(
    summary: dict[str, Any],
) -> None:
    assert summary["targeting_by_law_date"] == LAW
    assert summary["targeting"]["permitted"] == summary["targeting_local"]["permitted"] == 0


def test_demo_verifies_a_ledger_of_each_body(summary: dict[str, Any]) -> None:
    assert tuple(summary["ledgers"]) == BODIES
    assert all(one["verified"] for one in summary["ledgers"].values())


def test_demo_writes_amounts_as_in_france(played: tuple[Path, str]) -> None:
    assert ",00\u00a0€" in played[1]
    assert "1er juin 2024" in played[1]


def test_demo_leaves_no_node_running(played: tuple[Path, str]) -> None:
    folders = [played[0], *played[0].glob("at-*")]
    places = [Place(ROOT, folder / "keys", folder) for folder in folders]
    nodes = [node for place in places for node in read_nodes(place)]
    assert [running_pid(node) for node in nodes] == [None] * len(nodes)


def test_demo_buys_two_tables_each_once_and_says_what_they_took(
    summary: dict[str, Any], played: tuple[Path, str]
) -> None:
    across, joined = summary["statistics"]["across"], summary["statistics"]["joined"]
    assert across["spent_before"] == {"caf-beneficiaries": "0", "msa-beneficiaries": "0"}
    assert across["spent"] == {"caf-beneficiaries": "1", "msa-beneficiaries": "1"}
    assert (joined["spent_before"], joined["spent"]) == (
        {"rsa-recipients": "0"},
        {"rsa-recipients": "1"},
    )
    assert played[1].count("asked again: the same figures, free") == 2
    assert played[1].count("refused, ") == 2


def ledgers(entries: int, *, verified: bool) -> dict[str, Any]:
    """The part of a summary, the same for each body."""
    return {body: {"entries": entries, "verified": verified} for body in BODIES}


def audit(*found: tuple[str, str, str], differing: int = 0) -> dict[str, Any]:
    """The part of a summary that an inspection adds."""
    keys = ("code", "severity", "activity")
    findings = [dict(zip(keys, one, strict=True)) for one in found]
    return {"findings": findings, "replayed": 9, "differing": differing}


ATTEMPTS = (
    ("REFUSED_ATTEMPT", "medium", "caf-dmde"),
    ("RECEIVED_ASKED_FOR_ANOTHER_PURPOSE", "medium", "caf-dmde"),
    ("PROVISIONAL_TEXT_RELIED_ON", "low", ""),
)


def good() -> dict[str, Any]:
    """A summary that holds."""
    return {
        "entitlement": {"cases": 3, "computed": 2, "set_aside": {"MONTH_NOT_YET_DUE": 1}},
        "targeting": {"asked": 2, "permitted": 0, "refused": 2},
        "targeting_local": {"asked": 1, "permitted": 0, "refused": 1},
        "targeting_by_law_date": dict(LAW),
        "person": {"accesses": 2, "failed": 0},
        "statistics": {"across": dict(TABLE), "joined": dict(TABLE)},
        "ledgers": ledgers(9, verified=True),
        "witnesses": [],
        "audit": audit(*ATTEMPTS),
    }


def test_failures_of_a_summary_that_holds_are_none(demo: ModuleType) -> None:
    assert list(demo.failures(good())) == []


@pytest.mark.parametrize(
    ("part", "wrong", "said"),
    [
        ("entitlement", {"cases": 4, "computed": 2, "set_aside": {}}, "not all the cases"),
        ("entitlement", {"cases": 0, "computed": 0, "set_aside": {}}, "nothing was computed"),
        ("targeting", {"asked": 2, "permitted": 1, "refused": 1}, "targeting: not every"),
        ("targeting_local", {"asked": 0, "permitted": 0, "refused": 0}, "targeting_local: not"),
        ("targeting_by_law_date", {**LAW, "2024-06-01": "deny"}, "not as the texts say"),
        ("ledgers", ledgers(0, verified=True), "both sides"),
        ("ledgers", ledgers(1, verified=False), "not verified"),
        ("person", {"accesses": 0, "failed": 0}, "who looked"),
        ("person", {"accesses": 2, "failed": 1}, "who looked"),
        (
            "statistics",
            {"across": TABLE, "joined": {**TABLE, "free_again": False}},
            "table joined: not free again",
        ),
        ("witnesses", ["forked"], "was forked"),
        ("audit", audit(*ATTEMPTS[1:]), "missed what control targeting"),
        ("audit", audit(*ATTEMPTS, ("SWEEP", "high", "caf-ppa")), "blames caf-dmde, caf-ppa"),
        ("audit", audit(*ATTEMPTS, differing=1), "differs"),
    ],
)
def test_failures_of_a_wrong_figure_name_it(
    demo: ModuleType, part: str, wrong: dict[str, Any], said: str
) -> None:
    (failure,) = demo.failures({**good(), part: wrong})
    assert said in failure


def test_demo_with_a_port_in_use_fails_and_says_which(tmp_path: Path) -> None:
    addresses = write_addresses(tmp_path, BODIES)
    port = next(iter(read_nodes(Place(ROOT, tmp_path, tmp_path, addresses)))).port
    with socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = subprocess.run(
            [sys.executable, str(DEMO), "--persons", "100", "--var", str(tmp_path / "var"),
             "--addresses", str(addresses)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"port `{port}`" in done.stderr
