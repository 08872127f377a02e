"""Every question there can be, in finitely many classes: one of each class stands for all of it.

Why the classes are exhaustive: a rule compares a number of the question with constants only
(another form is refused as unprovable), so an attribute's values split at those constants, and the
values of one class answer every condition alike. Months are enumerated together, since their
distances hang together: from the month a right concerns, every first and last month up to past the
largest constant, for each month of a year. Beyond that bound nothing changes: moving a month away
by whole years leaves every comparison, and the place in the year, as they were. Strings, truth
values and sets of fields are enumerated whole; what no rule names stands for all others.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from typing import Any

from cedarpy import pst

from cloison.law.policy_set import PolicySet
from cloison.law.question import Granularity
from cloison.law.records import Activity
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import NO_CASE, Shape, span_of, spans_from_case

MONTHS_A_YEAR = 12
_MOST_FIELDS = 12
_MOST_PERSONS_ONE_BY_ONE = 8
_CONTEXT = pst.Var("context")
_CASE = pst.GetAttr(_CONTEXT, "case")
_ORDER = frozenset({"less", "less_eq", "greater", "greater_eq", "eq", "not_eq"})

GROUPS = {
    "time": (
        "months",
        "whole_years",
        "first_month",
        "months_back_first",
        "months_back_last",
        "years_back_first",
        "years_back_last",
    ),
    "case": ("type", "live", "own", "covers_persons", "questions_before"),
    "granularity": ("granularity",),
    "crowd": ("cohort", "persons"),
    "agent": ("named_agent",),
    "set": ("same_policy_set",),
    "fields": ("fields",),
}
"""What a question says, in groups that vary apart from each other."""

_BACK = GROUPS["time"][3:]
_GROUP = {name: group for group, names in GROUPS.items() for name in names}
_NUMBERS = frozenset(
    {
        "months",
        "first_month",
        "months_back_first",
        "months_back_last",
        "years_back_first",
        "years_back_last",
        "questions_before",
        "persons",
    }
)


class UnprovableError(Exception):
    """A rule of a form whose questions do not fall into the classes made here."""


@dataclass(frozen=True, slots=True)
class Part:
    """One way a group can be: what it puts into a shape, and into its case."""

    shape: tuple[tuple[str, object], ...] = ()
    case: tuple[tuple[str, object], ...] = ()

    def into(self, shape: Shape) -> Shape:
        """The shape with this part in it."""
        case: Any = dict(self.case)
        top: Any = dict(self.shape)
        return shape._replace(**top, case=shape.case._replace(**case))


@lru_cache(maxsize=4096)
def groups_of(condition: pst.Expr) -> frozenset[str]:
    """The groups a condition reads.

    Raises:
        UnprovableError: it reads something that is in none.
    """
    found = set()
    for node in nodes_of(condition):
        if isinstance(node, pst.GetAttr) and node.base in (_CONTEXT, _CASE):
            if node.attr in _GROUP:
                found.add(_GROUP[node.attr])
            elif node.attr not in {"purpose", "case"}:
                raise UnprovableError(f"reads `{node.attr}`, which the prover does not know")
    return frozenset(found)


class Domain:
    """The classes of questions that the rules of a policy set tell apart.

    Raises:
        UnprovableError: a rule that compares a number with anything but a constant.
    """

    def __init__(self, policy: PolicySet) -> None:
        self._policy = policy
        self._bounds: dict[str, set[int]] = {name: set() for name in _NUMBERS}
        self._strings: dict[str, set[str]] = {"type": set(), "fields": set()}
        for rule in policy.rules:
            for condition in rule.conditions:
                self._learn(rule, condition)

    def _learn(self, rule: Rule, condition: pst.Expr) -> None:
        nodes = list(nodes_of(condition))
        try:
            read = groups_of(condition)
        except UnprovableError as error:
            raise UnprovableError(f"{rule.path}:{rule.line}: `{rule.id}` {error}") from error
        numbers = sum(_number_of(node) is not None for node in nodes)
        compared = [pair for node in nodes if (pair := compared_number(node)) is not None]
        if numbers != len(compared):
            why = "compares a number of the question with what is no constant"
            raise UnprovableError(f"{rule.path}:{rule.line}: `{rule.id}` {why}")
        for name, bound in compared:
            self._bounds[name].add(bound)
        literals = {node.value for node in nodes if isinstance(node, pst.StringLit)}
        self._strings["type"] |= literals if "case" in read else set()
        self._strings["fields"] |= literals if "fields" in read else set()

    def parts(self, group: str, activity: Activity, name: str, *, case: bool) -> tuple[Part, ...]:
        """Every way a group can be.

        Args:
            group: A key of `GROUPS`.
            activity: Whose question it is.
            name: `holder/dataset`.
            case: Under a case or without one.
        """
        if group == "time":
            return self._times if case else self._times_alone
        if group == "case":
            return self._cases(activity) if case else (Part(case=_items(NO_CASE)),)
        if group == "fields":
            return self._fields(activity, name)
        return self._crowds if group == "crowd" else _FREE[group]

    def _class(self, attribute: str, value: int) -> int:
        """Which class a number is in: twice its place among the bounds, one more on a bound."""
        bounds = self._sorted[attribute]
        place = bisect_left(bounds, value)
        return 2 * place + (place < len(bounds) and bounds[place] == value)

    @cached_property
    def _sorted(self) -> Mapping[str, list[int]]:
        return {name: sorted(bounds) for name, bounds in self._bounds.items()}

    @cached_property
    def _reach(self) -> int:
        """Months back, or forth, within which every class of distances has a stretch of months.

        Past the largest distance named, a month can move by whole years; so can the length of a
        stretch past the largest length named. Two years more than both leave room for either.
        """
        names = ("months_back_first", "months_back_last")
        months = max((abs(one) for name in names for one in self._bounds[name]), default=0)
        names = ("years_back_first", "years_back_last")
        years = max((abs(one) + 1 for name in names for one in self._bounds[name]), default=0)
        length = max(map(abs, self._bounds["months"]), default=0)
        return max(months, years * MONTHS_A_YEAR) + length + 2 * MONTHS_A_YEAR

    @cached_property
    def _years(self) -> tuple[int, ...]:
        """Years of the first month on either side of every month a rule names."""
        named = {number // 100 for number in self._bounds["first_month"]}
        return tuple(sorted({year + off for year in named for off in (-1, 0, 1)} or {2024}))

    @cached_property
    def _times(self) -> tuple[Part, ...]:
        """Every stretch of months seen from every month a right can concern."""
        near_first = sorted(range(-self._reach, self._reach + 1), key=abs)
        found: dict[tuple[object, ...], Part] = {}
        for month in range(MONTHS_A_YEAR):
            # A multiple of twelve added to all three leaves every distance as it is.
            base = MONTHS_A_YEAR * self._reach + month
            for back_first in near_first:
                first = base - back_first
                for back_last in near_first:
                    last = base - back_last
                    if last >= first:
                        spans = (*span_of(first, last), *spans_from_case(base, first, last))
                        key = (self._time_class(spans), first % MONTHS_A_YEAR)
                        if key not in found:
                            found[key] = _time_part(spans)
        return tuple(self._dated(found))

    @cached_property
    def _times_alone(self) -> tuple[Part, ...]:
        found: dict[tuple[object, ...], Part] = {}
        for first in range(MONTHS_A_YEAR):
            for last in range(first, first + self._reach):
                spans = (*span_of(first, last), 0, 0, 0, 0)
                found.setdefault((self._time_class(spans), first), _time_part(spans))
        return tuple(self._dated(found))

    def _time_class(self, spans: tuple[int, ...]) -> tuple[object, ...]:
        months, whole, *back = spans
        classes = (self._class(name, value) for name, value in zip(_BACK, back, strict=True))
        return (self._class("months", months), whole, *classes)

    def _dated(self, found: Mapping[tuple[object, ...], Part]) -> Iterator[Part]:
        """Each stretch in each year that matters, where some rule reads the year at all."""
        if not self._bounds["first_month"]:
            yield from dict(zip((key[0] for key in found), found.values(), strict=True)).values()
            return
        seen = set()
        for (spans, place), part in found.items():
            for year in self._years:
                number = year * 100 + int(str(place)) + 1
                key = (spans, self._class("first_month", number))
                if key not in seen:
                    seen.add(key)
                    yield Part((*part.shape, ("first_month", number)), part.case)

    @cached_property
    def _crowds(self) -> tuple[Part, ...]:
        known = self._values("persons")
        alone = sorted({one for one in known if 1 <= one <= _MOST_PERSONS_ONE_BY_ONE} | {1})
        many = sorted({one for one in known if one >= 1} | {1})
        return tuple(
            Part((("cohort", cohort), ("persons", persons)))
            for cohort, counts in ((False, alone), (True, many[::-1]))
            for persons in counts
        )

    def _values(self, attribute: str) -> set[int]:
        """A value of each class of a number that varies alone."""
        return {bound + off for bound in self._bounds[attribute] for off in (-1, 0, 1)} | {0}

    def _cases(self, activity: Activity) -> tuple[Part, ...]:
        own = [one.type for one in activity.case_types]
        others = sorted((self._strings["type"] | {"none-of-these"}) - set(own))
        counts = sorted(one for one in self._values("questions_before") if one >= 0)
        flags = (True, False)
        made = [(kind, mine) for mine in flags for kind in own]
        made += [(kind, False) for kind in others]
        return tuple(
            Part(case=tuple(zip(GROUPS["case"], (kind, live, mine, covers, count), strict=True)))
            for (kind, mine), live, covers, count in product(made, flags, flags, counts)
        )

    def _fields(self, activity: Activity, name: str) -> tuple[Part, ...]:
        holder, _, dataset = name.partition("/")
        of_record = activity.fields_of(holder, dataset)
        every = sorted(of_record or self._policy.datasets[holder, dataset].fields)
        named = [one for one in every if one in self._strings["fields"]]
        kept = named + [one for one in every if one not in named][:1]
        if len(kept) > _MOST_FIELDS:
            raise UnprovableError(f"`{name}`: rules name more than {_MOST_FIELDS} of its fields")
        if not named:
            return (Part((("fields", tuple(every)),)),)
        sizes = range(1, len(kept) + 1)
        chosen = (one for size in sizes for one in combinations(kept, size))
        return tuple(Part((("fields", one),)) for one in chosen)


_FREE = {
    "granularity": tuple(Part((("granularity", one),)) for one in Granularity),
    "agent": tuple(Part((("named_agent", one),)) for one in (True, False)),
    "set": tuple(Part((("same_policy_set", one),)) for one in (True, False)),
}
"""Groups that are the same for everybody."""


def _time_part(spans: Iterable[object]) -> Part:
    months, whole, *back = spans
    return Part(
        (("months", months), ("whole_years", whole)),
        tuple(zip(_BACK, back, strict=True)),
    )


def _items(case: object) -> tuple[tuple[str, object], ...]:
    return tuple((name, getattr(case, name)) for name in GROUPS["case"])


def _number_of(node: object) -> str | None:
    """The number of the question that a syntax node reads."""
    if isinstance(node, pst.GetAttr) and node.base in (_CONTEXT, _CASE):
        return node.attr if node.attr in _NUMBERS else None
    return None


def compared_number(node: object) -> tuple[str, int] | None:
    """The number and the constant that a syntax node compares."""
    match node:
        case pst.BinaryOp(op, left, pst.LongLit(bound)) if op in _ORDER:
            name = _number_of(left)
        case pst.BinaryOp(op, pst.LongLit(bound), right) if op in _ORDER:
            name = _number_of(right)
        case _:
            return None
    return None if name is None else (name, bound)
