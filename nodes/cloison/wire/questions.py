"""A program's own work on a question: build and sign it, check its receipt, open its seal.

Pure but for fresh randomness. Both clients use it, and whoever drives the stub otherwise.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from google.protobuf.message import DecodeError

from cloison.bodies import BodyId
from cloison.errors import CloisonError, IntegrityError
from cloison.exchange import limits
from cloison.exchange.cohort_release import read_cohort_envelope
from cloison.exchange.contestation import line_digest, signed_message
from cloison.exchange.receipt import verify_answer
from cloison.exchange.statement import GRANULARITY_NUMBERS, to_milliseconds
from cloison.exchange.values import decision_from_proto
from cloison.identity import (
    ActivityKeys,
    open_release,
    open_secret,
    parse_nir,
    person_digest,
    sign_batch,
)
from cloison.ledger.checkpoint import Checkpoint
from cloison.v1 import contestation_pb2, receipt_pb2, release_pb2, statement_pb2
from cloison.wire.gateway import AskFor, Contest, Member, ReceiptRef, Reply
from cloison.wire.status import error_of

_CACHED_SECRETS = 64
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Question:
    """A statement ready to be signed, and what goes beside it."""

    statement: bytes
    persons: tuple[statement_pb2.PersonReference, ...]
    case: bytes
    renewal: bytes


def build_statement(
    keys: ActivityKeys,
    ask: AskFor,
    now: datetime,
    cohort: statement_pb2.Cohort | None = None,
) -> Question:
    """A statement with fresh salts and nonce."""
    persons = tuple(person_reference(member) for member in ask.persons)
    selection = statement_pb2.Selection(
        dataset=ask.dataset,
        fields=sorted(ask.fields),
        first_month=ask.first.number,
        last_month=ask.last.number,
        granularity=GRANULARITY_NUMBERS[ask.granularity],
    )
    if ask.received is not None:
        selection.received.from_holder = ask.received.holder
        selection.received.received_for = ask.received.purpose
        selection.received.received_by = ask.received.activity
    statement = statement_pb2.Statement(
        version=_VERSION,
        requester=keys.body,
        holder=ask.holder,
        activity=keys.activity,
        purpose=ask.purpose,
        legal_basis=ask.legal_basis,
        agent=ask.agent,
        selection=selection,
        person_digests=[person_digest(one.salt, parse_nir(one.nir)) for one in persons],
        case_leaf_hash=ask.case.leaf_hash if ask.case else b"",
        sealing_key_id=keys.public.sealing_key_id,
        signed_time_ms=to_milliseconds(now),
        nonce=os.urandom(limits.NONCE_BYTES),
        cohort=cohort,
    )
    raw = statement.SerializeToString(deterministic=True)
    if ask.case is None:
        return Question(raw, persons, b"", b"")
    return Question(raw, persons, ask.case.proof, ask.case.renewal)


def person_reference(member: Member) -> statement_pb2.PersonReference:
    """A person as they travel beside a statement, with a fresh salt."""
    return statement_pb2.PersonReference(
        nir=member.nir,
        salt=os.urandom(limits.SALT_BYTES),
        birth_name=member.birth_name,
        birth_date=member.birth_date.isoformat(),
        case_salt=member.case_salt,
    )


def build_items(keys: ActivityKeys, questions: Sequence[Question]) -> list[statement_pb2.AskItem]:
    """1 to 64 questions under one signature."""
    parts = sign_batch(keys, [question.statement for question in questions])
    return [
        statement_pb2.AskItem(
            statement=statement_pb2.SignedStatement(
                statement=question.statement,
                signature=part.signature,
                batch_index=part.batch_index,
                batch_size=part.batch_size,
                batch_path=part.batch_path,
            ),
            persons=question.persons,
            case=_proof(question.case),
            renewal=_proof(question.renewal),
        )
        for question, part in zip(questions, parts, strict=True)
    ]


def build_contest(
    keys: ActivityKeys, contest: Contest, now: datetime
) -> contestation_pb2.ContestItem:
    """A signed contestation, with fresh salt and nonce, and what goes beside it."""
    member, salt = contest.question.persons[contest.person], contest.reply.salts[contest.person]
    line = contestation_pb2.ContestedLine(
        salt=os.urandom(limits.SALT_BYTES),
        period=contest.month.number,
        source=contest.source,
        record_version=contest.version,
        says=contest.says,
        amount_cents=contest.amount_cents,
    ).SerializeToString(deterministic=True)
    raw = contestation_pb2.Contestation(
        version=_VERSION,
        requester=keys.body,
        holder=contest.question.holder,
        activity=keys.activity,
        statement_hash=contest.reply.statement_hash,
        person_digest=person_digest(salt, member.nir),
        line_digest=line_digest(line),
        signed_time_ms=to_milliseconds(now),
        nonce=os.urandom(limits.NONCE_BYTES),
    ).SerializeToString(deterministic=True)
    person = person_reference(member)
    person.salt = salt
    person.ClearField("case_salt")
    signed = contestation_pb2.SignedContestation(
        contestation=raw, signature=keys.sign(signed_message(raw))
    )
    return contestation_pb2.ContestItem(contestation=signed, person=person, line=line)


def _proof(data: bytes) -> statement_pb2.CaseProof | None:
    return statement_pb2.CaseProof.FromString(data) if data else None


class Opener:
    """Opens sealed releases; a call's secret is unwrapped once."""

    def __init__(self, keys: ActivityKeys) -> None:
        self._keys = keys
        self._secrets: OrderedDict[bytes, bytes] = OrderedDict()

    def open(self, data: bytes, statement_hash: bytes) -> release_pb2.Release:
        """The release, bound to that statement.

        Raises:
            IntegrityError: `NOT_FOR_THIS_ACTIVITY`, `BAD_SEAL`.
        """
        try:
            release = release_pb2.Release.FromString(self.open_plain(data, statement_hash))
        except DecodeError as error:
            raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
        if release.statement_hash != statement_hash:
            raise IntegrityError("BAD_SEAL", "release: of another statement")
        return release

    def open_plain(self, data: bytes, statement_hash: bytes, part: bytes = b"") -> bytes:
        """What the seal holds, as bytes. Raises as `open`."""
        try:
            sealed = release_pb2.SealedRelease.FromString(data)
        except DecodeError as error:
            raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
        secret = self._secret(sealed.wrapped_secret)
        return open_release(secret, sealed.nonce, sealed.ciphertext, statement_hash, part)

    def open_envelope(self, data: bytes) -> release_pb2.Release:
        """A release handed back later: it says itself which statement it answers."""
        try:
            sealed = release_pb2.SealedRelease.FromString(data)
        except DecodeError as error:
            raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
        if not sealed.part:
            return self.open(data, sealed.statement_hash)
        plain = self.open_plain(data, sealed.statement_hash, sealed.part)
        return read_cohort_envelope(plain, sealed.statement_hash)

    def _secret(self, wrapped: bytes) -> bytes:
        secret = self._secrets.get(wrapped)
        if secret is None:
            secret = self._secrets[wrapped] = open_secret(self._keys, wrapped)
            if len(self._secrets) > _CACHED_SECRETS:
                self._secrets.popitem(last=False)
        return secret


def check_release(
    release: release_pb2.Release, fields: Sequence[str], person_digests: Sequence[bytes]
) -> None:
    """These fields, of these persons, in this order: programs read both by their place.

    Raises:
        IntegrityError: `BAD_SEAL`.
    """
    digests = [person.person_digest for person in release.persons]
    if list(release.fields) != list(fields) or digests != list(person_digests):
        raise IntegrityError("BAD_SEAL", "release: of other fields or persons than its entry")


def check_and_open(
    opener: Opener,
    holder: BodyId,
    statement: bytes,
    answer: receipt_pb2.Answer,
    verify_checkpoint: Callable[[bytes], Checkpoint],
) -> Reply:
    """Step 9: the receipt is checked before anything is opened."""
    statement_hash = sha256(statement).digest()
    if answer.HasField("failure"):
        return Reply(statement_hash, None, None, None, error_of(answer.failure))
    try:
        checked = verify_answer(answer, statement, verify_checkpoint)
        decided = checked.entry.decided
        decision = decision_from_proto(decided.decision)
        sealed = answer.sealed_release
        release = opener.open(sealed, statement_hash) if sealed else None
        if release is not None:
            asked = statement_pb2.Statement.FromString(statement)
            check_release(release, asked.selection.fields, asked.person_digests)
            if release.label != decided.label:
                raise IntegrityError("BAD_SEAL", "release: its label is not the one entered")
        envelopes = tuple(opener.open_envelope(one) for one in answer.envelopes)
    except CloisonError as error:
        return Reply(statement_hash, None, None, None, error)
    receipt = ReceiptRef(holder, checked.leaf_index, checked.leaf_hash, checked.head.size)
    return Reply(statement_hash, decision, receipt, release, envelopes=envelopes)
