"""The requester's side of a correction: hears what holders tell, enters it, and knows what is open.

What was heard stands in this node's own ledger and nowhere else: where to go on with a holder, and
which claims have a change that no later decision took in, are read from there.
"""

from collections.abc import AsyncIterator, Iterable, Iterator

import grpc

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.change import periods_of
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.receipt import verify_receipt
from cloison.exchange.statement import Statement, parse_statement
from cloison.months import Month
from cloison.v1 import (
    cases_service_pb2,
    entry_pb2,
    exchange_service_pb2,
    gateway_service_pb2,
    receipt_pb2,
    statement_pb2,
)
from cloison.wire.case_files import CaseFile
from cloison.wire.cohort import next_answer
from cloison.wire.node import Node
from cloison.wire.requester import Requester, unavailable
from cloison.wire.status import failure_of
from cloison.wire.vault import utc_day

_DECIDED, _WITHDRAWN = "decided", "withdrawn"


_Waiting = tuple[entry_pb2.ChangeHeard, list[bytes]]
"""A change as it is to be entered, but for its trace keys; and the rows of whom it is about."""


class ChangeListener:
    """Hears of changes for the activities of this node's body."""

    def __init__(self, node: Node, requester: Requester) -> None:
        self._node = node
        self._requester = requester

    async def hear(self, holder: BodyId) -> None:
        """Enters all that a holder has to tell, from where the last time ended.

        What does not follow from a question of this node is counted and left out.

        Raises:
            PeerError: the holder cannot be reached, or its stream ends early; what came is entered.
        """
        node = self._node
        request = exchange_service_pb2.ExchangeServiceChangesRequest(
            after=self._next(holder),
            checkpoint=node.traces.checkpoint(),
            policy_set=node.policy.hash,
        )
        waiting: list[_Waiting] = []
        said: bytes | None = None
        try:
            answers = aiter(self._requester.peer(holder).Changes(request))
            while (response := await next_answer(holder, answers)) is not None:
                if response.policy_set != said:  # once a call, as in `Ask`
                    said = response.policy_set
                    node.see_policy_set(holder, said)
                try:
                    waiting.append(self._read(holder, response.receipt))
                except (PeerError, InputError) as error:
                    node.failures.add(holder, error.reason, node.clock())
                if len(waiting) == limits.ITEMS_PER_CALL:
                    self._enter(holder, waiting)
                    waiting = []
        except grpc.aio.AioRpcError as error:
            raise unavailable(holder, error) from error
        finally:
            self._enter(holder, waiting)

    async def hear_all(self, holders: Iterable[BodyId]) -> dict[BodyId, PeerError]:
        """Hears each of these; those that could not be heard, counted, are heard the next time."""
        unheard: dict[BodyId, PeerError] = {}
        for holder in holders:
            try:
                await self.hear(holder)
            except PeerError as error:
                self._node.failures.add(holder, error.reason, self._node.clock())
                unheard[holder] = error
        return unheard

    def _next(self, holder: BodyId) -> int:
        """Where to go on in a holder's ledger: past the last of its entries heard."""
        last = self._node.index.last("heard", holder.encode())
        if last is None:
            return 0
        return parse_entry(self._node.traces.entry(last)).change_heard.leaf_index + 1

    def _enter(self, holder: BodyId, waiting: list[_Waiting]) -> None:
        # Another call may have heard the same meanwhile; nothing comes between this and the entry.
        node, after = self._node, self._next(holder)
        now = node.clock()
        new = []
        with node.vault.transaction():
            for heard, row_keys in waiting:
                if heard.leaf_index >= after:
                    # Of the day of the entry, not of the hearing: it may be another by now.
                    heard.trace_keys[:] = node.vault.trace_keys(row_keys, utc_day(now))
                    new.append(entry_of(heard, now))
                    after = heard.leaf_index + 1
        if new:
            node.enter(new)

    def _read(self, holder: BodyId, receipt: receipt_pb2.Receipt) -> _Waiting:
        """A change as it is written down here: of this node's own question, in its own case.

        Raises:
            PeerError: `BAD_RECEIPT`, `BAD_CHECKPOINT`, `FORKED_LEDGER`; `BAD_CHANGE`: of a question
                or a case this node does not know, or of periods it did not ask.
        """
        node = self._node
        checked = verify_receipt(receipt, node.heads.of(holder))
        told = checked.entry.change_told
        if checked.entry.WhichOneof("kind") != "change_told" or told.peer != node.body:
            raise _bad("not told to this node")
        statement = self._asked(holder, told)
        case = self._case(statement, told)
        periods = list(told.periods)
        known = periods_of(statement.question)
        if not periods or sorted(set(periods)) != periods or not known.issuperset(periods):
            raise _bad("of periods that were not asked")
        row_keys = [node.row_key(person.nir) for person in case.members]
        heard = entry_pb2.ChangeHeard(
            holder=holder,
            leaf_index=checked.leaf_index,
            leaf_hash=checked.leaf_hash,
            statement_hash=statement.hash,
            case_leaf_hash=case.leaf_hash,
            activity=case.activity,
            dataset=statement.question.dataset,
            periods=periods,
            answer_leaf_index=told.leaf_index,
            answer_leaf_hash=told.leaf_hash,
            peer_checkpoint_hash=node.heads.see(holder, receipt.checkpoint),
        )
        return heard, row_keys

    def _asked(self, holder: BodyId, told: entry_pb2.ChangeTold) -> Statement:
        """The statement of this node that the holder answered in the entry it names."""
        asked = self._entry_of("asked", told.statement_hash).asked
        received = self._entry_of("received", told.statement_hash).received
        if not asked.signed.statement or received.holder != holder:
            raise _bad("of a question this node did not ask that holder")
        statement = parse_statement(asked.signed.statement)
        if statement.cohort is None:
            same = (told.leaf_index, told.leaf_hash) == (received.leaf_index, received.leaf_hash)
        else:  # the entries of its batches are not known by their place here
            same = told.leaf_index > received.leaf_index
            same = same and len(told.leaf_hash) == limits.HASH_BYTES
        if not same:
            raise _bad("of another answer than the one received")
        return statement

    def _case(self, statement: Statement, told: entry_pb2.ChangeTold) -> CaseFile:
        case = self._node.vault.cases.one(told.case_leaf_hash)
        of_question = statement.cohort is not None or statement.case_leaf_hash == (
            told.case_leaf_hash
        )
        if case is None or not of_question or case.activity != statement.question.activity:
            raise _bad("of a case this node did not ask under")
        return case

    def _entry_of(self, kind: str, key: bytes) -> entry_pb2.Entry:
        """The first entry of this kind under this key; an empty one where there is none."""
        place = self._node.index.first(kind, key)
        return entry_pb2.Entry() if place is None else parse_entry(self._node.traces.entry(place))

    async def changed(
        self, activity: str
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceChangesResponse]:
        """Hears every holder the activity reads; then the claims with an open change.

        Raises:
            PeerError: `NOT_YOURS`: no activity of this register.
        """
        record = self._node.policy.activities.get(activity)
        if record is None:
            raise PeerError("NOT_YOURS", "changes: of no activity in this register")
        holders = dict.fromkeys(BodyId(reads.holder) for reads in record.reads)
        unheard = await self.hear_all(one for one in holders if one != self._node.body)
        for holder, error in unheard.items():
            told = gateway_service_pb2.UnheardHolder(holder=holder, failure=failure_of(error))
            yield gateway_service_pb2.GatewayServiceChangesResponse(unheard=told)
        for case in self._open(activity):
            yield gateway_service_pb2.GatewayServiceChangesResponse(case=case)

    def _open(self, activity: str) -> Iterator[gateway_service_pb2.ChangedCase]:
        """The latest case with a change of each claim, unless a later decision took it in.

        None of a household somebody of which objected to a purpose of the activity.
        """
        node = self._node
        now = node.clock()
        heard: dict[bytes, list[tuple[int, entry_pb2.ChangeHeard]]] = {}
        for place in node.index.find_from("heard_for", activity.encode(), 0):
            change = parse_entry(node.traces.entry(place)).change_heard
            heard.setdefault(change.case_leaf_hash, []).append((place, change))
        purposes = node.policy.activities[activity].purposes
        latest: dict[tuple[str, Month], CaseFile] = {}
        for leaf in heard:
            case = node.vault.cases.one(leaf)
            if case is None or case.valid_until <= now or self._ended(case) == _WITHDRAWN:
                continue
            # The holder does not know of an objection made here: it tells on; nobody is given it.
            row_keys = [node.row_key(person.nir) for person in case.members]
            if node.vault.objections.any_of(row_keys, purposes):
                continue
            known = latest.get((case.reference, case.month))
            if known is None or known.leaf_index < case.leaf_index:
                latest[case.reference, case.month] = case
        for case in latest.values():
            taken_in = self._last_decided(case)
            changes = [change for place, change in heard[case.leaf_hash] if place > taken_in]
            if changes:
                yield _changed_case(case, changes)

    def _ended(self, case: CaseFile) -> str:
        """How a case was closed; empty while it is open."""
        return self._entry_of("closed", case.leaf_hash).case_closed.outcome

    def _last_decided(self, case: CaseFile) -> int:
        """Where the last case of the claim was opened that was decided; -1 where none was."""
        decided = [
            one.leaf_index
            for one in self._node.vault.cases.closed(case.activity, case.month, case.reference)
            if self._ended(one) == _DECIDED
        ]
        return max(decided, default=-1)


def _changed_case(
    case: CaseFile, changes: list[entry_pb2.ChangeHeard]
) -> gateway_service_pb2.ChangedCase:
    return gateway_service_pb2.ChangedCase(
        reference=case.reference,
        month=case.month.number,
        case_leaf_hash=case.leaf_hash,
        members=[
            cases_service_pb2.CaseMember(
                role=person.role, person=statement_pb2.PersonReference(nir=person.nir)
            )
            for person in case.members
        ],
        changes=[
            gateway_service_pb2.CaseChange(
                holder=one.holder,
                dataset=one.dataset,
                periods=one.periods,
                statement_hash=one.statement_hash,
                answer_leaf_index=one.answer_leaf_index,
                answer_leaf_hash=one.answer_leaf_hash,
                told_leaf_index=one.leaf_index,
            )
            for one in changes
        ],
    )


def _bad(why: str) -> PeerError:
    return PeerError("BAD_CHANGE", f"change: {why}")
