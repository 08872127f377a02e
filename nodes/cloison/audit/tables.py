"""All that an audit remembers of the ledgers it read."""

from array import array
from collections import Counter
from collections.abc import Sequence

from cloison.audit.columns import Columns, Words
from cloison.audit.findings import Evidence, Grade
from cloison.audit.lines import Line
from cloison.audit.rows import (
    Asked,
    Back,
    Cited,
    Closed,
    Contested,
    Deposit,
    Failure,
    Gone,
    Lost,
    Objection,
    Opened,
    Part,
    Place,
    Question,
    Received,
    Renewed,
    Sight,
    Told,
    Under,
)
from cloison.bodies import BodyId
from cloison.ledger.tree import HASH_BYTES
from cloison.v1 import statement_pb2

_SECOND_MS = 1000


class _Spine:
    """Leaf hashes and times of one ledger, in order."""

    __slots__ = ("latest", "leaves", "times")

    def __init__(self) -> None:
        self.leaves = bytearray()
        self.times = array("q")
        self.latest = 0


class Tables:
    """Rows of every kind, in the order of the ledgers.

    Attributes:
        bodies: Whose traces were read: what another's would say is not guessed.
        register: Every entry of the registers; there are few.
        kinds: How many entries of each kind.
        kept_from: The first entry of each traces ledger that is still kept.
        cohorts: Their statements by ledger, statement key, and whether its own parts or those that
            came say whom they are about.
        foreign: Questions in a ledger that is neither their requester's nor their holder's.
    """

    def __init__(self, bodies: frozenset[BodyId]) -> None:
        words = Words()
        self.bodies = bodies
        self.register: list[Line] = []
        self.kinds: Counter[str] = Counter()
        self.kept_from: dict[str, int] = {}
        self.questions = Columns(Question, words)
        self.asked = Columns(Asked, words)
        self.sights = Columns(Sight, words)
        self.received = Columns(Received, words)
        self.lost = Columns(Lost, words)
        self.parts = Columns(Part, words)
        self.under = Columns(Under, words)
        self.cohorts: dict[tuple[str, int, bool], statement_pb2.Statement] = {}
        self.opened = Columns(Opened, words)
        self.renewed = Columns(Renewed, words)
        self.closed = Columns(Closed, words)
        self.told = Columns(Told, words)
        self.deposits = Columns(Deposit, words)
        self.cited = Columns(Cited, words)
        self.gone = Columns(Gone, words)
        self.objections = Columns(Objection, words)
        self.failures = Columns(Failure, words)
        self.contested = Columns(Contested, words)
        self.foreign = Columns(Place, words)
        self.backwards = Columns(Back, words)
        self._spines: dict[str, _Spine] = {}

    def place(self, line: Line) -> None:
        """Keeps where an entry stands, and whether its clock went back by a second or more."""
        spine = self._spines.get(line.ledger)
        if spine is None:
            spine = self._spines[line.ledger] = _Spine()
        leaves, start = spine.leaves, line.index * HASH_BYTES
        if len(leaves) < start:
            leaves.extend(bytes(start - len(leaves)))
        leaves[start : start + HASH_BYTES] = line.leaf
        time = line.entry.entry_time_ms
        while len(spine.times) < line.index:  # what is no longer kept has no time left
            spine.times.append(time)
        spine.times.append(time)
        if time > spine.latest:
            spine.latest = time
        elif time <= spine.latest - _SECOND_MS:
            self.backwards.add(Back(line.ledger, line.index, time, spine.latest))

    def count(self, since_ms: int, until_ms: int) -> int:
        """Entries of all ledgers from a time, included, to a time, excluded."""
        return sum(
            since_ms <= time < until_ms for spine in self._spines.values() for time in spine.times
        )

    def times(self, ledger: str) -> Sequence[int]:
        """Of each entry of a ledger, in order."""
        spine = self._spines.get(ledger)
        return () if spine is None else spine.times

    def evidence(self, ledger: str, index: int, grade: Grade = Grade.LEDGER) -> Evidence:
        """Where an entry stands, with its leaf hash."""
        leaves = self._spines[ledger].leaves
        leaf = leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        return Evidence(ledger, index, bytes(leaf).hex(), grade.value)
