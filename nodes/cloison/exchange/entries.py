"""Step 8: the entries of a ledger, and what an index finds them by.

INVARIANT: an entry holds digests, hashes, codes and dates; never a NIR, never a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from google.protobuf.message import DecodeError, Message

from cloison.bodies import BodyId
from cloison.errors import IntegrityError
from cloison.exchange.obligations import NOTICE
from cloison.exchange.statement import Statement, to_milliseconds
from cloison.exchange.values import decision_to_proto, facts_to_proto
from cloison.law.question import Decision, Facts
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.v1 import contestation_pb2, decision_pb2, entry_pb2, release_pb2, statement_pb2

VERSION = 1
_KINDS = {
    kind.message_type.full_name: kind.name
    for kind in entry_pb2.Entry.DESCRIPTOR.oneofs_by_name["kind"].fields
    if kind.message_type is not None
}


def parse_entry(data: bytes) -> entry_pb2.Entry:
    """An entry of a kind we know, with nothing in it that we do not.

    INVARIANT: what a peer hid in unknown fields is copied nowhere.

    Raises:
        IntegrityError: `BAD_ENTRY`.
    """
    entry = entry_pb2.Entry()
    try:
        entry.ParseFromString(data)
    except DecodeError as error:
        raise IntegrityError("BAD_ENTRY", "entry: cannot be decoded") from error
    entry.DiscardUnknownFields()
    if entry.version != VERSION or entry.WhichOneof("kind") is None:
        raise IntegrityError("BAD_ENTRY", f"entry: version {entry.version}, kind unknown")
    return entry


def _entry(now: datetime) -> entry_pb2.Entry:
    return entry_pb2.Entry(version=VERSION, entry_time_ms=to_milliseconds(now))


def _bytes(entry: entry_pb2.Entry) -> bytes:
    return entry.SerializeToString(deterministic=True)


def entry_of(part: Message, now: datetime) -> bytes:
    """The entry that says this, of the kind the message is of.

    Args:
        part: A message of `Entry.kind`; no other has a place in a ledger.
        now: The node's clock.
    """
    entry = _entry(now)
    getattr(entry, _KINDS[part.DESCRIPTOR.full_name]).CopyFrom(part)
    return _bytes(entry)


def bare_signed(signed: statement_pb2.SignedStatement) -> statement_pb2.SignedStatement:
    """A signed statement without whatever else came in its message."""
    return statement_pb2.SignedStatement(
        statement=signed.statement,
        signature=signed.signature,
        batch_index=signed.batch_index,
        batch_size=signed.batch_size,
        batch_path=signed.batch_path,
    )


def asked_entry(
    signed: statement_pb2.SignedStatement, trace_keys: Sequence[bytes], now: datetime
) -> bytes:
    """The requester's node is about to forward this statement."""
    entry = _entry(now)
    entry.asked.signed.CopyFrom(bare_signed(signed))
    entry.asked.trace_keys.extend(trace_keys)
    return _bytes(entry)


@dataclass(frozen=True, slots=True)
class Made:
    """All that made a decision, as the holder writes it down."""

    statement: Statement
    signed: statement_pb2.SignedStatement
    peer: BodyId
    facts: Facts
    decision: Decision
    policy_set: bytes
    peer_checkpoint_hash: bytes


def decided_entry(
    made: Made,
    sealed: bytes,
    label: release_pb2.Label | None,
    trace_keys: Sequence[bytes],
    now: datetime,
) -> bytes:
    """The holder decided; `sealed` is what leaves, empty if nothing does."""
    entry = _entry(now)
    decided = entry.decided
    decided.CopyFrom(decided_of(made))
    decided.sealed_hash = sha256(sealed).digest() if sealed else b""
    if label is not None:
        decided.label.CopyFrom(label)
    decided.trace_keys.extend(trace_keys)
    return _bytes(entry)


def decided_of(made: Made) -> entry_pb2.Decided:
    """A decision and all that made it, before anything leaves."""
    return entry_pb2.Decided(
        signed=bare_signed(made.signed),
        peer=made.peer,
        facts=facts_to_proto(made.facts, made.statement.question.received_for),
        decision=decision_to_proto(made.decision),
        policy_set=made.policy_set,
        peer_checkpoint_hash=made.peer_checkpoint_hash,
    )


def received_entry(
    statement: Statement,
    receipt_index: int,
    decided_bytes: bytes,
    decided: entry_pb2.Decided,
    trace_keys: Sequence[bytes],
    peer_checkpoint_hash: bytes,
    now: datetime,
) -> bytes:
    """The requester's node has the answer and checked its receipt."""
    entry = _entry(now)
    received = entry.received
    received.statement_hash = statement.hash
    received.holder = statement.holder
    received.leaf_index = receipt_index
    received.leaf_hash = leaf_hash(decided_bytes)
    received.outcome = decided.decision.outcome
    received.reason = decided.decision.reason
    received.sealed_hash = decided.sealed_hash
    if decided.HasField("label"):
        received.label.CopyFrom(decided.label)
    received.person_digests.extend(statement.person_digests)
    received.trace_keys.extend(trace_keys)
    received.peer_checkpoint_hash = peer_checkpoint_hash
    if decided.decision.outcome != decision_pb2.OUTCOME_DENY:  # in shadow mode nobody is told
        received.notices.extend(
            duty.value for duty in decided.decision.obligations if duty.kind == NOTICE
        )
    return _bytes(entry)


def case_opened_entry(
    case_type: str,
    activity: str,
    month: Month,
    valid_until: datetime,
    person_digests: Sequence[bytes],
    reference_digest: bytes,
    trace_keys: Sequence[bytes],
    now: datetime,
) -> bytes:
    """A case is open, for these persons, until then."""
    entry = _entry(now)
    opened = entry.case_opened
    opened.type = case_type
    opened.activity = activity
    opened.month = month.number
    opened.valid_until_ms = to_milliseconds(valid_until)
    opened.person_digests.extend(person_digests)
    opened.reference_digest = reference_digest
    opened.trace_keys.extend(trace_keys)
    return _bytes(entry)


def case_renewed_entry(case_leaf_hash: bytes, valid_until: datetime, now: datetime) -> bytes:
    """A case lives on, until then."""
    entry = _entry(now)
    entry.case_renewed.case_leaf_hash = case_leaf_hash
    entry.case_renewed.valid_until_ms = to_milliseconds(valid_until)
    return _bytes(entry)


def case_closed_entry(case_leaf_hash: bytes, outcome: str, now: datetime) -> bytes:
    """A case is over."""
    entry = _entry(now)
    entry.case_closed.case_leaf_hash = case_leaf_hash
    entry.case_closed.outcome = outcome
    return _bytes(entry)


def cohort_part_entry(
    statement_hash: bytes,
    batch_index: int,
    person_digests: Sequence[bytes],
    trace_keys: Sequence[bytes],
    sealed: bytes,
    peer: BodyId,
    now: datetime,
    *,
    last: bool,
    cases: Sequence[bytes] = (),
    received: bytes = b"",
) -> bytes:
    """A batch of a cohort is about to leave; or it came, `received` the holder's leaf hash."""
    entry = _entry(now)
    part = entry.cohort_part
    part.statement_hash = statement_hash
    part.batch_index = batch_index
    part.last = last
    part.person_digests.extend(person_digests)
    part.trace_keys.extend(trace_keys)
    part.sealed_hash = sha256(sealed).digest()
    part.peer = peer
    part.case_leaf_hashes.extend(cases)
    part.received = bool(received)
    part.leaf_hash = received
    return _bytes(entry)


def failures_entry(
    peer: str, minute: datetime, counts: Sequence[tuple[str, int]], now: datetime
) -> bytes:
    """What one peer failed at, in one minute."""
    entry = _entry(now)
    entry.failures.peer = peer
    entry.failures.minute_ms = to_milliseconds(minute)
    for reason, count in counts:
        entry.failures.counts.add(reason=reason, count=count)
    return _bytes(entry)


def contested_entry(
    contestation: contestation_pb2.SignedContestation,
    peer: BodyId,
    trace_keys: Sequence[bytes],
    now: datetime,
) -> bytes:
    """A person's contestation is passed on to this peer, or was taken from it."""
    entry = _entry(now)
    entry.contested.signed.contestation = contestation.contestation
    entry.contested.signed.signature = contestation.signature
    entry.contested.peer = peer
    entry.contested.trace_keys.extend(trace_keys)
    return _bytes(entry)


def contestation_answered_entry(
    contestation_hash: bytes,
    peer: BodyId,
    record_version: int,
    trace_keys: Sequence[bytes],
    now: datetime,
    *,
    changed: bool,
) -> bytes:
    """Whoever declared a contested line declared anew."""
    entry = _entry(now)
    answered = entry.contestation_answered
    answered.contestation_hash = contestation_hash
    answered.peer = peer
    answered.record_version = record_version
    answered.changed = changed
    answered.trace_keys.extend(trace_keys)
    return _bytes(entry)


def contestations_told_entry(
    activity: str,
    agent: str,
    contestation_hashes: Sequence[bytes],
    trace_keys: Sequence[bytes],
    now: datetime,
) -> bytes:
    """An agent is about to be given whom these contestations are about."""
    entry = _entry(now)
    told = entry.contestations_told
    told.activity = activity
    told.agent = agent
    told.contestation_hashes.extend(contestation_hashes)
    told.trace_keys.extend(trace_keys)
    return _bytes(entry)


def started_entry(software: str, policy_set: bytes, now: datetime) -> bytes:
    """The node started, with this policy set."""
    entry = _entry(now)
    entry.started.software = software
    entry.started.policy_set = policy_set
    return _bytes(entry)


def notice_given_entry(
    activity: str,
    case_leaf_hash: bytes,
    notice: str,
    agent: str,
    trace_keys: Sequence[bytes],
    now: datetime,
) -> bytes:
    """The persons of a case were told what a permit obliged to tell them."""
    entry = _entry(now)
    given = entry.notice_given
    given.activity = activity
    given.case_leaf_hash = case_leaf_hash
    given.notice = notice
    given.agent = agent
    given.trace_keys.extend(trace_keys)
    return _bytes(entry)
