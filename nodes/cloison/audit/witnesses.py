"""Heads: ledgers that forked or went back, and stretches no witness saw in time."""

from collections.abc import Iterator

from cloison.audit.findings import MOST_EVIDENCE, Evidence, Finding, Severity
from cloison.audit.gathering import TRACEABILITY
from cloison.audit.heads import Contradiction
from cloison.audit.lines import Ledgers
from cloison.audit.period import HOUR_MS
from cloison.audit.scene import Scene
from cloison.french import french_count
from cloison.ledger.checkpoint import parse_checkpoint_text
from cloison.ledger.note import parse_note

_FORKED = (
    "{ledger} a signé deux têtes qui se contredisent : le témoin {witness} garde l'une, l'autre est"
    " {where}."
)
_BACK = (
    "{ledger} a reculé : le témoin {witness} a vu {saw} entrées, le registre n'en montre plus que"
    " {shows}."
)
_GAP = (
    "{n} entrée(s) de {ledgers} sont restées plus de {hours} heures sans la cosignature des témoins"
    " et de l'autorité : cette période ne compte pas comme auditée."
)


def find_heads(ledgers: Ledgers, scene: Scene) -> list[Finding]:
    """Contradictions prove themselves; a gap is seen of what is not yet cosigned."""
    return [*map(_contradiction, ledgers.contradictions), *_gap(ledgers, scene)]


def _contradiction(one: Contradiction) -> Finding:
    heads = [parse_checkpoint_text(parse_note(note.encode()).text) for note in one.notes]
    sentence = (_BACK if one.back else _FORKED).format(
        ledger=one.ledger,
        witness=one.witness,
        saw=french_count(heads[0].size),
        shows=french_count(heads[1].size),
        where="au registre" if heads[0].size != heads[1].size else "aussi signée par lui",
    )
    return Finding(
        "LEDGER_WENT_BACK" if one.back else "LEDGER_FORKED",
        Severity.HIGH,
        "",
        TRACEABILITY,
        sentence,
        1,
        tuple(
            Evidence(one.ledger, head.size, head.root.hex(), note=note)
            for head, note in zip(heads, one.notes, strict=True)
        ),
        "Les deux têtes signées se prouvent elles-mêmes ; le nœud dit s'il a restauré une"
        " sauvegarde.",
    )


def _gap(ledgers: Ledgers, scene: Scene) -> Iterator[Finding]:
    hours = scene.alarms.witness_gap_hours.value
    late = scene.period.until_ms - hours * HOUR_MS
    bare: dict[str, list[int]] = {}
    for one in ledgers.witnessed:
        for place, time in enumerate(scene.tables.times(one.ledger)):
            if place >= one.entries and scene.period.since_ms <= time < late:
                bare.setdefault(one.ledger, []).append(place)
    if bare:
        count = sum(map(len, bare.values()))
        firsts = [(ledger, places[0]) for ledger, places in bare.items()]
        yield Finding(
            "WITNESS_GAP",
            Severity.MEDIUM,
            "",
            TRACEABILITY,
            _GAP.format(n=french_count(count), ledgers=", ".join(bare), hours=hours),
            count,
            tuple(scene.tables.evidence(*place) for place in firsts[:MOST_EVIDENCE]),
            "Les journaux des témoins ; une cosignature d'aujourd'hui vaut pour ce qui précède,"
            " sans dire quand cela a été écrit.",
        )
