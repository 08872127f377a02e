"""The two services anyone with a certificate may read: the ledgers and the register."""

from collections.abc import Callable
from hashlib import sha256

from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import parse_statement
from cloison.exchange.values import decision_to_proto, facts_from_proto
from cloison.identity import Peer
from cloison.law import explain_en, explain_fr
from cloison.law.decide import decide_anew
from cloison.law.paris import paris_day
from cloison.law.policy_set import in_force
from cloison.ledger.log import Log
from cloison.v1 import (
    ledger_service_pb2,
    ledger_service_pb2_grpc,
    register_service_pb2,
    register_service_pb2_grpc,
    statement_pb2,
)
from cloison.wire.calls import Context, answered, speaker
from cloison.wire.node import Node

_AUDIT = "audit"


class Ledger(ledger_service_pb2_grpc.LedgerServiceServicer):
    """The node's two ledgers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def _log(self, name: ledger_service_pb2.LogName.ValueType) -> Log:
        logs = {
            ledger_service_pb2.LOG_NAME_TRACES: self._node.traces,
            ledger_service_pb2.LOG_NAME_REGISTER: self._node.register,
        }
        if name not in logs:
            raise InputError("MALFORMED", "log: unspecified or unknown", "use traces or register")
        return logs[name]

    @answered
    async def GetCheckpoint(
        self, request: ledger_service_pb2.GetCheckpointRequest, context: Context
    ) -> ledger_service_pb2.GetCheckpointResponse:
        """The latest signed head."""
        checkpoint = self._log(request.log).checkpoint()
        return ledger_service_pb2.GetCheckpointResponse(checkpoint=checkpoint)

    @answered
    async def GetTile(
        self, request: ledger_service_pb2.GetTileRequest, context: Context
    ) -> ledger_service_pb2.GetTileResponse:
        """A hash tile."""
        limits.check_count("tile level", request.level, 0, limits.TILE_LEVELS)
        limits.check_count("tile width", request.width, 1, limits.TILE_WIDTH)
        tile = self._log(request.log).tile(request.level, request.index, request.width)
        return ledger_service_pb2.GetTileResponse(tile=tile)

    @answered
    async def GetEntries(
        self, request: ledger_service_pb2.GetEntriesRequest, context: Context
    ) -> ledger_service_pb2.GetEntriesResponse:
        """Entries, to those who may read them."""
        may_read = self._reader(speaker(context))
        log = self._log(request.log)
        limits.check_count("entries", request.count, 1, limits.ENTRIES_PER_CALL)
        last = min(log.size, request.first_index + request.count)
        count = max(last - request.first_index, 0)
        found = enumerate(log.entries(request.first_index, count), request.first_index)
        return ledger_service_pb2.GetEntriesResponse(
            entries=[
                ledger_service_pb2.LedgerEntry(leaf_index=index, entry=entry)
                for index, entry in found
                if may_read(entry)
            ]
        )

    def _reader(self, peer: Peer) -> Callable[[bytes], bool]:
        """An auditor reads all; a peer's node reads the entries of its own exchanges."""
        if peer.activity is None:
            return lambda entry: peer.body in _parties(entry)
        record = self._node.policy.activities.get(peer.activity)
        if record is None or record.body != peer.body or tuple(record.purposes) != (_AUDIT,):
            raise PeerError("NOT_YOURS", "entries: for an auditor, or for the peer concerned")
        return lambda _: True

    @answered
    async def GetInclusionProof(
        self, request: ledger_service_pb2.GetInclusionProofRequest, context: Context
    ) -> ledger_service_pb2.GetInclusionProofResponse:
        """The hashes from a leaf to the root of a size."""
        hashes = self._log(request.log).inclusion_proof(request.leaf_index, request.size)
        return ledger_service_pb2.GetInclusionProofResponse(hashes=hashes)

    @answered
    async def GetConsistencyProof(
        self, request: ledger_service_pb2.GetConsistencyProofRequest, context: Context
    ) -> ledger_service_pb2.GetConsistencyProofResponse:
        """The hashes that show one size to be a prefix of another."""
        log = self._log(request.log)
        hashes = log.consistency_proof(request.first_size, request.second_size)
        return ledger_service_pb2.GetConsistencyProofResponse(hashes=hashes)


def _parties(data: bytes) -> frozenset[str]:
    """The bodies an entry's exchange is between."""
    entry = parse_entry(data)
    kind = entry.WhichOneof("kind")
    if kind == "asked":
        statement = parse_statement(entry.asked.signed.statement)
        return frozenset({statement.requester, statement.holder})
    field = _PEERS.get(kind or "")
    return frozenset({getattr(getattr(entry, kind or ""), field)}) if field else frozenset()


_PEERS = {
    "decided": "peer",
    "received": "holder",
    "cohort_part": "peer",
    "contested": "peer",
    "contestation_answered": "peer",
    "change_told": "peer",
    "change_heard": "holder",
}
"""By kind of entry, which field names the other body."""


class Register(register_service_pb2_grpc.RegisterServiceServicer):
    """The public register: activities, texts, dry runs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @answered
    async def ListActivities(
        self, request: register_service_pb2.ListActivitiesRequest, context: Context
    ) -> register_service_pb2.ListActivitiesResponse:
        """The activities of the policy set."""
        policy = self._node.policy
        return register_service_pb2.ListActivitiesResponse(
            activities=[
                register_service_pb2.Activity(
                    id=one.id,
                    body=one.body,
                    title=one.title,
                    purposes=one.purposes,
                    legal_bases=one.legal_bases,
                )
                for one in policy.activities.values()
            ],
            policy_set=policy.hash,
        )

    @answered
    async def ListTexts(
        self, request: register_service_pb2.ListTextsRequest, context: Context
    ) -> register_service_pb2.ListTextsResponse:
        """The texts of the policy set, and which are in force by this node's clock."""
        policy, today = self._node.policy, paris_day(self._node.clock())
        texts = [
            register_service_pb2.Text(
                id=text.id,
                title=text.title,
                in_force_from=text.in_force.from_.isoformat(),
                in_force_until=text.in_force.until.isoformat() if text.in_force.until else "",
                read=text.read.value,
                in_force=in_force(text, today),
            )
            for text in policy.texts.values()
        ]
        return register_service_pb2.ListTextsResponse(texts=texts, policy_set=policy.hash)

    @answered
    async def DryRun(
        self, request: register_service_pb2.DryRunRequest, context: Context
    ) -> register_service_pb2.DryRunResponse:
        """What would be decided now, on the facts given."""
        question = parse_statement(_completed(request.statement)).question
        facts = facts_from_proto(request.facts)
        decision = decide_anew(self._node.policy, question, facts, self._node.clock())
        return register_service_pb2.DryRunResponse(
            decision=decision_to_proto(decision),
            explanation_fr=explain_fr(decision, question),
            explanation_en=explain_en(decision, question),
        )


def _completed(statement: statement_pb2.Statement) -> bytes:
    """A statement with stand-ins for what a dry run does not look at."""
    full = statement_pb2.Statement()
    full.CopyFrom(statement)
    full.version = 1
    full.agent = full.agent or "batch"
    full.sealing_key_id = bytes(limits.KEY_ID_BYTES)
    full.nonce = bytes(limits.NONCE_BYTES)
    if not full.HasField("cohort"):
        del full.person_digests[:]
        full.person_digests.append(sha256(b"dry run").digest())
    return full.SerializeToString(deterministic=True)
