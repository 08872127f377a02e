"""The holder's side of a correction: a peer with a live case learns that an answer is no longer so.

What is told is that the same question would be answered otherwise now: the same persons, fields,
months and granularity, read as they were and as they are. So nobody learns of a change in data they
were not given, and a declaration sent again with the same amounts is told to nobody. The question
is decided again first, on its own facts: what would be refused now is not told.

INVARIANT: a `change_told` entry is on disk before its receipt leaves. What was told is read from
the ledger alone, so a crash at any instant neither loses a change nor tells it twice.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.exchange.change import changed_periods
from cloison.exchange.conclude import conclude, facts_of_change
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import Statement, parse_statement
from cloison.exchange.values import decision_to_proto, facts_from_proto, facts_to_proto
from cloison.ledger.tree import leaf_hash
from cloison.store import PersonData
from cloison.v1 import entry_pb2, receipt_pb2
from cloison.wire.answered import SINGLE, Answered, Key, months_of
from cloison.wire.answering import Call, may_be_answered
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_PERSONS_AT_ONCE = 500
_BATCHES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer as the ledger has it: its entry's place, its question and facts."""

    leaf_index: int
    leaf_hash: bytes
    statement: Statement
    decided: entry_pb2.Decided


class ChangeTeller:
    """Tells one peer at a time what changed of what it was answered."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def tell(self, call: Call, after: int) -> AsyncIterator[receipt_pb2.Receipt]:
        """Every change told or to be told to the peer, from a place in this ledger on, in order.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`: a place this ledger has not come to.
            StorageError: nothing more leaves.
        """
        limits.check_count("place", after, 0, self._node.traces.size)
        told = self._told_since(call.peer, after)
        for receipt in told:
            after = receipt.leaf_index + 1
            yield receipt
        keys = await self._touched(call)
        for start in range(0, len(keys), limits.ITEMS_PER_CALL):
            self._enter(call, keys[start : start + limits.ITEMS_PER_CALL])
            for receipt in self._told_since(call.peer, after):
                after = receipt.leaf_index + 1
                yield receipt
            await asyncio.sleep(0)
        with self._node.vault.transaction():
            self._node.vault.answered.set_told(call.peer, call.load)

    def _told_since(self, peer: BodyId, first: int) -> list[receipt_pb2.Receipt]:
        places = self._node.index.find_from("change_told", peer.encode(), first)
        return [self._node.receipt(place) for place in places]

    async def _touched(self, call: Call) -> list[Key]:
        """The peer's live answers that any load since the last telling may have changed."""
        answered = self._node.vault.answered
        found: set[Key] = set()
        corrected: dict[tuple[str, int], set[bytes]] = defaultdict(set)

        @cache
        def wanted(dataset: str, period: int) -> bool:
            return answered.any_in(call.peer, dataset, months_of(period))

        for change in self._node.store.changes(answered.told(call.peer), call.load, wanted):
            corrected[change.dataset, change.period].update(change.persons)
            for start in range(0, len(change.persons), _PERSONS_AT_ONCE):
                some = change.persons[start : start + _PERSONS_AT_ONCE]
                found |= answered.touched(call.peer, change._replace(persons=some), call.now)
                await asyncio.sleep(0)  # others' questions go first
        for (dataset, period), persons in corrected.items():
            window = (call.peer, dataset, months_of(period))
            for keys in answered.batches.touched(
                *window, call.load, persons, call.now, _BATCHES_AT_ONCE
            ):
                found |= keys
                await asyncio.sleep(0)
        return sorted(found)

    def _enter(self, call: Call, keys: Sequence[Key]) -> None:
        """Writes an entry for each of these answers that would be another now."""
        answers = [self._node.vault.answered.get(key) for key in keys]
        with self._node.vault.transaction():
            entries = [
                entry
                for one in answers
                if one is not None and (entry := self._entry(call, one)) is not None
            ]
        if entries:
            self._node.enter(entries)

    def _entry(self, call: Call, one: Answered) -> bytes | None:
        given = self._given(one)
        now = self._node.clock()
        if given is None or one.until <= now:
            return None
        question = given.statement.question
        facts = facts_of_change(facts_from_proto(given.decided.facts), one.until)
        decision = conclude(call.policy, question, facts, now)
        if not decision.permitted:
            return None
        known = [self._node.store.identity(person) for person in one.persons]
        persons = [
            person
            for person, facts_known in zip(one.persons, known, strict=True)
            if may_be_answered(
                facts_known,
                decision,
                objected=self._node.vault.objections.any_of([person], [question.purpose]),
            )
        ]
        if one.batch == SINGLE and len(persons) != len(one.persons):
            return None  # asked again it would be refused, for all of them
        periods, traced = self._compare(call, one, given, persons)
        if not periods:
            return None
        told = entry_pb2.ChangeTold(
            peer=call.peer,
            statement_hash=one.statement_hash,
            leaf_index=given.leaf_index,
            leaf_hash=given.leaf_hash,
            case_leaf_hash=one.case_leaf_hash,
            periods=periods,
            load=call.load,
            facts=facts_to_proto(facts, question.received_for),
            decision=decision_to_proto(decision),
            policy_set=call.policy.hash,
            peer_checkpoint_hash=call.peer_checkpoint_hash,
            trace_keys=self._node.vault.trace_keys(traced, utc_day(now)),
        )
        return entry_of(told, now)

    def _given(self, one: Answered) -> _Given | None:
        """None where a power cut took the entry: then nothing had left."""
        node = self._node
        decided = node.index.first("decided", one.statement_hash)
        place = decided
        if one.batch != SINGLE:
            place = node.index.first("left", part_key(one.statement_hash, one.batch))
        if decided is None or place is None:
            return None
        entry = parse_entry(node.traces.entry(decided)).decided
        statement = parse_statement(entry.signed.statement)
        return _Given(place, leaf_hash(node.traces.entry(place)), statement, entry)

    def _compare(
        self, call: Call, one: Answered, given: _Given, persons: Sequence[bytes]
    ) -> tuple[list[int], list[bytes]]:
        """Periods that would be answered otherwise than last answered or told; and about whom."""
        base = max(one.load, self._last_told(given, one))
        if base >= call.load:
            return [], []
        try:
            before, after = (
                self._fetch(given.statement, persons, load) for load in (base, call.load)
            )
        except InputError:
            return [], []  # a field the catalogue no longer has: the question would be refused
        periods: set[int] = set()
        traced: list[bytes] = []
        for person, old, new in zip(persons, before, after, strict=True):
            if changed := changed_periods(old, new):
                periods |= changed
                traced += (person, *old.named, *new.named)
        return sorted(periods), traced

    def _last_told(self, given: _Given, one: Answered) -> int:
        place = self._node.index.last("told_of", given.leaf_hash + one.case_leaf_hash)
        if place is None:
            return 0
        return parse_entry(self._node.traces.entry(place)).change_told.load

    def _fetch(self, statement: Statement, persons: Sequence[bytes], load: int) -> list[PersonData]:
        question = statement.question
        return self._node.store.fetch(
            question.dataset,
            persons,
            question.fields,
            question.first_month,
            question.last_month,
            question.granularity.value,
            self._node.clock(),
            load,
        )
