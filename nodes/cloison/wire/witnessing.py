"""A node sends its ledgers' heads to the witnesses, and keeps the last that enough of them saw.

Every second where a ledger grew, at once where somebody waits for it; every two minutes where it
did not, so that a cosignature never is much older. A witness that is down or slow holds up nobody:
a head is kept as soon as enough saw it, and who did not answer is asked again the next time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cloison.errors import IntegrityError
from cloison.ledger.checkpoint import Checkpoint, parse_checkpoint_text
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSignature, parse_note
from cloison.ledger.trust_policy import TrustPolicy, Witness
from cloison.ledger.witness import Submission
from cloison.wire.seen import OwnHead

Submit = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Posts a request to a URL: status and body. Raises `OSError` where nobody answers."""
SECONDS_UNCHANGED = 120
_TRIES = 2
_LATE_SECONDS = 1.0
_OK, _CONFLICT = 200, 409
_LOG = logging.getLogger(__name__)


class HeadSender:
    """Sends one ledger's heads.

    Args:
        log: The ledger.
        own: Name of the witness that is this body's: it never counts for its own ledger.
        policy: Which witnesses there are, and how many are enough.
        seen: Keeps what enough of them saw.
        submit: Posts a request.
        seconds: The time, in seconds since 1970.
    """

    def __init__(
        self,
        log: Log,
        own: str,
        policy: TrustPolicy,
        seen: OwnHead,
        submit: Submit,
        seconds: Callable[[], int],
    ) -> None:
        self.seen = seen
        self._log = log
        self._submit = submit
        self._seconds = seconds
        self._witnesses = [one for one in policy.witnesses.values() if one.url and one.name != own]
        self._sizes: dict[str, int] = {}
        self._late: dict[str, asyncio.Task[NoteSignature | None]] = {}
        self._last: tuple[bytes, int] = b"", 0

    async def send(self) -> bool:
        """Sends the present head to whoever has not seen it, and keeps what they answer.

        Once enough did, those who are late are left to answer, and asked again after that: at once
        where somebody waits for a newer head, else after a second.

        Returns:
            Whether enough of them saw it.

        Raises:
            StorageError: `LEDGER_WRITE`: what they answered cannot be kept.
        """
        self.seen.wanted = asyncio.Event()
        note, now = self._log.checkpoint(), self._seconds()
        last, sent = self._last
        if note == last and now - sent < SECONDS_UNCHANGED:
            return True
        head = parse_checkpoint_text(parse_note(note).text)
        lines: list[NoteSignature] = []
        enough = False
        late = self._still_late()
        waiting = {
            asyncio.create_task(self._ask(one, note, head), name=one.name)
            for one in self._witnesses
            if one.name not in late
        }
        wanted = asyncio.create_task(self.seen.wanted.wait())
        try:
            while waiting and not (enough and wanted.done()):
                both = {*waiting, wanted} if enough else waiting
                patience = _LATE_SECONDS if enough else None
                done, _ = await asyncio.wait(
                    both, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                answered = [task.result() for task in waiting & done]
                waiting -= done
                lines += [line for line in answered if line is not None]
                enough = self.seen.keep(note, lines)
        finally:
            wanted.cancel()
            self._late |= {task.get_name(): task for task in waiting}
        if len(lines) == len(self._witnesses):
            self._last = note, now
        return enough

    def _still_late(self) -> set[str]:
        """Who has not answered what it was asked before."""
        for name, task in list(self._late.items()):
            if task.done():
                del self._late[name]
                if not task.cancelled():
                    task.result()  # a ledger that stopped is told here
        return set(self._late)

    async def close(self) -> None:
        """Lets go of whom it still waits for."""
        for task in self._late.values():
            task.cancel()
        await asyncio.gather(*self._late.values(), return_exceptions=True)

    async def _ask(self, witness: Witness, note: bytes, head: Checkpoint) -> NoteSignature | None:
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
    ) -> NoteSignature | None:
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
        return line
