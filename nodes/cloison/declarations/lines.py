"""Lines of a file, numbered, decoded strictly, hashed as they are read, in bounded memory."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloison.errors import InputError, StorageError

_CHUNK_BYTES = 1 << 20
_LINE_BYTES = 1 << 16
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
# In ISO-8859-1, an accented capital before a sign or a control code: UTF-8 that was not converted.
_NOT_LATIN = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]|[\xc2-\xf4][\x80-\xbf]")


class Encoding(NamedTuple):
    """How bytes become text, and the bytes that show they were written otherwise."""

    name: str
    forbidden: re.Pattern[bytes]


LATIN = Encoding("iso-8859-1", _NOT_LATIN)
UTF8 = Encoding("utf-8", _CONTROL)


class Source:
    """A file, and the hash of what was read of it.

    Attributes:
        name: The file's own, as messages cite it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._hash = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file, once. Raises `StorageError` (`FILE_READ`)."""
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    self._hash.update(chunk)
                    yield chunk
        except OSError as error:
            raise StorageError("FILE_READ", f"file `{self.name}`: {error.strerror}") from error

    def hash_again(self) -> None:
        """Hashes a file that was read by other means, so that a change meanwhile is seen."""
        for _ in self.chunks():
            pass

    def check_read(self, digest: bytes) -> None:
        """What was read is what was hashed before.

        Raises:
            StorageError: `FILE_CHANGED`.
        """
        if self._hash.digest() != digest:
            raise StorageError(
                "FILE_CHANGED", f"file `{self.name}`: changed while it was read", "load it again"
            )


def refuse(name: str, line: int, place: str, error: InputError) -> InputError:
    """The same refusal, saying where: `file:line: place: why`."""
    where = f"{name}:{line}: {place}: " if place else f"{name}:{line}: "
    return InputError(error.reason, where + error.message, error.hint)


def read_chunks(source: Source, encoding: Encoding) -> Iterator[list[str]]:
    """The lines of a file without their ends, many at a time.

    Raises:
        InputError: `BAD_ENCODING`: bytes of another encoding, or control codes. `TRUNCATED`: the
            last line has no end. `LINE_TOO_LONG`.
        StorageError: `FILE_READ`.
    """
    done = 0
    rest = b""
    for chunk in source.chunks():
        whole, end, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > _LINE_BYTES:
            line = done + whole.count(b"\n") + bool(end) + 1
            raise refuse(source.name, line, "", InputError("LINE_TOO_LONG", "line too long"))
        if end:
            lines = _decode(source.name, whole, encoding, done)
            done += len(lines)
            yield lines
    if rest:
        raise refuse(
            source.name, done + 1, "", InputError("TRUNCATED", "the last line has no end of line")
        )


def _decode(name: str, data: bytes, encoding: Encoding, done: int) -> list[str]:
    found = encoding.forbidden.search(data)
    place = None if found is None else found.start()
    if place is None:
        try:
            return data.decode(encoding.name).split("\n")
        except UnicodeDecodeError as error:
            place = error.start
    line = done + data.count(b"\n", 0, place) + 1
    raise refuse(
        name,
        line,
        "",
        InputError(
            "BAD_ENCODING",
            f"a byte that is not {encoding.name} text",
            f"write the whole file in {encoding.name}, lines ended by a line feed alone",
        ),
    )
