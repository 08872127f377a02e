"""The holder's side of a cohort: many persons under one statement, a batch at a time.

The statement is decided once, before any person is sent. Then, batch by batch: cases are checked,
the data are fetched and sealed to their place, the `cohort_part` entry with a trace key for each
person is on disk, and only then the batch leaves. Memory holds one batch.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cloison.cases.proof import ProvedCase, allow_skew, verify_case
from cloison.errors import InputError, PeerError, PolicyDenied
from cloison.exchange import limits
from cloison.exchange.entries import (
    Made,
    cohort_part_entry,
    decided_entry,
)
from cloison.exchange.release import build_release
from cloison.exchange.statement import Cohort
from cloison.exchange.values import live
from cloison.identity import parse_nir, person_digest
from cloison.law.question import Decision
from cloison.store import PersonData
from cloison.v1 import (
    gateway_service_pb2,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.answering import (
    Call,
    Heard,
    Person,
    make_facts,
    make_label,
    promised_case,
    seal,
)
from cloison.wire.cohort import BatchPerson, part_of, read_persons
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.vault import utc_day


class CohortHolder:
    """The holder's side of one stream."""

    def __init__(self, node: Node, holder: Holder, call: Call) -> None:
        self._node = node
        self._holder = holder
        self._call = call
        self._next = 0
        self._persons = 0
        self._heard: Heard | None = None
        self._label: release_pb2.Label | None = None
        self._decision: Decision | None = None
        self._done = False

    def open(self, signed: statement_pb2.SignedStatement) -> receipt_pb2.Answer:
        """Steps 1 to 6 for the cohort as a whole; the decision's entry is on disk.

        Raises:
            InputError, PeerError: before a decision, as for a single question.
        """
        heard = self._holder.hear(self._call, signed, [])
        if isinstance(heard, receipt_pb2.Answer):
            raise PeerError("REPLAYED", "statement: answered before", "sign a new one")
        if heard.statement.cohort is None:
            raise InputError("MALFORMED", "statement: announces no cohort")
        now = self._call.now
        facts = make_facts(self._call, heard.statement, promised_case(heard.statement, now))
        facts, decision = self._holder.decide(heard, facts, now)
        label = make_label(heard.statement, decision, now) if decision.permitted else None
        made = Made(
            heard.statement,
            heard.signed,
            self._call.peer,
            facts,
            decision,
            self._node.policy.hash,
            self._call.peer_checkpoint_hash,
        )
        (receipt,) = self._node.append([decided_entry(made, b"", label, [], now)])
        self._heard, self._label, self._decision = heard, label, decision
        self._done = not decision.permitted
        return receipt_pb2.Answer(receipt=receipt)

    @property
    def done(self) -> bool:
        """Refused, or the last batch is answered."""
        return self._done

    def batch(self, batch: gateway_service_pb2.CohortBatch) -> gateway_service_pb2.CohortAnswer:
        """Steps 7 to 9 for one batch; its `cohort_part` entry is on disk before this returns.

        Raises:
            InputError: out of place, too large, malformed.
            PeerError: `BAD_CASE_PROOF`, `SALT_REUSED`, `COHORT_EXCEEDED`.
            PolicyDenied: `NO_LONGER_PERMITTED`: a stream held open outlives no text, no condition
                and no count of questions; nor does it keep the obligations it began with.
        """
        if self._heard is None or self._label is None or self._done:
            raise InputError("MALFORMED", "batch: no permitted statement, or after the last batch")
        statement, cohort = self._heard.statement, self._cohort()
        if batch.index != self._next:
            raise InputError("MALFORMED", f"batch: index {batch.index}, not {self._next}")
        people = read_persons(batch.persons, cohort.batch_persons)
        self._persons += len(people)
        if self._persons > cohort.size:
            raise PeerError("COHORT_EXCEEDED", "cohort: more persons than the statement announced")
        cases = self._check_cases(batch, people)
        now = self._node.clock()
        self._check_still_permitted(self._heard, cases, now)
        with self._node.vault.transaction():
            persons = [self._keep(person) for person in people]
            digests = [person_digest(person.reference.salt, person.nir) for person in persons]
            data = self._fetch(persons)
            release = build_release(statement, self._label, digests, data)
            sealed = seal(self._call, self._heard, release, part_of(batch.index, last=batch.last))
            traced = [person.row_key for person in persons]
            traced.extend(named for one in data for named in one.named)
            trace_keys = self._node.vault.trace_keys(traced, utc_day(now))
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
        (receipt,) = self._node.append([entry])
        self._next += 1
        self._done = batch.last
        return gateway_service_pb2.CohortAnswer(
            index=batch.index, last=batch.last, sealed_release=sealed, receipt=receipt
        )

    def _check_still_permitted(
        self, heard: Heard, cases: Sequence[ProvedCase], now: datetime
    ) -> None:
        for before in {self._node.index.count("case", case.leaf_hash) for case in cases} or {0}:
            promised = promised_case(heard.statement, now, before)
            facts = make_facts(self._call, heard.statement, promised)
            if self._holder.decide(heard, facts, now)[1] != self._decision:
                raise PolicyDenied(
                    "NO_LONGER_PERMITTED", "cohort: not permitted now as it was when it began"
                )

    def _cohort(self) -> Cohort:
        cohort = self._heard.statement.cohort if self._heard else None
        if cohort is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        return cohort

    def _check_cases(
        self, batch: gateway_service_pb2.CohortBatch, people: Sequence[BatchPerson]
    ) -> list[ProvedCase]:
        """Every person stands in a live case of the kind the statement promised; those cases."""
        cohort = self._cohort()
        if cohort.case_month is None:
            return []
        heads = self._node.heads.of(self._call.peer)
        proved = [self._holder.bounded(verify_case(case, None, heads)) for case in batch.cases]
        for case in proved:
            self._check_case(case)
        for person in people:
            place = person.case
            if not 0 <= place < len(proved) or not proved[place].covers([person.reference]):
                raise PeerError("BAD_CASE_PROOF", "batch: a person stands in no case of it")
        return proved

    def _check_case(self, case: ProvedCase) -> None:
        cohort, now = self._cohort(), self._node.clock()
        activity = self._heard.statement.question.activity if self._heard else ""
        kept = (case.type, case.month, case.activity) == (
            cohort.case_type,
            cohort.case_month,
            activity,
        )
        if not kept or not live(allow_skew(case.facts([], 0), now), now):
            raise PeerError("BAD_CASE_PROOF", "batch: a case is not what the statement promised")

    def _keep(self, person: BatchPerson) -> Person:
        reference = person.reference
        if self._heard is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        salt = limits.check_bytes("salt", reference.salt, limits.SALT_BYTES)
        nir = parse_nir(reference.nir)
        # Bound to its place: a salt that comes again, even in this cohort, is refused.
        place = self._heard.statement.hash + self._next.to_bytes(8, "big")
        self._node.vault.keep_salt(salt, nir, place)
        return self._holder.person(nir, reference)

    def _fetch(self, persons: Sequence[Person]) -> list[PersonData]:
        """What is held of each person; nothing, and no reason, of those not answered about."""
        if self._heard is None or self._decision is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        decision = self._decision
        answerable = [self._holder.answerable(person, decision) for person in persons]
        asked = tuple(person for person, yes in zip(persons, answerable, strict=True) if yes)
        heard = replace(self._heard, persons=asked)
        data = iter(self._holder.fetch(heard, self._node.clock()))
        return [next(data) if yes else PersonData(periods=(), named=()) for yes in answerable]
