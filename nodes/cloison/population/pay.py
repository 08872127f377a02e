"""Amounts: a function of a spell and a month, so that every file agrees and nothing is stored."""

from calendar import monthrange
from functools import cache
from typing import NamedTuple

from cloison.population.figures import load_figures
from cloison.population.people import Nature, Person, Spell
from cloison.population.streams import noise

WORK = frozenset({Nature.SALARY})
OWN_WORD = frozenset({Nature.SELF_EMPLOYED, Nature.FOREIGN})
"""Incomes nobody declares by month: a body learns of them from the household."""
DECLARED = frozenset(Nature) - OWN_WORD

_FULL = 10_000
_LEAVE_DIVISOR = 4
_BONUS_PERMILLE = 40
_MOST_EXTRA_CENTS = 6_000


class Pay(NamedTuple):
    """One payment in cents; `net_fiscal` > `mns`, `net_paid` near `mns` less withholding."""

    gross: int
    net_fiscal: int
    mns: int
    net_paid: int
    withheld: int


@cache
def smic(month: int) -> int:
    """Monthly gross minimum wage in cents in the month with that index."""
    return load_figures().smic(month)


@cache
def _rates(nature: Nature) -> tuple[int, int]:
    rates = load_figures().rates[nature]
    return rates.mns, rates.net_fiscal


def days_in(month: int) -> int:
    """Number of days of the month with that index."""
    return monthrange(month // 12, month % 12 + 1)[1]


def _gross(spell: Spell, month: int, drawn: int) -> int:
    gross = spell.permille * smic(month) // 1_000
    if spell.swing:
        gross += gross * (drawn % (2 * spell.swing + 1) - spell.swing) // 1_000
    if (drawn >> 16) % 1_000 < _BONUS_PERMILLE and spell.nature is Nature.SALARY:
        gross += gross * ((drawn >> 26) % 300) // 1_000
    if spell.leave[0] <= month <= spell.leave[1]:
        gross //= _LEAVE_DIVISOR
    if month in (spell.first, spell.last):
        gross = gross * _days_covered(spell, month) // days_in(month)
    return gross


def _days_covered(spell: Spell, month: int) -> int:
    first = spell.start.day if month == spell.first else 1
    last = spell.end.day if spell.end is not None and month == spell.last else days_in(month)
    return last - first + 1


def pay_of(person: Person, spell: Spell, month: int) -> Pay:
    """What `spell` pays in the month with that index, within its first and last.

    Args:
        person: Whose it is: their withholding rate applies.
        spell: The source.
        month: `Month.index`, from `spell.first` to `spell.last`.
    """
    drawn = noise(spell.seed, month)
    gross = _gross(spell, month, drawn)
    mns_rate, fiscal_rate = _rates(spell.nature)
    mns = gross * mns_rate // _FULL
    net_fiscal = max(gross * fiscal_rate // _FULL, mns + 1)
    withheld = net_fiscal * person.withholding_rate // _FULL
    net_paid = mns - withheld
    if spell.nature is Nature.SALARY:  # travel refunds less meal vouchers
        net_paid += min(_MOST_EXTRA_CENTS, gross // 20) * ((drawn >> 36) % 1_000 - 300) // 1_000
    return Pay(gross, net_fiscal, mns, net_paid, withheld)


def full_net(spell: Spell, month: int) -> int:
    """Net of a full month in cents at the minimum wage of `month`, whatever the month pays."""
    return spell.permille * smic(month) // 1_000 * _rates(spell.nature)[0] // _FULL


def yearly(person: Person, spell: Spell, year: int) -> int:
    """Taxable net of a calendar year in cents; 0 outside the spell."""
    first, last = max(spell.first, year * 12), min(spell.last, year * 12 + 11)
    return sum(pay_of(person, spell, month).net_fiscal for month in range(first, last + 1))


def monthly(person: Person, first: int, last: int, natures: frozenset[Nature]) -> list[int]:
    """Montant net social of each month in cents, over the sources of these natures.

    Args:
        person: Whose.
        first: Index of the first month.
        last: Index of the last one, included.
        natures: Which incomes count.
    """
    months = [0] * (last - first + 1)
    for spell in person.spells:
        if spell.nature in natures:
            for month in range(max(first, spell.first), min(last, spell.last) + 1):
                months[month - first] += pay_of(person, spell, month).mns
    return months
