"""What the holder's own program of rectification is given: what is contested, and of whom.

A list names nobody and is no entry. Names are for one declarant and a named agent, and are entered
first. INVARIANT: a declarant is told neither who asked for a line nor for which right.
"""

from collections.abc import Iterator

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.entries import contestations_told_entry
from cloison.exchange.statement import to_milliseconds
from cloison.v1 import contestations_service_pb2
from cloison.wire.contestation_rows import ContestedLine, ContestedPerson
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_RECTIFICATION = ("rectification",)


class DeclarantDesk:
    """Contestations as they are passed on to whoever declared the lines."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def list(
        self, activity: str, declarant: str
    ) -> Iterator[contestations_service_pb2.ListContestationsResponse]:
        """Contestations that were entered, naming nobody.

        Raises:
            PeerError: `NOT_YOURS`: not an activity whose one purpose is rectification.
        """
        self._check_may_read(activity)
        for one in self._node.vault.contestations.all(declarant):
            if self._node.index.first("contested", one.hash) is None:
                continue  # a power cut took its entry: it was not acknowledged
            answer = one.answer and contestations_service_pb2.ContestationAnswer(
                record_version=one.answer.version, changed=one.answer.changed
            )
            yield contestations_service_pb2.ListContestationsResponse(
                contestation_hash=one.hash,
                entered_time_ms=to_milliseconds(one.entered_time),
                dataset=one.dataset,
                declarant=one.declarant,
                period=one.month.number,
                source=one.source,
                record_version=one.version,
                answer=answer,
                told=self._is_told(one),
            )

    def tell(
        self, activity: str, declarant: str, agent: str
    ) -> contestations_service_pb2.TellDeclarantResponse:
        """Whom the open contestations of a declarant's lines are about; entered before it leaves.

        Raises:
            InputError: `MALFORMED`: no declarant, or not an agent's pseudonym.
            PeerError: `NOT_YOURS`, `AGENT_NOT_EMPOWERED`; `NOTHING_CONTESTED`.
        """
        self._check_may_read(activity)
        node, now = self._node, self._node.clock()
        node.agents.check(limits.check_agent(agent), activity)
        found = [
            (self._is_told(one), one)
            for one in node.vault.contestations.open(declarant)
            if node.index.first("contested", one.hash) is not None
        ]
        if not (declarant and found):
            raise PeerError("NOTHING_CONTESTED", "contestations: none is open for this declarant")
        found.sort(key=lambda pair: pair[0])
        given = [one for _, one in found[: limits.CONTESTATIONS_TOLD]]
        told = [_told(one, node.vault.contestations.person(one.hash)) for one in given]
        with node.vault.transaction():
            entries = [
                contestations_told_entry(
                    activity,
                    agent,
                    [one.hash for one in some],
                    node.vault.trace_keys([one.subject for one in some], utc_day(now)),
                    now,
                )
                for some in limits.slices(given, limits.CONTESTATIONS_PER_ENTRY)
            ]
        untold = [before for before, _ in found[limits.CONTESTATIONS_TOLD :] if not before]
        return contestations_service_pb2.TellDeclarantResponse(
            contestations=told, receipts=node.append(entries), untold=len(untold)
        )

    def _is_told(self, one: ContestedLine) -> bool:
        return self._node.index.first("told", one.hash) is not None

    def _check_may_read(self, activity: str) -> None:
        record = self._node.policy.activities.get(activity)
        if record is None or tuple(record.purposes) != _RECTIFICATION:
            raise PeerError(
                "NOT_YOURS", "contestations: for an activity whose one purpose is rectification"
            )


def _told(
    one: ContestedLine, person: ContestedPerson
) -> contestations_service_pb2.ToldContestation:
    return contestations_service_pb2.ToldContestation(
        contestation_hash=one.hash,
        nir=person.nir,
        birth_name=person.birth_name,
        birth_date=person.birth_date,
        period=one.month.number,
        source=one.source,
        record_version=one.version,
        says=person.says,
        amount_cents=person.amount_cents,
    )
