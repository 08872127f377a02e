"""A body's part in a table made of several bodies' rows, joined under study pseudonyms.

* Every participant decides by law before it takes part, and enters it: who gives rows, each of its
  statements as any other; who joins and who makes pseudonyms, all statements that move rows.
* Messages are sealed to keys drawn for the study, and each is named by an entry of its sender: the
  program that carries them opens none, and puts in none of its own.
* Rows travel in parts, each sealed to its place: no body holds more than columns, and one part.
* INVARIANT: a participant's key serves one step and is dropped; a study is not taken up again.
* The body that makes pseudonyms sees numbers and no column; who joins sees columns and no number.
* INVARIANT: budget is reserved on disk before joined rows are counted. Rows live in memory alone,
  and the `destroyed` entry is written once they are gone, whatever became of the study.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange.entries import entry_of
from cloison.exchange.statement import read_table_question
from cloison.exchange.values import decision_to_proto
from cloison.identity import Peer, parse_nir
from cloison.identity.study_keys import StudyKey
from cloison.law.question import Decision
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.document import build_document
from cloison.statistics.encoding import columns_of
from cloison.statistics.table import Link
from cloison.v1 import entry_pb2, statement_pb2
from cloison.v1 import study_service_pb2 as wire
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.statistics_desk import StatisticsDesk, measure
from cloison.wire.study_decisions import decide_beside, hashes_of, refusal_of
from cloison.wire.study_rows import (
    CODE,
    INDEX,
    NUMBER,
    Joining,
    Listed,
    Rows,
    held_rows,
    keyed,
    pack,
    unpack,
)
from cloison.wire.study_session import PART_PERSONS, Place, Study, StudySessions

_OWN_ROWS = 2
"""Of a study's participants, the first two give no rows: who joins, and who holds the key."""


class StudyDesk:
    """This node's part in studies; `registers` are the verifier keys of each body's register."""

    def __init__(
        self,
        node: Node,
        desk: StatisticsDesk,
        registers: Mapping[BodyId, NoteVerifier],
        part_persons: int = PART_PERSONS,
    ) -> None:
        self._node, self._desk, self._holder = node, desk, Holder(node)
        self._sessions = StudySessions(node, registers, self._drop)
        self._part_persons = part_persons

    async def open(self, peer: Peer, request: wire.OpenStudyRequest) -> wire.OpenStudyResponse:
        """Decided; then a key for this study, entered, or what was published before.

        Raises:
            InputError: as `StatisticsDesk.question` and `StatisticsDesk.admit`; `BAD_HOLDERS`: not
                a table of several's rows; `MALFORMED`: not the study's statements.
            PeerError: as `Holder.hear`; `NOT_YOURS`.
            BudgetExceeded: at who joins, `BUDGET_EXCEEDED`.
        """
        self._sessions.forget_late()
        question = self._question(request.question)
        step = entry_pb2.StudyStep(step="opened", activity=peer.activity or "")
        refusal, statements = self._decide(peer, request.statements, question, step)
        if refusal is not None:
            step.step = "refused"
            self._enter(step, question)
            return wire.OpenStudyResponse(refusal=decision_to_proto(refusal))
        if question.table.holder == self._node.body:
            if self._desk.account.published(question.hash) is not None:
                step.step = "repeated"
                self._enter(step, question)
                return wire.OpenStudyResponse(kept=self._published(question))
            plan = await asyncio.to_thread(question.plan)
            self._desk.account.accounts.after(question.grant, cost_of(plan))
        key = StudyKey()
        step.sealing_key = key.public
        index = self._enter(step, question)
        self._sessions.add(index, key, step.activity, statements)
        return wire.OpenStudyResponse(opened=self._desk.account.receipt(index))

    def _decide(
        self,
        peer: Peer,
        signed: Sequence[statement_pb2.SignedStatement],
        question: Question,
        step: entry_pb2.StudyStep,
    ) -> tuple[Decision | None, list[bytes]]:
        """The refusal, if any, and what was decided; where no rows are given, put into `step`."""
        if self._node.body in question.whole.participants()[_OWN_ROWS:]:
            admitted = self._desk.admit(peer, signed, "linked")
            if admitted.question.hash != question.hash:
                raise InputError("MALFORMED", "statements: of another question")
            return admitted.refusal, admitted.statements
        step.decided.extend(decide_beside(self._holder, peer, signed, question))
        return refusal_of(step.decided), hashes_of(step.decided)

    async def name(self, peer: Peer, request: wire.NamePersonsRequest) -> wire.NamePersonsResponse:
        """A part of the persons, by index and number, to the key holder; of columns, to who joins.

        Raises:
            InputError, PeerError: as `StudySessions.take`. InputError: `NOT_LOADED`, `TOO_LARGE`.
        """
        question, link = self._asked(request.question)
        if link.names != self._node.body:
            raise _not_ours()
        study = self._sessions.take(peer, question, request.opened, request.part)
        if study.listed is None:
            rows = await self._rows(question)
            study.listed = await asyncio.to_thread(self._list, question, rows)
        place = Place(request.part, last=request.part + 1 >= study.listed.parts)
        kept = {
            at: self._node.store.number(k) for at, k in study.listed.persons(place.part).items()
        }
        numbers = {at: number for at, number in kept.items() if number is not None}
        listed = pa.table(
            {
                INDEX: pa.array(list(numbers), pa.uint32()),
                NUMBER: pa.array(list(numbers.values()), pa.string()),
            }
        )
        columns = study.listed.columns(place.part, list(numbers))
        sealed = [
            study.seal(link.keys, pack({"": listed}), place, "named"),
            study.seal(question.table.holder, pack(columns), place, "columns"),
        ]
        parts = self._sent(study, "named", place, sealed)
        return wire.NamePersonsResponse(to_keys=parts[0], to_join=parts[1], last=place.last)

    def _list(self, question: Question, rows: Rows) -> Listed:
        return Listed(rows, _counted(question, rows), self._part_persons)

    async def code(self, peer: Peer, request: wire.CodePersonsRequest) -> wire.CodePersonsResponse:
        """A pseudonym for each index; to other holders, the number beside it.

        Raises:
            InputError, PeerError, IntegrityError: as `StudySessions.take` and `_opened`.
        """
        question, link = self._asked(request.question)
        if link.keys != self._node.body:
            raise _not_ours()
        study = self._sessions.take(peer, question, request.opened, request.part)
        place = Place(request.part, request.last)
        plain = self._opened(study, request.named, link.names, place, ("named", "named"))
        listed = unpack(plain, {"": (INDEX, NUMBER)})[""]
        nirs = [parse_nir(number) for number in listed[NUMBER].to_pylist()]
        codes = pa.array(study.key.pseudonyms(study.id, nirs), pa.binary())
        indexed = pa.table({INDEX: listed[INDEX], CODE: codes})
        numbered = pa.table({CODE: codes, NUMBER: listed[NUMBER]})
        others = question.whole.participants()[3:]
        sealed = [
            study.seal(question.table.holder, pack({"": indexed}), place, "coded"),
            *(study.seal(other, pack({"": numbered}), place, "numbers") for other in others),
        ]
        parts = self._sent(study, "coded", place, sealed)
        return wire.CodePersonsResponse(to_join=parts[0], to_holders=parts[1:])

    async def give(self, peer: Peer, request: wire.GiveColumnsRequest) -> wire.GiveColumnsResponse:
        """This holder's columns of those listed, under their pseudonyms.

        Raises:
            InputError, PeerError, IntegrityError: as `name` and `code`.
        """
        question, link = self._asked(request.question)
        if self._node.body not in question.whole.participants()[3:]:
            raise _not_ours()
        study = self._sessions.take(peer, question, request.opened, request.part)
        place = Place(request.part, request.last)
        plain = self._opened(study, request.coded, link.keys, place, ("coded", "numbers"))
        listed = unpack(plain, {"": (CODE, NUMBER)})[""]
        numbers, codes = listed[NUMBER].to_pylist(), listed[CODE].combine_chunks()
        keys = pa.array([self._node.row_key(parse_nir(one)) for one in numbers], pa.binary())
        if study.rows is None:
            study.rows = _counted(question, await self._rows(question))
        columns = {name: keyed(rows, keys, codes) for name, rows in study.rows.items()}
        sealed = study.seal(question.table.holder, pack(columns), place, "given")
        return wire.GiveColumnsResponse(to_join=self._sent(study, "given", place, [sealed])[0])

    async def join(self, peer: Peer, request: wire.JoinStudyRequest) -> wire.JoinStudyResponse:
        """A part, joined; with the last, the table: paid, counted, published.

        Then rows and key are gone, and entered so.

        Raises:
            InputError, PeerError, IntegrityError: as `StudySessions.take` and `_opened`.
            BudgetExceeded: `BUDGET_EXCEEDED`. StorageError: a disk refused; nothing leaves.
        """
        question, _ = self._asked(request.question)
        if question.table.holder != self._node.body:
            raise _not_ours()
        study = self._sessions.take(peer, question, request.opened, request.part)
        try:
            self._add(study, request)
            if not request.last:
                self._sessions.put(study)
                return wire.JoinStudyResponse()
            await self._publish(study)
        except BaseException:
            self._drop(study)
            raise
        destroyed = self._destroy(study)
        response = self._published(question)
        response.destroyed.CopyFrom(self._desk.account.receipt(destroyed))
        return response

    def _add(self, study: Study, request: wire.JoinStudyRequest) -> None:
        """The columns by index, the pseudonyms, and each other holder's columns; opened, joined."""
        whole, place = study.question.whole, Place(request.part, request.last)
        bodies = whole.participants()
        if len(request.given) != len(bodies) - 3:
            raise InputError("MALFORMED", "study: not the columns of each holder")
        named = self._opened(study, request.named, bodies[2], place, ("named", "columns"))
        coded = self._opened(study, request.coded, bodies[1], place, ("coded", "coded"))
        given = []
        for body, part in zip(bodies[3:], request.given, strict=True):
            plain = self._opened(study, part, body, place, ("given", "given"))
            fields = whole.held_by(body)
            given.append(unpack(plain, {name: (CODE, *fields[name]) for name in fields}))
        fields = whole.held_by(bodies[2])
        study.joining = study.joining or Joining()
        study.joining.add(
            unpack(named, {name: (INDEX, *fields[name]) for name in fields}),
            unpack(coded, {"": (INDEX, CODE)})[""],
            given,
        )

    async def _publish(self, study: Study) -> None:
        question = study.question
        async with self._desk.drawing:
            plan = await asyncio.to_thread(question.plan)
            reserved = self._desk.account.reserve(question, plan, study.activity, [])
            held = study.joining.held() if study.joining else {}
            levels = await asyncio.to_thread(measure, question, plan, held)
            document = await asyncio.to_thread(
                build_document, question, plan, levels, self._node.policy.hash
            )
            self._desk.keep(question, document)
            hashed = sha256(document).digest()
            self._desk.account.publish(question, reserved, hashed, study.activity)

    def _destroy(self, study: Study) -> int:
        """Drops what was joined, and enters it; the entry's place."""
        study.joining = None
        step = entry_pb2.StudyStep(step="destroyed", study=study.id, activity=study.activity)
        return self._enter(step, study.question)

    def _drop(self, study: Study) -> None:
        """Of a study that ends before its last part; where rows were joined, that is entered."""
        if study.joining is not None:
            self._destroy(study)

    def _asked(self, asked: statement_pb2.TableQuestion) -> tuple[Question, Link]:
        """The question of a step, and how its table is made."""
        self._sessions.forget_late()
        question = self._question(asked)
        if question.whole.link is None:
            raise _not_ours()
        return question, question.whole.link

    def _question(self, asked: statement_pb2.TableQuestion) -> Question:
        question = self._desk.question(read_table_question(asked))
        if question.whole.link is None:
            raise InputError("BAD_HOLDERS", f"table `{question.table.id}`: joins no rows")
        return question

    def _opened(
        self,
        study: Study,
        part: wire.SealedPart,
        sender: str,
        place: Place,
        steps: tuple[str, str],
    ) -> bytes:
        """What a participant sealed to this one at this place, and entered that it did.

        Args:
            study: The study.
            part: What came.
            sender: The participant.
            place: Where it must stand.
            steps: As what the sender entered it, and as what it sealed this message of it.

        Raises:
            PeerError: `BAD_STUDY`, `BAD_RECEIPT`. IntegrityError: `BAD_SEAL`.
        """
        entered, sealed_as = steps
        checked = self._sessions.verified(sender, part.step, study.question, entered)
        said = checked.entry.study_step
        if (said.study, said.part, said.last) != (study.id, place.part, place.last) or sha256(
            part.sealed
        ).digest() not in said.sealed_hashes:
            raise PeerError("BAD_STUDY", f"study: not what `{sender}` entered for it")
        return study.open(part.sealed, place, sealed_as)

    async def _rows(self, question: Question) -> dict[str, pa.Table]:
        held = await self._desk.columns(question)
        fields = question.whole.held_by(self._node.body)
        return {name: held_rows(held[name], fields[name]) for name in fields}

    def _sent(
        self, study: Study, step: str, place: Place, sealed: Sequence[bytes]
    ) -> list[wire.SealedPart]:
        """Entered, then handed over; the next part may come, unless this was the last."""
        entry = entry_pb2.StudyStep(
            step=step,
            study=study.id,
            sealed_hashes=[sha256(one).digest() for one in sealed],
            part=place.part,
            last=place.last,
            activity=study.activity,
        )
        receipt = self._desk.account.receipt(self._enter(entry, study.question))
        if not place.last:
            self._sessions.put(study)
        return [wire.SealedPart(sealed=one, step=receipt) for one in sealed]

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


def _counted(question: Question, rows: Rows) -> dict[str, pa.Table]:
    """Of each dataset the rows that may be counted: nothing else need be told."""
    found = {}
    for dataset, held in rows.items():
        columns = columns_of(question.table, question.cube, dataset)
        chosen = held
        for field, axis in zip(columns.fields, columns.axes, strict=True):
            chosen = chosen.filter(pc.is_in(chosen[field], value_set=pa.array(axis.keys)))
        found[dataset] = chosen
    return found


def _not_ours() -> InputError:
    return InputError("BAD_HOLDERS", "study: this step is not this body's")
