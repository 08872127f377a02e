"""Laws that hold for every question: a forbid never opens, memory never changes an answer."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloison.bodies import BodyId
from cloison.law import Action, CaseFacts, Facts, Granularity, Outcome, PolicySet, Question, decide
from cloison.law.decide import _own, decide_shape, said_of
from cloison.law.paris import paris_day
from cloison.law.prepared import prepared
from cloison.law.shape import CONTEXT, requests_of, shape_of
from cloison.law.slices import policy_set
from cloison.months import Month

_RULES = "texts/decret-2025-1288/rules.cedar"
_CONDITIONS = [
    "true",
    "context.cohort",
    "context.case.live",
    'context.purpose in Purpose::"rights"',
    "context.case.months_back_first > 4",
    'resource in Body::"cnav"',
    "context.named_agent || context.persons > 1",
]
_QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="session")
def stricter(files: Mapping[str, bytes]) -> list[PolicySet]:
    """The shipped set with one more forbid, in several ways."""
    return [
        PolicySet.parse({**files, _RULES: files[_RULES] + _forbid(condition).encode()})
        for condition in _CONDITIONS
    ]


def _forbid(condition: str) -> str:
    rule = '@id("more") @article("x") forbid (principal, action, resource)'
    return f"\n{rule} when {{ {condition} }};\n"


_NOWS = st.datetimes(
    datetime(2018, 1, 1),  # noqa: DTZ001 - made aware by `timezones`
    datetime(2027, 1, 1),  # noqa: DTZ001 - made aware by `timezones`
    timezones=st.just(UTC),
)
_MONTHS = st.integers(Month.parse("2023-01").index, Month.parse("2026-12").index).map(Month)


@st.composite
def _questions(draw: st.DrawFn, policy: PolicySet) -> Question:
    """A question some record allows, for any months and granularity."""
    activity = draw(st.sampled_from([one for one in policy.activities.values() if one.reads]))
    reads = draw(st.sampled_from(activity.reads))
    first = draw(_MONTHS)
    received = draw(st.sampled_from([None, None, *policy.activities.values()]))
    return Question(
        action=Action.READ_RECEIVED if received else Action.ASK,
        requester=BodyId(activity.body),
        holder=BodyId(reads.holder),
        activity=activity.id,
        purpose=draw(st.sampled_from(activity.purposes)),
        legal_basis=draw(st.sampled_from(activity.legal_bases)),
        dataset=reads.dataset,
        fields=reads.fields,
        first_month=first,
        last_month=first + draw(st.integers(0, 13)),
        granularity=draw(st.sampled_from(Granularity)),
        received_for=received.purposes[0] if received else "",
        received_by=received.id if received else "",
    )


@st.composite
def _facts(draw: st.DrawFn, policy: PolicySet, question: Question, now: datetime) -> Facts:
    """Facts that are mostly as they should be."""
    types = [one.type for one in policy.activities[question.activity].case_types] or ["claim"]
    mostly = st.sampled_from([True, True, True, False])
    case = CaseFacts(
        type=draw(st.sampled_from(types)),
        activity=question.activity if draw(mostly) else "caf-rsa",
        month=question.last_month + draw(st.integers(0, 4)),
        opened_time=now - timedelta(days=1),
        valid_until=now + timedelta(days=1 if draw(mostly) else -1),
        covers_persons=draw(mostly),
        questions_before=draw(st.integers(0, 3)),
    )
    return Facts(
        case=case if draw(mostly) else None,
        cohort=draw(st.booleans()),
        named_agent=draw(st.booleans()),
        same_policy_set=draw(st.booleans()),
        persons=draw(st.integers(1, 8)),
    )


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_adding_a_forbid_never_permits_more(
    policy: PolicySet, stricter: list[PolicySet], data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    facts = data.draw(_facts(policy, question, now))

    before = decide(policy, question, facts, now)
    after = decide(data.draw(st.sampled_from(stricter)), question, facts, now)

    assert before.permitted or not after.permitted


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_memory_never_changes_an_answer(
    policy: PolicySet, data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    facts = data.draw(_facts(policy, question, now))
    activity = policy.activities[question.activity]
    shape = shape_of(question, facts, now, _own(activity, facts), (False, True))

    anew = decide_shape(policy, shape, policy.epoch(paris_day(now)))

    assert decide(policy, question, facts, now) == anew


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_every_permit_stands_on_the_text_relied_on(
    policy: PolicySet, data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    decision = decide(policy, question, data.draw(_facts(policy, question, now)), now)

    if decision.permitted:
        assert decision.text == question.legal_basis
        assert decision.text in {rule.text for rule in decision.rules}
    else:
        assert decision.outcome is Outcome.DENY
        assert decision.obligations == ()


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_fewer_fields_are_never_refused_where_more_are_not(
    policy: PolicySet, data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    facts = data.draw(_facts(policy, question, now))
    fewer = replace(question, fields=question.fields[:1])

    if decide(policy, question, facts, now).permitted:
        assert decide(policy, fewer, facts, now).permitted


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_slice_answers_as_every_rule_in_force(
    policy: PolicySet, data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    facts = data.draw(_facts(policy, question, now))
    day = paris_day(now)
    shape = shape_of(question, facts, now, own=True, counts=(True, True))
    [request] = requests_of(shape, [question.purpose], policy.attributes)
    rules = [rule for rule in policy.rules if rule.in_force(day)]
    everything = policy_set(rule.template for rule in rules)
    part = policy.slices.slice(shape.place, day, frozenset(policy.texts))

    whole = cedarpy.is_authorized(request, everything, policy.entities)

    reasons = set(whole.diagnostics.reasons)
    if part.policies is None:
        assert reasons == set()
    else:
        sliced = cedarpy.is_authorized(request, part.policies, policy.entities)
        assert (sliced.decision, set(sliced.diagnostics.reasons)) == (whole.decision, reasons)


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_what_is_left_open_of_a_place_answers_as_every_rule_in_force(
    policy: PolicySet, stricter: list[PolicySet], data: st.DataObject, now: datetime
) -> None:
    """For every purpose: what was settled beforehand could not have been answered otherwise."""
    question = data.draw(_questions(policy))
    facts = data.draw(_facts(policy, question, now))
    law = data.draw(st.sampled_from([policy, *stricter]))
    shape = shape_of(question, facts, now, own=True, counts=(True, True))
    rules = policy_set(rule.template for rule in law.rules if rule.in_force(paris_day(now)))
    parts = prepared(law, shape.place, paris_day(now), frozenset(law.texts))

    for purpose, part in parts.items():
        [request] = requests_of(shape, [purpose], law.attributes)
        whole = cedarpy.is_authorized(request, rules, law.entities)
        said = said_of(law, shape, part, purpose)
        reasons = frozenset(whole.diagnostics.reasons)
        assert (said.allowed, said.reasons) == (whole.allowed, reasons)


@_QUICK
@given(data=st.data(), now=_NOWS)
def test_request_is_one_the_schema_knows(
    policy: PolicySet, data: st.DataObject, now: datetime
) -> None:
    question = data.draw(_questions(policy))
    shape = shape_of(
        replace(question, action=Action.ASK),
        data.draw(_facts(policy, question, now)),
        now,
        own=True,
        counts=(True, True),
    )
    [request] = requests_of(shape, [question.purpose], CONTEXT)

    result = cedarpy.is_authorized(request, policy_set([]), policy.entities, schema=policy.schema)

    assert result.diagnostics.errors == []
    assert result.decision is cedarpy.Decision.Deny
