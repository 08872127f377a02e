"""A body's part in a table made of several bodies' rows, joined under study pseudonyms.

* Who gives rows decides the question as any other and enters it; nobody else looks at rows.
* Messages are sealed to keys drawn for the study, and each is named by an entry of its sender: the
  program that carries them opens none, and puts in none of its own.
* INVARIANT: a participant's key serves one step and is dropped; a study is not taken up again.
* The body that makes pseudonyms sees numbers and no column; who joins sees columns and no number.
* INVARIANT: budget is reserved on disk before rows are joined. Rows live in memory alone, and the
  `destroyed` entry is written once they are gone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange.entries import entry_of
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.exchange.statement import read_table_question
from cloison.exchange.values import decision_to_proto
from cloison.identity import Nir, Peer, parse_nir
from cloison.identity.study_keys import StudyKey, seal_to
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.document import build_document
from cloison.statistics.encoding import SUBJECT, columns_of
from cloison.statistics.held import Held
from cloison.v1 import entry_pb2, receipt_pb2, statement_pb2
from cloison.v1 import study_service_pb2 as wire
from cloison.wire.node import Node
from cloison.wire.statistics_desk import Admitted, StatisticsDesk, measure
from cloison.wire.study_rows import (
    CODE,
    INDEX,
    NUMBER,
    Rows,
    as_held,
    held_rows,
    keyed,
    pack,
    unpack,
)

STUDY_FOR = timedelta(minutes=10)
_STUDY_MS = STUDY_FOR.total_seconds() * 1000
_STUDY = b"cloison/v1 study\n"


@dataclass(frozen=True, slots=True)
class Study:
    """A study as all its participants opened it, verified.

    Attributes:
        opened: Every participant's `opened` entry, by body.
        key: This body's; of no further use.
    """

    question: Question
    id: bytes
    opened: Mapping[str, Checked]
    key: StudyKey
    activity: str

    def seal(self, to: str, plain: bytes, step: str) -> bytes:
        """For one participant, as a step of this study."""
        return seal_to(self.opened[to].entry.study_step.sealing_key, plain, self.id, step)


class StudyDesk:
    """This node's part in studies; `registers` are the verifier keys of each body's register."""

    def __init__(
        self, node: Node, desk: StatisticsDesk, registers: Mapping[BodyId, NoteVerifier]
    ) -> None:
        self._node, self._desk, self._registers = node, desk, registers
        self._keys: dict[int, tuple[StudyKey, str]] = {}
        self._used: set[int] = set()

    async def open(self, peer: Peer, request: wire.OpenStudyRequest) -> wire.OpenStudyResponse:
        """A key for this study, entered; or, at who joins, what was published before.

        Raises:
            InputError: as `StatisticsDesk.question`; `BAD_HOLDERS`: not a table of several's rows.
            BudgetExceeded: at who joins, `BUDGET_EXCEEDED`.
        """
        question = self._question(request.question)
        if question.table.holder == self._node.body:
            if self._desk.account.published(question.hash) is not None:
                return wire.OpenStudyResponse(kept=self._published(question))
            plan = await asyncio.to_thread(question.plan)
            self._desk.account.accounts.after(question.grant, cost_of(plan))
        key = StudyKey()
        activity = peer.activity or ""
        step = entry_pb2.StudyStep(step="opened", sealing_key=key.public, activity=activity)
        index = self._enter(step, question)
        self._keys[index] = key, activity
        return wire.OpenStudyResponse(opened=self._desk.account.receipt(index))

    async def name(self, peer: Peer, request: wire.NamePersonsRequest) -> wire.NamePersonsResponse:
        """The persons by index and number to the key holder; the columns by index to who joins.

        Raises:
            InputError, PeerError: as `_take` and `StatisticsDesk.admit`. InputError: `NOT_LOADED`.
        """
        question = self._question(request.question)
        link = question.whole.link
        if link is None or link.names != self._node.body:
            raise _not_ours()
        study = self._take(peer, question, request.opened)
        admitted = self._desk.admit(peer, request.statements, "linked")
        if admitted.refusal is not None:
            refusal = decision_to_proto(admitted.refusal)
            return wire.NamePersonsResponse(decided=admitted.decided, refusal=refusal)
        rows = await self._rows(admitted)
        # All of its rows' persons, whatever the rows say: others learn of none what is counted.
        subjects = {one for found in rows.values() for one in found[SUBJECT].to_pylist()}
        kept = {one: self._node.store.number(one) for one in sorted(subjects)}
        numbers = {one: number for one, number in kept.items() if number is not None}
        places = {one: place for place, one in enumerate(numbers)}
        listed = pa.table(
            {
                INDEX: pa.array(list(places.values()), pa.uint32()),
                NUMBER: pa.array([numbers[one] for one in places], pa.string()),
            }
        )
        columns = _counted(question, rows, places, INDEX)
        sealed = [
            study.seal(link.keys, pack({"": listed}), "named"),
            study.seal(question.table.holder, pack(columns), "columns"),
        ]
        receipt = self._sent(study, "named", sealed, len(listed))
        return wire.NamePersonsResponse(
            decided=admitted.decided,
            to_keys=wire.SealedPart(sealed=sealed[0], step=receipt),
            to_join=wire.SealedPart(sealed=sealed[1], step=receipt),
        )

    async def code(self, peer: Peer, request: wire.CodePersonsRequest) -> wire.CodePersonsResponse:
        """A pseudonym for each index; to other holders, the number beside it.

        Raises:
            InputError, PeerError, IntegrityError: as `_take` and `_opened`.
        """
        question = self._question(request.question)
        link = question.whole.link
        if link is None or link.keys != self._node.body:
            raise _not_ours()
        study = self._take(peer, question, request.opened)
        plain = self._opened(study, request.named, link.names, "named", "named")
        listed = unpack(plain, {"": (INDEX, NUMBER)})[""]
        nirs = [parse_nir(number) for number in listed[NUMBER].to_pylist()]
        codes = pa.array(study.key.pseudonyms(study.id, nirs), pa.binary())
        indexed = pa.table({INDEX: listed[INDEX], CODE: codes})
        numbered = pa.table({CODE: codes, NUMBER: listed[NUMBER]})
        others = question.whole.participants()[3:]
        sealed = [
            study.seal(question.table.holder, pack({"": indexed}), "coded"),
            *(study.seal(other, pack({"": numbered}), "numbers") for other in others),
        ]
        receipt = self._sent(study, "coded", sealed, len(listed))
        parts = [wire.SealedPart(sealed=one, step=receipt) for one in sealed]
        return wire.CodePersonsResponse(to_join=parts[0], to_holders=parts[1:])

    async def give(self, peer: Peer, request: wire.GiveColumnsRequest) -> wire.GiveColumnsResponse:
        """This holder's columns of those listed, under their pseudonyms.

        Raises:
            InputError, PeerError, IntegrityError: as `name` and `code`.
        """
        question = self._question(request.question)
        link = question.whole.link
        if link is None or self._node.body not in question.whole.participants()[3:]:
            raise _not_ours()
        study = self._take(peer, question, request.opened)
        plain = self._opened(study, request.coded, link.keys, "coded", "numbers")
        admitted = self._desk.admit(peer, request.statements, "linked")
        if admitted.refusal is not None:
            refusal = decision_to_proto(admitted.refusal)
            return wire.GiveColumnsResponse(decided=admitted.decided, refusal=refusal)
        listed = unpack(plain, {"": (CODE, NUMBER)})[""].to_pylist()
        keys = {self._row_key(one[NUMBER]): one[CODE] for one in listed}
        rows = await self._rows(admitted)
        columns = _counted(question, rows, keys, CODE)
        sealed = study.seal(question.table.holder, pack(columns), "given")
        receipt = self._sent(study, "given", [sealed], sum(map(len, columns.values())))
        return wire.GiveColumnsResponse(
            decided=admitted.decided, to_join=wire.SealedPart(sealed=sealed, step=receipt)
        )

    async def join(self, peer: Peer, request: wire.JoinStudyRequest) -> wire.JoinStudyResponse:
        """The table: paid, joined, counted, published; then rows and key are gone, and entered so.

        Raises:
            InputError, PeerError, IntegrityError: as `_take` and `_opened`.
            BudgetExceeded: `BUDGET_EXCEEDED`. StorageError: a disk refused; nothing leaves.
        """
        question = self._question(request.question)
        if question.table.holder != self._node.body:
            raise _not_ours()
        study = self._take(peer, question, request.opened)
        sealed = self._received(study, request)
        async with self._desk.drawing:
            plan = await asyncio.to_thread(question.plan)
            reserved = self._desk.account.reserve(question, plan, study.activity, [])
            held, rows = _joined(study, sealed)
            levels = await asyncio.to_thread(measure, question, plan, held)
            document = build_document(question, plan, levels, self._node.policy.hash)
            self._desk.keep(question, document)
            hashed = sha256(document).digest()
            self._desk.account.publish(question, reserved, hashed, study.activity)
        del held, sealed
        step = entry_pb2.StudyStep(
            step="destroyed", study=study.id, rows=rows, activity=study.activity
        )
        response = self._published(question)
        response.destroyed.CopyFrom(self._desk.account.receipt(self._enter(step, question)))
        return response

    def _question(self, asked: statement_pb2.TableQuestion) -> Question:
        question = self._desk.question(read_table_question(asked))
        if question.whole.link is None:
            raise InputError("BAD_HOLDERS", f"table `{question.table.id}`: joins no rows")
        return question

    def _take(
        self, peer: Peer, question: Question, receipts: Sequence[receipt_pb2.Receipt]
    ) -> Study:
        """The study all participants opened; this body's key for it, which no later call finds.

        Raises:
            PeerError: `STUDY_KEY_REUSED`, `NO_STUDY_KEY`: never drawn here, or of a process that
                ended; `BAD_STUDY`, `STUDY_STALE`, `BAD_RECEIPT`, `UNKNOWN_PEER`.
            InputError: `MALFORMED`.
        """
        bodies = question.whole.participants()
        if len(receipts) != len(bodies):
            raise InputError("MALFORMED", "study: not an entry of each participant")
        opened = {
            body: self._verified(body, receipt, question, "opened")
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
        key, activity = self._keys.get(own.leaf_index, (None, ""))
        if key is None or activity != peer.activity:
            raise PeerError(
                "NO_STUDY_KEY", "study: no key of this program is held here", "open a new study"
            )
        del self._keys[own.leaf_index]
        self._used.add(own.leaf_index)
        leaves = b"".join(one.leaf_hash for one in opened.values())
        study = sha256(_STUDY + question.hash + leaves).digest()
        return Study(question, study, opened, key, activity)

    def _verified(
        self, body: str, receipt: receipt_pb2.Receipt, question: Question, step: str
    ) -> Checked:
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

    def _opened(
        self, study: Study, part: wire.SealedPart, sender: str, step: str, sealed_as: str
    ) -> bytes:
        """What a participant sealed to this one, and entered that it did.

        Raises:
            PeerError: `BAD_STUDY`, `BAD_RECEIPT`. IntegrityError: `BAD_SEAL`.
        """
        said = self._verified(sender, part.step, study.question, step).entry.study_step
        if said.study != study.id or sha256(part.sealed).digest() not in said.sealed_hashes:
            raise PeerError("BAD_STUDY", f"study: not what `{sender}` entered for it")
        return study.key.open(part.sealed, study.id, sealed_as)

    def _received(self, study: Study, request: wire.JoinStudyRequest) -> list[bytes]:
        """The columns by index, the pseudonyms, and each other holder's columns; opened."""
        bodies = study.question.whole.participants()
        if len(request.given) != len(bodies) - 3:
            raise InputError("MALFORMED", "study: not the columns of each holder")
        return [
            self._opened(study, request.named, bodies[2], "named", "columns"),
            self._opened(study, request.coded, bodies[1], "coded", "coded"),
            *(
                self._opened(study, part, body, "given", "given")
                for body, part in zip(bodies[3:], request.given, strict=True)
            ),
        ]

    async def _rows(self, admitted: Admitted) -> dict[str, pa.Table]:
        held = await self._desk.columns(admitted.question)
        fields = admitted.question.whole.held_by(self._node.body)
        return {name: held_rows(held[name], fields[name]) for name in fields}

    def _row_key(self, number: str) -> bytes:
        nir: Nir = parse_nir(number)
        return self._node.row_key(nir)

    def _sent(
        self, study: Study, step: str, sealed: Sequence[bytes], rows: int
    ) -> receipt_pb2.Receipt:
        entry = entry_pb2.StudyStep(
            step=step,
            study=study.id,
            sealed_hashes=[sha256(one).digest() for one in sealed],
            rows=rows,
            activity=study.activity,
        )
        return self._desk.account.receipt(self._enter(entry, study.question))

    def _enter(self, step: entry_pb2.StudyStep, question: Question) -> int:
        step.question_hash, step.period = question.hash, question.period
        step.table = question.whole.id
        data = entry_of(step, self._node.clock())
        return self._node.register.append_many([data]).first_index

    def _published(self, question: Question) -> wire.JoinStudyResponse:
        account = self._desk.account
        found = account.published(question.hash)
        if found is None:
            raise PeerError("BAD_STUDY", "study: nothing was published")
        return wire.JoinStudyResponse(
            document=self._desk.load(question, found),
            reserved=account.receipt(found.reserved_index),
            published=account.receipt(found.published_index),
        )


def _counted(
    question: Question, rows: Rows, keys: Mapping[bytes, int | bytes], name: str
) -> dict[str, pa.Table]:
    """Of each dataset the rows that may be counted, under their keys: nothing else need be told."""
    found = {}
    for dataset, held in rows.items():
        columns = columns_of(question.table, question.cube, dataset)
        chosen = held
        for field, axis in zip(columns.fields, columns.axes, strict=True):
            chosen = chosen.filter(pc.is_in(chosen[field], value_set=pa.array(axis.keys)))
        found[dataset] = keyed(chosen, keys, name)
    return found


def _joined(study: Study, sealed: Sequence[bytes]) -> tuple[Held, int]:
    """Every dataset's rows under pseudonyms, and how many persons have one."""
    whole = study.question.whole
    bodies = whole.participants()
    named = {name: (INDEX, *fields) for name, fields in whole.held_by(bodies[2]).items()}
    columns, coded = unpack(sealed[0], named), unpack(sealed[1], {"": (INDEX, CODE)})[""]
    codes = dict(zip(coded[INDEX].to_pylist(), coded[CODE].to_pylist(), strict=True))
    rows = {name: keyed(found, codes, CODE) for name, found in columns.items()}
    for body, plain in zip(bodies[3:], sealed[2:], strict=True):
        given = {name: (CODE, *fields) for name, fields in whole.held_by(body).items()}
        rows |= unpack(plain, given)
    return {name: as_held(found) for name, found in rows.items()}, len(codes)


def _not_ours() -> InputError:
    return InputError("BAD_HOLDERS", "study: this step is not this body's")
