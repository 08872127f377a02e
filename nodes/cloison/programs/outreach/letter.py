"""The letter: a right is possible, how to claim it, and the notice of CRPA L114-8, II."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cloison.errors import InputError
from cloison.exchange.obligations import label_end
from cloison.french import french_count, french_date, french_month
from cloison.law.durations import end_of
from cloison.law.policy_set import PolicySet
from cloison.law.records import Activity, ObjectionRight
from cloison.months import Month
from cloison.pages.document import Cell, Document, Grid, Line, Part
from cloison.programs.entitlement.answers import Answer
from cloison.programs.entitlement.gather import File
from cloison.programs.entitlement.inputs import Role
from cloison.programs.entitlement.needs import Needs
from cloison.programs.explanation.words import BENEFITS, FIELDS, person
from cloison.wire.gateway import Member

_NOT_ASKED = (
    "Votre logement n'a pas été regardé, et il compte dans le calcul : il est possible que vous "
    "n'ayez finalement droit à rien."
)
_CLAIM = (
    "Si vous voulez cette prestation, demandez-la à l'organisme qui vous écrit, en ligne ou sur "
    "place. Il examinera votre demande avec les renseignements que vous donnerez alors. Si vous ne "
    "faites rien, il ne se passe rien : rien ne vous est retiré ni réclamé."
)
_ONLY = (
    "Ce qui a été obtenu d'autres organismes l'a été pour vous informer, et ne peut servir à rien "
    "d'autre, en particulier ni à détecter ni à sanctionner une fraude (CRPA, art. L114-8, II)."
)
_ENTERED = (
    "Chaque demande est inscrite, sans aucun montant, au registre vérifiable de l'organisme qui a "
    "répondu. Le numéro d'inscription permet de la retrouver."
)
_ACCESS = (
    "Accès et rectification. Vous pouvez savoir quelles données ont été obtenues, en avoir une "
    "copie, et les faire corriger par l'organisme qui les tient. À qui écrire :"
)
_DESTROYED = (
    "Si vous vous opposez, les données obtenues sont détruites sans délai et plus rien n'est "
    "demandé sur vous pour cette finalité. Vos prestations, en cours ou à venir, n'en dépendent "
    "pas. Seul ce qu'il faut pour respecter votre opposition est gardé, jusqu'au {until} au plus "
    "si vous vous opposez aujourd'hui ({article})."
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to the applicant of a household; `document` is what is written in it."""

    reference: str
    document: Document


def write_letter(
    policy: PolicySet, needs: Needs, month: Month, file: File, now: datetime
) -> Letter:
    """The letter about a file that was estimated.

    Raises:
        InputError: `RECORD_INCOMPLETE`: the record does not say how to object: nobody may be
            written to without being told.
    """
    record = needs.activity
    right = record.objection
    if right is None:
        raise InputError(
            "RECORD_INCOMPLETE",
            f"activity `{record.id}`: its record does not say how to object",
            "complete `objection` in policy/activities",
        )
    benefit = BENEFITS[needs.benefit]
    today = now.astimezone(UTC).date()
    document = Document(
        title=f"Vous avez peut-être droit à une prestation : {benefit}",
        facts=(
            ("De", record.controller),
            ("À", f"{file.case.members[0].birth_name}, titulaire du dossier"),
            ("Référence", file.case.reference),
            ("Date", french_date(today)),
        ),
        parts=(
            _possible(needs, month),
            Part(2, "Comment la demander", (_CLAIM,)),
            _obtained(policy, file),
            _rights(record, right, file, now),
        ),
    )
    return Letter(file.case.reference, document)


def _possible(needs: Needs, month: Month) -> Part:
    window = needs.window(month)
    span = f"{french_month(window.first)} à {french_month(window.last)}"
    benefit = BENEFITS[needs.benefit]
    return Part(
        2,
        "Ce que nous avons vu",
        (
            (
                f"Vous n'avez pas demandé cette prestation ({benefit}). D'après les ressources "
                f"déclarées pour votre foyer de {span}, un droit est possible pour "
                f"{french_month(month)}."
            ),
            "Ce n'est pas une décision : c'est une estimation faite par un programme. "
            + _NOT_ASKED,
        ),
    )


def _obtained(policy: PolicySet, file: File) -> Part:
    rows = tuple(_row(policy, answer, file.case.members) for answer in file.answers)
    columns = ("Auprès de", "Données", "Sur", "Période", "Texte", "Inscription")
    return Part(
        2,
        "Les données que nous avons obtenues, et de qui",
        (_ENTERED,),
        (Grid("Données obtenues pour cette lettre", columns, rows),),
    )


def _row(policy: PolicySet, answer: Answer, members: tuple[Member, ...]) -> tuple[Cell, ...]:
    question, receipt = answer.question, answer.reply.receipt
    title = policy.datasets[question.holder, question.dataset].title
    fields = ", ".join(FIELDS.get(field, field) for field in question.fields)
    first, last = question.first, question.last
    span = french_month(first) if first == last else f"{french_month(first)} à {french_month(last)}"
    entered = (
        "–" if receipt is None else f"n° {french_count(receipt.leaf_index)} de {receipt.holder}"
    )
    return (
        (Line(question.holder),),
        (Line(title), Line(fields, faint=True)),
        (Line(", ".join(_who(members, one) for one in question.persons)),),
        (Line(span),),
        (Line(policy.texts[question.legal_basis].title),),
        (Line(entered),),
    )


def _who(members: tuple[Member, ...], one: Member) -> str:
    children = [member.nir for member in members if member.role == Role.CHILD]
    number = children.index(one.nir) + 1 if one.nir in children else 0
    return person(one.role, number)


def _rights(record: Activity, right: ObjectionRight, file: File, now: datetime) -> Part:
    until = french_date(end_of(right.kept, now).date())
    return Part(
        2,
        "Vos droits",
        (
            _ONLY,
            f"{_ACCESS} {record.dpo}.",
            f"Opposition. Vous pouvez vous opposer à ce traitement. {right.how}",
            _DESTROYED.format(until=until, article=right.article),
            *(
                f"Durée. Sans opposition, ce qui a été obtenu d'autres organismes est détruit le "
                f"{french_date(end)} au plus tard."
                for end in _ends(file, now)
            ),
        ),
    )


def _ends(file: File, now: datetime) -> Iterator[date]:
    """When the last of the labels that end does."""
    decisions = [answer.reply.decision for answer in file.answers]
    ends = [label_end(decision, now) for decision in decisions if decision is not None]
    if dated := [end for end in ends if end is not None]:
        yield max(dated).date()


def letter_lines(document: Document) -> Iterator[str]:
    """The letter as plain text, a paragraph or a row a line."""
    yield document.title
    yield ""
    yield from (f"{name} : {value}" for name, value in document.facts)
    for part in document.parts:
        yield ""
        yield part.title
        yield from part.paragraphs
        for grid in part.grids:
            for row in grid.rows:
                cells = zip(grid.columns, row, strict=True)
                yield "- " + " ; ".join(
                    f"{name} : {' – '.join(line.text for line in cell)}" for name, cell in cells
                )
