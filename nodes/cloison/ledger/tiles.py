"""C2SP tiles and entry bundles: their names and their bytes.

Source: c2sp.org/tlog-tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloison.errors import InputError, IntegrityError

TILE_HEIGHT = 8
TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * 32
MAX_ENTRY_BYTES = 65_535
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile: level 0 holds leaf hashes; `width` below 256 is a partial one at the right edge."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_number_path(self.index, self.width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """`tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{_number_path(index, width)}"


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry after its length as a big-endian 16-bit number.

    Raises:
        InputError: `ENTRY_TOO_LONG`: an entry of more than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise InputError(
                "ENTRY_TOO_LONG",
                f"entry: {len(entry)} bytes where {MAX_ENTRY_BYTES} is the most",
            )
        parts.append(len(entry).to_bytes(_LENGTH_BYTES, "big"))
        parts.append(entry)
    return b"".join(parts)


def parse_bundle(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` entries that fill `data` to the last byte.

    Raises:
        IntegrityError: `BAD_BUNDLE`.
    """
    entries, offset = [], 0
    for _ in range(count):
        start = offset + _LENGTH_BYTES
        offset = start + int.from_bytes(data[offset:start], "big")
        entries.append(data[start:offset])
    if offset != len(data):
        raise IntegrityError(
            "BAD_BUNDLE", f"entry bundle: {len(data)} bytes do not hold {count} entries"
        )
    return entries


def _number_path(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
