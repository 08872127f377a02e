"""What an entry says in words that may be shown: its kind, activity, purpose, outcome and reason.

Privacy: never a digest, a trace key or a pseudonym.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from google.protobuf.message import DecodeError

from cloison.errors import IntegrityError
from cloison.ledger.search import Said
from cloison.ledger.tree import leaf_hash
from cloison.v1 import contestation_pb2, statement_pb2
from cloison.v1.decision_pb2 import Outcome
from cloison.v1.entry_pb2 import Entry

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EntryWords:
    """What an entry's kind does not have is empty."""

    kind: str
    activity: str = ""
    purpose: str = ""
    outcome: str = ""
    reason: str = ""


def entry_words(entry: Entry) -> EntryWords:
    """The words of an entry of any kind. Raises `DecodeError`: a message in it is none."""
    kind = entry.WhichOneof("kind") or _UNKNOWN
    part: Any = getattr(entry, kind, None)
    outcome, reason = _outcome(kind, part)
    activity, purpose = _asked_for(kind, part)
    return EntryWords(kind, activity, purpose, outcome, reason)


def said_of(data: bytes) -> Said:
    """What a search finds an entry by.

    Raises:
        IntegrityError: `BAD_ENTRY`: not an entry.
    """
    try:
        entry = Entry.FromString(data)
        words = entry_words(entry)
    except DecodeError as error:
        raise IntegrityError("BAD_ENTRY", "entry: not of this format") from error
    part: Any = getattr(entry, words.kind, None)
    return Said(
        time_ms=entry.entry_time_ms,
        shape=(words.kind, words.activity, words.purpose, words.outcome),
        trace_keys=tuple(getattr(part, "trace_keys", ())),
        names=_names(words.kind, part, data),
        follows=_follows(part),
    )


def _asked_for(kind: str, part: Any) -> tuple[str, str]:
    """The activity and the purpose, where the entry itself says them."""
    if kind in {"asked", "decided"}:
        statement = statement_pb2.Statement.FromString(part.signed.statement)
        return statement.activity, statement.purpose
    if kind == "received":
        return "", part.label.received_for
    if kind == "contested":
        signed = part.signed.contestation
        return contestation_pb2.Contestation.FromString(signed).activity, ""
    purposes: set[str] = set(getattr(part, "purposes", ()))
    purposes |= {label.received_for for label in getattr(part, "labels", ())}
    return getattr(part, "activity", ""), ", ".join(sorted(purposes))


def _names(kind: str, part: Any, data: bytes) -> bytes:
    """What later entries cite this one by; empty where none does."""
    if kind in {"asked", "decided"}:
        return sha256(part.signed.statement).digest()
    return leaf_hash(data) if kind == "case_opened" else b""


def _follows(part: Any) -> bytes:
    """The statement, or else the case, that an entry says no more of than its hash."""
    return getattr(part, "statement_hash", b"") or getattr(part, "case_leaf_hash", b"")


def _outcome(kind: str, part: Any) -> tuple[str, str]:
    read = _OUTCOMES.get(kind)
    return read(part) if read is not None else ("", "")


def _of_decision(part: Any) -> tuple[str, str]:
    return _outcome_word(part.decision.outcome), part.decision.reason


def _of_failures(part: Any) -> tuple[str, str]:
    return "failed", ", ".join(f"{item.reason} {item.count}" for item in part.counts)


def _outcome_word(outcome: Outcome.ValueType) -> str:
    if outcome not in Outcome.values():
        return _UNKNOWN
    return Outcome.Name(outcome).removeprefix("OUTCOME_").lower().replace("_", " ")


_OUTCOMES: Mapping[str, Callable[[Any], tuple[str, str]]] = {
    "decided": _of_decision,
    "change_told": _of_decision,
    "received": lambda part: (_outcome_word(part.outcome), part.reason),
    "case_closed": lambda part: (part.outcome, ""),
    "destroyed": lambda part: ("destroyed", part.why),
    "failures": _of_failures,
    "lost": lambda part: ("lost", part.reason),
}
