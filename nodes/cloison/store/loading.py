"""Writing one file's records: versions added, none overwritten, all in one transaction.

The caller holds the transaction (`Store.loading`); whatever is raised here undoes the whole file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cloison.errors import InputError
from cloison.identity import Nir
from cloison.store.changes import Noted
from cloison.store.database import Database
from cloison.store.kept_lines import keep_lines
from cloison.store.layouts import DatasetIds
from cloison.store.manifest import IDENTITIES, Changes
from cloison.store.people import People
from cloison.store.slots import Kind, Slot, SlotName, Slots
from cloison.store.values import IdentityFacts

_KEY_BYTES = 12
MOST_PLACE = 0xFFFF
"""Last place of a person's records within a declaration, counted from 0."""
_SORT_ROWS = 20_000
_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)"


class NewRecord(NamedTuple):
    """A record to be written. `payload`: the values in the catalogue's order, packed.

    `named`: row keys of the other persons the record names, one after the other.
    """

    subject: bytes
    period: int
    payload: str
    named: bytes = b""
    lookup: str | None = None


class _Line(NamedTuple):
    """The last version of a table's line."""

    subject: bytes
    period: int
    version: int
    since: int
    until: int | None
    layout: int
    payload: str
    named: bytes

    @property
    def live(self) -> bool:
        return self.until is None

    def says(self, record: NewRecord | None, layout: int) -> bool:
        """Whether it says just this; one that was ended says None."""
        if record is None or not self.live:
            return record is None and not self.live
        mine = (self.subject, self.period, self.payload, self.named, self.layout)
        return mine == (record.subject, record.period, record.payload, record.named, layout)


class Loading:
    """One file being loaded.

    Args:
        load_id: The number of this load; versions say which load began and ended them.
    """

    def __init__(
        self,
        database: Database,
        ids: Mapping[str, DatasetIds],
        people: People,
        load_id: int,
        row_key: bytes,
    ) -> None:
        self._database = database
        self._row_key = row_key
        self._run = database.connection.execute
        self._ids = ids
        self._people = people
        self._load = load_id
        self._slots = Slots(database, load_id)
        self._waiting: list[tuple[object, ...]] = []
        self._lines: list[tuple[int, str, str]] = []
        self._covered: set[tuple[int, int]] = set()
        self._changes = Changes(database, load_id)
        self._noted = Noted(database, load_id)
        self.written = 0

    def declare(self, dataset: str, name: SlotName, source: str, kind: Kind, order: int) -> Slot:
        """Opens a declaration; one that replaces or cancels ends the records of the one before.

        After a cancel, the periods it had records in are under correction until declared anew, and
        its declarant has not declared its period.

        Args:
            dataset: Which dataset its records belong to.
            name: Which declaration.
            source: The message's own id, order included.
            kind: What the declaration does to the one before.
            order: Grows with every sending of the same declaration, by at most 9,999,999,999.

        Raises:
            InputError: `ALREADY_DECLARED`, `NOTHING_TO_CANCEL`, `STALE_ORDER`, `ORDER_TOO_HIGH`.
        """
        slot = self._slots.open(dataset, self._ids[dataset].id, name, source, kind, order)
        if slot.revision > 1:
            self._end_records(slot, announce=kind == "cancel")
        self.cover(dataset, name.period)
        return slot

    def _end_records(self, slot: Slot, *, announce: bool) -> None:
        self.flush()
        live = "slot = ? AND until_load IS NULL"
        ended = self._run(
            f"SELECT dataset, subject, period, record_key, layout FROM record WHERE {live}",  # noqa: S608 - no input in it
            (slot.id,),
        ).fetchall()
        for dataset, subject, period, *_ in ended:
            self._touch(dataset, period, subject)
        if not announce:
            ended = []
        self._run(
            f"UPDATE record SET until_load = ? WHERE {live}",  # noqa: S608 - no input in it
            (self._load, slot.id),
        )
        self._database.connection.executemany(
            _INSERT,
            [
                (*place, slot.revision, self._load, slot.id, layout, slot.source, None, b"", None)
                for *place, layout in ended
            ],
        )
        self.written += len(ended)

    def find_declared(
        self, dataset: str, declarant: str, subject: bytes, period: int
    ) -> str | None:
        """The source of what was declared of a person in a period; None: nothing that counts.

        Args:
            dataset: Which dataset it belongs to.
            declarant: Who declared it, as `SlotName` says.
            subject: The person's row key.
            period: The month.
        """
        self.flush()
        row = self._run(
            "SELECT record.source FROM record JOIN slot ON slot.id = record.slot"
            " WHERE record.dataset = ? AND subject = ? AND period = ? AND until_load IS NULL"
            " AND payload IS NOT NULL AND declarant = ? ORDER BY record_key LIMIT 1",
            (self._ids[dataset].id, subject, period, declarant),
        ).fetchone()
        return None if row is None else str(row[0])

    def _touch(self, dataset: int, period: int, person: bytes) -> None:
        """A record of the person is written or ended: for the columns, and for who used it."""
        self._changes.touch(dataset, period, person)
        self._noted.add(dataset, period, person)

    def append(self, slot: Slot, place: int, record: NewRecord, corrects: str = "") -> None:
        """Writes a record of a declaration.

        Args:
            slot: The declaration.
            place: To `MOST_PLACE`; counts a person's records in it.
            record: What it says.
            corrects: The source of what it corrects, cited in its own.
        """
        ids = self._ids[slot.dataset]
        self._touch(ids.id, record.period, record.subject)
        self._waiting.append(
            (
                ids.id,
                record.subject,
                record.period,
                slot.id.to_bytes(6, "big") + place.to_bytes(2, "big"),
                slot.revision,
                self._load,
                slot.id,
                ids.layout,
                f"{slot.source} corrects {corrects}" if corrects else slot.source,
                record.payload,
                record.named,
                record.lookup,
            )
        )
        if len(self._waiting) >= _SORT_ROWS:
            self.flush()

    def put_line(
        self,
        dataset: str,
        key: Sequence[str],
        place: int,
        record: NewRecord | None,
        source: str,
        revision: int | None = None,
    ) -> bool:
        """Writes what a table's line says of one person; None ends what an earlier line said.

        Args:
            dataset: Which dataset the line belongs to.
            key: The values that name the line across versions.
            place: Which of the line's records.
            record: What it says.
            source: File and line.
            revision: The source's own version number, where it has one.

        Returns:
            Whether anything changed.

        Raises:
            InputError: `DUPLICATE_LINE`: twice in this file. `STALE_REVISION`: a later version of
                the line is loaded.
        """
        ids = self._ids[dataset]
        line = self._line_key(key, place)
        last = self._last_line(ids.id, line)
        if last is not None:
            if last.since == self._load and revision is None:
                raise InputError("DUPLICATE_LINE", "line: its key stands twice in this file")
            same_revision = revision is None or revision == last.version or record is None
            if same_revision and last.says(record, ids.layout):
                return False
            self._end_line(ids.id, line, last, revision)
        if record is not None:
            version = (0 if last is None else last.version) + 1 if revision is None else revision
            self._insert_line(ids, line, version, record, source)
        self.written += 1
        return True

    def _last_line(self, dataset: int, line: bytes) -> _Line | None:
        row = self._run(
            "SELECT subject, period, version, since_load, until_load, layout, payload, named"
            " FROM record WHERE dataset = ? AND record_key = ? AND slot IS NULL"
            " ORDER BY version DESC LIMIT 1",
            (dataset, line),
        ).fetchone()
        return None if row is None else _Line(*row)

    def _end_line(self, dataset: int, line: bytes, last: _Line, revision: int | None) -> None:
        if revision is not None and revision <= last.version:
            raise InputError(
                "STALE_REVISION",
                f"line: version {revision} does not follow {last.version}",
                "load files in the order they were sent",
            )
        if last.live:
            self._touch(dataset, last.period, last.subject)
            self._run(
                "UPDATE record SET until_load = ? WHERE dataset = ? AND subject = ?"
                " AND period = ? AND record_key = ? AND version = ?",
                (self._load, dataset, last.subject, last.period, line, last.version),
            )

    def _insert_line(
        self, ids: DatasetIds, line: bytes, version: int, record: NewRecord, source: str
    ) -> None:
        self._touch(ids.id, record.period, record.subject)
        self._run(
            _INSERT,
            (
                ids.id,
                record.subject,
                record.period,
                line,
                version,
                self._load,
                None,
                ids.layout,
                source,
                record.payload,
                record.named,
                record.lookup,
            ),
        )

    def _line_key(self, key: Sequence[str], place: int) -> bytes:
        # Keyed: a line may be named by a NIR.
        text = "\x1f".join((*key, str(place))).encode()
        return hashlib.blake2b(text, digest_size=_KEY_BYTES, key=self._row_key).digest()

    def put_identity(self, person: bytes, facts: IdentityFacts) -> None:
        """What bars an answer about a person."""
        self._changes.touch(IDENTITIES, 0, person)
        self._people.put_identity(person, facts)

    def put_named(self, person: bytes, nir: Nir, birth_name: str, birth_date: str) -> None:
        """Who a person is, sealed; `birth_date` as `YYYY-MM-DD`."""
        self._people.put_named(person, nir, birth_name, birth_date)

    def cover(self, dataset: str, period: int) -> None:
        """The source declared for this period, whether or not about everyone."""
        place = (self._ids[dataset].id, period)
        if place not in self._covered:
            self._covered.add(place)
            self._run(
                "INSERT INTO coverage VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (*place, self._load),
            )

    def keep_line(self, line: int, message: str, text: str) -> None:
        """Keeps a line that nobody reads, as sent; `message` is the declaration's own id."""
        self._lines.append((line, message, text))
        if len(self._lines) >= _SORT_ROWS:
            self.flush()

    def finish(self) -> None:
        """Writes all that waits, and what it changed beside the columns."""
        self.flush()
        self._changes.flush()
        self._noted.write()

    def flush(self) -> None:
        """Writes what waits; sorted, since neighbours in the tree are then neighbours in time."""
        self._waiting.sort(key=lambda row: row[:4])
        self._database.connection.executemany(_INSERT, self._waiting)
        self.written += len(self._waiting)
        self._waiting.clear()
        keep_lines(self._database, self._load, self._lines)
        self._lines.clear()
        self._slots.flush()
