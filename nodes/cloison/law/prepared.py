"""A place made ready: what can be said of its rules before anything is asked, said once by Cedar.

Activity, data and purpose are known of a place before any question. Cedar answers the conditions
that read nothing else once: a rule where one fails is left out for that purpose, and of the others
only what is still open is asked again. It cannot change a result: whatever the rest would say, a
condition that fails closes its rule and one that holds adds nothing. A rule that might err, in
which case the order of its conditions counts, is left as it is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache

from cedarpy import pst

from cloison.law.conditions import is_purpose, met
from cloison.law.policy_set import PolicySet
from cloison.law.rules import Rule, attributes_of, nodes_of
from cloison.law.shape import blank_shape
from cloison.law.slices import Place, Slice, policy_set

_NEVER_ERR = frozenset(
    {
        *("and", "or", "not", "eq", "not_eq", "less", "less_eq", "greater", "greater_eq", "in"),
        *("contains", "contains_all", "contains_any", "is_empty"),
    }
)
"""Operators that have a value whatever typed operands they get; reckoning may overflow."""

_Open = tuple[tuple[Rule, tuple[pst.Expr, ...] | None], ...]
"""Rules that may still hold, each with what of its conditions is open; None: as written."""


@lru_cache(maxsize=4096)
def prepared(
    policy: PolicySet, place: Place, day: date, texts: frozenset[str]
) -> Mapping[str, Slice]:
    """For each purpose of the activity, what is left to be asked at that place on that day.

    Purposes that nothing left tells apart share one slice: it is the same object. Received data
    are named by their label, which a place does not say: there every rule stays as it is written.
    """
    whole = policy.slices.slice(place, day, texts)
    purposes = policy.activities[place.activity].purposes
    if place.received:
        return dict.fromkeys(purposes, whole)
    made: dict[_Open, Slice] = {}
    found = {}
    for purpose in purposes:
        still = _open(policy, whole.rules.values(), place, purpose)
        if still not in made:
            made[still] = _slice_of(still)
        found[purpose] = made[still]
    return found


def _open(policy: PolicySet, rules: Iterable[Rule], place: Place, purpose: str) -> _Open:
    """Those of the rules that may hold for the purpose, each with the conditions that are open."""
    found: list[tuple[Rule, tuple[pst.Expr, ...] | None]] = []
    for rule in rules:
        if not never_errs(rule):
            found.append((rule, None))
            continue
        settled = {at for at, one in enumerate(rule.conditions) if _reads_purpose_alone(one)}
        [holding] = met(policy, rule, blank_shape(place), [purpose])
        if settled <= holding:
            left = (one for at, one in enumerate(rule.conditions) if at not in settled)
            found.append((rule, tuple(left)))
    return tuple(found)


def _slice_of(still: _Open) -> Slice:
    rules = {rule.id: rule for rule, _ in still}
    if not rules:
        return Slice(rules, None, frozenset())
    templates = (
        rule.template
        if left is None
        else replace(rule.template, clauses=tuple(map(pst.When, left)))
        for rule, left in still
    )
    read = (rule.attributes if left is None else attributes_of(left) for rule, left in still)
    return Slice(rules, policy_set(templates), frozenset().union(*read))


def never_errs(rule: Rule) -> bool:
    """Whether every condition has a value, whatever is asked: the schema typed its operands."""
    nodes = (node for condition in rule.conditions for node in nodes_of(condition))
    return all(
        node.op in _NEVER_ERR for node in nodes if isinstance(node, pst.BinaryOp | pst.UnaryOp)
    )


def _reads_purpose_alone(condition: pst.Expr) -> bool:
    """Whether of the context it reads nothing, or the purpose and nothing else."""
    nodes = list(nodes_of(condition))
    contexts = sum(node == pst.Var("context") for node in nodes)
    return contexts == sum(map(is_purpose, nodes))
