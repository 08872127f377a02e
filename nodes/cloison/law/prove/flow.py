"""No path of activities carries protected data to a purpose they never serve.

An activity carries what it can read: protected data, or data made of what another activity
carries. Its outputs that inherit the label carry the same; one that resets it carries nothing on,
which is only for families of purposes the promise names. Data a body holds that are made of outputs
(`derived_from`) carry what those do. When a step is possible is not asked: data once read are kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloison.law.prove.failure import Failure, asked_en, asked_fr
from cloison.law.prove.promises import confirm, openings, protected_by, within
from cloison.law.prove.search import Search, Site, rules_at
from cloison.law.records import Activity, NeverPurpose


@dataclass(frozen=True, slots=True)
class Step:
    """One step on a path: what was read or made, and what it was read from."""

    name: str
    earlier: "Step | None" = None

    def path(self) -> str:
        """The whole path, first to last."""
        return f"{self.earlier.path()} → {self.name}" if self.earlier else self.name


def carried_to(search: Search, promise: NeverPurpose) -> Iterator[Failure]:
    """Every path that ends in a purpose the promise closes, and every reset nobody allowed."""
    yield from _resets(search, promise)
    graph = _Graph(search, promise)
    carrying = graph.spread()
    never = within(search.policy, promise.purposes)
    for site, purpose in graph.reads:
        step = carrying.get(site.name)
        if purpose in never and step is not None and step.earlier is not None:
            yield from _ends(search, promise, site, purpose, step)


def _resets(search: Search, promise: NeverPurpose) -> Iterator[Failure]:
    for activity in search.policy.activities.values():
        families = {search.policy.family(purpose) for purpose in activity.purposes}
        for output in activity.outputs:
            if output.label == "reset" and not families <= set(promise.resets):
                named = ", ".join(sorted(families))
                yield Failure(
                    promise.id,
                    f"activities/{activity.id}.toml",
                    f"`{activity.id}/{output.id}` efface l'étiquette de ce que le traitement a lu, "
                    f"et ses finalités ({named}) ne sont pas de celles qui le peuvent",
                    f"`{activity.id}/{output.id}` resets the label of what the activity read, and "
                    f"its purposes ({named}) are not of those that may",
                )


class _Graph:
    """Which activity can read what for which purpose, and what is made of what."""

    def __init__(self, search: Search, promise: NeverPurpose) -> None:
        self._search = search
        self._protected = protected_by(search.policy, promise)
        self.reads = [
            (site, purpose)
            for site in search.recorded()
            for purpose in search.policy.activities[site.activity].purposes
            if self._can_read(site, purpose)
        ]

    def _can_read(self, site: Site, purpose: str) -> bool:
        permits, forbids = rules_at(self._search.policy, site.place)
        return any(
            next(self._search.permitted(site, purpose, permit, closed), None) is not None
            for permit in permits
            for _, closed in openings(self._search.policy, permit, forbids, "")
        )

    def spread(self) -> Mapping[str, Step]:
        """How protected data come to each dataset that has or gets some."""
        policy = self._search.policy
        carrying = {name: Step(name) for name in sorted(self._protected)}
        outputs: dict[str, Step] = {}
        grown = True
        while grown:
            before = len(carrying) + len(outputs)
            for site, purpose in self.reads:
                if site.name in carrying:
                    activity = policy.activities[site.activity]
                    _pass_on(outputs, activity, purpose, carrying[site.name])
            for (holder, name), dataset in policy.datasets.items():
                for output in dataset.derived_from:
                    if output in outputs:
                        made = Step(f"{holder}/{name}", outputs[output])
                        # A named dataset may be made of outputs too: its path is what is told.
                        known = carrying.get(made.name)
                        if known is None:
                            carrying[made.name] = made
            grown = len(carrying) + len(outputs) > before
        return carrying


def _pass_on(outputs: dict[str, Step], activity: Activity, purpose: str, step: Step) -> None:
    for output in activity.outputs:
        if output.label == "inherit":
            name = f"{activity.id}/{output.id}"
            outputs.setdefault(name, Step(f"{name} ({purpose})", step))


def _ends(
    search: Search, promise: NeverPurpose, site: Site, purpose: str, step: Step
) -> Iterator[Failure]:
    """The first permit that lets the last step happen on a day nothing declares."""
    policy = search.policy
    permits, forbids = rules_at(policy, site.place)
    for permit in permits:
        for day, closed in openings(policy, permit, forbids, promise.id):
            shape = next(search.permitted(site, purpose, permit, closed), None)
            if shape is not None:
                confirm(policy, shape, permit, day)
                yield Failure(
                    promise.id,
                    f"{permit.path}:{permit.line}",
                    f"{step.path()} → `{site.activity}` : {asked_fr(shape, day)} : la règle "
                    f"`{permit.id}` le permet",
                    f"{step.path()} → `{site.activity}`: {asked_en(shape, day)}: rule "
                    f"`{permit.id}` permits it",
                    confirmed=True,
                )
                return
