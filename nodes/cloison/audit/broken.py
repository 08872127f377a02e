"""A ledger that does not hold together: a finding with its signed heads, and no word of it kept."""

from collections.abc import Iterator
from pathlib import Path

from cloison.audit.findings import Evidence, Finding, Severity
from cloison.audit.gathering import TRACEABILITY
from cloison.audit.heads import witnessed_note
from cloison.audit.lines import EntryError
from cloison.errors import CloisonError, IntegrityError
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.files import guard_reads
from cloison.ledger.note import NoteVerifier

_SENTENCE = (
    "Le registre {ledger} ne mène pas aux têtes que son nœud a signées ({reason}) : rien n'en a été"
    " retenu, l'audit porte sur les autres."
)
_NO_ENTRY = (
    "Le registre {ledger} contient, sous une tête qu'il a signée, ce qui n'est pas une entrée"
    " ({message}) : rien n'en a été retenu, l'audit porte sur les autres."
)
_SETTLES = (
    "`cloison ledger fsck` sur le dossier du nœud, une copie plus ancienne qui tient, et les têtes"
    " que les témoins gardent."
)


def broken(directory: Path, verifier: NoteVerifier, error: IntegrityError) -> Finding:
    """What is found of a ledger whose entries, or whose witnessed head, do not hold.

    Args:
        directory: As a node writes it, or a copy of what it served.
        verifier: The ledger's key.
        error: What was wrong.
    """
    heads = {one.note: one for one in _heads(directory, verifier)}
    sentence = _NO_ENTRY if isinstance(error, EntryError) else _SENTENCE
    return Finding(
        "LEDGER_BROKEN",
        Severity.HIGH,
        "",
        TRACEABILITY,
        sentence.format(ledger=verifier.name, reason=error.reason, message=error.message),
        1,
        tuple(heads.values()),
        _SETTLES,
    )


def false_head(witness: str, verifier: NoteVerifier, error: IntegrityError) -> Finding:
    """What is found of a witness that keeps, or shows, what is no head of a ledger."""
    return Finding(
        "WITNESS_KEEPS_FALSE_HEAD",
        Severity.MEDIUM,
        "",
        TRACEABILITY,
        f"Le témoin {witness} garde pour {verifier.name} ce qui n'en est pas une tête"
        f" ({error.reason}) : sa cosignature n'est pas comptée.",
        1,
        (),
        "Le dossier du témoin, et ce qu'il a cosigné à cette heure ; les autres témoins.",
    )


def _heads(directory: Path, verifier: NoteVerifier) -> Iterator[Evidence]:
    """The newest head it signed, and the newest that witnesses saw, where they are its own."""
    for note in (_signed(directory), witnessed_note(directory)):
        try:
            head = verify_checkpoint(note or b"", verifier)
        except CloisonError:
            continue
        text = (note or b"").decode()
        yield Evidence(verifier.name, head.size, head.root.hex(), note=text)


def _signed(directory: Path) -> bytes | None:
    path = directory / "checkpoint"
    if not path.exists():
        return None
    with guard_reads(f"`{path}`"):
        return path.read_bytes()
