"""Pictures of counts over time, as SVG: bars by what they are of, lines with their limit.

Every text is escaped; nothing is loaded; the same counts give the same bytes. Colours differ in
lightness too, and the legend is in the order of the bars.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import escape

from cloison.french import french_count

_COLOURS = (
    "#000091",
    "#b34000",
    "#18753c",
    "#8585f6",
    "#6e445a",
    "#009099",
    "#716043",
    "#3a3a3a",
)
_WIDTH, _HEIGHT = 720, 190
_LEFT, _TOP, _BELOW = 52, 8, 26
_LEGEND_LINE, _LEGEND_COLUMNS = 16, 2
_FONT = 'font-family="Liberation Sans, Arial, Libertinus Serif, sans-serif" font-size="11"'
_MOST_LABELS = 8
_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
_LINES = 4


@dataclass(frozen=True, slots=True)
class Row:
    """What is drawn in one colour: its name, and a value at some of the places."""

    name: str
    values: Mapping[str, float]


MOST_ROWS = len(_COLOURS)
"""Rows one picture tells apart."""


def bars(places: Sequence[str], rows: Sequence[Row]) -> str:
    """Bars by place, the rows of a place on top of each other; at most `MOST_ROWS` rows."""
    sums = [sum(row.values.get(place, 0) for row in rows) for place in places]
    top = _rounded(max(sums, default=1))
    step = _WIDTH / max(1, len(places))
    wide = min(step * 0.8, 60)
    shapes = []
    for number, place in enumerate(places):
        left, below = _LEFT + number * step + (step - wide) / 2, 0.0
        for colour, row in zip(_COLOURS, rows, strict=False):
            value = row.values.get(place, 0)
            if value:
                high = value / top * _HEIGHT
                y = _TOP + _HEIGHT - below - high
                shapes.append(
                    f'<rect x="{left:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}"'
                    f' fill="{colour}" stroke="#fff" stroke-width="0.5"/>'
                )
                below += high
    return _framed(places, rows, top, shapes)


def lines(places: Sequence[str], rows: Sequence[Row], limit: float | None = None) -> str:
    """A line a row, with a dot at each value, and the limit above which there is a finding."""
    values = [value for row in rows for value in row.values.values()]
    top = _rounded(max([*values, limit or 0, 0.001]))
    step = _WIDTH / max(1, len(places))
    shapes = []
    for colour, row in zip(_COLOURS, rows, strict=False):
        dots = [
            (_LEFT + (number + 0.5) * step, _y(row.values[place], top))
            for number, place in enumerate(places)
            if place in row.values
        ]
        shapes += [
            f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" stroke="{colour}"'
            ' stroke-width="1.5"/>'
            for (x1, y1), (x2, y2) in pairwise(dots)
        ]
        shapes += [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3" fill="{colour}"/>' for x, y in dots]
    if limit is not None:
        y = _y(limit, top)
        shapes.append(
            f'<line x1="{_LEFT}" y1="{y:.2f}" x2="{_LEFT + _WIDTH}" y2="{y:.2f}" stroke="#c9191e"'
            ' stroke-width="1.5" stroke-dasharray="6 3"/>'
            f'<text x="{_LEFT + _WIDTH}" y="{y - 4:.2f}" text-anchor="end" fill="#c9191e">seuil'
            f" {_number(limit)}</text>"
        )
    return _framed(places, rows, top, shapes)


def _framed(places: Sequence[str], rows: Sequence[Row], top: float, shapes: Sequence[str]) -> str:
    legend = [
        f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        f'<text x="{x + 15}" y="{y}">{escape(row.name)}</text>'
        for colour, row, (x, y) in zip(_COLOURS, rows, _legend_places(len(rows)), strict=False)
    ]
    height = _TOP + _HEIGHT + _BELOW + _LEGEND_LINE * -(-len(rows) // _LEGEND_COLUMNS) + 4
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 8} {height}"',
            f' {_FONT} fill="#161616">',
            *_scale(top),
            *_labels(places),
            *shapes,
            *legend,
            "</svg>",
        )
    )


def _legend_places(count: int) -> list[tuple[int, int]]:
    first = _TOP + _HEIGHT + _BELOW + 12
    column = (_LEFT + _WIDTH) // _LEGEND_COLUMNS
    return [
        (8 + number % _LEGEND_COLUMNS * column, first + number // _LEGEND_COLUMNS * _LEGEND_LINE)
        for number in range(count)
    ]


def _scale(top: float) -> list[str]:
    found = []
    for number in range(_LINES + 1):
        y = _TOP + _HEIGHT * (1 - number / _LINES)
        stroke = "#161616" if number == 0 else "#ddd"
        found.append(
            f'<line x1="{_LEFT}" y1="{y:.2f}" x2="{_LEFT + _WIDTH}" y2="{y:.2f}"'
            f' stroke="{stroke}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.2f}" text-anchor="end">'
            f"{_number(top * number / _LINES)}</text>"
        )
    return found


def _labels(places: Sequence[str]) -> list[str]:
    step = _WIDTH / max(1, len(places))
    every = -(-len(places) // _MOST_LABELS)
    return [
        f'<text x="{_LEFT + (number + 0.5) * step:.2f}" y="{_TOP + _HEIGHT + 16}"'
        f' text-anchor="middle">{escape(place)}</text>'
        for number, place in enumerate(places)
        if number % every == 0
    ]


def _y(value: float, top: float) -> float:
    return _TOP + _HEIGHT * (1 - value / top)


def _rounded(most: float) -> float:
    """The least round number that is not below."""
    size = 1.0
    while size * 10 < most:
        size *= 10
    while size > most > 0:
        size /= 10
    return next(step * size for step in _STEPS if step * size >= most) if most > 0 else 1.0


def _number(value: float) -> str:
    if value == int(value):
        return french_count(int(value))
    return f"{value:.3g}".replace(".", ",")
