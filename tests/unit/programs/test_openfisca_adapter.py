"""The adapter against the golden values of reference/law.md §3.6, and against OpenFisca itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from openfisca_core.simulation_builder import SimulationBuilder
from tests.unit.programs.direct_openfisca import run_directly, run_situation
from tests.unit.programs.households import (
    FLAT,
    JUNE,
    MONTHS,
    WINDOWS,
    YEAR,
    child,
    household,
    mixed,
    person,
    random_households,
)

from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import Activity, Benefit, Household, Nature, Role
from cloison.programs.entitlement.openfisca_adapter import (
    Refused,
    compute,
    legislation,
    simulate,
)
from cloison.programs.entitlement.unasked import depends_on_unasked

WORKING = {Activity.EMPLOYEE, Activity.SELF_EMPLOYED, Activity.STUDENT}

GOLDEN = [
    (Benefit.PPA, household(person(monthly=140_000)), 246_90),
    (Benefit.RSA, household(person(monthly=140_000)), 0),
    (Benefit.AL, household(person(monthly=140_000)), 0),
    (Benefit.PPA, household(person(), al=304_00), 0),
    (Benefit.RSA, household(person(), al=304_00), 573_49),
    (Benefit.AL, household(person()), 304_00),
]


@pytest.mark.parametrize(("benefit", "one", "cents"), GOLDEN)
def test_compute_golden_household_gives_golden_amount(
    benefit: Benefit, one: Household, cents: int
) -> None:
    assert compute(benefit, WINDOWS[benefit], [one]) == [cents]


def test_compute_nobody_gives_nothing() -> None:
    assert compute(Benefit.PPA, MONTHS, []) == []


def test_legislation_names_package_and_version() -> None:
    assert legislation().startswith("openfisca-france 176.")


# --- trap 1


def test_simulate_mns_becomes_net_salary() -> None:
    simulation = simulate(Benefit.PPA, MONTHS, [household(person(monthly=140_000))])

    assert list(simulation.get_array("salaire_net", "2026-04")) == [1400]


# --- trap 2


@pytest.mark.parametrize(("flag", "cents"), [(True, 246_90), (False, 165_32)])
def test_openfisca_without_the_flag_counts_may(flag: bool, cents: int) -> None:
    months = [str(month) for month in Month.of(2024, 1).to(JUNE)]
    salary = {month: 0 if month == "2026-05" else 1400 for month in months}
    situation = {
        "individus": {
            "a": {
                "date_naissance": {"ETERNITY": "1990-01-01"},
                "salaire_net": salary,
                "salaire_imposable": salary,
            }
        },
        "familles": {
            "f": {"parents": ["a"], "departement_experimentation_rsa": dict.fromkeys(months, flag)}
        },
        "foyers_fiscaux": {"u": {"declarants": ["a"]}},
        "menages": {
            "m": {
                "personne_de_reference": ["a"],
                "loyer": dict.fromkeys(months, 450),
                "statut_occupation_logement": dict.fromkeys(months, "locataire_vide"),
                "zone_apl": dict.fromkeys(months, "zone_2"),
            }
        },
    }

    assert run_situation(situation, "ppa") == [cents]


def test_simulate_sets_the_flag_for_every_family() -> None:
    simulation = simulate(Benefit.RSA, MONTHS, mixed())

    for month in (*MONTHS.months, JUNE):
        assert simulation.get_array("departement_experimentation_rsa", str(month)).all()


# --- trap 3


@pytest.mark.parametrize(("rsa", "cents"), [(0, 196_00), (100_00, 304_00)])
def test_compute_al_reads_the_rsa_the_body_paid_last(rsa: int, cents: int) -> None:
    one = household(person(monthly=80_000), rsa=rsa)

    assert compute(Benefit.AL, YEAR, [one]) == [cents]


def test_compute_al_long_unemployed_without_benefit_has_income_neutralised() -> None:
    worker = person(monthly=80_000)
    idle = person(monthly=80_000, activity=Activity.UNEMPLOYED, since=JUNE.first_day)
    long_idle = person(monthly=80_000, activity=Activity.UNEMPLOYED, since=(JUNE - 6).first_day)

    amounts = compute(Benefit.AL, YEAR, [household(one) for one in (worker, idle, long_idle)])

    assert amounts == [196_00, 196_00, 304_00]


@pytest.mark.parametrize("benefit", list(Benefit))
def test_simulate_fills_no_month_outside_the_window(benefit: Benefit) -> None:
    window = WINDOWS[benefit]
    simulation = simulate(benefit, window, mixed())
    incomes = ("salaire_net", "salaire_imposable", "chomage_net", "chomage_imposable")

    filled = {
        str(period)
        for variable in incomes
        for period in simulation.get_holder(variable).get_known_periods()
    }

    assert filled == {str(month) for month in window.months}


@pytest.mark.parametrize("benefit", list(Benefit))
def test_compute_is_unmoved_by_any_month_not_asked(benefit: Benefit) -> None:
    window = WINDOWS[benefit]
    answerable = [
        one
        for one in random_households(seed=2026, count=400)
        if not depends_on_unasked(benefit, window, one)
    ]
    simulation = simulate(benefit, window, answerable)
    _fill_months_not_asked(simulation, benefit, answerable)

    filled = simulation.calculate(openfisca_adapter.OUTPUT[benefit], str(JUNE))

    assert list(np.rint(filled.astype(float) * 100)) == compute(benefit, window, answerable)
    assert len(answerable) > 100


def _fill_months_not_asked(simulation: Any, benefit: Benefit, households: list[Household]) -> None:
    """Anything before the window; after it, what the body's own file says goes on."""
    adults = [one.role is not Role.CHILD for home in households for one in home.persons]
    people = [one for home in households for one in home.persons]
    working = [one.activity in WORKING for one in people]
    idle = [
        one.activity is Activity.UNEMPLOYED and one.totals.get(Nature.UNEMPLOYMENT, 0) > 0
        for one in people
    ]
    drawing = [one.totals.get(Nature.PENSION, 0) > 0 for one in people]
    ending = "imposable" if benefit is Benefit.AL else "net"
    first = WINDOWS[benefit].first
    before = [first - 1, first - 2, first - 3]
    for variable, now in (("salaire", working), ("chomage", idle)):
        _fill(simulation, f"{variable}_{ending}", before, adults)
        _fill(simulation, f"{variable}_{ending}", [JUNE - 1, JUNE], now)
    pension = "retraite_imposable" if benefit is Benefit.AL else "retraite_nette"
    _fill(simulation, pension, [*before, JUNE - 1, JUNE], drawing)
    if benefit is not Benefit.AL:
        _fill(simulation, "indemnites_journalieres_maladie", before, adults)


def _fill(simulation: Any, variable: str, months: list[Month], who: list[bool]) -> None:
    for month in months:
        simulation.set_input(variable, str(month), np.where(who, 1_234.0, 0.0))


# --- equal to OpenFisca run directly


@pytest.mark.parametrize("benefit", list(Benefit))
def test_compute_equals_the_whole_of_openfisca_run_directly(benefit: Benefit) -> None:
    sample = mixed() + random_households(seed=176, count=60)

    assert compute(benefit, WINDOWS[benefit], sample) == run_directly(benefit, sample)


def test_compute_together_equals_one_by_one() -> None:
    sample = random_households(seed=7, count=2)

    assert compute(Benefit.PPA, MONTHS, sample) == [
        compute(Benefit.PPA, MONTHS, [one])[0] for one in sample
    ]


def test_compute_builds_one_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    build = SimulationBuilder.build

    def counted(self: SimulationBuilder, system: object) -> object:
        built.append(1)
        return build(self, system)

    monkeypatch.setattr(SimulationBuilder, "build", counted)
    compute(Benefit.RSA, MONTHS, mixed())

    assert built == [1]


def test_simulate_unmarried_couple_is_one_family_and_two_tax_units() -> None:
    couple = (person(), person(Role.PARTNER))
    apart = simulate(Benefit.PPA, MONTHS, [household(*couple)])
    together = simulate(Benefit.PPA, MONTHS, [household(*couple, together=True)])

    assert [one.populations["foyer_fiscal"].count for one in (apart, together)] == [2, 1]
    assert apart.populations["famille"].count == 1


# --- what OpenFisca does not take

REFUSED = {
    "two partners": household(person(), person(Role.PARTNER), person(Role.PARTNER)),
    "no applicant": household(child(2015)),
    "nobody": household(),
    "zone that is none": household(person(), home=replace(FLAT, zone=9)),
    "amount beyond a number": household(person(monthly=2**63)),
    "amounts whose sum would wrap": household(person(monthly=2**59)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_compute_what_openfisca_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        compute(Benefit.PPA, MONTHS, [REFUSED[name]])
