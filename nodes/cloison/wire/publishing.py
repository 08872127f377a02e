"""The HTTP side of a process: what it publishes, and the heads it sends to be witnessed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
from aiohttp import web

from cloison.bodies import BodyId
from cloison.errors import InputError, StorageError
from cloison.ledger.trust_policy import TrustPolicy
from cloison.ledger.witness import Witness
from cloison.wire.node import Node
from cloison.wire.public_http import Published, public_app
from cloison.wire.seen import OwnHead
from cloison.wire.settings import NodeSettings, trust_of
from cloison.wire.witnessing import HeadSender

_MOST_ANSWER_BYTES = 65_536
_SUBMIT_SECONDS = 5.0
_TICK_SECONDS = 1.0
_AGAIN_SECONDS = 0.5
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
    """Every second, and whenever one is waited for, each ledger's head to whoever has not seen it.

    Until `stop`. Where too few answer they are asked again a little sooner.

    Raises:
        StorageError: what the witnesses said cannot be kept.
    """
    while not stop.is_set():
        sending = asyncio.create_task(_send_all(senders))
        await _first_of([stop], [sending], None)
        if not sending.done():  # a witness that does not answer holds up no end
            sending.cancel()
            break
        met = sending.result()
        wakes = [stop, *(sender.seen.wanted for sender in senders if met)]
        await _first_of(wakes, [], _TICK_SECONDS if met else _AGAIN_SECONDS)


async def _send_all(senders: Sequence[HeadSender]) -> bool:
    return all(await asyncio.gather(*(sender.send() for sender in senders)))


async def _first_of(
    events: Sequence[asyncio.Event],
    tasks: Sequence[asyncio.Task[bool]],
    within_seconds: float | None,
) -> None:
    """Returns at the first event or end of a task, or when the time is over."""
    waiting = [asyncio.create_task(one.wait()) for one in events]
    await asyncio.wait(
        [*waiting, *tasks], timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED
    )
    for task in waiting:
        task.cancel()


@asynccontextmanager
async def publishing(node: Node, settings: NodeSettings) -> AsyncIterator[list[HeadSender]]:
    """Listens, where this body publishes; the senders of its two ledgers.

    Raises:
        StorageError: `PORT_IN_USE`. InputError: `BAD_ADDRESS`, `BAD_TRUST_POLICY`, `NO_WITNESS`:
            the trust policy asks for witnesses that publish nowhere.
    """
    trust = trust_of(settings)
    _require_reachable(node.body, trust)
    async with witness_session() as session:
        ledgers = {"traces": node.traces, "register": node.register}
        senders = {
            name: HeadSender(
                log,
                node.body,
                trust,
                node.seen if log is node.traces else OwnHead(log, node.body, trust),
                partial(submit, session),
                lambda: int(node.clock().timestamp()),
            )
            for name, log in ledgers.items()
        }
        pages = {name: Published(log, senders[name].seen.newest) for name, log in ledgers.items()}
        address = settings.published.get(node.body)
        runner = await publish(address, pages, node.witness) if address else None
        try:
            yield list(senders.values())
        finally:
            for sender in senders.values():
                await sender.close()
            if runner is not None:
                await runner.cleanup()


def _require_reachable(body: BodyId, trust: TrustPolicy) -> None:
    """A node that could never be witnessed would start, and refuse every question."""
    others = {name for name, one in trust.witnesses.items() if one.url and name != body}
    if not trust.met(others.__contains__):
        raise InputError(
            "NO_WITNESS",
            f"node `{body}`: too few of the witnesses it asks for publish anywhere",
            "give their addresses under `[http]`; for a trial without witnesses say"
            ' `quorum = "none"` in the file of addresses',
        )
