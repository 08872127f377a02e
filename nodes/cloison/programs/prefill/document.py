"""The declaration as a person reads it, in French, for any screen or page."""

from collections.abc import Iterator

from cloison.french import french_count, french_euros, french_month
from cloison.law.records import Activity as Record
from cloison.pages.document import Cell, Document, Grid, Part
from cloison.pages.document import Line as Text
from cloison.programs.explanation.words import code_text, person
from cloison.programs.prefill.declaration import Declaration, Gap, Line, Missing

_MISSING = {
    Missing.NOTHING_DECLARED: "rien de déclaré",
    Missing.NOT_YET_DUE: "pas encore exigible des payeurs",
    Missing.UNDER_CORRECTION: "en cours de correction par le payeur",
    Missing.LATE: "un payeur n'a pas encore déclaré, en retard",
    Missing.NO_ANSWER: "pas de réponse",
    Missing.NO_HOLDER: "régime qu'aucun organisme interrogé ne tient",
    Missing.NO_PERMANENT_NIR: "pas encore de numéro définitif : personne n'a été interrogé",
    Missing.OWN_FILE_INCOMPLETE: "dossier incomplet : personne n'a été interrogé",
}
_AT_SCHOOL = "Enfant à l'école : rien n'est demandé."
_NOT_ZERO = (
    "Ce qui manque n'est pas compté comme zéro : un revenu de ce mois-là reste à ajouter par vous."
)
_CONTEST = (
    "Une ligne vous paraît fausse ? Dites-le en donnant son repère (première colonne). Votre "
    "contestation est transmise à l'organisme qui tient la ligne, puis au payeur qui l'a "
    "déclarée : lui seul peut la corriger, en déclarant à nouveau. Jusque-là, la ligne reste telle "
    "qu'elle est ; si elle est maintenue, vous en lirez la raison avec vos traces."
)
_SOURCES = (
    "Chaque ligne est reprise telle que le payeur l'a déclarée. Le numéro est celui de la "
    "réponse, au registre vérifiable de l'organisme qui tient la ligne ; aucun montant n'y figure."
)


def declaration_document(made: Declaration, record: Record) -> Document:
    """The lines of each person, what is missing, and how to contest."""
    return Document(
        title=f"Déclaration trimestrielle préremplie : {french_month(made.month)}",
        facts=tuple(_facts(made, record)),
        parts=(_role(record), *_people(made), _rights(record)),
    )


def _facts(made: Declaration, record: Record) -> Iterator[tuple[str, str]]:
    yield "Dossier", made.case.reference
    yield "Prestation", code_text("benefit", record.benefit)
    yield "Mois à déclarer", f"{french_month(made.first)} à {french_month(made.last)}"
    if made.receipt is not None:
        yield "Proposition inscrite", _entry(made.receipt.holder, made.receipt.leaf_index)


def _role(record: Record) -> Part:
    words = () if record.algorithm == "none" else record.algorithm
    said = (words.role, words.description) if words else ()
    return Part(2, "Ce qui est prérempli, et ce qui ne l'est pas", said)


def _people(made: Declaration) -> Iterator[Part]:
    children = 0
    for place, member in enumerate(made.case.members):
        children += member.role == "child"
        lines = [line for line in made.lines if line.place == place]
        gaps = [gap for gap in made.gaps if gap.place == place]
        grids = (*_lines(lines), *_gaps(gaps))
        who = person(member.role, children)
        yield Part(2, who[:1].upper() + who[1:], tuple(_said(gaps)), grids)


def _said(gaps: list[Gap]) -> Iterator[str]:
    at_school = [gap for gap in gaps if gap.missing is Missing.AT_SCHOOL]
    if at_school:
        yield _AT_SCHOOL
    if len(gaps) > len(at_school):
        yield _NOT_ZERO


def _lines(lines: list[Line]) -> Iterator[Grid]:
    columns = ("Repère", "Mois", "Payeur", "Nature", "Montant net social", "Origine")
    if lines:
        yield Grid(
            "Lignes déclarées par les payeurs", columns, tuple(map(_line, lines)), right=(4,)
        )


def _line(line: Line) -> tuple[Cell, ...]:
    amount = "non déclaré" if line.amount_cents is None else french_euros(line.amount_cents)
    leaf = _entry(line.holder, line.receipt.leaf_index) if line.receipt else ""
    return (
        (Text(line.mark),),
        (Text(french_month(line.month)),),
        (Text(f"SIRET {line.payer}"),),
        (Text(code_text("nature", line.nature)),),
        (Text(amount),),
        (
            Text(f"message {line.source}, version {line.version}", faint=True),
            Text(f"tenu par {line.holder} ; {leaf}", faint=True),
        ),
    )


def _gaps(gaps: list[Gap]) -> Iterator[Grid]:
    rows = tuple(_gap(gap) for gap in gaps if gap.missing is not Missing.AT_SCHOOL)
    if rows:
        yield Grid("Mois sans ligne", ("Mois", "Interrogé", "Pourquoi"), rows)


def _gap(gap: Gap) -> tuple[Cell, ...]:
    why = _MISSING[gap.missing] + (f" ({gap.reason})" if gap.reason else "")
    return (
        (Text(french_month(gap.month) if gap.month else "tous"),),
        (Text(gap.holder or "–"),),
        (Text(why),),
    )


def _rights(record: Record) -> Part:
    office = (
        f"À qui le dire : {record.controller}. Pour ce qui touche à vos données personnelles : "
        f"{record.dpo}."
    )
    return Part(2, "Contester une ligne", (_CONTEST, _SOURCES, office))


def _entry(holder: str, index: int) -> str:
    return f"n° {french_count(index)} au registre de {holder}"
