"""Rights computed across real processes; the targeting that is refused, in both ledgers."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from tests.system.conftest import Federation, cloison
from tests.unit.programs.direct_openfisca import run_directly
from tests.unit.programs.notices import recompute

from cloison.bodies import BodyId
from cloison.exchange.conclude import decide_again
from cloison.french import french_euros
from cloison.ledger.reader import EntryReader
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import Benefit, Household, Window
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Outcome, Result, run
from cloison.programs.persons_file import read_members
from cloison.programs.targeting import Attempt, Wish, ask_from_afar, ask_locally
from cloison.programs.targeting_model import load_model
from cloison.v1.decision_pb2 import OUTCOME_DENY
from cloison.v1.entry_pb2 import Entry
from cloison.v1.statement_pb2 import Statement
from cloison.wire.gateway import Received

MONTH = Month.of(2026, 6)
COMPARED = 6


class Computations:
    """What the calculator gave OpenFisca, and what it got."""

    def __init__(self) -> None:
        self.pairs: dict[Benefit, list[tuple[Household, int]]] = {}
        self._compute = openfisca_adapter.compute

    def compute(self, benefit: Benefit, window: Window, households: list[Household]) -> list[int]:
        amounts = self._compute(benefit, window, households)
        self.pairs[benefit] = list(zip(households, amounts, strict=True))
        return amounts


@pytest.fixture(scope="module")
def computations() -> Computations:
    return Computations()


@pytest.fixture(scope="module")
def outcomes(federation: Federation, computations: Computations) -> dict[Benefit, Outcome]:
    """Every open claim at the family fund, asked across the four nodes."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openfisca_adapter, "compute", computations.compute)
        for benefit in Benefit:
            record = federation.policy.activities[f"caf-{benefit.value}"]
            with federation.gateway(record.id) as gateway:
                found[benefit] = run(gateway, Needs.of(record), MONTH)
    assert computations.pairs
    return found


def entries(federation: Federation, body: str) -> list[Entry]:
    reader = EntryReader(federation.node(body).folder / "ledger/traces")
    return [Entry.FromString(data) for _, data in reader.entries(0, reader.size)]


@pytest.mark.parametrize("benefit", list(Benefit))
def test_entitlement_of_every_claim_is_computed_or_set_aside_with_its_reason(
    outcomes: dict[Benefit, Outcome], benefit: Benefit
) -> None:
    summary = outcomes[benefit].summary
    assert summary.cases > 0
    assert summary.computed + sum(summary.set_aside.values()) == summary.cases


@pytest.mark.parametrize("benefit", list(Benefit))
def test_entitlement_across_nodes_equals_openfisca_run_directly(
    outcomes: dict[Benefit, Outcome], computations: Computations, benefit: Benefit
) -> None:
    assert outcomes[benefit].summary.computed == len(computations.pairs[benefit])
    sample = computations.pairs[benefit][:COMPARED]
    assert sample
    assert run_directly(benefit, [one for one, _ in sample]) == [amount for _, amount in sample]


def declared_mns(people: Path) -> dict[tuple[str, int], int]:
    """Montant net social in cents by NIR without its key and month of payment, as filed."""
    found: dict[tuple[str, int], int] = defaultdict(int)
    for file in sorted(people.glob("cnav/dsn-*.dsn")):
        number, month, kind = "", 0, ""
        for line in file.read_text("latin-1").splitlines():
            rubric, _, quoted = line.partition(",")
            value = quoted[1:-1]
            if rubric == "S21.G00.30.001":
                number = value
            elif rubric == "S21.G00.50.001":
                month = int(value[4:] + value[2:4])
            elif rubric == "S21.G00.58.003":
                kind = value
            elif rubric == "S21.G00.58.004" and kind == "03":
                found[number, month] += round(float(value) * 100)
    return found


def first_versions_only(result: Result) -> bool:
    return all(source.row.version <= 1 for source in result.sources)


def test_entitlement_inputs_are_the_amounts_employers_declared(
    federation: Federation, outcomes: dict[Benefit, Outcome]
) -> None:
    """Read apart from the product, from the DSN files, for claims that no correction touched."""
    declared = declared_mns(federation.people)
    checked = 0
    with federation.gateway("caf-ppa") as gateway:
        cases = {case.reference: case for case in gateway.open_cases("claim", MONTH)}
    for result in filter(first_versions_only, outcomes[Benefit.PPA].results):
        nirs = {member.role: member.nir for member in cases[result.reference].members}
        for (role, month), cents in salaries(result).items():
            assert declared[nirs[role][:13], month] == cents
            checked += 1
    assert checked > 0


def salaries(result: Result) -> dict[tuple[str, int], int]:
    """MNS of salaries from the cnav, by role and month; adults only, who are one a role."""
    found: dict[tuple[str, int], int] = defaultdict(int)
    for source in result.sources:
        values = source.row.values
        if source.holder == "cnav" and source.role != "child" and values.get("nature") == "salary":
            found[source.role, source.row.period] += source.row.cents("mns")
    return found


def test_entitlement_rests_on_entries_of_the_holders_ledgers(
    federation: Federation, outcomes: dict[Benefit, Outcome]
) -> None:
    sizes = {node.body: len(entries(federation, node.body)) for node in federation.nodes}
    receipts = {
        (source.holder, source.receipt.leaf_index)
        for outcome in outcomes.values()
        for result in outcome.results
        for source in result.sources
        if source.receipt
    }
    assert {holder for holder, _ in receipts} >= {"caf", "cnav", "dgfip"}
    assert all(index < sizes[holder] for holder, index in receipts)


@pytest.fixture(scope="module")
def refusals(federation: Federation, outcomes: dict[Benefit, Outcome]) -> list[Attempt]:
    """What control scoring asks, once incomes have been received for benefits."""
    assert outcomes
    month = MONTH - 2
    wish = Wish(federation.policy.activities["caf-dmde"], month, month, load_model())
    files = read_members(federation.people / "caf/members.csv")[:20]
    received = Received(BodyId("cnav"), "calculation", "caf-ppa")
    with federation.gateway("caf-dmde") as gateway:
        far = ask_from_afar(gateway, wish, files, lambda _: None)
        return [*far, *ask_locally(gateway, wish, received, files, lambda _: None)]


def test_targeting_from_afar_and_locally_is_refused_every_time(refusals: list[Attempt]) -> None:
    assert [(one.way, one.permitted, one.refused) for one in refusals] == [
        ("cohort, cnav monthly_resources", 0, 1),
        ("cohort, msa monthly_resources", 0, 1),
        ("cohort, dgfip tax_notices", 0, 1),
        ("file by file", 0, 20),
        ("received", 0, 20),
        ("cohort, caf members", 0, 1),
        ("cohort, caf households", 0, 1),
        ("cohort, caf payments", 0, 1),
        ("cohort, caf file_events", 0, 1),
    ]


def test_targeting_refusals_name_a_rule_or_the_missing_text(refusals: list[Attempt]) -> None:
    decisions = [refusal.decision for one in refusals for refusal in one.refusals]
    assert decisions
    assert all(one.rules or one.reason == "NO_TEXT" for one in decisions)


def test_every_decision_in_every_ledger_is_made_again_alike(
    federation: Federation, refusals: list[Attempt]
) -> None:
    """INVARIANT: from entry and policy set alone; permits of rights and refusals of scoring."""
    assert refusals
    made = [
        decide_again(federation.policy, one)
        for node in federation.nodes
        for one in entries(federation, node.body)
        if one.HasField("decided")
    ]
    assert {held.permitted for held, _ in made} == {True, False}
    assert [again for _, again in made] == [held for held, _ in made]


def denied(federation: Federation, body: str) -> set[bytes]:
    return {
        bytes(one.decided.signed.statement)
        for one in entries(federation, body)
        if one.HasField("decided")
        and one.decided.decision.outcome == OUTCOME_DENY
        and Statement.FromString(one.decided.signed.statement).purpose == "control-targeting"
    }


def test_targeting_refusals_stand_in_the_ledgers_of_both_sides(
    federation: Federation, refusals: list[Attempt]
) -> None:
    assert refusals
    asked = {
        bytes(one.asked.signed.statement)
        for one in entries(federation, "caf")
        if one.HasField("asked")
    }
    at_holder, at_home = denied(federation, "cnav"), denied(federation, "caf")
    assert (len(at_holder) >= 21, len(at_home) >= 20) == (True, True)
    assert at_holder | at_home <= asked


def test_targeting_run_from_the_shell_exits_denied(
    federation: Federation, refusals: list[Attempt]
) -> None:
    assert refusals
    address = ("--address", federation.node("caf").address)
    done = cloison(
        "targeting", "run", "--where", "afar", "--first", "2026-04", "--last", "2026-04", "--json",
        "--population", str(federation.people), "--keys", str(federation.place.keys), *address,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["targeting"]["permitted"] == 0


# --- explained to the person


def explained(federation: Federation, result: Result, benefit: Benefit, *more: str) -> str:
    """What `cloison entitlement explain` prints of a claim."""
    done = cloison(
        "entitlement", "explain", "--case", result.reference, "--benefit", benefit.value,
        "--month", str(MONTH), "--keys", str(federation.place.keys),
        "--address", federation.node("caf").address, *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_kind(outcome: Outcome, *, computed: bool) -> Result:
    """A claim with a right, or one set aside."""
    return next(one for one in outcome.results if bool(one.amount_cents) is computed)


@pytest.mark.parametrize("benefit", list(Benefit))
def test_explanation_alone_gives_the_amount_that_was_computed(
    federation: Federation, outcomes: dict[Benefit, Outcome], benefit: Benefit
) -> None:
    result = of_kind(outcomes[benefit], computed=True)
    record = json.loads(explained(federation, result, benefit, "--json"))

    assert recompute(record) == record["amount_cents"] == result.amount_cents


def test_explanation_receipts_are_entries_that_name_its_questions(
    federation: Federation, outcomes: dict[Benefit, Outcome]
) -> None:
    result = of_kind(outcomes[Benefit.PPA], computed=True)
    record = json.loads(explained(federation, result, Benefit.PPA, "--json"))

    for asked in record["asked"]:
        entry = entries(federation, asked["holder"])[asked["receipt"]["leaf_index"]]
        statement = Statement.FromString(entry.decided.signed.statement)
        selection = statement.selection
        assert (selection.dataset, list(selection.fields)) == (asked["dataset"], asked["fields"])
        assert (statement.purpose, statement.legal_basis) == (
            asked["purpose"],
            asked["legal_basis"],
        )


def test_explanation_page_is_written_whole_for_the_person_alone(
    federation: Federation, outcomes: dict[Benefit, Outcome], tmp_path: Path
) -> None:
    path = tmp_path / "notice.html"
    result = of_kind(outcomes[Benefit.AL], computed=True)
    printed = explained(federation, result, Benefit.AL, "--html", str(path))

    page = path.read_text("utf-8")
    assert page.count("<h2>") == 5
    assert french_euros(result.amount_cents or 0) in page
    assert "€" not in printed
