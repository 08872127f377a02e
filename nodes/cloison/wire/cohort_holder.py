"""The holder's side of a cohort: many persons under one statement, a run of batches at a time.

The statement is decided once, before any person is sent. Then, run by run: cases are checked, the
data are fetched, those of each batch are sealed to its place, the `cohort_part` entries with a
trace key for each person are on disk, and only then the run leaves. Memory holds one run.

A stream that was cut is opened again with the same statement: the ledger says which batches were
answered, the vault keeps the last answers, and nothing is decided, fetched or entered twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np

from cloison.cases.proof import CaseKind, ProvedCase
from cloison.errors import InputError, PeerError, PolicyDenied
from cloison.exchange import limits
from cloison.exchange.cohort_release import build_cohort_release
from cloison.exchange.entries import cohort_part_entry, decided_entry, parse_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.obligations import HONOUR_OBJECTION
from cloison.exchange.statement import Cohort, Statement, parse_statement
from cloison.exchange.values import decision_from_proto, decision_to_proto
from cloison.identity import cohort_salts, person_digests, row_keys, traits_digests
from cloison.law.question import Decision
from cloison.store import ManyData, to_numpy
from cloison.v1 import decision_pb2, gateway_service_pb2, receipt_pb2, release_pb2, statement_pb2
from cloison.wire.answered_batches import answered_batch
from cloison.wire.answering import Call, Heard, made_of, make_facts, make_label, promised_case, seal
from cloison.wire.cohort import (
    Batch,
    RunPersons,
    batches_of,
    cases_of,
    part_of,
    read_persons,
    run_persons,
)
from cloison.wire.cohort_cases import CohortCases
from cloison.wire.cohort_records import DECISION
from cloison.wire.holder import Holder
from cloison.wire.node import Node
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


@dataclass(frozen=True, slots=True)
class _Run:
    """Who is in a run, and which of its batches."""

    people: RunPersons
    batches: Sequence[Batch]
    digests: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch's persons, by their row keys, and what is held of them."""

    batch: Batch
    persons: Sequence[bytes]
    data: ManyData


class CohortHolder:
    """The holder's side of one stream."""

    def __init__(self, node: Node, holder: Holder, call: Call) -> None:
        self._node = node
        self._holder = holder
        self._call = call
        self._cases = CohortCases(node, call)
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

    def run(self, run: gateway_service_pb2.CohortRun) -> gateway_service_pb2.CohortRunAnswer:
        """Steps 7 to 9 for the batches of a run; all their entries are on disk before it returns.

        Raises:
            InputError: out of place, too large, malformed.
            PeerError: `BAD_CASE_PROOF`, `CASE_NOT_WITNESSED`, `CASE_HEAD_TOO_OLD`, `SALT_REUSED`,
                `COHORT_EXCEEDED`, `COHORT_SHORT`; `BATCH_CHANGED`, `BATCH_GONE`: it was
                answered before, with others in it or too long ago.
            PolicyDenied: `NO_LONGER_PERMITTED`: a stream held open outlives no text, no condition
                and no count of questions; nor does it keep the obligations it began with.
        """
        opened = self._opened()
        people = read_persons(run.persons, run_persons(opened.cohort))
        batches = batches_of(opened.cohort, run.index, len(people), last=run.last)
        seed = limits.check_bytes("salt seed", run.salt_seed, limits.SALT_BYTES)
        digests = person_digests(cohort_salts(seed, len(people)), people.nirs)
        places = self._places(opened.statement.hash, batches)
        answers = (
            self._answer_again(opened, batches, digests, places)
            if places
            else self._answer(opened, run, _Run(people, batches, digests))
        )
        self._done = run.last
        return gateway_service_pb2.CohortRunAnswer(batches=answers)

    def _opened(self) -> _Open:
        if self._open is None or self._done:
            raise InputError("MALFORMED", "batch: no permitted statement, or after the last batch")
        return self._open

    def _places(self, statement_hash: bytes, batches: Sequence[Batch]) -> list[int]:
        """Where batches were entered; none if they are the next ones. The ledger alone knows."""
        first, *others = (
            self._node.index.first("left", part_key(statement_hash, batch.index))
            for batch in batches
        )
        if first is not None:
            entered = [first, *(place for place in others if place is not None)]
            if len(entered) < len(batches):
                raise _changed()
            return entered
        index = batches[0].index
        if index == 0:
            return []
        before = self._node.index.first("left", part_key(statement_hash, index - 1))
        if before is None:
            raise InputError("MALFORMED", f"batch: index {index}, and the one before never came")
        if parse_entry(self._node.traces.entry(before)).cohort_part.last:
            raise InputError("MALFORMED", "batch: after the last batch")
        return []

    def _answer_again(
        self,
        opened: _Open,
        batches: Sequence[Batch],
        digests: Sequence[bytes],
        places: Sequence[int],
    ) -> list[gateway_service_pb2.CohortAnswer]:
        answers = []
        for batch, place in zip(batches, places, strict=True):
            receipt = self._node.receipt(place)
            part = parse_entry(receipt.entry).cohort_part
            if list(part.person_digests) != digests[batch.persons] or part.last != batch.last:
                raise _changed()
            sealed = self._node.vault.cohorts.answer(opened.statement.hash, batch.index)
            if sealed is None:
                raise PeerError(
                    "BATCH_GONE", "batch: answered too long ago", "ask anew for the rest"
                )
            answers.append(_answer_of(batch, sealed, receipt))
        return answers

    def _answer(
        self, opened: _Open, sent: gateway_service_pb2.CohortRun, run: _Run
    ) -> list[gateway_service_pb2.CohortAnswer]:
        node, statement, now = self._node, opened.statement, self._node.clock()
        load = node.store.last_load()
        cases: list[ProvedCase] = []
        places: list[list[int]] = [[] for _ in run.batches]
        kind = _kind(statement, opened.cohort)
        if kind is not None:
            cases = self._cases.check(sent, run.people, kind, now)
            places = cases_of(run.batches, run.people.cases)
        self._check_still_permitted(opened, cases, places, now)
        persons = row_keys(node.row_secret, run.people.nirs)
        made = []
        with node.vault.transaction():
            node.vault.openings.keep_run(
                sent.salt_seed, run.people.nirs, statement.hash, sent.index, now
            )
            data = self._fetch(opened, run.people, persons, now)
            for batch, stood in zip(run.batches, places, strict=True):
                some = _Held(batch, persons[batch.persons], data.between(batch.first, batch.end))
                sealed = self._seal(opened, some, now)
                in_cases = [cases[place] for place in stood]
                if cases and self._call.peer != node.body:  # whom a correction must reach
                    self._remember(opened, some, load, run.people.cases, stood, in_cases)
                entry = self._entry(opened, some, run.digests[batch.persons], sealed, in_cases, now)
                made.append((batch, sealed, entry))
        receipts = node.append([entry for _, _, entry in made])
        return [
            _answer_of(batch, sealed, receipt)
            for (batch, sealed, _), receipt in zip(made, receipts, strict=True)
        ]

    def _seal(self, opened: _Open, some: _Held, now: datetime) -> bytes:
        """The sealed release of a batch, kept for a stream that is cut."""
        statement, batch = opened.statement, some.batch
        plain = build_cohort_release(statement, opened.label, some.data.table)
        part = part_of(batch.index, last=batch.last)
        sealed = seal(self._call, opened.heard, plain, part)
        self._node.vault.cohorts.keep_answer(statement.hash, batch.index, sealed, now)
        return sealed

    def _entry(
        self,
        opened: _Open,
        some: _Held,
        digests: Sequence[bytes],
        sealed: bytes,
        cases: Sequence[ProvedCase],
        now: datetime,
    ) -> bytes:
        traced = [*some.persons, *some.data.others(some.persons)]
        entry = cohort_part_entry(
            opened.statement.hash,
            some.batch.index,
            digests,
            self._node.vault.trace_keys(traced, utc_day(now)),
            sealed,
            self._call.peer,
            now,
            last=some.batch.last,
            cases=[case.leaf_hash for case in cases],
        )
        limits.check_count("entry bytes", len(entry), 1, limits.ENTRY_BYTES)
        return entry

    def _remember(
        self,
        opened: _Open,
        some: _Held,
        load: int,
        cases: Sequence[int],
        stood: Sequence[int],
        proved: Sequence[ProvedCase],
    ) -> None:
        """Whom of a batch its release holds data of, each with their case among the batch's."""
        held = np.unique(to_numpy(some.data.table.column(0))).tolist()
        place_of = {place: at for at, place in enumerate(stood)}
        self._node.vault.answered.batches.keep(
            answered_batch(
                opened.statement,
                some.batch.index,
                load,
                [some.persons[at] for at in held],
                [place_of[cases[some.batch.first + at]] for at in held],
                [(case.leaf_hash, case.valid_until_ms) for case in proved],
            )
        )

    def _check_still_permitted(
        self,
        opened: _Open,
        cases: Sequence[ProvedCase],
        places: Sequence[Sequence[int]],
        now: datetime,
    ) -> None:
        asked = self._node.index.counts("case", [case.leaf_hash for case in cases])
        before: set[int] = set()
        for place in chain.from_iterable(places):  # batch by batch: each counts for the next
            before.add(asked[place])
            asked[place] += 1
        for count in before or {0}:
            promised = promised_case(opened.statement, now, count)
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

    def _fetch(
        self, opened: _Open, people: RunPersons, persons: Sequence[bytes], now: datetime
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
        return data.placed(places)


def _kind(statement: Statement, cohort: Cohort) -> CaseKind | None:
    """Of the cases the statement promised; None if it promised none."""
    if cohort.case_month is None:
        return None
    return CaseKind(cohort.case_type, statement.question.activity, cohort.case_month)


def _answer_of(
    batch: Batch, sealed: bytes, receipt: receipt_pb2.Receipt
) -> gateway_service_pb2.CohortAnswer:
    return gateway_service_pb2.CohortAnswer(
        index=batch.index, last=batch.last, sealed_release=sealed, receipt=receipt
    )


def _changed() -> PeerError:
    return PeerError("BATCH_CHANGED", "batch: answered before, with others in it")
