"""The row key of a NIR as files spell it, remembered: the same persons come month after month."""

from functools import lru_cache

from cloison.identity import Nir, nir_of_number, parse_nir, row_key

_REMEMBERED = 1 << 17


class RowKeys:
    """Row keys under one store's key; at most 131,072 of each spelling are remembered."""

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
