"""Lines of a file, numbered, decoded strictly, hashed as they are read, in bounded memory."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloison.declarations.faults import Faults
from cloison.errors import InputError, StorageError

_CHUNK_BYTES = 1 << 16
LINE_BYTES = 1 << 16
"""The longest line that is read; NEODeS lines have some dozens."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
# In ISO-8859-1, an accented capital before a sign or a control code: UTF-8 that was not converted.
_NOT_LATIN = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]|[\xc2-\xf4][\x80-\xbf]")


class Encoding(NamedTuple):
    """How bytes become text, and the bytes that show they were written otherwise.

    `plain` are bytes that can be no part of what is forbidden.
    """

    name: str
    forbidden: re.Pattern[bytes]
    plain: bytes

    def may_refuse(self, data: bytes) -> bool:
        """False where nothing forbidden is in it: as for nearly all that comes, and quickly."""
        return bool(data.translate(None, self.plain)) and self.forbidden.search(data) is not None


_ASCII = b"\n" + bytes(range(0x20, 0x7F))
LATIN = Encoding("iso-8859-1", _NOT_LATIN, _ASCII + bytes(range(0xC0, 0x100)))
UTF8 = Encoding("utf-8", _CONTROL, _ASCII + bytes(range(0x80, 0x100)))
_TOO_LONG = InputError(
    "LINE_TOO_LONG", f"longer than {LINE_BYTES} bytes", "break the file into lines"
)


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


def read_chunks(source: Source, encoding: Encoding, faults: Faults) -> Iterator[str]:
    """The text of a file, many whole lines at a time, without the end of the last.

    Every line of the file is there, in order, so that they can be counted; what cannot be read of
    one is left out. Memory does not grow with the file, nor with a line.

    Args:
        source: Read once.
        encoding: As the format says.
        faults: Takes `BAD_ENCODING`: bytes of another encoding, or control codes. `TRUNCATED`: the
            last line has no end. `LINE_TOO_LONG`.

    Raises:
        StorageError: `FILE_READ`.
    """
    done = 0
    rest = b""
    # INVARIANT: while a line that is too long goes on, `rest` is empty.
    too_long = False
    for chunk in _without_marks(source.chunks(), faults):
        data = chunk
        if too_long:
            _, end, data = chunk.partition(b"\n")
            if not end:
                continue
            too_long = False
            done += 1
            yield ""
        whole, end, rest = (rest + data).rpartition(b"\n")
        if end:
            faults.forget_unreadable()
            yield _decode(whole, encoding, faults, done)
            done += whole.count(b"\n") + 1
        if len(rest) > LINE_BYTES:
            faults.add_unreadable(done + 1, _TOO_LONG)
            rest, too_long = b"", True
    if rest or too_long:
        faults.add(done + 1, "", InputError("TRUNCATED", "the last line has no end of line"))


def _without_marks(chunks: Iterator[bytes], faults: Faults) -> Iterator[bytes]:
    """The bytes without a byte-order mark and without carriage returns, each said once."""
    first = next(chunks, b"")
    if first.startswith(BYTE_ORDER_MARK):
        why = "begins with a byte-order mark"
        faults.add(1, "", InputError("BAD_ENCODING", why, "write the file without it"))
        first = first.removeprefix(BYTE_ORDER_MARK)
    line, end, _ = first.partition(b"\n")
    if not (end and line.endswith(b"\r")):
        yield first
        yield from chunks
        return
    why = "lines end with a carriage return"
    faults.add(1, "", InputError("BAD_ENCODING", why, "end lines by a line feed alone"))
    yield first.replace(b"\r", b"")
    for chunk in chunks:
        yield chunk.replace(b"\r", b"")


def _decode(data: bytes, encoding: Encoding, faults: Faults, done: int) -> str:
    if _has_short_lines(data) and not encoding.may_refuse(data):
        try:
            return data.decode(encoding.name)
        except UnicodeDecodeError:
            pass
    lines = enumerate(data.split(b"\n"), done + 1)
    return "\n".join([_decode_line(number, line, encoding, faults) for number, line in lines])


def _has_short_lines(data: bytes) -> bool:
    """Whether no line can be too long: each holds less than two windows of half that length."""
    half = LINE_BYTES // 2
    return all(data.find(b"\n", at, at + half) >= 0 for at in range(0, len(data) - half + 1, half))


def _decode_line(number: int, line: bytes, encoding: Encoding, faults: Faults) -> str:
    if len(line) > LINE_BYTES:
        faults.add_unreadable(number, _TOO_LONG)
        return ""
    try:
        if encoding.forbidden.search(line) is None:
            return line.decode(encoding.name)
    except UnicodeDecodeError:
        pass
    faults.add_unreadable(
        number,
        InputError(
            "BAD_ENCODING",
            f"a byte that is not {encoding.name} text",
            f"write the whole file in {encoding.name}, lines ended by a line feed alone",
        ),
    )
    return encoding.forbidden.sub(b"?", line).decode(encoding.name, "replace")
