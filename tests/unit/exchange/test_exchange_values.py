"""Decisions and facts on the wire, obligations, entries and what they are found by."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.bodies import BodyId
from cloison.errors import IntegrityError, StorageError
from cloison.exchange import entries
from cloison.exchange.index_terms import index_terms
from cloison.exchange.obligations import label_end, refuse_unmet
from cloison.exchange.release import build_release
from cloison.exchange.statement import parse_statement
from cloison.exchange.values import (
    decision_from_proto,
    decision_to_proto,
    facts_from_proto,
    facts_to_proto,
    live,
)
from cloison.law.question import (
    CaseFacts,
    Decision,
    Facts,
    NearestPermit,
    Obligation,
    Outcome,
    RuleRef,
)
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.store import PeriodData, PersonData, RecordData, Status
from cloison.v1 import contestation_pb2, decision_pb2, entry_pb2, release_pb2, statement_pb2

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
words = st.sampled_from(["", "a", "lpf-l152", "l'été d'un décret", "x" * 200, "\U0001f5c4 \x00"])
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda time: time.replace(tzinfo=UTC, microsecond=0)
)
rules = st.builds(
    RuleRef, words, words, words, st.sampled_from(["permit", "forbid"]), st.booleans()
)
decisions = st.builds(
    Decision,
    outcome=st.sampled_from(Outcome),
    reason=words,
    rules=st.lists(rules, max_size=3).map(tuple),
    obligations=st.lists(st.builds(Obligation, words, words, words), max_size=3).map(tuple),
    nearest=st.lists(
        st.builds(NearestPermit, rules, st.lists(words, max_size=2).map(tuple)), max_size=2
    ).map(tuple),
    provisional=st.booleans(),
)
cases = st.builds(
    CaseFacts,
    type=words,
    activity=words,
    month=st.integers(2000 * 12, 2100 * 12).map(Month),
    opened_time=times,
    valid_until=times,
    covers_persons=st.booleans(),
    questions_before=st.integers(0, 10**6),
)
facts = st.builds(
    Facts, st.none() | cases, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 10**6)
)


@given(decisions)
def test_decision_travels_and_comes_back_the_same(decision: Decision) -> None:
    back = decision_from_proto(decision_to_proto(decision))
    text = next((rule.text for rule in decision.rules if rule.effect == "permit"), "")
    assert (back.outcome, back.reason, back.rules) == (
        decision.outcome,
        decision.reason,
        decision.rules,
    )
    assert (back.obligations, back.nearest) == (decision.obligations, decision.nearest)
    assert (back.provisional, back.text) == (decision.provisional, text)


@given(facts)
def test_facts_travel_and_come_back_the_same(made: Facts) -> None:
    assert facts_from_proto(facts_to_proto(made, "")) == made


@pytest.mark.parametrize("number", [0, 9])
def test_decision_without_an_outcome_is_refused(number: int) -> None:
    message = decision_pb2.Decision()
    message.outcome = number  # type: ignore[assignment]
    with pytest.raises(IntegrityError, match="no outcome"):
        decision_from_proto(message)


def test_outcome_of_every_kind_has_a_number_of_its_own() -> None:
    numbers = {decision_to_proto(Decision(outcome, "ANY")).outcome for outcome in Outcome}
    assert len(numbers) == len(Outcome)


@pytest.mark.parametrize(("seconds", "open_then"), [(-1, False), (0, True), (9, True), (10, False)])
def test_live_from_its_opening_until_its_end(seconds: int, *, open_then: bool) -> None:
    end = NOW + timedelta(seconds=10)
    case = CaseFacts("claim", "caf-ppa", Month.parse("2026-06"), NOW, end, True, 0)
    assert live(case, NOW + timedelta(seconds=seconds)) is open_then


# --- obligations ---------------------------------------------------------------------------------


def permit(*duties: Obligation) -> Decision:
    return Decision(Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=duties)


@pytest.mark.parametrize(
    "duty",
    [
        Obligation("mask", "all", "r"),
        Obligation("expire", "soon", "r"),
        Obligation("expire", "12", "r"),
        Obligation("expire", "P0D", "r"),
        Obligation("expire", "P1W", "r"),
        Obligation("expire", "P9999Y", "r"),
        Obligation("expire", "P١D", "r"),
        Obligation("", "", "r"),
    ],
    ids=lambda duty: f"{duty.kind}:{duty.value}",
)
def test_refuse_unmet_obligation_nobody_can_meet_denies_and_names_it(duty: Obligation) -> None:
    refused = refuse_unmet(permit(Obligation("flag", "x", "r"), duty))
    assert (refused.outcome, refused.reason, refused.obligations) == (
        Outcome.DENY,
        "OBLIGATION_UNMET",
        (duty,),
    )


def test_refuse_unmet_met_obligations_leave_the_permit() -> None:
    decision = permit(Obligation("notice", "first-contact", "r"), Obligation("expire", "P12M", "r"))
    assert refuse_unmet(decision) is decision


def test_refuse_unmet_a_deny_stays_the_deny_it_was() -> None:
    deny = Decision(Outcome.DENY, "NO_TEXT", obligations=(Obligation("mask", "", ""),))
    assert refuse_unmet(deny) is deny


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ((), None),
        (("P90D",), "2026-05-01"),
        (("P1M",), "2026-02-28"),
        (("P12M",), "2027-01-31"),
        (("P1Y",), "2027-01-31"),
        (("P1Y", "P1M"), "2026-02-28"),
    ],
)
def test_label_end_is_the_earliest_expiry_by_the_calendar(
    values: tuple[str, ...], end: str | None
) -> None:
    found = label_end(permit(*(Obligation("expire", value, "r") for value in values)), NOW)
    assert (found.date().isoformat() if found else None) == end


@given(st.integers(1, 9999), st.sampled_from("DM"), times)
def test_label_end_of_any_duration_is_after_now(count: int, unit: str, now: datetime) -> None:
    end = label_end(permit(Obligation("expire", f"P{count}{unit}", "r")), now)
    assert end is not None
    assert end > now


# --- entries -------------------------------------------------------------------------------------

RAW = statement_pb2.Statement(
    version=1,
    requester="caf",
    holder="cnav",
    activity="caf-ppa",
    purpose="calculation",
    legal_basis="x",
    agent="batch",
    selection=statement_pb2.Selection(
        dataset="d",
        fields=["f"],
        first_month=202601,
        last_month=202601,
        granularity=statement_pb2.GRANULARITY_MONTH,
    ),
    person_digests=[bytes(32)],
    case_leaf_hash=b"\x07" * 32,
    sealing_key_id=bytes(16),
    nonce=bytes(16),
).SerializeToString(deterministic=True)
STATEMENT = parse_statement(RAW)
TRACE = [b"\x01" * 32, b"\x02" * 32]


OPENED = b"\x03" * 32
SAID = (
    entry_pb2.ChangeTold(
        peer="caf", leaf_hash=b"\x05" * 32, case_leaf_hash=OPENED, trace_keys=TRACE
    ),
    entry_pb2.ChangeHeard(holder="cnav", activity="caf-ppa", trace_keys=TRACE),
    entry_pb2.PolicyLoaded(policy_set=b"\x08" * 32, number=2),
    entry_pb2.BudgetReserved(population="caf-beneficiaries", year=2026, epsilon="1/2"),
    entry_pb2.TablePublished(question_hash=b"\x08" * 32, reserved_index=4),
    entry_pb2.TableShared(question_hash=b"\x08" * 32, reserved_index=4),
    entry_pb2.StudyStep(step="opened", table="rsa-income"),
    entry_pb2.TableAbandoned(reserved_index=4, why="restart"),
    entry_pb2.DayClosed(day="2026-06-15", end_index=3, map_root=bytes(32)),
    entry_pb2.PersonRead(activity="caf-access", trace_keys=TRACE),
    entry_pb2.AccessContested(leaf_index=3, leaf_hash=b"\x09" * 32, trace_keys=TRACE),
    entry_pb2.AccessContestAnswered(leaf_hash=b"\x0a" * 32, trace_keys=TRACE),
    entry_pb2.EntrySealed(leaf_hash=b"\x0b" * 32, until_ms=1, trace_keys=TRACE),
    entry_pb2.TraceKeyErased(why="deceased", trace_keys=TRACE),
    entry_pb2.TracesPruned(first_index=256, first_day="2026-06-15"),
)


def made_entries() -> dict[str, bytes]:
    """One entry of every kind."""
    raw = [*made_of_questions(), *made_of_rights(), *(entries.entry_of(one, NOW) for one in SAID)]
    kinds = [entry_pb2.Entry.FromString(one).WhichOneof("kind") or "" for one in raw]
    return dict(zip(kinds, raw, strict=True))


def made_of_questions() -> list[bytes]:
    """Entries of a question, of cases and of a cohort."""
    signed = statement_pb2.SignedStatement(statement=RAW, signature=bytes(64), batch_size=1)
    made = entries.Made(
        STATEMENT,
        signed,
        BodyId("caf"),
        Facts(None, False, False, True, 1),
        Decision(Outcome.PERMIT, "PERMITTED"),
        bytes(32),
        b"",
    )
    decided = entries.decided_entry(made, b"sealed", release_pb2.Label(holder="cnav"), TRACE, NOW)
    month = Month.parse("2026-06")
    return [
        entries.asked_entry(signed, TRACE, NOW),
        decided,
        entries.received_entry(
            STATEMENT, 3, decided, entries.parse_entry(decided).decided, TRACE, b"", NOW
        ),
        entries.case_opened_entry(
            "claim", "caf-ppa", month, NOW, [bytes(32)], bytes(32), TRACE, NOW
        ),
        entries.case_renewed_entry(OPENED, NOW, NOW),
        entries.case_closed_entry(OPENED, "decided", NOW),
        entries.cohort_part_entry(
            bytes(32), 5, [bytes(32)], TRACE, b"sealed", BodyId("caf"), NOW, last=True
        ),
        entries.failures_entry("caf", NOW, [("BAD_NIR", 2)], NOW),
        entries.entry_of(
            entry_pb2.Lost(holder="cnav", reason="STOPPED", statement_hashes=[STATEMENT.hash]), NOW
        ),
    ]


def made_of_rights() -> list[bytes]:
    """Entries of outputs, and of what persons object to, contest and are told."""
    deposited = entry_pb2.Deposited(content_hash=b"\x04" * 32, trace_keys=TRACE)
    objected = entry_pb2.Objected(demand_hash=b"\x05" * 32, trace_keys=TRACE)
    destroyed = entry_pb2.Destroyed(
        destruction_id=b"\x06" * 16, statement_hashes=[STATEMENT.hash], trace_keys=TRACE
    )
    contested, claim = (
        contestation_pb2.SignedContestation(contestation=b"contestation"),
        b"\x07" * 32,
    )
    return [
        entries.entry_of(deposited, NOW),
        entries.started_entry("cloison", bytes(32), NOW),
        entries.entry_of(objected, NOW),
        entries.entry_of(destroyed, NOW),
        entries.contested_entry(contested, BodyId("cnav"), TRACE, NOW),
        entries.contestation_answered_entry(claim, BodyId("caf"), 2, TRACE, NOW, changed=True),
        entries.contestations_told_entry("cnav-rectification", "a" * 32, [claim], TRACE, NOW),
        entries.notice_given_entry(
            "caf-individual-control", claim, "content-and-origin", "a" * 32, TRACE, NOW
        ),
    ]


def test_entries_of_every_kind_are_made_and_read() -> None:
    made = made_entries()
    assert all(entries.parse_entry(raw).WhichOneof("kind") == name for name, raw in made.items())
    assert set(made) == {
        one.name for one in entry_pb2.Entry.DESCRIPTOR.oneofs_by_name["kind"].fields
    }


def test_index_terms_find_an_entry_by_its_statement_case_and_traces() -> None:
    made = made_entries()
    found = {name: dict(index_terms(raw)) for name, raw in made.items()}
    assert found["asked"]["asked"] == found["decided"]["decided"] == STATEMENT.hash
    assert found["received"]["received"] == found["lost"]["lost"] == STATEMENT.hash
    assert found["decided"]["case"] == (b"\x07" * 32,)
    assert found["case_opened"]["opened"] == leaf_hash(made["case_opened"])
    assert found["cohort_part"]["left"] == bytes(32) + (5).to_bytes(8, "big")
    assert found["case_closed"] == {"closed": b"\x03" * 32}
    assert found["deposited"]["deposited"] == b"\x04" * 32
    assert found["objected"]["objected"] == b"\x05" * 32
    assert found["destroyed"]["destruction"] == b"\x06" * 16
    assert found["destroyed"]["destroyed"] == STATEMENT.hash
    assert found["contested"]["contested"] == sha256(b"contestation").digest()
    assert found["contestation_answered"]["answered"] == b"\x07" * 32
    assert found["contestations_told"]["told"] == b"\x07" * 32
    assert found["failures"] == found["started"] == {}
    assert found["change_told"].items() >= {
        ("change_told", b"caf"),
        ("told_of", b"\x05" * 32 + b"\x03" * 32),
    }
    assert found["change_heard"].items() >= {("heard", b"cnav"), ("heard_for", b"caf-ppa")}
    assert found["day_closed"] == {"day": b"2026-06-15"}
    assert found["access_contested"]["access_contested"] == b"\x09" * 32
    assert found["access_contest_answered"]["access_answered"] == b"\x0a" * 32
    assert found["entry_sealed"]["sealed"] == b"\x0b" * 32
    traced = [name for name in made if "trace" in found[name]]
    asked = ["asked", "decided", "received", "case_opened", "cohort_part", "deposited"]
    contested = ["contested", "contestation_answered", "contestations_told"]
    person = ["person_read", "access_contested", "access_contest_answered", "entry_sealed"]
    told = ["objected", "destroyed", *contested, "notice_given", "change_told", "change_heard"]
    assert found["notice_given"]["notice_given"] == b"\x07" * 32
    assert traced == [*asked, *told, *person, "trace_key_erased"]


@pytest.mark.parametrize(
    "raw", [b"", b"\x08\x01", b"\x08\x02\x52\x00", b"\xff\xff", b"\x08\x01\x12"]
)
def test_parse_entry_of_no_known_kind_is_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        entries.parse_entry(raw)
    assert caught.value.reason == "BAD_ENTRY"


# --- releases ------------------------------------------------------------------------------------


def test_build_release_keeps_absent_apart_from_zero_and_false() -> None:
    record = RecordData("dsn", 2, (0, None, False, "", -5))
    data = PersonData((PeriodData(202601, Status.DECLARED, (record,)),), ())
    release = build_release(STATEMENT, release_pb2.Label(), [bytes(32)], [data])
    kinds = [one.WhichOneof("kind") for one in release.persons[0].periods[0].records[0].values]
    assert kinds == ["integer", None, "boolean", "text", "integer"]


@pytest.mark.parametrize("status", list(Status))
def test_build_release_says_the_status_of_every_period(status: Status) -> None:
    data = PersonData((PeriodData(202601, status, ()),), ())
    release = build_release(STATEMENT, release_pb2.Label(), [bytes(32)], [data])
    number = release.persons[0].periods[0].status
    assert release_pb2.PeriodStatus.Name(number) == f"PERIOD_STATUS_{status.name}"


def test_build_release_with_data_of_another_number_of_persons_is_refused() -> None:
    with pytest.raises(StorageError, match="not one answer for each person"):
        build_release(STATEMENT, release_pb2.Label(), [bytes(32)], [])
