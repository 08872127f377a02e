"""Absent is not zero: a period without records is empty once those who declare the person are done.

* Who declared a person in the months before is expected to declare again, until the contract ends.
* Until every one of them has declared the period, whether or not of this person, it is `late`.
* Of a person nobody is expected to declare, a period is what it is for everybody.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloison.months import Month
from cloison.store.catalogue import Dataset
from cloison.store.database import Database
from cloison.store.layouts import Getter, Layouts, unpack
from cloison.store.values import Status

# INVARIANT: one statement. What is loaded between two would be taken for nothing.
_SELECT = """
SELECT period, slot.declarant, layout, payload, (
    SELECT group_concat(declared.period || declared.fraction) FROM declared
    WHERE declared.dataset = record.dataset AND declared.declarant = slot.declarant
      AND declared.period BETWEEN ?3 AND ?5 AND {declared}
  )
FROM record JOIN slot ON slot.id = record.slot
WHERE record.dataset = ?1 AND subject = ?2 AND period BETWEEN ?4 AND ?5 AND {record}
"""
_NOW = "{0}.until_load IS NULL"
_THEN = "{0}.since_load <= ?6 AND ({0}.until_load IS NULL OR {0}.until_load > ?6)"
_MONTH_DIGITS = 6
_MONTH_LENGTH = 100
_NO_END = 999_999


@dataclass(slots=True)
class _Declarant:
    """What is known of one who declared the person.

    Attributes:
        ends: By month declared of the person, the month in which the last of its contracts ends.
        done: Months declared, of the person or not.
    """

    done: frozenset[int]
    ends: dict[int, int] = field(default_factory=dict)

    def lacks(self, period: int, first: int) -> bool | None:
        """Whether it has still to declare a period; None where nothing is expected of it.

        What it said last, from the month `first` on, tells whether it is expected to go on.
        """
        last = max([month for month in self.ends if first <= month < period], default=0)
        if not last or self.ends[last] < period:
            return None
        return period not in self.done


class Expectation:
    """What a period without records means, person by person.

    Args:
        database: The store's.
        layouts: The store's.
        dataset: One that says whom it expects.
        number: The dataset's, in this store.
        empty: By period, what it is for everybody: for a person whom nobody is expected to declare.
        over: Periods whose time to declare is over.
        as_of_load: What was loaded by then; None for all.

    Attributes:
        since: The first month whose records say who is expected. Of a person who has none from it
            on, a period is what it is for everybody.
    """

    def __init__(
        self,
        database: Database,
        layouts: Layouts,
        dataset: Dataset,
        number: int,
        empty: Mapping[int, Status],
        over: frozenset[int],
        as_of_load: int | None,
    ) -> None:
        self._run = database.connection.execute
        self._layouts = layouts
        self._dataset = dataset
        self._number = number
        self._empty = empty
        months = 0 if dataset.expected is None else dataset.expected.months
        self._until = None if dataset.expected is None else dataset.expected.until
        # By period that is over, the first month in which who declares it has declared the person.
        self._first = {period: (Month.from_number(period) - months).number for period in over}
        self.since = min(self._first.values(), default=_NO_END)
        self._as_of = () if as_of_load is None else (as_of_load,)
        live = _NOW if as_of_load is None else _THEN
        self._sql = _SELECT.format(record=live.format("record"), declared=live.format("declared"))
        self._getters: dict[int, Getter] = {}

    def status(self, person: bytes, period: int) -> Status:
        """What a period without records of a person means.

        Args:
            person: The person's row key.
            period: One of those asked.
        """
        return self.statuses([(person, period)])[0]

    def statuses(self, pairs: Sequence[tuple[bytes, int]]) -> list[Status]:
        """As `status`, for many; one look-up a person, none where no period is over."""
        periods: dict[bytes, list[int]] = {}
        for person, period in pairs:
            if period in self._first:
                periods.setdefault(person, []).append(period)
        found = {
            (person, period): status
            for person, those in periods.items()
            for period, status in self._of(person, those)
        }
        return [found.get(pair) or self._empty[pair[1]] for pair in pairs]

    def _of(self, person: bytes, periods: list[int]) -> Iterator[tuple[int, Status]]:
        declarants = self._declarants(person, min(periods), max(periods))
        if not declarants:
            return
        for period in periods:
            lacks = {one.lacks(period, self._first[period]) for one in declarants}
            # A record of the period itself came since the caller looked: it had not come then.
            if True in lacks or any(period in one.ends for one in declarants):
                yield period, Status.LATE
            elif False in lacks:
                yield period, Status.NOTHING_DECLARED

    def _declarants(self, person: bytes, first: int, last: int) -> list[_Declarant]:
        """Who declared the person in the months before the first period and up to the last."""
        before = self._first[first]
        rows = self._run(self._sql, (self._number, person, first, before, last, *self._as_of))
        found: dict[str, _Declarant] = {}
        for period, name, layout, payload, declared in rows.fetchall():
            one = found.get(name)
            if one is None:
                one = found[name] = _Declarant(_whole((declared or "").split(",")))
            one.ends[period] = max(one.ends.get(period, 0), self._end(layout, payload))
        return list(found.values())

    def _end(self, layout: int, payload: str | None) -> int:
        """The month (YYYYMM) in which the contract a record rests on ends."""
        if payload is None or self._until is None:
            return _NO_END
        getter = self._getters.get(layout)
        if getter is None:
            getter = self._layouts.getter(layout, self._dataset, (self._until,))
            self._getters[layout] = getter
        (day,) = getter(unpack(payload))
        return day // _MONTH_LENGTH if isinstance(day, int) else _NO_END


def _whole(declared: Iterable[str]) -> frozenset[int]:
    """The months declared with all their parts; `20260312` is the first of two of March."""
    fractions: dict[str, set[str]] = {}
    for one in declared:
        fractions.setdefault(one[:_MONTH_DIGITS], set()).add(one[_MONTH_DIGITS:])
    return frozenset(int(month) for month, parts in fractions.items() if month and _is_whole(parts))


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
