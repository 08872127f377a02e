"""The catalogue: all that is known about one body's data, read from its `catalogue.toml`.

Unknown keys are refused, and every name a part cites must be declared: a catalogue that loads can
be used without further checks.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic import (
    Field as Setting,
)

from cloison.bodies import parse_body
from cloison.errors import InputError
from cloison.store.sources import ClaimRole, IdentityRole, MemberRole, Message, Table

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class FieldType(StrEnum):
    """How a value is spelled in files; what is kept of it is a `Value`."""

    CENTS = "cents"
    INT = "int"
    DATE = "date"
    MONTH = "month"
    YEAR = "year"
    CODE = "code"
    TEXT = "text"
    SIRET = "siret"
    BOOL = "bool"

    @property
    def summable(self) -> bool:
        """Whether a total of such values means anything."""
        return self is FieldType.CENTS


class Period(StrEnum):
    """What one record of a dataset is about: a month, a calendar year, or what is in force now."""

    MONTH = "month"
    YEAR = "year"
    CURRENT = "current"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(_Part):
    """A field of a dataset.

    Attributes:
        codes: The only values a code may take, where given.
        minimum: The least a number may be, in the field's unit; what is not stated is not checked.
    """

    type: FieldType
    description: str
    unit: str = ""
    codes: tuple[str, ...] = ()
    minimum: int | None = None
    required: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minimum is not None and self.type not in {FieldType.CENTS, FieldType.INT}:
            raise ValueError("`minimum` is for numbers")
        return self


class Due(_Part):
    """The last day on which sources declare a period: `day` of the month (or year) that follows."""

    periods_later: Annotated[int, Setting(ge=0, le=24)]
    day: Annotated[int, Setting(ge=1, le=31)]
    month: Annotated[int, Setting(ge=1, le=12)] | None = None


class Expected(_Part):
    """Whoever declared a person is expected to declare the months after, the person or not.

    Attributes:
        months: For how many months after the last in which the person was declared.
        until: The date field after whose month nothing more is expected, where a record states it.
    """

    months: Annotated[int, Setting(ge=1, le=24)]
    until: Name | None = None


class Dataset(_Part):
    """One dataset: its fields, what a record is about, and how the body's files become records.

    Attributes:
        declarant: The field that names who declared a record, and who alone can correct it.
    """

    title: str
    description: str
    period: Period
    fields: Mapping[Name, FieldSpec]
    category: Name | None = None
    declarant: Name | None = None
    due: Due | None = None
    expected: Expected | None = None
    keeps_nir: bool = False
    table: Table | None = None
    messages: Mapping[Name, Message] = {}
    identity: IdentityRole | None = None
    claim: ClaimRole | None = None
    member: MemberRole | None = None

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Place of each field in a record's values."""
        return {name: place for place, name in enumerate(self.fields)}

    @property
    def lookup(self) -> str | None:
        """The field by which the body's own work finds records, other than by person."""
        if self.claim is not None:
            return self.claim.reference
        return None if self.member is None else self.member.household

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.table is None) == (not self.messages):
            raise ValueError("a dataset comes either by `table` or by `messages`")
        self._check_times()
        if self.category is not None:
            self._check_names({self.category})
            if self.fields[self.category].type is not FieldType.CODE:
                raise ValueError("`category` must be a code")
        self._check_declarant()
        roles = [role for role in (self.identity, self.claim, self.member) if role is not None]
        self._check_names({name for role in roles for name in role.field_names})
        if self.table is not None:
            self._check_names(self.table.field_names)
            self.table.check_columns(set(self.fields), dated=self.period is not Period.CURRENT)
        for message in self.messages.values():
            self._check_names(set(message.fields))
        if (self.keeps_nir or self.identity) and (self.table is None or self.table.traits is None):
            raise ValueError("`keeps_nir` and `identity` need a table with `traits`")
        if self.member is not None and not self.keeps_nir:
            raise ValueError("`member` needs `keeps_nir`: a claim's members are named to others")
        return self

    def _check_declarant(self) -> None:
        if self.declarant is None:
            return
        self._check_names({self.declarant})
        if self.table is not None or not self.fields[self.declarant].required:
            raise ValueError("`declarant` must be required, and of what comes by `messages`")

    def _check_times(self) -> None:
        if self.due is not None and (self.due.month is None) == (self.period is Period.YEAR):
            raise ValueError("`due.month` is for yearly datasets, and only for them")
        if self.due is not None and self.period is Period.CURRENT:
            raise ValueError("what is in force now is never due")
        if self.expected is not None:
            self._check_expected(self.expected)

    def _check_expected(self, expected: Expected) -> None:
        if not self.messages or self.due is None or self.period is not Period.MONTH:
            raise ValueError("`expected` is for months that come by `messages` and are `due`")
        if expected.until is not None:
            self._check_names({expected.until})
            if self.fields[expected.until].type is not FieldType.DATE:
                raise ValueError("`expected.until` must be a date")

    def _check_names(self, names: set[str]) -> None:
        unknown = names - set(self.fields)
        if unknown:
            raise ValueError(f"not a field of the dataset: {', '.join(sorted(unknown))}")


class Catalogue(_Part):
    """What one body holds."""

    version: Literal[1]
    body: str
    datasets: Mapping[Name, Dataset]

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_body(self.body)
        for role in ("identity", "claim", "member"):
            if sum(getattr(each, role) is not None for each in self.datasets.values()) > 1:
                raise ValueError(f"two datasets claim the role `{role}`")
        return self

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name. Raises `InputError` (`UNKNOWN_DATASET`)."""
        found = self.datasets.get(name)
        if found is None:
            raise InputError(
                "UNKNOWN_DATASET",
                f"dataset `{name}`: not in the catalogue of `{self.body}`",
                f"it holds {', '.join(self.datasets)}",
            )
        return found

    def check_fields(self, dataset: str, fields: tuple[str, ...]) -> None:
        """Every field is declared. Raises `InputError` (`UNKNOWN_DATASET`, `UNKNOWN_FIELD`)."""
        known = self.dataset(dataset).fields
        for name in fields:
            if name not in known:
                raise InputError(
                    "UNKNOWN_FIELD",
                    f"field `{name}`: not a field of `{dataset}`",
                    f"its fields are {', '.join(known)}",
                )


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue at `path`, checked whole.

    Raises:
        InputError: `BAD_CATALOGUE`: missing, not TOML, an unknown key or name.
    """
    try:
        return Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("BAD_CATALOGUE", f"catalogue `{path}`: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "catalogue"
        raise InputError("BAD_CATALOGUE", f"catalogue `{path}`: {place}: {first['msg']}") from error
