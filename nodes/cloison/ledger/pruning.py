"""The oldest entries go, the tree stays: their bundles are removed, every hash tile is kept.

Source: c2sp.org/tlog-tiles, "minimum index". Below it entries answer with an error; the tree does
not change, proofs made before stay valid and can be made still, for a leaf hash says nothing of its
entry, which holds random keys and nonces. The file `minimum` is on disk before anything is removed.
"""

import re
from collections.abc import Callable
from pathlib import Path

from cloison.errors import InputError, IntegrityError
from cloison.ledger.files import guard_reads, guard_writes, replace_file_durably, sync_path
from cloison.ledger.tiles import TILE_BYTES, TILE_WIDTH, Tile, bundle_path
from cloison.ledger.tree import HASH_BYTES

_FILE = "minimum"
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})\n", re.ASCII)


def read_minimum(directory: Path) -> int:
    """The first entry a ledger still keeps; 0 where none was removed.

    Raises:
        StorageError: `LEDGER_READ`.
        IntegrityError: `LEDGER_DAMAGED`: not a multiple of 256 in its one spelling.
    """
    path = directory / _FILE
    if not path.exists():
        return 0
    with guard_reads(f"`{path}`"):
        text = path.read_bytes().decode("utf-8", "replace")
    found = _NUMBER.fullmatch(text)
    if found is None or int(found[1]) % TILE_WIDTH:
        raise IntegrityError("LEDGER_DAMAGED", f"ledger: `{path}`: not the place of a bundle")
    return int(found[1])


def write_minimum(directory: Path, minimum: int) -> None:
    """On disk when this returns. Raises `StorageError` (`LEDGER_WRITE`)."""
    with guard_writes(f"write `{_FILE}`"):
        replace_file_durably(directory / _FILE, f"{minimum}\n".encode("ascii"))


def drop_bundles(directory: Path, minimum: int) -> int:
    """Removes the bundles below; how many were still there. Raises `StorageError`."""
    gone = 0
    with guard_writes("remove a bundle"):
        folders = set()
        # From the newest down, until one is missing: what an earlier run removed is not walked.
        for index in range(minimum // TILE_WIDTH - 1, -1, -1):
            path = directory / bundle_path(index)
            if not path.exists():
                break
            path.unlink()
            folders.add(path.parent)
            gone += 1
        for folder in folders:
            sync_path(folder)
    return gone


def kept_hashes(read_tile: Callable[[Tile], bytes], bundle: int) -> list[bytes]:
    """The leaf hashes of a bundle whose entries are gone, from its hash tile.

    Raises:
        IntegrityError: `BAD_TILE`: not 256 hashes.
    """
    tile = Tile(0, bundle)
    data = read_tile(tile)
    if len(data) != TILE_BYTES:
        raise IntegrityError("BAD_TILE", f"tile `{tile.path}`: not {TILE_BYTES} bytes")
    return [data[at : at + HASH_BYTES] for at in range(0, TILE_BYTES, HASH_BYTES)]


def require_kept(first_index: int, minimum: int) -> None:
    """Raises `InputError` (`PRUNED`) where an entry is no longer kept."""
    if first_index < minimum:
        raise InputError(
            "PRUNED",
            f"entry {first_index}: no longer kept, as are none before {minimum}",
            "its hash is; the `register` ledger has the certificate",
        )
