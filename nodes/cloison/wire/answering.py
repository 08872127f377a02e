"""A call while it is answered: what its statements share, and the values each passes through."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cloison.bodies import BodyId
from cloison.errors import CloisonError
from cloison.exchange.conclude import conclude
from cloison.exchange.entries import Made
from cloison.exchange.obligations import HONOUR_OBJECTION, label_end
from cloison.exchange.statement import Statement, to_milliseconds
from cloison.identity import ActivityPublicKeys, Nir, seal_release, seal_secret
from cloison.law import PolicySet
from cloison.law.question import CaseFacts, Decision, Facts, Witnessing
from cloison.months import Month
from cloison.store import IdentityFacts
from cloison.v1 import receipt_pb2, release_pb2, statement_pb2
from cloison.wire.node import Node
from cloison.wire.status import failure_of

_SECRET_BYTES = 32
_GCM_NONCE_BYTES = 12
_PROMISED_FOR = timedelta(minutes=1)  # the promise is read again with each batch


@dataclass(frozen=True, slots=True)
class Person:
    """A person of a question, as this node knows them while it answers."""

    nir: Nir
    row_key: bytes
    traits: bytes
    reference: statement_pb2.PersonReference


@dataclass(slots=True)
class Call:
    """What the statements of one call share.

    Attributes:
        policy: The set its statements are decided by, to its end, whatever is loaded meanwhile.
        load: The last load there was before any of its data were read.
        witnessing: How lately witnesses saw the ledger of who answers.
    """

    peer: BodyId
    policy: PolicySet
    same_policy_set: bool
    peer_checkpoint_hash: bytes
    now: datetime
    load: int
    wrapped: "WrappedSecrets"
    witnessing: Witnessing
    secrets: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    of_case: Counter[bytes] = field(default_factory=Counter)

    def secret(self, keys: ActivityPublicKeys) -> tuple[bytes, bytes]:
        """The call's fresh secret for an activity, and that secret wrapped for it."""
        pair = self.secrets.get(keys.activity)
        if pair is None:
            pair = self.secrets[keys.activity] = self.wrapped.take(keys)
        return pair


class WrappedSecrets:
    """Secrets wrapped ahead of need, between calls. INVARIANT: each is given out once."""

    def __init__(self) -> None:
        self._ready: dict[ActivityPublicKeys, tuple[bytes, bytes] | None] = {}

    def take(self, keys: ActivityPublicKeys) -> tuple[bytes, bytes]:
        """A fresh 32-byte secret, and it wrapped for the activity."""
        pair = self._ready.get(keys)
        self._ready[keys] = None
        return pair or _wrap(keys)

    def prepare(self) -> None:
        """Wraps one for each activity that lately took one."""
        for keys, pair in self._ready.items():
            if pair is None:
                self._ready[keys] = _wrap(keys)


def _wrap(keys: ActivityPublicKeys) -> tuple[bytes, bytes]:
    secret = os.urandom(_SECRET_BYTES)
    return secret, seal_secret(keys, secret)


@dataclass(frozen=True, slots=True)
class Heard:
    """A statement past step 3: well formed, its own activity's, signed, in time."""

    statement: Statement
    signed: statement_pb2.SignedStatement
    persons: tuple[Person, ...]
    keys: ActivityPublicKeys


@dataclass(frozen=True, slots=True)
class Ready:
    """A decided question whose entry is not yet written."""

    entry: bytes
    sealed: bytes
    envelopes: tuple[bytes, ...]


def make_facts(call: Call, statement: Statement, case: CaseFacts | None) -> Facts:
    """The closed list, from what is known of the statement and its case."""
    cohort = statement.cohort
    return Facts(
        case=case,
        cohort=cohort is not None,
        named_agent=statement.agent != "batch",
        same_policy_set=call.same_policy_set,
        persons=cohort.size if cohort else len(statement.person_digests),
        witnessing=call.witnessing,
    )


def made_of(call: Call, heard: Heard, facts: Facts, decision: Decision) -> Made:
    """A decision of this call, as it is entered."""
    return Made(
        heard.statement,
        heard.signed,
        call.peer,
        facts,
        decision,
        call.policy.hash,
        call.peer_checkpoint_hash,
    )


def decide_population(call: Call, heard: Heard, persons: int) -> Made:
    """A question about so many persons, none of them named and no case among them, decided."""
    facts = replace(make_facts(call, heard.statement, None), cohort=True, persons=persons)
    decision = conclude(call.policy, heard.statement.question, facts, call.now)
    return made_of(call, heard, facts, decision)


def longest_case(policy: PolicySet, activity: str, case_type: str) -> timedelta:
    """How long a case of an activity may last, by its record; no time if it has none."""
    record = policy.activities.get(activity)
    declared = record.case_type(case_type) if record else None
    return timedelta(days=declared.validity_days if declared else 0)


def envelopes_of(
    node: Node, statement: Statement, nirs: Sequence[Nir], now: datetime
) -> tuple[bytes, ...]:
    """What was received and is kept of these persons, sealed as it came.

    INVARIANT: none is about anybody but those asked, whom the entry traces.
    """
    question = statement.question
    return tuple(
        node.store.received(
            question.received_by,
            question.holder,
            question.dataset,
            [node.row_key(nir) for nir in nirs],
            question.fields,
            question.first_month,
            question.last_month,
            question.received_for,
            now,
        )
    )


def make_label(statement: Statement, decision: Decision, now: datetime) -> release_pb2.Label:
    """From whom, for which one purpose, under which text, until when."""
    end = label_end(decision, now)
    return release_pb2.Label(
        holder=statement.holder,
        dataset=statement.question.dataset,
        received_for=statement.question.purpose,
        received_by=statement.question.activity,
        text=decision.text,
        until_ms=to_milliseconds(end) if end else 0,
    )


def seal(call: Call, heard: Heard, plain: bytes, part: bytes = b"") -> bytes:
    """Step 8: a serialised release only the activity's program can open, bound to its statement.

    `part` binds it to its place in a cohort.
    """
    secret, wrapped = call.secret(heard.keys)
    nonce = os.urandom(_GCM_NONCE_BYTES)
    return release_pb2.SealedRelease(
        version=1,
        sealing_key_id=heard.keys.sealing_key_id,
        wrapped_secret=wrapped,
        nonce=nonce,
        ciphertext=seal_release(secret, nonce, plain, heard.statement.hash, part),
        statement_hash=heard.statement.hash,
        part=part,
    ).SerializeToString()


def promised_case(
    statement: Statement, now: datetime, questions_before: int = 0
) -> CaseFacts | None:
    """The case every person of a cohort is promised to stand in; each batch proves it."""
    cohort = statement.cohort
    if cohort is None or cohort.case_month is None:
        return None
    month: Month = cohort.case_month
    return CaseFacts(
        type=cohort.case_type,
        activity=statement.question.activity,
        month=month,
        opened_time=now,
        valid_until=now + _PROMISED_FOR,
        covers_persons=True,
        questions_before=questions_before,
    )


def may_be_answered(known: IdentityFacts | None, decision: Decision, *, objected: bool) -> bool:
    """A permanent NIR known here, alive, no objection where one counts.

    An objection stands in the body's own file, or, `objected`, was made here.
    """
    if known is None or not known.permanent or known.dead:
        return False
    objection_counts = any(duty.kind == HONOUR_OBJECTION for duty in decision.obligations)
    return not (objection_counts and (known.objected or objected))


def fail(error: CloisonError) -> receipt_pb2.Answer:
    """An answer that says why no decision was reached."""
    return receipt_pb2.Answer(failure=failure_of(error))
