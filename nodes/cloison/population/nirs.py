"""NIRs that are well formed and can belong to nobody.

A NIR names the place of birth by département and commune. The commune numbers of the Code officiel
géographique begin at 001; every NIR made here has commune `000`, so INSEE cannot have given it.
"""

from collections import Counter
from datetime import date

from stdnum.fr.nir import calc_check_digits

from cloison.errors import InputError
from cloison.identity import Nir

COMMUNE_OF_NOBODY = "000"
_ORDERS = 999
_TEMPORARY_SHIFT = 6  # 1, 2 become 7, 8: numbers waiting for a certified civil status
DEPARTMENTS = (
    *(f"{number:02d}" for number in range(1, 20)),
    "2A",
    "2B",
    *(f"{number:02d}" for number in range(21, 96)),
)


def belongs_to_nobody(nir: str) -> bool:
    """Whether its place of birth is one that does not exist."""
    return nir[7:10] == COMMUNE_OF_NOBODY


class NirMint:
    """Gives each person a number of their own, consistent with sex, year and month of birth.

    Args:
        share: Which of the shares of the order numbers is given out; two never meet.
        of: How many shares there are, 1 to 999.
    """

    def __init__(self, share: int = 0, of: int = 1) -> None:
        self._given: Counter[str] = Counter()
        self._orders = _ORDERS // of
        self._before = share * self._orders

    def mint(self, *, woman: bool, birth_date: date, department: int, temporary: bool) -> Nir:
        """The next free number of that sex, month and département (the next one when full).

        Args:
            woman: Sex of the civil status.
            birth_date: Of which year (two digits) and month enter the number.
            department: Index into `DEPARTMENTS`.
            temporary: Whether the number is a temporary one.

        Raises:
            InputError: `NIR_RANGE_FULL`: every département of that month is full.
        """
        first = (2 if woman else 1) + (_TEMPORARY_SHIFT if temporary else 0)
        head = f"{first}{birth_date.year % 100:02d}{birth_date.month:02d}"
        for shift in range(len(DEPARTMENTS)):
            place = DEPARTMENTS[(department + shift) % len(DEPARTMENTS)]
            prefix = head + place + COMMUNE_OF_NOBODY
            if self._given[prefix] < self._orders:
                self._given[prefix] += 1
                body = f"{prefix}{self._before + self._given[prefix]:03d}"
                return Nir(body + calc_check_digits(body))
        raise InputError(
            "NIR_RANGE_FULL", "population: no free number left", "ask for fewer persons"
        )
