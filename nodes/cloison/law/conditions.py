"""A rule's conditions, each evaluated by Cedar on its own; purposes no rule tells apart."""

from dataclasses import replace
from datetime import date
from functools import lru_cache

import cedarpy
from cedarpy import pst

from cloison.law.policy_set import PolicySet
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import Shape, blank_shape, requests_of
from cloison.law.slices import Place, policy_set


def met(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> set[int]:
    """Places of the conditions of `rule` that hold for `purpose`."""
    if not rule.conditions:
        return set()
    [request] = requests_of(shape, [purpose], rule.attributes)
    result = cedarpy.is_authorized(request, _one_by_one(rule), policy.entities)
    return {int(name) for name in result.diagnostics.reasons}


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
    worked out once. Where a condition also reads something else, each purpose stands for itself.
    """
    purposes = policy.activities[place.activity].purposes
    rules = policy.slices.slice(place, day, texts).rules.values()
    read = [
        (rule, index)
        for rule in rules
        for index, condition in enumerate(rule.conditions)
        if about_purpose(condition)
    ]
    if place.received or not all(_reads_nothing_else(r.conditions[i]) for r, i in read):
        return {purpose: purpose for purpose in purposes}
    first: dict[tuple[bool, ...], str] = {}
    blank = blank_shape(place)
    return {
        purpose: first.setdefault(
            tuple(index in met(policy, rule, blank, purpose) for rule, index in read), purpose
        )
        for purpose in purposes
    }
