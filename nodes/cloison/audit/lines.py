"""A ledger's entries, each with its place, as an audit reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloison.audit.findings import Evidence
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
    def evidence(self) -> Evidence:
        """Where it stands."""
        return Evidence(self.ledger, self.index, self.leaf.hex())


def read_lines(body: BodyId, directory: Path, verifier: NoteVerifier) -> Iterator[Line]:
    """Every entry under the newest signed head, once all of them lead to its root.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_READ`.
        IntegrityError: as `Snapshot`; `BAD_ENTRY`: not an entry of this format.
    """
    snapshot = Snapshot(directory, verifier, witnessed=False)
    for index, leaf, data in snapshot.entries():
        yield Line(body, snapshot.head.origin, index, leaf, parse_entry(data))
