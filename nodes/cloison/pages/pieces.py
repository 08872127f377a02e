"""What both forms of the notice share: which lines can be led to, and what leads where."""

import re
from collections.abc import Iterator

_MARK = re.compile(r"\[([CDEP][0-9]+)\]", re.ASCII)
_LINE = re.compile(r"[CDEPQ][0-9]+", re.ASCII)


def mark_pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is the name of a line, without its brackets.

    Example:
        >>> list(mark_pieces("2 [D1] + 3"))
        [('2 ', False), ('D1', True), (' + 3', False)]
    """
    return ((piece, place % 2 == 1) for place, piece in enumerate(_MARK.split(text)) if piece)


def row_id(text: str) -> str:
    """The name of a row others lead to; empty for the others."""
    return text if _LINE.fullmatch(text) else ""


def is_web(address: str) -> bool:
    """Whether a reader may be led there."""
    return address.startswith(("https://", "http://"))
