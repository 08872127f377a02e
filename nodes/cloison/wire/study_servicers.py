"""The service of studies, for programs of any body whose activity the law knows.

INVARIANT: as of one holder's tables, answers to what looks at rows leave on a beat counted from
when the question came; on a shorter one where the work is that of one part: all are of one size.
"""

from cloison.v1 import study_service_pb2 as wire
from cloison.v1 import study_service_pb2_grpc
from cloison.wire.calls import Context, answered
from cloison.wire.node import Node
from cloison.wire.statistics_servicers import BEAT_SECONDS, on_beat, recorded_program
from cloison.wire.study_desk import StudyDesk

PART_BEAT_SECONDS = 0.25


class Studies(study_service_pb2_grpc.StudyServiceServicer):
    """This node's part in tables made of several bodies' rows."""

    def __init__(
        self,
        node: Node,
        desk: StudyDesk,
        beat_seconds: float = BEAT_SECONDS,
        part_beat_seconds: float = PART_BEAT_SECONDS,
    ) -> None:
        self._node, self._desk = node, desk
        self._beat, self._part_beat = beat_seconds, part_beat_seconds

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
        async with on_beat(self._beat_of(request.part)):
            return await self._desk.name(recorded_program(self._node, context), request)

    @answered
    async def CodePersons(
        self, request: wire.CodePersonsRequest, context: Context
    ) -> wire.CodePersonsResponse:
        """Pseudonyms."""
        async with on_beat(self._part_beat):
            return await self._desk.code(recorded_program(self._node, context), request)

    @answered
    async def GiveColumns(
        self, request: wire.GiveColumnsRequest, context: Context
    ) -> wire.GiveColumnsResponse:
        """Columns under pseudonyms."""
        async with on_beat(self._beat_of(request.part)):
            return await self._desk.give(recorded_program(self._node, context), request)

    @answered
    async def JoinStudy(
        self, request: wire.JoinStudyRequest, context: Context
    ) -> wire.JoinStudyResponse:
        """The table; and nothing is left of the rows."""
        async with on_beat(self._beat if request.last else self._part_beat):
            return await self._desk.join(recorded_program(self._node, context), request)

    def _beat_of(self, part: int) -> float:
        """With the first part a holder looks for its rows, which are as many as they are."""
        return self._part_beat if part else self._beat
