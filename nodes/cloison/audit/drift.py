"""What an activity asks, month by month, against what it asked before: departing from its purpose.

Source: population stability index, the sum over categories of (p − q) · ln(p / q), p the month's
shares and q those of all earlier months; half a question is added to each category, so that one
never seen before weighs much and not infinitely.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import PURPOSE_LIMITATION, Gathering, Kind, printable
from cloison.audit.period import DAY_MS, hour_of
from cloison.audit.rows import Question
from cloison.audit.scene import Scene
from cloison.audit.series import Series
from cloison.law.question import Granularity

_Category = tuple[str | int, ...]
_Counts = dict[str, Counter[_Category]]
_BATCH = "batch"
_HOURS_A_PART = 4
_AGES = (1, 8, 31, 91)
"""Days of a case: its first, its first week, month, quarter, and after."""
_HALF = 0.5
_HUNDRED = 100
_MONTHS_A_YEAR = 12
_DRIFT = Kind(
    "PURPOSE_DRIFT",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "En {month}, ce que demande {activity} s'écarte de ses mois précédents : {what}, indice"
    " {index} ({n} demandes).",
    "Ce qui a changé dans le traitement ce mois-là, et le texte qui le voulait.",
)
_WORDS = {
    "fields": "données demandées",
    "window": "mois demandés",
    "hour": "heures des agents",
    "age": "âge des dossiers",
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One activity's index in one month: the largest of its features'."""

    activity: str
    month: str
    feature: str
    index: float
    questions: int


def find_drift(scene: Scene) -> tuple[list[Finding], list[Series]]:
    """Months that depart from those before, and the index over time of each activity."""
    drifts = list(_drifts(scene))
    limit = scene.alarms.drift_hundredths.value / _HUNDRED
    first, last = (hour_of(ms).month for ms in (scene.period.since_ms, scene.period.until_ms - 1))
    seen = [one for one in drifts if first <= one.month <= last]
    far = {(one.activity, one.month): one for one in seen if one.index >= limit}
    gathering = Gathering(scene.tables)
    for question in scene.questions() if far else ():
        one = far.get((question.activity, hour_of(question.time).month))
        if one is not None:
            words = {"month": one.month, "what": _WORDS[one.feature], "index": f"{one.index:.2f}"}
            gathering.add(_DRIFT, one.activity, question, **words)
    return gathering.findings(), _series(seen, limit)


def stability_index(month: Mapping[_Category, int], before: Mapping[_Category, int]) -> float:
    """The population stability index of two counts by category; 0 where they are alike.

    Example:
        >>> round(stability_index({("a",): 50, ("b",): 50}, {("a",): 90, ("b",): 10}), 2)
        0.85
    """
    names = sorted(month.keys() | before.keys())  # in one order: a sum of floats keeps to it
    extra = _HALF * len(names)
    size, size_before = sum(month.values()) + extra, sum(before.values()) + extra
    total = 0.0
    for name in names:
        now = (month.get(name, 0) + _HALF) / size
        then = (before.get(name, 0) + _HALF) / size_before
        total += (now - then) * log(now / then)
    return total


def _drifts(scene: Scene) -> Iterator[Drift]:
    counts: dict[str, dict[str, _Counts]] = defaultdict(lambda: defaultdict(dict))
    sizes: Counter[tuple[str, str]] = Counter()
    for one in scene.tables.questions:
        month = hour_of(one.time).month
        sizes[one.activity, month] += 1
        of_month = counts[one.activity][month]
        for feature, category in _features(one):
            of_month.setdefault(feature, Counter())[category] += 1
    least = scene.alarms.drift_least_questions.value
    for activity, months in counts.items():
        full = [month for month in sorted(months) if sizes[activity, month] >= least]
        for place in range(scene.alarms.drift_least_months.value, len(full)):
            yield _drift(activity, full[place], months, full[:place], sizes[activity, full[place]])


def _drift(
    activity: str, month: str, months: Mapping[str, _Counts], before: list[str], size: int
) -> Drift:
    found = {
        feature: stability_index(counts, _pooled(months, before, feature))
        for feature, counts in months[month].items()
    }
    feature = max(sorted(found), key=lambda name: found[name])
    return Drift(activity, month, feature, found[feature], size)


def _pooled(months: Mapping[str, _Counts], before: list[str], feature: str) -> Counter[_Category]:
    pooled: Counter[_Category] = Counter()
    for month in before:
        pooled.update(months[month].get(feature, {}))
    return pooled


def _features(one: Question) -> Iterator[tuple[str, _Category]]:
    """What of a question says what it is for. A batch runs when the machine is free."""
    yield "fields", (one.dataset, one.fields)
    yield "window", _window(one)
    if one.agent != _BATCH:
        hour = hour_of(one.time)
        yield "hour", (hour.weekend, hour.hour // _HOURS_A_PART)
    yield "age", (_age(one),)


def _window(one: Question) -> _Category:
    """Which months, counted from the case's as the law counts them: months, or calendar years."""
    if one.granularity == Granularity.YEAR:
        back = _year(one.case_month) - _year(one.first) if one.case_type else 0
        return (one.granularity, 1, back)
    if one.granularity in {Granularity.MONTH, Granularity.WINDOW_TOTAL}:
        back = one.case_month - one.first if one.case_type else 0
        return (one.granularity, one.last - one.first + 1, back)
    return (one.granularity, 0, 0)


def _year(month: int) -> int:
    return month // _MONTHS_A_YEAR


def _age(one: Question) -> int:
    """Which stretch of days; -1 without a case."""
    if not one.case_type:
        return -1
    return bisect_right(_AGES, (one.time - one.case_opened) // DAY_MS)


def _series(drifts: list[Drift], limit: float) -> list[Series]:
    points: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for one in drifts:
        points[printable(one.activity)].append((one.month, round(one.index, 4)))
    return [
        Series("drift", f"Dérive : {activity}", activity, "", "indice", tuple(months), limit)
        for activity, months in sorted(points.items())
    ]
