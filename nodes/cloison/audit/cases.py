"""Cases that were opened to ask, not to decide; by case leaf, which is public and stays."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import PURPOSE_LIMITATION, Gathering, Kind
from cloison.audit.period import HOUR_MS, hour_of
from cloison.audit.rows import Closed, Opened
from cloison.audit.scene import Scene, usual
from cloison.cases.outcomes import ClosedAs

_PERCENT = 100
_SECOND_MS = 1000
_IN_BULK = Kind(
    "CASES_IN_BULK",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{activity} a ouvert {n} dossiers en {days} jour(s), bien plus que d'ordinaire : {most} le"
    " {day}.",
    "L'événement qui a fait naître ces dossiers le même jour, et les pièces de quelques-uns.",
    Grade.STORE,
)
_PRETEXTS = Kind(
    "CASES_FOR_A_QUESTION",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a ouvert {n} dossiers juste avant de demander et les a clos sans suite aussitôt,"
    " en gardant la réponse ({percent} % de ses dossiers).",
    "Les pièces de ces dossiers : y avait-il une demande, une révision, un contrôle ?",
    Grade.STORE,
)
_UNDECIDED = Kind(
    "CASES_WITHOUT_DECISION",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{percent} % des dossiers de {activity} qui ont servi à demander sont arrivés à leur terme sans"
    " décision ni résultat inscrits ({n}).",
    "Ce que l'organisme a fait de ces dossiers, dans ses propres fichiers.",
    Grade.STORE,
)
_NEVER_PAID = Kind(
    "CASES_NEVER_PAID",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{activity} a clos comme décidés {n} dossiers ({percent} %) dont aucun résultat n'a été déposé"
    " : rien n'y montre un droit calculé.",
    "Les paiements ou refus de ces dossiers, au fichier de l'organisme.",
    Grade.STORE,
)


@dataclass(slots=True)
class _Life:
    """What became of cases that served to obtain something.

    Attributes:
        first: When each was first asked under.
        closed: Its end.
        kept_nothing: Those whose data were destroyed.
        results: Those with an output.
        until: When each ends, renewals counted.
    """

    first: dict[int, int] = field(default_factory=dict)
    closed: dict[int, Closed] = field(default_factory=dict)
    kept_nothing: set[int] = field(default_factory=set)
    results: set[int] = field(default_factory=set)
    until: dict[int, int] = field(default_factory=dict)


def find_cases(scene: Scene) -> list[Finding]:
    """Cases in bulk, for one question, without a decision, never paid."""
    gathering, life = Gathering(scene.tables), _life(scene)
    _in_bulk(scene, gathering)
    _pretexts(scene, life, gathering)
    _undecided(scene, life, gathering)
    _never_paid(scene, life, gathering)
    return gathering.findings()


def _life(scene: Scene) -> _Life:
    life, tables = _Life(), scene.tables
    for one in scene.under_cases():
        first = life.first.get(one.case_key)
        if first is None or one.time < first:
            life.first[one.case_key] = one.time
    for closed in tables.closed:
        life.closed.setdefault(closed.case_key, closed)
    life.kept_nothing = {one.key for one in tables.gone}
    life.results = {one.case_key for one in tables.deposits}
    life.until = {one.case_key: one.until for one in tables.renewed}
    return life


def _in_bulk(scene: Scene, gathering: Gathering) -> None:
    days: dict[str, Counter[str]] = defaultdict(Counter)
    for one in scene.tables.opened:
        days[one.activity][hour_of(one.time).date] += 1
    alarms = scene.alarms
    loaded: set[tuple[str, str]] = set()
    for activity, counts in days.items():
        common = usual(list(counts.values()))
        for day, count in counts.items():
            if scene.named(activity):
                many = count > alarms.named_cases_a_day.value
            else:
                many = (
                    common is not None
                    and count >= alarms.bulk_least.value
                    and count > alarms.bulk_factor.value * common
                )
            if many:
                loaded.add((activity, day))
    found: dict[str, list[tuple[str, Opened]]] = defaultdict(list)
    for one in scene.tables.opened if loaded else ():
        day = hour_of(one.time).date
        if (one.activity, day) in loaded and scene.period.holds(one.time):
            found[one.activity].append((day, one))
    for activity, dated in found.items():
        gathering.add_days(_IN_BULK, activity, dated)


def _pretexts(scene: Scene, life: _Life, gathering: Gathering) -> None:
    """A case whose data were destroyed gave its activity nothing: it is no pretext."""
    alarms = scene.alarms
    seconds, hours = alarms.pretext_seconds.value, alarms.pretext_hours.value
    used: Counter[str] = Counter()
    found: dict[str, list[Opened]] = defaultdict(list)
    for one in scene.tables.opened:
        first, closed = life.first.get(one.case_key), life.closed.get(one.case_key)
        if first is None or not scene.period.holds(one.time):
            continue
        used[one.activity] += 1
        if (
            first - one.time <= seconds * _SECOND_MS
            and closed is not None
            and closed.time - one.time <= hours * HOUR_MS
            and _came_to_nothing(one, closed, life)
        ):
            found[one.activity].append(one)
    for activity, group in found.items():
        percent = _PERCENT * len(group) // used[activity]
        if len(group) >= alarms.pretext_least.value and percent >= alarms.pretext_percent.value:
            gathering.add_all(_PRETEXTS, activity, group, percent=str(percent))


def _came_to_nothing(one: Opened, closed: Closed, life: _Life) -> bool:
    aside = closed.outcome in {ClosedAs.WITHDRAWN, ClosedAs.SET_ASIDE}
    kept = one.case_key not in life.kept_nothing
    return aside and kept and one.case_key not in life.results


def _undecided(scene: Scene, life: _Life, gathering: Gathering) -> None:
    ended: Counter[str] = Counter()
    found: dict[str, list[Opened]] = defaultdict(list)
    for one in scene.tables.opened:
        end = life.until.get(one.case_key, one.until)
        if one.case_key not in life.first or not scene.period.holds(end):
            continue
        ended[one.activity] += 1
        closed = life.closed.get(one.case_key)
        kept = one.case_key not in life.kept_nothing and one.case_key not in life.results
        if closed is None and kept:
            found[one.activity].append(one)
    for activity, group in found.items():
        percent = _PERCENT * len(group) // ended[activity]
        enough = len(group) >= scene.alarms.undecided_least.value
        if enough and percent >= scene.alarms.undecided_percent.value:
            gathering.add_all(_UNDECIDED, activity, group, percent=str(percent))


def _never_paid(scene: Scene, life: _Life, gathering: Gathering) -> None:
    """An activity with outputs that decides a case deposits what it decided."""
    decided: Counter[str] = Counter()
    found: dict[str, list[Opened]] = defaultdict(list)
    for one in scene.tables.opened:
        closed = life.closed.get(one.case_key)
        record = scene.policy.activities.get(one.activity)
        if closed is None or closed.outcome != ClosedAs.DECIDED or not record:
            continue
        if not record.outputs or not scene.period.holds(closed.time):
            continue
        decided[one.activity] += 1
        if one.case_key not in life.results:
            found[one.activity].append(one)
    for activity, group in found.items():
        percent = _PERCENT * len(group) // decided[activity]
        enough = len(group) >= scene.alarms.unpaid_least.value
        if enough and percent >= scene.alarms.unpaid_percent.value:
            gathering.add_all(_NEVER_PAID, activity, group, percent=str(percent))
