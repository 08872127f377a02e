"""The RSA, replayed: the family's amount, less the housing flat rate and the mean of resources."""

from cloison.months import Month
from cloison.programs.entitlement.inputs import Nature, PaidBenefit, Role
from cloison.programs.explanation.expressions import (
    Expression,
    Leaf,
    at_least,
    largest,
    not_below_zero,
    total,
)
from cloison.programs.explanation.families import (
    MINIMA,
    RSA_SCALE,
    family_amount,
    housing_amount,
    if_open,
    lone_amount,
    month_total,
    yearly_pay,
)
from cloison.programs.explanation.replay import Replay

_MINIMUM = f"{MINIMA}.rsa.rsa_maj.montant_minimum_verse"
_REPLACEMENT = (Nature.UNEMPLOYMENT, Nature.PENSION, Nature.INVALIDITY)


def replay_rsa(replay: Replay) -> Expression:
    """The amount before its last rounding."""
    month = replay.window.month
    replay.section = "Ressources du foyer, en moyenne par mois"
    resources = _resources(replay, month)
    replay.section = "Montant du foyer"
    flat = _flat_amount(replay, month)
    housing = housing_amount(replay, RSA_SCALE, month, month - 1, "rsa_forfait_logement")
    replay.section = "Revenu de solidarité active"
    left = replay.step(
        "Montant du foyer, moins forfait logement et ressources",
        not_below_zero(flat - housing - resources),
    )
    return replay.step(
        "RSA, s'il atteint le minimum versé",
        at_least(left, replay.legal(_MINIMUM, month)),
        "rsa",
        month,
    )


def _resources(replay: Replay, month: Month) -> Leaf:
    means = [
        _mean(replay, month, place)
        for place, person in enumerate(replay.household.persons)
        if person.role is not Role.CHILD or replay.engine.seen("rsa_enfant_a_charge", month, place)
        if not place or _has_income(replay, month, place)
    ]
    parts: list[Expression] = [*means]
    aah = [
        leaf
        for one in replay.window.months
        for leaf in replay.table.paid(PaidBenefit.AAH, one.number)
    ]
    parts += [month_total(aah, len(replay.window.months))] if aah else []
    family = replay.seen(
        "prestations familiales retenues", "rsa_base_ressources_prestations_familiales", month
    )
    parts += [family] if family.number else []
    return replay.step("Ressources du foyer", total(parts), "rsa_base_ressources", month)


def _has_income(replay: Replay, month: Month, place: int) -> bool:
    variables = ("rsa_revenu_activite_individu", "rsa_base_ressources_individu")
    return any(replay.engine.seen(variable, month, place) for variable in variables)


def _mean(replay: Replay, month: Month, place: int) -> Leaf:
    who, months = replay.who[place], len(replay.window.months)
    pay: list[Expression] = [*_declared(replay, place, (Nature.SALARY,))]
    other: list[Expression] = [*_declared(replay, place, _REPLACEMENT)]
    for one in replay.window.months:
        as_pay = replay.engine.seen("rsa_indemnites_journalieres_activite", one, place) != 0
        sick = replay.table.incomes(place, [Nature.DAILY_ALLOWANCE], one.number, "mns")
        (pay if as_pay else other).extend(sick)
    earned = replay.step(
        f"Revenus d'activité ({who})",
        total([*([month_total(pay, months)] if pay else []), *yearly_pay(replay, place)]),
        "rsa_revenu_activite_individu",
        month,
        place,
    )
    if not other and not replay.engine.seen("rsa_base_ressources_individu", month, place):
        return earned
    rest = replay.step(
        f"Autres revenus ({who})",
        month_total(other, months),
        "rsa_base_ressources_individu",
        month,
        place,
    )
    return replay.step(f"Revenus ({who})", earned + rest)


def _declared(replay: Replay, place: int, natures: tuple[Nature, ...]) -> list[Leaf]:
    return [
        leaf
        for one in replay.window.months
        for leaf in replay.table.incomes(place, natures, one.number, "mns")
    ]


def _flat_amount(replay: Replay, month: Month) -> Leaf:
    open_to = replay.met("Âge, études et droit au séjour", "rsa_eligibilite", month)
    flat = replay.step(
        "Montant forfaitaire du foyer",
        if_open(family_amount(replay, RSA_SCALE, month), open_to=open_to),
        "rsa_socle",
        month,
    )
    if not replay.met("Parent isolé, montant majoré", "rsa_majore_eligibilite", month):
        return flat
    lone = replay.step(
        "Montant majoré du parent isolé",
        lone_amount(replay, RSA_SCALE, month),
        "rsa_socle_majore",
        month,
    )
    return replay.step("Le plus élevé des deux", largest(flat, lone))
