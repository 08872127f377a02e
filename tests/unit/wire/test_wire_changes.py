"""Corrections: told to whom was answered, in a live case, once, and never what they say."""

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import count

import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CANARY_CENTS,
    CNAV,
    DENIS,
    ELSA,
    FIRST,
    LAST,
    MONTH,
    MSA,
    NOW,
    ChangesRequest,
    ChangesResponse,
    Federation,
    Program,
    Someone,
    fill_disk,
    run,
)
from tests.unit.wire.objecting import objection
from tests.unit.wire.policy_changes import Signing, renamed

from cloison.bodies import BodyId
from cloison.errors import InputError, IntegrityError, PeerError, StorageError
from cloison.exchange import conclude, entries
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import from_milliseconds
from cloison.law.question import Decision, Granularity, Outcome
from cloison.months import Month
from cloison.store import IdentityFacts, NewRecord, SlotName
from cloison.v1 import entry_pb2, gateway_service_pb2, release_pb2
from cloison.wire import change_teller, server, servicers
from cloison.wire.change_listener import ChangeListener
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import OpenedCase
from cloison.wire.server import forget

_ORDERS = count(2)
_PLACES = {ANNE.nir: 0, BRUNO.nir: 1, DENIS.nir: 2, ELSA.nir: 3}


def declare_again(
    federation: Federation,
    someone: Someone = ANNE,
    month: Month = LAST,
    cents: int = CANARY_CENTS + 500,
    net_paid: int = CANARY_CENTS,
    kind: str = "replace",
) -> None:
    """The payer sends a month again; another process loads it."""
    store, order = federation.node(CNAV).store, next(_ORDERS)
    name = SlotName(f"01/{_PLACES[someone.nir]}", month.number)
    with store.loading("correction", order.to_bytes(32, "big"), federation.clock()) as loading:
        slot = loading.declare("monthly_resources", name, f"dsn-{order}", kind, order)  # type: ignore[arg-type]
        if kind == "replace":
            pay = ["73282932000074", "salary", cents, cents, cents, net_paid, 0, "1", None, None]
            key = federation.node(CNAV).row_key(someone.nir)
            loading.append(slot, 0, NewRecord(key, month.number, json.dumps([*pay, "01"])))


def listener(federation: Federation) -> ChangeListener:
    return ChangeListener(federation.node(CAF), federation.requester(CAF))


def hear(federation: Federation) -> list[entry_pb2.ChangeHeard]:
    """CAF's node asks CNAV's; all it has heard so far."""
    run(listener(federation).hear(CNAV))
    return [entry.change_heard for entry in federation.entries(CAF, "change_heard")]


def told(federation: Federation) -> list[entry_pb2.ChangeTold]:
    return [entry.change_told for entry in federation.entries(CNAV, "change_told")]


def changed(
    federation: Federation, activity: str = "caf-ppa"
) -> list[gateway_service_pb2.ChangedCase]:
    """What a program is given; every holder must have been heard."""

    async def collect() -> list[gateway_service_pb2.GatewayServiceChangesResponse]:
        return [one async for one in listener(federation).changed(activity)]

    responses = run(collect())
    assert [one.unheard.holder for one in responses if one.HasField("unheard")] == []
    return [one.case for one in responses]


@pytest.fixture
def case(ppa: Program) -> OpenedCase:
    """Anne's case, under which her resources were received."""
    opened = ppa.open_case()
    (reply,) = ppa.ask(ppa.question(opened))
    assert reply.release is not None
    return opened


@pytest.mark.usefixtures("case")
def test_changes_without_a_load_are_none(federation: Federation) -> None:
    assert (hear(federation), told(federation)) == ([], [])


@pytest.mark.usefixtures("case")
def test_changes_between_nodes_of_two_sets_count_it_on_both_sides(federation: Federation) -> None:
    signing, files = Signing(federation), renamed()
    run(signing.desk(CNAV).load(signing.sign(files), files))
    declare_again(federation)
    assert len(hear(federation)) == 1
    assert federation.failures(CNAV)["caf"]["POLICY_SET_DIFFERS"] == 1
    assert federation.failures(CAF)["cnav"]["POLICY_SET_DIFFERS"] == 1


def test_changes_after_a_replaced_month_name_case_question_and_month(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    (heard,) = hear(federation)
    (received,) = federation.entries(CAF, "received")
    assert (heard.holder, heard.activity, heard.dataset) == ("cnav", "caf-ppa", "monthly_resources")
    assert (heard.case_leaf_hash, list(heard.periods)) == (case.leaf_hash, [LAST.number])
    assert heard.statement_hash == received.received.statement_hash
    assert heard.answer_leaf_hash == received.received.leaf_hash


@pytest.mark.usefixtures("case")
def test_changes_are_traced_for_the_person_on_both_sides(federation: Federation) -> None:
    declare_again(federation)
    (heard,) = hear(federation)
    (entry,) = told(federation)
    day = federation.clock().date()
    for body, persons, traced in (
        (CNAV, (ANNE,), entry.trace_keys),
        (CAF, (ANNE, BRUNO), heard.trace_keys),
    ):
        node = federation.node(body)
        keys = node.vault.trace_keys([node.row_key(one.nir) for one in persons], day)
        assert set(keys) <= set(traced)
        assert node.index.find("trace", keys[0])[-1] == node.traces.size - 1


@pytest.mark.usefixtures("case")
def test_changes_hold_no_value_and_no_number(federation: Federation) -> None:
    declare_again(federation)
    hear(federation)
    spelled = (str(CANARY_CENTS + 500).encode(), ANNE.nir.encode())
    entries = federation.raw_entries(CNAV) + federation.raw_entries(CAF)
    assert not [entry for entry in entries for text in spelled if text in entry]


@pytest.mark.usefixtures("case")
def test_changes_heard_again_give_nothing_new(federation: Federation) -> None:
    declare_again(federation)
    assert len(hear(federation)) == len(hear(federation)) == 1
    assert len(told(federation)) == 1


@pytest.mark.usefixtures("case")
def test_changes_of_a_second_correction_are_told_on_their_own(federation: Federation) -> None:
    declare_again(federation)
    hear(federation)
    declare_again(federation, month=FIRST)
    assert [list(one.periods) for one in hear(federation)] == [[LAST.number], [FIRST.number]]


@pytest.mark.usefixtures("case")
def test_changes_back_to_what_was_answered_are_told_again(federation: Federation) -> None:
    declare_again(federation)
    hear(federation)
    declare_again(federation, cents=CANARY_CENTS)
    assert len(hear(federation)) == 2


@pytest.mark.usefixtures("case")
def test_changes_of_two_loads_before_one_pull_are_told_once(federation: Federation) -> None:
    declare_again(federation)
    declare_again(federation, month=FIRST)
    assert [list(one.periods) for one in hear(federation)] == [[FIRST.number, LAST.number]]


@pytest.mark.usefixtures("case")
def test_changes_of_a_cancelled_month_are_told(federation: Federation) -> None:
    declare_again(federation, kind="cancel")
    assert [list(one.periods) for one in hear(federation)] == [[LAST.number]]


def declare_second(federation: Federation, month: Month, *persons: Someone) -> None:
    """Another payer's month."""
    node, number = federation.node(CNAV), next(_ORDERS)
    name = SlotName("01/second", month.number)
    pay = json.dumps(["73282932000082", "salary", 1, 1, 1, 1, 0, "1", None, None, "01"])
    with node.store.loading("second", number.to_bytes(32, "big"), federation.clock()) as loading:
        slot = loading.declare("monthly_resources", name, f"second-{number}", "normal", 1)
        for place, one in enumerate(persons):
            loading.append(slot, place, NewRecord(node.row_key(one.nir), month.number, pay))


def test_changes_of_a_month_a_late_payer_declared_without_the_person_are_told(
    federation: Federation, ppa: Program
) -> None:
    """No record of hers changes: the month was incomplete, and is not any more."""
    declare_second(federation, FIRST - 1, ANNE)
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert reply.release is not None
    late = [one.status for one in reply.release.persons[0].periods]
    assert late == [release_pb2.PERIOD_STATUS_LATE] * 3
    for month in FIRST.to(LAST):
        declare_second(federation, month, BRUNO)
    assert [list(one.periods) for one in hear(federation)] == [
        [month.number for month in FIRST.to(LAST)]
    ]


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize(
    "correction",
    [
        {"cents": CANARY_CENTS},
        {"cents": CANARY_CENTS, "net_paid": 1},
        {"month": LAST + 1},
        {"month": FIRST - 1},
        {"someone": DENIS},
    ],
    ids=["same amounts", "a field not asked", "a later month", "an earlier month", "another"],
)
def test_changes_that_would_not_change_the_answer_are_told_to_nobody(
    federation: Federation, correction: dict[str, object]
) -> None:
    declare_again(federation, **correction)  # type: ignore[arg-type]
    assert (hear(federation), told(federation)) == ([], [])


@pytest.mark.usefixtures("case")
def test_changes_of_a_correction_that_is_refused_reach_nobody(federation: Federation) -> None:
    with pytest.raises(InputError) as rejected:
        declare_again(federation, month=MONTH + 3, kind="cancel")
    assert rejected.value.reason == "NOTHING_TO_CANCEL"
    assert (hear(federation), told(federation)) == ([], [])


@pytest.mark.usefixtures("case")
def test_changes_of_a_total_name_the_window_and_not_the_month(
    federation: Federation,
) -> None:
    housing = federation.program("caf-al")
    question = housing.question(
        housing.open_case("C1L"),
        fields=("nature", "net_fiscal"),
        granularity=Granularity.WINDOW_TOTAL,
        first=MONTH - 13,
    )
    housing.ask(question)
    declare_again(federation)
    periods = {one.activity: list(one.periods) for one in hear(federation)}
    assert periods == {"caf-ppa": [LAST.number], "caf-al": [(MONTH - 13).number]}


def test_changes_after_the_case_is_over_are_not_told(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    federation.clock.now = case.valid_until
    assert (hear(federation), told(federation)) == ([], [])


@pytest.mark.usefixtures("case")
def test_changes_are_told_to_no_other_body(federation: Federation) -> None:
    declare_again(federation)
    other = ChangeListener(federation.node(MSA), federation.requester(MSA))
    run(other.hear(CNAV))
    assert (federation.entries(MSA, "change_heard"), told(federation)) == ([], [])


def test_changes_of_a_refused_question_are_not_told(federation: Federation, ppa: Program) -> None:
    (refused,) = ppa.ask(ppa.question(ppa.open_case(), first=FIRST - 9))
    assert refused.release is None
    declare_again(federation)
    assert (hear(federation), told(federation)) == ([], [])


@pytest.mark.usefixtures("case")
def test_changes_that_the_law_no_longer_permits_are_not_told(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_again(federation)
    with monkeypatch.context() as patched:
        patched.setattr(
            conclude, "decide", lambda *_: Decision(Outcome.DENY, "NO_TEXT", nearest=(), rules=())
        )
        assert hear(federation) == []
    assert told(federation) == []


@pytest.mark.usefixtures("case")
def test_changes_about_a_person_who_died_since_are_not_told(federation: Federation) -> None:
    declare_again(federation)
    node = federation.node(CNAV)
    with node.store.loading("deaths", b"d" * 32, NOW) as loading:
        known = node.store.identity(node.row_key(ANNE.nir))
        assert known is not None
        facts = IdentityFacts(known.permanent, known.traits_digest, dead=True, objected=False)
        loading.put_identity(node.row_key(ANNE.nir), facts)
    assert (hear(federation), told(federation)) == ([], [])


# --- a crash, a cut, a holder that lies ----------------------------------------------------------


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize("body", [CNAV, CAF])
def test_changes_after_a_kill_between_load_and_pull_are_all_there(
    federation: Federation, body: str
) -> None:
    declare_again(federation)
    federation.kill(CNAV if body == CNAV else CAF)
    assert len(hear(federation)) == 1


@pytest.mark.usefixtures("case")
def test_changes_after_a_kill_just_past_the_entry_are_told_once(federation: Federation) -> None:
    declare_again(federation)
    federation.link(CAF, CNAV).dies_after = 1
    with pytest.raises(PeerError):
        hear(federation)
    federation.kill(CNAV)
    federation.link(CAF, CNAV).dies_after = None
    assert (len(hear(federation)), len(told(federation))) == (1, 1)


def test_changes_cut_in_the_middle_go_on_without_repeat_or_gap(
    federation: Federation, ppa: Program
) -> None:
    for claim, someone in (("C1", ANNE), ("C2", DENIS)):
        ppa.ask(ppa.question(ppa.open_case(claim)))
        declare_again(federation, someone)
    federation.link(CAF, CNAV).dies_after = 1
    with pytest.raises(PeerError) as cut:
        hear(federation)
    federation.link(CAF, CNAV).dies_after = None
    assert cut.value.reason == "PEER_UNAVAILABLE"
    assert len(federation.entries(CAF, "change_heard")) == 1
    assert len({one.case_leaf_hash for one in hear(federation)}) == 2
    assert len(told(federation)) == 2


@pytest.mark.usefixtures("case")
def test_changes_lost_by_the_requester_are_given_again_as_the_same_entries(
    federation: Federation,
) -> None:
    declare_again(federation)
    hear(federation)

    async def from_the_start() -> list[ChangesResponse]:
        desk = servicers.Exchange(*federation.holding(CNAV))
        request = ChangesRequest(after=0)
        return [one async for one in desk.Changes(request, federation.context(CAF))]

    (again,) = run(from_the_start())
    assert parse_entry(again.receipt.entry).change_told == told(federation)[0]


@pytest.mark.usefixtures("case")
def test_changes_without_room_for_the_entry_do_not_leave(federation: Federation) -> None:
    declare_again(federation)
    fill_disk(federation.node(CNAV).traces)
    with pytest.raises(PeerError) as caught:
        hear(federation)
    assert caught.value.reason == "LEDGER_WRITE"
    assert federation.entries(CAF, "change_heard") == []


@pytest.mark.usefixtures("case")
def test_changes_without_room_at_the_requester_are_told_again(federation: Federation) -> None:
    declare_again(federation)
    fill_disk(federation.node(CAF).traces)
    with pytest.raises(StorageError):
        hear(federation)
    federation.kill(CAF)
    assert len(hear(federation)) == 1


@pytest.mark.usefixtures("case")
def test_changes_heard_by_two_calls_at_once_are_entered_once(federation: Federation) -> None:
    declare_again(federation)
    ear = listener(federation)

    async def both() -> None:
        await asyncio.gather(ear.hear(CNAV), ear.hear(CNAV))

    run(both())
    assert len(federation.entries(CAF, "change_heard")) == len(told(federation)) == 1


def _entry(change: Callable[[entry_pb2.ChangeTold], object]) -> Callable[[ChangesResponse], None]:
    def alter(response: ChangesResponse) -> None:
        entry = parse_entry(response.receipt.entry)
        change(entry.change_told)
        response.receipt.entry = entry.SerializeToString(deterministic=True)

    return alter


@pytest.mark.usefixtures("case")
def test_changes_altered_on_their_way_are_counted_and_not_entered(federation: Federation) -> None:
    declare_again(federation)
    federation.link(CAF, CNAV).after_change = _entry(lambda told: told.periods.append(203001))
    assert hear(federation) == []
    assert federation.failures(CAF)["cnav"] == {"BAD_RECEIPT": 1}


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize(
    "lie",
    [
        lambda told: told.ClearField("periods"),
        lambda told: told.periods.append(MONTH.number),
        lambda told: told.periods.extend(told.periods),
        lambda told: told.periods.append(2_840_375),
        lambda told: setattr(told, "peer", "msa"),
        lambda told: setattr(told, "statement_hash", b"s" * 32),
        lambda told: setattr(told, "case_leaf_hash", b"c" * 32),
        lambda told: setattr(told, "leaf_hash", b"l" * 32),
        lambda told: setattr(told, "leaf_index", told.leaf_index + 1),
    ],
    ids=[
        "no period",
        "a month not asked",
        "a month twice",
        "a number for a month",
        "another peer",
        "another question",
        "another case",
        "another answer",
        "another place",
    ],
)
def test_changes_a_holder_invents_are_counted_and_not_entered(
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
    lie: Callable[[entry_pb2.ChangeTold], object],
) -> None:
    """The holder's own ledger says it: the receipt holds, and says nothing true."""
    write = entries.entry_of

    def lying(told: entry_pb2.ChangeTold, now: object) -> bytes:
        lie(told)
        return write(told, now)  # type: ignore[arg-type]

    federation.forged.add(CNAV)
    monkeypatch.setattr(change_teller, "entry_of", lying)
    # Whom it is for is read from the entry: one for another body is not even sent.
    declare_again(federation)
    assert hear(federation) == []
    assert set(federation.failures(CAF).get("cnav", {})) <= {"BAD_CHANGE"}


def test_changes_from_a_place_the_ledger_has_not_come_to_are_refused(
    federation: Federation,
) -> None:
    async def ask() -> list[object]:
        teller = servicers.Exchange(*federation.holding(CNAV))._changes
        call = federation.holder(CNAV).call(CAF, b"", b"")
        return [one async for one in teller.tell(call, 2**63)]

    with pytest.raises(InputError):
        run(ask())


@pytest.mark.usefixtures("case")
def test_changes_are_heard_by_the_node_itself_from_time_to_time(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_again(federation)
    monkeypatch.setattr(server, "_HEAR_SECONDS", 0.0)

    stop = asyncio.Event()

    class HearsOnce(ChangeListener):
        async def hear_all(self, holders: Iterable[BodyId]) -> dict[BodyId, PeerError]:
            unheard = await super().hear_all(holders)
            stop.set()
            return unheard

    ear = HearsOnce(federation.node(CAF), federation.requester(CAF))
    run(server._hear(ear, lambda: [CNAV, MSA], stop))
    assert len(federation.entries(CAF, "change_heard")) == len(told(federation)) == 1


# --- what a program is given ---------------------------------------------------------------------


def test_changed_gives_the_claim_its_persons_and_the_entries(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    (found,) = changed(federation)
    (change,) = found.changes
    (entry,) = told(federation)
    assert (found.reference, found.month) == ("C1", MONTH.number)
    assert [one.person.nir for one in found.members] == [one.nir for one in case.members]
    assert {one.person.birth_name for one in found.members} == {""}
    assert (change.statement_hash, change.answer_leaf_index) == (
        entry.statement_hash,
        entry.leaf_index,
    )


@pytest.mark.parametrize(("outcome", "given"), [("decided", 1), ("set-aside", 1), ("withdrawn", 0)])
def test_changed_of_a_closed_case_is_given_unless_it_was_withdrawn(
    federation: Federation, ppa: Program, case: OpenedCase, outcome: str, given: int
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], outcome)
    declare_again(federation)
    assert len(changed(federation)) == given


@pytest.mark.parametrize("closed_before", [True, False])
def test_changed_of_who_objected_is_given_to_nobody_whatever_the_holder_tells(
    federation: Federation, closed_before: bool
) -> None:
    outreach = federation.program("caf-outreach")
    letter = outreach.open_case("HE", "outreach")
    asked = outreach.question(letter, purpose="non-take-up", legal_basis="crpa-l114-8")
    assert outreach.ask(asked)[0].release is not None
    if closed_before:
        outreach.cases.close("caf-outreach", [letter.leaf_hash], "informed")
    declare_again(federation, ELSA)
    assert len(changed(federation, "caf-outreach")) == 1
    signed = objection(outreach, nir=ELSA.nir)
    DestructionDesk(federation.node(CAF)).object("caf-outreach", signed)
    assert changed(federation, "caf-outreach") == []
    declare_again(federation, ELSA, cents=CANARY_CENTS + 900)
    assert changed(federation, "caf-outreach") == []


def test_changed_past_the_end_of_its_case_is_not_given(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    hear(federation)
    federation.clock.now = case.valid_until - timedelta(seconds=1)
    assert len(changed(federation)) == 1
    federation.clock.now = case.valid_until
    assert changed(federation) == []


@pytest.mark.usefixtures("case")
def test_changed_is_given_to_its_own_activity_alone(federation: Federation) -> None:
    declare_again(federation)
    hear(federation)
    assert (len(changed(federation)), changed(federation, "caf-rsa")) == (1, [])


@pytest.mark.parametrize(("outcome", "left"), [("decided", 0), ("set-aside", 1)])
def test_changed_is_given_until_a_later_case_of_the_claim_is_decided(
    federation: Federation, ppa: Program, case: OpenedCase, outcome: str, left: int
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "decided")
    declare_again(federation)
    assert len(changed(federation)) == 1
    review = ppa.open_case(kind="review")
    assert len(changed(federation)) == 1
    ppa.cases.close("caf-ppa", [review.leaf_hash], outcome)
    assert len(changed(federation)) == left


def test_changed_after_a_review_is_the_reviews_own_next_change(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "decided")
    declare_again(federation)
    changed(federation)
    review = ppa.open_case(kind="review")
    ppa.ask(ppa.question(review))
    ppa.cases.close("caf-ppa", [review.leaf_hash], "decided")
    declare_again(federation, cents=CANARY_CENTS + 900)
    (found,) = changed(federation)
    assert found.case_leaf_hash == review.leaf_hash
    assert len(found.changes) == 1


def test_changed_with_a_holder_that_is_down_says_so_and_gives_the_rest(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    hear(federation)
    federation.link(CAF, CNAV).down = True

    async def collect() -> list[gateway_service_pb2.GatewayServiceChangesResponse]:
        return [one async for one in listener(federation).changed("caf-ppa")]

    unheard, found = run(collect())
    assert (unheard.unheard.holder, unheard.unheard.failure.reason) == ("cnav", "PEER_UNAVAILABLE")
    assert found.case.case_leaf_hash == case.leaf_hash


def test_decide_told_again_on_facts_that_are_not_the_questions_is_refused(
    federation: Federation, case: OpenedCase
) -> None:
    assert case.reference == "C1"
    declare_again(federation)
    hear(federation)
    (entry,) = federation.entries(CNAV, "change_told")
    (decided,) = federation.entries(CNAV, "decided")
    entry.change_told.facts.persons += 1
    with pytest.raises(IntegrityError, match="not those of its question"):
        conclude.decide_told_again(federation.policy, entry, decided)


# --- what is let go of ---------------------------------------------------------------------------


def rows(federation: Federation) -> tuple[int, int, int]:
    """Answers, persons of answers and changes that CNAV keeps."""
    node = federation.node(CNAV)
    vault, store = node.vault._database.connection, node.store._database.connection
    answers, persons = (
        vault.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - no input in it
        for table in ("answered", "answered_person")
    )
    return answers, persons, store.execute("SELECT count(*) FROM change").fetchone()[0]


def test_forget_keeps_what_a_live_case_may_need_and_nothing_else(
    federation: Federation, case: OpenedCase
) -> None:
    declare_again(federation)
    before = rows(federation)
    federation.clock.now = case.valid_until - timedelta(minutes=1)
    forget(federation.node(CNAV))
    assert rows(federation) == before
    assert before[:2] == (1, 1)
    federation.clock.now = NOW + timedelta(days=400)
    forget(federation.node(CNAV))
    assert rows(federation) == (0, 0, 0)


def test_own_questions_of_a_body_are_not_kept(federation: Federation, ppa: Program) -> None:
    opened = ppa.open_case()
    members = ppa.question(
        opened,
        holder=CAF,
        dataset="members",
        fields=("activity",),
        granularity=Granularity.CURRENT,
        legal_basis="gdpr-5",
    )
    (reply,) = ppa.ask(members)
    assert reply.release is not None
    (kept,) = (
        federation.node(CAF).vault._database.connection.execute("SELECT count(*) FROM answered")
    ).fetchone()
    assert kept == 0


def test_time_of_a_told_change_is_the_holders(federation: Federation, case: OpenedCase) -> None:
    assert case.reference == "C1"
    declare_again(federation)
    federation.clock.advance(days=3)
    hear(federation)
    (entry,) = federation.entries(CNAV, "change_told")
    assert from_milliseconds(entry.entry_time_ms) == federation.clock()
