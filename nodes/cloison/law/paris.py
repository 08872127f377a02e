"""The French calendar day of an instant: texts come into force at midnight in Paris.

Computed, not looked up: a past decision is decided again on any machine with the same result,
whatever time-zone tables that machine has.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from cloison.errors import InputError

_SUNDAY = 6
_SUMMER, _WINTER = timedelta(hours=2), timedelta(hours=1)


def paris_day(now: datetime) -> date:
    """The day in Paris at `now`.

    Args:
        now: An aware instant, 1996 or later.

    Raises:
        InputError: `NAIVE_TIME`: `now` has no time zone.

    Source:
        Directive 2000/84/EC: summer time, last Sunday of March to that of October, 01:00 UTC.

    Example:
        >>> paris_day(datetime(2024, 1, 31, 23, 30, tzinfo=UTC))
        datetime.date(2024, 2, 1)
    """
    return paris_clock(now).date()


def paris_clock(now: datetime) -> datetime:
    """What a clock in Paris shows at `now`; raises as `paris_day`.

    Its time zone says UTC and means nothing: it is for reading days and hours off, no more.
    """
    if now.tzinfo is None:
        raise InputError("NAIVE_TIME", "decision time: it has no time zone", "give a UTC time")
    instant = now.astimezone(UTC)
    summer = _change(instant.year, 3) <= instant < _change(instant.year, 10)
    return instant + (_SUMMER if summer else _WINTER)


@lru_cache(maxsize=256)
def _change(year: int, month: int) -> datetime:
    """01:00 UTC on the last Sunday of a 31-day month."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() - _SUNDAY) % 7)
