"""A rule's conditions, each evaluated by Cedar on its own."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cedarpy
from cedarpy import pst

from cloison.law.policy_set import PolicySet
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import Shape, requests_of
from cloison.law.slices import policy_set


def met(
    policy: PolicySet, rule: Rule, shape: Shape, purposes: Sequence[str]
) -> list[frozenset[int]]:
    """For each purpose, places of the conditions of `rule` that hold; one that errors does not."""
    if not rule.conditions:
        return [frozenset() for _ in purposes]
    requests = requests_of(shape, purposes, rule.attributes)
    found = cedarpy.is_authorized_batch(requests, _one_by_one(rule), policy.entities)
    return [frozenset(map(int, answer.diagnostics.reasons)) for answer in found]


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
    return any(is_purpose(node) for node in nodes_of(condition))


def is_purpose(node: object) -> bool:
    """Whether it is the purpose of the question."""
    return (
        isinstance(node, pst.GetAttr) and node.attr == "purpose" and node.base == pst.Var("context")
    )
