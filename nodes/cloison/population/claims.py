"""Which households have a file, and what they claim.

Who claims follows from their incomes, so that most computed rights are not nil; some claim although
their income is too high, and some who could do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from cloison.population.figures import Figures, Payments
from cloison.population.pay import DECLARED, OWN_WORD, WORK, monthly
from cloison.population.payers import Scheme
from cloison.population.people import (
    CAF,
    MSA,
    Benefit,
    Claim,
    Earlier,
    Household,
    Nature,
    Occupancy,
    Person,
    Window,
)
from cloison.population.streams import chance, spread

_PERMILLE = 1_000
QUARTER = 3
LAG = 2  # a month is paid on the three months that end two months before
_RSA_AGE, _ALLOWANCE_CHILDREN, _ALLOWANCE_AGE = 25, 2, 20
_TENANTS = frozenset({Occupancy.TENANT, Occupancy.SHARED_TENANT})
_ENDED_FILES = 4_500_000
FIRST_FILE_NUMBER, FILE_NUMBERS = 1_000_000, 9_000_000
_NO_WORK = frozenset({"student", "retired_single", "retired_couple"})


def scale(figures: Payments, adults: int, children: int) -> int:
    """Size of the household, per mille of one person."""
    others = adults + children - 1
    steps = (figures.second_person, *(figures.further_person,) * adults)
    later = max(0, others - len(steps))
    return _PERMILLE + sum(steps[:others]) + later * figures.later_person


@dataclass(frozen=True, slots=True)
class _Means:
    """Monthly means in cents, and the base amount for a household of that size."""

    all: int
    work: int
    base: int

    @classmethod
    def of(cls, household: Household, window: Window, figures: Payments) -> "_Means":
        last = window.last.index + 1 - LAG
        first = last - QUARTER + 1

        def mean(natures: frozenset[Nature]) -> int:
            months = (monthly(adult, first, last, natures) for adult in household.adults)
            return sum(map(sum, months)) // QUARTER

        size = scale(figures, len(household.adults), len(household.children))
        base = figures.ppa_base * size // _PERMILLE
        return cls(mean(DECLARED | OWN_WORD), mean(WORK | OWN_WORD), base)


def _likely(household: Household, means: _Means) -> Iterator[Benefit]:
    """Benefits that a household of these means would have, roughly."""
    works = household.kind not in _NO_WORK
    if works and means.all < means.base * 95 // 100:
        yield Benefit.RSA
    if works and means.work > means.base // 5 and means.all < means.base * 27 // 10:
        yield Benefit.PPA
    if means.all < means.base * 23 // 10:
        yield Benefit.AL


def _open_to(household: Household, window: Window) -> Iterator[Benefit]:
    """Benefits that a household like this may claim, whatever its means."""

    def grown(person: Person) -> bool:
        return window.today.year - person.birth_date.year >= _RSA_AGE

    yield Benefit.PPA
    if household.children or all(map(grown, household.adults)):
        yield Benefit.RSA
    if household.housing.occupancy in _TENANTS:
        yield Benefit.AL


def with_file(household: Household, window: Window, figures: Figures, rng: Random) -> Household:
    """The household with its file and claims; without them where no body knows it."""
    year = window.today.year
    young = sum(year - child.birth_date.year < _ALLOWANCE_AGE for child in household.children)
    claims: tuple[Claim, ...] = ()
    if all(adult.death_date is None for adult in household.adults):
        claims = tuple(_claims(household, window, figures, rng))
    if not claims and young < _ALLOWANCE_CHILDREN:
        return household
    farm = household.applicant.home_scheme is Scheme.AGRICULTURAL
    filed = replace(household, body=MSA if farm else CAF, claims=claims)
    return _moved(filed, window, rng) if chance(rng, figures.shares.moved_file) else filed


def _moved(household: Household, window: Window, rng: Random) -> Household:
    """The household, its file come from the other family-benefit body within the window."""
    month = window.first.index + rng.randrange(1, window.last - window.first)
    day = date(month // 12, month % 12 + 1, 1)
    recent = household.parting is not None and household.parting.day >= day
    if recent or household.since >= day:
        return household
    number = f"{FIRST_FILE_NUMBER + spread(household.index + _ENDED_FILES, FILE_NUMBERS)}"
    body = CAF if household.body == MSA else MSA
    claims = tuple(replace(one, opened=max(one.opened, day)) for one in household.claims)
    before = tuple(
        replace(one, live=False) for one in household.claims if one.live and one.opened < day
    )
    return replace(household, claims=claims, earlier=Earlier(body, number, day, before))


def _claims(household: Household, window: Window, figures: Figures, rng: Random) -> Iterator[Claim]:
    likely = frozenset(_likely(household, _Means.of(household, window, figures.payments)))
    any_means = 0 if household.kind in _NO_WORK else figures.shares.claim_at_any_income
    for benefit in _open_to(household, window):
        if chance(rng, figures.take_up[benefit] if benefit in likely else any_means):
            yield Claim(benefit, _opened(household, window, rng), live=True)
        elif chance(rng, figures.shares.closed_claim):
            yield Claim(benefit, _opened(household, window, rng), live=False)


def _opened(household: Household, window: Window, rng: Random) -> date:
    month = window.last.index - rng.randrange(3, 40)
    return max(household.since, date(month // 12, month % 12 + 1, 1 + rng.randrange(28)))
