"""The client of a program of rectification: what is contested at its node, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import grpc

from cloison.errors import PeerError
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.v1 import contestations_service_pb2, contestations_service_pb2_grpc
from cloison.wire.program import CALL_SECONDS, Program
from cloison.wire.refusal import told

_MOST_SECONDS = 10 * CALL_SECONDS


class DeclarantsClient:
    """Reads the contestations its node holds. `close` when done."""

    def __init__(self, program: Program) -> None:
        self._heads = program.heads.of(program.keys.body)
        self._channel = grpc.secure_channel(
            program.address, program.credentials, options=program.options
        )
        self._stub = contestations_service_pb2_grpc.ContestationsServiceStub(self._channel)

    @classmethod
    def connect(
        cls, keys: Path, activity: str, root: Path, address: str | None = None
    ) -> "DeclarantsClient":
        """As `cloison.wire.client.connect`."""
        return cls(Program.load(keys, activity, root, address))

    def list(
        self, declarant: str = ""
    ) -> Iterator[contestations_service_pb2.ListContestationsResponse]:
        """Contestations, oldest first; they name nobody."""
        request = contestations_service_pb2.ListContestationsRequest(declarant=declarant)
        with told():
            yield from self._stub.ListContestations(request, timeout=_MOST_SECONDS)

    def tell(self, declarant: str, agent: str) -> contestations_service_pb2.TellDeclarantResponse:
        """The open ones of one declarant, with whom they are about; each stands in a receipt.

        Raises:
            PeerError: as the node says; `BAD_RECEIPT`: one was given without an entry.
        """
        request = contestations_service_pb2.TellDeclarantRequest(declarant=declarant, agent=agent)
        with told():
            response = self._stub.TellDeclarant(request, timeout=CALL_SECONDS)
        entered = {
            one
            for receipt in response.receipts
            for one in verify_receipt(
                receipt, self._heads
            ).entry.contestations_told.contestation_hashes
        }
        if entered != {one.contestation_hash for one in response.contestations}:
            raise PeerError("BAD_RECEIPT", "receipt: of other contestations than were given")
        return response

    def maintain(self, contestation_hash: bytes, says: str, agent: str) -> Checked:
        """Ends a contestation, the line as it is; the entry that says so, checked.

        Raises:
            InputError, PeerError, StorageError: as the node says; `BAD_RECEIPT`: of another entry.
        """
        request = contestations_service_pb2.MaintainLineRequest(
            contestation_hash=contestation_hash, says=says, agent=agent
        )
        with told():
            response = self._stub.MaintainLine(request, timeout=CALL_SECONDS)
        checked = verify_receipt(response.receipt, self._heads)
        answered = checked.entry.contestation_answered
        if (answered.contestation_hash, answered.agent) != (contestation_hash, agent):
            raise PeerError("BAD_RECEIPT", "receipt: of another contestation")
        return checked

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()
