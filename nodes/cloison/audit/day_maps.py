"""Days: each closed once, without a gap, by the map that its entries lead to.

A person's proof of absence rests on a map being in order. What one proof cannot show (two rows of
one key far apart, a row too few) is found here, by making every map again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from cloison.audit.findings import MOST_EVIDENCE, Finding, Severity
from cloison.audit.lines import Line
from cloison.bodies import BodyId
from cloison.exchange.traced import day_of_ms, traced_keys
from cloison.ledger.day_map import DayMap, gather

_ARTICLE = "CRPA, art. R114-9-7 (traces mises à la disposition de la personne)"
_SENTENCES = {
    "DAY_MAP_WRONG": "{body} a clos {n} jour(s) par une carte qui n'est pas la leur.",
    "DAY_MISSING": "{body} n'a pas clos tous les jours : {n} manque(nt) ou se suivent mal.",
    "CLOCK_WENT_BACK": "L'horloge de {body} a reculé d'un jour à l'autre, {n} fois.",
}
_SETTLES = "Refaire la carte de ces jours depuis le registre, par un autre programme."
_NEXT = timedelta(days=1)

Keys = list[tuple[int, list[bytes]]]


def day_maps(ledgers: Mapping[BodyId, Iterable[Line]]) -> list[Finding]:
    """Maps that are wrong, days that are missing, clocks that went back: one finding a code.

    Memory: the trace keys of the days not closed yet.

    Args:
        ledgers: Of each body, its `traces`, whole from the first entry still kept.
    """
    found: dict[tuple[str, BodyId], list[Line]] = defaultdict(list)
    for body, lines in ledgers.items():
        for code, line in _wrong(lines):
            found[code, body].append(line)
    return [
        Finding(
            code,
            Severity.HIGH,
            "",
            _ARTICLE,
            _SENTENCES[code].format(body=body, n=len(lines)),
            len(lines),
            tuple(line.evidence for line in lines[:MOST_EVIDENCE]),
            _SETTLES,
        )
        for (code, body), lines in sorted(found.items())
    ]


def _wrong(lines: Iterable[Line]) -> Iterator[tuple[str, Line]]:
    waiting: Keys = []
    days: dict[int, date] = {}
    first: int | None = None
    last: date | None = None
    after: tuple[date, int] | None = None
    for line in lines:
        first = line.index if first is None else first
        day = day_of_ms(line.entry.entry_time_ms)
        if last is not None and day < last:
            yield "CLOCK_WENT_BACK", line
        last = day
        if line.entry.WhichOneof("kind") == "day_closed":
            closed = line.entry.day_closed
            of = _day(closed.day)
            whole = closed.first_index >= first
            if whole and not _follows(after, of, closed.first_index):
                yield "DAY_MISSING", line
            span = range(closed.first_index, closed.end_index)
            mine = [one for one in waiting if one[0] in span]
            made = DayMap(gather(mine))
            same = (made.root, made.size) == (closed.map_root, closed.map_rows)
            if whole and not (same and all(days[index] == of for index, _ in mine)):
                yield "DAY_MAP_WRONG", line
            waiting = [one for one in waiting if one[0] >= closed.end_index]
            after = of, closed.end_index
        waiting.append((line.index, list(traced_keys(line.entry))))
        days[line.index] = day


def _day(text: str) -> date:
    """The day that was closed; one of no calendar follows no other."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min


def _follows(after: tuple[date, int] | None, day: date, first_index: int) -> bool:
    return after is None or (day, first_index) == (after[0] + _NEXT, after[1])
