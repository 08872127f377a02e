"""Rows of whole numbers and words, kept as columns: what an audit remembers of a million entries.

A row takes 8 bytes a column. A digest is kept as its keyed 64-bit hash (Python's own, whose key is
drawn anew at each start): nobody can make two digests meet, and nothing of it comes to the output.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar, cast, get_type_hints

R = TypeVar("R", bound=tuple[Any, ...])
_HELD = 1024


class Words(dict[str, int]):
    """The number of each word; few are different, however many rows there are.

    Attributes:
        shown: The words by number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self.shown)
        self.shown.append(word)
        return number


class Columns(Generic[R]):
    """Rows of one kind, in the order they were added.

    Args:
        row: A `NamedTuple` whose fields are `int` (of 64 bits) or `str`.
        words: Shared by all columns of an audit.
    """

    def __init__(self, row: type[R], words: Words) -> None:
        hints = get_type_hints(row)
        self._row = row
        self._words = words
        self._names = list(hints)
        self._texts = [kind is str for kind in hints.values()]
        self._columns = [array("q") for _ in self._texts]
        self._held: list[R] = []

    def add(self, row: R) -> None:
        """Keeps a row."""
        self._held.append(row)
        if len(self._held) == _HELD:
            self._settle()

    def __len__(self) -> int:
        return len(self._columns[0]) + len(self._held)

    def __iter__(self) -> Iterator[R]:
        self._settle()
        word = self._words.shown.__getitem__
        shown = [
            map(word, column) if text else column
            for column, text in zip(self._columns, self._texts, strict=True)
        ]
        # As the row's own `_make`, but without a Python call a row.
        return cast("Iterator[R]", map(tuple.__new__, repeat(self._row), zip(*shown, strict=True)))

    def pick(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Some fields of every row, in order: what is not asked for costs nothing."""
        self._settle()
        word, shown = self._words.shown.__getitem__, []
        for name in names:
            number = self._names.index(name)
            column = self._columns[number]
            shown.append(map(word, column) if self._texts[number] else column)
        return zip(*shown, strict=True)

    def __getitem__(self, place: int) -> R:
        return tuple.__new__(self._row, self.cells(place, self._names))

    def cells(self, place: int, names: Sequence[str]) -> tuple[Any, ...]:
        """Some fields of one row."""
        self._settle()
        found = []
        for name in names:
            number = self._names.index(name)
            value = self._columns[number][place]
            found.append(self._words.shown[value] if self._texts[number] else value)
        return tuple(found)

    def _settle(self) -> None:
        """Rows held are turned into columns some hundreds at a time: a fifth of the cost."""
        if not self._held:
            return
        number = self._words.__getitem__
        rows = zip(*self._held, strict=True)
        for column, values, text in zip(self._columns, rows, self._texts, strict=True):
            column.extend(map(number, values) if text else values)
        self._held.clear()
