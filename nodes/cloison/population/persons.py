"""Somebody: a number that belongs to nobody, names, and what they live from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from cloison.months import Month
from cloison.population.figures import Figures
from cloison.population.nirs import DEPARTMENTS, NirMint
from cloison.population.pay import days_in
from cloison.population.payers import Scheme
from cloison.population.people import Nature, Person, Spell, Window
from cloison.population.streams import chance

_OLD_AGE = 70
_DAYS_A_YEAR = 365


def day_in(rng: Random, month: int) -> date:
    """Some day of the month with that index."""
    return date(month // 12, month % 12 + 1, 1 + rng.randrange(days_in(month)))


@dataclass(frozen=True, slots=True)
class Sketch:
    """Somebody before they have a number.

    Attributes:
        birth_month: Index of the month of birth.
        birth_name: Empty where one is to be drawn.
    """

    birth_month: int
    woman: bool
    career: str
    spells: tuple[Spell, ...]
    farm: bool
    birth_name: str = ""


@dataclass
class Registry:
    """Gives persons their numbers; `made` is the next one's index."""

    figures: Figures
    window: Window
    mint: NirMint
    made: int

    def person(self, sketch: Sketch, rng: Random) -> Person:
        """Draws what the sketch leaves open.

        Raises:
            InputError: `NIR_RANGE_FULL`.
        """
        shares, names = self.figures.shares, self.figures.names
        birth_date = day_in(rng, sketch.birth_month)
        temporary = chance(rng, shares.temporary_nir)
        nir = self.mint.mint(
            woman=sketch.woman,
            birth_date=birth_date,
            department=rng.randrange(len(DEPARTMENTS)),
            temporary=temporary,
        )
        first_names = names.first_names_women if sketch.woman else names.first_names_men
        birth_name = sketch.birth_name or rng.choice(names.birth_names)
        death = self._death(birth_date, rng)
        self.made += 1
        return Person(
            index=self.made - 1,
            nir=nir,
            woman=sketch.woman,
            birth_date=birth_date,
            birth_name=birth_name,
            caf_name=self._caf_name(birth_name, rng),
            first_names=" ".join(rng.sample(first_names, 2)),
            temporary=temporary,
            objection=chance(rng, shares.objection),
            death_date=death,
            career=sketch.career,
            home_scheme=Scheme.AGRICULTURAL if sketch.farm else Scheme.GENERAL,
            withholding_rate=self._rate(sketch.spells),
            spells=sketch.spells if death is None else tuple(_until(sketch.spells, death)),
        )

    def _caf_name(self, birth_name: str, rng: Random) -> str:
        if not chance(rng, self.figures.shares.trait_mismatch):
            return birth_name
        return rng.choice([name for name in self.figures.names.birth_names if name != birth_name])

    def _rate(self, spells: tuple[Spell, ...]) -> int:
        last = self.window.last.index
        present = sum(spell.permille for spell in spells if spell.first <= last <= spell.last)
        return self.figures.withholding_rate(present)

    def _death(self, birth_date: date, rng: Random) -> date | None:
        today = self.window.today
        days = (today - self.window.first.first_day).days
        permille = self.figures.shares.death_by_year * days // _DAYS_A_YEAR
        if today.year - birth_date.year < _OLD_AGE or not chance(rng, permille):
            return None
        return today - timedelta(days=1 + rng.randrange(days))


def _until(spells: tuple[Spell, ...], death: date) -> Iterator[Spell]:
    """Pensions stop with the month of death."""
    month = Month.from_date(death).index
    end = date(month // 12, month % 12 + 1, days_in(month))
    for spell in spells:
        if spell.first <= month and spell.nature is Nature.PENSION:
            yield replace(spell, end=end, last=month)
