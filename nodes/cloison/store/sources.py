"""How a body's files become records, as its catalogue states it: tables, messages and roles."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Column = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Rubric = Annotated[str, StringConstraints(pattern=r"^S[0-9]{2}\.G[0-9]{2}\.[0-9]{2}\.[0-9]{3}$")]
Block = Annotated[str, StringConstraints(pattern=r"^S[0-9]{2}\.G[0-9]{2}\.[0-9]{2}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Traits(_Part):
    """The columns of the civil-status traits. They make a digest; they are no fields."""

    birth_name: Column
    birth_date: Column


class TableRow(_Part):
    """One record of a line: whom it is about, and where fields stand under another name.

    A line may be about several persons; each gets a record of their own. `optional`: no record
    where the subject's column is empty.
    """

    subject: Column
    optional: bool = False
    columns: Mapping[Column, Column] = {}
    values: Mapping[Column, str] = {}


class Table(_Part):
    """A `;` file: its exact columns, what names a record, and the records of each line.

    Attributes:
        key: Columns that name a line across versions.
        period: Column of the month, day or year; None for what is in force now.
        persons: Every column that names a person; the subjects where none is given.
        revision: Column of the source's own version number, which must grow.
        ignored: Columns that are read and dropped.
    """

    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    period: Column | None = None
    persons: tuple[Column, ...] = ()
    traits: Traits | None = None
    revision: Column | None = None
    ignored: tuple[Column, ...] = ()

    @property
    def field_names(self) -> set[str]:
        """Every field the rows give a place or a value."""
        return {name for row in self.rows for name in (*row.columns, *row.values)}

    @property
    def person_columns(self) -> tuple[str, ...]:
        """Every column that names a person."""
        return self.persons or tuple(row.subject for row in self.rows)

    def check_columns(self, fields: set[str], *, dated: bool) -> None:
        """Every column has one use, every field a column. Raises `ValueError`."""
        if not self.key or not self.rows:
            raise ValueError("a table needs a `key` and at least one of `rows`")
        if dated == (self.period is None):
            raise ValueError("`table.period` is needed where records have a period, and only there")
        used = self._control_columns()
        for row in self.rows:
            cited = {row.columns.get(name, name) for name in fields - set(row.values)}
            if missing := cited - set(self.columns):
                raise ValueError(f"no column for field: {', '.join(sorted(missing))}")
            used |= cited
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("a column is named twice")
        if used != set(self.columns):
            raise ValueError(f"columns without use: {', '.join(sorted(set(self.columns) ^ used))}")

    def _control_columns(self) -> set[str]:
        used = {*self.key, *self.person_columns, *self.ignored}
        used |= {row.subject for row in self.rows}
        used |= {column for column in (self.period, self.revision) if column is not None}
        if self.traits is not None:
            used |= {self.traits.birth_name, self.traits.birth_date}
        return used


class Origin(_Part):
    """Where a message holds a field's value: exactly one of the first five.

    Attributes:
        value: The same for every record of the message.
        rubric: One rubric, of the unit's block or of one around it.
        join: Rubrics read one after the other.
        sum: The sum of an amount over the blocks within the unit; no block, no value.
        first: The rubric of the first block within the unit.
        where: For `sum` and `first`: only blocks with these values.
        dated: For `sum`: the rubrics of the first and last day an amount belongs to, where the
            block gives them; amounts of an earlier month are differences that correct it.
        linked: For `rubric`: of the sibling block whose first rubric equals the unit's second.
        codes: The message's codes and ours; any other code is refused.
    """

    value: str | None = None
    rubric: Rubric | None = None
    join: tuple[Rubric, ...] = ()
    sum: Rubric | None = None
    first: Rubric | None = None
    where: Mapping[Rubric, str] = {}
    dated: tuple[Rubric, Rubric] | None = None
    linked: Mapping[Rubric, Rubric] = {}
    codes: Mapping[str, str] = {}

    @property
    def rubrics(self) -> frozenset[str]:
        """Every rubric the value rests on."""
        one = {rubric for rubric in (self.rubric, self.sum, self.first) if rubric is not None}
        several = (self.join, self.where, self.dated or (), self.linked, self.linked.values())
        return frozenset(one.union(*several))

    @model_validator(mode="after")
    def _check(self) -> Self:
        ways = (self.value, self.rubric, self.join or None, self.sum, self.first)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of `value`, `rubric`, `join`, `sum`, `first`")
        if self.where and self.sum is None and self.first is None:
            raise ValueError("`where` is for `sum` and `first`")
        if self.dated is not None and self.sum is None:
            raise ValueError("`dated` is for `sum`")
        if len(self.linked) > 1 or (self.linked and self.rubric is None):
            raise ValueError("`linked` is one pair, for `rubric`")
        return self


class DeclarationTypes(_Part):
    """Codes of a declaration's type: a first declaration, one that replaces, one that cancels."""

    normal: tuple[str, ...]
    replace: tuple[str, ...]
    cancel: tuple[str, ...]

    def kind(self, code: str) -> Literal["normal", "replace", "cancel"] | None:
        """What a type code means; None where the catalogue does not know it."""
        if code in self.normal:
            return "normal"
        if code in self.replace:
            return "replace"
        return "cancel" if code in self.cancel else None


class Message(_Part):
    """Declarations of one nature in NEODeS syntax: one record for each block `unit`."""

    nature: str
    types: DeclarationTypes
    unit: Block
    subject: Rubric
    period: Rubric
    fields: Mapping[Column, Origin]


class IdentityRole(_Part):
    """The dataset says the quality of each person's number, and what bars an answer."""

    status: Column
    permanent: str
    death_date: Column
    objection: Column

    @property
    def field_names(self) -> set[str]:
        """The fields the role reads."""
        return {self.status, self.death_date, self.objection}


class ClaimRole(_Part):
    """The dataset lists the claims of households."""

    reference: Column
    household: Column
    benefit: Column
    opened: Column
    status: Column
    open: str

    @property
    def field_names(self) -> set[str]:
        """The fields the role reads."""
        return {self.reference, self.household, self.benefit, self.opened, self.status}


class MemberRole(_Part):
    """The dataset says who belongs to a household."""

    household: Column
    role: Column
    since: Column
    until: Column

    @property
    def field_names(self) -> set[str]:
        """The fields the role reads."""
        return {self.household, self.role, self.since, self.until}
