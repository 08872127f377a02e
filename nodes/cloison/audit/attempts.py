"""What was asked and refused: once, again, in other words; what failed before it was decided."""

from collections import Counter, defaultdict

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import (
    MINIMISATION,
    PURPOSE_LIMITATION,
    TRACEABILITY,
    Gathering,
    Kind,
)
from cloison.audit.period import hour_of
from cloison.audit.rows import Failure, Question
from cloison.audit.scene import Scene
from cloison.exchange.conclude import SHADOW, SHADOW_OVER

AGAINST_THE_LAW = frozenset({"FORBIDDEN", "NO_TEXT", "RULE_ERROR"})
OUTSIDE_THE_RECORD = frozenset(
    {
        "ACTIVITY_OF_ANOTHER_BODY",
        "BAD_QUESTION",
        "BASIS_NOT_DECLARED",
        "DATASET_NOT_IN_RECORD",
        "FIELD_NOT_IN_RECORD",
        "PURPOSE_NOT_DECLARED",
        "UNKNOWN_ACTIVITY",
        "UNKNOWN_DATASET",
        "UNKNOWN_FIELD",
        "UNKNOWN_LABEL",
        "UNKNOWN_PURPOSE",
        "UNKNOWN_TEXT",
    }
)
_SHADOW = frozenset({SHADOW, SHADOW_OVER})
"""Refused by a trial, not by the law: they have findings of their own."""
_PERCENT = 100
_REFUSED = Kind(
    "REFUSED_ATTEMPT",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{activity} a demandé {n} fois, à {holders}, pour « {purpose} », ce que la loi ne lui ouvre pas"
    " ({reason}) ; rien n'est sorti.",
    "Qui a lancé ce traitement, sur instruction de qui ; le texte sur lequel il croyait reposer.",
)
_OUTSIDE = Kind(
    "OUTSIDE_RECORD_ATTEMPT",
    Severity.MEDIUM,
    "RGPD, art. 30 (registre des traitements)",
    "{activity} a demandé {n} fois, à {holders}, ce que sa fiche au registre ne contient pas"
    " ({reason}) ; rien n'est sorti.",
    "La fiche du traitement et son historique ; qui a changé le programme.",
)
_REPEATED = Kind(
    "REPEATED_ATTEMPT",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a redemandé {n} fois, à {holders}, ce qui lui avait été refusé le même jour"
    " ({reason}).",
    "Le journal du programme ; si les demandes viennent d'une reprise automatique, il la montre.",
)
_BASES = Kind(
    "BASES_TRIED",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a essayé le même jour plusieurs textes ou finalités pour {dataset} : {n} demandes"
    " refusées.",
    "Qui a changé la base légale de ces demandes, et pourquoi.",
)
_ORDINARY = Kind(
    "MANY_REFUSALS",
    Severity.MEDIUM,
    MINIMISATION,
    "{percent} % des demandes de {activity} à {holder} sont refusées ({n} sur la période).",
    "Les motifs, un à un : dossiers échus, personnes inconnues, fenêtres trop larges.",
)
_FAILURES = Kind(
    "MANY_FAILURES",
    Severity.MEDIUM,
    TRACEABILITY,
    "{peer} a échoué avant toute décision au nœud {holder}, en un jour, bien plus que d'ordinaire :"
    " {n} relevés ({reason}).",
    "Les horloges, clés et certificats des deux nœuds ce jour-là.",
)


def find_attempts(scene: Scene) -> list[Finding]:
    """Refused, repeated and reworded questions; calls that failed."""
    gathering = Gathering(scene.tables)
    _refusals(scene, gathering)
    _ordinary(scene, gathering)
    _failures(scene, gathering)
    return gathering.findings()


def _refusals(scene: Scene, gathering: Gathering) -> None:
    refused: dict[tuple[Kind, str, str, str], list[Question]] = defaultdict(list)
    same: dict[tuple[str, ...], list[Question]] = defaultdict(list)
    tried: dict[tuple[str, str, str], list[Question]] = defaultdict(list)
    for one in scene.questions():
        if one.permitted or one.reason in _SHADOW:
            continue
        day = hour_of(one.time).date
        if one.reason in AGAINST_THE_LAW:
            refused[_REFUSED, one.activity, one.purpose, one.reason].append(one)
        elif one.reason in OUTSIDE_THE_RECORD:
            refused[_OUTSIDE, one.activity, "", one.reason].append(one)
        elif one.case_key:
            # Of another case it is another question: only the same one again is the same refusal.
            day = f"{day} {one.case_key}"
        else:
            continue
        same[one.activity, one.holder, one.dataset, one.purpose, one.reason, day].append(one)
        tried[one.activity, one.dataset, day].append(one)
    for (kind, activity, purpose, reason), group in refused.items():
        holders = ", ".join(sorted({one.holder for one in group}))
        words = {"holders": holders, "purpose": purpose, "reason": reason}
        gathering.add_all(kind, activity, group, **words)
    _again(scene, same, tried, gathering)


def _again(
    scene: Scene,
    same: dict[tuple[str, ...], list[Question]],
    tried: dict[tuple[str, str, str], list[Question]],
    gathering: Gathering,
) -> None:
    most = scene.alarms.same_refusals_a_day.value
    again: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for (activity, _, _, _, reason, _), group in same.items():
        if len(group) > most:
            again[activity, reason] += group[most:]
    for (activity, reason), group in again.items():
        holders = ", ".join(sorted({one.holder for one in group}))
        gathering.add_all(_REPEATED, activity, group, holders=holders, reason=reason)
    for (activity, dataset, _), group in tried.items():
        if len({(one.basis, one.purpose) for one in group}) >= scene.alarms.bases_tried_a_day.value:
            gathering.add_all(_BASES, activity, group, dataset=dataset)


def _ordinary(scene: Scene, gathering: Gathering) -> None:
    asked: Counter[tuple[str, str]] = Counter()
    refused: dict[tuple[str, str], list[Question]] = defaultdict(list)
    shown = AGAINST_THE_LAW | OUTSIDE_THE_RECORD | _SHADOW
    for one in scene.questions():
        asked[one.activity, one.holder] += 1
        if not one.permitted and one.reason not in shown:
            refused[one.activity, one.holder].append(one)
    for (activity, holder), group in refused.items():
        percent = _PERCENT * len(group) // asked[activity, holder]
        enough = len(group) >= scene.alarms.ordinary_refusals_least.value
        if enough and percent >= scene.alarms.ordinary_refusals_percent.value:
            words = {"holder": holder, "percent": str(percent)}
            gathering.add_all(_ORDINARY, activity, group, **words)


def _failures(scene: Scene, gathering: Gathering) -> None:
    days: dict[tuple[str, str, str, str], list[Failure]] = defaultdict(list)
    for one in scene.tables.failures:
        if scene.period.holds(one.time):
            day = hour_of(one.time).date
            days[one.ledger, one.peer, one.reason, day].append(one)
    for (ledger, peer, reason, _), group in days.items():
        if sum(one.calls for one in group) >= scene.alarms.failures_a_day.value:
            words = {"peer": peer, "holder": ledger.split(".")[0], "reason": reason}
            gathering.add_all(_FAILURES, "", group, **words)
