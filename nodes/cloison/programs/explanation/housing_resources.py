"""The resources of a household for the aides au logement: a year of pay, and the last tax notice.

A child's own resources are not replayed: where OpenFisca counts some, the sum is said not detailed.
"""

from datetime import date
from fractions import Fraction

from cloison.programs.entitlement.inputs import Nature
from cloison.programs.explanation.expressions import (
    Expression,
    Leaf,
    Op,
    count,
    largest,
    not_below_zero,
    rounded,
    smallest,
    total,
)
from cloison.programs.explanation.replay import CENT, Replay

_AIDS = "prestations_sociales.aides_logement.allocations_logement.ressources"
_DEDUCTIONS = "impot_revenu.calcul_revenus_imposables.deductions"
_HUNDRED, _EURO = Fraction(100), Fraction(1)


def replay_resources(replay: Replay) -> Leaf:
    """The household's resources, rounded up as the aid counts them."""
    replay.section = "Ressources de l'année de référence"
    return replay.step(
        "Ressources prises en compte",
        rounded(Op.CEIL, rounded(Op.ROUND, _before_rounding(replay), CENT), _HUNDRED),
        "aide_logement_base_ressources",
        replay.window.month,
    )


def _before_rounding(replay: Replay) -> Leaf:
    if _is_student(replay):
        name = f"{_AIDS}.etudiants.locatif.dar_4_forfait_ressources"
        return replay.step(
            "Ressources d'un demandeur étudiant",
            replay.legal(name, replay.window.month),
            note="Un forfait, quels que soient les revenus.",
        )
    adults = range(len(replay.household.adults))
    parents = total([_of_person(replay, place) for place in adults])
    special = [one for one in _special(replay) if one.number]
    if special:
        parents = not_below_zero(parents - total(special))
    every = total([parents, *_of_notices(replay)])
    return replay.step("Ressources du foyer", not_below_zero(every))


def _is_student(replay: Replay) -> bool:
    """A student below the age of the parameter; what the partner does is of no account."""
    month = replay.window.month
    limit = replay.legal(f"{_AIDS}.etudiants.age_max", month)
    student = replay.engine.seen("etudiant", month) != 0
    young = replay.engine.seen("age", month) < limit.number
    title = f"Demandeur étudiant de moins de {int(limit.number)} ans [{limit.mark}]"
    replay.say(title, "etudiant", met=student and young)
    return student and young


def _special(replay: Replay) -> list[Leaf]:
    """Of each tax unit whose first declarant is an adult of the household."""
    units = 1 if replay.household.taxed_together else len(replay.household.adults)
    variable, year = "abattements_speciaux_prestations_familiales", replay.window.month.year - 2
    return [replay.seen("abattements spéciaux", variable, year, unit) for unit in range(units)]


def _of_notices(replay: Replay) -> list[Expression]:
    adults = range(len(replay.household.adults))
    wealth = [
        leaf for field in ("capital", "property") for leaf in replay.table.notice(adults, field)
    ]
    paid = replay.table.notice(adults, "alimony_paid")
    less: list[Expression] = [count(0) - total(paid)] if paid else []
    return [*wealth, *less]


def _of_person(replay: Replay, place: int) -> Leaf:
    month, who = replay.window.month, replay.who[place]
    pay = replay.step(
        f"Salaires et indemnités ({who})",
        total(_declared(replay, place, (Nature.SALARY, Nature.DAILY_ALLOWANCE))),
    )
    idle = replay.step(f"Chômage ({who})", total(_declared(replay, place, (Nature.UNEMPLOYMENT,))))
    work = _after_work_deduction(replay, place, pay, idle)
    pension = _after_pension_deduction(replay, place)
    return replay.step(
        f"Ressources ({who})",
        total([work, *pension]),
        "aide_logement_base_ressources_individu",
        month,
        place,
    )


def _work_costs(replay: Replay, place: int, pay: Leaf, idle: Leaf) -> Leaf:
    year = date(replay.window.month.year - 1, 1, 1)
    rate, least, most = (
        replay.legal(f"{_DEDUCTIONS}.abatpro.{name}", year) for name in ("taux", "min", "max")
    )
    return replay.step(
        f"Déduction pour frais professionnels ({replay.who[place]})",
        rounded(Op.ROUND, smallest(largest(rate * (pay + idle), least), most), _EURO),
    )


def _after_work_deduction(replay: Replay, place: int, pay: Leaf, idle: Leaf) -> Leaf:
    month, who = replay.window.month, replay.who[place]
    costs = _work_costs(replay, place, pay, idle)
    earned = replay.table.notice([place], "self_employed")
    worked: Expression = not_below_zero(pay - costs)
    worked = total([worked, *earned])
    if pay.number + idle.number:
        idle_left: Expression = idle + smallest(count(0), pay - costs)
    else:
        idle_left = idle
    worked = _reduced(
        replay,
        place,
        worked,
        "aide_logement_abattement_revenus_activite_professionnelle",
        "Abattement sur les revenus d'activité",
    )
    idle_left = _reduced(
        replay,
        place,
        idle_left,
        "aide_logement_abattement_indemnites_chomage",
        "Abattement sur les indemnités de chômage",
    )
    result = worked + idle_left
    neutral = replay.met(
        f"Revenus neutralisés (RSA du mois précédent, chômage non indemnisé) ({who})",
        "aide_logement_condition_neutralisation",
        month,
        place,
    )
    return replay.step(
        f"Revenus d'activité et chômage retenus ({who})",
        result * count(0, "(neutralisés)") if neutral else result,
    )


def _reduced(
    replay: Replay, place: int, value: Expression, variable: str, title: str
) -> Expression:
    month = replay.window.month
    if not replay.met(f"{title} ({replay.who[place]})", variable, month, place):
        return value
    rate = replay.legal(f"{_AIDS}.abattements.chomage_indemnise", month)
    return value * (count(1) - rate)


def _after_pension_deduction(replay: Replay, place: int) -> list[Expression]:
    month, who = replay.window.month, replay.who[place]
    parts = [
        *replay.table.notice([place], "alimony_received"),
        *_declared(replay, place, (Nature.PENSION, Nature.INVALIDITY)),
    ]
    if not parts:
        return []
    pension = replay.step(f"Pensions ({who})", total(parts))
    rate, least = (replay.legal(f"{_DEDUCTIONS}.abatpen.{name}", month) for name in ("taux", "min"))
    less = rounded(Op.ROUND, largest(rate * pension, least), _EURO)
    return [
        replay.step(
            f"Pensions après déduction ({who})",
            not_below_zero(pension - less),
        )
    ]


def _declared(replay: Replay, place: int, natures: tuple[Nature, ...]) -> list[Leaf]:
    return replay.table.incomes(place, natures, replay.window.first.number, "net_fiscal")
