"""What happened around each household file: visits, messages, declarations, controls."""

from collections.abc import Iterable, Iterator
from datetime import date
from random import Random

from cloison.months import Month
from cloison.population.figures import Shares
from cloison.population.people import Household, Window
from cloison.population.streams import chance, stream

EVENT_COLUMNS = ("household", "applicant", "date", "kind", "channel")
_MONTHS, _QUARTER = 18, 3
# Kind, channel, and one more than the most times it happens.
_RARE = (
    ("email", "web", 4),
    ("visit", "desk", 3),
    ("call", "phone", 3),
    ("rent_change", "web", 3),
    ("address_change", "web", 2),
    ("work_change", "web", 3),
    ("control", "desk", 2),
)

Event = tuple[date, str, str]
"""Day, kind and channel."""


def event_rows(
    households: Iterable[Household], window: Window, shares: Shares, seed: int
) -> Iterator[str]:
    """The events of each file in the last months of the window, by day."""
    for household in households:
        rng = stream(seed, "events", household.index)
        head = f"{household.number};{household.applicant.nir}"
        # Two alike on one day are one event.
        for when, kind, channel in sorted(set(_events(household, window, shares, rng))):
            yield f"{head};{when};{kind};{channel}"


def _events(household: Household, window: Window, shares: Shares, rng: Random) -> Iterator[Event]:
    ended = household.until
    last = window.last.index if ended is None else Month.from_date(ended).index
    earliest = max(window.last.index - _MONTHS + 1, Month.from_date(household.file_since).index + 1)
    if earliest > last:
        return
    if household.left is not None and Month.from_date(household.left.day).index >= earliest:
        yield household.left.day, "separation", "web"
    declares = any(claim.live for claim in household.claims)
    keen = rng.random() * 2.5
    for month in range(earliest, last + 1):
        for _ in range(int(rng.random() * keen + rng.random())):
            yield _some_day(month, rng), "login", "web"
        if declares and (last - month) % _QUARTER == household.index % _QUARTER:
            channel = "web" if chance(rng, shares.online_declaration) else "paper"
            yield _some_day(month, rng), "declaration", channel
    for kind, channel, times in _RARE:
        drawn = rng.random()
        for _ in range(int(drawn * drawn * drawn * times)):
            yield _some_day(rng.randrange(earliest, last + 1), rng), kind, channel


def _some_day(month: int, rng: Random) -> date:
    return date(month // 12, month % 12 + 1, 1 + rng.randrange(28))
