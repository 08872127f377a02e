"""A program that asks: what `GatewayClient` does for a question, for many callers of one loop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import grpc
from tests.bench.load import Ask

from cloison.bodies import BodyId
from cloison.cli.places import Place
from cloison.cli.root import read_policy
from cloison.identity import ActivityKeys, load_activity_keys, load_certificate, load_tls
from cloison.law import PolicySet
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.programs.entitlement.needs import months_of
from cloison.v1 import gateway_service_pb2, gateway_service_pb2_grpc, statement_pb2
from cloison.wire.async_client import AsyncAsker
from cloison.wire.client import connect
from cloison.wire.gateway import AskFor, OpenedCase, Reply
from cloison.wire.node import Heads, system_clock
from cloison.wire.questions import (
    Opener,
    Question,
    build_items,
    build_statement,
    check_and_open,
)
from cloison.wire.server import channel_credentials, channel_options
from cloison.wire.settings import known_ledgers

ACTIVITY = "caf-ppa"
HOLDER = BodyId("cnav")
DATASET = "monthly_resources"
MONTH = Month.of(2026, 6)


def activity_folder(place: Place, body: BodyId) -> Path:
    """Where the activity's private keys are."""
    return place.keys / body / "activities" / ACTIVITY


def questions_of(cases: Sequence[OpenedCase], policy: PolicySet) -> list[AskFor]:
    """A question about each adult of each case: the fields of the record, the window of the law."""
    record = policy.activities[ACTIVITY]
    reads = next(one for one in record.reads if (one.holder, one.dataset) == (HOLDER, DATASET))
    first, last = months_of(record, reads, MONTH)
    return [
        AskFor(
            holder=HOLDER,
            dataset=DATASET,
            fields=tuple(sorted(reads.fields)),
            first=first,
            last=last,
            granularity=reads.granularity or Granularity.MONTH,
            purpose=reads.purpose or record.purposes[0],
            legal_basis=reads.legal_basis or record.legal_bases[0],
            persons=(member,),
            case=case,
        )
        for case in cases
        for member in case.members
        if member.role != "child"
    ]


def prepare(place: Place, address: str) -> list[AskFor]:
    """Opens every case, puts each question once, keeps those that are answered with records.

    Raises:
        RuntimeError: none is; with the first answer's reason.
    """
    gateway = connect(place.keys, ACTIVITY, place.root, address=address)
    try:
        cases = list(gateway.open_cases("claim", MONTH))
        asks = questions_of(cases, PolicySet.parse(read_policy(place.root)))
        replies = gateway.ask(asks)
    finally:
        gateway.close()
    found = [ask for ask, reply in zip(asks, replies, strict=True) if holds_records(reply)]
    if not found:
        raise RuntimeError(f"no question is answered with data: {replies[0] if replies else cases}")
    return found


def holds_records(reply: Reply) -> bool:
    """Whether the answer is data, and not only that there are none."""
    return reply.release is not None and any(
        period.records for person in reply.release.persons for period in person.periods
    )


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The two messages of one question, on the program's hop."""

    request: gateway_service_pb2.GatewayServiceAskRequest
    response: gateway_service_pb2.GatewayServiceAskResponse


@dataclass(frozen=True, slots=True)
class Program:
    """One program on one channel. Its keys, its heads, its opener, as `GatewayClient` has them."""

    keys: ActivityKeys
    heads: Heads
    opener: Opener
    channel: grpc.aio.Channel
    gateway: "gateway_service_pb2_grpc.GatewayServiceAsyncStub"

    @classmethod
    def of(cls, place: Place, body: BodyId, address: str) -> "Program":
        """The program of `ACTIVITY`, talking to its own body's node; use inside a running loop."""
        folder = activity_folder(place, body)
        keys = load_activity_keys(folder)
        credentials = channel_credentials(
            load_certificate(place.keys / "public/ca.crt"), load_tls(folder)
        )
        channel = grpc.aio.secure_channel(address, credentials, options=channel_options(body))
        stub = gateway_service_pb2_grpc.GatewayServiceStub(channel)
        return cls(keys, Heads(known_ledgers(place.keys)), Opener(keys), channel, stub)

    def build(self, ask: AskFor) -> tuple[Question, statement_pb2.AskItem]:
        """A fresh statement, signed."""
        question = build_statement(self.keys, ask, system_clock())
        (item,) = build_items(self.keys, [question])
        return question, item

    async def ask(self, ask: AskFor) -> Exchanged:
        """One question a call, its answer checked and opened. Raises `RuntimeError` if not data."""
        question, item = self.build(ask)
        request = gateway_service_pb2.GatewayServiceAskRequest(items=[item])
        response = await self.gateway.Ask(request)
        (answer,) = response.answers
        heads = self.heads.of(ask.holder)
        reply = check_and_open(self.opener, ask.holder, question.statement, answer, heads)
        if not holds_records(reply):
            raise RuntimeError(f"not answered with data: {reply.decision} {reply.failure}")
        return Exchanged(request, response)

    def asker(self, asks: Sequence[AskFor]) -> Ask:
        """Puts the questions one after the other, without end, each signed and sent on its own."""
        turn: Iterator[AskFor] = cycle(asks)

        async def ask() -> None:
            await self.ask(next(turn))

        return ask


def asker_of(client: AsyncAsker, asks: Sequence[AskFor]) -> Ask:
    """The client of a program with many callers, as it is shipped; every answer must hold data."""
    turn: Iterator[AskFor] = cycle(asks)

    async def ask() -> None:
        reply = await client.ask(next(turn))
        if not holds_records(reply):
            raise RuntimeError(f"not answered with data: {reply.decision} {reply.failure}")

    return ask
