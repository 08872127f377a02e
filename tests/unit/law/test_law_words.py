"""Every refusal can be read, in both languages, and every instant has its day in Paris."""

import doctest
from dataclasses import replace
from datetime import UTC, date, datetime

import cedarpy
import pytest
from cedarpy import pst

from cloison.law import Decision, Facts, Obligation, Outcome, PolicySet, Question, decide, paris
from cloison.law.explain import _REASONS, explain_en, explain_fr
from cloison.law.paris import paris_day
from cloison.law.words import condition_words, french, phrase, sides


def _condition(text: str) -> pst.Expr:
    rule = f"permit (principal, action, resource) when {{ {text} }};"
    clause = next(iter(cedarpy.policies_to_pst(rule).static_policies.values())).clauses[0]
    return clause.expr


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("context.case.live", "the case is live"),
        ("context.cohort", "many persons stand under one statement"),
        ("!context.cohort", "persons are named one by one"),
        ("context.persons == 1", "exactly 1 person is asked about"),
        ("context.persons >= 11", "at least 11 persons are asked about"),
        (
            "context.case.months_back_first == 13",
            "the first month asked is exactly 13 months before the case's month",
        ),
        (
            "context.case.months_back_last == 2",
            "the last month asked is exactly 2 months before the case's month",
        ),
        ('context.granularity == "year"', "the answer is by `year`"),
        ('["year", "month"].contains(context.granularity)', "the answer is by `year` or `month`"),
        ('context.purpose in [Purpose::"a", Purpose::"b"]', "the purpose is `a` or `b`"),
        ('["mns"].containsAll(context.fields)', "no field is asked but `mns`"),
        ('principal == Activity::"caf-ppa"', "the question is put by `caf-ppa`"),
        (
            "resource.purposes.contains(context.purpose)",
            "the data were collected for this purpose",
        ),
        ("context.months * 2 == 4", "((context.months) * 2) == 4"),
        ("context.months == 4", "(context.months) == 4"),
        ('["x"].contains(resource.name)', '["x"].contains(resource.name)'),
    ],
)
def test_condition_words_say_the_condition(condition: str, words: str) -> None:
    assert condition_words(_condition(condition)) == words


def test_condition_words_cover_every_shipped_rule(policy: PolicySet) -> None:
    unsaid = [
        (rule.id, words)
        for rule in policy.rules
        if rule.permits
        for condition in rule.conditions
        if "context." in (words := condition_words(condition))
    ]

    assert unsaid == []


@pytest.mark.parametrize(("english", "expected"), list(sides()))
def test_french_translates_every_pattern(english: str, expected: str) -> None:
    said = english.format(x="`a`", y="2026-01-01")

    assert french(said) == expected.format(x="`a`", y="2026-01-01")


def test_french_translates_inside_a_sentence() -> None:
    said = phrase("also", "`prefill`", phrase("live"))

    assert french(said).endswith("que le traitement déclare aussi : le dossier est en cours")


def test_french_leaves_other_words_as_they_are() -> None:
    assert french("context.x == 3") == "context.x == 3"


@pytest.mark.parametrize("reason", list(_REASONS))
def test_explain_says_every_reason_in_both_languages(question: Question, reason: str) -> None:
    decision = Decision(outcome=Outcome.DENY, reason=reason)

    assert explain_fr(decision, question).startswith("Refusé : caf-ppa ne peut lire")
    assert _REASONS[reason][1] in explain_fr(decision, question)
    assert _REASONS[reason][0] in explain_en(decision, question)


def test_explain_permit_cites_the_article(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    decision = decide(policy, question, facts, now)

    assert "decret-2025-1288, art. 2, I, 3°" in explain_fr(decision, question)
    assert explain_fr(decision, question).endswith("une date n'a pas été vue.")
    assert explain_en(decision, question).startswith("Permitted: caf-ppa may read cnav/")


def test_explain_default_deny_names_what_is_lacking(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    alone = replace(facts, case=None)
    decision = decide(policy, question, alone, now)

    assert "il manque : le dossier est en cours" in explain_fr(decision, question)
    assert "lacks: the case is live" in explain_en(decision, question)


def test_explain_obligations_are_listed(question: Question, policy: PolicySet) -> None:
    targeting = replace(
        question, activity="caf-dmde", purpose="control-targeting", legal_basis="decret-2024-50"
    )
    facts = Facts(None, cohort=True, named_agent=False, same_policy_set=True, persons=1000)
    decision = decide(policy, targeting, facts, datetime(2024, 6, 1, tzinfo=UTC))

    assert "À condition : flag control-targeting" in explain_fr(decision, targeting)


def test_explain_obligation_of_two_texts_is_said_once(question: Question) -> None:
    duties = tuple(Obligation("flag", "statistics", rule) for rule in ("a/x", "b/x"))
    decision = Decision(Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=duties)

    assert explain_en(decision, question).count("flag statistics") == 1


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2024-01-31T22:59:59+00:00", "2024-01-31"),
        ("2024-01-31T23:00:00+00:00", "2024-02-01"),
        ("2024-06-30T21:59:59+00:00", "2024-06-30"),
        ("2024-06-30T22:00:00+00:00", "2024-07-01"),
        ("2024-03-31T00:59:59+00:00", "2024-03-31"),
        ("2024-10-27T22:30:00+00:00", "2024-10-27"),
        ("2024-10-26T22:30:00+00:00", "2024-10-27"),
        ("2024-07-01T00:30:00+02:00", "2024-07-01"),
    ],
)
def test_paris_day_follows_the_clock_of_paris(instant: str, day: str) -> None:
    assert paris_day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


def test_paris_docstring_runs() -> None:
    assert doctest.testmod(paris).failed == 0
