"""A population gone through: one by one, without cases, or month after month."""

from collections import Counter, defaultdict

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import MINIMISATION, PURPOSE_LIMITATION, Gathering, Kind
from cloison.audit.period import hour_of
from cloison.audit.rows import Question, Sight
from cloison.audit.scene import Scene

_PERCENT = 100
_MONTHS_A_YEAR = 12
_ONE_BY_ONE = Kind(
    "COHORT_ONE_BY_ONE",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a demandé, une à une, jusqu'à {persons} personnes différentes en un jour : une"
    " population, non des dossiers désignés ({n} demandes, {days} jour(s)).",
    "La liste d'où viennent ces personnes, et qui l'a établie ; le coffre de l'organisme dit"
    " lesquelles.",
)
_WITHOUT_CASE = Kind(
    "ASKED_WITHOUT_CASE",
    Severity.MEDIUM,
    MINIMISATION,
    "{percent} % des demandes de {activity} portent sur des personnes sans dossier vivant"
    " ({n} demandes).",
    "Pourquoi ces personnes étaient demandées, si aucun dossier ne le voulait.",
)
_MONTHLY = Kind(
    "MONTHLY_INSTEAD_OF_REVIEW",
    Severity.MEDIUM,
    MINIMISATION,
    "{activity} redemande les ressources des mêmes dossiers chaque mois, au lieu d'à la révision :"
    " {cases} dossiers ({n} demandes).",
    "La règle de révision de la prestation, et ce qui a été recalculé chaque mois.",
)


def find_sweeps(scene: Scene) -> list[Finding]:
    """Cohorts asked one by one, persons without a case, monthly instead of at review."""
    gathering = Gathering(scene.tables)
    _one_by_one(scene, gathering)
    _without_case(scene, gathering)
    _monthly(scene, gathering)
    return gathering.findings()


def _one_by_one(scene: Scene, gathering: Gathering) -> None:
    """By trace key: within a day and a node it tells persons apart, and no more is needed."""
    persons: dict[tuple[str, str], set[int]] = defaultdict(set)
    control = {one for one in scene.policy.purposes if scene.control(one)}
    named = {one for one in scene.policy.activities if scene.named(one)}
    rows: dict[tuple[str, str], list[Sight]] = defaultdict(list)
    for one in scene.tables.sights:
        watched = one.purpose in control or one.activity in named
        if watched and not one.together and scene.period.holds(one.time):
            place = one.activity, hour_of(one.time).date
            persons[place].add(one.trace_key)
            rows[place].append(one)
    swept: dict[str, list[tuple[str, Sight]]] = defaultdict(list)
    for (activity, day), keys in persons.items():
        files = activity in named
        most = (
            scene.alarms.named_file_persons_a_day if files else scene.alarms.control_persons_a_day
        )
        if len(keys) > most.value:
            swept[activity] += [(day, one) for one in rows[activity, day]]
    for activity, dated in swept.items():
        most_persons = max(len(persons[activity, day]) for day, _ in dated)
        gathering.add_days(_ONE_BY_ONE, activity, dated, persons=str(most_persons))


def _without_case(scene: Scene, gathering: Gathering) -> None:
    asked: Counter[str] = Counter()
    bare: dict[str, list[Question]] = defaultdict(list)
    wanting = {one.id for one in scene.policy.activities.values() if one.case_types}
    for one in scene.questions():
        if one.activity in wanting and not one.table:
            asked[one.activity] += 1
            if not one.case_live:
                bare[one.activity].append(one)
    for activity, group in bare.items():
        percent = _PERCENT * len(group) // asked[activity]
        enough = len(group) >= scene.alarms.without_case_least.value
        if enough and percent >= scene.alarms.without_case_percent.value:
            gathering.add_all(_WITHOUT_CASE, activity, group, percent=str(percent))


def _monthly(scene: Scene, gathering: Gathering) -> None:
    """By case leaf, which is public and stays: across days and months, without any vault."""
    months: dict[int, int] = defaultdict(int)
    cases: dict[str, set[int]] = defaultdict(set)
    for one in scene.under_cases():
        if scene.period.holds(one.time):
            day = hour_of(one.time).day
            months[_asked_of(one)] |= 1 << (day.year % _PERCENT * _MONTHS_A_YEAR + day.month)
            cases[one.activity].add(one.case_key)
    least = scene.alarms.months_of_one_case.value
    often = {key for key, mask in months.items() if mask.bit_count() >= least}
    if not often:
        return
    rows: dict[str, list[Question]] = defaultdict(list)
    for one in scene.under_cases():
        if scene.period.holds(one.time) and _asked_of(one) in often:
            rows[one.activity].append(one)
    for activity, group in rows.items():
        watched = len({one.case_key for one in group})
        share = _PERCENT * watched // len(cases[activity])
        enough = watched >= scene.alarms.monthly_cases_least.value
        if enough and share >= scene.alarms.monthly_cases_percent.value:
            gathering.add_all(_MONTHLY, activity, group, cases=str(watched))


def _asked_of(one: Question) -> int:
    return hash((one.case_key, one.dataset))
