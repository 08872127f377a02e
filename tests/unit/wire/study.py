"""A study in one process: the production client against the production servicers of four bodies."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.federation import CAF, CNAV, DGFIP, MSA, Aborted, Federation
from tests.unit.wire.across import ACTIVITY, DREES

from cloison.bodies import BodyId
from cloison.errors import CloisonError, PeerError
from cloison.exchange.entries import parse_entry
from cloison.identity import load_activity_keys
from cloison.statistics.declared import Question
from cloison.v1 import entry_pb2
from cloison.v1 import study_service_pb2 as wire
from cloison.v1.receipt_pb2 import Receipt
from cloison.wire.holder import Holder
from cloison.wire.settings import known_ledgers
from cloison.wire.statistics_client import TableReply
from cloison.wire.statistics_desk import StatisticsDesk
from cloison.wire.study_client import StudyClient
from cloison.wire.study_desk import StudyDesk
from cloison.wire.study_servicers import Studies
from cloison.wire.study_session import PART_PERSONS

TABLE = "rsa-income"
ORDER = (DGFIP, MSA, CAF, CNAV)
"""Who joins, who holds the key, who names the persons, who adds incomes."""


class UnsafeParticipant:
    """A body's part, in this process; `before` changes a request on its way, by the call's name."""

    def __init__(self, federation: Federation, body: BodyId, part_persons: int) -> None:
        self.federation, self.body, self.part_persons = federation, body, part_persons
        self.before: dict[str, Callable[[Any], None]] = {}
        self.sent: dict[str, list[Any]] = {}
        self.opened: list[Receipt] = []
        self.speaker: tuple[BodyId, str] = (DREES, ACTIVITY)
        self.start()

    def start(self) -> None:
        """The service, as a node that starts has it."""
        node = self.federation.node(self.body)
        self.single = StatisticsDesk(node, Holder(node))
        registers = known_ledgers(self.federation.keys, "register")
        desk = StudyDesk(node, self.single, registers, self.part_persons)
        self.service = Studies(node, desk, beat_seconds=0, part_beat_seconds=0)

    def restart(self) -> None:
        self.federation.restart(self.body)
        self.start()

    def call(self, name: str, request: Any) -> Any:
        sent = type(request).FromString(request.SerializeToString())
        if name in self.before:
            self.before[name](sent)
        self.sent.setdefault(name, []).append(sent)
        method = getattr(self.service, name)
        try:
            return asyncio.run(method(sent, self.federation.context(*self.speaker)))
        except Aborted as error:
            raise PeerError(error.reason, error.details) from error

    def open_study(self, request: wire.OpenStudyRequest) -> Any:
        reply = self.call("OpenStudy", request)
        self.opened.append(reply.opened)
        return reply

    def name_persons(self, request: wire.NamePersonsRequest) -> Any:
        return self.call("NamePersons", request)

    def code_persons(self, request: wire.CodePersonsRequest) -> Any:
        return self.call("CodePersons", request)

    def give_columns(self, request: wire.GiveColumnsRequest) -> Any:
        return self.call("GiveColumns", request)

    def join_study(self, request: wire.JoinStudyRequest) -> Any:
        return self.call("JoinStudy", request)

    def steps(self) -> list[entry_pb2.StudyStep]:
        register = self.federation.node(self.body).register
        found = map(parse_entry, register.entries(0, register.size))
        return [one.study_step for one in found if one.WhichOneof("kind") == "study_step"]


class Studying:
    """A statistical program and the four bodies."""

    def __init__(self, federation: Federation, part_persons: int = PART_PERSONS) -> None:
        self.federation = federation
        self.parts = {body: UnsafeParticipant(federation, body, part_persons) for body in ORDER}
        self.keys = load_activity_keys(federation.keys / DREES / "activities" / ACTIVITY)
        self.registers = known_ledgers(federation.keys, "register")

    def question(self, epsilon: str = "1") -> Question:
        return self.federation.policy.statistics.question(TABLE, "2026-03", epsilon)

    def publish(self, epsilon: str = "1", **changed: Any) -> TableReply:
        record = self.federation.policy.activities[ACTIVITY].model_copy(update=changed)
        client = StudyClient(self.keys, self.parts, self.registers.__getitem__)
        return client.publish(self.question(epsilon), record, self.federation.clock())

    def refused(self, epsilon: str = "1") -> str:
        with pytest.raises(CloisonError) as refusal:
            self.publish(epsilon)
        return refusal.value.reason

    @property
    def spent(self) -> str:
        accounts = self.parts[DGFIP].single.account.accounts
        return str(accounts.spent(("rsa-recipients", 2026)).epsilon)
