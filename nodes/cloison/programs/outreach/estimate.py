"""The most a household's benefit can be, from less than a calculation needs."""

from collections.abc import Sequence

from cloison.law.question import Granularity
from cloison.law.records import Activity
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.gather import File
from cloison.programs.entitlement.inputs import Housing, Occupancy
from cloison.programs.entitlement.needs import (
    MEMBERS,
    MONTHLY_RESOURCES,
    PAYMENTS,
    Needs,
    Reading,
)

_RENT_CENTS = 1
ESTIMATE = Reading(
    {
        (MEMBERS, Granularity.CURRENT): ("activity", "schemes"),
        (PAYMENTS, Granularity.MONTH): ("amount", "benefit"),
        (MONTHLY_RESOURCES, Granularity.MONTH): ("mns", "nature"),
    },
    frozenset({MEMBERS, PAYMENTS}),
    # A tenant who pays any rent: no advantage in kind is taken off. Aid paid for it is known.
    home=Housing(Occupancy.TENANT, furnished=False, rent_cents=_RENT_CENTS, zone=2),
)
"""What an estimate reads. Who is married and since when one is unemployed change nothing in it."""


def estimate_needs(activity: Activity) -> Needs:
    """Raises `InputError` (`RECORD_INCOMPLETE`) if the record does not say how to ask."""
    return Needs.of(activity, ESTIMATE)


def may_have_right(needs: Needs, month: Month, files: Sequence[File]) -> list[bool | None]:
    """Whether a right is possible; None where nothing can be said. One simulation for all."""
    households = [file.household for file in files if file.household is not None]
    amounts = iter(openfisca_adapter.compute(needs.benefit, needs.window(month), households))
    return [None if file.household is None else next(amounts) > 0 for file in files]
