"""Privacy budgets, as the registers tell them: never more than granted, never given back."""

import re
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, Gathering, Kind
from cloison.audit.lines import Line
from cloison.audit.period import HOUR_MS
from cloison.audit.scene import Scene

_FRACTION = re.compile(r"[0-9]{1,40}(?:/[1-9][0-9]{0,39})?", re.ASCII)
_SECRECY = "Loi n° 51-711 du 7 juin 1951 (secret statistique)"
_OVERSPENT = Kind(
    "BUDGET_OVERSPENT",
    Severity.HIGH,
    _SECRECY,
    "{n} réservation(s) dépassent le budget accordé à {population} pour {year}.",
    "L'octroi signé, et la suite des réservations.",
)
_BACK = Kind(
    "BUDGET_GIVEN_BACK",
    Severity.HIGH,
    _SECRECY,
    "Ce qui était dépensé de {population} pour {year} a diminué {n} fois : un budget ne se rend"
    " pas.",
    "Une sauvegarde a pu être restaurée : voir les têtes que les témoins ont vues.",
)
_UNPAID = Kind(
    "TABLE_WITHOUT_BUDGET",
    Severity.HIGH,
    _SECRECY,
    "{activity} a obtenu {n} fois la table {table} sans qu'un budget soit réservé.",
    "La publication elle-même, et les deux entrées qu'elle cite.",
)
_UNPUBLISHED = Kind(
    "BUDGET_WITHOUT_TABLE",
    Severity.LOW,
    ACCOUNTABILITY,
    "{n} budget(s) réservé(s) pour {table} n'ont donné aucune publication.",
    "Une coupure après la réservation l'explique ; la question posée de nouveau doit publier.",
)
_FALSE = Kind(
    "PUBLISHED_WITHOUT_BUDGET",
    Severity.HIGH,
    _SECRECY,
    "{n} publication(s) citent une réservation que le registre ne contient pas.",
    "Le document publié, et ce que le nœud a tiré au sort.",
)
_LOSSES = Kind(
    "SAME_TABLE_AT_MANY_LOSSES",
    Severity.MEDIUM,
    _SECRECY,
    "{activity} a acheté la table {table} à {n} pertes différentes : ensemble, elles enlèvent le"
    " bruit que chacune ajoute.",
    "Le besoin de l'étude, et la somme des pertes par personne.",
)


def find_budgets(scene: Scene) -> list[Finding]:
    """Budgets overspent, given back, unpaid, unused, or spent on the same table again and again."""
    gathering = Gathering(scene.tables)
    _spending(scene, gathering)
    _publications(scene, gathering)
    _unpaid(scene, gathering)
    _losses(scene, gathering)
    return gathering.findings()


def _of_kind(scene: Scene, kind: str) -> Iterator[Line]:
    return (one for one in scene.tables.register if one.entry.WhichOneof("kind") == kind)


def _spending(scene: Scene, gathering: Gathering) -> None:
    spent: dict[tuple[str, str, int, str], Fraction] = {}
    for line in _of_kind(scene, "budget_reserved"):
        one = line.entry.budget_reserved
        words = {"population": one.population, "year": str(one.year)}
        pockets = (
            ("epsilon", one.spent_epsilon, one.granted_epsilon),
            ("rho", one.spent_rho, one.granted_rho),
        )
        for unit, after, granted in pockets:
            place = line.ledger, one.population, one.year, unit
            now, before = _fraction(after), spent.get(place, Fraction(0))
            spent[place] = max(now, before)
            if scene.period.holds(line.entry.entry_time_ms):
                if now > _fraction(granted):
                    gathering.add(_OVERSPENT, one.activity, line, **words)
                if now < before:
                    gathering.add(_BACK, one.activity, line, **words)


def _fraction(text: str) -> Fraction:
    """Nothing where there is nothing, or no fraction: it then stands for no grant at all."""
    return Fraction(text) if _FRACTION.fullmatch(text) else Fraction(0)


def _publications(scene: Scene, gathering: Gathering) -> None:
    """A budget is used once its table leaves, whole or as a masked part, or is given up."""
    reserved = {(one.ledger, one.at): one for one in _of_kind(scene, "budget_reserved")}
    used = set()
    for kind in ("table_published", "table_shared", "table_abandoned"):
        for line in _of_kind(scene, kind):
            one = getattr(line.entry, kind)
            place = line.ledger, one.reserved_index
            used.add(place)
            paid = reserved.get(place)
            false = paid is None or paid.leaf != one.reserved_leaf_hash
            if false and scene.period.holds(line.entry.entry_time_ms):
                gathering.add(_FALSE, one.activity, line)
    late = scene.alarms.unpublished_hours.value * HOUR_MS
    for place, line in reserved.items():
        if place not in used and scene.period.holds(line.entry.entry_time_ms + late):
            spent = line.entry.budget_reserved
            words = {"table": f"{spent.table} {spent.period}"}
            gathering.add(_UNPUBLISHED, spent.activity, line, **words)


def _unpaid(scene: Scene, gathering: Gathering) -> None:
    """A question asked again gets the stored answer, free: its table was paid for before.

    Rows given to a study are paid for by the body that joins them.
    """
    paid = {
        (str(line.body), f"{line.entry.study_step.table} {line.entry.study_step.period}")
        for line in _of_kind(scene, "study_step")
    }
    for line in _of_kind(scene, "budget_reserved"):
        one = line.entry.budget_reserved
        paid.add((str(line.body), f"{one.table} {one.period}"))
    registers = {str(line.body) for line in scene.tables.register}
    for question in scene.questions():
        asked = question.table and question.permitted and question.holder in registers
        if asked and (question.holder, question.table) not in paid:
            gathering.add(_UNPAID, question.activity, question, table=question.table)


def _losses(scene: Scene, gathering: Gathering) -> None:
    bought: dict[tuple[str, str, str, str], dict[bytes, Line]] = defaultdict(dict)
    for line in _of_kind(scene, "budget_reserved"):
        one = line.entry.budget_reserved
        if scene.period.holds(line.entry.entry_time_ms):
            place = line.ledger, one.activity, one.table, one.period
            bought[place].setdefault(one.question_hash, line)
    for (_, activity, table, period), lines in bought.items():
        if len(lines) >= scene.alarms.losses_of_one_table.value:
            gathering.add_all(_LOSSES, activity, lines.values(), table=f"{table} {period}")
