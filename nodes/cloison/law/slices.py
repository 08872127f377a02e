"""Slices: of all rules, those that can matter to one (action, activity, dataset) on one day.

A decision costs the same at ten texts and at a thousand. A sound slice cannot change the result
(proved for Cedar in Lean): a rule is left out only if its head cannot match or it is not in force.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import cedarpy
from cedarpy import pst

from cloison.law.rules import Rule


class Place(NamedTuple):
    """What the head of a rule can be about."""

    action: str
    activity: str
    holder: str
    dataset: str
    received: bool


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The rules that count for one place, day and set of relied-on texts.

    Attributes:
        policies: None where there is no rule: nothing to evaluate.
        attributes: Every attribute some rule of the slice reads.
    """

    rules: Mapping[str, Rule]
    policies: cedarpy.PolicySet | None
    attributes: frozenset[str]


class Slices:
    """Every slice of a rule list, made when first asked for.

    Args:
        bodies: The body of each activity.
        systems: The systems each `holder/dataset` is a part of.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        bodies: Mapping[str, str],
        systems: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._rules = tuple(rules)
        self._bodies = bodies
        self._systems = systems
        self.at = lru_cache(maxsize=4096)(self._at)
        self.slice = lru_cache(maxsize=4096)(self._slice)

    def _at(self, place: Place) -> tuple[Rule, ...]:
        """The rules whose head matches, in force or not."""
        return tuple(rule for rule in self._rules if self._matches(rule.template, place))

    def _slice(self, place: Place, epoch_day: date, texts: frozenset[str]) -> Slice:
        """The forbids in force, and the permits in force of the texts relied on."""
        rules = {
            rule.id: rule
            for rule in self.at(place)
            if rule.in_force(epoch_day) and (not rule.permits or rule.ref.text in texts)
        }
        return Slice(
            rules,
            policy_set(rule.template for rule in rules.values()) if rules else None,
            frozenset().union(*(rule.attributes for rule in rules.values())),
        )

    def datasets(self, head: pst.Template) -> frozenset[str]:
        """Each `holder/dataset` whose data, held or received, this head can be about."""
        return frozenset(
            name
            for name in self._systems
            if any(self._about(head, name, received=received) for received in (False, True))
        )

    def _matches(self, head: pst.Template, place: Place) -> bool:
        activity = {("Activity", place.activity), ("Body", self._bodies.get(place.activity, ""))}
        return (
            _action_matches(head.action, place.action)
            and _scope_matches(head.principal, "Activity", activity)
            and self._about(head, f"{place.holder}/{place.dataset}", received=place.received)
        )

    def _about(self, head: pst.Template, dataset: str, *, received: bool) -> bool:
        resource = {("Dataset", dataset), ("Body", dataset.partition("/")[0])}
        resource |= {("System", system) for system in self._systems.get(dataset, ())}
        return _scope_matches(head.resource, "Received" if received else "Dataset", resource)


def policy_set(templates: Iterable[pst.Template]) -> cedarpy.PolicySet:
    """Parsed rules as one Cedar policy set, each under its own id.

    Without annotations: Cedar decides by none, and would copy those of each rule that decided.
    """
    policies = pst.FrozenMap(
        {one.id: replace(one, annotations=pst.FrozenMap()) for one in templates}
    )
    return cedarpy.PolicySet.from_pst(
        pst.PolicySet(templates=pst.FrozenMap(), static_policies=policies, template_links=())
    )


def _action_matches(scope: pst.ActionConstraint, action: str) -> bool:
    match scope:
        case pst.ActionEq(entity):
            return entity.id == action
        case pst.ActionIn(entities):
            return any(entity.id == action for entity in entities)
        case _:
            return True


def _scope_matches(
    scope: pst.PrincipalOrResourceConstraint, kind: str, ancestors: set[tuple[str, str]]
) -> bool:
    """Whether an entity of `kind` with these ancestors (itself included) can be in the scope."""
    match scope:
        case pst.ScopeEq(entity) | pst.ScopeIn(entity) if isinstance(entity, pst.EntityUid):
            return _named(entity, kind, ancestors)
        case pst.ScopeIs(entity_type):
            return entity_type.basename == kind
        case pst.ScopeIsIn(entity_type, entity) if isinstance(entity, pst.EntityUid):
            return entity_type.basename == kind and _named(entity, kind, ancestors)
        case _:
            return True


def _named(entity: pst.EntityUid, kind: str, ancestors: set[tuple[str, str]]) -> bool:
    """Whether it is one of them; a place does not say which received data, so any may be meant."""
    return (str(entity.type), entity.id) in ancestors or entity.type.basename == "Received" == kind
