"""Destruction and objection: what goes, in which order, and what stays out from then on."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256

import pytest
from tests.federation import (
    ANNE,
    CAF,
    CNAV,
    ELSA,
    MONTH,
    NOW,
    Federation,
    Program,
)
from tests.unit.wire.objecting import objection

from cloison.errors import CloisonError, StorageError
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import to_milliseconds
from cloison.law.question import Granularity
from cloison.store import Doomed
from cloison.store.destruction import Destruction
from cloison.v1 import entry_pb2, exchange_service_pb2, store_service_pb2
from cloison.wire import demands
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import AskFor, OpenedCase, Reply
from cloison.wire.person_operator import OperatorDesk
from cloison.wire.plans import Plan, PlanRecords, Why, portions


@pytest.fixture
def outreach(federation: Federation) -> Program:
    return federation.program("caf-outreach")


@pytest.fixture
def case(outreach: Program) -> OpenedCase:
    return outreach.open_case("HE", "outreach")


def incomes(program: Program, case: OpenedCase) -> AskFor:
    return program.question(case, purpose="non-take-up", legal_basis="crpa-l114-8")


def own_file(program: Program, case: OpenedCase) -> AskFor:
    return program.question(
        case,
        holder=CAF,
        dataset="members",
        fields=("activity", "role"),
        granularity=Granularity.CURRENT,
        first=MONTH,
        last=MONTH,
        purpose="non-take-up",
        legal_basis="gdpr-5",
    )


@pytest.fixture
def replies(outreach: Program, case: OpenedCase) -> list[Reply]:
    found = outreach.ask(incomes(outreach, case), own_file(outreach, case))
    assert all(one.release is not None for one in found)
    return found


def desk(federation: Federation) -> DestructionDesk:
    return DestructionDesk(federation.node(CAF))


def destruction(
    program: Program, *cases: OpenedCase, why: str = "no-entitlement"
) -> store_service_pb2.SignedDemand:
    demand = store_service_pb2.Destruction(
        version=1,
        activity=program.activity,
        case_leaf_hashes=[case.leaf_hash for case in cases],
        why=why,
        signed_time_ms=to_milliseconds(program.federation.clock()),
        nonce=bytes(16),
    ).SerializeToString(deterministic=True)
    signature = program.keys.sign(demands.DESTRUCTION + sha256(demand).digest())
    return store_service_pb2.SignedDemand(demand=demand, signature=signature)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(CloisonError) as caught:
        call()
    return caught.value.reason


def sealed_of(federation: Federation) -> list[bytes]:
    """Every sealed release the family fund keeps, and every sealed answer."""
    node = federation.node(CAF)
    run = node.store._database.connection.execute
    kept = [bytes(row[0]) for row in run("SELECT sealed FROM received")]
    answers = node.vault._database.connection.execute("SELECT sealed FROM answer")
    return kept + [bytes(row[0])[-64:] for row in answers]


def still_there(federation: Federation, pieces: list[bytes]) -> list[str]:
    state = federation.settings(CAF).state
    return [
        file.name
        for file in state.rglob("*")
        if file.is_file() and any(piece in file.read_bytes() for piece in pieces)
    ]


def kinds(federation: Federation, count: int) -> list[str | None]:
    return [entry.WhichOneof("kind") for entry in federation.entries(CAF)[-count:]]


# --- destruction ---------------------------------------------------------------------------------


@pytest.mark.parametrize("settled", [False, True])
def test_destroy_leaves_no_byte_of_what_was_received_in_any_file(
    federation: Federation,
    outreach: Program,
    case: OpenedCase,
    replies: list[Reply],
    settled: bool,
) -> None:
    pieces = sealed_of(federation)
    if settled:
        federation.node(CAF).store.settle()
    where = "store.sqlite" if settled else "store.sqlite-wal"
    assert {where, "vault.sqlite-wal"} <= set(still_there(federation, pieces))
    desk(federation).destroy("caf-outreach", destruction(outreach, case))
    assert still_there(federation, pieces) == []
    assert len(replies) == 2


def test_destroy_is_entered_with_its_statements_and_closes_the_case(
    federation: Federation, outreach: Program, case: OpenedCase, replies: list[Reply]
) -> None:
    (receipt,) = desk(federation).destroy("caf-outreach", destruction(outreach, case))
    destroyed = parse_entry(receipt.entry).destroyed
    assert (destroyed.why, destroyed.activity, destroyed.releases) == (
        "no-entitlement",
        "caf-outreach",
        2,
    )
    assert set(destroyed.statement_hashes) == {one.statement_hash for one in replies}
    assert list(destroyed.case_leaf_hashes) == [case.leaf_hash]
    assert len(destroyed.trace_keys) == 1
    (closed,) = federation.entries(CAF, "case_closed")
    assert closed.case_closed.outcome == "no-entitlement"


def test_destroyed_trace_is_the_persons_own(
    federation: Federation, outreach: Program, case: OpenedCase, replies: list[Reply]
) -> None:
    (receipt,) = desk(federation).destroy("caf-outreach", destruction(outreach, case))
    (opened,) = federation.entries(CAF, "case_opened")
    traces = parse_entry(receipt.entry).destroyed.trace_keys
    assert list(traces) == list(opened.case_opened.trace_keys)
    assert replies


def test_destroy_twice_gives_the_same_entry(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    first, second = (
        desk(federation).destroy("caf-outreach", destruction(outreach, case))[0].entry
        for _ in range(2)
    )
    assert first == second
    assert len(federation.entries(CAF, "destroyed")) == 1


def test_destroy_leaves_other_activities_their_data(
    federation: Federation, outreach: Program, ppa: Program, case: OpenedCase, replies: list[Reply]
) -> None:
    (kept,) = ppa.ask(ppa.question(ppa.open_case()))
    desk(federation).destroy("caf-outreach", destruction(outreach, case))
    store = federation.node(CAF).store
    assert store.doomed_of_statement(kept.statement_hash)
    assert not any(store.doomed_of_statement(one.statement_hash) for one in replies)


def test_destroyed_statement_sent_again_brings_nothing_back(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    item = outreach.item(incomes(outreach, case))
    outreach.put(item)
    desk(federation).destroy("caf-outreach", destruction(outreach, case))
    (answer,) = outreach.put(item)
    assert answer.failure.reason in {"CASE_CLOSED", "DESTROYED"}
    assert federation.node(CAF).store.doomed_of_cases("caf-outreach", [case.leaf_hash]) == []


def test_destroyed_statement_without_a_closed_case_is_refused_when_sent_again(
    federation: Federation, ppa: Program
) -> None:
    """What ended by its label: the same bytes within ten minutes must not bring it back."""
    item = ppa.item(ppa.question(ppa.open_case()))
    ppa.put(item)
    node = federation.node(CAF)
    doomed = node.store.doomed_of_person("caf-ppa", node.row_key(ANNE.nir))
    (plan,) = portions(Plan("caf-ppa", Why.EXPIRY), doomed, [])
    desk(federation)._write_down([plan])
    desk(federation).finish()
    (answer,) = outreach_answer(ppa, item)
    assert answer == "DESTROYED"
    assert node.store.doomed_of_person("caf-ppa", node.row_key(ANNE.nir)) == []


def outreach_answer(program: Program, item: object) -> Iterator[str]:
    for answer in program.put(item):  # type: ignore[arg-type]
        yield answer.failure.reason


@pytest.mark.parametrize("activity", ["caf-ppa", "caf-prefill"])
def test_destroy_of_another_activitys_case_is_refused(
    federation: Federation, case: OpenedCase, activity: str
) -> None:
    signed = destruction(federation.program(activity), case)
    assert refused(lambda: desk(federation).destroy(activity, signed)) == "CASE_UNKNOWN"


def test_destroy_under_another_activitys_signature_is_refused(
    federation: Federation, outreach: Program, ppa: Program, case: OpenedCase
) -> None:
    signed = destruction(outreach, case)
    signed.signature = destruction(ppa, case).signature
    assert refused(lambda: desk(federation).destroy("caf-outreach", signed)) == "BAD_SIGNATURE"
    assert (
        refused(lambda: desk(federation).destroy("caf-ppa", destruction(outreach, case)))
        == "NOT_YOURS"
    )


@pytest.mark.parametrize("why", ["", "objection", "expiry", "decided"])
def test_destroy_for_no_reason_a_program_has_is_refused(
    federation: Federation, outreach: Program, case: OpenedCase, why: str
) -> None:
    signed = destruction(outreach, case, why=why)
    assert refused(lambda: desk(federation).destroy("caf-outreach", signed)) == "MALFORMED"
    assert federation.node(CAF).vault.cases.is_closed(case.leaf_hash) is False


@pytest.mark.parametrize(("why", "again"), [("no-entitlement", 0), ("set-aside", 1)])
def test_destroyed_case_is_opened_again_that_month_only_if_it_was_set_aside(
    federation: Federation, outreach: Program, case: OpenedCase, why: str, again: int
) -> None:
    desk(federation).destroy("caf-outreach", destruction(outreach, case, why=why))
    opened = list(outreach.cases.open("caf-outreach", "outreach", MONTH, []))
    assert len(opened) == again
    assert len(list(outreach.cases.open("caf-outreach", "outreach", MONTH + 1, []))) == 1


def test_destroy_signed_as_an_objection_is_refused(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    signed = destruction(outreach, case)
    signed.signature = outreach.keys.sign(demands.OBJECTION + sha256(signed.demand).digest())
    assert refused(lambda: desk(federation).destroy("caf-outreach", signed)) == "BAD_SIGNATURE"


def test_destroy_signed_an_hour_ago_is_refused(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    signed = destruction(outreach, case)
    federation.clock.advance(hours=1)
    assert refused(lambda: desk(federation).destroy("caf-outreach", signed)) == "STATEMENT_TOO_OLD"


# --- a crash at any moment -----------------------------------------------------------------------


def fail(*_: object, **__: object) -> None:
    raise StorageError("STORE_WRITE", "store: no room")


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (Destruction, "destroy"),
        (DestructionDesk, "_entries"),
    ],
)
def test_destroy_cut_by_a_crash_claims_nothing_and_is_ended_at_the_next_start(
    federation: Federation,
    outreach: Program,
    case: OpenedCase,
    replies: list[Reply],
    monkeypatch: pytest.MonkeyPatch,
    broken: type,
    name: str,
) -> None:
    pieces = sealed_of(federation)
    with monkeypatch.context() as patch:
        patch.setattr(broken, name, fail)
        refused(lambda: desk(federation).destroy("caf-outreach", destruction(outreach, case)))
    assert federation.entries(CAF, "destroyed") == []
    federation.kill(CAF)
    (entry,) = federation.entries(CAF, "destroyed")
    assert still_there(federation, pieces) == []
    assert set(entry.destroyed.statement_hashes) == {one.statement_hash for one in replies}
    assert len(federation.entries(CAF, "case_closed")) == 1


def test_destroy_cut_after_its_entry_is_not_entered_twice(
    federation: Federation,
    outreach: Program,
    case: OpenedCase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PlanRecords, "drop", fail)
        refused(lambda: desk(federation).destroy("caf-outreach", destruction(outreach, case)))
    federation.kill(CAF)
    assert len(federation.entries(CAF, "destroyed")) == 1
    assert federation.node(CAF).vault.plans.all() == []


def test_destroy_while_the_store_is_busy_is_ended_later(
    federation: Federation,
    outreach: Program,
    case: OpenedCase,
    replies: list[Reply],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cloison.store.database.Database.empty_log", lambda _: False)
        signed = destruction(outreach, case)
        reason = refused(lambda: desk(federation).destroy("caf-outreach", signed))
        desk(federation).finish()
        assert federation.entries(CAF, "destroyed") == []
    assert reason == "DESTRUCTION_PENDING"
    (reply,) = outreach.ask(incomes(outreach, case))
    assert (reply.failure and reply.failure.reason) == "CASE_CLOSED"
    desk(federation).finish()
    (entry,) = federation.entries(CAF, "destroyed")
    assert entry.destroyed.releases == len(replies)


# --- expiry --------------------------------------------------------------------------------------


def test_expire_destroys_at_twelve_months_what_was_received_to_inform(
    federation: Federation, outreach: Program, case: OpenedCase, replies: list[Reply]
) -> None:
    federation.clock.now = NOW + timedelta(days=364)
    assert not desk(federation).expire()
    assert federation.entries(CAF, "destroyed") == []
    pieces = sealed_of(federation)[:1]
    federation.clock.now = NOW + timedelta(days=366)
    desk(federation).expire()
    (entry,) = federation.entries(CAF, "destroyed")
    assert (entry.destroyed.why, list(entry.destroyed.statement_hashes)) == (
        "expiry",
        [replies[0].statement_hash],
    )
    assert list(entry.destroyed.case_leaf_hashes) == [case.leaf_hash]
    assert pieces
    assert outreach


def test_expire_destroys_deposits_with_the_label_they_inherit(
    federation: Federation, outreach: Program, case: OpenedCase, replies: list[Reply]
) -> None:
    raw = store_service_pb2.Deposit(
        version=1,
        activity="caf-outreach",
        output="letter",
        case_leaf_hash=case.leaf_hash,
        content=b"{}",
        statement_hashes=[one.statement_hash for one in replies],
        signed_time_ms=to_milliseconds(federation.clock()),
        nonce=bytes(16),
    ).SerializeToString(deterministic=True)
    signature = outreach.keys.sign(demands.DEPOSIT + sha256(raw).digest())
    signed = store_service_pb2.SignedDeposit(deposit=raw, signature=signature)
    outreach.deposits.deposit("caf-outreach", [signed])
    store = federation.node(CAF).store
    assert list(store.outputs("caf-outreach", "letter"))
    federation.clock.now = NOW + timedelta(days=366)
    desk(federation).expire()
    assert list(store.outputs("caf-outreach", "letter")) == []
    hashes = [list(one.destroyed.deposit_hashes) for one in federation.entries(CAF, "destroyed")]
    assert [sha256(raw).digest()] in hashes
    (result,) = outreach.deposits.deposit("caf-outreach", [signed])
    assert result.failure.reason == "DESTROYED"


def test_portions_are_small_enough_for_an_entry_whatever_was_received() -> None:
    """A thousand batches of 500 persons each, and as many deposits."""
    people = [number.to_bytes(16, "big") for number in range(2_000)]
    doomed = [
        Doomed(place.to_bytes(32, "big"), 0, "a" * 64, place.to_bytes(32, "big"), tuple(some))
        for place in range(1_000)
        for some in [people[place : place + (500 if place % 3 else 1)]]
    ]
    deposits = [place.to_bytes(32, "big") for place in range(1_000)]
    made = list(portions(Plan("a" * 64, Why.EXPIRY), doomed, deposits))
    sizes = [
        entry_pb2.Destroyed(
            case_leaf_hashes=plan.cases,
            statement_hashes=plan.statements,
            deposit_hashes=plan.deposits,
            trace_keys=[bytes(32)] * len(plan.persons),
        ).ByteSize()
        for plan in made
    ]
    assert max(sizes) < 60_000
    assert [one for plan in made for one in plan.releases] == [
        (one.statement_hash, one.part) for one in doomed
    ]
    assert [one for plan in made for one in plan.deposits] == deposits


# --- objection -----------------------------------------------------------------------------------


def test_objection_is_entered_and_destroys_what_was_received(
    federation: Federation, outreach: Program, replies: list[Reply]
) -> None:
    pieces = sealed_of(federation)
    response = desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    assert still_there(federation, pieces) == []
    assert kinds(federation, 3) == ["case_closed", "objected", "destroyed"]
    destroyed = parse_entry(response.destroyed.entry).destroyed
    assert (destroyed.why, destroyed.releases) == ("objection", len(replies))
    objected = parse_entry(response.objected.entry).objected
    assert list(objected.purposes) == ["non-take-up"]
    assert objected.trace_keys == destroyed.trace_keys


def test_objection_ends_what_is_asked_for_that_purpose(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    before = len(federation.entries(CAF, "asked"))
    (reply,) = outreach.ask(incomes(outreach, case))
    assert (reply.failure and reply.failure.reason) == "OBJECTED"
    assert len(federation.entries(CAF, "asked")) == before
    assert federation.link(CAF, CNAV).calls == []
    desk_of_cases = outreach.cases
    assert list(desk_of_cases.open("caf-outreach", "outreach", MONTH, [])) == []
    opening = desk_of_cases.open("caf-outreach", "outreach", MONTH, ["HE"])
    assert refused(lambda: list(opening)) == "OBJECTED"


def test_objection_leaves_the_calculation_of_benefits_as_it_was(
    federation: Federation, outreach: Program, ppa: Program
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ANNE.nir))
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert reply.release is not None


def test_objection_of_a_household_is_its_applicants(
    federation: Federation, outreach: Program, replies: list[Reply]
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, household="HE"))
    node = federation.node(CAF)
    assert node.vault.objections.any_of([node.row_key(ELSA.nir)], ["non-take-up"])
    assert not any(node.store.doomed_of_statement(one.statement_hash) for one in replies)


def test_objection_to_an_activity_nobody_may_object_to_is_refused(
    federation: Federation, ppa: Program
) -> None:
    signed = objection(ppa, nir=ANNE.nir)
    assert refused(lambda: desk(federation).object("caf-ppa", signed)) == "NO_OBJECTION"


@pytest.mark.parametrize(
    ("who", "nonce", "reason"),
    [
        ({"nir": "1" * 15}, bytes(16), "BAD_NIR"),
        ({"household": "H?"}, bytes(16), "UNKNOWN_HOUSEHOLD"),
        ({}, bytes(16), "NAME_SOMEBODY"),
        ({"nir": ELSA.nir}, b"", "MALFORMED"),
    ],
)
def test_objection_of_nobody_is_refused_without_a_word_of_whom(
    federation: Federation, outreach: Program, who: dict[str, str], nonce: bytes, reason: str
) -> None:
    signed = objection(outreach, nonce, **who)
    with pytest.raises(CloisonError) as caught:
        desk(federation).object("caf-outreach", signed)
    assert caught.value.reason == reason
    assert not any(nir in str(caught.value) for nir in ("1" * 15, ELSA.nir))


def test_objection_is_kept_for_two_years_as_a_row_key_and_a_date_and_then_dropped(
    federation: Federation, outreach: Program
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    node = federation.node(CAF)
    key = node.row_key(ELSA.nir)
    run = node.vault._database.connection.execute
    assert run("SELECT person, purpose FROM objection").fetchall() == [(key, "non-take-up")]
    for days, there in ((729, True), (732, False)):
        federation.clock.now = NOW + timedelta(days=days)
        desk(federation).expire()
        assert node.vault.objections.any_of([key], ["non-take-up"]) is there


def test_objection_outlives_a_restart_and_is_entered_once_whatever_crashed(
    federation: Federation,
    outreach: Program,
    replies: list[Reply],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Destruction, "destroy", fail)
        signed = objection(outreach, nir=ELSA.nir)
        refused(lambda: desk(federation).object("caf-outreach", signed))
    federation.kill(CAF)
    assert kinds(federation, 3) == ["case_closed", "objected", "destroyed"]
    again = desk(federation).object("caf-outreach", signed)
    assert parse_entry(again.destroyed.entry).destroyed.releases == len(replies)
    assert len(federation.entries(CAF, "objected")) == 1


def test_objection_made_here_counts_for_who_asks_here(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    """The own file of a body is answered about, as one that objected in it, where that counts."""
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    question = incomes(outreach, case)
    item = outreach.item(question)
    node, holder = federation.holding(CNAV)
    until = NOW + timedelta(days=1)
    with node.vault.lasting():
        node.vault.objections.keep(node.row_key(ELSA.nir), "non-take-up", until)
    (answer,) = holder.answer(holder.call(CAF, federation.policy.hash, b""), [item])
    assert parse_entry(answer.receipt.entry).decided.decision.reason == "PERSON_NOT_ANSWERABLE"


def test_objection_while_the_answer_is_on_its_way_keeps_it_from_the_program(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    def objects(_: exchange_service_pb2.ExchangeServiceAskResponse) -> None:
        desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))

    federation.link(CAF, CNAV).after = objects
    (answer,) = outreach.put(outreach.item(incomes(outreach, case)))
    assert (answer.failure.reason, answer.sealed_release) == ("OBJECTED", b"")
    desk(federation).finish()
    (entry,) = federation.entries(CAF, "destroyed")
    assert (entry.destroyed.why, entry.destroyed.releases) == ("objection", 1)
    assert sealed_of(federation) == []


def test_destroy_while_the_answer_is_on_its_way_keeps_it_from_the_program(
    federation: Federation, outreach: Program, case: OpenedCase
) -> None:
    def destroys(_: exchange_service_pb2.ExchangeServiceAskResponse) -> None:
        desk(federation).destroy("caf-outreach", destruction(outreach, case))

    federation.link(CAF, CNAV).after = destroys
    (answer,) = outreach.put(outreach.item(incomes(outreach, case)))
    assert (answer.failure.reason, answer.sealed_release) == ("CASE_CLOSED", b"")
    desk(federation).finish()
    released = [entry.destroyed.releases for entry in federation.entries(CAF, "destroyed")]
    assert released == [0, 1]


def test_objection_of_one_person_ends_what_is_asked_with_others(
    federation: Federation, outreach: Program
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    members = (ELSA.member(), ANNE.member())
    question = outreach.question(None, *members, purpose="non-take-up", legal_basis="crpa-l114-8")
    (reply,) = outreach.ask(question)
    assert (reply.failure and reply.failure.reason) == "OBJECTED"
    (other,) = outreach.ask(
        outreach.question(None, ANNE.member(), purpose="non-take-up", legal_basis="crpa-l114-8")
    )
    assert other.failure is None


def test_objection_names_nobody_in_the_ledger(federation: Federation, outreach: Program) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    raw = b"".join(federation.raw_entries(CAF))
    assert ELSA.nir.encode() not in raw
    assert federation.node(CAF).row_key(ELSA.nir) not in raw


def test_objection_of_a_person_erased_still_counts_as_long(
    federation: Federation, outreach: Program
) -> None:
    desk(federation).object("caf-outreach", objection(outreach, nir=ELSA.nir))
    node = federation.node(CAF)
    OperatorDesk(node).erase(ELSA.nir, "erasure-ordered")
    (objected,) = federation.entries(CAF, "objected")
    ((until,),) = node.vault._ask("SELECT until_ms FROM objection").fetchall()
    assert until == objected.objected.kept_until_ms
    assert node.vault.objections.any_of([node.row_key(ELSA.nir)], ["non-take-up"])
