"""Which households have a file and claims, and what they were paid: plausible, not the law.

Who claims follows from declared incomes, so that most computed rights are not nil; some claim
although their income is too high, and some who could do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from cloison.months import Month
from cloison.population.figures import Figures, Payments
from cloison.population.pay import monthly_mns, monthly_work, smic
from cloison.population.people import (
    Benefit,
    Claim,
    Household,
    Housing,
    Occupancy,
    Person,
    Window,
)

_PERMILLE = 1_000
_LAG, _QUARTER = 2, 3  # a month is paid on the three months that end two months before
_RSA_AGE, _ALLOWANCE_CHILDREN, _ALLOWANCE_AGE = 25, 2, 20
_TAKE_UP = {Benefit.RSA: 740, Benefit.PPA: 700, Benefit.AL: 830}
_CLOSED = 30
_TENANTS = frozenset({Occupancy.TENANT, Occupancy.SHARED_TENANT})
_NO_WORK = frozenset({"student", "retired_single", "retired_couple"})


@dataclass(frozen=True, slots=True)
class File:
    """Whether a body knows the household, and its claims."""

    known: bool
    claims: tuple[Claim, ...]


def scale(figures: Payments, adults: int, children: int) -> int:
    """Size of the household, per mille of one person."""
    others = adults + children - 1
    steps = (figures.second_person, *(figures.further_person,) * adults)
    later = max(0, others - len(steps))
    return _PERMILLE + sum(steps[:others]) + later * figures.later_person


def _likely(means: int, work: int, base: int, housing: Housing, kind: str) -> Iterator[Benefit]:
    """Benefits that a household of these monthly means would have, roughly."""
    if kind not in _NO_WORK and means < base * 95 // 100:
        yield Benefit.RSA
    if kind not in _NO_WORK and work > base // 5 and means < base * 27 // 10:
        yield Benefit.PPA
    if housing.occupancy in _TENANTS and means < base * 19 // 10:
        yield Benefit.AL


def file_of(
    kind: str,
    adults: tuple[Person, ...],
    children: tuple[Person, ...],
    housing: Housing,
    window: Window,
    figures: Figures,
    rng: Random,
    since: date,
) -> File:
    """The file of a household; households without one are in no family-benefit body's files."""
    young = sum(window.today.year - child.birth_date.year < _ALLOWANCE_AGE for child in children)
    known = young >= _ALLOWANCE_CHILDREN
    if any(adult.death_date is not None for adult in adults):
        return File(known, ())
    last = window.last.index
    first = last - _LAG - _QUARTER + 2
    means = sum(sum(monthly_mns(person, first, first + 2)) for person in adults) // _QUARTER
    work = sum(sum(monthly_work(person, first, first + 2)) for person in adults) // _QUARTER
    payments = figures.payments
    base = payments.ppa_base * scale(payments, len(adults), len(children)) // _PERMILLE
    likely = set(_likely(means, work, base, housing, kind))
    old_enough = bool(children) or all(
        window.today.year - adult.birth_date.year >= _RSA_AGE for adult in adults
    )
    claims = []
    for benefit in Benefit:
        if benefit is Benefit.AL and housing.occupancy not in _TENANTS:
            continue
        if benefit is Benefit.RSA and not old_enough:
            continue
        any_income = 0 if kind in _NO_WORK else figures.shares.claim_at_any_income
        chance = _TAKE_UP[benefit] if benefit in likely else any_income
        drawn = rng.randrange(_PERMILLE)
        if drawn < chance + _CLOSED:
            claims.append(Claim(benefit, _opened(rng, window, since), drawn < chance))
    return File(known or bool(claims), tuple(claims))


def _opened(rng: Random, window: Window, since: date) -> date:
    month = window.last.index - rng.randrange(3, 40)
    return max(since, date(month // 12, month % 12 + 1, 1 + rng.randrange(28)))


@dataclass(frozen=True, slots=True)
class Payment:
    """A benefit paid for a month."""

    benefit: Benefit
    month: Month
    amount_cents: int


def payments_of(household: Household, window: Window, figures: Payments) -> Iterator[Payment]:
    """What the household was paid in the window for its claims, month by month."""
    live = [claim for claim in household.claims if claim.live]
    if not live:
        return
    first = window.first.index
    start, last = first - _LAG - _QUARTER, window.last.index
    means, work = [0] * (last - start + 1), [0] * (last - start + 1)
    for adult in household.adults:
        for place, (all_, worked) in enumerate(
            zip(monthly_mns(adult, start, last), monthly_work(adult, start, last), strict=True)
        ):
            means[place] += all_
            work[place] += worked
    plan = _Plan(household, figures, smic(last))
    for month in range(first, last + 1):
        # Reviewed each quarter: the same three months serve three payments.
        reviewed = month - (month - first) % _QUARTER
        place = reviewed - start - _LAG - _QUARTER + 1
        mean = sum(means[place : place + _QUARTER]) // _QUARTER
        worked = sum(work[place : place + _QUARTER]) // _QUARTER
        for claim in live:
            if Month.from_date(claim.opened).index < month:
                amount = plan.amount(claim.benefit, mean, worked)
                if amount:
                    yield Payment(claim.benefit, Month(month), amount)


class _Plan:
    """Plausible amounts for one household."""

    def __init__(self, household: Household, figures: Payments, full_wage: int) -> None:
        self.figures, self.full_wage = figures, full_wage
        self.adults = len(household.adults)
        self.persons = len(household.persons)
        self.size = scale(figures, self.adults, self.persons - self.adults)
        self.housing = household.housing

    def amount(self, benefit: Benefit, means: int, work: int) -> int:
        """Cents a month; 0 where it would be too small to pay."""
        if benefit is Benefit.RSA:
            return self._rsa(means)
        return self._ppa(means, work) if benefit is Benefit.PPA else self._al(means)

    def _share(self, base: int) -> int:
        shares = self.figures.housing_share
        return base * shares[min(self.persons, len(shares)) - 1] // _PERMILLE

    def _rsa(self, means: int) -> int:
        base = self.figures.rsa_base * self.size // _PERMILLE
        amount = base - self._share(self.figures.rsa_base) - means
        return amount if amount >= self.figures.smallest_rsa else 0

    def _ppa(self, means: int, work: int) -> int:
        figures = self.figures
        base = figures.ppa_base * self.size // _PERMILLE
        bonus = min(figures.bonus, figures.bonus * work // self.full_wage)
        drawn = base + bonus + work * figures.work_slope // _PERMILLE
        amount = drawn - max(means + self._share(figures.ppa_base), base)
        return amount if work and amount >= figures.smallest_ppa else 0

    def _al(self, means: int) -> int:
        figures, others = self.figures, self.persons - 1
        ceiling = figures.al_ceiling[self.housing.zone - 1] + figures.al_ceiling_by_person * others
        free = figures.al_free_resources + figures.al_free_by_person * others
        rent = min(self.housing.rent_cents, ceiling) + figures.al_charges
        amount = rent - figures.al_floor - max(0, means - free) * figures.al_slope // _PERMILLE
        return amount if amount >= figures.smallest_al else 0
