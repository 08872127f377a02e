"""The audit's series as pictures: accesses and refusals by purpose, sweeps, drift."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cloison.audit.series import Series
from cloison.french import french_count
from cloison.law import PolicySet
from cloison.pages.document import Picture
from cloison.pages.drawing import MOST_ROWS, Row, bars, lines

_MOST_DAYS = 62
_MOST_MONTHS = 120
_MONTH, _YEAR = len("2026-11"), len("2026")
_OTHERS = "autres"


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    unit: str
    by_purpose: bool = False
    stacked: bool = True
    summed: bool = True
    """A month is the sum of its days; else the highest of them."""


_KINDS = {
    "accesses": _Kind("Accès accordés, par finalité", "personnes", by_purpose=True),
    "refusals": _Kind("Demandes refusées, par finalité", "demandes", by_purpose=True),
    "persons": _Kind(
        "Personnes demandées une à une en un jour, par traitement (balayages)",
        "personnes",
        stacked=False,
        summed=False,
    ),
    "drift": _Kind(
        "Écart de chaque traitement à ses mois passés (dérive)", "indice", stacked=False
    ),
}


def pictures(series: Sequence[Series], policy: PolicySet, days: tuple[date, date]) -> list[Picture]:
    """Those for which there is something to draw, in one order.

    Args:
        series: Of the audit.
        policy: Names the purposes.
        days: First and last of the period, in Paris.
    """
    by_name: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if one.points:
            by_name[one.name].append(one)
    daily = [one for one in series if _is_daily(one)]
    names = [*(name for name in _KINDS if name in by_name), *sorted(by_name.keys() - _KINDS.keys())]
    return [_picture(name, by_name[name], daily, policy, days) for name in names]


def _picture(
    name: str,
    series: Sequence[Series],
    daily: Sequence[Series],
    policy: PolicySet,
    days: tuple[date, date],
) -> Picture:
    """Pictures of days share their days, so that one may be held against another."""
    kind = _KINDS.get(name) or _Kind(series[0].title, series[0].unit, stacked=False, summed=False)
    places, width = _places(daily if all(map(_is_daily, series)) else series, days)
    rows = _fewer(
        [_row(one, kind, policy, width, summed=kind.summed) for one in series], summed=kind.summed
    )
    limits = sorted({one.limit for one in series if one.limit is not None})
    drawn = (
        bars(places, rows) if kind.stacked else lines(places, rows, limits[0] if limits else None)
    )
    return Picture(f"{kind.title} ({kind.unit})", _said(kind, rows, places, limits), drawn)


def _is_daily(one: Series) -> bool:
    return all(len(place) > _MONTH for place, _ in one.points)


def _row(one: Series, kind: _Kind, policy: PolicySet, width: int, *, summed: bool) -> Row:
    values: dict[str, float] = defaultdict(float)
    for place, value in one.points:
        key = place[:width]
        values[key] = values[key] + value if summed else max(values[key], value)
    known = policy.purposes.get(one.purpose)
    named = (known.fr if known else one.purpose) if kind.by_purpose else one.activity
    return Row(named or one.title, values)


def _fewer(rows: Sequence[Row], *, summed: bool) -> list[Row]:
    """The largest, and the others in one; of what does not add up, the largest alone."""
    ranked = sorted(rows, key=lambda row: (-_size(row), row.name))
    if len(ranked) <= MOST_ROWS:
        return ranked
    kept, rest = ranked[: MOST_ROWS - 1], ranked[MOST_ROWS - 1 :]
    if not summed:
        return kept
    values: dict[str, float] = defaultdict(float)
    for row in rest:
        for place, value in row.values.items():
            values[place] += value
    return [*kept, Row(f"{_OTHERS} ({len(rest)})", values)]


def _size(row: Row) -> float:
    return sum(row.values.values())


def _places(series: Sequence[Series], days: tuple[date, date]) -> tuple[list[str], int]:
    """The days between the first and the last that have a value; months or years where many."""
    points = sorted({place for one in series for place, _ in one.points})
    if all(map(_is_daily, series)):
        first, last = max(points[0], days[0].isoformat()), min(points[-1], days[1].isoformat())
        every = list(_days(date.fromisoformat(first), date.fromisoformat(last)))
        if len(every) <= _MOST_DAYS:
            return [one.isoformat() for one in every], len("2026-11-26")
    months = list(_months(points[0][:_MONTH], points[-1][:_MONTH]))
    if len(months) <= _MOST_MONTHS:
        return months, _MONTH
    years = range(int(months[0][:_YEAR]), int(months[-1][:_YEAR]) + 1)
    return [str(year) for year in years][-_MOST_MONTHS:], _YEAR


def _days(first: date, last: date) -> Iterator[date]:
    # No more than tells that there are too many: a false clock may be centuries away.
    for number in range(min((last - first).days, _MOST_DAYS) + 1):
        yield first + timedelta(days=number)


def _months(first: str, last: str) -> Iterator[str]:
    year, month = int(first[:_YEAR]), int(first[_YEAR + 1 :])
    while (name := f"{year:04d}-{month:02d}") <= last:
        yield name
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - December


def _said(kind: _Kind, rows: Sequence[Row], places: Sequence[str], limits: Sequence[float]) -> str:
    """The picture in words: the largest value of each row, and where it stands."""
    span = f"du {places[0]} au {places[-1]}" if len(places) > 1 else f"le {places[0]}"
    said = [f"{row.name} : {_most(row.values)}" for row in rows]
    limit = f" Seuil : {_figure(limits[0])}." if limits else ""
    return f"{kind.title}, {span}. Valeur la plus haute : {' ; '.join(said)}.{limit}"


def _most(values: Mapping[str, float]) -> str:
    place = max(sorted(values), key=lambda one: values[one])
    return f"{_figure(values[place])} ({place})"


def _figure(value: float) -> str:
    if value == int(value):
        return french_count(int(value))
    return f"{value:.3g}".replace(".", ",")
