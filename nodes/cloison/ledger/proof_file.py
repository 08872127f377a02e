"""C2SP `.tlog-proof` files: one entry's inclusion, checkable without the ledger.

Source: c2sp.org/tlog-proof.
"""

import re
from dataclasses import dataclass

from cloison.errors import IntegrityError
from cloison.ledger.base64_text import parse_base64, print_base64
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.note import MAX_NOTE_BYTES, NoteVerifier
from cloison.ledger.tree import HASH_BYTES, MAX_SIZE, verify_inclusion

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_EXTRA_BYTES = 131_072
_MAX_BYTES = MAX_NOTE_BYTES + 2 * _MAX_EXTRA_BYTES
_MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class ProofFile:
    """An entry's place, its inclusion hashes from leaf to root, and the signed head.

    `extra` is not authenticated by the proof; the entry itself may travel there.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The file's only spelling."""
        extra = [f"extra {print_base64(self.extra)}"] if self.extra else []
        hashes = [print_base64(item) for item in self.path]
        lines = [_FIRST_LINE, *extra, f"index {self.index}", *hashes, ""]
        return "".join(f"{line}\n" for line in lines).encode("ascii") + self.checkpoint


def parse_proof_file(data: bytes) -> ProofFile:
    """One accepted spelling; nothing is verified yet.

    Raises:
        IntegrityError: `BAD_PROOF_FILE`.
    """
    if len(data) > _MAX_BYTES:
        raise _bad_file(f"longer than {_MAX_BYTES} bytes")
    head, _, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _bad_file("not ASCII before the checkpoint") from error
    if lines.pop(0) != _FIRST_LINE:
        raise _bad_file(f"does not begin with `{_FIRST_LINE}`")
    extra = _parse_extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else b""
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None or int(index[1]) > MAX_SIZE:
        raise _bad_file("no index line")
    proof = ProofFile(int(index[1]), _parse_hashes(lines), checkpoint, extra)
    if proof.encode() != data:
        raise _bad_file("not the one accepted spelling")
    return proof


def verify_proof_file(proof: ProofFile, leaf: bytes, verifier: NoteVerifier) -> Checkpoint:
    """The leaf hash stands at the proof's index under the head it carries, which is returned.

    Raises:
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`, `BAD_PROOF`.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, verifier)
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def _parse_extra(line: str) -> bytes:
    extra = parse_base64(line.removeprefix("extra "))
    if not extra or len(extra) > _MAX_EXTRA_BYTES:
        raise _bad_file("the extra line is not well formed")
    return extra


def _parse_hashes(lines: list[str]) -> tuple[bytes, ...]:
    hashes = [parse_base64(line) for line in lines]
    found = tuple(item for item in hashes if item is not None and len(item) == HASH_BYTES)
    if len(found) != len(lines) or len(found) > _MAX_HASHES:
        raise _bad_file(f"an inclusion line is not the base64 of {HASH_BYTES} bytes")
    return found


def _bad_file(why: str) -> IntegrityError:
    return IntegrityError("BAD_PROOF_FILE", f"proof file: {why}")
