"""Which witness saw which head, when; and how far each ledger counts as audited."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from cloison.audit.heads import Kept, Witnessed
from cloison.audit.report.counts import Extent
from cloison.audit.report.law import stamp
from cloison.audit.report.sheet import Sheet, Value, sheet
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.trust_policy import TrustPolicy

AUDITED = "auditée"
EMPTY = "rien dans la période"
_MS = 1000


def cosignatures_sheet(
    ledgers: Mapping[str, tuple[NoteVerifier, bytes | None]],
    kept: Sequence[Kept],
    trust: TrustPolicy,
) -> Sheet:
    """Every cosignature at hand, verified.

    Args:
        ledgers: By origin, the key and the newest head that enough witnesses saw.
        kept: What witnesses keep.
        trust: Which witnesses count.

    Raises:
        IntegrityError: `BAD_NOTE`, `BAD_SIGNATURE`, `BAD_CHECKPOINT`.
    """
    columns = {
        "ledger": "Registre",
        "witness": "Témoin",
        "time": "Vue le (UTC)",
        "entries": "Entrées sous la tête",
        "root": "Racine",
    }
    rows: set[tuple[Value, ...]] = set()
    for origin, (verifier, seen) in ledgers.items():
        name = sha256(origin.encode()).hexdigest()
        notes = [one.heads[name] for one in kept if name in one.heads]
        for note in [*notes, *([seen] if seen else [])]:
            rows |= set(_cosigned(verifier, note, trust))
    shown = ("ledger", "witness", "time", "entries")
    return sheet("cosignatures", "Têtes cosignées par les témoins", columns, rows, shown)


def _cosigned(
    verifier: NoteVerifier, note: bytes, trust: TrustPolicy
) -> Iterator[tuple[Value, ...]]:
    head, parsed = verify_checkpoint(note, verifier), parse_note(note)
    for name, witness in trust.witnesses.items():
        seconds = witness.verifier.seen(parsed)
        if seconds is not None:
            yield head.origin, name, stamp(seconds * _MS), head.size, head.root.hex()


def ledgers_sheet(extents: Sequence[Extent], witnessed: Sequence[Witnessed]) -> Sheet:
    """Each ledger: what the period covers of it, and how far it counts as audited."""
    columns = {
        "ledger": "Registre",
        "entries": "Entrées",
        "in_period": "Dans la période",
        "first": "Première",
        "last": "Dernière",
        "audited": "Sous tête auditée",
        "state": "Période",
    }
    audited = {one.ledger: one.entries for one in witnessed}
    rows = (
        (
            one.ledger,
            one.entries,
            one.in_period,
            one.first if one.in_period else "",
            one.last if one.in_period else "",
            audited.get(one.ledger, 0),
            state(one, audited.get(one.ledger, 0)),
        )
        for one in extents
    )
    return sheet("ledgers", "Registres", columns, rows)


def state(one: Extent, audited: int) -> str:
    """Whether the period counts as audited in one ledger."""
    if not one.in_period:
        return EMPTY
    bare = one.last + 1 - max(audited, one.first)
    return AUDITED if bare <= 0 else f"non auditée : {bare} entrée(s)"
