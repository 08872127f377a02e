"""What the store answers: plain values, nothing of SQLite."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from cloison.identity import Nir

Value = int | str | bool | None
"""Cents, dates (YYYYMMDD), months (YYYYMM), years and counts are integers; None is "not stated"."""


class Status(StrEnum):
    """Absent is not zero: what is known of a period as a whole.

    `LATE`: its time to declare is over, and one who declared the person before has not declared it.
    """

    DECLARED = "declared"
    NOTHING_DECLARED = "nothing_declared"
    NOT_YET_DUE = "not_yet_due"
    UNDER_CORRECTION = "under_correction"
    LATE = "late"


class RecordData(NamedTuple):
    """One record: its source message, its version (1 and up), the values of the fields asked."""

    source: str
    version: int
    values: tuple[Value, ...]


class PeriodData(NamedTuple):
    """A month (YYYYMM), a year, the first month of a total, or 0 for what is in force now."""

    period: int
    status: Status
    records: tuple[RecordData, ...]


class PersonData(NamedTuple):
    """What is held of one person. `named`: row keys of every person the records name."""

    periods: tuple[PeriodData, ...]
    named: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """What may bar an answer about a person.

    Attributes:
        permanent: A permanent NIR, not a temporary number.
        traits_digest: As `cloison.identity.traits_digest` under the store's row key.
        dead: A day of death is recorded.
        objected: The person objected, where an objection counts.
    """

    permanent: bool
    traits_digest: bytes
    dead: bool
    objected: bool


@dataclass(frozen=True, slots=True)
class HouseholdMember:
    """A person of a household, as the body's own files name them."""

    role: str
    nir: Nir
    birth_name: str
    birth_date: date


@dataclass(frozen=True, slots=True)
class Claim:
    """An open claim and its household in the month asked, applicant first."""

    reference: str
    household: str
    benefit: str
    members: tuple[HouseholdMember, ...]


@dataclass(frozen=True, slots=True)
class HouseholdFile:
    """A household's own file in the month asked, applicant first; its number is its reference."""

    reference: str
    members: tuple[HouseholdMember, ...]


@dataclass(frozen=True, slots=True)
class ReceivedLabel:
    """From whom, for which one purpose, for which activity, under which text, until when."""

    holder: str
    dataset: str
    received_for: str
    received_by: str
    text: str
    until_time: datetime | None = None


class Doomed(NamedTuple):
    """A release kept that is to be destroyed; `persons` are row keys, `part` as it was kept."""

    statement_hash: bytes
    part: int
    activity: str
    case_leaf_hash: bytes
    persons: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """What an activity deposited about a case.

    Attributes:
        deposit_hash: SHA-256 of the deposit's bytes; the same bytes twice change nothing.
        reference: The claim the case is about.
        label: The joined label, serialised by the caller.
        statement_hashes: Of every answer it rests on, 32 bytes each.
        leaf_hash: Of the entry that says it was deposited.
        until_time: When the first label it inherits ends; None where none does.
    """

    deposit_hash: bytes
    activity: str
    output: str
    reference: str
    case_leaf_hash: bytes
    content: bytes
    label: bytes
    statement_hashes: tuple[bytes, ...]
    leaf_hash: bytes
    kept_time: datetime
    until_time: datetime | None = None
