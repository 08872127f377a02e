"""The month: the unit in which incomes are declared and rights are computed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Self, overload

from cloison.errors import InputError, shown

_TEXT = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, ordered; `index` counts months from year 0.

    Example:
        >>> str(Month.parse("2026-06") - 4)
        '2026-02'
        >>> Month.parse("2026-06") - Month.parse("2026-02")
        4
    """

    index: int

    def __hash__(self) -> int:
        return self.index  # a key of every amount: the hash a dataclass makes costs twice as much

    @classmethod
    def of(cls, year: int, month: int) -> Self:
        """The month `month` (1 to 12) of `year`."""
        if not 1 <= month <= 12 or not 1000 <= year <= 2999:  # noqa: PLR2004
            raise InputError(
                "BAD_MONTH", f"month `{shown(f'{year}-{month}')}`: not a month", "use YYYY-MM"
            )
        return cls(year * 12 + month - 1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """One accepted spelling: `YYYY-MM`. Raises `InputError` (`BAD_MONTH`)."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InputError("BAD_MONTH", f"month `{shown(text)}`: not a month", "use YYYY-MM")
        return cls.of(int(match[1]), int(match[2]))

    @classmethod
    def from_number(cls, number: int) -> Self:
        """From the wire's `YYYYMM` number. Raises `InputError` (`BAD_MONTH`)."""
        return cls.of(number // 100, number % 100)

    @classmethod
    def from_date(cls, day: date) -> Self:
        """The month that holds `day`."""
        return cls.of(day.year, day.month)

    @property
    def year(self) -> int:
        """Calendar year."""
        return self.index // 12

    @property
    def month(self) -> int:
        """1 to 12."""
        return self.index % 12 + 1

    @property
    def number(self) -> int:
        """The wire's `YYYYMM` number."""
        return self.year * 100 + self.month

    @property
    def first_day(self) -> date:
        """First day of the month."""
        return date(self.year, self.month, 1)

    def __add__(self, months: int) -> "Month":
        return Month(self.index + months)

    @overload
    def __sub__(self, other: int) -> "Month": ...
    @overload
    def __sub__(self, other: "Month") -> int: ...
    def __sub__(self, other: "int | Month") -> "int | Month":
        if isinstance(other, Month):
            return self.index - other.index
        return Month(self.index - other)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    def to(self, last: "Month") -> "Iterator[Month]":
        """Every month from this one to `last`, both included."""
        return (Month(index) for index in range(self.index, last.index + 1))
