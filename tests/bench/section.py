"""A section of the bench: what it found, in one form, so that one place shows and writes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Protocol

from rich.console import Console
from rich.table import Table
from tests.bench.report import Bar, bar_table, plain_table

_NANOSECONDS = 1000


@dataclass(frozen=True, slots=True)
class Section:
    """What one section found.

    Attributes:
        title: What was measured, in a line.
        notes: What one must know to read the figures.
        figures: As `summary.json` holds them, beside the bars.
    """

    title: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    bars: tuple[Bar, ...]
    figures: Mapping[str, object]

    def show(self, console: Console) -> None:
        """Prints it."""
        console.print(f"\n[bold]{self.title}[/]", highlight=False)
        for note in self.notes:
            console.print(note, highlight=False)
        console.print()
        for table in (*self.tables, bar_table(self.bars)):
            console.print(table)

    def summary(self) -> dict[str, object]:
        """As `summary.json` holds it."""
        return {**self.figures, "bars": [bar.record() for bar in self.bars]}


class Shown(Protocol):
    """What every section can do."""

    def show(self, console: Console) -> None:
        """Prints it."""

    def summary(self) -> dict[str, object]:
        """As `summary.json` holds it."""


Measure = Callable[[Path, Console], Shown]
"""Measures one section in an empty folder, which the caller deletes."""


def interleaved(
    sides: Mapping[str, Callable[[int], object]], rounds: int, times: int
) -> dict[str, float]:
    """What a call of each side costs: the median over rounds, µs; sides take turns.

    Each side is called `times` times a round, with the number of the call; the side that begins
    changes with the round. A round before the first is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        names = list(sides)[:: 1 if number % 2 else -1]
        for name in names:
            call = sides[name]
            start = perf_counter_ns()
            for place in range(number * times, (number + 1) * times):
                call(place)
            spent = (perf_counter_ns() - start) / _NANOSECONDS / times
            if number:
                found[name].append(spent)
    return {name: median(spent) for name, spent in found.items()}


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose first column names the row; the others are numbers."""
    table = plain_table(title, columns[0], columns[1:])
    for row in rows:
        table.add_row(*row)
    return table


def at_most(what: str, bar: float, value: float, unit: str = "") -> Bar:
    """A bar met by what is no larger."""
    shown = f"{value:,.2f}{unit}" if value < 100 else f"{value:,.0f}{unit}"
    return Bar(what, f"≤ {bar:g}{unit}", shown, value <= bar)
