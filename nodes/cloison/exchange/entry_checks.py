"""What can be wrong with the entries of a ledger beyond their bytes: versions, times, repeats."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256

from cloison.errors import CloisonError, IntegrityError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import to_milliseconds
from cloison.ledger.tiles import MAX_ENTRY_BYTES
from cloison.v1 import entry_pb2

_PREFIX_BYTES = 16
_SECOND_MS = 1_000


class EntryChecks:
    """Looks at the entries of one ledger, one after the other from the first.

    Times may stand a little out of order, since what is decided together is written together: a
    clock went back where an entry is older than one before it by more than clocks may differ.

    Args:
        now: The time by the reader's clock.
    """

    def __init__(self, now: datetime) -> None:
        self._skew_ms = limits.CLOCK_SKEW // timedelta(milliseconds=1)
        self._now_ms = to_milliseconds(now)
        self._latest_ms = 0
        self._decided: dict[bytes, int] = {}

    def problems(self, index: int, data: bytes) -> Iterator[CloisonError]:
        """What is wrong with an entry.

        Returns:
            `BAD_ENTRY`, `ENTRY_TOO_LONG`, `CLOCK_WENT_BACK`, `CLOCK_AHEAD`, `STATEMENT_TWICE`.
        """
        if len(data) > MAX_ENTRY_BYTES:
            why = f"{len(data)} bytes, {MAX_ENTRY_BYTES} at most"
            yield IntegrityError("ENTRY_TOO_LONG", f"entry {index}: {why}")
        try:
            entry = parse_entry(data)
        except IntegrityError as error:
            why = error.message.removeprefix("entry: ")
            yield IntegrityError(error.reason, f"entry {index}: {why}")
            return
        yield from self._time(index, entry.entry_time_ms)
        yield from self._twice(index, entry)

    def _time(self, index: int, time_ms: int) -> Iterator[CloisonError]:
        back_ms = self._latest_ms - time_ms
        if back_ms > self._skew_ms:
            why = f"{back_ms // _SECOND_MS} s older than one before it"
            yield IntegrityError("CLOCK_WENT_BACK", f"entry {index}: {why}")
        ahead_ms = time_ms - self._now_ms
        if ahead_ms > self._skew_ms and self._latest_ms - self._now_ms <= self._skew_ms:
            why = f"{ahead_ms // _SECOND_MS} s ahead of this clock"
            yield IntegrityError("CLOCK_AHEAD", f"entry {index}: {why}")
        # A jump is told once: what follows is held to the clock as it was set.
        self._latest_ms = time_ms if back_ms > self._skew_ms else max(time_ms, self._latest_ms)

    def _twice(self, index: int, entry: entry_pb2.Entry) -> Iterator[CloisonError]:
        """A statement has one decision, and each of a cohort's batches one part, for ever."""
        kind = entry.WhichOneof("kind")
        if kind == "decided":
            key = sha256(entry.decided.signed.statement).digest()
        elif kind == "cohort_part" and not entry.cohort_part.received:
            part = entry.cohort_part
            key = sha256(part_key(part.statement_hash, part.batch_index)).digest()
        else:
            return
        first = self._decided.setdefault(key[:_PREFIX_BYTES], index)
        if first != index:
            why = f"answers what entry {first} answered"
            yield IntegrityError("STATEMENT_TWICE", f"entry {index}: {why}")
