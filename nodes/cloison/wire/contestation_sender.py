"""The requester's side of a contestation: entered here, then passed on to the line's holder."""

from collections.abc import Mapping

import grpc

from cloison.bodies import BodyId
from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.contestation import Contestation, parse_contestation, parse_line
from cloison.exchange.entries import contested_entry, parse_entry
from cloison.exchange.receipt import verify_receipt
from cloison.exchange.statement import check_persons
from cloison.v1 import (
    contestation_pb2,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    receipt_pb2,
)
from cloison.wire.contestations import ContestationDesk
from cloison.wire.node import Node
from cloison.wire.requester import CALL_SECONDS, unavailable
from cloison.wire.vault import utc_day


class ContestationSender:
    """Passes on what this body's programs were told by the persons they were given data about.

    Args:
        peers: The exchange stub of each other body.
    """

    def __init__(
        self,
        node: Node,
        peers: "Mapping[BodyId, exchange_service_pb2_grpc.ExchangeServiceAsyncStub]",
    ) -> None:
        self._node = node
        self._peers = peers
        self._desk = ContestationDesk(node)

    async def send(self, activity: str, item: contestation_pb2.ContestItem) -> receipt_pb2.Receipt:
        """The holder's receipt, checked. The same bytes again are entered and kept once.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`, `BAD_NIR`, …
            PeerError: `NOT_YOURS`, `UNKNOWN_PEER`, `LINE_UNKNOWN`, `DIGEST_MISMATCH`;
                `PEER_UNAVAILABLE`, or what the holder says; `BAD_RECEIPT`.
            StorageError: the vault or the ledger refused; then nothing left.
        """
        node, signed = self._node, item.contestation
        contestation = self._read(activity, item)
        if contestation.holder == node.body:  # a local one: the holder's entry is the only one
            return self._desk.take(node.body, item)
        (nir,) = check_persons([contestation.person_digest], [item.person])
        if node.index.first("contested", contestation.hash) is None:
            now = node.clock()
            with node.vault.transaction():
                traces = node.vault.trace_keys([node.row_key(nir)], utc_day(now))
            node.enter([contested_entry(signed, contestation.holder, traces, now)])
        receipt = await self._call(contestation.holder, item)
        checked = verify_receipt(receipt, node.heads.of(contestation.holder))
        if checked.entry.contested.signed.contestation != signed.contestation:
            raise PeerError("BAD_RECEIPT", "receipt: of another contestation")
        node.heads.see(contestation.holder, receipt.checkpoint)
        return receipt

    def _read(self, activity: str, item: contestation_pb2.ContestItem) -> Contestation:
        signed = item.contestation
        contestation = parse_contestation(signed.contestation)
        limits.check_bytes("signature", signed.signature, limits.SIGNATURE_BYTES)
        parse_line(item.line, contestation.line_digest)
        if contestation.requester != self._node.body or contestation.activity != activity:
            raise PeerError(
                "NOT_YOURS",
                "contestation: of another body or activity than the program's certificate",
            )
        if contestation.holder != self._node.body and contestation.holder not in self._peers:
            raise PeerError(
                "UNKNOWN_PEER", f"body `{contestation.holder}`: no such node is known here"
            )
        # What the activity never received it cannot have shown to a person.
        index = self._node.index.first("received", contestation.statement_hash)
        entry = None if index is None else parse_entry(self._node.traces.entry(index))
        label = entry.received.label if entry else None
        if label is None or (label.received_by, label.holder) != (activity, contestation.holder):
            raise PeerError("LINE_UNKNOWN", "contested line: this activity received no such answer")
        return contestation

    async def _call(
        self, holder: BodyId, item: contestation_pb2.ContestItem
    ) -> receipt_pb2.Receipt:
        request = exchange_service_pb2.ExchangeServiceContestRequest(item=item)
        try:
            response = await self._peers[holder].Contest(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise unavailable(holder, error) from error
        return response.receipt
