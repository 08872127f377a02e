"""Which periods a question covers, and what an empty one means on the day it is asked. Pure."""

import calendar
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cloison.errors import InputError
from cloison.months import Month
from cloison.store.catalogue import Dataset, Due, Period

CURRENT = 0
"""The period number of what is in force now."""


class Granularity(StrEnum):
    """How fine an answer is: the same words as the law's."""

    MONTH = "month"
    WINDOW_TOTAL = "window-total"
    YEAR = "year"
    CURRENT = "current"


_ALLOWED = {
    Period.MONTH: {Granularity.MONTH, Granularity.WINDOW_TOTAL},
    Period.YEAR: {Granularity.YEAR},
    Period.CURRENT: {Granularity.CURRENT},
}


@dataclass(frozen=True, slots=True)
class Window:
    """Period numbers asked, in order, and those whose time to declare is over."""

    periods: tuple[int, ...]
    over: frozenset[int]


def check_granularity(name: str, dataset: Dataset, granularity: str) -> Granularity:
    """Raises `InputError` (`BAD_GRANULARITY`) where the dataset cannot be given so."""
    allowed = _ALLOWED[dataset.period]
    if granularity not in allowed or (
        granularity == Granularity.WINDOW_TOTAL and dataset.category is None
    ):
        raise InputError(
            "BAD_GRANULARITY",
            f"granularity `{granularity}`: `{name}` has records by {dataset.period.value}",
        )
    return Granularity(granularity)


def window(dataset: Dataset, first: Month, last: Month, today: date) -> Window:
    """The periods from `first` to `last`, both included.

    Raises:
        InputError: `BAD_WINDOW`: the last month is before the first, or a yearly dataset is not
            asked from a January to a December.
    """
    if dataset.period is Period.CURRENT:
        return Window((CURRENT,), frozenset((CURRENT,)))
    if last < first:
        raise InputError(
            "BAD_WINDOW", f"months `{first}` to `{last}`: none", "give the first first"
        )
    if dataset.period is Period.YEAR:
        if first.month != 1 or last.month != 12:  # noqa: PLR2004 - a calendar year
            raise InputError(
                "BAD_WINDOW",
                f"months `{first}` to `{last}`: not whole years",
                "ask January to December",
            )
        periods = tuple(range(first.year, last.year + 1))
        return Window(periods, frozenset(y for y in periods if last_due_day(dataset, y) < today))
    numbers = tuple(month.number for month in first.to(last))
    return Window(numbers, frozenset(n for n in numbers if last_due_day(dataset, n) < today))


def last_due_day(dataset: Dataset, period: int) -> date:
    """The last day on which a source may declare the period: its own last day where none is set."""
    due = dataset.due or Due(periods_later=0, day=31)
    if dataset.period is Period.YEAR:
        month = Month.of(period + due.periods_later, due.month or 12)
    else:
        month = Month.from_number(period) + due.periods_later
    days = calendar.monthrange(month.year, month.month)[1]
    return date(month.year, month.month, min(due.day, days))
