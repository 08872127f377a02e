"""The shape of `examples.yaml`: the decisions a jurist expects."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictBool, StringConstraints

from cloison.law.question import Granularity, Outcome
from cloison.law.records import Body, Day, FileShape, Id, MonthText, Words


class ExampleCase(FileShape):
    """The case of an example; what is not said is as it should be."""

    type: Id
    month: MonthText
    live: StrictBool = True
    own: StrictBool = True
    covers: StrictBool = True
    questions_before: Annotated[int, Field(strict=True, ge=0)] = 0


class ExampleReceived(FileShape):
    """Which received data an example is about."""

    for_: Id = Field(alias="for")
    by: Id


class PersonState(StrEnum):
    """What the holder's own file says of a person."""

    ANSWERABLE = "answerable"
    DEAD = "dead"
    TEMPORARY_NUMBER = "temporary-number"
    TRAITS_DIFFER = "traits-differ"
    UNKNOWN = "unknown"
    OBJECTED = "objected"


class Example(FileShape):
    """An expected decision a jurist wrote."""

    name: Words
    day: Day
    """Day of the decision, in Paris."""
    activity: str
    purpose: str
    basis: str
    asks: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]+/[a-z][a-z0-9_]*$")]
    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    months: Annotated[str, StringConstraints(pattern=r"^[0-9-]{7}\.\.[0-9-]{7}$")]
    granularity: Granularity
    requester: Body | None = None
    case: ExampleCase | None = None
    received: ExampleReceived | None = None
    cohort: Annotated[int, Field(strict=True, ge=1)] | None = None
    persons: Annotated[int, Field(strict=True, ge=1, le=8)] = 1
    person: PersonState = PersonState.ANSWERABLE
    named_agent: StrictBool = False
    expect: Outcome
    reason: str | None = None
    rules: tuple[str, ...] | None = None
    obligations: tuple[str, ...] | None = None
    provisional: StrictBool | None = None
    nearest: str | None = None
    """The first of the nearest permits, `text/rule`."""
    refused_if: Annotated[tuple[dict[str, object], ...], Field(min_length=1)] | None = None
    """Changes that each refuse what this example permits (`variants`)."""
    why: str = ""
