"""Outreach across real processes: letters and destructions entered, and a person who objects."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from tests.system.conftest import ROOT, Federation, succeed

from cloison.identity import parse_nir
from cloison.law.question import Decision, Granularity
from cloison.ledger.reader import EntryReader
from cloison.months import Month
from cloison.v1.entry_pb2 import Destroyed, Entry
from cloison.wire.gateway import AskFor, Member, Received

MONTH = Month.of(2026, 6)


def entries(federation: Federation, kind: str) -> list[Entry]:
    reader = EntryReader(federation.node("caf").folder / "ledger/traces")
    every = [Entry.FromString(data) for _, data in reader.entries(0, reader.size)]
    return [entry for entry in every if entry.WhichOneof("kind") == kind]


def options(federation: Federation) -> list[str]:
    place = federation.place
    return [
        *("--keys", str(place.keys), "--root", str(ROOT)),
        *("--address", federation.node("caf").address),
    ]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outreach") / "letters"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What `cloison outreach run` printed of each household, and what it entered as destroyed."""

    outcomes: dict[str, str]
    destroyed: list[Destroyed]
    kept: set[bytes]

    def ended(self, outcome: str) -> list[str]:
        """The households it ended so for."""
        return [name for name, one in self.outcomes.items() if one == outcome]


@pytest.fixture(scope="module")
def campaign(federation: Federation, letters: Path) -> Campaign:
    """Every household without a claim."""
    done = federation.cloison(
        *("outreach", "run", "--month", str(MONTH), "--letters", str(letters), "--json"),
        *options(federation),
    )
    printed = json.loads(succeed(done).stdout)
    assert "REFUSED" not in printed["summary"]["set_aside"]
    return Campaign(
        {one["household"]: one["outcome"] for one in printed["results"]},
        [entry.destroyed for entry in entries(federation, "destroyed")],
        kept_statements(federation),
    )


def test_outreach_writes_to_those_who_may_have_a_right(campaign: Campaign, letters: Path) -> None:
    informed = campaign.ended("informed")
    assert len(informed) > 0
    assert {path.name for path in letters.iterdir()} == {
        f"{name}.{kind}" for name in informed for kind in ("html", "txt")
    }


def test_outreach_destroys_what_was_obtained_of_all_others(
    campaign: Campaign,
) -> None:
    destroyed = campaign.destroyed
    whys = Counter(one.why for one in destroyed)
    assert whys == {why: len(campaign.ended(why)) for why in ("no-entitlement", "set-aside")}
    gone = {bytes(statement) for one in destroyed for statement in one.statement_hashes}
    assert len(gone) == sum(one.releases for one in destroyed) > 0
    assert gone.isdisjoint(campaign.kept)
    assert campaign.kept


def kept_statements(federation: Federation) -> set[bytes]:
    path = federation.node("caf").folder / "store.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT statement_hash FROM received WHERE received_by = 'caf-outreach'"
        )
        return {bytes(row[0]) for row in rows}
    finally:
        connection.close()


def test_outreach_of_the_same_month_again_asks_nobody_twice(
    federation: Federation, campaign: Campaign
) -> None:
    before = len(entries(federation, "asked"))
    done = federation.cloison(
        "outreach", "run", "--month", str(MONTH), "--json", *options(federation)
    )
    again = [one["household"] for one in json.loads(succeed(done).stdout)["results"]]
    assert set(again) == set(campaign.ended("set-aside"))
    assert before > 0


def members(federation: Federation, household: str) -> list[Member]:
    """From the file the family fund loaded."""
    lines = (federation.people / "caf/members.csv").read_text("utf-8").splitlines()
    head = next(line for line in lines if not line.startswith("#")).split(";")
    rows = [dict(zip(head, line.split(";"), strict=True)) for line in lines[2:-1]]
    return [
        Member(
            row["role"],
            parse_nir(row["nir"]),
            row["birth_name"],
            date.fromisoformat(row["birth_date"]),
        )
        for row in rows
        if row["household"] == household and not row["until"]
    ]


def targeted(federation: Federation, person: Member) -> Decision | None:
    """What the family fund's node answers a scoring that wants what was received to inform."""
    question = AskFor(
        holder=federation.node("caf").body,
        dataset="monthly_resources",
        fields=("mns",),
        first=MONTH - 4,
        last=MONTH - 2,
        granularity=Granularity.MONTH,
        purpose="control-targeting",
        legal_basis="decret-2024-50",
        persons=(person,),
        received=Received(federation.node("cnav").body, "non-take-up", "caf-outreach"),
    )
    with federation.gateway("caf-dmde") as gateway:
        (reply,) = gateway.ask([question])
    return reply.decision


def test_outreach_data_are_forbidden_to_targeting(
    federation: Federation, campaign: Campaign
) -> None:
    person = members(federation, campaign.ended("informed")[0])[0]
    decision = targeted(federation, person)
    assert decision is not None
    assert (decision.permitted, decision.reason) == (False, "FORBIDDEN")
    assert "only-to-inform" in [rule.rule for rule in decision.rules]


def test_object_destroys_and_ends_outreach_but_no_benefit(
    federation: Federation, campaign: Campaign, tmp_path: Path
) -> None:
    household, other = campaign.ended("informed")[:2]
    applicant = members(federation, household)[0]
    file = tmp_path / "nir"
    file.write_text(f"{applicant.nir}\n", "ascii")
    kept = kept_statements(federation)
    done = succeed(
        federation.cloison("outreach", "object", "--nir-file", str(file), *options(federation))
    )
    assert applicant.nir not in done.stdout + done.stderr
    assert "letters: 1" in done.stdout
    (objected,) = entries(federation, "objected")
    assert list(objected.objected.purposes) == ["non-take-up"]
    gone = kept - kept_statements(federation)
    (destroyed,) = [
        one.destroyed
        for one in entries(federation, "destroyed")
        if one.destroyed.why == "objection"
    ]
    assert gone == set(map(bytes, destroyed.statement_hashes)) != set()
    by_reference = federation.cloison(
        "outreach", "object", "--reference", other, "--json", *options(federation)
    )
    assert json.loads(succeed(by_reference).stdout)["letters_destroyed"] == 1
    later = federation.cloison(
        *("outreach", "run", "--month", str(MONTH + 1), "--json"), *options(federation)
    )
    names = {one["household"] for one in json.loads(succeed(later).stdout)["results"]}
    assert {household, other}.isdisjoint(names)
    assert names


@pytest.mark.parametrize("words", [[], ["--reference", "X", "--nir-file", "Y"]])
def test_object_that_names_nobody_or_two_is_invalid(
    federation: Federation, words: list[str]
) -> None:
    done = federation.cloison("outreach", "object", *words, *options(federation))
    assert (done.returncode, done.stdout) == (3, "")
    assert "NAME_SOMEBODY" in done.stderr
