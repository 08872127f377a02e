"""Files into a store: lines and rows a second of one core, against reading the same bytes alone.

Run as `python -m tests.bench.loading`; part of `make bench`.
"""

import cProfile
import gc
import pstats
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from tests.bench.processes import ROOT

from cloison.declarations import load_files
from cloison.population.make import make_population
from cloison.population.plan import Form
from cloison.store import Catalogue, Store, load_catalogue

PERSONS, SEED, ROUNDS = 2000, 20260601, 3
BODY = "cnav"
DSN_BAR = 200_000
_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_PARTS = {
    "declarations/lines": "read, decode",
    "declarations/neodes": "split, check, block",
    "declarations/grammar": "split, check, block",
    "declarations/faults": "split, check, block",
    "declarations/columnar": "split, check, block",
    "declarations/": "to records",
    "json/": "to records",
    "store/": "store, columns",
    "sqlite3": "store, columns",
    "pyarrow": "store, columns",
    "numpy": "store, columns",
}
_OTHER = "patterns, rest"


@dataclass(frozen=True, slots=True)
class Rate:
    """One kind of file, medians of interleaved rounds, a second of CPU of one core.

    Attributes:
        what: What is counted: `DSN lines`, `PASRAU lines`, `Parquet rows`.
        loaded: Lines or rows loaded: checked, kept, committed, columns written.
        read: The same bytes read and split alone.
        parts: Where a profiled load spends its time, in per cent.
    """

    what: str
    count: int
    loaded: float
    read: float
    parts: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """Loading's rate to that of reading and splitting alone."""
        return self.loaded / self.read


@dataclass(frozen=True, slots=True)
class Loads:
    """What the section found."""

    rates: tuple[Rate, ...]

    def show(self, console: Console) -> None:
        """Prints it."""
        console.print("\n[bold]Files into a store, CPU of one core[/]")
        console.print(
            f"{PERSONS:,} people × 24 months, every rule on; beside it, lines read, decoded and "
            "split alone, rows read from Parquet into text alone",
            highlight=False,
        )
        console.print(_rate_table(self.rates))
        console.print(_part_table(self.rates))
        for bar in self.bars():
            met = "met" if bar["met"] else "missed"
            console.print(f"{bar['what']}: {bar['measured']} (bar {bar['bar']}): {met}")

    def bars(self) -> list[dict[str, object]]:
        """The bar of the issue and where this run stands."""
        dsn = self.rates[0].loaded
        return [
            {
                "what": "DSN lines a second of a core",
                "bar": f"≥ {DSN_BAR:,}/s",
                "measured": f"{dsn:,.0f}/s",
                "met": dsn >= DSN_BAR,
            }
        ]

    def summary(self) -> dict[str, object]:
        """As `summary.json` holds it."""
        rates = {
            rate.what: {
                "count": rate.count,
                "per_second": round(rate.loaded),
                "read_per_second": round(rate.read),
                "ratio": round(rate.ratio, 3),
                "profile_percent": {name: round(part, 1) for name, part in rate.parts.items()},
            }
            for rate in self.rates
        }
        return {**rates, "bars": self.bars()}


@dataclass(frozen=True, slots=True)
class _Side:
    """One kind of file: the files, and how they are read without being loaded."""

    what: str
    files: Sequence[Path]
    read: Callable[[Path], int]


def measure(folder: Path, console: Console) -> Loads:
    """Measures in `folder`, which the caller deletes."""
    console.print(f"[dim]making {PERSONS:,} people as messages and as columns[/]", highlight=False)
    catalogue = load_catalogue(ROOT / f"nodes/{BODY}/catalogue.toml")
    sides = _make_sides(folder)
    spent: dict[str, list[tuple[float, float]]] = {side.what: [] for side in sides}
    counts: dict[str, int] = {}
    for number in range(ROUNDS):
        for side in sides if number % 2 else reversed(sides):
            console.print(f"[dim]round {number + 1} of {ROUNDS}, {side.what}[/]", highlight=False)
            loading, counts[side.what] = _spent(partial(_load, folder, catalogue, side))
            reading, read = _spent(partial(_read, side))
            if read != counts[side.what] or not read:
                raise AssertionError(f"{side.what}: {read} read, {counts[side.what]} loaded")
            spent[side.what].append((loading, reading))
    rates = []
    for side in sides:
        loads, reads = zip(*spent[side.what], strict=True)
        count = counts[side.what]
        parts = _profile(partial(_load, folder, catalogue, side))
        rates.append(Rate(side.what, count, count / median(loads), count / median(reads), parts))
    return Loads(tuple(rates))


def _make_sides(folder: Path) -> list[_Side]:
    for form in Form:
        make_population(PERSONS, SEED, folder / form, form=form)
    messages, columns = folder / Form.DECLARATIONS / BODY, folder / Form.PARQUET / BODY
    return [
        _Side("DSN lines", sorted(messages.glob("*.dsn")), _split_lines),
        _Side("PASRAU lines", sorted(messages.glob("*.pasrau")), _split_lines),
        _Side("Parquet rows", sorted(columns.glob("monthly_resources*")), _read_rows),
    ]


def _split_lines(path: Path) -> int:
    """Lines of a message, decoded, each parted into rubric and value."""
    lines = path.read_bytes().decode("iso-8859-1").split("\n")
    return len([line.partition(",'") for line in lines]) - 1


def _read_rows(path: Path) -> int:
    """Rows of a Parquet file, each a tuple of texts."""
    columns = pq.read_table(path).to_pydict()
    return len(list(zip(*columns.values(), strict=True)))


def _read(side: _Side) -> int:
    return sum(map(side.read, side.files))


def _load(folder: Path, catalogue: Catalogue, side: _Side) -> int:
    """Loads into a new store; how many lines."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = Store.open(Path(place) / "store.sqlite", catalogue, b"r" * 32, b"v" * 32)
        try:
            return load_files(store, catalogue, side.files, _NOW).lines
        finally:
            store.close()


def _spent(step: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of this process, and what the step gave."""
    gc.collect()
    start = process_time()
    found = step()
    return process_time() - start, found


def _profile(step: Callable[[], int]) -> Mapping[str, float]:
    """Per cent of each part, largest first; small functions look slower than they are."""
    profile = cProfile.Profile()
    profile.runcall(step)
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[_part(f"{file}:{name}")] += seconds
    whole = sum(spent.values())
    return {name: 100 * seconds / whole for name, seconds in spent.most_common()}


def _part(place: str) -> str:
    return next((part for prefix, part in _PARTS.items() if prefix in place), _OTHER)


def _rate_table(rates: Sequence[Rate]) -> Table:
    table = _table("Lines and rows a second", ["counted", "loaded /s", "read alone /s", "ratio"])
    for rate in rates:
        cells = f"{rate.count:,}", f"{rate.loaded:,.0f}", f"{rate.read:,.0f}", f"{rate.ratio:.2f}"
        table.add_row(rate.what, *cells)
    return table


def _part_table(rates: Sequence[Rate]) -> Table:
    names = list(dict.fromkeys(name for rate in rates for name in rate.parts))
    table = _table("Where a load spends its time, %, under a profiler", names)
    for rate in rates:
        table.add_row(rate.what, *(f"{rate.parts.get(name, 0):.0f}" for name in names))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("what")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def main() -> None:
    """Measures this section alone, and prints it."""
    console = Console()
    home = ROOT / "var/bench"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="loading-", dir=home) as folder:
        measure(Path(folder), console).show(console)


if __name__ == "__main__":
    main()
