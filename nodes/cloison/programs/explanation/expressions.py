"""Exact arithmetic that can be read: a tree of operations whose leaves say where they come from.

Values are fractions: nothing is rounded but by a rounding that stands in the tree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import reduce
from math import ceil, floor


class Unit(StrEnum):
    """What a number counts."""

    EUROS = "euros"
    RATE = "rate"
    NUMBER = "number"


class Kind(StrEnum):
    """Where a number comes from."""

    DATA = "data"
    PARAMETER = "parameter"
    STEP = "step"
    ENGINE = "engine"
    """Worked out by OpenFisca and not replayed."""
    NUMBER = "number"
    """A number of the operation itself: how many months, how many persons."""


class Op(StrEnum):
    """An operation. `AT_LEAST` gives its first value if it reaches the second, else zero."""

    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    MAX = "max"
    MIN = "min"
    AT_LEAST = "at_least"
    ROUND = "round"
    FLOOR = "floor"
    CEIL = "ceil"


@dataclass(frozen=True, slots=True)
class Expression:
    """A value one can write in an operation. The operators build trees."""

    def __add__(self, other: "Expression") -> "Operation":
        return Operation(Op.ADD, (self, other))

    def __sub__(self, other: "Expression") -> "Operation":
        return Operation(Op.SUBTRACT, (self, other))

    def __mul__(self, other: "Expression") -> "Operation":
        return Operation(Op.MULTIPLY, (self, other))

    def __truediv__(self, other: "Expression") -> "Operation":
        return Operation(Op.DIVIDE, (self, other))

    @property
    def value(self) -> Fraction:
        """The exact value."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Leaf(Expression):
    """A number and where it comes from; `mark` is its line in the notice, as `D3` or `P2`."""

    kind: Kind
    label: str
    number: Fraction
    unit: Unit
    mark: str = ""

    @property
    def value(self) -> Fraction:
        """The exact value."""
        return self.number


@dataclass(frozen=True, slots=True)
class Operation(Expression):
    """An operation on values. Roundings take the value, then the step they round to."""

    op: Op
    args: tuple[Expression, ...]

    @property
    def value(self) -> Fraction:
        """The exact value."""
        return _APPLY[self.op]([one.value for one in self.args])


def count(number: int | Fraction, label: str = "") -> Leaf:
    """A number of the operation itself."""
    return Leaf(Kind.NUMBER, label, Fraction(number), Unit.NUMBER)


def total(values: Sequence[Expression]) -> Expression:
    """Their sum; zero euros where there is none."""
    if not values:
        return Leaf(Kind.NUMBER, "rien de déclaré", Fraction(0), Unit.EUROS)
    return values[0] if len(values) == 1 else Operation(Op.ADD, tuple(values))


def largest(*values: Expression) -> Operation:
    """The greatest of them."""
    return Operation(Op.MAX, values)


def smallest(*values: Expression) -> Operation:
    """The least of them."""
    return Operation(Op.MIN, values)


def not_below_zero(value: Expression) -> Operation:
    """The value, or zero where it is negative."""
    return largest(count(0), value)


def at_least(value: Expression, threshold: Expression) -> Operation:
    """The value if it reaches the threshold, else zero."""
    return Operation(Op.AT_LEAST, (value, threshold))


def rounded(op: Op, value: Expression, to: Fraction) -> Operation:
    """The value rounded to a multiple of `to`: nearest (ties to even), down or up."""
    return Operation(op, (value, count(to)))


_Apply = Callable[[Sequence[Fraction]], Fraction]
_APPLY: Mapping[Op, _Apply] = {
    Op.ADD: lambda args: sum(args, Fraction(0)),
    Op.SUBTRACT: lambda args: reduce(lambda left, right: left - right, args),
    Op.MULTIPLY: lambda args: reduce(lambda left, right: left * right, args),
    Op.DIVIDE: lambda args: args[0] / args[1],
    Op.MAX: max,
    Op.MIN: min,
    Op.AT_LEAST: lambda args: args[0] if args[0] >= args[1] else Fraction(0),
    Op.ROUND: lambda args: round(args[0] / args[1]) * args[1],
    Op.FLOOR: lambda args: floor(args[0] / args[1]) * args[1],
    Op.CEIL: lambda args: ceil(args[0] / args[1]) * args[1],
}
