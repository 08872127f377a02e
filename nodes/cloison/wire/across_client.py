"""A statistical program's client of several holders: it carries their messages and their sum.

The collector is the program itself. It sees each holder's vector under its masks, and the sum with
its noise; what it keeps is what all the holders entered, or nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import grpc

from cloison.bodies import BodyId
from cloison.errors import BudgetExceeded, CloisonError, PeerError
from cloison.exchange.statement import TableQuestion
from cloison.exchange.values import decision_from_proto
from cloison.identity import ActivityKeys
from cloison.law.records import Activity
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question
from cloison.v1 import across_service_pb2 as wire
from cloison.v1 import (
    across_service_pb2_grpc,
    statement_pb2,
    statistics_service_pb2,
    statistics_service_pb2_grpc,
)
from cloison.wire.holder_channels import HolderChannels
from cloison.wire.refusal import told
from cloison.wire.statistics_client import (
    BY_STATUS,
    Publication,
    TableReply,
    build_statements,
    table_question,
)

_SECONDS = 600.0
_Found = TypeVar("_Found")
_Price = statistics_service_pb2.PriceResponse


class Part(Protocol):
    """What a holder's node does for a table of several; each raises as the node says."""

    def price(self, question: statement_pb2.TableQuestion) -> _Price:
        """What the holder's part would cost; free."""

    def reserve(self, request: wire.ReserveRequest) -> wire.ReserveResponse:
        """`AcrossService.Reserve`."""

    def share(self, request: wire.ShareRequest) -> wire.ShareResponse:
        """`AcrossService.Share`."""

    def finish(self, request: wire.FinishRequest) -> wire.FinishResponse:
        """`AcrossService.Finish`."""

    def abandon(self, request: wire.AbandonRequest) -> wire.AbandonResponse:
        """`AcrossService.Abandon`."""


class RemotePart:
    """`Part` over gRPC."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._across = across_service_pb2_grpc.AcrossServiceStub(channel)
        self._single = statistics_service_pb2_grpc.StatisticsServiceStub(channel)

    def price(self, question: statement_pb2.TableQuestion) -> _Price:
        """As `Part`."""
        request = statistics_service_pb2.PriceRequest(question=question)
        with told(BY_STATUS):
            return self._single.Price(request, timeout=_SECONDS)

    def reserve(self, request: wire.ReserveRequest) -> wire.ReserveResponse:
        """As `Part`."""
        with told(BY_STATUS):
            return self._across.Reserve(request, timeout=_SECONDS)

    def share(self, request: wire.ShareRequest) -> wire.ShareResponse:
        """As `Part`."""
        with told(BY_STATUS):
            return self._across.Share(request, timeout=_SECONDS)

    def finish(self, request: wire.FinishRequest) -> wire.FinishResponse:
        """As `Part`."""
        with told(BY_STATUS):
            return self._across.Finish(request, timeout=_SECONDS)

    def abandon(self, request: wire.AbandonRequest) -> wire.AbandonResponse:
        """As `Part`."""
        with told(BY_STATUS):
            return self._across.Abandon(request, timeout=_SECONDS)


class AcrossClient:
    """The holders of a table, one part each. `close` when done."""

    def __init__(
        self,
        keys: ActivityKeys,
        parts: Mapping[BodyId, Part],
        register_of: Callable[[BodyId], NoteVerifier],
        channels: tuple[grpc.Channel, ...] = (),
    ) -> None:
        self._keys, self._parts, self._register_of = keys, parts, register_of
        self._channels = channels

    @classmethod
    def connect(cls, keys: Path, activity: str, addresses: Mapping[BodyId, str]) -> "AcrossClient":
        """From the key folder, to every holder. Raises `StorageError` where keys are missing."""
        found = HolderChannels.connect(keys, activity, addresses)
        parts = {holder: RemotePart(channel) for holder, channel in found.channels.items()}
        channels = tuple(found.channels.values())
        return cls(found.keys, parts, found.registers.__getitem__, channels)

    def price(self, question: Question) -> dict[BodyId, _Price]:
        """What it would cost at each holder; nothing is reserved.

        Raises:
            PeerError: `HOLDER_MISSING`. Otherwise as the holders say.
        """
        asked = table_question(_asked(question))
        return {
            holder: _at(holder, lambda part=part: part.price(asked))  # type: ignore[misc]
            for holder, part in self._parts.items()
        }

    def publish(self, question: Question, record: Activity, now: datetime) -> TableReply:
        """The table, from every holder or from none.

        Raises:
            PeerError: `HOLDER_MISSING`: one does not answer; where others had reserved by then,
                they enter that it is given up, and what was reserved stays spent.
            BudgetExceeded: it is too dear at one of them; nothing was reserved.
            IntegrityError: `BAD_DOCUMENT`: they do not say the same. Otherwise as the holders say.
        """
        prices = self.price(question)
        for holder, price in prices.items():
            if not price.affordable:
                raise BudgetExceeded(
                    "BUDGET_EXCEEDED",
                    f"holder `{holder}`: needs ε {price.epsilon}, ρ {price.rho}; granted"
                    f" ε {price.budget.granted_epsilon}, ρ {price.budget.granted_rho}, spent"
                    f" ε {price.budget.spent_epsilon}, ρ {price.budget.spent_rho}",
                    "nothing was reserved anywhere; ask with a smaller epsilon",
                )
        run = _Run(self._keys, self._parts, question, record, now)
        kept = {holder for holder, price in prices.items() if price.kept}
        if kept and kept != prices.keys():
            run.catch_up(kept)
        return self._reply(run, run.reserve())

    def _reply(self, run: "_Run", replies: Mapping[BodyId, wire.ReserveResponse]) -> TableReply:
        refused = next((one for one in replies.values() if one.HasField("refusal")), None)
        if refused is not None:
            return TableReply(None, decision_from_proto(refused.refusal), kept=False)
        free = all(one.HasField("kept") for one in replies.values())
        finished = [one.kept for one in replies.values()] if free else run.collect(replies)
        documents = {one.document for one in finished}
        if len(documents) != 1:
            raise PeerError("BAD_ANSWER", "holders: not the same document")
        proofs = [(one.reserved, one.published) for one in finished]
        publication = Publication.verified_at_all(documents.pop(), proofs, self._register_of)
        return TableReply(publication, None, kept=free)

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            channel.close()


class _Run:
    """One try at a masked sum."""

    def __init__(
        self,
        keys: ActivityKeys,
        parts: Mapping[BodyId, Part],
        question: Question,
        record: Activity,
        now: datetime,
    ) -> None:
        self._keys, self._parts, self._question = keys, parts, question
        self._record, self._now = record, now
        self._open: dict[BodyId, int] = {}

    def reserve(self) -> dict[BodyId, wire.ReserveResponse]:
        """Every holder's reservation, or up to the first refusal; then the others are given up."""
        replies: dict[BodyId, wire.ReserveResponse] = {}
        for holder in self._parts:
            reply = replies[holder] = self._step(holder, self._reserve)
            if reply.HasField("refusal"):
                self._give_up("")
                break
            if not reply.HasField("kept"):
                self._open[holder] = reply.reserved.leaf_index
        return replies

    def collect(self, replies: Mapping[BodyId, wire.ReserveResponse]) -> list[wire.FinishResponse]:
        """Every holder's vector, and of each the document of their sum."""
        asked = table_question(_asked(self._question))
        reserved = [one.reserved for one in replies.values()]
        request = wire.ShareRequest(question=asked, reserved=reserved)
        shares = [self._step(holder, lambda h: self._parts[h].share(request)) for holder in replies]
        whole = wire.FinishRequest(
            question=asked,
            reserved=reserved,
            shared=[one.shared for one in shares],
            masked=[one.masked for one in shares],
        )
        return [self._step(holder, lambda h: self._parts[h].finish(whole)) for holder in replies]

    def catch_up(self, kept: set[BodyId]) -> None:
        """Finishes at the holders that went down before they could, from what another kept."""
        ahead = min(kept)
        reply = self._step(ahead, self._reserve)
        for holder in self._parts.keys() - kept:
            if reply.HasField("finish"):
                self._step(holder, lambda h: self._parts[h].finish(reply.finish))

    def _reserve(self, holder: BodyId) -> wire.ReserveResponse:
        asked = _asked(self._question)
        table = self._question.whole.at(holder)
        return self._parts[holder].reserve(
            wire.ReserveRequest(
                statements=build_statements(
                    self._keys, holder, table, asked, self._record, self._now
                )
            )
        )

    def _step(self, holder: BodyId, call: Callable[[BodyId], _Found]) -> _Found:
        try:
            return _at(holder, lambda: call(holder))
        except CloisonError as error:
            self._give_up(holder if error.reason == "HOLDER_MISSING" else "")
            raise

    def _give_up(self, missing: str) -> None:
        for holder, index in self._open.items():
            request = wire.AbandonRequest(reserved_index=index, missing=missing)
            with suppress(CloisonError):  # it answered already, or is down: it enters so by itself
                self._parts[holder].abandon(request)


def _asked(question: Question) -> TableQuestion:
    whole = question.whole
    return TableQuestion(whole.id, question.period, str(question.epsilon), question.holders)


def _at(holder: BodyId, call: Callable[[], _Found]) -> _Found:
    """A call of one holder; that it does not answer is told as that."""
    try:
        return call()
    except PeerError as error:
        if error.reason != "PEER_UNAVAILABLE":
            raise
        raise PeerError(
            "HOLDER_MISSING",
            f"holder `{holder}`: does not answer",
            f"what others reserved stays spent; ask again, or without `{holder}`",
        ) from error
