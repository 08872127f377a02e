"""What `AskMany` is held against: the same persons over the same hops, joined by key, bare.

Run as `python -m tests.bench.many_relay holder|node …`: the holder hashes each NIR to its row key
and gives the same columns from the same store; no statement, case, decision, seal or ledger. The
node passes each batch on and each answer back, never decoded.
"""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pyarrow as pa
from tests.bench.processes import free_ports, start
from tests.bench.relay import Keys, Running

from cloison.bodies import BodyId, parse_body
from cloison.exchange.tables import write_table
from cloison.identity import Nir, load_secret, row_keys
from cloison.months import Month
from cloison.store import Store, load_catalogue

SERVICE = "cloison.bench.ManyRelay"
METHOD = f"/{SERVICE}/AskMany"

Pass = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


async def serve(keys: Keys, port: int, act: Pass) -> None:
    """Serves until SIGTERM."""

    async def many(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for answer in act(requests):
            yield answer

    server = grpc.aio.server()
    handlers = {"AskMany": grpc.stream_stream_rpc_method_handler(many)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_secure_port(f"127.0.0.1:{port}", keys.server())
    await server.start()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: asyncio.ensure_future(server.stop(0.5))
    )
    await server.wait_for_termination()


async def run_holder(keys: Keys, port: int, nodes: Path, store: Path, fields: list[str]) -> None:
    """Gives each batch's records; a batch is one column of NIRs."""
    catalogue = load_catalogue(nodes / "catalogue.toml")
    row_secret = load_secret(keys.own / "row.key")
    held = Store.open(store, catalogue, row_secret, load_secret(keys.own / "vault.key"))
    last = Month.of(2026, 4)

    async def act(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for request in requests:
            nirs: list[Nir] = pa.ipc.open_stream(request).read_next_batch().column(0).to_pylist()
            persons = b"".join(row_keys(row_secret, nirs))
            now = datetime.now(UTC)
            found = held.fetch_many(
                "monthly_resources", persons, fields, last - 2, last, "month", now
            )
            yield write_table(found.table)

    await serve(keys, port, act)


async def run_node(keys: Keys, port: int, holder: BodyId, holder_port: int) -> None:
    """Passes every batch on to the holder."""
    async with keys.channel(holder, holder_port) as channel:
        method = channel.stream_stream(METHOD, None, None)

        async def act(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for answer in method(requests):
                yield answer

        await serve(keys, port, act)


@contextmanager
def running(
    keys: Path, requester: BodyId, holder: BodyId, store: Path, fields: list[str], folder: Path
) -> Iterator[Running]:
    """Both processes take calls inside."""
    node_port, holder_port = free_ports(2)
    common = ["-m", "tests.bench.many_relay", "--keys", str(keys)]
    holds = ["holder", "--body", holder, "--port", str(holder_port), "--store", str(store)]
    holds += ["--fields", ",".join(fields)]
    passes = ["node", "--body", requester, "--port", str(node_port)]
    passes += ["--holder", holder, "--holder-port", str(holder_port)]
    started = []
    try:
        for name, own, port in (("holder", holds, holder_port), ("node", passes, node_port)):
            started.append(start(name, [*common, *own], port, folder / f"many.{name}.log"))
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
    parser.add_argument("--store", type=Path)
    parser.add_argument("--fields", default="")
    parser.add_argument("--holder", type=parse_body)
    parser.add_argument("--holder-port", type=int)
    given = parser.parse_args()
    keys = Keys(given.keys, given.keys / given.body / "node")
    if given.role == "holder":
        nodes = Path(__file__).resolve().parents[2] / "nodes" / given.body
        fields = given.fields.split(",")
        asyncio.run(run_holder(keys, given.port, nodes, given.store, fields))
    else:
        asyncio.run(run_node(keys, given.port, given.holder, given.holder_port))


if __name__ == "__main__":
    main()
