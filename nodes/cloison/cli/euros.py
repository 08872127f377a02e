"""An amount as an agent types it."""

import re

from cloison.errors import InputError
from cloison.exchange.contestation import check_amount

_EUROS = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{2}))?", re.ASCII)


def parse_euros(text: str) -> int | None:
    """Cents of `1234`, `1234.56` or `1234,56` euros; None where empty.

    Raises:
        InputError: `BAD_AMOUNT`, `MALFORMED`; the amount is not quoted.

    Example:
        >>> parse_euros("1234,56"), parse_euros("12"), parse_euros("")
        (123456, 1200, None)
    """
    if not text:
        return None
    match = _EUROS.fullmatch(text)
    if match is None:
        raise InputError("BAD_AMOUNT", "amount: not euros with two decimals", "use 1234,56")
    return check_amount(int(match[1]) * 100 + int(match[2] or 0))
