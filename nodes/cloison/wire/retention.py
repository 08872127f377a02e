"""The oldest traces go when the law no longer has them kept; the register says what went.

Whole bundles of 256 entries go, from the first on: up to 255 entries stay some time longer. No case
outlives the traces of the day it was opened on (`CaseDesk.renew`); what one that is live still has
to be proved by stays only where a policy set shortened the time meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256

from cloison.errors import InputError
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.statement import from_milliseconds
from cloison.exchange.traced import entry_day
from cloison.law.durations import end_of
from cloison.law.trace_rules import TraceRules
from cloison.ledger.day_files import drop_days_before
from cloison.ledger.pruning import kept_hashes
from cloison.ledger.tiles import TILE_WIDTH
from cloison.v1 import entry_pb2
from cloison.wire.days import DayBook
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_NEXT = timedelta(days=1)
_SLOW = timedelta(hours=1)
"""What an entry rests on is kept before it, though never so long."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: so many entries, all before `first_index`."""

    first_index: int
    removed: int


class RetentionDesk:
    """Ends the retention of traces."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looked_on: date | None = None

    def daily(self) -> Pruned | None:
        """Prunes what need not be kept, once a day; None where nothing went."""
        today = utc_day(self._node.clock())
        if self._looked_on == today or self._node.policy.traces is None:
            return None
        self._looked_on = today
        return self.prune(self._kept_from())

    def prune(self, before: date) -> Pruned | None:
        """Keeps no entry of a day before this one, as far as whole bundles allow.

        The certificate is on disk first. A crash before the rest leaves entries that the next call
        removes, with a certificate of its own.

        Raises:
            InputError: `STILL_KEPT`: the law has some of these kept; `NO_TRACE_RULES`.
            StorageError: the disk refused.
        """
        node = self._node
        rules = node.policy.traces
        if rules is None:
            raise InputError("NO_TRACE_RULES", "traces: no text says how long they are kept")
        if before > self._kept_from():
            raise InputError(
                "STILL_KEPT",
                f"traces: those from {self._kept_from()} on are still to be kept",
                f"{rules.retention.article}: {rules.retention.kept}",
            )
        minimum = node.traces.prunable(self._first_of(before))
        removed = minimum - node.traces.minimum
        if removed > 0:
            self._remove(rules, minimum)
        if node.traces.minimum:  # whether or not a crash came between, the time before
            self._forget(node.traces.minimum)
        return Pruned(minimum, removed) if removed > 0 else None

    def _remove(self, rules: TraceRules, minimum: int) -> None:
        node = self._node
        pruned = entry_pb2.TracesPruned(
            first_index=minimum,
            first_day=entry_day(node.traces.entry(minimum)).isoformat(),
            root=node.traces.root(minimum),
            removed=minimum - node.traces.minimum,
            removed_hash=sha256(b"".join(self._hashes(minimum))).digest(),
            text=rules.retention.text,
            article=rules.retention.article,
        )
        node.register.append_many([entry_of(pruned, node.clock())])
        node.traces.prune(minimum)
        node.index.prune()
        drop_days_before(DayBook(node).folder, date.fromisoformat(pruned.first_day))

    def _forget(self, minimum: int) -> None:
        """Nothing is kept of whom entries before this one are about."""
        node = self._node
        with node.vault.lasting():
            node.vault.prune(minimum, self._written(minimum), node.clock())
            node.vault.contestations.forget(self._without_entry())

    def _written(self, index: int) -> datetime:
        return from_milliseconds(parse_entry(self._node.traces.entry(index)).entry_time_ms) - _SLOW

    def _without_entry(self) -> list[bytes]:
        """The contestations whose entry is no longer kept."""
        node = self._node
        contested = node.vault.contestations.all()
        return [one.hash for one in contested if node.index.first("contested", one.hash) is None]

    def _kept_from(self) -> date:
        """The first day whose traces must still be kept."""
        rules = self._node.policy.traces
        today = utc_day(self._node.clock())
        if rules is None:
            return date.min
        # The earliest day whose retention is not over: a year is no fixed number of days.
        day = today
        while day > date.min + _NEXT and end_of(rules.retention.kept, _start(day)) > _start(today):
            day -= _NEXT
        return day + _NEXT

    def _first_of(self, before: date) -> int:
        """The first entry that must stay: of that day, or one a live case is proved by."""
        node = self._node
        low, high = node.traces.minimum, node.traces.size
        while low < high:
            middle = (low + high) // 2
            if entry_day(node.traces.entry(middle)) < before:
                low = middle + 1
            else:
                high = middle
        live = node.vault.cases.oldest_live(node.clock())
        return min(low, node.traces.size - 1, low if live is None else live)

    def _hashes(self, minimum: int) -> Iterator[bytes]:
        traces = self._node.traces
        for bundle in range(traces.minimum // TILE_WIDTH, minimum // TILE_WIDTH):
            yield from kept_hashes(lambda tile: traces.tile(tile.level, tile.index), bundle)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
