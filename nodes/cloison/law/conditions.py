"""A rule's conditions, each evaluated by Cedar on its own; purposes no rule tells apart."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache

import cedarpy
from cedarpy import pst

from cloison.law.policy_set import PolicySet
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import Shape, blank_shape, requests_of
from cloison.law.slices import Place, policy_set


def met(
    policy: PolicySet, rule: Rule, shape: Shape, purposes: Sequence[str]
) -> list[frozenset[int]]:
    """For each purpose, places of the conditions of `rule` that hold; one that errors does not."""
    if not rule.conditions:
        return [frozenset() for _ in purposes]
    found = _answers(policy, rule, shape, purposes)
    return [frozenset(map(int, answer.reasons)) for answer in found]


def _answers(
    policy: PolicySet, rule: Rule, shape: Shape, purposes: Sequence[str]
) -> list[cedarpy.Diagnostics]:
    requests = requests_of(shape, purposes, rule.attributes)
    results = cedarpy.is_authorized_batch(requests, _one_by_one(rule), policy.entities)
    return [result.diagnostics for result in results]


@lru_cache(maxsize=4096)
def _one_by_one(rule: Rule) -> cedarpy.PolicySet:
    """Each condition of a rule as a permit of its own, named by its place."""
    return policy_set(
        replace(
            rule.template,
            id=str(index),
            effect="permit",
            principal=pst.ScopeAny(),
            action=pst.ScopeAny(),
            resource=pst.ScopeAny(),
            clauses=(pst.When(condition),),
        )
        for index, condition in enumerate(rule.conditions)
    )


@lru_cache(maxsize=4096)
def about_purpose(condition: pst.Expr) -> bool:
    """Whether it reads the purpose of the question."""
    return any(_is_purpose(node) for node in nodes_of(condition))


def _is_purpose(node: object) -> bool:
    return (
        isinstance(node, pst.GetAttr) and node.attr == "purpose" and node.base == pst.Var("context")
    )


def _reads_nothing_else(condition: pst.Expr) -> bool:
    """Whether the purpose is all it reads of the context."""
    nodes = list(nodes_of(condition))
    contexts = sum(node == pst.Var("context") for node in nodes)
    return contexts == sum(map(_is_purpose, nodes))


@lru_cache(maxsize=4096)
def stand_ins(policy: PolicySet, place: Place, day: date, texts: frozenset[str]) -> dict[str, str]:
    """For each purpose of the activity, the first that no rule of the slice tells apart from it.

    Two purposes that every condition on the purpose answers alike have the same verdict, so it is
    worked out once. Where a condition also reads something else, or errors for some purpose, each
    purpose stands for itself.
    """
    purposes = policy.activities[place.activity].purposes
    alone = {purpose: purpose for purpose in purposes}
    rules = [
        rule
        for rule in policy.slices.slice(place, day, texts).rules.values()
        if any(map(about_purpose, rule.conditions))
    ]
    read = [
        condition for rule in rules for condition in rule.conditions if about_purpose(condition)
    ]
    if place.received or not all(map(_reads_nothing_else, read)):
        return alone
    blank = blank_shape(place)
    by_rule = [_answers(policy, rule, blank, purposes) for rule in rules]
    if any(answer.errors for found in by_rule for answer in found):
        return alone
    first: dict[tuple[bool, ...], str] = {}
    return {
        one: first.setdefault(_told(rules, [found[place] for found in by_rule]), one)
        for place, one in enumerate(purposes)
    }


def _told(rules: Sequence[Rule], answers: Sequence[cedarpy.Diagnostics]) -> tuple[bool, ...]:
    """What the conditions on the purpose say, rule by rule."""
    return tuple(
        str(index) in answer.reasons
        for rule, answer in zip(rules, answers, strict=True)
        for index, condition in enumerate(rule.conditions)
        if about_purpose(condition)
    )
