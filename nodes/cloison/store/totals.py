"""Totals over a window: exact, per category, and only where every period is known. Pure."""

from collections.abc import Sequence

from cloison.store.catalogue import Dataset
from cloison.store.values import PeriodData, RecordData, Status, Value

UNKNOWN = (Status.UNDER_CORRECTION, Status.NOT_YET_DUE, Status.LATE)
"""Statuses of which one period is enough to leave a total unknown; the first of them is given."""


def window_total(
    dataset: Dataset, fields: Sequence[str], periods: Sequence[PeriodData]
) -> PeriodData:
    """One record for each category present, by name; the first period names the window.

    Amounts are summed; the category itself is given; any other field is not stated. An amount that
    one record does not state makes the category's total not stated: absent is not zero.

    Args:
        dataset: Names the category.
        fields: What was asked.
        periods: At least one; records hold `fields`, then the category.
    """
    first = periods[0].period
    statuses = {period.status for period in periods}
    for status in UNKNOWN:
        if status in statuses:
            return PeriodData(first, status, ())
    by_category: dict[str, list[RecordData]] = {}
    for period in periods:
        for record in period.records:
            by_category.setdefault(str(record.values[-1]), []).append(record)
    if not by_category:
        return PeriodData(first, Status.NOTHING_DECLARED, ())
    source = f"total {first} to {periods[-1].period}"
    totals = tuple(
        RecordData(
            source,
            max(record.version for record in by_category[category]),
            _sums(dataset, fields, by_category[category]),
        )
        for category in sorted(by_category)
    )
    return PeriodData(first, Status.DECLARED, totals)


def _sums(
    dataset: Dataset, fields: Sequence[str], records: Sequence[RecordData]
) -> tuple[Value, ...]:
    def total(place: int, name: str) -> Value:
        if name == dataset.category:
            return records[0].values[-1]
        if not dataset.fields[name].type.summable:
            return None
        amounts = [record.values[place] for record in records]
        stated = [amount for amount in amounts if isinstance(amount, int)]
        return sum(stated) if len(stated) == len(amounts) else None

    return tuple(total(place, name) for place, name in enumerate(fields))
