"""A published table as one JSON document: what it says, and that it holds together.

INVARIANT: it is made of a question, its plan and noisy figures; never of exact ones.

Cells whose rounded figure is below the table's threshold are withheld: the rule for tables of tax
data (no cell of fewer than 11), applied to noisy figures, for a threshold on exact ones would tell
of them. Sums still hold, so a reader may find a withheld figure again by subtraction: noise is what
protects persons, the threshold is on top. The 85 % rule is about amounts; counts have none.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cloison.errors import IntegrityError
from cloison.statistics.budget import Loss
from cloison.statistics.cube import Level
from cloison.statistics.deciles import read_distribution
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.intervals import COVERAGE
from cloison.statistics.plan import Plan
from cloison.statistics.release import Figures

FORMAT = "cloison table 1"
_DECIMALS = 3
_ROUNDING = (
    "coarsest cells to the nearest integer of zero or more; below, the nearest figures of zero or "
    "more with that sum, cut to integers, units left to the largest remainders"
)


def build_document(
    question: Question, plan: Plan, levels: Sequence[Figures], policy_set: bytes
) -> bytes:
    """The document, in its one spelling."""
    table = question.table
    cost = cost_of(plan)
    content = {
        "format": FORMAT,
        "table": table.id,
        "title": table.title,
        "title_en": table.title_en,
        "holder": table.holder,
        "population": table.population,
        "period": question.period,
        "question": question.hash.hex(),
        "definition": question.definition.hex(),
        "policy_set": policy_set.hex(),
        "unit": "persons",
        "privacy": {
            "person": "the person a row is about, added or removed",
            "most_cells": table.measure.most_cells,
            "mechanism": plan.kind.value,
            "epsilon": str(plan.epsilon),
            "delta": str(plan.delta),
            "cost_epsilon": str(cost.epsilon),
            "cost_rho": str(cost.rho),
        },
        "threshold": table.threshold,
        "threshold_applied_to": "rounded figures, after noise",
        "coverage": COVERAGE,
        "rounding": _ROUNDING,
        "distributions": _distributions(question, levels[-1]),
        "levels": [
            _level(level, plan, place, figures, table.threshold)
            for place, (level, figures) in enumerate(zip(question.cube.levels, levels, strict=True))
        ],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _level(
    level: Level, plan: Plan, place: int, figures: Figures, threshold: int
) -> dict[str, Any]:
    low, high = figures.unrounded - figures.half_widths, figures.unrounded + figures.half_widths
    shown = figures.rounded >= threshold

    def kept(values: Sequence[float | int]) -> list[float | int | None]:
        return [value if seen else None for value, seen in zip(values, shown, strict=True)]

    return {
        "id": level.id,
        "axes": [
            {"id": one.id, "title": one.title, "keys": one.keys, "titles": one.titles}
            for one in level.axes
        ],
        "share": str(plan.split[place]),
        "scale": plan.mechanisms[place].scale,
        "rmse": round(plan.rmse[place], _DECIMALS),
        "keys": level.keys(),
        "total": int(figures.rounded.sum()),
        "withheld": int((~shown).sum()),
        "measured": kept(figures.measured),
        "unrounded": kept(np.round(figures.unrounded, _DECIMALS).tolist()),
        "low": kept(np.round(np.floor(low * 10) / 10, 1).tolist()),
        "high": kept(np.round(np.ceil(high * 10) / 10, 1).tolist()),
        "rounded": kept(figures.rounded.tolist()),
    }


def _distributions(question: Question, leaves: Figures) -> list[dict[str, Any]]:
    """Deciles and shares of each group, where the last dimension is brackets.

    Withheld as cells are: a group below the threshold, the share of a bracket below it.
    """
    axes = question.cube.leaves.axes
    if not axes[-1].edges:
        return []
    shape, threshold = (-1, len(axes[-1].keys)), question.table.threshold
    counts, rounded = leaves.unrounded.reshape(shape), leaves.rounded.reshape(shape)
    found: list[dict[str, Any]] = []
    for place, group in enumerate(Level("groups", axes[:-1]).keys()):
        read = read_distribution(counts[place], axes[-1].edges)
        if read is None or rounded[place].sum() < threshold:
            found.append({"keys": group, "deciles": None, "shares": None})
            continue
        shares = [
            round(share, 5) if count >= threshold else None
            for share, count in zip(read.shares, rounded[place], strict=True)
        ]
        found.append({"keys": group, "deciles": read.deciles, "shares": shares})
    return found


def read_document(data: bytes) -> Mapping[str, Any]:
    """A document that holds together: as many figures as cells, sums that agree to the unit.

    Raises:
        IntegrityError: `BAD_DOCUMENT`.
    """
    try:
        content = json.loads(data)
        if content["format"] != FORMAT or type(content["threshold"]) is not int:
            raise _bad("of another format")
        for level in content["levels"]:
            _check_level(level, content["threshold"])
        if len({level["total"] for level in content["levels"]}) != 1:
            raise _bad("its levels do not agree")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad("cannot be read") from error
    found: Mapping[str, Any] = content
    return found


def _check_level(level: Mapping[str, Any], threshold: int) -> None:
    counts = {len(level[name]) for name in ("keys", "measured", "unrounded", "low", "high")}
    shown = [value for value in level["rounded"] if value is not None]
    if counts != {len(level["rounded"])} or len(shown) + level["withheld"] != len(level["rounded"]):
        raise _bad("not a figure for each cell")
    if min(shown, default=threshold) < threshold:
        raise _bad("a cell below the threshold is shown")
    if sum(shown) > level["total"] or (not level["withheld"] and sum(shown) != level["total"]):
        raise _bad("a level does not add up")


def loss_of(content: Mapping[str, Any]) -> tuple[str, str]:
    """What a document says it cost, of each pocket."""
    privacy = content["privacy"]
    return str(privacy["cost_epsilon"]), str(privacy["cost_rho"])


def spelled(loss: Loss) -> tuple[str, str]:
    """Both pockets as entries spell them."""
    return str(loss.epsilon), str(loss.rho)


def _bad(why: str) -> IntegrityError:
    return IntegrityError("BAD_DOCUMENT", f"table: {why}")
