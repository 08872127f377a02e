"""Where files are written: each one streamed, counted and hashed for the manifest."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from cloison.errors import InputError, StorageError

_FLUSH_CHARACTERS = 1 << 20


class Folder:
    """The output folder. Refuses one that is not empty, so that two populations never mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, dict[str, int | str]] = {}
        if path.exists() and not path.is_dir():
            raise InputError("OUT_NOT_A_FOLDER", f"out `{path}`: not a folder")
        if path.exists() and next(path.iterdir(), None) is not None:
            raise InputError(
                "OUT_NOT_EMPTY", f"out `{path}`: not empty", "name a new folder, or remove this one"
            )

    def write(self, name: str, parts: Iterable[str], encoding: str = "utf-8") -> None:
        """Write a file from its parts, in large joins.

        Args:
            name: Path below the folder, `/` between its parts.
            parts: Text, in order.
            encoding: Of the file.

        Raises:
            StorageError: `OUT_WRITE`: the disk refused.
        """
        target, digest, size = self.path / name, hashlib.sha256(), 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                for text in _joined(parts):
                    data = text.encode(encoding)
                    file.write(data)
                    digest.update(data)
                    size += len(data)
        except OSError as error:
            raise StorageError("OUT_WRITE", f"file `{name}`: {error.strerror}") from error
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def write_table(
        self, name: str, dataset: str, columns: Sequence[str], rows: Iterable[str]
    ) -> int:
        """A CSV file of the house: version line, columns, rows, count. Returns the row count.

        Args:
            name: Path below the folder.
            dataset: Name of the dataset in the catalogue.
            columns: Their names.
            rows: Lines without line ends, cells joined by `;`.
        """
        count = 0

        def lines() -> Iterable[str]:
            nonlocal count
            yield f"# cloison {dataset} 1\n{';'.join(columns)}\n"
            for row in rows:
                count += 1
                yield row + "\n"
            yield f"# end {count}\n"

        self.write(name, lines())
        return count


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
