"""Declarations that can be replaced: which one a sending is, and what it does to the one before."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from cloison.errors import InputError
from cloison.store.database import Database

_MOST_STEP = 9_999_999_999

Kind = Literal["normal", "replace", "cancel"]
"""What a declaration does to the one before."""


class SlotName(NamedTuple):
    """What a declaration and its corrections have in common.

    Attributes:
        declarant: Who declares, and in which nature of message, as `01/12345678900011`.
        period: The month declared (YYYYMM), whatever the months of its payments.
        fraction: Which part of how many: `12` is the first of two.
    """

    declarant: str
    period: int
    fraction: str = "11"

    def __str__(self) -> str:
        return f"{self.declarant}/{self.period}/{self.fraction}"


@dataclass(slots=True)
class Slot:
    """A declaration under way: the revision its records get."""

    dataset: str
    id: int
    revision: int
    source: str


class _Sent(NamedTuple):
    """The last sending of a declaration."""

    slot: int
    revision: int
    order: int
    cancelled: int

    def check_next(self, kind: Kind, order: int) -> None:
        """Raises `InputError` (`ALREADY_DECLARED`, `STALE_ORDER`, `ORDER_TOO_HIGH`)."""
        if kind == "normal" and not self.cancelled:
            raise InputError(
                "ALREADY_DECLARED",
                "declaration: one of this payer, month and fraction is loaded",
                "a correction has the type that replaces",
            )
        if order <= self.order:
            raise InputError(
                "STALE_ORDER",
                f"declaration: order number {order} does not follow {self.order}",
                "load files in the order they were sent",
            )
        _check_step(order - self.order)


def _check_step(step: int) -> None:
    """One sending, by a slip or on purpose, leaves numbers for those that correct it."""
    if step > _MOST_STEP:
        raise InputError(
            "ORDER_TOO_HIGH",
            f"declaration: its order number is more than {_MOST_STEP} past the one before",
            "number the sendings of a declaration from 1",
        )


class Slots:
    """The declarations of one load.

    Args:
        database: Within the transaction of that load.
        load_id: What it declares counts from this load on; what it cancels, until it.
    """

    def __init__(self, database: Database, load_id: int) -> None:
        self._database = database
        self._run = database.connection.execute
        self._load = load_id
        self._declared: list[tuple[int, str, int, str, int]] = []

    def open(
        self, dataset: str, number: int, name: SlotName, source: str, kind: Kind, order: int
    ) -> Slot:
        """As `Loading.declare`; `number` is the dataset's. The first sending has revision 1."""
        text = str(name)
        row = self._run(
            "SELECT id, revision, order_number, cancelled FROM slot WHERE dataset = ? AND name = ?",
            (number, text),
        ).fetchone()
        if row is None:
            first = self._first(number, text, name.declarant, kind, order)
            self._declared.append((number, *name, self._load))
            return Slot(dataset, first, 1, source)
        last = _Sent(*row)
        last.check_next(kind, order)
        self._run(
            "UPDATE slot SET revision = ?, order_number = ?, cancelled = ? WHERE id = ?",
            (last.revision + 1, order, kind == "cancel", last.slot),
        )
        if kind == "cancel":
            self._withdraw(number, name)
        elif last.cancelled:
            self._declared.append((number, *name, self._load))
        return Slot(dataset, last.slot, last.revision + 1, source)

    def flush(self) -> None:
        """Writes who has declared, from this load on."""
        self._declared.sort()
        self._database.connection.executemany(
            "INSERT INTO declared VALUES (?, ?, ?, ?, ?, NULL)"
            " ON CONFLICT DO UPDATE SET until_load = NULL",
            self._declared,
        )
        self._declared.clear()

    def _first(self, dataset: int, name: str, declarant: str, kind: Kind, order: int) -> int:
        if kind == "cancel":
            raise InputError("NOTHING_TO_CANCEL", "declaration: cancels one never received")
        _check_step(order)
        made: tuple[int] = self._run(
            "INSERT INTO slot (dataset, name, revision, order_number, cancelled, declarant)"
            " VALUES (?, ?, 1, ?, 0, ?) RETURNING id",
            (dataset, name, order, declarant),
        ).fetchone()
        return made[0]

    def _withdraw(self, dataset: int, name: SlotName) -> None:
        self.flush()
        self._run(
            "UPDATE declared SET until_load = ? WHERE dataset = ? AND declarant = ?"
            " AND period = ? AND fraction = ? AND until_load IS NULL",
            (self._load, dataset, *name),
        )
