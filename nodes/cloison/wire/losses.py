"""What this node asked and has no answer to: said in its own ledger, where it happens.

A holder's permit without a `received` entry is either an answer that never came or one that is
hidden: an audit can only tell them apart where the requester said so in time.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.exchange import limits
from cloison.exchange.entries import entry_of, parse_entry
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

STOPPED = "STOPPED"
_REASON = re.compile(r"[A-Z][A-Z_]{0,63}", re.ASCII)
_OTHER = "OTHER"
_UNDER_WAY_MS = timedelta(minutes=1) // timedelta(milliseconds=1)
"""No call lasts longer, and a cohort is given up that is silent for so long: what was last written
of earlier came to its end, and was entered, before a stop."""
_STEP_ENTRIES = 512
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def enter_lost(node: Node, holder: BodyId, lost: Mapping[bytes, str], *, parts: bool) -> None:
    """Enters, once each, that these statements have no answer, by hash with the reason.

    Args:
        node: Who asked.
        holder: Whom.
        lost: The reason by statement hash.
        parts: Of a cohort: its decision may have come, and batches be missing all the same.

    Raises:
        StorageError: as `Node.enter`.
    """
    known = ("lost",) if parts else ("lost", "received")
    by_reason: dict[str, list[bytes]] = defaultdict(list)
    for statement, reason in lost.items():
        if all(node.index.first(kind, statement) is None for kind in known):
            # Some reasons are a peer's own words, and a ledger holds nobody's.
            by_reason[reason if _REASON.fullmatch(reason) else _OTHER].append(statement)
    most = limits.ITEMS_PER_CALL
    new = [
        entry_pb2.Lost(holder=holder, reason=reason, statement_hashes=hashes[at : at + most])
        for reason, hashes in sorted(by_reason.items())
        for at in range(0, len(hashes), most)
    ]
    if new:
        now = node.clock()
        node.enter([entry_of(one, now) for one in new])


def enter_stopped(node: Node) -> None:
    """Enters what was on its way when this node last stopped.

    Not where the clock went back past midnight: nothing can be entered then, and an audit calls it
    missing. Raises as `enter_lost`.
    """
    if utc_day(node.clock()) < date.fromordinal(_EPOCH_DAY + node.last_day):
        return
    under_way = _UnderWay()
    end, latest = node.traces.size, 0
    while end > node.traces.minimum:
        start = max(end - _STEP_ENTRIES, node.traces.minimum)
        for data in reversed(list(node.traces.entries(start, end - start))):
            entry = parse_entry(data)
            latest = max(latest, entry.entry_time_ms)
            if entry.entry_time_ms < latest - _UNDER_WAY_MS:
                end = node.traces.minimum
                break
            under_way.see(entry)
        else:
            end = start
    for (holder, parts), lost in under_way.by_holder().items():
        enter_lost(node, holder, lost, parts=parts)


class _UnderWay:
    """What was asked, and which cohorts had batches coming in, when a node stopped."""

    def __init__(self) -> None:
        self._asked: dict[bytes, tuple[BodyId, bool]] = {}
        self._ended: set[bytes] = set()

    def see(self, entry: entry_pb2.Entry) -> None:
        """One of the last minute's entries: of a cohort that long runs, a batch is among them."""
        kind, part, received = entry.WhichOneof("kind"), entry.cohort_part, entry.received
        if kind == "asked":
            raw = entry.asked.signed.statement
            # Not held to limits: they may have changed since, and the node must start.
            statement = statement_pb2.Statement.FromString(raw)
            asked = BodyId(statement.holder), statement.HasField("cohort")
            self._asked[sha256(raw).digest()] = asked
        elif kind == "cohort_part" and part.received:
            self._asked[part.statement_hash] = BodyId(part.peer), True
            if part.last:
                self._ended.add(part.statement_hash)
        elif kind == "received" and received.outcome == decision_pb2.OUTCOME_DENY:
            self._ended.add(received.statement_hash)

    def by_holder(self) -> Mapping[tuple[BodyId, bool], dict[bytes, str]]:
        """The statements, with the reason, by holder and whether they are cohorts'."""
        found: dict[tuple[BodyId, bool], dict[bytes, str]] = defaultdict(dict)
        for statement, asked in self._asked.items():
            if statement not in self._ended:
                found[asked][statement] = STOPPED
        return found
