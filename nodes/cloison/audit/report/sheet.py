"""A table of the report: whole as CSV and JSON, its first rows in the document."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from cloison.french import BLANK, THIN, french_count
from cloison.pages.document import Grid, Line

SHOWN_ROWS = 60
"""Rows of one table in the document."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BLANKS = frozenset({BLANK, THIN})
_FORMULA = ("=", "+", "-", "@")
Value = str | int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table.

    Attributes:
        name: Of its CSV file, and its key in the JSON.
        title: In French.
        columns: By name, their titles in French, in order.
        rows: Sorted, so that the same ledgers give the same table.
        shown: The columns of the document; all where it names none.
    """

    name: str
    title: str
    columns: dict[str, str]
    rows: tuple[tuple[Value, ...], ...]
    shown: tuple[str, ...] = ()

    def csv(self) -> bytes:
        """UTF-8, `;` between cells, names of columns first; no cell is read as a formula."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";", lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_inert(value) for value in row] for row in self.rows)
        return text.getvalue().encode()

    def objects(self) -> list[dict[str, Value]]:
        """A row an object."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def grid(self) -> Grid:
        """The first rows, set for a reader."""
        names = list(self.columns)
        places = [names.index(name) for name in self.shown or names]
        rows = self.rows[:SHOWN_ROWS]
        numbers = [
            number
            for number, place in enumerate(places)
            if rows and all(isinstance(row[place], int) for row in rows)
        ]
        return Grid(
            self.title,
            tuple(self.columns[names[place]] for place in places),
            tuple(tuple((Line(_shown(row[place])),) for place in places) for row in rows),
            tuple(numbers),
        )

    @property
    def left(self) -> str:
        """What the document does not show of it; empty where it shows all."""
        more = len(self.rows) - SHOWN_ROWS
        if more <= 0:
            return ""
        return f"{french_count(more)} ligne(s) de plus dans tables/{self.name}.csv."


def sheet(
    name: str,
    title: str,
    columns: dict[str, str],
    rows: Iterable[tuple[Value, ...]],
    shown: tuple[str, ...] = (),
) -> Sheet:
    """A sheet with its rows sorted."""
    return Sheet(name, title, columns, tuple(sorted(rows)), shown)


def _inert(value: Value) -> Value:
    """A cell that a spreadsheet reads as text, on one line: a ledger's words are another's."""
    if isinstance(value, int):
        return value
    plain = printable(value)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def printable(text: str) -> str:
    """The text with nothing that commands a reader's screen."""
    return "".join(one if _known(one) else REPLACEMENT for one in text)


def _known(one: str) -> bool:
    return one.isprintable() or one in _BLANKS


def _shown(value: Value) -> str:
    if isinstance(value, int):
        return french_count(value)
    return value or "–"
