"""Entries a text lets be kept from the person for a time: each is named by one that seals it.

The seal is made with the entry, by the policy set alone: no one asks for it, and none lasts longer.
What is sealed is counted in its day's map like any other, at once.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.law.durations import end_of
from cloison.law.trace_rules import TraceRules
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2, statement_pb2

_SIGNED = frozenset({"asked", "decided"})
_NAMING = frozenset({"received", "cohort_part", "change_told"})
"""Kinds that name a question by its hash."""


def purpose_of(entry: entry_pb2.Entry) -> str:
    """The purpose of the question an entry holds; empty where it holds none."""
    kind = entry.WhichOneof("kind") or ""
    if kind not in _SIGNED:
        return ""
    return statement_pb2.Statement.FromString(getattr(entry, kind).signed.statement).purpose


def seals_of(
    new: Sequence[bytes],
    rules: TraceRules,
    asked: Callable[[bytes], str],
    declared: Callable[[str], Sequence[str]],
) -> Iterator[bytes]:
    """The entries that seal those of `new` about a person whose purpose a text lets be sealed.

    Args:
        new: Entries about to be written together.
        rules: What a text lets be sealed.
        asked: The purpose of a question entered before, by the hash of its statement.
        declared: The purposes of an activity. A case is opened for any of them, so it is sealed
            where each may be: seen at once, it would tell of what is asked under it.
    """
    just_asked: dict[bytes, str] = {}
    for data in new:
        entry = parse_entry(data)
        kind = entry.WhichOneof("kind") or ""
        part = getattr(entry, kind)
        purpose = purpose_of(entry)
        if kind in _SIGNED:
            just_asked[sha256(part.signed.statement).digest()] = purpose
        elif kind in _NAMING:
            purpose = just_asked.get(part.statement_hash) or asked(part.statement_hash)
        elif kind == "case_opened":
            purposes = declared(part.activity)
            sealable = purposes and all(map(rules.sealed_for, purposes))
            purpose = purposes[0] if sealable else ""
        rule = rules.sealed_for(purpose)
        if rule is not None and part.trace_keys:
            now = from_milliseconds(entry.entry_time_ms)
            sealed = entry_pb2.EntrySealed(
                leaf_hash=leaf_hash(data),
                until_ms=to_milliseconds(end_of(rule.at_most, now)),
                text=rule.text,
                article=rule.article,
                trace_keys=part.trace_keys,
            )
            yield entry_of(sealed, now)
