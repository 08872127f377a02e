"""The bare relay: the processes, hops, certificates and bytes of a question, and no work at all.

Run as `python -m tests.bench.relay holder|node …`: the holder gives the same answer bytes to
whatever comes; the node passes each request on and each answer back. Bytes are never decoded.
"""

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from tests.bench.processes import Started, free_ports, start

from cloison.bodies import BodyId, parse_body
from cloison.identity import Peer, load_certificate, load_tls

SERVICE = "cloison.bench.Relay"
METHOD = f"/{SERVICE}/Ask"

Pass = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the federation's keys are, and as whom a process of the relay speaks."""

    directory: Path
    own: Path

    def server(self) -> grpc.ServerCredentials:
        """Mutual TLS: a client without a certificate of the authority is not heard."""
        mine = load_tls(self.own)
        return grpc.ssl_server_credentials(
            [(mine.key, mine.certificate)], self._authority(), require_client_auth=True
        )

    def channel(self, body: BodyId, port: int) -> grpc.aio.Channel:
        """A channel to the node of `body`, checked by its certificate's name."""
        mine = load_tls(self.own)
        credentials = grpc.ssl_channel_credentials(self._authority(), mine.key, mine.certificate)
        name = ("grpc.ssl_target_name_override", Peer(body).host)
        return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=[name])

    def _authority(self) -> bytes:
        return load_certificate(self.directory / "public/ca.crt")


def caller(channel: grpc.aio.Channel) -> Pass:
    """The relay's one method, bytes in and bytes out."""
    method = channel.unary_unary(METHOD, None, None)

    async def call(request: bytes) -> bytes:
        answer: bytes = await method(request)
        return answer

    return call


async def serve(keys: Keys, port: int, act: Pass) -> None:
    """Serves until SIGTERM."""

    async def ask(request: bytes, _context: object) -> bytes:
        return await act(request)

    server = grpc.aio.server()
    handlers = {"Ask": grpc.unary_unary_rpc_method_handler(ask)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_secure_port(f"127.0.0.1:{port}", keys.server())
    await server.start()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: asyncio.ensure_future(server.stop(0.5))
    )
    await server.wait_for_termination()


async def run_holder(keys: Keys, port: int, answer: bytes) -> None:
    """Gives `answer` to every request."""

    async def act(_request: bytes) -> bytes:
        return answer

    await serve(keys, port, act)


async def run_node(keys: Keys, port: int, holder: BodyId, holder_port: int) -> None:
    """Passes every request on to the holder."""
    async with keys.channel(holder, holder_port) as channel:
        await serve(keys, port, caller(channel))


@dataclass(frozen=True, slots=True)
class Running:
    """The relay's two processes."""

    node: Started
    holder: Started


@contextmanager
def running(
    keys: Path, requester: BodyId, holder: BodyId, answer: bytes, folder: Path
) -> Iterator[Running]:
    """Both processes take calls inside; `folder` gets the answer and their messages."""
    file = folder / "relay.answer"
    file.write_bytes(answer)
    node_port, holder_port = free_ports(2)
    common = ["-m", "tests.bench.relay", "--keys", str(keys)]
    holds = ["holder", "--body", holder, "--port", str(holder_port), "--answer", str(file)]
    passes = ["node", "--body", requester, "--port", str(node_port)]
    passes += ["--holder", holder, "--holder-port", str(holder_port)]
    started: list[Started] = []
    try:
        for name, own, port in (("holder", holds, holder_port), ("node", passes, node_port)):
            started.append(start(name, [*common, *own], port, folder / f"relay.{name}.log"))
        for one in started:
            one.wait_ready()
        yield Running(started[1], started[0])
    finally:
        for one in reversed(started):
            one.stop()


def main() -> None:
    """The relay's two roles."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["holder", "node"])
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--body", type=parse_body, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--answer", type=Path)
    parser.add_argument("--holder", type=parse_body)
    parser.add_argument("--holder-port", type=int)
    given = parser.parse_args()
    keys = Keys(given.keys, given.keys / given.body / "node")
    if given.role == "holder":
        asyncio.run(run_holder(keys, given.port, given.answer.read_bytes()))
    else:
        asyncio.run(run_node(keys, given.port, given.holder, given.holder_port))


if __name__ == "__main__":
    main()
