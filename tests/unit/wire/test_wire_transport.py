"""Real servers over real mutual TLS in one loop: who gets in, and how large a message may be."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.federation import (
    ANNE,
    BODIES,
    CAF,
    CNAV,
    MONTH,
    MSA,
    NOW,
    Federation,
    Program,
    Result,
    run,
)

from cloison.bodies import BodyId
from cloison.errors import PeerError, StorageError
from cloison.exchange import limits
from cloison.identity import Authority, Issued, Peer, load_tls
from cloison.v1 import (
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    statement_pb2,
)
from cloison.wire import client, server, servicers
from cloison.wire.async_client import AsyncAsker
from cloison.wire.gateway import Deposit, OpenedCase, Reply
from cloison.wire.node import Heads
from cloison.wire.settings import NodeSettings, known_ledgers

Request = exchange_service_pb2.ExchangeServiceAskRequest


@contextmanager
def free_port() -> Iterator[int]:
    """A port nobody listens on, held until a server takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def addresses() -> dict[BodyId, str]:
    found: dict[BodyId, str] = {}
    for body in BODIES:
        with free_port() as port:
            found[body] = f"127.0.0.1:{port}"
    return found


class Running:
    """CAF's and CNAV's nodes, served; more than that no question needs."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.addresses = addresses()

    @property
    def ca(self) -> bytes:
        return (self.federation.keys / "public" / "ca.crt").read_bytes()

    def settings(self, body: BodyId) -> NodeSettings:
        settings = self.federation.settings(body)
        return replace(settings, addresses=self.addresses)

    @asynccontextmanager
    async def served(self, *bodies: BodyId) -> AsyncIterator[None]:
        running = [
            await server._start(self.federation.node(body), self.settings(body)) for body in bodies
        ]
        try:
            yield
        finally:
            for one in running:
                await server._stop(one)

    def channel(self, body: BodyId, own: Issued, ca: bytes | None = None) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(
            self.addresses[body],
            server.channel_credentials(ca or self.ca, own),
            options=server.channel_options(body),
        )

    def own(self, body: BodyId, activity: str | None = None) -> Issued:
        place = f"activities/{activity}" if activity else "node"
        return load_tls(self.federation.keys / body / place)

    def drive(self, program: Program, steps: Callable[[client.GatewayClient], Result]) -> Result:
        """What a program does with its client, CAF's and CNAV's nodes being served."""
        heads = Heads(known_ledgers(self.federation.keys))
        channel = grpc.secure_channel(
            self.addresses[program.body],
            server.channel_credentials(self.ca, self.own(program.body, program.activity)),
            options=server.channel_options(program.body),
        )
        own = client.GatewayClient(program.keys, channel, heads, self.federation.clock)

        async def main() -> Result:
            async with self.served(CAF, CNAV):
                return await asyncio.get_running_loop().run_in_executor(None, steps, own)

        with closing(own):
            return run(main())


@pytest.fixture
def running(federation: Federation) -> Running:
    return Running(federation)


async def exchange_ask(
    running: Running, own: Issued, request: Request | None = None, ca: bytes | None = None
) -> exchange_service_pb2.ExchangeServiceAskResponse:
    async with running.channel(CNAV, own, ca) as channel:
        stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
        return await stub.Ask(request or Request(), timeout=30)


def status_of(running: Running, call: Callable[[], Awaitable[object]]) -> grpc.StatusCode:
    async def main() -> grpc.StatusCode:
        async with running.served(CNAV):
            try:
                await call()
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

    return run(main())


def test_question_over_real_mutual_tls_comes_back_opened(running: Running, ppa: Program) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))

    async def main() -> gateway_service_pb2.GatewayServiceAskResponse:
        async with (
            running.served(CAF, CNAV),
            running.channel(CAF, running.own(CAF, "caf-ppa")) as channel,
        ):
            stub = gateway_service_pb2_grpc.GatewayServiceStub(channel)
            request = gateway_service_pb2.GatewayServiceAskRequest(items=[item])
            return await stub.Ask(request, timeout=30)

    (answer,) = run(main()).answers
    assert ppa.open(item, answer).release is not None


def test_client_opens_asks_renews_deposits_and_closes_over_real_tls(
    running: Running, ppa: Program
) -> None:
    def drive(program: client.GatewayClient) -> tuple[bool, int, int]:
        (case,) = program.open_cases("claim", MONTH, ["C1"])
        (reply,) = program.ask([ppa.question(case)])
        renewed = program.renew_case(case, NOW + timedelta(days=100))
        deposit = Deposit("entitlement", renewed, {"amount_cents": 12_345}, (reply,))
        (receipt,) = program.deposit([deposit])
        program.close_cases([renewed], "decided")
        return reply.release is not None, len(renewed.renewal), receipt.leaf_index

    released, renewal, place = running.drive(ppa, drive)
    kinds = [entry.WhichOneof("kind") for entry in running.federation.entries(CAF)]
    assert released
    assert renewal
    assert kinds[place:] == ["deposited", "case_closed"]


def test_client_destroys_and_objects_over_real_tls(running: Running) -> None:
    outreach = running.federation.program("caf-outreach")
    purpose = {"purpose": "non-take-up", "legal_basis": "crpa-l114-8"}

    def drive(
        program: client.GatewayClient,
    ) -> tuple[int, str, int, tuple[str, ...], list[OpenedCase]]:
        (case,) = program.open_cases("outreach", MONTH)
        (receipt,) = program.destroy([case], "set-aside")
        (again,) = program.open_cases("outreach", MONTH, most=1)
        (reply,) = program.ask([outreach.question(again, **purpose)])
        assert reply.release is not None
        objected = program.object(nir=again.members[0].nir)
        left = list(program.open_cases("outreach", MONTH))
        return receipt.leaf_index, receipt.holder, objected.releases, objected.purposes, left

    place, holder, releases, purposes, left = running.drive(outreach, drive)
    kinds = [entry.WhichOneof("kind") for entry in running.federation.entries(CAF)]
    assert (holder, kinds[place]) == ("caf", "destroyed")
    assert (releases, purposes, left) == (1, ("non-take-up",), [])


def test_client_tells_the_reason_its_node_gave(running: Running, ppa: Program) -> None:
    def drive(program: client.GatewayClient) -> str:
        with pytest.raises(PeerError) as caught:
            list(program.open_cases("claim", MONTH, ["C99"]))
        return caught.value.reason

    assert running.drive(ppa, drive) == "UNKNOWN_CLAIM"


async def silent(*_: object) -> AsyncIterator[object]:
    await asyncio.Event().wait()
    yield None


@pytest.mark.parametrize(
    ("stuck", "silent_one"),
    [(servicers.Gateway, "node"), (servicers.Exchange, "body `cnav`")],
)
def test_client_ask_many_of_a_node_that_falls_silent_is_given_up(
    running: Running,
    ppa: Program,
    monkeypatch: pytest.MonkeyPatch,
    stuck: type,
    silent_one: str,
) -> None:
    monkeypatch.setattr(stuck, "AskMany", silent)
    monkeypatch.setattr(limits, "STREAM_IDLE_SECONDS", 0.5)
    question = replace(ppa.question(None), persons=())

    def drive(program: client.GatewayClient) -> None:
        with pytest.raises(PeerError, match=f"{silent_one}: nothing came") as caught:
            program.ask_many(question, iter([ANNE.member()]), 1)
        assert caught.value.reason == "STREAM_IDLE"

    running.drive(ppa, drive)


def test_client_open_cases_of_a_node_that_falls_silent_is_given_up(
    running: Running, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicers.Cases, "Open", silent)
    monkeypatch.setattr(limits, "STREAM_IDLE_SECONDS", 0.2)

    def drive(program: client.GatewayClient) -> None:
        with pytest.raises(PeerError, match="nothing came") as caught:
            next(program.open_cases("claim", MONTH))
        assert caught.value.reason == "STREAM_IDLE"

    running.drive(ppa, drive)


async def ended(*_: object) -> AsyncIterator[object]:
    for part in list[object]():
        yield part


def test_client_ask_many_of_a_node_that_ends_before_its_decision_is_cut(
    running: Running, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicers.Gateway, "AskMany", ended)
    question = replace(ppa.question(None), persons=())

    def drive(program: client.GatewayClient) -> None:
        with pytest.raises(PeerError, match="before its decision") as caught:
            program.ask_many(question, iter([ANNE.member()]), 1)
        assert caught.value.reason == "COHORT_CUT"

    running.drive(ppa, drive)


def test_many_callers_of_one_program_travel_together_and_each_gets_its_own_answer(
    running: Running, ppa: Program
) -> None:
    case, other = ppa.open_case("C1"), ppa.open_case("C2")
    asked = [ppa.question(case), ppa.question(case, other.members[0])] * 4

    async def main() -> list[Reply]:
        channel = running.channel(CAF, running.own(CAF, "caf-ppa"))
        heads = Heads(known_ledgers(running.federation.keys))
        asker = AsyncAsker(ppa.keys, channel, heads, running.federation.clock)
        async with running.served(CAF, CNAV):
            replies = await asyncio.gather(*(asker.ask(one) for one in asked))
            await asker.close()
            return replies

    replies = run(main())
    assert [reply.release is not None for reply in replies] == [True, False] * 4
    decided = running.federation.entries(CNAV, "decided")
    assert {entry.decided.signed.batch_size for entry in decided} == {8}


def test_caller_of_a_node_that_is_not_there_is_told_so(running: Running, ppa: Program) -> None:
    async def main() -> None:
        channel = running.channel(CAF, running.own(CAF, "caf-ppa"))
        heads = Heads(known_ledgers(running.federation.keys))
        asker = AsyncAsker(ppa.keys, channel, heads, running.federation.clock)
        try:
            await asker.ask(ppa.question(None))
        finally:
            await asker.close()

    with pytest.raises(PeerError) as caught:
        run(main())
    assert caught.value.reason == "PEER_UNAVAILABLE"


def test_certificate_of_another_bodys_node_presents_only_its_own(
    running: Running, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))

    async def main() -> str:
        async with running.served(CNAV):
            response = await exchange_ask(running, running.own(MSA), Request(items=[item]))
            return response.answers[0].failure.reason

    assert run(main()) == "NOT_YOURS"


def test_certificate_self_made_is_refused_by_tls(running: Running) -> None:
    foreign = Authority.create(datetime.now(UTC)).issue(Peer(CAF), datetime.now(UTC))
    code = status_of(running, lambda: exchange_ask(running, foreign))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_certificate_missing_is_refused_by_tls(running: Running) -> None:
    async def call() -> None:
        async with grpc.aio.secure_channel(
            running.addresses[CNAV],
            grpc.ssl_channel_credentials(running.ca),
            options=server.channel_options(CNAV),
        ) as channel:
            stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
            await stub.Ask(Request(), timeout=30)

    assert status_of(running, call) is grpc.StatusCode.UNAVAILABLE


def test_server_that_is_another_body_is_refused_by_the_caller(running: Running) -> None:
    async def call() -> None:
        async with grpc.aio.secure_channel(
            running.addresses[CNAV],
            server.channel_credentials(running.ca, running.own(CAF)),
            options=server.channel_options(MSA),
        ) as channel:
            stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
            await stub.Ask(Request(), timeout=30)

    assert status_of(running, call) is grpc.StatusCode.UNAVAILABLE


def test_program_that_calls_another_bodys_node_is_refused(running: Running) -> None:
    own = running.own(CAF, "caf-ppa")
    code = status_of(running, lambda: exchange_ask(running, own))
    assert code is grpc.StatusCode.PERMISSION_DENIED


def test_message_over_four_mebibytes_is_refused(running: Running) -> None:
    async def call() -> None:
        async with grpc.aio.secure_channel(
            running.addresses[CNAV],
            server.channel_credentials(running.ca, running.own(CAF)),
            options=(("grpc.ssl_target_name_override", Peer(CNAV).host),),
        ) as channel:
            stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
            await stub.Ask(Request(policy_set=bytes(4 * 1024 * 1024)), timeout=30)

    assert status_of(running, call) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_more_than_64_items_are_refused(running: Running) -> None:
    request = Request(items=[statement_pb2.AskItem()] * 65)
    code = status_of(running, lambda: exchange_ask(running, running.own(CAF), request))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_bytes_that_are_no_message_are_refused(running: Running) -> None:
    async def call() -> None:
        async with running.channel(CNAV, running.own(CAF)) as channel:
            method = channel.unary_unary(
                "/cloison.v1.ExchangeService/Ask",
                request_serializer=lambda raw: raw,
                response_deserializer=lambda raw: raw,
            )
            await method(b"\xff\xff\xff", timeout=30)

    assert status_of(running, call) is grpc.StatusCode.UNKNOWN  # before any code of ours


def test_changes_asked_by_a_program_is_denied(running: Running) -> None:
    async def call() -> None:
        async with running.channel(CNAV, running.own(CAF, "caf-ppa")) as channel:
            stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
            async for _ in stub.Changes(exchange_service_pb2.ExchangeServiceChangesRequest()):
                pass

    assert status_of(running, call) is grpc.StatusCode.PERMISSION_DENIED


def test_port_in_use_is_said_and_nothing_is_shared(running: Running) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running.addresses[CNAV] = f"127.0.0.1:{taken.getsockname()[1]}"

        async def main() -> None:
            async with running.served(CNAV):
                pass

        with pytest.raises(StorageError, match="the port is taken") as caught:
            run(main())
    assert caught.value.reason == "PORT_IN_USE"


def test_peer_that_is_not_there_fails_the_question_and_names_no_one(
    running: Running, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))

    async def main() -> gateway_service_pb2.GatewayServiceAskResponse:
        async with (
            running.served(CAF),
            running.channel(CAF, running.own(CAF, "caf-ppa")) as channel,
        ):
            stub = gateway_service_pb2_grpc.GatewayServiceStub(channel)
            request = gateway_service_pb2.GatewayServiceAskRequest(items=[item])
            return await stub.Ask(request, timeout=30)

    (answer,) = run(main()).answers
    assert answer.failure.reason == "PEER_UNAVAILABLE"
    assert item.persons[0].nir not in str(answer)


def test_reflection_lists_the_services(running: Running) -> None:
    async def main() -> set[str]:
        async with running.served(CNAV), running.channel(CNAV, running.own(CAF)) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            call = stub.ServerReflectionInfo(iter([ask]))
            return {
                one.name async for answer in call for one in answer.list_services_response.service
            }

    assert set(server.SERVICES) <= run(main())


def test_health_says_serving(running: Running) -> None:
    async def main() -> int:
        async with running.served(CNAV), running.channel(CNAV, running.own(CAF)) as channel:
            method = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=lambda raw: raw,
                response_deserializer=lambda raw: raw,
            )
            return (await method(b"", timeout=30))[1]  # type: ignore[no-any-return]

    assert run(main()) == 1


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None
)
@given(st.data())
def test_answer_any_flipped_bit_of_a_signed_statement_never_permits(
    federation: Federation, ppa: Program, data: st.DataObject
) -> None:
    case = ppa.open_case()
    item = ppa.items(ppa.question(case), ppa.question(case))[0]
    whole = bytearray(item.statement.SerializeToString())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        item.statement.ParseFromString(bytes(whole))
    except Exception:  # noqa: BLE001 - protobuf's own refusal of the frame
        return
    (answer,) = federation.answer(CNAV, CAF, [item])
    assert answer.failure.reason
    assert not answer.sealed_release
