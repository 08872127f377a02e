"""Reading records: one indexed look-up a person, and what an empty period means."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from cloison.months import Month
from cloison.store.catalogue import Catalogue, Dataset
from cloison.store.database import Database
from cloison.store.expectation import Expectation
from cloison.store.layouts import DatasetIds, Getter, Layouts, unpack
from cloison.store.periods import CURRENT, Granularity, check_granularity, window
from cloison.store.totals import window_total
from cloison.store.values import PeriodData, PersonData, RecordData, Status

_PERSON_BYTES = 16
_PLANS = 1024
_SELECT = (
    "SELECT period, slot, layout, payload, version, source, named FROM record"
    " WHERE dataset = ? AND subject = ? AND period BETWEEN ? AND ?"
)
_NOW = _SELECT + " AND until_load IS NULL"
_THEN = _SELECT + " AND since_load <= ? AND (until_load IS NULL OR until_load > ?)"

_Row = tuple[int, int | None, int, str | None, int, str, bytes]


class Plan:
    """All of a question that is the same for every person: made once, used for each."""

    def __init__(
        self,
        dataset: Dataset,
        ids: DatasetIds,
        fields: tuple[str, ...],
        granularity: Granularity,
        empty: Mapping[int, Status],
        expectation: Expectation | None,
        *,
        over: frozenset[int],
        as_of_load: int | None,
    ) -> None:
        self.dataset = dataset
        self.fields = fields
        self.granularity = granularity
        self.empty = empty
        self.expectation = expectation
        self.over = over
        self.getters: dict[int, Getter] = {}
        self.sql = _NOW if as_of_load is None else _THEN
        self.layout = ids.layout
        self.scope = (ids.id, min(empty), max(empty))
        self.since = self.scope[1] if expectation is None else expectation.since
        self.as_of = () if as_of_load is None else (as_of_load, as_of_load)
        total = granularity is Granularity.WINDOW_TOTAL
        self.read_fields = (*fields, dataset.category) if total and dataset.category else fields

    def held_status(self, period: int) -> Status:
        """What a period with records is, none of them under correction and no source late."""
        # Until the due day another source may still declare: what is here may not be all.
        if period in self.over or period == CURRENT:
            return Status.DECLARED
        return Status.NOT_YET_DUE


class Records:
    """The records of a store, to be read."""

    def __init__(
        self, database: Database, catalogue: Catalogue, ids: Mapping[str, DatasetIds]
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ids = ids
        self._layouts = Layouts(database)
        self._plans: dict[tuple[object, ...], Plan] = {}

    def fetch(
        self,
        dataset: str,
        persons: Sequence[bytes],
        fields: Sequence[str],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
        as_of: int | None = None,
    ) -> list[PersonData]:
        """As `Store.fetch`."""
        # INVARIANT: one moment. What is loaded between two statements would be taken for nothing.
        with self._database.snapshot():
            plan = self.plan(dataset, tuple(fields), first, last, granularity, now, as_of)
            return self.fetch_planned(plan, persons)

    def fetch_planned(self, plan: Plan, persons: Sequence[bytes]) -> list[PersonData]:
        """What is held of each person, within `Database.snapshot`."""
        if plan.expectation is not None:
            plan.expectation.renew()
        return [self._person(plan, person) for person in persons]

    def late(self, plan: Plan, expectation: Expectation, person: bytes) -> set[int]:
        """As `Expectation.late`, of a person."""
        return expectation.late([row[:4] for row in self._rows(plan, person)])

    def plan(
        self,
        name: str,
        fields: tuple[str, ...],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
        as_of: int | None = None,
    ) -> Plan:
        """What is the same for every person; raises as `Store.fetch`."""
        today = now.astimezone(UTC).date()
        key = (name, fields, first, last, granularity, today)
        if as_of is None and (known := self._plans.get(key)) is not None:
            return known
        self._catalogue.check_fields(name, fields)
        dataset = self._catalogue.dataset(name)
        shape = check_granularity(name, dataset, granularity)
        asked = window(dataset, first, last, today)
        covered = self._covered(name, dataset, asked.periods, as_of)
        empty = {
            period: Status.NOTHING_DECLARED
            if period in covered and period in asked.over
            else Status.NOT_YET_DUE
            for period in asked.periods
        }
        ids = self._ids[name]
        expectation = None
        if dataset.expected is not None and asked.over:
            expectation = Expectation(
                self._database, self._layouts, dataset, ids.id, asked.over, as_of
            )
        plan = Plan(
            dataset, ids, fields, shape, empty, expectation, over=asked.over, as_of_load=as_of
        )
        # What is not covered yet may be in a moment: another process loads.
        if as_of is None and covered.issuperset(asked.periods):
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _covered(
        self, name: str, dataset: Dataset, periods: tuple[int, ...], load: int | None
    ) -> frozenset[int]:
        if dataset.due is None:
            return frozenset(periods)
        rows = self._database.connection.execute(
            "SELECT period FROM coverage WHERE dataset = ? AND period BETWEEN ? AND ?"
            " AND (? IS NULL OR since_load <= ?)",
            (self._ids[name].id, periods[0], periods[-1], load, load),
        )
        return frozenset(row[0] for row in rows)

    def _person(self, plan: Plan, person: bytes) -> PersonData:
        rows = self._rows(plan, person)
        late: set[int] = set()
        if plan.expectation is not None:
            late = plan.expectation.late([row[:4] for row in rows])
            rows = [row for row in rows if row[0] >= plan.scope[1]]
        periods = self._periods(plan, rows, late)
        if plan.granularity is Granularity.WINDOW_TOTAL:
            periods = (window_total(plan.dataset, plan.fields, periods),)
        return PersonData(periods, _named(person, rows))

    def _rows(self, plan: Plan, person: bytes) -> list[_Row]:
        """Of the periods asked, and of those before that say who is expected."""
        number, _, high = plan.scope
        return self._database.connection.execute(
            plan.sql, (number, person, plan.since, high, *plan.as_of)
        ).fetchall()

    def _periods(
        self, plan: Plan, rows: Iterable[_Row], late: AbstractSet[int]
    ) -> tuple[PeriodData, ...]:
        records: dict[int, list[RecordData]] = {}
        corrected: set[int] = set()
        for period, _, layout, payload, version, source, _ in rows:
            held = records.setdefault(period, [])
            if payload is None:
                corrected.add(period)
                continue
            getter = plan.getters.get(layout)
            if getter is None:
                getter = self._layouts.getter(layout, plan.dataset, plan.read_fields)
                plan.getters[layout] = getter
            held.append(RecordData(source, version, getter(unpack(payload))))
        return tuple(
            PeriodData(period, status, tuple(records.get(period, ())))
            for period, status in _statuses(plan, records.keys(), corrected, late).items()
        )


def _statuses(
    plan: Plan, held: AbstractSet[int], corrected: AbstractSet[int], late: AbstractSet[int]
) -> Mapping[int, Status]:
    """What each period says: that more is to come, before what came."""
    statuses = dict(plan.empty)
    statuses.update({period: plan.held_status(period) for period in held})
    statuses.update(dict.fromkeys(late, Status.LATE))
    statuses.update(dict.fromkeys(corrected, Status.UNDER_CORRECTION))
    return statuses


def _named(person: bytes, rows: Iterable[_Row]) -> tuple[bytes, ...]:
    named = b"".join([row[-1] for row in rows])
    if not named:
        return (person,)
    others = (named[at : at + _PERSON_BYTES] for at in range(0, len(named), _PERSON_BYTES))
    return tuple(dict.fromkeys((person, *others)))
