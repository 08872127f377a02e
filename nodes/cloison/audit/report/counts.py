"""One pass over the ledgers: what the report's tables count; memory grows with what differs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cloison.audit.lines import Ledgers, Line
from cloison.audit.period import Period, hour_of
from cloison.audit.report.sheet import printable
from cloison.v1 import decision_pb2, statement_pb2

_OUTCOMES = {
    decision_pb2.OUTCOME_PERMIT: "permis",
    decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS: "permis avec obligations",
    decision_pb2.OUTCOME_DENY: "refusé",
}
_PERMITS = frozenset(_OUTCOMES) - {decision_pb2.OUTCOME_DENY}


@dataclass(frozen=True, slots=True)
class Extent:
    """A ledger and what of it the period covers.

    Attributes:
        entries: In the whole ledger, as read.
        first: Index of the period's first entry; -1 where it has none.
        last: Of its last.
    """

    ledger: str
    entries: int
    in_period: int
    first: int
    last: int


@dataclass(slots=True)
class Counts:
    """What was counted of the period; keys are words, in the order of the tables' columns.

    Attributes:
        decisions: By month, requester, holder, activity, purpose, outcome.
        persons: By the same: asked about; of a cohort, those its statement announced.
        provisional: By the same.
        refusals: By activity, purpose, reason and what the nearest or forbidding rules are.
        relied: By text and `permit` or `forbid`: decisions its rules made.
        cases: By activity, case type and what became of cases.
        failures: By ledger, peer and reason.
        kinds: Entries by ledger and kind.
        policies: Sets loaded or announced up to the period's end; `ended`: releases destroyed,
            entries pruned and keys erased in it.
    """

    decisions: Counter[tuple[str, ...]] = field(default_factory=Counter)
    persons: Counter[tuple[str, ...]] = field(default_factory=Counter)
    provisional: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refusals: Counter[tuple[str, ...]] = field(default_factory=Counter)
    relied: Counter[tuple[str, ...]] = field(default_factory=Counter)
    cases: Counter[tuple[str, ...]] = field(default_factory=Counter)
    failures: Counter[tuple[str, ...]] = field(default_factory=Counter)
    kinds: Counter[tuple[str, ...]] = field(default_factory=Counter)
    policies: list[Line] = field(default_factory=list)
    ended: list[Line] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)
    opened: dict[bytes, tuple[str, str]] = field(default_factory=dict)


def count(ledgers: Ledgers, period: Period) -> Counts:
    """Everything the tables need, of every ledger. Raises as `LedgerFolder`."""
    counts = Counts()
    for lines in (*ledgers.traces.values(), *ledgers.register.values()):
        _read(counts, lines, period)
    return counts


def _read(counts: Counts, lines: Iterable[Line], period: Period) -> None:
    first = last = -1
    entries = inside = 0
    ledger = ""
    for line in lines:
        ledger, entries = line.ledger, line.index + 1
        kind = line.entry.WhichOneof("kind") or "unknown"
        if kind == "case_opened":
            opened = line.entry.case_opened
            counts.opened[line.leaf] = opened.activity, opened.type
        if kind == "policy_loaded" and line.entry.entry_time_ms < period.until_ms:
            counts.policies.append(line)
        if not period.holds(line.entry.entry_time_ms):
            continue
        first, last, inside = (line.index if first < 0 else first), line.index, inside + 1
        counts.kinds[ledger, kind] += 1
        if (counted := _COUNTED.get(kind)) is not None:
            counted(counts, line)
    if entries:
        counts.extents.append(Extent(ledger, entries, inside, first, last))


def _decided(counts: Counts, line: Line) -> None:
    entry = line.entry.decided
    raw = entry.signed.statement
    statement = statement_pb2.Statement.FromString(raw)
    if line.body != statement.holder:
        return  # another's decision in one's ledger counts for nothing
    decision = entry.decision
    key = (
        hour_of(line.entry.entry_time_ms).month,
        *map(word, (statement.requester, statement.holder)),
        *map(word, (statement.activity, statement.purpose)),
        _OUTCOMES.get(decision.outcome, "inconnu"),
    )
    counts.decisions[key] += 1
    counts.persons[key] += statement.cohort.size or len(statement.person_digests)
    counts.provisional[key] += decision.provisional
    if decision.outcome not in _PERMITS:
        near = [f"{one.rule.text}, {one.rule.article}" for one in decision.nearest]
        made = [f"{one.text}, {one.article}" for one in decision.rules]
        named = " ; ".join(dict.fromkeys(map(word, made or near)))
        counts.refusals[key[3], key[4], word(decision.reason), named] += 1
    for text, effect in dict.fromkeys((one.text, one.effect) for one in decision.rules):
        counts.relied[word(text), word(effect)] += 1


def _case_opened(counts: Counts, line: Line) -> None:
    opened = line.entry.case_opened
    counts.cases[word(opened.activity), word(opened.type), "ouvert"] += 1


def _case_closed(counts: Counts, line: Line) -> None:
    closed = line.entry.case_closed
    activity, kind = counts.opened.get(closed.case_leaf_hash, ("", ""))
    counts.cases[word(activity), word(kind), f"clos : {word(closed.outcome)}"] += 1


def _failed(counts: Counts, line: Line) -> None:
    failures = line.entry.failures
    for one in failures.counts:
        counts.failures[line.ledger, word(failures.peer), word(one.reason)] += one.count


def _ended(counts: Counts, line: Line) -> None:
    counts.ended.append(line)


_COUNTED: Mapping[str, Callable[[Counts, Line], Any]] = {
    "decided": _decided,
    "case_opened": _case_opened,
    "case_closed": _case_closed,
    "failures": _failed,
    "destroyed": _ended,
    "traces_pruned": _ended,
    "trace_key_erased": _ended,
}


word = lru_cache(maxsize=10_000)(printable)
"""As `printable`, of the few words that many entries repeat."""
