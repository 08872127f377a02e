"""What a population looks like, in counts; no NIR, nobody's own figures. Tallies add up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloison.population.pay import DECLARED, WORK, monthly
from cloison.population.people import Household, Person, Window

_PERMILLE = 1_000
_CENTS = 100
_FEWEST_FOR_QUANTILE = 11  # below, it would be somebody's own figure
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
            _add_incomes(tally, person, window.last.index)
    return tally


def _of_household(household: Household) -> Iterator[tuple[str, str]]:
    live = [claim for claim in household.claims if claim.live]
    yield "households_by_kind", household.kind
    yield "households_by_file", household.body or ""
    yield "households_by_zone", str(household.housing.zone)
    yield "households_by_department", household.housing.department
    yield "households_by_claim", "open" if live else "none"
    for claim in live:
        yield "open_claims", claim.benefit


def _of_person(person: Person, household: Household) -> Iterator[tuple[str, str]]:
    yield "persons_by_career", person.career
    yield "persons_by_schemes", "+".join(person.schemes())
    if person.temporary:
        yield "special", "temporary_nir"
    if household.body is not None and person.caf_name != person.birth_name:
        yield "special", "trait_mismatch"
    if person.death_date is not None:
        yield "special", "death"


def _add_incomes(tally: Tally, person: Person, last: int) -> None:
    for group, natures in (("mns_for_work", WORK), ("mns", DECLARED)):
        cents = monthly(person, last, last, natures)[0]
        if cents:
            tally.euros[group][cents // _CENTS] += 1
