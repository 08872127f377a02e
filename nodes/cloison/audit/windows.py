"""Windows added up: more months than the record's window, or single months out of totals."""

from collections import defaultdict
from collections.abc import Iterator

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import MINIMISATION, Gathering, Kind
from cloison.audit.rows import Sight
from cloison.audit.scene import Scene
from cloison.exchange import limits
from cloison.law.question import Granularity

_PACK = 1 << 20
_ADDED = Kind(
    "WINDOWS_ADDED_UP",
    Severity.HIGH,
    MINIMISATION,
    "{activity} a demandé le même jour, pour les mêmes personnes, plus de mois de {dataset} que sa"
    " fenêtre de {span} : {persons} personnes ({n} demandes).",
    "Les dossiers sous lesquels ces mois ont été demandés, et ce que le calcul en a fait ; d'un"
    " jour à l'autre, seul le coffre de l'organisme le dirait.",
)
_SPLIT = Kind(
    "TOTALS_SPLIT",
    Severity.HIGH,
    MINIMISATION,
    "{activity} a demandé le même jour plusieurs totaux de {dataset} pour les mêmes personnes :"
    " leur différence donne des mois seuls ({persons} personnes, {n} demandes).",
    "Ce que le calcul a fait de ces totaux.",
)


def find_windows(scene: Scene) -> list[Finding]:
    """By trace key, so within a day and a node."""
    found: dict[tuple[Kind, str, str, int], list[list[Sight]]] = defaultdict(list)
    for (activity, dataset, _), group in _groups(scene).items():
        span = _span(scene, activity, dataset)
        months = {month for one in group for month in _months(one)}
        if span and len(months) > span:
            found[_ADDED, activity, dataset, span].append(group)
        elif any(one.granularity == Granularity.WINDOW_TOTAL for one in group):
            found[_SPLIT, activity, dataset, span].append(group)
    gathering = Gathering(scene.tables)
    for (kind, activity, dataset, span), groups in found.items():
        if len(groups) >= scene.alarms.windows_added_persons.value:
            words = {"dataset": dataset, "span": str(span), "persons": str(len(groups))}
            for group in groups:
                gathering.add_all(kind, activity, group, **words)
    return gathering.findings()


def _groups(scene: Scene) -> dict[tuple[str, str, int], list[Sight]]:
    """Of each person asked for more than one range of months: those questions."""
    many = _many_ranges(scene)
    groups: dict[tuple[str, str, int], list[Sight]] = defaultdict(list)
    for one in _monthly(scene) if many else ():
        if _key(one) in many:
            groups[one.activity, one.dataset, one.trace_key].append(one)
    return groups


def _monthly(scene: Scene) -> Iterator[Sight]:
    fine = (Granularity.MONTH, Granularity.WINDOW_TOTAL)
    return (
        one
        for one in scene.tables.sights
        if one.granularity in fine and scene.period.holds(one.time)
    )


def _many_ranges(scene: Scene) -> set[int]:
    """Persons asked, for one activity and dataset, for more than one range of months that day."""
    first: dict[int, int] = {}
    many: set[int] = set()
    for one in _monthly(scene):
        key, months = _key(one), one.first * _PACK + one.last
        if first.setdefault(key, months) != months:
            many.add(key)
    return many


def _months(one: Sight) -> range:
    """No more than a question may ask: a ledger is another's word."""
    return range(one.first, min(one.last, one.first + limits.MONTHS - 1) + 1)


def _key(one: Sight) -> int:
    return hash((one.trace_key, one.activity, one.dataset))


def _span(scene: Scene, activity: str, dataset: str) -> int:
    """Months the record's window has; 0 where it states none."""
    record = scene.policy.activities.get(activity)
    for reads in () if record is None else record.reads:
        if f"{reads.holder}/{reads.dataset}" == dataset and reads.window is not None:
            return reads.window.last - reads.window.first + 1
    return 0
