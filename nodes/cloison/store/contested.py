"""A line that a person contests, as the records have it; and what was declared since."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cloison.store.catalogue import Catalogue
from cloison.store.database import Database
from cloison.store.layouts import DatasetIds, Layouts, unpack

_PERSON = "dataset = ? AND subject = ? AND period = ?"
_FOUND = (
    f"SELECT layout, payload, until_load FROM record WHERE {_PERSON}"  # noqa: S608 - no input in it
    " AND source = ? AND version = ? AND slot IS NOT NULL AND payload IS NOT NULL"
    " ORDER BY record_key"
)
_SLOT = (
    "SELECT slot.id, slot.revision, slot.cancelled FROM record JOIN slot ON slot.id = record.slot"
    " WHERE record.dataset = ? AND subject = ? AND period = ? AND source = ? AND version = ?"
    " LIMIT 1"
)
_SAID = (
    f"SELECT layout, payload FROM record WHERE {_PERSON}"  # noqa: S608 - no input in it
    " AND slot = ? AND version = ? AND payload IS NOT NULL"
)
_DIFFERENCE = (
    f"SELECT version FROM record WHERE {_PERSON}"  # noqa: S608 - no input in it
    " AND until_load IS NULL AND payload IS NOT NULL AND since_load > ?"
    " AND substr(source, -length(?)) = ? ORDER BY since_load LIMIT 1"
)


class DeclaredLine(NamedTuple):
    """Who declared a line, whether it still counts, and the last load when it was looked at."""

    declarant: str
    live: bool
    load: int


class Redeclared(NamedTuple):
    """What was declared after a line: the version, and whether it says anything else of the person.

    A declaration sent anew without the person says something else of them.
    """

    version: int
    changed: bool


class ContestedLines:
    """The lines of a store that its sources declared, one by one."""

    def __init__(
        self, database: Database, catalogue: Catalogue, ids: Mapping[str, DatasetIds]
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ids = ids
        self._layouts = Layouts(database)

    def last_load(self) -> int:
        """The number of the last load, of whichever process; 0 before the first."""
        with self._database.reading():
            found = self._database.connection.execute("SELECT max(id) FROM load").fetchone()
        return int(found[0] or 0)

    def find(
        self, dataset: str, subject: bytes, period: int, source: str, version: int
    ) -> DeclaredLine | None:
        """What one declaration says of a person in a period.

        Args:
            dataset: Of the catalogue.
            subject: The person's row key.
            period: As a release numbers it.
            source: The source message, as a release names it.
            version: Of its records, as a release names it.

        Returns:
            None where there is no such line, or the dataset's records name no declarant.

        Raises:
            InputError: `UNKNOWN_DATASET`. StorageError: `STORE_READ`.
        """
        known = self._catalogue.dataset(dataset)
        if known.declarant is None:
            return None
        place = (self._ids[dataset].id, subject, period, source, version)
        with self._database.reading():
            row = self._database.connection.execute(_FOUND, place).fetchone()
        if row is None:
            return None
        layout, payload, until = row
        (declarant,) = self._layouts.getter(layout, known, (known.declarant,))(unpack(payload))
        return DeclaredLine(str(declarant), until is None, self.last_load())

    def redeclared(
        self, dataset: str, subject: bytes, period: int, source: str, version: int, since: int
    ) -> Redeclared | None:
        """What its declarant declared after that line, named as in `find`; None: nothing yet.

        A declaration that is cancelled and not yet sent anew is nothing yet; a dated difference to
        the line counts if it was loaded after the load `since`.

        Raises:
            StorageError: `STORE_READ`.
        """
        person = (self._ids[dataset].id, subject, period)
        run = self._database.connection.execute
        with self._database.reading():
            declared = run(_SLOT, (*person, source, version)).fetchone()
            if declared is None:
                return None
            slot, revision, cancelled = declared
            if revision > version and not cancelled:
                said = (Counter(run(_SAID, (*person, slot, one))) for one in (version, revision))
                before, after = said
                return Redeclared(revision, before != after)
            tail = f" corrects {source}"
            difference = run(_DIFFERENCE, (*person, since, tail, tail)).fetchone()
        return None if difference is None else Redeclared(difference[0], changed=True)
