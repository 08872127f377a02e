"""The service of tables of several holders, for programs of any body whose activity the law knows.

INVARIANT: as of one holder's tables, answers leave on a beat counted from when the question came.
"""

from cloison.exchange.values import decision_to_proto
from cloison.v1 import across_service_pb2 as wire
from cloison.v1 import across_service_pb2_grpc
from cloison.wire.across_desk import AcrossDesk
from cloison.wire.calls import Context, answered
from cloison.wire.node import Node
from cloison.wire.statistics_servicers import BEAT_SECONDS, on_beat, recorded_program


class Across(across_service_pb2_grpc.AcrossServiceServicer):
    """This node's part in tables of several holders."""

    def __init__(self, node: Node, desk: AcrossDesk, beat_seconds: float = BEAT_SECONDS) -> None:
        self._node, self._desk, self._beat = node, desk, beat_seconds

    @answered
    async def Reserve(self, request: wire.ReserveRequest, context: Context) -> wire.ReserveResponse:
        """Decided, entered, reserved; or as kept."""
        async with on_beat(self._beat):
            found = await self._desk.reserve(
                recorded_program(self._node, context), request.statements
            )
        response = wire.ReserveResponse(
            decided=found.decided, reserved=found.reserved, finish=found.finish, kept=found.kept
        )
        if found.refusal is not None:
            response.refusal.CopyFrom(decision_to_proto(found.refusal))
        return response

    @answered
    async def Share(self, request: wire.ShareRequest, context: Context) -> wire.ShareResponse:
        """Masked cells, once."""
        async with on_beat(self._beat):
            return await self._desk.share(recorded_program(self._node, context), request)

    @answered
    async def Finish(self, request: wire.FinishRequest, context: Context) -> wire.FinishResponse:
        """The document of the sum."""
        recorded_program(self._node, context)
        return await self._desk.finish(request)

    @answered
    async def Abandon(self, request: wire.AbandonRequest, context: Context) -> wire.AbandonResponse:
        """Given up, and entered so."""
        peer = recorded_program(self._node, context)
        return wire.AbandonResponse(abandoned=self._desk.abandon(peer, request))
