"""What an index finds an entry by."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Term = tuple[str, bytes]
"""A kind of term and its key."""


class Group(NamedTuple):
    """Many keys of one kind that one entry is found by; written as one row, found by a scan."""

    kind: str
    keys: Sequence[bytes]


Terms = Callable[[bytes], Iterable[Term | Group]]
"""The terms and groups of one entry's bytes."""
