"""A node's process: one grpc.aio server over mutual TLS, from ready to a clean end."""

import asyncio
import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from cloison.bodies import BodyId
from cloison.errors import StorageError
from cloison.exchange import limits
from cloison.identity import Issued, Peer, load_certificate, load_tls
from cloison.law import PolicySet
from cloison.ledger.log import Log
from cloison.ledger.note import NoteVerifier
from cloison.v1 import (
    across_service_pb2,
    across_service_pb2_grpc,
    cases_service_pb2,
    cases_service_pb2_grpc,
    contestations_service_pb2,
    contestations_service_pb2_grpc,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    ledger_service_pb2,
    ledger_service_pb2_grpc,
    notices_service_pb2,
    notices_service_pb2_grpc,
    persons_service_pb2,
    persons_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    register_service_pb2,
    register_service_pb2_grpc,
    statistics_service_pb2,
    statistics_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    study_service_pb2,
    study_service_pb2_grpc,
)
from cloison.wire import public_servicers, servicers
from cloison.wire.across_desk import AcrossDesk
from cloison.wire.across_servicers import Across
from cloison.wire.cases import CaseDesk
from cloison.wire.change_listener import ChangeListener
from cloison.wire.cohort_requester import CohortRequester
from cloison.wire.contestation_sender import ContestationSender
from cloison.wire.contestations import ContestationDesk
from cloison.wire.contestations_told import DeclarantDesk
from cloison.wire.days import DayBook
from cloison.wire.deposits import DepositDesk
from cloison.wire.destruction import DestructionDesk
from cloison.wire.holder import Holder
from cloison.wire.node import Clock, Node
from cloison.wire.notices import NoticeDesk
from cloison.wire.person_door import load_issuer, open_door
from cloison.wire.person_operator import OperatorDesk
from cloison.wire.persons_servicers import PersonOperator
from cloison.wire.policy_desk import PolicyDesk
from cloison.wire.policy_servicers import PolicyService
from cloison.wire.policy_sets import PolicySets
from cloison.wire.publishing import publishing, send_heads
from cloison.wire.requester import Requester
from cloison.wire.retention import RetentionDesk
from cloison.wire.settings import (
    DATABASES,
    INDEX,
    VAULT,
    NodeSettings,
    known_ledgers,
    open_node,
    quorum_of,
)
from cloison.wire.statistics_desk import StatisticsDesk
from cloison.wire.statistics_servicers import Statistics
from cloison.wire.study_desk import StudyDesk
from cloison.wire.study_servicers import Studies

_STOP_SECONDS = 5.0
_TICK_SECONDS = 1.0
_EXPIRE_TICKS = 60
_HEAR_SECONDS = 3600.0
_LOAD_TIME = timedelta(days=1)
_LONG_LOG_BYTES = 64 * 1024 * 1024
_NAMING = (VAULT, INDEX)
"""What tells whom entries are about."""
_SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second node on the same port must fail, not share it
    ("grpc.max_concurrent_streams", 256),  # of one connection: the caller waits, nobody else does
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", 4 * limits.MESSAGE_BYTES),
)
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * limits.MESSAGE_BYTES),
    # A peer that was down is called again within seconds of its return: gRPC's own pauses grow to
    # two minutes, and benefits wait as long.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES),
)
SERVICES = (
    gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
    exchange_service_pb2.DESCRIPTOR.services_by_name["ExchangeService"].full_name,
    cases_service_pb2.DESCRIPTOR.services_by_name["CasesService"].full_name,
    store_service_pb2.DESCRIPTOR.services_by_name["StoreService"].full_name,
    contestations_service_pb2.DESCRIPTOR.services_by_name["ContestationsService"].full_name,
    notices_service_pb2.DESCRIPTOR.services_by_name["NoticesService"].full_name,
    ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name,
    persons_service_pb2.DESCRIPTOR.services_by_name["PersonDeskService"].full_name,
    policy_service_pb2.DESCRIPTOR.services_by_name["PolicyService"].full_name,
    register_service_pb2.DESCRIPTOR.services_by_name["RegisterService"].full_name,
    statistics_service_pb2.DESCRIPTOR.services_by_name["StatisticsService"].full_name,
    across_service_pb2.DESCRIPTOR.services_by_name["AcrossService"].full_name,
    study_service_pb2.DESCRIPTOR.services_by_name["StudyService"].full_name,
)


@dataclass(frozen=True, slots=True)
class _Served:
    server: grpc.aio.Server
    checks: HealthServicer
    channels: tuple[grpc.aio.Channel, ...]
    door: grpc.aio.Server | None
    listener: ChangeListener


def channel_options(body: BodyId) -> tuple[tuple[str, str | int], ...]:
    """Options of a channel to a body's node: its certificate must name that body."""
    return (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", Peer(body).host))


def channel_credentials(ca: bytes, own: Issued) -> grpc.ChannelCredentials:
    """Mutual TLS: the authority, and one's own key and certificate."""
    return grpc.ssl_channel_credentials(ca, own.key, own.certificate)


async def serve(
    settings: NodeSettings, policy: PolicySet, clock: Clock, ready: Callable[[], None]
) -> None:
    """Runs a node until SIGTERM or SIGINT; calls `ready` when it answers.

    Raises:
        StorageError: `PORT_IN_USE`, or what `open_node` refuses.
    """
    node = open_node(settings, policy, clock)
    try:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with publishing(node, settings) as senders:
            served = await _start(node, settings)
            ready()
            tasks = [
                asyncio.create_task(_upkeep(node, settings.state, stop)),
                asyncio.create_task(_hear(served.listener, lambda: _holders(node, settings), stop)),
                asyncio.create_task(send_heads(senders, stop)),
            ]
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
            await _stop(served)
            stop.set()
            await asyncio.gather(*tasks)  # a node that cannot write its ledger says so, and ends
    finally:
        node.close()


async def _start(node: Node, settings: NodeSettings) -> _Served:
    own = load_tls(settings.own_keys)
    ca = load_certificate(settings.keys / "public" / "ca.crt")
    channels = {
        body: grpc.aio.secure_channel(
            address, channel_credentials(ca, own), options=channel_options(body)
        )
        for body, address in settings.addresses.items()
        if body != node.body
    }
    server = grpc.aio.server(options=_SERVER_OPTIONS)
    peers = {
        body: exchange_service_pb2_grpc.ExchangeServiceStub(channel)
        for body, channel in channels.items()
    }
    requester = _add_services(server, node, peers)
    _add_statistics(server, node, known_ledgers(settings.keys, "register"))
    desk = PolicyDesk(node, PolicySets(settings.state), quorum_of(settings.keys))
    policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyService(node, desk), server)
    checks = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    _listen(server, settings, ca, own)
    await server.start()
    door = (
        await open_door(node, load_issuer(settings.keys), settings.own_keys, settings.persons)
        if settings.persons
        else None
    )
    for name in ("", *SERVICES):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    listener = ChangeListener(node, requester)
    return _Served(server, checks, tuple(channels.values()), door, listener)


def _listen(server: grpc.aio.Server, settings: NodeSettings, ca: bytes, own: Issued) -> None:
    """Takes the body's port. Raises `StorageError` (`PORT_IN_USE`)."""
    address = settings.addresses[settings.body]
    credentials = grpc.ssl_server_credentials(
        [(own.key, own.certificate)], root_certificates=ca, require_client_auth=True
    )
    try:
        server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise StorageError(
            "PORT_IN_USE",
            f"address `{address}`: cannot listen, the port is taken",
            f"stop what listens there, or change the port of `{settings.body}`",
        ) from error


def _add_services(
    server: grpc.aio.Server,
    node: Node,
    peers: "dict[BodyId, exchange_service_pb2_grpc.ExchangeServiceAsyncStub]",
) -> Requester:
    holder = Holder(node)
    requester = Requester(node, holder, peers)
    cohorts = CohortRequester(node, requester, holder)
    gateway_service_pb2_grpc.add_GatewayServiceServicer_to_server(
        servicers.Gateway(node, requester, cohorts, ContestationSender(node, peers)), server
    )
    exchange_service_pb2_grpc.add_ExchangeServiceServicer_to_server(
        servicers.Exchange(node, holder), server
    )
    cases_service_pb2_grpc.add_CasesServiceServicer_to_server(
        servicers.Cases(node, CaseDesk(node)), server
    )
    store_service_pb2_grpc.add_StoreServiceServicer_to_server(
        servicers.Store(node, DepositDesk(node), DestructionDesk(node)), server
    )
    contestations_service_pb2_grpc.add_ContestationsServiceServicer_to_server(
        servicers.Contestations(node, DeclarantDesk(node)), server
    )
    notices_service_pb2_grpc.add_NoticesServiceServicer_to_server(
        servicers.Notices(node, NoticeDesk(node)), server
    )
    ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server(
        public_servicers.Ledger(node), server
    )
    register_service_pb2_grpc.add_RegisterServiceServicer_to_server(
        public_servicers.Register(node), server
    )
    persons_service_pb2_grpc.add_PersonDeskServiceServicer_to_server(
        PersonOperator(node, OperatorDesk(node)), server
    )
    return requester


def _add_statistics(
    server: grpc.aio.Server, node: Node, registers: Mapping[BodyId, NoteVerifier]
) -> None:
    desk = StatisticsDesk(node, Holder(node))
    statistics_service_pb2_grpc.add_StatisticsServiceServicer_to_server(
        Statistics(node, desk), server
    )
    across_service_pb2_grpc.add_AcrossServiceServicer_to_server(
        Across(node, AcrossDesk(node, desk, registers)), server
    )
    study_service_pb2_grpc.add_StudyServiceServicer_to_server(
        Studies(node, StudyDesk(node, desk, registers)), server
    )


def _holders(node: Node, settings: NodeSettings) -> list[BodyId]:
    """The bodies whose data this one's activities read, its own apart."""
    own = [one for one in node.policy.activities.values() if one.body == node.body]
    read = {BodyId(reads.holder) for record in own for reads in record.reads} - {node.body}
    return sorted(read & settings.addresses.keys())


async def _hear(
    listener: ChangeListener, holders: Callable[[], Sequence[BodyId]], stop: asyncio.Event
) -> None:
    """Every hour: what these have to tell. A program that wants it sooner asks (`Changes`)."""
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        await asyncio.wait((stopping,), timeout=_HEAR_SECONDS)
        if not stop.is_set():
            hearing = asyncio.create_task(listener.hear_all(holders()))
            await asyncio.wait((stopping, hearing), return_when=asyncio.FIRST_COMPLETED)
            hearing.cancel()  # on a stop: it goes on from there the next time
            with suppress(asyncio.CancelledError):
                await hearing


async def _upkeep(node: Node, state: Path, stop: asyncio.Event) -> None:
    """Every second: tiles settle, failures are entered, old answers forgotten, logs folded in.

    Days that are over are closed, and contestations that a load answered. Every minute, and each
    second while there are more: what ended is destroyed, and entered so. Every minute: see
    `forget`; once a day the oldest traces go; a second later what was deleted leaves the logs.

    Questions wait neither for a write-ahead log to be folded into its file nor for tiles to reach
    the disk: that is done beside them.
    """
    files = [state / name for name in DATABASES]
    contestations = ContestationDesk(node)
    for part in (node.store, node.vault, node.index):
        part.defer_checkpoints()
    destruction = DestructionDesk(node)
    days, retention = DayBook(node), RetentionDesk(node)
    ticks, more = 0, True  # a node that was down may have let some end
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TICK_SECONDS)
        await asyncio.to_thread(fold_logs, files)
        # Between calls, so that nobody writes: under load alone a log would never begin anew, and
        # until it does it keeps what was deleted, which is zeros in the file.
        emptied = _NAMING if ticks % _EXPIRE_TICKS == 0 else ()
        long = [one for one in files if one.name in emptied or _log_bytes(one) > _LONG_LOG_BYTES]
        fold_logs(long, "TRUNCATE")
        node.flush_failures()
        contestations.enter_answers()
        await days.close_beside()
        if node.traces.unsettled:
            await _settle(node.traces)
        with node.vault.transaction():
            node.vault.forget_answers(node.clock() - limits.REPEAT_WINDOW)
            node.vault.cohorts.forget_answers(node.clock() - limits.COHORT_CUT)
        ticks += 1
        destruction.finish()
        if more or ticks % _EXPIRE_TICKS == 0:
            more = _expire(destruction)
        if ticks % _EXPIRE_TICKS == 0:
            forget(node)
            retention.daily()


def _expire(destruction: DestructionDesk) -> bool:
    """Whether there may be more. What cannot be ended while somebody loads is left to `finish`."""
    try:
        return destruction.expire()
    except StorageError as error:
        if error.reason != "DESTRUCTION_PENDING":
            raise
        return False


def forget(node: Node) -> None:
    """Lets go of what was kept to tell of changes in answers whose case is over."""
    now = node.clock()
    with node.vault.transaction():
        node.vault.answered.forget(now)
    records = node.policy.activities.values()
    days = max((one.validity_days for record in records for one in record.case_types), default=0)
    # A load is dated by its beginning, and may end while questions are answered.
    node.store.forget_changes(now - timedelta(days=days) - _LOAD_TIME)


async def _settle(log: Log) -> None:
    settling = log.settling()
    try:
        await asyncio.to_thread(settling.sync, beside=True)
    except StorageError:
        log.stop()
        raise
    log.settled(settling)


def fold_logs(files: Sequence[Path], mode: Literal["PASSIVE", "TRUNCATE"] = "PASSIVE") -> None:
    """Moves each write-ahead log into its file, without waiting for anyone; a later call mends."""
    for file in files:
        with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=0)) as database:
            database.execute(f"PRAGMA wal_checkpoint({mode})")


def _log_bytes(file: Path) -> int:
    log = file.with_name(file.name + "-wal")
    return log.stat().st_size if log.exists() else 0


async def _stop(served: _Served) -> None:
    await served.checks.enter_graceful_shutdown()
    if served.door is not None:
        await served.door.stop(_STOP_SECONDS)
    await served.server.stop(_STOP_SECONDS)
    for channel in served.channels:
        await channel.close(None)
