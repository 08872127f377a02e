"""Slips that change no decision: no question the register's activities can put tells them apart."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import product

from cedarpy import pst

from cloison.law.entities import policy_entities
from cloison.law.prove.domain import UnprovableError
from cloison.law.prove.search import Search, Site
from cloison.law.reference import Request, request_of, satisfied, world_of
from cloison.law.rules import Rule, conditions_of
from cloison.law.shape import requests_of


class Idle:
    """Looks for a question that a changed rule answers otherwise, among all there are."""

    def __init__(self, search: Search) -> None:
        self._search = search
        policy = search.policy
        self._world = world_of(policy_entities(policy.purposes, policy.activities, policy.datasets))

        self._bare = lru_cache(maxsize=1 << 14)(self._request)

    @cached_property
    def _sites(self) -> list[Site]:
        return list(self._search.recorded())

    def proves(self, rule: Rule, changed: pst.Template) -> bool:
        """Whether no decision differs with the rule so changed; False where it is not proved.

        A permit that an activity does not rely on is no part of what it is answered by. One more
        purpose permitted changes nothing where another the activity declares can never be.
        """
        try:
            return not any(
                self._told(site, rule.template, changed) or self._told(site, changed, rule.template)
                for site in self._sites
                if not rule.permits or rule.ref.text in self._bases(site)
            )
        except UnprovableError:
            return False

    def _bases(self, site: Site) -> tuple[str, ...]:
        return self._search.policy.activities[site.activity].legal_bases

    def _told(self, site: Site, other: pst.Template, holding: pst.Template) -> bool:
        """Whether some question satisfies one rule and not the other, where that may decide."""
        narrower = set(conditions_of(other)) <= set(conditions_of(holding))
        if not self._about(site, holding) or (narrower and self._about(site, other)):
            return False
        return any(
            self._differ(site, purpose, other, holding)
            for purpose in self._search.policy.activities[site.activity].purposes
        )

    def _differ(self, site: Site, purpose: str, other: pst.Template, holding: pst.Template) -> bool:
        """Whether for that purpose they differ where every other purpose is permitted too."""
        if not self._differ_beside(site, purpose, (other,), holding, ()):
            return False
        others = (other, *self._instead(site, purpose, holding))
        # The dearest last: what stands beside alone tells most slips idle.
        return any(
            self._differ_beside(site, purpose, (other,), holding, beside)
            and self._differ_beside(site, purpose, others, holding, beside)
            for beside in product(*self._permits_beside(site, purpose, holding))
        )

    def _differ_beside(
        self,
        site: Site,
        purpose: str,
        others: tuple[pst.Template, ...],
        holding: pst.Template,
        beside: tuple[tuple[str, pst.Template], ...],
    ) -> bool:
        """Whether `holding` can hold, and what stands beside it, where none of the others does."""
        needed = [(purpose, one) for one in conditions_of(holding)]
        needed += [(at, one) for at, permit in beside for one in conditions_of(permit)]
        closed = [
            [(purpose, one) for one in conditions_of(other)]
            for other in others
            if self._about(site, other)
        ]
        told = [one for other in closed for one in other]
        return any(
            not any(all(found.holds[one] for one in other) for other in closed)
            for found in self._search.questions(site, needed, told)
        )

    def _instead(self, site: Site, purpose: str, holding: pst.Template) -> Iterator[pst.Template]:
        """Permits of the same text that count wherever it does: then the outcome is the same.

        Only where it is a permit without duties: those it would add.
        """
        rules = self._search.policy.rules
        rule = next(one for one in rules if one.id == holding.id)
        if rule.permits and not rule.obligations:
            for one in rules:
                kin = one.permits and one.ref.text == rule.ref.text and one is not rule
                always = one.first_day <= rule.first_day and one.end_day in {None, rule.end_day}
                if kin and always and self._can_hold(site, purpose, one.template):
                    yield one.template

    def _permits_beside(
        self, site: Site, purpose: str, holding: pst.Template
    ) -> Iterator[list[tuple[str, pst.Template]]]:
        """For each other purpose, the permits that might hold; for a forbid, none."""
        policy = self._search.policy
        activity = policy.activities[site.activity]
        permits = [holding]
        permits += (
            rule.template
            for rule in policy.rules
            if rule.permits and rule.ref.text in activity.legal_bases and rule.id != holding.id
        )
        for other in activity.purposes if holding.effect == "permit" else ():
            if other != purpose:
                yield [(other, one) for one in permits if self._can_hold(site, other, one)]

    def _can_hold(self, site: Site, purpose: str, permit: pst.Template) -> bool:
        needed = [(purpose, one) for one in conditions_of(permit)]
        return self._about(site, permit) and any(self._search.questions(site, needed, ()))

    def _about(self, site: Site, rule: pst.Template) -> bool:
        """Whether the rule's head matches what is asked there."""
        return satisfied(replace(rule, clauses=()), self._bare(site), self._world)

    def _request(self, site: Site) -> Request:
        policy = self._search.policy
        [asked] = requests_of(self._search.blank(site), [""], policy.attributes)
        return request_of(asked)
