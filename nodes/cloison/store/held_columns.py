"""What is held of a dataset, period by period, for an engine that reads columns by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cloison.errors import InputError
from cloison.store.column_files import check_file
from cloison.store.column_sources import Source
from cloison.store.database import Database
from cloison.store.manifest import PeriodFile, load_changed, load_window


@dataclass(frozen=True, slots=True)
class PeriodColumns:
    """One period.

    Attributes:
        file: The file that counts, not yet checked; None where there is none.
        changed: Persons whose rows in the file no longer count.
        rows: What counts beside the file, in the file's columns; None where nothing does.
    """

    period: int
    file: Path | None
    changed: tuple[bytes, ...] = ()
    rows: pa.Table | None = field(default=None, repr=False)
    known: PeriodFile | None = None

    def check(self) -> None:
        """Every byte of the file is as it was written; any thread may do this.

        Raises:
            StorageError: `COLUMNS_DAMAGED`.
        """
        if self.file is not None and self.known is not None:
            check_file(self.file, self.known)


class HeldColumns:
    """The columns of a store, as files and what stands beside them."""

    def __init__(self, database: Database, sources: Sequence[Source]) -> None:
        self._database = database
        self._sources = {source.folder: source for source in sources}

    def find(self, dataset: str, low: int, high: int) -> list[PeriodColumns]:
        """The periods from `low` to `high` of which something was ever loaded, in order.

        Raises:
            InputError: `UNKNOWN_DATASET`.
            StorageError: `STORE_READ`.
        """
        source = self._sources.get(dataset)
        if source is None:
            raise InputError("UNKNOWN_DATASET", f"dataset `{dataset}`: not in the catalogue")
        with self._database.snapshot():
            known = load_window(self._database, source.number, low, high)
            return [self._period(source, known[period]) for period in sorted(known)]

    def _period(self, source: Source, known: PeriodFile) -> PeriodColumns:
        stale = known.behind or (known.file is not None and known.layout != source.layout)
        if stale or (known.file is None and known.changes):
            tables = [rows for _, rows in source.scan([known.period])]
            whole = pa.concat_tables([source.schema.empty_table(), *tables])
            return PeriodColumns(known.period, None, rows=whole)
        path = None
        if known.file is not None:
            path = self._database.columns_path / known.file
        if not known.changes:
            return PeriodColumns(known.period, path, known=known)
        changed = tuple(load_changed(self._database, (source.number, known.period)))
        rows = source.rows_of(known.period, changed)
        return PeriodColumns(known.period, path, changed, rows, known)
