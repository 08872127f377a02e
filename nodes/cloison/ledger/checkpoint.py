"""C2SP checkpoints: the signed head of a ledger.

Source: c2sp.org/tlog-checkpoint. Extension lines, which the specification discourages, are refused.
"""

import re
from dataclasses import dataclass

from cloison.errors import IntegrityError
from cloison.ledger.base64_text import parse_base64, print_base64
from cloison.ledger.note import NoteSigner, NoteVerifier, verify_note
from cloison.ledger.tree import EMPTY_ROOT, HASH_BYTES, MAX_SIZE

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log, how many entries, which root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{print_base64(self.root)}\n"


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """The signed note of this head."""
    return signer.sign(checkpoint.text())


def parse_checkpoint_text(text: str) -> Checkpoint:
    """One accepted spelling: origin, size and root, a line each.

    Raises:
        IntegrityError: `BAD_CHECKPOINT`.
    """
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[_LINES] or not lines[0]:
        raise _bad_checkpoint("not three lines")
    if _SIZE.fullmatch(lines[1]) is None or int(lines[1]) > MAX_SIZE:
        raise _bad_checkpoint("the size is not a decimal number")
    root = parse_base64(lines[2])
    if root is None or len(root) != HASH_BYTES:
        raise _bad_checkpoint(f"the root is not the base64 of {HASH_BYTES} bytes")
    checkpoint = Checkpoint(lines[0], int(lines[1]), root)
    if checkpoint.size == 0 and root != EMPTY_ROOT:
        raise _bad_checkpoint("size 0 with a root that is not the empty tree's")
    return checkpoint


def verify_checkpoint(note: bytes, verifier: NoteVerifier) -> Checkpoint:
    """The head in a note signed by this ledger's key, whose name is the origin.

    Raises:
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE` (see `verify_note`), `BAD_CHECKPOINT`: not
            three well-formed lines, or another origin.
    """
    checkpoint = parse_checkpoint_text(verify_note(note, verifier))
    if checkpoint.origin != verifier.name:
        raise _bad_checkpoint(f"origin `{checkpoint.origin}` is not `{verifier.name}`")
    return checkpoint


def _bad_checkpoint(why: str) -> IntegrityError:
    return IntegrityError("BAD_CHECKPOINT", f"checkpoint: {why}")
