"""A store of random history, and the rows `fetch` would give, to hold `fetch_many` against."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.unit.store.conftest import CATALOGUE, NOW, ROW_KEY, VAULT_KEY

from cloison.months import Month
from cloison.store import (
    STATUS_NUMBERS,
    IdentityFacts,
    Kind,
    ManyData,
    NewRecord,
    SlotName,
    Store,
    Value,
    load_catalogue,
)

_TABLE = """
[datasets.pay.table]
columns = ["nir", "month", "nature", "gross", "net", "paid"]
key = ["nir", "month", "nature"]
period = "month"
rows = [{ subject = "nir" }]
"""
_MESSAGES = """
[datasets.pay.messages.dsn]
nature = "01"
types = { normal = ["01"], replace = ["03"], cancel = ["05"] }
unit = "S21.G00.50"
subject = "S21.G00.30.001"
period = "S21.G00.50.001"

[datasets.pay.messages.dsn.fields]
nature = { value = "salary" }
"""
EXPECTING = CATALOGUE.replace(_TABLE, _MESSAGES).replace(
    "day = 15 }", 'day = 15 }\nexpected = { months = 3, until = "paid" }'
)
RICH = EXPECTING.replace(
    'status = { type = "code", description = "status" }',
    'status = { type = "code", description = "status" }\n'
    'source = { type = "text", description = "named as a column of the answer" }\n'
    'open = { type = "bool", description = "a truth value" }',
).replace('columns = ["nir", "status"]', 'columns = ["nir", "status", "source", "open"]')
# Three share their first eight bytes, two all but the last.
PERSONS = (
    b"a" * 16,
    b"a" * 15 + b"b",
    b"a" * 8 + b"\x00" * 8,
    b"\x00" * 16,
    b"\xff" * 16,
    b"b" * 16,
)
MONTHS = (202602, 202603, 202604)
FEBRUARY, APRIL = Month.of(2026, 2), Month.of(2026, 4)
WHOLE_YEARS = Month.of(2023, 1), Month.of(2025, 12)

Row = tuple[Value, ...]


@dataclass(frozen=True)
class Question:
    dataset: str
    fields: tuple[str, ...]
    granularity: str
    first: Month = FEBRUARY
    last: Month = APRIL


QUESTIONS = {
    "months": Question("pay", ("net", "nature", "gross", "paid"), "month"),
    "no field": Question("pay", (), "month"),
    "one month": Question("pay", ("gross",), "month", last=FEBRUARY),
    "months before any": Question("pay", ("nature",), "month", first=Month.of(2025, 11)),
    "a total": Question("pay", ("nature", "gross", "paid", "net"), "window-total"),
    "a total without its category": Question("pay", ("net",), "window-total"),
    "years": Question("notices", ("income",), "year", *WHOLE_YEARS),
    "what is in force": Question("files", ("open", "source", "status"), "current"),
}


def open_store(folder: Path, text: str = RICH) -> Store:
    (folder / "catalogue.toml").write_text(text, encoding="utf-8")
    catalogue = load_catalogue(folder / "catalogue.toml")
    return Store.open(folder / "store.sqlite", catalogue, ROW_KEY, VAULT_KEY)


class History:
    """Writes files, one a call."""

    def __init__(self, store: Store, name: bytes = b"") -> None:
        self.store = store
        self._name = name
        self._files = 0
        self._orders: dict[str, int] = {}

    def _hash(self) -> bytes:
        self._files += 1
        return (self._name + self._files.to_bytes(4, "big")).rjust(32, b"\0")

    def pay(
        self, person: int, month: int, nature: str, gross: Value, net: Value, named: bytes = b""
    ) -> None:
        """A table's line; the same person, month and nature again is its next version."""
        payload = json.dumps([nature, gross, net, None])
        with self.store.loading("f", self._hash(), NOW) as loading:
            record = NewRecord(PERSONS[person], month, payload, named)
            loading.put_line("pay", [str(person), str(month), nature], 0, record, "f:é")
            loading.cover("pay", month)

    def end_pay(self, person: int, month: int, nature: str) -> None:
        with self.store.loading("f", self._hash(), NOW) as loading:
            loading.put_line("pay", [str(person), str(month), nature], 0, None, "f")

    def declare(
        self, slot: str, rows: Sequence[tuple[int, int, str, Value]], cancel: bool = False
    ) -> None:
        """A declaration of rows (person, month, nature, gross) takes the place of the last."""
        order = self._orders.get(slot, 0) + 1
        kind: Kind = "normal" if order == 1 else "cancel" if cancel else "replace"
        self._orders[slot] = order
        rows = () if kind == "cancel" else rows
        with self.store.loading("f", self._hash(), NOW) as loading:
            name = SlotName(f"01/{slot}", MONTHS[ord(slot[0]) % 3])
            opened = loading.declare("pay", name, f"{slot}/{order}", kind, order)
            for place, (person, month, nature, gross) in enumerate(rows):
                ends = None if nature == "pension" else 20260228
                payload = json.dumps([nature, gross, None, ends])
                loading.append(opened, place, NewRecord(PERSONS[person], month, payload))
                loading.cover("pay", month)

    def notice(self, persons: tuple[int, int], year: int, income: Value) -> None:
        with self.store.loading("f", self._hash(), NOW) as loading:
            for place, person in enumerate(persons):
                others = PERSONS[persons[1 - place]]
                record = NewRecord(PERSONS[person], year, json.dumps([income]), others)
                loading.put_line("notices", [str(persons)], place, record, "n")
            loading.cover("notices", year)

    def file(self, person: int, *values: Value) -> None:
        with self.store.loading("f", self._hash(), NOW) as loading:
            record = NewRecord(PERSONS[person], 0, json.dumps(values))
            loading.put_line("files", [str(person)], 0, record, "q")

    def settle(self) -> None:
        self.store.settle()

    def identity(self, person: int, permanent: bool, dead: bool, objected: bool) -> None:
        facts = IdentityFacts(permanent, bytes([person]) * 32, dead, objected)
        with self.store.loading("f", self._hash(), NOW) as loading:
            loading.put_identity(PERSONS[person], facts)


def expected(
    store: Store, question: Question, persons: Sequence[bytes], now: datetime = NOW
) -> tuple[list[Row], set[bytes]]:
    """The rows and the names that `fetch` gives, one person at a time."""
    data = store.fetch(
        question.dataset,
        persons,
        question.fields,
        question.first,
        question.last,
        question.granularity,
        now,
    )
    rows: list[Row] = []
    for place, one in enumerate(data):
        for period, status, records in one.periods:
            head = place, period, STATUS_NUMBERS[status]
            rows += [(*head, source, version, *values) for source, version, values in records]
            if not records:
                rows.append((*head, *(None for _ in range(2 + len(question.fields)))))
    return rows, {key for one in data for key in one.named} - set(persons)


def fetch_many(
    store: Store, question: Question, persons: Sequence[bytes], now: datetime = NOW
) -> ManyData:
    return store.fetch_many(
        question.dataset,
        b"".join(persons),
        question.fields,
        question.first,
        question.last,
        question.granularity,
        now,
    )


def rows_of(data: ManyData) -> list[Row]:
    data.table.validate(full=True)
    columns = [column.to_pylist() for column in data.table.columns]
    return list(zip(*columns, strict=True))


def check_same(
    store: Store, question: Question, persons: Sequence[bytes], now: datetime = NOW
) -> None:
    """`fetch_many` says what `fetch` says; truth values are not taken for numbers."""
    many = fetch_many(store, question, persons, now)
    rows, named = expected(store, question, persons, now)
    assert [[repr(value) for value in row] for row in rows_of(many)] == [
        [repr(value) for value in row] for row in rows
    ]
    assert sorted(many.others(persons)) == sorted(named)
    middle = len(persons) // 2
    alone = fetch_many(store, question, persons[middle:], now)
    part = many.between(middle, len(persons))
    assert part.table.equals(alone.table)
    assert sorted(part.others(persons[middle:])) == sorted(alone.others(persons[middle:]))
