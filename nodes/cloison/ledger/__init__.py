"""What happened? An append-only Merkle log each body signs and anyone can check.

* RFC 6962 tree, C2SP tiles, checkpoints and proofs, to the byte; pure parts do no I/O.
* An entry is acknowledged only when it is durable and in the tree; a failed write stops the log.
* A checkpoint never goes back: opening refuses a ledger that is behind what it signed.
* Nothing here knows what an entry says: the room handles bytes.
* What is not the append file (tiles, `checkpoint`, the index) can be made again from it.
"""

from cloison.ledger.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from cloison.ledger.index import LedgerIndex
from cloison.ledger.log import Appended, Log
from cloison.ledger.note import NoteSigner, NoteVerifier
from cloison.ledger.proof_file import ProofFile, parse_proof_file, verify_proof_file
from cloison.ledger.reader import EntryReader, LedgerReader, Verified
from cloison.ledger.tree import leaf_hash, root_of, verify_consistency, verify_inclusion

__all__ = [
    "Appended",
    "Checkpoint",
    "EntryReader",
    "LedgerIndex",
    "LedgerReader",
    "Log",
    "NoteSigner",
    "NoteVerifier",
    "ProofFile",
    "Verified",
    "leaf_hash",
    "parse_proof_file",
    "root_of",
    "sign_checkpoint",
    "verify_checkpoint",
    "verify_consistency",
    "verify_inclusion",
    "verify_proof_file",
]
