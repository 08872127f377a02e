"""A table of two holders in one process: the production client against the production servicers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from tests.federation import CAF, MSA, Aborted, Federation, Someone, _table

from cloison.bodies import BodyId
from cloison.declarations import load_files
from cloison.errors import BudgetExceeded, CloisonError, InputError, PeerError
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import TableQuestion
from cloison.identity import load_activity_keys
from cloison.statistics.budget import Loss
from cloison.statistics.declared import Question
from cloison.v1 import across_service_pb2 as wire
from cloison.v1 import entry_pb2, statement_pb2, statistics_service_pb2
from cloison.wire.across_client import AcrossClient
from cloison.wire.across_desk import AcrossDesk
from cloison.wire.across_servicers import Across
from cloison.wire.holder import Holder
from cloison.wire.settings import known_ledgers
from cloison.wire.statistics_client import TableReply, build_statements
from cloison.wire.statistics_desk import StatisticsDesk
from cloison.wire.statistics_servicers import Statistics

TABLE, DREES, ACTIVITY = "beneficiaries", BodyId("drees"), "drees-statistics"
HOLDERS = (CAF, MSA)
POPULATIONS = {CAF: "caf-beneficiaries", MSA: "msa-beneficiaries"}
_FAULTS = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: BudgetExceeded,
}


def load(
    federation: Federation,
    body: BodyId,
    people: Mapping[str, Sequence[Someone]],
    name: str = "stats",
) -> None:
    """Homes in the Ain, and what was paid in March 2026."""
    folder = federation.settings(body).state / name
    folder.mkdir()
    everybody = {one.nir: one for group in people.values() for one in group}
    homes = [
        f"H{one.birth_name};{one.nir};2021-01-01;tenant;0;500.00;2;01001;01"
        for one in everybody.values()
    ]
    paid = [
        f"H{one.birth_name};{one.nir};{benefit};2026-03;100.00"
        for benefit, group in people.items()
        for one in group
    ]
    columns = "household;applicant;since;status;furnished;rent;zone;commune;department"
    store = federation.node(body).store
    files = [
        _table(folder, "households", columns, homes),
        _table(folder, "payments", "household;applicant;benefit;month;amount", paid),
    ]
    load_files(store, store.catalogue, files, federation.clock())


class UnsafePart:
    """A holder's part, in this process; a test may stop it, or change what passes.

    Attributes:
        down: At the call of this name, and from then on, it does not answer.
        before: Changes a request on its way, by the call's name.
        seen: What it answered, by the call's name.
    """

    def __init__(self, federation: Federation, body: BodyId) -> None:
        self.federation, self.body = federation, body
        self.down = ""
        self.before: dict[str, Callable[[Any], None]] = {}
        self.seen: dict[str, list[Any]] = {}
        self.speaker: tuple[BodyId, str] = (DREES, ACTIVITY)
        self._stopped = False
        self.start()

    def start(self) -> None:
        """The services, as a node that starts has them."""
        node = self.federation.node(self.body)
        self.single = StatisticsDesk(node, Holder(node))
        registers = known_ledgers(self.federation.keys, "register")
        self.desk = AcrossDesk(node, self.single, registers)
        self.across = Across(node, self.desk, beat_seconds=0)
        self.prices = Statistics(node, self.single, beat_seconds=0)
        self.up()

    def up(self) -> None:
        """It answers again."""
        self.down, self._stopped = "", False

    def restart(self) -> None:
        self.federation.restart(self.body)
        self.start()

    def _call(self, name: str, method: Callable[..., Any], request: Any) -> Any:
        self._stopped = self._stopped or self.down == name
        if self._stopped:
            raise PeerError("PEER_UNAVAILABLE", "node: UNAVAILABLE")
        sent = type(request).FromString(request.SerializeToString())
        if name in self.before:
            self.before[name](sent)
        try:
            found = asyncio.run(method(sent, self.federation.context(*self.speaker)))
        except Aborted as error:
            raise _FAULTS.get(error.code, PeerError)(error.reason, error.details) from error
        answer = type(found).FromString(found.SerializeToString())
        self.seen.setdefault(name, []).append(answer)
        return answer

    def price(self, question: Any) -> Any:
        request = statistics_service_pb2.PriceRequest(question=question)
        return self._call("price", self.prices.Price, request)

    def reserve(self, request: wire.ReserveRequest) -> Any:
        return self._call("reserve", self.across.Reserve, request)

    def share(self, request: wire.ShareRequest) -> Any:
        return self._call("share", self.across.Share, request)

    def finish(self, request: wire.FinishRequest) -> Any:
        return self._call("finish", self.across.Finish, request)

    def abandon(self, request: wire.AbandonRequest) -> Any:
        return self._call("abandon", self.across.Abandon, request)

    @property
    def spent(self) -> Loss:
        return self.single.account.accounts.spent((POPULATIONS[self.body], 2026))

    def entries(self, kind: str) -> list[entry_pb2.Entry]:
        register = self.federation.node(self.body).register
        found = map(parse_entry, register.entries(0, register.size))
        return [entry for entry in found if entry.WhichOneof("kind") == kind]


class Analysts:
    """A statistical program and the two holders of a table."""

    def __init__(self, federation: Federation, table: str = TABLE) -> None:
        self.federation, self.table = federation, table
        self.parts = {body: UnsafePart(federation, body) for body in HOLDERS}
        self.keys = load_activity_keys(federation.keys / DREES / "activities" / ACTIVITY)
        self.registers = known_ledgers(federation.keys, "register")

    def question(self, epsilon: str = "1", holders: Sequence[str] = HOLDERS) -> Question:
        return self.federation.policy.statistics.question(self.table, "2026-03", epsilon, holders)

    def client(self, holders: Sequence[BodyId] = HOLDERS) -> AcrossClient:
        parts = {body: self.parts[body] for body in holders}
        return AcrossClient(self.keys, parts, self.registers.__getitem__)

    def publish(
        self, epsilon: str = "1", holders: Sequence[BodyId] = HOLDERS, **changed: Any
    ) -> TableReply:
        record = self.federation.policy.activities[ACTIVITY].model_copy(update=changed)
        question = self.question(epsilon, holders)
        return self.client(holders).publish(question, record, self.federation.clock())

    def refused(self, epsilon: str = "1", holders: Sequence[BodyId] = HOLDERS) -> str:
        try:
            self.publish(epsilon, holders)
        except CloisonError as error:
            return error.reason
        raise AssertionError("was not refused")

    def statements(self, body: BodyId) -> list[statement_pb2.SignedStatement]:
        """What the program signs for one holder."""
        question = self.question()
        asked = TableQuestion(TABLE, question.period, "1", question.holders)
        record = self.federation.policy.activities[ACTIVITY]
        table = question.whole.at(body)
        return build_statements(self.keys, body, table, asked, record, self.federation.clock())

    @property
    def spent(self) -> list[str]:
        return [str(part.spent.epsilon) for part in self.parts.values()]
