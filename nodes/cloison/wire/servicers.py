"""The services of bodies and programs. Each call: who is speaking, then a room's work."""

import asyncio
from collections.abc import AsyncIterator
from itertools import islice

from cloison.errors import InputError
from cloison.exchange.statement import from_milliseconds
from cloison.months import Month
from cloison.v1 import (
    cases_service_pb2,
    cases_service_pb2_grpc,
    contestations_service_pb2,
    contestations_service_pb2_grpc,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    notices_service_pb2,
    notices_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
)
from cloison.wire.calls import (
    Context,
    answered,
    body_node,
    program_of,
    streamed,
)
from cloison.wire.cases import CaseDesk, last_index
from cloison.wire.change_listener import ChangeListener
from cloison.wire.change_teller import ChangeTeller
from cloison.wire.cohort import next_part
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.cohort_requester import CohortRequester
from cloison.wire.contestation_sender import ContestationSender
from cloison.wire.contestations import ContestationDesk
from cloison.wire.contestations_told import DeclarantDesk
from cloison.wire.deposits import DepositDesk
from cloison.wire.destruction import DestructionDesk
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.notices import NoticeDesk
from cloison.wire.requester import Requester

_CASES_SEEN = 1024  # that wait for witnesses together
_IDLE_SECONDS = 0.002  # the answer leaves first


class Gateway(gateway_service_pb2_grpc.GatewayServiceServicer):
    """A program to its own node."""

    def __init__(
        self,
        node: Node,
        requester: Requester,
        cohorts: CohortRequester,
        contestations: ContestationSender,
    ) -> None:
        self._node, self._requester, self._cohorts = node, requester, cohorts
        self._contestations = contestations
        self._listener = ChangeListener(node, requester)

    @answered
    async def Ask(
        self, request: gateway_service_pb2.GatewayServiceAskRequest, context: Context
    ) -> gateway_service_pb2.GatewayServiceAskResponse:
        """1 to 64 questions, answered in order."""
        activity = program_of(self._node, context)
        answers = await self._requester.ask(activity, request.items)
        return gateway_service_pb2.GatewayServiceAskResponse(answers=answers)

    @streamed
    async def AskMany(
        self,
        request_iterator: AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest],
        context: Context,
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyResponse]:
        """One statement about many persons."""
        activity = program_of(self._node, context)
        async for answer in self._cohorts.relay(activity, request_iterator):
            yield answer

    @answered
    async def Contest(
        self, request: gateway_service_pb2.GatewayServiceContestRequest, context: Context
    ) -> gateway_service_pb2.GatewayServiceContestResponse:
        """A person contests a line."""
        activity = program_of(self._node, context)
        receipt = await self._contestations.send(activity, request.item)
        return gateway_service_pb2.GatewayServiceContestResponse(receipt=receipt)

    @streamed
    async def Changes(
        self, request: gateway_service_pb2.GatewayServiceChangesRequest, context: Context
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceChangesResponse]:
        """The claims with a change that no later decision took in."""
        del request  # it asks for all there are
        activity = program_of(self._node, context)
        async for response in self._listener.changed(activity):
            yield response


class Exchange(exchange_service_pb2_grpc.ExchangeServiceServicer):
    """Node to node."""

    def __init__(self, node: Node, holder: Holder) -> None:
        self._node, self._holder = node, holder
        self._contestations = ContestationDesk(node)
        self._changes = ChangeTeller(node)

    @answered
    async def Ask(
        self, request: exchange_service_pb2.ExchangeServiceAskRequest, context: Context
    ) -> exchange_service_pb2.ExchangeServiceAskResponse:
        """Each statement decided, entered and answered on its own."""
        peer = body_node(self._node, context)
        call = self._holder.call(peer, request.policy_set, request.checkpoint)
        answers = self._holder.answer(call, request.items)
        asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._holder.wrapped.prepare)
        return exchange_service_pb2.ExchangeServiceAskResponse(
            answers=answers, policy_set=call.policy.hash
        )

    @streamed
    async def AskMany(
        self,
        request_iterator: AsyncIterator[exchange_service_pb2.ExchangeServiceAskManyRequest],
        context: Context,
    ) -> AsyncIterator[exchange_service_pb2.ExchangeServiceAskManyResponse]:
        """The decision, then each run once its entries are on disk."""
        response = exchange_service_pb2.ExchangeServiceAskManyResponse
        peer = body_node(self._node, context)
        first = await next_part(request_iterator)
        if first is None or first.WhichOneof("part") != "header":
            raise InputError("MALFORMED", "stream: does not begin with a header")
        header = first.header
        call = self._holder.call(peer, header.policy_set, header.checkpoint)
        desk = CohortHolder(self._node, self._holder, call)
        yield response(header=desk.open(header.statement), policy_set=call.policy.hash)
        while not desk.done:
            request = await next_part(request_iterator)
            if request is None:
                raise InputError("MALFORMED", "stream: ended before its last batch")
            yield response(run=desk.run(request.run))

    @answered
    async def Contest(
        self, request: exchange_service_pb2.ExchangeServiceContestRequest, context: Context
    ) -> exchange_service_pb2.ExchangeServiceContestResponse:
        """A person contests a line this node gave the peer."""
        receipt = self._contestations.take(body_node(self._node, context), request.item)
        return exchange_service_pb2.ExchangeServiceContestResponse(receipt=receipt)

    @streamed
    async def Changes(
        self, request: exchange_service_pb2.ExchangeServiceChangesRequest, context: Context
    ) -> AsyncIterator[exchange_service_pb2.ExchangeServiceChangesResponse]:
        """What changed of what this peer was answered, each once its entry is on disk."""
        peer = body_node(self._node, context)
        call = self._holder.call(peer, request.policy_set, request.checkpoint)
        async for receipt in self._changes.tell(call, request.after):
            yield exchange_service_pb2.ExchangeServiceChangesResponse(
                receipt=receipt, policy_set=call.policy.hash
            )


class Cases(cases_service_pb2_grpc.CasesServiceServicer):
    """Cases of the body's activities."""

    def __init__(self, node: Node, desk: CaseDesk) -> None:
        self._node, self._desk = node, desk

    @streamed
    async def Open(
        self, request: cases_service_pb2.OpenRequest, context: Context
    ) -> AsyncIterator[cases_service_pb2.OpenResponse]:
        """A case for each claim, once enough witnesses saw a head of this ledger over it."""
        activity = program_of(self._node, context)
        month = Month.from_number(request.month)
        cases = self._desk.open(activity, request.type, month, request.references, request.most)
        while some := list(islice(cases, _CASES_SEEN)):
            await self._node.seen.reach(last_index(some))
            for case in some:
                yield self._desk.told(case)

    @answered
    async def Renew(
        self, request: cases_service_pb2.RenewRequest, context: Context
    ) -> cases_service_pb2.RenewResponse:
        """Moves a case's end."""
        activity = program_of(self._node, context)
        end = from_milliseconds(request.valid_until_ms)
        leaf_index = self._desk.renew(activity, request.case_leaf_hash, end)
        await self._node.seen.reach(leaf_index)
        return cases_service_pb2.RenewResponse(proof=self._node.proof(leaf_index))

    @answered
    async def Close(
        self, request: cases_service_pb2.CloseRequest, context: Context
    ) -> cases_service_pb2.CloseResponse:
        """Closes cases."""
        activity = program_of(self._node, context)
        leaf_indexes = self._desk.close(activity, request.case_leaf_hashes, request.outcome)
        return cases_service_pb2.CloseResponse(leaf_indexes=leaf_indexes)


class Store(store_service_pb2_grpc.StoreServiceServicer):
    """Outputs of the body's activities, and the end of what they received."""

    def __init__(self, node: Node, desk: DepositDesk, destruction: DestructionDesk) -> None:
        self._node, self._desk, self._destruction = node, desk, destruction

    @answered
    async def Deposit(
        self, request: store_service_pb2.DepositRequest, context: Context
    ) -> store_service_pb2.DepositResponse:
        """Writes outputs."""
        activity = program_of(self._node, context)
        results = self._desk.deposit(activity, request.deposits)
        return store_service_pb2.DepositResponse(results=results)

    @answered
    async def Destroy(
        self, request: store_service_pb2.DestroyRequest, context: Context
    ) -> store_service_pb2.DestroyResponse:
        """Destroys what cases brought."""
        activity = program_of(self._node, context)
        receipts = self._destruction.destroy(activity, request.demand)
        return store_service_pb2.DestroyResponse(receipts=receipts)

    @answered
    async def Object(
        self, request: store_service_pb2.ObjectRequest, context: Context
    ) -> store_service_pb2.ObjectResponse:
        """A person objects."""
        activity = program_of(self._node, context)
        return self._destruction.object(activity, request.demand)


class Contestations(contestations_service_pb2_grpc.ContestationsServiceServicer):
    """What is contested of the lines this node holds, for the body's program of rectification."""

    def __init__(self, node: Node, desk: DeclarantDesk) -> None:
        self._node, self._desk = node, desk

    @streamed
    async def ListContestations(
        self, request: contestations_service_pb2.ListContestationsRequest, context: Context
    ) -> AsyncIterator[contestations_service_pb2.ListContestationsResponse]:
        """Contestations, naming nobody."""
        activity = program_of(self._node, context)
        for one in self._desk.list(activity, request.declarant):
            yield one

    @answered
    async def TellDeclarant(
        self, request: contestations_service_pb2.TellDeclarantRequest, context: Context
    ) -> contestations_service_pb2.TellDeclarantResponse:
        """Whom those of one declarant are about."""
        activity = program_of(self._node, context)
        return self._desk.tell(activity, request.declarant, request.agent)

    @answered
    async def MaintainLine(
        self, request: contestations_service_pb2.MaintainLineRequest, context: Context
    ) -> contestations_service_pb2.MaintainLineResponse:
        """A line stays as it is."""
        activity = program_of(self._node, context)
        receipt = self._desk.maintain(
            activity, request.contestation_hash, request.says, request.agent
        )
        return contestations_service_pb2.MaintainLineResponse(receipt=receipt)


class Notices(notices_service_pb2_grpc.NoticesServiceServicer):
    """What the body's activities owe persons."""

    def __init__(self, node: Node, desk: NoticeDesk) -> None:
        self._node, self._desk = node, desk

    @streamed
    async def ListNotices(
        self, request: notices_service_pb2.ListNoticesRequest, context: Context
    ) -> AsyncIterator[notices_service_pb2.ListNoticesResponse]:
        """What is owed."""
        activity = program_of(self._node, context)
        for one in self._desk.owed(activity, given=request.given):
            yield one

    @answered
    async def GiveNotice(
        self, request: notices_service_pb2.GiveNoticeRequest, context: Context
    ) -> notices_service_pb2.GiveNoticeResponse:
        """Persons were told."""
        activity = program_of(self._node, context)
        receipts = self._desk.give(
            activity, request.case_leaf_hashes, request.notice, request.agent
        )
        return notices_service_pb2.GiveNoticeResponse(receipts=receipts)
