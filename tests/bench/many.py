"""Section `ask_many`: a month of claims as one cohort, against the same columns joined bare."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from tests.bench import asking, federation, many_relay, relay
from tests.bench.processes import cpu_seconds
from tests.bench.report import Bar
from tests.bench.section import Section, table_of

from cloison.bodies import BodyId
from cloison.cli.federation import running_pid
from cloison.cli.places import NodeAt, Place
from cloison.cli.root import read_policy
from cloison.exchange import limits
from cloison.exchange.tables import write_table
from cloison.law import PolicySet
from cloison.law.question import Granularity
from cloison.programs.entitlement.needs import months_of
from cloison.wire.client import GatewayClient, connect
from cloison.wire.gateway import AskFor, CasePromise, Member

REQUESTER = BodyId("caf")
PERSONS, SEED = 20_000, 20260601
ROUNDS = 3
SIZES = (10_000, 100_000)
MOST = 1_000_000
_LEAST_PER_SECOND = 100_000
_LEAST_RATIO = 0.5
_MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Run:
    """One cohort: persons a second, and the CPU of program, node and holder, µs a person."""

    per_second: float
    cpu: tuple[float, ...]

    @property
    def total(self) -> float:
        """CPU of all three."""
        return sum(self.cpu)


@dataclass(frozen=True, slots=True)
class Side:
    """A way to ask about so many persons, and the CPU of its three processes."""

    ask: Callable[[int], None]
    cpu: Callable[[], Sequence[float]]

    def run(self, size: int) -> Run:
        """Asks once."""
        before, start = self.cpu(), time.perf_counter()
        self.ask(size)
        seconds = time.perf_counter() - start
        spent = [after - begun for begun, after in zip(before, self.cpu(), strict=True)]
        return Run(size / seconds, tuple(one * _MICROSECONDS / size for one in spent))


def measure(folder: Path, console: Console, persons: int = PERSONS, most: int = MOST) -> Section:
    """The section, in an empty folder."""
    console.print(f"[dim]making {persons:,} persons and two nodes[/]", highlight=False)
    place, pair = federation.make(folder, REQUESTER, asking.HOLDER, persons, SEED)
    with federation.running(place, pair):
        address = pair.requester.address
        with closing(connect(place.keys, asking.ACTIVITY, place.root, address=address)) as program:
            start = time.perf_counter()
            cases = list(program.open_cases("claim", asking.MONTH))
            opened = len(cases) / (time.perf_counter() - start)
            people = [member for case in cases for member in case.members]
            question = _question(place)
            cut = len(people) // 2
            seen_first, unseen, cloison = (
                Side(_asker(program, question, some), lambda: _cpu(pair.both))
                for some in (people[:cut], people[cut:], people)
            )
            first = {
                "first after a start": (cut, seen_first.run(cut)),
                "never seen before": (len(people) - cut, unseen.run(len(people) - cut)),
            }
            with many_relay.running(
                place.keys,
                REQUESTER,
                asking.HOLDER,
                pair.holder.folder / "store.sqlite",
                list(question.fields),
                folder,
            ) as run:
                bare = Side(
                    _bare_asker(place, run, people),
                    lambda: (_own(), run.node.cpu_seconds, run.holder.cpu_seconds),
                )
                found = _take_turns(cloison, bare, console)
            memory = _memory(cloison, pair.both, most, console)
    return _section(len(people), len(cases), opened, first, found, memory)


def _question(place: Place) -> AskFor:
    record = PolicySet.parse(read_policy(place.root)).activities[asking.ACTIVITY]
    reads = next(
        one for one in record.reads if (one.holder, one.dataset) == (asking.HOLDER, asking.DATASET)
    )
    first, last = months_of(record, reads, asking.MONTH)
    fields = ("mns", "nature", "payer", "status")
    return AskFor(
        asking.HOLDER,
        asking.DATASET,
        fields,
        first,
        last,
        reads.granularity or Granularity.MONTH,
        reads.purpose or record.purposes[0],
        reads.legal_basis or record.legal_bases[0],
        (),
    )


def _asker(
    program: GatewayClient, question: AskFor, people: Sequence[Member]
) -> Callable[[int], None]:
    def ask(size: int) -> None:
        persons = islice(cycle(people), size)
        asked = program.ask_many(question, persons, size, CasePromise("claim", asking.MONTH))
        rows = sum(part.table.num_rows for part in asked.parts)
        if rows < size:
            raise RuntimeError(f"{rows} rows about {size} persons: {asked.reply}")

    return ask


def _bare_asker(
    place: Place, run: relay.Running, people: Sequence[Member]
) -> Callable[[int], None]:
    keys = relay.Keys(place.keys, asking.activity_folder(place, REQUESTER))

    def batches(size: int) -> Iterator[bytes]:
        persons = islice(cycle(people), size)
        while some := [one.nir for one in islice(persons, limits.COHORT_RUN_PERSONS)]:
            yield write_table(pa.record_batch([pa.array(some, pa.utf8())], names=["nir"]))

    async def stream(size: int) -> None:
        async def requests() -> AsyncIterator[bytes]:
            for batch in batches(size):
                yield batch

        rows = 0
        async with keys.channel(REQUESTER, run.node.port) as channel:
            async for answer in channel.stream_stream(many_relay.METHOD, None, None)(requests()):
                rows += pa.ipc.open_stream(answer).read_next_batch().num_rows
        if rows < size:
            raise RuntimeError(f"{rows} rows about {size} persons")

    return lambda size: asyncio.run(stream(size))


def _take_turns(
    cloison: Side, bare: Side, console: Console
) -> dict[int, tuple[list[Run], list[Run]]]:
    found: dict[int, tuple[list[Run], list[Run]]] = {size: ([], []) for size in SIZES}
    for number in range(ROUNDS):
        for size, (ours, theirs) in found.items():
            console.print(
                f"[dim]round {number + 1} of {ROUNDS}, {size:,} persons[/]", highlight=False
            )
            turns = [(ours, cloison), (theirs, bare)]
            for kept, side in turns if number % 2 else reversed(turns):
                kept.append(side.run(size))
    return found


def _memory(
    cloison: Side, nodes: Sequence[NodeAt], most: int, console: Console
) -> dict[int, tuple[int, ...]]:
    """Anonymous memory of program, node and holder after a cohort of each size, bytes."""
    found = {}
    for size in (10_000, most):
        console.print(f"[dim]{size:,} persons, for the memory[/]", highlight=False)
        cloison.ask(size)
        pids = [os.getpid(), *(running_pid(node) or 0 for node in nodes)]
        found[size] = tuple(map(_anonymous_bytes, pids))
    return found


def _anonymous_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def _own() -> float:
    return cpu_seconds(os.getpid())


def _cpu(nodes: Sequence[NodeAt]) -> tuple[float, ...]:
    return (_own(), *map(federation.cpu_of, nodes))


def _middle(runs: Sequence[Run]) -> Run:
    return Run(
        median(run.per_second for run in runs),
        tuple(median(spent) for spent in zip(*(run.cpu for run in runs), strict=True)),
    )


def _section(
    people: int,
    cases: int,
    opened: float,
    first: dict[str, tuple[int, Run]],
    found: dict[int, tuple[list[Run], list[Run]]],
    memory: dict[int, tuple[int, ...]],
) -> Section:
    lines = {size: (_middle(ours), _middle(bare)) for size, (ours, bare) in found.items()}
    ours, bare = lines[max(lines)]
    return Section(
        title=f"Many at once: {cases:,} claims, {people:,} persons, again and again",
        notes=(
            "Each person in a live case, proved; four fields of three months; all on this machine.",
            "`bare`: the same NIRs over the same two hops, hashed and joined in the same store, no",
            f"statement, case, law, seal, ledger or receipt. Cases opened: {opened:,.0f}/s.",
        ),
        tables=(_speeds(first, lines), _memories(memory)),
        bars=_bars(ours, bare),
        figures={
            "persons": people,
            "cases": cases,
            "cases_opened_per_second": opened,
            "first_per_second": {name: one.per_second for name, (_, one) in first.items()},
            "per_second": {str(size): one.per_second for size, (one, _) in lines.items()},
            "bare_per_second": {str(size): one.per_second for size, (_, one) in lines.items()},
            "cpu_microseconds": list(ours.cpu),
            "bare_cpu_microseconds": list(bare.cpu),
            "memory_bytes": {str(size): list(held) for size, held in memory.items()},
        },
    )


def _speeds(first: dict[str, tuple[int, Run]], lines: dict[int, tuple[Run, Run]]) -> Table:
    begun = [
        (f"{size:,} persons, {name}", _shown(one), "–", "–") for name, (size, one) in first.items()
    ]
    rows = [
        (
            f"{size:,} persons",
            _shown(ours),
            _shown(bare),
            f"{ours.per_second / bare.per_second:.2f}",
        )
        for size, (ours, bare) in lines.items()
    ]
    return table_of(
        "A cohort: persons a second, and CPU of program + node + holder, µs a person",
        ("", "Cloison", "bare", "ratio"),
        [*begun, *rows],
    )


def _memories(memory: dict[int, tuple[int, ...]]) -> Table:
    return table_of(
        "Memory of its own that each process holds",
        ("", "program", "node", "holder"),
        [
            (f"after {size:,} persons", *(f"{one / 1e6:,.0f} MB" for one in held))
            for size, held in memory.items()
        ],
    )


def _bars(ours: Run, bare: Run) -> tuple[Bar, ...]:
    ratio = ours.per_second / bare.per_second
    return (
        Bar(
            "persons a second",
            f"≥ {_LEAST_PER_SECOND:,}",
            f"{ours.per_second:,.0f}",
            ours.per_second >= _LEAST_PER_SECOND,
        ),
        Bar("of the bare join", f"≥ {_LEAST_RATIO}", f"{ratio:.2f}", ratio >= _LEAST_RATIO),
    )


def _shown(run: Run) -> str:
    cpu = " + ".join(f"{one:.1f}" for one in run.cpu)
    return f"{run.per_second:,.0f}/s · {cpu}"
