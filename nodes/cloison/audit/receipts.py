"""Receipts that nobody else saw in time, and answers that one body loses too often.

A receipt proves something only once enough witnesses saw a head over its entry: until then a holder
could show another ledger. When that was is not written anywhere; that it was *not* yet, is: every
decision says how old the last sight of the holder's own ledger was.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import TRACEABILITY, Gathering, Kind
from cloison.audit.heads import Witnessed
from cloison.audit.period import Period
from cloison.audit.rows import NOT_SAID, Placed, Question
from cloison.audit.scene import Scene
from cloison.audit.tables import Tables
from cloison.law.witnesses import WitnessLimits

_SECOND_MS = 1000
_MINUTE_SECONDS = 60
_PERCENT = 100
_LATE = Kind(
    "RECEIPT_NOT_WITNESSED",
    Severity.MEDIUM,
    TRACEABILITY,
    "{n} reçu(s) de {holder} donné(s) à {activity} pour « {purpose} » reposent sur des entrées"
    " qu'assez de témoins n'avaient toujours pas vues après {minutes} minutes.",
    "Les journaux des témoins à ces heures : jusqu'à leur cosignature, le détenteur pouvait montrer"
    " un autre registre.",
)
_OFTEN = Kind(
    "ANSWERS_LOST_OFTEN",
    Severity.MEDIUM,
    TRACEABILITY,
    "{requester} déclare perdues {n} réponses autorisées de {holder} à {activity}, {percent} % de"
    " celles qui sont parties.",
    "Les réponses reçues du demandeur, sur place : y sont-elles ? Le journal des deux nœuds.",
    Grade.STORE,
)


def find_receipts(
    tables: Tables, limits: WitnessLimits | None, witnessed: Sequence[Witnessed], period: Period
) -> list[Finding]:
    """Permits of the period whose entry no quorum had seen within the limit of their purpose.

    Args:
        tables: Of each body's `traces`.
        limits: Of the auditor's policy set; None: there is none to hold anything to.
        witnessed: How far each ledger was seen, by its own files.
        period: What is not due by its end is not late.
    """
    gathering = Gathering(tables)
    if limits is None:
        return []
    most = {purpose: seconds * _SECOND_MS for purpose, seconds in limits.answering_seconds.items()}
    heads = {one.ledger: one.answerable for one in witnessed if one.answerable is not None}
    gaps = _gaps(tables, min(most.values()))
    if not gaps and not heads:
        return []
    wanted = gaps.keys() | heads.keys()
    for one in tables.questions:
        limit = most.get(one.purpose)
        if one.ledger not in wanted or limit is None or one.seen == NOT_SAID or not one.permitted:
            continue
        if not period.holds(one.time):
            continue
        over = heads.get(one.ledger)
        bare = over is not None and one.at >= over and one.time + limit < period.until_ms
        if bare or _unseen(one, limit, gaps.get(one.ledger)):
            minutes = str(limit // _SECOND_MS // _MINUTE_SECONDS)
            words = {"holder": one.holder, "purpose": one.purpose, "minutes": minutes}
            gathering.add(_LATE, one.activity, one, **words)
    return gathering.findings()


_Gaps = tuple[list[int], list[int]]


def _gaps(tables: Tables, least: int) -> Mapping[str, _Gaps]:
    """By ledger, when each decision was made and its ledger last seen then; of those with a gap."""
    fields = ("ledger", "time", "seen")
    ledgers = {
        ledger
        for ledger, time, seen in tables.questions.pick(*fields)
        if seen != NOT_SAID and time - seen > least
    }
    found: dict[str, _Gaps] = {ledger: ([], []) for ledger in ledgers}
    for ledger, time, seen in tables.questions.pick(*fields) if ledgers else ():
        if ledger in found and seen != NOT_SAID:
            times, sights = found[ledger]
            times.append(max(time, times[-1] if times else 0))
            sights.append(seen)
    return found


def _unseen(one: Question, limit: int, gaps: _Gaps | None) -> bool:
    """The first decision after the limit still knew of no sight since this one."""
    if gaps is None:
        return False
    times, seen = gaps
    place = bisect_right(times, one.time + limit)
    return place < len(times) and seen[place] < one.time


def find_lost(scene: Scene) -> list[Finding]:
    """A body may say of any answer, or batch, that it never came; not of one in twenty."""
    tables, gathering = scene.tables, Gathering(scene.tables)
    lost = {(one.statement_key, one.body) for one in tables.lost}
    came = {(one.statement_key, one.body) for one in tables.received} if lost else set()
    left: Counter[tuple[str, str, str]] = Counter()
    gone: dict[tuple[str, str, str], list[Placed]] = defaultdict(list)
    cohorts: dict[int, Question] = {}
    for one in scene.questions() if lost else ():
        if one.permitted:
            group = (one.requester, one.holder, one.activity)
            key = (one.statement_key, one.requester)
            left[group] += 1
            if key in lost and key not in came:
                gone[group].append(one)
            if one.cohort:
                cohorts[one.statement_key] = one
    arrived = {(one.statement_key, one.body, one.batch) for one in tables.parts if one.came}
    for part in tables.parts if cohorts else ():
        asked = cohorts.get(part.statement_key)
        if asked is None or part.came or part.ledger != asked.ledger:
            continue
        group = (asked.requester, asked.holder, asked.activity)
        left[group] += 1
        key = (asked.statement_key, asked.requester)
        if key in lost and (*key, part.batch) not in arrived:
            gone[group].append(part)
    for group, rows in gone.items():
        requester, holder, activity = group
        percent = _PERCENT * len(rows) // left[group]
        enough = len(rows) >= scene.alarms.lost_answers_least.value
        if enough and percent >= scene.alarms.lost_answers_percent.value:
            words = {"requester": requester, "holder": holder, "percent": str(percent)}
            gathering.add_all(_OFTEN, activity, rows, **words)
    return gathering.findings()
