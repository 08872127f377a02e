"""Slips in rules, and the examples that see them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloison.cli.app import run
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.coverage import Coverage, cover, sort_out
from cloison.law.files import parse_examples
from cloison.law.mutants import mutants_of
from cloison.law.prove.idle import Idle
from cloison.law.prove.search import Search

_TEXT = "texts/loi-78-17"
_HEAD = """
id = "loi-78-17"
title = "x"
read = "whole"
in_force = { from = 2020-01-01 }
sources = [{ code = "x", where = "x", part = "x" }]
"""
_RULE = """
@id("one") @article("1")
permit (principal == Activity::"cnil-audit", action, resource)
when { context.persons >= 2 && !(context.cohort || context.granularity == "year") }
unless { ["month", "year"].contains(context.granularity) };
"""


@pytest.fixture(scope="module")
def whole(policy: PolicySet) -> Coverage:
    return sort_out(policy, cover(policy))


def _gone(files: Mapping[str, bytes], text: str, *names: str) -> dict[str, bytes]:
    """The files without the examples of a text whose source holds one of `names`."""
    path = f"texts/{text}/examples.yaml"
    parts = re.split(rb"(?m)^(?=- name:)", files[path])
    kept = [part for part in parts if not any(name.encode() in part for name in names)]
    assert len(kept) < len(parts)
    return {**files, path: b"".join(kept)}


def _unnamed(files: Mapping[str, bytes], rule: str) -> dict[str, bytes]:
    """The files without any example of any text that names the rule."""
    changed = dict(files)
    for path in files:
        if path.endswith("/examples.yaml") and rule.encode() in files[path]:
            changed = _gone(changed, path.split("/")[1], rule)
    return changed


def test_slips_of_every_rule_are_tried(policy: PolicySet, whole: Coverage) -> None:
    assert whole.mutants > 10 * len(policy.rules)
    assert whole.survivors == ()
    assert whole.killed > 6 * (len(whole.idle) + len(whole.refused))


def test_no_rule_can_be_removed_unseen(whole: Coverage) -> None:
    assert [one.rule.id for one in whole.survivors if one.what == "removed"] == []


def test_no_condition_can_be_negated_unseen(whole: Coverage) -> None:
    assert [one.what for one in whole.survivors if "negated" in one.what] == []


def test_permit_without_the_examples_that_name_it_can_be_removed_unseen(
    files: Mapping[str, bytes],
) -> None:
    without = PolicySet.parse(_unnamed(files, "decret-2024-50/experiment]"))

    removed = {one.rule.id for one in cover(without).survivors if one.what == "removed"}

    assert removed == {"decret-2024-50/experiment"}


def test_forbid_without_the_examples_it_closes_can_be_removed_unseen(
    files: Mapping[str, bytes], policy: PolicySet
) -> None:
    changed = dict(files)
    for text, examples in policy.examples.items():
        if any(one.reason == "FORBIDDEN" for one in examples):
            changed = _gone(changed, text, "reason: FORBIDDEN")

    survivors = cover(PolicySet.parse(changed)).survivors

    assert "crpa-l114-8/only-to-inform" in {one.rule.id for one in survivors if not one.template}


def test_forbid_is_seen_though_nothing_else_would_permit(
    policy: PolicySet, whole: Coverage
) -> None:
    """Its examples would be denied without it: only beside a planted permit are they seen red."""
    forbids = [rule for rule in policy.rules if not rule.permits]

    assert forbids
    assert not {one.rule.id for one in whole.survivors} & {rule.id for rule in forbids}


def test_slips_are_every_small_change_of_a_rule(files: Mapping[str, bytes]) -> None:
    made = PolicySet.parse(
        {**files, f"{_TEXT}/text.toml": _HEAD.encode(), f"{_TEXT}/rules.cedar": _RULE.encode()}
    )
    [rule] = [rule for rule in made.rules if rule.ref.text == "loi-78-17"]

    slips = [mutant.what for mutant in mutants_of(rule)]

    assert slips == [
        "removed",
        "`principal` widened",
        '`!((context.cohort) || ((context.granularity) == "year"))` dropped',
        "`(context.persons) >= 2` dropped",
        "`(context.persons) >= 2` negated",
        "`(context.persons) >= 2` with 1",
        "`(context.persons) >= 2` with 3",
        "`context.cohort` negated",
        '`(context.granularity) == "year"` negated',
        '`["month", "year"].contains(context.granularity)` dropped',
        '`["month", "year"].contains(context.granularity)` negated',
        '`["month", "year"].contains(context.granularity)` without "month"',
        '`["month", "year"].contains(context.granularity)` without "year"',
    ]


def test_command_names_what_no_example_sees(
    files: Mapping[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, content in _unnamed(files, "decret-2024-50/experiment]").items():
        place = tmp_path / "policy" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    assert run(["law", "coverage", "--json", "--root", str(tmp_path)]) == 1
    found = json.loads(capsys.readouterr().out)
    apart = [*found["refused"], *found["idle"], *found["survivors"]]
    assert found["killed"] == found["mutants"] - len(apart)
    assert ("decret-2024-50/experiment", "removed") in {
        (one["rule"], one["slip"]) for one in found["survivors"]
    }


def test_slip_that_could_change_an_outcome_is_not_proved_idle(policy: PolicySet) -> None:
    """Whatever an example sees can change something: none of it may be proved to change nothing."""
    idle = Idle(Search(policy))
    [rule] = [one for one in policy.rules if one.id == "decret-2025-51/housing-application"]

    proved = [
        one.what
        for one in mutants_of(rule)
        if one.template is not None and idle.proves(rule, one.template)
    ]

    assert [one for one in proved if "dropped" not in one and "widened" not in one] == []
    assert not any("live" in one or "covers" in one or "months_back" in one for one in proved)


_PERMIT = """
- name: "x"
  day: 2026-11-21
  activity: caf-ppa
  purpose: calculation
  basis: decret-2025-1288
  asks: cnav/monthly_resources
  fields: [mns]
  months: 2026-02..2026-04
  granularity: month
  case: {type: claim, month: 2026-06}
  expect: %s
  refused_if:
  - {granularity: year}
  - %s
"""


@pytest.mark.parametrize(
    ("expect", "change", "why"),
    [
        ("deny", "{persons: 2}", "this example expects no permit"),
        ("permit", "{case.alive: false}", "`case.alive`: unknown key"),
        ("permit", "{granularite: year}", "`granularite`: unknown key"),
        ("permit", "{granularity: weekly}", "`granularity`:"),
        ("permit", "{granularity: month}", "a change that changes nothing"),
        ("permit", "{received.by: caf-ppa}", "the example has no `received`"),
        ("permit", "{expect: permit}", "`expect` is no part of what is asked"),
        ("permit", "{}", "a change that changes nothing"),
        ("permit", "[persons]", "`refused_if.1`:"),
    ],
)
def test_bad_change_is_refused_with_file_and_line(expect: str, change: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_examples("texts/x/examples.yaml", (_PERMIT % (expect, change)).encode())

    shown = str(caught.value)
    assert "texts/x/examples.yaml:" in shown
    assert why in shown
    assert caught.value.hint


def test_each_change_is_an_example_that_is_denied() -> None:
    found = parse_examples("x", (_PERMIT % ("permit", "{case: null, cohort: 50}")).encode())

    assert [one.expect.value for one in found] == ["permit", "deny", "deny"]
    assert [one.name for one in found[1:]] == [
        "x, mais granularity: year",
        "x, mais case: rien, cohort: 50",
    ]
    assert found[2].case is None
    assert found[2].cohort == 50
