"""The store of one body: one door to records, persons, claims, received releases and outputs."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

from cloison.errors import InputError
from cloison.identity import Nir
from cloison.months import Month
from cloison.store.catalogue import Catalogue
from cloison.store.changes import Change, Changes, Wanted
from cloison.store.claims import Claims
from cloison.store.column_sources import sources
from cloison.store.column_writing import ColumnWriter
from cloison.store.columns import Columns
from cloison.store.contested import ContestedLines
from cloison.store.database import Database, to_ms
from cloison.store.destruction import Destruction
from cloison.store.held_columns import HeldColumns
from cloison.store.kept_lines import KeptLine, find_kept_lines
from cloison.store.layouts import register_datasets
from cloison.store.loading import Loading
from cloison.store.many import Bytes, ManyData, ManyIdentities
from cloison.store.people import People
from cloison.store.received import Outputs, Received, ReceivedPersons
from cloison.store.records import Records
from cloison.store.values import (
    Claim,
    Doomed,
    HouseholdFile,
    IdentityFacts,
    Output,
    PersonData,
    ReceivedLabel,
)


class Store:
    """What a body holds. One thread at a time; another process may load meanwhile.

    Attributes:
        catalogue: The body's.
        lines: What sources declared, one by one: for who contests it.
        held: The columns, file by file: for what counts many and names nobody.
    """

    def __init__(self, database: Database, catalogue: Catalogue, row_key: bytes) -> None:
        self._database = database
        self.catalogue = catalogue
        self._row_key = row_key
        self._ids = register_datasets(database, catalogue)
        self._people = People(database)
        self._changes = Changes(database, catalogue, self._ids)
        self._records = Records(database, catalogue, self._ids)
        self._columns = Columns(database, self._records, self._people)
        columns = sources(database, catalogue, self._ids)
        self._column_writer = ColumnWriter(database, columns)
        self.held = HeldColumns(database, columns)
        self._claims = Claims(database, catalogue, self._ids, self._people)
        self.lines = ContestedLines(database, catalogue, self._ids)
        self._received = Received(database)
        self.received_persons = ReceivedPersons(database)
        self._outputs = Outputs(database)
        self._destruction = Destruction(database)

    @classmethod
    def open(cls, path: Path, catalogue: Catalogue, row_key: bytes, vault_key: bytes) -> Self:
        """The store at `path`, created and migrated as needed.

        Args:
            path: The SQLite file.
            catalogue: The body's.
            row_key: 32 bytes, names rows.
            vault_key: 32 bytes, seals who persons are.

        Raises:
            StorageError: `STORE_OPEN`; `WRONG_STORE`: another body's, or made with other keys.
        """
        return cls(Database(path, catalogue.body, vault_key, (row_key,)), catalogue, row_key)

    def fetch(
        self,
        dataset: str,
        person_row_keys: Sequence[bytes],
        fields: Sequence[str],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
        as_of: int | None = None,
    ) -> list[PersonData]:
        """What is held of each person, in their order; every period asked has a status.

        A period is `not_yet_due` until its due day is over, whatever came so far (which is given),
        and where no source declared anything for it at all: absent is not zero. One that is due is
        `late` while a source that declared the person before has not done so, whatever others
        declared of it (which is given).

        Args:
            dataset: A dataset of the catalogue.
            person_row_keys: As `cloison.identity.row_key` makes them.
            fields: Of the dataset; values come in this order.
            first: First month, included.
            last: Last month, included. What is in force now takes no notice of months.
            granularity: `month` or `window-total` for monthly data, `year`, `current`.
            now: Decides what is due.
            as_of: Answers from what was loaded up to this load; None for all that is loaded.

        Raises:
            InputError: `UNKNOWN_DATASET`, `UNKNOWN_FIELD`, `BAD_GRANULARITY`, `BAD_WINDOW`.
            StorageError: `STORE_READ`.
        """
        return self._records.fetch(
            dataset, person_row_keys, fields, first, last, granularity, now, as_of
        )

    def fetch_many(
        self,
        dataset: str,
        person_row_keys: bytes | Bytes,
        fields: Sequence[str],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
    ) -> ManyData:
        """As `fetch`, the same values as columns: see `ManyData`.

        Args:
            dataset: A dataset of the catalogue.
            person_row_keys: 16 bytes a person, one after the other, or an array of shape (n, 16).
            fields: Of the dataset; columns come in this order.
            first: First month, included.
            last: Last month, included.
            granularity: As for `fetch`.
            now: Decides what is due.

        Raises:
            InputError: as `fetch`; `MALFORMED`: not 16 bytes a person.
            StorageError: `STORE_READ`.
        """
        return self._columns.fetch(dataset, person_row_keys, fields, first, last, granularity, now)

    def identities(self, person_row_keys: bytes | Bytes) -> ManyIdentities:
        """As `identity`, of many persons; raises as `fetch_many`."""
        return self._columns.identities(person_row_keys)

    def last_load(self, by: datetime | None = None) -> int:
        """The number of the last file loaded, by a time or of all; 0 where there is none.

        Raises:
            StorageError: `STORE_READ`.
        """
        return self._changes.last_load(by)

    def changes(self, after: int, until: int, wanted: Wanted) -> Iterator[Change]:
        """Of whom the loads after one, to another included, may have changed what is said.

        Raises `StorageError` (`STORE_READ`). Only what is wanted is looked into.
        """
        return self._changes.find(after, until, wanted)

    def forget_changes(self, before: datetime) -> int:
        """Drops what is known of changes loaded before then; how many parts.

        Raises `StorageError` (`STORE_WRITE`).
        """
        return self._changes.forget(before)

    def identity(self, person_row_key: bytes) -> IdentityFacts | None:
        """What may bar an answer; None where the person is not known here."""
        return self._people.identity(person_row_key)

    def number(self, person: bytes) -> Nir | None:
        """The NIR kept of a person; None where none is."""
        return self._people.named(person)[0] if self._people.keeps_number(person) else None

    def claims(
        self, benefit: str, month: Month, references: Sequence[str] | None = None
    ) -> Iterator[Claim]:
        """Open claims of a benefit by reference, with the household as it is in `month`.

        Args:
            benefit: A benefit as the claims name it.
            month: The household is as at any day of it.
            references: Only these, in this order; None for all.

        Raises:
            InputError: `UNKNOWN_CLAIM`: not an open claim. `NO_CLAIMS`: the body has none.
            IntegrityError: `VAULT_MISSING`, `VAULT_SEAL`.
        """
        return self._claims.open_claims(benefit, month, references)

    def households(
        self,
        month: Month,
        references: Sequence[str] | None = None,
        without_claim: str | None = None,
    ) -> Iterator[HouseholdFile]:
        """Households by number, with their members as they are in `month`; none without members.

        Args:
            month: The members are those of any day of it.
            references: Only these, in this order; None for all.
            without_claim: Only households with no open claim for this benefit. Their numbers are
                held in memory; every claim is read once.

        Raises:
            InputError: `UNKNOWN_HOUSEHOLD`, `HAS_CLAIM`: of one that was named.
                `NO_HOUSEHOLDS`, `NO_CLAIMS`: the body has none.
            IntegrityError: `VAULT_MISSING`, `VAULT_SEAL`.
        """
        return self._claims.households(month, references, without_claim)

    def keep_received(
        self,
        statement_hash: bytes,
        label: ReceivedLabel,
        person_row_keys: Sequence[bytes],
        fields: Sequence[str],
        first_month: Month,
        last_month: Month,
        sealed: bytes,
        leaf_hash: bytes,
        kept_time: datetime,
        part: int = 0,
        case_leaf_hash: bytes = b"",
    ) -> bool:
        """Keeps a release as sealed; the same twice changes nothing and gives False.

        `leaf_hash` is that of the entry that says it was received; `part` tells which batch, where
        the statement is about a cohort; the case is the one it was asked under. `fields` are those
        the statement asked; months are both included.

        Raises:
            IntegrityError: `RECEIVED_TWICE`: another answer is kept for this statement.
            StorageError: `STORE_WRITE`.
        """
        return self._received.keep(
            statement_hash,
            label,
            person_row_keys,
            fields,
            first_month,
            last_month,
            sealed,
            leaf_hash,
            kept_time,
            part,
            case_leaf_hash,
        )

    def transaction(self) -> AbstractContextManager[None]:
        """Several writes as one: all are kept on leaving, none if it raises."""
        return self._database.transaction()

    def received(
        self,
        activity: str,
        from_holder: str,
        dataset: str,
        person_row_keys: Sequence[bytes],
        fields: Sequence[str],
        first: Month,
        last: Month,
        received_for: str | None = None,
        now: datetime | None = None,
    ) -> list[bytes]:
        """Sealed releases that lie wholly within what is asked, each once, oldest first.

        A seal cannot be cut: one that holds a person, a field or a month beyond those asked is not
        given, as if it had never been received. Asked with all the persons, fields and months of
        the statement that brought it, it is; a cohort's part only where its batch was no larger
        than the persons of one statement. Nor is one given whose label ended by `now`.
        """
        return self._received.find(
            activity, from_holder, dataset, person_row_keys, fields, first, last, received_for, now
        )

    def received_label(self, statement_hash: bytes) -> ReceivedLabel | None:
        """The label of what answered a statement; None where nothing is kept."""
        return self._received.label(statement_hash)

    def doomed_of_cases(self, activity: str, cases: Sequence[bytes]) -> list[Doomed]:
        """The releases an activity was given under these cases."""
        return self._destruction.of_cases(activity, cases)

    def doomed_of_person(self, activity: str, person_row_key: bytes) -> list[Doomed]:
        """The releases an activity was given about a person, alone or with others."""
        return self._destruction.of_person(activity, person_row_key)

    def doomed_of_statement(self, statement_hash: bytes) -> list[Doomed]:
        """What answered a statement."""
        return self._destruction.of_statement(statement_hash)

    def doomed_ended(self, now: datetime, most: int) -> list[Doomed]:
        """Releases whose label ended by `now`, those of an activity together."""
        return self._destruction.ended(now, most)

    def deposits_of_cases(self, activity: str, cases: Sequence[bytes]) -> list[bytes]:
        """Hashes of what an activity deposited about these cases."""
        return self._destruction.deposits(activity, cases)

    def deposits_ended(self, now: datetime, most: int) -> list[tuple[str, bytes]]:
        """Activity and hash of deposits of which a label ended by `now`."""
        return self._destruction.ended_deposits(now, most)

    def destroy(self, releases: Sequence[tuple[bytes, int]], deposits: Sequence[bytes]) -> bool:
        """Destroys releases (statement, part) and deposits; what is not there is no error.

        Returns:
            Whether their bytes are in no file of the store any more, on disk. False where another
            process loads: the rows are deleted, and the same call later ends it.

        Raises:
            StorageError: `STORE_WRITE`; nothing was deleted, or it is not known to be on disk.
        """
        return self._destruction.destroy(releases, deposits)

    def keep_output(self, output: Output) -> bool:
        """Keeps a deposit; the same twice changes nothing and gives False."""
        return self._outputs.keep(output)

    def outputs(self, activity: str, output: str, reference: str | None = None) -> Iterator[Output]:
        """Deposits of an activity, those for a claim together, oldest first."""
        return self._outputs.find(activity, output, reference)

    def has_loaded(self, sha256: bytes) -> bool:
        """Whether a file with this hash was loaded."""
        found = self._database.connection.execute(
            "SELECT 1 FROM load WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return found is not None

    def kept_lines(self, file: str | None = None) -> Iterator[KeptLine]:
        """Lines of blocks that nobody reads, of files of that name or of all, as they came.

        Raises:
            IntegrityError: `VAULT_SEAL`.
        """
        return find_kept_lines(self._database, file)

    @contextmanager
    def loading(self, name: str, sha256: bytes, now: datetime) -> Iterator[Loading]:
        """A transaction for one file: all of it is kept on leaving, nothing if it raises.

        Raises:
            InputError: `ALREADY_LOADED`.
            StorageError: `STORE_WRITE`.
        """
        with self._database.transaction():
            if self.has_loaded(sha256):
                raise InputError("ALREADY_LOADED", f"file `{name}`: loaded before")
            load_id = self._database.connection.execute(
                "INSERT INTO load (sha256, name, loaded_ms, records) VALUES (?, ?, ?, 0)"
                " RETURNING id",
                (sha256, name, to_ms(now)),
            ).fetchone()[0]
            loading = Loading(self._database, self._ids, self._people, load_id, self._row_key)
            yield loading
            loading.finish()
            self._database.connection.execute(
                "UPDATE load SET records = ? WHERE id = ?", (loading.written, load_id)
            )

    @property
    def row_key(self) -> bytes:
        """The key that names rows, for `cloison.identity.row_key` and `traits_digest`."""
        return self._row_key

    def defer_checkpoints(self) -> None:
        """Leave it to another connection to move the write-ahead log into the file."""
        self._database.defer_checkpoints()

    def settle(self) -> None:
        """Brings the columns up to what was loaded, and flushes everything to the main file.

        Raises:
            StorageError: `COLUMNS_WRITE`, `STORE_READ`, `STORE_WRITE`; what was loaded stays.
        """
        self._column_writer.settle()

    def mend_columns(self) -> int:
        """As `settle`, checks every byte of the columns and leaves nothing out of them.

        Returns:
            How many files were written anew.
        """
        return self._column_writer.settle(whole=True)

    def count_columns(self) -> int:
        """How many files of columns count."""
        return self._column_writer.count()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
