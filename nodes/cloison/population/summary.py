"""What a population looks like, in counts; no NIR, nobody's own figures. Tallies add up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloison.months import Month
from cloison.population.pay import DECLARED, WORK, full_net, monthly
from cloison.population.people import Household, Nature, Person, Spell, Union, Window

_PERMILLE = 1_000
_CENTS = 100
_FEWEST_FOR_QUANTILE = 11  # below, it would be somebody's own figure
_GROWN = 19
_PERMANENT, _MISSION = "01", "03"
_FULL_TIME = frozenset({"stable", "farm_worker"})
_WAGES_OF = Month.of(2023, 12).index  # the year of the published wages
_COUPLES = frozenset({"couple", "couple_children", "retired_couple"})
_TAXED_TOGETHER = frozenset({Union.MARRIED, Union.PACS})
_DECILES = (100, 500, 900)


@dataclass
class Tally:
    """Counts by group and name; amounts in whole euros, each with how often it is there."""

    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    euros: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def sum(cls, tallies: Iterable["Tally"]) -> "Tally":
        """All of them together."""
        whole = cls()
        for one in tallies:
            for group, counted in one.counts.items():
                whole.counts[group].update(counted)
            for group, amounts in one.euros.items():
                whole.euros[group].update(amounts)
        return whole

    def of(self, group: str, name: str) -> int:
        """How many of that name."""
        return self.counts[group][name]

    def total(self, group: str) -> int:
        """How many in the group."""
        return self.counts[group].total()

    def quantile(self, group: str, permille: int) -> int | None:
        """The amount not above which so many stand; None where too few are there to say."""
        amounts = self.euros[group]
        if amounts.total() < _FEWEST_FOR_QUANTILE:
            return None
        left = -(-amounts.total() * permille // _PERMILLE)
        for amount in sorted(amounts):
            left -= amounts[amount]
            if left <= 0:
                return amount
        return None

    def record(self) -> dict[str, object]:
        """As `population.json` holds it: counts, and deciles of the amounts."""
        return {
            "counts": {group: dict(sorted(names.items())) for group, names in self.counts.items()},
            "deciles_euros": {
                group: {
                    f"d{permille // 100}": self.quantile(group, permille) for permille in _DECILES
                }
                for group in self.euros
            },
        }


def tally_of(households: Sequence[Household], window: Window) -> Tally:
    """Everything counted of these households, incomes of the last month."""
    tally = Tally()
    for household in households:
        for group, name in _of_household(household):
            tally.counts[group][name] += 1
        for person in household.persons:
            for group, name in _of_person(person, household):
                tally.counts[group][name] += 1
            for group, name in _of_life(person, household, window):
                tally.counts[group][name] += 1
            _add_incomes(tally, person, window.last.index)
    return tally


def _of_household(household: Household) -> Iterator[tuple[str, str]]:
    live = [claim for claim in household.claims if claim.live]
    yield "households_by_kind", household.kind
    yield "households_by_file", household.body or ""
    yield "households_by_zone", str(household.housing.zone)
    yield "households_by_department", household.housing.department
    yield "households_by_claim", "open" if live else "none"
    if household.kind in _COUPLES:
        yield "couples_by_union", household.union
    for claim in live:
        yield "open_claims", claim.benefit
    if household.left is not None:
        yield "life", "separation"
    if household.earlier is not None:
        yield "life", "move_between_bodies"
    if household.kind in _COUPLES and household.union not in _TAXED_TOGETHER:
        yield "life", "couple_taxed_apart"


def _of_person(person: Person, household: Household) -> Iterator[tuple[str, str]]:
    yield "persons_by_career", person.career
    yield "persons_by_department", household.housing.department
    yield "persons_by_schemes", "+".join(person.schemes())
    if person.temporary:
        yield "life", "temporary_nir"
    if household.body is not None and person.caf_name != person.birth_name:
        yield "life", "trait_mismatch"


def _of_life(person: Person, household: Household, window: Window) -> Iterator[tuple[str, str]]:
    """What happened to a person within the window, and how they are paid in its last month."""
    first, last = window.first, window.last.index
    if person.death_date is not None:
        yield "life", "death"
    if person.birth_date >= first.first_day:
        yield "life", "birth"
    if person in household.children and window.today.year - person.birth_date.year > _GROWN:
        yield "life", "child_over_19"
    present = [spell for spell in person.spells if spell.first <= last <= spell.last]
    for nature in {spell.nature for spell in person.spells if spell.last >= first.index}:
        yield "persons_by_nature", nature
    for nature, name in (
        (Nature.SALARY, "several_employers"),
        (Nature.PENSION, "several_pensions"),
    ):
        if sum(spell.nature is nature for spell in present) > 1:
            yield "life", name
    if any(spell.leave[1] >= first.index for spell in person.spells):
        yield "life", "sick_leave"
    if any(
        spell.contract_code == _MISSION and spell.last >= first.index for spell in person.spells
    ):
        yield "life", "temporary_work"


def _full_time(person: Person, spell: Spell) -> bool:
    return person.career in _FULL_TIME and spell.contract_code == _PERMANENT


def _add_incomes(tally: Tally, person: Person, last: int) -> None:
    for spell in person.spells:
        if _full_time(person, spell) and spell.first <= last <= spell.last:
            tally.euros["full_time_net_2023"][full_net(spell, _WAGES_OF) // _CENTS] += 1
    for group, natures in (("mns_for_work", WORK), ("mns", DECLARED)):
        cents = monthly(person, last, last, natures)[0]
        if cents:
            tally.euros[group][cents // _CENTS] += 1
