"""OpenFisca run directly, from a JSON-like situation.

Written apart from the adapter, after reference/law.md §3, so that the two can be held against each
other: same minimised inputs, another way in, and the whole of OpenFisca, which works out whatever
it was not given.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from openfisca_core.simulation_builder import SimulationBuilder
from openfisca_france import FranceTaxBenefitSystem
from tests.unit.programs.households import JUNE, MONTHS, YEAR

from cloison.months import Month
from cloison.programs.entitlement.inputs import Benefit, Household, Nature, PaidBenefit, Role

_VARIABLE = {Benefit.PPA: "ppa", Benefit.RSA: "rsa", Benefit.AL: "aide_logement"}
_STATUS = {"owner": "proprietaire", "free": "loge_gratuitement"}
_ACTIVITY = {
    "employee": "actif",
    "self_employed": "actif",
    "unemployed": "chomeur",
    "student": "etudiant",
    "retired": "retraite",
    "inactive": "inactif",
    "child": "inactif",
}
_NET = {
    "salary": "salaire_net",
    "unemployment": "chomage_net",
    "daily_allowance": "indemnites_journalieres_maladie",
    "pension": "retraite_nette",
    "invalidity": "pensions_invalidite",
}


@cache
def whole_system() -> Any:
    """French law as OpenFisca loads it, every formula in its place."""
    return FranceTaxBenefitSystem()


def run_situation(situation: dict[str, Any], variable: str) -> list[int]:
    """Cents of a variable for 2026-06, of each family of a situation in turn."""
    simulation = SimulationBuilder().build_from_entities(whole_system(), situation)
    return [round(float(euros) * 100) for euros in simulation.calculate(variable, str(JUNE))]


def run_directly(benefit: Benefit, households: Sequence[Household]) -> list[int]:
    """The benefit of each household in 2026-06, in cents."""
    situation: dict[str, Any] = {
        "individus": {},
        "familles": {},
        "foyers_fiscaux": {},
        "menages": {},
    }
    for place, one in enumerate(households):
        for entity, members in _situation(benefit, one, f"h{place}").items():
            situation[entity] |= members
    return run_situation(situation, _VARIABLE[benefit])


def _situation(benefit: Benefit, one: Household, mark: str) -> dict[str, Any]:
    window = [str(month) for month in MONTHS.months]
    periods = [str(JUNE)] if benefit is Benefit.AL else [*window, str(JUNE)]
    names = [f"{mark}p{place}" for place in range(len(one.persons))]
    parents = [n for n, p in zip(names, one.persons, strict=True) if p.role is not Role.CHILD]
    children = names[len(parents) :]
    home = one.housing
    rented = "locataire_meuble" if home.furnished else "locataire_vide"
    status = _STATUS.get(home.occupancy, rented)
    family: dict[str, Any] = {
        "parents": parents,
        "enfants": children,
        "departement_experimentation_rsa": dict.fromkeys(periods, True),
    }
    first, second = f"{mark}f0", f"{mark}f1"
    units: dict[str, Any] = {first: {"declarants": parents[:1], "personnes_a_charge": children}}
    if one.taxed_together:
        units[first]["declarants"] = parents
    elif len(parents) > 1:
        units[second] = {"declarants": parents[1:]}
    people = {
        name: {
            "date_naissance": {"ETERNITY": str(person.birth_date)},
            "activite": {str(JUNE): _ACTIVITY[person.activity]},
            "etudiant": {str(JUNE): person.activity == "student"},
        }
        for name, person in zip(names, one.persons, strict=True)
    }
    for name, person in zip(names, one.persons, strict=True):
        if person.unemployed_since:
            people[name]["date_debut_chomage"] = {str(JUNE): str(person.unemployed_since)}
    _give(benefit, one, people, family, units)
    return {
        "individus": people,
        "familles": {mark: family},
        "foyers_fiscaux": units,
        "menages": {
            mark: {
                "personne_de_reference": names[:1],
                "conjoint": parents[1:],
                "enfants": children,
                "loyer": dict.fromkeys(periods, home.rent_cents / 100),
                "statut_occupation_logement": dict.fromkeys(periods, status),
                "zone_apl": dict.fromkeys(periods, f"zone_{home.zone}"),
                "coloc": dict.fromkeys(periods, home.occupancy == "shared_tenant"),
            }
        },
    }


def _give(
    benefit: Benefit,
    one: Household,
    people: dict[str, Any],
    family: dict[str, Any],
    units: dict[str, Any],
) -> None:
    if benefit is Benefit.AL:
        _give_totals(one, people, family, units)
        return
    reference = MONTHS.months
    for name, person in zip(people, one.persons, strict=True):
        for nature, variable in _NET.items():
            people[name][variable] = {
                str(month): person.months.get((Nature(nature), month), 0) / 100
                for month in reference
            }
        for variable in ("aah", "asi", "ass", "caah"):
            people[name][variable] = {str(month): 0 for month in reference}
        people[name]["rpns_autres_revenus"] = {"2024": person.self_employed_cents / 100}
    paid_at = {month: month for month in reference} if benefit is Benefit.PPA else {JUNE: JUNE - 1}
    family["aide_logement"] = {str(m): _paid(one, PaidBenefit.AL, at) for m, at in paid_at.items()}
    for variable in ("aspa", "af", "cf", "asf", "paje_base"):
        family[variable] = {str(month): 0 for month in paid_at}


def _give_totals(
    one: Household, people: dict[str, Any], family: dict[str, Any], units: dict[str, Any]
) -> None:
    year = f"year:{YEAR.first}"
    family["rsa"] = {str(JUNE - 1): _paid(one, PaidBenefit.RSA, JUNE - 1)}
    for name, person in zip(people, one.persons, strict=True):
        totals = {nature.value: cents / 100 for nature, cents in person.totals.items()}
        wages = totals.get("salary", 0) + totals.get("daily_allowance", 0)
        pensions = totals.get("pension", 0) + totals.get("invalidity", 0)
        people[name]["salaire_imposable"] = {year: wages}
        people[name]["chomage_imposable"] = {year: totals.get("unemployment", 0)}
        people[name]["retraite_imposable"] = {year: pensions}
        people[name]["rpns_imposables"] = {"2024": person.self_employed_cents / 100}
        people[name] |= {"aah": {str(JUNE): 0}, "ass": {str(JUNE): 0}}
    for name, unit in zip(units, one.tax_units, strict=True):
        wealth = (unit.capital_cents + unit.property_cents) / 100
        units[name]["aide_logement_base_revenus_fiscaux"] = {"2024": wealth}


def _paid(one: Household, benefit: PaidBenefit, month: Month) -> float:
    return one.paid.get((benefit, month), 0) / 100
