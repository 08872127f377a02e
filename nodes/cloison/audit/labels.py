"""Received data and what was made of them: their purpose, and the receipts outputs cite."""

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import PURPOSE_LIMITATION, TRACEABILITY, Gathering, Kind
from cloison.audit.scene import Scene

_OTHER_PURPOSE = Kind(
    "RECEIVED_FOR_ANOTHER_PURPOSE",
    Severity.HIGH,
    "CRPA, art. L114-8, II ; " + PURPOSE_LIMITATION,
    "{activity} a obtenu pour « {purpose} » des données que {received_by} avait reçues pour"
    " « {received_for} » ({n} réponses).",
    "Le texte qui le permettrait ; ce que le traitement a fait de ces données.",
)
_OTHER_ASKED = Kind(
    "RECEIVED_ASKED_FOR_ANOTHER_PURPOSE",
    Severity.MEDIUM,
    "CRPA, art. L114-8, II ; " + PURPOSE_LIMITATION,
    "{activity} a demandé {n} fois pour « {purpose} » des données que {received_by} avait reçues"
    " pour « {received_for} » ; rien n'est sorti.",
    "Qui a lancé cette demande, et pourquoi pas à la source.",
)
_BARE = Kind(
    "OUTPUT_WITHOUT_RECEIPTS",
    Severity.MEDIUM,
    TRACEABILITY,
    "{activity} a déposé {n} résultat(s) « {output} » sans citer une réponse, alors que des"
    " réponses avaient été obtenues pour le dossier.",
    "Le résultat lui-même : sur quelles données repose-t-il ?",
    Grade.STORE,
)
_NEVER_RECEIVED = Kind(
    "OUTPUT_CITES_UNRECEIVED",
    Severity.HIGH,
    TRACEABILITY,
    "{activity} a déposé des résultats qui citent {n} réponse(s) que son nœud n'a jamais reçues.",
    "Le résultat lui-même, et d'où viennent les données qu'il contient.",
    Grade.STORE,
)
_OF_ANOTHER = Kind(
    "OUTPUT_CITES_ANOTHERS",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a déposé des résultats qui citent {n} réponse(s) obtenues par {other}.",
    "Comment les données d'un traitement sont passées à l'autre.",
    Grade.STORE,
)


def find_labels(scene: Scene) -> list[Finding]:
    """Received data under another purpose; outputs without their receipts."""
    gathering = Gathering(scene.tables)
    _purposes(scene, gathering)
    _outputs(scene, gathering)
    _citations(scene, gathering)
    return gathering.findings()


def _purposes(scene: Scene, gathering: Gathering) -> None:
    for one in scene.questions():
        own = one.activity == one.received_by and one.purpose == one.received_for
        if one.received_for and not own and not _declared(scene, one.activity, one.received_for):
            words = {
                "purpose": one.purpose,
                "received_by": one.received_by,
                "received_for": one.received_for,
            }
            kind = _OTHER_PURPOSE if one.permitted else _OTHER_ASKED
            gathering.add(kind, one.activity, one, **words)


def _declared(scene: Scene, activity: str, purpose: str) -> bool:
    """One key serves all purposes of an activity: among its own, nothing is diverted."""
    record = scene.policy.activities.get(activity)
    return record is not None and purpose in record.purposes


def _outputs(scene: Scene, gathering: Gathering) -> None:
    asked = {one.case_key for one in scene.under_cases()}
    for one in scene.tables.deposits:
        if scene.period.holds(one.time) and not one.receipts and one.case_key in asked:
            gathering.add(_BARE, one.activity, one, output=one.output)


def _citations(scene: Scene, gathering: Gathering) -> None:
    """By the depositing node's own receipts; whose an answer was, by its own questions."""
    tables = scene.tables
    period = {(one.ledger, one.at) for one in tables.deposits if scene.period.holds(one.time)}
    activities = {one.statement_key: one.activity for one in tables.asked}
    came = {
        (one.ledger, one.leaf_key): activities.get(one.statement_key, "") for one in tables.received
    }
    came |= {
        (one.ledger, one.leaf_key): activities.get(one.statement_key, "")
        for one in tables.parts
        if one.came
    }
    for cited in tables.cited:
        if (cited.ledger, cited.at) not in period:
            continue
        owner = came.get((cited.ledger, cited.leaf_key))
        if owner is None:
            gathering.add(_NEVER_RECEIVED, cited.activity, cited)
        elif owner not in {"", cited.activity}:
            gathering.add(_OF_ANOTHER, cited.activity, cited, other=owner)
