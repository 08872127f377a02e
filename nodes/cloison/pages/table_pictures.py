"""Pictures of a published table that show how unsure it is: maps of tiles, curves with a band.

Drawn from the document alone: what a picture shows is in the tables beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from cloison.french import BLANK, THIN, french_count

_TILE, _GAP = 40, 3
_SHADES = ("#f2f2fb", "#cacafb", "#8585f6", "#4646d8", "#000091")
_DARK = 3
"""From this shade on, what is written on a tile is white."""
_MOST_MAPS = 8
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 300, 48, 34


@dataclass(frozen=True, slots=True)
class Tile:
    """A place: where it is drawn, in pixels, its shade, and how wide its interval is.

    Attributes:
        bar: Of the tile's width: half the interval over the figure, at most the whole.
        said: The figure and its interval in words.
    """

    code: str
    left: int
    top: int
    shade: str
    ink: str
    bar: float
    withheld: bool
    said: str


@dataclass(frozen=True, slots=True)
class Map:
    """A map of one figure; `steps` are the shades with what they stand for."""

    title: str
    tiles: tuple[Tile, ...]
    steps: tuple[tuple[str, str], ...]
    width: int
    height: int
    side: int = _TILE


@dataclass(frozen=True, slots=True)
class Curve:
    """A distribution: points and the band around them as SVG coordinates, and the axis' marks."""

    title: str
    line: str
    band: str
    dots: tuple[tuple[float, float, str], ...]
    marks: tuple[tuple[float, str], ...]
    rows: tuple[tuple[float, str], ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    floor: int = _HEIGHT - _BOTTOM


def draw_maps(content: Mapping[str, Any]) -> list[Map]:
    """Of the leaves: a map for each key of the other dimensions, where one has places."""
    leaves = content["levels"][-1]
    axes = leaves["axes"]
    place = next((n for n, axis in enumerate(axes) if axis.get("tiles")), None)
    if place is None:
        return []
    others = [axis for n, axis in enumerate(axes) if n != place]
    groups = list(product(*(axis["keys"] for axis in others)))
    if len(groups) > _MOST_MAPS:
        return []
    figures = leaves.get("mean", leaves)
    unit = f"{BLANK}€ en moyenne" if "mean" in leaves else f"{BLANK}personnes"
    return [_map(leaves, figures, place, group, others, unit) for group in groups]


def _map(
    leaves: Mapping[str, Any],
    figures: Mapping[str, Any],
    place: int,
    group: Sequence[str],
    others: Sequence[Mapping[str, Any]],
    unit: str,
) -> Map:
    axis = leaves["axes"][place]
    own = [
        row
        for row, keys in enumerate(leaves["keys"])
        if [key for n, key in enumerate(keys) if n != place] == list(group)
    ]
    steps = _steps([figures["rounded"][row] for row in own])
    titles = dict(zip(axis["keys"], axis["titles"], strict=True))
    where = dict(zip(axis["keys"], axis["tiles"], strict=True))
    tiles = []
    for row in own:
        key = leaves["keys"][row][place]
        value, low, high = (figures[name][row] for name in ("rounded", "low", "high"))
        shade = 0 if value is None else sum(value >= step for step in steps)
        column, line = where[key]
        tiles.append(
            Tile(
                key,
                column * (_TILE + _GAP),
                line * (_TILE + _GAP),
                _SHADES[shade],
                "#fff" if shade >= _DARK and value is not None else "#161616",
                0.0 if value is None else round(min((high - low) / 2 / max(value, 1), 1), 3),
                value is None,
                f"{titles[key]} : {_said(value, low, high, unit)}",
            )
        )
    named = [
        dict(zip(one["keys"], one["titles"], strict=True))[key]
        for one, key in zip(others, group, strict=True)
    ]
    title = " × ".join(named) or axis["title"]
    return Map(
        f"{title} (moyenne, en euros)" if "mean" in leaves else title,
        tuple(tiles),
        _legend(steps),
        max(tile.left for tile in tiles) + _TILE,
        max(tile.top for tile in tiles) + _TILE,
    )


def _said(value: int | None, low: float | None, high: float | None, unit: str) -> str:
    if value is None or low is None or high is None:
        return "retenu"
    return f"{french_count(value)}{unit}, de {french_count(int(low))} à {french_count(int(high))}"


def _steps(values: Sequence[int | None]) -> list[int]:
    """Figures at which the next shade begins: fifths of the places that are shown."""
    shown = sorted(value for value in values if value is not None)
    if not shown:
        return []
    cuts = {shown[len(shown) * part // len(_SHADES)] for part in range(1, len(_SHADES))}
    return sorted(cuts - {shown[0]})


def _legend(steps: Sequence[int]) -> tuple[tuple[str, str], ...]:
    if not steps:
        return ((_SHADES[0], "tous"),)
    words = [f"moins de {french_count(steps[0])}"]
    words += [f"{french_count(low)} à {french_count(high - 1)}" for low, high in pairwise(steps)]
    words.append(f"{french_count(steps[-1])} et plus")
    return tuple(zip(_SHADES, words, strict=False))


def draw_curves(content: Mapping[str, Any]) -> list[Curve]:
    """Of each group that is shown, its deciles as a curve, in the band of their bounds."""
    axes = content["levels"][-1]["axes"]
    titles = [dict(zip(axis["keys"], axis["titles"], strict=True)) for axis in axes[:-1]]
    curves = []
    for one in content["distributions"][:_MOST_MAPS]:
        if one["deciles"] is None or not one.get("bounds"):
            continue
        names = [known[key] for known, key in zip(titles, one["keys"], strict=True)]
        curve = _curve(" × ".join(names) or "Ensemble", one, axes[-1]["edges"])
        if curve is not None:
            curves.append(curve)
    return curves


def _curve(title: str, one: Mapping[str, Any], edges: Sequence[int]) -> Curve | None:
    ends = [bound for pair in one["bounds"] for bound in pair if bound is not None]
    if not ends:
        return None
    most = min(edge for edge in edges if edge >= max(ends))

    def across(euros: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 12) * min(max(euros / most, 0), 1), 1)

    def up(decile: int) -> float:
        return round((_HEIGHT - _BOTTOM) * (1 - decile / 10), 1)

    lows = [(0 if low is None else low, n) for n, (low, _) in enumerate(one["bounds"], 1)]
    highs = [(most if high is None else high, n) for n, (_, high) in enumerate(one["bounds"], 1)]
    known = [(euros, n) for n, euros in enumerate(one["deciles"], 1) if euros is not None]
    dots = tuple(
        (across(euros), up(n), f"D{n} : {french_count(euros)}{BLANK}€") for euros, n in known
    )
    return Curve(
        title,
        " ".join(f"{left},{top}" for left, top, _ in dots),
        " ".join(f"{across(euros)},{up(n)}" for euros, n in [*lows, *reversed(highs)]),
        dots,
        tuple((across(most * n / 4), f"{french_count(most * n // 4)}{BLANK}€") for n in range(5)),
        tuple((up(n), f"{10 * n}{THIN}%") for n in (0, 5, 10)),
    )
