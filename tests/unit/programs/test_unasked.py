"""Which households need a month that may not be asked, each with the one thing that tips it."""

from dataclasses import replace
from datetime import date

import pytest
from tests.unit.programs.households import JUNE, MONTHS, WINDOWS, household, person

from cloison.programs.entitlement.inputs import (
    Activity,
    Benefit,
    Nature,
    PaidBenefit,
    Person,
    Role,
)
from cloison.programs.entitlement.unasked import depends_on_unasked

FEBRUARY, MARCH, APRIL = MONTHS.months
STUDENT, RETIRED, UNEMPLOYED = Activity.STUDENT, Activity.RETIRED, Activity.UNEMPLOYED
INACTIVE, EMPLOYEE = Activity.INACTIVE, Activity.EMPLOYEE
PARTNER = person(Role.PARTNER, monthly=100_000)


def paid(nature: Nature, *months: object, activity: Activity = EMPLOYEE) -> Person:
    """Someone paid in these months only."""
    one = person(activity=activity)
    kept = {(nature, month): 50_000 for month in MONTHS.months if month in months}
    return replace(one, months=kept)


def idle(since: date, nature: Nature = Nature.UNEMPLOYMENT) -> Person:
    """Unemployed, with an income of that nature in every month."""
    return person(monthly=80_000, nature=nature, activity=UNEMPLOYED, since=since)


LONG, LATELY = date(2025, 11, 1), date(2026, 5, 20)
SALARY, SICK, DOLE = Nature.SALARY, Nature.DAILY_ALLOWANCE, Nature.UNEMPLOYMENT
DISABLED = replace(household(person(monthly=80_000)), paid={(PaidBenefit.AAH, JUNE - 1): 100_000})

CASES = {
    "ppa: paid all along": (Benefit.PPA, household(person(monthly=90_000)), False),
    "ppa: nobody earns": (Benefit.PPA, household(person()), False),
    "ppa: February only": (Benefit.PPA, household(paid(SALARY, FEBRUARY)), True),
    "ppa: April only": (Benefit.PPA, household(paid(SALARY, APRIL)), False),
    "ppa: February, partner works": (
        Benefit.PPA,
        household(paid(SALARY, FEBRUARY), PARTNER),
        False,
    ),
    "ppa: a working student": (
        Benefit.PPA,
        household(person(monthly=90_000, activity=STUDENT)),
        True,
    ),
    "ppa: an idle student": (Benefit.PPA, household(person(activity=STUDENT)), False),
    "ppa: sick without pay": (Benefit.PPA, household(paid(SICK, MARCH)), True),
    "rsa: paid all along": (Benefit.RSA, household(person(monthly=90_000)), False),
    "rsa: paid, lost the job in May": (Benefit.RSA, household(idle(LATELY, SALARY)), True),
    "rsa: paid, jobless for long": (Benefit.RSA, household(idle(LONG, SALARY)), False),
    "rsa: paid, now retired": (
        Benefit.RSA,
        household(person(monthly=90_000, activity=RETIRED)),
        True,
    ),
    "rsa: paid until March, now inactive": (
        Benefit.RSA,
        household(paid(SALARY, MARCH, activity=INACTIVE)),
        False,
    ),
    "rsa: on benefit": (Benefit.RSA, household(idle(LONG)), False),
    "rsa: was on benefit, now works": (Benefit.RSA, household(paid(DOLE, APRIL)), True),
    "rsa: sick in April": (Benefit.RSA, household(paid(SICK, APRIL)), True),
    "al: paid": (Benefit.AL, household(person(monthly=90_000)), False),
    "al: long on benefit": (Benefit.AL, household(idle(LONG)), True),
    "al: lately on benefit": (Benefit.AL, household(idle(LATELY)), False),
    "al: long jobless without benefit": (Benefit.AL, household(idle(LONG, SALARY)), False),
    "al: long on benefit, RSA paid": (Benefit.AL, household(idle(LONG), rsa=10_000), False),
    "al: retired with a salary": (
        Benefit.AL,
        household(person(monthly=90_000, activity=RETIRED)),
        True,
    ),
    "al: retired with a pension": (
        Benefit.AL,
        household(person(monthly=90_000, nature=Nature.PENSION, activity=RETIRED)),
        False,
    ),
    "al: disabled with a salary": (Benefit.AL, DISABLED, True),
}


@pytest.mark.parametrize("name", CASES)
def test_depends_on_unasked(name: str) -> None:
    benefit, one, expected = CASES[name]

    assert depends_on_unasked(benefit, WINDOWS[benefit], one) is expected
