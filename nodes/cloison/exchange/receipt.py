"""Step 9: what a requester checks before it opens an answer. Node and program both do."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.ledger.checkpoint import Checkpoint
from cloison.ledger.tree import leaf_hash, verify_inclusion
from cloison.v1 import decision_pb2, entry_pb2, receipt_pb2, statement_pb2

_PERMITS = frozenset({decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS})


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt that holds: the entry, its place, and the head it was proved under."""

    entry: entry_pb2.Entry
    leaf_hash: bytes
    leaf_index: int
    head: Checkpoint


def verify_receipt(
    receipt: receipt_pb2.Receipt, verify_checkpoint: Callable[[bytes], Checkpoint]
) -> Checked:
    """The entry stands in the ledger whose heads `verify_checkpoint` knows.

    Raises:
        PeerError: `BAD_RECEIPT`.
    """
    try:
        limits.check_count("receipt hashes", len(receipt.hashes), 0, limits.PROOF_HASHES)
        limits.check_count("checkpoint bytes", len(receipt.checkpoint), 1, limits.CHECKPOINT_BYTES)
        limits.check_count("entry bytes", len(receipt.entry), 1, limits.ENTRY_BYTES)
        head = verify_checkpoint(receipt.checkpoint)
        leaf = leaf_hash(receipt.entry)
        verify_inclusion(leaf, receipt.leaf_index, head.size, list(receipt.hashes), head.root)
        entry = parse_entry(receipt.entry)
    except CloisonError as error:
        raise PeerError("BAD_RECEIPT", f"receipt: {error.message}") from error
    return Checked(entry, leaf, receipt.leaf_index, head)


def verify_answer(
    answer: receipt_pb2.Answer,
    statement_bytes: bytes,
    verify_checkpoint: Callable[[bytes], Checkpoint],
) -> Checked:
    """The receipt holds, its entry names this very statement and this very ciphertext.

    Raises:
        PeerError: `BAD_RECEIPT`.
    """
    checked = verify_receipt(answer.receipt, verify_checkpoint)
    decided = checked.entry.decided
    if checked.entry.WhichOneof("kind") != "decided" or decided.signed.statement != statement_bytes:
        raise PeerError("BAD_RECEIPT", "receipt: the entry is of another statement")
    sealed = envelope_bytes(answer)
    if decided.sealed_hash != (sha256(sealed).digest() if sealed else b""):
        raise PeerError("BAD_RECEIPT", "receipt: the entry names another ciphertext")
    _check_content(answer, decided, statement_pb2.Statement.FromString(statement_bytes))
    return checked


def _check_content(
    answer: receipt_pb2.Answer, decided: entry_pb2.Decided, statement: statement_pb2.Statement
) -> None:
    """What came is what such a decision on such a statement can bring, under its own label.

    Reason and label are written down by the requester's node: neither may spell a NIR.
    """
    try:
        limits.check_reason(decided.decision.reason)
        if decided.label.text:
            limits.check_name("text", decided.label.text)
    except CloisonError as error:
        raise PeerError("BAD_RECEIPT", f"receipt: {error.message}") from error
    local = statement.selection.HasField("received")
    if (answer.sealed_release and local) or (answer.envelopes and not local):
        raise PeerError("BAD_RECEIPT", "receipt: not the kind of answer that was asked")
    permitted = decided.decision.outcome in _PERMITS
    if decided.sealed_hash and not permitted:
        raise PeerError("BAD_RECEIPT", "receipt: data came with a refusal")
    label = decided.label
    if decided.HasField("label") and (local or not permitted):
        raise PeerError("BAD_RECEIPT", "receipt: a label where no new data came")
    asked = (statement.holder, statement.selection.dataset, statement.purpose, statement.activity)
    said = (label.holder, label.dataset, label.received_for, label.received_by)
    if decided.peer != statement.requester or (permitted and not local and said != asked):
        raise PeerError("BAD_RECEIPT", "receipt: the label is of another exchange")


def envelope_bytes(answer: receipt_pb2.Answer) -> bytes:
    """The bytes whose hash the entry names: the sealed release, or the envelopes handed back."""
    return answer.sealed_release or b"".join(sha256(one).digest() for one in answer.envelopes)


def verify_part(
    receipt: receipt_pb2.Receipt,
    statement_hash: bytes,
    batch_index: int,
    sealed: bytes,
    verify_checkpoint: Callable[[bytes], Checkpoint],
    *,
    last: bool,
) -> Checked:
    """The `cohort_part` entry names this statement, this place and this ciphertext.

    Raises:
        PeerError: `BAD_RECEIPT`.
    """
    checked = verify_receipt(receipt, verify_checkpoint)
    part = checked.entry.cohort_part
    same = (
        checked.entry.WhichOneof("kind") == "cohort_part"
        and part.statement_hash == statement_hash
        and part.batch_index == batch_index
        and part.last == last
        and part.sealed_hash == sha256(sealed).digest()
    )
    if not same:
        raise PeerError("BAD_RECEIPT", "receipt: the entry is of another batch")
    return checked
