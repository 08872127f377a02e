"""An undue payment, as the agent reads it, in French."""

from cloison.french import french_euros
from cloison.law.policy_set import PolicySet
from cloison.pages.document import Document, Grid, Line, Part
from cloison.programs.explanation.words import code_text
from cloison.programs.named_file.document import looked_document
from cloison.programs.recovery.run import Undue

_RIGHT = (
    "Le droit recalculé est celui que l'agent a saisi d'après la décision. Ce que le calcul a reçu "
    "et écrit reste au traitement qui calcule : aucun texte lu ne le transmet au recouvrement."
)
_SCHEDULE = (
    "Aucun échéancier n'est calculé : aucun texte lu ne dit comment fixer les mensualités. Les "
    "données répondues plus bas peuvent servir à en convenir."
)


def undue_document(undue: Undue, policy: PolicySet) -> Document:
    """The amounts first, then the file as any that was looked into."""
    rows = (
        ("Versé", undue.paid_cents),
        ("Droit recalculé, saisi par l'agent", undue.right_cents),
        ("Indu", undue.undue_cents),
    )
    grid = Grid(
        code_text("benefit", undue.benefit),
        ("", "Montant"),
        tuple(((Line(name),), (Line(_euros(cents)),)) for name, cents in rows),
        right=(1,),
    )
    amounts = Part(2, "Indu du mois", (_RIGHT, _SCHEDULE), (grid,))
    return looked_document(undue.looked, policy, undue.receipt, (amounts,))


def _euros(cents: int | None) -> str:
    return "non connu" if cents is None else french_euros(cents)
