"""Days of `traces` that are over: each gets its map, beside the log, and a `day_closed` entry.

An entry is of the UTC day of its own time, and these never go back (`Node.enter`): so a day is one
run of entries, which is complete as soon as an entry of a later day stands behind it, and a day
that has begun by the clock but not in the ledger begins with the entry that closes the one before.

Every day has an entry, those without any other too: nobody can leave one out.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from cloison.errors import CloisonError, IntegrityError
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.index_terms import LAST_DAY
from cloison.exchange.traced import day_number, entry_day, traced_keys
from cloison.ledger.day_files import DayFile, day_file, write_day_map
from cloison.ledger.day_map import DayMap, gather
from cloison.v1 import entry_pb2
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_FOLDER = "days"
_STEP_ENTRIES = 64
_FILE_DAYS = 30
_NEXT = timedelta(days=1)

Span = tuple[date, int, int]
"""A day, its first entry, and the one after its last."""


class DayBook:
    """Closes days, and reads the maps of those that are closed."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def folder(self) -> Path:
        """Where the maps stand; all of it can be made again from the log."""
        return self._node.traces.directory.parent / _FOLDER

    def close_all(self) -> int:
        """Closes every day that is over, here and now; how many. Raises `StorageError`."""
        count = 0
        while (span := self._due()) is not None:
            self._enter(span, self._map(span))
            count += 1
        return count

    async def close_beside(self) -> None:
        """As `close_all`; questions are answered meanwhile."""
        while (span := self._due()) is not None:
            indexes: dict[bytes, list[int]] = {}
            for some in _steps(span):
                for key, found in gather(self._keyed(some)).items():
                    indexes.setdefault(key, []).extend(found)
                await asyncio.sleep(0)
            made = await asyncio.to_thread(DayMap, indexes)
            if self._due() == span:  # nobody else closed it
                self._enter(span, made)

    def closed(self, day: date) -> tuple[int, entry_pb2.DayClosed] | None:
        """The entry that closed a day; None while it is not."""
        place = self._node.index.first("day", day.isoformat().encode())
        return None if place is None else (place, self._entry(place))

    def newest(self) -> entry_pb2.DayClosed | None:
        """The day that was closed last."""
        place = self._node.index.last("day", LAST_DAY)
        return None if place is None else self._entry(place)

    def open(self, closed: entry_pb2.DayClosed) -> DayFile:
        """A day's map, made again where its file is missing or is not the one that was entered.

        Raises:
            StorageError: the log or the disk refused.
            IntegrityError: `BAD_DAY_MAP`: the entries do not lead to the root that was entered.
        """
        day = date.fromisoformat(closed.day)
        path = day_file(self.folder, day)
        try:
            return DayFile(path, closed.map_rows, closed.map_root)
        except CloisonError:
            made = self._map((day, closed.first_index, closed.end_index))
            if (made.size, made.root) != (closed.map_rows, closed.map_root):
                raise IntegrityError(
                    "BAD_DAY_MAP", f"day {day}: its entries do not lead to the map entered"
                ) from None
            write_day_map(self.folder, day, made)
        return DayFile(path, closed.map_rows, closed.map_root)

    def _due(self) -> Span | None:
        """The next day that is over and not closed."""
        traces, today = self._node.traces, utc_day(self._node.clock())
        last = self.newest()
        if last is not None:
            day, first = date.fromisoformat(last.day) + _NEXT, last.end_index
        elif traces.size > traces.minimum:
            day, first = entry_day(traces.entry(traces.minimum)), traces.minimum
        else:
            return None
        if day >= today:
            return None
        number = (day - date(1970, 1, 1)).days
        key = lambda index: day_number(traces.entry(index))  # noqa: E731 - a key of bisect
        return day, first, bisect_right(range(traces.size), number, lo=first, key=key)

    def _map(self, span: Span) -> DayMap:
        return DayMap(gather(pair for some in _steps(span) for pair in self._keyed(some)))

    def _keyed(self, some: range) -> Iterator[tuple[int, list[bytes]]]:
        found = self._node.traces.entries(some.start, len(some))
        for index, data in enumerate(found, some.start):
            yield index, list(traced_keys(parse_entry(data)))

    def _enter(self, span: Span, made: DayMap) -> None:
        day, first, end = span
        # The map first: one without its entry is written again, never believed.
        write_day_map(self.folder, day, made)
        with closing(DayFile(day_file(self.folder, day), made.size, made.root)):
            pass
        closed = entry_pb2.DayClosed(
            day=day.isoformat(),
            first_index=first,
            end_index=end,
            map_root=made.root,
            map_rows=made.size,
        )
        self._begin_file(day)
        self._node.enter([entry_of(closed, self._node.clock())])

    def _begin_file(self, day: date) -> None:
        """An append file holds a month at most: what is no longer kept must stand in none."""
        traces = self._node.traces
        if traces.file_start < traces.size:
            held_from = entry_day(traces.entry(traces.file_start))
            if (day - held_from).days >= _FILE_DAYS:
                traces.begin_file()

    def _entry(self, place: int) -> entry_pb2.DayClosed:
        return parse_entry(self._node.traces.entry(place)).day_closed


def _steps(span: Span) -> Iterator[range]:
    _, first, end = span
    for start in range(first, end, _STEP_ENTRIES):
        yield range(start, min(start + _STEP_ENTRIES, end))
