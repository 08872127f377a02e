"""What households were paid: amounts that look right, reviewed by quarter. Not the law."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloison.months import Month
from cloison.population.claims import LAG, QUARTER, scale
from cloison.population.figures import Payments
from cloison.population.pay import DECLARED, OWN_WORD, WORK, monthly, smic
from cloison.population.people import Benefit, Household, Nature, Window

_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class Payment:
    """A benefit paid for a month."""

    benefit: Benefit
    month: Month
    amount_cents: int


def payments_of(household: Household, window: Window, figures: Payments) -> Iterator[Payment]:
    """What the household was paid for its open claims, month by month, until its file ended."""
    ended = household.until
    live = [claim for claim in household.claims if claim.live or ended]
    if not live:
        return
    first, last = window.first.index, window.last.index
    until = last if ended is None else Month.from_date(ended).index
    start = first - LAG - QUARTER + 1
    means = _by_month(household, start, last, DECLARED | OWN_WORD)
    work = _by_month(household, start, last, WORK | OWN_WORD)
    plan = _Plan.of(household, figures, smic(last))
    for month in range(first, until + 1):
        reviewed = month - (month - first) % QUARTER
        place = reviewed - first
        mean = sum(means[place : place + QUARTER]) // QUARTER
        worked = sum(work[place : place + QUARTER]) // QUARTER
        for claim in live:
            if Month.from_date(claim.opened).index < month:
                amount = plan.amount(claim.benefit, mean, worked)
                if amount:
                    yield Payment(claim.benefit, Month(month), amount)


def _by_month(household: Household, first: int, last: int, natures: frozenset[Nature]) -> list[int]:
    months = (monthly(adult, first, last, natures) for adult in household.adults)
    return [sum(of_month) for of_month in zip(*months, strict=True)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Plausible amounts for one household; `size` per mille of one person."""

    figures: Payments
    household: Household
    full_wage: int
    size: int

    @classmethod
    def of(cls, household: Household, figures: Payments, full_wage: int) -> "_Plan":
        size = scale(figures, len(household.adults), len(household.children))
        return cls(figures, household, full_wage, size)

    def amount(self, benefit: Benefit, means: int, work: int) -> int:
        """Cents a month; 0 where it would be too small to pay."""
        if benefit is Benefit.RSA:
            return self._rsa(means)
        return self._ppa(means, work) if benefit is Benefit.PPA else self._al(means)

    def _housing_share(self, base: int) -> int:
        shares = self.figures.housing_share
        return base * shares[min(len(self.household.persons), len(shares)) - 1] // _PERMILLE

    def _rsa(self, means: int) -> int:
        base = self.figures.rsa_base * self.size // _PERMILLE
        amount = base - self._housing_share(self.figures.rsa_base) - means
        return amount if amount >= self.figures.smallest_rsa else 0

    def _ppa(self, means: int, work: int) -> int:
        figures = self.figures
        base = figures.ppa_base * self.size // _PERMILLE
        bonus = min(figures.bonus, figures.bonus * work // self.full_wage)
        drawn = base + bonus + work * figures.work_slope // _PERMILLE
        amount = drawn - max(means + self._housing_share(figures.ppa_base), base)
        return amount if work and amount >= figures.smallest_ppa else 0

    def _al(self, means: int) -> int:
        figures, home = self.figures, self.household.housing
        others = len(self.household.persons) - 1
        ceiling = figures.al_ceiling[home.zone - 1] + figures.al_ceiling_by_person * others
        free = figures.al_free_resources + figures.al_free_by_person * others
        rent = min(home.rent_cents, ceiling) + figures.al_charges
        amount = rent - figures.al_floor - max(0, means - free) * figures.al_slope // _PERMILLE
        return amount if amount >= figures.smallest_al else 0
