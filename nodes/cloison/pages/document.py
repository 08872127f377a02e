"""A document as a person reads it: headings, paragraphs, tables and pictures."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a cell; `address` where it leads elsewhere, `faint` where it is said aside."""

    text: str
    address: str = ""
    faint: bool = False


Cell = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. The first cell of a row names it; `right` are the columns of numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing.

    Attributes:
        title: Its caption.
        said: What it shows, for who does not see it.
        svg: Made by `cloison.pages.drawing` alone: it is put into the page as it is.
    """

    title: str
    said: str
    svg: str


@dataclass(frozen=True, slots=True)
class Part:
    """A heading of level 2 or 3 and what stands under it; `new_page` on paper."""

    level: int
    title: str
    paragraphs: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()
    new_page: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """The whole of it. `facts` are short lines under the title, a name and a value each."""

    title: str
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]

    def settable(self) -> "Document":
        """The same with letters that every form can show: of others it only says that one stood.

        A person's name may hold any letter, and is never changed; a ledger's words are another's,
        and may not keep a report from being made.
        """
        return replace(
            self,
            facts=tuple((settable(name), settable(value)) for name, value in self.facts),
            parts=tuple(_part(part, settable) for part in self.parts),
        )


def settable(text: str) -> str:
    """As `Document.settable`, of one text."""
    return "".join(one if _has_font(one) else "\N{REPLACEMENT CHARACTER}" for one in text)


_FONT = ((0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3CF), (0x2009, 0x2009), (0x2010, 0x2027))
_FONT_SIGNS = frozenset("\u202f\u2030\u20ac\u2190\u2192\u2212\u2260\u2264\u2265\ufffd")


def _has_font(one: str) -> bool:
    return one in _FONT_SIGNS or any(low <= ord(one) <= high for low, high in _FONT)


def _part(part: Part, change: Callable[[str], str]) -> Part:
    return replace(
        part,
        paragraphs=tuple(map(change, part.paragraphs)),
        grids=tuple(
            replace(
                grid,
                rows=tuple(
                    tuple(
                        tuple(replace(one, text=change(one.text)) for one in cell) for cell in row
                    )
                    for row in grid.rows
                ),
            )
            for grid in part.grids
        ),
        pictures=tuple(
            replace(one, said=change(one.said), svg=change(one.svg)) for one in part.pictures
        ),
    )


def _grid(grid: Grid, change: Callable[[str], str]) -> Grid:
    def cell(lines: Cell) -> Cell:
        return tuple(replace(one, text=change(one.text)) for one in lines)

    return replace(grid, rows=tuple(tuple(map(cell, row)) for row in grid.rows))
