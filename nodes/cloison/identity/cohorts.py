"""The persons of a cohort, many at a time: the same names as `digests`, at a fraction of the cost.

Every function gives, for each person, just what its single form gives; tests hold them equal.
"""

from collections.abc import Sequence
from datetime import date
from hashlib import shake_256
from typing import cast

import numpy as np

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.identity.digests import (
    PERSON_DOMAIN,
    ROW_DOMAIN,
    ROW_KEY_BYTES,
    SALT_BYTES,
    TRAITS_DOMAIN,
    normal_names,
    trace_message,
)
from cloison.identity.identifiers import MONTH, Nir, parse_nir
from cloison.identity.keyed_hash import digests_after, digests_under, keyed_digests

_SALTS = b"cloison/v1 cohort salts\n"
_NIR_CHARACTERS = 15
_ZERO, _TEN = np.uint8(ord("0")), np.uint8(10)
_CORSICA_FIRST = 2
_CORSICA = {ord("A"): 19, ord("B"): 18}
_SEXES = np.array([digit in {1, 2, 3, 4, 7, 8} for digit in range(10)])
_MONTHS = np.array([MONTH.fullmatch(f"{month:02d}") is not None for month in range(100)])
_WEIGHTS = 10.0 ** np.arange(12, -1, -1)  # exact: thirteen digits are less than 2^53

Characters = np.ndarray[tuple[int], np.dtype[np.uint8]]


def cohort_salts(seed: bytes, count: int) -> list[bytes]:
    """The salts of a run's persons, in order; one given away tells nothing of the others.

    Args:
        seed: 32 fresh random bytes, never used twice.
        count: How many persons.

    Raises:
        InputError: `BAD_SALT`: not 32 bytes.
    """
    if len(seed) != SALT_BYTES:
        raise InputError("BAD_SALT", f"salt seed: {len(seed)} bytes", "draw 32 random bytes")
    stream = shake_256(_SALTS + seed).digest(SALT_BYTES * count)
    return [stream[at : at + SALT_BYTES] for at in range(0, len(stream), SALT_BYTES)]


def person_digests(salts: Sequence[bytes], nirs: Sequence[Nir]) -> list[bytes]:
    """As `person_digest`, of each person; salts of 32 bytes.

    Raises:
        InputError: `BAD_SALT`: one is not.
    """
    if not {SALT_BYTES}.issuperset(map(len, salts)):
        raise InputError("BAD_SALT", "salt: one is not 32 bytes", "draw 32 random bytes for each")
    salted = zip(salts, map(str.encode, nirs), strict=True)
    return list(digests_after(PERSON_DOMAIN, map(b"".join, salted)))


def parse_nirs(texts: Sequence[str]) -> Sequence[Nir]:
    """As `parse_nir`, of each.

    Raises:
        InputError: `BAD_NIR`: one is not a NIR.
    """
    joined = "".join(texts)
    whole = joined.isascii() and set(map(len, texts)) <= {_NIR_CHARACTERS}
    if not whole or not _all_nirs(np.frombuffer(joined.encode(), np.uint8)):
        for text in texts:
            parse_nir(text)  # says what is wrong with the first that is
    return cast("Sequence[Nir]", texts)


def _all_nirs(characters: Characters) -> bool:
    digits = characters.reshape(-1, _NIR_CHARACTERS) - _ZERO  # what is no digit comes out above 9
    for letter, number in _CORSICA.items():
        corsica = (digits[:, 6] == letter - _ZERO) & (digits[:, 5] == _CORSICA_FIRST)
        if corsica.any():
            digits[corsica, 5:7] = divmod(number, 10)
    if (digits >= _TEN).any():
        return False
    numbers = (digits[:, :13] @ _WEIGHTS).astype(np.int64)
    keys = digits[:, 13] * _TEN + digits[:, 14]
    return bool(
        _SEXES[digits[:, 0]].all()
        and _MONTHS[digits[:, 3] * _TEN + digits[:, 4]].all()
        and (digits[:, 5] + digits[:, 6] > 0).all()
        and (97 - numbers % 97 == keys).all()
    )


def row_keys(key: bytes, nirs: Sequence[Nir]) -> list[bytes]:
    """As `row_key`, of each person."""
    digests = digests_under(key, map(str.encode, nirs), ROW_DOMAIN)
    return [digest[:ROW_KEY_BYTES] for digest in digests]


def traits_digests(
    key: bytes, nirs: Sequence[Nir], birth_names: Sequence[str], birth_dates: Sequence[str]
) -> list[bytes]:
    """As `traits_digest`, of each person; dates are checked by the caller (`YYYY-MM-DD`).

    Raises:
        InputError: `BAD_NAME`: one holds no letter.
    """
    lines = zip(
        map(str.encode, nirs), normal_names(birth_names), map(str.encode, birth_dates), strict=True
    )
    return digests_under(key, map(b"\n".join, lines), TRAITS_DOMAIN)


def trace_keys(person_keys: Sequence[bytes], node: BodyId, day: date) -> list[bytes]:
    """As `trace_key`, of each person."""
    return keyed_digests(person_keys, trace_message(node, day))
