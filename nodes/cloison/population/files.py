"""Where files are written: each one streamed, counted and hashed for the manifest."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.errors import InputError, StorageError

_FLUSH_CHARACTERS = 1 << 20


_READ_BYTES = 1 << 20


def check_new(path: Path) -> None:
    """Refuses a folder that is not empty, so that two populations never mix.

    Raises:
        InputError: `OUT_NOT_A_FOLDER`, `OUT_NOT_EMPTY`.
    """
    if path.exists() and not path.is_dir():
        raise InputError("OUT_NOT_A_FOLDER", f"out `{path}`: not a folder")
    if path.exists() and next(path.iterdir(), None) is not None:
        raise InputError(
            "OUT_NOT_EMPTY", f"out `{path}`: not empty", "name a new folder, or remove this one"
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file of the house: version line, columns, rows, count.

    Attributes:
        name: Path below the folder.
        dataset: Name of the dataset in the catalogue.
        columns: Their names.
    """

    name: str
    dataset: str
    columns: tuple[str, ...]

    @property
    def parquet_name(self) -> str:
        """The one file of this dataset and body, whatever the months."""
        return f"{self.name.partition('/')[0]}/{self.dataset}.parquet"

    @property
    def head(self) -> str:
        """The lines before the rows."""
        return f"# cloison {self.dataset} 1\n{';'.join(self.columns)}\n"


class Folder:
    """The output folder; remembers the size and hash of each file it wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, dict[str, int | str]] = {}

    def write(self, name: str, parts: Iterable[str], encoding: str = "utf-8") -> None:
        """Write a file from its parts, in large joins.

        Args:
            name: Path below the folder, `/` between its parts.
            parts: Text, in order.
            encoding: Of the file.

        Raises:
            StorageError: `OUT_WRITE`: the disk refused.
        """
        self._write(name, (text.encode(encoding) for text in _joined(parts)))

    def join_table(self, table: Table, parts: Sequence[Path], count: int) -> None:
        """Write a table whose rows stand in files, in their order.

        Args:
            table: What it is called.
            parts: Files of rows, each line ended.
            count: Of rows.

        Raises:
            StorageError: `OUT_WRITE`.
        """

        def pieces() -> Iterator[bytes]:
            yield table.head.encode()
            for part in parts:
                with part.open("rb") as file:
                    while piece := file.read(_READ_BYTES):
                        yield piece
            yield f"# end {count}\n".encode()

        self._write(table.name, pieces())

    def adopt(self, name: str) -> None:
        """Take a file of the folder that something else wrote into the manifest.

        Raises:
            StorageError: `OUT_WRITE`: it cannot be read again.
        """
        path = self.path / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
            size = path.stat().st_size
        except OSError as error:
            raise StorageError("OUT_WRITE", f"file `{name}`: {error.strerror}") from error
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        target, digest, size = self.path / name, hashlib.sha256(), 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                for data in pieces:
                    file.write(data)
                    digest.update(data)
                    size += len(data)
        except OSError as error:
            raise StorageError("OUT_WRITE", f"file `{name}`: {error.strerror}") from error
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}


def _joined(parts: Iterable[str]) -> Iterable[str]:
    waiting: list[str] = []
    characters = 0
    for part in parts:
        waiting.append(part)
        characters += len(part)
        if characters >= _FLUSH_CHARACTERS:
            yield "".join(waiting)
            waiting, characters = [], 0
    yield "".join(waiting)
