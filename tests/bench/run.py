"""`make bench`: each bar of the design measured against what it is compared with, in one run.

Run as `python -m tests.bench.run [SECTION …]`; each section takes about two minutes on two cores.
`ask` is one question with everything on, against a bare relay, and where the time goes.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from tests.bench import (
    asking,
    audit,
    decision,
    entitlement,
    federation,
    growth,
    ledger,
    load,
    loading,
    many,
    relay,
    report,
    search,
    steps,
    tables,
)
from tests.bench.load import Ask, Measured
from tests.bench.processes import ROOT, cpu_seconds, machine_cpu_seconds
from tests.bench.report import Line, Result, Spent
from tests.bench.section import Measure

from cloison.bodies import BodyId
from cloison.cli.places import Place
from cloison.wire.async_client import connect_async
from cloison.wire.gateway import AskFor

REQUESTER = BodyId("caf")
PERSONS, SEED = 1000, 20260601
CALLERS = (1, 8, 64)
OPEN_PER_SECOND = (190, 500)
"""The rate of the bar; and the same part of this machine as it was of the one that set the bar."""
_MOST = max(CALLERS)
_WARM_SECONDS = 0.4
_SYNCS = 200
_COLUMNS = 110  # of a file; a terminal says its own

Loop = Callable[[Ask, float], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Side:
    """Cloison or the relay: how a question is put, and the CPU of program, node and holder."""

    ask: Ask
    cpu: Callable[[], tuple[float, ...]]


@dataclass(slots=True)
class Rounds:
    """What one side measured on one line. `others`: cores the rest of the machine kept busy."""

    measured: list[Measured] = field(default_factory=list)
    spent: list[Spent] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    async def add(self, side: Side, loop: Loop, seconds: float) -> None:
        """One more round, after a short one that is not counted."""
        await loop(side.ask, _WARM_SECONDS)
        before, machine = side.cpu(), machine_cpu_seconds()
        one = await loop(side.ask, seconds)
        ours = [after - start for start, after in zip(before, side.cpu(), strict=True)]
        others = machine_cpu_seconds() - machine - sum(ours)
        self.measured.append(one)
        self.spent.append(Spent(*(used * 1e6 / one.asked for used in ours)))
        self.others.append(max(0.0, others) / one.seconds)

    @property
    def cpu(self) -> Spent:
        """Medians."""
        return Spent(
            median(one.program for one in self.spent),
            median(one.node for one in self.spent),
            median(one.holder for one in self.spent),
        )


@dataclass(frozen=True, slots=True)
class Turns:
    """What taking turns found; `others`: cores the rest of the machine kept busy, median."""

    lines: tuple[Line, ...]
    echo: Rounds
    others: float


@dataclass(frozen=True, slots=True)
class Sides:
    """Those that take turns. `echo` is the relay's holder alone, one hop."""

    cloison: Side
    apart: Side
    relay: Side
    echo: Side


@dataclass(frozen=True, slots=True)
class Way:
    """One line of the table: how questions come; `apart`: each is signed and sent on its own."""

    loop: Loop
    apart: bool = False


def ways() -> dict[str, Way]:
    """Every line: closed loops, then open ones."""

    def closed(callers: int) -> Loop:
        return lambda ask, seconds: load.closed_loop(ask, callers, seconds)

    def opened(per_second: int) -> Loop:
        return lambda ask, seconds: load.open_loop(ask, per_second, seconds, SEED)

    return {
        **{str(callers): Way(closed(callers)) for callers in CALLERS},
        f"{_MOST}-apart": Way(closed(_MOST), apart=True),
        **{f"open-{per_second}": Way(opened(per_second)) for per_second in OPEN_PER_SECOND},
    }


async def take_turns(sides: Sides, rounds: int, seconds: float, console: Console) -> Turns:
    """Every line on both sides, in turns; the side that begins changes with the round."""
    lines = ways()
    found = {name: (Rounds(), Rounds()) for name in lines}
    echo = Rounds()
    for number in range(rounds):
        for name, way in lines.items():
            console.print(f"[dim]round {number + 1} of {rounds}, {name}[/]", highlight=False)
            ours = sides.apart if way.apart else sides.cloison
            turns = list(zip(found[name], (ours, sides.relay), strict=True))
            for kept, side in turns if number % 2 else reversed(turns):
                await kept.add(side, way.loop, seconds)
        await echo.add(sides.echo, lines[str(_MOST)].loop, seconds)
    others = [cores for pair in found.values() for one in pair for cores in one.others]
    made = tuple(
        Line(name, load.figures(ours.measured), load.figures(bare.measured), ours.cpu, bare.cpu)
        for name, (ours, bare) in found.items()
    )
    return Turns(made, echo, median(others))


def own_cpu() -> float:
    """CPU of this process, the program, as of the others."""
    return cpu_seconds(os.getpid())


async def measure(
    place: Place,
    pair: federation.Pair,
    asks: Sequence[AskFor],
    given: argparse.Namespace,
    folder: Path,
    console: Console,
) -> tuple[report.Sizes, Turns]:
    """The relay beside the running federation, its messages of the size of a real exchange."""
    program = asking.Program.of(place, REQUESTER, pair.requester.address)
    address = pair.requester.address
    client = connect_async(place.keys, asking.ACTIVITY, place.root, address=address)
    exchanged = await program.ask(asks[0])
    request = exchanged.request.SerializeToString()
    answer = exchanged.response.SerializeToString()
    keys = relay.Keys(place.keys, asking.activity_folder(place, REQUESTER))
    with relay.running(place.keys, REQUESTER, asking.HOLDER, answer, folder) as run:
        async with (
            program.channel,
            keys.channel(REQUESTER, run.node.port) as node,
            keys.channel(asking.HOLDER, run.holder.port) as holder,
        ):

            def bare(call: relay.Pass) -> Side:
                async def ask() -> None:
                    await call(request)

                return Side(ask, lambda: (own_cpu(), run.node.cpu_seconds, run.holder.cpu_seconds))

            def full(ask: Ask) -> Side:
                nodes = pair.requester, pair.holder
                return Side(ask, lambda: (own_cpu(), *map(federation.cpu_of, nodes)))

            sides = Sides(
                full(asking.asker_of(client, asks)),
                full(program.asker(asks)),
                bare(relay.caller(node)),
                bare(relay.caller(holder)),
            )
            turns = await take_turns(sides, given.rounds, given.seconds, console)
            await client.close()
    return report.Sizes(len(request), len(answer)), turns


async def take_steps(
    place: Place, pair: federation.Pair, asks: Sequence[AskFor]
) -> list[report.Step]:
    """Each step alone, with the nodes stopped."""
    program = asking.Program.of(place, REQUESTER, pair.requester.address)
    both = steps.open_both(place, REQUESTER)
    try:
        return steps.measure(both, program, asks)
    finally:
        both.close()
        await program.channel.close(None)


def sync_microseconds(folder: Path) -> float:
    """What this disk takes for a durable write of 2 KB in a file of its own: the median."""
    times = []
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            start = time.perf_counter()
            file.write(bytes(2048))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return median(times) * 1e6


def run(given: argparse.Namespace, folder: Path, console: Console) -> Result:
    """The whole bench in `folder`."""
    begin, machine, disk = time.monotonic(), report.machine(), [sync_microseconds(folder)]
    console.print(f"[dim]making keys, {PERSONS:,} persons and two nodes[/]", highlight=False)
    place, pair = federation.make(folder, REQUESTER, asking.HOLDER, PERSONS, SEED)
    with federation.running(place, pair, given.profile):
        asks = asking.prepare(place, pair.requester.address)
        sizes, turns = asyncio.run(measure(place, pair, asks, given, folder, console))
    taken = asyncio.run(take_steps(place, pair, asks))
    disk.append(sync_microseconds(folder))
    return Result(
        machine=machine,
        disk_microseconds=(disk[0], disk[1]),
        persons=len(asks),
        sizes=sizes,
        lines=turns.lines,
        echo=load.figures(turns.echo.measured),
        echo_server=turns.echo.cpu.holder,
        others_cores=turns.others,
        steps=tuple(taken),
        rounds=given.rounds,
        round_seconds=given.seconds,
        seconds=time.monotonic() - begin,
    )


SECTIONS: Mapping[str, Measure] = {
    "ask_many": many.measure,
    "load": loading.measure,
    "entitlement": entitlement.measure,
    "growth": growth.measure,
    "search": search.measure,
    "decision": decision.measure,
    "ledger": ledger.measure,
    "audit": audit.measure,
    "statistics": tables.measure,
}
"""Beside `ask`, by name. A section is a function: a folder in, a `Section` out."""


def main() -> None:
    """Measures the sections named, or all; prints, and writes `var/bench/summary.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of: ask {' '.join(SECTIONS)}; all if none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--profile", type=Path, help="leave BODY.prof of each node in this folder")
    given = parser.parse_args()
    names = given.sections or ["ask", *SECTIONS]
    if unknown := set(names) - {"ask", *SECTIONS}:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else _COLUMNS)
    home = ROOT / "var/bench"
    home.mkdir(parents=True, exist_ok=True)
    summary: dict[str, object] = {"machine": report.machine()}
    for name in names:
        # Where a node's state would be: on a memory disk every entry would be durable for free.
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=home))
        try:
            if name == "ask":
                result = run(given, folder, console)
                report.show(result, console)
                summary |= report.summary(result)
            else:
                section = SECTIONS[name](folder, console)
                section.show(console)
                summary[name] = section.summary()
        finally:
            shutil.rmtree(folder)
    report.write(summary, home / "summary.json")
    console.print(f"written to {(home / 'summary.json').relative_to(ROOT)}", highlight=False)


if __name__ == "__main__":
    main()
