"""The service of a node's law: its operator loads, anyone with a certificate sees."""

from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.v1 import policy_service_pb2, policy_service_pb2_grpc
from cloison.wire.calls import Context, answered, speaker
from cloison.wire.node import Node
from cloison.wire.policy_desk import PolicyDesk
from cloison.wire.policy_sets import entered_sets

_MOST_FILES = 2000


class PolicyService(policy_service_pb2_grpc.PolicyServiceServicer):
    """The law a node decides by."""

    def __init__(self, node: Node, desk: PolicyDesk) -> None:
        self._node, self._desk = node, desk

    @answered
    async def Load(
        self, request: policy_service_pb2.LoadRequest, context: Context
    ) -> policy_service_pb2.LoadResponse:
        """From whoever has the node's own certificate."""
        peer = speaker(context)
        if peer.body != self._node.body or peer.activity is not None:
            raise PeerError("NOT_YOURS", "policy: loaded with the node's own certificate alone")
        limits.check_count("policy files", len(request.files), 1, _MOST_FILES)
        files = {one.path: one.content for one in request.files}
        if len(files) != len(request.files):
            raise InputError("MALFORMED", "policy files: a path is given twice")
        return await self._desk.load(request.manifest, files)

    @answered
    async def ListSets(
        self, request: policy_service_pb2.ListSetsRequest, context: Context
    ) -> policy_service_pb2.ListSetsResponse:
        """Hashes, signers and changes: no person is in them."""
        del request
        speaker(context)
        register = self._node.register
        found = entered_sets(iter(register.entries(0, register.size)))
        return policy_service_pb2.ListSetsResponse(
            entries=[data for _, data, _ in found],
            policy_set=self._node.policy.hash,
            peers=[
                policy_service_pb2.PeerSet(
                    body=body, policy_set=held, said_time_ms=to_milliseconds(time)
                )
                for body, (held, time) in sorted(self._node.peer_sets.items())
            ],
        )
