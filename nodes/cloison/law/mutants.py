"""Rules with one mistake each: what a slip of the pen would make of a text."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cedarpy import pst

from cloison.law.rules import Rule
from cloison.law.words import cedar_text

_STEPS = {
    "less": (-1, 0),
    "less_eq": (0, 1),
    "greater": (0, 1),
    "greater_eq": (-1, 0),
    "eq": (0, 0),
    "not_eq": (0, 0),
}
"""For a bound moved by (-1, +1), how far from the bound the value lies that tells the two apart."""

_SETS = frozenset({"in", "contains", "contains_all", "contains_any"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one mistake.

    Attributes:
        rule: The rule as it should be.
        template: As the mistake leaves it; None where the rule is gone.
        what: The mistake, in words.
        wanted: What kind of example would see it.
    """

    rule: Rule
    template: pst.Template | None
    what: str
    wanted: str


def mutants_of(rule: Rule) -> Iterator[Mutant]:
    """Each slip there can be in a rule.

    The rule gone; each part of its head widened to all there is; each condition dropped; each atom
    negated; each bound moved by one; each element of a set left out.
    """
    verb = "permits" if rule.permits else "forbids"
    decides = f"an example that this rule {verb}"
    alone = ", and no other (or that lists it under `rules`)" if rule.permits else ""
    yield Mutant(rule, None, "removed", f"{decides}{alone}")
    yield from _widened(rule)
    for place, clause in enumerate(rule.template.clauses):
        if not _is_and(clause.expr):
            others = rule.template.clauses[:place] + rule.template.clauses[place + 1 :]
            yield Mutant(rule, replace(rule.template, clauses=others), *_dropped(clause.expr))
        for changed, what, wanted in _changes(clause.expr):
            clauses = list(rule.template.clauses)
            clauses[place] = replace(clause, expr=changed)
            template = replace(rule.template, clauses=tuple(clauses))
            yield Mutant(rule, template, what, wanted or decides)


def _widened(rule: Rule) -> Iterator[Mutant]:
    """Who, what and about what, each as if the rule said it of all there is."""
    for part in ("principal", "action", "resource"):
        if not isinstance(getattr(rule.template, part), pst.ScopeAny):
            template = replace(rule.template, **{part: pst.ScopeAny()})  # type: ignore[arg-type]
            wanted = f"an example where all this rule asks holds, but its {part}"
            yield Mutant(rule, template, f"`{part}` widened", wanted)


def _is_and(expr: pst.Expr) -> bool:
    return isinstance(expr, pst.BinaryOp) and expr.op == "and"


def _dropped(expr: pst.Expr) -> tuple[str, str]:
    text = f"`{cedar_text(expr)}`"
    return f"{text} dropped", f"an example where all this rule asks holds, but {text}"


_Change = tuple[pst.Expr, str, str]
"""An expression changed, the mistake, and the example wanted; "" for any that the rule decides."""


def _changes(expr: pst.Expr) -> Iterator[_Change]:
    match expr:
        case pst.BinaryOp("and", left, right):
            for kept, gone in ((left, right), (right, left)):
                if not _is_and(gone):
                    yield kept, *_dropped(gone)
            yield from _within(expr, "left", "right")
        case pst.BinaryOp("or"):
            yield from _within(expr, "left", "right")
        case pst.UnaryOp("not"):
            yield from _within(expr, "arg")
        case pst.IfThenElse():
            yield from _within(expr, "cond", "then_expr", "else_expr")
        case _:
            yield pst.UnaryOp("not", expr), f"`{cedar_text(expr)}` negated", ""
            yield from _slips(expr)


def _within(expr: pst.BinaryOp | pst.UnaryOp | pst.IfThenElse, *parts: str) -> Iterator[_Change]:
    for name in parts:
        for changed, what, wanted in _changes(getattr(expr, name)):
            made = replace(expr, **{name: changed})  # type: ignore[arg-type]  # each part is one
            yield made, what, wanted


def _slips(atom: pst.Expr) -> Iterator[_Change]:
    match atom:
        case pst.BinaryOp(op, left, pst.LongLit(bound)) if op in _STEPS:
            for step, off in zip((-1, 1), _STEPS[op], strict=True):
                value = f"`{cedar_text(left)}` is {bound + off}"
                made = replace(atom, right=pst.LongLit(bound + step))
                what = f"`{cedar_text(atom)}` with {bound + step}"
                yield made, what, f"an example where {value} and all else this rule asks holds"
        case pst.BinaryOp(op, pst.Set(elements), right) if op in _SETS and len(elements) > 1:
            for one, rest in _left_out(elements):
                made = replace(atom, left=pst.Set(rest))
                yield made, *_missing(atom, one, f"`{cedar_text(right)}`")
        case pst.BinaryOp(op, left, pst.Set(elements)) if op in _SETS and len(elements) > 1:
            for one, rest in _left_out(elements):
                made = replace(atom, right=pst.Set(rest))
                yield made, *_missing(atom, one, f"`{cedar_text(left)}`")
        case _:
            pass


def _left_out(elements: tuple[pst.Expr, ...]) -> Iterator[tuple[pst.Expr, tuple[pst.Expr, ...]]]:
    for place, one in enumerate(elements):
        yield one, (*elements[:place], *elements[place + 1 :])


def _missing(atom: pst.Expr, element: pst.Expr, of: str) -> tuple[str, str]:
    named = cedar_text(element)
    return (
        f"`{cedar_text(atom)}` without {named}",
        f"an example that this rule decides, where {of} is {named}",
    )
