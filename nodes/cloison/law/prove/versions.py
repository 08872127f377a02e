"""Versions of one provision follow each other: no day has two, none has none but by decision."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from cloison.law.policy_set import PolicySet
from cloison.law.prove.failure import Failure

CHECK = "versions-follow-each-other"


@dataclass(frozen=True, slots=True)
class Version:
    """One version: of what, from when until when, and why nothing stands just before it."""

    name: str
    place: str
    from_day: date
    end_day: date | None
    gap_before: str


def series_of(policy: PolicySet) -> dict[str, list[Version]]:
    """The versions of each series that rules and texts name, in the order of their first days."""
    found: dict[str, list[Version]] = {}
    for text in policy.texts.values():
        dates = text.in_force
        path = f"texts/{text.id}/text.toml"
        made = Version(text.id, path, dates.from_, dates.until, text.gap_before)
        for series in text.version_of:
            found.setdefault(f"text {series}", []).append(made)
    for rule in policy.rules:
        place = f"{rule.path}:{rule.line}"
        made = Version(rule.id, place, rule.first_day, rule.end_day, rule.gap_before)
        for series in rule.version_of:
            found.setdefault(series, []).append(made)
    return {name: sorted(them, key=lambda one: one.from_day) for name, them in found.items()}


def broken_series(policy: PolicySet) -> Iterator[Failure]:
    """Each overlap, each gap that nobody gave a reason for, and each version that stands alone."""
    for series, versions in series_of(policy).items():
        if len(versions) == 1:
            yield _alone(series, versions[0])
        for earlier, later in pairwise(versions):
            end = earlier.end_day
            if end is None or later.from_day < end:
                yield _failure(series, earlier, later, later.from_day, "overlap")
            elif end < later.from_day and not later.gap_before:
                yield _failure(series, earlier, later, end, "gap")


def _alone(series: str, version: Version) -> Failure:
    """A misspelt series would hide an overlap: one that has a single version is taken for one."""
    return Failure(
        CHECK,
        version.place,
        f"`{series}` n'a qu'une version, `{version.name}` : nommez-y les autres, ou retirez-la",
        f"`{series}` has a single version, `{version.name}`: name the others, or take it out",
    )


def _failure(series: str, earlier: Version, later: Version, day: date, kind: str) -> Failure:
    both = f"`{earlier.name}` et `{later.name}`", f"`{earlier.name}` and `{later.name}`"
    if kind == "overlap":
        fr = f"le {day}, {both[0]} sont en vigueur à la fois, deux versions de `{series}`"
        en = f"on {day}, {both[1]} are both in force, two versions of `{series}`"
    else:
        fr = (
            f"le {day}, aucune version de `{series}` n'est en vigueur, entre {both[0]}; si c'est "
            "voulu, dites pourquoi (`gap_before`) à la seconde"
        )
        en = (
            f"on {day}, no version of `{series}` is in force, between {both[1]}; if that is meant, "
            "say why (`gap_before`) at the later one"
        )
    return Failure(CHECK, later.place, fr, en)
