"""Ledgers read once, into columns: one function a kind of entry."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from google.protobuf.message import DecodeError

from cloison.audit.lines import EntryError, Line
from cloison.audit.rows import (
    Asked,
    Cited,
    Closed,
    Contested,
    Deposit,
    Failure,
    Gone,
    Lost,
    Objection,
    Opened,
    Part,
    Place,
    Question,
    Received,
    Renewed,
    Sight,
    Told,
    Under,
)
from cloison.audit.said import (
    MOST,
    PERMITS,
    concluded,
    is_live,
    month_index,
    seen_ms,
    selected,
)
from cloison.audit.tables import Tables
from cloison.v1 import contestation_pb2, entry_pb2, statement_pb2


def take(tables: Tables, line: Line) -> None:
    """Keeps what an audit needs of an entry of a `traces`.

    Raises:
        IntegrityError: `BAD_ENTRY`: the statement in it cannot be decoded.
    """
    kind = line.entry.WhichOneof("kind") or ""
    tables.kinds[kind] += 1
    tables.place(line)
    tables.kept_from.setdefault(line.ledger, line.index)
    how = _TAKES.get(kind)
    if how is not None:
        how(tables, line, getattr(line.entry, kind))


def _asked(tables: Tables, line: Line, asked: entry_pb2.Asked) -> None:
    statement = _statement(line, asked.signed.statement)
    if line.body != statement.requester:
        tables.foreign.add(_place(line))
        return
    key = hash(sha256(asked.signed.statement).digest())
    ledger, index, time = line.ledger, line.index, line.entry.entry_time_ms
    tables.asked.add(
        Asked(ledger, index, time, key, statement.requester, statement.holder, statement.activity)
    )
    if statement.HasField("cohort"):
        tables.cohorts[ledger, key, True] = statement
    _see(tables, line, statement, asked.trace_keys)


def _see(
    tables: Tables, line: Line, statement: statement_pb2.Statement, traces: Sequence[bytes]
) -> None:
    together = int(statement.HasField("cohort"))
    chosen = selected(statement.holder, statement.selection.SerializeToString(deterministic=True))
    for trace in traces:
        tables.sights.add(
            Sight(
                line.ledger,
                line.index,
                line.entry.entry_time_ms,
                hash(trace),
                statement.activity,
                statement.purpose,
                statement.agent,
                chosen.dataset,
                chosen.first,
                chosen.last,
                chosen.granularity,
                together,
            )
        )


def _decided(tables: Tables, line: Line, decided: entry_pb2.Decided) -> None:
    statement = _statement(line, decided.signed.statement)
    if line.body != statement.holder:
        tables.foreign.add(_place(line))
        return
    tables.questions.add(_question(line, decided, statement))
    if statement.requester not in tables.bodies:
        if statement.HasField("cohort"):
            key = hash(sha256(decided.signed.statement).digest())
            tables.cohorts[line.ledger, key, False] = statement
        _see(tables, line, statement, decided.trace_keys)


def _question(
    line: Line, decided: entry_pb2.Decided, statement: statement_pb2.Statement
) -> Question:
    chosen = selected(statement.holder, statement.selection.SerializeToString(deterministic=True))
    said = concluded(decided.decision.SerializeToString(deterministic=True))
    facts, table, place = decided.facts, statement.table, _place(line)
    return Question(
        *place,
        hash(sha256(decided.signed.statement).digest()),
        statement.requester,
        statement.holder,
        statement.activity,
        statement.purpose,
        statement.legal_basis,
        statement.agent,
        chosen.dataset,
        chosen.fields,
        chosen.first,
        chosen.last,
        chosen.granularity,
        chosen.received_for,
        chosen.received_by,
        hash(statement.case_leaf_hash),
        facts.case.type,
        month_index(facts.case.month),
        facts.case.opened_time_ms,
        int(is_live(facts.case, statement.activity, place.time)),
        facts.persons,
        min(statement.cohort.size, MOST),
        f"{table.table} {table.period}" if table.table else "",
        said.permitted,
        decided.decision.outcome,
        said.reason,
        said.texts,
        said.provisional,
        said.notices,
        said.flag,
        decided.policy_set.hex(),
        int(facts.same_policy_set),
        hash(decided.sealed_hash),
        hash(line.leaf),
        decided.label.until_ms,
        seen_ms(facts, place.time),
    )


def _received(tables: Tables, line: Line, received: entry_pb2.Received) -> None:
    tables.received.add(
        Received(
            line.ledger,
            line.index,
            line.entry.entry_time_ms,
            hash(received.statement_hash),
            line.body,
            received.holder,
            min(received.leaf_index, MOST),
            hash(received.leaf_hash),
            int(received.outcome in PERMITS),
            received.outcome,
            hash(received.sealed_hash),
            received.label.until_ms,
        )
    )


def _lost(tables: Tables, line: Line, lost: entry_pb2.Lost) -> None:
    for statement in lost.statement_hashes:
        tables.lost.add(
            Lost(line.ledger, line.index, line.entry.entry_time_ms, hash(statement), line.body)
        )


def _part(tables: Tables, line: Line, part: entry_pb2.CohortPart) -> None:
    place, key = _place(line), hash(part.statement_hash)
    statement = tables.cohorts.get((line.ledger, key, part.received))
    if statement is not None:
        _see(tables, line, statement, part.trace_keys)
    for leaf in () if part.received else part.case_leaf_hashes:
        tables.under.add(Under(*place, key, hash(leaf)))
    tables.parts.add(
        Part(
            *place,
            line.body,
            key,
            min(part.batch_index, MOST),
            len(part.person_digests),
            int(part.received),
            hash(part.sealed_hash),
            hash(b"".join(part.person_digests)),
            int(part.last),
            hash(part.leaf_hash if part.received else line.leaf),
        )
    )


def _opened(tables: Tables, line: Line, opened: entry_pb2.CaseOpened) -> None:
    tables.opened.add(
        Opened(
            line.ledger,
            line.index,
            line.entry.entry_time_ms,
            hash(line.leaf),
            opened.activity,
            opened.type,
            month_index(opened.month),
            opened.valid_until_ms,
            len(opened.person_digests),
        )
    )


def _renewed(tables: Tables, line: Line, renewed: entry_pb2.CaseRenewed) -> None:
    key, time = hash(renewed.case_leaf_hash), line.entry.entry_time_ms
    tables.renewed.add(Renewed(line.ledger, line.index, time, key, renewed.valid_until_ms))


def _closed(tables: Tables, line: Line, closed: entry_pb2.CaseClosed) -> None:
    key, time = hash(closed.case_leaf_hash), line.entry.entry_time_ms
    tables.closed.add(Closed(line.ledger, line.index, time, key, closed.outcome))


def _notice_given(tables: Tables, line: Line, given: entry_pb2.NoticeGiven) -> None:
    key, time = hash(given.case_leaf_hash), line.entry.entry_time_ms
    tables.told.add(Told(line.ledger, line.index, time, key, given.notice))


def _deposited(tables: Tables, line: Line, deposited: entry_pb2.Deposited) -> None:
    tables.deposits.add(
        Deposit(
            line.ledger,
            line.index,
            line.entry.entry_time_ms,
            deposited.activity,
            deposited.output,
            hash(deposited.case_leaf_hash),
            len(deposited.receipts),
        )
    )
    for receipt in deposited.receipts:
        tables.cited.add(Cited(line.ledger, line.index, deposited.activity, hash(receipt)))


def _destroyed(tables: Tables, line: Line, destroyed: entry_pb2.Destroyed) -> None:
    place = (*_place(line), destroyed.activity, destroyed.why)
    releases = min(destroyed.releases, MOST) - len(destroyed.statement_hashes) + 1
    for statement in destroyed.statement_hashes:
        tables.gone.add(Gone(*place, hash(statement), releases))
    for case in destroyed.case_leaf_hashes:
        tables.gone.add(Gone(*place, hash(case), 0))


def _objected(tables: Tables, line: Line, objected: entry_pb2.Objected) -> None:
    time = line.entry.entry_time_ms
    for trace in objected.trace_keys:
        tables.objections.add(
            Objection(line.ledger, line.index, time, objected.activity, hash(trace))
        )


def _failures(tables: Tables, line: Line, failures: entry_pb2.Failures) -> None:
    for one in failures.counts:
        calls = min(one.count, MOST)
        tables.failures.add(
            Failure(line.ledger, line.index, failures.minute_ms, failures.peer, one.reason, calls)
        )


def _contested(tables: Tables, line: Line, contested: entry_pb2.Contested) -> None:
    raw = contested.signed.contestation
    said = contestation_pb2.Contestation()
    try:
        said.ParseFromString(raw)
    except DecodeError as error:
        raise _bad(line, "its contestation is none") from error
    if line.body == said.holder:  # its requester's word that it passed it on is not its handling
        _contestation(tables, line, "contested", hash(sha256(raw).digest()))


def _answered(tables: Tables, line: Line, answered: entry_pb2.ContestationAnswered) -> None:
    kind = "answered" if answered.record_version else "maintained"
    _contestation(tables, line, kind, hash(answered.contestation_hash))


def _told(tables: Tables, line: Line, told: entry_pb2.ContestationsTold) -> None:
    for digest in told.contestation_hashes:
        _contestation(tables, line, "told", hash(digest))


def _contestation(tables: Tables, line: Line, kind: str, key: int) -> None:
    tables.contested.add(Contested(line.ledger, line.index, line.entry.entry_time_ms, kind, key))


_TAKES: Mapping[str, Callable[[Tables, Line, Any], None]] = {
    "asked": _asked,
    "decided": _decided,
    "received": _received,
    "lost": _lost,
    "cohort_part": _part,
    "case_opened": _opened,
    "case_renewed": _renewed,
    "case_closed": _closed,
    "notice_given": _notice_given,
    "deposited": _deposited,
    "destroyed": _destroyed,
    "objected": _objected,
    "failures": _failures,
    "contested": _contested,
    "contestation_answered": _answered,
    "contestations_told": _told,
}


def _statement(line: Line, raw: bytes) -> statement_pb2.Statement:
    statement = statement_pb2.Statement()
    try:
        statement.ParseFromString(raw)
    except DecodeError as error:
        raise _bad(line, "its statement is none") from error
    return statement


def _bad(line: Line, why: str) -> EntryError:
    return EntryError.at(line.ledger, line.index, why)


def _place(line: Line) -> Place:
    return Place(line.ledger, line.index, line.entry.entry_time_ms)
