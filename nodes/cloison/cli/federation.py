"""The processes of a federation on this machine: start all or none, stop, ask for health.

A node's process is known by `var/BODY/node.pid`, and is only ever signalled while it still is the
program that runs that body from that folder.
"""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from sys import executable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cloison.bodies import BodyId
from cloison.cli.places import NodeAt, Place
from cloison.cli.witnessed import wait_witnessed
from cloison.errors import CloisonError, InputError, StorageError
from cloison.identity import Peer, load_certificate, load_tls
from cloison.v1 import ledger_service_pb2, ledger_service_pb2_grpc

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
WITNESSED_SECONDS = 10.0
PORT_SECONDS = 2.0
NAMELESS_SECONDS = 2.0
CALL_SECONDS = 2.0
_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 4000
_PID = re.compile(r"([1-9][0-9]{0,8})\n", re.ASCII)

CLOISON = (executable, "-m", "cloison.cli")
"""`cloison`, by this interpreter."""

Launch = Callable[[Place, BodyId], list[str]]
"""The command line that runs one node until SIGTERM."""


def launch_node(place: Place, body: BodyId, program: Sequence[str] = CLOISON) -> list[str]:
    """The command line of an ordinary node; `program` runs what `cloison` would."""
    return [*program, "node", "run", body, *place.options()]


def launch_witness(place: Place, body: BodyId) -> list[str]:
    """The command line of an overseer's witness."""
    return [*CLOISON, "witness", "run", body, *place.options()]


def start(
    place: Place,
    nodes: Sequence[NodeAt],
    launch: Launch = launch_node,
    within_seconds: float = READY_SECONDS,
) -> list[BodyId]:
    """Every node serving, within that many seconds in all; or none of them, and why.

    Where enough witnesses run, their ledgers are witnessed too: until then they refuse questions.

    Returns:
        Whose ledger too few witnesses have seen: no node waits for another to start.

    Raises:
        InputError: `NO_STATE`: a node was never created. `ALREADY_UP`: it runs.
        StorageError: `PORT_IN_USE`: another process listens there. `NODE_FAILED`: it ended, or did
            not answer in time; the message has what it printed last.
    """
    for node in nodes:
        _check_startable(place, node)
    started: list[NodeAt] = []
    try:
        for node in nodes:
            started.append(node)
            _spawn(node, (launch_witness if node.witness else launch)(place, node.body))
        _wait_serving(place, started, time.monotonic() + within_seconds)
        return wait_witnessed(place, started, WITNESSED_SECONDS)
    except BaseException:
        stop(started)
        raise


def stop(nodes: Sequence[NodeAt], within_seconds: float = STOP_SECONDS) -> list[BodyId]:
    """Ends the nodes that run, all at once; gives back which those were.

    Raises:
        StorageError: `STILL_RUNNING`: one did not end in time; nothing harsher was tried.
    """
    running = {node: pid for node in nodes if (pid := running_pid(node)) is not None}
    for pid in running.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + within_seconds
    for node, pid in running.items():
        while not has_ended(pid):
            if time.monotonic() > deadline:
                message = f"node `{node.body}`: process {pid} does not end"
                raise StorageError("STILL_RUNNING", message, f"see `{node.log_file}`")
            time.sleep(_POLL_SECONDS)
    for node in nodes:
        node.pid_file.unlink(missing_ok=True)
    return [node.body for node in running]


def running_pid(node: NodeAt) -> int | None:
    """The process of the pid file, while it is this body's node.

    A process shows no command line for a moment as it begins, and again as it ends: which of the
    two it was is waited for.
    """
    try:
        written = _PID.fullmatch(node.pid_file.read_text("utf-8", "replace"))
    except OSError:
        return None
    if written is None:
        return None
    pid = int(written[1])
    ours = {str(node.body), str(node.folder.parent.resolve())}
    deadline = time.monotonic() + NAMELESS_SECONDS
    while not has_ended(pid) and time.monotonic() < deadline:
        if words := _command_line(pid):
            return pid if ours <= words else None
        time.sleep(_POLL_SECONDS)
    return None


def _command_line(pid: int) -> set[str]:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return set()
    return set(line.decode("utf-8", "replace").split("\0")) if line else set()


def has_ended(pid: int) -> bool:
    """Whether a process is gone, its ports with it; one of ours that ended is reaped.

    A killed process reads as a zombie as soon as its first thread is one; the others may still
    hold its ports, so none of them may be left.
    """
    with suppress(ChildProcessError):  # started by another process, which may have left it
        os.waitpid(pid, os.WNOHANG)
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text("utf-8", "replace").rpartition(") ")[2][:1]
        threads = len(list((process / "task").iterdir()))
    except OSError:
        return True
    return state in {"Z", "X"} and threads <= 1


def health(place: Place, node: NodeAt, timeout_seconds: float = CALL_SECONDS) -> str:
    """`SERVING`, another status of gRPC health, or `unreachable`."""
    if node.witness:
        return "SERVING" if _accepts(node, timeout_seconds) else "unreachable"
    with channel(place, node) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
        except grpc.RpcError:
            return "unreachable"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _accepts(node: NodeAt, timeout_seconds: float) -> bool:
    """Whether somebody listens there: a witness does once it has read what it cosigned."""
    try:
        socket.create_connection((node.host, node.port), timeout_seconds).close()
    except OSError:
        return False
    return True


def ledger_size(place: Place, node: NodeAt) -> int | None:
    """Entries in a node's `traces` ledger, as its signed head says; None if it does not answer."""
    request = ledger_service_pb2.GetCheckpointRequest(log=ledger_service_pb2.LOG_NAME_TRACES)
    with channel(place, node) as opened:
        stub = ledger_service_pb2_grpc.LedgerServiceStub(opened)
        try:
            note = stub.GetCheckpoint(request, timeout=CALL_SECONDS).checkpoint
        except grpc.RpcError:
            return None
    return int(note.split(b"\n")[1])


def check_port(node: NodeAt, within_seconds: float = 0.0) -> None:
    """Raises `StorageError` (`PORT_IN_USE`) if another process listens where this node will.

    It may take that many seconds to become free: a process just killed is no longer anybody's node
    some moments before the system lets go of its port.
    """
    deadline = time.monotonic() + within_seconds
    while (refused := _refused_port(node)) is not None:
        if time.monotonic() >= deadline:
            raise StorageError(
                "PORT_IN_USE",
                f"port `{node.port}` of node `{node.body}`: {refused.strerror}",
                "stop what listens there, or move the nodes with `--addresses FILE`",
            ) from refused
        time.sleep(_POLL_SECONDS)


def _refused_port(node: NodeAt) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((node.host, node.port))
        except OSError as error:
            return error
    return None


def channel(place: Place, node: NodeAt) -> grpc.Channel:
    """To a node, with its own certificate: what its operator may call is open to it."""
    issued = load_tls(place.keys / node.body / "node")
    credentials = grpc.ssl_channel_credentials(
        load_certificate(place.keys / "public/ca.crt"), issued.key, issued.certificate
    )
    name = ("grpc.ssl_target_name_override", Peer(node.body).host)
    return grpc.secure_channel(
        node.address, credentials, options=[name, ("grpc.enable_http_proxy", 0)]
    )


def _check_startable(place: Place, node: NodeAt) -> None:
    if node.witness:
        node.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not node.folder.is_dir():
        raise InputError(
            "NO_STATE",
            f"node `{node.body}`: `{node.folder}` does not exist",
            f"run `cloison node init {node.body} --keys {place.keys} --var {place.var}`",
        )
    pid = running_pid(node)
    if pid is not None:
        message = f"node `{node.body}`: already runs, process {pid}"
        raise InputError("ALREADY_UP", message, f"run `cloison down --var {place.var}`")
    check_port(node, PORT_SECONDS)


def _spawn(node: NodeAt, command: list[str]) -> None:
    """Starts it in a session of its own, so that the shell's signals do not reach it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        command[0],
        command,
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(node.log_file), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    node.pid_file.touch(mode=0o600)
    node.pid_file.write_text(f"{pid}\n", "ascii")


def _wait_serving(place: Place, started: Sequence[NodeAt], deadline: float) -> None:
    for node in started:
        while (state := health(place, node, timeout_seconds=0.5)) != "SERVING":
            if running_pid(node) is None:
                raise _failed(node, "ended while starting")
            if time.monotonic() > deadline:
                raise _failed(node, f"not ready in time, {state}")
            time.sleep(_POLL_SECONDS)


def _failed(node: NodeAt, why: str) -> CloisonError:
    said = node.log_file.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
    return StorageError(
        "NODE_FAILED",
        f"node `{node.body}` on port `{node.port}`: {why}",
        f"it said: {said}" if said else f"see `{node.log_file}`",
    )
