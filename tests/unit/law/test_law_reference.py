"""The second evaluator against Cedar: random rules and questions, most of them well typed."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import cedarpy
import pytest
from cedarpy import pst

from cloison.law.reference import (
    EvaluationError,
    Request,
    Uid,
    answer,
    evaluate,
    request_of,
    world_of,
)
from cloison.law.slices import policy_set

SETS, REQUESTS = 500, 10
SOAK_SETS = 100_000
IDS = ("a", "b", "c")
KINDS = ("Activity", "Dataset", "Purpose")
CONTEXT = {
    "months": "long",
    "persons": "long",
    "cohort": "bool",
    "granularity": "string",
    "purpose": "entity",
    "fields": "strings",
    "case": "record",
}
ATTRIBUTES = {"weight": "long", "kin": "entities", "open": "bool"}


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def random_entities(draw: random.Random) -> list[dict[str, Any]]:
    """A small forest; some attributes are missing, some parents are nobody's."""
    made = []
    for kind in KINDS:
        for place, name in enumerate(IDS):
            parents = [uid(kind, one) for one in IDS[:place] if draw.random() < 0.4]
            if draw.random() < 0.2:
                parents.append(uid("Body", draw.choice(IDS)))
            attributes: dict[str, Any] = {
                "weight": draw.randint(-3, 3),
                "open": draw.random() < 0.5,
                "kin": [{"__entity": uid(draw.choice(KINDS), draw.choice(IDS))}],
            }
            if draw.random() < 0.2:
                attributes.pop(draw.choice(list(attributes)))
            made.append({"uid": uid(kind, name), "attrs": attributes, "parents": parents})
    return made


def random_request(draw: random.Random) -> dict[str, Any]:
    long = (1 << 63) - 1
    return {
        "principal": uid("Activity", draw.choice(IDS)),
        "action": uid("Action", draw.choice(("ask", "read"))),
        "resource": uid("Dataset", draw.choice((*IDS, "nobody"))),
        "context": {
            "months": draw.choice((-long - 1, -1, 0, 1, 2, 3, long)),
            "persons": draw.randint(0, 3),
            "cohort": draw.random() < 0.5,
            "granularity": draw.choice(("month", "year")),
            "purpose": {"__entity": uid("Purpose", draw.choice(IDS))},
            "fields": draw.sample(("x", "y", "z"), draw.randint(0, 3)),
            "case": {"live": draw.random() < 0.5, "months": draw.randint(0, 3)},
        },
    }


class Rules:
    """Random rules: well typed most of the time, for what errs hides what does not."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def rule(self, place: int) -> pst.Template:
        draw = self._draw
        clauses = [self.of("bool", 3) for _ in range(draw.randint(0, 3))]
        return pst.Template(
            id=f"rule{place}",
            effect=draw.choice(("permit", "permit", "forbid")),
            principal=self._scope("Activity"),
            action=draw.choice(
                (
                    pst.ScopeAny(),
                    pst.ActionEq(self._uid("Action", ("ask", "read"))),
                    pst.ActionIn((self._uid("Action", ("ask", "read")),)),
                )
            ),
            resource=self._scope("Dataset"),
            clauses=tuple(draw.choice((pst.When, pst.Unless))(one) for one in clauses),
            annotations=pst.FrozenMap(),
        )

    def _uid(self, kind: str, names: tuple[str, ...] = IDS) -> pst.EntityUid:
        return pst.EntityUid(pst.EntityType(kind), self._draw.choice(names))

    def _scope(self, kind: str) -> Any:
        entity, typed = self._uid(kind), pst.EntityType(kind)
        scopes = (
            pst.ScopeAny(),
            pst.ScopeAny(),
            pst.ScopeEq(entity),
            pst.ScopeIn(entity),
            pst.ScopeIn(self._uid("Body")),
            pst.ScopeIs(typed),
            pst.ScopeIsIn(typed, entity),
        )
        return self._draw.choice(scopes)

    def of(self, kind: str, depth: int) -> Any:
        """An expression of a type, or, once in thirty, of another."""
        draw = self._draw
        if draw.random() < 1 / 30:
            kind = draw.choice(("bool", "long", "string", "entity", "strings", "entities"))
        if depth == 0 or draw.random() < 0.3:
            return self._leaf(kind)
        if draw.random() < 0.1:
            parts = (self.of(one, depth - 1) for one in ("bool", kind, kind))
            return pst.IfThenElse(*parts)
        return getattr(self, f"_{kind}")(depth - 1)

    def _leaf(self, kind: str) -> Any:
        draw, context = self._draw, pst.Var("context")
        case = pst.GetAttr(context, "case")
        names = [name for name, one in CONTEXT.items() if one == kind]
        own = [name for name, one in ATTRIBUTES.items() if one == kind]
        leaves: list[Any] = [pst.GetAttr(context, name) for name in names]
        leaves += [pst.GetAttr(pst.Var(draw.choice(("principal", "resource"))), n) for n in own]
        match kind:
            case "bool":
                leaves += [pst.BoolLit(draw.random() < 0.5), pst.GetAttr(case, "live")]
            case "long":
                numbers = (-1, 0, 1, 2, 3, (1 << 63) - 1)
                leaves += [pst.LongLit(draw.choice(numbers)), pst.GetAttr(case, "months")]
            case "string":
                leaves.append(pst.StringLit(draw.choice(("month", "year", "x", "y"))))
            case "entity":
                leaves += [pst.Var("principal"), pst.Var("resource")]
                leaves.append(pst.EntityLit(self._uid(draw.choice(KINDS))))
            case "strings":
                leaves.append(pst.Set(tuple(map(pst.StringLit, draw.sample(("x", "y", "z"), 2)))))
            case "entities":
                leaves.append(pst.Set((self._leaf("entity"), self._leaf("entity"))))
        return draw.choice(leaves)

    def _bool(self, depth: int) -> Any:
        draw = self._draw
        kind = draw.choice(("long", "string", "entity", "bool"))
        sets = draw.choice(("strings", "entities"))
        return draw.choice(
            (
                lambda: pst.UnaryOp("not", self.of("bool", depth)),
                lambda: self._two(draw.choice(("and", "or")), "bool", "bool", depth),
                lambda: self._two(draw.choice(("eq", "not_eq")), kind, kind, depth),
                lambda: self._two(
                    draw.choice(("less", "less_eq", "greater", "greater_eq")),
                    "long",
                    "long",
                    depth,
                ),
                lambda: self._two("in", "entity", draw.choice(("entity", "entities")), depth),
                lambda: self._two(
                    "contains", sets, {"strings": "string"}.get(sets, "entity"), depth
                ),
                lambda: self._two(draw.choice(("contains_all", "contains_any")), sets, sets, depth),
                lambda: pst.UnaryOp("is_empty", self.of(sets, depth)),
                lambda: pst.Is(
                    self.of("entity", depth),
                    pst.EntityType(draw.choice(KINDS)),
                    draw.choice((None, self._leaf("entity"))),
                ),
                lambda: pst.HasAttr(self._leaf("entity"), (draw.choice(list(ATTRIBUTES)),)),
            )
        )()

    def _two(self, op: Any, left: str, right: str, depth: int) -> Any:
        return pst.BinaryOp(op, self.of(left, depth), self.of(right, depth))

    def _long(self, depth: int) -> Any:
        if self._draw.random() < 0.3:
            return pst.UnaryOp("neg", self.of("long", depth))
        return self._two(self._draw.choice(("add", "sub", "mul")), "long", "long", depth)

    def _string(self, _: int) -> Any:
        return self._leaf("string")

    def _entity(self, _: int) -> Any:
        return self._leaf("entity")

    def _strings(self, depth: int) -> Any:
        return pst.Set((self.of("string", depth), self.of("string", depth)))

    def _entities(self, depth: int) -> Any:
        return pst.Set((self.of("entity", depth), self.of("entity", depth)))


def told(result: cedarpy.AuthzResult, names: list[str]) -> tuple[bool, set[str], set[str]]:
    errors = result.diagnostics.errors
    erring = {name for name in names if any(f"`{name}`" in text for text in errors)}
    return result.allowed, set(result.diagnostics.reasons), erring


def differences(sets: int, seed: int) -> Iterator[str]:
    """What the two say differently, in full, so that it can be played again."""
    for place in range(sets):
        draw = random.Random(f"{seed}/{place}")  # noqa: S311 - questions, not keys
        entities = random_entities(draw)
        maker = Rules(draw)
        rules = [maker.rule(number) for number in range(draw.randint(1, 6))]
        asked = [random_request(draw) for _ in range(REQUESTS)]
        known = cedarpy.Entities.from_json_str(json.dumps(entities))
        cedar = cedarpy.is_authorized_batch(asked, policy_set(rules), known)
        world = world_of(entities)
        for request, said in zip(asked, cedar, strict=True):
            ours = answer(rules, request_of(request), world)
            reasons = ours.permits if ours.allowed else ours.forbids
            theirs = told(said, [rule.id for rule in rules])
            if (ours.allowed, set(reasons), set(ours.errors)) != theirs:
                yield f"{seed}/{place}: {request}: {ours} against {theirs}"


def test_reference_says_what_cedar_says_of_random_rules() -> None:
    assert list(differences(SETS, 20261126)) == []


@pytest.mark.soak
def test_reference_says_what_cedar_says_of_a_million_questions() -> None:
    assert list(differences(SOAK_SETS, 1)) == []


def test_random_questions_are_of_every_kind() -> None:
    """What is compared permits, forbids and errs: none of the three by accident alone."""
    found: Counter[str] = Counter()
    for place in range(SETS // 5):
        draw = random.Random(f"{20261126}/{place}")  # noqa: S311 - questions, not keys
        world = world_of(random_entities(draw))
        maker = Rules(draw)
        rules = [maker.rule(number) for number in range(draw.randint(1, 6))]
        for _ in range(REQUESTS):
            said = answer(rules, request_of(random_request(draw)), world)
            found["allowed"] += said.allowed
            found["forbidden"] += bool(said.forbids)
            found["erring"] += bool(said.errors)
    assert min(found[one] for one in ("allowed", "forbidden", "erring")) > SETS * REQUESTS / 5 / 20


def test_operators_that_no_rule_may_use_have_no_value() -> None:
    nothing = Request(Uid("A", "a"), Uid("Action", "ask"), Uid("D", "d"), ())
    like = pst.Like(pst.StringLit("x"), (pst.Wildcard(),))
    with pytest.raises(EvaluationError, match="no rule here may use it"):
        evaluate(like, nothing, world_of([]))
