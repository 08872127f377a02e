"""Who pays: employers and the bodies that pay replacement incomes. SIRETs are synthetic.

SIRENs begin with 0000 and establishment numbers with 9: a range chosen because we know of no
business in it. Keys are right (Luhn), so every format check passes.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from stdnum import luhn

from cloison.identity import Siret
from cloison.population.portions import Portion

_SIRENS = 10_000
_FIRST_ESTABLISHMENT = 9_000
_MOST_OF_A_PORTION = 2_500


class Scheme(StrEnum):
    """Which body receives the declarations of a payer; none does where the payer is abroad."""

    GENERAL = "general"
    AGRICULTURAL = "agricole"
    FOREIGN = "etranger"


@dataclass(frozen=True, slots=True)
class Payer:
    """An establishment that declares."""

    index: int
    siret: Siret
    scheme: Scheme
    files_early: bool

    @property
    def siren(self) -> str:
        """The business."""
        return self.siret[:9]

    @property
    def nic(self) -> str:
        """The establishment within the business."""
        return self.siret[9:]


def siret_of(index: int) -> Siret:
    """The synthetic SIRET with that number, keys included."""
    siren = f"0000{(index + 1) % _SIRENS:04d}"
    siren += luhn.calc_check_digit(siren)
    establishment = f"{siren}{_FIRST_ESTABLISHMENT + (index + 1) // _SIRENS:04d}"
    return Siret(establishment + luhn.calc_check_digit(establishment))


@dataclass(frozen=True, slots=True)
class Payers:
    """Every payer, by what it pays. Pools are never empty."""

    employers: tuple[Payer, ...]
    farms: tuple[Payer, ...]
    agencies: tuple[Payer, ...]
    unemployment: tuple[Payer, ...]
    sickness: tuple[Payer, ...]
    pensions: tuple[Payer, ...]
    complementary: tuple[Payer, ...]
    agricultural_fund: tuple[Payer, ...]

    def all_employers(self) -> tuple[Payer, ...]:
        """Those who file a DSN."""
        return (*self.employers, *self.farms, *self.agencies)

    def all_funds(self) -> tuple[Payer, ...]:
        """Those who file a PASRAU declaration."""
        return (
            *self.unemployment,
            *self.sickness,
            *self.pensions,
            *self.complementary,
            *self.agricultural_fund,
        )


def make_payers(portion: Portion, rng: Random) -> Payers:
    """The payers of a portion; funds are fewer where there are many portions."""
    first, persons = portion.index * _MOST_OF_A_PORTION, portion.persons
    count = first

    def pool(size: int, scheme: Scheme = Scheme.GENERAL) -> tuple[Payer, ...]:
        nonlocal count
        made = tuple(
            Payer(count + i, siret_of(count + i), scheme, rng.random() < (size - i) / size / 3)
            for i in range(size)
        )
        count += size
        return made

    regions = max(1, (1 + min(12, portion.total // 2_000)) // portion.of)
    return Payers(
        employers=pool(max(12, persons // 12)),
        farms=pool(max(4, persons // 110), Scheme.AGRICULTURAL),
        agencies=pool(max(3, persons // 800)),
        unemployment=pool(regions),
        sickness=pool(regions),
        pensions=pool(regions),
        complementary=pool(regions),
        agricultural_fund=pool(regions, Scheme.AGRICULTURAL),
    )


def choose(pool: tuple[Payer, ...], rng: Random) -> Payer:
    """One of them; early ones are much larger than late ones."""
    drawn = rng.random()
    return pool[int(len(pool) * drawn * drawn)]
