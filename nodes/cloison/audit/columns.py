"""Rows of whole numbers and words, kept as columns: what an audit remembers of a million entries.

A row takes 8 bytes a column. A digest is kept as its keyed 64-bit hash (Python's own, whose key is
drawn anew at each start): nobody can make two digests meet, and nothing of it comes to the output.
"""

from array import array
from collections.abc import Iterator
from itertools import starmap
from typing import Any, Generic, TypeVar, get_type_hints

R = TypeVar("R", bound=tuple[Any, ...])


class Words:
    """Words by number; few are different, however many rows there are."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []

    def number(self, word: str) -> int:
        """The number of a word, the same each time."""
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self._words)
            # A ledger is another's word: what it holds may not command the terminal.
            self._words.append(word if word.isprintable() else "\N{REPLACEMENT CHARACTER}")
        return found

    def word(self, number: int) -> str:
        """The word of a number."""
        return self._words[number]


class Columns(Generic[R]):
    """Rows of one kind, in the order they were added.

    Args:
        row: A `NamedTuple` whose fields are `int` (of 64 bits) or `str`.
        words: Shared by all columns of an audit.
    """

    def __init__(self, row: type[R], words: Words) -> None:
        self._row = row
        self._words = words
        self._texts = [kind is str for kind in get_type_hints(row).values()]
        self._columns = [array("q") for _ in self._texts]

    def add(self, row: R) -> None:
        """Keeps a row."""
        number = self._words.number
        for column, value, text in zip(self._columns, row, self._texts, strict=True):
            column.append(number(value) if text else value)

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[R]:
        word = self._words.word
        shown = (
            map(word, column) if text else column
            for column, text in zip(self._columns, self._texts, strict=True)
        )
        return starmap(self._row, zip(*shown, strict=True))

    def __getitem__(self, place: int) -> R:
        word = self._words.word
        values: Iterator[Any] = (
            word(column[place]) if text else column[place]
            for column, text in zip(self._columns, self._texts, strict=True)
        )
        return self._row(*values)
