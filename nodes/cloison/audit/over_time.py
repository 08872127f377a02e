"""Counts of the period, by day: what a report draws."""

from collections import Counter

from cloison.audit.gathering import printable
from cloison.audit.period import Period, hour_of
from cloison.audit.series import Series
from cloison.audit.tables import Tables


def accesses_over_time(tables: Tables, period: Period) -> list[Series]:
    """Persons asked about, by purpose and day, permitted and refused; persons by activity.

    A cohort counts for the persons whose batches left; a refused one for one question.
    """
    given: Counter[tuple[str, str]] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    named: Counter[tuple[str, str]] = Counter()
    purposes: dict[int, tuple[str, str]] = {}
    for one in tables.questions:
        purposes[one.statement_key] = (one.purpose, one.activity)
        if not period.holds(one.time):
            continue
        day = hour_of(one.time).date
        if not one.permitted:
            refused[one.purpose, day] += 1
        elif not one.cohort:
            given[one.purpose, day] += one.persons
            named[one.activity, day] += one.persons
    for part in tables.parts:
        known = purposes.get(part.statement_key)
        if known is not None and not part.came and period.holds(part.time):
            given[known[0], hour_of(part.time).date] += part.persons
    return [
        *_series("accesses", "Accès accordés", "personnes", given, purpose=True),
        *_series("refusals", "Refus", "demandes", refused, purpose=True),
        *_series("persons", "Personnes demandées une à une", "personnes", named, purpose=False),
    ]


def _series(
    name: str, title: str, unit: str, counts: Counter[tuple[str, str]], *, purpose: bool
) -> list[Series]:
    points: dict[str, list[tuple[str, float]]] = {}
    for (of, day), count in sorted(counts.items()):
        points.setdefault(printable(of), []).append((day, float(count)))
    return [
        Series(
            name, f"{title} : {of}", "" if purpose else of, of if purpose else "", unit, tuple(ys)
        )
        for of, ys in points.items()
    ]
