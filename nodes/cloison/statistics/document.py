"""A published table as one JSON document: what it says, and that it holds together.

INVARIANT: it is made of a question, its plan and noisy figures; never of exact ones.

Cells whose rounded figure is below the table's threshold are withheld: the rule for tables of tax
data (no cell of fewer than 11), applied to noisy figures, for a threshold on exact ones would tell
of them. Sums still hold, so a reader may find a withheld figure again by subtraction: noise is what
protects persons, the threshold is on top. A sum is withheld, and its mean, where the most that one
person may add is more than 85 % of the published figure: no exact amount is looked at.
"""

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cloison.errors import IntegrityError
from cloison.statistics.budget import Loss
from cloison.statistics.cube import Axis, Level
from cloison.statistics.deciles import decile_widths, read_distribution
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.hierarchy import Floats
from cloison.statistics.intervals import COVERAGE, Simulation
from cloison.statistics.means import Means, may_dominate, read_means
from cloison.statistics.noise import MechanismKind, partner_epsilon
from cloison.statistics.plan import Plan
from cloison.statistics.release import Figures

FORMAT = "cloison table 1"
_DECIMALS = 3
Mask = npt.NDArray[np.bool_]
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
        **_holders(question),
        "period": question.period,
        "question": question.hash.hex(),
        "definition": question.definition.hex(),
        "policy_set": policy_set.hex(),
        "unit": "persons",
        "measure": table.measure.model_dump(exclude_none=True),
        "privacy": {
            "person": "the person a row is about, added or removed",
            "most_cells": table.measure.most_cells,
            "mechanism": plan.kind.value,
            "epsilon": str(plan.epsilon),
            "delta": str(plan.delta),
            "cost_epsilon": str(cost.epsilon),
            "cost_rho": str(cost.rho),
            **_sharing(plan),
        },
        "threshold": table.threshold,
        "threshold_applied_to": "rounded figures, after noise",
        "coverage": COVERAGE,
        "rounding": _ROUNDING,
        "distributions": _distributions(question, plan, levels[-1]),
        "levels": _levels(question, plan, levels),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _holders(question: Question) -> dict[str, Any]:
    """Whose cells, of which population; the same whichever of the holders writes it."""
    views = [question.whole.at(holder) for holder in question.holders]
    named = [{"holder": one.holder, "population": one.population} for one in views]
    return {**named[0], **({"also": named[1:]} if question.whole.also else {})}


def _sharing(plan: Plan) -> dict[str, Any]:
    """Of noise made in shares: what it costs towards whom."""
    sharing = plan.sharing
    if sharing.holders == 1:
        return {}
    if plan.kind is MechanismKind.GAUSSIAN:
        outsiders = plan.cost * Fraction(sharing.honest, sharing.holders)
        partner = plan.cost * Fraction(sharing.honest, sharing.holders - 1)
        told = {"outsiders_rho": str(outsiders), "partner_rho": str(partner)}
    else:
        told = {"outsiders_epsilon": str(plan.cost), "partner_epsilon": _partner(plan)}
    return {"shares": {"holders": sharing.holders, "colluders": sharing.colluders, **told}}


def _partner(plan: Plan) -> str:
    """ε towards one of the holders; where none was reckoned with, rounded up."""
    if plan.sharing.colluders:
        return str(plan.cost)
    vectors = (plan,) if plan.sums is None else (plan, plan.sums)
    mechanisms = [one for vector in vectors for one in vector.mechanisms]
    loss = sum(partner_epsilon(one.scale, one.sensitivity, plan.sharing) for one in mechanisms)
    return f"{math.ceil(loss * 10_000) / 10_000:.4f}"


def _levels(question: Question, plan: Plan, levels: Sequence[Figures]) -> list[dict[str, Any]]:
    table, cube = question.table, question.cube
    means = read_means(levels, plan, cube)
    told = []
    for place, (level, figures) in enumerate(zip(cube.levels, levels, strict=True)):
        shown = figures.rounded >= table.threshold
        one = {
            "id": level.id,
            "axes": [_axis(axis) for axis in level.axes],
            "share": str(plan.split[place]),
            "keys": level.keys(),
            **_figures(figures, plan, place, shown),
        }
        if figures.sums is not None and plan.sums is not None:
            shown = shown & ~_dominated(figures.sums, table.measure.clip or 0)
            one["sum"] = _figures(figures.sums, plan.sums, place, shown)
            one["mean"] = _mean(means[place], shown)
        told.append(one)
    return told


def _axis(axis: Axis) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": axis.id,
        "title": axis.title,
        "keys": axis.keys,
        "titles": axis.titles,
    }
    if axis.edges:
        told["edges"] = axis.edges
    if axis.tiles:
        told["tiles"] = axis.tiles
    return told


def _figures(figures: Figures, plan: Plan, place: int, shown: Mask) -> dict[str, Any]:
    """One vector of a level, where it may be shown."""
    low, high = figures.unrounded - figures.half_widths, figures.unrounded + figures.half_widths
    return {
        "scale": plan.mechanisms[place].scale,
        "rmse": round(plan.rmse[place], _DECIMALS),
        "total": int(figures.rounded.sum()),
        "withheld": int((~shown).sum()),
        "measured": _kept(figures.measured, shown),
        "unrounded": _kept(np.round(figures.unrounded, _DECIMALS).tolist(), shown),
        "low": _kept(np.round(np.floor(low * 10) / 10, 1).tolist(), shown),
        "high": _kept(np.round(np.ceil(high * 10) / 10, 1).tolist(), shown),
        "rounded": _kept(figures.rounded.tolist(), shown),
    }


def _mean(means: Means, shown: Mask) -> dict[str, Any]:
    """Whole euros; nothing where it is not known or not shown."""
    seen = shown & ~np.isnan(means.value)
    value, low, high = (
        np.nan_to_num(one)
        for one in (np.rint(means.value), np.floor(means.low), np.ceil(means.high))
    )
    return {
        "rounded": _kept(value.astype(np.int64).tolist(), seen),
        "low": _kept(low.astype(np.int64).tolist(), seen),
        "high": _kept(high.astype(np.int64).tolist(), seen),
    }


def _dominated(sums: Figures, clip: int) -> Mask:
    return np.array([may_dominate(clip, one) for one in sums.rounded.tolist()], np.bool_)


def _kept(values: Sequence[float | int], shown: Mask) -> list[float | int | None]:
    return [value if seen else None for value, seen in zip(values, shown.tolist(), strict=True)]


def _distributions(question: Question, plan: Plan, leaves: Figures) -> list[dict[str, Any]]:
    """Deciles, their bounds and shares of each group, where the last dimension is brackets.

    Withheld as cells are: a group below the threshold, the share of a bracket below it.
    """
    axes = question.cube.leaves.axes
    if not axes[-1].edges:
        return []
    shape, threshold = (-1, len(axes[-1].keys)), question.table.threshold
    counts, rounded = leaves.unrounded.reshape(shape), leaves.rounded.reshape(shape)
    widths = _group_widths(Simulation.of(plan, question.cube), shape[-1])
    found: list[dict[str, Any]] = []
    for place, group in enumerate(Level("groups", axes[:-1]).keys()):
        read = read_distribution(counts[place], axes[-1].edges, widths[place])
        if read is None or rounded[place].sum() < threshold:
            found.append({"keys": group, "deciles": None, "bounds": None, "shares": None})
            continue
        shares = [
            round(share, 5) if count >= threshold else None
            for share, count in zip(read.shares, rounded[place], strict=True)
        ]
        told = {"deciles": read.deciles, "bounds": read.bounds, "shares": shares}
        found.append({"keys": group, **told})
    return found


@lru_cache(16)
def _group_widths(simulation: Simulation, brackets: int) -> tuple[Floats, ...]:
    """As `decile_widths`, of each group; kept, for the draws take seconds."""
    errors = simulation.errors()[-1]
    groups = errors.reshape(len(errors), -1, brackets)
    return tuple(decile_widths(groups[:, place], COVERAGE) for place in range(groups.shape[1]))


def read_document(data: bytes) -> Mapping[str, Any]:
    """A document that holds together: as many figures as cells, sums that agree to the unit.

    Raises:
        IntegrityError: `BAD_DOCUMENT`.
    """
    try:
        content = json.loads(data)
        if content["format"] != FORMAT or type(content["threshold"]) is not int:
            raise _bad("of another format")
        levels = content["levels"]
        for level in levels:
            _check_level(level, content["threshold"])
        if len({level["total"] for level in content["levels"]}) != 1:
            raise _bad("its levels do not agree")
        if len({level["sum"]["total"] if "sum" in level else None for level in levels}) != 1:
            raise _bad("its sums do not agree")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad("cannot be read") from error
    found: Mapping[str, Any] = content
    return found


def _check_level(level: Mapping[str, Any], threshold: int) -> None:
    cells = len(level["keys"])
    _check_figures(level, cells)
    if min((one for one in level["rounded"] if one is not None), default=threshold) < threshold:
        raise _bad("a cell below the threshold is shown")
    if "sum" in level:
        _check_figures(level["sum"], cells)
        if {len(level["mean"][name]) for name in ("rounded", "low", "high")} != {cells}:
            raise _bad("not a mean for each cell")
        for persons, euros in zip(level["rounded"], level["sum"]["rounded"], strict=True):
            if persons is None and euros is not None:
                raise _bad("a sum of a withheld cell is shown")


def _check_figures(level: Mapping[str, Any], cells: int) -> None:
    counts = {len(level[name]) for name in ("measured", "unrounded", "low", "high", "rounded")}
    shown = [value for value in level["rounded"] if value is not None]
    if counts != {cells} or len(shown) + level["withheld"] != cells:
        raise _bad("not a figure for each cell")
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
