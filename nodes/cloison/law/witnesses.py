"""`witnesses.toml`: how lately enough witnesses must have seen a ledger, purpose by purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from cloison.law.files import line_of, parse_toml, refuse
from cloison.law.records import FileShape, Id, Purpose, Words

PATH = "witnesses.toml"
_MINUTE, _HOUR = 60, 3_600
_MOST_HOURS = 24 * 7


class _Case(FileShape):
    """Of the head a case is proved under."""

    hours: Annotated[int, Field(ge=1, le=_MOST_HOURS, strict=True)]
    why: Words


class _Answering(FileShape):
    """Of the ledger of who answers."""

    purpose: Id
    minutes: Annotated[int, Field(ge=1, le=_MOST_HOURS * 60, strict=True)]
    why: Words


class _File(FileShape):
    case: _Case
    answering: Annotated[tuple[_Answering, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class WitnessLimits:
    """How old the last sight of enough witnesses may be.

    Attributes:
        case_seconds: Of the head a case is proved under.
        answering_seconds: Of the ledger of who answers, by purpose: every one of the tree.
    """

    case_seconds: int
    answering_seconds: Mapping[str, int]


def parse_witnesses(
    files: Mapping[str, bytes], purposes: Mapping[str, Purpose]
) -> WitnessLimits | None:
    """The limits of a policy set; None where it is older than they are.

    Raises:
        InputError: `BAD_POLICY_FILE`: an unknown purpose, one given twice, one without any limit.
    """
    if PATH not in files:
        return None
    read = parse_toml(PATH, files[PATH], _File)
    given: dict[str, int] = {}
    for one in read.answering:
        why = "given twice" if one.purpose in given else ""
        why = why or ("" if one.purpose in purposes else "unknown")
        if why:
            line = line_of(files[PATH], one.purpose, last=True)
            raise refuse(PATH, line, f"purpose `{one.purpose}`: {why}", "see purposes.toml")
        given[one.purpose] = one.minutes * _MINUTE
    limits = {name: _nearest(name, purposes, given) for name in purposes}
    return WitnessLimits(read.case.hours * _HOUR, MappingProxyType(limits))


def _nearest(name: str, purposes: Mapping[str, Purpose], given: Mapping[str, int]) -> int:
    at: str | None = name
    while at is not None:
        if at in given:
            return given[at]
        at = purposes[at].parent
    raise refuse(PATH, None, f"purpose `{name}`: has no limit", "give it, or its family, one")
