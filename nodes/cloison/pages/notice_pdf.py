"""The notice as a PDF: tagged for screen readers (PDF/UA-1), made to last (PDF/A-2a).

The same document gives the same bytes: fonts come with the typesetter, the date with the notice.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files

import typst

from cloison.errors import InputError
from cloison.french import typeset
from cloison.pages.document import Cell, Document, Grid, Line, Part
from cloison.pages.pieces import is_web, mark_pieces, row_id

_BREAK_EVERY = 16
_MAY_BREAK = "\u200b"
"""A zero-width space: the template sets a possible line end for it, and no character."""

Json = dict[str, object]


def notice_pdf(document: Document, made_time: datetime) -> bytes:
    """The notice to print or send; whatever its data say, they are text in it.

    Args:
        document: What `notice_document` gives.
        made_time: When the notice was made, aware; the date the file bears.

    Raises:
        InputError: `PDF_NOT_MADE`: the notice has a character that no font here can show.
    """
    try:
        return typst.compile(
            files("cloison.pages").joinpath("templates/notice.typ").read_bytes(),
            format="pdf",
            ignore_system_fonts=True,
            sys_inputs={"notice": json.dumps(_document(document)), "may-break": _MAY_BREAK},
            pdf_standards=["a-2a", "ua-1"],
            timestamp=made_time.replace(microsecond=0),
        )
    except typst.TypstError as error:
        # The typesetter's message may quote the notice: it stays out of ours.
        raise InputError(
            "PDF_NOT_MADE",
            "notice: not made as a PDF: it cannot be set so that every reader can read it",
            "a character that the fonts lack is the usual cause: write it with `--html`",
        ) from error


def _document(document: Document) -> Json:
    rows = [row for part in document.parts for grid in part.grids for row in grid.rows]
    free = {name: True for row in rows if (name := row_id(row[0][0].text))}
    known = frozenset(free)
    return {
        "title": typeset(document.title),
        "facts": [(typeset(name), typeset(value)) for name, value in document.facts],
        "parts": [_part(part, known, free) for part in document.parts],
    }


def _part(part: Part, known: frozenset[str], free: dict[str, bool]) -> Json:
    return {
        "level": part.level,
        "title": typeset(part.title),
        "paragraphs": [typeset(one) for one in part.paragraphs],
        "grids": [_grid(grid, known, free) for grid in part.grids],
        "pictures": [
            {"title": typeset(one.title), "said": typeset(one.said), "svg": one.svg}
            for one in part.pictures
        ],
        "new_page": part.new_page,
    }


def _grid(grid: Grid, known: frozenset[str], free: dict[str, bool]) -> Json:
    return {
        "caption": typeset(grid.caption),
        "columns": [typeset(one) for one in grid.columns],
        "right": grid.right,
        "rows": [_row(row, known, free) for row in grid.rows],
    }


def _row(row: tuple[Cell, ...], known: frozenset[str], free: dict[str, bool]) -> Json:
    """A row; the first of a name is the one that others lead to."""
    name = row[0][0].text
    return {
        "id": name if free.pop(name, False) else None,
        "cells": [[_line(line, known) for line in cell] for cell in row],
    }


def _line(line: Line, known: frozenset[str]) -> Json:
    text = typeset(line.text)
    if is_web(line.address):
        return {"faint": line.faint, "pieces": [{"text": text, "address": line.address}]}
    return {"faint": line.faint, "pieces": list(_pieces(text, known))}


def _pieces(text: str, known: frozenset[str]) -> Iterator[Json]:
    for piece, is_mark in mark_pieces(text):
        if is_mark and piece in known:
            yield {"text": f"[{piece}]", "row": piece}
        else:
            yield {"text": f"[{piece}]" if is_mark else " ".join(map(_breakable, piece.split(" ")))}


def _breakable(word: str) -> str:
    """A word too long for a column (a hash), with places where a line may end."""
    if len(word) <= _BREAK_EVERY:
        return word
    starts = range(0, len(word), _BREAK_EVERY)
    return _MAY_BREAK.join(word[start : start + _BREAK_EVERY] for start in starts)
