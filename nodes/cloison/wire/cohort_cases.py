"""The cases of a run: proved by the requester's node, checked by the holder."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from cloison.cases.proof import CaseKind, ProvedCase, verify_cases
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.identity import person_digests
from cloison.v1 import gateway_service_pb2
from cloison.wire.answering import Call, longest_case
from cloison.wire.cohort import RunPersons
from cloison.wire.node import Node
from cloison.wire.seen import age_seconds


class CohortCases:
    """What a holder asks of the cases of one stream."""

    def __init__(self, node: Node, call: Call) -> None:
        self._node = node
        self._call = call

    def check(
        self,
        run: gateway_service_pb2.CohortRun,
        people: RunPersons,
        kind: CaseKind,
        now: datetime,
    ) -> list[ProvedCase]:
        """Every person stands in a live case of the kind the statement promised; those named.

        Raises:
            PeerError: `BAD_CASE_PROOF`, `CASE_NOT_WITNESSED`, `CASE_HEAD_TOO_OLD`.
        """
        proved = verify_cases(run.cases, self._node.peer_heads.of(self._call.peer))
        if proved.keys() != set(run.case_leaf_hashes):
            raise PeerError("BAD_CASE_PROOF", "batch: other cases proved than named")
        longest = longest_case(self._call.policy, kind.activity, kind.type)
        cases = [proved[leaf].within(longest) for leaf in run.case_leaf_hashes]
        self._require_seen(cases, now)
        now_ms, latest_ms = to_milliseconds(now), to_milliseconds(now + limits.CLOCK_SKEW)
        for case in cases:
            if not (
                case.kind == kind and case.opened_ms <= latest_ms and now_ms < case.valid_until_ms
            ):
                raise PeerError(
                    "BAD_CASE_PROOF", "batch: a case is not what the statement promised"
                )
        _require_members(people, cases)
        return cases

    def _require_seen(self, cases: Sequence[ProvedCase], now: datetime) -> None:
        """The head the cases stand under was seen by enough witnesses, lately enough."""
        most = self._call.policy.witnesses
        if most is None or not self._node.seen.asks:
            return
        for seen in {case.seen_seconds for case in cases}:
            age = age_seconds(seen, now)
            if age is None:
                raise PeerError("CASE_NOT_WITNESSED", "batch: too few witnesses saw its cases")
            if age > most.case_seconds:
                raise PeerError(
                    "CASE_HEAD_TOO_OLD", "batch: witnesses saw its cases too long ago", "open again"
                )


def _require_members(people: RunPersons, cases: Sequence[ProvedCase]) -> None:
    """Each person stands in the case named with them, and each case is somebody's."""
    if not {limits.SALT_BYTES}.issuperset(map(len, people.case_salts)):
        raise PeerError("BAD_CASE_PROOF", "batch: a case salt is not 32 bytes")
    places = people.cases
    stands = set(places) == set(range(len(cases)))
    digests = person_digests(people.case_salts, people.nirs)
    if not stands or not all(
        digest in cases[place].person_digests for place, digest in zip(places, digests, strict=True)
    ):
        raise PeerError(
            "BAD_CASE_PROOF", "batch: a person stands in no case of it, or a case is nobody's"
        )


def prove_cases(node: Node, case_leaf_hashes: Sequence[bytes]) -> gateway_service_pb2.EntriesProof:
    """The entries of a run's cases and of their latest renewals, under a witnessed head.

    Raises:
        InputError: `TOO_LARGE`, `MALFORMED`.
        PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`, `NOT_WITNESSED`.
    """
    limits.check_count("cases of a run", len(case_leaf_hashes), 1, limits.COHORT_RUN_PERSONS)
    if len(set(case_leaf_hashes)) != len(case_leaf_hashes):
        raise InputError("MALFORMED", "batch: one case is named twice")
    places = node.vault.cases.places(case_leaf_hashes)
    if len(places) != len(case_leaf_hashes):
        raise PeerError("CASE_UNKNOWN", "case: this node did not open it", "open a case")
    if any(place.closed for place in places.values()):
        raise PeerError("CASE_CLOSED", "case: closed", "open a new one if there is a claim")
    renewals = {one.renewal_index for one in places.values() if one.renewal_index is not None}
    indexes = sorted(renewals.union(one.leaf_index for one in places.values()))
    size, note = node.seen.over(indexes[-1])
    return gateway_service_pb2.EntriesProof(
        entries=_entries(node, indexes),
        leaf_indexes=indexes,
        hashes=node.traces.subset_proof(indexes, size),
        checkpoint=note,
    )


def _entries(node: Node, indexes: Sequence[int]) -> Iterator[bytes]:
    """Neighbours are read together."""
    for _, run in groupby(enumerate(indexes), lambda one: one[1] - one[0]):
        places = [index for _, index in run]
        yield from node.traces.entries(places[0], len(places))
