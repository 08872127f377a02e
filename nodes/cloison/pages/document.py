"""A document as a person reads it: headings, paragraphs, tables and pictures."""

from dataclasses import dataclass


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
