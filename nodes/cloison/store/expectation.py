"""Absent is not zero: a period says what was earned once those who declare the person are done.

* Who declared a person in the months before is expected to declare again, until the contract ends.
* Until every one of them has declared the period, whether or not of this person, it is `late`,
  whatever others declared of it.
* Of a person nobody is expected to declare, a period is what it is for everybody.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from cloison.months import Month
from cloison.store.catalogue import Dataset
from cloison.store.database import Database
from cloison.store.layouts import Getter, Layouts, unpack
from cloison.store.many import split_keys

Said = tuple[int, int | None, int, str | None]
"""Of a record of one person: period, slot, layout, payload."""

_SLOT = "SELECT declarant, CAST(substr(name, -9, 6) AS INTEGER) FROM slot WHERE id = ?"
_DONE_BY = """
SELECT period, fraction FROM declared
WHERE dataset = ? AND declarant = ? AND period BETWEEN ? AND ? AND
"""
_NOW = "until_load IS NULL"
_THEN = "since_load <= ? AND (until_load IS NULL OR until_load > ?)"
_BEHIND = """
WITH RECURSIVE each (declarant) AS (
  SELECT min(declarant) FROM declared WHERE dataset = :dataset
  UNION ALL
  SELECT (
    SELECT min(declarant) FROM declared
    WHERE dataset = :dataset AND declarant > each.declarant
  ) FROM each WHERE each.declarant IS NOT NULL
)
SELECT declarant FROM each
WHERE (
  SELECT count(DISTINCT period) FROM declared
  WHERE dataset = :dataset AND declarant = each.declarant
    AND period IN (SELECT value FROM json_each(:periods)) AND fraction = '11'
    AND until_load IS NULL
) < :count AND EXISTS (
  SELECT 1 FROM declared
  WHERE dataset = :dataset AND declarant = each.declarant AND period >= :since
)
LIMIT :most
"""
"""Steps from one declarant to the next in the index: reading every row took ten times as long."""
_DECLARED_SINCE = """
SELECT declarant FROM declared WHERE dataset = ?1 AND since_load > ?2
UNION SELECT declarant FROM declared WHERE dataset = ?1 AND until_load > ?2
"""
_CHANGED_SINCE = """
SELECT subjects FROM change
WHERE load > ?2 AND dataset = ?1 AND period BETWEEN ?3 AND ?4
"""
_DECLARED_BY = """
SELECT DISTINCT subject FROM slot JOIN record ON record.slot = slot.id AND until_load IS NULL
WHERE slot.dataset = ?1 AND slot.name > ?2 || '/' AND slot.name < ?2 || '0'
  AND period BETWEEN ?3 AND ?4
"""
_MOST_DECLARANTS, _MOST_PERSONS = 20_000, 200_000
_CACHED = 100_000
_MONTHS_AHEAD = 12
_MONTH_LENGTH = 100
_NO_END = 999_999


class Expectation:
    """Whom the periods of a question wait for. Asked within one snapshot with the records.

    Args:
        database: The store's.
        layouts: The store's.
        dataset: One that says whom it expects.
        number: The dataset's, in this store.
        over: Periods whose time to declare is over; at least one.
        as_of_load: What was loaded by then; None for all.

    Attributes:
        since: The first month whose records say who is expected.
    """

    def __init__(
        self,
        database: Database,
        layouts: Layouts,
        dataset: Dataset,
        number: int,
        over: frozenset[int],
        as_of_load: int | None,
    ) -> None:
        self._database = database
        self._run = database.connection.execute
        self._layouts = layouts
        self._dataset = dataset
        self._number = number
        months = 0 if dataset.expected is None else dataset.expected.months
        self._until = None if dataset.expected is None else dataset.expected.until
        # By period that is over, the first month in which who declares it has declared the person.
        self._first = {period: (Month.from_number(period) - months).number for period in over}
        self.since = min(self._first.values())
        self._as_of = () if as_of_load is None else (as_of_load, as_of_load)
        self._done_by = _DONE_BY + (_NOW if as_of_load is None else _THEN)
        self._getters: dict[int, Getter] = {}
        self._slots: dict[int, tuple[str, int]] = {}
        self._missing: dict[str, frozenset[int]] = {}
        self._load = 0

    def renew(self) -> int:
        """To be called first in each snapshot; gives the number of the last load, 0 if none."""
        (load,) = self._run("SELECT max(id) FROM load").fetchone()
        if load != self._load or len(self._missing) > _CACHED:
            self._missing.clear()
        self._load = load or 0
        return self._load

    def late(self, records: Sequence[Said]) -> set[int]:
        """Periods of which one who is expected to declare a person has not declared all.

        Who declared the person in one, then or before, is done with them: each person is in one
        part. A later correction alone says nothing of what it corrects.

        Args:
            records: All of the person, from the month `since` to the last of the periods.
        """
        slots = {slot: self._slot(slot) for _, slot, *_ in records if slot is not None}
        declarants = {declarant for declarant, _ in slots.values()}
        return {
            period
            for declarant in declarants
            for period in self._missing_of(declarant)
            if self._waits(_theirs(declarant, slots, records), period)
        }

    def waited_for(self) -> set[bytes] | None:
        """Row keys of everybody of whom a period may be late now; None where they are very many.

        What is declared of a month comes in that month's declaration, in a later one, or, of what
        is paid in advance, in an earlier one of the same year.
        """
        scope = {
            "dataset": self._number,
            "periods": json.dumps(list(self._first)),
            "count": len(self._first),
            "since": (Month.from_number(self.since) - _MONTHS_AHEAD).number,
            "most": _MOST_DECLARANTS + 1,
        }
        declarants = [row[0] for row in self._run(_BEHIND, scope)]
        return None if len(declarants) > _MOST_DECLARANTS else self._declared_by(declarants)

    def waited_since(self, load: int) -> set[bytes] | None:
        """Whom the loads after this one may have added to `waited_for`; None: as there."""
        scope = self._number, load
        declared = [row[0] for row in self._run(_DECLARED_SINCE, scope)]
        persons = self._declared_by(declared)
        if persons is None:
            return None
        for (subjects,) in self._run(_CHANGED_SINCE, (*scope, self.since, max(self._first))):
            persons.update(split_keys(subjects))
            if len(persons) > _MOST_PERSONS:
                return None
        return persons

    def _declared_by(self, declarants: Iterable[str]) -> set[bytes] | None:
        """Whom those of them declared who have not declared all since; None: very many."""
        persons: set[bytes] = set()
        for declarant in declarants:
            if self._missing_of(declarant):
                persons |= declared_by(
                    self._database, self._number, declarant, self.since, max(self._first)
                )
            if len(persons) > _MOST_PERSONS:
                return None
        return persons

    def _slot(self, slot: int) -> tuple[str, int]:
        """Who declares in a slot, and which month: for as long as there is the slot."""
        known = self._slots.get(slot)
        if known is None:
            if len(self._slots) >= _CACHED:
                self._slots.clear()
            known = self._slots[slot] = self._run(_SLOT, (slot,)).fetchone()
        return known

    def _missing_of(self, declarant: str) -> frozenset[int]:
        """The periods it has not declared with all their parts, of whomever."""
        known = self._missing.get(declarant)
        if known is None:
            fractions: dict[int, set[str]] = {}
            scope = self._number, declarant, min(self._first), max(self._first), *self._as_of
            for period, fraction in self._run(self._done_by, scope):
                fractions.setdefault(period, set()).add(fraction)
            done = {period for period, parts in fractions.items() if _is_whole(parts)}
            known = self._missing[declarant] = frozenset(self._first.keys() - done)
        return known

    def _waits(self, records: Sequence[tuple[Said, int]], period: int) -> bool:
        """Whether more is to come of a period from who declared these, each in that month.

        What it said last in the months before tells whether it is expected to go on.
        """
        if any(one[0] == period and declared_in <= period for one, declared_in in records):
            return False
        before = [one for one, _ in records if self._first[period] <= one[0] < period]
        last = max([one[0] for one in before], default=0)
        return any(self._end(one) >= period for one in before if one[0] == last)

    def _end(self, record: Said) -> int:
        """The month (YYYYMM) in which the contract a record rests on ends."""
        _, _, layout, payload = record
        if payload is None or self._until is None:
            return _NO_END
        getter = self._getters.get(layout)
        if getter is None:
            getter = self._layouts.getter(layout, self._dataset, (self._until,))
            self._getters[layout] = getter
        (day,) = getter(unpack(payload))
        return day // _MONTH_LENGTH if isinstance(day, int) else _NO_END


def declared_by(
    database: Database, number: int, declarant: str, first: int, last: int
) -> set[bytes]:
    """Row keys of everybody of whom records of one declarant count, of these months.

    Args:
        database: The store's, within `Database.reading`.
        number: The dataset's, in this store.
        declarant: As a `SlotName` has it.
        first: First month (YYYYMM), included.
        last: Last month, included.
    """
    rows = database.connection.execute(_DECLARED_BY, (number, declarant, first, last))
    return {row[0] for row in rows}


def _theirs(
    declarant: str, slots: Mapping[int, tuple[str, int]], records: Iterable[Said]
) -> list[tuple[Said, int]]:
    """The records of one declarant, each with the month in whose declaration it came."""
    found = []
    for record in records:
        if record[1] is not None:
            name, declared_in = slots[record[1]]
            if name == declarant:
                found.append((record, declared_in))
    return found


def _is_whole(fractions: set[str]) -> bool:
    """Whether every part of a declaration is there: `12` and `22` are two of two.

    Source:
        NEODeS, S20.G00.05.003: from memory, like the spelling `declarations` gives it.
    """
    return any(
        all(f"{part}{last}" in fractions for part in range(1, int(last) + 1))
        for last in {fraction[-1] for fraction in fractions}
        if last.isdecimal()
    )
