"""What a section's figures mean, and that each bar is met or missed by them."""

import pytest
from tests.bench import growth
from tests.bench.decision import FEW, MANY, _sides, _with_few, _with_many
from tests.bench.processes import ROOT
from tests.bench.run import SECTIONS
from tests.bench.section import Section, at_most, interleaved

from cloison.cli.root import read_policy
from cloison.law import PolicySet


def test_interleaved_calls_each_side_as_often_and_counts_no_first_round() -> None:
    called: dict[str, list[int]] = {"a": [], "b": []}
    costs = interleaved({name: seen.append for name, seen in called.items()}, 3, 5)

    assert called["a"] == called["b"] == list(range(20))
    assert set(costs) == {"a", "b"}


@pytest.mark.parametrize(("value", "met"), [(1.2, True), (1.21, False)])
def test_at_most_is_met_up_to_the_bar(value: float, met: bool) -> None:
    assert at_most("growth", 1.2, value).met is met


def test_section_summary_holds_its_figures_and_its_bars() -> None:
    section = Section("title", (), (), (at_most("x", 150, 199.4, " µs"),), {"us": {"few": 1.0}})

    assert section.summary() == {
        "us": {"few": 1.0},
        "bars": [{"what": "x", "bar": "≤ 150 µs", "measured": "199 µs", "met": False}],
    }


def test_sections_are_named_as_the_design_names_its_bars() -> None:
    assert {"entitlement", "growth", "decision"} <= set(SECTIONS)


def test_decision_sets_hold_few_and_a_thousand_rules_and_permit_the_same_question() -> None:
    files = read_policy(ROOT)
    sets = {
        "few": PolicySet.parse(_with_few(files)),
        "many": PolicySet.parse(_with_many(files)),
    }

    assert len(sets["few"].rules) <= FEW
    assert len(sets["many"].rules) == MANY
    sides = {"few", "few, again", "many", "many, again", "other months", "Cedar alone"}
    assert set(_sides(sets)) == sides


def test_growth_stores_are_asked_as_a_holder_asks(tmp_path: object) -> None:
    store = growth._filled(tmp_path / "store.sqlite", 10)  # type: ignore[operator]
    try:
        growth._question(store, 10, seed=1)(0)
    finally:
        store.close()
