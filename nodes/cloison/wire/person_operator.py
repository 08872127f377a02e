"""What a node's operator does for persons: answers a contested access, erases a trace key."""

from collections.abc import Iterator
from datetime import datetime

from cloison.errors import InputError, PeerError, StorageError
from cloison.exchange.contestation import check_says
from cloison.exchange.entries import (
    entry_of,
    parse_entry,
)
from cloison.identity import parse_nir
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2, persons_service_pb2, receipt_pb2
from cloison.wire.access_contests import ContestedAccess, Words
from cloison.wire.contestation_rows import ContestedLine
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

OUTCOMES = ("justified", "not-justified")
ERASED_WHY = ("erasure-ordered", "kept-in-error", "deceased")


class OperatorDesk:
    """The operator's side."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def contested(self, *, everything: bool) -> Iterator[persons_service_pb2.ListContestedResponse]:
        """Accesses contested, oldest first; those that wait for an answer, or all."""
        for row in self._node.vault.access_contests.all():
            found = self._entry(row)
            if found is None:
                continue  # a crash took its entry: it was not acknowledged
            time_ms, contested, leaf = found
            answer = self._answer(leaf)
            if everything or answer is None:
                yield persons_service_pb2.ListContestedResponse(
                    leaf_index=row.leaf_index,
                    contested_index=contested.leaf_index,
                    contested_time_ms=time_ms,
                    answer_by_ms=contested.answer_by_ms,
                    says=row.said.says,
                    outcome="" if answer is None else answer.outcome,
                )

    def answer(self, leaf_index: int, outcome: str, says: str) -> receipt_pb2.Receipt:
        """Enters the answer, once; the person reads it the next time they sign in.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`.
            PeerError: `NOT_CONTESTED`: no such entry; `ALREADY_ANSWERED`.
            StorageError: the vault or the ledger refused.
        """
        node, now = self._node, self._node.clock()
        if outcome not in OUTCOMES:
            raise InputError("MALFORMED", "outcome: unknown", f"one of: {', '.join(OUTCOMES)}")
        answer = Words.new(check_says(says))
        row = node.vault.access_contests.one(leaf_index)
        found = None if row is None else self._entry(row)
        if row is None or found is None:
            raise PeerError(
                "NOT_CONTESTED",
                f"entry {leaf_index}: contests no access",
                "see `cloison person contested`",
            )
        _, _, leaf = found
        if self._answer(leaf) is not None:
            raise PeerError("ALREADY_ANSWERED", f"entry {leaf_index}: was answered before")
        with node.vault.transaction():
            traces = node.vault.trace_keys([row.person], utc_day(now))
        answered = entry_pb2.AccessContestAnswered(
            leaf_index=leaf_index,
            leaf_hash=leaf,
            outcome=outcome,
            says_hash=answer.hash,
            trace_keys=traces,
        )
        with node.vault.lasting():
            node.vault.access_contests.answer(leaf_index, node.traces.size, answer)
        (receipt,) = node.append([entry_of(answered, now)])
        return receipt

    def erase(self, nir_text: str, why: str) -> tuple[receipt_pb2.Receipt, datetime | None]:
        """Enters it, then erases the person's key, what opens their digests, and their words.

        The entry first: a key that is gone without a word would look like one never used. What they
        contest and nobody answered is ended first, by whoever answers: it is not withdrawn here.
        What is under way keeps them: a case until it is over, received data until theirs.

        Returns:
            The receipt; when the last case that keeps them is over, after which to ask again.

        Raises:
            InputError: `BAD_NIR`, `MALFORMED`.
            PeerError: `CONTESTATION_OPEN`: a declarant has still to be told, or to declare; or an
                access they contest is not answered.
            StorageError: the vault or the ledger refused; asked again, it is done whole.
                `ERASURE_PENDING`: somebody reads the vault or the store: a log still has what went.
        """
        node, now = self._node, self._node.clock()
        if why not in ERASED_WHY:
            raise InputError("MALFORMED", "why: unknown", f"one of: {', '.join(ERASED_WHY)}")
        nir = parse_nir(nir_text)
        row = node.row_key(nir)
        contested = node.vault.contestations.of_person(row)
        if any(self._is_open(one) for one in contested):
            raise PeerError(
                "CONTESTATION_OPEN",
                "person: a line they contest is not answered yet",
                "end it first: `cloison contestations BODY`, `--payer`, then `--maintain`",
            )
        if any(self._waits(one) for one in node.vault.access_contests.of_person(row)):
            raise PeerError(
                "CONTESTATION_OPEN",
                "person: an access they contest is not answered yet",
                "answer it first: `cloison person contested BODY`, then `cloison person answer`",
            )
        with node.vault.transaction():
            traces = node.vault.trace_keys([row], utc_day(now))
        erased = entry_pb2.TraceKeyErased(why=why, trace_keys=traces)
        (receipt,) = node.append([entry_of(erased, now)])
        with node.vault.lasting():
            kept_until = node.vault.erase_person(row, nir, now)
            node.vault.contestations.forget(one.hash for one in contested)
        self._forget_received(row, now, under_way=kept_until is not None)
        return receipt, kept_until

    def _forget_received(self, row: bytes, now: datetime, *, under_way: bool) -> None:
        """Nor is known whom received data are about that no label ends, once their case is over."""
        node = self._node
        persons, cases = node.store.received_persons, node.vault.cases
        found = [(leaf, cases.one(leaf)) for leaf in persons.cases(row)]
        over = [
            leaf  # of a cohort's batch none is kept: it may be any of the person's
            for leaf, case in found
            if (not under_way if case is None else case.valid_until <= now)
        ]
        if not (persons.forget(row, over) and node.vault.empty_log()):
            raise StorageError(
                "ERASURE_PENDING",
                "vault or store: somebody reads it; its log still has what was erased",
                "ask again when nobody does",
            )

    def _is_open(self, one: ContestedLine) -> bool:
        index = self._node.index  # one whose entry a crash took was not acknowledged
        entered = index.first("contested", one.hash) is not None
        return entered and index.first("answered", one.hash) is None

    def _waits(self, row: ContestedAccess) -> bool:
        found = self._entry(row)
        return found is not None and self._answer(found[2]) is None

    def _entry(self, row: ContestedAccess) -> tuple[int, entry_pb2.AccessContested, bytes] | None:
        """Time, content and leaf hash of the entry a row belongs to."""
        traces = self._node.traces
        if not traces.minimum <= row.leaf_index < traces.size:
            return None
        data = traces.entry(row.leaf_index)
        entry = parse_entry(data)
        if entry.access_contested.says_hash != row.said.hash:
            return None
        return entry.entry_time_ms, entry.access_contested, leaf_hash(data)

    def _answer(self, leaf: bytes) -> entry_pb2.AccessContestAnswered | None:
        place = self._node.index.first("access_answered", leaf)
        if place is None:
            return None
        return parse_entry(self._node.traces.entry(place)).access_contest_answered
