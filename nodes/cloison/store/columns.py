"""Many persons at once: from the Parquet files where they say it all, else from the records.

One snapshot of the database says which files count and whose records changed beside them, and
answers for these; so the answer is that of `fetch` at that moment, whoever loads meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from cloison.months import Month
from cloison.store.arrays import to_arrow, to_numpy
from cloison.store.database import Database
from cloison.store.gathering import find, lay_out, named_in
from cloison.store.manifest import IDENTITIES, PeriodFile, Place, load_changed, load_window
from cloison.store.many import (
    TEXTUAL,
    Bytes,
    Halves,
    ManyData,
    ManyIdentities,
    Mask,
    answer_schema,
    from_persons,
    key_halves,
    person_keys,
    split_keys,
)
from cloison.store.many_totals import lay_out_totals
from cloison.store.partitions import Partition, PartitionCache, Places
from cloison.store.people import People
from cloison.store.periods import Granularity
from cloison.store.records import Plan, Records
from cloison.store.values import Status
from cloison.store.waiting import Waiting

MOST_BYTES = 1 << 31
"""Of columns held in memory, about: a question that needs more is answered from the records."""
_ROW_BYTES = 80
_NUMBER_BYTES, _TEXT_BYTES = 9, 24
_IDENTITY_BYTES = 60


class Columns:
    """The columns of a store, to be read."""

    def __init__(self, database: Database, records: Records, people: People) -> None:
        self._database = database
        self._records = records
        self._people = people
        self._partitions = PartitionCache(database.columns_path, MOST_BYTES)
        self._changed: dict[Place, tuple[PeriodFile, Halves]] = {}
        self._waiting = Waiting()

    def fetch(
        self,
        dataset: str,
        persons: bytes | Bytes,
        fields: Sequence[str],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
    ) -> ManyData:
        """As `Store.fetch_many`."""
        keys = person_keys(persons)
        with self._database.snapshot() as settled:
            plan = self._records.plan(dataset, tuple(fields), first, last, granularity, now)
            known = load_window(self._database, *plan.scope)
            if not settled or not self._usable(known, plan.layout, _row_bytes(plan)):
                return self._from_records(plan, keys)
            changed = self._changed_among(plan.scope[0], known, keys)
            if not changed.any():
                return self._from_files(plan, known, keys)
            parts = (
                (~changed, self._from_files(plan, known, keys[~changed])),
                (changed, self._from_records(plan, keys[changed])),
            )
            return _joined(parts)

    def identities(self, persons: bytes | Bytes) -> ManyIdentities:
        """As `Store.identities`."""
        keys = person_keys(persons)
        with self._database.snapshot() as settled:
            known = load_window(self._database, IDENTITIES, 0, 0)
            many = ManyIdentities.unknown(len(keys))
            if not settled or not self._usable(known, 0, _IDENTITY_BYTES):
                self._look_up(keys, np.arange(len(keys)), many)
            else:
                changed = self._changed_among(IDENTITIES, known, keys)
                self._find(known, keys, np.flatnonzero(~changed), many)
                self._look_up(keys, np.flatnonzero(changed), many)
        return many

    def _usable(self, known: Mapping[int, PeriodFile], layout: int, row_bytes: int) -> bool:
        """Whether files say all of these periods, but for the persons that changed."""
        files = [one for one in known.values() if one.file is not None]
        if any(one.behind for one in known.values()) or any(one.layout != layout for one in files):
            return False
        if sum(one.rows for one in files) * row_bytes > MOST_BYTES:
            return False
        # A database copied without its columns; one file missing of many is damage.
        return not files or self._database.columns_path.is_dir()

    def _changed_among(self, dataset: int, known: Mapping[int, PeriodFile], keys: Bytes) -> Mask:
        """Persons who changed beside the files, and whoever's row key begins like one's."""
        changed = np.zeros(len(keys), np.bool_)
        for one in known.values():
            if one.changes:
                changed |= np.isin(key_halves(keys)[0], self._changes(dataset, one))
        return changed

    def _changes(self, dataset: int, known: PeriodFile) -> Halves:
        place = dataset, known.period
        held = self._changed.get(place)
        if held is None or held[0] != known:
            subjects = b"".join(load_changed(self._database, place))
            held = known, key_halves(person_keys(subjects))[0]
            self._changed[place] = held
        return held[1]

    def _partitions_of(
        self, dataset: int, known: Mapping[int, PeriodFile], periods: Iterable[int]
    ) -> list[Partition | None]:
        found = [known.get(period) for period in periods]
        return [None if one is None else self._partitions.get(dataset, one) for one in found]

    def _from_files(self, plan: Plan, known: Mapping[int, PeriodFile], keys: Bytes) -> ManyData:
        partitions = self._partitions_of(plan.scope[0], known, plan.empty)
        held = find(plan, keys, partitions, self._late(plan, keys))
        total = plan.granularity is Granularity.WINDOW_TOTAL
        table = lay_out_totals(plan, held) if total else lay_out(plan, held)
        named = named_in(held)
        self._partitions.make_room(len(partitions))
        return ManyData(table, named)

    def _late(self, plan: Plan, keys: Bytes) -> Mapping[int, set[int]]:
        """Periods that are late, by place of the person."""
        expectation = plan.expectation
        if expectation is None:
            return {}
        waited = np.ones(len(keys), np.bool_)
        load = expectation.renew()
        # A period nobody declared yet waits for everybody who declares.
        if Status.NOT_YET_DUE not in {plan.empty[period] for period in plan.over}:
            named = self._waiting.find((plan.scope, plan.over), expectation, load)
            if named is not None:
                waited = np.isin(key_halves(keys)[0], named)
        places = np.flatnonzero(waited).tolist()
        return {
            place: self._records.late(plan, expectation, key)
            for place, key in zip(places, split_keys(keys[waited]), strict=True)
        }

    def _from_records(self, plan: Plan, keys: Bytes) -> ManyData:
        found = self._records.fetch_planned(plan, split_keys(keys))
        # The first it names is who was asked.
        named = {
            place: b"".join(others) for place, one in enumerate(found) if (others := one.named[1:])
        }
        schema = answer_schema(plan.dataset, plan.fields)
        return ManyData(from_persons(schema, found), named)

    def _find(
        self, known: Mapping[int, PeriodFile], keys: Bytes, asked: Places, many: ManyIdentities
    ) -> None:
        for partition in self._partitions_of(IDENTITIES, known, (0,)):
            if partition is not None:
                order = asked[np.argsort(key_halves(keys[asked])[0])]
                found = partition.find(*key_halves(keys[order]))
                places, rows = order[found.held], found.first[found.held]
                many.found[places] = True
                for name, column in many.flags.items():
                    column[places] = partition.numbers(name)[0][rows]
                many.traits[places] = partition.fixed("traits")[rows]

    def _look_up(self, keys: Bytes, asked: Places, many: ManyIdentities) -> None:
        for place, key in zip(asked, split_keys(keys[asked]), strict=True):
            known = self._people.identity(key)
            if known is not None:
                many.found[place] = True
                many.permanent[place] = known.permanent
                many.dead[place] = known.dead
                many.objected[place] = known.objected
                many.traits[place] = np.frombuffer(known.traits_digest, np.uint8)


def _row_bytes(plan: Plan) -> int:
    """What a row takes in memory, more or less."""
    kinds = [plan.dataset.fields[name].type for name in plan.read_fields]
    texts = sum(kind in TEXTUAL for kind in kinds)
    return _ROW_BYTES + texts * _TEXT_BYTES + (len(kinds) - texts) * _NUMBER_BYTES


def _joined(parts: Sequence[tuple[Mask, ManyData]]) -> ManyData:
    """One answer of two, each about the persons of its mask."""
    placed = [data.placed(np.flatnonzero(mask)) for mask, data in parts]
    table = pa.concat_batches([data.table for data in placed])
    order = np.argsort(to_numpy(table.column(0)), kind="stable")
    named = {place: keys for data in placed for place, keys in data.named.items()}
    return ManyData(table.take(to_arrow(order)), named)
