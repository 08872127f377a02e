"""Times as they are typed."""

from datetime import UTC, datetime

from cloison.errors import InputError


def parse_time(text: str) -> datetime:
    """An aware time; UTC where the text names no zone. Raises `InputError` (`BAD_TIME`)."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            "BAD_TIME", f"time `{text}`: not a time", "use 2026-11-26T10:00Z"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
