"""Who may call which service, as the certificate says; cases and the ledger's readers."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor
from tests.federation import (
    ANNE,
    CAF,
    CNAV,
    DGFIP,
    ELSA,
    MONTH,
    MSA,
    NOW,
    Aborted,
    Federation,
    Program,
    UnsafeContext,
    run,
    statement_of,
)

from cloison.bodies import BodyId
from cloison.cases.outcomes import ClosedAs
from cloison.errors import CloisonError
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import to_milliseconds
from cloison.identity import Authority, Peer
from cloison.v1 import (
    cases_service_pb2,
    decision_pb2,
    exchange_service_pb2,
    gateway_service_pb2,
    ledger_service_pb2,
    register_service_pb2,
    statement_pb2,
    store_service_pb2,
)
from cloison.wire import calls, client, public_servicers, servicers
from cloison.wire.cases import CaseDesk
from cloison.wire.deposits import DepositDesk
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import OpenedCase

TRACES = ledger_service_pb2.LOG_NAME_TRACES
REGISTER = ledger_service_pb2.LOG_NAME_REGISTER


def aborted(awaitable: Any) -> str:
    with pytest.raises(Aborted) as caught:
        run(awaitable)
    return caught.value.reason


def gateway(federation: Federation, body: BodyId = CAF) -> servicers.Gateway:
    node = federation.node(body)
    return servicers.Gateway(
        node, federation.requester(body), federation.cohorts(body), federation.sender(body)
    )


ASK = gateway_service_pb2.GatewayServiceAskRequest()


# --- who is speaking -----------------------------------------------------------------------------


def test_gateway_program_of_another_body_is_refused(federation: Federation) -> None:
    context = federation.context(MSA, "msa-ppa")
    assert aborted(gateway(federation).Ask(ASK, context)) == "NOT_YOURS"


def test_gateway_node_of_its_own_body_is_refused(federation: Federation) -> None:
    assert aborted(gateway(federation).Ask(ASK, federation.context(CAF))) == "NOT_YOURS"


def test_exchange_program_is_refused_it_talks_to_its_own_node(federation: Federation) -> None:
    exchange = servicers.Exchange(*federation.holding(CNAV))
    request = exchange_service_pb2.ExchangeServiceAskRequest()
    context = federation.context(CAF, "caf-ppa")
    assert aborted(exchange.Ask(request, context)) == "NOT_YOURS"


@pytest.mark.parametrize("certificate", [None, b"", b"not a certificate"])
def test_exchange_without_a_certificate_is_refused(
    federation: Federation, certificate: bytes | None
) -> None:
    exchange = servicers.Exchange(*federation.holding(CNAV))
    context = cast("calls.Context", UnsafeContext(certificate))
    request = exchange_service_pb2.ExchangeServiceAskRequest()
    assert aborted(exchange.Ask(request, context)) == "BAD_CERTIFICATE"


def test_exchange_certificate_of_the_authority_itself_is_refused(federation: Federation) -> None:
    ca = (federation.keys / "public" / "ca.crt").read_bytes()
    exchange = servicers.Exchange(*federation.holding(CNAV))
    context = cast("calls.Context", UnsafeContext(ca))
    request = exchange_service_pb2.ExchangeServiceAskRequest()
    assert aborted(exchange.Ask(request, context)) == "BAD_CERTIFICATE"


def test_exchange_peer_that_presents_another_bodys_statement_is_failed(
    federation: Federation, ppa: Program
) -> None:
    exchange = servicers.Exchange(*federation.holding(CNAV))
    item = ppa.item(ppa.question(ppa.open_case()))
    request = exchange_service_pb2.ExchangeServiceAskRequest(items=[item])
    response = run(exchange.Ask(request, federation.context(DGFIP)))
    assert [answer.failure.reason for answer in response.answers] == ["NOT_YOURS"]
    assert federation.failures(CNAV) == {"dgfip": {"NOT_YOURS": 1}}


def test_exchange_call_that_fails_whole_is_counted_under_its_peer(federation: Federation) -> None:
    exchange = servicers.Exchange(*federation.holding(CNAV))
    request = exchange_service_pb2.ExchangeServiceAskRequest(checkpoint=b"forged")
    assert aborted(exchange.Ask(request, federation.context(MSA))) == "BAD_CHECKPOINT"
    assert federation.failures(CNAV) == {"msa": {"BAD_CHECKPOINT": 1}}


# --- what failed before a decision is counted ----------------------------------------------------


def _ask_65(federation: Federation, context: Any) -> Any:
    items = [statement_pb2.AskItem()] * 65
    request = gateway_service_pb2.GatewayServiceAskRequest(items=items)
    return gateway(federation).Ask(request, context)


def _ask_many(federation: Federation, context: Any) -> Any:
    async def nothing() -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest]:
        for request in list[gateway_service_pb2.GatewayServiceAskManyRequest]():
            yield request

    return anext(gateway(federation).AskMany(nothing(), context))


def _open(federation: Federation, context: Any) -> Any:
    node = federation.node(CAF)
    request = cases_service_pb2.OpenRequest(type="none", month=MONTH.number)
    return anext(servicers.Cases(node, CaseDesk(node)).Open(request, context))


def _close(federation: Federation, context: Any) -> Any:
    node = federation.node(CAF)
    return servicers.Cases(node, CaseDesk(node)).Close(cases_service_pb2.CloseRequest(), context)


def _deposit(federation: Federation, context: Any) -> Any:
    node = federation.node(CAF)
    request = store_service_pb2.DepositRequest()
    store = servicers.Store(node, DepositDesk(node), DestructionDesk(node))
    return store.Deposit(request, context)


Call = Callable[[Federation, Any], Any]
CALLS: dict[Call, str] = {
    _ask_65: "TOO_LARGE",
    _ask_many: "MALFORMED",
    _open: "UNKNOWN_CASE_TYPE",
    _close: "MALFORMED",
    _deposit: "MALFORMED",
}


@pytest.mark.parametrize(("call", "reason"), CALLS.items())
def test_call_that_fails_whole_is_counted_once_under_its_program(
    federation: Federation, call: Call, reason: str
) -> None:
    assert aborted(call(federation, federation.context(CAF, "caf-ppa"))) == reason
    assert federation.failures(CAF) == {"caf-ppa": {reason: 1}}


@pytest.mark.parametrize("call", CALLS)
def test_call_of_another_bodys_program_is_counted_under_its_name(
    federation: Federation, call: Call
) -> None:
    assert aborted(call(federation, federation.context(MSA, "msa-ppa"))) == "NOT_YOURS"
    assert federation.failures(CAF) == {"msa-ppa": {"NOT_YOURS": 1}}


@pytest.mark.parametrize(
    "peer",
    [
        Peer(BodyId("stranger")),
        Peer(BodyId("stranger"), "caf-ppa"),
        Peer(CAF, "made-up"),
        Peer(CNAV, "caf-ppa"),
        None,
    ],
)
def test_call_of_a_peer_not_on_file_is_counted_under_no_name_of_its_own(
    federation: Federation, peer: Peer | None
) -> None:
    issued = Authority.create(NOW).issue(peer, NOW).certificate if peer else None
    request = exchange_service_pb2.ExchangeServiceAskRequest(items=[statement_pb2.AskItem()])
    exchange = servicers.Exchange(*federation.holding(CNAV))
    aborted(exchange.Ask(request, cast("calls.Context", UnsafeContext(issued))))
    assert list(federation.failures(CNAV)) == [calls.UNKNOWN_PEER]


def test_exchange_unexpected_error_tells_its_kind_and_nothing_of_its_content(
    federation: Federation,
    ppa: Program,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(ANNE.nir)

    node, holder = federation.holding(CNAV)
    monkeypatch.setattr(holder, "answer", fail)
    request = exchange_service_pb2.ExchangeServiceAskRequest(items=[ppa.item(ppa.question(None))])
    with pytest.raises(Aborted, match="unexpected KeyError") as caught:
        run(servicers.Exchange(node, holder).Ask(request, federation.context(CAF)))
    assert ANNE.nir not in str(caught.value) + caplog.text


def test_cases_unexpected_error_in_a_stream_tells_nothing_of_its_content(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(ANNE.nir)

    node = federation.node(CAF)
    desk = CaseDesk(node)
    monkeypatch.setattr(desk, "open", fail)
    request = cases_service_pb2.OpenRequest(type="claim", month=MONTH.number)

    async def collect() -> None:
        stream = servicers.Cases(node, desk).Open(request, federation.context(CAF, "caf-ppa"))
        async for _ in stream:
            pass

    with pytest.raises(Aborted, match="unexpected ValueError") as caught:
        run(collect())
    assert ANNE.nir not in str(caught.value)


# --- who reads a ledger --------------------------------------------------------------------------


def read(federation: Federation, body: BodyId, context: Any, first: int = 0) -> list[str]:
    request = ledger_service_pb2.GetEntriesRequest(log=TRACES, first_index=first, count=256)
    response = run(public_servicers.Ledger(federation.node(body)).GetEntries(request, context))
    return [str(parse_entry(one.entry).WhichOneof("kind")) for one in response.entries]


def test_get_entries_auditor_reads_all(federation: Federation, ppa: Program) -> None:
    ppa.ask(ppa.question(ppa.open_case()))
    kinds = read(federation, CAF, federation.context(BodyId("cnil"), "cnil-audit"))
    assert kinds == ["case_opened", "asked", "received"]


def test_get_entries_peer_reads_those_of_its_own_exchanges(
    federation: Federation, ppa: Program
) -> None:
    ppa.ask(ppa.question(ppa.open_case()))
    assert read(federation, CAF, federation.context(CNAV)) == ["asked", "received"]
    assert read(federation, CNAV, federation.context(CAF)) == ["decided"]
    assert read(federation, CAF, federation.context(DGFIP)) == []
    assert read(federation, CNAV, federation.context(MSA)) == []


@pytest.mark.parametrize("activity", ["caf-ppa", "caf-dmde", "drees-statistics"])
def test_get_entries_program_that_is_no_auditor_is_refused(
    federation: Federation, activity: str
) -> None:
    body = BodyId(federation.policy.activities[activity].body)
    request = ledger_service_pb2.GetEntriesRequest(log=TRACES, count=1)
    service = public_servicers.Ledger(federation.node(CAF))
    assert aborted(service.GetEntries(request, federation.context(body, activity))) == "NOT_YOURS"


def test_get_entries_auditors_name_on_another_bodys_certificate_is_refused(
    federation: Federation,
) -> None:
    issued = Authority.create(datetime.now(UTC)).issue(Peer(CAF, "cnil-audit"), datetime.now(UTC))
    context = cast("calls.Context", UnsafeContext(issued.certificate))
    request = ledger_service_pb2.GetEntriesRequest(log=TRACES, count=1)
    service = public_servicers.Ledger(federation.node(CAF))
    assert aborted(service.GetEntries(request, context)) == "NOT_YOURS"


@pytest.mark.parametrize(("log", "count"), [(TRACES, 0), (TRACES, 257), (0, 1), (7, 1)])
def test_get_entries_out_of_limits_is_refused(federation: Federation, log: int, count: int) -> None:
    request = ledger_service_pb2.GetEntriesRequest(count=count)
    request.log = log  # type: ignore[assignment]
    service = public_servicers.Ledger(federation.node(CAF))
    context = federation.context(BodyId("cnil"), "cnil-audit")
    assert aborted(service.GetEntries(request, context)) in {"MALFORMED", "TOO_LARGE"}


def test_ledger_checkpoint_tiles_and_proofs_go_to_anyone_with_a_certificate(
    federation: Federation, ppa: Program
) -> None:
    ppa.ask(ppa.question(ppa.open_case()))
    service, context = public_servicers.Ledger(federation.node(CAF)), federation.context(MSA)

    async def all_of_it() -> tuple[Any, ...]:
        return (
            await service.GetCheckpoint(
                ledger_service_pb2.GetCheckpointRequest(log=REGISTER), context
            ),
            await service.GetTile(
                ledger_service_pb2.GetTileRequest(log=TRACES, level=0, index=0, width=3), context
            ),
            await service.GetInclusionProof(
                ledger_service_pb2.GetInclusionProofRequest(log=TRACES, leaf_index=0, size=3),
                context,
            ),
            await service.GetConsistencyProof(
                ledger_service_pb2.GetConsistencyProofRequest(
                    log=TRACES, first_size=1, second_size=3
                ),
                context,
            ),
        )

    checkpoint, tile, inclusion, consistency = run(all_of_it())
    assert checkpoint.checkpoint.startswith(b"caf.cloison.local/register\n")
    assert len(tile.tile) == 96
    assert len(inclusion.hashes) == len(consistency.hashes) == 2


def test_ledger_tile_that_does_not_exist_is_refused(federation: Federation) -> None:
    request = ledger_service_pb2.GetTileRequest(log=TRACES, level=0, index=9, width=256)
    service = public_servicers.Ledger(federation.node(CAF))
    assert aborted(service.GetTile(request, federation.context(MSA))) == "BAD_INDEX"


# --- the register --------------------------------------------------------------------------------


def test_dry_run_says_what_would_be_decided_without_an_entry(
    federation: Federation, ppa: Program
) -> None:
    node = federation.node(CNAV)
    size = node.traces.size
    statement = statement_of(ppa.item(ppa.question(None)))
    request = register_service_pb2.DryRunRequest(statement=statement)
    response = run(public_servicers.Register(node).DryRun(request, federation.context(CAF)))
    assert response.decision.reason == "CONDITION_NOT_MET"
    assert response.explanation_fr
    assert response.explanation_en
    assert node.traces.size == size


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (datetime(2023, 6, 1, tzinfo=UTC), decision_pb2.OUTCOME_DENY),
        (datetime(2024, 6, 1, tzinfo=UTC), decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS),
        (datetime(2026, 6, 1, tzinfo=UTC), decision_pb2.OUTCOME_DENY),
    ],
)
def test_dry_run_is_decided_on_the_day_of_the_nodes_clock(
    federation: Federation, day: datetime, outcome: int
) -> None:
    dmde = federation.program("caf-dmde")
    asked = dmde.question(None, purpose="control-targeting", legal_basis="decret-2024-50")
    request = register_service_pb2.DryRunRequest(statement=statement_of(dmde.item(asked)))
    federation.clock.now = day
    register = public_servicers.Register(federation.node(CNAV))
    assert run(register.DryRun(request, federation.context(CAF))).decision.outcome == outcome


TIME_WORDS = {"time", "date", "day", "month", "year", "until", "ms", "moment", "now", "force"}


def times_in(message: Descriptor) -> set[str]:
    """The fields of a message, and of those within it, that tell a time."""
    found = {field.name for field in message.fields if TIME_WORDS & set(field.name.split("_"))}
    within = (field.message_type for field in message.fields if field.message_type)
    return found.union(*map(times_in, within))


def test_dry_run_no_field_says_which_day_decides() -> None:
    """INVARIANT: the decider's clock alone says which texts are in force."""
    months_asked = {"first_month", "last_month", "case_month"}
    of_the_case = {"month", "opened_time_ms", "valid_until_ms"}
    signing = {"signed_time_ms"}  # within a minute of the clock; a dry run does not look at it
    assert times_in(statement_pb2.Statement.DESCRIPTOR) == months_asked | signing
    dry_run = times_in(register_service_pb2.DryRunRequest.DESCRIPTOR)
    assert dry_run == months_asked | signing | of_the_case


def test_list_activities_and_texts_give_the_whole_policy_set(federation: Federation) -> None:
    service = public_servicers.Register(federation.node(CNAV))
    context = federation.context(CAF)
    activities = run(service.ListActivities(register_service_pb2.ListActivitiesRequest(), context))
    texts = run(service.ListTexts(register_service_pb2.ListTextsRequest(), context))
    assert {one.id for one in activities.activities} == set(federation.policy.activities)
    in_force = {one.id: one.in_force for one in texts.texts}
    assert in_force["decret-2025-1288"]
    assert not in_force["decret-2024-50"]


# --- cases ---------------------------------------------------------------------------------------


@pytest.fixture
def case(ppa: Program) -> OpenedCase:
    return ppa.open_case()


def desk_refused(call: Callable[[], object]) -> str:
    with pytest.raises(CloisonError) as caught:
        call()
    return caught.value.reason


def test_open_case_of_a_claim_twice_gives_the_same_case(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    assert ppa.open_case().leaf_hash == case.leaf_hash
    assert len(federation.entries(CAF, "case_opened")) == 1


def test_open_case_names_nobody_and_holds_a_digest_for_each_member(
    federation: Federation, case: OpenedCase
) -> None:
    (entry,) = federation.entries(CAF, "case_opened")
    assert len(entry.case_opened.person_digests) == len(case.members) == 3
    assert len({member.case_salt for member in case.members}) == 3
    assert b"C1" not in entry.SerializeToString()


def test_open_case_after_the_last_one_ended_opens_a_new_one(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    federation.clock.now = case.valid_until
    assert ppa.open_case().leaf_hash != case.leaf_hash


def test_open_case_after_the_last_one_closed_opens_a_new_one(
    ppa: Program, case: OpenedCase
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "decided")
    assert ppa.open_case().leaf_hash != case.leaf_hash


@pytest.mark.parametrize(
    ("activity", "kind", "reference", "reason"),
    [
        ("caf-ppa", "control-file", "C1", "UNKNOWN_CASE_TYPE"),
        ("caf-dmde", "claim", "C1", "UNKNOWN_CASE_TYPE"),
        ("caf-ppa", "claim", "C99", "UNKNOWN_CLAIM"),
        ("caf-ppa", "claim", "C1L", "UNKNOWN_CLAIM"),
        ("caf-outreach", "outreach", "HC1", "HAS_CLAIM"),
        ("caf-individual-control", "control-file", "C1", "UNKNOWN_HOUSEHOLD"),
        ("person-access", "access-request", "C1", "UNKNOWN_ACTIVITY"),
        ("msa-ppa", "claim", "C1", "UNKNOWN_ACTIVITY"),
        ("caf-nothing", "claim", "C1", "UNKNOWN_ACTIVITY"),
    ],
)
def test_open_case_that_no_file_or_record_bears_is_refused(
    federation: Federation, activity: str, kind: str, reference: str, reason: str
) -> None:
    desk = CaseDesk(federation.node(CAF))
    assert desk_refused(lambda: list(desk.open(activity, kind, MONTH, [reference]))) == reason
    assert federation.entries(CAF, "case_opened") == []


@pytest.mark.parametrize("call", ["close", "renew"])
@pytest.mark.parametrize("activity", ["caf-rsa", "caf-ppa"])
def test_case_of_another_activity_or_of_nobody_is_unknown(
    federation: Federation, ppa: Program, case: OpenedCase, call: str, activity: str
) -> None:
    leaf = case.leaf_hash if activity == "caf-rsa" else bytes(32)
    end = federation.clock() + timedelta(days=1)
    calls = {
        "close": lambda: ppa.cases.close(activity, [leaf], "decided"),
        "renew": lambda: ppa.cases.renew(activity, leaf, end),
    }
    assert desk_refused(calls[call]) == "CASE_UNKNOWN"


def test_open_case_of_an_outreach_is_over_households_with_no_claim(federation: Federation) -> None:
    (opened,) = federation.program("caf-outreach").opened("outreach")
    assert opened.reference == "HE"
    assert [member.person.nir for member in opened.members] == [ELSA.nir]


def test_open_case_opens_no_more_than_asked(federation: Federation, ppa: Program) -> None:
    assert len(list(ppa.cases.open("caf-ppa", "claim", MONTH, [], 2))) == 2
    assert len(federation.entries(CAF, "case_opened")) == 2


def test_open_case_of_a_control_is_over_the_file_named(federation: Federation) -> None:
    program = federation.program("caf-individual-control")
    opened = program.opened("control-file", ["HC1", "HC1"])
    assert [(one.reference, len(one.members)) for one in opened] == [("HC1", 3)]
    assert len(federation.entries(CAF, "case_opened")) == 1


def test_open_case_of_a_control_with_no_file_named_is_refused(federation: Federation) -> None:
    desk = federation.program("caf-individual-control").cases
    opening = desk.open("caf-individual-control", "control-file", MONTH, [])
    assert desk_refused(lambda: list(opening)) == "NAME_THE_FILES"
    assert federation.entries(CAF, "case_opened") == []


@pytest.mark.parametrize("outcome", ClosedAs)
def test_close_case_takes_every_outcome_of_the_list(
    federation: Federation, ppa: Program, case: OpenedCase, outcome: str
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], outcome)
    (entry,) = federation.entries(CAF, "case_closed")
    assert entry.case_closed.outcome == outcome


def test_close_case_twice_is_refused(ppa: Program, case: OpenedCase) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "decided")
    again = desk_refused(lambda: ppa.cases.close("caf-ppa", [case.leaf_hash], "decided"))
    assert again == "CASE_CLOSED"


@pytest.mark.parametrize("outcome", ["", "paid", "DECIDED"])
def test_close_case_with_an_unknown_outcome_is_refused(
    ppa: Program, case: OpenedCase, outcome: str
) -> None:
    closed = desk_refused(lambda: ppa.cases.close("caf-ppa", [case.leaf_hash], outcome))
    assert closed == "MALFORMED"


def test_close_case_is_an_entry_and_outlives_a_restart(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "withdrawn")
    federation.restart(CAF)
    (entry,) = federation.entries(CAF, "case_closed")
    assert entry.case_closed.case_leaf_hash == case.leaf_hash
    (reply,) = ppa.ask(ppa.question(case))
    assert reply.failure is not None
    assert reply.failure.reason == "CASE_CLOSED"


def test_renewed_case_is_asked_under_past_its_first_end(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    federation.clock.now = case.valid_until - timedelta(days=1)
    end = case.valid_until + timedelta(days=30)
    ppa.cases.renew("caf-ppa", case.leaf_hash, end)
    federation.clock.now = case.valid_until + timedelta(days=1)
    renewed = ppa.open_case()
    (old, new) = ppa.ask(ppa.question(case), ppa.question(renewed))
    assert (renewed.leaf_hash, renewed.valid_until) == (case.leaf_hash, end)
    assert old.release is None
    assert new.release is not None


def test_renewed_case_proof_is_the_one_renew_gave(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    index = ppa.cases.renew("caf-ppa", case.leaf_hash, federation.clock() + timedelta(days=100))
    (opened,) = ppa.opened("claim", ["C1"])
    assert opened.renewal.entry == federation.node(CAF).traces.entry(index)
    assert client._opened(opened).renewal


@pytest.mark.parametrize("days", [-1, 0, 121])
def test_renew_case_too_far_or_into_the_past_is_refused(
    federation: Federation, ppa: Program, case: OpenedCase, days: int
) -> None:
    end = federation.clock() + timedelta(days=days)
    assert desk_refused(lambda: ppa.cases.renew("caf-ppa", case.leaf_hash, end)) == "TOO_LONG"


def test_renew_case_past_its_end_is_refused(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    federation.clock.now = case.valid_until
    end = case.valid_until + timedelta(days=1)
    assert desk_refused(lambda: ppa.cases.renew("caf-ppa", case.leaf_hash, end)) == "CASE_CLOSED"


def test_cases_service_opens_renews_and_closes(federation: Federation) -> None:
    node = federation.node(CAF)
    service, context = servicers.Cases(node, CaseDesk(node)), federation.context(CAF, "caf-ppa")
    end = to_milliseconds(federation.clock() + timedelta(days=10))

    async def life() -> list[int]:
        request = cases_service_pb2.OpenRequest(type="claim", month=MONTH.number, references=["C1"])
        (opened,) = [one async for one in service.Open(request, context)]
        renewal = cases_service_pb2.RenewRequest(
            case_leaf_hash=opened.case_leaf_hash, valid_until_ms=end
        )
        assert (await service.Renew(renewal, context)).proof.entry
        closing = cases_service_pb2.CloseRequest(
            case_leaf_hashes=[opened.case_leaf_hash], outcome="decided"
        )
        return list((await service.Close(closing, context)).leaf_indexes)

    assert run(life()) == [2]


def test_case_opened_by_a_clock_a_little_ahead_is_open(
    federation: Federation, ppa: Program
) -> None:
    now = federation.clock()
    federation.clock.now = now + timedelta(seconds=30)
    item = ppa.item(ppa.question(ppa.open_case()))
    federation.clock.now = now
    (answer,) = federation.answer(CNAV, CAF, [item])
    assert answer.sealed_release
