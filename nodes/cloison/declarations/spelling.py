"""Values as files spell them: one accepted spelling each. No message quotes what was given."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from cloison.errors import InputError
from cloison.identity import parse_nir, parse_siret
from cloison.store import FieldSpec, FieldType, Value

AMOUNT = re.compile(r"(?!-0\.00)-?(?:0|[1-9][0-9]{0,9})\.[0-9]{2}", re.ASCII)
"""Euros and cents; no plus, no minus zero."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,8}", re.ASCII)
_DATE = re.compile(r"((?:19|20)[0-9]{2})-([0-9]{2})-([0-9]{2})", re.ASCII)
_DAY_FIRST = re.compile(r"([0-9]{2})([0-9]{2})((?:19|20)[0-9]{2})", re.ASCII)
_MONTH = re.compile(r"((?:19|20)[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)
_BOOL = {"0": False, "1": True}
_TEXT_CHARACTERS = 200
_NIR_CHARACTERS = 15
_NIR_SHAPE = re.compile(r"(?=([1-478][0-9]{4}[0-9AB]{2}[0-9]{8}))", re.ASCII)

Parser = Callable[[str], Value]


def parse_cents(text: str) -> int:
    """`1234.56` as 123456. Raises `InputError` (`BAD_AMOUNT`)."""
    if AMOUNT.fullmatch(text) is None:
        raise InputError("BAD_AMOUNT", "not an amount", "use 1234.56: a dot and two decimals")
    return cents_of(text)


def cents_of(amount: str) -> int:
    """An amount whose spelling was checked, in cents."""
    return int(amount.replace(".", ""))


def parse_integer(text: str) -> int:
    """`-12` as -12. Raises `InputError` (`BAD_NUMBER`)."""
    if _INTEGER.fullmatch(text) is None:
        raise InputError("BAD_NUMBER", "not a whole number", "use digits alone")
    return int(text)


@lru_cache(maxsize=1 << 15)
def parse_date(text: str) -> int:
    """`2026-06-30` as 20260630. Raises `InputError` (`BAD_DATE`)."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise InputError("BAD_DATE", "not a date", "use YYYY-MM-DD")
    return _day(int(match[1]), int(match[2]), int(match[3]))


@lru_cache(maxsize=1 << 15)
def parse_day_first(text: str) -> int:
    """`30062026` as 20260630: NEODeS. Raises `InputError` (`BAD_DATE`)."""
    match = _DAY_FIRST.fullmatch(text)
    if match is None:
        raise InputError("BAD_DATE", "not a date", "use JJMMAAAA")
    return _day(int(match[3]), int(match[2]), int(match[1]))


def _day(year: int, month: int, day: int) -> int:
    try:
        date(year, month, day)
    except ValueError as error:
        raise InputError("BAD_DATE", "no such day") from error
    return year * 10_000 + month * 100 + day


def parse_month(text: str) -> int:
    """`2026-06` as 202606. Raises `InputError` (`BAD_MONTH`)."""
    match = _MONTH.fullmatch(text)
    if match is None:
        raise InputError("BAD_MONTH", "not a month", "use YYYY-MM")
    return int(match[1]) * 100 + int(match[2])


def parse_year(text: str) -> int:
    """`2026`. Raises `InputError` (`BAD_YEAR`)."""
    if _YEAR.fullmatch(text) is None:
        raise InputError("BAD_YEAR", "not a year", "use YYYY")
    return int(text)


def parse_code(text: str) -> str:
    """Letters, digits, `_`, `.` and `-`, at most 32. Raises `InputError` (`BAD_CODE`)."""
    if _CODE.fullmatch(text) is None:
        raise InputError("BAD_CODE", "not a code", "use letters, digits, `_`, `.` and `-`")
    return parse_text(text)


def parse_text(text: str) -> str:
    """At most 200 characters that hold no NIR.

    Raises:
        InputError: `TEXT_TOO_LONG`. `NIR_IN_TEXT`: a person's number as a contract's.
    """
    if len(text) > _TEXT_CHARACTERS:
        raise InputError("TEXT_TOO_LONG", f"more than {_TEXT_CHARACTERS} characters")
    if len(text) >= _NIR_CHARACTERS:
        for match in _NIR_SHAPE.finditer(text):
            _refuse_nir(match[1])
    return text


def _refuse_nir(text: str) -> None:
    try:
        parse_nir(text)
    except InputError:
        return
    raise InputError("NIR_IN_TEXT", "holds a person's number", "use a number that names nobody")


def parse_bool(text: str) -> bool:
    """`0` or `1`. Raises `InputError` (`BAD_BOOL`)."""
    value = _BOOL.get(text)
    if value is None:
        raise InputError("BAD_BOOL", "neither 0 nor 1", "use 0 or 1")
    return value


siret = lru_cache(maxsize=1 << 15)(parse_siret)

_PARSERS: dict[FieldType, Parser] = {
    FieldType.CENTS: parse_cents,
    FieldType.INT: parse_integer,
    FieldType.DATE: parse_date,
    FieldType.MONTH: parse_month,
    FieldType.YEAR: parse_year,
    FieldType.CODE: parse_code,
    FieldType.TEXT: parse_text,
    FieldType.SIRET: siret,
    FieldType.BOOL: parse_bool,
}


def field_parser(field: FieldSpec, dates: Parser = parse_date) -> Parser:
    """The parser of a field's values, its codes checked; empty is None, or refused if required.

    Args:
        field: As the catalogue declares it.
        dates: How the format spells days.
    """
    parse = dates if field.type is FieldType.DATE else _PARSERS[field.type]
    codes = frozenset(field.codes)
    bounded = field.minimum is not None

    def parser(text: str) -> Value:
        if not text:
            if field.required:
                raise InputError("MISSING_VALUE", "is required")
            return None
        if codes and text not in codes:
            raise InputError("BAD_CODE", "not one of its codes", f"use {', '.join(field.codes)}")
        value = parse(text)
        if bounded:
            check_minimum(field, value)
        return value

    return parser


def check_minimum(field: FieldSpec, value: Value) -> None:
    """Raises `InputError` (`TOO_LOW`): a negative net; the value is not quoted."""
    if field.minimum is not None and value is not None and int(value) < field.minimum:
        least = "below zero" if field.minimum == 0 else f"below {field.minimum}"
        raise InputError("TOO_LOW", least, "correct the month it comes from")
