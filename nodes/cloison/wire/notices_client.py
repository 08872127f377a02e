"""The client of what an activity owes persons, and of saying that it was given."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from cloison.bodies import BodyId
from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.receipt import verify_receipt
from cloison.v1 import notices_service_pb2, notices_service_pb2_grpc
from cloison.wire.gateway import ReceiptRef
from cloison.wire.node import Heads
from cloison.wire.program import CALL_SECONDS, Program
from cloison.wire.refusal import told

_MOST_SECONDS = 10 * CALL_SECONDS


class NoticesClient:
    """Reads what is owed at the activity's own node, and says what was given.

    Args:
        body: Whose node it is.
        channel: To that node; `close` closes it.
        heads: Verifies its ledger.
    """

    def __init__(self, body: BodyId, channel: grpc.Channel, heads: Heads) -> None:
        self._body, self._channel, self._heads = body, channel, heads
        self._stub = notices_service_pb2_grpc.NoticesServiceStub(channel)

    @classmethod
    def connect(
        cls, keys: Path, activity: str, root: Path, address: str | None = None
    ) -> "NoticesClient":
        """As `cloison.wire.client.connect`."""
        program = Program.load(keys, activity, root, address)
        channel = grpc.secure_channel(program.address, program.credentials, options=program.options)
        return cls(program.keys.body, channel, program.heads)

    def owed(self, *, given: bool = False) -> Iterator[notices_service_pb2.ListNoticesResponse]:
        """A case and notice once each, oldest first; and, if asked, those that were given."""
        request = notices_service_pb2.ListNoticesRequest(given=given)
        with told():
            yield from self._stub.ListNotices(request, timeout=_MOST_SECONDS)

    def give(self, cases: Sequence[bytes], notice: str, agent: str) -> list[ReceiptRef]:
        """Says that the persons of these cases were told, in calls of at most 64.

        Args:
            cases: Leaf hashes.
            notice: As the permit's rule names it.
            agent: A pseudonym, or `batch`.

        Raises:
            PeerError: As the node says; `BAD_RECEIPT`: a receipt is of another case.
        """
        given: list[ReceiptRef] = []
        for some in limits.slices(cases, limits.ITEMS_PER_CALL):
            request = notices_service_pb2.GiveNoticeRequest(
                case_leaf_hashes=some, notice=notice, agent=agent
            )
            with told():
                response = self._stub.GiveNotice(request, timeout=CALL_SECONDS)
            for case, receipt in zip(some, response.receipts, strict=True):
                checked = verify_receipt(receipt, self._heads.of(self._body))
                if checked.entry.notice_given.case_leaf_hash != case:
                    raise PeerError("BAD_RECEIPT", "receipt: of another case than was told")
                place = (checked.leaf_index, checked.leaf_hash, checked.head.size)
                given.append(ReceiptRef(self._body, *place))
        return given

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()
