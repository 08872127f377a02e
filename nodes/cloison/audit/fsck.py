"""One ledger's folder checked in every part; what is wrong, and what to do about it.

Nothing is written. A folder whose node runs may be checked: what is read first fixes the size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cloison.errors import CloisonError, IntegrityError
from cloison.exchange.entry_checks import EntryChecks
from cloison.exchange.index_terms import index_terms
from cloison.ledger.index_check import IndexCheck, leftovers
from cloison.ledger.note import NoteVerifier
from cloison.ledger.reader import LedgerReader

RESTORE = (
    "stop the node; restore the whole folder, not a part of it, from a copy that passes this check,"
    " then compare with the witnesses: `cloison witness status`"
)
KEEP = "keep this folder as it is: it is evidence; tell the CNIL and the peers"
MAKE_TILES = "stop the node and start it: what its append files hold is written again; else restore"
TODO = {
    "BAD_BUNDLE": RESTORE,
    "BAD_CHECKPOINT": RESTORE,
    "BAD_ENTRY": "written by a newer version, or by another program: check with that version",
    "BAD_NOTE": RESTORE,
    "BAD_ROOT": KEEP,
    "BAD_SIGNATURE": "not signed by this key: check that folder and key belong together; else "
    + RESTORE,
    "BAD_TILE": MAKE_TILES,
    "CLOCK_AHEAD": "set the machine's clock, then restart the node",
    "CLOCK_WENT_BACK": "find out who set the clock; decisions made meanwhile used the texts of "
    "another time",
    "ENTRY_TOO_LONG": KEEP,
    "FORK_KEPT": KEEP,
    "INDEX_DISAGREES": "stop the node, then run this again with `--rebuild-index`",
    "LEDGER_BEHIND": "entries are lost, or a backup was restored: do not start the node; restore "
    "the newest copy, and ask the witnesses: `cloison witness status`",
    "LEDGER_DAMAGED": RESTORE,
    "LEDGER_INDEX": "stop the node, then run this again with `--rebuild-index`",
    "LEDGER_MISSING": RESTORE,
    "LEDGER_READ": RESTORE,
    "LEFT_OVER": "nothing: no program reads it, and the node writes over it",
    "STATEMENT_TWICE": KEEP,
    "TORN_COMMIT": "nothing: it was never acknowledged; the node cuts it off as it starts",
}
"""What to do, by code."""
HARMLESS = frozenset({"LEFT_OVER", "TORN_COMMIT"})
"""What a crash leaves and the next start mends: nothing that was acknowledged is touched."""
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    code: str
    what: str
    todo: str

    @property
    def harmless(self) -> bool:
        """Nothing acknowledged is touched by it."""
        return self.code in HARMLESS


@dataclass(slots=True)
class FolderCheck:
    """What was found of one ledger.

    Attributes:
        entries: Of its newest head; None where the files do not hang together.
        more: Problems past the first hundred, which are counted only.
    """

    folder: Path
    origin: str
    entries: int | None = None
    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    @property
    def sound(self) -> bool:
        """Nothing but what is harmless."""
        return self.more == 0 and all(one.harmless for one in self.problems)

    def tell(self, error: CloisonError) -> None:
        """Notes a problem."""
        self.note(error.reason, error.message)

    def note(self, code: str, what: str) -> None:
        """Notes a problem by its code."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(code, what, TODO[code]))
        else:
            self.more += 1


def check_folder(
    folder: Path,
    verifier: NoteVerifier,
    index: Path | None,
    kept: Sequence[Path],
    forks: Sequence[Path],
    now: datetime,
) -> FolderCheck:
    """Every file of a ledger's folder, and its index.

    Args:
        folder: As a node writes it.
        verifier: The ledger's key.
        index: The SQLite file beside it; None where it has none.
        kept: Heads of this ledger that witnesses keep.
        forks: Pairs of heads that witnesses kept as proof of a fork.
        now: The time by the reader's clock.
    """
    found = FolderCheck(folder, verifier.name)
    looking = _Looking(found, index, now)
    try:
        verified = LedgerReader(folder, verifier, kept).verify(found.tell, looking.see)
    except CloisonError as error:
        found.tell(error)
    else:
        found.entries = verified.checkpoint.size
        if verified.torn_bytes:
            what = f"`entries`: {verified.torn_bytes} bytes of a commit that was never acknowledged"
            found.note("TORN_COMMIT", what)
        looking.end(verified.checkpoint.size - verified.minimum)
    for path in forks:
        found.note("FORK_KEPT", f"`{path}`: a witness keeps two heads of one size of this ledger")
    for path in leftovers(folder):
        found.note("LEFT_OVER", f"`{path.relative_to(folder)}`: half of a replacement")
    return found


class _Looking:
    """Looks at each entry, and at what an index says of it."""

    def __init__(self, found: FolderCheck, index: Path | None, now: datetime) -> None:
        self._found = found
        self._entries = EntryChecks(now)
        self._index: IndexCheck | None = None
        self._indexed = 0
        try:
            self._index = None if index is None else IndexCheck(index, index_terms)
        except CloisonError as error:
            found.tell(error)

    def see(self, place: int, entry: bytes) -> None:
        """The entries, one after the other."""
        problems = list(self._entries.problems(place, entry))
        for problem in problems:
            self._found.tell(problem)
        # What is no entry has no terms.
        if self._index is not None and "BAD_ENTRY" not in {one.reason for one in problems}:
            self._index.see(place, entry)
            self._indexed += 1

    def end(self, kept: int) -> None:
        """After the last: an index is held to a ledger whose kept entries could all be read."""
        if self._index is None or self._indexed != kept:
            return
        try:
            self._index.verify()
        except IntegrityError as error:
            self._found.tell(error)
