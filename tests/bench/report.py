"""The figures for the eye and for the machine: a table a topic, and `var/bench/summary.json`."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tests.bench.load import Figures


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU of each process, µs a question."""

    program: float
    node: float
    holder: float

    @property
    def total(self) -> float:
        """All three."""
        return self.program + self.node + self.holder


@dataclass(frozen=True, slots=True)
class Line:
    """One way of asking, on both sides; medians of interleaved rounds.

    Attributes:
        name: `1`, `8`, `64` callers of one program, whose client puts what they ask at once in one
            call under one signature; `64-apart`: each signed and sent on its own; `open-500`.
    """

    name: str
    cloison: Figures
    relay: Figures
    cloison_cpu: Spent
    relay_cpu: Spent

    @property
    def ratio(self) -> float:
        """Cloison's throughput to the relay's."""
        return self.cloison.per_second / self.relay.per_second


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of DESIGN §10 and where this run stands."""

    what: str
    bar: str
    measured: str
    met: bool

    def record(self) -> dict[str, object]:
        """As `summary.json` holds it."""
        return {"what": self.what, "bar": self.bar, "measured": self.measured, "met": self.met}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of one question on the program's hop; the relay carries the same."""

    request_bytes: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of DESIGN §4 alone, on an idle machine, median µs a question."""

    side: str
    name: str
    microseconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """Everything one run found.

    Attributes:
        disk_microseconds: A durable write of 2 KB, median, before and after.
        persons: Different persons asked about, in turn.
        others_cores: Cores that something else kept busy during the rounds, median.
        echo: One hop of the relay at 64 callers: its figures and its server's CPU, µs a call.
    """

    machine: str
    disk_microseconds: tuple[float, float]
    persons: int
    sizes: Sizes
    lines: tuple[Line, ...]
    echo: Figures
    echo_server: float
    others_cores: float
    steps: tuple[Step, ...]
    rounds: int
    round_seconds: float
    seconds: float

    def line(self, name: str) -> Line:
        """The line of that name."""
        return next(line for line in self.lines if line.name == name)


def machine() -> str:
    """The machine, in one line."""
    model = "unknown processor"
    for row in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if row.startswith("model name"):
            model = row.partition(":")[2].strip()
            break
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"{cores} × {model}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {load:.1f} before the run"
    )


def bars(result: Result) -> list[Bar]:
    """The bars of DESIGN §10 that one Ask must clear."""
    most, eight, steady = (result.line(name) for name in ("64", "8", "open-500"))
    cpu = most.cloison_cpu.holder / result.echo_server
    ratio = f"{most.ratio:.2f}"
    return [
        Bar("throughput to the relay's, 64 callers", "≥ 0.5", ratio, most.ratio >= 0.5),
        _at_least("questions a second, 64 callers", 1500, most.cloison.per_second),
        _below("p99, 8 callers", 20, eight.cloison.p99_ms),
        _below("p99, open loop at 500/s", 20, steady.cloison.p99_ms),
        Bar("holder's CPU to a bare echo server's, 64 callers", "≤ 2", f"{cpu:.2f}", cpu <= 2),
    ]


def _at_least(what: str, bar: float, value: float) -> Bar:
    return Bar(what, f"≥ {bar:,.0f}/s", f"{value:,.0f}/s", value >= bar)


def _below(what: str, bar: float, value: float) -> Bar:
    return Bar(what, f"< {bar:g} ms", f"{value:.1f} ms", value < bar)


def show(result: Result, console: Console) -> None:
    """Prints every table."""
    sizes = result.sizes
    console.print("\n[bold]One question, everything on, both ends' checks included[/]")
    console.print(result.machine, highlight=False)
    before, after = result.disk_microseconds
    console.print(
        f"disk: a durable write takes {before:,.0f} µs before, {after:,.0f} µs after; meanwhile "
        f"{result.others_cores:.2f} cores were busy with something else",
        highlight=False,
    )
    console.print(
        f"request {sizes.request_bytes:,} bytes, answer {sizes.answer_bytes:,} bytes; program → "
        f"own node → holder and back, mutual TLS; medians of {result.rounds} interleaved rounds of "
        f"{result.round_seconds:g} s; {result.seconds:.0f} s in all\n"
    )
    for table in (_asks(result), _cpu(result), _steps(result), bar_table(bars(result))):
        console.print(table)


def plain_table(title: str, first: str, columns: Sequence[str]) -> Table:
    """A table whose first column names the row; the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _asks(result: Result) -> Table:
    table = plain_table(
        "Throughput and latency",
        "callers",
        ["Cloison /s", "p50 ms", "p99 ms", "relay /s", "p50 ms", "p99 ms", "ratio"],
    )
    for line in result.lines:
        table.add_row(line.name, *_row(line.cloison), *_row(line.relay), f"{line.ratio:.2f}")
    table.add_row("64, one hop", "", "", "", *_row(result.echo), "", style="dim")
    return table


def _row(one: Figures) -> list[str]:
    return [f"{one.per_second:,.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}"]


def _cpu(result: Result) -> Table:
    table = plain_table(
        "CPU of each process, µs a question (Cloison / relay)",
        "callers",
        ["program", "own node", "holder", "together", "cores busy"],
    )
    for line in result.lines:
        ours, bare = line.cloison_cpu, line.relay_cpu
        pairs = [(ours.program, bare.program), (ours.node, bare.node), (ours.holder, bare.holder)]
        busy = ours.total * line.cloison.per_second / 1e6
        cells = [f"{a:,.0f} / {b:,.0f}" for a, b in [*pairs, (ours.total, bare.total)]]
        table.add_row(line.name, *cells, f"{busy:.2f}")
    table.add_row("64, one hop", "", "", f"– / {result.echo_server:,.0f}", "", "", style="dim")
    return table


def _steps(result: Result) -> Table:
    table = Table(
        title="Each step alone, µs a question",
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    table.add_column("side")
    table.add_column("step")
    table.add_column("µs", justify="right")
    for step in result.steps:
        table.add_row(step.side, step.name, f"{step.microseconds:,.1f}")
    return table


def bar_table(bars_: Sequence[Bar]) -> Table:
    """Every bar, and whether it was met."""
    table = plain_table("Against the bars of the design", "what", ["bar", "measured", ""])
    for bar in bars_:
        word = Text("met", "green") if bar.met else Text("missed", "bold red")
        table.add_row(bar.what, bar.bar, bar.measured, word)
    return table


def summary(result: Result) -> dict[str, object]:
    """What `summary.json` holds; later sections stand beside `ask`."""
    ask = {line.name: _line(line) for line in result.lines}
    return {
        "machine": result.machine,
        "durable_write_us": [round(one, 1) for one in result.disk_microseconds],
        "others_cores": round(result.others_cores, 2),
        "persons": result.persons,
        "rounds": result.rounds,
        "round_seconds": result.round_seconds,
        "seconds": round(result.seconds, 1),
        "request_bytes": result.sizes.request_bytes,
        "answer_bytes": result.sizes.answer_bytes,
        "ask": ask,
        "echo": {**_rounded(result.echo), "server_us": round(result.echo_server, 1)},
        "steps_us": _nested(result.steps),
        "bars": [bar.record() for bar in bars(result)],
    }


def _line(line: Line) -> dict[str, object]:
    return {
        **_rounded(line.cloison),
        "ratio": round(line.ratio, 3),
        "relay": _rounded(line.relay),
        "cpu_us": _spent(line.cloison_cpu),
        "relay_cpu_us": _spent(line.relay_cpu),
    }


def _rounded(one: Figures) -> dict[str, float]:
    return {
        "per_second": round(one.per_second, 1),
        "p50_ms": round(one.p50_ms, 2),
        "p99_ms": round(one.p99_ms, 2),
    }


def _spent(one: Spent) -> dict[str, float]:
    return {
        "program": round(one.program, 1),
        "node": round(one.node, 1),
        "holder": round(one.holder, 1),
    }


def _nested(steps: Iterable[Step]) -> Mapping[str, Mapping[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for step in steps:
        nested.setdefault(step.side, {})[step.name] = round(step.microseconds, 1)
    return nested


def write(summary: Mapping[str, object], path: Path) -> None:
    """Writes the summary whole, or leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(path)
