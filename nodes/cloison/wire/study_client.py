"""A statistical program's client of a study: it carries what is sealed, and reads the table."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import grpc

from cloison.bodies import BodyId
from cloison.exchange.statement import TableQuestion
from cloison.exchange.values import decision_from_proto
from cloison.identity import ActivityKeys
from cloison.law.records import Activity
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question
from cloison.v1 import receipt_pb2, statement_pb2, study_service_pb2_grpc
from cloison.v1 import study_service_pb2 as wire
from cloison.wire.holder_channels import HolderChannels
from cloison.wire.refusal import told
from cloison.wire.statistics_client import (
    BY_STATUS,
    Publication,
    TableReply,
    build_statements,
    table_question,
)

_SECONDS = 600.0


class Participant(Protocol):
    """What a body's node does in a study; each call raises as the node says."""

    def open_study(self, request: wire.OpenStudyRequest) -> wire.OpenStudyResponse:
        """`StudyService.OpenStudy`."""

    def name_persons(self, request: wire.NamePersonsRequest) -> wire.NamePersonsResponse:
        """`StudyService.NamePersons`."""

    def code_persons(self, request: wire.CodePersonsRequest) -> wire.CodePersonsResponse:
        """`StudyService.CodePersons`."""

    def give_columns(self, request: wire.GiveColumnsRequest) -> wire.GiveColumnsResponse:
        """`StudyService.GiveColumns`."""

    def join_study(self, request: wire.JoinStudyRequest) -> wire.JoinStudyResponse:
        """`StudyService.JoinStudy`."""


class RemoteParticipant:
    """`Participant` over gRPC."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = study_service_pb2_grpc.StudyServiceStub(channel)

    def open_study(self, request: wire.OpenStudyRequest) -> wire.OpenStudyResponse:
        """As `Participant`."""
        with told(BY_STATUS):
            return self._stub.OpenStudy(request, timeout=_SECONDS)

    def name_persons(self, request: wire.NamePersonsRequest) -> wire.NamePersonsResponse:
        """As `Participant`."""
        with told(BY_STATUS):
            return self._stub.NamePersons(request, timeout=_SECONDS)

    def code_persons(self, request: wire.CodePersonsRequest) -> wire.CodePersonsResponse:
        """As `Participant`."""
        with told(BY_STATUS):
            return self._stub.CodePersons(request, timeout=_SECONDS)

    def give_columns(self, request: wire.GiveColumnsRequest) -> wire.GiveColumnsResponse:
        """As `Participant`."""
        with told(BY_STATUS):
            return self._stub.GiveColumns(request, timeout=_SECONDS)

    def join_study(self, request: wire.JoinStudyRequest) -> wire.JoinStudyResponse:
        """As `Participant`."""
        with told(BY_STATUS):
            return self._stub.JoinStudy(request, timeout=_SECONDS)


class StudyClient:
    """The participants of a study, in the table's order. `close` when done."""

    def __init__(
        self,
        keys: ActivityKeys,
        participants: Mapping[BodyId, Participant],
        register_of: Callable[[BodyId], NoteVerifier],
        channels: tuple[grpc.Channel, ...] = (),
    ) -> None:
        self._keys, self._parts, self._register_of = keys, participants, register_of
        self._channels = channels

    @classmethod
    def connect(cls, keys: Path, activity: str, addresses: Mapping[BodyId, str]) -> "StudyClient":
        """From the key folder. Raises `StorageError` where keys are missing."""
        found = HolderChannels.connect(keys, activity, addresses)
        parts = {body: RemoteParticipant(channel) for body, channel in found.channels.items()}
        channels = tuple(found.channels.values())
        return cls(found.keys, parts, found.registers.__getitem__, channels)

    def publish(self, question: Question, record: Activity, now: datetime) -> TableReply:
        """The table, of all participants or of none. Raises as the nodes say."""
        asked = table_question(_asked(question))
        joins, keys, names, *others = self._parts
        signed = {
            body: build_statements(self._keys, body, question.whole, _asked(question), record, now)
            for body in (names, *others)
        }
        opened = {}
        # Who gives rows first: what the law refuses is refused, and shown, as of any question.
        for body in (names, *others, keys, joins):
            statements = signed.get(body) or _in_order(question, signed)
            request = wire.OpenStudyRequest(question=asked, statements=statements)
            reply = self._parts[body].open_study(request)
            if reply.HasField("refusal"):
                return TableReply(None, decision_from_proto(reply.refusal), kept=False)
            if reply.HasField("kept"):
                return self._reply(reply.kept, joins, kept=True)
            opened[body] = reply.opened
        part = _Carried(self._parts, asked, [opened[body] for body in self._parts])
        while not part.carry():
            pass
        return self._reply(part.joined, joins, kept=False)

    def _reply(self, found: wire.JoinStudyResponse, joins: BodyId, *, kept: bool) -> TableReply:
        publication = Publication.verified(
            found.document, found.reserved, found.published, self._register_of(joins)
        )
        return TableReply(publication, None, kept=kept)

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            channel.close()


class _Carried:
    """A study's rows, part by part, from hand to hand: no more than one part is here at a time."""

    def __init__(
        self,
        participants: Mapping[BodyId, Participant],
        asked: statement_pb2.TableQuestion,
        opened: Sequence[receipt_pb2.Receipt],
    ) -> None:
        self._joins, self._keys, self._names, *self._others = participants.values()
        self._asked, self._opened, self._part = asked, opened, 0
        self.joined = wire.JoinStudyResponse()

    def carry(self) -> bool:
        """Carries the next part; whether it was the last."""
        question, opened, part = self._asked, self._opened, self._part
        named = self._names.name_persons(
            wire.NamePersonsRequest(question=question, opened=opened, part=part)
        )
        last = named.last
        coded = self._keys.code_persons(
            wire.CodePersonsRequest(
                question=question, opened=opened, part=part, last=last, named=named.to_keys
            )
        )
        given = [
            holder.give_columns(
                wire.GiveColumnsRequest(
                    question=question, opened=opened, part=part, last=last, coded=numbers
                )
            ).to_join
            for holder, numbers in zip(self._others, coded.to_holders, strict=True)
        ]
        self.joined = self._joins.join_study(
            wire.JoinStudyRequest(
                question=question,
                opened=opened,
                part=part,
                last=last,
                named=named.to_join,
                coded=coded.to_join,
                given=given,
            )
        )
        self._part += 1
        return last


def _in_order(
    question: Question, signed: Mapping[BodyId, Sequence[statement_pb2.SignedStatement]]
) -> list[statement_pb2.SignedStatement]:
    """Every holder's statements, in the order of the table's sources."""
    link = question.whole.link
    if link is None:
        return []
    found = {
        (body, dataset): one
        for body, statements in signed.items()
        for dataset, one in zip(question.whole.held_by(body), statements, strict=True)
    }
    return [found[BodyId(one.holder), one.dataset] for one in link.sources]


def _asked(question: Question) -> TableQuestion:
    return TableQuestion(question.whole.id, question.period, str(question.epsilon))
