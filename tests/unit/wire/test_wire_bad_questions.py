"""Bad questions, each by name, each with its reason; nothing of them ever leaves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CNAV,
    DGFIP,
    FIRST,
    LAST,
    MONTH,
    MSA,
    Federation,
    Program,
    signed,
    signed_at,
    statement_of,
)

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.exchange.entries import case_closed_entry
from cloison.identity import person_digest
from cloison.law.question import Granularity
from cloison.v1 import receipt_pb2, statement_pb2
from cloison.wire.gateway import OpenedCase

Change = Callable[[statement_pb2.Statement], object]
Item = statement_pb2.AskItem


def only(answers: list[receipt_pb2.Answer]) -> receipt_pb2.Answer:
    (answer,) = answers
    return answer


@pytest.fixture
def case(ppa: Program) -> OpenedCase:
    return ppa.open_case()


@pytest.fixture
def item(ppa: Program, case: OpenedCase) -> Item:
    """A lawful question about Anne, ready to be spoiled."""
    return ppa.item(ppa.question(case))


def refused_by_law(federation: Federation, ppa: Program, item: Item) -> str:
    """The reason of a decision; it stands in the holder's ledger, and nothing left."""
    answer = only(federation.answer(CNAV, CAF, [item]))
    (entry,) = federation.entries(CNAV, "decided")
    reply = ppa.open(item, answer)
    assert reply.decision is not None, reply
    assert reply.release is None
    assert entry.decided.decision.reason == reply.decision.reason
    return reply.decision.reason


def failed(federation: Federation, item: Item, peer: BodyId = CAF) -> str:
    """The reason of a failure; it is counted, and is no entry."""
    before = federation.node(CNAV).traces.size
    answer = only(federation.answer(CNAV, peer, [item]))
    assert not answer.sealed_release
    assert not answer.HasField("receipt")
    assert federation.failures(CNAV) == {peer: {answer.failure.reason: 1}}
    assert federation.node(CNAV).traces.size == before
    return answer.failure.reason


# --- decided: the law's own refusals -------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"first": FIRST - 1}, "CONDITION_NOT_MET", id="a month before the window"),
        pytest.param({"last": LAST + 1}, "CONDITION_NOT_MET", id="a month after the window"),
        pytest.param({"fields": ("gross",)}, "FIELD_NOT_IN_RECORD", id="field not in the record"),
        pytest.param({"fields": ("salary",)}, "UNKNOWN_FIELD", id="unknown field"),
        pytest.param({"dataset": "wages"}, "UNKNOWN_DATASET", id="unknown dataset"),
        pytest.param({"purpose": "curiosity"}, "UNKNOWN_PURPOSE", id="unknown purpose"),
        pytest.param(
            {"purpose": "control-targeting"}, "PURPOSE_NOT_DECLARED", id="purpose not declared"
        ),
        pytest.param({"legal_basis": "decret-1999-1"}, "UNKNOWN_TEXT", id="unknown text"),
        pytest.param(
            {"legal_basis": "decret-2024-50"}, "BASIS_NOT_DECLARED", id="text not declared"
        ),
        pytest.param(
            {"granularity": Granularity.WINDOW_TOTAL}, "CONDITION_NOT_MET", id="granularity"
        ),
        pytest.param({"case": None}, "CONDITION_NOT_MET", id="no case"),
        pytest.param({"persons": (BRUNO.member(),)}, "CONDITION_NOT_MET", id="no case salt"),
    ],
)
def test_answer_question_outside_the_law_is_denied_with_its_reason(
    federation: Federation,
    ppa: Program,
    case: OpenedCase,
    change: dict[str, Any],
    reason: str,
) -> None:
    item = ppa.item(replace(ppa.question(case), **change))
    assert refused_by_law(federation, ppa, item) == reason


def test_answer_case_proof_for_another_person_is_denied(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    stranger = ppa.open_case("C2").members[0]
    item = ppa.item(ppa.question(case, stranger))
    assert refused_by_law(federation, ppa, item) == "CONDITION_NOT_MET"


def test_answer_case_past_its_end_is_denied(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    federation.clock.now = case.valid_until
    item = ppa.item(ppa.question(case))
    assert refused_by_law(federation, ppa, item) == "CONDITION_NOT_MET"


def _from_another_ledger(ppa: Program, item: Item) -> None:
    msa = ppa.federation.node(MSA)
    receipt = msa.append([item.case.entry])[0]
    item.case.checkpoint = receipt.checkpoint
    item.case.leaf_index = receipt.leaf_index
    item.case.hashes[:] = receipt.hashes


def _of_another_case(ppa: Program, item: Item) -> None:
    item.case.ParseFromString(ppa.open_case("C2").proof)


def _of_no_case_entry(ppa: Program, item: Item) -> None:
    node = ppa.federation.node(CAF)
    node.append([case_closed_entry(item.case.entry[:32], "decided", node.clock())])
    receipt = node.receipt(node.traces.size - 1)
    item.case.entry, item.case.leaf_index = receipt.entry, receipt.leaf_index
    item.case.checkpoint = receipt.checkpoint
    item.case.hashes[:] = receipt.hashes


def _flipped(part: str) -> Callable[[Program, Item], None]:
    def spoil(_: Program, item: Item) -> None:
        value = bytearray(getattr(item.case, part))
        value[len(value) // 2] ^= 1
        setattr(item.case, part, bytes(value))

    return spoil


def _hash_flipped(ppa: Program, item: Item) -> None:
    ppa.open_case("C2")
    item.case.ParseFromString(ppa.open_case().proof)
    item.case.hashes[0] = bytes([item.case.hashes[0][0] ^ 1]) + item.case.hashes[0][1:]


def _index_moved(_: Program, item: Item) -> None:
    item.case.leaf_index += 1


def _missing(_: Program, item: Item) -> None:
    item.ClearField("case")


def _too_many_hashes(_: Program, item: Item) -> None:
    item.case.hashes.extend([bytes(32)] * (limits.PROOF_HASHES + 1))


def _renewal_of_another_case(ppa: Program, item: Item) -> None:
    other = ppa.open_case("C2")
    end = ppa.federation.clock() + timedelta(days=10)
    index = ppa.cases.renew("caf-ppa", other.leaf_hash, end)
    item.renewal.CopyFrom(ppa.federation.node(CAF).proof(index))


def _renewal_that_is_none(_: Program, item: Item) -> None:
    item.renewal.CopyFrom(item.case)


@pytest.mark.parametrize(
    "spoil",
    [
        _from_another_ledger,
        _of_another_case,
        _of_no_case_entry,
        _flipped("entry"),
        _flipped("checkpoint"),
        _hash_flipped,
        _index_moved,
        _missing,
        _too_many_hashes,
        _renewal_of_another_case,
        _renewal_that_is_none,
    ],
    ids=[
        "another ledger",
        "another case",
        "no case entry",
        "entry flipped",
        "checkpoint flipped",
        "hash flipped",
        "index moved",
        "missing",
        "too many hashes",
        "renewal of another case",
        "renewal that is none",
    ],
)
def test_answer_case_proof_that_does_not_hold_is_denied(
    federation: Federation,
    ppa: Program,
    item: Item,
    spoil: Callable[[Program, Item], None],
) -> None:
    spoil(ppa, item)
    assert refused_by_law(federation, ppa, item) == "BAD_CASE_PROOF"


# --- failed: what comes before any decision ------------------------------------------------------


def test_answer_statement_signed_by_another_key_fails(federation: Federation, item: Item) -> None:
    rsa = federation.program("caf-rsa")
    item.statement.CopyFrom(signed(rsa.keys, item.statement.statement))
    assert failed(federation, item) == "BAD_SIGNATURE"


def test_answer_statement_altered_after_it_was_signed_fails(
    federation: Federation, item: Item
) -> None:
    statement = statement_of(item)
    statement.selection.last_month = MONTH.number
    item.statement.statement = statement.SerializeToString(deterministic=True)
    assert failed(federation, item) == "BAD_SIGNATURE"


def test_answer_signature_of_the_same_batch_for_another_place_fails(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    first, second = ppa.items(ppa.question(case), ppa.question(case))
    first.statement.batch_index = second.statement.batch_index
    assert failed(federation, first) == "BAD_SIGNATURE"


def test_answer_statement_for_another_holder_fails(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    item = ppa.item(ppa.question(case, holder=DGFIP))
    assert failed(federation, item) == "WRONG_HOLDER"


def test_answer_statement_of_another_requester_than_the_peer_fails(
    federation: Federation, item: Item
) -> None:
    assert failed(federation, item, peer=MSA) == "NOT_YOURS"


def test_answer_activity_without_a_key_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        statement.activity = "caf-unknown"

    assert failed(federation, ppa.altered(item, change)) == "UNKNOWN_ACTIVITY_KEY"


def test_answer_activity_of_another_body_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    msa = federation.program("msa-ppa")

    def change(statement: statement_pb2.Statement) -> None:
        statement.activity = "msa-ppa"
        statement.sealing_key_id = msa.keys.public.sealing_key_id

    item = ppa.altered(item, change, signer=msa.keys)
    assert failed(federation, item) == "UNKNOWN_ACTIVITY_KEY"


def test_answer_sealing_key_of_another_activity_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    other = federation.program("caf-rsa").keys.public.sealing_key_id

    def change(statement: statement_pb2.Statement) -> None:
        statement.sealing_key_id = other

    assert failed(federation, ppa.altered(item, change)) == "UNKNOWN_SEALING_KEY"


def test_answer_statement_too_old_fails(federation: Federation, item: Item) -> None:
    federation.clock.now += limits.CLOCK_SKEW + timedelta(seconds=1)
    assert failed(federation, item) == "STATEMENT_TOO_OLD"


def test_answer_statement_from_the_future_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    late = federation.clock() + limits.CLOCK_SKEW + timedelta(seconds=1)
    assert failed(federation, ppa.altered(item, signed_at(late))) == "STATEMENT_FROM_THE_FUTURE"


def test_answer_time_out_of_range_fails(federation: Federation, ppa: Program, item: Item) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        statement.signed_time_ms = 2**63 - 1

    assert failed(federation, ppa.altered(item, change)) == "MALFORMED"


@pytest.mark.parametrize("seconds", [-60, 60])
def test_answer_statement_at_the_edge_of_the_skew_is_decided(
    federation: Federation, ppa: Program, item: Item, seconds: int
) -> None:
    edge = federation.clock() + timedelta(seconds=seconds)
    answer = only(federation.answer(CNAV, CAF, [ppa.altered(item, signed_at(edge))]))
    assert answer.sealed_release


def test_answer_nir_malformed_fails(federation: Federation, item: Item) -> None:
    item.persons[0].nir = item.persons[0].nir[:-1] + "0"
    assert failed(federation, item) == "BAD_NIR"


@pytest.mark.parametrize(("trait", "longest"), [("birth_name", 200), ("birth_date", 10)])
def test_answer_trait_longer_than_any_fails(
    federation: Federation, item: Item, trait: str, longest: int
) -> None:
    setattr(item.persons[0], trait, "é" * (longest // 2 + 1))
    assert failed(federation, item) == "TOO_LARGE"


def test_answer_digest_of_another_nir_fails(federation: Federation, item: Item) -> None:
    item.persons[0].nir = BRUNO.nir
    assert failed(federation, item) == "DIGEST_MISMATCH"


def test_answer_digest_of_another_salt_fails(federation: Federation, item: Item) -> None:
    item.persons[0].salt = bytes(32)
    assert failed(federation, item) == "DIGEST_MISMATCH"


def test_answer_salt_of_another_length_fails(federation: Federation, item: Item) -> None:
    item.persons[0].salt = bytes(31)
    assert failed(federation, item) == "MALFORMED"


def test_answer_fewer_persons_than_digests_fails(federation: Federation, item: Item) -> None:
    del item.persons[:]
    assert failed(federation, item) == "MALFORMED"


def reuse_salt(ppa: Program, item: Item, other: Item) -> Item:
    """The second question with the first one's salt."""
    other.persons[0].salt = item.persons[0].salt

    def change(statement: statement_pb2.Statement) -> None:
        statement.person_digests[0] = person_digest(item.persons[0].salt, ANNE.nir)

    return ppa.altered(other, change)


def test_answer_salt_used_before_fails_even_after_a_restart(
    federation: Federation, ppa: Program, case: OpenedCase, item: Item
) -> None:
    federation.answer(CNAV, CAF, [item])
    federation.restart(CNAV)
    again = reuse_salt(ppa, item, ppa.item(ppa.question(case)))
    assert failed(federation, again) == "SALT_REUSED"


def test_answer_salt_shared_by_two_persons_of_a_statement_fails(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    item = ppa.item(ppa.question(case, *case.members[:2]))
    salt = item.persons[1].salt = item.persons[0].salt

    def change(statement: statement_pb2.Statement) -> None:
        statement.person_digests[1] = person_digest(salt, BRUNO.nir)

    assert failed(federation, ppa.altered(item, change)) == "SALT_REUSED"


def test_ask_salt_used_before_fails_alone_and_not_the_questions_it_travels_with(
    federation: Federation, ppa: Program, case: OpenedCase, item: Item
) -> None:
    ppa.put(item)
    good = ppa.item(ppa.question(case))
    bad = reuse_salt(ppa, item, ppa.item(ppa.question(case)))
    first, second = ppa.put(good, bad)
    assert first.sealed_release
    assert second.failure.reason == "SALT_REUSED"
    assert federation.failures(CAF) == {"caf-ppa": {"SALT_REUSED": 1}}


def test_answer_cohort_put_as_a_single_question_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        del statement.person_digests[:]
        statement.cohort.size, statement.cohort.batch_persons = 10, 10

    cohort = ppa.altered(item, change)
    del cohort.persons[:]
    assert failed(federation, cohort) == "MALFORMED"


# --- malformed bytes -----------------------------------------------------------------------------


def _unknown_field(raw: bytes) -> bytes:
    return raw + b"\xf8\x07\x01"


def _unknown_field_within(raw: bytes) -> bytes:
    statement = statement_pb2.Statement.FromString(raw)
    selection = statement.selection.SerializeToString() + b"\xf8\x07\x01"
    statement.ClearField("selection")
    return (
        statement.SerializeToString(deterministic=True)
        + b"\x42"
        + bytes([len(selection)])
        + selection
    )


def _not_canonical(raw: bytes) -> bytes:
    return raw[2:] + raw[:2]


def _version_twice(raw: bytes) -> bytes:
    return b"\x08\x01" + raw


def _cut(raw: bytes) -> bytes:
    return raw[:-3]


def _empty(raw: bytes) -> bytes:
    return raw[:0]


@pytest.mark.parametrize(
    "spoil",
    [_unknown_field, _unknown_field_within, _not_canonical, _version_twice, _cut, _empty],
)
def test_answer_statement_in_another_spelling_fails(
    federation: Federation, ppa: Program, item: Item, spoil: Callable[[bytes], bytes]
) -> None:
    item.statement.CopyFrom(signed(ppa.keys, spoil(item.statement.statement)))
    assert failed(federation, item) == "MALFORMED"


def test_answer_statement_over_its_size_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    raw = item.statement.statement + bytes(limits.STATEMENT_BYTES)
    item.statement.CopyFrom(signed(ppa.keys, raw))
    assert failed(federation, item) == "TOO_LARGE"


@pytest.mark.parametrize("count", [0, 65])
def test_answer_call_of_no_or_too_many_items_is_refused_whole(
    federation: Federation, item: Item, count: int
) -> None:
    with pytest.raises(InputError, match="items"):
        federation.answer(CNAV, CAF, [item] * count)


@pytest.mark.parametrize("count", [0, 65])
def test_ask_call_of_no_or_too_many_items_is_refused_whole(
    ppa: Program, item: Item, count: int
) -> None:
    with pytest.raises(InputError, match="items"):
        ppa.put(*[item] * count)


# --- what the requester's own node refuses -------------------------------------------------------


def put_failed(federation: Federation, program: Program, item: Item) -> str:
    """The reason; nothing was asked of anyone."""
    answer = only(program.put(item))
    assert federation.entries(program.body, "asked") == []
    assert federation.failures(program.body) == {program.activity: {answer.failure.reason: 1}}
    return answer.failure.reason


def test_ask_statement_of_another_activity_fails(federation: Federation, item: Item) -> None:
    assert put_failed(federation, federation.program("caf-rsa"), item) == "NOT_YOURS"


def test_ask_unknown_holder_fails(federation: Federation, ppa: Program, item: Item) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        statement.holder = "urssaf"

    assert put_failed(federation, ppa, ppa.altered(item, change)) == "UNKNOWN_PEER"


def test_ask_case_of_nobody_fails(federation: Federation, ppa: Program, item: Item) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        statement.case_leaf_hash = bytes(32)

    assert put_failed(federation, ppa, ppa.altered(item, change)) == "CASE_UNKNOWN"


def test_ask_closed_case_fails(
    federation: Federation, ppa: Program, case: OpenedCase, item: Item
) -> None:
    ppa.cases.close("caf-ppa", [case.leaf_hash], "decided")
    assert put_failed(federation, ppa, item) == "CASE_CLOSED"


def test_ask_question_that_would_crowd_out_others_fails(
    federation: Federation, ppa: Program, item: Item
) -> None:
    item.case.checkpoint = bytes(limits.ITEM_BYTES)
    assert put_failed(federation, ppa, item) == "TOO_LARGE"
    assert limits.ITEM_BYTES * limits.ITEMS_PER_CALL < limits.MESSAGE_BYTES


def test_ask_malformed_nir_fails(federation: Federation, ppa: Program, item: Item) -> None:
    item.persons[0].nir = "1850575000001"
    assert put_failed(federation, ppa, item) == "BAD_NIR"


def test_ask_digest_mismatch_fails_before_anything_is_written(
    federation: Federation, ppa: Program, item: Item
) -> None:
    item.persons[0].nir = BRUNO.nir
    assert put_failed(federation, ppa, item) == "DIGEST_MISMATCH"


def test_ask_cohort_by_ask_fails(federation: Federation, ppa: Program, item: Item) -> None:
    def change(statement: statement_pb2.Statement) -> None:
        del statement.person_digests[:]
        statement.cohort.size, statement.cohort.batch_persons = 10, 10

    assert put_failed(federation, ppa, ppa.altered(item, change)) == "MALFORMED"


# --- counted -------------------------------------------------------------------------------------


def test_failures_of_a_minute_are_one_entry_a_peer(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    node = federation.node(CNAV)
    items = ppa.items(*(ppa.question(case) for _ in range(3)))
    items[0].persons[0].nir = "nonsense"
    items[1].persons[0].nir = "nonsense"
    items[2].persons[0].nir = BRUNO.nir
    federation.answer(CNAV, CAF, items)
    node.flush_failures()
    assert federation.entries(CNAV, "failures") == []
    federation.clock.advance(minutes=1)
    node.flush_failures()
    node.flush_failures()
    (entry,) = federation.entries(CNAV, "failures")
    counts = {one.reason: one.count for one in entry.failures.counts}
    assert (entry.failures.peer, counts) == ("caf", {"BAD_NIR": 2, "DIGEST_MISMATCH": 1})


def test_failures_left_when_a_node_stops_are_entered(federation: Federation, item: Item) -> None:
    item.persons[0].nir = "nonsense"
    federation.answer(CNAV, CAF, [item])
    federation.restart(CNAV)
    (entry,) = federation.entries(CNAV, "failures")
    assert [one.reason for one in entry.failures.counts] == ["BAD_NIR"]


def test_failure_messages_never_quote_what_was_given(
    federation: Federation, ppa: Program, item: Item
) -> None:
    nir = ANNE.nir

    def names(statement: statement_pb2.Statement) -> None:
        statement.purpose = nir

    def spaced(statement: statement_pb2.Statement) -> None:
        statement.legal_basis = f"pour {nir}"

    def hyphens(statement: statement_pb2.Statement) -> None:
        statement.selection.dataset = "-".join(nir)[1:]

    def body(statement: statement_pb2.Statement) -> None:
        statement.holder = nir

    def agent(statement: statement_pb2.Statement) -> None:
        statement.agent = nir

    for change in (names, spaced, hyphens, body, agent):
        answer = only(federation.answer(CNAV, CAF, [ppa.altered(item, change)]))
        assert answer.failure.reason in {"MALFORMED", "BAD_BODY"}, change
        assert nir not in str(answer), change
