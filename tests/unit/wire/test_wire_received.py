"""The bulkhead: what was received for one use is kept sealed, and served to that use alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from tests.federation import CAF, CNAV, DGFIP, Federation, Program

from cloison.errors import CloisonError, StorageError
from cloison.exchange.entries import asked_entry, received_entry
from cloison.exchange.statement import parse_statement, to_milliseconds
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.store import ReceivedLabel
from cloison.v1 import decision_pb2, entry_pb2, receipt_pb2, release_pb2, store_service_pb2
from cloison.wire import demands
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import AskFor, OpenedCase, Received, Reply
from cloison.wire.plans import Plan, Why, portions
from cloison.wire.status import error_of


@pytest.fixture
def case(ppa: Program) -> OpenedCase:
    return ppa.open_case()


@pytest.fixture
def reply(ppa: Program, case: OpenedCase) -> Reply:
    """Anne's resources, received for the prime d'activité."""
    (reply,) = ppa.ask(ppa.question(case))
    return reply


def local(question: AskFor, purpose: str = "calculation", activity: str = "caf-ppa") -> AskFor:
    """The same question put to the body's own node, about what it received."""
    return replace(question, holder=CAF, received=Received(CNAV, purpose, activity))


def test_ask_received_by_the_same_activity_hands_its_envelope_back(
    ppa: Program, case: OpenedCase, reply: Reply
) -> None:
    (again,) = ppa.ask(local(ppa.question(case)))
    assert [one.statement_hash for one in again.envelopes] == [reply.statement_hash]
    assert again.envelopes[0] == reply.release


def test_ask_received_with_fewer_persons_or_fields_than_it_holds_gives_no_envelope(
    ppa: Program, case: OpenedCase
) -> None:
    whole = ppa.question(case, *case.members[:2], fields=("mns", "nature", "payer"))
    ppa.ask(whole)
    fewer = [replace(whole, persons=whole.persons[:1]), replace(whole, fields=("nature",))]
    replies = ppa.ask(*map(local, (*fewer, whole)))
    assert [len(one.envelopes) for one in replies] == [0, 0, 1]
    assert all(one.decision is not None and one.decision.permitted for one in replies)


def test_ask_received_traces_every_person_its_envelopes_hold(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    question = ppa.question(case, *case.members[:2])
    ppa.ask(question)
    ppa.ask(local(question))
    asked, read_back = (
        entry.decided for body in (CNAV, CAF) for entry in federation.entries(body, "decided")
    )
    assert (len(asked.trace_keys), len(read_back.trace_keys)) == (2, 2)


@pytest.mark.usefixtures("reply")
def test_ask_received_for_a_benefit_by_control_targeting_is_refused_and_entered(
    federation: Federation, case: OpenedCase
) -> None:
    dmde = federation.program("caf-dmde")
    question = dmde.question(
        None,
        *case.members[:1],
        purpose="control-targeting",
        legal_basis="decret-2024-50",
    )
    (refused,) = dmde.ask(local(question))
    assert refused.decision is not None
    assert not refused.decision.permitted
    assert refused.envelopes == ()
    last = federation.entries(CAF, "decided")[-1].decided
    assert (last.facts.received_for, last.sealed_hash) == ("calculation", b"")


@pytest.mark.usefixtures("reply")
def test_ask_received_by_another_activity_for_the_same_purpose_is_refused(
    federation: Federation, ppa: Program
) -> None:
    rsa = federation.program("caf-rsa")
    question = rsa.question(None, ppa.open_case().members[0])
    (refused,) = rsa.ask(local(question))
    assert refused.decision is not None
    assert not refused.decision.permitted


@pytest.mark.usefixtures("reply")
def test_ask_received_that_claims_another_label_finds_nothing_under_it(
    ppa: Program, case: OpenedCase
) -> None:
    (none,) = ppa.ask(local(ppa.question(case), "eligibility"))
    assert none.envelopes == ()


@pytest.mark.usefixtures("reply")
def test_ask_received_by_an_unknown_label_is_refused(ppa: Program, case: OpenedCase) -> None:
    (refused,) = ppa.ask(local(ppa.question(case), "calculation", "caf-invented"))
    assert refused.decision is not None
    assert refused.decision.reason == "UNKNOWN_LABEL"


def test_received_release_is_kept_sealed_and_labelled(federation: Federation, reply: Reply) -> None:
    label = federation.node(CAF).store.received_label(reply.statement_hash)
    assert label == ReceivedLabel(
        "cnav", "monthly_resources", "calculation", "caf-ppa", "decret-2025-1288"
    )


def test_ask_received_again_after_it_was_destroyed_hands_nothing_back_and_no_file_has_it(
    federation: Federation, ppa: Program, case: OpenedCase, reply: Reply
) -> None:
    node, item = federation.node(CAF), ppa.item(local(ppa.question(case)))
    (first,), (again,) = ppa.put(item), ppa.put(item)
    assert (again.receipt.entry, again.envelopes) == (first.receipt.entry, first.envelopes)
    (envelope,) = first.envelopes
    doomed = node.store.doomed_of_statement(reply.statement_hash)
    desk = DestructionDesk(node)
    desk._write_down(list(portions(Plan("caf-ppa", Why.EXPIRY), doomed, [])))
    desk.finish()
    files = federation.settings(CAF).state.rglob("*.sqlite*")
    assert not [file.name for file in files if envelope[-64:] in file.read_bytes()]
    (answer,) = ppa.put(item)
    assert (answer.failure.reason, len(answer.envelopes)) == ("REPLAYED", 0)


def test_ask_received_past_the_labels_end_is_served_no_more(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    node, question = federation.node(CAF), ppa.question(case)
    end = federation.clock() + timedelta(minutes=5)
    item = ppa.item(question)
    (answer,) = federation.answer(CNAV, CAF, [item])
    node.store.keep_received(
        sha256(item.statement.statement).digest(),
        ReceivedLabel("cnav", "monthly_resources", "calculation", "caf-ppa", "x", end),
        [node.row_key(question.persons[0].nir)],
        question.fields,
        question.first,
        question.last,
        answer.sealed_release,
        bytes(32),
        federation.clock(),
    )
    (before,) = ppa.ask(local(question))
    federation.clock.now = end
    (after,) = ppa.ask(local(question))
    assert (len(before.envelopes), len(after.envelopes)) == (1, 0)


def test_ask_received_of_another_body_is_malformed(
    federation: Federation, ppa: Program, case: OpenedCase
) -> None:
    (failed,) = ppa.ask(replace(local(ppa.question(case)), holder=CNAV))
    assert failed.failure is not None
    assert failed.failure.reason == "MALFORMED"
    assert federation.entries(CAF, "asked") == []


# --- deposits ------------------------------------------------------------------------------------


class Depositor:
    """Builds deposits, right but for what a test changes."""

    def __init__(self, program: Program, case: OpenedCase, cited: list[Reply]) -> None:
        self.program = program
        self.case = case
        self.deposit = store_service_pb2.Deposit(
            version=1,
            activity=program.activity,
            output="right",
            case_leaf_hash=case.leaf_hash,
            content=b'{"amount": 12345}',
            statement_hashes=[one.statement_hash for one in cited],
            signed_time_ms=to_milliseconds(program.federation.clock()),
            nonce=bytes(16),
        )

    def signed(self) -> store_service_pb2.SignedDeposit:
        raw = self.deposit.SerializeToString(deterministic=True)
        signature = self.program.keys.sign(demands.DEPOSIT + sha256(raw).digest())
        return store_service_pb2.SignedDeposit(deposit=raw, signature=signature)

    def put(self) -> receipt_pb2.Receipt:
        return self.hand_in(self.signed())

    def hand_in(self, one: store_service_pb2.SignedDeposit) -> receipt_pb2.Receipt:
        (result,) = self.program.deposits.deposit(self.program.activity, [one])
        if result.HasField("failure"):
            raise error_of(result.failure)
        return result.receipt


@pytest.fixture
def depositor(ppa: Program, case: OpenedCase, reply: Reply) -> Depositor:
    made = Depositor(ppa, case, [reply])
    made.deposit.output = ppa.federation.policy.activities["caf-ppa"].outputs[0].id
    return made


def test_deposit_joins_the_labels_and_receipts_of_what_it_cites(
    federation: Federation, depositor: Depositor, reply: Reply
) -> None:
    depositor.put()
    (entry,) = federation.entries(CAF, "deposited")
    assert reply.receipt is not None
    assert list(entry.deposited.receipts) == [reply.receipt.leaf_hash]
    assert [label.received_for for label in entry.deposited.labels] == ["calculation"]
    assert len(entry.deposited.trace_keys) == 3


def test_deposit_twice_changes_nothing_and_gives_the_same_entry(
    federation: Federation, depositor: Depositor
) -> None:
    request = depositor.signed()
    first, second = (depositor.hand_in(request) for _ in range(2))
    assert first.entry == second.entry
    assert len(federation.entries(CAF, "deposited")) == 1


def test_deposit_after_a_crash_before_it_was_kept_is_mended_by_the_repeat(
    federation: Federation, depositor: Depositor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = federation.node(CAF).store

    def fail(_: object) -> None:
        raise StorageError("STORE_WRITE", "store: no room")

    request = depositor.signed()
    with monkeypatch.context() as broken:
        broken.setattr(type(store), "keep_output", lambda _, output: fail(output))
        with pytest.raises(StorageError):
            depositor.hand_in(request)
    federation.clock.advance(hours=1)
    depositor.hand_in(request)
    (kept,) = store.outputs("caf-ppa", depositor.deposit.output)
    assert (kept.reference, kept.content) == ("C1", b'{"amount": 12345}')


def test_deposit_is_not_kept_when_the_ledger_cannot_write(
    federation: Federation, depositor: Depositor, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = federation.node(CAF)

    def full(_: object) -> None:
        raise StorageError("LEDGER_WRITE", "ledger: no room")

    monkeypatch.setattr(type(node.traces), "append_many", lambda _, entries: full(entries))
    with pytest.raises(StorageError):
        depositor.put()
    assert list(node.store.outputs("caf-ppa", depositor.deposit.output)) == []


def _undeclared_output(depositor: Depositor) -> None:
    depositor.deposit.output = "score"


def _foreign_receipt(depositor: Depositor) -> None:
    depositor.deposit.statement_hashes.append(bytes(32))


def _receipt_of_another_activity(depositor: Depositor) -> None:
    rsa = depositor.program.federation.program("caf-rsa")
    (other,) = rsa.ask(rsa.question(None, depositor.program.open_case().members[0]))
    depositor.deposit.statement_hashes.append(other.statement_hash)


def _refused_answer(depositor: Depositor) -> None:
    ppa = depositor.program
    (other,) = ppa.ask(ppa.question(None))
    depositor.deposit.statement_hashes.append(other.statement_hash)


def _cite_entry(
    depositor: Depositor, outcome: decision_pb2.Outcome.ValueType, label: release_pb2.Label
) -> None:
    """Cites an answer as no honest holder gives it, entered by the node that received it."""
    ppa = depositor.program
    node = ppa.federation.node(CAF)
    signed = ppa.item(ppa.question(depositor.case)).statement
    decided = entry_pb2.Decided(label=label)
    decided.decision.outcome = outcome
    statement, now = parse_statement(signed.statement), node.clock()
    received = received_entry(statement, 0, b"", decided, [], b"", now)
    node.append([asked_entry(signed, [], now), received])
    depositor.deposit.statement_hashes.append(statement.hash)


def _refusal_with_a_label(depositor: Depositor) -> None:
    label = release_pb2.Label(received_by="caf-ppa")
    _cite_entry(depositor, decision_pb2.OUTCOME_DENY, label)


def _label_ended(depositor: Depositor) -> None:
    now = to_milliseconds(depositor.program.federation.clock())
    label = release_pb2.Label(received_by="caf-ppa", until_ms=now)
    _cite_entry(depositor, decision_pb2.OUTCOME_PERMIT, label)


def _nothing_cited(depositor: Depositor) -> None:
    depositor.deposit.ClearField("statement_hashes")


def _answer_of_another_case(depositor: Depositor) -> None:
    ppa = depositor.program
    (other,) = ppa.ask(ppa.question(ppa.open_case("C2")))
    depositor.deposit.statement_hashes.append(other.statement_hash)


def _unknown_case(depositor: Depositor) -> None:
    depositor.deposit.case_leaf_hash = bytes(32)


def _closed_case(depositor: Depositor) -> None:
    depositor.program.cases.close("caf-ppa", [depositor.deposit.case_leaf_hash], "decided")


def _case_past_its_end(depositor: Depositor) -> None:
    clock = depositor.program.federation.clock
    clock.advance(days=121)
    depositor.deposit.signed_time_ms = to_milliseconds(clock())


def _too_old(depositor: Depositor) -> None:
    depositor.program.federation.clock.advance(seconds=61)


def _from_the_future(depositor: Depositor) -> None:
    depositor.deposit.signed_time_ms += 61_000


def _another_activity(depositor: Depositor) -> None:
    depositor.deposit.activity = "caf-rsa"


def _another_version(depositor: Depositor) -> None:
    depositor.deposit.version = 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_undeclared_output, "UNKNOWN_OUTPUT"),
        (_foreign_receipt, "RECEIPT_UNKNOWN"),
        (_receipt_of_another_activity, "RECEIPT_UNKNOWN"),
        (_refused_answer, "RECEIPT_UNKNOWN"),
        (_refusal_with_a_label, "RECEIPT_UNKNOWN"),
        (_nothing_cited, "NOTHING_CITED"),
        (_answer_of_another_case, "ANOTHER_CASE"),
        (_label_ended, "LABEL_ENDED"),
        (_unknown_case, "CASE_UNKNOWN"),
        (_closed_case, "CASE_CLOSED"),
        (_case_past_its_end, "CASE_CLOSED"),
        (_too_old, "STATEMENT_TOO_OLD"),
        (_from_the_future, "STATEMENT_TOO_OLD"),
        (_another_activity, "NOT_YOURS"),
        (_another_version, "NOT_YOURS"),
    ],
)
def test_deposit_that_does_not_fit_is_refused_and_kept_nowhere(
    federation: Federation,
    depositor: Depositor,
    spoil: Callable[[Depositor], None],
    reason: str,
) -> None:
    spoil(depositor)
    with pytest.raises(CloisonError, match=r"deposit|output") as caught:
        depositor.put()
    assert caught.value.reason == reason
    assert federation.entries(CAF, "deposited") == []
    assert list(federation.node(CAF).store.outputs("caf-ppa", "score")) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: raw + b"\xf8\x07\x01", "MALFORMED"),
        (lambda raw: raw[:-1], "MALFORMED"),
        (lambda raw: raw + bytes(65_536), "TOO_LARGE"),
        (lambda raw: raw[:0], "MALFORMED"),
    ],
    ids=["unknown field", "cut", "too large", "empty"],
)
def test_deposit_in_another_spelling_is_refused(
    depositor: Depositor, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    request = depositor.signed()
    request.deposit = spoil(request.deposit)
    request.signature = depositor.program.keys.sign(
        demands.DEPOSIT + sha256(request.deposit).digest()
    )
    with pytest.raises(CloisonError, match="deposit") as caught:
        depositor.hand_in(request)
    assert caught.value.reason == reason


def test_deposit_signed_by_another_activity_is_refused(
    federation: Federation, depositor: Depositor
) -> None:
    request = depositor.signed()
    rsa = federation.program("caf-rsa").keys
    request.signature = rsa.sign(demands.DEPOSIT + sha256(request.deposit).digest())
    with pytest.raises(CloisonError, match="signature") as caught:
        depositor.hand_in(request)
    assert caught.value.reason == "BAD_SIGNATURE"


def test_deposit_cites_tax_and_pay_under_both_labels(
    federation: Federation, ppa: Program, case: OpenedCase, depositor: Depositor
) -> None:
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
    (tax,) = ppa.ask(question)
    depositor.deposit.statement_hashes.append(tax.statement_hash)
    depositor.put()
    (entry,) = federation.entries(CAF, "deposited")
    assert {label.holder for label in entry.deposited.labels} == {"cnav", "dgfip"}
