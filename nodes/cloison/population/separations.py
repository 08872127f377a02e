"""Couples that separate within the window: one household becomes two, one file goes on.

Who stays keeps the dwelling, the children and the file, in which the other one's row gets an end;
who leaves is a household of their own from that day. Taxed together, they file apart from the year
of the separation on.
"""

from dataclasses import replace
from datetime import date
from random import Random

from cloison.months import Month
from cloison.population.figures import Shares
from cloison.population.people import Household, Housing, Parting, Union, Window
from cloison.population.persons import day_in
from cloison.population.streams import chance

_MONTHS_TOGETHER = 6
_YEAR = 12
_SEPARABLE = frozenset({"couple", "couple_children"})


def parting_day(household: Household, window: Window, shares: Shares, rng: Random) -> date | None:
    """When the couple separates; None where it does not, or is no couple."""
    months = window.last - window.first
    permille = shares.separation_by_year * months // _YEAR
    if household.kind not in _SEPARABLE or not chance(rng, permille):
        return None
    month = window.first.index + rng.randrange(months)
    together = month - Month.from_date(household.since).index
    alive = all(adult.death_date is None for adult in household.adults)
    return day_in(rng, month) if alive and together >= _MONTHS_TOGETHER else None


def separate(
    couple: Household, day: date, number: str, home: Housing, shares: Shares, rng: Random
) -> tuple[Household, Household]:
    """Who stays, and who leaves.

    Args:
        couple: Before, without file or claims.
        day: Of the separation.
        number: Of the file of who leaves.
        home: Where that one goes to live.
        shares: With whom children stay.
        rng: Of this household.
    """
    first, second = couple.adults
    mother = first if first.woman else second
    other = second if mother is first else first
    with_mother = not couple.children or chance(rng, shares.lone_parent_woman)
    stays, leaves = (mother, other) if with_mother else (other, mother)
    together = couple.union in {Union.MARRIED, Union.PACS}
    union = Union.DIVORCED if couple.union is Union.MARRIED else Union.SINGLE
    remaining = replace(
        couple,
        kind="lone_parent" if couple.children else "single",
        union=union,
        adults=(stays,),
        parting=Parting(day, leaves, couple.since, taxed_together=together, stayed=True),
    )
    left = replace(
        couple,
        index=couple.index + 1,
        number=number,
        kind="single",
        union=union,
        adults=(leaves,),
        children=(),
        since=day,
        housing=home,
        parting=Parting(day, stays, couple.since, taxed_together=together, stayed=False),
    )
    return remaining, left
