"""What every step of the demo works with."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from cloison.cli.places import Place, read_nodes
from cloison.law import PolicySet
from cloison.months import Month
from cloison.wire.client import GatewayClient, connect

ROOT = Path(__file__).resolve().parents[3]
BODY = "caf"
MONTH = Month.of(2026, 6)
DATED_BODIES = ("caf", "cnav")
STORE, LOADED = "store.sqlite", "loaded"
WIDTH = 120


class DemoFailedError(Exception):
    """A step failed, or a figure of the summary does not hold."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What every step works with."""

    console: Console
    place: Place
    people: Path
    policy: PolicySet
    dated_addresses: Path
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered heading before, and the seconds it took after."""
        self.console.print()
        self.console.rule(
            Text(f"{next(self.numbers)} · {title}", style="bold"), align="left", style="dim"
        )
        begin = time.monotonic()
        yield
        seconds = f"{time.monotonic() - begin:.1f}".replace(".", ",")
        self.console.print(Text(f"{seconds} s", style="dim"))

    def gateway(self, activity: str) -> GatewayClient:
        """An activity's door to its own node."""
        body = self.policy.activities[activity].body
        (node,) = read_nodes(self.place, [body])
        return connect(self.place.keys, activity, self.place.root, address=node.address)

    def say(self, text: str) -> None:
        """A line of result; no markup in it."""
        self.console.print(text, markup=False)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars that go away when the step is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, TimeElapsedColumn(), console=self.console, transient=True
        ) as progress:
            yield progress


def advance(bar: Progress, task: TaskID, done: int, of: int) -> None:
    """How far a step is, on its bar."""
    bar.update(task, completed=done, total=of)
