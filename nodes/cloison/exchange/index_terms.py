"""What an index finds an entry by."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

from cloison.exchange.entries import parse_entry
from cloison.exchange.traced import traced_keys
from cloison.ledger.terms import Group, Term
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2, statement_pb2

LAST_DAY = b"last"
"""Under this key of kind `day` stands every day that was closed; under the day itself, that day."""
COUNTED = ("case",)
"""Kinds whose keys are counted: how many questions were decided under a case."""

_Terms = Iterator[Term | Group]


def part_key(statement_hash: bytes, batch_index: int) -> bytes:
    """What an index finds a cohort's part by: `left` a holder, or `came` to a requester."""
    return statement_hash + batch_index.to_bytes(8, "big")


def index_terms(data: bytes) -> _Terms:
    """What an entry is found by: its statement, its kind, each trace key; and cases, counted."""
    entry = parse_entry(data)
    kind = entry.WhichOneof("kind") or ""
    part = getattr(entry, kind)
    yield from _OWN_TERMS.get(kind, _no_terms)(part)
    if kind == "case_opened":
        yield "opened", leaf_hash(data)
    if kind == "cohort_part":
        yield Group("trace", part.trace_keys)
    else:
        yield from (("trace", key) for key in traced_keys(entry))


def _no_terms(_part: object) -> Iterator[Term]:
    return iter(())


def _asked_terms(asked: entry_pb2.Asked) -> Iterator[Term]:
    yield "asked", sha256(asked.signed.statement).digest()


def _decided_terms(decided: entry_pb2.Decided) -> _Terms:
    statement = statement_pb2.Statement.FromString(decided.signed.statement)
    yield "decided", sha256(decided.signed.statement).digest()
    if statement.case_leaf_hash:
        yield Group("case", (statement.case_leaf_hash,))


def _received_terms(received: entry_pb2.Received) -> Iterator[Term]:
    yield "received", received.statement_hash
    if received.notices:
        yield "notice_owed", received.label.received_by.encode()


def _lost_terms(lost: entry_pb2.Lost) -> Iterator[Term]:
    yield from (("lost", statement) for statement in lost.statement_hashes)


def _part_terms(part: entry_pb2.CohortPart) -> _Terms:
    place = part_key(part.statement_hash, part.batch_index)
    yield ("came" if part.received else "left"), place
    if not part.received:  # a question under them is counted once, by who answers it
        yield Group("case", tuple(dict.fromkeys(part.case_leaf_hashes)))


def _renewed_terms(renewed: entry_pb2.CaseRenewed) -> Iterator[Term]:
    yield "renewed", renewed.case_leaf_hash


def _closed_terms(closed: entry_pb2.CaseClosed) -> Iterator[Term]:
    yield "closed", closed.case_leaf_hash


def _deposited_terms(deposited: entry_pb2.Deposited) -> Iterator[Term]:
    yield "deposited", deposited.content_hash


def _objected_terms(objected: entry_pb2.Objected) -> Iterator[Term]:
    yield "objected", objected.demand_hash


def _destroyed_terms(destroyed: entry_pb2.Destroyed) -> Iterator[Term]:
    yield "destruction", destroyed.destruction_id
    yield from (("destroyed", leaf) for leaf in destroyed.case_leaf_hashes)
    yield from (("destroyed", statement) for statement in destroyed.statement_hashes)
    yield from (("destroyed", deposit) for deposit in destroyed.deposit_hashes)


def _contested_terms(contested: entry_pb2.Contested) -> Iterator[Term]:
    yield "contested", sha256(contested.signed.contestation).digest()


def _answered_terms(answered: entry_pb2.ContestationAnswered) -> Iterator[Term]:
    yield "answered", answered.contestation_hash


def _told_terms(told: entry_pb2.ContestationsTold) -> Iterator[Term]:
    yield from (("told", one) for one in told.contestation_hashes)


def _notice_terms(given: entry_pb2.NoticeGiven) -> Iterator[Term]:
    yield "notice_given", given.case_leaf_hash


def _change_told_terms(told: entry_pb2.ChangeTold) -> Iterator[Term]:
    yield "change_told", told.peer.encode()
    yield "told_of", told.leaf_hash + told.case_leaf_hash


def _change_heard_terms(heard: entry_pb2.ChangeHeard) -> Iterator[Term]:
    yield "heard", heard.holder.encode()
    yield "heard_for", heard.activity.encode()


def _day_closed_terms(closed: entry_pb2.DayClosed) -> Iterator[Term]:
    yield "day", LAST_DAY
    yield "day", closed.day.encode()


def _access_contested_terms(contested: entry_pb2.AccessContested) -> Iterator[Term]:
    yield "access_contested", contested.leaf_hash


def _access_answered_terms(answered: entry_pb2.AccessContestAnswered) -> Iterator[Term]:
    yield "access_answered", answered.leaf_hash


def _sealed_terms(sealed: entry_pb2.EntrySealed) -> Iterator[Term]:
    yield "sealed", sealed.leaf_hash


_OWN_TERMS: Mapping[str, Callable[..., _Terms]] = {
    "asked": _asked_terms,
    "decided": _decided_terms,
    "received": _received_terms,
    "lost": _lost_terms,
    "cohort_part": _part_terms,
    "case_renewed": _renewed_terms,
    "case_closed": _closed_terms,
    "deposited": _deposited_terms,
    "objected": _objected_terms,
    "destroyed": _destroyed_terms,
    "contested": _contested_terms,
    "contestation_answered": _answered_terms,
    "contestations_told": _told_terms,
    "notice_given": _notice_terms,
    "change_told": _change_told_terms,
    "change_heard": _change_heard_terms,
    "day_closed": _day_closed_terms,
    "access_contested": _access_contested_terms,
    "access_contest_answered": _access_answered_terms,
    "entry_sealed": _sealed_terms,
}
