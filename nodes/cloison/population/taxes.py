"""What the tax office holds: one notice a tax household and income year; withholding by month."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloison.months import Month
from cloison.population.figures import Figures
from cloison.population.neodes import euros
from cloison.population.pay import pay_of, yearly
from cloison.population.people import Household, Nature, Parting, Person, Union
from cloison.population.streams import noise, spread

NOTICE_COLUMNS = (
    "notice", "year", "declarant1", "declarant2", "dependants", "parts", "rfr", "wages1",
    "wages2", "pensions1", "pensions2", "self_employed1", "self_employed2", "capital", "property",
    "alimony_received", "alimony_paid", "version",
)  # fmt: skip
WITHHOLDING_COLUMNS = ("nir", "month", "payer", "amount")
_WAGES = (Nature.SALARY, Nature.UNEMPLOYMENT, Nature.DAILY_ALLOWANCE, Nature.FOREIGN)
_PENSIONS = (Nature.PENSION, Nature.INVALIDITY)
_ADULT = 18
_PERMILLE = 1_000
_NUMBERS = 100_000_000_000
_FULL_SHARES = 2  # dependants that count half a part each


def notice_rows(
    households: Iterable[Household], year: int, figures: Figures, number: int = 0
) -> Iterator[str]:
    """The notices of an income year, one row each, their numbers made from `number` on."""
    for household in households:
        for declarants, dependants in _tax_households(household, year):
            number += 1
            yield _Notice(household, declarants, dependants, year, figures).row(number)


def _tax_households(
    household: Household, year: int
) -> Iterator[tuple[tuple[Person, ...], tuple[Person, ...]]]:
    """Married and pacs couples file together from the year they begin; others alone.

    Those who separated file apart from that year on; before, who stayed holds their notice.
    """
    joint = _joint_before_parting(household, year)
    if joint is not None and not joint.stayed:
        return
    living = [a for a in household.adults if a.death_date is None or a.death_date.year >= year]
    adults = [adult for adult in living if adult.age_at(year) >= _ADULT]
    born = [child for child in household.children if child.birth_date.year <= year]
    attached = tuple(c for c in born if c.age_at(year) <= _ADULT or not c.spells)
    together = household.union in {Union.MARRIED, Union.PACS} and household.since.year <= year
    if joint is not None:
        together, adults = True, [*adults, joint.other]
    groups = [tuple(adults)] if together and adults else [(adult,) for adult in adults]
    for place, group in enumerate(groups):
        yield group, attached if place == 0 else ()
    for child in born:
        if child not in attached:
            yield (child,), ()


def _joint_before_parting(household: Household, year: int) -> Parting | None:
    parting = household.parting
    if parting is None or not parting.taxed_together:
        return None
    return parting if parting.since.year <= year < parting.day.year else None


@dataclass(frozen=True, slots=True)
class _Notice:
    household: Household
    declarants: tuple[Person, ...]
    dependants: tuple[Person, ...]
    year: int
    figures: Figures

    def row(self, number: int) -> str:
        """The row, with a notice number of 13 digits."""
        wages = self._pair(_WAGES)
        pensions = self._pair(_PENSIONS)
        self_employed = self._pair((Nature.SELF_EMPLOYED,))
        capital, property_, received, paid = self._other()
        kept = _PERMILLE - self.figures.tax.abatement
        taxed = (sum(wages) + sum(pensions)) * kept // _PERMILLE
        rfr = max(0, taxed + sum(self_employed) + capital + property_ + received - paid)
        amounts = (*wages, *pensions, *self_employed, capital, property_, received, paid)
        names = [person.nir for person in self.declarants] + [""]
        return ";".join(
            (
                f"{self.year % 100:02d}{spread(number, _NUMBERS):011d}",
                str(self.year),
                names[0],
                names[1],
                str(len(self.dependants)),
                str(self._parts()),
                euros(rfr // 100 * 100),
                *map(euros, amounts),
                "2" if self._drawn(5) < self.figures.shares.corrected_notice else "1",
            )
        )

    def _pair(self, natures: tuple[Nature, ...]) -> tuple[int, int]:
        sums = [
            sum(yearly(p, s, self.year) for s in p.spells if s.nature in natures)
            for p in self.declarants
        ]
        first, second = (*sums, 0)[:2]
        return first // 100 * 100, second // 100 * 100

    def _drawn(self, use: int) -> int:
        return noise(self.declarants[0].index * 64 + use, self.year) % _PERMILLE

    def _other(self) -> tuple[int, int, int, int]:
        tax = self.figures.tax
        first = self.declarants[0].index
        sizes = [noise(first * 64 + 8 + use, 0) % _PERMILLE for use in range(3)]
        capital = tax.capital_highest * sizes[0] ** 2 // _PERMILLE**2
        property_ = tax.property_highest * sizes[1] // _PERMILLE
        span = tax.alimony_highest - tax.alimony_lowest
        alimony = tax.alimony_lowest + span * sizes[2] // _PERMILLE
        has = [noise(first * 64 + use, 0) % _PERMILLE for use in range(3)]
        alone_with_children = self.household.kind == "lone_parent" and bool(self.dependants)
        pays = self.household.union is Union.DIVORCED and self.household.kind == "single"
        return (
            capital * 100 * (has[0] < tax.capital_share),
            property_ * 100 * (has[1] < tax.property_share),
            alimony * 100 * (alone_with_children and has[2] < tax.alimony_share),
            alimony * 100 * (pays and has[2] < tax.alimony_share),
        )

    def _parts(self) -> int:
        tax, dependants = self.figures.tax, len(self.dependants)
        parts = tax.part * len(self.declarants)
        parts += tax.half_part * min(dependants, _FULL_SHARES)
        parts += tax.part * max(0, dependants - _FULL_SHARES)
        alone = len(self.household.adults) == 1 and dependants > 0
        return parts + tax.half_part * alone


def withholding_rows(persons: Iterable[Person], month: Month) -> Iterator[str]:
    """What payers withheld in a month; nothing withheld, no row."""
    index = month.index
    for person in persons:
        if not person.withholding_rate:
            continue
        for spell in person.spells:
            if spell.payer is None or not spell.first <= index <= spell.last:
                continue
            withheld = pay_of(person, spell, index).withheld
            if withheld:
                yield f"{person.nir};{month};{spell.payer.siret};{euros(withheld)}"
