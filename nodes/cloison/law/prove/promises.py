"""Promises on rules: what no permit may open, whatever the question."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache

import cedarpy

from cloison.errors import IntegrityError
from cloison.law.decide import decide_shape
from cloison.law.policy_set import PolicySet
from cloison.law.prove.failure import Failure, asked_en, asked_fr
from cloison.law.prove.search import Search, Site, rules_at
from cloison.law.question import Decision
from cloison.law.records import NeverPurpose, OnlyPurpose, OnlyRecord
from cloison.law.rules import Rule
from cloison.law.shape import Shape, requests_of
from cloison.law.slices import policy_set

Decide = Callable[[PolicySet, Shape, int], Decision]


def never_purpose(search: Search, promise: NeverPurpose) -> Iterator[Failure]:
    """Every permit that gives protected data to a purpose they never serve, undeclared.

    Records apart: the data are not opened to an activity that would put them into its record.
    """
    policy = search.policy
    protected = protected_by(policy, promise)
    purposes = within(policy, promise.purposes)
    told: set[Rule] = set()
    for site in search.sites():
        if site.name in protected:
            for purpose in purposes:
                yield from _opened(search, site, purpose, promise.id, told)


def _opened(
    search: Search, site: Site, purpose: str, promise: str, told: set[Rule]
) -> Iterator[Failure]:
    """One counterexample for each permit not yet told of that opens data to a purpose."""
    permits, forbids = rules_at(search.policy, site.place)
    for permit in permits:
        for day, closed in openings(search.policy, permit, forbids, promise):
            if permit not in told:
                for failure in _first(search, site, purpose, permit, closed, day, promise):
                    told.add(permit)
                    yield failure


def only_purpose(search: Search, promise: OnlyPurpose) -> Iterator[Failure]:
    """Every permit that lets data received for the purpose serve another."""
    policy = search.policy
    kept = within(policy, (promise.received_for,))
    others = [purpose for purpose in policy.purposes if purpose not in kept]
    told: set[Rule] = set()
    for site in search.sites():
        if site.received_for in kept:
            for purpose in others:
                yield from _opened(search, site, purpose, promise.id, told)


def only_record(
    search: Search, promise: OnlyRecord, decide: Decide = decide_shape
) -> Iterator[Failure]:
    """Every field outside its record that an activity can have, by any purpose and text it has.

    The engine looks at the record before any rule and whatever the day, so one day stands for all.

    Args:
        search: The policy set.
        promise: The promise.
        decide: The engine, which alone keeps it: no rule can.
    """
    policy = search.policy
    for site in search.sites():
        activity = policy.activities[site.activity]
        record = activity.fields_of(site.holder, site.dataset) or frozenset()
        outside = sorted(set(policy.datasets[site.holder, site.dataset].fields) - record)
        yield from _outside(search, site, record, outside, promise.id, decide)


def _outside(
    search: Search,
    site: Site,
    record: frozenset[str],
    outside: Sequence[str],
    promise: str,
    decide: Decide,
) -> Iterator[Failure]:
    policy = search.policy
    activity = policy.activities[site.activity]
    day = policy.boundaries[-1]
    for field in outside:
        for purpose in activity.purposes:
            for text in activity.legal_bases:
                shape = search.blank(site)._replace(
                    purpose=purpose,
                    legal_basis=text,
                    fields=(*sorted(record), field),
                    months=1,
                )
                decision = decide(policy, shape, policy.epoch(day))
                if decision.reason not in {"FIELD_NOT_IN_RECORD", "DATASET_NOT_IN_RECORD"}:
                    yield Failure(
                        promise,
                        f"activities/{activity.id}.toml",
                        f"{asked_fr(shape, day)} : `{field}` n'est pas au registre, et ce n'est "
                        f"pas ce qui est répondu ({decision.reason})",
                        f"{asked_en(shape, day)}: `{field}` is not in the record, and that is not "
                        f"what is answered ({decision.reason})",
                        confirmed=True,
                    )
                    return


def _first(
    search: Search,
    site: Site,
    purpose: str,
    permit: Rule,
    closed: Sequence[Rule],
    day: date,
    promise: str,
) -> Iterator[Failure]:
    """The first question the permit opens that day, if any, as Cedar confirms it."""
    for shape in search.permitted(site, purpose, permit, closed):
        confirm(search.policy, shape, permit, day)
        yield Failure(
            promise,
            f"{permit.path}:{permit.line}",
            f"{asked_fr(shape, day)} : la règle `{permit.id}` le permet",
            f"{asked_en(shape, day)}: rule `{permit.id}` permits it",
            confirmed=True,
        )
        return


def confirm(policy: PolicySet, shape: Shape, permit: Rule, day: date) -> None:
    """Cedar, given every rule in force, permits the question by that rule.

    Raises:
        IntegrityError: `SECOND_OPINION`: it does not.
    """
    rules = [rule.template for rule in policy.rules if rule.in_force(day)]
    requests = requests_of(shape, [shape.purpose], policy.attributes)
    [said] = cedarpy.is_authorized_batch(requests, policy_set(rules), policy.entities)
    if not said.allowed or permit.id not in said.diagnostics.reasons:
        raise IntegrityError(
            "SECOND_OPINION",
            f"rule `{permit.id}`: the prover says it permits `{shape.holder}/{shape.dataset}` for "
            f"`{shape.purpose}`, Cedar does not",
            "one of the two is wrong: report it",
        )


def protected_by(policy: PolicySet, promise: NeverPurpose) -> frozenset[str]:
    """`holder/dataset` of what a promise protects: named, or collected for a purpose it names."""
    return frozenset(promise.datasets) | {
        f"{holder}/{name}"
        for (holder, name), dataset in policy.datasets.items()
        if set(promise.collected_for) & set(dataset.purposes)
    }


def within(policy: PolicySet, purposes: Sequence[str]) -> tuple[str, ...]:
    """These purposes and all that stand below them."""
    found = []
    for name in policy.purposes:
        above: str | None = name
        while above is not None and above not in purposes:
            above = policy.purposes[above].parent
        if above is not None:
            found.append(name)
    return tuple(found)


@lru_cache(maxsize=4096)
def days_of(policy: PolicySet, rule: Rule) -> tuple[date, ...]:
    """A day of each stretch that a rule is in force, with the same rules and openings all along."""
    edges = {
        day
        for text in policy.texts.values()
        for opening in text.opens
        for day in (opening.from_, opening.until)
        if day is not None
    }
    return tuple(day for day in sorted({*policy.boundaries, *edges}) if rule.in_force(day))


def openings(
    policy: PolicySet, permit: Rule, forbids: Sequence[Rule], promise: str
) -> Iterator[tuple[date, list[Rule]]]:
    """The first day a permit is in force undeclared under each set of forbids, and that set."""
    seen: list[list[Rule]] = []
    for day in days_of(policy, permit):
        closed = [rule for rule in forbids if rule.in_force(day)]
        if closed not in seen and not declared(policy, permit, promise, day):
            seen.append(closed)
            yield day, closed


def declared(policy: PolicySet, rule: Rule, promise: str, day: date) -> bool:
    """Whether the rule's text says that it opens the promise on that day."""
    return any(
        opening.promise == promise
        and opening.from_ <= day
        and (opening.until is None or day < opening.until)
        for opening in policy.texts[rule.ref.text].opens
    )
