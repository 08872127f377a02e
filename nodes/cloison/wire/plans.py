"""What is about to be destroyed, as the vault keeps it until the ledger says that it was."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from cloison.store import Database, Doomed

PLAN_ID_BYTES = 16
_RELEASES = 400
_PERSONS = 600
_DEPOSITS = 250


class Why(StrEnum):
    """Why data are destroyed, as the `destroyed` entry says it."""

    OBJECTION = "objection"
    NO_ENTITLEMENT = "no-entitlement"
    SET_ASIDE = "set-aside"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Objecting:
    """What the `objected` entry says beside whom it is about."""

    purposes: tuple[str, ...]
    kept_until_ms: int
    demand_hash: bytes
    person: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """One `destroyed` entry's worth of data; small enough for the entry, whatever was received.

    Attributes:
        cases: Whose data they are.
        closing: Cases that end with it.
        releases: Statement and part.
        persons: Row keys of those the data, or the cases, are about.
        entered: False where only an objection or a closing is to be written, and nothing was kept.
    """

    activity: str
    why: Why
    cases: tuple[bytes, ...] = ()
    closing: tuple[bytes, ...] = ()
    releases: tuple[tuple[bytes, int], ...] = ()
    deposits: tuple[bytes, ...] = ()
    persons: tuple[bytes, ...] = ()
    objecting: Objecting | None = None
    entered: bool = True
    id: bytes = field(default_factory=lambda: os.urandom(PLAN_ID_BYTES))

    @property
    def statements(self) -> tuple[bytes, ...]:
        """Of the releases, each once."""
        return tuple(dict.fromkeys(statement for statement, _ in self.releases))

    def to_json(self) -> str:
        """As the vault keeps it."""
        return json.dumps(asdict(self), default=bytes.hex)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """As `to_json` wrote it."""
        read: dict[str, Any] = json.loads(text)
        objecting = read["objecting"]
        return cls(
            activity=read["activity"],
            why=Why(read["why"]),
            **{name: _hashes(read[name]) for name in ("cases", "closing", "deposits", "persons")},
            releases=tuple((bytes.fromhex(one), part) for one, part in read["releases"]),
            objecting=objecting
            and Objecting(
                tuple(objecting["purposes"]),
                objecting["kept_until_ms"],
                bytes.fromhex(objecting["demand_hash"]),
                bytes.fromhex(objecting["person"]),
            ),
            entered=read["entered"],
            id=bytes.fromhex(read["id"]),
        )


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, texts))


class PlanRecords:
    """A table of the vault: what is to be destroyed, and not yet in the ledger as destroyed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, plan: Plan) -> None:
        """Keeps what is to be destroyed."""
        self._database.connection.execute(
            "INSERT INTO destruction VALUES (?, ?)", (plan.id, plan.to_json())
        )

    def all(self) -> list[Plan]:
        """Every plan, oldest first."""
        with self._database.reading():
            rows = self._database.connection.execute("SELECT plan FROM destruction ORDER BY rowid")
            return [Plan.from_json(text) for (text,) in rows]

    def drop(self, plan: Plan) -> None:
        """The ledger says it was destroyed."""
        self._database.connection.execute("DELETE FROM destruction WHERE id = ?", (plan.id,))


def portions(plan: Plan, doomed: Sequence[Doomed], deposits: Sequence[bytes]) -> Iterator[Plan]:
    """The plan with these data, in as many as it takes; the first has all that it had.

    INVARIANT: no portion's entry is longer than an entry may be, or it would never be written, and
    its data never be said to be gone.
    """
    groups = list(_groups(doomed)) or [[]]
    ranges = [deposits[at : at + _DEPOSITS] for at in range(0, len(deposits), _DEPOSITS)] or [()]
    for place in range(max(len(groups), len(ranges))):
        group = groups[place] if place < len(groups) else []
        first = plan if place == 0 else Plan(plan.activity, plan.why)
        persons = (person for one in group for person in one.persons)
        cases = (one.case_leaf_hash for one in group if one.case_leaf_hash)
        yield replace(
            first,
            cases=tuple(dict.fromkeys((*first.cases, *cases))),
            releases=tuple((one.statement_hash, one.part) for one in group),
            deposits=tuple(ranges[place] if place < len(ranges) else ()),
            persons=tuple(dict.fromkeys((*first.persons, *persons))),
        )


def _groups(doomed: Sequence[Doomed]) -> Iterator[list[Doomed]]:
    group: list[Doomed] = []
    persons: set[bytes] = set()
    for one in doomed:
        if group and (len(group) == _RELEASES or len(persons.union(one.persons)) > _PERSONS):
            yield group
            group, persons = [], set()
        group.append(one)
        persons.update(one.persons)
    if group:
        yield group
