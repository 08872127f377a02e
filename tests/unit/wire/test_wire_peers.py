"""Peers that lie, die or answer something else; statements that wait while the world changes."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, NoReturn

import pytest
from tests.federation import (
    ANNE,
    CAF,
    CNAV,
    MONTH,
    MSA,
    NOW,
    AskResponse,
    Federation,
    Program,
    run,
)

from cloison.errors import IntegrityError, PeerError
from cloison.exchange.entries import case_opened_entry, parse_entry
from cloison.exchange.release import build_release
from cloison.exchange.statement import parse_statement
from cloison.identity import person_digest
from cloison.ledger.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from cloison.ledger.tree import leaf_hash, node_hash
from cloison.v1 import decision_pb2, entry_pb2, receipt_pb2, release_pb2, statement_pb2
from cloison.wire import answering, holder
from cloison.wire.coalescer import ITEMS_PER_CALL, Coalescer
from cloison.wire.gateway import OpenedCase
from cloison.wire.holder import Holder
from cloison.wire.node import FailureCounts

Items = tuple[statement_pb2.AskItem, statement_pb2.AskItem]


@pytest.fixture
def items(ppa: Program) -> Items:
    """Two lawful questions about two households."""
    first, second = ppa.items(ppa.question(ppa.open_case("C1")), ppa.question(ppa.open_case("C2")))
    return first, second


def reasons(answers: list[receipt_pb2.Answer]) -> list[str]:
    return [answer.failure.reason for answer in answers]


def _swap_receipts(response: AskResponse) -> None:
    first, second = response.answers
    kept = receipt_pb2.Receipt.FromString(first.receipt.SerializeToString())
    first.receipt.CopyFrom(second.receipt)
    second.receipt.CopyFrom(kept)


def _swap_answers(response: AskResponse) -> None:
    first, second = response.answers
    kept = receipt_pb2.Answer.FromString(first.SerializeToString())
    first.CopyFrom(second)
    second.CopyFrom(kept)


def _swap_ciphertexts(response: AskResponse) -> None:
    first, second = response.answers
    first.sealed_release, second.sealed_release = second.sealed_release, first.sealed_release


def _no_receipt(response: AskResponse) -> None:
    for answer in response.answers:
        answer.ClearField("receipt")


def _no_ciphertext(response: AskResponse) -> None:
    for answer in response.answers:
        answer.sealed_release = b""


def _flip_entry(response: AskResponse) -> None:
    for answer in response.answers:
        entry = entry_pb2.Entry.FromString(answer.receipt.entry)
        entry.decided.decision.outcome = decision_pb2.OUTCOME_DENY
        answer.receipt.entry = entry.SerializeToString(deterministic=True)


def _old_checkpoint(response: AskResponse) -> None:
    for answer in response.answers:
        answer.receipt.checkpoint = answer.receipt.checkpoint.replace(b"\n2\n", b"\n3\n")


def _smuggle_envelope(response: AskResponse) -> None:
    for answer in response.answers:
        answer.envelopes.append(answer.sealed_release)


@pytest.mark.parametrize(
    "spoil",
    [
        _swap_receipts,
        _swap_answers,
        _swap_ciphertexts,
        _no_receipt,
        _no_ciphertext,
        _flip_entry,
        _old_checkpoint,
        _smuggle_envelope,
    ],
)
def test_ask_answer_that_its_receipt_does_not_vouch_for_is_handed_to_nobody(
    federation: Federation, ppa: Program, items: Items, spoil: Callable[[AskResponse], None]
) -> None:
    federation.link(CAF, CNAV).after = spoil
    answers = ppa.put(*items)
    assert reasons(answers) == ["BAD_RECEIPT", "BAD_RECEIPT"]
    assert not any(answer.sealed_release for answer in answers)
    assert federation.entries(CAF, "received") == []
    assert federation.failures(CAF) == {"cnav": {"BAD_RECEIPT": 2}}


def forged(
    federation: Federation, change: Callable[[entry_pb2.Decided], object]
) -> Callable[[AskResponse], None]:
    """A dishonest holder: enters what it likes in its own ledger, with a true receipt of it."""
    federation.forged.add(CNAV)

    def spoil(response: AskResponse) -> None:
        for answer in response.answers:
            entry = entry_pb2.Entry.FromString(answer.receipt.entry)
            change(entry.decided)
            raw = entry.SerializeToString(deterministic=True)
            answer.receipt.CopyFrom(federation.node(CNAV).append([raw])[0])

    return spoil


def _label_for(field: str, value: str) -> Callable[[entry_pb2.Decided], None]:
    def change(decided: entry_pb2.Decided) -> None:
        setattr(decided.label, field, value)

    return change


def _endless(decided: entry_pb2.Decided) -> None:
    decided.label.until_ms = 2**62


def _refused(decided: entry_pb2.Decided) -> None:
    decided.decision.outcome = decision_pb2.OUTCOME_DENY


def _says_a_nir(decided: entry_pb2.Decided) -> None:
    decided.decision.reason = f"PERSON_{ANNE.nir}"


def _for_another_peer(decided: entry_pb2.Decided) -> None:
    decided.peer = "msa"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_label_for("received_for", "control-targeting"), "BAD_RECEIPT"),
        (_label_for("received_by", "caf-dmde"), "BAD_RECEIPT"),
        (_label_for("holder", "dgfip"), "BAD_RECEIPT"),
        (_label_for("dataset", "pensions"), "BAD_RECEIPT"),
        (_label_for("text", ANNE.nir), "BAD_RECEIPT"),
        (_says_a_nir, "BAD_RECEIPT"),
        (_refused, "BAD_RECEIPT"),
        (_for_another_peer, "BAD_RECEIPT"),
        (_endless, "MALFORMED"),
    ],
)
def test_ask_dishonest_holder_cannot_label_an_answer_for_another_use(
    federation: Federation,
    ppa: Program,
    items: Items,
    change: Callable[[entry_pb2.Decided], object],
    reason: str,
) -> None:
    federation.link(CAF, CNAV).after = forged(federation, change)
    assert reasons(ppa.put(*items)) == [reason, reason]
    assert federation.entries(CAF, "received") == []


def test_ask_refusal_with_a_label_is_refused(federation: Federation, ppa: Program) -> None:
    federation.link(CAF, CNAV).after = forged(federation, _label_for("holder", ANNE.nir))
    no_case = ppa.item(ppa.question(None, ANNE.member()))
    assert reasons(ppa.put(no_case)) == ["BAD_RECEIPT"]
    assert federation.entries(CAF, "received") == []


def test_ask_two_trees_of_one_size_in_one_call_are_refused(
    federation: Federation, ppa: Program, items: Items
) -> None:
    """A forking holder, with its own key: the second answer stands in another ledger of its."""

    def fork(response: AskResponse) -> None:
        first, second = response.answers
        node = federation.node(CNAV)
        leaves = [leaf_hash(answer.receipt.entry) for answer in (second, first)]
        head = Checkpoint(node.traces.origin, 2, node_hash(*leaves))
        second.receipt.leaf_index = 0
        second.receipt.hashes[:] = [leaves[1]]
        second.receipt.checkpoint = sign_checkpoint(head, node.traces._signer)
        assert verify_checkpoint(first.receipt.checkpoint, node.traces.verifier).size == 2

    federation.link(CAF, CNAV).after = fork
    assert reasons(ppa.put(*items)) == ["FORKED_LEDGER"] * 2
    assert federation.entries(CAF, "received") == []


def _hides_a_nir(decided: entry_pb2.Decided) -> None:
    field_99 = b"\x9a\x06"
    decided.label.MergeFromString(field_99 + bytes([len(ANNE.nir)]) + ANNE.nir.encode())
    assert ANNE.nir.encode() in decided.label.SerializeToString()


def test_ask_dishonest_holder_writes_no_words_of_its_own_into_the_requesters_ledger(
    federation: Federation, ppa: Program, items: Items
) -> None:
    federation.link(CAF, CNAV).after = forged(federation, _hides_a_nir)
    ppa.put(*items)
    assert len(federation.entries(CAF, "received")) == 2
    assert not any(ANNE.nir.encode() in entry for entry in federation.raw_entries(CAF))


def test_ask_receipt_of_another_bodys_ledger_is_refused(
    federation: Federation, ppa: Program, items: Items
) -> None:
    def spoil(response: AskResponse) -> None:
        for answer in response.answers:
            answer.receipt.CopyFrom(federation.node(MSA).append([answer.receipt.entry])[0])

    federation.link(CAF, CNAV).after = spoil
    assert reasons(ppa.put(*items)) == ["BAD_RECEIPT", "BAD_RECEIPT"]


def test_ask_fewer_answers_than_statements_fails_them_all(
    federation: Federation, ppa: Program, items: Items
) -> None:
    def drop(response: AskResponse) -> None:
        del response.answers[1]

    federation.link(CAF, CNAV).after = drop
    assert reasons(ppa.put(*items)) == ["BAD_ANSWER", "BAD_ANSWER"]


def test_ask_peer_down_fails_and_asking_again_with_the_same_bytes_works(
    federation: Federation, ppa: Program, items: Items
) -> None:
    link = federation.link(CAF, CNAV)
    link.down = True
    assert reasons(ppa.put(*items)) == ["PEER_UNAVAILABLE"] * 2
    link.down = False
    assert all(answer.sealed_release for answer in ppa.put(*items))
    assert len(federation.entries(CAF, "asked")) == 2


def test_ask_answer_lost_on_its_way_is_given_again(
    federation: Federation, ppa: Program, items: Items
) -> None:
    link = federation.link(CAF, CNAV)
    link.after = lambda _: setattr(link, "down", True)
    assert reasons(ppa.put(*items)) == ["PEER_UNAVAILABLE"] * 2
    link.after, link.down = None, False
    assert all(answer.sealed_release for answer in ppa.put(*items))
    assert len(federation.entries(CNAV, "decided")) == len(federation.entries(CAF, "received")) == 2


def test_ask_reason_a_peer_made_up_is_not_written_down(
    items: Items, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PeerError(f"PERSON_{ANNE.nir}", "made up")

    monkeypatch.setattr(Holder, "call", refuse)
    assert reasons(ppa.put(*items)) == ["PEER_UNAVAILABLE"] * 2


def test_ask_head_that_contradicts_an_earlier_one_fails_that_holders_answers_alone(
    federation: Federation, items: Items, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forked(body: str, note: bytes) -> bytes:
        raise PeerError("FORKED_LEDGER", f"body `{body}`: {len(note)} bytes of another tree")

    monkeypatch.setattr(federation.node(CAF).heads, "see", forked)
    assert reasons(ppa.put(*items)) == ["FORKED_LEDGER"] * 2
    assert federation.entries(CAF, "received") == []
    assert federation.failures(CAF) == {"cnav": {"FORKED_LEDGER": 1}}


def test_ask_again_a_holder_that_gives_another_answer_is_refused(
    federation: Federation, ppa: Program, items: Items
) -> None:
    ppa.put(*items)
    other = b"another release"

    def change(decided: entry_pb2.Decided) -> None:
        decided.sealed_hash = sha256(other).digest()

    def spoil(response: AskResponse) -> None:
        for answer in response.answers:
            answer.sealed_release = other
        forged(federation, change)(response)

    federation.link(CAF, CNAV).after = spoil
    assert reasons(ppa.put(*items)) == ["RECEIVED_TWICE"] * 2
    assert federation.failures(CAF) == {"cnav": {"RECEIVED_TWICE": 1}}


def _long_path(item: statement_pb2.AskItem) -> None:
    item.statement.batch_path.extend([bytes(32)] * 4000)


def _long_signature(item: statement_pb2.AskItem) -> None:
    item.statement.signature += ANNE.nir.encode()


@pytest.mark.parametrize("spoil", [_long_path, _long_signature])
def test_ask_what_is_no_signature_is_entered_nowhere_and_fails_no_other_question(
    federation: Federation,
    ppa: Program,
    items: Items,
    spoil: Callable[[statement_pb2.AskItem], None],
) -> None:
    spoil(items[0])
    first, second = ppa.put(*items)
    assert first.failure.reason in {"TOO_LARGE", "MALFORMED"}
    assert second.sealed_release
    assert len(federation.entries(CAF, "asked")) == 1


def test_failures_of_many_made_up_reasons_stay_one_small_entry() -> None:
    counts = FailureCounts()
    for number in range(1000):
        counts.add("cnav", f"REASON_{number}", NOW)
    ((_, _, counted),) = counts.take(None)
    assert len(counted) == 65
    assert dict(counted)["OTHER"] == 936


def test_ask_failure_message_of_a_peer_never_names_what_was_sent(
    federation: Federation, ppa: Program, items: Items
) -> None:
    federation.link(CAF, CNAV).down = True
    for item, answer in zip(items, ppa.put(*items), strict=True):
        assert item.persons[0].nir not in str(answer)


def test_ask_the_same_statement_in_two_calls_at_once_is_decided_and_entered_once(
    federation: Federation, items: Items
) -> None:
    requester = federation.requester(CAF)

    async def both() -> list[list[receipt_pb2.Answer]]:
        calls = (requester.ask("caf-ppa", items[:1]) for _ in range(3))
        return await asyncio.gather(*calls)

    answers = run(both())
    assert len({answer.sealed_release for (answer,) in answers}) == 1
    assert len(federation.entries(CNAV, "decided")) == 1
    assert len(federation.entries(CAF, "asked")) == len(federation.entries(CAF, "received")) == 1


def test_ask_many_callers_share_calls_to_the_same_holder(
    federation: Federation, ppa: Program
) -> None:
    case = ppa.open_case()
    items = ppa.items(*(ppa.question(case) for _ in range(24)))
    requester = federation.requester(CAF)

    async def all_at_once() -> list[list[receipt_pb2.Answer]]:
        return await asyncio.gather(*(requester.ask("caf-ppa", [item]) for item in items))

    assert all(answer.sealed_release for (answer,) in run(all_at_once()))
    assert len(federation.link(CAF, CNAV).calls) < len(items) / 4


def test_ask_case_closed_while_the_statement_waits_is_not_asked(
    federation: Federation, ppa: Program
) -> None:
    case, other = ppa.open_case("C1"), ppa.open_case("C2")
    waiting = ppa.item(ppa.question(case))
    busy = [ppa.item(ppa.question(other)) for _ in range(2)]
    requester = federation.requester(CAF)

    async def race() -> list[list[receipt_pb2.Answer]]:
        # Two calls are in flight for the holder; the third statement waits its turn.
        first = [asyncio.create_task(requester.ask("caf-ppa", [one])) for one in busy[:1]]
        await asyncio.sleep(0)
        first += [asyncio.create_task(requester.ask("caf-ppa", [one])) for one in busy[1:]]
        await asyncio.sleep(0)
        last = asyncio.create_task(requester.ask("caf-ppa", [waiting]))
        await asyncio.sleep(0)
        ppa.cases.close("caf-ppa", [case.leaf_hash], "withdrawn")
        return [await task for task in (*first, last)]

    *_, (late,) = run(race())
    assert late.failure.reason == "CASE_CLOSED"
    assert len(federation.entries(CAF, "asked")) == len(busy)


def test_answer_head_of_another_ledger_is_refused(federation: Federation) -> None:
    foreign = federation.node(MSA).traces.checkpoint()
    with pytest.raises(PeerError, match="checkpoint") as caught:
        federation.holder(CNAV).call(CAF, b"", foreign)
    assert caught.value.reason == "BAD_CHECKPOINT"


def test_heads_two_trees_of_one_size_are_seen_as_a_fork(
    federation: Federation, ppa: Program
) -> None:
    ppa.open_case("C1")
    heads = federation.node(CNAV).heads
    heads.see(CAF, federation.node(CAF).traces.checkpoint())
    twin = Federation(federation.template, federation._directory / "twin")
    try:
        twin.program("caf-ppa").open_case("C1")
        with pytest.raises(PeerError, match="two heads") as caught:
            heads.see(CAF, twin.node(CAF).traces.checkpoint())
    finally:
        twin.close()
    assert caught.value.reason == "FORKED_LEDGER"


def test_heads_an_older_head_does_not_replace_a_longer_one(
    federation: Federation, ppa: Program
) -> None:
    node, heads = federation.node(CAF), federation.node(CNAV).heads
    old = node.traces.checkpoint()
    ppa.open_case("C1")
    longest = heads.see(CAF, node.traces.checkpoint())
    assert heads.see(CAF, old) == longest != b""


def test_answer_entry_holds_the_peers_last_head(
    federation: Federation, ppa: Program, items: Items
) -> None:
    ppa.put(*items)
    assert all(
        len(entry.decided.peer_checkpoint_hash) == 32
        for entry in federation.entries(CNAV, "decided")
    )


def test_release_of_another_answer_is_not_its_receipts(ppa: Program, items: Items) -> None:
    first, second = ppa.put(*items)
    first.sealed_release = second.sealed_release
    reply = ppa.open(items[0], first)
    assert reply.failure is not None
    assert reply.failure.reason == "BAD_RECEIPT"


def test_release_sealed_by_a_stranger_for_another_statement_is_not_opened(
    federation: Federation, ppa: Program, items: Items
) -> None:
    sealed_for, other = (parse_statement(item.statement.statement) for item in items)
    heard = answering.Heard(sealed_for, items[0].statement, (), ppa.keys.public)
    call = federation.holder(MSA).call(CAF, b"", b"")
    release = release_pb2.Release(statement_hash=sealed_for.hash)
    sealed = answering.seal(
        call, heard, release.SerializeToString()
    )  # anyone can seal to an activity
    assert ppa.opener.open(sealed, sealed_for.hash) == release
    with pytest.raises(IntegrityError) as caught:
        ppa.opener.open(sealed, other.hash)
    assert caught.value.reason == "BAD_SEAL"


def _other_fields(release: release_pb2.Release) -> None:
    release.fields[:] = reversed(release.fields)


def _other_person(release: release_pb2.Release) -> None:
    release.persons[0].person_digest = bytes(32)


def _one_person_more(release: release_pb2.Release) -> None:
    release.persons.add(person_digest=bytes(32))


def _other_label(release: release_pb2.Release) -> None:
    release.label.until_ms += 1


@pytest.mark.parametrize("change", [_other_fields, _other_person, _one_person_more, _other_label])
def test_release_of_something_else_than_its_entry_says_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch, ppa: Program, change: Callable[[release_pb2.Release], None]
) -> None:
    def built(*arguments: Any) -> release_pb2.Release:
        release = build_release(*arguments)
        change(release)
        return release

    monkeypatch.setattr(holder, "build_release", built)
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert reply.failure is not None
    assert reply.failure.reason == "BAD_SEAL"


def test_release_is_not_openable_by_another_activity(
    federation: Federation, ppa: Program, items: Items
) -> None:
    (answer, _) = ppa.put(*items)
    reply = federation.program("caf-dmde").open(items[0], answer)
    assert reply.failure is not None
    assert reply.failure.reason == "NOT_FOR_THIS_ACTIVITY"


# --- the coalescer -------------------------------------------------------------------------------


def test_coalescer_failure_fails_its_call_and_nothing_else() -> None:
    calls: list[int] = []

    async def process(group: list[int]) -> list[int]:
        calls.append(len(group))
        await asyncio.sleep(0)
        if 0 in group:
            raise PeerError("BROKEN", "broken")
        return group

    async def main() -> tuple[object, object]:
        queue: Coalescer[int, int] = Coalescer(process)  # type: ignore[arg-type]
        first = asyncio.create_task(queue.put([0]))
        await asyncio.sleep(0)
        second = asyncio.create_task(queue.put(list(range(1, 100))))
        return await asyncio.gather(first, second, return_exceptions=True)

    broken, fine = run(main())
    assert isinstance(broken, PeerError)
    assert fine == list(range(1, 100))
    assert max(calls) <= ITEMS_PER_CALL


def test_coalescer_too_few_results_fail_those_that_have_none() -> None:
    async def process(group: list[int]) -> list[int]:
        return group[:-1]

    async def main() -> list[int]:
        queue: Coalescer[int, int] = Coalescer(process)  # type: ignore[arg-type]
        return await queue.put([1, 2])

    with pytest.raises(ValueError, match="shorter"):
        run(main())


def test_coalescer_caller_that_went_away_does_not_stop_the_others() -> None:
    async def process(group: list[int]) -> list[int]:
        await asyncio.sleep(0.01)
        return group

    async def main() -> list[int]:
        queue: Coalescer[int, int] = Coalescer(process)  # type: ignore[arg-type]
        gone = asyncio.create_task(queue.put([1]))
        await asyncio.sleep(0)
        stays = asyncio.create_task(queue.put([2]))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert run(main()) == [2]


def invented_case(
    federation: Federation, kind: str = "claim", until: timedelta = timedelta(days=1)
) -> OpenedCase:
    """A case caf's node entered by its own hand: in its ledger, and proved, whatever it says."""
    salt, now = os.urandom(32), federation.clock()
    entry = case_opened_entry(
        kind,
        "caf-ppa",
        MONTH,
        now + until,
        [person_digest(salt, ANNE.nir)],
        bytes(32),
        [],
        now,
    )
    (receipt,) = federation.node(CAF).append([entry])
    proof = federation.node(CAF).proof(receipt.leaf_index).SerializeToString()
    return OpenedCase("C1", leaf_hash(entry), proof, (ANNE.member(salt),), now + until)


def decided_by_cnav(federation: Federation, ppa: Program, case: OpenedCase) -> str:
    """The reason of cnav's decision on caf's question under a case, the gateway left out."""
    (answer,) = federation.answer(CNAV, CAF, [ppa.item(ppa.question(case))])
    return parse_entry(answer.receipt.entry).decided.decision.reason


def test_holder_case_valid_for_longer_than_its_record_allows_ends_where_the_record_says(
    federation: Federation, ppa: Program
) -> None:
    case = invented_case(federation, until=timedelta(days=36_500))
    declared = federation.policy.activities["caf-ppa"].case_type("claim")
    assert declared is not None
    federation.clock.advance(days=declared.validity_days, seconds=-1)
    assert decided_by_cnav(federation, ppa, case) == "PERMITTED"
    federation.clock.advance(seconds=1)
    assert decided_by_cnav(federation, ppa, case) == "CONDITION_NOT_MET"


def test_holder_case_whose_type_spells_a_nir_is_refused_and_not_written_down(
    federation: Federation, ppa: Program
) -> None:
    case = invented_case(federation, kind=ANNE.nir)
    assert decided_by_cnav(federation, ppa, case) == "BAD_CASE_PROOF"
    assert not any(ANNE.nir.encode() in entry for entry in federation.raw_entries(CNAV))
