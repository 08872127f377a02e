"""The duties permits carried, each held against the entries that show it met in time.

* `notice`: a `notice_given` entry says so; or the case ended telling the person, or with nothing
  kept to tell of.
* `expire`: an answer is destroyed when its label ends.
* `honour-objection`: who objected is not asked about again; seen within the day, by trace key.
* `flag`: stands in the decision itself, which replay holds to the law.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import STORAGE_LIMITATION, Gathering, Kind
from cloison.audit.period import DAY_MS, HOUR_MS
from cloison.audit.rows import Gone, Question
from cloison.audit.scene import Scene
from cloison.cases.outcomes import ClosedAs
from cloison.exchange.obligations import EXPIRE, FLAG, HONOUR_OBJECTION, NOTICE

_FOR_OBJECTION = "objection"
"""As a `destroyed` entry says why."""
_TOLD_BY = frozenset({ClosedAs.INFORMED, ClosedAs.NO_ENTITLEMENT, ClosedAs.OBJECTED})
_NOTICE = Kind(
    "NOTICE_OVERDUE",
    Severity.MEDIUM,
    "CRPA, art. L114-8, II ; CSS, art. L114-21 (information de la personne)",
    "{activity} a obtenu de {holder} {n} réponse(s) que la loi ouvre à condition d'informer la"
    " personne (« {notice} ») ; {days} jours après, le registre ne montre ni information, ni"
    " destruction.",
    "La lettre elle-même, et sa date d'envoi, au dossier de l'organisme.",
    Grade.STORE,
)
_RETENTION = Kind(
    "RETENTION_OVERDUE",
    Severity.HIGH,
    STORAGE_LIMITATION,
    "{activity} garde {n} réponse(s) de {holder} au-delà du terme de leur étiquette : aucune"
    " destruction n'est inscrite.",
    "Le fichier des réponses reçues de l'organisme : sont-elles encore là ?",
    Grade.STORE,
)
_OBJECTION = Kind(
    "OBJECTION_NOT_HONOURED",
    Severity.HIGH,
    "RGPD, art. 21 ; CRPA, art. L114-8, II (opposition)",
    "{activity} a demandé {n} fois des données sur une personne qui venait de s'opposer à ce"
    " traitement, le même jour.",
    "Les jours suivants, la clé de trace change : seul le coffre de l'organisme le montrerait.",
)
_CONTESTATION = Kind(
    "CONTESTATION_OVERDUE",
    Severity.MEDIUM,
    "RGPD, art. 12, § 3, et art. 16 (rectification)",
    "{holder} a reçu {n} contestation(s) restée(s) {days} jours sans être transmise(s) au déclarant"
    " ni suivie(s) d'une nouvelle déclaration.",
    "Le dossier de la contestation, chez le détenteur.",
    Grade.STORE,
)
_LEFT_OPEN = Kind(
    "CONTESTATION_LEFT_OPEN",
    Severity.LOW,
    "RGPD, art. 12, § 3, et art. 16 (rectification)",
    "{holder} a transmis au déclarant {n} contestation(s), sans que la personne ait reçu de réponse"
    " dans les {days} jours : ni nouvelle déclaration, ni ligne maintenue.",
    "Le dossier de la contestation, chez le détenteur : ce que le déclarant a dit, et ce que la"
    " personne en sait.",
    Grade.STORE,
)


@dataclass(slots=True)
class Duties:
    """By kind: duties whose time was up in the period, and those that no entry shows as met."""

    due: Counter[str] = field(default_factory=Counter)
    unmet: Counter[str] = field(default_factory=Counter)


def find_obligations(scene: Scene) -> tuple[Duties, list[Finding]]:
    """Duties due in the period, and a finding for those not met."""
    duties, gathering = Duties(), Gathering(scene.tables)
    _notices(scene, duties, gathering)
    _retention(scene, duties, gathering)
    _objections(scene, duties, gathering)
    _contestations(scene, duties, gathering)
    return duties, gathering.findings()


def _notices(scene: Scene, duties: Duties, gathering: Gathering) -> None:
    tables, days = scene.tables, scene.alarms.notice_days.value
    told = {(one.case_key, one.notice): one.time for one in reversed(list(tables.told))}
    over = {one.case_key: one.time for one in tables.closed if one.outcome in _TOLD_BY}
    over |= {one.key: one.time for one in tables.gone}
    duties.due[FLAG] += sum(one.permitted and bool(one.flag) for one in scene.questions())
    for one in _noticed(scene):
        due = one.time + days * DAY_MS
        if not one.notices or not scene.period.holds(due):
            continue
        # Of a cohort some batches may be gone, and others stand.
        keys = (one.case_key,) if one.cohort else (one.case_key, one.statement_key)
        ends = [over.get(key, due + 1) for key in keys]
        for notice in one.notices.split():
            duties.due[NOTICE] += 1
            if one.requester in tables.bodies and (
                min(*ends, told.get((one.case_key, notice), due + 1)) > due
            ):
                duties.unmet[NOTICE] += 1
                words = {"holder": one.holder, "days": str(days), "notice": notice}
                gathering.add(_NOTICE, one.activity, one, **words)


def _noticed(scene: Scene) -> Iterator[Question]:
    """What was permitted; of a cohort, once a case that it was answered under."""
    yield from (one for one in scene.tables.questions if one.permitted and not one.cohort)
    yield from (one for one in scene.under_cases() if one.cohort)


def _retention(scene: Scene, duties: Duties, gathering: Gathering) -> None:
    """By the requester's own ledger: its receipt, and its entry of destruction."""
    grace = scene.alarms.retention_grace_hours.value * HOUR_MS
    gone = {one.key: one.time for one in scene.tables.gone}
    activities = {one.statement_key: one.activity for one in scene.tables.asked}
    came = {(one.ledger, one.statement_key, one.batch) for one in scene.tables.parts if one.came}
    batches = Counter((ledger, key) for ledger, key, _ in came)
    of_cohorts: dict[tuple[str, int], list[Gone]] = defaultdict(list)
    for row in scene.tables.gone if batches else ():
        if (row.ledger, row.key) in batches:
            of_cohorts[row.ledger, row.key].append(row)
    for one in scene.tables.received:
        due = one.label_until + grace
        if not one.permitted or not one.label_until or not scene.period.holds(due):
            continue
        place = (one.ledger, one.statement_key)
        if not one.sealed_key and place not in batches:
            continue  # a cohort that was cut before its first batch brought nothing to destroy
        duties.due[EXPIRE] += 1
        kept = gone.get(one.statement_key, due + 1) > due
        if place in batches:  # some may have gone before, for one person or case
            kept = (
                sum(row.releases for row in of_cohorts[place] if row.time <= due) < batches[place]
            )
        if kept:
            duties.unmet[EXPIRE] += 1
            activity = activities.get(one.statement_key, "")
            gathering.add(_RETENTION, activity, one, holder=one.holder)


def _objections(scene: Scene, duties: Duties, gathering: Gathering) -> None:
    """A trace key is of one person, one node and one day: it joins the two without saying who."""
    objections = list(scene.tables.objections)
    since = {(one.trace_key, one.activity): one.at for one in objections}
    duties.due[HONOUR_OBJECTION] += sum(scene.period.holds(one.time) for one in objections)
    broken, withdrawn = set(), _withdrawn(scene) if since else set()
    for one in scene.tables.sights if since else ():
        objected = since.get((one.trace_key, one.activity))
        if objected is None or (one.ledger, one.at) in withdrawn:
            continue
        if one.at > objected and scene.period.holds(one.time):
            broken.add((one.trace_key, one.activity))
            gathering.add(_OBJECTION, one.activity, one)
    duties.unmet[HONOUR_OBJECTION] += len(broken)


def _withdrawn(scene: Scene) -> set[tuple[str, int]]:
    """Batches that came in while somebody objected: entered, and destroyed for that."""
    gone = {(one.ledger, one.key) for one in scene.tables.gone if one.why == _FOR_OBJECTION}
    return {
        (one.ledger, one.at)
        for one in scene.tables.parts
        if one.came and (one.ledger, one.statement_key) in gone
    }


def _contestations(scene: Scene, duties: Duties, gathering: Gathering) -> None:
    """Its declarant is told, and then it ends: a line maintained unheard was not passed on."""
    days = scene.alarms.contestation_days.value
    passed_on = _first_of(scene, "told", "answered")
    ended = _first_of(scene, "answered", "maintained")
    for one in scene.tables.contested:
        due = one.time + days * DAY_MS
        if one.kind != "contested" or not scene.period.holds(due):
            continue
        duties.due["contestation"] += 1
        late = [
            kind
            for kind, times in ((_CONTESTATION, passed_on), (_LEFT_OPEN, ended))
            if times.get(one.contestation_key, due + 1) > due
        ]
        if late:
            duties.unmet["contestation"] += 1
            words = {"holder": one.ledger.split(".")[0], "days": str(days)}
            gathering.add(late[0], "", one, **words)


def _first_of(scene: Scene, *kinds: str) -> dict[int, int]:
    """When each contestation first came to one of these."""
    rows = reversed(list(scene.tables.contested))
    return {one.contestation_key: one.time for one in rows if one.kind in kinds}
