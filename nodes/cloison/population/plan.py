"""What was asked for: how many people, of which seed, over which months."""

from dataclasses import dataclass
from enum import StrEnum

from cloison.errors import InputError
from cloison.months import Month
from cloison.population.people import Window
from cloison.population.portions import LARGEST_PORTION, Portion

_FEWEST, _MOST = 100, 1_000_000
_FEWEST_MONTHS, _MOST_MONTHS = 6, 60
_EARLIEST_LAST_MONTH, _LATEST_LAST_MONTH = Month.of(2021, 12), Month.of(2099, 12)
_LARGEST_SEED = 2**63 - 1


class Form(StrEnum):
    """What the files are: as bodies receive them, or columns of the same records."""

    DECLARATIONS = "declarations"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Plan:
    """A population to be made."""

    persons: int
    seed: int
    window: Window
    largest: int = LARGEST_PORTION
    form: Form = Form.DECLARATIONS

    @classmethod
    def of(
        cls, persons: int, seed: int, last_month: Month, months: int, largest: int = LARGEST_PORTION
    ) -> "Plan":
        """Checks what was asked.

        Args:
            persons: 100 to 1,000,000.
            seed: 0 to 2**63 - 1.
            last_month: Last month declared, 2021-12 to 2099-12.
            months: How many months are declared, 6 to 60.
            largest: Most persons of a portion; the people depend on it.

        Raises:
            InputError: `BAD_PERSONS`, `BAD_SEED`, `BAD_MONTHS`, `BAD_LAST_MONTH`.
        """
        _check("persons", persons, _FEWEST, _MOST)
        _check("seed", seed, 0, _LARGEST_SEED)
        _check("months", months, _FEWEST_MONTHS, _MOST_MONTHS)
        if not _EARLIEST_LAST_MONTH <= last_month <= _LATEST_LAST_MONTH:
            raise InputError(
                "BAD_LAST_MONTH",
                f"last month `{last_month}`: out of range",
                f"use {_EARLIEST_LAST_MONTH} to {_LATEST_LAST_MONTH}",
            )
        return cls(persons, seed, Window(last_month - (months - 1), last_month), largest)

    @property
    def portions(self) -> tuple[Portion, ...]:
        """Portions of the same size but for one person."""
        count = -(-self.persons // self.largest)
        size, more = divmod(self.persons, count)
        return tuple(
            Portion(index, count, size + (index < more), self.persons, index * self.largest)
            for index in range(count)
        )


def _check(name: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise InputError(
            f"BAD_{name.upper()}",
            f"{name} `{value}`: out of range",
            f"use {lowest} to {highest}",
        )
