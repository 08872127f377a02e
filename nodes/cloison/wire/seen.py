"""What enough witnesses saw: of this node's own ledger, and of the heads that peers show."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import guard_reads, guard_writes, replace_file_durably
from cloison.ledger.log import Log
from cloison.ledger.note import Note, NoteSignature, parse_note
from cloison.ledger.quorum import SeenHead, quorum_seconds
from cloison.ledger.reader import WITNESSED
from cloison.ledger.trust_policy import TrustPolicy

_CACHED_HEADS = 4096
_REACH_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


def age_seconds(seen_seconds: int | None, now: datetime) -> int | None:
    """How long ago witnesses saw a head; None: never, or by a clock too far ahead of this one."""
    if seen_seconds is None:
        return None
    age = int(now.timestamp()) - seen_seconds
    return None if -age > limits.CLOCK_SKEW.total_seconds() else max(age, 0)


class PeerHeads:
    """Heads that peers show, each verified once with all its cosignatures.

    Args:
        verifier_of: What verifies a body's heads; raises `PeerError` (`UNKNOWN_PEER`).
        trust: Which witnesses there are, and how many are enough.
    """

    def __init__(
        self, verifier_of: Callable[[BodyId], Callable[[bytes], Checkpoint]], trust: TrustPolicy
    ) -> None:
        self._verifier_of = verifier_of
        self._trust = trust
        self._verified = lru_cache(_CACHED_HEADS)(self._verify)

    def of(self, body: BodyId) -> Callable[[bytes], SeenHead]:
        """The verifier of one body's heads. Raises `PeerError` (`UNKNOWN_PEER`)."""
        self._verifier_of(body)
        return lambda note: self._verified(body, note)

    def _verify(self, body: BodyId, note: bytes) -> SeenHead:
        head = self._verifier_of(body)(note)
        return SeenHead(head, quorum_seconds(parse_note(note), self._trust, body))


class OwnHead:
    """The newest head of one ledger of this node that enough witnesses saw, kept on disk.

    Args:
        log: The ledger.
        own: Name of the witness that is this body's: it never counts for its own ledger.
        trust: Which witnesses there are, and how many are enough.
    """

    def __init__(self, log: Log, own: str, trust: TrustPolicy) -> None:
        self.wanted = asyncio.Event()
        """Somebody waits for a newer one."""
        self._log = log
        self._own = own
        self._trust = trust
        self._note = b""
        self._size = 0
        self._seconds: int | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._load()

    @property
    def asks(self) -> bool:
        """Whether the trust policy asks for any witness."""
        return self._trust.asks

    def newest(self) -> bytes:
        """The head, as a note; empty while there is none."""
        return self._note

    def age(self, now: datetime) -> int | None:
        """Seconds since enough witnesses saw the head; None: never."""
        return age_seconds(self._seconds, now)

    def over(self, last_index: int) -> tuple[int, bytes]:
        """Size and note of the head an entry is to be proved under.

        Raises:
            PeerError: `NOT_WITNESSED`: too few witnesses saw a head over that entry.
        """
        if not self.asks:
            return self._log.size, self._log.checkpoint()
        if self._size <= last_index:
            raise _not_witnessed()
        return self._size, self._note

    async def reach(self, last_index: int) -> None:
        """Returns once enough witnesses saw a head over this entry.

        Raises:
            PeerError: `NOT_WITNESSED`: not within five seconds; the entry stays, and may be seen
                later.
        """
        deadline = asyncio.get_running_loop().time() + _REACH_SECONDS
        while self.asks and self._size <= last_index:
            changed = asyncio.get_running_loop().create_future()
            self._waiting.append(changed)
            self.wanted.set()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(changed, left)
            except TimeoutError as error:
                raise _not_witnessed() from error

    def keep(self, note: bytes, lines: Sequence[NoteSignature]) -> bool:
        """Keeps a head of this ledger with its cosignatures, if they are enough.

        Raises:
            StorageError: `LEDGER_WRITE`.
        """
        parsed = parse_note(note)
        kept = Note(parsed.text, (*parsed.signatures, *lines))
        seconds = quorum_seconds(kept, self._trust, self._own)
        if seconds is None and (self.asks or not lines):
            return False
        encoded = kept.encode()
        with guard_writes("keep a head that was seen"):
            replace_file_durably(self._file, encoded)
        self._take(encoded, seconds)
        return True

    @property
    def _file(self) -> Path:
        return self._log.directory / WITNESSED

    def _take(self, note: bytes, seconds: int | None) -> None:
        self._note, self._seconds = note, seconds
        self._size = verify_checkpoint(note, self._log.verifier).size
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():  # who waited too long is gone
                one.set_result(None)

    def _load(self) -> None:
        """What was kept before; one that is not of this ledger any more is not taken."""
        if not self._file.exists():
            return
        with guard_reads(f"`{self._file}`"):
            kept = self._file.read_bytes()
        try:
            head = verify_checkpoint(kept, self._log.verifier)
            known = head.size <= self._log.size and self._log.root(head.size) == head.root
            seconds = quorum_seconds(parse_note(kept), self._trust, self._own)
        except CloisonError:
            known, seconds = False, None
        if not known:
            _LOG.error("ledger `%s`: does not hold the head that was seen", self._log.directory)
        elif seconds is not None or not self.asks:
            self._take(kept, seconds)


def _not_witnessed() -> PeerError:
    return PeerError(
        "NOT_WITNESSED",
        "ledger: too few witnesses saw this entry yet",
        "ask again once they answer: `cloison witness status`",
    )
