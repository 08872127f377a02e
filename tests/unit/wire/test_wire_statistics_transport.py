"""The statistics service over real mutual TLS: the program's own client against a served node."""

import asyncio
from collections.abc import Callable
from contextlib import closing

import grpc
import pytest
from tests.federation import CAF, Federation, Result, run
from tests.unit.wire.test_wire_statistics import ACTIVITY, DREES, PAID, TABLE, load
from tests.unit.wire.test_wire_transport import Running

from cloison.errors import BudgetExceeded, InputError, IntegrityError
from cloison.exchange.statement import TableQuestion
from cloison.wire.statistics_client import StatisticsClient, TableReply
from cloison.wire.status import DENIED, INVALID, exit_code_of


@pytest.fixture
def running(federation: Federation) -> Running:
    load(federation, PAID)
    return Running(federation)


def drive(
    running: Running, steps: Callable[[StatisticsClient], Result], activity: str = ACTIVITY
) -> Result:
    """What a program does with its client while CAF's node is served."""
    address = running.addresses[CAF]
    client = StatisticsClient.connect(running.federation.keys, activity, CAF, address)

    async def main() -> Result:
        async with running.served(CAF):
            return await asyncio.get_running_loop().run_in_executor(None, steps, client)

    with closing(client):
        return run(main())


def publish(running: Running, epsilon: str, activity: str = ACTIVITY) -> Callable[..., TableReply]:
    policy = running.federation.policy
    table, record = policy.statistics.tables[TABLE], policy.activities[activity]
    asked = TableQuestion(TABLE, "2026-03", epsilon)
    return lambda client: client.publish(table, asked, record, running.federation.clock())


def test_publish_over_real_mutual_tls_is_verified_and_free_again(running: Running) -> None:
    def twice(client: StatisticsClient) -> tuple[TableReply, TableReply]:
        return publish(running, "1")(client), publish(running, "1")(client)

    first, second = drive(running, twice)
    assert first.publication is not None
    assert second.publication is not None
    assert first.publication.document == second.publication.document
    assert (first.kept, second.kept) == (False, True)


def test_publish_past_the_grant_is_told_as_a_refusal(running: Running) -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        drive(running, publish(running, "5"))
    assert refusal.value.reason == "BUDGET_EXCEEDED"
    assert "1 too much" in refusal.value.message
    assert exit_code_of(refusal.value) == DENIED


def test_publish_bad_question_is_told_as_the_callers_fault(running: Running) -> None:
    with pytest.raises(InputError) as refusal:
        drive(running, publish(running, "0"))
    assert exit_code_of(refusal.value) == INVALID


def test_publish_activity_without_the_purpose_is_refused_by_the_law(running: Running) -> None:
    reply = drive(running, publish(running, "1", "caf-ppa"), "caf-ppa")
    assert reply.publication is None
    assert reply.refusal is not None
    assert not reply.refusal.permitted


def test_publish_program_of_no_recorded_activity_gets_nothing(running: Running) -> None:
    channel_of_node = running.own(CAF)

    async def main() -> None:
        async with running.served(CAF), running.channel(CAF, channel_of_node) as channel:
            await channel.unary_unary(
                "/cloison.v1.StatisticsService/Budget",
                request_serializer=bytes,
                response_deserializer=bytes,
            )(b"", timeout=30)

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        run(main())
    assert "open to programs" in (refusal.value.details() or "")


def test_connect_body_without_a_register_key_is_refused(running: Running) -> None:
    with pytest.raises(IntegrityError, match="no public key"):
        StatisticsClient.connect(running.federation.keys, ACTIVITY, DREES, "127.0.0.1:1")
