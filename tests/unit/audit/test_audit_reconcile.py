"""Both ends of real exchanges, held against each other; then one of them altered."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.federation import ANNE, CAF, CNAV, NOW, ROOT, Federation

from cloison.audit import Finding, Line, Period, Severity, reconcile
from cloison.audit.heads import Witnessed
from cloison.audit.reading import take
from cloison.audit.receipts import find_receipts
from cloison.audit.reconcile import Checked
from cloison.audit.tables import Tables
from cloison.bodies import BodyId
from cloison.cli.policy import load_policy
from cloison.exchange.entries import cohort_part_entry, entry_of, parse_entry
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2

Ledgers = dict[BodyId, list[Line]]
UNTIL = NOW + timedelta(days=1)


@pytest.fixture
def ledgers(federation: Federation) -> Ledgers:
    """Three questions, one of them refused."""
    program = federation.program("caf-ppa")
    case = program.open_case()
    program.ask(program.question(case), program.question(case, purpose="eligibility"))
    program.ask(program.question(None, ANNE.member()))
    return {body: lines_of(federation, body) for body in (CAF, CNAV)}


def lines_of(federation: Federation, body: BodyId) -> list[Line]:
    raw = federation.raw_entries(body)
    origin = federation.node(body).traces.origin
    return [line(body, origin, index, data) for index, data in enumerate(raw)]


def line(body: BodyId, origin: str, index: int, data: bytes) -> Line:
    return Line(body, origin, index, leaf_hash(data), parse_entry(data))


def kinds(lines: list[Line], kind: str) -> list[Line]:
    return [one for one in lines if one.entry.WhichOneof("kind") == kind]


def without(lines: list[Line], *gone: Line) -> list[Line]:
    return [one for one in lines if one not in gone]


def found(ledgers: Ledgers, until: datetime = UNTIL) -> list[tuple[str, int]]:
    return [(one.code, one.count) for one in findings(ledgers, until)]


def findings(ledgers: Ledgers, until: datetime = UNTIL) -> list[Finding]:
    return reconciled(ledgers, until)[0]


def reconciled(ledgers: Ledgers, until: datetime = UNTIL) -> tuple[list[Finding], Checked]:
    tables = Tables(frozenset(ledgers))
    for lines in ledgers.values():
        for one in lines:
            take(tables, one)
    return reconcile(tables, Period.up_to(UNTIL), until)


def test_clean_ledgers_have_no_finding(ledgers: Ledgers) -> None:
    clean, checked = reconciled(ledgers)
    assert clean == []
    assert (checked.asked, checked.decided, checked.received) == (3, 3, 3)


def test_decision_the_requester_did_not_ask_for_is_found(ledgers: Ledgers) -> None:
    asked = kinds(ledgers[CAF], "asked")[0]
    ledgers[CAF] = without(ledgers[CAF], asked)
    (one,) = findings(ledgers)
    assert (one.code, one.severity, one.activity) == ("DECIDED_NOT_ASKED", Severity.HIGH, "caf-ppa")
    assert one.sentence.startswith("cnav a décidé 1 demande(s) de caf")
    assert one.evidence[0].ledger == "cnav.cloison.local/traces"


def test_answer_the_holder_never_gave_is_found(ledgers: Ledgers) -> None:
    decided = kinds(ledgers[CNAV], "decided")
    ledgers[CNAV] = without(ledgers[CNAV], *decided[:2])
    assert found(ledgers) == [("RECEIVED_NOT_DECIDED", 2)]


def test_answer_never_received_is_found_once_it_is_due(ledgers: Ledgers) -> None:
    """A refusal holds no data: nothing is missing where its receipt is lost."""
    ledgers[CAF] = without(ledgers[CAF], *kinds(ledgers[CAF], "received"))
    (one,) = findings(ledgers)
    permitted = [one for one in kinds(ledgers[CNAV], "decided") if one.entry.decided.sealed_hash]
    assert (one.code, one.count) == ("NOT_RECEIVED", len(permitted))
    assert found(ledgers, NOW - timedelta(days=1)) == []


def test_question_without_decision_is_a_light_finding(ledgers: Ledgers) -> None:
    ledgers[CAF] = without(ledgers[CAF], *kinds(ledgers[CAF], "received"))
    ledgers[CNAV] = without(ledgers[CNAV], *kinds(ledgers[CNAV], "decided"))
    (one,) = findings(ledgers)
    assert (one.code, one.severity, one.count) == ("NOT_DECIDED", Severity.LOW, 3)
    assert len(one.evidence) == 3


def test_answer_declared_lost_is_told_apart_from_a_missing_one(federation: Federation) -> None:
    """Both left; of the first the requester said that it never came."""
    program = federation.program("caf-ppa")
    link = federation.link(CAF, CNAV)
    link.after = lambda _: setattr(link, "down", True)
    program.put(program.item(program.question(program.open_case())))
    link.after, link.down = None, False
    program.put(program.item(program.question(program.open_case(), purpose="eligibility")))
    ledgers = {body: lines_of(federation, body) for body in (CAF, CNAV)}
    ledgers[CAF] = without(ledgers[CAF], *kinds(ledgers[CAF], "received"))
    clean, checked = reconciled(ledgers)
    codes = [(one.code, one.severity, one.count) for one in clean]
    assert codes == [
        ("NOT_RECEIVED", Severity.MEDIUM, 1),
        ("ANSWER_LOST", Severity.LOW, 1),
    ]
    assert (checked.lost, checked.missing) == (1, 1)


def test_answer_declared_lost_that_came_after_all_is_no_finding(federation: Federation) -> None:
    program = federation.program("caf-ppa")
    link = federation.link(CAF, CNAV)
    item = program.item(program.question(program.open_case()))
    link.down = True
    program.put(item)
    link.down = False
    program.put(item)
    ledgers = {body: lines_of(federation, body) for body in (CAF, CNAV)}
    assert len(kinds(ledgers[CAF], "lost")) == 1
    assert reconciled(ledgers)[0] == []


def test_question_declared_lost_that_was_never_decided_agrees(federation: Federation) -> None:
    program = federation.program("caf-ppa")
    federation.link(CAF, CNAV).down = True
    program.put(program.item(program.question(program.open_case())))
    ledgers = {body: lines_of(federation, body) for body in (CAF, CNAV)}
    clean, checked = reconciled(ledgers)
    assert (clean, checked.lost, checked.missing) == ([], 1, 0)


def test_loss_of_anothers_question_counts_for_nobody(ledgers: Ledgers) -> None:
    """A holder cannot say for its requester that its answer was lost."""
    ledgers[CAF] = without(ledgers[CAF], *kinds(ledgers[CAF], "received"))
    said = entry_pb2.Lost(
        holder=CNAV,
        reason="STOPPED",
        statement_hashes=[
            sha256(one.entry.asked.signed.statement).digest()
            for one in kinds(ledgers[CAF], "asked")
        ],
    )
    ledgers[CNAV].append(line(CNAV, "cnav.cloison.local/traces", 99, entry_of(said, NOW)))
    assert [one.code for one in findings(ledgers)] == ["NOT_RECEIVED"]


def test_receipts_no_quorum_saw_in_time_are_found(ledgers: Ledgers) -> None:
    """By the head witnesses saw; and by a later decision that still knew of none."""
    tables = Tables(frozenset(ledgers))
    for one in (*ledgers[CAF], *ledgers[CNAV]):
        # As of a federation that asks for witnesses: this one's nodes do not.
        if one.entry.WhichOneof("kind") == "decided":
            said = one.entry.decided.facts.witnessing
            said.quorum_none, said.own_seconds = False, 1
        take(tables, one)
    limits = load_policy(ROOT).witnesses
    permits = [one for one in tables.questions if one.permitted]
    origin = permits[0].ledger

    def late(head: int | None, until: datetime) -> list[tuple[str, int]]:
        seen = [Witnessed(origin, 0, head)]
        found = find_receipts(tables, limits, seen, Period.up_to(until))
        return [(one.code, one.count) for one in found]

    tomorrow = UNTIL + timedelta(days=1)
    assert late(None, tomorrow) == []
    assert late(permits[-1].at + 1, tomorrow) == []
    assert late(permits[-1].at, tomorrow) == [("RECEIPT_NOT_WITNESSED", 1)]
    assert late(0, NOW + timedelta(minutes=1)) == []
    day_ms = 24 * 60 * 60 * 1000
    tables.questions.add(
        permits[-1]._replace(permitted=0, time=permits[-1].time + day_ms + 1, seen=0)
    )
    assert late(None, tomorrow) == [("RECEIPT_NOT_WITNESSED", 1)] * 2  # one a purpose


@pytest.mark.parametrize(
    "change",
    [
        lambda received: setattr(received, "sealed_hash", bytes(32)),
        lambda received: setattr(received, "outcome", 3),
        lambda received: setattr(received, "leaf_hash", bytes(32)),
        lambda received: setattr(received, "leaf_index", 99),
    ],
)
def test_receipt_unlike_the_decision_is_found(
    change: Callable[[object], None], ledgers: Ledgers
) -> None:
    change(kinds(ledgers[CAF], "received")[0].entry.received)
    assert found(ledgers) == [("ANSWER_DIFFERS", 1)]


def test_decision_made_twice_is_found(ledgers: Ledgers) -> None:
    ledgers[CNAV].append(kinds(ledgers[CNAV], "decided")[0])
    assert found(ledgers) == [("DECIDED_TWICE", 1)]


def test_third_body_cannot_stand_in_for_either_side(ledgers: Ledgers) -> None:
    """It copies both sides' entries into its own ledger; what is missing stays missing."""
    msa = BodyId("msa")
    copied = [
        Line(msa, "msa.cloison.local/traces", index, one.leaf, one.entry)
        for index, one in enumerate([*ledgers[CAF], *ledgers[CNAV]])
    ]
    ledgers[msa] = copied
    assert found(ledgers) == [("RECEIVED_NOT_DECIDED", 3)]  # receipts of answers it never had
    ledgers[CAF] = without(ledgers[CAF], *kinds(ledgers[CAF], "asked"))
    ledgers[CNAV] = without(ledgers[CNAV], kinds(ledgers[CNAV], "decided")[0])
    codes = {code for code, _ in found(ledgers)}
    assert {"DECIDED_NOT_ASKED", "RECEIVED_NOT_DECIDED"} <= codes


def test_side_that_is_not_given_is_not_guessed(ledgers: Ledgers) -> None:
    assert found({CAF: without(ledgers[CAF], *kinds(ledgers[CAF], "received"))}) == []
    assert found({CNAV: ledgers[CNAV]}) == []


def part(body: BodyId, index: int, *, received: bytes | None = None, **changes: object) -> Line:
    peer = CNAV if body == CAF else CAF
    plain: dict[str, Any] = {"sealed": b"sealed", "last": True, "digests": [bytes(32)]}
    plain |= changes
    data = cohort_part_entry(
        b"s" * 32,
        index,
        plain["digests"],
        [b"t" * 32],
        plain["sealed"],
        peer,
        NOW,
        last=bool(plain["last"]),
        cases=[],
        **({} if received is None else {"received": received}),
    )
    return line(body, f"{body}.cloison.local/traces", index, data)


@pytest.mark.parametrize(
    ("held", "came", "expected"),
    [
        ({}, {}, []),
        (None, {}, ["RECEIVED_NOT_DECIDED"]),
        ({}, None, ["NOT_RECEIVED"]),
        ({}, {"sealed": b"other"}, ["ANSWER_DIFFERS"]),
        ({}, {"last": False}, ["ANSWER_DIFFERS"]),
        ({}, {"digests": [b"x" * 32]}, ["ANSWER_DIFFERS"]),
        ({}, {"received": b"x" * 32}, ["ANSWER_DIFFERS"]),
    ],
)
def test_batches_of_a_cohort_are_held_against_each_other(
    held: dict[str, Any] | None,
    came: dict[str, Any] | None,
    expected: list[str],
    ledgers: Ledgers,
) -> None:
    """Under the statement of the first question, whose two sides are there."""
    statement = kinds(ledgers[CAF], "received")[0].entry.received.statement_hash
    left = None if held is None else part(CNAV, 0, **held)
    if left is not None:
        left.entry.cohort_part.statement_hash = statement
        ledgers[CNAV].append(left)
    if came is not None:
        leaf = left.leaf if left is not None else b"l" * 32
        answer = part(CAF, 0, **{"received": leaf, **came})
        answer.entry.cohort_part.statement_hash = statement
        ledgers[CAF].append(answer)
    assert [one.code for one in findings(ledgers)] == expected
