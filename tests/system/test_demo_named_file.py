"""`cloison control ask` and `cloison recovery run` across real processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.conftest import Done, Federation, succeed

from cloison.ledger.reader import EntryReader
from cloison.v1.entry_pb2 import Entry

MONTH = ("--month", "2026-06")


@pytest.fixture(scope="module")
def agents(federation: Federation) -> Iterator[None]:
    """Dupont controls and recovers; Durand does neither."""
    file = federation.node("caf").folder / "agents.toml"
    file.write_text('[agents]\ndupont = ["caf-individual-control", "caf-recovery"]\ndurand = []\n')
    file.chmod(0o600)
    yield
    file.unlink()


@pytest.fixture(scope="module")
def household(federation: Federation) -> str:
    """The file of the canary's claim."""
    lines = (federation.people / "caf/claims.csv").read_text().splitlines()
    rows = (line.split(";") for line in lines)
    return next(row[1] for row in rows if row[0] == federation.canary.claim)


def cloison(federation: Federation, *words: str) -> Done:
    keys = ("--keys", str(federation.place.keys))
    return federation.cloison(*words, *keys, "--address", federation.node("caf").address)


def ask(federation: Federation, household: str, *more: str) -> dict[str, Any]:
    words = ("control", "ask", "--file", household, "--agent", "dupont", *MONTH, "--json", *more)
    found: dict[str, Any] = json.loads(succeed(cloison(federation, *words)).stdout)
    return found


def entries(federation: Federation, body: str, kind: str) -> list[Entry]:
    reader = EntryReader(federation.node(body).folder / "ledger/traces")
    found = (Entry.FromString(data) for _, data in reader.entries(0, reader.size))
    return [entry for entry in found if entry.WhichOneof("kind") == kind]


@pytest.mark.usefixtures("agents")
def test_control_ask_shows_what_is_answered_refused_and_must_be_told(
    federation: Federation, household: str
) -> None:
    found = ask(federation, household)
    outcomes = {(one["holder"], one["dataset"]): one["outcome"] for one in found["asked"]}
    assert outcomes["cnav", "monthly_resources"] == "NO_TEXT"
    assert outcomes["caf", "members"] == outcomes["caf", "payments"] == "permitted"
    assert outcomes["dgfip", "tax_notices"] in {"permitted", "PERSON_NOT_ANSWERABLE"}
    assert {"notice", "flag"} == {one["kind"] for one in found["duties"]}
    assert not [one for one in found["data"] if one["values"].get("mns")]
    assert found["deposit"]["holder"] == "caf"
    assert federation.canary.nir[:13] not in json.dumps(found)


@pytest.mark.usefixtures("agents")
def test_control_ask_names_its_agent_in_every_statement_and_deposits_a_finding(
    federation: Federation, household: str
) -> None:
    found = ask(federation, household, "--conclude")
    index = found["deposit"]["leaf_index"]
    reader = EntryReader(federation.node("caf").folder / "ledger/traces")
    ((_, data),) = reader.entries(index, 1)
    deposited = Entry.FromString(data).deposited
    assert (deposited.activity, deposited.output) == ("caf-individual-control", "finding")
    assert len(deposited.receipts) == sum(one["outcome"] == "permitted" for one in found["asked"])
    closed = [one.case_closed.outcome for one in entries(federation, "caf", "case_closed")]
    assert "concluded" in closed


@pytest.mark.usefixtures("agents")
def test_control_notice_is_owed_until_an_agent_says_it_was_given(
    federation: Federation, household: str
) -> None:
    ask(federation, household)
    listed = ("notices", "list", "caf-individual-control", "--json")
    owed = json.loads(succeed(cloison(federation, *listed)).stdout)
    assert (household, "content-and-origin") in {(one["file"], one["notice"]) for one in owed}
    words = ("given", "caf-individual-control", "--file", household, "--agent", "dupont")
    notice = ("--notice", "content-and-origin")
    succeed(cloison(federation, "notices", *words, *notice))
    left = json.loads(succeed(cloison(federation, *listed)).stdout)
    assert household not in {one["file"] for one in left}
    again = cloison(federation, "notices", *words, *notice)
    assert again.returncode == 3
    assert "NOTHING_OWED" in again.stderr
    assert entries(federation, "caf", "notice_given")[-1].notice_given.agent != "batch"


@pytest.mark.usefixtures("agents")
def test_control_ask_in_french_says_who_refused_and_why(
    federation: Federation, household: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    words = ("control", "ask", "--file", household, "--agent", "dupont", *MONTH)
    shown = succeed(cloison(federation, *words)).stdout
    for text in (
        "Contrôle d'un dossier désigné : juin 2026",
        "refusé : aucun texte lu ne le permet",
        "Avant toute décision défavorable",
        "CSS L114-21 (de mémoire)",
        "Origine à dire",
    ):
        assert text in shown.replace("\u00a0", " ")


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--file", "{0}", "--file", "H2", "--agent", "dupont"), "ONE_FILE"),
        (("--file", "{0},H2", "--agent", "dupont"), "ONE_FILE"),
        (("--file", "", "--agent", "dupont"), "ONE_FILE"),
        (("--file", "no-such-file", "--agent", "dupont"), "UNKNOWN_HOUSEHOLD"),
        (("--file", "{0}", "--agent", "durand"), "AGENT_NOT_EMPOWERED"),
        (("--file", "{0}", "--agent", "martin"), "AGENT_NOT_EMPOWERED"),
    ],
)
def test_control_ask_of_a_list_or_by_another_agent_asks_no_holder(
    federation: Federation, household: str, words: tuple[str, ...], reason: str
) -> None:
    before = len(entries(federation, "caf", "asked"))
    given = tuple(word.format(household) for word in words)
    done = cloison(federation, "control", "ask", *given, *MONTH)
    assert done.returncode != 0
    assert reason in done.stderr
    assert len(entries(federation, "caf", "asked")) == before


def paid(federation: Federation) -> tuple[str, str, int]:
    """A household, a month and what its payments file says was paid of the prime d'activité."""
    for line in (federation.people / "caf/payments.csv").read_text().splitlines():
        row = line.split(";")
        if row[2:] and row[2] == "ppa" and row[3] >= "2026-01":
            return row[0], row[3], round(float(row[4]) * 100)
    raise AssertionError("nobody was paid")


@pytest.mark.usefixtures("agents")
def test_recovery_run_is_what_was_paid_less_the_right_the_agent_enters(
    federation: Federation,
) -> None:
    household, month, cents = paid(federation)
    words = ("recovery", "run", "--file", household, "--benefit", "ppa", "--agent", "dupont")
    right = f"{(cents - 1_234) // 100},{(cents - 1_234) % 100:02d}"
    done = succeed(cloison(federation, *words, "--month", month, "--right", right, "--json"))
    found = json.loads(done.stdout)
    assert (found["paid_cents"], found["undue_cents"]) == (cents, 1_234)
    outcomes = [(one["dataset"], one["outcome"]) for one in found["asked"]]
    assert outcomes.count(("monthly_resources", "NO_TEXT")) >= 2
    assert found["deposit"]["holder"] == "caf"


@pytest.mark.usefixtures("agents")
def test_recovery_run_without_the_right_knows_no_undue_payment_and_deposits_nothing(
    federation: Federation,
) -> None:
    household, month, _ = paid(federation)
    words = ("recovery", "run", "--file", household, "--benefit", "ppa", "--agent", "dupont")
    found = json.loads(succeed(cloison(federation, *words, "--month", month, "--json")).stdout)
    assert (found["undue_cents"], found["deposit"]) == (None, None)
    shown = succeed(cloison(federation, *words, "--month", month)).stdout
    assert "non connu" in shown
    assert "Aucun échéancier" in shown


def test_population_of_these_tests_has_payments(federation: Federation) -> None:
    assert Path(federation.people / "caf/payments.csv").is_file()
    assert paid(federation)[2] > 0
