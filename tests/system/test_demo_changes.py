"""A correction across real processes: loaded by one body, heard by another, computed again."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.system.conftest import Federation, Made, cloison, succeed
from tests.unit.programs.direct_openfisca import run_directly

from cloison.cli.federation import has_ended, running_pid, start, stop
from cloison.exchange.conclude import decide_told_again
from cloison.law import PolicySet
from cloison.ledger.reader import EntryReader
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.programs.entitlement.inputs import Benefit, Household, Nature
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Result, run
from cloison.v1.entry_pb2 import Entry

MONTH = Month.of(2026, 6)
CORRECTED = Month.of(2026, 3)
LOWER_CENTS = 20_000


@dataclass(frozen=True, slots=True)
class Corrected:
    """A federation in which a month of one claim's applicant was replaced after the computation.

    Attributes:
        first: What was computed before.
        found: What `entitlement changes --json` printed after.
    """

    federation: Federation
    first: Result
    found: dict[str, Any]


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[Corrected]:
    """Computed, corrected, the holder killed before anyone asked it, started again, asked."""
    federation = made.copied(tmp_path_factory.mktemp("corrected"))
    start(federation.place, federation.nodes, within_seconds=60)
    try:
        first, nir = compute(federation, made.policy)
        declaration = replacing(federation.people, nir, tmp_path_factory.mktemp("correction"))
        options = federation.place.state_options()
        succeed(cloison("load", "cnav", str(declaration), *options))
        kill(federation, "cnav")
        start(federation.place, [federation.node("cnav")], within_seconds=60)
        yield Corrected(federation, first, changes(federation))
    finally:
        stop(federation.nodes)


def compute(federation: Federation, policy: PolicySet) -> tuple[Result, str]:
    """Every claim, once; one with a right and a salary nobody corrected, and its applicant."""
    record = policy.activities["caf-ppa"]
    with federation.gateway("caf-ppa") as gateway:
        results = run(gateway, Needs.of(record), MONTH).results
    for result in results:
        if is_to_be_corrected(result):
            return result, result.file.case.members[0].nir
    raise AssertionError("no claim with a right and one salary in the month that changes it")


def is_to_be_corrected(result: Result) -> bool:
    """A right, one salary in the month that nobody corrected; with a lower one another right."""
    salaries = [
        source.row
        for source in result.sources
        if (source.role, source.row.period) == ("applicant", CORRECTED.number)
        and source.row.values.get("nature") == "salary"
    ]
    household = result.file.household
    if household is None or not result.amount_cents or len(salaries) != 1:
        return False
    if salaries[0].version != 1 or salaries[0].cents("mns") <= LOWER_CENTS:
        return False
    return run_directly(Benefit.PPA, [with_lower_pay(household)]) != [result.amount_cents]


def replacing(people: Path, nir: str, folder: Path) -> Path:
    """The payer's declaration of the month again, that person's montant net social lower."""
    for file in sorted(people.glob(f"cnav/dsn-{CORRECTED.number}-*.dsn")):
        lines = file.read_text("latin-1").splitlines()
        starts = [at for at, line in enumerate(lines) if line.startswith("S20.G00.05.001")]
        for first, last in zip(starts, [*starts[1:], len(lines) - 2], strict=True):
            block = lines[first:last]
            if f"S21.G00.30.001,'{nir[:13]}'" in block:
                whole = [*lines[: starts[0]], *lowered(block, nir)]
                whole += [f"S90.G00.90.001,'{len(whole) + 2}'", "S90.G00.90.002,'1'"]
                made = folder / "replacing.dsn"
                made.write_text("\n".join(whole) + "\n", "latin-1")
                return made
    raise AssertionError("no declaration of the person in the month")


def lowered(block: list[str], nir: str) -> list[str]:
    """The declaration as one that replaces, with another amount for the person."""
    inside, kind, found = False, "", []
    for line in block:
        rubric, _, quoted = line.partition(",")
        value = quoted[1:-1]
        if rubric == "S20.G00.05.002":
            value = "03"
        elif rubric == "S20.G00.05.004":
            value = str(int(value) + 1)
        elif rubric == "S21.G00.30.001":
            inside = value == nir[:13]
        elif rubric == "S21.G00.58.003":
            kind = value
        elif rubric == "S21.G00.58.004" and kind == "03" and inside:
            value = f"{float(value) - LOWER_CENTS / 100:.2f}"
        found.append(f"{rubric},'{value}'")
    return found


def kill(federation: Federation, body: str) -> None:
    pid = running_pid(federation.node(body))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not has_ended(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert has_ended(pid)


def changes(federation: Federation) -> dict[str, Any]:
    """What the command prints; it must succeed."""
    place = federation.place
    options = ("--keys", str(place.keys), "--address", federation.node("caf").address)
    done = succeed(cloison("entitlement", "changes", "--benefit", "ppa", "--json", *options))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def the_review(corrected: Corrected) -> dict[str, Any]:
    assert (corrected.found["unheard"], corrected.found["not_open"]) == ({}, [])
    one: dict[str, Any]
    (one,) = corrected.found["reviews"]
    return one


def with_lower_pay(household: Household) -> Household:
    applicant = household.persons[0]
    months = dict(applicant.months)
    months[Nature.SALARY, CORRECTED] -= LOWER_CENTS
    return replace(household, persons=(replace(applicant, months=months), *household.persons[1:]))


def entries(federation: Federation, body: str) -> list[bytes]:
    reader = EntryReader(federation.node(body).folder / "ledger/traces")
    return [data for _, data in reader.entries(0, reader.size)]


def test_changes_shows_the_one_claim_concerned_to_the_cent_of_openfisca(
    corrected: Corrected,
) -> None:
    one = the_review(corrected)
    household = corrected.first.file.household
    assert household is not None
    assert one["case"] == corrected.first.reference
    assert [one["earlier_cents"]] == run_directly(Benefit.PPA, [household])
    assert one["earlier_cents"] == corrected.first.amount_cents
    assert [one["amount_cents"]] == run_directly(Benefit.PPA, [with_lower_pay(household)])
    assert one["difference_cents"] != 0


def test_changes_shows_both_versions_with_receipts_that_stand_in_the_ledger(
    corrected: Corrected,
) -> None:
    (pair,) = the_review(corrected)["differences"]
    was, now = (
        next(one for one in pair[side] if one["values"]["nature"] == "salary")
        for side in ("earlier", "now")
    )
    assert was["values"]["mns"] - now["values"]["mns"] == LOWER_CENTS
    assert (was["version"], now["version"]) == (1, 2)
    assert was["source"] != now["source"]
    ledger = entries(corrected.federation, "cnav")
    for side in (was, now):
        assert leaf_hash(ledger[side["leaf_index"]]).hex() == side["leaf_hash"]
        assert Entry.FromString(ledger[side["leaf_index"]]).WhichOneof("kind") == "decided"


def test_changes_are_one_entry_at_each_node_and_decided_again_alike(corrected: Corrected) -> None:
    ledger = [Entry.FromString(data) for data in entries(corrected.federation, "cnav")]
    told = [entry for entry in ledger if entry.WhichOneof("kind") == "change_told"]
    heard = [
        entry
        for entry in map(Entry.FromString, entries(corrected.federation, "caf"))
        if entry.WhichOneof("kind") == "change_heard"
    ]
    assert (len(told), len(heard)) == (1, 1)
    decided = ledger[told[0].change_told.leaf_index]
    held, again = decide_told_again(corrected.federation.policy, told[0], decided)
    assert held == again
    assert held.permitted


def test_changes_called_again_give_nothing(corrected: Corrected) -> None:
    assert the_review(corrected)
    assert changes(corrected.federation)["reviews"] == []
