"""A PDF as a screen reader meets it: by its tags, never by where ink stands on the page."""

import ctypes
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium


@dataclass
class Tag:
    """A tag, the text in it and below it, in reading order."""

    kind: str
    parts: "list[str | Tag]" = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(one if isinstance(one, str) else one.text for one in self.parts)

    @property
    def lines(self) -> list[str]:
        """The text of each paragraph in it; where it has none, all of its text as one."""
        found = [one.text for one in self.parts if isinstance(one, Tag) and one.kind == "P"]
        return [line.strip() for line in found or [self.text]]

    def find(self, kind: str) -> "Iterator[Tag]":
        """Every tag of that kind, in reading order."""
        for one in self.parts:
            if isinstance(one, Tag):
                if one.kind == kind:
                    yield one
                yield from one.find(kind)


@dataclass(frozen=True)
class Spoken:
    """A PDF read aloud.

    Attributes:
        pages: The topmost tag of each page.
        metadata: What the file says of itself.
    """

    pages: list[Tag]
    metadata: dict[str, str]

    @property
    def text(self) -> str:
        """Everything, page after page."""
        return "\n".join(page.text for page in self.pages)

    def rows(self) -> Iterator[list[list[str]]]:
        """Every row of every table: its cells, each line by line. An empty cell is not there."""
        for page in self.pages:
            for row in page.find("TR"):
                yield [cell.lines for cell in row.parts if isinstance(cell, Tag)]


def read_aloud(content: bytes) -> Spoken:
    """The PDF's tags with their text."""
    document = pypdfium2.PdfDocument(content)
    try:
        pages = [_read_page(document[place]) for place in range(len(document))]
        return Spoken(pages, document.get_metadata_dict())
    finally:
        document.close()


def _read_page(page: Any) -> Tag:
    texts = _texts(page)
    tree = pdfium.FPDF_StructTree_GetForPage(page.raw)
    try:
        count = pdfium.FPDF_StructTree_CountChildren(tree)
        tops = [
            _tag(pdfium.FPDF_StructTree_GetChildAtIndex(tree, place), texts)
            for place in range(count)
        ]
    finally:
        pdfium.FPDF_StructTree_Close(tree)
    return Tag("Page", list(tops))


def _texts(page: Any) -> dict[int, str]:
    """The text of each piece of marked content; what is decoration has none."""
    found: dict[int, str] = defaultdict(str)
    whole = page.get_textpage()
    for one in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
        size = pdfium.FPDFTextObj_GetText(one.raw, whole.raw, None, 0)
        place = ctypes.create_string_buffer(size)
        wide = ctypes.cast(place, ctypes.POINTER(pdfium.FPDF_WCHAR))
        pdfium.FPDFTextObj_GetText(one.raw, whole.raw, wide, size)
        mark = pdfium.FPDFPageObj_GetMarkedContentID(one.raw)
        found[mark] += place.raw[: max(0, size - 2)].decode("utf-16-le")
    return found


def _tag(element: Any, texts: dict[int, str]) -> Tag:
    tag = Tag(_kind(element))
    for place in range(pdfium.FPDF_StructElement_CountChildren(element)):
        child = pdfium.FPDF_StructElement_GetChildAtIndex(element, place)
        if child:
            tag.parts.append(_tag(child, texts))
            continue
        mark = pdfium.FPDF_StructElement_GetChildMarkedContentID(element, place)
        if mark >= 0:
            tag.parts.append(texts.get(mark, ""))
    return tag


def _kind(element: Any) -> str:
    size = pdfium.FPDF_StructElement_GetType(element, None, 0)
    place = ctypes.create_string_buffer(size)
    pdfium.FPDF_StructElement_GetType(element, place, size)
    return place.raw[: size - 2].decode("utf-16-le")
