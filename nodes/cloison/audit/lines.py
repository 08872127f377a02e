"""A ledger's entries, each with its place, as an audit reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cloison.audit.findings import Evidence
from cloison.audit.heads import Contradiction, Witnessed
from cloison.bodies import BodyId
from cloison.errors import IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.ledger.export import Snapshot
from cloison.ledger.note import NoteVerifier
from cloison.ledger.tree import leaf_hash
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


class EntryError(IntegrityError):
    """An entry, under a head that its ledger signed, that is none.

    Attributes:
        ledger: Its origin.
    """

    ledger: str = ""

    @classmethod
    def at(cls, ledger: str, index: int, why: str) -> "EntryError":
        """Where it stands, and what is wrong."""
        error = cls("BAD_ENTRY", f"ledger `{ledger}`: entry {index}: {why}")
        error.ledger = ledger
        return error


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
        self.origin = self.snapshot.head.origin

    @property
    def size(self) -> int:
        """Entries under its head."""
        return self.snapshot.head.size

    def __iter__(self) -> Iterator[Line]:
        """In order. Raises `EntryError`: not an entry of this format."""
        for index, leaf, data in self.snapshot.entries():
            yield self._line(index, leaf, data)

    @property
    def last(self) -> Line:
        """The newest, of a ledger that keeps any. Raises `EntryError`."""
        data = self.snapshot.entry(self.size - 1)
        return self._line(self.size - 1, leaf_hash(data), data)

    def _line(self, index: int, leaf: bytes, data: bytes) -> Line:
        try:
            return Line(self._body, self.origin, index, leaf, parse_entry(data))
        except IntegrityError as error:
            why = error.message.removeprefix("entry: ")
            raise EntryError.at(self.origin, index, why) from error


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

    def without(self, ledger: str) -> "Ledgers":
        """The same but for one ledger, by its origin."""

        def others(logs: Mapping[BodyId, Iterable[Line]]) -> Mapping[BodyId, Iterable[Line]]:
            return {
                body: lines
                for body, lines in logs.items()
                if not (isinstance(lines, LedgerFolder) and lines.origin == ledger)
            }

        seen = [one for one in self.witnessed if one.ledger != ledger]
        return replace(
            self, traces=others(self.traces), register=others(self.register), witnessed=seen
        )
