"""A witness: it cosigns a ledger's head only if that head continues all it cosigned before.

Source: c2sp.org/tlog-witness. What it answers is a status, a content type and a body, whatever
carries them. One process a folder; a head is on disk before its cosignature leaves.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cloison.errors import IntegrityError
from cloison.ledger.base64_text import parse_base64, print_base64
from cloison.ledger.checkpoint import Checkpoint, parse_checkpoint_text, verify_checkpoint
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.files import (
    guard_reads,
    guard_writes,
    make_directories,
    replace_file_durably,
)
from cloison.ledger.lock import lock_witness
from cloison.ledger.note import MAX_NOTE_BYTES, Note, NoteSignature, NoteVerifier, parse_note
from cloison.ledger.tree import HASH_BYTES, verify_consistency

MOST_BYTES = MAX_NOTE_BYTES + 4_096
"""Of a request: a note and 63 hashes."""
TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
_MOST_HASHES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_MOST_EVIDENCE = 64
_SECONDS_AGAIN = 60


@dataclass(frozen=True, slots=True)
class Reply:
    """What the protocol answers."""

    status: int
    body: bytes
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Submission:
    """A request of the protocol, read; nothing is verified yet."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """As it travels."""
        hashes = "".join(f"{print_base64(item)}\n" for item in self.proof)
        return f"old {self.old_size}\n{hashes}\n".encode("ascii") + self.note


class Witness:
    """The witness of one folder.

    Args:
        directory: Its own; made if it is not there.
        cosigner: Its key.
        logs: Verifier key of each ledger it knows, by origin.
        seconds: The time, in seconds since 1970.

    Raises:
        StorageError: `WITNESS_LOCKED`: another process cosigns from this folder. `LEDGER_READ`,
            `LEDGER_WRITE`.
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`: a head kept here was altered.
    """

    def __init__(
        self,
        directory: Path,
        cosigner: Cosigner,
        logs: Mapping[str, NoteVerifier],
        seconds: Callable[[], int],
    ) -> None:
        self.cosigner = cosigner
        self._directory = directory
        self._logs = logs
        self._seconds = seconds
        self._heads: dict[str, Checkpoint] = {}
        self._notes: dict[str, bytes] = {}
        with guard_writes(f"make `{directory}`"):
            make_directories(directory)
        self._lock = lock_witness(directory)
        try:
            for origin in logs:
                self._load(origin)
        except BaseException:
            self.close()
            raise

    def add_checkpoint(self, request: bytes) -> Reply:
        """Cosigns a head that continues the last one; else says why not, and forgets nothing.

        Returns:
            200 with the cosignature line; 400 malformed, or the old size is larger than the new;
            403 not signed by its ledger; 404 unknown ledger; 409 with the size last cosigned, where
            that is not the old size; 422 the proof fails, or two heads of one size differ.

        Raises:
            StorageError: `LEDGER_WRITE`: nothing was cosigned.
        """
        submission = _read(request)
        if submission is None:
            return _refused(400, "not a request of tlog-witness")
        try:
            note = parse_note(submission.note)
            claimed = parse_checkpoint_text(note.text)
        except IntegrityError as error:
            return _refused(400, error.message)
        verifier = self._logs.get(claimed.origin)
        if verifier is None:
            return _refused(404, "this ledger is not known here")
        try:
            head = verify_checkpoint(submission.note, verifier)
        except IntegrityError as error:
            return _refused(403, error.message)
        return self._continue(submission, note, head)

    def _continue(self, submission: Submission, note: Note, head: Checkpoint) -> Reply:
        if submission.old_size > head.size:
            return _refused(400, "the old size is larger than the checkpoint's")
        known = self._heads.get(head.origin)
        if known is not None and known.size == head.size and known.root != head.root:
            self._keep_evidence(head.origin, submission.note)
            return _refused(422, "two heads of one size: the ledger was forked")
        size = known.size if known else 0
        if submission.old_size != size:
            return Reply(409, f"{size}\n".encode("ascii"), SIZE)
        try:
            _verify_continues(known, head, submission.proof)
        except IntegrityError as error:
            return _refused(422, error.message)
        seconds = self._seconds()
        if known == head and (line := self._recent(note.text, seconds)):
            return Reply(200, line.line().encode())  # anybody may ask again: nothing is written
        line = self.cosigner.cosign(note.text, seconds)
        own = [one for one in note.signatures if one.name == head.origin]
        kept = Note(note.text, (*own, line)).encode()
        with guard_writes("keep a head"):
            replace_file_durably(self._path(head.origin), kept)
        self._heads[head.origin], self._notes[_name(head.origin)] = head, kept
        return Reply(200, line.line().encode())

    def _recent(self, text: str, seconds: int) -> NoteSignature | None:
        """The cosignature of a head that was cosigned less than a minute ago."""
        kept = parse_note(self._notes[_name(text.partition("\n")[0])])
        seen = self.cosigner.verifier.seen(kept)
        if seen is None or not 0 <= seconds - seen < _SECONDS_AGAIN:
            return None
        return next(line for line in kept.signatures if self.cosigner.verifier.made(line))

    def checkpoint(self, name: str) -> bytes | None:
        """The last head cosigned, as a note; None if none was.

        Args:
            name: Hexadecimal SHA-256 of the ledger's origin.
        """
        return self._notes.get(name)

    def head(self, origin: str) -> Checkpoint | None:
        """The last head cosigned of a ledger."""
        return self._heads.get(origin)

    def close(self) -> None:
        """Lets go of the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _path(self, origin: str) -> Path:
        return self._directory / _name(origin)

    def _load(self, origin: str) -> None:
        path = self._path(origin)
        if not path.exists():
            return
        with guard_reads(f"`{path}`"):
            kept = path.read_bytes()
        head = verify_checkpoint(kept, self._logs[origin])
        if self.cosigner.verifier.seen(parse_note(kept)) is None:
            raise IntegrityError("BAD_SIGNATURE", f"witness: `{path}` is not cosigned by this key")
        self._heads[origin], self._notes[_name(origin)] = head, kept

    def _keep_evidence(self, origin: str, note: bytes) -> None:
        """Two heads of one size: signed by one ledger, they prove by themselves that it forked.

        A proof that fails proves nothing: anybody may send one with a head that is right.
        """
        folder = self._directory / "forks" / _name(origin)
        with guard_writes("keep two heads of one size"):
            make_directories(folder)
            path = folder / sha256(note).hexdigest()
            if not path.exists() and len(list(folder.iterdir())) < _MOST_EVIDENCE:
                replace_file_durably(path, note + b"\n" + self._notes[_name(origin)])


def _verify_continues(known: Checkpoint | None, head: Checkpoint, proof: tuple[bytes, ...]) -> None:
    if known is not None and known.size:
        verify_consistency(known.size, head.size, proof, known.root, head.root)
    elif proof:
        raise IntegrityError("BAD_PROOF", "consistency proof: from the empty tree it has no hashes")


def _read(request: bytes) -> Submission | None:
    if len(request) > MOST_BYTES:
        return None
    head, blank, note = request.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        return None
    old = _OLD.fullmatch(lines[0])
    hashes = [parse_base64(line) for line in lines[1:]]
    proof = tuple(item for item in hashes if item is not None and len(item) == HASH_BYTES)
    if old is None or not blank or len(proof) != len(hashes) or len(proof) > _MOST_HASHES:
        return None
    return Submission(int(old[1]), proof, note)


def _name(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _refused(status: int, why: str) -> Reply:
    return Reply(status, f"{why}\n".encode())
