"""The holder's side of a question: steps 1 to 9 of DESIGN §4, a call at a time.

A call is 1 to 64 statements. Each is decided, entered and answered on its own; they share one vault
commit, one ledger append, one checkpoint and, per activity, one sealing secret.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.cases.proof import ProvedCase, allow_skew, verify_case
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.conclude import conclude
from cloison.exchange.entries import decided_entry, parse_entry
from cloison.exchange.receipt import envelope_bytes
from cloison.exchange.release import build_release
from cloison.exchange.statement import (
    Statement,
    check_persons,
    check_time,
    parse_statement,
)
from cloison.identity import (
    ActivityPublicKeys,
    Nir,
    traits_digest,
    verify_signed,
)
from cloison.law import PolicySet
from cloison.law.question import Action, CaseFacts, Decision, Facts, Witnessing
from cloison.store import PersonData
from cloison.v1 import receipt_pb2, statement_pb2
from cloison.wire.answered import answered_under
from cloison.wire.answering import (
    Call,
    Heard,
    Person,
    Ready,
    WrappedSecrets,
    envelopes_of,
    fail,
    longest_case,
    made_of,
    make_facts,
    make_label,
    may_be_answered,
    seal,
)
from cloison.wire.node import Node
from cloison.wire.seen import age_seconds
from cloison.wire.vault import utc_day

_CACHED_CASES = 4096


class Holder:
    """Answers statements from this node's own data, or from what it received."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.wrapped = WrappedSecrets()
        # A case is proved by the same bytes for each question about it. Only what holds is kept,
        # and what holds is of bounded size: `verify_case` refuses whatever else came with it.
        self._proved = lru_cache(_CACHED_CASES)(self._verify)

    def call(self, peer: BodyId, policy_set: bytes, checkpoint: bytes) -> Call:
        """Step 1, for the whole call. Raises `PeerError` if the head given is not the peer's."""
        if checkpoint:
            limits.check_count("checkpoint bytes", len(checkpoint), 1, limits.CHECKPOINT_BYTES)
        self._node.see_policy_set(peer, policy_set)
        return Call(
            peer=peer,
            policy=self._node.policy,
            same_policy_set=policy_set == self._node.policy.hash,
            peer_checkpoint_hash=self._node.heads.see(peer, checkpoint),
            now=self._node.clock(),
            load=self._node.store.last_load(),
            wrapped=self.wrapped,
            witnessing=self.witnessing(),
        )

    def witnessing(self) -> Witnessing:
        """How lately enough witnesses saw this node's own ledger."""
        seen = self._node.seen
        return Witnessing(not seen.asks, seen.age(self._node.clock()))

    def answer(
        self, call: Call, items: Sequence[statement_pb2.AskItem]
    ) -> list[receipt_pb2.Answer]:
        """The answers, in order; every entry is on disk before this returns.

        Raises:
            InputError: `TOO_LARGE`, `MALFORMED`: not 1 to 64 items.
            StorageError: the vault, the store or the ledger refused; then nothing leaves.
        """
        limits.check_count("items", len(items), 1, limits.ITEMS_PER_CALL)
        answers: list[receipt_pb2.Answer | Ready] = []
        with self._node.vault.transaction():
            seen: dict[bytes, int] = {}
            for item in items:
                place = seen.setdefault(item.statement.statement, len(answers))
                fresh = place == len(answers)
                answers.append(self._one(call, item) if fresh else answers[place])
        return self._enter(answers)

    def _enter(self, answers: Sequence[receipt_pb2.Answer | Ready]) -> list[receipt_pb2.Answer]:
        # INVARIANT: nothing leaves without a durable entry that says why.
        ready = list({id(one): one for one in answers if isinstance(one, Ready)}.values())
        receipts = self._node.append([one.entry for one in ready]) if ready else []
        receipt_of = {id(one): receipt for one, receipt in zip(ready, receipts, strict=True)}
        return [
            receipt_pb2.Answer(
                receipt=receipt_of[id(one)],
                sealed_release=one.sealed,
                envelopes=one.envelopes,
            )
            if isinstance(one, Ready)
            else one
            for one in answers
        ]

    def _one(self, call: Call, item: statement_pb2.AskItem) -> receipt_pb2.Answer | Ready:
        try:
            heard = self.hear(call, item.statement, item.persons)
            if isinstance(heard, receipt_pb2.Answer):
                return heard
            _require_single(heard.statement)
            return self._decide_and_seal(call, heard, item)
        except (InputError, PeerError) as error:
            self._node.failures.add(call.peer, error.reason, call.now)
            return fail(error)

    def hear_again(self, call: Call, signed: statement_pb2.SignedStatement) -> Heard:
        """A cohort's statement that was decided before: signed as it was, however long ago.

        Raises:
            InputError, PeerError: as `hear`, but for its time.
        """
        statement = self._addressed(call, signed)
        return Heard(statement, signed, (), self._check_activity(statement, signed))

    def hear_beside(self, call: Call, signed: statement_pb2.SignedStatement) -> Heard:
        """A statement for another holder, which this node takes a part in answering.

        Raises:
            InputError, PeerError: as `hear`, but for whom it is for and whether it was heard.
        """
        statement = _of_peer(call, signed)
        keys = self._check_activity(statement, signed)
        check_time(statement, call.now)
        check_persons(statement.person_digests, ())
        return Heard(statement, signed, (), keys)

    def _addressed(self, call: Call, signed: statement_pb2.SignedStatement) -> Statement:
        statement = _of_peer(call, signed)
        if statement.holder != self._node.body:
            raise PeerError("WRONG_HOLDER", f"statement: for `{statement.holder}`, not this node")
        return statement

    def hear(
        self,
        call: Call,
        signed: statement_pb2.SignedStatement,
        persons: Sequence[statement_pb2.PersonReference],
    ) -> Heard | receipt_pb2.Answer:
        """Steps 1 to 3; or the stored answer, if these very bytes were answered already.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`, `BAD_NIR`, …
            PeerError: `NOT_YOURS`, `WRONG_HOLDER`, `UNKNOWN_ACTIVITY_KEY`, `BAD_SIGNATURE`,
                `STATEMENT_TOO_OLD`, `STATEMENT_FROM_THE_FUTURE`, `DIGEST_MISMATCH`, `SALT_REUSED`,
                `REPLAYED`.
        """
        statement = self._addressed(call, signed)
        repeated = self._repeated(statement, persons, call.now)
        if repeated is not None:
            return repeated
        keys = self._check_activity(statement, signed)  # 3
        check_time(statement, call.now)
        nirs = check_persons(statement.person_digests, persons)  # 2, once it is known who signed
        return Heard(statement, signed, self._keep(statement, nirs, persons, call.now), keys)

    def _keep(
        self,
        statement: Statement,
        nirs: Sequence[Nir],
        persons: Sequence[statement_pb2.PersonReference],
        now: datetime,
    ) -> tuple[Person, ...]:
        kept = []
        for nir, person in zip(nirs, persons, strict=True):
            self._node.vault.openings.keep(person.salt, nir, statement.hash, now)
            kept.append(self.person(nir, person))
        return tuple(kept)

    def person(self, nir: Nir, reference: statement_pb2.PersonReference) -> Person:
        """A person as this node names them. Raises `InputError` (`BAD_NAME`, `BAD_DATE`)."""
        # Here and not when they are compared: whether traits are well spelled must not show
        # whether the person is known.
        traits = traits_digest(
            self._node.row_secret, nir, reference.birth_name, reference.birth_date
        )
        return Person(nir, self._node.row_key(nir), traits, reference)

    def _check_activity(
        self, statement: Statement, signed: statement_pb2.SignedStatement
    ) -> ActivityPublicKeys:
        keys = self._node.activities.get(statement.question.activity)
        if keys is None or keys.body != statement.requester:
            raise PeerError(
                "UNKNOWN_ACTIVITY_KEY",
                f"activity `{statement.question.activity}`: no key of this body is registered",
            )
        if keys.sealing_key_id != statement.sealing_key_id:
            raise PeerError("UNKNOWN_SEALING_KEY", "statement: not a sealing key of its activity")
        verify_signed(
            keys,
            statement.raw,
            signed.signature,
            signed.batch_index,
            signed.batch_size,
            signed.batch_path,
        )
        return keys

    def _repeated(
        self,
        statement: Statement,
        persons: Sequence[statement_pb2.PersonReference],
        now: datetime,
    ) -> receipt_pb2.Answer | None:
        """The stored receipt and sealed answer of the same bytes, within 10 minutes."""
        leaf_index = self._node.index.first("decided", statement.hash)
        if leaf_index is None:
            return None
        kept = self._node.vault.answer(statement.hash)
        if kept is None or now - kept[1] > limits.REPEAT_WINDOW:
            raise _replayed()
        stored = receipt_pb2.Answer.FromString(kept[0])
        stored.receipt.CopyFrom(self._node.receipt(leaf_index))
        held = parse_entry(stored.receipt.entry).decided.sealed_hash
        # Envelopes are kept once, where they are destroyed.
        if held and statement.question.action is Action.READ_RECEIVED:
            nirs = check_persons(statement.person_digests, persons)
            stored.envelopes.extend(envelopes_of(self._node, statement, nirs, now))
            if sha256(envelope_bytes(stored)).digest() != held:
                raise _replayed()
        return stored

    def _decide_and_seal(self, call: Call, heard: Heard, item: statement_pb2.AskItem) -> Ready:
        facts = self._facts(call, heard, item)  # 4
        facts, decision = self.decide(call.policy, heard, facts, call.now)  # 5, 6
        data: list[PersonData] = []
        envelopes: tuple[bytes, ...] = ()
        label = None
        sealed = b""
        question = heard.statement.question
        if decision.permitted and question.action is Action.READ_RECEIVED:
            nirs = [person.nir for person in heard.persons]
            envelopes = envelopes_of(self._node, heard.statement, nirs, call.now)
        elif decision.permitted:
            try:
                data = self.fetch(heard, call.now)  # 7
            except InputError as error:  # the law permits what the catalogue cannot give
                facts, decision = self._hindered(call.policy, heard, facts, error.reason, call.now)
        if data:
            label = make_label(heard.statement, decision, call.now)
            release = build_release(heard.statement, label, heard.statement.person_digests, data)
            sealed = seal(call, heard, release.SerializeToString())  # 8
            self._remember(call, heard, facts)
        traced = [person.row_key for person in heard.persons]
        traced.extend(named for one in data for named in one.named)
        trace_keys = self._node.vault.trace_keys(traced, utc_day(call.now))
        made = made_of(call, heard, facts, decision)
        answer = receipt_pb2.Answer(sealed_release=sealed, envelopes=envelopes)
        kept = receipt_pb2.Answer(sealed_release=sealed).SerializeToString()
        self._node.vault.keep_answer(heard.statement.hash, kept, call.now)
        entry = decided_entry(made, envelope_bytes(answer), label, trace_keys, call.now)
        return Ready(entry, sealed, envelopes)

    def _remember(self, call: Call, heard: Heard, facts: Facts) -> None:
        """Whom a correction must reach: another body, while the case it asked under lasts."""
        if facts.case is not None and call.peer != self._node.body:
            leaf = heard.statement.case_leaf_hash
            persons = tuple(person.row_key for person in heard.persons)
            self._node.vault.answered.keep(
                answered_under(heard.statement, leaf, facts.case.valid_until, persons, call.load)
            )

    def _facts(self, call: Call, heard: Heard, item: statement_pb2.AskItem) -> Facts:
        """Step 4. A proof that does not hold is a refusal, with its reason and an entry."""
        case: CaseFacts | None = None
        witnessing = call.witnessing
        hindrance = ""
        if heard.statement.case_leaf_hash:
            try:
                proved = self.bounded(call.policy, self._prove(heard.statement, item))
                before = self._node.index.count("case", proved.leaf_hash)
                before += call.of_case[proved.leaf_hash]
                call.of_case[proved.leaf_hash] += 1
                case = proved.facts([person.reference for person in heard.persons], before)
                case = allow_skew(case, call.now)
                seen = age_seconds(proved.seen_seconds, call.now)
                witnessing = replace(witnessing, case_seconds=seen)
            except (InputError, PeerError) as error:
                hindrance = error.reason
        facts = make_facts(call, heard.statement, case)
        return replace(facts, witnessing=witnessing, hindrance=hindrance)

    def _prove(self, statement: Statement, item: statement_pb2.AskItem) -> ProvedCase:
        proof = item.case.SerializeToString()
        renewal = item.renewal.SerializeToString() if item.HasField("renewal") else None
        proved = self._proved(statement.requester, proof, renewal)
        if proved.leaf_hash != statement.case_leaf_hash:
            raise PeerError("BAD_CASE_PROOF", "case proof: of another case than the statement's")
        return proved

    def bounded(self, policy: PolicySet, case: ProvedCase) -> ProvedCase:
        """A case for no longer than its activity's record allows; not at all if none declares it.

        What a requester's ledger says of its own case is that body's word.
        """
        return case.within(longest_case(policy, case.kind.activity, case.kind.type))

    def _verify(self, requester: BodyId, proof: bytes, renewal: bytes | None) -> ProvedCase:
        parse = statement_pb2.CaseProof.FromString
        heads = self._node.peer_heads.of(requester)
        return verify_case(parse(proof), None if renewal is None else parse(renewal), heads)

    def decide(
        self, policy: PolicySet, heard: Heard, facts: Facts, now: datetime
    ) -> tuple[Facts, Decision]:
        """Steps 5 and 6: the law and its obligations; person facts only if they permit."""
        decision = conclude(policy, heard.statement.question, facts, now)
        # All are looked up, and there is one reason for all: a refusal says nothing of whom.
        if decision.permitted and False in [
            self.answerable(person, decision, heard.statement.question.purpose)
            for person in heard.persons
        ]:
            return self._hindered(policy, heard, facts, "PERSON_NOT_ANSWERABLE", now)
        return facts, decision

    def _hindered(
        self, policy: PolicySet, heard: Heard, facts: Facts, why: str, now: datetime
    ) -> tuple[Facts, Decision]:
        facts = replace(facts, hindrance=why)
        return facts, conclude(policy, heard.statement.question, facts, now)

    def answerable(self, person: Person, decision: Decision, purpose: str) -> bool:
        """A permanent NIR known here, traits that match, alive, no objection where one counts.

        An objection stands in the body's own file, or was made here to an activity of the purpose.
        """
        known = self._node.store.identity(person.row_key)
        if known is None or known.traits_digest != person.traits:
            return False
        return may_be_answered(
            known,
            decision,
            objected=self._node.vault.objections.any_of([person.row_key], [purpose]),
        )

    def fetch(self, heard: Heard, now: datetime) -> list[PersonData]:
        """Step 7: the permitted fields and months of each person, in order."""
        question = heard.statement.question
        return self._node.store.fetch(
            question.dataset,
            [person.row_key for person in heard.persons],
            question.fields,
            question.first_month,
            question.last_month,
            question.granularity.value,
            now,
        )


def _replayed() -> PeerError:
    return PeerError("REPLAYED", "statement: answered before", "sign a new one")


def _of_peer(call: Call, signed: statement_pb2.SignedStatement) -> Statement:
    statement = parse_statement(signed.statement)  # 2
    if statement.requester != call.peer:
        raise PeerError("NOT_YOURS", "statement: made for another requester than this peer")
    return statement


def _require_single(statement: Statement) -> None:
    if statement.cohort is not None:
        raise InputError("MALFORMED", "statement: a cohort is asked by AskMany")
    if statement.table is not None:
        raise InputError("MALFORMED", "statement: a table is asked by Publish")
