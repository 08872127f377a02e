"""The amounts of any number of households: a slice at a time, and none held back by another.

The engine computes a slice in one simulation. Where it refuses one, the slice is halved until the
households that it refuses are alone; the others are computed as if these had not been there.
"""

from collections.abc import Sequence
from datetime import date

from cloison.errors import IntegrityError
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import (
    Activity,
    Benefit,
    Household,
    Housing,
    Occupancy,
    Person,
    Role,
    SetAside,
    TaxUnit,
    Window,
)

HOUSEHOLDS_A_SIMULATION = 3_400
"""Of one slice: its memory grows with it, up to 0.3 MB a household, and so does what is done again
where the engine refuses one. What a slice costs by itself is little beside reading its answers."""

_PLAIN = Household(
    reference="",
    taxed_together=False,
    persons=(Person(Role.APPLICANT, date(1990, 1, 1), Activity.INACTIVE),),
    housing=Housing(Occupancy.FREE, furnished=False, rent_cents=0, zone=2),
    tax_units=(TaxUnit(),),
)
"""One person without income: an engine that refuses them computes nobody."""


def amounts(
    benefit: Benefit, window: Window, households: Sequence[Household]
) -> list[int | SetAside]:
    """Cents of each household, in the order given, or `ENGINE_REFUSED` for that one alone.

    Raises:
        IntegrityError: `ENGINE_FAILED`: the engine computes nobody for this month.
    """
    found: list[int | SetAside] = []
    for start in range(0, len(households), HOUSEHOLDS_A_SIMULATION):
        some = households[start : start + HOUSEHOLDS_A_SIMULATION]
        try:
            found += openfisca_adapter.compute(benefit, window, some)
        except openfisca_adapter.Refused:
            _check_engine(benefit, window)
            found += _apart(benefit, window, some)
    return found


def _apart(
    benefit: Benefit, window: Window, households: Sequence[Household]
) -> list[int | SetAside]:
    """The amounts of a slice that was refused, half by half."""
    if len(households) == 1:
        return [SetAside.ENGINE_REFUSED]
    middle = len(households) // 2
    found: list[int | SetAside] = []
    for half in (households[:middle], households[middle:]):
        try:
            found += openfisca_adapter.compute(benefit, window, half)
        except openfisca_adapter.Refused:
            found += _apart(benefit, window, half)
    return found


def _check_engine(benefit: Benefit, window: Window) -> None:
    # Without this, an engine out of order would be tried anew for every household of a slice.
    try:
        openfisca_adapter.compute(benefit, window, [_PLAIN])
    except openfisca_adapter.Refused as error:
        raise IntegrityError(
            "ENGINE_FAILED",
            f"benefit `{benefit.value}`, month `{window.month}`: the engine computes nobody",
            "check the installed openfisca-france and that it has parameters for this month",
        ) from error
