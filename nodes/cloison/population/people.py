"""The values: persons, what they live from, households and what they claim."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from cloison.bodies import BodyId
from cloison.identity import Nir
from cloison.months import Month
from cloison.population.payers import Payer, Scheme

DGFIP, CAF, CNAV, MSA = BodyId("dgfip"), BodyId("caf"), BodyId("cnav"), BodyId("msa")


class Nature(StrEnum):
    """What an income is."""

    SALARY = "salary"
    UNEMPLOYMENT = "unemployment"
    DAILY_ALLOWANCE = "daily_allowance"
    PENSION = "pension"
    INVALIDITY = "invalidity"
    SELF_EMPLOYED = "self_employed"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Spell:
    """One source of income of one person, from a day to a day.

    Attributes:
        payer: None for the self-employed and for who is paid abroad: nobody here declares them
            by month.
        end: Last day, included; None while it goes on.
        first: Index of the first month (`Month.index`).
        last: Index of the last month; beyond every window while it goes on.
        permille: Full month's gross, per mille of the minimum wage of the month.
        swing: Largest variation from month to month, per mille.
        leave: First and last month index of a sick leave, paid a quarter; empty as (0, -1).
        contract_code: DSN nature of the contract.
    """

    nature: Nature
    payer: Payer | None
    start: date
    end: date | None
    first: int
    last: int
    permille: int
    swing: int
    seed: int
    contract: str = ""
    contract_code: str = ""
    leave: tuple[int, int] = (0, -1)

    @property
    def planned_end(self) -> date | None:
        """Last day, where the contract says from the start that there is one."""
        return None if self.contract_code == "01" else self.end


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and their incomes.

    Attributes:
        caf_name: Birth name as the family-benefit body spells it; another one for a few.
        withholding_rate: Hundredths of a percent of the taxable net.
        career: What they live from, by its name in `figures.toml`.
    """

    index: int
    nir: Nir
    woman: bool
    birth_date: date
    birth_name: str
    caf_name: str
    first_names: str
    temporary: bool
    objection: bool
    death_date: date | None
    career: str
    home_scheme: Scheme
    withholding_rate: int
    spells: tuple[Spell, ...]

    def schemes(self) -> tuple[Scheme, ...]:
        """The schemes they belong to, those abroad included; never empty."""
        found = {spell.payer.scheme for spell in self.spells if spell.payer is not None}
        if any(spell.nature is Nature.FOREIGN for spell in self.spells):
            found.add(Scheme.FOREIGN)
        return tuple(scheme for scheme in Scheme if scheme in found) or (self.home_scheme,)

    def age_at(self, year: int) -> int:
        """Age on the last day of `year`."""
        return year - self.birth_date.year


class Role(StrEnum):
    """Place in the household."""

    APPLICANT = "applicant"
    PARTNER = "partner"
    CHILD = "child"


class Union(StrEnum):
    """Marital situation, as the household file spells it."""

    SINGLE = "single"
    MARRIED = "married"
    PACS = "pacs"
    COHABITING = "cohabiting"
    DIVORCED = "divorced"
    WIDOWED = "widowed"


class Occupancy(StrEnum):
    """How the household lives in its dwelling."""

    TENANT = "tenant"
    OWNER = "owner"
    FREE = "free"
    SHARED_TENANT = "shared_tenant"


@dataclass(frozen=True, slots=True)
class Housing:
    """The dwelling. `rent_cents` is monthly, charges apart; 0 for owners and free lodging."""

    occupancy: Occupancy
    furnished: bool
    rent_cents: int
    zone: int
    commune: str
    department: str


class Benefit(StrEnum):
    """What a household may claim."""

    PPA = "ppa"
    RSA = "rsa"
    AL = "al"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim for one benefit."""

    benefit: Benefit
    opened: date
    live: bool


@dataclass(frozen=True, slots=True)
class Parting:
    """A separation, as one of the two households knows it.

    Attributes:
        other: Who is in the other household now.
        since: Day their life together began.
        stayed: Whether this one kept the dwelling and the file.
    """

    day: date
    other: Person
    since: date
    taxed_together: bool
    stayed: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    """A file another body had on the household until a day; its claims are closed there."""

    body: BodyId
    number: str
    day: date
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Household:
    """People who live together. `adults` begins with the applicant.

    Attributes:
        number: Of the file, 7 digits; also for households no body has a file on.
        since: Day the adults' present life together (or alone) began.
        body: Which family-benefit body has their file; None where there is none.
        parting: The separation it came out of.
        earlier: The file the other family-benefit body had before.
        until: Last day of the file, where this is one that has ended.
    """

    index: int
    number: str
    kind: str
    union: Union
    adults: tuple[Person, ...]
    children: tuple[Person, ...]
    since: date
    housing: Housing
    body: BodyId | None
    claims: tuple[Claim, ...]
    parting: Parting | None = None
    earlier: Earlier | None = None
    until: date | None = None

    @property
    def applicant(self) -> Person:
        """Who signs."""
        return self.adults[0]

    @property
    def persons(self) -> tuple[Person, ...]:
        """Everyone, adults first."""
        return self.adults + self.children

    @property
    def left(self) -> Parting | None:
        """The separation after which the other one's row stays in this file, ended."""
        parting = self.parting
        return parting if parting and parting.stayed and parting.day >= self.file_since else None

    @property
    def file_since(self) -> date:
        """First day of the file at the body that has it."""
        return self.since if self.earlier is None else self.earlier.day

    def ended_file(self) -> "Household | None":
        """The household as the body it moved from still has it, its claims closed."""
        if self.earlier is None:
            return None
        day = self.earlier.day
        return replace(
            self,
            number=self.earlier.number,
            body=self.earlier.body,
            children=tuple(child for child in self.children if child.birth_date < day),
            claims=self.earlier.claims,
            earlier=None,
            until=day,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """The months made: declarations from `first` to `last`; careers begin in `begin`.

    Attributes:
        begin: January of the year before `first`, where the oldest tax notice starts.
    """

    first: Month
    last: Month

    @property
    def begin(self) -> Month:
        """First month of every career."""
        return Month.of(self.first.year - 1, 1)

    @property
    def today(self) -> date:
        """First day after the window: when the files are looked at."""
        return (self.last + 1).first_day

    @property
    def notice_years(self) -> range:
        """Income years of the tax notices."""
        return range(self.first.year - 1, self.last.year)
