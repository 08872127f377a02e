"""The vault: (NIR, salt) pairs, trace keys, sealed answers and case files, outside the ledger.

* Everything that could name a person is AES-GCM under the vault key, tied to its row; a claim is
  looked up by a keyed hash.
* A group's rows are on disk before any answer of the group leaves.
* Erasing a person unlinks every trace of them but those of cases under way; the tree stays.
* Nothing that opens an entry outlives the entry.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import StorageError
from cloison.exchange import limits
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import Nir, trace_keys
from cloison.store import Database
from cloison.wire.access_contests import AccessContests
from cloison.wire.answered import AnsweredTable
from cloison.wire.case_files import CaseRows
from cloison.wire.cohort_records import CohortRecords
from cloison.wire.contestation_rows import ContestationRows
from cloison.wire.objection_records import ObjectionRecords
from cloison.wire.openings import Openings
from cloison.wire.plans import PlanRecords

_PERSON = b"cloison/v1 vault person\n"
_KEY_BYTES = 32
_CACHED_PERSONS = 200_000
_ASKED_AT_ONCE = 500
_SLOW_SECONDS = 0.0005


class Vault:
    """One SQLite file beside the store. Not shared between processes.

    Attributes:
        answered: What this node, as holder, answered under cases that may still be live.

    Args:
        path: The database; created if absent.
        vault_key: 32 bytes; encrypts what names a person.
        node: The node's body, part of every trace key.

    Attributes:
        contestations: What persons contest of the lines this node holds.
        access_contests: What they contest of what was done with their data.

    Raises:
        StorageError: `STORE_OPEN`; `WRONG_STORE`: another body's, or made with another key.
    """

    def __init__(self, path: Path, vault_key: bytes, node: BodyId) -> None:
        self._database = Database(path, node, vault_key, package="cloison.wire")
        self.cohorts = CohortRecords(self._database)
        self.openings = Openings(self._database)
        self.cases = CaseRows(self._database)
        self.objections = ObjectionRecords(self._database)
        self.plans = PlanRecords(self._database)
        self.contestations = ContestationRows(self._database)
        self.answered = AnsweredTable(self._database)
        self.access_contests = AccessContests(self._database)
        self._node = node
        self._traces: dict[bytes, bytes] = {}  # of the persons of `_day`
        self._day: date | None = None
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vault-sync")
        self._dirty = True
        self._slow = True
        self._lost = False
        self._changes = 0
        # The database syncs at checkpoints only; `durable` syncs the log for each group.
        try:
            self._log = os.open(self._database.log_path, os.O_RDWR)
        except OSError as error:
            self._database.close()
            raise StorageError("STORE_OPEN", f"vault `{path}`: {error.strerror}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All kept on leaving, nothing if it raises; on disk after the next `durable`.

        Raises:
            StorageError: `STORE_WRITE`: the disk or the database refused.
        """
        try:
            with self._database.transaction():
                yield
                self.answered.write()
                changes = self._database.total_changes
                self._dirty = self._dirty or changes != self._changes
                self._changes = changes
        except BaseException:
            # No key or closing may be believed that was taken back.
            self._traces.clear()
            self.cases.reread()
            self.objections.reread()
            self.answered.take_back()
            raise

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """As `transaction`, and on disk on leaving: for rows that no entry follows.

        Raises:
            StorageError: `STORE_WRITE`, `VAULT`: as `transaction` and `durable`.
        """
        with self.transaction():
            yield
        with self.durable():
            pass

    @contextmanager
    def durable(self) -> Iterator[None]:
        """What was committed is on disk on leaving. A slow disk works while the block does.

        A quick one is waited for after it: handing a thread 0.1 ms of work costs more than that.

        Raises:
            StorageError: `VAULT`: the disk refused; nothing may leave, now or until the vault is
                opened again: after a failed sync the next one would call lost bytes safe.
        """
        if self._lost:
            raise StorageError("VAULT", "vault: stopped by a failed write", "restart the node")
        if not self._dirty:
            yield
            return
        syncing = self._syncer.submit(self._sync) if self._slow else None
        try:
            yield
        finally:
            try:
                self._slow = (syncing.result() if syncing else self._sync()) > _SLOW_SECONDS
            except OSError as error:
                self._lost = True
                raise StorageError("VAULT", f"vault: {error.strerror}") from error
        self._dirty = False

    def _sync(self) -> float:
        """Seconds it took."""
        start = time.monotonic()
        os.fdatasync(self._log)
        return time.monotonic() - start

    def _run(self, sql: str, *values: bytes | str | int | None) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def _ask(self, sql: str, *values: bytes | str | int | None) -> sqlite3.Cursor:
        with self._database.reading():
            return self._run(sql, *values)

    def trace_keys(self, row_keys: Iterable[bytes], day: date) -> list[bytes]:
        """One trace key a person, in order, duplicates dropped; new persons get a random key."""
        persons = list(dict.fromkeys(row_keys))
        if day != self._day or len(self._traces) + len(persons) > _CACHED_PERSONS:
            self._traces.clear()
            self._day = day
        unknown = [person for person in persons if person not in self._traces]
        if unknown:
            made = trace_keys(self._person_keys(unknown), self._node, day)
            self._traces.update(zip(unknown, made, strict=True))
        return [self._traces[person] for person in persons]

    def person_key(self, row_key: bytes) -> bytes:
        """The person's own key, from which the trace keys of every day derive; theirs to have."""
        (key,) = self._person_keys([row_key])
        return key

    def erase_person(self, row_key: bytes, nir: Nir, now: datetime) -> datetime | None:
        """The person's key, what opens their digests, and their words are gone with the commit.

        Returns:
            When the last case that still holds them is over; None: none does.
        """
        self._run("DELETE FROM person WHERE row_key = ?", row_key)
        self._traces.pop(row_key, None)
        self.openings.erase(nir)
        self.access_contests.forget(row_key)
        ends = self.cases.erase_member(nir, now), self.answered.erase(row_key, now)
        return max((end for end in ends if end is not None), default=None)

    def prune(self, minimum: int, before: datetime, now: datetime) -> None:
        """Nothing is kept of whom entries are about that are no longer kept.

        Args:
            minimum: The first entry that is.
            before: When it was written.
            now: The time.
        """
        self.openings.prune(before)
        self.cases.prune(minimum, now)
        self.access_contests.prune(minimum)

    def _person_keys(self, persons: Sequence[bytes]) -> list[bytes]:
        """The keys of persons, each named once; who has none gets one."""
        known: dict[bytes, bytes] = {}
        for some in limits.slices(persons, _ASKED_AT_ONCE):
            marks = ", ".join("?" * len(some))
            rows = self._ask(
                f"SELECT row_key, sealed_key FROM person WHERE row_key IN ({marks})",  # noqa: S608 - no input in it
                *some,
            )
            for person, sealed in rows:
                known[person] = self._database.unseal(sealed, _PERSON + person)
        # In the order of the table: what stands on one page is written together.
        fresh = sorted(person for person in persons if person not in known)
        drawn = os.urandom(_KEY_BYTES * len(fresh))
        keys = [drawn[at : at + _KEY_BYTES] for at in range(0, len(drawn), _KEY_BYTES)]
        sealed = self._database.seal_each(keys, [_PERSON + person for person in fresh])
        self._database.connection.executemany(
            "INSERT INTO person VALUES (?, ?)", zip(fresh, sealed, strict=True)
        )
        known.update(zip(fresh, keys, strict=True))
        return [known[person] for person in persons]

    def keep_answer(self, statement_hash: bytes, sealed: bytes, now: datetime) -> None:
        """Keeps a sealed answer for repeats of the same statement."""
        self._run(
            "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
            statement_hash,
            sealed,
            to_milliseconds(now),
        )

    def answer(self, statement_hash: bytes) -> tuple[bytes, datetime] | None:
        """The sealed answer of a statement and when it was made, if it is still kept."""
        row = self._ask(
            "SELECT sealed, kept_time_ms FROM answer WHERE statement_hash = ?", statement_hash
        ).fetchone()
        return (row[0], from_milliseconds(row[1])) if row else None

    def forget_answers(self, before: datetime) -> None:
        """Drops the answers made before then."""
        self._run("DELETE FROM answer WHERE kept_time_ms < ?", to_milliseconds(before))

    def forget_answer(self, statement_hash: bytes) -> None:
        """Drops the answers to a statement, and to the batches of its cohort."""
        self._run("DELETE FROM answer WHERE statement_hash = ?", statement_hash)
        self._run("DELETE FROM cohort_answer WHERE statement_hash = ?", statement_hash)

    def empty_log(self) -> bool:
        """As `Database.empty_log`: what was deleted is in no file of the vault."""
        return self._database.empty_log()

    def defer_checkpoints(self) -> None:
        """Leave it to another connection to move the write-ahead log into the file."""
        self._database.defer_checkpoints()

    def close(self) -> None:
        """Closes the database."""
        self._syncer.shutdown()
        os.close(self._log)
        self._database.close()


def utc_day(time: datetime) -> date:
    """The UTC day of a time: trace keys change with it."""
    return time.astimezone(UTC).date()
