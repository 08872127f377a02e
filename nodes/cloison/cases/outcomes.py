"""How a case may end: a closed list, as its `case_closed` entry says it."""

from enum import StrEnum


class ClosedAs(StrEnum):
    """What became of a case."""

    DECIDED = "decided"
    """A benefit was computed for it, which the body decides on."""
    INFORMED = "informed"
    """The person was told of a right they may have."""
    NO_ENTITLEMENT = "no-entitlement"
    """The check shows no right."""
    OBJECTED = "objected"
    """The person objected."""
    CONCLUDED = "concluded"
    """A file was looked into, and what was found is written."""
    WITHDRAWN = "withdrawn"
    """What it was opened over is no more."""
    SET_ASIDE = "set-aside"
    """It could not be gone on with."""
