"""The policy set itself: every example, every rule, every gap in what was read."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.cli.root import find_root, read_policy
from cloison.law import (
    Action,
    CaseFacts,
    Difference,
    Example,
    Facts,
    Granularity,
    PolicySet,
    Question,
    decide,
    decide_example,
    run_examples,
)
from cloison.law.records import Activity, Certainty, Read, Reads
from cloison.months import Month
from cloison.store import load_nodes

_ROOT = find_root(Path(__file__).parent)
_POLICY = PolicySet.parse(read_policy(_ROOT))
_RESULTS = list(run_examples(_POLICY))
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_MONTH = Month.parse("2026-06")
_ASKED_BY_RECORD = [
    (activity, reads)
    for activity in _POLICY.activities.values()
    for reads in activity.reads
    if reads.granularity is not None
]


def test_examples_are_found() -> None:
    assert len(_RESULTS) >= 150
    assert all(examples for examples in _POLICY.examples.values())


@pytest.mark.parametrize(
    ("text", "example", "differences"),
    _RESULTS,
    ids=[f"{text}: {example.name}" for text, example, _ in _RESULTS],
)
def test_example_is_decided_as_expected(
    text: str, example: Example, differences: tuple[Difference, ...]
) -> None:
    assert [(one.what, one.expected, one.found) for one in differences] == []
    assert text in _POLICY.texts
    said = example.reason or example.rules or ", mais " in example.name
    assert said, "an example says why, or is a change of one that does"


def test_every_rule_decides_some_example() -> None:
    decided = {
        f"{rule.text}/{rule.rule}"
        for _, example, _ in _RESULTS
        for rule in decide_example(_POLICY, example).rules
    }

    assert {rule.id for rule in _POLICY.rules} - decided == set()


@pytest.mark.parametrize("text", list(_POLICY.texts))
def test_text_says_where_it_was_read_and_what_was_not(text: str) -> None:
    found = _POLICY.texts[text]

    assert found.sources
    assert found.read is Read.WHOLE or found.read_note
    dates = found.in_force
    assert dates.certainty is Certainty.READ or dates.note or found.read_note


@pytest.mark.parametrize("text", list(_POLICY.texts))
def test_text_says_why_it_has_no_rule_where_it_has_none(text: str) -> None:
    ruled = any(rule.ref.text == text for rule in _POLICY.rules)

    assert bool(_POLICY.texts[text].no_rule) is not ruled


def test_only_the_text_read_whole_permits_without_reserve() -> None:
    firm = {rule.ref.text for rule in _POLICY.rules if not rule.ref.provisional}

    assert firm == {"crpa-l114-8"}


@pytest.mark.parametrize("holder", list(load_nodes(_ROOT / "nodes")))
def test_datasets_have_the_fields_of_the_catalogue(holder: str) -> None:
    catalogue = tomllib.loads((_ROOT / "nodes" / holder / "catalogue.toml").read_text())
    fields = {name: set(one["fields"]) for name, one in catalogue["datasets"].items()}
    known = {
        dataset.id: set(dataset.fields)
        for (body, _), dataset in _POLICY.datasets.items()
        if body == holder
    }

    assert known == fields


@pytest.mark.parametrize(
    ("activity", "reads"),
    _ASKED_BY_RECORD,
    ids=[f"{activity.id} {reads.holder}/{reads.dataset}" for activity, reads in _ASKED_BY_RECORD],
)
def test_what_a_record_asks_is_permitted_but_for_what_no_text_opens(
    activity: Activity, reads: Reads
) -> None:
    """A named file is asked about by a named agent; its record says what nothing read opens."""
    facts = replace(_facts(activity), named_agent=activity.benefit is None)
    decision = decide(_POLICY, _question(activity, reads), facts, _NOW)

    shut = activity.benefit is None and reads.dataset == "monthly_resources"
    assert decision.reason == ("NO_TEXT" if shut else "PERMITTED"), decision.nearest
    assert not shut or "Rien de lu ne l'ouvre" in reads.why


@pytest.mark.parametrize("day", [datetime(2023, 6, 1, tzinfo=UTC), _NOW], ids=str)
def test_totals_are_given_of_the_whole_window_and_of_no_part_of_it(day: datetime) -> None:
    """Totals of parts, asked one after the other, would tell the months one by one."""
    activity = _POLICY.activities["caf-al"]
    basis = "decret-2025-1288" if day == _NOW else "decret-2019-969"
    reads = next(one for one in activity.reads if one.granularity is Granularity.WINDOW_TOTAL)
    asked = replace(_question(activity, reads), legal_basis=basis)
    permitted = [
        (first, last)
        for first in range(16)
        for last in range(first + 1)
        if decide(_POLICY, _months_back(asked, first, last), _facts(activity, day), day).permitted
    ]

    assert permitted == [(13, 2)]


def test_totals_are_named_by_the_two_rules_that_want_the_whole_window() -> None:
    """Where a rule names no granularity, whoever it permits may have each month anyway."""
    totals = {rule.id for rule in _POLICY.rules if "window-total" in rule.source}

    assert totals == {"decret-2019-969/al", "decret-2025-1288/al"}


def _months_back(question: Question, first: int, last: int) -> Question:
    return replace(question, first_month=_MONTH - first, last_month=_MONTH - last)


def _question(activity: Activity, reads: Reads) -> Question:
    first = last = _MONTH
    if reads.window is not None:
        first, last = _MONTH + reads.window.first, _MONTH + reads.window.last
    if reads.years is not None:
        year = _MONTH.year + reads.years
        first, last = Month.of(year, 1), Month.of(year, 12)
    return Question(
        action=Action.ASK,
        requester=BodyId(activity.body),
        holder=BodyId(reads.holder),
        activity=activity.id,
        purpose=reads.purpose or activity.purposes[0],
        legal_basis=reads.legal_basis or activity.legal_bases[0],
        dataset=reads.dataset,
        fields=tuple(sorted(reads.fields)),
        first_month=first,
        last_month=last,
        granularity=reads.granularity or Granularity.CURRENT,
    )


def _facts(activity: Activity, now: datetime = _NOW) -> Facts:
    case = CaseFacts(
        type=activity.case_types[0].type,
        activity=activity.id,
        month=_MONTH,
        opened_time=now - timedelta(hours=1),
        valid_until=now + timedelta(days=activity.case_types[0].validity_days),
        covers_persons=True,
        questions_before=5,
    )
    return Facts(case, cohort=False, named_agent=False, same_policy_set=True, persons=2)


def test_promise_is_opened_by_one_text_alone_and_for_one_year() -> None:
    opened = [
        (text.id, one.promise, (one.until - one.from_).days)
        for text in _POLICY.texts.values()
        for one in text.opens
        if one.until is not None
    ]

    assert opened == [("decret-2024-50", "income-never-targets", 366)]


def test_no_activity_resets_a_label_but_statistics() -> None:
    reset = [
        activity.id
        for activity in _POLICY.activities.values()
        for output in activity.outputs
        if output.label == "reset"
    ]

    assert reset == ["drees-statistics"]
