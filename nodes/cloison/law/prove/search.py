"""Questions that satisfy some conditions and not some rules, found among all classes there are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from cedarpy import pst

from cloison.law.entities import policy_entities
from cloison.law.policy_set import PolicySet
from cloison.law.prove.domain import GROUPS, Domain, Part, UnprovableError, groups_of
from cloison.law.question import Action
from cloison.law.reference import EvaluationError, Request, evaluate, request_of, world_of
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import Shape, blank_shape, requests_of
from cloison.law.slices import Place

_MOST_PARTS = 1 << 20

Asked = tuple[str, pst.Expr]
"""A condition, and the purpose it is asked for."""


class Site(NamedTuple):
    """An activity before data, held or received with a label."""

    activity: str
    holder: str
    dataset: str
    received_for: str = ""
    received_by: str = ""

    @property
    def place(self) -> Place:
        """What the head of a rule can match."""
        received = bool(self.received_by)
        action = Action.READ_RECEIVED if received else Action.ASK
        return Place(action.value, self.activity, self.holder, self.dataset, received)

    @property
    def name(self) -> str:
        """`holder/dataset`."""
        return f"{self.holder}/{self.dataset}"


class Search:
    """Looks through every class of question of a policy set; what it does not find is not there."""

    def __init__(self, policy: PolicySet) -> None:
        self.policy = policy
        self.domain = Domain(policy)
        self._world = world_of(policy_entities(policy.purposes, policy.activities, policy.datasets))
        self._truths = lru_cache(maxsize=1 << 16)(self._work_out)
        self._fixed = lru_cache(maxsize=1 << 18)(self._work_out_fixed)
        self._bare = lru_cache(maxsize=1 << 14)(self._request)
        self._requests = lru_cache(maxsize=1 << 10)(self._put)
        self.blank = lru_cache(maxsize=1 << 14)(self._blank)
        self._anywhere = next(self.sites(), None)

    def sites(self) -> Iterator[Site]:
        """Every activity before every dataset, held or received under any label there can be."""
        for activity in self.policy.activities:
            for holder, dataset in self.policy.datasets:
                yield Site(activity, holder, dataset)
                for receiver in self.policy.activities.values():
                    if receiver.fields_of(holder, dataset) is not None:
                        for purpose in receiver.purposes:
                            yield Site(activity, holder, dataset, purpose, receiver.id)

    def recorded(self) -> Iterator[Site]:
        """Those whose activity's record names the data."""
        for site in self.sites():
            activity = self.policy.activities[site.activity]
            if activity.fields_of(site.holder, site.dataset) is not None:
                yield site

    def _blank(self, site: Site) -> Shape:
        """A question at a site with nothing else said."""
        return blank_shape(site.place)._replace(
            received_for=site.received_for,
            received_by=site.received_by,
            requester=self.policy.activities[site.activity].body,
        )

    def permitted(
        self, site: Site, purpose: str, permit: Rule, forbids: Sequence[Rule]
    ) -> Iterator[Shape]:
        """A question of each class that a permit satisfies and no forbid does."""
        needed = [(purpose, condition) for condition in permit.conditions]
        told = [(purpose, condition) for rule in forbids for condition in rule.conditions]
        for found in self.questions(site, needed, told):
            if not any(
                all(found.holds[purpose, condition] for condition in rule.conditions)
                for rule in forbids
            ):
                yield found.shape._replace(purpose=purpose)

    def questions(
        self, site: Site, needed: Sequence[Asked], told: Sequence[Asked]
    ) -> Iterator["Found"]:
        """A question of each class in which all that is needed holds.

        Args:
            site: Where it is asked.
            needed: What must hold.
            told: What else tells two classes apart.
        """
        if not all(self._fixed(site, asked) for asked in needed if not groups_of(asked[1])):
            return
        fixed = [asked for asked in (*needed, *told) if not groups_of(asked[1])]
        holds = {asked: self._fixed(site, asked) for asked in fixed}
        varying = [asked for asked in dict.fromkeys((*needed, *told)) if asked not in holds]
        for case in (True, False):
            choices = [
                self._choices(site, groups, needed, varying, case=case)
                for groups in _together(varying)
            ]
            for chosen in product(*choices):
                shape, known = self.blank(site), dict(holds)
                for part, truths in chosen:
                    shape = part.into(shape)
                    known.update(truths)
                yield Found(shape, known)

    def _choices(
        self,
        site: Site,
        groups: frozenset[str],
        needed: Sequence[Asked],
        varying: Sequence[Asked],
        *,
        case: bool,
    ) -> list[tuple[Part, dict[Asked, bool]]]:
        """One part for each way the conditions on these groups can be answered together."""
        here = [asked for asked in varying if groups_of(asked[1]) <= groups]
        columns = [self._column(site, groups, asked, case=case) for asked in here]
        wanted = [asked in needed for asked in here]
        found: dict[tuple[bool, ...], Part] = {}
        parts = self._parts(site, groups, case=case)
        rows = zip(*columns, strict=True) if columns else iter([()] * min(len(parts), 1))
        for part, row in zip(parts, rows, strict=bool(columns)):
            if row not in found and all(
                truth for truth, need in zip(row, wanted, strict=True) if need
            ):
                found[row] = part
        return [(part, dict(zip(here, row, strict=True))) for row, part in found.items()]

    def _parts(self, site: Site, groups: frozenset[str], *, case: bool) -> tuple[Part, ...]:
        activity = self.policy.activities[site.activity]
        lists = [
            self.domain.parts(group, activity, site.name, case=case) for group in sorted(groups)
        ]
        return _merged(tuple(lists)) if len(lists) > 1 else lists[0]

    def _column(
        self, site: Site, groups: frozenset[str], asked: Asked, *, case: bool
    ) -> tuple[bool, ...]:
        """What a condition says of each part; the same for all sites where it reads no site."""
        names = {node.name for node in nodes_of(asked[1]) if isinstance(node, pst.Var)}
        local = names & {"principal", "resource"} or groups & {"case", "fields"}
        purpose = asked[0] if _reads_purpose(asked[1]) else ""
        here = site if local or self._anywhere is None else self._anywhere
        return self._truths(here, groups, (purpose, asked[1]), case)

    def _work_out(
        self, site: Site, groups: frozenset[str], asked: Asked, case: bool
    ) -> tuple[bool, ...]:
        requests = self._requests(site, groups, asked[0], case)
        return tuple(self._truth(site, asked[1], request) for request in requests)

    def _put(
        self, site: Site, groups: frozenset[str], purpose: str, case: bool
    ) -> tuple[Request, ...]:
        """The request of each part, made once for all the conditions that look at it."""
        parts = self._parts(site, groups, case=case)
        return tuple(self._request(site, purpose, part) for part in parts)

    def _work_out_fixed(self, site: Site, asked: Asked) -> bool:
        return self._truth(site, asked[1], self._bare(site, asked[0], Part()))

    def _truth(self, site: Site, condition: pst.Expr, request: Request) -> bool:
        try:
            return evaluate(condition, request, self._world) is True
        except EvaluationError as error:
            raise UnprovableError(f"a condition at `{site.name}` errs: {error}") from error

    def _request(self, site: Site, purpose: str, part: Part) -> Request:
        shape = part.into(self.blank(site))
        [asked] = requests_of(shape, [purpose], self.policy.attributes)
        return request_of(asked)


@dataclass(frozen=True, slots=True)
class Found:
    """A question of one class, and what each condition looked at says of it."""

    shape: Shape
    holds: dict[Asked, bool]


def _reads_purpose(condition: pst.Expr) -> bool:
    purpose = pst.GetAttr(pst.Var("context"), "purpose")
    return any(node == purpose for node in nodes_of(condition))


@lru_cache(maxsize=256)
def _merged(lists: tuple[tuple[Part, ...], ...]) -> tuple[Part, ...]:
    size = 1
    for one in lists:
        size *= len(one)
    if size > _MOST_PARTS:
        raise UnprovableError(f"a condition reads so much at once that {size} classes arise")
    return tuple(
        Part(
            tuple(pair for part in chosen for pair in part.shape),
            tuple(pair for part in chosen for pair in part.case),
        )
        for chosen in product(*lists)
    )


def _together(varying: Iterable[Asked]) -> list[frozenset[str]]:
    """Every group, those that some condition reads together made one."""
    made = [frozenset({group}) for group in GROUPS]
    for _, condition in varying:
        read = groups_of(condition)
        touched = [one for one in made if one & read]
        made = [one for one in made if not one & read] + [frozenset().union(*touched)]
    return made


def rules_at(policy: PolicySet, place: Place) -> tuple[list[Rule], list[Rule]]:
    """The permits and the forbids whose head matches, in force or not."""
    rules = policy.slices.at(place)
    return [rule for rule in rules if rule.permits], [rule for rule in rules if not rule.permits]
