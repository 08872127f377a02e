"""Prefill and contestation across real processes: to the holder, the payer, and back."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.system.conftest import Federation, Made, cloison, succeed

from cloison.cli.federation import start, stop
from cloison.ledger.reader import EntryReader
from cloison.v1.entry_pb2 import Entry

SAYS = "Contestation-canari"
NEW_EUROS = "1111.11"


@dataclass(frozen=True, slots=True)
class Shown:
    """A federation of its own, the declaration of its canary, and their contested line.

    Attributes:
        entered: How many contestations each body's ledger held then; a test may add another.
    """

    federation: Federation
    declaration: dict[str, Any]
    line: dict[str, Any]
    contested: dict[str, Any]
    entered: dict[str, int]

    def cloison(self, *words: str) -> str:
        """A command at this federation; what it prints."""
        return succeed(cloison(*words, *_options(self.federation, words))).stdout


def _options(federation: Federation, words: tuple[str, ...]) -> tuple[str, ...]:
    body = "cnav" if words[0] == "contestations" else "caf"
    return ("--keys", str(federation.place.keys), "--address", federation.node(body).address)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[Shown]:
    """Loads a correction: so the nodes are not those the other tests ask."""
    own = made.copied(tmp_path_factory.mktemp("prefill"))
    start(own.place, own.nodes, within_seconds=60)
    about = ("--case", own.canary.claim, "--month", "2026-06")
    options = _options(own, ("prefill",))
    printed = succeed(cloison("prefill", "show", *about, "--json", *options)).stdout
    declaration = json.loads(printed)
    line = next(one for one in declaration["lines"] if one["mns_cents"] == 91_827_36)
    words = ("prefill", "contest", *about, "--line", line["line"], "--says", SAYS, "--json")
    contested = json.loads(succeed(cloison(*words, *options)).stdout)
    entered = {body: len(entries(own, body, "contested")) for body in ("caf", "cnav")}
    yield Shown(own, declaration, line, contested, entered)
    stop(own.nodes)


def entries(federation: Federation, body: str, kind: str) -> list[Entry]:
    reader = EntryReader(federation.node(body).folder / "ledger/traces")
    found = (Entry.FromString(data) for _, data in reader.entries(0, reader.size))
    return [entry for entry in found if entry.WhichOneof("kind") == kind]


def correct(shown: Shown, folder: Path) -> Path:
    """The payer's declaration of that month, with another amount for the canary."""
    people = shown.federation.people
    payer = shown.line["payer"]
    number = shown.federation.canary.nir[:13]
    for file in sorted(people.glob("cnav/dsn-202603-*.dsn")):
        text = file.read_text("latin-1")
        if f"S21.G00.30.001,'{number}'" in text:
            break
    lines = text.splitlines()
    start_, end = _declaration(lines, payer, number)
    head = lines[: lines.index(_first(lines))]
    body = lines[start_:end]
    body = [_replacing(line, int(shown.line["source"].rpartition("-")[2])) for line in body]
    place = next(i for i, line in enumerate(body) if number in line)
    amount = next(i for i in range(place, len(body)) if body[i] == "S21.G00.58.003,'03'")
    body[amount + 1] = f"S21.G00.58.004,'{NEW_EUROS}'"
    total = len(head) + len(body) + 2
    tail = [f"S90.G00.90.001,'{total}'", "S90.G00.90.002,'1'"]
    path = folder / "dsn-correction.dsn"
    path.write_text("\n".join([*head, *body, *tail]) + "\n", "latin-1")
    return path


def _first(lines: list[str]) -> str:
    return next(line for line in lines if line.startswith("S20.G00.05.001"))


def _declaration(lines: list[str], payer: str, number: str) -> tuple[int, int]:
    starts = [i for i, line in enumerate(lines) if line.startswith("S20.G00.05.001")]
    ends = [*starts[1:], next(i for i, line in enumerate(lines) if line.startswith("S90"))]
    for start_, end in zip(starts, ends, strict=True):
        part = lines[start_:end]
        if f"S21.G00.30.001,'{number}'" in part and f"S21.G00.06.001,'{payer[:9]}'" in part:
            return start_, end
    raise AssertionError("no declaration of the payer names the canary")


def _replacing(line: str, order: int) -> str:
    if line.startswith("S20.G00.05.002,"):
        return "S20.G00.05.002,'03'"
    return f"S20.G00.05.004,'{order + 1}'" if line.startswith("S20.G00.05.004,") else line


def test_prefill_lines_name_their_payer_and_stand_in_the_holders_ledger(shown: Shown) -> None:
    decided = len(entries(shown.federation, "cnav", "decided"))
    for line in shown.declaration["lines"]:
        assert line["source"].startswith(line["payer"])
        assert line["holder"] != "cnav" or line["receipt"]["leaf_index"] <= decided
    deposited = [one.deposited for one in entries(shown.federation, "caf", "deposited")]
    assert {(one.activity, one.output) for one in deposited} == {("caf-prefill", "declaration")}


def test_contest_is_entered_at_both_nodes_and_nothing_of_it_is_readable(shown: Shown) -> None:
    assert shown.contested["holder"] == "cnav"
    for body in ("caf", "cnav"):
        assert shown.entered[body] == 1
        folder = shown.federation.node(body).folder
        for path in folder.rglob("*"):
            if path.is_file():
                assert SAYS.encode() not in path.read_bytes(), path


def test_contest_reaches_the_payer_and_is_closed_by_its_correction(
    shown: Shown, tmp_path: Path
) -> None:
    listed = json.loads(shown.cloison("contestations", "cnav", "--json"))
    assert [(one["payer"], one["message"], one["told"]) for one in listed] == [
        (shown.line["payer"], shown.line["source"], False)
    ]
    assert shown.federation.canary.nir[:13] not in str(listed)
    file = tmp_path / "payer.json"
    agents = shown.federation.node("cnav").folder / "agents.toml"
    agents.write_text('[agents]\ndupont = ["cnav-rectification"]\n')
    agents.chmod(0o600)
    payer = ("--payer", shown.line["payer"])
    shown.cloison("contestations", "cnav", *payer, "--out", str(file), "--agent", "dupont")
    (told,) = json.loads(file.read_text("utf-8"))["contestations"]
    assert (told["nir"], told["says"]) == (shown.federation.canary.nir, SAYS)
    assert len(entries(shown.federation, "cnav", "contestations_told")) == 1

    options = shown.federation.place.state_options()
    succeed(cloison("load", "cnav", str(correct(shown, tmp_path)), *options))
    answer = _answer(shown)
    assert answer == {"version": 2, "changed": True}
    assert len(entries(shown.federation, "cnav", "contestation_answered")) == 1
    about = ("--case", shown.federation.canary.claim, "--month", "2026-06")
    lines = json.loads(shown.cloison("prefill", "show", *about, "--json"))["lines"]
    now = [one for one in lines if one["source"] != shown.line["source"]]
    assert {(111_111, 2)} <= {(one["mns_cents"], one["version"]) for one in now}
    corrected = next(one for one in now if one["mns_cents"] == 111_111)
    _stand_by(shown, corrected["line"], tmp_path / "again.json")


def _stand_by(shown: Shown, line: str, file: Path) -> None:
    """Contested once more; the payer is told, and stands by what it declared."""
    about = ("--case", shown.federation.canary.claim, "--month", "2026-06")
    shown.cloison("prefill", "contest", *about, "--line", line, "--says", SAYS)
    payer = ("--payer", shown.line["payer"], "--agent", "dupont")
    shown.cloison("contestations", "cnav", *payer, "--out", str(file))
    (told,) = json.loads(file.read_text("utf-8"))["contestations"]
    why = ("--says", "Votre employeur confirme.", "--agent", "dupont")
    printed = shown.cloison("contestations", "cnav", "--maintain", told["id"][:12], *why)
    assert "maintenue" in printed
    ended = json.loads(shown.cloison("contestations", "cnav", "--json"))
    assert [(one["id"] == told["id"], one["maintained"]) for one in ended] == [
        (False, False),
        (True, True),
    ]
    again = cloison(
        "contestations",
        "cnav",
        "--maintain",
        told["id"],
        *why,
        *_options(shown.federation, ("contestations",)),
    )
    assert (again.returncode, "ALREADY_ANSWERED" in again.stderr) == (1, True)


def _answer(shown: Shown) -> object:
    """The node looks every second whether a load answered."""
    for _ in range(100):
        (one,) = json.loads(shown.cloison("contestations", "cnav", "--json"))
        if one["answer"]:
            return one["answer"]
        time.sleep(0.2)
    return None
