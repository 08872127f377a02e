"""What the prime d'activité and the RSA share: the family's scale and the housing flat rate."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloison.months import Month
from cloison.programs.entitlement.inputs import Occupancy, PaidBenefit
from cloison.programs.explanation.expressions import (
    Expression,
    Leaf,
    count,
    smallest,
    total,
)
from cloison.programs.explanation.replay import Replay

MINIMA = "prestations_sociales.solidarite_insertion.minima_sociaux"
_MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Scale:
    """OpenFisca's names of one benefit's scale.

    Attributes:
        further: Of the second person, the third, and each child after.
        lone: Of a lone parent with young children: the base, and each child.
        housing: Rates for one, two, and three or more persons.
    """

    base: str
    further: tuple[str, str, str]
    lone: tuple[str, str]
    housing: tuple[str, str, str]


_PPA = f"{MINIMA}.ppa"
_RSA = f"{MINIMA}.rsa"
PPA_SCALE = Scale(
    base=f"{_PPA}.pa_m.montant_de_base",
    further=(
        f"{_PPA}.pa_m.majoration_montant_maximal.couples_seul_avec_enfant",
        f"{_PPA}.pa_m.majoration_montant_maximal.couple_1_enfant_2e_enfant",
        f"{_PPA}.pa_m.majoration_montant_maximal.par_enfant_supplementaire",
    ),
    lone=(
        f"{_PPA}.pa_m.majoration_isolement.femmes_enceintes",
        f"{_PPA}.pa_m.majoration_isolement.par_enfant_charge",
    ),
    housing=(
        f"{_PPA}.pa_fl.taux_forfait_logement.foyer_1_personne",
        f"{_PPA}.pa_fl.taux_forfait_logement.foyer_2_personnes",
        f"{_PPA}.pa_fl.taux_forfait_logement.foyer_3_personnes",
    ),
)
RSA_SCALE = Scale(
    base=f"{_RSA}.rsa_m.montant_de_base_du_rsa",
    further=(
        f"{_RSA}.rsa_maj.maj_montant_max.couples_celibataire_avec_enfant",
        f"{_RSA}.rsa_maj.maj_montant_max.couple_1_enfant_ou_2e_enfant",
        f"{_RSA}.rsa_maj.maj_montant_max.par_enfant_supplementaire",
    ),
    lone=(
        f"{_RSA}.rsa_maj.majoration_isolement_en_base_rsa.femmes_enceintes",
        f"{_RSA}.rsa_maj.majoration_isolement_en_base_rsa.par_enfant_a_charge",
    ),
    housing=(
        f"{_RSA}.rsa_fl.forfait_logement.taux_1_personne",
        f"{_RSA}.rsa_fl.forfait_logement.taux_2_personnes",
        f"{_RSA}.rsa_fl.forfait_logement.taux_3_personnes_ou_plus",
    ),
)


def family_amount(replay: Replay, scale: Scale, month: Month) -> Expression:
    """The base, times one and a part for each further person counted."""
    second, third, further = scale.further
    alone = len(replay.household.adults) == 1
    names = [second, third, further if alone else third][: max(0, _counted(replay, month) - 1)]
    more = _counted(replay, month) - 1 - len(names)
    parts: list[Expression] = [count(1), *(replay.legal(name, month) for name in names)]
    if more > 0:
        parts.append(count(more, "autres personnes") * replay.legal(further, month))
    base = replay.legal(scale.base, month)
    return base * total(parts) if len(parts) > 1 else base


def lone_amount(replay: Replay, scale: Scale, month: Month) -> Expression:
    """The base, times a lone parent's rate and a part for each child."""
    base, child = scale.lone
    children = int(replay.engine.seen("rsa_nb_enfants", month))
    rate = replay.legal(base, month) + count(children, "enfants") * replay.legal(child, month)
    return replay.legal(scale.base, month) * rate


def housing_amount(
    replay: Replay, scale: Scale, month: Month, paid_at: Month, variable: str
) -> Leaf:
    """What a home free of rent or an aid to pay it counts for; zero without either."""
    home = replay.household.housing
    aid = replay.table.paid(PaidBenefit.AL, paid_at.number)
    owned = home.occupancy is Occupancy.OWNER and not home.rent_cents
    free = owned or home.occupancy is Occupancy.FREE
    title = "Forfait logement"
    if not free and not aid:
        note = "Aucune aide au logement versée, et un loyer à payer : rien n'est compté."
        return replay.step(title, count(0), variable, month, note=note)
    flat = replay.step("Forfait logement entier", _flat(replay, scale, month))
    counted = flat if free else smallest(total(aid), flat)
    note = (
        "Logement sans loyer : forfait entier."
        if free
        else "L'aide au logement versée, sans dépasser le forfait."
    )
    return replay.step(title, counted, variable, month, note=note)


def yearly_pay(replay: Replay, place: int) -> list[Expression]:
    """A twelfth of the last yearly income of a self-employed person."""
    yearly = replay.table.notice([place], "self_employed")
    return [total(yearly) / count(_MONTHS_A_YEAR, "mois")] if yearly else []


def month_total(parts: Sequence[Expression], months: int) -> Expression:
    """The mean of what was paid over so many months."""
    return total(parts) / count(months, "mois") if parts else total(parts)


def if_open(value: Expression, *, open_to: bool) -> Expression:
    """The value, or nothing of it where a condition is not met."""
    return value if open_to else value * count(0, "(condition non remplie)")


def _flat(replay: Replay, scale: Scale, month: Month) -> Expression:
    """The scale of up to three persons, times the rate for so many."""
    persons = min(_counted(replay, month), len(scale.housing))
    names = scale.further[: persons - 1]
    parts: list[Expression] = [count(1), *(replay.legal(name, month) for name in names)]
    rate, base = replay.legal(scale.housing[persons - 1], month), replay.legal(scale.base, month)
    return base * total(parts) * rate if len(parts) > 1 else base * rate


def _counted(replay: Replay, month: Month) -> int:
    """Persons OpenFisca counts: parents, and children in charge."""
    children = replay.engine.seen("rsa_nb_enfants", month)
    return len(replay.household.adults) + int(children)
