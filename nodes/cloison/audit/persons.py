"""Persons looked up again and again, and agents unlike the others of their activity.

A trace key joins the questions about one person within a day and a node. Across days only the case
does, for the questions under it; any other joining takes the body's vault.
"""

from collections import Counter, defaultdict
from statistics import median

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import EMPOWERMENT, MINIMISATION, MISUSE_LOGS, Gathering, Kind
from cloison.audit.period import hour_of
from cloison.audit.rows import Question, Sight
from cloison.audit.scene import Scene, usual

_BATCH = "batch"
_LEAST_AGENTS = 3
_AGAIN = Kind(
    "PERSON_LOOKED_UP_AGAIN",
    Severity.MEDIUM,
    MISUSE_LOGS,
    "{activity} a demandé {persons} personne(s) plusieurs fois le même jour, pour les mêmes mois de"
    " {dataset} ({n} demandes).",
    "Qui a relancé ces demandes ; le coffre de l'organisme dit de quelles personnes il s'agit.",
    Grade.VAULT,
)
_FOLLOWED = Kind(
    "CASE_FOLLOWED",
    Severity.MEDIUM,
    MINIMISATION,
    "{activity} a redemandé {dataset} sous les mêmes dossiers pendant bien des jours : {cases}"
    " dossier(s) ({n} demandes).",
    "Ce qui a été recalculé à chaque fois.",
    Grade.STORE,
)
_AGENT = Kind(
    "AGENT_UNLIKE_OTHERS",
    Severity.MEDIUM,
    EMPOWERMENT,
    "Un agent de {activity} a posé {n} demandes en {days} jour(s), jusqu'à {most} le {day}, quand"
    " la médiane des agents du même traitement est de {usual} par jour.",
    "L'organisme seul sait qui est cet agent ; sa feuille de travail de ce jour.",
    Grade.VAULT,
)
_HOURS = Kind(
    "UNUSUAL_HOURS",
    Severity.MEDIUM,
    EMPOWERMENT,
    "Un agent de {activity} a posé {n} demandes la nuit ou un jour non ouvré.",
    "L'organisme seul sait qui est cet agent ; son planning.",
    Grade.VAULT,
)
_VOLUME = Kind(
    "UNUSUAL_VOLUME",
    Severity.MEDIUM,
    MISUSE_LOGS,
    "{activity} a posé {n} demandes à {holder} en {days} jour(s), jusqu'à {most} le {day}, quand un"
    " jour médian en compte {usual}.",
    "Ce qui a été calculé ce jour-là : campagne, rattrapage, changement de texte.",
)


def find_persons(scene: Scene) -> list[Finding]:
    """Repeated look-ups; unusual agents, hours and volumes."""
    gathering = Gathering(scene.tables)
    _again(scene, gathering)
    _followed(scene, gathering)
    _agents(scene, gathering)
    _volumes(scene, gathering)
    return gathering.findings()


def _again(scene: Scene, gathering: Gathering) -> None:
    counts: Counter[int] = Counter()
    for one in scene.tables.sights:
        if scene.period.holds(one.time):
            counts[_looked(one)] += 1
    most = scene.alarms.same_lookups_a_day.value
    often = {key for key, count in counts.items() if count >= most}
    rows: dict[tuple[str, str], list[Sight]] = defaultdict(list)
    for one in scene.tables.sights if often else ():
        if scene.period.holds(one.time) and _looked(one) in often:
            rows[one.activity, one.dataset].append(one)
    for (activity, dataset), group in rows.items():
        persons = str(len({one.trace_key for one in group}))
        gathering.add_all(_AGAIN, activity, group, dataset=dataset, persons=persons)


def _looked(one: Sight) -> int:
    return hash((one.trace_key, one.activity, one.dataset, one.first, one.last))


def _followed(scene: Scene, gathering: Gathering) -> None:
    """A bit for each day of the period."""
    start = hour_of(scene.period.since_ms).day.toordinal()
    days: dict[int, int] = defaultdict(int)
    for one in scene.under_cases():
        if scene.period.holds(one.time):
            days[_of_case(one)] |= 1 << (hour_of(one.time).day.toordinal() - start)
    most = scene.alarms.same_case_days.value
    often = {key for key, mask in days.items() if mask.bit_count() >= most}
    rows: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for one in scene.under_cases() if often else ():
        if scene.period.holds(one.time) and _of_case(one) in often:
            rows[one.activity, one.dataset].append(one)
    for (activity, dataset), group in rows.items():
        cases = str(len({one.case_key for one in group}))
        gathering.add_all(_FOLLOWED, activity, group, dataset=dataset, cases=cases)


def _of_case(one: Question) -> int:
    return hash((one.case_key, one.dataset))


def _agents(scene: Scene, gathering: Gathering) -> None:
    """Agents are keyed pseudonyms: told apart here, known to their body alone."""
    days: dict[str, dict[tuple[str, str], list[Question]]] = defaultdict(lambda: defaultdict(list))
    late: dict[tuple[str, str], list[Question]] = defaultdict(list)
    alarms = scene.alarms
    open_hours = range(alarms.office_first_hour.value, alarms.office_last_hour.value)
    for one in scene.questions():
        if one.agent == _BATCH:
            continue
        hour = hour_of(one.time)
        days[one.activity][one.agent, hour.date].append(one)
        if hour.weekend or hour.hour not in open_hours:
            late[one.activity, one.agent].append(one)
    for (activity, _), group in late.items():
        if len(group) >= alarms.unusual_hour_least.value:
            gathering.add_all(_HOURS, activity, group, agent=group[0].agent)
    for activity, busy in days.items():
        common = _usual_of_agents(busy)
        least = max(alarms.agent_least_a_day.value, alarms.agent_factor.value * (common or 0))
        unlike: dict[str, list[tuple[str, Question]]] = defaultdict(list)
        for (agent, day), group in busy.items():
            if common is not None and len(group) >= least:
                unlike[agent] += [(day, one) for one in group]
        for agent, dated in unlike.items():
            gathering.add_days(_AGENT, activity, dated, agent=agent, usual=f"{common:g}")


def _usual_of_agents(busy: dict[tuple[str, str], list[Question]]) -> float | None:
    """The median of agents' own medians: one busy agent does not make its load usual."""
    own: dict[str, list[int]] = defaultdict(list)
    for (agent, _), group in busy.items():
        own[agent].append(len(group))
    if len(own) < _LEAST_AGENTS:
        return None
    return median(median(counts) for counts in own.values())


def _volumes(scene: Scene, gathering: Gathering) -> None:
    """Against all days the activity was at work, those before the period too."""
    days: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in scene.tables.questions:
        days[one.activity, one.holder][hour_of(one.time).date] += 1
    heavy: dict[tuple[str, str, str], float] = {}
    for (activity, holder), counts in days.items():
        common = usual(list(counts.values()))
        if common is not None:
            least = max(scene.alarms.volume_least.value, scene.alarms.volume_factor.value * common)
            heavy |= {
                (activity, holder, day): common for day, count in counts.items() if count >= least
            }
    found: dict[tuple[str, str, float], list[tuple[str, Question]]] = defaultdict(list)
    for one in scene.questions() if heavy else ():
        day = hour_of(one.time).date
        common = heavy.get((one.activity, one.holder, day))
        if common is not None:
            found[one.activity, one.holder, common].append((day, one))
    for (activity, holder, common), dated in found.items():
        gathering.add_days(_VOLUME, activity, dated, holder=holder, usual=f"{common:g}")
