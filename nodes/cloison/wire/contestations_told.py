"""What the holder's own program of rectification does: sees what is contested, tells, maintains.

A list names nobody and is no entry. Names are for one declarant and a named agent, and are entered
first. INVARIANT: a declarant is told neither who asked for a line nor for which right.

A declarant who says that the line is right declares nothing anew: an agent then ends the
contestation, with a reason for the person. INVARIANT: no line is maintained before its declarant
was told, who alone knows whether it is right; and none that was declared anew.
"""

from collections.abc import Iterator

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.contestation import check_says
from cloison.exchange.entries import contestations_told_entry, entry_of
from cloison.exchange.statement import to_milliseconds
from cloison.v1 import contestations_service_pb2, entry_pb2, receipt_pb2
from cloison.wire.access_contests import Words
from cloison.wire.contestation_rows import MAINTAINED, ContestedLine, ContestedPerson
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

    def maintain(
        self, activity: str, contestation_hash: bytes, says: str, agent: str
    ) -> receipt_pb2.Receipt:
        """Closes a contestation, the line as it is; the person reads why with their traces.

        They may contest the line again, with what they then have to say.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`: nothing said, or too much; no agent's pseudonym.
            PeerError: `NOT_YOURS`, `AGENT_NOT_EMPOWERED`; `NOT_CONTESTED`: no such contestation;
                `ALREADY_ANSWERED`; `DECLARANT_NOT_TOLD`.
            StorageError: the vault, the store or the ledger refused.
        """
        self._check_may_read(activity)
        node, now = self._node, self._node.clock()
        node.agents.check(limits.check_agent(agent), activity)
        said = Words.new(check_says(says))
        one = self._unanswered(limits.check_bytes("hash", contestation_hash, limits.HASH_BYTES))
        with node.vault.transaction():
            traces = node.vault.trace_keys([one.subject], utc_day(now))
        maintained = entry_pb2.ContestationAnswered(
            contestation_hash=one.hash,
            peer=one.peer,
            trace_keys=traces,
            activity=activity,
            agent=agent,
            says_hash=said.hash,
        )
        with node.vault.lasting():
            node.vault.access_contests.keep(node.traces.size, one.subject, said)
        (receipt,) = node.append([entry_of(maintained, now)])
        with node.vault.lasting():
            node.vault.contestations.answer(one.hash, MAINTAINED)
        return receipt

    def _unanswered(self, contestation_hash: bytes) -> ContestedLine:
        """A contestation that nothing but a reason can end any more."""
        node = self._node
        one = node.vault.contestations.one(contestation_hash)
        if one is None or node.index.first("contested", one.hash) is None:
            raise PeerError(
                "NOT_CONTESTED", "contestation: none of this hash", "see `cloison contestations`"
            )
        declared = node.store.lines.redeclared(
            one.dataset, one.subject, one.month.number, one.source, one.version, one.after_load
        )
        if declared is not None or node.index.first("answered", one.hash) is not None:
            raise PeerError("ALREADY_ANSWERED", "contestation: was answered before")
        if not self._is_told(one):
            raise PeerError(
                "DECLARANT_NOT_TOLD",
                "contestation: its declarant, who alone knows the line, was not told",
                "tell them: `cloison contestations BODY --payer SIRET --out FILE --agent NAME`",
            )
        return one

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
