"""The service of studies, for programs of any body whose activity the law knows."""

from cloison.v1 import study_service_pb2 as wire
from cloison.v1 import study_service_pb2_grpc
from cloison.wire.calls import Context, answered
from cloison.wire.node import Node
from cloison.wire.statistics_servicers import recorded_program
from cloison.wire.study_desk import StudyDesk


class Studies(study_service_pb2_grpc.StudyServiceServicer):
    """This node's part in tables made of several bodies' rows."""

    def __init__(self, node: Node, desk: StudyDesk) -> None:
        self._node, self._desk = node, desk

    @answered
    async def OpenStudy(
        self, request: wire.OpenStudyRequest, context: Context
    ) -> wire.OpenStudyResponse:
        """A key for a study."""
        return await self._desk.open(recorded_program(self._node, context), request)

    @answered
    async def NamePersons(
        self, request: wire.NamePersonsRequest, context: Context
    ) -> wire.NamePersonsResponse:
        """Persons to the key holder, columns to who joins."""
        return await self._desk.name(recorded_program(self._node, context), request)

    @answered
    async def CodePersons(
        self, request: wire.CodePersonsRequest, context: Context
    ) -> wire.CodePersonsResponse:
        """Pseudonyms."""
        return await self._desk.code(recorded_program(self._node, context), request)

    @answered
    async def GiveColumns(
        self, request: wire.GiveColumnsRequest, context: Context
    ) -> wire.GiveColumnsResponse:
        """Columns under pseudonyms."""
        return await self._desk.give(recorded_program(self._node, context), request)

    @answered
    async def JoinStudy(
        self, request: wire.JoinStudyRequest, context: Context
    ) -> wire.JoinStudyResponse:
        """The table; and nothing is left of the rows."""
        return await self._desk.join(recorded_program(self._node, context), request)
