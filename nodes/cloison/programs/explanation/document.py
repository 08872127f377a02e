"""The notice as a person reads it: headings, paragraphs and tables, for any screen or page."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from cloison.bodies import BodyId
from cloison.french import french_count, french_date, french_euros, french_month
from cloison.law.policy_set import PolicySet
from cloison.months import Month
from cloison.pages.document import Cell, Document, Grid, Line, Part
from cloison.programs.explanation.data import Asked, Datum, Table
from cloison.programs.explanation.notice import Notice
from cloison.programs.explanation.replay import Parameter, Step
from cloison.programs.explanation.text import in_words, value_text, with_numbers
from cloison.programs.explanation.words import (
    BENEFITS,
    CODES,
    FIELDS,
    GRANULARITIES,
    LIMITS,
    NEXT,
    OUTCOMES,
    STATUS,
    WHY,
    code_text,
)
from cloison.wire.gateway import ReceiptRef

_AMOUNTS = frozenset(
    {
        "alimony_paid",
        "alimony_received",
        "amount",
        "capital",
        "mns",
        "net_fiscal",
        "pensions",
        "property",
        "rent",
        "rfr",
        "self_employed",
        "wages",
    }
)
_DAYS = frozenset({"date", "opened", "since", "unemployed_since", "until"})
_DECIDES = "L'algorithme ne fait que calculer : la décision est prise par l'organisme."
_ENTERED = (
    "Chaque réponse est inscrite, avec sa question et sa décision mais sans aucun montant, au "
    "registre vérifiable de l'organisme qui détient la donnée. Le numéro d'inscription permet de "
    "la retrouver."
)
_LEGAL_VALUES = (
    "Valeurs de la loi qu'OpenFisca a lues pour ce calcul, avec la date depuis laquelle chacune "
    "s'applique et le texte qu'il cite pour cette date."
)
_BY_HAND = (
    "Chaque ligne se refait à la main. Entre crochets, la ligne d'où vient le nombre : D une "
    "donnée, P un paramètre, E une étape précédente."
)
_NOT_ROUNDED = (
    "Rien n'est arrondi, sauf où c'est dit. Un résultat intermédiaire qui a plus de quatre "
    "décimales est écrit avec quatre (une proportion, avec six) et repris entier ensuite."
)
_NO_REFERENCE = "référence absente dans OpenFisca"


def notice_document(notice: Notice, policy: PolicySet) -> Document:
    """The notice in the order of CRPA R311-3-1-2, then the legal mention."""
    benefit = BENEFITS[notice.benefit]
    return Document(
        title=f"Notice de calcul : {benefit}, {french_month(notice.month)}",
        facts=tuple(_facts(notice)),
        parts=(
            *_why_not(notice),
            _role(notice),
            _data(notice, policy),
            _parameters(notice),
            *_operations(notice),
            _mention(notice),
        ),
    )


def _facts(notice: Notice) -> Iterator[tuple[str, str]]:
    amount = notice.amount_cents
    yield "Dossier", notice.reference
    if notice.name:
        yield "Demandeur", notice.name
    yield (
        "Montant mensuel calculé",
        "aucun : dossier mis de côté" if amount is None else french_euros(amount),
    )
    yield "Calcul fait le", french_date(notice.made_time.date())
    yield "Législation", notice.legislation
    if notice.deposit is not None:
        yield "Résultat inscrit", _entry(notice.deposit)


def _why_not(notice: Notice) -> Iterator[Part]:
    if notice.set_aside is None:
        return
    missing, not_done = WHY[notice.set_aside]
    after = NEXT.get(notice.set_aside, "")
    yield Part(
        2,
        "Pourquoi il n'y a pas de montant",
        (
            missing,
            not_done,
            *_what_is_missing(notice),
            f"Ce qui se passe maintenant : le dossier est mis de côté, ce n'est pas un refus du "
            f"droit. {after} L'agent de l'organisme peut décider avec d'autres pièces.".replace(
                "  ", " "
            ),
        ),
    )


def _what_is_missing(notice: Notice) -> Iterator[str]:
    for one in notice.table.asked:
        if one.outcome != "permitted":
            yield f"Question {one.mark}, à {one.holder} : {_outcome(one)}."
    for datum in notice.table.data:
        if datum.status not in {"declared", "nothing declared"}:
            where = f"{datum.holder}, {_period(datum.period)}, {notice.who[datum.place]}"
            yield f"Donnée {datum.mark} ({where}) : {STATUS.get(datum.status, datum.status)}."


def _role(notice: Notice) -> Part:
    algorithm, record = notice.algorithm, notice.activity
    return Part(
        2,
        "1. Degré et mode de contribution de l'algorithme à la décision",
        (
            f"{algorithm.name}. {algorithm.role}",
            algorithm.description,
            f"Responsable du traitement : {record.controller}.",
            _DECIDES,
        ),
    )


# --- data and sources


def _data(notice: Notice, policy: PolicySet) -> Part:
    asked = bool(notice.table.asked)
    said = _ENTERED if asked else "Aucune donnée n'a été demandée."
    grids = data_grids(notice.table, notice.who, policy) if asked else ()
    return Part(2, "2. Données traitées et leurs sources", (said,), grids)


def data_grids(table: Table, who: Sequence[str], policy: PolicySet) -> tuple[Grid, Grid]:
    """What was received, and what was asked; `who` names the persons by their place."""
    titles = {(one.holder, one.dataset): asked_title(one, policy) for one in table.asked}
    return (
        Grid(
            "Données reçues",
            ("Ligne", "De", "Données", "Sur", "Mois", "État", "Valeurs", "Version", "Question"),
            tuple(_datum(one, who, titles) for one in table.data),
        ),
        Grid(
            "Questions posées",
            ("Ligne", "À", "Données", "Période", "Finalité et texte", "Réponse", "Inscription"),
            tuple(_asked(one, titles, policy) for one in table.asked),
        ),
    )


def asked_title(one: Asked, policy: PolicySet) -> str:
    """What was asked for; whence it came, where it is what the own node received."""
    title = policy.datasets[one.received_from or one.holder, one.dataset].title
    return f"{title}, déjà reçues de {one.received_from}" if one.received_from else title


_Titles = dict[tuple[BodyId, str], str]


def _datum(one: Datum, who: Sequence[str], titles: _Titles) -> tuple[Cell, ...]:
    source = one.source or "–"
    return (
        _cell(one.mark),
        _cell(one.holder),
        _cell(titles[one.holder, one.dataset]),
        _cell(who[one.place]),
        _cell(*_span(one)),
        _cell(STATUS.get(one.status, one.status)),
        _cell(*_values(one)),
        (Line(f"v{one.version}"), Line(source, faint=True)) if one.version else _cell("–"),
        _cell(one.asked),
    )


def _values(one: Datum) -> Iterator[str]:
    for field, value in one.values.items():
        if value is None or value == "":
            continue
        yield f"{FIELDS.get(field, field)} : {_value(field, value)}"


def _value(field: str, value: object) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, int) and field in _AMOUNTS:
        return french_euros(value)
    if isinstance(value, int) and field in _DAYS:
        return french_date(date(value // 10_000, value // 100 % 100, value % 100))
    return code_text(field, value) if field in CODES else str(value)


def _asked(one: Asked, titles: _Titles, policy: PolicySet) -> tuple[Cell, ...]:
    first, last = Month.parse(one.first), Month.parse(one.last)
    span = french_month(first) if first == last else f"{french_month(first)} à {french_month(last)}"
    basis = policy.texts[one.legal_basis].title
    aside = " (texte lu en partie : accord provisoire)" if one.provisional else ""
    return (
        _cell(one.mark),
        _cell(one.holder),
        (
            Line(titles[one.holder, one.dataset]),
            Line(", ".join(FIELDS.get(field, field) for field in one.fields), faint=True),
        ),
        (Line(span), Line(GRANULARITIES[one.granularity.value], faint=True)),
        (Line(policy.purposes[one.purpose].fr), Line(f"{basis}{aside}", faint=True)),
        _cell(_outcome(one)),
        _receipt(one.receipt),
    )


def _outcome(one: Asked) -> str:
    return OUTCOMES.get(one.outcome, f"sans réponse ({one.outcome})")


def _receipt(receipt: ReceiptRef | None) -> Cell:
    if receipt is None:
        return _cell("–")
    return (
        Line(_entry(receipt)),
        Line(f"empreinte {receipt.leaf_hash.hex()}", faint=True),
    )


def _entry(receipt: ReceiptRef) -> str:
    return f"n° {french_count(receipt.leaf_index)} au registre de {receipt.holder}"


def _span(one: Datum) -> tuple[str, ...]:
    if one.last == one.period:
        return (_period(one.period),)
    return f"total de {_period(one.period)}", f"à {_period(one.last)}"


def _period(period: int) -> str:
    """`février 2026`, `2024`, or `actuel`."""
    months_from = 100_000
    if period > months_from:
        return french_month(Month.from_number(period))
    return str(period or "actuel")


# --- parameters and operations


def _parameters(notice: Notice) -> Part:
    title = "3. Paramètres et pondération appliqués"
    if not notice.parameters:
        return Part(2, title, ("Aucun paramètre n'a été appliqué : rien n'a été calculé.",))
    return Part(
        2,
        title,
        (_LEGAL_VALUES,),
        (
            Grid(
                "Valeurs de la loi",
                ("Ligne", "Paramètre", "Valeur", "Depuis le", "Texte cité"),
                tuple(_parameter(one) for one in notice.parameters),
                right=(2,),
            ),
        ),
    )


def _parameter(one: Parameter) -> tuple[Cell, ...]:
    legal = one.legal
    cited = tuple(Line(each.title, each.address) for each in legal.references)
    return (
        _cell(one.mark),
        (Line(legal.title), Line(legal.name, faint=True)),
        _cell(value_text(legal.value, legal.unit)),
        _cell(french_date(legal.since)),
        cited or _cell(_NO_REFERENCE),
    )


def _operations(notice: Notice) -> Iterator[Part]:
    title = "4. Opérations effectuées"
    if not notice.steps:
        yield Part(2, title, ("Aucune opération n'a été effectuée : aucun montant n'est calculé.",))
        return
    yield Part(
        2,
        title,
        (
            _BY_HAND,
            _NOT_ROUNDED,
            *LIMITS[notice.benefit],
        ),
        _conditions(notice),
    )
    for section, steps in groupby(notice.steps, key=lambda one: one.section):
        grid = Grid(
            f"Étapes : {section}",
            ("Ligne", "Étape", "Avec vos nombres", "Résultat"),
            tuple(_step(one) for one in steps),
            right=(3,),
        )
        yield Part(3, section, (), (grid,))


def _conditions(notice: Notice) -> tuple[Grid, ...]:
    if not notice.conditions:
        return ()
    rows = tuple(
        (_cell(one.title), _cell(one.section), _cell("oui" if one.met else "non"))
        for one in notice.conditions
    )
    columns = ("Condition", "Pour", "Réponse d'OpenFisca")
    return (Grid("Conditions de la loi, pour votre foyer", columns, rows),)


def _step(one: Step) -> tuple[Cell, ...]:
    title = [Line(one.title)]
    if one.expression is not None:
        title.append(Line(in_words(one.expression), faint=True))
    numbers = [Line(with_numbers(one.expression) if one.expression else "–")]
    if one.note:
        numbers.append(Line(one.note, faint=True))
    return _cell(one.mark), tuple(title), tuple(numbers), _cell(value_text(one.value, one.unit))


def _mention(notice: Notice) -> Part:
    return Part(
        2,
        "5. Vos droits",
        tuple(f"{one.title}. {notice.say(one)} ({one.article})" for one in notice.clauses),
    )


def _cell(*lines: str) -> Cell:
    return tuple(Line(one) for one in lines)
