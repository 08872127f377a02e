"""Would the rule as coded read a month that was not asked?

OpenFisca takes an input nobody gave for zero. Where that zero could change the amount, the case is
set aside; where the body's own file already says what the rule looks for, it is not. What OpenFisca
176 reads outside the window, and where:

* `ppa_eligibilite_apprenants` reads activity income of M-1 beside that of M-2 and M-3 (the
  reference months are shifted, this condition is not).
* `rsa_indemnites_journalieres_activite` reads the daily allowances of three months before.
* the RSA neutralises an income that was paid in M-1 and is not in M.
* `aide_logement_condition_neutralisation` reads the unemployment benefit of M, and the abatement of
  a retired or disabled person their salary of M.
"""

from cloison.months import Month
from cloison.programs.entitlement.inputs import (
    Activity,
    Benefit,
    Household,
    Nature,
    PaidBenefit,
    Person,
    Window,
)

_STOPPED = {Activity.UNEMPLOYED, Activity.RETIRED, Activity.INACTIVE}


def depends_on_unasked(benefit: Benefit, window: Window, household: Household) -> bool:
    """Whether the household's amount could change with a month that may not be asked."""
    if benefit is Benefit.PPA:
        return _ppa(window, household)
    if benefit is Benefit.RSA:
        return any(_interrupted(window, person) for person in household.persons)
    return _al(window, household)


def _ppa(window: Window, household: Household) -> bool:
    if any(_sick_without_pay(window, person) for person in household.adults):
        return True
    workers = [person for person in household.adults if person.activity is not Activity.STUDENT]
    seen = window.months[1:]
    if any(_earned(person, month) for person in workers for month in seen):
        return False
    return any(_earned(person, month) for person in household.adults for month in window.months)


def _earned(person: Person, month: Month) -> bool:
    return person.self_employed_cents > 0 or person.months.get((Nature.SALARY, month), 0) > 0


def _sick_without_pay(window: Window, person: Person) -> bool:
    return any(
        person.months.get((Nature.DAILY_ALLOWANCE, month), 0) > 0
        and person.months.get((Nature.SALARY, month), 0) <= 0
        for month in window.months
    )


def _interrupted(window: Window, person: Person) -> bool:
    """An income of the last month asked which, by the own file, may have ended since."""

    def paid(nature: Nature) -> bool:
        return person.months.get((nature, window.last), 0) > 0

    stopped = person.activity in _STOPPED and not _long_unemployed(window, person)
    return (
        (paid(Nature.SALARY) and stopped)
        or (paid(Nature.UNEMPLOYMENT) and person.activity is not Activity.UNEMPLOYED)
        or paid(Nature.DAILY_ALLOWANCE)
    )


def _long_unemployed(window: Window, person: Person) -> bool:
    """Unemployed since before M-1: a pay that ended then is no interruption at M."""
    since = person.unemployed_since
    return since is not None and since < (window.month - 1).first_day


def _al(window: Window, household: Household) -> bool:
    if household.paid.get((PaidBenefit.RSA, window.month - 1), 0) > 0:
        return False
    disabled = household.paid.get((PaidBenefit.AAH, window.month - 1), 0) > 0
    return any(
        (
            person.activity is Activity.UNEMPLOYED
            and person.totals.get(Nature.UNEMPLOYMENT, 0) > 0
            and _before_last_window_month(window, person)
        )
        or (
            (person.activity is Activity.RETIRED or disabled)
            and (_total(person, Nature.SALARY) + _total(person, Nature.DAILY_ALLOWANCE)) > 0
        )
        for person in household.adults
    )


def _before_last_window_month(window: Window, person: Person) -> bool:
    since = person.unemployed_since
    return since is None or since < (window.month - 2).first_day


def _total(person: Person, nature: Nature) -> int:
    return person.totals.get(nature, 0)
