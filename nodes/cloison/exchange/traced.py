"""Whom an entry is about, as far as the ledger says it; and on which day it was made."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256

from cloison.errors import IntegrityError
from cloison.exchange.entries import VERSION, parse_entry
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2

EVERYONE = sha256(b"cloison/v1 trace of everyone\n").digest()
"""The key of what is about all a holder has data of: a table published from them names nobody."""
PERMITS = frozenset({decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS})
DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_START = bytes((0x08, VERSION, 0x10))
"""How every entry begins: its version, then the tag of its time."""


def traced_keys(entry: entry_pb2.Entry) -> Sequence[bytes]:
    """The trace keys an entry is found by; `EVERYONE` of a table that was permitted."""
    kind = entry.WhichOneof("kind") or ""
    if kind == "decided" and entry.decided.decision.outcome in PERMITS:
        statement = statement_pb2.Statement.FromString(entry.decided.signed.statement)
        if statement.HasField("table"):
            return [*entry.decided.trace_keys, EVERYONE]
    return getattr(getattr(entry, kind), "trace_keys", ())


def entry_day(data: bytes) -> date:
    """The UTC day of an entry, by its own time.

    Raises:
        IntegrityError: `BAD_ENTRY`.
    """
    return date.fromordinal(_EPOCH + day_number(data))


def day_number(data: bytes) -> int:
    """As `entry_day`, in days since 1970; reads no more of the entry than its time.

    Raises:
        IntegrityError: `BAD_ENTRY`.
    """
    if not data.startswith(_START):
        return parse_entry(data).entry_time_ms // DAY_MS
    time_ms = 0
    for place, byte in enumerate(data[len(_START) : len(_START) + 9]):
        time_ms |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return time_ms // DAY_MS
    raise IntegrityError("BAD_ENTRY", "entry: its time cannot be read")


def day_of_ms(time_ms: int) -> date:
    """The UTC day of Unix milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()
