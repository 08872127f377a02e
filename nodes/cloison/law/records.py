"""The shapes of the policy files, one class a file: strict, frozen, unknown keys refused."""

from collections import Counter
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StringConstraints,
    model_validator,
)

from cloison.law.durations import check_duration
from cloison.law.question import Granularity

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A dataset or a field, as catalogues spell them."""
Body = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
WordList = Annotated[tuple[Words, ...], Field(min_length=1)]
Day = Annotated[date, Strict()]
"""A date as TOML and YAML write it: no string, no number, no time of day."""
OutputName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")]
MonthText = Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])$")]


class Read(StrEnum):
    """How much of a text was read before its rules were written."""

    WHOLE = "whole"
    IN_PART = "in-part"
    SECONDARY = "secondary"


class Certainty(StrEnum):
    """How a date is known. Anything but `read` makes a permit provisional."""

    READ = "read"
    SECONDARY = "secondary"
    INFERRED = "inferred"
    MEMORY = "memory"


class FileShape(BaseModel):
    """What every file and every table of a file is: closed, frozen, checked whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Purpose(FileShape):
    """A purpose of the closed tree. A family has no parent; every other purpose has one family."""

    id: Id
    parent: Id | None = None
    fr: Words
    en: Words
    dpv: str | None = None
    """Term of the W3C Data Privacy Vocabulary, where the list read has one."""


class PurposesFile(FileShape):
    """`purposes.toml`."""

    purpose: Annotated[tuple[Purpose, ...], Field(min_length=1)]


class Dates(FileShape):
    """When a text is in force: from the first day, until the first day it no longer is."""

    from_: Day = Field(alias="from")
    until: Day | None = None
    certainty: Certainty = Certainty.READ
    until_certainty: Certainty = Certainty.READ
    note: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until is not None and self.until <= self.from_:
            raise ValueError("`until` is not after `from`")
        return self

    @property
    def certain(self) -> bool:
        """Both dates were read in the text itself."""
        return self.certainty is Certainty.READ and (
            self.until is None or self.until_certainty is Certainty.READ
        )


class Source(FileShape):
    """Where a text was read: code of `reference/law.md`, address, which part."""

    code: Words
    where: Words
    part: Words
    binding: StrictBool = True
    """False for an opinion or a comment: cited, never a ground."""


class Opening(FileShape):
    """A promise this text opens, and when."""

    promise: Id
    from_: Day = Field(alias="from")
    until: Day | None = None


class Text(FileShape):
    """`texts/<id>/text.toml`."""

    id: Id
    title: Words
    in_force: Dates
    read: Read
    read_note: str = ""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    opens: tuple[Opening, ...] = ()
    version_of: tuple[Id, ...] = ()
    """The series this text is a version of: its versions follow each other."""
    gap_before: str = ""
    """Why no version of the series stands just before this one."""
    no_rule: Words | None = None
    """Why it has no rule, and what carries it out."""

    @property
    def provisional(self) -> bool:
        """A permit of this text stands on less than the whole text or on a date not read."""
        return self.read is not Read.WHOLE or not self.in_force.certain


class Over(StrEnum):
    """What of the body's own files a case is opened over, and what its reference names."""

    CLAIM = "claim"
    """An open claim for the activity's benefit, named by its reference; all where none is named."""
    HOUSEHOLD = "household"
    """A household's file, named by its number. Never all: somebody named the file."""
    UNCLAIMED_HOUSEHOLD = "unclaimed-household"
    """A household with no open claim for the activity's benefit; all where none is named."""


class CaseType(FileShape):
    """A kind of case the activity may open, over what, and how long it lives."""

    type: Id
    title: Words
    validity_days: Annotated[int, Field(strict=True, ge=1, le=3660)]
    over: Over = Over.CLAIM


class ReadWindow(FileShape):
    """Months counted from the month the right concerns, both included: `-4` is four before."""

    first: Annotated[int, Field(strict=True, ge=-60, le=0)]
    last: Annotated[int, Field(strict=True, ge=-60, le=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError("`last` is before `first`")
        return self


class Reads(FileShape):
    """What the activity may ask of one dataset, and how its program asks it.

    Attributes:
        granularity: How fine; None where the activity's program does not ask by the record.
        window: Which months; None for what is current and for calendar years.
        years: Which calendar year, counted from the one the right concerns: `-2` is two before.
        scheme: Only persons whose household file names this scheme.
        situation: Only households where an adult's present activity is this.
        purpose: The purpose the program states; None: the activity's first.
        legal_basis: The text the program relies on; None: the activity's first.
    """

    holder: Body
    dataset: Name
    fields: Annotated[tuple[Name, ...], Field(min_length=1)]
    why: Words
    granularity: Granularity | None = None
    window: ReadWindow | None = None
    years: Annotated[int, Field(strict=True, ge=-5, le=0)] | None = None
    scheme: Name | None = None
    situation: Name | None = None
    purpose: Id | None = None
    legal_basis: Id | None = None


class Output(FileShape):
    """What the activity writes, and what becomes of the label of the data it used."""

    id: Id
    title: Words
    label: Literal["inherit", "reset"]
    article: str = ""

    @model_validator(mode="after")
    def _reset_has_article(self) -> Self:
        if (self.label == "reset") != bool(self.article):
            raise ValueError('`article` goes with `label = "reset"`, and only with it')
        return self


class Algorithm(FileShape):
    """What computes for the activity, for the person who asks (CRPA R311-3-1-2)."""

    name: Words
    role: Words
    """Degree and mode of contribution to the decision."""
    description: Words


class ObjectionRight(FileShape):
    """That a person may object to the activity, how, and how long it takes to honour it."""

    article: Words
    how: Words
    """For the person, in French: where and how to object."""
    kept: Annotated[str, AfterValidator(check_duration)]
    """How long the minimum that it takes is kept, as `P24M`."""


class Shadow(FileShape):
    """A trial beside an exchange that exists: what is asked is decided and entered, no data leave.

    Attributes:
        until: The first day on which nothing is decided any more: the trial is over by itself.
        beside: The exchange it is tried beside, for whoever reads the record.
    """

    until: Day
    beside: Words


TO_BE_FILLED = "À compléter par l'organisme."
"""Stands for what a record needs and no text read says: a name, an address."""


class Activity(FileShape):
    """`activities/<id>.toml`: an entry of the record of processing (GDPR art. 30)."""

    id: Id
    title: Words
    title_en: Words
    body: Body
    controller: Words
    joint_controllers: tuple[Words, ...] = ()
    dpo: Words
    contact: Words = TO_BE_FILLED
    """How to reach the controller and the data protection officer."""
    purposes: Annotated[tuple[Id, ...], Field(min_length=1)]
    legal_bases: Annotated[tuple[Id, ...], Field(min_length=1)]
    persons: WordList
    data: WordList
    recipients: WordList
    retention: WordList
    security: WordList
    transfers: Words
    benefit: Name | None = None
    """The benefit whose claims give cases, as the body's own files name it."""
    algorithm: Algorithm | Literal["none"]
    case_types: tuple[CaseType, ...] = ()
    reads: tuple[Reads, ...] = ()
    outputs: tuple[Output, ...] = ()
    objection: ObjectionRight | None = None
    """None: nobody may object to this activity."""
    shadow: Shadow | None = None
    """None: what the law permits leaves."""

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        named = [f"{reads.holder}/{reads.dataset}" for reads in self.reads]
        named += [f"case type {case.type}" for case in self.case_types]
        named += [f"output {output.id}" for output in self.outputs]
        twice = [name for name, count in Counter(named).items() if count > 1]
        if twice:
            raise ValueError(f"`{twice[0]}` is given twice")
        return self

    def fields_of(self, holder: str, dataset: str) -> frozenset[str] | None:
        """The fields of the record for one dataset; None where the record does not name it."""
        for reads in self.reads:
            if (reads.holder, reads.dataset) == (holder, dataset):
                return frozenset(reads.fields)
        return None

    def case_type(self, name: str) -> CaseType | None:
        """The declared case type of that name."""
        return next((case for case in self.case_types if case.type == name), None)

    def output(self, name: str) -> Output | None:
        """The declared output of that name."""
        return next((output for output in self.outputs if output.id == name), None)


class Dataset(FileShape):
    """A dataset of a holder: its fields, and the purposes the law collected it for."""

    id: Name
    title: Words
    fields: Annotated[tuple[Name, ...], Field(min_length=1)]
    systems: tuple[Id, ...] = ()
    """The systems (dispositifs) a text names, of which this dataset is a part."""
    purposes: Annotated[tuple[Id, ...], Field(min_length=1)]
    article: Words
    read: Read
    derived_from: tuple[OutputName, ...] = ()
    """The outputs (`activity/output`) these data are made of: they keep what those keep."""
    note: str = ""


class DatasetsFile(FileShape):
    """`datasets/<holder>.toml`."""

    holder: Body
    dataset: Annotated[tuple[Dataset, ...], Field(min_length=1)]


class NeverPurpose(FileShape):
    """These data never serve these purposes."""

    id: Id
    kind: Literal["never-purpose"]
    fr: Words
    en: Words
    datasets: Annotated[tuple[str, ...], Field(min_length=1)]
    collected_for: tuple[Id, ...] = ()
    """And all data collected for one of these purposes, whatever else they are collected for."""
    purposes: Annotated[tuple[Id, ...], Field(min_length=1)]
    resets: tuple[Id, ...] = ()
    """Families of purposes whose outputs may reset the label: what they make carries nothing on."""


class OnlyPurpose(FileShape):
    """Data received for this purpose never serve another."""

    id: Id
    kind: Literal["only-purpose"]
    fr: Words
    en: Words
    received_for: Id


class OnlyRecord(FileShape):
    """A field outside the activity's record never leaves."""

    id: Id
    kind: Literal["only-record"]
    fr: Words
    en: Words


Promise = Annotated[NeverPurpose | OnlyPurpose | OnlyRecord, Field(discriminator="kind")]


class PromisesFile(FileShape):
    """`promises.toml`."""

    promise: tuple[Promise, ...] = ()
