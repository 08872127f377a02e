"""What entries say of time: clocks that go back, clocks apart."""

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import Gathering, Kind
from cloison.audit.scene import Scene

_SECOND_MS = 1000
_HORODATING = "CRPA, art. R114-9-6 (horodatage)"
_BACK = Kind(
    "CLOCK_WENT_BACK",
    Severity.MEDIUM,
    _HORODATING,
    "L'horloge de {ledger} a reculé {n} fois de plus de {seconds} secondes.",
    "Le journal de l'horloge du nœud ; les têtes cosignées bornent l'heure vraie.",
)
_APART = Kind(
    "CLOCKS_APART",
    Severity.LOW,
    _HORODATING,
    "Les horloges de {requester} et de {holder} diffèrent de plus de {seconds} secondes dans {n}"
    " échange(s).",
    "Les horloges des deux nœuds.",
)


def find_clocks(scene: Scene) -> list[Finding]:
    """By entry times alone: what a witness saw bounds them from outside."""
    gathering = Gathering(scene.tables)
    seconds = scene.alarms.clock_back_seconds.value
    for back in scene.tables.backwards:
        if back.latest - back.time > seconds * _SECOND_MS and scene.period.holds(back.time):
            gathering.add(_BACK, "", back, ledger=back.ledger, seconds=str(seconds))
    _apart(scene, gathering)
    return gathering.findings()


def _apart(scene: Scene, gathering: Gathering) -> None:
    """A holder decides after its requester asked: never long before, nor long after."""
    seconds = scene.alarms.clock_apart_seconds.value
    asked = {one.statement_key: one.time for one in scene.tables.asked}
    for one in scene.questions():
        time = asked.get(one.statement_key, one.time)
        if abs(one.time - time) > seconds * _SECOND_MS:
            words = {"requester": one.requester, "holder": one.holder, "seconds": str(seconds)}
            gathering.add(_APART, "", one, **words)
