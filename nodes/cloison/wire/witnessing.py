"""A node sends its ledgers' heads to the witnesses, and keeps the last that enough of them saw.

Every second where a ledger grew; every ten minutes where it did not, so that a cosignature never
is much older. A witness that is down or slow holds up nobody: it is asked again the next time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloison.errors import CloisonError, IntegrityError
from cloison.ledger.checkpoint import Checkpoint, parse_checkpoint_text, verify_checkpoint
from cloison.ledger.files import guard_reads, guard_writes, replace_file_durably
from cloison.ledger.log import Log
from cloison.ledger.note import Note, NoteSignature, parse_note
from cloison.ledger.reader import WITNESSED
from cloison.ledger.trust_policy import TrustPolicy, Witness
from cloison.ledger.witness import Submission

Submit = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Posts a request to a URL: status and body. Raises `OSError` where nobody answers."""
SECONDS_UNCHANGED = 600
_TRIES = 2
_OK, _CONFLICT = 200, 409
_LOG = logging.getLogger(__name__)


class HeadSender:
    """Sends one ledger's heads.

    Args:
        log: The ledger.
        own: Name of the witness that is this body's: it never counts for its own ledger.
        policy: Which witnesses there are, and how many are enough.
        submit: Posts a request.
        seconds: The time, in seconds since 1970.
    """

    def __init__(
        self,
        log: Log,
        own: str,
        policy: TrustPolicy,
        submit: Submit,
        seconds: Callable[[], int],
    ) -> None:
        self._seen = b""
        self._log = log
        self._policy = policy
        self._submit = submit
        self._seconds = seconds
        self._witnesses = [one for one in policy.witnesses.values() if one.url and one.name != own]
        self._sizes: dict[str, int] = {}
        self._last: tuple[bytes, int] = b"", 0
        self._load()

    def newest(self) -> bytes:
        """The newest head that enough witnesses saw; empty while there is none."""
        return self._seen

    @property
    def _file(self) -> Path:
        return self._log.directory / WITNESSED

    async def send(self) -> None:
        """Sends the present head to whoever has not seen it, and keeps what they answer.

        Raises:
            StorageError: `LEDGER_WRITE`: what they answered cannot be kept.
        """
        note, now = self._log.checkpoint(), self._seconds()
        last, sent = self._last
        if note == last and now - sent < SECONDS_UNCHANGED:
            return
        head = parse_checkpoint_text(parse_note(note).text)
        asked = [self._ask(one, note, head) for one in self._witnesses]
        lines = [line for line in await asyncio.gather(*asked) if line is not None]
        if len(lines) == len(self._witnesses):
            self._last = note, now
        self._keep(note, [line for _, line in lines], {name for name, _ in lines})

    async def _ask(
        self, witness: Witness, note: bytes, head: Checkpoint
    ) -> tuple[str, NoteSignature] | None:
        """The witness's cosignature of this head; None where it gives none now."""
        for _ in range(_TRIES):
            old = self._sizes.get(witness.name, 0)
            proof = self._log.consistency_proof(old, head.size) if old else []
            request = Submission(old, tuple(proof), note).encode()
            try:
                status, body = await self._submit(f"{witness.url}/add-checkpoint", request)
            except (OSError, TimeoutError):
                return None
            if status == _OK:
                return self._cosigned(witness, note, head, body)
            if status != _CONFLICT or not self._learn(witness, body, head):
                _LOG.warning("witness `%s`: refuses a head, status %d", witness.name, status)
                return None
        return None

    def _learn(self, witness: Witness, body: bytes, head: Checkpoint) -> bool:
        """Takes the size a witness says it saw; False where this ledger is not that long."""
        text = body.strip()
        if not text.isdigit() or len(text) > len(str(1 << 63)):
            return False
        size = int(text)
        if size > head.size:
            _LOG.error(
                "witness `%s`: saw %d entries of this ledger, which has %d: entries were lost, or a"
                " backup was restored",
                witness.name,
                size,
                head.size,
            )
            return False
        self._sizes[witness.name] = size
        return True

    def _cosigned(
        self, witness: Witness, note: bytes, head: Checkpoint, body: bytes
    ) -> tuple[str, NoteSignature] | None:
        try:
            whole = parse_note(note + body)
            cosigned = witness.verifier.seen(whole) is not None
        except IntegrityError as error:
            _LOG.warning("witness `%s`: %s", witness.name, error.message)
            return None
        if not cosigned:
            return None
        self._sizes[witness.name] = head.size
        (line,) = (one for one in whole.signatures if witness.verifier.made(one))
        return witness.name, line

    def _keep(self, note: bytes, lines: list[NoteSignature], saw: set[str]) -> None:
        if not lines or not self._policy.met(saw.__contains__):
            return
        parsed = parse_note(note)
        kept = Note(parsed.text, (*parsed.signatures, *lines)).encode()
        with guard_writes("keep a head that was seen"):
            replace_file_durably(self._file, kept)
        self._seen = kept

    def _load(self) -> None:
        """What was kept before; one that is not of this ledger any more is not taken."""
        if not self._file.exists():
            return
        with guard_reads(f"`{self._file}`"):
            kept = self._file.read_bytes()
        try:
            head = verify_checkpoint(kept, self._log.verifier)
            known = head.size <= self._log.size and self._log.root(head.size) == head.root
        except CloisonError:
            known = False
        if known:
            self._seen = kept
        else:
            _LOG.error("ledger `%s`: does not hold the head that was seen", self._log.directory)
