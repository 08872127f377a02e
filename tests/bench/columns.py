"""One by one against many at once: what the store takes a person, as it grows.

Run as `python -m tests.bench.columns`; the largest store takes about two minutes to make.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.bench.processes import ROOT

from cloison.months import Month
from cloison.store import IdentityFacts, NewRecord, Slot, SlotName, Store, load_catalogue
from cloison.store.many import Bytes

SIZES = (10_000, 100_000, 1_000_000)
BATCH_PERSONS, BATCHES, ONE_BY_ONE = 5000, 15, 2000
DATASET, FIELDS = "monthly_resources", ("nature", "mns", "net_fiscal", "gross")
FIRST, LAST = Month.of(2026, 1), Month.of(2026, 3)
MONTHS = tuple(FIRST.to(LAST))
NOW = datetime(2026, 11, 21, tzinfo=UTC)
_PAYER_PERSONS = 40
_SEED = 7


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU µs a person, medians; seconds and bytes as named."""

    persons: int
    one: float
    many: float
    totals: float
    identities: float
    first_seconds: float
    settle_seconds: float
    file_bytes: int
    memory_bytes: int


def make_store(folder: Path, persons: int) -> tuple[Store, Bytes]:
    """A store of so many persons, three months each, and their row keys."""
    catalogue = load_catalogue(ROOT / "nodes/cnav/catalogue.toml")
    store = Store.open(folder / "store.sqlite", catalogue, b"r" * 32, b"v" * 32)
    keys = np.frombuffer(np.random.default_rng(_SEED).bytes(16 * persons), np.uint8)
    keys = keys.reshape(-1, 16)
    with store.loading("made", bytes(32), NOW) as loading:
        slots: list[Slot] = []
        for place, key in enumerate(map(bytes, keys)):
            if place % _PAYER_PERSONS == 0:
                slots = [
                    loading.declare(
                        DATASET,
                        SlotName(f"01/{place}", month.number),
                        f"dsn-{month}-{place}-01",
                        "normal",
                        1,
                    )
                    for month in MONTHS
                ]
            cents = 150_000 + place
            payload = (
                f'["73282932000074","salary",{cents},{cents},{cents},{cents},0,"1",null,null,"01"]'
            )
            for month, slot in zip(MONTHS, slots, strict=True):
                record = NewRecord(key, month.number, payload)
                loading.append(slot, place % _PAYER_PERSONS, record)
            facts = IdentityFacts(
                permanent=True, traits_digest=key + key, dead=False, objected=False
            )
            loading.put_identity(key, facts)
        for month in MONTHS:
            loading.cover(DATASET, month.number)
    return store, keys


def microseconds(call: Callable[[Bytes], object], batches: Sequence[Bytes]) -> float:
    """CPU a person, median over batches."""
    taken = []
    for batch in batches:
        start = time.process_time()
        call(batch)
        taken.append((time.process_time() - start) / len(batch))
    return median(taken) * 1e6


def measure(folder: Path, persons: int) -> Figures:
    """Makes a store of so many persons and asks it both ways, persons at random."""
    store, keys = make_store(folder, persons)
    try:
        start = time.process_time()
        store.settle()
        settle = time.process_time() - start
        draw = np.random.default_rng(_SEED + 1)
        batches = [keys[draw.integers(0, persons, BATCH_PERSONS)] for _ in range(BATCHES)]

        def many(batch: Bytes, granularity: str = "month") -> int:
            found = store.fetch_many(DATASET, batch, FIELDS, FIRST, LAST, granularity, NOW)
            return int(found.table.num_rows)

        def one(batch: Bytes) -> int:
            return len(
                store.fetch(
                    DATASET, [bytes(key) for key in batch], FIELDS, FIRST, LAST, "month", NOW
                )
            )

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        many(batches[0])
        first = time.process_time() - start
        store.identities(batches[0])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        columns = (folder / "store.columns").rglob("*.parquet")
        return Figures(
            persons=persons,
            one=microseconds(one, [batch[:ONE_BY_ONE] for batch in batches[:5]]),
            many=microseconds(many, batches),
            totals=microseconds(lambda batch: many(batch, "window-total"), batches),
            identities=microseconds(store.identities, batches),
            first_seconds=first,
            settle_seconds=settle,
            file_bytes=sum(path.stat().st_size for path in columns),
            memory_bytes=memory * 1024,
        )
    finally:
        store.close()


def show(found: Sequence[Figures], console: Console) -> None:
    """Prints the table."""
    title = f"The store: CPU µs a person, three months of {len(FIELDS)} fields, persons at random"
    table = Table(title=title, title_justify="left")
    for name in (
        "persons held",
        "one by one",
        f"{BATCH_PERSONS} at once",
        "ratio",
        "totals",
        "identities",
        "first batch",
        "columns written",
        "on disk",
        "in memory",
    ):
        table.add_column(name, justify="right")
    for one in found:
        rows = one.persons * (len(MONTHS) + 1)
        table.add_row(
            f"{one.persons:,}",
            f"{one.one:.1f}",
            f"{one.many:.2f}",
            f"{one.one / one.many:.0f}",
            f"{one.totals:.2f}",
            f"{one.identities:.2f}",
            f"{one.first_seconds:.2f} s",
            f"{one.settle_seconds:.1f} s, {one.settle_seconds / rows * 1e6:.1f} µs a row",
            f"{one.file_bytes / rows:.0f} bytes a row",
            f"{one.memory_bytes / 1e6:,.0f} MB at most",
        )
    console.print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, nargs="+", default=SIZES)
    given = parser.parse_args()
    found = []
    for persons in given.persons:
        with tempfile.TemporaryDirectory(prefix="columns-") as folder:
            found.append(measure(Path(folder), persons))
    show(found, Console(width=None if Console().is_terminal else 160))


if __name__ == "__main__":
    main()
