"""`policy/traces.toml`: who reads traces, how long they are kept, what is sealed for a time.

Where a set has no such file nothing is pruned, nothing is sealed, and no person is answered: each
would need a text.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, model_validator

from cloison.law.durations import check_duration
from cloison.law.records import FileShape, Id, Words

Duration = Annotated[str, AfterValidator(check_duration)]


class Ground(FileShape):
    """The text something rests on, and its article."""

    text: Id
    article: Words


class ReadBy(Ground):
    """Under which purpose a person is given the traces of their data."""

    purpose: Id


class Kept(Ground):
    """How long traces are kept."""

    kept: Duration


class Contest(Ground):
    """How soon who contests an access is answered."""

    answer_within: Duration


class Sealed(Ground):
    """What is asked for this purpose is not shown to the person for a time.

    Attributes:
        at_most: The longest the text lets it be sealed; it is sealed for as long, by no one's word.
    """

    purpose: Id
    at_most: Duration


class TraceRules(FileShape):
    """The whole file."""

    access: ReadBy
    retention: Kept
    contest: Contest
    sealed: tuple[Sealed, ...] = ()

    @model_validator(mode="after")
    def _said_once(self) -> "TraceRules":
        purposes = [one.purpose for one in self.sealed]
        if len(set(purposes)) != len(purposes):
            raise ValueError("a purpose is sealed twice")
        return self

    @property
    def grounds(self) -> Iterable[Ground]:
        """Everything in it that rests on a text."""
        return (self.access, self.retention, self.contest, *self.sealed)

    @property
    def purposes(self) -> list[str]:
        """Every purpose it names."""
        return [self.access.purpose, *(one.purpose for one in self.sealed)]

    def sealed_for(self, purpose: str) -> Sealed | None:
        """What seals an entry of this purpose, if anything does."""
        return next((one for one in self.sealed if one.purpose == purpose), None)
