"""Households for the calculator's tests: the golden one, a mixed sample, a seeded random one."""

from collections.abc import Iterable
from datetime import date
from random import Random

from cloison.months import Month
from cloison.programs.entitlement.inputs import (
    Activity,
    Benefit,
    Household,
    Housing,
    Nature,
    Occupancy,
    PaidBenefit,
    Person,
    Role,
    TaxUnit,
    Window,
)

JUNE = Month.of(2026, 6)
MONTHS = Window(JUNE, JUNE - 4, JUNE - 2)
YEAR = Window(JUNE, JUNE - 13, JUNE - 2)
WINDOWS = {Benefit.PPA: MONTHS, Benefit.RSA: MONTHS, Benefit.AL: YEAR}
FLAT = Housing(Occupancy.TENANT, furnished=False, rent_cents=45_000, zone=2)


def person(
    role: Role = Role.APPLICANT,
    born: date = date(1990, 1, 1),
    activity: Activity = Activity.EMPLOYEE,
    monthly: int = 0,
    nature: Nature = Nature.SALARY,
    since: date | None = None,
    self_employed: int = 0,
) -> Person:
    """A person paid the same in every month of both windows."""
    return Person(
        role=role,
        birth_date=born,
        activity=activity,
        unemployed_since=since,
        months={(nature, month): monthly for month in MONTHS.months} if monthly else {},
        totals={nature: 12 * monthly} if monthly else {},
        self_employed_cents=self_employed,
    )


def household(
    *persons: Person,
    together: bool = False,
    home: Housing = FLAT,
    al: int = 0,
    rsa: int = 0,
    wealth: int = 0,
) -> Household:
    """A household whose last payments were `al` and `rsa` each month."""
    paid = {(PaidBenefit.AL, month): al for month in (JUNE - 4).to(JUNE - 1)}
    paid[PaidBenefit.RSA, JUNE - 1] = rsa
    adults = sum(one.role is not Role.CHILD for one in persons)
    units = 1 if together else adults
    return Household(
        reference="claim",
        taxed_together=together,
        persons=persons,
        housing=home,
        paid=paid,
        tax_units=(TaxUnit(capital_cents=wealth), *(TaxUnit() for _ in range(units - 1))),
    )


def child(year: int) -> Person:
    """A child born in the middle of that year."""
    return person(Role.CHILD, date(year, 7, 1), Activity.CHILD)


def mixed() -> list[Household]:
    """One of each kind the calculator meets."""
    partner = person(Role.PARTNER, date(1988, 3, 4), monthly=110_000)
    return [
        household(person(monthly=140_000)),
        household(person(monthly=90_000), partner, child(2017), together=True),
        household(person(monthly=90_000), partner, child(2024), child(2015), al=21_000),
        household(person(born=date(1999, 5, 6)), child(2025), al=38_000, rsa=70_000),
        household(
            person(
                monthly=95_000,
                nature=Nature.UNEMPLOYMENT,
                activity=Activity.UNEMPLOYED,
                since=date(2026, 5, 9),
            ),
            home=Housing(Occupancy.SHARED_TENANT, furnished=True, rent_cents=60_000, zone=1),
        ),
        household(
            person(
                born=date(1956, 1, 1),
                monthly=80_000,
                nature=Nature.PENSION,
                activity=Activity.RETIRED,
            ),
            home=Housing(Occupancy.OWNER, furnished=False, rent_cents=0, zone=3),
        ),
        household(person(activity=Activity.SELF_EMPLOYED, self_employed=1_200_000), wealth=123_456),
    ]


def random_households(seed: int, count: int) -> list[Household]:
    """Households of every shape, reproducible."""
    rng = Random(seed)  # noqa: S311 - test data
    return [_random_household(rng) for _ in range(count)]


def _random_household(rng: Random) -> Household:
    couple = rng.random() < 0.4
    persons = [_random_adult(rng, Role.APPLICANT)]
    persons += [_random_adult(rng, Role.PARTNER)] if couple else []
    persons += [child(rng.randint(2004, 2026 - 1)) for _ in range(rng.choice([0, 0, 1, 2, 3]))]
    home = Housing(
        rng.choice(list(Occupancy)), rng.random() < 0.3, rng.randint(0, 90_000), rng.randint(1, 3)
    )
    return household(
        *persons,
        together=couple and rng.random() < 0.5,
        home=home,
        al=rng.choice([0, rng.randint(2_000, 40_000)]),
        rsa=rng.choice([0, 0, rng.randint(600, 60_000)]),
        wealth=rng.choice([0, 0, rng.randint(0, 500_000)]),
    )


def _random_adult(rng: Random, role: Role) -> Person:
    activity = rng.choice([one for one in Activity if one is not Activity.CHILD])
    natures = rng.sample(list(Nature), rng.choice([0, 1, 1, 2]))
    months = {
        (nature, month): rng.randint(1_000, 250_000)
        for nature in natures
        for month in _some(rng, MONTHS.months)
    }
    return Person(
        role=role,
        birth_date=date(rng.randint(1950, 2005), rng.randint(1, 12), rng.randint(1, 28)),
        activity=activity,
        unemployed_since=(
            date(rng.choice([2024, 2025]), 1, 1) if rng.random() < 0.7 else date(2026, 5, 20)
        )
        if activity is Activity.UNEMPLOYED
        else None,
        months=months,
        totals={nature: rng.randint(1_000, 2_400_000) for nature in natures},
        self_employed_cents=rng.randint(1, 2_000_000) if activity is Activity.SELF_EMPLOYED else 0,
    )


def _some(rng: Random, months: Iterable[Month]) -> list[Month]:
    return [month for month in months if rng.random() < 0.8]
