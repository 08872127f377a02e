"""Identifiers of persons and establishments: one accepted spelling, its key checked.

No message here quotes what it was given: a mistyped NIR is still somebody's.
"""

import re
from typing import NewType

from stdnum import exceptions as stdnum_errors
from stdnum.fr import siret
from stdnum.fr.nir import calc_check_digits

from cloison.errors import InputError

Nir = NewType("Nir", str)
"""15 characters, key included, as printed on a carte Vitale without its spaces."""

Siret = NewType("Siret", str)
"""14 digits: an establishment."""

# Sex or temporary series · year · month (20-42 and 50-99: incomplete civil status) · département
# (Corsica 2A, 2B) · commune or country · order; then the key.
MONTH = re.compile(r"0[1-9]|1[0-2]|[23][0-9]|4[0-2]|[5-9][0-9]")
_NUMBER = re.compile(
    rf"[123478][0-9]{{2}}(?:{MONTH.pattern})"
    r"(?:0[1-9]|[1-9][0-9]|2[AB])"
    r"[0-9]{3}[0-9]{3}"
)
_NIR = re.compile(_NUMBER.pattern + r"[0-9]{2}")
_TEMPORARY = frozenset("3478")
_SIRET = re.compile(r"[0-9]{14}")


def parse_nir(text: str) -> Nir:
    """A NIR or temporary number (NIA) whose form and key are right; whether it exists is not known.

    Args:
        text: 15 characters; no spaces, no dots, `2A` and `2B` in capitals.

    Raises:
        InputError: `BAD_NIR`: another spelling, an impossible month or département, a wrong key.

    Source:
        Key: 97 less the remainder by 97, Corsica's 2A as 19 and 2B as 18 (python-stdnum).

    Example:
        >>> parse_nir("255081416802538")
        '255081416802538'
    """
    if _NIR.fullmatch(text) is None:
        raise InputError(
            "BAD_NIR", "nir: not a NIR", "use 15 characters without spaces, key included"
        )
    if calc_check_digits(text) != text[13:]:
        raise InputError("BAD_NIR", "nir: its key does not match", "check for a mistyped digit")
    return Nir(text)


def nir_of_number(text: str) -> Nir:
    """The NIR of a number written without its key, the key computed: a mistyped one passes.

    Args:
        text: 13 characters; no spaces, no dots, `2A` and `2B` in capitals.

    Raises:
        InputError: `BAD_NIR`: another spelling, an impossible month or département.

    Source:
        As `parse_nir`.

    Example:
        >>> nir_of_number("2550814168025")
        '255081416802538'
    """
    if _NUMBER.fullmatch(text) is None:
        raise InputError(
            "BAD_NIR", "nir: not a NIR", "use 13 characters without spaces, the key left out"
        )
    return Nir(text + calc_check_digits(text))


def is_temporary(nir: Nir) -> bool:
    """Whether it is a temporary number, given before the civil status was certified.

    Source:
        First digit 3, 4, 7 or 8.
    """
    return nir[0] in _TEMPORARY


def parse_siret(text: str) -> Siret:
    """A SIRET whose form and keys are right.

    Raises:
        InputError: `BAD_SIRET`: not 14 digits, or a wrong key.

    Source:
        Luhn on SIREN and SIRET; La Poste's establishments by digit sum (python-stdnum).
    """
    if _SIRET.fullmatch(text) is None:
        raise InputError("BAD_SIRET", "siret: not 14 digits", "use 14 digits without spaces")
    try:
        siret.validate(text)
    except stdnum_errors.ValidationError as error:
        raise InputError("BAD_SIRET", "siret: its key does not match") from error
    return Siret(text)
