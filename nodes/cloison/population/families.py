"""Households: who lives together, how old they are, what they live from, where."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from cloison.months import Month
from cloison.population.careers import Life, live, retire
from cloison.population.claims import FILE_NUMBERS, FIRST_FILE_NUMBER, with_file
from cloison.population.figures import Figures
from cloison.population.nirs import NirMint
from cloison.population.payers import Payers
from cloison.population.people import Household, Housing, Occupancy, Person, Spell, Union, Window
from cloison.population.persons import Registry, Sketch, day_in
from cloison.population.portions import MOST_PORTIONS, Portion
from cloison.population.separations import parting_day, separate
from cloison.population.streams import chance, spread, stream

_COUPLES = frozenset({"couple", "couple_children", "retired_couple"})
_RETIRED = frozenset({"retired_single", "retired_couple"})
_WITH_CHILDREN = frozenset({"couple_children", "lone_parent"})
_YEAR = 12
_OLDEST_CHILD, _GROWN, _YOUNGEST_PARENT, _YOUNGEST_PARTNER = 22, 19, 19, 20
_FULL_WAGE = 1_000


def households(
    portion: Portion, seed: int, figures: Figures, payers: Payers, window: Window
) -> Iterator[Household]:
    """Households of exactly the portion's persons together, one after another.

    Each has a stream of its own, so that none depends on the draws of another.
    """
    mint = NirMint(portion.index, MOST_PORTIONS)
    registry = Registry(figures, window, mint, made=portion.first)
    index, end = portion.first, portion.first + portion.persons
    while registry.made < end:
        rng = stream(seed, "household", index)
        for household in _Home(registry, payers, index, rng).households(end - registry.made):
            yield household
            index += 1


@dataclass(frozen=True, slots=True)
class _Home:
    """One household in the making."""

    registry: Registry
    payers: Payers
    index: int
    rng: Random

    def households(self, room: int) -> Iterator[Household]:
        """A household of at most `room` persons, or the two it became; files and claims."""
        figures, rng, window = self.registry.figures, self.rng, self.registry.window
        household, means = self._together(room)
        found: tuple[Household, ...] = (household,)
        day = parting_day(household, window, figures.shares, rng)
        if day is not None:
            home = _housing("single", means, 1, figures, rng)
            number = _number(self.index + 1)
            found = separate(household, day, number, home, figures.shares, rng)
        for one in found:
            yield with_file(one, window, figures, rng)

    def _together(self, room: int) -> tuple[Household, str]:
        """Before any separation, file or claim; and their means."""
        figures, rng = self.registry.figures, self.rng
        kind = figures.kinds.draw(rng)
        count = _how_many_children(kind, rng)
        if (2 if kind in _COUPLES else 1) + count > room:
            kind, count = "single", 0
        means = figures.means.draw(rng)
        farm = kind != "student" and chance(rng, figures.shares.farm_household)
        adults = tuple(self._adults(kind, means, farm=farm))
        children = tuple(self._children(adults, count, farm=farm))
        household = Household(
            index=self.index,
            number=_number(self.index),
            kind=kind,
            union=self._union(kind),
            adults=adults,
            children=children,
            since=self._since(adults),
            housing=_housing(kind, means, len(adults) + count, figures, rng),
            body=None,
            claims=(),
        )
        return household, means

    @property
    def _last(self) -> int:
        return self.registry.window.last.index

    def _adults(self, kind: str, means: str, *, farm: bool) -> Iterator[Person]:
        rng, shares = self.rng, self.registry.figures.shares
        born = self._last - rng.randrange(*_ages(kind))
        woman = chance(rng, shares.lone_parent_woman if kind == "lone_parent" else shares.woman)
        yield self._adult(kind, means, born, woman=woman, farm=farm)
        if kind in _COUPLES:
            youngest = self._last - _YOUNGEST_PARTNER * _YEAR
            other = min(born + rng.randrange(-36, 48), youngest)
            woman = woman if chance(rng, shares.same_sex_couple) else not woman
            yield self._adult(kind, means, other, woman=woman, farm=farm)

    def _adult(self, kind: str, means: str, born: int, *, woman: bool, farm: bool) -> Person:
        figures, rng = self.registry.figures, self.rng
        wage = _FULL_WAGE if kind == "student" else _wage(figures, means, rng)
        life = self._life(born, wage, farm=farm)
        if kind in _RETIRED:
            start = min(born + rng.randrange(62 * _YEAR, 66 * _YEAR), self._last - 1)
            career, spells = "retired", retire(life, start)
        else:
            group = kind if kind == "student" else ("farm" if farm else means)
            career = figures.careers[group].draw(rng)
            spells = live(career, life)
        return self.registry.person(Sketch(born, woman, career, spells, farm), rng)

    def _life(self, born: int, wage: int, *, farm: bool) -> Life:
        registry = self.registry
        return Life(
            registry.figures, self.payers, registry.window, self.rng, wage, born // _YEAR, farm
        )

    def _children(self, adults: tuple[Person, ...], count: int, *, farm: bool) -> Iterator[Person]:
        rng, shares = self.rng, self.registry.figures.shares
        youngest_parent = max(Month.from_date(adult.birth_date).index for adult in adults)
        room = self._last - youngest_parent - _YOUNGEST_PARENT * _YEAR
        oldest = min(_OLDEST_CHILD * _YEAR, room)
        for _ in range(count):
            age = rng.randrange(1, max(2, min(oldest, _GROWN * _YEAR)))
            career, spells = "child", tuple[Spell, ...]()
            if oldest > _GROWN * _YEAR and chance(rng, shares.grown_child):
                age = rng.randrange(_GROWN * _YEAR, oldest)
                career = self.registry.figures.careers["grown_child"].draw(rng)
                spells = live(career, self._life(self._last - age, _FULL_WAGE, farm=farm))
            woman, name = chance(rng, shares.woman), adults[0].birth_name
            sketch = Sketch(self._last - age, woman, career, spells, farm, name)
            yield self.registry.person(sketch, rng)

    def _union(self, kind: str) -> Union:
        rng, shares = self.rng, self.registry.figures.shares
        if kind in _COUPLES:
            married = shares.married_retired if kind in _RETIRED else shares.married
            if chance(rng, married):
                return Union.MARRIED
            return Union.PACS if chance(rng, shares.pacs) else Union.COHABITING
        if kind == "retired_single":
            return rng.choice((Union.WIDOWED, Union.WIDOWED, Union.DIVORCED, Union.SINGLE))
        if kind == "lone_parent":
            return rng.choices((Union.SINGLE, Union.DIVORCED, Union.WIDOWED), (52, 42, 6))[0]
        return (
            Union.DIVORCED
            if kind == "single" and chance(rng, shares.divorced_single)
            else Union.SINGLE
        )

    def _since(self, adults: tuple[Person, ...]) -> date:
        youngest = max(Month.from_date(adult.birth_date).index for adult in adults)
        month = max(youngest + 18 * _YEAR, self._last - self.rng.randrange(6, 190))
        return day_in(self.rng, month)


def _number(index: int) -> str:
    """The file number of the household with that index."""
    return f"{FIRST_FILE_NUMBER + spread(index, FILE_NUMBERS)}"


def _how_many_children(kind: str, rng: Random) -> int:
    if kind not in _WITH_CHILDREN:
        return 0
    return rng.choices((1, 2, 3, 4), (42, 38, 15, 5))[0]


def _ages(kind: str) -> tuple[int, int]:
    """Youngest and oldest first adult, in months."""
    low, high = {
        "student": (18, 25),
        "single": (21, 62),
        "couple": (22, 62),
        "couple_children": (25, 53),
        "lone_parent": (23, 52),
        "retired_single": (64, 92),
        "retired_couple": (64, 88),
    }[kind]
    return low * _YEAR, high * _YEAR


def _wage(figures: Figures, means: str, rng: Random) -> int:
    low, high = figures.wages[means]
    drawn = rng.random()
    return int(low + (high - low) * drawn * drawn)


def _housing(kind: str, means: str, persons: int, figures: Figures, rng: Random) -> Housing:
    code = figures.places.draw(rng)
    commune = figures.communes[code]
    occupancy, shares = _occupancy(kind, means, figures, rng), figures.shares
    rent = figures.rents[commune.zone]
    euros = rng.randrange(rent.lowest, rent.highest) + rent.by_person * (persons - 1)
    shared = occupancy is Occupancy.SHARED_TENANT
    pays = shared or occupancy is Occupancy.TENANT
    return Housing(
        occupancy=occupancy,
        furnished=pays
        and chance(rng, shares.furnished_student if kind == "student" else shares.furnished),
        rent_cents=(euros * 6 // 10 if shared else euros) * 100 * pays,
        zone=commune.zone,
        commune=commune.code,
        department=commune.department,
    )


def _occupancy(kind: str, means: str, figures: Figures, rng: Random) -> Occupancy:
    shares, student = figures.shares, kind == "student"
    group = "retired" if kind in _RETIRED else ("student" if student else means)
    if chance(rng, figures.owners[group]):
        return Occupancy.OWNER
    if chance(rng, shares.free_lodging_student if student else shares.free_lodging):
        return Occupancy.FREE
    shared = kind in {"student", "single"} and chance(rng, shares.shared_flat)
    return Occupancy.SHARED_TENANT if shared else Occupancy.TENANT
