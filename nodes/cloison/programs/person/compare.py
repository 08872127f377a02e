"""One body's ledger about the person, held against the other's."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.exchange import limits
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import from_milliseconds
from cloison.exchange.traced import entry_day
from cloison.programs.person.verify import Access, Traces
from cloison.v1 import entry_pb2, statement_pb2


def differences(read: Mapping[BodyId, Traces]) -> list[str]:
    """What one body's ledger says of the person and the other's does not: French sentences.

    A body that keeps two keys for one person shows the entries of one; the body it exchanged with
    shows the other half of all. Two bodies that hide both halves are not found so. A batch of a
    cohort that was lost on its way differs too, once nobody can fetch it any more.
    """
    return list(_differences(read))


def _differences(read: Mapping[BodyId, Traces]) -> Iterator[str]:
    until = min((one.read_time for one in read.values()), default=None)
    halves: dict[tuple[str, BodyId], set[bytes]] = {}
    for body, traces in read.items():
        for access in traces.own:
            for kind, one in _halves(access):
                halves.setdefault((kind, body), set()).add(one)
    for body, traces in read.items():
        for access in traces.own:
            entry = access.entry
            if until is None or from_milliseconds(entry.entry_time_ms) >= until - _wait(entry):
                continue
            for other, kind, one in _other_half(traces, access):
                if other in read and one not in halves.get((kind, other), ()):
                    yield (
                        f"Le registre de {body} (inscription {access.index}) dit un échange avec"
                        f" {other} que {other} ne montre pas."
                    )


def _wait(entry: entry_pb2.Entry) -> timedelta:
    """How long the other half may take: what left of a cohort can be fetched again for an hour."""
    part = entry.cohort_part
    leaving = entry.WhichOneof("kind") == "cohort_part" and not part.received
    return limits.COHORT_CUT if leaving else timedelta(0)


def _halves(access: Access) -> Iterator[tuple[str, bytes]]:
    entry = access.entry
    kind = entry.WhichOneof("kind") or ""
    if kind in {"asked", "decided"}:
        yield kind, sha256(getattr(entry, kind).signed.statement).digest()
    elif kind == "cohort_part":
        part = entry.cohort_part
        yield ("came" if part.received else "left"), part_key(part.statement_hash, part.batch_index)


def _other_half(traces: Traces, access: Access) -> Iterator[tuple[BodyId, str, bytes]]:
    """Body, kind and name of what must stand in another body's ledger, about the same person."""
    entry, body = access.entry, traces.body
    kind = entry.WhichOneof("kind") or ""
    if kind == "decided" and entry.decided.peer != body:
        statement = statement_pb2.Statement.FromString(entry.decided.signed.statement)
        day_key = traces.key_of(entry_day(access.data))
        asked_about = list(entry.decided.trace_keys)[: len(statement.person_digests)]
        # Whom a household's file only names was not asked about: the requester traces those asked.
        if day_key in asked_about:
            name = sha256(entry.decided.signed.statement).digest()
            yield BodyId(entry.decided.peer), "asked", name
    elif kind == "received" and entry.received.holder != body:
        yield BodyId(entry.received.holder), "decided", entry.received.statement_hash
    elif kind == "cohort_part" and entry.cohort_part.peer != body:
        part = entry.cohort_part
        place = part_key(part.statement_hash, part.batch_index)
        asked_about = list(part.trace_keys)[: len(part.person_digests)]
        if part.received:
            yield BodyId(part.peer), "left", place
        elif traces.key_of(entry_day(access.data)) in asked_about:
            yield BodyId(part.peer), "came", place
