"""Minimised inputs of the calculator: a household as the permitted answers describe it.

Money is integer cents. A month or a category that is not in a mapping was not paid; a month that
was not asked appears nowhere, and `unasked` keeps out every household whose amount would need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from cloison.months import Month


class Benefit(StrEnum):
    """What may be computed."""

    PPA = "ppa"
    RSA = "rsa"
    AL = "al"


class SetAside(StrEnum):
    """Why a case was not computed."""

    NO_PERMANENT_NIR = "NO_PERMANENT_NIR"
    """A person has a temporary number: nobody is asked."""
    PERSON_NOT_ANSWERABLE = "PERSON_NOT_ANSWERABLE"
    """A holder answers for no such person: traits that do not match, death, objection. It does not
    say which (DESIGN §4, step 5)."""
    MONTH_NOT_YET_DUE = "MONTH_NOT_YET_DUE"
    SOURCE_LATE = "SOURCE_LATE"
    """A payer that declared a person before has not declared a month that is due."""
    UNDER_CORRECTION = "UNDER_CORRECTION"
    REFUSED = "REFUSED"
    """The law refused a question the benefit needs."""
    FAILED = "FAILED"
    """A question came to no decision."""
    HEAD_UNCLEAR = "HEAD_UNCLEAR"
    """The body's own file names no applicant of the household, several, or two partners."""
    OWN_FILE_INCOMPLETE = "OWN_FILE_INCOMPLETE"
    """The body's own files lack the household, its housing or a person."""
    AMOUNT_MISSING = "AMOUNT_MISSING"
    """A source declared a payment without the amount the benefit counts."""
    UNKNOWN_CODE = "UNKNOWN_CODE"
    """A code the calculator has no meaning for."""
    EARNINGS_NOT_ASKED = "EARNINGS_NOT_ASKED"
    """An adult earns what the record lets the program ask of nobody."""
    OBJECTED = "OBJECTED"
    """A person of the household objected."""
    DEPENDS_ON_MONTH_NOT_ASKED = "DEPENDS_ON_MONTH_NOT_ASKED"
    """The rule as coded would read a month the law does not let the program ask."""
    ENGINE_REFUSED = "ENGINE_REFUSED"
    """The engine takes no such input, or answers with no amount."""


class Role(StrEnum):
    """Place of a person in the household."""

    APPLICANT = "applicant"
    PARTNER = "partner"
    CHILD = "child"


class Activity(StrEnum):
    """What a person does now, by the body's own file."""

    EMPLOYEE = "employee"
    SELF_EMPLOYED = "self_employed"
    UNEMPLOYED = "unemployed"
    STUDENT = "student"
    RETIRED = "retired"
    INACTIVE = "inactive"
    CHILD = "child"


class Nature(StrEnum):
    """Category of an income."""

    SALARY = "salary"
    UNEMPLOYMENT = "unemployment"
    DAILY_ALLOWANCE = "daily_allowance"
    PENSION = "pension"
    INVALIDITY = "invalidity"


class Occupancy(StrEnum):
    """How a household occupies its home."""

    TENANT = "tenant"
    SHARED_TENANT = "shared_tenant"
    OWNER = "owner"
    FREE = "free"


class PaidBenefit(StrEnum):
    """A benefit the body itself paid the household."""

    PPA = "ppa"
    RSA = "rsa"
    AL = "al"
    AF = "af"
    CF = "cf"
    ASF = "asf"
    PAJE_BASE = "paje_base"
    AAH = "aah"


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the household.

    Attributes:
        months: Cents by category and month of the permitted window; absent: nothing was declared.
        totals: Cents by category over the whole window, where months are not permitted.
        self_employed_cents: Of the tax notice's year; 0 where the notice was not needed.
    """

    role: Role
    birth_date: date
    activity: Activity
    unemployed_since: date | None = None
    months: Mapping[tuple[Nature, Month], int] = field(default_factory=dict)
    totals: Mapping[Nature, int] = field(default_factory=dict)
    self_employed_cents: int = 0
    alimony_received_cents: int = 0


@dataclass(frozen=True, slots=True)
class TaxUnit:
    """What one tax notice says of its unit, beyond its declarants' own income; cents a year."""

    capital_cents: int = 0
    property_cents: int = 0
    alimony_paid_cents: int = 0


@dataclass(frozen=True, slots=True)
class Housing:
    """The home, now. `zone` is 1 to 3."""

    occupancy: Occupancy
    furnished: bool
    rent_cents: int
    zone: int


@dataclass(frozen=True, slots=True)
class Household:
    """One household, minimised for one benefit.

    Attributes:
        taxed_together: Married or in a PACS: one tax unit. Otherwise one unit an adult.
        persons: Applicant first, then the partner if there is one, then the children.
        paid: Cents the body itself paid, by benefit and month; its own file is complete, so what
            is absent was not paid.
        tax_units: One a unit, the applicant's first; all nil where notices were not needed.
    """

    reference: str
    taxed_together: bool
    persons: tuple[Person, ...]
    housing: Housing
    paid: Mapping[tuple[PaidBenefit, Month], int] = field(default_factory=dict)
    tax_units: tuple[TaxUnit, ...] = ()

    @property
    def adults(self) -> tuple[Person, ...]:
        """Applicant and partner."""
        return tuple(person for person in self.persons if person.role is not Role.CHILD)


@dataclass(frozen=True, slots=True)
class Window:
    """The months asked of the holders of incomes, both included, for the month of the right."""

    month: Month
    first: Month
    last: Month

    @property
    def months(self) -> tuple[Month, ...]:
        """Every month of the window."""
        return tuple(self.first.to(self.last))
