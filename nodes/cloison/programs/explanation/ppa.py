"""The prime d'activité, replayed: each reference month, then the mean (as OpenFisca codes it)."""

from cloison.french import french_month
from cloison.months import Month
from cloison.programs.entitlement.inputs import Nature, PaidBenefit
from cloison.programs.explanation.expressions import (
    Expression,
    Leaf,
    Op,
    Unit,
    at_least,
    count,
    largest,
    not_below_zero,
    rounded,
    smallest,
    total,
)
from cloison.programs.explanation.families import (
    MINIMA,
    PPA_SCALE,
    family_amount,
    housing_amount,
    if_open,
    lone_amount,
    yearly_pay,
)
from cloison.programs.explanation.replay import CENT, Replay

_PPA, _M = f"{MINIMA}.ppa", f"{MINIMA}.ppa.pa_m"
SMIC = "marche_travail.salaire_minimum.smic.smic_b_horaire"
_OTHER = (Nature.UNEMPLOYMENT, Nature.PENSION, Nature.INVALIDITY)


def replay_ppa(replay: Replay) -> Expression:
    """The amount before its last rounding."""
    window = replay.window
    months = [_month(replay, month) for month in window.months]
    replay.section = "Moyenne et versement"
    mean = replay.step("Moyenne des mois de référence", total(months) / count(len(months)))
    open_to = replay.met(
        "Revenu d'activité suffisant (étudiants et apprentis : un plancher chaque mois)",
        "ppa_eligibilite_apprenants",
        window.month,
    )
    return replay.step(
        "Prime d'activité, si elle atteint le minimum versé",
        if_open(
            at_least(mean, replay.legal(f"{_M}.montant_minimum_verse", window.month)),
            open_to=open_to,
        ),
        "ppa",
        window.month,
        note="Avant CRDS : le calcul s'arrête à ce montant.",
    )


def _month(replay: Replay, month: Month) -> Leaf:
    replay.section = french_month(month).capitalize()
    everybody = range(len(replay.household.persons))
    counted = [place for place in everybody if _has_income(replay, month, place)]
    earned = [_earned(replay, month, place) for place in counted]
    bonuses = [
        _bonus(replay, month, place, pay) for place, pay in zip(counted, earned, strict=True)
    ]
    activity = earned[0]
    if len(earned) > 1:
        activity = replay.step(
            "Revenus d'activité du foyer", total(earned), "ppa_revenu_activite", month
        )
    others = _others(replay, month)
    resources = replay.step("Ressources du foyer", activity + others, "ppa_base_ressources", month)
    flat = _flat_amount(replay, month)
    housing = housing_amount(replay, PPA_SCALE, month, month, "ppa_forfait_logement")
    kept = replay.step(
        "Part des revenus d'activité conservée",
        replay.legal(f"{_M}.majoration_ressources_revenus_activite", month) * activity,
        "ppa_fictive_ressource_activite",
        month,
    )
    given = replay.step(
        "Ce qui s'ajoute",
        total([flat, *bonuses, kept]),
        note="Le montant forfaitaire, les bonifications et la part conservée.",
    )
    taken = replay.step(
        "Ce qui se déduit",
        largest(resources + housing, flat),
        note="Les ressources et le forfait logement, au moins le montant forfaitaire.",
    )
    open_to = replay.met("Âge et droit au séjour", "ppa_eligibilite", month)
    return replay.step(
        f"Prime calculée pour {french_month(month)}",
        if_open(not_below_zero(given - taken), open_to=open_to),
        "ppa_fictive",
        month,
    )


def _has_income(replay: Replay, month: Month, place: int) -> bool:
    """The applicant is always shown; the others where OpenFisca counts an activity income."""
    return place == 0 or replay.engine.seen("ppa_revenu_activite_individu", month, place) != 0


def _earned(replay: Replay, month: Month, place: int) -> Leaf:
    table = replay.table
    parts: list[Expression] = [*table.incomes(place, [Nature.SALARY], month.number, "mns")]
    if replay.engine.seen("rsa_indemnites_journalieres_activite", month, place):
        parts += table.incomes(place, [Nature.DAILY_ALLOWANCE], month.number, "mns")
    parts += yearly_pay(replay, place)
    if _disability_counts_as_pay(replay, month, place):
        parts += table.paid(PaidBenefit.AAH, month.number)
    return replay.step(
        f"Revenus d'activité ({replay.who[place]})",
        total(parts),
        "ppa_revenu_activite_individu",
        month,
        place,
    )


def _disability_counts_as_pay(replay: Replay, month: Month, place: int) -> bool:
    """The AAH is pay where the rest of the pay reaches a number of hours at the SMIC."""
    if place or not replay.table.paid(PaidBenefit.AAH, month.number):
        return False
    hours = replay.legal(f"{_PPA}.pa_cond.seuil_aah_activite", month)
    floor = hours.number * replay.legal(SMIC, month).number
    aah = total(replay.table.paid(PaidBenefit.AAH, month.number)).value
    return replay.engine.seen("ppa_revenu_activite_individu", month, place) - aah >= floor


def _bonus(replay: Replay, month: Month, place: int, pay: Leaf) -> Leaf:
    hourly, who = replay.legal(SMIC, month), replay.who[place]
    low = replay.step(
        f"Seuil de la bonification ({who})",
        replay.legal(f"{_M}.bonification.seuil_bonification", month) * hourly,
    )
    high = replay.step(
        f"Revenu de la bonification maximale ({who})",
        replay.legal(f"{_M}.bonification.seuil_max_bonification", month) * hourly,
    )
    most = replay.step(
        f"Bonification maximale ({who})",
        rounded(
            Op.ROUND,
            replay.legal(f"{_M}.bonification.taux_bonification_max", month)
            * replay.legal(f"{_M}.montant_de_base", month),
            CENT,
        ),
    )
    place_between = replay.step(
        f"Place du revenu entre les deux, de 0 à 1 ({who})",
        smallest(count(1), not_below_zero((pay - low) / (high - low))),
        unit=Unit.NUMBER,
    )
    return replay.step(
        f"Bonification ({who})", most * place_between, "ppa_bonification", month, place
    )


def _others(replay: Replay, month: Month) -> Leaf:
    table = replay.table
    parts: list[Expression] = []
    for place in range(len(replay.household.persons)):
        parts += table.incomes(place, _OTHER, month.number, "mns")
        if not replay.engine.seen("rsa_indemnites_journalieres_activite", month, place):
            parts += table.incomes(place, [Nature.DAILY_ALLOWANCE], month.number, "mns")
    if not _disability_counts_as_pay(replay, month, 0):
        parts += table.paid(PaidBenefit.AAH, month.number)
    family = replay.seen(
        "prestations familiales retenues", "ppa_base_ressources_prestations_familiales", month
    )
    parts += [family] if family.number else []
    return replay.step(
        "Autres ressources du foyer", total(parts), "ppa_ressources_hors_activite", month
    )


def _flat_amount(replay: Replay, month: Month) -> Leaf:
    lone = replay.met("Parent isolé, montant majoré", "rsa_majore_eligibilite", month)
    build = lone_amount if lone else family_amount
    return replay.step(
        "Montant forfaitaire du foyer",
        build(replay, PPA_SCALE, month),
        "ppa_fictive_montant_forfaitaire",
        month,
    )
