"""A program's client for many callers of one loop."""

from collections.abc import Sequence
from pathlib import Path

import grpc

from cloison.identity import ActivityKeys
from cloison.v1 import gateway_service_pb2, gateway_service_pb2_grpc
from cloison.wire.coalescer import Coalescer
from cloison.wire.gateway import AskFor, Reply
from cloison.wire.node import Clock, Heads, system_clock
from cloison.wire.program import CALL_SECONDS, Program, open_answers
from cloison.wire.questions import Opener, build_items, build_statement
from cloison.wire.refusal import told


class AsyncAsker:
    """A program's questions from many callers of one loop; what is asked at once travels together.

    Up to 32 questions share a call and one signature. Every receipt is checked, every seal opened.

    Args:
        keys: The activity's private keys.
        channel: To the body's own node; the asker closes it.
        heads: Verifies the ledgers of all bodies.
        clock: Statement times.
    """

    def __init__(
        self, keys: ActivityKeys, channel: grpc.aio.Channel, heads: Heads, clock: Clock
    ) -> None:
        self._keys, self._channel, self._heads, self._clock = keys, channel, heads, clock
        self._opener = Opener(keys)
        self._gateway = gateway_service_pb2_grpc.GatewayServiceStub(channel)
        self._waiting: Coalescer[AskFor, Reply] = Coalescer(self._ask)

    async def ask(self, question: AskFor) -> Reply:
        """The checked answer. Raises `PeerError` if the node cannot be reached."""
        (reply,) = await self._waiting.put([question])
        return reply

    async def _ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        now = self._clock()
        built = [build_statement(self._keys, question, now) for question in questions]
        request = gateway_service_pb2.GatewayServiceAskRequest(items=build_items(self._keys, built))
        with told():
            response = await self._gateway.Ask(request, timeout=CALL_SECONDS)
        return open_answers(self._opener, self._heads, questions, built, response)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close(None)


def connect_async(
    keys: Path,
    activity: str,
    root: Path,
    clock: Clock = system_clock,
    address: str | None = None,
) -> AsyncAsker:
    """As `connect`, for many callers at once; called inside the loop that will ask."""
    program = Program.load(keys, activity, root, address)
    channel = grpc.aio.secure_channel(program.address, program.credentials, options=program.options)
    return AsyncAsker(program.keys, channel, program.heads, clock)
