"""Persons as files name them: their row keys, and whether a file says the same name each time."""

from functools import lru_cache

from cloison.errors import InputError
from cloison.identity import Nir, nir_of_number, normal_name, parse_nir, row_key

_REMEMBERED = 1 << 17


class RowKeys:
    """Row keys under one store's key: the same persons come month after month.

    At most 131,072 of each spelling are remembered.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._find = lru_cache(maxsize=_REMEMBERED)(self._make)
        self._find_of_number = lru_cache(maxsize=_REMEMBERED)(self._make_of_number)

    def __call__(self, text: str) -> bytes:
        """The 16 bytes that name the person's rows. Raises `InputError` (`BAD_NIR`)."""
        return self._find(text)

    def of_number(self, text: str) -> bytes:
        """The same of a NIR without its key. Raises `InputError` (`BAD_NIR`)."""
        return self._find_of_number(text)

    def _make(self, text: str) -> bytes:
        return row_key(self.key, self.nir(text))

    def _make_of_number(self, text: str) -> bytes:
        return row_key(self.key, nir_of_number(text))

    @staticmethod
    def nir(text: str) -> Nir:
        """The NIR. Raises `InputError` (`BAD_NIR`)."""
        return parse_nir(text)


class Names:
    """The name each person of a file was first given; those of the first 131,072 are remembered."""

    def __init__(self) -> None:
        self._first: dict[bytes, tuple[str, int]] = {}

    def check(self, person: bytes, name: str, line: int) -> None:
        """A number has one name throughout a file, however accents and capitals are written.

        Raises:
            InputError: `NAME_MISMATCH`. `BAD_NAME`: no letter in it.
        """
        first = self._first.get(person)
        if first is None:
            if len(self._first) < _REMEMBERED:
                self._first[person] = (name, line)
        elif first[0] != name and normal_name(first[0]) != normal_name(name):
            raise InputError(
                "NAME_MISMATCH",
                f"this number has another name at line {first[1]}",
                "one of the two is somebody else's",
            )
