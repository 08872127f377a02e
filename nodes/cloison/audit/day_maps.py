"""Days: each closed once, without a gap, by the map that its entries lead to.

A person's proof of absence rests on a map being in order. What one proof cannot show (two rows of
one key far apart, a row too few) is found here, by making every map again.
"""

from collections import defaultdict
from datetime import date, timedelta

from cloison.audit.findings import MOST_EVIDENCE, Finding, Severity
from cloison.audit.lines import Line
from cloison.audit.period import Period
from cloison.bodies import BodyId
from cloison.exchange.traced import DAY_MS, day_of_ms, traced_keys
from cloison.ledger.day_map import DayMap, gather
from cloison.v1 import entry_pb2

_ARTICLE = "CRPA, art. R114-9-7 (traces mises à la disposition de la personne)"
_SENTENCES = {
    "DAY_MAP_WRONG": "{body} a clos {n} jour(s) par une carte qui n'est pas la leur.",
    "DAY_MISSING": "{body} n'a pas clos tous les jours : {n} manque(nt) ou se suivent mal.",
    "DAYS_NEVER_CLOSED": "{body} écrit sans clore aucun jour : rien ne prouve à une personne que"
    " ses accès lui sont tous montrés.",
}
_SETTLES = "Refaire la carte de ces jours depuis le registre, par un autre programme."
_NEXT = timedelta(days=1)
_GRACE_MS = 3_600_000
"""After midnight; a node closes a day within a second or two, or as it starts."""


class DayWatch:
    """Sees the entries of one body's `traces`, in order, from the first still kept.

    Memory: the trace keys of the days not closed yet.
    """

    def __init__(self, body: BodyId) -> None:
        self._body = body
        self._waiting: list[tuple[int, int, list[bytes]]] = []
        self._first: int | None = None
        self._after: tuple[date, int] | None = None
        self._told = False
        self._found: dict[str, list[Line]] = defaultdict(list)

    def see(self, line: Line, kind: str | None) -> None:
        """The next entry, and what it is."""
        if self._first is None:
            self._first = line.index
        if kind == "day_closed":
            self._close(line, line.entry.day_closed, self._first)
        time = line.entry.entry_time_ms
        overdue = self._overdue(time)
        if overdue and not self._told:
            code = "DAYS_NEVER_CLOSED" if self._after is None else "DAY_MISSING"
            self._found[code].append(line)
        self._told = overdue
        day = time // DAY_MS
        self._waiting.append((line.index, day, list(traced_keys(line.entry))))

    def _close(self, line: Line, closed: entry_pb2.DayClosed, first: int) -> None:
        day = _day(closed.day)
        span = range(closed.first_index, closed.end_index)
        mine = [one for one in self._waiting if one[0] in span]
        if closed.first_index >= first:  # of an earlier day entries are gone
            if not self._follows(day, closed.first_index):
                self._found["DAY_MISSING"].append(line)
            made = DayMap(gather((index, keys) for index, _, keys in mine))
            same = (made.root, made.size) == (closed.map_root, closed.map_rows)
            whole = len(mine) == len(span) and line.index >= closed.end_index
            if not (same and whole and all(day_of_ms(of * DAY_MS) == day for _, of, _ in mine)):
                self._found["DAY_MAP_WRONG"].append(line)
        self._waiting = [one for one in self._waiting if one[0] >= closed.end_index]
        self._after = day, closed.end_index

    def _overdue(self, time_ms: int) -> bool:
        """A day ended a while before this was written, and nothing closed it.

        By entries alone: a node that stopped closes its last day as it starts again.
        """
        if not self._waiting:
            return False
        return time_ms >= (self._waiting[0][1] + 1) * DAY_MS + _GRACE_MS

    def _follows(self, day: date, first_index: int) -> bool:
        if self._after is None:
            return True
        last, end = self._after
        return last < date.max and (day, first_index) == (last + _NEXT, end)

    def findings(self, period: Period) -> list[Finding]:
        """Of days closed in the period: one finding a code."""
        found = []
        for code, lines in sorted(self._found.items()):
            held = [line for line in lines if period.holds(line.entry.entry_time_ms)]
            if held:
                found.append(self._finding(code, held))
        return found

    def _finding(self, code: str, lines: list[Line]) -> Finding:
        return Finding(
            code,
            Severity.HIGH,
            "",
            _ARTICLE,
            _SENTENCES[code].format(body=self._body, n=len(lines)),
            len(lines),
            tuple(line.evidence for line in lines[:MOST_EVIDENCE]),
            _SETTLES,
        )


def _day(text: str) -> date:
    """The day that was closed; one of no calendar follows no other."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.max
