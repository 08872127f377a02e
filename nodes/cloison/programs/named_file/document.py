"""A file that was looked into, as the agent reads it, in French."""

import re
from collections.abc import Iterator, Sequence

from cloison.french import french_count, french_month
from cloison.law.policy_set import PolicySet
from cloison.law.words import french
from cloison.pages.document import Document, Grid, Line, Part
from cloison.programs.entitlement.answers import Answer
from cloison.programs.explanation.document import asked_title, data_grids
from cloison.programs.explanation.words import OUTCOMES, person
from cloison.programs.named_file.look import Looked
from cloison.programs.named_file.record import duties
from cloison.wire.gateway import ReceiptRef

_DUTIES = {
    ("notice", "content-and-origin"): (
        "informer la personne du contenu et de l'origine de ce qui a été obtenu"
    ),
    (
        "flag",
        "",
    ): "l'inscription est signalée : un contrôle des registres la trouve sans la chercher",
}
_SOURCE = re.compile(r'@source\("([^"]*)"\)')


def looked_document(
    looked: Looked, policy: PolicySet, receipt: ReceiptRef | None, parts: Sequence[Part] = ()
) -> Document:
    """What was asked and by whom refused, what must be told, what was answered."""
    return Document(
        title=f"{looked.record.title} : {french_month(looked.month)}",
        facts=tuple(_facts(looked, receipt)),
        parts=(*parts, *_refused(looked, policy), *_must(looked, policy), _data(looked, policy)),
    )


def _facts(looked: Looked, receipt: ReceiptRef | None) -> Iterator[tuple[str, str]]:
    yield "Dossier", looked.case.reference
    yield "Personnes", ", ".join(_who(looked))
    yield "Questions posées", f"{french_count(len(looked.answers))}, chacune inscrite"
    yield "Répondues", french_count(len(looked.answered))
    if receipt is not None:
        where = f"n° {french_count(receipt.leaf_index)} au registre de {receipt.holder}"
        yield looked.record.outputs[0].title, where


def _who(looked: Looked) -> list[str]:
    children, found = 0, []
    for member in looked.case.members:
        children += member.role == "child"
        found.append(
            {"applicant": "demandeur", "partner": "conjoint"}.get(member.role)
            or person(member.role, children)
        )
    return found


def _refused(looked: Looked, policy: PolicySet) -> Iterator[Part]:
    rows = [
        (
            (Line(one.holder),),
            (Line(asked_title(one, policy)),),
            (Line(OUTCOMES.get(one.outcome, one.outcome)),),
            tuple(Line(text, faint=True) for text in _why(answer)) or (Line("–"),),
        )
        for one, answer in zip(looked.table.asked, looked.answers, strict=True)
        if one.outcome != "permitted"
    ]
    if rows:
        columns = ("Par", "Données", "Pourquoi", "Règle, ou ce qui manque à la plus proche")
        once = tuple(dict.fromkeys(rows))
        yield Part(2, "Ce qui est refusé", (), (Grid("Refus", columns, once),))


def _why(answer: Answer) -> Iterator[str]:
    decision = answer.reply.decision
    if decision is None:
        return
    for rule in decision.rules:
        yield f"{rule.text}, {rule.article}"
    for near in decision.nearest:
        yield f"{near.rule.text}, {near.rule.article} : {' ; '.join(map(french, near.failed))}"


def _must(looked: Looked, policy: PolicySet) -> Iterator[Part]:
    rules = {rule.id: rule for rule in policy.rules}
    found: dict[str, dict[str, None]] = {}
    for kind, value, name in duties(looked):
        words = _DUTIES.get((kind, value)) or _DUTIES.get((kind, ""), f"{kind} {value}")
        rule = rules.get(name)
        source = _SOURCE.search(rule.source) if rule else None
        article = f"{name}, {rule.ref.article}" if rule else name
        said = (source[1],) if source and kind == "notice" else ()
        found.setdefault(words, {}).update(dict.fromkeys((article, *said)))
    rows = tuple(
        ((Line(words),), tuple(Line(text, faint=True) for text in texts))
        for words, texts in found.items()
    )
    if rows:
        origins = sorted(
            {
                f"{asked_title(one, policy)} (de {one.holder})"
                for one in looked.table.asked
                if one.outcome == "permitted"
            }
        )
        grid = Grid("Obligations", ("Obligation", "D'où elle vient"), rows)
        told = f"Origine à dire : {' ; '.join(origins)}." if origins else ""
        yield Part(2, "Avant toute décision défavorable", (told,) if told else (), (grid,))


def _data(looked: Looked, policy: PolicySet) -> Part:
    return Part(
        2, "Ce qui a été demandé et répondu", (), data_grids(looked.table, _who(looked), policy)
    )
