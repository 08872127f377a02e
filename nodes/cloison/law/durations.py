"""How long something lasts, as a rule's `@expire` writes it: `P90D`, `P12M`, `P1Y`."""

import re
from calendar import monthrange
from datetime import datetime, timedelta

from cloison.errors import InputError

_DURATION = re.compile(r"P(?:([1-9][0-9]{0,3})([DM])|([1-9][0-9]{0,2})Y)", re.ASCII)
_MONTHS = 12


def is_duration(text: str) -> bool:
    """Whether `text` is days, months or years in the one accepted spelling."""
    return _DURATION.fullmatch(text) is not None


def check_duration(text: str) -> str:
    """The text, where it is one. Raises `ValueError`, as the readers of policy files want."""
    if not is_duration(text):
        raise ValueError(f"duration `{text[:16]}`: not understood (use P24M)")
    return text


def end_of(duration: str, start: datetime) -> datetime:
    """When it ends, by the calendar; a day a month lacks becomes that month's last.

    Raises:
        InputError: `BAD_DURATION`.

    Example:
        >>> end_of("P1M", datetime(2026, 1, 31)).date().isoformat()
        '2026-02-28'
    """
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise InputError("BAD_DURATION", f"duration `{duration[:16]}`: not understood", "use P12M")
    if match[2] == "D":
        return start + timedelta(days=int(match[1]))
    months = int(match[1] or 0) + int(match[3] or 0) * _MONTHS
    year, month = divmod(start.year * _MONTHS + start.month - 1 + months, _MONTHS)
    last_day = monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last_day))
