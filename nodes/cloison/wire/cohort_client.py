"""A program's side of a cohort: batches out, answers in, and the stream again after a cut.

At most `limits.COHORT_IN_FLIGHT` runs are on their way, so memory is that of so many. What was
sent and not answered is kept as it was sent: after a cut the same bytes go out again, and the
holder answers them as it did.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice
from threading import Condition

from cloison.errors import CloisonError, InputError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.cohort_release import read_cohort_release
from cloison.exchange.receipt import verify_part
from cloison.exchange.statement import Cohort, Statement
from cloison.identity import cohort_salts, person_digests
from cloison.ledger.checkpoint import Checkpoint
from cloison.v1 import (
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.cohort import NO_CASE, Batch, RunPersons, batches_of, part_of, write_persons
from cloison.wire.gateway import CohortPart, Member, ReceiptRef
from cloison.wire.idle import Heard
from cloison.wire.questions import Opener
from cloison.wire.refusal import told

_iso_date = lru_cache(maxsize=65_536)(date.isoformat)  # people share birth dates
_TRIES = 12
_PAUSE_SECONDS = 0.25
_CUTS = frozenset({"PEER_UNAVAILABLE", "STREAM_IDLE", "COHORT_CUT"})

_Request = gateway_service_pb2.GatewayServiceAskManyRequest
_Response = gateway_service_pb2.GatewayServiceAskManyResponse


@dataclass(frozen=True, slots=True)
class _Sent:
    """A run as it was sent, until it is answered."""

    run: gateway_service_pb2.CohortRun
    batches: list[Batch]
    members: tuple[Member, ...]


class Batches:
    """The batches of a cohort, in order; those on their way are kept.

    The transport draws from its own thread, the program from another.

    Args:
        persons: Drawn as fast as answers come.
        size: How many there are.
        batch_persons: How many a batch holds.
    """

    def __init__(self, persons: Iterator[Member], size: int, batch_persons: int) -> None:
        self._persons = persons
        self._left = size
        self._cohort = Cohort(size, batch_persons, "", None)
        self._next = 0
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._turn = 0
        self._changed = Condition()
        self._error: Exception | None = None

    def requests(self, header: statement_pb2.SignedStatement) -> Iterator[_Request]:
        """One stream's messages: the header, what was not answered, then what was not sent."""
        with self._changed:
            self._turn += 1
            turn, again = self._turn, [one.run for one in self._sent.values()]
            self._changed.notify_all()
        yield _Request(header=header)
        for run in again:
            yield _Request(run=run)
        while (following := self._draw(turn)) is not None:
            yield _Request(run=following)

    def answered(self, index: int) -> _Sent:
        """What was sent in this place. Raises `PeerError` (`BAD_ANSWER`): out of order."""
        with self._changed:
            if next(iter(self._sent), None) != index:
                raise PeerError("BAD_ANSWER", "cohort: an answer out of its place")
            sent = self._sent.pop(index)
            self._changed.notify_all()
        return sent

    def stop(self) -> None:
        """No stream draws any more."""
        with self._changed:
            self._turn += 1
            self._changed.notify_all()

    def check(self) -> None:
        """Raises what drawing a person raised: it ended the stream from the transport's thread."""
        if self._error is not None:
            raise self._error

    def _draw(self, turn: int) -> gateway_service_pb2.CohortRun | None:
        with self._changed:
            while turn == self._turn and len(self._sent) >= limits.COHORT_IN_FLIGHT:
                self._changed.wait()
            if turn != self._turn or not self._left:
                return None
            members = self._take(min(self._left, self._run_persons()))
            self._left -= len(members)
            last = not self._left
            batches = batches_of(self._cohort, self._next, len(members), last=last)
            sent = _Sent(_run(self._next, members, last=last), batches, members)
            self._sent[self._next] = sent
            self._next += len(batches)
            return sent.run

    def _run_persons(self) -> int:
        """Of whole batches; fewer towards the end, so that all three processes end together."""
        persons = self._cohort.batch_persons
        batches = self._left // (persons * limits.COHORT_IN_FLIGHT)
        return persons * max(1, min(batches, limits.COHORT_RUN_BATCHES))

    def _take(self, count: int) -> tuple[Member, ...]:
        try:
            members = tuple(islice(self._persons, count))
        except Exception as error:  # the program's own: told where the program waits
            self._error = error
            raise
        if len(members) < count:
            self._error = InputError("COHORT_SHORT", "cohort: fewer persons than it announced")
            raise self._error
        return members


def _run(index: int, members: Sequence[Member], *, last: bool) -> gateway_service_pb2.CohortRun:
    leaves = dict.fromkeys(member.case for member in members if member.case)
    cases = {leaf: place for place, leaf in enumerate(leaves)}
    persons = RunPersons(
        [member.nir for member in members],
        [member.birth_name for member in members],
        [_iso_date(member.birth_date) for member in members],
        [cases.get(member.case, NO_CASE) for member in members],
        [member.case_salt for member in members],
    )
    return gateway_service_pb2.CohortRun(
        index=index,
        last=last,
        persons=write_persons(persons),
        salt_seed=os.urandom(limits.SALT_BYTES),
        case_leaf_hashes=list(cases),
    )


class CohortStream:
    """The stream of one cohort, opened again where it is cut.

    A node that says nothing for three minutes is given up: one that works gives up on a silent
    holder after two.

    Args:
        stub: Of the body's own node.
        header: The signed statement.
        batches: What follows it.
    """

    def __init__(
        self,
        stub: gateway_service_pb2_grpc.GatewayServiceStub,
        header: statement_pb2.SignedStatement,
        batches: Batches,
    ) -> None:
        self._stub = stub
        self._header = header
        self._batches = batches
        self._tries = _TRIES
        self._ended = False
        self._heard: Heard[_Response] | None = None

    def header(self) -> receipt_pb2.Answer:
        """The decision.

        Raises:
            PeerError: the node or the holder cannot be reached, or refuses the statement as such.
        """
        with told():
            return self._start()

    def answers(self) -> Iterator[Sequence[gateway_service_pb2.CohortAnswer]]:
        """The answers to each run, to the last one.

        Raises:
            PeerError: `COHORT_CUT`, `PEER_UNAVAILABLE`, `STREAM_IDLE`: cut, and again at each of
                twelve tries (16 s) without an answer between; whatever else the node says, at once.
        """
        try:
            while not self._ended:
                try:
                    with told():
                        if self._heard is None:
                            self._start()
                        yield from self._drain()
                except CloisonError as error:
                    self._leave(error)
        finally:
            self._batches.stop()

    def _leave(self, error: CloisonError) -> None:
        """After a cut, waits; anything else, and the last of twelve cuts, is the caller's."""
        self._batches.stop()
        self._batches.check()
        self._tries -= 1
        if error.reason not in _CUTS or not self._tries:
            raise error
        self._close()
        time.sleep(_PAUSE_SECONDS * (_TRIES - self._tries))

    def _start(self) -> receipt_pb2.Answer:
        self._heard = Heard(self._stub.AskMany(self._batches.requests(self._header)))
        first = self._next()
        if first is None or first.WhichOneof("part") != "header":
            raise PeerError("COHORT_CUT", "cohort: ended before its decision", "ask anew")
        return first.header

    def _drain(self) -> Iterator[Sequence[gateway_service_pb2.CohortAnswer]]:
        while (response := self._next()) is not None:
            answers = response.run.batches
            self._ended = bool(answers) and answers[-1].last
            self._tries = _TRIES
            yield answers
        if not self._ended:
            raise PeerError("COHORT_CUT", "cohort: the last batch is missing", "ask anew")

    def _next(self) -> _Response | None:
        return None if self._heard is None else next(self._heard, None)

    def _close(self) -> None:
        if self._heard is not None:
            self._heard.close()
            self._heard = None


@dataclass(frozen=True, slots=True)
class PartOpener:
    """Opens the batches of one cohort, each once its receipt is checked.

    Attributes:
        label: As the decision's entry states it.
        verify_checkpoint: Of the holder's ledger.
    """

    opener: Opener
    statement: Statement
    label: release_pb2.Label
    verify_checkpoint: Callable[[bytes], Checkpoint]

    def open(
        self,
        batch: Batch,
        answer: gateway_service_pb2.CohortAnswer,
        members: tuple[Member, ...],
        digests: list[bytes],
        salts: Sequence[bytes],
    ) -> CohortPart:
        """Step 9 for one batch.

        Raises:
            PeerError: `BAD_RECEIPT`. IntegrityError: `BAD_SEAL`.
        """
        statement, sealed = self.statement, answer.sealed_release
        checked = verify_part(
            answer.receipt,
            statement.hash,
            batch.index,
            sealed,
            self.verify_checkpoint,
            last=batch.last,
        )
        if list(checked.entry.cohort_part.person_digests) != digests:
            raise PeerError("BAD_RECEIPT", "receipt: the entry is about other persons")
        place = part_of(batch.index, last=batch.last)
        plain = self.opener.open_plain(sealed, statement.hash, place)
        stated, table = read_cohort_release(
            plain, statement.hash, statement.question.fields, len(digests)
        )
        if stated != self.label:
            raise IntegrityError("BAD_SEAL", "release: its label is not the one entered")
        receipt = ReceiptRef(
            statement.holder, checked.leaf_index, checked.leaf_hash, checked.head.size
        )
        return CohortPart(batch.index, members, table, digests, tuple(salts), receipt)


def open_parts(stream: CohortStream, batches: Batches, opener: PartOpener) -> Iterator[CohortPart]:
    """Step 9, batch by batch.

    Raises:
        PeerError: `BAD_RECEIPT`, `BAD_ANSWER`; as `CohortStream.answers`.
        IntegrityError: `BAD_SEAL`.
    """
    for answers in stream.answers():
        sent = batches.answered(answers[0].index if answers else -1)
        salts = cohort_salts(sent.run.salt_seed, len(sent.members))
        digests = person_digests(salts, [member.nir for member in sent.members])
        if len(answers) != len(sent.batches):
            raise PeerError("BAD_ANSWER", "cohort: not one answer for each batch")
        if answers[-1].last != sent.run.last:
            raise PeerError("BAD_ANSWER", "cohort: ends elsewhere than it was asked", "ask anew")
        for batch, answer in zip(sent.batches, answers, strict=True):
            of = batch.persons
            yield opener.open(batch, answer, sent.members[of], digests[of], salts[of])
