"""The way of a question, end to end: what each side writes, in which order, and once."""

from datetime import timedelta
from hashlib import sha256

import pytest
from tests.federation import (
    ANNE,
    CAF,
    CANARY_CENTS,
    CNAV,
    DEAD,
    DGFIP,
    MISMATCH,
    NOBODY,
    TEMPORARY,
    Federation,
    Program,
    Someone,
)

from cloison.exchange import limits
from cloison.law.question import Granularity, Outcome
from cloison.months import Month
from cloison.v1 import release_pb2
from cloison.wire.gateway import Reply


def values(release: release_pb2.Release | None) -> list[list[int | str]]:
    assert release is not None
    return [
        [value.integer or value.text for value in record.values]
        for person in release.persons
        for period in person.periods
        for record in period.records
    ]


def reason(reply: Reply) -> str:
    """Why nothing came: the failure's reason, or the refusal's."""
    if reply.failure is not None:
        return reply.failure.reason
    assert reply.decision is not None
    return reply.decision.reason


def test_ask_lawful_question_gives_the_permitted_fields_of_the_permitted_months(
    ppa: Program,
) -> None:
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert values(reply.release) == [[CANARY_CENTS, "salary"]] * 3


def test_ask_label_says_for_whom_which_purpose_and_text(ppa: Program) -> None:
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert reply.release is not None
    label = reply.release.label
    assert (label.holder, label.received_for, label.received_by, label.text) == (
        "cnav",
        "calculation",
        "caf-ppa",
        "decret-2025-1288",
    )


def test_ask_writes_asked_decided_received_that_match_by_statement_hash(
    federation: Federation, ppa: Program
) -> None:
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    (asked,) = federation.entries(CAF, "asked")
    (decided,) = federation.entries(CNAV, "decided")
    (received,) = federation.entries(CAF, "received")
    hashes = {
        sha256(asked.asked.signed.statement).digest(),
        sha256(decided.decided.signed.statement).digest(),
        received.received.statement_hash,
    }
    assert hashes == {reply.statement_hash}
    assert received.received.sealed_hash == decided.decided.sealed_hash != b""


def test_ask_refused_writes_all_three_entries_and_names_no_ciphertext(
    federation: Federation,
) -> None:
    dmde = federation.program("caf-dmde")
    question = dmde.question(None, purpose="control-targeting", legal_basis="decret-2024-50")
    (reply,) = dmde.ask(question)
    assert reply.decision is not None
    assert reply.decision.outcome is Outcome.DENY
    assert [len(federation.entries(CAF, kind)) for kind in ("asked", "received")] == [1, 1]
    (decided,) = federation.entries(CNAV, "decided")
    assert decided.decided.sealed_hash == b""
    assert not decided.decided.HasField("label")


def test_ask_entry_has_a_trace_key_at_both_ends(federation: Federation, ppa: Program) -> None:
    ppa.ask(ppa.question(ppa.open_case()))
    (decided,) = federation.entries(CNAV, "decided")
    (asked,) = federation.entries(CAF, "asked")
    assert len(decided.decided.trace_keys) == len(asked.asked.trace_keys) == 1
    assert decided.decided.trace_keys[0] != asked.asked.trace_keys[0]


def test_ask_twice_with_the_same_bytes_gives_the_same_entry_and_sealed_answer(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    (first,) = ppa.put(item)
    (second,) = ppa.put(item)
    assert second.receipt.entry == first.receipt.entry
    assert second.sealed_release == first.sealed_release
    assert len(federation.entries(CNAV, "decided")) == 1
    assert len(federation.entries(CAF, "asked")) == len(federation.entries(CAF, "received")) == 1


@pytest.mark.parametrize("stop", ["restart", "kill"])
def test_ask_again_after_the_holder_came_back_gives_the_same_answer(
    federation: Federation, ppa: Program, stop: str
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    (first,) = federation.answer(CNAV, CAF, [item])
    getattr(federation, stop)(CNAV)
    (second,) = federation.answer(CNAV, CAF, [item])
    assert (second.receipt.entry, second.sealed_release) == (
        first.receipt.entry,
        first.sealed_release,
    )


def test_ask_again_after_the_requester_was_killed_gives_the_same_answer_once(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    (first,) = ppa.put(item)
    federation.kill(CAF)
    (second,) = ppa.put(item)
    assert second.sealed_release == first.sealed_release
    assert len(federation.entries(CAF, "asked")) == len(federation.entries(CAF, "received")) == 1


def test_ask_again_within_ten_minutes_is_still_answered(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    federation.answer(CNAV, CAF, [item])
    federation.clock.now += limits.REPEAT_WINDOW
    (again,) = federation.answer(CNAV, CAF, [item])
    assert again.sealed_release


@pytest.mark.parametrize("restart", [False, True])
def test_ask_again_after_ten_minutes_is_a_replay_even_after_a_restart(
    federation: Federation, ppa: Program, *, restart: bool
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    federation.answer(CNAV, CAF, [item])
    federation.clock.now += limits.REPEAT_WINDOW + timedelta(milliseconds=1)
    if restart:
        federation.restart(CNAV)
    (again,) = federation.answer(CNAV, CAF, [item])
    assert again.failure.reason == "REPLAYED"
    assert not again.sealed_release


def test_ask_again_when_the_stored_answer_is_gone_is_a_replay(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    federation.answer(CNAV, CAF, [item])
    vault = federation.node(CNAV).vault
    with vault.transaction():
        vault.forget_answers(federation.clock() + timedelta(seconds=1))
    (again,) = federation.answer(CNAV, CAF, [item])
    assert again.failure.reason == "REPLAYED"


def test_ask_the_same_statement_twice_in_one_call_is_decided_once(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    first, second = ppa.put(item, item)
    assert first == second
    assert len(federation.entries(CNAV, "decided")) == 1


def test_answer_the_same_statement_twice_in_one_call_is_decided_once(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    first, second = federation.answer(CNAV, CAF, [item, item])
    assert first == second
    assert len(federation.entries(CNAV, "decided")) == 1


def test_ask_under_one_signature_answers_each_on_its_own(ppa: Program) -> None:
    case, other = ppa.open_case("C1"), ppa.open_case("C2")
    good, bad = ppa.ask(ppa.question(case), ppa.question(case, other.members[0]))
    assert good.release is not None
    assert reason(bad) == "CONDITION_NOT_MET"


@pytest.mark.parametrize(
    ("claim", "person"),
    [("C3", TEMPORARY), ("C4", DEAD), ("C5", NOBODY), ("C6", MISMATCH)],
    ids=["temporary number", "dead", "nir of nobody", "other traits"],
)
def test_ask_person_who_cannot_be_answered_about_has_one_reason_for_all(
    federation: Federation, ppa: Program, claim: str, person: Someone
) -> None:
    case = ppa.open_case(claim)
    assert case.members[0].nir == person.nir
    (reply,) = ppa.ask(ppa.question(case))
    assert reply.decision is not None
    assert (reply.decision.reason, reply.decision.rules, reply.release) == (
        "PERSON_NOT_ANSWERABLE",
        (),
        None,
    )
    (decided,) = federation.entries(CNAV, "decided")
    assert (len(decided.decided.trace_keys), decided.decided.sealed_hash) == (1, b"")


def test_ask_refusals_of_whatever_person_differ_in_nothing_but_digests(
    federation: Federation, ppa: Program
) -> None:
    cases = [ppa.open_case(claim) for claim in ("C3", "C4", "C5", "C6")]
    for case in cases:  # apart: the place in a signed batch stands in the entry
        ppa.ask(ppa.question(case))
    decisions = {
        entry.decided.decision.SerializeToString() for entry in federation.entries(CNAV, "decided")
    }
    sizes = {len(raw) for raw in federation.raw_entries(CNAV)}
    assert len(decisions) == len(sizes) == 1


@pytest.mark.parametrize("person", [ANNE, NOBODY], ids=["known", "unknown"])
@pytest.mark.parametrize(
    ("name", "born", "expected"),
    [("123", "1984-03-09", "BAD_NAME"), ("Anne", "1984-3-9", "BAD_DATE")],
)
def test_answer_misspelt_traits_fail_alike_for_known_and_unknown_persons(
    federation: Federation, ppa: Program, person: Someone, name: str, born: str, expected: str
) -> None:
    claim = "C1" if person is ANNE else "C5"
    item = ppa.item(ppa.question(ppa.open_case(claim)))
    item.persons[0].birth_name, item.persons[0].birth_date = name, born
    (answer,) = federation.answer(CNAV, CAF, [item])
    assert answer.failure.reason == expected


def test_answer_household_members_are_all_looked_up_before_any_is_refused(
    federation: Federation, ppa: Program
) -> None:
    case = ppa.open_case()
    item = ppa.item(ppa.question(case, *case.members[:2]))
    (answer,) = federation.answer(CNAV, CAF, [item])
    assert answer.sealed_release


def test_answer_counts_questions_of_a_case_within_one_call(
    federation: Federation, ppa: Program
) -> None:
    case = ppa.open_case()
    federation.answer(CNAV, CAF, ppa.items(*(ppa.question(case) for _ in range(3))))
    federation.answer(CNAV, CAF, ppa.items(ppa.question(case)))
    counts = [
        entry.decided.facts.case.questions_before for entry in federation.entries(CNAV, "decided")
    ]
    assert counts == [0, 1, 2, 3]


def test_answer_permitted_but_not_in_the_catalogue_is_entered_as_a_refusal(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    catalogue = federation.node(CNAV).store._records._catalogue
    monkeypatch.setitem(catalogue.datasets, "monthly_resources", catalogue.datasets["pensions"])
    (answer,) = federation.answer(CNAV, CAF, [item])
    (decided,) = federation.entries(CNAV, "decided")
    assert not answer.sealed_release
    assert decided.decided.decision.reason == "UNKNOWN_FIELD"


def test_ask_household_file_leaves_a_trace_for_each_person_it_names(
    federation: Federation, ppa: Program
) -> None:
    case = ppa.open_case()
    question = ppa.question(
        case,
        holder=DGFIP,
        dataset="tax_notices",
        fields=("notice",),
        first=Month.parse("2024-01"),
        last=Month.parse("2024-12"),
        granularity=Granularity.YEAR,
        legal_basis="lpf-l152",
    )
    (reply,) = ppa.ask(question)
    assert reply.release is not None, reply
    (decided,) = federation.entries(DGFIP, "decided")
    assert len(decided.decided.trace_keys) == 2
