"""Every rule can fire: some question, put by some activity within its record, is decided by it."""

from collections.abc import Iterator
from datetime import date

from cloison.law.decide import decide_shape
from cloison.law.prove.failure import Failure
from cloison.law.prove.promises import days_of
from cloison.law.prove.search import Asked, Search, Site
from cloison.law.rules import Rule
from cloison.law.shape import Shape

CHECK = "every-rule-can-fire"


def dead_rules(search: Search) -> Iterator[Failure]:
    """The rules that no question of any activity makes decide anything, on any day."""
    sites = list(search.recorded())
    for rule in search.policy.rules:
        if witness(search, rule, sites) is None:
            yield Failure(
                CHECK,
                f"{rule.path}:{rule.line}",
                f"la règle `{rule.id}` ne décide d'aucune demande qu'un traitement du registre "
                "puisse faire",
                f"rule `{rule.id}` decides no question that an activity of the register can put",
            )


def witness(search: Search, rule: Rule, sites: list[Site]) -> tuple[Shape, date] | None:
    """A question, and a day, that Cedar decides by this rule; None where there is none."""
    policy = search.policy
    for site in sites:
        activity = policy.activities[site.activity]
        bases = [text for text in activity.legal_bases if not rule.permits or rule.ref.text == text]
        if rule not in policy.slices.at(site.place) or not bases:
            continue
        satisfiable = [one for one in activity.purposes if _can_hold(search, site, rule, one)]
        for day in days_of(policy, rule) if satisfiable else ():
            for shape in _candidates(search, site, rule, satisfiable, day):
                decision = decide_shape(
                    policy, shape._replace(legal_basis=bases[0]), policy.epoch(day)
                )
                if rule.ref in decision.rules:
                    return shape, day
    return None


def _can_hold(search: Search, site: Site, rule: Rule, purpose: str) -> bool:
    """Whether some question satisfies the rule, whatever else would be said of it."""
    needed = [(purpose, condition) for condition in rule.conditions]
    return next(search.questions(site, needed, ()), None) is not None


def _candidates(
    search: Search, site: Site, rule: Rule, purposes: list[str], day: date
) -> Iterator[Shape]:
    activity = search.policy.activities[site.activity]
    texts = frozenset(activity.legal_bases)
    slice_rules = search.policy.slices.slice(site.place, day, texts).rules.values()
    told: list[Asked] = [
        (purpose, condition)
        for other in slice_rules
        for condition in other.conditions
        for purpose in activity.purposes
    ]
    for purpose in purposes:
        needed = [(purpose, condition) for condition in rule.conditions]
        for found in search.questions(site, needed, told):
            yield found.shape._replace(purpose=purpose)
