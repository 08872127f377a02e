"""What OpenFisca worked out for one household, and the legal values it read, as typed values.

With `entitlement.openfisca_adapter`, the only module that touches OpenFisca's untyped API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
from openfisca_core.tracers import FullTracer

from cloison.errors import IntegrityError
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import Benefit, Household, Window
from cloison.programs.explanation.expressions import Unit

_UNITS = {"currency": Unit.EUROS, "/1": Unit.RATE}


@dataclass(frozen=True, slots=True)
class Reference:
    """A text OpenFisca cites for a value."""

    title: str
    address: str


@dataclass(frozen=True, slots=True)
class LegalValue:
    """A dated value of the legislation, as OpenFisca holds it.

    Attributes:
        name: OpenFisca's own path.
        short: A few words for it; OpenFisca's title where it has no shorter ones.
        since: First day this value is in force.
        references: What OpenFisca cites for that day; empty where it cites nothing.
    """

    name: str
    title: str
    short: str
    value: Fraction
    unit: Unit
    since: date
    references: tuple[Reference, ...]


class Engine:
    """One household's simulation, computed once with its trace kept."""

    def __init__(self, benefit: Benefit, window: Window, household: Household) -> None:
        simulation = openfisca_adapter.simulate(benefit, window, [household])
        simulation.trace = True
        self._tracer: Any = simulation.tracer
        if not isinstance(self._tracer, FullTracer):
            raise IntegrityError("NO_TRACE", "explanation: OpenFisca kept no trace")
        self.output = openfisca_adapter.OUTPUT[benefit]
        simulation.calculate(self.output, str(window.month))
        self._simulation: Any = simulation
        self._values: dict[tuple[str, str], Any] = {}
        self._read: set[tuple[str, str]] = set()
        for node in self._tracer.browse_trace():
            if node.value is not None:
                self._values[node.name, str(node.period)] = node.value
            self._read |= {(one.name, str(one.period)) for one in node.parameters}

    def seen(self, variable: str, period: Month | int, place: int = 0) -> Fraction:
        """What OpenFisca worked out, for a person or the household; zero if it never did.

        A truth is 1 or 0.
        """
        values = self._values.get((variable, str(period)))
        return Fraction(0) if values is None else _exact(values[place])

    def legal(self, name: str, day: date) -> LegalValue:
        """The value of a parameter on a day.

        Raises:
            IntegrityError: `PARAMETER_NOT_READ`: OpenFisca did not read it for that day.
        """
        if not self._was_read(name, day.isoformat()):
            raise IntegrityError(
                "PARAMETER_NOT_READ", f"parameter `{name}`: OpenFisca did not read it on `{day}`"
            )
        parameter = _find(name)
        dated = next(one for one in parameter.values_list if one.instant_str <= day.isoformat())
        return LegalValue(
            name=name,
            title=_words(parameter.description or name),
            short=_words(parameter.metadata.get("short_label") or parameter.description or name),
            value=Fraction(str(dated.value)),
            unit=_UNITS.get(str(parameter.metadata.get("unit")).split("_")[0], Unit.NUMBER),
            since=date.fromisoformat(dated.instant_str),
            references=_references(parameter.metadata.get("reference"), dated.instant_str),
        )

    def _was_read(self, name: str, day: str) -> bool:
        """By its own name, or by that of a node chosen from by zone or by kind of home."""
        parts = name.split(".")
        above = (".".join(parts[: len(parts) - cut]) for cut in range(3))
        return any((one, day) in self._read for one in above)


def _words(text: Any) -> str:
    return " ".join(str(text).split())


def _exact(value: Any) -> Fraction:
    """The shortest decimal that is this number to OpenFisca, which keeps seven digits."""
    return Fraction(str(value)) if isinstance(value, np.floating) else Fraction(int(value))


def _find(name: str) -> Any:
    node = openfisca_adapter.system().parameters
    for part in name.split("."):
        node = node.children[part]
    return node


def _references(found: Any, since: str) -> tuple[Reference, ...]:
    """Of the very day where OpenFisca dates them; of the parameter where it does not."""
    if isinstance(found, dict) and not {"title", "href"} & set(found):
        found = found.get(since)
    listed: Sequence[Any] = found if isinstance(found, list) else [found] if found else []
    return tuple(_reference(one) for one in listed)


def _reference(one: Any) -> Reference:
    if isinstance(one, dict):
        return Reference(str(one.get("title") or one.get("href")), str(one.get("href") or ""))
    text = str(one)
    return Reference(text, text if text.startswith("http") else "")
