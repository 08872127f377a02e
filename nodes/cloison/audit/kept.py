"""Traces kept longer than their text has them kept."""

from datetime import UTC, datetime, time, timedelta

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import STORAGE_LIMITATION, Gathering, Kind
from cloison.audit.period import HOUR_MS
from cloison.audit.rows import Place
from cloison.audit.scene import Scene
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.law.durations import end_of
from cloison.ledger.tiles import TILE_WIDTH

_NEXT = timedelta(days=1)
_OVERDUE = Kind(
    "TRACES_KEPT_TOO_LONG",
    Severity.MEDIUM,
    STORAGE_LIMITATION,
    "{ledger} garde encore {n} lot(s) de 256 inscriptions dont la durée est finie ({article}).",
    "Le dossier du nœud : une copie que l'auditeur a gardée tient encore ce que le nœud a retiré ;"
    " un dossier vivant peut retenir les traces du jour de son ouverture.",
)


def find_kept(scene: Scene) -> list[Finding]:
    """By entries alone: a node that stopped prunes as it starts again, and has a day for it.

    Whole bundles go, the newest never does: what stays with others of its bundle is no finding.
    """
    gathering, rules = Gathering(scene.tables), scene.policy.traces
    if rules is None:
        return []
    for ledger, first in scene.tables.kept_from.items():
        times = scene.tables.times(ledger)
        seen = next((one for one in reversed(times) if scene.period.holds(one)), 0)
        start = first - first % TILE_WIDTH
        while start + TILE_WIDTH < len(times):
            newest = max(times[max(start, first) : start + TILE_WIDTH])
            if not _is_over(scene, newest, rules.retention.kept, seen):
                break
            place = Place(ledger, max(start, first), newest)
            gathering.add(_OVERDUE, "", place, ledger=ledger, article=rules.retention.article)
            start += TILE_WIDTH
    return gathering.findings()


def _is_over(scene: Scene, newest: int, kept: str, seen: int) -> bool:
    """Whether what was written then was due to go before the last that was seen, with its grace."""
    if newest > seen:  # nor may a time that nobody believes end the audit
        return False
    day = from_milliseconds(max(newest, 0)).date() + _NEXT
    end = end_of(kept, datetime.combine(day, time(), UTC))
    return to_milliseconds(end) + scene.alarms.retention_grace_hours.value * HOUR_MS < seen
