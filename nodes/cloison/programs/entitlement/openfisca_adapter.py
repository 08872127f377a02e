"""OpenFisca-France, given minimised inputs only: one simulation for all households.

The only module that touches OpenFisca's untyped API. What it holds is a translation, not law: which
of OpenFisca's variables an answered value becomes, and which variables it must not work out itself.

* Trap 1: OpenFisca has no `montant_net_social`. For the prime d'activité and the RSA the declared
  MNS of each nature becomes the `…_net` variable; the aides au logement take the net fiscal amount.
* Trap 2: the reference months M-4 to M-2 apply only where `departement_experimentation_rsa` is
  true; it is set for every family, which is the present law.
* Trap 3: the aides au logement read the RSA of M-1, the present activity and the start of
  unemployment: they come from the body's own file. Totals of the window are spread by OpenFisca's
  own rule; no month outside the window is filled.
* Benefits the body itself pays, and the minima paid by others, are given and never worked out
  again: OpenFisca would do so from months that were not asked. Minima paid by others (ASPA, ASI,
  ASS) stand in the declared pensions and unemployment, so their own variables are zero.

OpenFisca works each of them out from a gross pay, a disability or a record of insurance where it
was not given it. None of these is ever asked, so it could only find zero, after nine tenths of its
work: those formulas are taken away, and what is not given is zero at once.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from openfisca_core.simulation_builder import SimulationBuilder
from openfisca_france import FranceTaxBenefitSystem

from cloison.months import Month
from cloison.programs.entitlement.inputs import (
    Activity,
    Benefit,
    Household,
    Nature,
    Occupancy,
    PaidBenefit,
    Person,
    Role,
    TaxUnit,
    Window,
)

Euros = npt.NDArray[np.float64]
_Key = TypeVar("_Key")

OUTPUT = {Benefit.PPA: "ppa", Benefit.RSA: "rsa", Benefit.AL: "aide_logement"}

_NET = {
    Nature.SALARY: "salaire_net",
    Nature.UNEMPLOYMENT: "chomage_net",
    Nature.DAILY_ALLOWANCE: "indemnites_journalieres_maladie",
    Nature.PENSION: "retraite_nette",
    Nature.INVALIDITY: "pensions_invalidite",
}
# Daily allowances are taxed as wages, invalidity pensions as pensions.
_TAXABLE = {
    "salaire_imposable": (Nature.SALARY, Nature.DAILY_ALLOWANCE),
    "chomage_imposable": (Nature.UNEMPLOYMENT,),
    "retraite_imposable": (Nature.PENSION, Nature.INVALIDITY),
}
_FAMILY_BENEFITS = {
    "aide_logement": PaidBenefit.AL,
    "af": PaidBenefit.AF,
    "cf": PaidBenefit.CF,
    "asf": PaidBenefit.ASF,
    "paje_base": PaidBenefit.PAJE_BASE,
}
_PAID_BY_OTHERS = ("asi", "ass", "caah")
_NOT_WORKED_OUT = (
    "salaire_imposable", "chomage_imposable", "retraite_imposable", "csg_imposable_salaire",
    "csg_imposable_chomage", "csg_imposable_retraite", "crds_salaire", "crds_chomage",
    "crds_retraite", "casa", "rente_accident_travail", "aah", "caah", "mva", "asi", "ass",
)  # fmt: skip
_ACTIVITY = {
    Activity.EMPLOYEE: "actif",
    Activity.SELF_EMPLOYED: "actif",
    Activity.UNEMPLOYED: "chomeur",
    Activity.STUDENT: "etudiant",
    Activity.RETIRED: "retraite",
    Activity.INACTIVE: "inactif",
    Activity.CHILD: "inactif",
}
_OBJECTS_A_PASS = 50_000
_MOST_CENTS = 2**53  # beyond, a sum could wrap and euros are no longer exact: no amount of anyone's
_NO_DATE = np.datetime64("1970-01-01", "D")


@cache
def system() -> Any:
    """French law as OpenFisca knows it; loading takes seconds, so it is done once."""
    loaded = FranceTaxBenefitSystem()
    for name in _NOT_WORKED_OUT:
        loaded.variables[name].formulas.clear()
    # It stays until the end: the collector, which passes while answers are read, need not walk its
    # millions of objects each time. What is read stays too and makes no circles, so that it passes
    # once for 50,000 objects, not for 700; simulations are collected by `compute`.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_PASS)
    return loaded


class Refused(Exception):  # noqa: N818 - found out for whom, a case set aside: an outcome
    """OpenFisca does not compute these households together; caught once, by `amounts`."""


class _People:
    """Households laid out as OpenFisca's four entities, person by person."""

    def __init__(self, households: Sequence[Household]) -> None:
        if any(all(p.role is not Role.APPLICANT for p in home.persons) for home in households):
            raise Refused  # OpenFisca would compute a family without its head
        self.households = households
        self.persons = [person for household in households for person in household.persons]
        self.family = np.repeat(
            np.arange(len(households)), [len(household.persons) for household in households]
        )
        units = [_unit_of_each(household) for household in households]
        starts = np.cumsum([0, *(max(of_each) + 1 for of_each in units)])
        self.unit = np.fromiter(
            chain.from_iterable(
                (start + unit for unit in of_each)
                for start, of_each in zip(starts, units, strict=False)
            ),
            dtype=np.int64,
        )
        self.units = int(starts[-1])
        self.unit_starts = starts

    def build(self, law: Any) -> Any:
        """An empty simulation over these entities, by a tax and benefit system of OpenFisca's."""
        builder = SimulationBuilder()
        builder.create_entities(law)
        builder.declare_person_entity("individu", np.arange(len(self.persons)))
        roles = [person.role for person in self.persons]
        family = builder.declare_entity("famille", np.arange(len(self.households)))
        builder.join_with_persons(family, self.family, [_FAMILY_ROLE[role] for role in roles])
        home = builder.declare_entity("menage", np.arange(len(self.households)))
        builder.join_with_persons(home, self.family, [_HOME_ROLE[role] for role in roles])
        unit = builder.declare_entity("foyer_fiscal", np.arange(self.units))
        builder.join_with_persons(unit, self.unit, self._unit_roles())
        return builder.build(law)

    def _unit_roles(self) -> list[str]:
        return [
            "personne_a_charge"
            if person.role is Role.CHILD
            else "declarant_principal"
            if person.role is Role.APPLICANT or not household.taxed_together
            else "conjoint"
            for household in self.households
            for person in household.persons
        ]

    def of_persons(self, cents: Callable[[Person], int]) -> Euros:
        """Euros of each person."""
        return np.fromiter(map(cents, self.persons), np.int64, len(self.persons)) / 100

    def of_households(self, cents: Callable[[Household], int]) -> Euros:
        """Euros of each household."""
        return np.fromiter(map(cents, self.households), np.int64, len(self.households)) / 100

    def spread_persons(self, cents: Callable[[Person], Mapping[_Key, int]]) -> "_Spread[_Key]":
        """What each person has under each key."""
        return _Spread(list(map(cents, self.persons)))

    def spread_households(
        self, cents: Callable[[Household], Mapping[_Key, int]]
    ) -> "_Spread[_Key]":
        """What each household has under each key."""
        return _Spread(list(map(cents, self.households)))

    def of_units(self, cents: Callable[[TaxUnit], int]) -> Euros:
        """Euros of each tax unit."""
        values = np.zeros(self.units)
        for start, household in zip(self.unit_starts, self.households, strict=False):
            for place, unit in enumerate(household.tax_units):
                values[start + place] = cents(unit) / 100
        return values


class _Spread(Generic[_Key]):
    """Sparse amounts as one array a key, each amount read once: most people have few of them."""

    def __init__(self, rows: Sequence[Mapping[_Key, int]]) -> None:
        self._count = len(rows)
        self._cents: dict[_Key, npt.NDArray[np.int64]] = {}
        for place, row in enumerate(rows):
            for key, cents in row.items():
                column = self._cents.get(key)
                if column is None:
                    column = self._cents[key] = np.zeros(self._count, np.int64)
                if not -_MOST_CENTS < cents < _MOST_CENTS:
                    raise OverflowError
                column[place] = cents

    def euros(self, *keys: _Key) -> Euros:
        """The sum of what stands under these keys, in euros; zero where nothing does."""
        found = [self._cents[key] for key in keys if key in self._cents]
        return np.sum(found, axis=0) / 100 if found else np.zeros(self._count)


_FAMILY_ROLE = {Role.APPLICANT: "demandeur", Role.PARTNER: "conjoint", Role.CHILD: "enfant"}
_HOME_ROLE = {
    Role.APPLICANT: "personne_de_reference",
    Role.PARTNER: "conjoint",
    Role.CHILD: "enfant",
}


def _unit_of_each(household: Household) -> list[int]:
    """An unmarried couple is one family and two tax units; children go with the applicant."""
    return [
        int(person.role is Role.PARTNER and not household.taxed_together)
        for person in household.persons
    ]


def compute(benefit: Benefit, window: Window, households: Sequence[Household]) -> list[int]:
    """The benefit of each household for the window's month, in cents, in the order given.

    Returns:
        What OpenFisca answers for the same inputs, rounded to the cent.

    Raises:
        Refused: OpenFisca takes no such input, or answers with no amount; it does not say of whom.
    """
    if not households:
        return []
    try:
        simulation = simulate(benefit, window, households)
        euros = simulation.calculate(OUTPUT[benefit], str(window.month))
        return [int(cents) for cents in np.rint(euros.astype(np.float64) * 100)]
    except MemoryError:
        raise
    except Exception as error:  # OpenFisca's errors have no root of their own
        raise Refused from error
    finally:
        # A simulation points to itself and holds hundreds of MB: gone before the next is built.
        simulation = None
        gc.collect()


def simulate(benefit: Benefit, window: Window, households: Sequence[Household]) -> Any:
    """The one simulation, every input set and nothing computed."""
    people = _People(households)
    simulation = people.build(system())
    for variable, period, values in _inputs(benefit, window, people):
        simulation.set_input(variable, period, values)
    return simulation


_Input = tuple[str, str, npt.NDArray[Any]]


def _inputs(benefit: Benefit, window: Window, people: _People) -> list[_Input]:
    shared = [*_identity(people, window), *_homes(people, window), *_situation(people, window)]
    if benefit is Benefit.AL:
        return shared + _totals(people, window) + _notices(people, window.month)
    return shared + _months(people, window) + _own_benefits(benefit, people, window)


def _identity(people: _People, window: Window) -> list[_Input]:
    """Birth dates, and trap 2's flag."""
    births = np.array([person.birth_date for person in people.persons], dtype="datetime64[D]")
    flags = np.ones(len(people.households), dtype=bool)
    flag = "departement_experimentation_rsa"
    months = {*window.months, window.month}
    return [("date_naissance", "ETERNITY", births)] + [(flag, str(m), flags) for m in months]


def _homes(people: _People, window: Window) -> list[_Input]:
    homes = [household.housing for household in people.households]
    rents = people.of_households(lambda household: household.housing.rent_cents)
    statuses = np.array([_occupancy(home.occupancy, furnished=home.furnished) for home in homes])
    zones = np.array([f"zone_{home.zone}" for home in homes])
    shared = np.array([home.occupancy is Occupancy.SHARED_TENANT for home in homes])
    return [
        item
        for month in (str(month) for month in {*window.months, window.month})
        for item in (
            ("loyer", month, rents),
            ("statut_occupation_logement", month, statuses),
            ("zone_apl", month, zones),
            ("coloc", month, shared),
        )
    ]


def _occupancy(occupancy: Occupancy, *, furnished: bool) -> str:
    if occupancy is Occupancy.OWNER:
        return "proprietaire"
    if occupancy is Occupancy.FREE:
        return "loge_gratuitement"
    return "locataire_meuble" if furnished else "locataire_vide"


def _situation(people: _People, window: Window) -> list[_Input]:
    """What each person does at M, by the body's own file."""
    month = str(window.month)
    activities = np.array([_ACTIVITY[person.activity] for person in people.persons])
    students = np.array([person.activity is Activity.STUDENT for person in people.persons])
    since = np.array(
        [person.unemployed_since or _NO_DATE for person in people.persons], dtype="datetime64[D]"
    )
    return [
        ("activite", month, activities),
        ("etudiant", month, students),
        ("date_debut_chomage", month, since),
    ]


def _months(people: _People, window: Window) -> list[_Input]:
    """Trap 1: the MNS of each nature and month, and the notice's self-employed income."""
    year = str(window.month.year - 2)
    earned = people.of_persons(lambda person: person.self_employed_cents)
    inputs: list[_Input] = [("rpns_autres_revenus", year, earned)]
    paid = people.spread_persons(lambda person: person.months)
    for month in window.months:
        for nature, variable in _NET.items():
            inputs.append((variable, str(month), paid.euros((nature, month))))
    return inputs


def _own_benefits(benefit: Benefit, people: _People, window: Window) -> list[_Input]:
    """What the body paid: in each reference month (PPA), or last known, at M (RSA)."""
    reference = {month: month for month in window.months}
    families = reference if benefit is Benefit.PPA else {window.month: window.month - 1}
    zeros = np.zeros(len(people.persons))
    paid = people.spread_households(lambda household: household.paid)
    inputs: list[_Input] = [
        (variable, str(month), zeros) for month in reference for variable in _PAID_BY_OTHERS
    ]
    nothing = np.zeros(len(people.households))
    if benefit is Benefit.PPA:  # of the rule without the flag, which OpenFisca works out to drop
        inputs.append(("ppa_fictive", str(window.month - 1), nothing))
    for at, paid_at in families.items():
        inputs.append(("aspa", str(at), nothing))
        for variable, one in _FAMILY_BENEFITS.items():
            inputs.append((variable, str(at), paid.euros((one, paid_at))))
    return inputs + [
        ("aah", str(month), _on_applicants(people, paid.euros((PaidBenefit.AAH, month))))
        for month in reference
    ]


def _on_applicants(people: _People, euros: Euros) -> Euros:
    """What a household is paid, on its applicant."""
    values = np.zeros(len(people.persons))
    applicants = np.unique(people.family, return_index=True)[1]
    values[applicants] = euros
    return values


def _totals(people: _People, window: Window) -> list[_Input]:
    """Trap 3: totals of the window by category; M-1 and M only by the body's own file."""
    period = f"month:{window.first}:{len(window.months)}"
    month, before = str(window.month), window.month - 1
    paid = people.spread_households(lambda household: household.paid)
    totals = people.spread_persons(lambda person: person.totals)
    inputs: list[_Input] = [
        ("rsa", str(before), paid.euros((PaidBenefit.RSA, before))),
        ("aah", month, _on_applicants(people, paid.euros((PaidBenefit.AAH, before)))),
        ("ass", month, np.zeros(len(people.persons))),
    ]
    for variable, natures in _TAXABLE.items():
        inputs.append((variable, period, totals.euros(*natures)))
    return inputs


def _notices(people: _People, month: Month) -> list[_Input]:
    """The last notice known. OpenFisca reads alimony one year later than the rest of it."""
    known, later = str(month.year - 2), str(month.year - 1)
    wealth = people.of_units(lambda unit: unit.capital_cents + unit.property_cents)
    paid = people.of_units(lambda unit: -unit.alimony_paid_cents)
    earned = people.of_persons(lambda person: person.self_employed_cents)
    received = people.of_persons(lambda person: person.alimony_received_cents)
    return [
        ("aide_logement_base_revenus_fiscaux", known, wealth),
        ("rpns_imposables", known, earned),
        ("pensions_alimentaires_versees", later, paid),
        ("pensions_alimentaires_percues", later, received),
    ]


def legislation() -> str:
    """Package and version of the legislation that computes, for the record of a result."""
    metadata = system().get_package_metadata()
    return f"{metadata['name']} {metadata['version']}"
