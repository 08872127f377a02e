"""Months of ledgers of a federation that never ran, written by the project's own entry code.

People are numbers; a clock is set by events; every decision is `conclude` of the real policy set,
unless a test plants one that is not. Same seed, same bytes.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.audit import Ledgers, Line
from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange import entries
from cloison.exchange.conclude import conclude
from cloison.exchange.entries import Made, parse_entry
from cloison.exchange.obligations import label_end
from cloison.exchange.statement import (
    GRANULARITY_NUMBERS,
    parse_statement,
    to_milliseconds,
)
from cloison.exchange.traced import day_number, traced_keys
from cloison.identity import ledger_origin, load_secret, trace_key
from cloison.law import CaseFacts, Decision, Facts, PolicySet
from cloison.law.question import Granularity, Witnessing
from cloison.law.records import Reads
from cloison.ledger.day_map import DayMap
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.v1 import entry_pb2, release_pb2, statement_pb2

BODIES = tuple(map(BodyId, ("caf", "cnav", "dgfip", "msa")))
LOGS = ("traces", "register")
BATCH = "batch"
_GROUP = 4096
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """An opened case."""

    leaf: bytes
    body: BodyId
    activity: str
    type: str
    month: Month
    opened: datetime
    until: datetime
    persons: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    statement_hash: bytes
    leaf: bytes
    index: int
    permitted: bool
    label_until: datetime | None


@dataclass(slots=True)
class Asking:
    """A question, and what a misuse changes of it.

    Attributes:
        decision: In place of what the law answers.
        parts: Which of `asked`, `decided`, `received` are written.
    """

    agent: str = BATCH
    purpose: str = ""
    basis: str = ""
    fields: tuple[str, ...] = ()
    first: Month | None = None
    last: Month | None = None
    received_for: str = ""
    received_by: str = ""
    hindrance: str = ""
    decision: Callable[[Decision], Decision] | None = None
    policy: PolicySet | None = None
    policy_hash: bytes = b""
    same_set: bool = True
    parts: frozenset[str] = frozenset({"asked", "decided", "received"})
    received_sealed: bytes = b""
    holder_ahead: timedelta = timedelta(0)
    own_seconds: int = 1


@dataclass(slots=True)
class World:
    """Ledgers in the making.

    Attributes:
        now: What every clock shows; events move it.
        logs: Entries by body and log.
        unclosed: Bodies whose days nobody closes.
        hiding: Bodies whose maps leave out a person each day.
    """

    policy: PolicySet
    seed: int
    now: datetime
    logs: dict[tuple[BodyId, str], list[bytes]] = field(init=False)
    random: Random = field(init=False)
    unclosed: set[BodyId] = field(default_factory=set)
    hiding: set[BodyId] = field(default_factory=set)
    _events: list[tuple[datetime, int, Callable[[], object]]] = field(default_factory=list)
    _questions: Counter[tuple[bytes, BodyId]] = field(default_factory=Counter)
    _open: dict[BodyId, tuple[int, int, dict[bytes, list[int]]]] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.logs = {(body, log): [] for body in BODIES for log in LOGS}
        self.random = Random(self.seed)  # noqa: S311 - no key: the same months each time

    def at(self, time: datetime, event: Callable[[], object]) -> None:
        """Something that will happen."""
        self._number += 1
        heapq.heappush(self._events, (time, self._number, event))

    def run(self) -> None:
        """Everything happens, in the order of time."""
        while self._events:
            time, _, event = heapq.heappop(self._events)
            self.now = max(time, self.now)
            event()

    def enter(self, body: BodyId, data: bytes, log: str = "traces") -> tuple[int, bytes]:
        """Writes an entry: its index and leaf hash."""
        if log == "traces":
            self._close_days(body, data)
        entries_of = self.logs[body, log]
        entries_of.append(data)
        return len(entries_of) - 1, leaf_hash(data)

    def _close_days(self, body: BodyId, data: bytes) -> None:
        """Every day before that of the new entry gets its map, as nodes do."""
        log, day = self.logs[body, "traces"], day_number(data)
        if body in self.unclosed:
            return
        open_day, first, keys = self._open.setdefault(body, (day, len(log), {}))
        while open_day < day:
            if body in self.hiding and keys:
                keys.popitem()
            made, end = DayMap(keys), len(log)
            closed = entry_pb2.DayClosed(
                day=(_EPOCH + timedelta(days=open_day)).isoformat(),
                first_index=first,
                end_index=end,
                map_root=made.root,
                map_rows=made.size,
            )
            open_day, first, keys = open_day + 1, end, {}
            midnight = datetime.combine(_EPOCH + timedelta(days=open_day), time(), UTC)
            log.append(entries.entry_of(closed, midnight))
        for key in traced_keys(parse_entry(data)):
            places = keys.setdefault(key, [])
            if places[-1:] != [len(log)]:
                places.append(len(log))
        self._open[body] = open_day, first, keys

    def traces(self, body: BodyId, persons: Sequence[int]) -> list[bytes]:
        """Trace keys of persons today, at a node."""
        return [
            trace_key(sha256(f"{self.seed} {person}".encode()).digest(), body, self.now.date())
            for person in persons
        ]

    def digest(self) -> bytes:
        """32 bytes that say nothing."""
        return self.random.randbytes(32)

    def open(self, activity: str, kind: str, month: Month, persons: Sequence[int]) -> Case:
        """A case, as the activity's record lets it be opened."""
        record = self.policy.activities[activity]
        case_type = record.case_type(kind)
        assert case_type is not None
        until = self.now + timedelta(days=case_type.validity_days)
        body = BodyId(record.body)
        _, leaf = self.enter(
            body,
            entries.case_opened_entry(
                kind,
                activity,
                month,
                until,
                [self.digest() for _ in persons],
                self.digest(),
                self.traces(body, persons),
                self.now,
            ),
        )
        return Case(leaf, body, activity, kind, month, self.now, until, tuple(persons))

    def close(self, case: Case, outcome: str) -> None:
        """A case ends."""
        self.enter(case.body, entries.case_closed_entry(case.leaf, outcome, self.now))

    def tell(self, case: Case, notice: str, agent: str = BATCH) -> None:
        """The persons of a case are told what a permit obliges to."""
        keys = self.traces(case.body, case.persons)
        given = entries.notice_given_entry(case.activity, case.leaf, notice, agent, keys, self.now)
        self.enter(case.body, given)

    def deposit(
        self, case: Case, receipts: Sequence[bytes], activity: str = "", output: str = ""
    ) -> None:
        """An output of the case's activity, citing these answers."""
        record = self.policy.activities[activity or case.activity]
        deposited = entry_pb2.Deposited(
            activity=record.id,
            output=output or record.outputs[0].id,
            case_leaf_hash=case.leaf,
            content_hash=self.digest(),
            receipts=receipts,
            trace_keys=self.traces(case.body, case.persons),
        )
        self.enter(case.body, entries.entry_of(deposited, self.now))

    def destroy(self, case: Case, why: str, statements: Sequence[bytes], *, cited: bool) -> None:
        """What was received is gone; under the case, or by its label alone."""
        destroyed = entry_pb2.Destroyed(
            activity=case.activity,
            why=why,
            case_leaf_hashes=[case.leaf] if cited else [],
            statement_hashes=statements,
            releases=len(statements),
            trace_keys=self.traces(case.body, case.persons),
            destruction_id=self.random.randbytes(16),
        )
        self.enter(case.body, entries.entry_of(destroyed, self.now))

    def ask(
        self,
        activity: str,
        holder: str,
        dataset: str,
        case: Case | None,
        persons: Sequence[int],
        asking: Asking | None = None,
    ) -> Answer:
        """A question through all its steps, entries at both ends."""
        how = asking or Asking()
        raw = self._statement(activity, holder, dataset, case, len(persons), how)
        body = BodyId(self.policy.activities[activity].body)
        signed = statement_pb2.SignedStatement(
            statement=raw, signature=self.random.randbytes(64), batch_size=1
        )
        if "asked" in how.parts:
            self.enter(body, entries.asked_entry(signed, self.traces(body, persons), self.now))
        return self._answer(signed, body, case, persons, how)

    def _statement(
        self,
        activity: str,
        holder: str,
        dataset: str,
        case: Case | None,
        persons: int,
        how: Asking,
    ) -> bytes:
        record = self.policy.activities[activity]
        reads = _reads(record.reads, holder, dataset)
        month = case.month if case else Month.from_date(self.now.date())
        first, last = _window(reads, month)
        message = statement_pb2.Statement(
            version=1,
            requester=record.body,
            holder=record.body if how.received_for else holder,
            activity=activity,
            purpose=how.purpose or (reads and reads.purpose) or record.purposes[0],
            legal_basis=how.basis or (reads and reads.legal_basis) or record.legal_bases[0],
            agent=how.agent,
            person_digests=[self.digest() for _ in range(persons)],
            case_leaf_hash=case.leaf if case else b"",
            sealing_key_id=sha256(activity.encode()).digest()[:16],
            signed_time_ms=to_milliseconds(self.now),
            nonce=self.random.randbytes(16),
        )
        chosen = message.selection
        chosen.dataset = dataset
        chosen.fields.extend(sorted(how.fields or (reads.fields if reads else ())))
        chosen.first_month = (how.first or first).number
        chosen.last_month = (how.last or last).number
        fine = reads.granularity if reads and reads.granularity else None
        chosen.granularity = GRANULARITY_NUMBERS[fine or Granularity.MONTH]
        if how.received_for:
            chosen.received.from_holder = holder
            chosen.received.received_for = how.received_for
            chosen.received.received_by = how.received_by
        return message.SerializeToString(deterministic=True)

    def _answer(
        self,
        signed: statement_pb2.SignedStatement,
        body: BodyId,
        case: Case | None,
        persons: Sequence[int],
        how: Asking,
    ) -> Answer:
        statement = parse_statement(signed.statement)
        now = self.now + how.holder_ahead
        policy = how.policy or self.policy
        facts = self._facts(case, statement.holder, len(persons), how)
        decision = conclude(policy, statement.question, facts, now)
        if how.decision is not None:
            decision = how.decision(decision)
        if "decided" not in how.parts and "received" not in how.parts:
            return Answer(statement.hash, b"", -1, decision.permitted, None)
        sealed = self.random.randbytes(40) if decision.permitted else b""
        until = label_end(decision, now) if decision.permitted else None
        label = release_pb2.Label(
            holder=statement.question.holder,
            dataset=statement.question.dataset,
            received_for=statement.question.purpose,
            received_by=statement.question.activity,
            text=decision.text,
            until_ms=to_milliseconds(until) if until else 0,
        )
        made = Made(
            statement,
            signed,
            body,
            facts,
            decision,
            how.policy_hash or policy.hash,
            self.digest(),
        )
        keys = self.traces(statement.holder, persons) if decision.permitted else []
        data = entries.decided_entry(made, sealed, label if sealed else None, keys, now)
        index, leaf = len(self.logs[statement.holder, "traces"]), leaf_hash(data)
        if "decided" in how.parts:
            index, leaf = self.enter(statement.holder, data)
        if "received" in how.parts:
            decided = parse_entry(data).decided
            if how.received_sealed:
                decided.sealed_hash = how.received_sealed
            own = self.traces(body, persons)
            came = entries.received_entry(
                statement, index, data, decided, own, self.digest(), self.now
            )
            self.enter(body, came)
        return Answer(statement.hash, leaf, index, decision.permitted, until)

    def _facts(self, case: Case | None, holder: BodyId, persons: int, how: Asking) -> Facts:
        found = None
        if case is not None:
            before = self._questions[case.leaf, holder]
            self._questions[case.leaf, holder] += 1
            found = CaseFacts(
                case.type, case.activity, case.month, case.opened, case.until, True, before
            )
        # The ledger's head was seen in the second; the case's some seconds to minutes ago.
        seconds = self.random.randrange(1, 300)
        seen = Witnessing(
            quorum_none=False,
            own_seconds=how.own_seconds,
            case_seconds=None if found is None else seconds,
        )
        named = how.agent != BATCH
        return Facts(found, False, named, how.same_set, persons, how.hindrance, seen)

    def lose(self, body: BodyId, holder: str, answer: Answer) -> None:
        """A body says that an answer never came."""
        said = entry_pb2.Lost(
            holder=holder, reason="PEER_UNAVAILABLE", statement_hashes=[answer.statement_hash]
        )
        self.enter(body, entries.entry_of(said, self.now))

    def ledgers(self) -> Ledgers:
        """As an audit reads them, without a disk."""
        return Ledgers(
            {body: Written(body, "traces", self.logs[body, "traces"]) for body in BODIES},
            {body: Written(body, "register", self.logs[body, "register"]) for body in BODIES},
        )

    def write(self, var: Path, keys: Path) -> None:
        """On disk, as nodes leave them: `var/BODY/ledger/LOG`, under the nodes' own keys."""
        for (body, log), data in self.logs.items():
            seed = load_secret(keys / body / "node" / f"{log}.key")
            key = Ed25519PrivateKey.from_private_bytes(seed)
            made = Log.create(
                var / body / "ledger" / log, NoteSigner(ledger_origin(body, log), key)
            )
            for start in range(0, len(data), _GROUP):
                made.append_many(data[start : start + _GROUP])
            made.close()


@dataclass(frozen=True, slots=True)
class Written:
    """A ledger in memory; may be read again."""

    body: BodyId
    log: str
    data: Sequence[bytes]

    def __iter__(self) -> Iterator[Line]:
        origin = ledger_origin(self.body, self.log)
        for index, data in enumerate(self.data):
            yield Line(self.body, origin, index, leaf_hash(data), parse_entry(data))


def _reads(reads: Sequence[Reads], holder: str, dataset: str) -> Reads | None:
    return next((one for one in reads if (one.holder, one.dataset) == (holder, dataset)), None)


def _window(reads: Reads | None, month: Month) -> tuple[Month, Month]:
    if reads is not None and reads.window is not None:
        return month + reads.window.first, month + reads.window.last
    if reads is not None and reads.years is not None:
        year = month.year + reads.years
        return Month.of(year, 1), Month.of(year, 12)
    return month - 4, month - 2


def policies(*known: PolicySet) -> Callable[[bytes], PolicySet]:
    """Policy sets by content hash, as an audit looks for them."""
    by_hash: Mapping[bytes, PolicySet] = {one.hash: one for one in known}

    def set_of(wanted: bytes) -> PolicySet:
        if wanted not in by_hash:
            raise InputError("NO_POLICY_SET", f"policy set `{wanted.hex()}`: not kept here")
        return by_hash[wanted]

    return set_of


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """A time."""
    return datetime(year, month, day, hour, tzinfo=UTC)
