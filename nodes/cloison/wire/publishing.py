"""The HTTP side of a process: what it publishes, and the heads it sends to be witnessed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import aiohttp
from aiohttp import web

from cloison.errors import InputError, StorageError
from cloison.ledger.witness import Witness
from cloison.wire.node import Node
from cloison.wire.public_http import Published, public_app
from cloison.wire.settings import NodeSettings
from cloison.wire.trust import load_trust_policy
from cloison.wire.witnessing import HeadSender

_MOST_ANSWER_BYTES = 65_536
_SUBMIT_SECONDS = 5.0
_TICK_SECONDS = 1.0
_CLOSE_SECONDS = 1.0


async def publish(
    address: str, ledgers: Mapping[str, Published], witness: Witness | None
) -> web.AppRunner:
    """Listens; `cleanup` of what is given back ends it.

    Raises:
        StorageError: `PORT_IN_USE`. InputError: `BAD_ADDRESS`.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError("BAD_ADDRESS", f"address `{address}`: not an address", "host:port")
    runner = web.AppRunner(public_app(ledgers, witness), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port), shutdown_timeout=_CLOSE_SECONDS).start()
    except OSError as error:
        await runner.cleanup()
        raise StorageError(
            "PORT_IN_USE",
            f"address `{address}`: cannot listen: {error.strerror}",
            "stop what listens there, or move it with `--addresses FILE`",
        ) from error
    return runner


async def submit(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, bytes]:
    """Posts to a witness: status, and the first of what it answers.

    Raises:
        OSError, TimeoutError: nobody answers, or not in time.
    """
    try:
        async with session.post(url, data=body, allow_redirects=False) as response:
            return response.status, await response.content.read(_MOST_ANSWER_BYTES)
    except aiohttp.ClientError as error:
        raise OSError(str(error)) from error


def witness_session() -> aiohttp.ClientSession:
    """A session that gives a witness five seconds."""
    timeout = aiohttp.ClientTimeout(total=_SUBMIT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, trust_env=False)


async def send_heads(senders: Sequence[HeadSender], stop: asyncio.Event) -> None:
    """Every second, each ledger's head to whoever has not seen it, until `stop`.

    Raises:
        StorageError: what the witnesses said cannot be kept.
    """
    while not stop.is_set():
        await asyncio.gather(*(sender.send() for sender in senders))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TICK_SECONDS)


@asynccontextmanager
async def publishing(node: Node, settings: NodeSettings) -> AsyncIterator[list[HeadSender]]:
    """Listens, where this body publishes; the senders of its two ledgers.

    Raises:
        StorageError: `PORT_IN_USE`. InputError: `BAD_ADDRESS`, `BAD_TRUST_POLICY`.
    """
    trust = load_trust_policy(settings.keys, settings.published)
    async with witness_session() as session:
        ledgers = {"traces": node.traces, "register": node.register}
        senders = {
            name: HeadSender(
                log,
                node.body,
                trust,
                partial(submit, session),
                lambda: int(node.clock().timestamp()),
            )
            for name, log in ledgers.items()
        }
        pages = {name: Published(log, senders[name].newest) for name, log in ledgers.items()}
        address = settings.published.get(node.body)
        runner = await publish(address, pages, node.witness) if address else None
        try:
            yield list(senders.values())
        finally:
            if runner is not None:
                await runner.cleanup()
