"""Notices for tests, made by a real run over the in-memory gateway; and a reader that knows none.

`recompute` uses nothing of the product: it is what a reader with the JSON and a pencil would do.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any

from tests.unit.programs.fake_gateway import FakeGateway

from cloison.law import PolicySet
from cloison.months import Month
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import run
from cloison.programs.explanation.notice import Notice, make_notice

JUNE = Month.of(2026, 6)
NOW = datetime(2026, 6, 16, 10, tzinfo=UTC)
YEAR = list((JUNE - 13).to(JUNE - 2))


def pay(cents: int, nature: str = "salary") -> dict[tuple[str, Month], int]:
    """The same income every month of the long window."""
    return {(nature, month): cents for month in YEAR}


def paid(benefit: str, cents: int) -> dict[tuple[str, Month], int]:
    """The same payment in each month from M-4 to M-1."""
    return {(benefit, month): cents for month in (JUNE - 4).to(JUNE - 1)}


def notice_of(gateway: FakeGateway, policy: PolicySet, activity: str, place: int = 0) -> Notice:
    """The notice of one of the gateway's claims."""
    record = policy.activities[activity]
    result = run(gateway, Needs.of(record), JUNE).results[place]
    return make_notice(policy, record, JUNE, result, NOW)


Json = dict[str, Any]
_Apply = Callable[[Sequence[Fraction]], Fraction]
_OPERATIONS: Mapping[str, _Apply] = {
    "add": sum,  # type: ignore[dict-item]  # of fractions, a fraction
    "subtract": lambda args: args[0] - sum(args[1:]),
    "multiply": lambda args: args[0] * args[1],
    "divide": lambda args: args[0] / args[1],
    "max": max,
    "min": min,
    "at_least": lambda args: args[0] if args[0] >= args[1] else Fraction(0),
    "round": lambda args: round(args[0] / args[1]) * args[1],
    "floor": lambda args: floor(args[0] / args[1]) * args[1],
    "ceil": lambda args: ceil(args[0] / args[1]) * args[1],
}


def recompute(record: Json) -> int:
    """The amount in cents, from the notice alone: its data, its parameters and its operations."""
    data = {one["id"]: one["values"] for one in record["data"]}
    parameters = {one["id"]: Fraction(one["value"]) for one in record["parameters"]}
    steps: dict[str, Fraction] = {}

    def value(operation: Json) -> Fraction:
        if "op" in operation:
            return _OPERATIONS[operation["op"]]([value(one) for one in operation["args"]])
        line = operation.get("line", "")
        if operation["kind"] == "step":
            return steps[line]
        if operation["kind"] == "parameter":
            return parameters[line]
        if operation["kind"] == "data":
            assert Fraction(operation["value"]) * 100 in amounts(data[line])
        return Fraction(operation["value"])

    for step in record["steps"]:
        done = Fraction(step["value"]) if step["operation"] is None else value(step["operation"])
        assert abs(done - Fraction(step["value"])) < Fraction(1, 10**9)
        steps[step["id"]] = done
    cents = steps[record["result"]] * 100
    assert cents.denominator == 1
    return int(cents)


def amounts(values: Mapping[str, object]) -> list[object]:
    """The whole numbers among a row's values; none counts as nothing paid."""
    return [one for one in values.values() if isinstance(one, int)] or [0]


def not_detailed(record: Json) -> list[str]:
    """Steps whose value is OpenFisca's word only."""
    return [step["variable"] for step in record["steps"] if step["operation"] is None]
