"""What this body owes persons: the notices that permits oblige it to give, and those it gave.

INVARIANT: the queue is a projection of the ledger. `received` entries say what is owed,
`notice_given` entries what was done; nothing else is kept, so nothing can be dropped from it.
"""

from collections.abc import Iterator, Sequence
from math import ceil

from cloison.errors import InputError, PeerError, shown
from cloison.exchange import limits
from cloison.exchange.entries import notice_given_entry, parse_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import Statement, parse_statement
from cloison.v1 import entry_pb2, notices_service_pb2, receipt_pb2
from cloison.wire.case_files import CaseFile
from cloison.wire.gateway import BATCH
from cloison.wire.node import Node
from cloison.wire.vault import utc_day


class NoticeDesk:
    """Notices owed to the persons of this body's cases."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def owed(
        self, activity: str, *, given: bool = False
    ) -> Iterator[notices_service_pb2.ListNoticesResponse]:
        """What the activity owes, a case and notice once each, oldest first.

        Args:
            activity: Whose questions were permitted.
            given: And what was given.
        """
        told = notices_service_pb2.ListNoticesResponse
        for (leaf, notice), since in self._since(activity).items():
            done = self._given(leaf).get(notice, 0)
            if done and not given:
                continue
            case = self._node.vault.cases.one(leaf)
            yield told(
                reference=case.reference if case else "",
                case_leaf_hash=leaf,
                notice=notice,
                owed_since_ms=since,
                given_time_ms=done,
            )

    def give(
        self, activity: str, case_leaf_hashes: Sequence[bytes], notice: str, agent: str
    ) -> list[receipt_pb2.Receipt]:
        """Enters that the persons of these cases were told, all or none; the receipts in order.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`: not an agent, not 1 to 64 cases, one twice.
            PeerError: `CASE_UNKNOWN`: not this activity's; `NOTHING_OWED`: no such notice is owed
                to its persons, or it was given; `AGENT_NOT_EMPOWERED`.
        """
        node, now = self._node, self._node.clock()
        limits.check_count("cases", len(case_leaf_hashes), 1, limits.ITEMS_PER_CALL)
        if len(set(case_leaf_hashes)) != len(case_leaf_hashes):
            raise InputError("MALFORMED", "cases: one is named twice")
        if limits.check_agent(agent) != BATCH:
            node.agents.check(agent, activity)
        cases = [self._own(activity, leaf) for leaf in case_leaf_hashes]
        owed = self._since(activity)
        for leaf in case_leaf_hashes:
            if (leaf, notice) not in owed or notice in self._given(leaf):
                raise PeerError(
                    "NOTHING_OWED", f"notice `{shown(notice[:64])}`: not owed, or given before"
                )
        with node.vault.transaction():
            entries = [
                notice_given_entry(
                    activity,
                    case.leaf_hash,
                    notice,
                    agent,
                    node.vault.trace_keys(
                        [node.row_key(member.nir) for member in case.members], utc_day(now)
                    ),
                    now,
                )
                for case in cases
            ]
        return node.append(entries)

    def _own(self, activity: str, leaf: bytes) -> CaseFile:
        case = self._node.vault.cases.one(leaf)
        if case is None or case.activity != activity:
            raise PeerError("CASE_UNKNOWN", "case: not one of this activity's", "list what is owed")
        return case

    def _since(self, activity: str) -> dict[tuple[bytes, str], int]:
        """By case and notice: when the first answer that obliges to it came."""
        node = self._node
        owed: dict[tuple[bytes, str], int] = {}
        for index in node.index.find("notice_owed", activity.encode()):
            entry = self._entry(index)
            asked = node.index.first("asked", entry.received.statement_hash)
            if asked is None:
                continue  # pruned with its month; what came of it is, too
            statement = parse_statement(self._entry(asked).asked.signed.statement)
            for leaf, since in self._cases(statement, entry.entry_time_ms):
                for notice in entry.received.notices:
                    owed.setdefault((leaf, notice), since)
        return owed

    def _cases(self, statement: Statement, since: int) -> Iterator[tuple[bytes, int]]:
        """The cases a statement was answered under, and when; of a cohort, as its batches came."""
        if statement.cohort is None:
            if statement.case_leaf_hash:
                yield statement.case_leaf_hash, since
            return
        index, cohort = self._node.index, statement.cohort
        for batch in range(ceil(cohort.size / cohort.batch_persons)):
            place = index.first("came", part_key(statement.hash, batch))
            if place is not None:
                came = self._entry(place)
                yield from ((one, came.entry_time_ms) for one in came.cohort_part.case_leaf_hashes)

    def _given(self, leaf: bytes) -> dict[str, int]:
        """When each notice was given to a case's persons."""
        entries = map(self._entry, self._node.index.find("notice_given", leaf))
        return {entry.notice_given.notice: entry.entry_time_ms for entry in entries}

    def _entry(self, index: int) -> entry_pb2.Entry:
        return parse_entry(self._node.traces.entry(index))
