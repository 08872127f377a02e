"""Names in rules: each one names something there is.

Cedar's validator types a rule. Whether an entity exists, or a string is one its attribute can ever
be, it does not ask: a forbid on a misspelt name would load, and never apply.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from cedarpy import pst

from cloison.errors import InputError
from cloison.law.entities import entity_ids
from cloison.law.files import refuse
from cloison.law.question import Granularity
from cloison.law.records import Activity, Dataset, Purpose
from cloison.law.rules import Rule, nodes_of
from cloison.law.slices import Slices


@dataclass(frozen=True, slots=True)
class Names:
    """What a rule may name.

    Attributes:
        entities: The ids there are, by entity type.
        strings: What each attribute that is a string can be; `fields` apart.
        fields: The fields of each `holder/dataset`.
        slices: Says which datasets the head of a rule can be about.
    """

    entities: Mapping[str, frozenset[str]]
    strings: Mapping[str, frozenset[str]]
    fields: Mapping[str, frozenset[str]]
    slices: Slices

    @classmethod
    def of(
        cls,
        purposes: Mapping[str, Purpose],
        activities: Mapping[str, Activity],
        datasets: Mapping[tuple[str, str], Dataset],
        slices: Slices,
    ) -> "Names":
        """The names these records give. No case is of type `""`, no benefit is benefit `""`."""
        every = activities.values()
        return cls(
            entities=entity_ids(purposes, activities, datasets),
            strings={
                "granularity": frozenset(Granularity),
                "type": frozenset({"", *(case.type for one in every for case in one.case_types)}),
                "benefit": frozenset({"", *(one.benefit or "" for one in every)}),
            },
            fields={
                f"{holder}/{name}": frozenset(one.fields)
                for (holder, name), one in datasets.items()
            },
            slices=slices,
        )

    def check(self, rule: Rule) -> None:
        """Every entity of the rule exists, and every string is one its attribute can be.

        Raises:
            InputError: `BAD_POLICY_FILE`: an unknown name; `has` or `like`, which would let one by.
        """
        for uid in sorted(pst.entity_uids(rule.template), key=str):
            kind = str(uid.type)
            if uid.id not in (known := self.entities.get(kind, frozenset())):
                raise _unknown(rule, f'{kind}::"{uid.id}"', (f'{kind}::"{one}"' for one in known))
        for condition in rule.conditions:
            for node in nodes_of(condition):
                self._check_node(rule, node)

    def _check_node(self, rule: Rule, node: object) -> None:
        match node:
            case pst.HasAttr():
                raise _refuse(rule, "`has`: a name it is given need not exist", "ask with `is`")
            case pst.Like():
                raise _refuse(rule, "`like`: a pattern need fit nothing", "list the values")
            case pst.BinaryOp(_, left, right):
                self._check_comparison(rule, [*_leaves(left), *_leaves(right)])
            case _:
                pass

    def _check_comparison(self, rule: Rule, leaves: list[pst.Expr]) -> None:
        strings = [leaf.value for leaf in leaves if isinstance(leaf, pst.StringLit)]
        attributes = [
            leaf.attr
            for leaf in leaves
            if isinstance(leaf, pst.GetAttr) and leaf.attr in {"fields", *self.strings}
        ]
        if strings and not attributes:
            raise _refuse(rule, f'"{strings[0]}": compared with no attribute that holds names')
        for attribute in attributes if strings else ():
            known = self._known(rule, attribute)
            for string in strings:
                if string not in known:
                    raise _unknown(rule, string, known, f"{attribute} ")

    def _known(self, rule: Rule, attribute: str) -> frozenset[str]:
        if attribute != "fields":
            return self.strings[attribute]
        return frozenset().union(
            *(self.fields[name] for name in self.slices.datasets(rule.template))
        )


def _leaves(expr: pst.Expr) -> Iterator[pst.Expr]:
    """What an operand of a comparison can be, sets and branches taken apart."""
    match expr:
        case pst.Set(elements):
            for element in elements:
                yield from _leaves(element)
        case pst.IfThenElse(_, first, second):
            yield from _leaves(first)
            yield from _leaves(second)
        case _:
            yield expr


def _unknown(
    rule: Rule, name: str, known: "Iterator[str] | frozenset[str]", of: str = ""
) -> InputError:
    near = get_close_matches(name, sorted(known), 1)
    return _refuse(rule, f"{of}`{name}`: unknown", f"perhaps `{near[0]}`" if near else "")


def _refuse(rule: Rule, why: str, hint: str = "") -> InputError:
    return refuse(rule.path, rule.line, f"rule `{rule.ref.rule}`: {why}", hint)
