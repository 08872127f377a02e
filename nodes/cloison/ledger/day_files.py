"""Maps of closed days as files beside the log, each made again from it whenever in doubt.

A file `<day>.map` is the rows, then the tree over them: every complete hash of each height, leaves
first. A key is found by some reads, however large the map.
"""

import os
from datetime import date
from pathlib import Path

from cloison.errors import IntegrityError
from cloison.ledger.day_map import ROW_BYTES, DayMap, Row, parse_row
from cloison.ledger.files import (
    guard_reads,
    guard_writes,
    make_directories,
    replace_file_durably,
)
from cloison.ledger.tree import HASH_BYTES, edge_hashes, root_from_edges


class DayFile:
    """A stored map (`day_map.Rows`). `close` when done.

    Args:
        path: The file.
        size: How many rows it must have.
        root: The root it must lead to.

    Raises:
        StorageError: `LEDGER_READ`.
        IntegrityError: `BAD_DAY_MAP`: of another length or root.
    """

    def __init__(self, path: Path, size: int, root: bytes) -> None:
        self.size = size
        self._path = path
        self._starts = [size * ROW_BYTES]
        for height in range(size.bit_length()):
            self._starts.append(self._starts[-1] + (size >> height) * HASH_BYTES)
        with guard_reads(f"`{path}`"):
            self._descriptor = os.open(path, os.O_RDONLY)
        self.nodes = self
        try:
            self.edges = edge_hashes(self, size)
            self._check(root)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _check(self, root: bytes) -> None:
        if os.fstat(self._descriptor).st_size != self._starts[-1]:
            raise self._bad("not as long as its rows")
        if root_from_edges(self.edges) != root:
            raise self._bad("not of the root that was entered")

    def row(self, place: int) -> Row:
        """See `day_map.Rows`."""
        return parse_row(self._read(place * ROW_BYTES, ROW_BYTES))

    def node(self, height: int, index: int) -> bytes:
        """See `tree.Nodes`."""
        return self._read(self._starts[height] + index * HASH_BYTES, HASH_BYTES)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._descriptor)

    def _read(self, offset: int, count: int) -> bytes:
        with guard_reads(f"`{self._path}`"):
            data = os.pread(self._descriptor, count, offset)
        if len(data) != count:
            raise self._bad("not as long as its rows")
        return data

    def _bad(self, why: str) -> IntegrityError:
        return IntegrityError("BAD_DAY_MAP", f"day map `{self._path}`: {why}")


def day_file(folder: Path, day: date) -> Path:
    """Where the map of a day stands."""
    return folder / f"{day.isoformat()}.map"


def write_day_map(folder: Path, day: date, made: DayMap) -> None:
    """The map is on disk when this returns. Raises `StorageError` (`LEDGER_WRITE`)."""
    parts = [row.encode() for row in made.rows]
    for height in range(made.size.bit_length()):
        parts += [made.nodes.node(height, index) for index in range(made.size >> height)]
    with guard_writes(f"write the map of {day}"):
        make_directories(folder)
        replace_file_durably(day_file(folder, day), b"".join(parts))


def drop_days_before(folder: Path, day: date) -> int:
    """Removes the maps of earlier days; how many. Raises `StorageError` (`LEDGER_WRITE`)."""
    gone = 0
    with guard_writes("remove a day's map"):
        for path in sorted(folder.glob("*.map")):
            if path.stem < day.isoformat():
                path.unlink()
                gone += 1
    return gone
