"""Households: who lives together, how old they are, what they live from, where."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from cloison.bodies import BodyId
from cloison.months import Month
from cloison.population.careers import Life, live, retire
from cloison.population.claims import file_of
from cloison.population.figures import Figures
from cloison.population.nirs import DEPARTMENTS, NirMint
from cloison.population.pay import days_in
from cloison.population.payers import Payers, Scheme
from cloison.population.people import (
    Household,
    Housing,
    Nature,
    Occupancy,
    Person,
    Spell,
    Union,
    Window,
)
from cloison.population.streams import spread, stream

_FILE_NUMBERS = 9_000_000
_PERMILLE = 1_000
_COUPLES = frozenset({"couple", "couple_children", "retired_couple"})
_RETIRED = frozenset({"retired_single", "retired_couple"})
_WITH_CHILDREN = frozenset({"couple_children", "lone_parent"})
_OLDEST_CHILD = 22
_WORKING_AGE = 16
_OLD_AGE = 70
_CAN_RETIRE = 62


@dataclass
class Town:
    """Makes households one after another.

    The first n persons of a seed are not those of another size: payers depend on the size.
    """

    figures: Figures
    payers: Payers
    window: Window
    seed: int
    mint: NirMint = field(default_factory=NirMint)
    made: int = 0

    def households(self, persons: int) -> Iterator[Household]:
        """Households of exactly `persons` persons together."""
        index = 0
        while self.made < persons:
            yield _Home(self, index, persons - self.made).household()
            index += 1


def _chance(rng: Random, permille: int) -> bool:
    return rng.randrange(_PERMILLE) < permille


def _day_in(rng: Random, month: int) -> date:
    return date(month // 12, month % 12 + 1, 1 + rng.randrange(days_in(month)))


class _Home:
    """One household in the making: its own stream, so that none depends on the others' draws.

    Args:
        town: Where.
        index: Which.
        room: At most so many persons.
    """

    def __init__(self, town: Town, index: int, room: int) -> None:
        self.town, self.index = town, index
        self.rng = stream(town.seed, "household", index)
        self.figures, self.window = town.figures, town.window
        kind = self.figures.kinds.draw(self.rng)
        self.children = self._how_many_children(kind)
        if (2 if kind in _COUPLES else 1) + self.children > room:
            kind, self.children = "single", 0
        self.kind = kind
        self.means = self.figures.means.draw(self.rng)
        self.farm = kind != "student" and self._chance(self.figures.shares.farm_household)

    def _chance(self, permille: int) -> bool:
        return _chance(self.rng, permille)

    def _how_many_children(self, kind: str) -> int:
        if kind not in _WITH_CHILDREN:
            return 0
        return self.rng.choices((1, 2, 3, 4), (42, 38, 15, 5))[0]

    def household(self) -> Household:
        """The household, its file and its claims."""
        born = self._applicant_birth_month()
        months = [born]
        if self.kind in _COUPLES:
            shift = self.rng.randrange(-36, 48)
            months.append(max(born - 60, min(born + shift, self._youngest_adult())))
        woman = self._chance(820 if self.kind == "lone_parent" else 510)
        adults = tuple(
            self._adult(month, woman=woman if place == 0 else self._partner_woman(woman=woman))
            for place, month in enumerate(months)
        )
        if len(adults) > 1 and self._chance(500):
            adults = adults[::-1]
        children = tuple(self._children(adults))
        housing = self._housing(len(adults) + len(children))
        union = self._union()
        since = self._since(adults)
        file = file_of(
            self.kind, adults, children, housing, self.window, self.figures, self.rng, since
        )
        return Household(
            index=self.index,
            number=f"{1_000_000 + spread(self.index, _FILE_NUMBERS)}",
            kind=self.kind,
            union=union,
            adults=adults,
            children=children,
            since=since,
            housing=housing,
            body=self._body(adults, known=file.known),
            claims=file.claims,
        )

    def _body(self, adults: tuple[Person, ...], *, known: bool) -> BodyId | None:
        if not known:
            return None
        farm = adults[0].home_scheme is Scheme.AGRICULTURAL
        return BodyId("msa") if farm else BodyId("caf")

    def _youngest_adult(self) -> int:
        return self.window.last.index - 20 * 12

    def _applicant_birth_month(self) -> int:
        ages = {
            "student": (18, 25),
            "single": (21, 62),
            "couple": (22, 62),
            "couple_children": (25, 53),
            "lone_parent": (23, 52),
            "retired_single": (64, 92),
            "retired_couple": (64, 88),
        }
        low, high = ages[self.kind]
        return self.window.last.index - self.rng.randrange(low * 12, high * 12)

    def _partner_woman(self, *, woman: bool) -> bool:
        return woman if self._chance(self.figures.shares.same_sex_couple) else not woman

    def _union(self) -> Union:
        rng, shares = self.rng, self.figures.shares
        if self.kind in _COUPLES:
            drawn = rng.randrange(_PERMILLE)
            married = 900 if self.kind in _RETIRED else shares.married
            if drawn < married:
                return Union.MARRIED
            return Union.PACS if drawn < married + shares.pacs else Union.COHABITING
        if self.kind == "retired_single":
            return rng.choice((Union.WIDOWED, Union.WIDOWED, Union.DIVORCED, Union.SINGLE))
        if self.kind == "lone_parent":
            return rng.choices((Union.SINGLE, Union.DIVORCED, Union.WIDOWED), (52, 42, 6))[0]
        return Union.DIVORCED if self.kind == "single" and self._chance(180) else Union.SINGLE

    def _since(self, adults: tuple[Person, ...]) -> date:
        youngest = max(adult.birth_date for adult in adults)
        adult = Month.from_date(youngest).index + 18 * 12
        last = self.window.last.index
        return _day_in(self.rng, max(adult, last - self.rng.randrange(6, 190)))

    def _adult(self, birth_month: int, *, woman: bool) -> Person:
        life = self._life(birth_month, wage=self._wage(), farm=self.farm)
        if self.kind in _RETIRED:
            start = self._retirement(birth_month)
            return self._person(birth_month, "retired", retire(life, start), woman=woman)
        group = {"student": "student"}.get(self.kind, "farm" if self.farm else self.means)
        career = self.figures.careers[group].draw(self.rng)
        return self._person(birth_month, career, live(career, life), woman=woman)

    def _retirement(self, birth_month: int) -> int:
        retired = birth_month + self.rng.randrange(_CAN_RETIRE * 12, 66 * 12)
        return min(retired, self.window.last.index - 1)

    def _wage(self) -> int:
        if self.kind == "student":
            return _PERMILLE
        low, high = self.figures.wages[self.means]
        return int(low + (high - low) * self.rng.random() ** 1.6)

    def _life(self, birth_month: int, *, wage: int, farm: bool) -> Life:
        return Life(
            figures=self.figures,
            payers=self.town.payers,
            window=self.window,
            rng=self.rng,
            wage=wage,
            birth_year=birth_month // 12,
            farm=farm,
        )

    def _children(self, adults: tuple[Person, ...]) -> Iterator[Person]:
        eldest_parent = max(Month.from_date(adult.birth_date).index for adult in adults)
        last = self.window.last.index
        oldest = min(_OLDEST_CHILD * 12, last - eldest_parent - 19 * 12)
        for _ in range(self.children):
            age = self.rng.randrange(1, max(2, min(oldest, 18 * 12)))
            if oldest > 19 * 12 and self._chance(self.figures.shares.grown_child):
                age = self.rng.randrange(19 * 12, oldest)
            yield self._child(last - age, adults[0].birth_name)

    def _child(self, birth_month: int, name: str) -> Person:
        grown = self.window.last.index - birth_month >= 19 * 12
        career, spells = "child", ()
        if grown:
            career = self.figures.careers["grown_child"].draw(self.rng)
            spells = live(career, self._life(birth_month, wage=1_000, farm=self.farm))
        woman = self._chance(490)
        return self._person(birth_month, career, spells, woman=woman, name=name)

    def _person(
        self,
        birth_month: int,
        career: str,
        spells: tuple[Spell, ...],
        *,
        woman: bool,
        name: str = "",
    ) -> Person:
        rng, shares, names = self.rng, self.figures.shares, self.figures.names
        birth_date = _day_in(rng, birth_month)
        temporary = self._chance(shares.temporary_nir)
        nir = self.town.mint.mint(
            woman=woman,
            birth_date=birth_date,
            department=rng.randrange(len(DEPARTMENTS)),
            temporary=temporary,
        )
        first_names = rng.sample(names.first_names_women if woman else names.first_names_men, 2)
        birth_name = name or rng.choice(names.birth_names)
        death = self._death(birth_date)
        self.town.made += 1
        return Person(
            index=self.town.made - 1,
            nir=nir,
            woman=woman,
            birth_date=birth_date,
            birth_name=birth_name,
            caf_name=self._caf_name(birth_name),
            first_names=" ".join(first_names),
            temporary=temporary,
            objection=self._chance(shares.objection),
            death_date=death,
            career=career,
            home_scheme=Scheme.AGRICULTURAL if self.farm else Scheme.GENERAL,
            withholding_rate=self._rate(spells),
            spells=spells if death is None else tuple(_until(spells, death)),
        )

    def _caf_name(self, birth_name: str) -> str:
        if not self._chance(self.figures.shares.trait_mismatch):
            return birth_name
        names = self.figures.names.birth_names
        other = self.rng.choice(names)
        return other if other != birth_name else names[names.index(other) - 1]

    def _rate(self, spells: tuple[Spell, ...]) -> int:
        last = self.window.last.index
        present = sum(spell.permille for spell in spells if spell.first <= last <= spell.last)
        return self.figures.withholding_rate(present)

    def _death(self, birth_date: date) -> date | None:
        years = self.window.today.year - birth_date.year
        if years < _OLD_AGE or not self._chance(self.figures.shares.death_by_year * 2):
            return None
        days = (self.window.today - self.window.first.first_day).days
        return self.window.today - timedelta(days=self.rng.randrange(1, days))

    def _housing(self, persons: int) -> Housing:
        rng = self.rng
        code = self.figures.places.draw(rng)
        commune = next(place for place in self.figures.communes if place.code == code)
        occupancy = self._occupancy()
        rent = self.figures.rents[commune.zone]
        euros = rng.randrange(rent.lowest, rent.highest) + rent.by_person * (persons - 1)
        shared = occupancy is Occupancy.SHARED_TENANT
        pays = shared or occupancy is Occupancy.TENANT
        return Housing(
            occupancy=occupancy,
            furnished=pays and self._chance(550 if self.kind == "student" else 120),
            rent_cents=(euros * 6 // 10 if shared else euros) * 100 * pays,
            zone=commune.zone,
            commune=commune.code,
            department=commune.department,
        )

    def _occupancy(self) -> Occupancy:
        owners = {"poor": 60, "modest": 270, "middle": 560, "upper": 760}[self.means]
        if self.kind in _RETIRED:
            owners = 720
        elif self.kind == "student":
            owners = 0
        drawn = self.rng.randrange(_PERMILLE)
        if drawn < owners:
            return Occupancy.OWNER
        if drawn < owners + (220 if self.kind == "student" else 50):
            return Occupancy.FREE
        shared = self.kind in {"student", "single"} and self._chance(110)
        return Occupancy.SHARED_TENANT if shared else Occupancy.TENANT


def _until(spells: tuple[Spell, ...], death: date) -> Iterator[Spell]:
    """Pensions stop with the month of death."""
    month = Month.from_date(death).index
    for spell in spells:
        if spell.first <= month and spell.nature is Nature.PENSION:
            yield Spell(
                nature=spell.nature,
                payer=spell.payer,
                start=spell.start,
                end=date(month // 12, month % 12 + 1, days_in(month)),
                first=spell.first,
                last=month,
                permille=spell.permille,
                swing=spell.swing,
                seed=spell.seed,
            )
