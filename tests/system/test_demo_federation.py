"""The local federation as a user meets it: up, status, a port in use, a kill, a missing part."""

import json
import os
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.system.conftest import Federation, cloison, process, spare

from cloison.cli.federation import has_ended, health, running_pid, start
from cloison.cli.places import NodeAt, Place, read_nodes
from cloison.errors import InputError, PeerError, StorageError
from cloison.identity import Peer, load_certificate, load_tls
from cloison.ledger.reader import EntryReader
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.programs.entitlement.needs import Needs

MONTH = Month.of(2026, 6)
SERVICES = {
    "cloison.v1.AcrossService",
    "cloison.v1.CasesService",
    "cloison.v1.ContestationsService",
    "cloison.v1.ExchangeService",
    "cloison.v1.GatewayService",
    "cloison.v1.LedgerService",
    "cloison.v1.NoticesService",
    "cloison.v1.PersonDeskService",
    "cloison.v1.PolicyService",
    "cloison.v1.RegisterService",
    "cloison.v1.StatisticsService",
    "cloison.v1.StoreService",
    "cloison.v1.StudyService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


def channel(place: Place, node: NodeAt, keys: Path) -> grpc.Channel:
    own = load_tls(keys)
    return grpc.secure_channel(
        node.address,
        grpc.ssl_channel_credentials(
            load_certificate(place.keys / "public/ca.crt"), own.key, own.certificate
        ),
        options=[("grpc.ssl_target_name_override", Peer(node.body).host)],
    )


def test_health_of_each_node_over_mutual_tls_is_serving(federation: Federation) -> None:
    assert {health(federation.place, node) for node in federation.nodes} == {"SERVING"}


def test_reflection_lists_every_service(federation: Federation) -> None:
    node = federation.node("caf")
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    with channel(federation.place, node, federation.place.keys / "caf/node") as open_channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(open_channel)
        (answer,) = stub.ServerReflectionInfo(iter([ask]))
    listed = {service.name for service in answer.list_services_response.service}
    assert listed == SERVICES


def test_reflection_describes_the_gateway(federation: Federation) -> None:
    node = federation.node("caf")
    ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol="cloison.v1.GatewayService")
    with channel(federation.place, node, federation.place.keys / "caf/node") as open_channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(open_channel)
        (answer,) = stub.ServerReflectionInfo(iter([ask]))
    data = answer.file_descriptor_response.file_descriptor_proto[0]
    assert FileDescriptorProto.FromString(data).service[0].name == "GatewayService"


def test_health_without_a_client_certificate_is_unreachable(federation: Federation) -> None:
    node = federation.node("caf")
    ca = load_certificate(federation.place.keys / "public/ca.crt")
    options = [("grpc.ssl_target_name_override", Peer(node.body).host)]
    credentials = grpc.ssl_channel_credentials(ca)
    with (
        grpc.secure_channel(node.address, credentials, options=options) as anonymous,
        pytest.raises(grpc.FutureTimeoutError),
    ):
        grpc.channel_ready_future(anonymous).result(timeout=2)


def test_up_of_a_running_federation_says_that_it_runs(federation: Federation) -> None:
    with pytest.raises(InputError) as refused:
        start(federation.place, federation.nodes)
    assert refused.value.reason == "ALREADY_UP"


def test_status_of_a_running_federation_shows_each_node(federation: Federation) -> None:
    done = cloison("status", *federation.place.options())
    assert done.returncode == 0
    assert done.stdout.count("SERVING") == len(federation.nodes)


def test_up_with_a_port_in_use_names_port_and_body_and_starts_none(
    federation: Federation, tmp_path: Path
) -> None:
    place = spare(federation, tmp_path, "cnav", "msa")
    nodes = read_nodes(place, ["cnav", "msa"])
    with socket.socket() as taken:
        taken.bind((nodes[1].host, nodes[1].port))
        taken.listen()
        done = cloison("up", *place.options(), "--only", "cnav", "--only", "msa")
    assert done.returncode == 1
    assert f"port `{nodes[1].port}` of node `msa`" in done.stderr
    assert [running_pid(node) for node in nodes] == [None, None]


def test_up_when_one_node_fails_stops_the_others(federation: Federation, tmp_path: Path) -> None:
    place = spare(federation, tmp_path, "cnav", "msa")
    nodes = read_nodes(place, ["cnav", "msa"])
    shutil.rmtree(nodes[1].folder / "ledger")
    with pytest.raises(StorageError, match="NO_LEDGER") as refused:
        start(place, nodes, within_seconds=60)
    assert refused.value.reason == "NODE_FAILED"
    assert [running_pid(node) for node in nodes] == [None, None]


def run_broken(place: Place, body: str) -> tuple[int, str]:
    done = process("node", "run", body, *place.options())
    return done.returncode, done.stderr


def test_node_without_ledger_refuses_to_start(federation: Federation, tmp_path: Path) -> None:
    place = spare(federation, tmp_path, "msa")
    shutil.rmtree(place.var / "msa/ledger")
    code, said = run_broken(place, "msa")
    assert (code, "NO_LEDGER" in said) == (1, True), said


def test_node_without_keys_refuses_to_start(federation: Federation, tmp_path: Path) -> None:
    place = spare(federation, tmp_path, "msa")
    code, said = run_broken(replace(place, keys=tmp_path / "none"), "msa")
    assert (code, "NO_KEYS" in said) == (1, True), said


def test_node_with_keys_others_may_read_refuses_to_start(
    federation: Federation, tmp_path: Path
) -> None:
    place = spare(federation, tmp_path, "msa")
    keys = tmp_path / "loose"
    shutil.copytree(place.keys, keys)
    (keys / "msa/node/traces.key").chmod(0o644)
    code, said = run_broken(replace(place, keys=keys), "msa")
    assert (code, "LOOSE_MODE" in said) == (1, True), said


def test_node_without_policy_refuses_to_start(federation: Federation, tmp_path: Path) -> None:
    place = spare(federation, tmp_path, "msa")
    shutil.rmtree(place.var / "msa/policy-sets")
    code, said = run_broken(place, "msa")
    assert (code, "NO_POLICY_SET" in said) == (1, True), said
    assert "Traceback" not in said


def ask_until_killed(federation: Federation, acknowledged: dict[int, bytes]) -> None:
    """Questions to the body's own node; the receipts it gave, each checked by the client."""
    needs = Needs.of(federation.policy.activities["caf-rsa"])
    with federation.gateway("caf-rsa") as gateway:
        cases = list(gateway.open_cases("claim", MONTH))
        questions = [one for case in cases for one in needs.own_questions(case, MONTH)]
        for question in questions * 100:
            (reply,) = gateway.ask([question])
            if reply.receipt is None:
                return
            acknowledged[reply.receipt.leaf_index] = reply.receipt.leaf_hash


def kill_while_it_answers(federation: Federation, node: NodeAt) -> dict[int, bytes]:
    pid = running_pid(node)
    assert pid is not None
    acknowledged: dict[int, bytes] = {}
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_until_killed, federation, acknowledged)
        while len(acknowledged) < 20 and not asking.done():
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        with suppress(PeerError):
            asking.result(timeout=30)
    while not has_ended(pid):
        time.sleep(0.05)
    return acknowledged


def test_kill_while_it_answers_keeps_every_acknowledged_entry(federation: Federation) -> None:
    """INVARIANT: an acknowledged entry survives a crash at any instant."""
    node = federation.node("caf")
    acknowledged = kill_while_it_answers(federation, node)
    start(federation.place, [node], within_seconds=60)
    entries = EntryReader(node.folder / "ledger/traces")
    kept = {index: leaf_hash(data) for index, data in entries.entries(0, entries.size)}
    assert len(acknowledged) >= 20
    assert acknowledged.items() <= kept.items()


def test_ledgers_of_a_running_federation_verify_from_the_shell(federation: Federation) -> None:
    ledger = federation.node("cnav").folder / "ledger/traces"
    vkey = federation.place.keys / "public/ledgers/cnav.traces.vkey"
    done = cloison("ledger", "verify", str(ledger), "--vkey", str(vkey), "--json")
    assert (done.returncode, json.loads(done.stdout)["origin"]) == (0, "cnav.cloison.local/traces")
