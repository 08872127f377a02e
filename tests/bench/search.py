"""How long does it take to find entries among a million by what they say?

The ledger holds questions of a few activities over three years, as a fund's would: asked, answered,
some refused. What is timed is `SearchIndex.find` of the newest fifty, entries read again included.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from tests.bench.section import Section, at_most, table_of

from cloison.exchange.entry_words import said_of
from cloison.exchange.statement import to_milliseconds
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner
from cloison.ledger.reader import EntryReader
from cloison.ledger.search import Query, SearchIndex
from cloison.v1 import entry_pb2, statement_pb2
from cloison.v1.decision_pb2 import OUTCOME_DENY, OUTCOME_PERMIT, Decision

ENTRIES = 1_000_000
BAR_MS = 50.0
_SHOWN = 50
_ROUNDS = 15
_START = to_milliseconds(datetime(2024, 1, 1, tzinfo=UTC))
_BETWEEN_MS = 3 * 365 * 86_400_000 // ENTRIES
_ACTIVITIES = (
    ("caf-ppa", "calculation"),
    ("caf-al", "calculation"),
    ("caf-rsa", "eligibility"),
    ("caf-outreach", "non-take-up"),
    ("caf-individual-control", "individual-control"),
)
_LONG_MS = 1_000 * 86_400_000
_QUERIES = {
    "trace key": Query(trace_key=sha256(b"trace 250001").digest()),
    "activity": Query(activity="caf-ppa"),
    "purpose": Query(purpose="calculation"),
    "outcome": Query(outcome="deny"),
    "period of a month": Query(
        since_ms=_START + _LONG_MS // 2, until_ms=_START + _LONG_MS // 2 + _LONG_MS // 33
    ),
    "all four": Query(
        "caf-individual-control", "individual-control", "deny", _START + 1, _START + _LONG_MS
    ),
    "nothing matches": Query(activity="caf-dmde"),
}


def measure(folder: Path, console: Console) -> Section:
    """Builds the ledger, indexes it once, then asks."""
    signer = NoteSigner("caf.cloison.local/traces", Ed25519PrivateKey.generate())
    with console.status(f"{ENTRIES:,} entries"):
        with Log.create(folder / "traces", signer) as log:
            entries = _entries()
            while some := [entry for entry, _ in zip(entries, range(10_000), strict=False)]:
                log.append_many(some)
        reader = EntryReader(folder / "traces")
        start = perf_counter()
        index = SearchIndex(folder / "traces.search.sqlite", reader, said_of)
        built = perf_counter() - start
    found = {name: _timed(index, query) for name, query in _QUERIES.items()}
    index.close()
    size = (folder / "traces.search.sqlite").stat().st_size
    rows = [
        (name, f"{total:,}", f"{ms:.2f}", f"{worst:.2f}")
        for name, (total, ms, worst) in found.items()
    ]
    slowest = max(worst for _, _, worst in found.values())
    return Section(
        "Search: entries found by what they say",
        (
            f"{ENTRIES:,} entries; index made in {built:.0f} s of CPU, {size / 1e6:.0f} MB",
            f"newest {_SHOWN} of what is found, each read again; {_ROUNDS} times",
        ),
        (table_of("By", ("by", "entries", "median ms", "worst ms"), rows),),
        (at_most(f"slowest of all, among {ENTRIES:,}", BAR_MS, slowest, " ms"),),
        {"build_cpu_seconds": round(built, 1), "worst_ms": round(slowest, 2)},
    )


def _timed(index: SearchIndex, query: Query) -> tuple[int, float, float]:
    times = []
    total = 0
    for _ in range(_ROUNDS):
        index.forget()
        start = perf_counter()
        total, _ = index.find(query, _SHOWN)
        times.append((perf_counter() - start) * 1000)
    return total, sorted(times)[_ROUNDS // 2], max(times)


def _entries() -> Iterator[bytes]:
    """A question in two entries: asked, then received; a holder's own has its decision."""
    for number in range(ENTRIES // 2):
        activity, purpose = _ACTIVITIES[number % 17 % 5]
        statement = statement_pb2.Statement(
            version=1,
            requester="caf",
            holder="cnav",
            activity=activity,
            purpose=purpose,
            nonce=number.to_bytes(16, "big"),
        ).SerializeToString()
        time = _START + 2 * number * _BETWEEN_MS
        trace = [sha256(b"trace %d" % number).digest()]
        outcome = OUTCOME_DENY if number % 23 == 0 else OUTCOME_PERMIT
        signed = statement_pb2.SignedStatement(statement=statement, signature=bytes(64))
        yield _entry(time, asked=entry_pb2.Asked(signed=signed, trace_keys=trace))
        if number % 2:
            yield _entry(
                time + 40,
                received=entry_pb2.Received(
                    statement_hash=sha256(statement).digest(), outcome=outcome, trace_keys=trace
                ),
            )
        else:
            yield _entry(
                time + 40,
                decided=entry_pb2.Decided(
                    signed=signed,
                    decision=Decision(outcome=outcome, reason="PERMITTED"),
                    trace_keys=trace,
                ),
            )


def _entry(time: int, **kind: object) -> bytes:
    entry = entry_pb2.Entry(version=1, entry_time_ms=time, **kind)  # type: ignore[arg-type]
    return entry.SerializeToString(deterministic=True)
