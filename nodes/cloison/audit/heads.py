"""What witnesses saw of a ledger, as it lies on disk: the ledger's own file, and theirs."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from cloison.errors import IntegrityError
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.export import Snapshot
from cloison.ledger.files import guard_reads
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.reader import WITNESSED
from cloison.ledger.trust_policy import TrustPolicy, Witness
from cloison.wire.trust import AUDITED

FORKS = "forks"
_ITSELF = "du nœud lui-même"
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """How far a ledger counts as audited.

    Attributes:
        entries: Under the newest head that enough peers and every overseer cosigned.
        answerable: Under the newest head that enough witnesses cosigned for answers to rest on it;
            None where the trust policy asks for none, or nothing is known.
    """

    ledger: str
    entries: int
    answerable: int | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two signed heads of one ledger that cannot both be its own.

    Attributes:
        witness: Who kept the first.
        back: The second is shorter; else both say something else of the same entries.
        notes: The two signed notes: they prove it by themselves.
    """

    ledger: str
    witness: str
    back: bool
    notes: tuple[str, str]


def witnessed_note(directory: Path) -> bytes | None:
    """The newest head that witnesses saw, as its ledger's directory keeps it; None: there is none.

    Raises:
        StorageError: `LEDGER_READ`.
    """
    path = directory / WITNESSED
    if not path.exists():
        return None
    with guard_reads(f"`{path}`"):
        return path.read_bytes()


def read_witnessed(
    snapshot: Snapshot, data: bytes | None, verifier: NoteVerifier, trust: TrustPolicy
) -> Witnessed | Contradiction:
    """What a ledger shows of its witnesses; or its two heads, where it is not what they saw.

    Raises:
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`.
    """
    if data is None:
        return Witnessed(verifier.name, 0, 0 if trust.asks else None)
    head, note = verify_checkpoint(data, verifier), parse_note(data)

    def seen(name: str) -> bool:
        return trust.witnesses[name].verifier.seen(note) is not None

    back = head.size > snapshot.head.size
    if back or snapshot.root_at(head.size) != head.root:
        names = ", ".join(sorted(filter(seen, trust.witnesses))) or _ITSELF
        notes = (data.decode(), snapshot.note.decode())
        return Contradiction(verifier.name, names, back, notes)
    enough = head.size if trust.met(seen) else 0
    audited = head.size if trust.met(seen, AUDITED) else 0
    return Witnessed(verifier.name, audited, enough if trust.asks else None)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one witness has on disk: notes by file name, and two contradicting ones by ledger.

    To be read before the ledgers: one that runs may grow, and is then never behind its witness.
    """

    witness: str
    heads: Mapping[str, bytes]
    forks: Sequence[tuple[str, bytes]]

    def without(self, names: Collection[str]) -> "Kept":
        """The same but for the heads of these file names."""
        return replace(
            self, heads={name: note for name, note in self.heads.items() if name not in names}
        )


def read_kept(witness: str, folder: Path) -> Kept:
    """A witness's folder. Raises `StorageError` (`LEDGER_READ`)."""
    with guard_reads(f"`{folder}`"):
        heads = {
            path.name: path.read_bytes()
            for path in sorted(folder.glob("*"))
            if _NAME.fullmatch(path.name)
        }
        forks = [
            (path.parent.name, path.read_bytes())
            for path in sorted((folder / FORKS).glob("*/*"))
            if _NAME.fullmatch(path.name)
        ]
    return Kept(witness, heads, forks)


def contradictions(
    snapshot: Snapshot, verifier: NoteVerifier, kept: Kept, trust: TrustPolicy
) -> Iterator[Contradiction]:
    """Heads that a witness kept and that are not this ledger's.

    Raises:
        StorageError: `LEDGER_READ`.
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`: a witness's file is not one.
    """
    name = sha256(verifier.name.encode()).hexdigest()
    known = trust.witnesses.get(kept.witness)
    if known is not None and name in kept.heads:
        yield from _against(snapshot, verifier, known, kept.heads[name])
    for ledger, data in kept.forks:
        if ledger == name:
            notes = _two_notes(data, verifier)
            yield Contradiction(verifier.name, kept.witness, back=False, notes=notes)


def _against(
    snapshot: Snapshot, verifier: NoteVerifier, witness: Witness, data: bytes
) -> Iterator[Contradiction]:
    head = verify_checkpoint(data, verifier)
    if witness.verifier.seen(parse_note(data)) is None:
        raise IntegrityError(
            "BAD_SIGNATURE", f"witness `{witness.name}`: keeps a head of `{head.origin}` unsigned"
        )
    back = head.size > snapshot.head.size
    if back or snapshot.root_at(head.size) != head.root:
        notes = (data.decode(), snapshot.note.decode())
        yield Contradiction(verifier.name, witness.name, back, notes)


def _two_notes(data: bytes, verifier: NoteVerifier) -> tuple[str, str]:
    start = data.find(f"\n\n{verifier.name}\n".encode())
    notes = (data[: start + 1], data[start + 2 :])
    heads: Sequence[Checkpoint] = [verify_checkpoint(note, verifier) for note in notes]
    if heads[0].size != heads[1].size or heads[0].root == heads[1].root:
        raise IntegrityError("BAD_CHECKPOINT", "forks: two heads that do not contradict each other")
    return notes[0].decode(), notes[1].decode()
