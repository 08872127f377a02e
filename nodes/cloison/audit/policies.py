"""The law nodes decided by: different sets between peers, activities used before their record."""

from collections import defaultdict

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, TRACEABILITY, Gathering, Kind
from cloison.audit.period import HOUR_MS
from cloison.audit.rows import Question
from cloison.audit.scene import Scene

_APART = Kind(
    "POLICY_SETS_DIFFER",
    Severity.MEDIUM,
    ACCOUNTABILITY,
    "{requester} et {holder} ont échangé pendant plus de {hours} heures sous des textes"
    " différents ({n} décisions).",
    "`cloison law sets` aux deux nœuds ; lequel n'a pas chargé le dernier jeu signé, et pourquoi.",
)
_BEFORE = Kind(
    "ACTIVITY_BEFORE_RECORD",
    Severity.HIGH,
    "RGPD, art. 30 (registre des traitements)",
    "{activity} a servi {n} fois alors que les textes de {holder} ne contenaient pas sa fiche.",
    "La date à laquelle la fiche a été écrite, et qui a mis le traitement en service avant.",
)
_FOREIGN = Kind(
    "ENTRY_OF_ANOTHER",
    Severity.HIGH,
    TRACEABILITY,
    "{ledger} contient {n} entrée(s) d'échanges dont son organisme n'est ni demandeur ni"
    " détenteur.",
    "D'où ces entrées ont été copiées ; elles ne prouvent rien de ces échanges.",
)


def find_policies(scene: Scene) -> list[Finding]:
    """Sets apart for long; activities out of the record; entries of others' exchanges."""
    gathering = Gathering(scene.tables)
    _apart(scene, gathering)
    _before(scene, gathering)
    for place in scene.tables.foreign:
        if scene.period.holds(place.time):
            gathering.add(_FOREIGN, "", place, ledger=place.ledger)
    return gathering.findings()


def _apart(scene: Scene, gathering: Gathering) -> None:
    """From the first decision under different sets to the first under the same again."""
    hours = scene.alarms.policy_apart_hours.value
    runs: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for one in scene.questions():
        pair = one.requester, one.holder
        if one.same_set:
            _close(runs.pop(pair, []), hours, gathering)
        else:
            runs[pair].append(one)
    for run in runs.values():
        _close(run, hours, gathering)


def _close(run: list[Question], hours: int, gathering: Gathering) -> None:
    if run and run[-1].time - run[0].time > hours * HOUR_MS:
        words = {"requester": run[0].requester, "holder": run[0].holder, "hours": str(hours)}
        gathering.add_all(_APART, "", run, **words)


def _before(scene: Scene, gathering: Gathering) -> None:
    known: dict[str, frozenset[str] | None] = {}
    rows = scene.tables.questions
    for place, (name, activity) in enumerate(rows.pick("set", "activity")):
        if name not in known:
            found = scene.set_named(name)
            known[name] = None if found is None else frozenset(found.activities)
        activities = known[name]
        if activities is not None and activity not in activities:
            one = rows[place]
            if scene.period.holds(one.time):
                gathering.add(_BEFORE, activity, one, holder=one.holder)
