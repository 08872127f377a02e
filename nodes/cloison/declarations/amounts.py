"""The amounts of a payment: those of its own month, and differences to earlier ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloison.declarations.grammar import block_of
from cloison.declarations.spelling import cents_of, check_minimum, parse_day_first
from cloison.errors import InputError
from cloison.store import FieldSpec, Value

_MONTH_LENGTH = 100


@dataclass(slots=True)
class Unit:
    """All a record may be made of.

    Attributes:
        around: Rubrics of the unit's block and of those around it.
        inside: Blocks within the unit, by name.
        beside: Sister blocks of the unit, by name.
        corrects: Whether reading it met amounts of an earlier month.
    """

    line: int
    around: Mapping[str, str]
    beside: Mapping[str, list[dict[str, str]]]
    inside: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    corrects: bool = False


def blocks_where(
    unit: Unit, block: str, where: Sequence[tuple[str, str]]
) -> Sequence[Mapping[str, str]]:
    """The blocks of one name within a unit that have these values."""
    found = unit.inside.get(block, [])
    for rubric, wanted in where:
        found = [values for values in found if values.get(rubric) == wanted]
    return found


class Amounts:
    """An amount summed over the blocks within a unit, each month apart.

    Args:
        spec: The field it is.
        rubric: The amount.
        where: Only blocks with these values.
        dated: Rubrics of the first and last day an amount belongs to.
        period: The month (YYYYMM) of a unit.
    """

    def __init__(
        self,
        spec: FieldSpec,
        rubric: str,
        where: Mapping[str, str],
        dated: tuple[str, str] | None,
        period: Callable[[Unit], int],
    ) -> None:
        self._spec = spec
        self._rubric = rubric
        self._block = block_of(rubric)
        self._where = tuple(where.items())
        self._first_day, self._last_day = dated or ("", "")
        self._period = period

    def total(self, unit: Unit) -> Value:
        """The cents of the unit's own month; None where no block states any.

        Raises:
            InputError: `MISSING_VALUE`, `TOO_LOW`, or as `by_month`.
        """
        found = None
        for values in blocks_where(unit, self._block, self._where):
            found = found or 0
            if self._first_day in values and self._earlier(unit, values):
                unit.corrects = True
            else:
                found += self._cents(values)
        if found is None and self._spec.required:
            raise InputError("MISSING_VALUE", f"no block {self._block} states it")
        if self._spec.minimum is not None:
            check_minimum(self._spec, found)
        return found

    def by_month(self, unit: Unit) -> dict[int, int]:
        """The cents that belong to each earlier month (YYYYMM).

        Raises:
            InputError: `SEVERAL_MONTHS`, `OTHER_PERIOD`, `BAD_DATE`.
        """
        found: dict[int, int] = {}
        for values in blocks_where(unit, self._block, self._where):
            if month := self._earlier(unit, values):
                found[month] = found.get(month, 0) + self._cents(values)
        return found

    def _earlier(self, unit: Unit, values: Mapping[str, str]) -> int:
        """The month an amount belongs to where it is an earlier one; 0 for the unit's own."""
        first = values.get(self._first_day)
        if first is None:
            return 0
        found = parse_day_first(first) // _MONTH_LENGTH
        if parse_day_first(values.get(self._last_day, first)) // _MONTH_LENGTH != found:
            hint = "correct each month by an amount of its own"
            raise InputError("SEVERAL_MONTHS", "an amount belongs to several months", hint)
        own = self._period(unit)
        if found > own:
            raise InputError("OTHER_PERIOD", "an amount belongs to a month after the payment")
        return 0 if found == own else found

    def _cents(self, values: Mapping[str, str]) -> int:
        # The grammar needs an amount in each of these blocks: one lacks only where a fault is said.
        return cents_of(values.get(self._rubric, "0"))
