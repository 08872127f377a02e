"""Lines of blocks that nobody reads: kept as sent, sealed, with their file, message and line."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cloison.store.database import Database, from_ms


class KeptLine(NamedTuple):
    """One line as it was sent.

    Attributes:
        file: The file's name.
        sha256: Of the file.
        message: The declaration's own id, as records cite it; empty outside a declaration.
        line: Of the file, from 1.
        text: May hold a NIR or an amount: it is for those who may read the file itself.
    """

    file: str
    sha256: bytes
    loaded_time: datetime
    message: str
    line: int
    text: str


def keep_lines(database: Database, load: int, lines: Sequence[tuple[int, str, str]]) -> None:
    """Writes line number, message and text of each; the caller holds the transaction."""
    database.connection.executemany(
        "INSERT INTO kept_line VALUES (?, ?, ?, ?)",
        [
            (load, line, message, database.seal(text.encode(), _purpose(load, line)))
            for line, message, text in lines
        ],
    )


def find_kept_lines(database: Database, file: str | None) -> Iterator[KeptLine]:
    """Those of files of that name, or of all, in the order they came."""
    rows = database.connection.execute(
        "SELECT load.id, name, sha256, loaded_ms, message, line, sealed FROM kept_line"
        " JOIN load ON load.id = kept_line.load WHERE ? IS NULL OR name = ? ORDER BY load.id, line",
        (file, file),
    )
    for load, name, sha256, loaded_ms, message, line, sealed in rows:
        text = database.unseal(sealed, _purpose(load, line)).decode()
        yield KeptLine(name, sha256, from_ms(loaded_ms), message, line, text)


def _purpose(load: int, line: int) -> bytes:
    return b"kept line %d %d" % (load, line)
