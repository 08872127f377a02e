"""What the ledger adds: durable appends with proof, heads with a quorum, a whole log verified.

Callers each append one entry and take its inclusion proof under the signed head; whatever waits is
one commit, and full tiles are written and synced by another thread meanwhile, as in a node. Beside
it the same bytes go to a pre-written file by `pwrite` and `fdatasync` alone, by the same loop; what
is added is the difference. A quorum is two of three witnesses, reached over HTTP on this machine,
all in this one process.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from tests.bench.processes import free_ports
from tests.bench.section import Section, at_most, table_of

from cloison.ledger import LedgerReader, Log, NoteSigner
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.trust_policy import TrustPolicy, parse_trust_policy
from cloison.ledger.witness import Witness
from cloison.wire.publishing import publish, send_heads, submit, witness_session
from cloison.wire.seen import OwnHead
from cloison.wire.witnessing import HeadSender

CALLERS = (1, 16, 128)
ENTRIES = 1_000_000
ENTRY = bytes(range(200)) * 2
_SECONDS, _ROUNDS = 0.8, 5
_GROUP = 8_192
_FILE_BYTES = 64 * 1024 * 1024
_OPENINGS = 150
_NAMES = ("cnav", "dgfip", "msa")
_SIGNER = NoteSigner("caf.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes(32)))

Commit = Callable[[Sequence[bytes]], object]


def measure(folder: Path, console: Console) -> Section:
    """All three parts."""
    added = _measure_appends(folder)
    opened = asyncio.run(_measure_quorum(folder))
    console.print(f"[dim]writing {ENTRIES:,} entries[/]", highlight=False)
    seconds = _measure_verification(folder)
    rows = [
        (f"{callers}", *(f"{one:,.0f}" if one >= 100 else f"{one:.2f}" for one in found))
        for callers, found in added.items()
    ]
    columns = ("callers", "entries/s", "bare", "ratio", "p99 ms", "bare p99", "p99 added")
    return Section(
        "The ledger: durable appends with proof, heads with a quorum, a whole log",
        (f"medians of {_ROUNDS} interleaved rounds of {_SECONDS} s; {len(ENTRY)} bytes an entry",),
        (
            table_of("Append with inclusion proof, against `fdatasync` alone", columns, rows),
            table_of(
                "A head over a new entry, seen by 2 of 3 witnesses",
                ("callers", "p50 ms", "p99 ms"),
                [(f"{callers}", f"{p50:.1f}", f"{p99:.1f}") for callers, p50, p99 in opened],
            ),
        ),
        (
            at_most("append with proof, p99 added at 128 callers", 2.5, added[128][-1], " ms"),
            at_most("case open until its quorum, p99", 2_000, max(one[2] for one in opened), " ms"),
            at_most(f"{ENTRIES:,} entries verified", 60, seconds, " s"),
        ),
        {
            "append": {str(callers): [round(one, 3) for one in v] for callers, v in added.items()},
            "quorum_ms": [[callers, round(a, 2), round(b, 2)] for callers, a, b in opened],
            "verify_seconds": round(seconds, 2),
        },
    )


def _measure_appends(folder: Path) -> dict[int, tuple[float, ...]]:
    found: dict[int, tuple[float, ...]] = {}
    bare = _Bare(folder / "bare")
    with Log.create(folder / "traces", _SIGNER) as log:

        def commit(entries: Sequence[bytes]) -> object:
            return log.inclusion_proofs(log.append_many(entries))

        for callers in CALLERS:
            ours: list[tuple[float, float]] = []
            theirs: list[tuple[float, float]] = []
            for number in range(_ROUNDS + 1):
                sides = [(commit, ours, log), (bare.commit, theirs, None)]
                for side, results, settled in sides[:: 1 if number % 2 else -1]:
                    result = asyncio.run(_load(side, callers, settled))
                    if number:
                        results.append(result)
                log.settle()
            (rate, p99), (bare_rate, bare_p99) = _median(ours), _median(theirs)
            found[callers] = (rate, bare_rate, rate / bare_rate, p99, bare_p99, p99 - bare_p99)
    bare.close()
    return found


def _median(results: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return median(rate for rate, _ in results), median(p99 for _, p99 in results)


class _Bare:
    """A pre-written file, each commit written and synced; begun anew at its end."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, bytes(_FILE_BYTES), 0)
        os.fsync(self._file)
        self._at = 0

    def commit(self, entries: Sequence[bytes]) -> None:
        """Writes the entries, and waits until they are on disk."""
        data = b"".join(entries)
        self._at = 0 if self._at + len(data) > _FILE_BYTES else self._at
        os.pwrite(self._file, data, self._at)
        os.fdatasync(self._file)
        self._at += len(data)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)


async def _settle(log: Log) -> None:
    """Once in a round, which lasts about as long as a node waits."""
    await asyncio.sleep(_SECONDS / 2)
    settling = log.settling()
    await asyncio.to_thread(settling.sync, beside=True)
    log.settled(settling)


async def _load(commit: Commit, callers: int, log: Log | None) -> tuple[float, float]:
    """Entries a second, and the p99 in ms of what each caller waited."""
    waiting: list[asyncio.Future[None]] = []
    waited: list[float] = []
    end = perf_counter() + _SECONDS

    async def call() -> None:
        while perf_counter() < end:
            begun = perf_counter()
            done = asyncio.get_running_loop().create_future()
            waiting.append(done)
            await done
            waited.append(perf_counter() - begun)

    calls = [asyncio.create_task(call()) for _ in range(callers)]
    settling = asyncio.create_task(_settle(log)) if log else None
    begun = perf_counter()
    while not all(one.done() for one in calls):
        await asyncio.sleep(0)
        taken = waiting[:]
        waiting.clear()
        if taken:
            commit([ENTRY] * len(taken))
            for one in taken:
                one.set_result(None)
    rate = len(waited) / (perf_counter() - begun)
    if settling:
        await settling
    waited.sort()
    return rate, waited[int(len(waited) * 0.99)] * 1e3


async def _measure_quorum(folder: Path) -> list[tuple[int, float, float]]:
    found = []
    async with _witnesses(folder) as trust, witness_session() as session:
        with Log.create(folder / "cases", _SIGNER) as log:
            seen = OwnHead(log, "caf", trust)
            sender = HeadSender(
                log, "caf", trust, seen, partial(submit, session), lambda: int(time())
            )
            stop = asyncio.Event()
            sending = asyncio.create_task(send_heads([sender], stop))
            for callers in (1, 16):
                waited: list[float] = []
                await asyncio.gather(*(_open(log, seen, waited, callers) for _ in range(callers)))
                waited.sort()
                found.append((callers, median(waited), waited[int(len(waited) * 0.99)]))
            stop.set()
            await sending
            await sender.close()
    return found


async def _open(log: Log, seen: OwnHead, waited: list[float], callers: int) -> None:
    for _ in range(_OPENINGS // callers):
        begun = perf_counter()
        appended = log.append_many([ENTRY])
        await seen.reach(appended.first_index)
        waited.append((perf_counter() - begun) * 1e3)


@asynccontextmanager
async def _witnesses(folder: Path) -> AsyncIterator[TrustPolicy]:
    lines = []
    async with AsyncExitStack() as running:
        for number, (name, port) in enumerate(zip(_NAMES, free_ports(len(_NAMES)), strict=True)):
            key = Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)
            cosigner = Cosigner(f"{name}.cloison.local/witness", key)
            logs = {_SIGNER.name: _SIGNER.verifier}
            witness = Witness(folder / name, cosigner, logs, lambda: int(time()))
            running.callback(witness.close)
            runner = await publish(f"127.0.0.1:{port}", {}, witness)
            running.push_async_callback(runner.cleanup)
            lines.append(f"witness {name} {cosigner.verifier.vkey} http://127.0.0.1:{port}/witness")
        lines += [f"group peers 2 {' '.join(_NAMES)}", "quorum peers"]
        yield parse_trust_policy("\n".join(lines))


def _measure_verification(folder: Path) -> float:
    with Log.create(folder / "whole", _SIGNER) as log:
        for start in range(0, ENTRIES, _GROUP):
            count = min(_GROUP, ENTRIES - start)
            log.append_many([b"%d " % (start + place) + ENTRY for place in range(count)])
    begun = perf_counter()
    LedgerReader(folder / "whole", _SIGNER.verifier).verify()
    return perf_counter() - begun
