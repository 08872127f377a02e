"""A ledger's entries, each with its place, as an audit reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.audit.findings import Evidence
from cloison.audit.heads import Contradiction, Witnessed
from cloison.bodies import BodyId
from cloison.exchange.entries import parse_entry
from cloison.ledger.export import Snapshot
from cloison.ledger.note import NoteVerifier
from cloison.v1 import entry_pb2


@dataclass(frozen=True, slots=True)
class Line:
    """One entry.

    Attributes:
        body: Whose ledger it stands in.
        ledger: The ledger's origin.
        leaf: Its leaf hash, 32 bytes.
    """

    body: BodyId
    ledger: str
    index: int
    leaf: bytes
    entry: entry_pb2.Entry

    @property
    def at(self) -> int:
        """Its index."""
        return self.index

    @property
    def evidence(self) -> Evidence:
        """Where it stands."""
        return Evidence(self.ledger, self.index, self.leaf.hex())


class LedgerFolder:
    """Every entry under a ledger's newest signed head, once all of them lead to its root.

    May be read more than once: each time gives the same.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: as `Snapshot`.
    """

    def __init__(self, body: BodyId, directory: Path, verifier: NoteVerifier) -> None:
        self._body = body
        self.snapshot = Snapshot(directory, verifier, witnessed=False)

    @property
    def size(self) -> int:
        """Entries under its head."""
        return self.snapshot.head.size

    def __iter__(self) -> Iterator[Line]:
        """In order. Raises `IntegrityError` (`BAD_ENTRY`): not an entry of this format."""
        origin = self.snapshot.head.origin
        for index, leaf, data in self.snapshot.entries():
            yield Line(self._body, origin, index, leaf, parse_entry(data))


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What an audit reads of each body: every entry of its two logs; each may be read again.

    Attributes:
        witnessed: How far each ledger counts as audited; none where nothing is known of witnesses.
        contradictions: Heads witnesses kept that are not the ledgers'.
    """

    traces: Mapping[BodyId, Iterable[Line]]
    register: Mapping[BodyId, Iterable[Line]]
    witnessed: Sequence[Witnessed] = ()
    contradictions: Sequence[Contradiction] = ()
