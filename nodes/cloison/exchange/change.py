"""Whether an answer would be another now: what is compared, which periods may be named. Pure."""

from collections import Counter

from cloison.law.question import Granularity, Question
from cloison.store import PeriodData, PersonData


def changed_periods(before: PersonData, after: PersonData) -> set[int]:
    """The periods that say something else of a person: a status or a value asked for.

    Where a value came from and its version are no part of it: declared again, it is the same value.

    Args:
        before: As it was answered.
        after: The same question, on what is held now.
    """
    was = {period.period: _said(period) for period in before.periods}
    now = {period.period: _said(period) for period in after.periods}
    return {period for period in was.keys() | now.keys() if was.get(period) != now.get(period)}


def _said(period: PeriodData) -> tuple[str, Counter[str]]:
    # `repr`, not the values: 1 and True are equal, and are not the same answer.
    return period.status.value, Counter(repr(record.values) for record in period.records)


def periods_of(question: Question) -> frozenset[int]:
    """The periods an answer to this question has; no change can name another."""
    if question.granularity is Granularity.CURRENT:
        return frozenset((0,))
    if question.granularity is Granularity.WINDOW_TOTAL:
        return frozenset((question.first_month.number,))
    if question.granularity is Granularity.YEAR:
        return frozenset(range(question.first_month.year, question.last_month.year + 1))
    return frozenset(month.number for month in question.first_month.to(question.last_month))
