"""What a body holds of a study between its steps: a key that serves one step, and where it stands.

* INVARIANT: parts of a step come in order, each once. One that does not ends the study here, as
  does whatever fails: what a body held of it is dropped, and it is not taken up again.
* A study is one that all participants opened, on the same signed statements; and who gives no rows
  of its own, who joins or makes pseudonyms, decided each of them by law.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.identity import Peer
from cloison.identity.study_keys import StudyKey, seal_to
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question
from cloison.v1 import decision_pb2, entry_pb2, receipt_pb2
from cloison.wire.node import Node
from cloison.wire.study_rows import Joining, Listed, Rows

STUDY_FOR = timedelta(minutes=10)
"""So far apart a study's participants may open it, and so long it may rest between two parts."""
PART_PERSONS = 5_000
_STUDY_MS = STUDY_FOR.total_seconds() * 1000
_MOST_PARTS = limits.COHORT_PERSONS // PART_PERSONS
_STUDY = b"cloison/v1 study\n"
_PERMITS = (decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS)


@dataclass(frozen=True, slots=True)
class Opened:
    """A key that has served no step, and what it was drawn for.

    Attributes:
        statements: SHA-256 of each statement that this body decided.
        time: Of its entry, Unix seconds.
    """

    key: StudyKey
    activity: str
    statements: tuple[bytes, ...]
    time: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a step a message stands."""

    part: int
    last: bool

    def step(self, name: str) -> str:
        """What a message of this place is sealed as."""
        return f"{name} {self.part}{' last' if self.last else ''}"


@dataclass(slots=True)
class Study:
    """A study as all its participants opened it, verified; one body's part in it.

    Attributes:
        opened: Every participant's `opened` entry, by body.
        key: This body's; of no use but for this step.
        due: The number of the part that comes next.
        time: Of the last part, Unix seconds.
        listed: At who names persons. `rows`: at another holder. `joining`: at who joins.
    """

    question: Question
    id: bytes
    opened: Mapping[str, Checked]
    key: StudyKey
    activity: str
    time: float
    due: int = 0
    listed: Listed | None = None
    rows: Rows | None = None
    joining: Joining | None = None

    def seal(self, to: str, plain: bytes, place: Place, step: str) -> bytes:
        """For one participant, at this place of a step of this study."""
        key = self.opened[to].entry.study_step.sealing_key
        return seal_to(key, plain, self.id, place.step(step))

    def open(self, sealed: bytes, place: Place, step: str) -> bytes:
        """What another participant sealed to this one. Raises `IntegrityError` (`BAD_SEAL`)."""
        return self.key.open(sealed, self.id, place.step(step))


class StudySessions:
    """Keys and studies of one node, by the place of its `opened` entry; in memory alone.

    Args:
        node: This node.
        registers: Verifier keys of each body's register.
        drop: Called with a study that ends before its last part.
    """

    def __init__(
        self,
        node: Node,
        registers: Mapping[BodyId, NoteVerifier],
        drop: Callable[[Study], None],
    ) -> None:
        self._node, self._registers, self._drop = node, registers, drop
        self._opened: dict[int, Opened] = {}
        self._running: dict[int, Study] = {}
        self._used: set[int] = set()

    def add(self, index: int, key: StudyKey, activity: str, statements: Sequence[bytes]) -> None:
        """A key was drawn, and entered at this place."""
        now = self._node.clock().timestamp()
        self._opened[index] = Opened(key, activity, tuple(statements), now)

    def take(
        self, peer: Peer, question: Question, receipts: Sequence[receipt_pb2.Receipt], part: int
    ) -> Study:
        """The study whose part this is; no later call finds it until it is `put` back.

        Raises:
            PeerError: `STUDY_KEY_REUSED`, `NO_STUDY_KEY`: never drawn here, or of a process that
                ended; `STUDY_PART`: not the part that is due; `BAD_STUDY`, `STUDY_STALE`,
                `STUDY_NOT_DECIDED`, `BAD_RECEIPT`, `UNKNOWN_PEER`.
            InputError: `MALFORMED`.
        """
        bodies = question.whole.participants()
        if len(receipts) != len(bodies):
            raise InputError("MALFORMED", "study: not an entry of each participant")
        limits.check_count("part", part, 0, _MOST_PARTS)
        index = receipts[bodies.index(self._node.body)].leaf_index
        study = self._running.pop(index, None)
        if study is None:
            study = self._begin(peer, question, receipts)
        if study.activity != peer.activity or study.question.hash != question.hash:
            self._drop(study)
            raise PeerError("NO_STUDY_KEY", "study: not of this program", "open a new study")
        if part != study.due:
            self._drop(study)
            raise PeerError(
                "STUDY_PART", f"study: part {part}, where {study.due} is due", "open a new study"
            )
        return study

    def put(self, study: Study) -> None:
        """Its next part may come."""
        study.due += 1
        study.time = self._node.clock().timestamp()
        self._running[study.opened[self._node.body].leaf_index] = study

    def forget_late(self) -> None:
        """Drops what nobody came back for."""
        before = self._node.clock().timestamp() - STUDY_FOR.total_seconds()
        self._opened = {at: one for at, one in self._opened.items() if one.time >= before}
        for at, one in list(self._running.items()):
            if one.time < before:
                self._drop(self._running.pop(at))

    def verified(
        self, body: str, receipt: receipt_pb2.Receipt, question: Question, step: str
    ) -> Checked:
        """A step of this question that a participant entered.

        Raises:
            PeerError: `BAD_STUDY`, `BAD_RECEIPT`, `UNKNOWN_PEER`.
        """
        verifier = self._registers.get(BodyId(body))
        if verifier is None:
            raise PeerError("UNKNOWN_PEER", f"body `{body}`: its register's key is unknown here")
        checked = verify_receipt(receipt, lambda note: verify_checkpoint(note, verifier))
        said = checked.entry.study_step
        if checked.entry.WhichOneof("kind") != "study_step" or (said.step, said.question_hash) != (
            step,
            question.hash,
        ):
            raise PeerError("BAD_STUDY", f"study: `{body}` entered something else")
        return checked

    def _begin(
        self, peer: Peer, question: Question, receipts: Sequence[receipt_pb2.Receipt]
    ) -> Study:
        bodies = question.whole.participants()
        opened = {
            body: self.verified(body, receipt, question, "opened")
            for body, receipt in zip(bodies, receipts, strict=True)
        }
        own = opened[self._node.body]
        for body, one in opened.items():
            if abs(one.entry.entry_time_ms - own.entry.entry_time_ms) > _STUDY_MS:
                raise PeerError("STUDY_STALE", f"study: `{body}` opened it at another time")
        if own.leaf_index in self._used:
            raise PeerError(
                "STUDY_KEY_REUSED", "study: this key has served its step", "open a new study"
            )
        found = self._opened.get(own.leaf_index)
        if found is None or found.activity != peer.activity:
            raise PeerError(
                "NO_STUDY_KEY", "study: no key of this program is held here", "open a new study"
            )
        for body in bodies[:2]:
            _check_decided(body, opened[body].entry.study_step, question, found.statements)
        del self._opened[own.leaf_index]
        self._used.add(own.leaf_index)
        leaves = b"".join(one.leaf_hash for one in opened.values())
        name = sha256(_STUDY + question.hash + leaves).digest()
        return Study(question, name, opened, found.key, found.activity, found.time)


def _check_decided(
    body: str, step: entry_pb2.StudyStep, question: Question, statements: Sequence[bytes]
) -> None:
    """A body that holds no rows permitted each statement of the study, this body's among them."""
    decided = {sha256(one.signed.statement).digest() for one in step.decided}
    if (
        len(decided) != len(question.whole.reads())
        or not decided.issuperset(statements)
        or any(one.decision.outcome not in _PERMITS for one in step.decided)
    ):
        raise PeerError(
            "STUDY_NOT_DECIDED",
            f"study: `{body}` entered no permit of these very statements",
            "open a new study",
        )
