"""Does a question cost more where more rows are held? From ten thousand to ten million.

Stores have the tables, keys and indexes of a real one; rows are written in key order, straight into
the table of records, since loading ten million by declarations would take an hour. What is timed is
`Store.fetch` of one person and three months, as the holder calls it; people come at random: first
in a store just opened, where most meet a page that this process never touched (a fault of some
microseconds each, once), then in one that has run a while, where every page was touched.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table
from tests.bench.processes import ROOT
from tests.bench.report import Bar
from tests.bench.section import Section, at_most, interleaved, table_of

from cloison.ledger.index import LedgerIndex
from cloison.ledger.log import Log
from cloison.months import Month
from cloison.store import Store, load_catalogue
from cloison.store.layouts import pack
from cloison.store.loading import _INSERT
from cloison.store.slots import SlotName

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
ENTRIES = (10_000, 100_000, 1_000_000)
BAR = 1.2
_MONTHS = 24
_LAST = Month.of(2026, 4)
_NOW = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
_DATASET, _FIELDS = "monthly_resources", ("mns", "nature")
_ROUNDS, _QUESTIONS = 9, 2_000
_SEED = 20260601


def measure(folder: Path, console: Console) -> Section:
    """Both halves: the records, and the index of a ledger."""
    first, later = _measure_records(folder, console)
    found = _measure_index(folder, console)
    return Section(
        "Growth: what a look-up costs as more is held",
        (
            f"medians of {_ROUNDS} interleaved rounds of {_QUESTIONS:,} look-ups, people at random",
            f"a person has {_MONTHS} rows",
        ),
        (
            _table("Three months of a person, store just opened", "rows", first),
            _table("The same, every page touched before", "rows", later),
            _table("A statement's entry, by the index of a ledger", "entries", found),
        ),
        (
            _growth(later, "a person's months, rows"),
            _growth(found, "a statement's entry, entries"),
        ),
        {
            "first_us": _rounded(first),
            "fetch_us": _rounded(later),
            "index_us": _rounded(found),
        },
    )


def _growth(costs: dict[int, float], what: str) -> Bar:
    least, most = min(costs), max(costs)
    return at_most(f"{what} {most:,} to {least:,}", BAR, costs[most] / costs[least])


def _table(title: str, held: str, costs: dict[int, float]) -> Table:
    first = next(iter(costs.values()))
    rows = [(f"{size:,}", f"{cost:.1f}", f"{cost / first:.2f}") for size, cost in costs.items()]
    return table_of(title, (held, "µs", "ratio"), rows)


def _rounded(costs: dict[int, float]) -> dict[str, float]:
    return {str(size): round(cost, 2) for size, cost in costs.items()}


def _measure_records(folder: Path, console: Console) -> tuple[dict[int, float], dict[int, float]]:
    """What a question costs in stores just opened, and in those whose every page was touched."""
    stores: dict[int, Store] = {}
    try:
        for rows in ROWS:
            console.print(f"[dim]writing {rows:,} rows[/]", highlight=False)
            stores[rows] = _filled(folder / f"store-{rows}.sqlite", rows // _MONTHS)
        first = interleaved(_sides(stores, _SEED), _ROUNDS, _QUESTIONS)
        for store in stores.values():
            store._database.connection.execute("SELECT sum(length(payload)) FROM record").fetchone()
        later = interleaved(_sides(stores, _SEED + 1), _ROUNDS, _QUESTIONS)
    finally:
        for store in stores.values():
            store.close()
    return _by_size(first), _by_size(later)


def _sides(stores: dict[int, Store], seed: int) -> dict[str, Callable[[int], object]]:
    return {str(rows): _question(one, rows // _MONTHS, seed) for rows, one in stores.items()}


def _by_size(costs: dict[str, float]) -> dict[int, float]:
    return {int(name): cost for name, cost in costs.items()}


def _question(store: Store, persons: int, seed: int) -> Callable[[int], object]:
    draw = random.Random(seed)  # noqa: S311 - people to ask about, no secret
    count = _QUESTIONS * (_ROUNDS + 1)
    asked = [[_row_key(draw.randrange(persons), persons)] for _ in range(count)]

    def ask(place: int) -> None:
        (answer,) = store.fetch(_DATASET, asked[place], _FIELDS, _LAST - 2, _LAST, "month", _NOW)
        if sum(len(period.records) for period in answer.periods) != 3:
            raise RuntimeError("a question was not answered with its three months")

    return ask


def _row_key(person: int, persons: int) -> bytes:
    """Row keys are hashes: spread over all there could be."""
    return (person * (2**128 // persons)).to_bytes(16, "big")


def _filled(path: Path, persons: int) -> Store:
    """A store with each person's months, its log moved into its file."""
    catalogue = load_catalogue(ROOT / "nodes/cnav/catalogue.toml")
    store = Store.open(path, catalogue, bytes(32), bytes(range(32)))
    run = store._database.connection.execute
    run("PRAGMA journal_mode = OFF")  # while it is filled: each page is written once
    months = [month.number for month in (_LAST - _MONTHS + 1).to(_LAST)]
    with store.loading("bench", bytes(32), _NOW) as loading:
        slots = [
            loading.declare(_DATASET, SlotName("bench", number), "bench", "normal", 1)
            for number in months
        ]
        for number in months:
            loading.cover(_DATASET, number)
        ids = store._ids[_DATASET]
        load = loading._load
        fields = catalogue.dataset(_DATASET).fields
        values: dict[str, int | str] = {"mns": 140_000, "nature": "salary"}
        payload = pack([values.get(name) for name in fields])

        def rows() -> Iterator[tuple[object, ...]]:
            same = [
                (number, slot.id.to_bytes(6, "big") + bytes(2), slot.id)
                for number, slot in zip(months, slots, strict=True)
            ]
            for person in range(persons):
                key = _row_key(person, persons)
                for number, name, slot in same:
                    yield (
                        ids.id, key, number, name, 1, load, slot, ids.layout, "bench:1",
                        payload, b"", None,
                    )  # fmt: skip

        store._database.connection.executemany(_INSERT, rows())
    run("PRAGMA journal_mode = WAL")
    return store


class _Entries:
    """A log as its index reads it: each entry a number, made when asked for."""

    minimum = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def entries(self, start: int, count: int) -> Sequence[bytes]:
        """Those from `start`."""
        return [place.to_bytes(8, "big") for place in range(start, start + count)]

    def entry(self, place: int) -> bytes:
        """One of them."""
        return place.to_bytes(8, "big")


def _term(place: int) -> bytes:
    """A statement's hash: any 32 bytes, spread."""
    return (place * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256
    ).to_bytes(32, "big")  # fmt: skip


def _measure_index(folder: Path, console: Console) -> dict[int, float]:
    indexes: dict[int, LedgerIndex] = {}
    try:
        for entries in ENTRIES:
            console.print(f"[dim]indexing {entries:,} entries[/]", highlight=False)
            indexes[entries] = LedgerIndex(
                folder / f"index-{entries}.sqlite",
                cast(Log, _Entries(entries)),
                lambda entry: [("decided", _term(int.from_bytes(entry, "big")))],
            )
        sides = {str(entries): _look_up(index, entries) for entries, index in indexes.items()}
        costs = interleaved(sides, _ROUNDS, _QUESTIONS)
    finally:
        for index in indexes.values():
            index.close()
    return _by_size(costs)


def _look_up(index: LedgerIndex, entries: int) -> Callable[[int], object]:
    draw = random.Random(_SEED)  # noqa: S311 - entries to look up, no secret
    asked = [draw.randrange(entries) for _ in range(_QUESTIONS * (_ROUNDS + 1))]
    keys = [_term(place) for place in asked]

    def look_up(place: int) -> None:
        if index.first("decided", keys[place]) != asked[place]:
            raise RuntimeError("an entry was not found")

    return look_up
