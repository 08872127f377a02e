"""The holder's side of a cohort: many persons under one statement, a batch at a time.

The statement is decided once, before any person is sent. Then, batch by batch: cases are checked,
the data are fetched and sealed to their place, the `cohort_part` entry with a trace key for each
person is on disk, and only then the batch leaves. Memory holds one batch.

A stream that was cut is opened again with the same statement: the ledger says which batches were
answered, the vault keeps the last answers, and nothing is decided, fetched or entered twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from cloison.cases.proof import CaseKind, ProvedCase, verify_cases
from cloison.errors import InputError, PeerError, PolicyDenied
from cloison.exchange import limits
from cloison.exchange.cohort_release import build_cohort_release
from cloison.exchange.entries import (
    cohort_part_entry,
    decided_entry,
    parse_entry,
)
from cloison.exchange.index_terms import part_key
from cloison.exchange.obligations import HONOUR_OBJECTION
from cloison.exchange.statement import (
    Cohort,
    Statement,
    parse_statement,
    to_milliseconds,
)
from cloison.exchange.values import decision_from_proto, decision_to_proto
from cloison.identity import (
    cohort_salts,
    person_digests,
    row_keys,
    traits_digests,
)
from cloison.law.question import Decision
from cloison.store import ManyData, to_arrow, to_numpy
from cloison.v1 import (
    decision_pb2,
    gateway_service_pb2,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.answered_batches import answered_batch
from cloison.wire.answering import (
    Call,
    Heard,
    longest_case,
    made_of,
    make_facts,
    make_label,
    promised_case,
    seal,
)
from cloison.wire.cohort import BatchPersons, part_of, read_persons
from cloison.wire.cohort_records import DECISION
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.seen import age_seconds
from cloison.wire.vault import utc_day


@dataclass(frozen=True, slots=True)
class _Open:
    """A cohort whose statement is permitted."""

    heard: Heard
    cohort: Cohort
    decision: Decision
    entered: decision_pb2.Decision
    label: release_pb2.Label

    @property
    def statement(self) -> Statement:
        return self.heard.statement


class CohortHolder:
    """The holder's side of one stream."""

    def __init__(self, node: Node, holder: Holder, call: Call) -> None:
        self._node = node
        self._holder = holder
        self._call = call
        self._open: _Open | None = None
        self._done = False

    def open(self, signed: statement_pb2.SignedStatement) -> receipt_pb2.Answer:
        """Steps 1 to 6 for the cohort as a whole; the decision's entry is on disk.

        Raises:
            InputError, PeerError: before a decision, as for a single question; `REPLAYED`: the
                statement was decided before, and its stream was left more than an hour ago.
        """
        statement = parse_statement(signed.statement)
        if statement.cohort is None:
            raise InputError("MALFORMED", "statement: announces no cohort")
        leaf_index = self._node.index.first("decided", statement.hash)
        if leaf_index is not None:
            return self._open_again(signed, statement.cohort, statement.hash, leaf_index)
        heard = self._holder.hear(self._call, signed, [])
        if isinstance(heard, receipt_pb2.Answer):  # decided meanwhile: nothing runs between
            raise PeerError("REPLAYED", "statement: answered before", "sign a new one")
        return self._decide(heard, statement.cohort)

    def _decide(self, heard: Heard, cohort: Cohort) -> receipt_pb2.Answer:
        node, now = self._node, self._call.now
        facts = make_facts(self._call, heard.statement, promised_case(heard.statement, now))
        facts, decision = self._holder.decide(self._call.policy, heard, facts, now)
        label = make_label(heard.statement, decision, now) if decision.permitted else None
        made = made_of(self._call, heard, facts, decision)
        with node.vault.transaction():
            node.vault.cohorts.keep_answer(heard.statement.hash, DECISION, b"", now)
        (receipt,) = node.append([decided_entry(made, b"", label, [], now)])
        self._start(heard, cohort, decision, label)
        return receipt_pb2.Answer(receipt=receipt)

    def _open_again(
        self,
        signed: statement_pb2.SignedStatement,
        cohort: Cohort,
        statement_hash: bytes,
        leaf_index: int,
    ) -> receipt_pb2.Answer:
        heard = self._holder.hear_again(self._call, signed)
        if self._node.vault.cohorts.answer(statement_hash, DECISION) is None:
            raise PeerError("REPLAYED", "statement: answered before", "sign a new one")
        receipt = self._node.receipt(leaf_index)
        decided = parse_entry(receipt.entry).decided
        label = decided.label if decided.HasField("label") else None
        self._start(heard, cohort, decision_from_proto(decided.decision), label)
        return receipt_pb2.Answer(receipt=receipt)

    def _start(
        self, heard: Heard, cohort: Cohort, decision: Decision, label: release_pb2.Label | None
    ) -> None:
        if label is not None:
            self._open = _Open(heard, cohort, decision, decision_to_proto(decision), label)
        self._done = label is None

    @property
    def done(self) -> bool:
        """Refused, or the last batch is answered."""
        return self._done

    def batch(self, batch: gateway_service_pb2.CohortBatch) -> gateway_service_pb2.CohortAnswer:
        """Steps 7 to 9 for one batch; its `cohort_part` entry is on disk before this returns.

        Raises:
            InputError: out of place, too large, malformed.
            PeerError: `BAD_CASE_PROOF`, `CASE_NOT_WITNESSED`, `CASE_HEAD_TOO_OLD`, `SALT_REUSED`,
                `COHORT_EXCEEDED`, `COHORT_SHORT`; `BATCH_CHANGED`, `BATCH_GONE`: it was
                answered before, with others in it or too long ago.
            PolicyDenied: `NO_LONGER_PERMITTED`: a stream held open outlives no text, no condition
                and no count of questions; nor does it keep the obligations it began with.
        """
        opened = self._opened()
        people = read_persons(batch.persons, opened.cohort.batch_persons)
        _check_size(opened.cohort, batch, len(people))
        seed = limits.check_bytes("salt seed", batch.salt_seed, limits.SALT_BYTES)
        digests = person_digests(cohort_salts(seed, len(people)), people.nirs)
        leaf_index = self._place(opened.statement.hash, batch.index)
        answer = (
            self._answer(opened, batch, people, digests)
            if leaf_index is None
            else self._answer_again(opened, batch, digests, leaf_index)
        )
        self._done = batch.last
        return answer

    def _opened(self) -> _Open:
        if self._open is None or self._done:
            raise InputError("MALFORMED", "batch: no permitted statement, or after the last batch")
        return self._open

    def _place(self, statement_hash: bytes, index: int) -> int | None:
        """Where a batch was entered; None if it is the next one. The ledger alone knows."""
        entered = self._node.index.first("left", part_key(statement_hash, index))
        if entered is not None or index == 0:
            return entered
        before = self._node.index.first("left", part_key(statement_hash, index - 1))
        if before is None:
            raise InputError("MALFORMED", f"batch: index {index}, and the one before never came")
        if parse_entry(self._node.traces.entry(before)).cohort_part.last:
            raise InputError("MALFORMED", "batch: after the last batch")
        return None

    def _answer_again(
        self,
        opened: _Open,
        batch: gateway_service_pb2.CohortBatch,
        digests: Sequence[bytes],
        leaf_index: int,
    ) -> gateway_service_pb2.CohortAnswer:
        receipt = self._node.receipt(leaf_index)
        part = parse_entry(receipt.entry).cohort_part
        if list(part.person_digests) != digests or part.last != batch.last:
            raise PeerError("BATCH_CHANGED", "batch: answered before, with others in it")
        sealed = self._node.vault.cohorts.answer(opened.statement.hash, batch.index)
        if sealed is None:
            raise PeerError("BATCH_GONE", "batch: answered too long ago", "ask anew for the rest")
        return gateway_service_pb2.CohortAnswer(
            index=batch.index, last=batch.last, sealed_release=sealed, receipt=receipt
        )

    def _answer(
        self,
        opened: _Open,
        batch: gateway_service_pb2.CohortBatch,
        people: BatchPersons,
        digests: Sequence[bytes],
    ) -> gateway_service_pb2.CohortAnswer:
        node, statement, now = self._node, opened.statement, self._node.clock()
        load = node.store.last_load()
        cases = self._check_cases(opened, batch, people, now)
        self._check_still_permitted(opened, cases, now)
        persons = row_keys(node.row_secret, people.nirs)
        with node.vault.transaction():
            node.vault.cohorts.keep_batch(batch.salt_seed, people.nirs, statement.hash, batch.index)
            data = self._fetch(opened, people, persons, now)
            plain = build_cohort_release(statement, opened.label, data.table)
            part = part_of(batch.index, last=batch.last)
            sealed = seal(self._call, opened.heard, plain, part)
            named = [data.named[at : at + 16] for at in range(0, len(data.named), 16)]
            trace_keys = node.vault.trace_keys([*persons, *named], utc_day(now))
            node.vault.cohorts.keep_answer(statement.hash, batch.index, sealed, now)
            if cases and self._call.peer != node.body:  # whom a correction must reach
                places = np.unique(to_numpy(data.table.column(0))).tolist()
                answered = [persons[at] for at in places], [people.cases[at] for at in places]
                self._remember(opened, batch.index, load, answered, cases)
        entry = cohort_part_entry(
            statement.hash,
            batch.index,
            digests,
            trace_keys,
            sealed,
            self._call.peer,
            now,
            last=batch.last,
            cases=[case.leaf_hash for case in cases],
        )
        limits.check_count("entry bytes", len(entry), 1, limits.ENTRY_BYTES)
        (receipt,) = node.append([entry])
        return gateway_service_pb2.CohortAnswer(
            index=batch.index, last=batch.last, sealed_release=sealed, receipt=receipt
        )

    def _remember(
        self,
        opened: _Open,
        index: int,
        load: int,
        answered: tuple[Sequence[bytes], Sequence[int]],
        cases: Sequence[ProvedCase],
    ) -> None:
        ends = [(case.leaf_hash, case.valid_until_ms) for case in cases]
        self._node.vault.answered.batches.keep(
            answered_batch(opened.statement, index, load, *answered, ends)
        )

    def _check_still_permitted(
        self, opened: _Open, cases: Sequence[ProvedCase], now: datetime
    ) -> None:
        counts = self._node.index.counts("case", [case.leaf_hash for case in cases])
        for before in set(counts) or {0}:
            promised = promised_case(opened.statement, now, before)
            facts = replace(
                make_facts(self._call, opened.statement, promised),
                witnessing=self._holder.witnessing(),
            )
            decision = self._holder.decide(self._call.policy, opened.heard, facts, now)[1]
            # As entered: a stream opened again knows the first decision from the ledger alone.
            if decision_to_proto(decision) != opened.entered:
                raise PolicyDenied(
                    "NO_LONGER_PERMITTED", "cohort: not permitted now as it was when it began"
                )

    def _check_cases(
        self,
        opened: _Open,
        batch: gateway_service_pb2.CohortBatch,
        people: BatchPersons,
        now: datetime,
    ) -> list[ProvedCase]:
        """Every person stands in a live case of the kind the statement promised; those cases."""
        if opened.cohort.case_month is None:
            return []
        proved = verify_cases(batch.cases, self._node.peer_heads.of(self._call.peer))
        if proved.keys() != set(batch.case_leaf_hashes):
            raise PeerError("BAD_CASE_PROOF", "batch: other cases proved than named")
        kind = CaseKind(
            opened.cohort.case_type,
            opened.statement.question.activity,
            opened.cohort.case_month,
        )
        longest = longest_case(self._call.policy, kind.activity, kind.type)
        cases = [proved[leaf].within(longest) for leaf in batch.case_leaf_hashes]
        self._require_seen(cases, now)
        now_ms, latest_ms = to_milliseconds(now), to_milliseconds(now + limits.CLOCK_SKEW)
        for case in cases:
            if not (
                case.kind == kind and case.opened_ms <= latest_ms and now_ms < case.valid_until_ms
            ):
                raise PeerError(
                    "BAD_CASE_PROOF", "batch: a case is not what the statement promised"
                )
        _require_members(people, cases)
        return cases

    def _require_seen(self, cases: Sequence[ProvedCase], now: datetime) -> None:
        """The head the cases stand under was seen by enough witnesses, lately enough."""
        most = self._call.policy.witnesses
        if most is None or not self._node.seen.asks:
            return
        for seen in {case.seen_seconds for case in cases}:
            age = age_seconds(seen, now)
            if age is None:
                raise PeerError("CASE_NOT_WITNESSED", "batch: too few witnesses saw its cases")
            if age > most.case_seconds:
                raise PeerError(
                    "CASE_HEAD_TOO_OLD", "batch: witnesses saw its cases too long ago", "open again"
                )

    def _fetch(
        self, opened: _Open, people: BatchPersons, persons: Sequence[bytes], now: datetime
    ) -> ManyData:
        """What is held of each person; nothing, and no reason, of those not answered about."""
        node, question = self._node, opened.statement.question
        traits = traits_digests(
            node.row_secret, people.nirs, people.birth_names, people.birth_dates
        )
        known = node.store.identities(b"".join(persons))
        same = np.frombuffer(b"".join(traits), np.uint8).reshape(known.traits.shape)
        answerable = known.found & known.permanent & ~known.dead
        answerable &= (known.traits == same).all(axis=1)
        if any(duty.kind == HONOUR_OBJECTION for duty in opened.decision.obligations):
            answerable &= ~known.objected
            answerable[list(node.vault.objections.of(persons, [question.purpose]))] = False
        places = np.flatnonzero(answerable).astype(np.int32)
        data = node.store.fetch_many(
            question.dataset,
            b"".join([persons[place] for place in places]),
            question.fields,
            question.first_month,
            question.last_month,
            question.granularity.value,
            now,
        )
        if len(places) == len(persons):
            return data
        placed = to_arrow(places[to_numpy(data.table.column(0))])
        table = data.table.set_column(0, data.table.schema.field(0), placed)
        return ManyData(table, data.named)


def _require_members(people: BatchPersons, cases: Sequence[ProvedCase]) -> None:
    """Each person stands in the case named with them."""
    if not {limits.SALT_BYTES}.issuperset(map(len, people.case_salts)):
        raise PeerError("BAD_CASE_PROOF", "batch: a case salt is not 32 bytes")
    places = people.cases
    stands = min(places) >= 0 and max(places) < len(cases)
    digests = person_digests(people.case_salts, people.nirs)
    if not stands or not all(
        digest in cases[place].person_digests for place, digest in zip(places, digests, strict=True)
    ):
        raise PeerError("BAD_CASE_PROOF", "batch: a person stands in no case of it")


def _check_size(cohort: Cohort, batch: gateway_service_pb2.CohortBatch, persons: int) -> None:
    """Every batch but the last is full, and the last brings what was announced, to the person."""
    if not batch.last and persons != cohort.batch_persons:
        raise InputError("MALFORMED", "batch: only the last may be short of `batch_persons`")
    total = batch.index * cohort.batch_persons + persons
    if total > cohort.size or (total == cohort.size and not batch.last):
        raise PeerError("COHORT_EXCEEDED", "cohort: more persons than the statement announced")
    if batch.last and total < cohort.size:
        raise PeerError("COHORT_SHORT", "cohort: fewer persons than the statement announced")
