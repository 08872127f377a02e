"""What a population looks like, in counts and medians; no NIR, nobody's own figures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median_low

from cloison.population.pay import DECLARED, WORK, monthly
from cloison.population.people import Household, Person, Window

_PERMILLE = 1_000
_FEWEST_FOR_MEDIAN = 11  # below, a median would be somebody's own figure


def summary_of(households: Sequence[Household], window: Window) -> dict[str, object]:
    """Counts by kind, claims and ways of life; medians of the last month, in cents."""
    persons = [person for household in households for person in household.persons]
    last = window.last.index
    work = [monthly(person, last, last, WORK)[0] for person in persons]
    means = [monthly(person, last, last, DECLARED)[0] for person in persons]
    return {
        "persons": len(persons),
        "households": len(households),
        "households_by_kind": _counted(household.kind for household in households),
        "households_by_file": _counted(household.body or "none" for household in households),
        "households_by_zone": _counted(str(household.housing.zone) for household in households),
        "households_with_open_claim_permille": _permille(
            sum(any(claim.live for claim in household.claims) for household in households),
            len(households),
        ),
        "open_claims": _counted(
            claim.benefit for household in households for claim in household.claims if claim.live
        ),
        "persons_by_career": _counted(person.career for person in persons),
        "persons_by_schemes": _counted("+".join(person.schemes()) for person in persons),
        "temporary_nirs": sum(person.temporary for person in persons),
        "trait_mismatches": sum(_mismatched(households)),
        "deaths": sum(person.death_date is not None for person in persons),
        "persons_paid_for_work": sum(amount > 0 for amount in work),
        "median_mns_for_work_cents": _median([amount for amount in work if amount]),
        "median_mns_cents": _median([amount for amount in means if amount]),
    }


def _mismatched(households: Iterable[Household]) -> Iterable[bool]:
    def differs(person: Person) -> bool:
        return person.caf_name != person.birth_name

    return (
        differs(person)
        for household in households
        if household.body is not None
        for person in household.persons
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _permille(part: int, whole: int) -> int:
    return part * _PERMILLE // whole


def _median(amounts: list[int]) -> int | None:
    return median_low(amounts) if len(amounts) >= _FEWEST_FOR_MEDIAN else None
