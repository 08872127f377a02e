"""What a ledger's directory says it holds, checked before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.errors import IntegrityError, StorageError
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import guard_reads
from cloison.ledger.growing_tree import FilledBundle, GrowingTree
from cloison.ledger.journal import Segment, read_segments
from cloison.ledger.note import NoteVerifier
from cloison.ledger.tile_files import TileFiles
from cloison.ledger.tiles import TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state after the last whole record, whose signed head it was held to.

    `filled` are bundles that may not stand on disk yet; their entries are in the segments.
    """

    tree: GrowingTree
    files: TileFiles
    segments: Sequence[Segment]
    filled: Sequence[FilledBundle]
    checkpoint: bytes


def recover(directory: Path, verifier: NoteVerifier) -> Recovered:
    """Read the append files and the edge of the tiles; change nothing.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: `LEDGER_DAMAGED`, `LEDGER_BEHIND`, `LEDGER_FORKED`, `BAD_NOTE`,
            `BAD_SIGNATURE`, `BAD_CHECKPOINT`; see `Log.open`.
    """
    floor = read_checkpoint_file(directory, verifier)
    segments = read_segments(directory / "entries", lambda note: signed_size(note, verifier))
    last = segments[-1].records[-1]
    head = verify_checkpoint(last.note, verifier)
    files = TileFiles(directory, settled_size_of(segments))
    tree = GrowingTree(files.read_tile, files.settled_size)
    filled: list[FilledBundle] = []
    for segment in segments:
        for record in segment.records:
            filled += tree.extend(record.entries[max(0, tree.size - record.first_index) :])
    if (head.size, head.root) != (last.size, tree.root(tree.size)):
        raise IntegrityError(
            "LEDGER_DAMAGED", f"ledger `{directory}`: its tiles do not lead to its signed head"
        )
    _check_floor(directory, tree, floor)
    return Recovered(tree, files, segments, filled, last.note)


def read_checkpoint_file(directory: Path, verifier: NoteVerifier) -> Checkpoint:
    """The head in the `checkpoint` file.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`.
    """
    path = directory / "checkpoint"
    if not path.is_file():
        raise StorageError("LEDGER_MISSING", f"ledger `{directory}`: none here (no `checkpoint`)")
    with guard_reads(f"`{path}`"):
        note = path.read_bytes()
    return verify_checkpoint(note, verifier)


def signed_size(note: bytes, verifier: NoteVerifier) -> int:
    """The size a note of this ledger signs, or -1 where it is none."""
    try:
        return verify_checkpoint(note, verifier).size
    except IntegrityError:
        return -1


def settled_size_of(segments: Sequence[Segment]) -> int:
    """Entries that must stand in full tiles, since the append files no longer hold them all.

    Raises:
        IntegrityError: `LEDGER_DAMAGED`: the append files end before they do.
    """
    first_index = segments[0].records[0].first_index
    settled_size = -(-first_index // TILE_WIDTH) * TILE_WIDTH
    if settled_size > segments[-1].records[-1].size:
        raise IntegrityError(
            "LEDGER_DAMAGED", f"ledger: `entries`: entries before {first_index} are missing"
        )
    return settled_size


def _check_floor(directory: Path, tree: GrowingTree, floor: Checkpoint) -> None:
    if floor.size > tree.size:
        raise IntegrityError(
            "LEDGER_BEHIND",
            f"ledger `{directory}`: {tree.size} entries where {floor.size} were signed",
            "entries are lost; do not start: restore the whole directory, or ask the witnesses",
        )
    if tree.root(floor.size) != floor.root:
        raise IntegrityError(
            "LEDGER_FORKED", f"ledger `{directory}`: `checkpoint` signs another tree"
        )
