"""The page of a published table: its pictures say what its tables say, and how unsure they are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cloison.cli.root import read_policy
from cloison.french import french_count
from cloison.pages.budget import draw_budget
from cloison.pages.table import render_table
from cloison.pages.table_pictures import draw_curves, draw_maps
from cloison.statistics.declared import Declared, parse_declared
from cloison.statistics.document import build_document, read_document
from cloison.statistics.release import ExactCells, release
from cloison.v1 import entry_pb2, receipt_pb2
from cloison.v1 import statistics_service_pb2 as wire

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def declared() -> Declared:
    return parse_declared(read_policy(ROOT))


def published(declared: Declared, name: str, persons: int) -> Mapping[str, Any]:
    question = declared.question(name, "2026-03", "1")
    cells = question.cube.leaves.cells
    counts = np.zeros(cells, np.int64)
    counts[: cells * 2 // 3] = persons
    sums = question.table.measure.clip is not None
    exact = ExactCells(counts, counts * 300) if sums else ExactCells(counts)
    plan = question.plan()
    levels = release(exact, plan, question.cube)
    return read_document(build_document(question, plan, levels, b"\0" * 32))


def page(content: Mapping[str, Any]) -> str:
    reserved = entry_pb2.BudgetReserved(population="x", year=2026, spent_epsilon="1")
    entry = entry_pb2.Entry(budget_reserved=reserved).SerializeToString()
    receipt = receipt_pb2.Receipt(entry=entry, leaf_index=4)
    return render_table(content, receipt, receipt)


@pytest.mark.parametrize("name", ["caf-beneficiaries", "caf-amounts"])
def test_draw_maps_has_a_tile_for_each_place_with_its_figure_and_its_uncertainty(
    declared: Declared, name: str
) -> None:
    content = published(declared, name, 900)
    leaves = content["levels"][-1]
    figures = leaves.get("mean", leaves)
    maps = draw_maps(content)
    assert len(maps) == 3
    for number, drawn in enumerate(maps):
        own = [row for row, keys in enumerate(leaves["keys"]) if row % 3 == number]
        assert [tile.code for tile in drawn.tiles] == [leaves["keys"][row][0] for row in own]
        assert len({(tile.left, tile.top) for tile in drawn.tiles}) == 101
        for row, tile in zip(own, drawn.tiles, strict=True):
            value = figures["rounded"][row]
            assert tile.withheld is (value is None)
            assert ("retenu" if value is None else french_count(value)) in tile.said
            assert value is not None or tile.bar == 0
    shown = [tile for tile in maps[0].tiles if not tile.withheld]
    assert all(0 < tile.bar <= 1 for tile in shown)
    assert min(tile.bar for tile in shown) < 0.2


def test_draw_maps_table_without_places_has_none(declared: Declared) -> None:
    assert draw_maps(published(declared, "cnav-income", 100)) == []


def test_draw_curves_are_the_deciles_inside_their_band(declared: Declared) -> None:
    content = published(declared, "cnav-income-tree", 40)
    (curve,) = draw_curves(content)
    (told,) = content["distributions"]
    assert len(curve.dots) == sum(one is not None for one in told["deciles"])
    rises = [left for left, _, _ in curve.dots]
    assert rises == sorted(rises)
    for euros, (low, high) in zip(told["deciles"], told["bounds"], strict=True):
        assert euros is None or low is None or low <= euros
        assert euros is None or high is None or euros <= high
    withheld = {**content, "distributions": [{**told, "deciles": None}]}
    assert draw_curves(withheld) == []


def test_render_table_of_a_sum_says_clip_rules_and_every_figure(declared: Declared) -> None:
    content = published(declared, "caf-amounts", 900)
    told = page(content)
    assert "ramené entre 0 et 1200 €" in told
    assert "plus de 85 %" in told
    for level in content["levels"]:
        for name in ("sum", "mean"):
            shown = [one for one in level[name]["rounded"] if one is not None]
            assert all(french_count(one) in told for one in shown[:20])
    assert told.count("retenu") > 0
    assert "<script" not in told


def test_render_table_whatever_the_document_says_is_text(declared: Declared) -> None:
    hostile = "<script>alert(1)</script>\"' onload=x {{ 7*7 }}"
    content = dict(published(declared, "caf-amounts", 900))
    content["title"] = hostile
    content["measure"]["clip_source"] = hostile
    content["levels"][-1]["axes"][0]["titles"] = [hostile] * 101
    content["levels"][-1]["axes"][1]["titles"] = [hostile] * 3
    told = page(content)
    assert "<script" not in told
    assert "49" not in re.findall(r"onload=x (\S+)", told)


def test_draw_budget_draws_what_is_spent_and_never_past_the_grant() -> None:
    told = wire.BudgetResponse(
        budgets=[
            wire.PopulationBudget(
                population="<b>&", year=2026, granted_epsilon="4", spent_epsilon="1",
                granted_rho="0", spent_rho="0",
            ),
            wire.PopulationBudget(
                population="all", year=2026, granted_epsilon="4", spent_epsilon="9",
                granted_rho="1/10", spent_rho="1/20",
            ),
        ]
    )  # fmt: skip
    picture = ET.fromstring(draw_budget(told))  # noqa: S314 - our own picture
    bars = [one for one in picture if one.get("fill") in {"#e3e3fd", "#000091"}]
    widths = [float(one.get("width", "0")) for one in bars]
    assert [spent / whole for whole, spent in zip(widths[::2], widths[1::2], strict=True)] == [
        0.25,
        1.0,
        0.5,
    ]
    assert "1 sur 4; reste 3" in [one.text for one in picture]
