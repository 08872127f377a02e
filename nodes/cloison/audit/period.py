"""The period an audit is about, and the French hour of an entry."""

from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Day  # noqa: N812 - a type, beside a field of its name
from functools import cached_property, lru_cache

from cloison.errors import InputError
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.law.paris import paris_clock

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(3000, 1, 1, tzinfo=UTC)
_FIRST_MS = to_milliseconds(datetime(1996, 1, 1, tzinfo=UTC))
_FRIDAY = 4
_LAST_MS = to_milliseconds(_END)


@dataclass(frozen=True)
class Period:
    """From `since`, included, to `until`, excluded; both aware.

    Raises:
        InputError: `BAD_PERIOD`: it ends before it begins.
    """

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.until <= self.since:
            raise InputError(
                "BAD_PERIOD",
                f"period: {self.until.isoformat()} is not after {self.since.isoformat()}",
                "give --since before --until",
            )

    @classmethod
    def up_to(cls, until: datetime) -> "Period":
        """All that was written before `until`."""
        return cls(_BEGINNING, until)

    @classmethod
    def always(cls) -> "Period":
        """Whatever an entry's time says."""
        return cls(_BEGINNING, _END)

    @cached_property
    def since_ms(self) -> int:
        """Unix milliseconds."""
        return to_milliseconds(self.since)

    @cached_property
    def until_ms(self) -> int:
        """Unix milliseconds."""
        return to_milliseconds(self.until)

    def holds(self, milliseconds: int) -> bool:
        """Whether an entry of that time is of this period."""
        return self.since_ms <= milliseconds < self.until_ms


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour as the agents of the bodies live it.

    Attributes:
        day: In Paris.
        date: The same, `YYYY-MM-DD`.
        month: `YYYY-MM`.
        hour: 0 to 23, in Paris.
        weekend: Saturday or Sunday.
    """

    day: Day
    date: str
    month: str
    hour: int
    weekend: bool


def hour_of(milliseconds: int) -> Hour:
    """The hour in Paris of Unix milliseconds; what no clock can show is the nearest it can.

    A ledger is another's word: a time that nobody believes may not end the audit.
    """
    return _hour(min(max(milliseconds, _FIRST_MS), _LAST_MS) // HOUR_MS)


@lru_cache(maxsize=200_000)
def _hour(number: int) -> Hour:
    shown = paris_clock(from_milliseconds(number * HOUR_MS))
    day = shown.date()
    return Hour(day, day.isoformat(), f"{day:%Y-%m}", shown.hour, day.weekday() > _FRIDAY)
