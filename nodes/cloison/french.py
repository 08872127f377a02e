"""Numbers, amounts and dates as they are written in France."""

import re
from datetime import date
from fractions import Fraction

from cloison.months import Month

THIN = "\u202f"
"""Narrow no-break space: between thousands, and before `%`."""
BLANK = "\u00a0"
"""No-break space: before a unit."""
# fmt: off
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)
# fmt: on


def french_count(number: int) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> french_count(12345).replace(THIN, " ")
        '12 345'
    """
    return f"{number:,}".replace(",", THIN)


def french_euros(cents: int) -> str:
    """An amount in cents, as written in France.

    Example:
        >>> french_euros(144320).replace(THIN, " ").replace(BLANK, " ")
        '1 443,20 €'
        >>> french_euros(-5).replace(BLANK, " ")
        '-0,05 €'
    """
    sign, euros, rest = "-" if cents < 0 else "", abs(cents) // 100, abs(cents) % 100
    return f"{sign}{french_count(euros)},{rest:02d}{BLANK}€"


def french_month(month: Month) -> str:
    """A month in words.

    Example:
        >>> french_month(Month.of(2026, 2))
        'février 2026'
    """
    return f"{_MONTHS[month.month - 1]} {month.year}"


def french_date(day: date) -> str:
    """A day in words; the first of a month is the `1er`.

    Example:
        >>> french_date(date(2024, 6, 1)), french_date(date(2026, 11, 21))
        ('1er juin 2024', '21 novembre 2026')
    """
    return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"


def typeset(text: str) -> str:
    """The text with no line end before a double sign, nor just inside quotation marks.

    A semicolon written without its blank gets one: texts come from ledgers and records too.

    Example:
        >>> typeset("Calcul : « TF » ; oui; non").replace(BLANK, "~")
        'Calcul~: «~TF~»~; oui~; non'
    """
    return re.sub(r" (?=[:;!?»])|(?<=«) |(?<=\w)(?=; )", BLANK, text)


def french_number(value: Fraction, places: int = 4) -> str:
    """A number with two decimals, or up to `places` where it has more; whole where it is.

    Example:
        >>> french_number(Fraction(3)), french_number(Fraction(1, 3)), french_number(Fraction(5, 2))
        ('3', '0,3333', '2,50')
        >>> french_number(Fraction(144320, 1)).replace(THIN, " ")
        '144 320'
    """
    scaled = round(abs(value) * 10**places)
    whole, rest = divmod(scaled, 10**places)
    decimals = f"{rest:0{places}d}".rstrip("0") if rest else ""
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{french_count(whole)}{f',{decimals:0<2}' if decimals else ''}"


def french_rate(value: Fraction) -> str:
    """A rate in per cent.

    Example:
        >>> french_rate(Fraction("0.5985")).replace(THIN, " ")
        '59,85 %'
    """
    return f"{french_number(value * 100, 5)}{THIN}%"
