"""Building a replay: each step is worked out exactly, then held against what OpenFisca computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from cloison.months import Month
from cloison.programs.entitlement.inputs import Household, Window
from cloison.programs.explanation.data import Table
from cloison.programs.explanation.engine import Engine, LegalValue
from cloison.programs.explanation.expressions import (
    Expression,
    Kind,
    Leaf,
    Op,
    Unit,
    count,
    rounded,
)

CENT = Fraction(1, 100)
SLACK = Fraction(1, 1_000)
_SLACK_EACH = Fraction(1, 500_000)
"""OpenFisca keeps seven digits; a step may differ from it by that much, and a tenth of a cent."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A legal value as applied; `mark` is its line in the notice, `P1` on."""

    mark: str
    legal: LegalValue


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the computation.

    Attributes:
        mark: Its line in the notice, `E1` on.
        section: What it belongs to: a month, or a part of the computation.
        variable: OpenFisca's name of what it gives; empty where it has none.
        expression: How; None where OpenFisca's own value stands and is not detailed.
        note: What is said of it: a rounding, a condition.
    """

    mark: str
    section: str
    title: str
    variable: str
    expression: Expression | None
    value: Fraction
    unit: Unit
    note: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A yes or no of the law that OpenFisca worked out for this household."""

    section: str
    title: str
    variable: str
    met: bool


class Replay:
    """The steps so far, with the legal values and conditions they rest on."""

    def __init__(
        self, engine: Engine, window: Window, household: Household, table: Table, who: Sequence[str]
    ) -> None:
        self.engine = engine
        self.window = window
        self.household = household
        self.table = table
        self.who = tuple(who)
        self.steps: list[Step] = []
        self.parameters: list[Parameter] = []
        self.conditions: list[Condition] = []
        self.section = ""

    def legal(self, name: str, at: Month | date) -> Leaf:
        """A legal value in force on the first day of a month, or on a day."""
        found = self.engine.legal(name, at.first_day if isinstance(at, Month) else at)
        known = next((one for one in self.parameters if one.legal == found), None)
        if known is None:
            known = Parameter(f"P{len(self.parameters) + 1}", found)
            self.parameters.append(known)
        return Leaf(Kind.PARAMETER, found.short, found.value, found.unit, known.mark)

    def seen(self, title: str, variable: str, period: Month | int, place: int = 0) -> Leaf:
        """A value of OpenFisca's that is not replayed; zero where it worked out none."""
        value = self.engine.seen(variable, period, place)
        return Leaf(Kind.ENGINE, f"{title} ({variable})", value, Unit.EUROS)

    def met(self, title: str, variable: str, period: Month | int, place: int = 0) -> bool:
        """A condition of the law, shown once."""
        found = Condition(
            self.section, title, variable, met=self.engine.seen(variable, period, place) != 0
        )
        if found not in self.conditions:
            self.conditions.append(found)
        return found.met

    def say(self, title: str, variable: str, *, met: bool) -> None:
        """Shows a condition worked out from others."""
        self.conditions.append(Condition(self.section, title, variable, met))

    def step(
        self,
        title: str,
        expression: Expression,
        variable: str = "",
        period: Month | int = 0,
        place: int = 0,
        *,
        unit: Unit = Unit.EUROS,
        note: str = "",
    ) -> Leaf:
        """Adds a step and gives its value for the next; `variable` is what it must equal."""
        how: Expression | None = expression
        value = expression.value
        if variable:
            seen = self.engine.seen(variable, period, place)
            if abs(value - seen) > SLACK + abs(seen) * _SLACK_EACH:
                value, how = seen, None
                note = "Valeur calculée par OpenFisca, non détaillée ici."
        mark = f"E{len(self.steps) + 1}"
        self.steps.append(Step(mark, self.section, title, variable, how, value, unit, note))
        return Leaf(Kind.STEP, title, value, unit, mark)

    def finish(self, title: str, last: Expression, amount_cents: int) -> None:
        """The amount to the cent. Whatever OpenFisca's seven digits change is a line of its own."""
        amount = self.step(title, rounded(Op.ROUND, last, CENT))
        gap = Fraction(amount_cents, 100) - amount.number
        if gap:
            self.step(
                "Écart d'arrondi de la machine",
                amount + count(gap),
                note="OpenFisca calcule avec sept chiffres ; son résultat est celui retenu.",
            )
