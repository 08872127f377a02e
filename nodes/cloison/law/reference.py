"""A second evaluator of rules, in plain Python: what Cedar says is held against what it says.

Written from Cedar's published semantics, without Cedar: scopes, conditions, and what errs. It
shares the parsed rules with the engine and nothing else.

Source:
    Cedar policy language reference: operators and their types, short circuits, errors of a missing
    attribute, of a wrong type and of 64-bit overflow; a policy that errs is skipped and named.
"""

import json
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cedarpy import pst

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_ORDER = {
    "less": operator.lt,
    "less_eq": operator.le,
    "greater": operator.gt,
    "greater_eq": operator.ge,
}
_RECKONING = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}


class Uid(NamedTuple):
    """An entity's name."""

    type: str
    id: str


Value = bool | int | str | Uid | frozenset[Any] | tuple[tuple[str, Any], ...]
"""A Cedar value; a set is a frozenset, a record a sorted tuple of its pairs."""


class EvaluationError(Exception):
    """An expression that has no value: a wrong type, an absent attribute, an overflow."""


@dataclass(frozen=True, slots=True)
class World:
    """What exists.

    Attributes:
        attributes: Of each entity.
        ancestors: Of each entity, itself included.
    """

    attributes: Mapping[Uid, Mapping[str, Value]]
    ancestors: Mapping[Uid, frozenset[Uid]]

    def inside(self, one: Uid, other: Uid) -> bool:
        """Whether one entity is the other, or stands below it; of the unknown, itself alone."""
        return one == other or other in self.ancestors.get(one, frozenset())


@dataclass(frozen=True, slots=True)
class Request:
    """Who would do what to what, and all that is known about it."""

    principal: Uid
    action: Uid
    resource: Uid
    context: Value


@dataclass(frozen=True, slots=True)
class Result:
    """What rules say of a request: those satisfied by effect, and those that err."""

    permits: frozenset[str]
    forbids: frozenset[str]
    errors: frozenset[str]

    @property
    def allowed(self) -> bool:
        """As Cedar decides: an erring rule counts for nothing."""
        return bool(self.permits) and not self.forbids


def world_of(entities: Iterable[Mapping[str, Any]]) -> World:
    """The world of entities as Cedar's JSON has them: `uid`, `attrs`, `parents`."""
    attributes: dict[Uid, dict[str, Value]] = {}
    parents: dict[Uid, list[Uid]] = {}
    for entity in entities:
        uid = Uid(entity["uid"]["type"], entity["uid"]["id"])
        attributes[uid] = {name: value_of(one) for name, one in entity["attrs"].items()}
        parents[uid] = [Uid(one["type"], one["id"]) for one in entity["parents"]]
    return World(attributes, {uid: frozenset(_above(uid, parents)) for uid in parents})


def _above(uid: Uid, parents: Mapping[Uid, list[Uid]]) -> set[Uid]:
    found: set[Uid] = set()
    waiting = [uid]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(parents.get(one, ()))
    return found


def request_of(asked: Mapping[str, Any]) -> Request:
    """A request as Cedar's JSON has it; its context may be JSON text."""
    context = asked["context"]
    principal, action, resource = (
        Uid(asked[one]["type"], asked[one]["id"]) for one in ("principal", "action", "resource")
    )
    known = value_of(json.loads(context) if isinstance(context, str) else context)
    return Request(principal, action, resource, known)


def value_of(written: Any) -> Value:
    """A value as Cedar's JSON writes it."""
    match written:
        case {"__entity": {"type": kind, "id": name}}:
            return Uid(kind, name)
        case dict():
            return tuple(sorted((name, value_of(one)) for name, one in written.items()))
        case list() | tuple():
            return frozenset(value_of(one) for one in written)
        case bool() | int() | str():
            return written
        case _:
            raise EvaluationError("not a value")


def answer(rules: Iterable[pst.Template], request: Request, world: World) -> Result:
    """What each rule says, all of them looked at."""
    said: dict[str, set[str]] = {"permit": set(), "forbid": set(), "error": set()}
    for rule in rules:
        try:
            if satisfied(rule, request, world):
                said[rule.effect].add(rule.id)
        except EvaluationError:
            said["error"].add(rule.id)
    return Result(*(frozenset(said[one]) for one in ("permit", "forbid", "error")))


def satisfied(rule: pst.Template, request: Request, world: World) -> bool:
    """Whether a rule's head and every clause hold.

    Raises:
        EvaluationError: a clause looked at has no value.
    """
    return (
        _in_scope(rule.principal, request.principal, world)
        and _is_action(rule.action, request.action)
        and _in_scope(rule.resource, request.resource, world)
        and all(
            _truth(evaluate(clause.expr, request, world)) is isinstance(clause, pst.When)
            for clause in rule.clauses
        )
    )


def _in_scope(scope: pst.PrincipalOrResourceConstraint, uid: Uid, world: World) -> bool:
    match scope:
        case pst.ScopeAny():
            return True
        case pst.ScopeEq(pst.EntityUid() as entity):
            return uid == _uid(entity)
        case pst.ScopeIn(pst.EntityUid() as entity):
            return world.inside(uid, _uid(entity))
        case pst.ScopeIs(kind):
            return uid.type == str(kind)
        case pst.ScopeIsIn(kind, pst.EntityUid() as entity):
            return uid.type == str(kind) and world.inside(uid, _uid(entity))
        case _:
            raise EvaluationError("a slot is filled by nobody")


def _is_action(scope: pst.ActionConstraint, uid: Uid) -> bool:
    match scope:
        case pst.ActionEq(entity):
            return uid == _uid(entity)
        case pst.ActionIn(entities):
            return uid in map(_uid, entities)
        case _:
            return True


def _uid(entity: pst.EntityUid) -> Uid:
    return Uid(str(entity.type), entity.id)


def evaluate(expr: pst.Expr, request: Request, world: World) -> Value:  # noqa: PLR0911 - one a form
    """The value of an expression.

    Raises:
        EvaluationError: it has none, or is of a form that rules here have no use for.
    """
    match expr:
        case pst.Var(name):
            value: Value = getattr(request, name)
            return value
        case pst.BoolLit(value) | pst.LongLit(value) | pst.StringLit(value):
            return value
        case pst.EntityLit(entity):
            return _uid(entity)
        case pst.GetAttr(base, name):
            return _attribute(evaluate(base, request, world), name, world)
        case pst.BinaryOp(("and" | "or") as op, left, right):
            if _truth(evaluate(left, request, world)) is (op == "or"):
                return op == "or"
            return _truth(evaluate(right, request, world))
        case pst.BinaryOp(op, left, right):
            return _binary(
                op, evaluate(left, request, world), evaluate(right, request, world), world
            )
        case pst.UnaryOp(op, argument):
            return _unary(op, evaluate(argument, request, world))
        case pst.Set(elements):
            return frozenset(evaluate(one, request, world) for one in elements)
        case _:
            return _rarer(expr, request, world)


def _rarer(expr: pst.Expr, request: Request, world: World) -> Value:
    match expr:
        case pst.IfThenElse(condition, first, second):
            chosen = first if _truth(evaluate(condition, request, world)) else second
            return evaluate(chosen, request, world)
        case pst.Is(base, kind, within):
            uid = _entity(evaluate(base, request, world))
            if uid.type != str(kind):
                return False
            return within is None or _is_in(uid, evaluate(within, request, world), world)
        case pst.Record(fields):
            pairs = ((name, evaluate(one, request, world)) for name, one in fields.items())
            return tuple(sorted(pairs))
        case pst.HasAttr(base, (name,)):
            return name in _attributes(evaluate(base, request, world), world)
        case _:
            raise EvaluationError(f"{type(expr).__name__}: no rule here may use it")


def _attributes(value: Value, world: World) -> Mapping[str, Value]:
    if isinstance(value, Uid):
        return world.attributes.get(value, {})
    if isinstance(value, tuple):
        return dict(value)  # type: ignore[arg-type]  # a `Uid` is a tuple too, and gone above
    raise EvaluationError("an attribute of what has none")


def _attribute(value: Value, name: str, world: World) -> Value:
    found = _attributes(value, world)
    if name not in found:
        raise EvaluationError(f"no attribute `{name}`")
    return found[name]


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError("not a truth value")
    return value


def _number(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise EvaluationError("not a number")
    return value


def _entity(value: Value) -> Uid:
    if not isinstance(value, Uid):
        raise EvaluationError("not an entity")
    return value


def _set(value: Value) -> frozenset[Any]:
    if not isinstance(value, frozenset):
        raise EvaluationError("not a set")
    return value


def _unary(op: str, value: Value) -> Value:
    match op:
        case "not":
            return not _truth(value)
        case "neg":
            return _fitting(-_number(value))
        case "is_empty":
            return not _set(value)
        case _:
            raise EvaluationError(f"`{op}`: no rule here may use it")


def _fitting(number: int) -> int:
    if not _LEAST <= number <= _MOST:
        raise EvaluationError("a number of more than 64 bits")
    return number


def _same(left: Value, right: Value) -> bool:
    # In Python True == 1; in Cedar values of two types are never equal.
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _holds(values: frozenset[Any], one: Value) -> bool:
    return any(_same(value, one) for value in values)


def _binary(  # noqa: PLR0911 - one a form
    op: str, left: Value, right: Value, world: World
) -> Value:
    if op in _ORDER:
        return bool(_ORDER[op](_number(left), _number(right)))
    if op in _RECKONING:
        return _fitting(_RECKONING[op](_number(left), _number(right)))
    match op:
        case "eq":
            return _same(left, right)
        case "not_eq":
            return not _same(left, right)
        case "in":
            return _is_in(_entity(left), right, world)
        case "contains":
            return _holds(_set(left), right)
        case "contains_all":
            held = _set(left)
            return all(_holds(held, one) for one in _set(right))
        case "contains_any":
            held = _set(left)
            return any(_holds(held, one) for one in _set(right))
        case _:
            raise EvaluationError(f"`{op}`: no rule here may use it")


def _is_in(uid: Uid, place: Value, world: World) -> bool:
    if isinstance(place, frozenset):
        # One that is no entity errs, wherever it stands in the set.
        entities = [_entity(one) for one in place]
        return any(world.inside(uid, one) for one in entities)
    return world.inside(uid, _entity(place))
