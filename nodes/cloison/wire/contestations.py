"""The holder's side of a contestation: taken, and closed when the declarant declares anew.

The law decides nothing here, for nothing leaves: who was permitted a line, and given it, may say
that its person contests it. What is asked for is proof of that permit; it stands in this ledger.

INVARIANT: a contestation changes no record and no period's status. The declarant alone corrects, by
declaring anew; a status that anybody's word could set would hold up that person's rights.
"""

from collections.abc import Sequence
from datetime import datetime

from cloison.bodies import BodyId
from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.contestation import (
    Contestation,
    Line,
    parse_contestation,
    parse_line,
    signed_message,
)
from cloison.exchange.entries import (
    contestation_answered_entry,
    contested_entry,
    parse_entry,
)
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import (
    Statement,
    check_persons,
    check_signed_time,
    parse_statement,
)
from cloison.exchange.values import decision_from_proto
from cloison.identity import Nir, traits_digest
from cloison.store import Redeclared
from cloison.v1 import (
    contestation_pb2,
    decision_pb2,
    entry_pb2,
    receipt_pb2,
    statement_pb2,
)
from cloison.wire.answering import may_be_answered
from cloison.wire.contestation_rows import ContestedLine, ContestedPerson
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_PERMITTED = frozenset({decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS})


class ContestationDesk:
    """What persons contest of the lines this node holds."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen_load = self._looking_load = 0
        self._to_look_at: list[ContestedLine] = []

    def take(self, peer: BodyId, item: contestation_pb2.ContestItem) -> receipt_pb2.Receipt:
        """Keeps a contestation and enters it; the same bytes again change nothing.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`, `BAD_NIR`, …
            PeerError: `NOT_YOURS`, `WRONG_HOLDER`, `UNKNOWN_ACTIVITY_KEY`, `BAD_SIGNATURE`,
                `STATEMENT_TOO_OLD`, `DIGEST_MISMATCH`; `LINE_UNKNOWN`: no line of an answer given
                to this activity; `LINE_REPLACED`: a later version is here; `ALREADY_CONTESTED`.
            StorageError: the vault, the store or the ledger refused; nothing is acknowledged.
        """
        node, now = self._node, self._node.clock()
        signed = item.contestation
        contestation = self._read(peer, signed)
        known = node.index.first("contested", contestation.hash)
        if known is not None:
            return node.receipt(known)
        check_signed_time("contestation", contestation.signed_time, now)
        line = parse_line(item.line, contestation.line_digest)
        (nir,) = check_persons([contestation.person_digest], [item.person])
        held = self._held(contestation, line, nir, item.person, now)
        person = ContestedPerson(
            nir, item.person.birth_name, item.person.birth_date, line.says, line.amount_cents
        )
        with node.vault.transaction():
            self._check_first(contestation, held, line)
            node.vault.contestations.keep(contestation.activity, held, person)
            traces = node.vault.trace_keys([held.subject], utc_day(now))
        (receipt,) = node.append([contested_entry(signed, peer, traces, now)])
        return receipt

    def _read(self, peer: BodyId, signed: contestation_pb2.SignedContestation) -> Contestation:
        contestation = parse_contestation(signed.contestation)
        if contestation.requester != peer:
            raise PeerError("NOT_YOURS", "contestation: made for another body than this peer")
        if contestation.holder != self._node.body:
            raise PeerError(
                "WRONG_HOLDER", f"contestation: for `{contestation.holder}`, not this node"
            )
        keys = self._node.activities.get(contestation.activity)
        if keys is None or keys.body != peer:
            raise PeerError(
                "UNKNOWN_ACTIVITY_KEY",
                f"activity `{contestation.activity}`: no key of this body is registered",
            )
        keys.verify(signed_message(signed.contestation), signed.signature)
        return contestation

    def _held(
        self,
        contestation: Contestation,
        line: Line,
        nir: Nir,
        person: statement_pb2.PersonReference,
        now: datetime,
    ) -> ContestedLine:
        """The line as this node holds it, if it stood in an answer given to that activity."""
        node = self._node
        subject = node.row_key(nir)
        question = self._answered(contestation, subject).question
        # The declarant is told the name: it must be the one this node knows the number by.
        traits = traits_digest(node.row_secret, nir, person.birth_name, person.birth_date)
        identity = node.store.identity(subject)
        found = None
        if question.first_month <= line.month <= question.last_month:
            place = (question.dataset, subject, line.month.number, line.source, line.version)
            found = node.store.lines.find(*place)
        if found is None or identity is None or identity.traits_digest != traits:
            raise _unknown()
        if not found.live:
            raise PeerError(
                "LINE_REPLACED", "contested line: a later version is here", "ask for it anew"
            )
        return ContestedLine(
            hash=contestation.hash,
            peer=contestation.requester,
            subject=subject,
            dataset=question.dataset,
            declarant=found.declarant,
            month=line.month,
            source=line.source,
            version=line.version,
            after_load=found.load,
            entered_time=now,
        )

    def _answered(self, contestation: Contestation, subject: bytes) -> Statement:
        """The statement whose answer the line is said to stand in, about the person `subject`."""
        index = self._node.index.first("decided", contestation.statement_hash)
        entry = entry_pb2.Entry() if index is None else self._entry(index)
        decided = entry.decided
        permitted = decided.decision.outcome in _PERMITTED
        if not permitted or decided.peer != contestation.requester:
            raise _unknown()
        statement = parse_statement(decided.signed.statement)
        if statement.cohort is None:
            digests: Sequence[bytes] = statement.person_digests if decided.sealed_hash else ()
        elif self._is_answered_about(subject, statement, decided):
            digests = self._batch_with(contestation)
        else:
            digests = ()
        same = statement.question.activity == contestation.activity
        if not same or contestation.person_digest not in digests:
            raise _unknown()
        return statement

    def _is_answered_about(
        self, subject: bytes, statement: Statement, decided: entry_pb2.Decided
    ) -> bool:
        """Whether a cohort's answer holds anything of a person: it says nothing of some."""
        node = self._node
        objected = node.vault.objections.any_of([subject], [statement.question.purpose])
        decision = decision_from_proto(decided.decision)
        return may_be_answered(node.store.identity(subject), decision, objected=objected)

    def _batch_with(self, contestation: Contestation) -> Sequence[bytes]:
        """Whom the batch that names the person is about; batches left in order, from the first."""
        node = self._node
        batch = 0
        while True:
            place = node.index.first("left", part_key(contestation.statement_hash, batch))
            if place is None:
                return ()
            data = node.traces.entry(place)
            if contestation.person_digest in data:
                return parse_entry(data).cohort_part.person_digests
            batch += 1

    def _entry(self, index: int) -> entry_pb2.Entry:
        return parse_entry(self._node.traces.entry(index))

    def _check_first(self, contestation: Contestation, held: ContestedLine, line: Line) -> None:
        """One open contestation a line and activity: what another activity sent is not told."""
        rows = self._node.vault.contestations
        for one in rows.of_line(contestation.activity, held.dataset, held.subject, line):
            entered = self._node.index.first("contested", one.hash) is not None
            if one.answer is None and entered:
                raise PeerError(
                    "ALREADY_CONTESTED",
                    "contested line: its declarant is being told",
                    "wait for what they declare",
                )

    def enter_answers(self) -> int:
        """Closes what declarants answered, some hundred at a call; how many it closed.

        Looks at every open contestation after each load: a projection of the store, so what a
        crash left out is found again. Questions wait for no more than one call's worth.

        Raises:
            StorageError: the vault, the store or the ledger refused.
        """
        node = self._node
        if not self._to_look_at:
            load = node.store.lines.last_load()
            if load == self._seen_load:
                return 0
            self._looking_load = load
            self._to_look_at = list(node.vault.contestations.open())
        some = self._to_look_at[: limits.CONTESTATIONS_PER_ENTRY]
        answered = [(one, answer) for one in some if (answer := self._answer(one)) is not None]
        if answered:
            self._enter(answered)
        self._to_look_at = self._to_look_at[len(some) :]
        if not self._to_look_at:
            self._seen_load = self._looking_load
        return len(answered)

    def _answer(self, one: ContestedLine) -> Redeclared | None:
        entered = self._node.index.first("answered", one.hash)
        if entered is not None:  # a crash took the row's word of it, or it was maintained
            said = self._entry(entered).contestation_answered
            return Redeclared(said.record_version, said.changed)
        place = (one.dataset, one.subject, one.month.number, one.source, one.version)
        return self._node.store.lines.redeclared(*place, one.after_load)

    def _enter(self, answered: Sequence[tuple[ContestedLine, Redeclared]]) -> None:
        node, now = self._node, self._node.clock()
        with node.vault.transaction():
            entries = [
                contestation_answered_entry(
                    one.hash,
                    one.peer,
                    answer.version,
                    node.vault.trace_keys([one.subject], utc_day(now)),
                    now,
                    changed=answer.changed,
                )
                for one, answer in answered
                if node.index.first("answered", one.hash) is None
            ]
        # The entry first: what is still open in the vault after a crash is looked at again.
        if entries:
            node.enter(entries)
        with node.vault.lasting():
            for one, answer in answered:
                node.vault.contestations.answer(one.hash, answer)


def _unknown() -> PeerError:
    return PeerError(
        "LINE_UNKNOWN",
        "contested line: stands in no answer given to this activity",
        "contest a line as it was received",
    )
