"""Counts and measures over time, for whoever draws them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a picture.

    Attributes:
        name: `accesses`, `refusals`, `drift`, …: what is drawn together.
        title: In French.
        activity: Empty where it is of all of them.
        purpose: Empty where it is of all of them.
        unit: In French: `demandes`, `indice`.
        points: Sorted (`YYYY-MM-DD` or `YYYY-MM`, value); a period without entries has no point.
        limit: Above it there is a finding; None where there is none.
    """

    name: str
    title: str
    activity: str
    purpose: str
    unit: str
    points: tuple[tuple[str, float], ...]
    limit: float | None = None
