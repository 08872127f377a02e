"""A published table as one HTML page: figures, intervals drawn, noise, budget and its proof."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cloison.french import BLANK, french_count
from cloison.ledger.tree import leaf_hash
from cloison.pages.table_pictures import draw_curves, draw_maps
from cloison.v1 import entry_pb2, receipt_pb2

_WIDTH = 240


@dataclass(frozen=True, slots=True)
class Row:
    """A cell: what it is, its figure and interval as text, and where they stand in the drawing.

    Attributes:
        figure: Empty where the cell is withheld.
        amounts: Of a sum: the sum and its interval, the mean and its interval; else empty.
        left: Of the interval; `dot` of the figure; in hundredths of a pixel, from 0 to 240 pixels.
    """

    titles: tuple[str, ...]
    figure: str
    interval: str
    amounts: tuple[str, ...]
    left: float
    right: float
    dot: float


@dataclass(frozen=True, slots=True)
class Part:
    """A level of the table, ready to be written."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    withheld: int
    rmse: str
    share: str
    summed: bool
    sum_withheld: int


def render_table(
    content: Mapping[str, Any],
    reserved: receipt_pb2.Receipt,
    published: receipt_pb2.Receipt,
    also: Sequence[tuple[receipt_pb2.Receipt, receipt_pb2.Receipt]] = (),
) -> str:
    """The page of a document that was verified; whatever it says, it is text in the page."""
    environment = Environment(
        loader=PackageLoader("cloison.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    spent = entry_pb2.Entry.FromString(reserved.entry).budget_reserved
    return environment.get_template("table.html.j2").render(
        content=content,
        parts=[_part(level) for level in content["levels"]],
        distributions=_distributions(content),
        maps=draw_maps(content),
        curves=draw_curves(content),
        total=french_count(content["levels"][0]["total"]),
        spent=spent,
        proofs=[
            _proof(part["holder"], *proof)
            for part, proof in zip(
                [content, *content.get("also", ())], [(reserved, published), *also], strict=True
            )
        ],
        shares=content["privacy"].get("shares"),
        width=_WIDTH,
    )


def _proof(
    holder: str, reserved: receipt_pb2.Receipt, published: receipt_pb2.Receipt
) -> dict[str, Any]:
    """Where a holder's register says that it was paid for and published."""
    return {
        "holder": holder,
        "reserved_index": reserved.leaf_index,
        "published_index": published.leaf_index,
        "reserved_hash": leaf_hash(reserved.entry).hex(),
        "published_hash": leaf_hash(published.entry).hex(),
    }


def _distributions(content: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of each group, its name and its nine deciles with their bounds, as text."""
    axes = content["levels"][-1]["axes"][:-1]
    titles = [dict(zip(axis["keys"], axis["titles"], strict=True)) for axis in axes]
    return [
        (
            " × ".join(known[key] for known, key in zip(titles, one["keys"], strict=True))
            or "Ensemble",
            [
                (_euros(euros), f"{_end(low)} à {_end(high)}")
                for euros, (low, high) in zip(one["deciles"], one["bounds"], strict=True)
            ]
            if one["deciles"] is not None
            else [("retenu", "")] * 9,
        )
        for one in content["distributions"]
    ]


def _euros(euros: int | None) -> str:
    return "–" if euros is None else f"{french_count(euros)}{BLANK}€"


def _end(bound: int | None) -> str:
    return "…" if bound is None else french_count(bound)


def _part(level: Mapping[str, Any]) -> Part:
    axes = level["axes"]
    titles = [dict(zip(axis["keys"], axis["titles"], strict=True)) for axis in axes]
    most = max((high for high in level["high"] if high is not None), default=1.0) or 1.0
    names = [axis["title"] for axis in axes]
    return Part(
        " × ".join(names) if names else "Ensemble",
        tuple(names) or ("Ensemble",),
        tuple(_rows(level, titles, max(most, 1.0))),
        level["withheld"],
        _decimal(level["rmse"]),
        level["share"],
        "sum" in level,
        level["sum"]["withheld"] - level["withheld"] if "sum" in level else 0,
    )


def _rows(level: Mapping[str, Any], titles: list[dict[str, str]], most: float) -> Iterator[Row]:
    for place, keys in enumerate(level["keys"]):
        said = tuple(known[key] for known, key in zip(titles, keys, strict=True)) or ("Ensemble",)
        figure, low, high = (level[name][place] for name in ("rounded", "low", "high"))
        if figure is None:
            yield Row(said, "", "", _amounts(level, place), 0, 0, 0)
            continue
        yield Row(
            said,
            french_count(figure),
            f"{_decimal(low)} à {_decimal(high)}",
            _amounts(level, place),
            *(_place(value, most) for value in (low, high, level["unrounded"][place])),
        )


def _amounts(level: Mapping[str, Any], place: int) -> tuple[str, ...]:
    """Sum, its interval, mean, its interval; of a count none."""
    if "sum" not in level:
        return ()
    told: list[str] = []
    for figures in (level["sum"], level["mean"]):
        value, low, high = (figures[name][place] for name in ("rounded", "low", "high"))
        if value is None:
            told += ["retenu", "–"]
        else:
            told += [
                f"{french_count(value)}{BLANK}€",
                f"{french_count(math.floor(low))} à {french_count(math.ceil(high))}",
            ]
    return tuple(told)


def _place(value: float, most: float) -> float:
    return round(min(max(value, 0.0), most) / most * _WIDTH, 2)


def _decimal(value: float) -> str:
    """One decimal, as French writes it."""
    whole, _, rest = f"{abs(value):.1f}".partition(".")
    sign = "−" if value < 0 and (whole, rest) != ("0", "0") else ""
    return f"{sign}{french_count(int(whole))},{rest}"
