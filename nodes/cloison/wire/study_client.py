"""A statistical program's client of a study: it carries what is sealed, and reads the table."""

from collections.abc import Callable, Mapping
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
from cloison.v1 import statement_pb2, study_service_pb2_grpc
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
        first = self._parts[joins].open_study(wire.OpenStudyRequest(question=asked))
        if first.HasField("kept"):
            return self._reply(first.kept, joins, kept=True)
        opened = [first.opened]
        for body in (keys, names, *others):
            reply = self._parts[body].open_study(wire.OpenStudyRequest(question=asked))
            opened.append(reply.opened)

        def statements(body: BodyId) -> list[statement_pb2.SignedStatement]:
            return build_statements(self._keys, body, question.whole, _asked(question), record, now)

        named = self._parts[names].name_persons(
            wire.NamePersonsRequest(question=asked, opened=opened, statements=statements(names))
        )
        if named.HasField("refusal"):
            return TableReply(None, decision_from_proto(named.refusal), kept=False)
        coded = self._parts[keys].code_persons(
            wire.CodePersonsRequest(question=asked, opened=opened, named=named.to_keys)
        )
        given = []
        for body, part in zip(others, coded.to_holders, strict=True):
            one = self._parts[body].give_columns(
                wire.GiveColumnsRequest(
                    question=asked, opened=opened, statements=statements(body), coded=part
                )
            )
            if one.HasField("refusal"):
                return TableReply(None, decision_from_proto(one.refusal), kept=False)
            given.append(one.to_join)
        joined = self._parts[joins].join_study(
            wire.JoinStudyRequest(
                question=asked,
                opened=opened,
                named=named.to_join,
                coded=coded.to_join,
                given=given,
            )
        )
        return self._reply(joined, joins, kept=False)

    def _reply(self, found: wire.JoinStudyResponse, joins: BodyId, *, kept: bool) -> TableReply:
        publication = Publication.verified(
            found.document, found.reserved, found.published, self._register_of(joins)
        )
        return TableReply(publication, None, kept=kept)

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            channel.close()


def _asked(question: Question) -> TableQuestion:
    return TableQuestion(question.whole.id, question.period, str(question.epsilon))
