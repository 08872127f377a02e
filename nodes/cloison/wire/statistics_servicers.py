"""The service of statistical tables, for programs of any body whose activity the law knows.

INVARIANT: an answer leaves on a beat counted from when the question came, so that how long counting
and drawing took shows only in whole beats.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cloison.errors import PeerError
from cloison.exchange.statement import read_table_question
from cloison.exchange.values import decision_to_proto
from cloison.identity import Peer
from cloison.statistics.budget import Ceiling, Exposure, Grant
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.document import spelled
from cloison.statistics.hierarchy import Floats
from cloison.statistics.intervals import half_widths
from cloison.statistics.plan import Plan
from cloison.statistics.table import Table
from cloison.v1 import statistics_service_pb2 as wire
from cloison.v1 import statistics_service_pb2_grpc
from cloison.wire.calls import Context, answered, speaker
from cloison.wire.node import Node
from cloison.wire.statistics_desk import StatisticsDesk

BEAT_SECONDS = 2.0


class Statistics(statistics_service_pb2_grpc.StatisticsServiceServicer):
    """Tables of what this node holds."""

    def __init__(
        self, node: Node, desk: StatisticsDesk, beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self._node, self._desk, self._beat = node, desk, beat_seconds

    @answered
    async def ListTables(
        self, request: wire.ListTablesRequest, context: Context
    ) -> wire.ListTablesResponse:
        """What is declared for this node."""
        self._program(context)
        tables = [self._declared(one) for one in self._own_tables()]
        return wire.ListTablesResponse(tables=tables, policy_set=self._node.policy.hash)

    @answered
    async def Price(self, request: wire.PriceRequest, context: Context) -> wire.PriceResponse:
        """Price and expected error; no data are read."""
        self._program(context)
        question = self._desk.question(read_table_question(request.question))
        plan, widths, sums = await asyncio.to_thread(_planned, question)
        account = self._desk.account
        kept = account.published(question.hash) is not None
        cost = cost_of(plan)
        spent = account.accounts.spent((question.grant.population, question.grant.year))
        epsilon, rho = ("0", "0") if kept else spelled(cost)
        return wire.PriceResponse(
            mechanism=plan.kind.value,
            epsilon=epsilon,
            rho=rho,
            levels=[
                wire.LevelPrice(
                    level=level.id,
                    cells=level.cells,
                    share=str(plan.split[place]),
                    rmse=plan.rmse[place],
                    half_width=float(widths[place].mean()),
                    sum_rmse=plan.sums.rmse[place] if plan.sums else 0.0,
                    sum_half_width=float(sums[place].mean()) if plan.sums else 0.0,
                )
                for place, level in enumerate(question.cube.levels)
            ],
            budget=self._budget(question.grant),
            kept=kept,
            affordable=kept or (spent + cost).within(question.grant.limit),
        )

    @answered
    async def Publish(self, request: wire.PublishRequest, context: Context) -> wire.PublishResponse:
        """The table, once drawn the same for ever."""
        async with on_beat(self._beat):
            answer = await self._desk.publish(self._program(context), request.statements)
        response = wire.PublishResponse(
            decided=answer.decided, document=answer.document, kept=answer.kept
        )
        if answer.refusal is not None:
            response.refusal.CopyFrom(decision_to_proto(answer.refusal))
        if answer.reserved is not None and answer.published is not None:
            response.reserved.CopyFrom(answer.reserved)
            response.published.CopyFrom(answer.published)
        return response

    @answered
    async def Budget(self, request: wire.BudgetRequest, context: Context) -> wire.BudgetResponse:
        """What is granted and spent."""
        self._program(context)
        declared = self._node.policy.statistics
        populations = {table.population for table in self._own_tables()}
        grants = [one for one in declared.grants.values() if one.population in populations]
        exposures = [
            one for one in declared.exposures if populations & set(one.ceiling.populations)
        ]
        return wire.BudgetResponse(
            budgets=map(self._budget, grants), ceilings=map(_exposed, exposures)
        )

    def _program(self, context: Context) -> Peer:
        return recorded_program(self._node, context)

    def _own_tables(self) -> Sequence[Table]:
        tables = self._node.policy.statistics.tables.values()
        return [one.at(self._node.body) for one in tables if self._node.body in one.holders]

    def _declared(self, table: Table) -> wire.DeclaredTable:
        cube = self._node.policy.statistics.cubes[table.id]
        return wire.DeclaredTable(
            id=table.id,
            title=table.title,
            population=table.population,
            period=table.period.value,
            cells=cube.cells,
            most_cells=table.measure.most_cells,
            levels=[level.id for level in cube.levels],
        )

    def _budget(self, grant: Grant) -> wire.PopulationBudget:
        spent = self._desk.account.accounts.spent((grant.population, grant.year))
        granted_epsilon, granted_rho = spelled(grant.limit)
        spent_epsilon, spent_rho = spelled(spent)
        return wire.PopulationBudget(
            population=grant.population,
            year=grant.year,
            granted_epsilon=granted_epsilon,
            granted_rho=granted_rho,
            spent_epsilon=spent_epsilon,
            spent_rho=spent_rho,
            delta=str(grant.chance),
            author=grant.author,
            date=grant.date.isoformat(),
        )


def recorded_program(node: Node, context: Context) -> Peer:
    """The program that speaks, known here. Raises `PeerError` (`NOT_YOURS`)."""
    peer = speaker(context)
    record = node.policy.activities.get(peer.activity or "")
    if record is None or record.body != peer.body:
        raise PeerError("NOT_YOURS", "statistics: open to programs of recorded activities")
    return peer


def _planned(question: Question) -> tuple[Plan, list[Floats], list[Floats]]:
    """Plan and intervals; a thread's work, for other questions must not wait."""
    plan = question.plan()
    sums = half_widths(plan.sums, question.cube) if plan.sums else []
    return plan, half_widths(plan, question.cube), sums


@asynccontextmanager
async def on_beat(seconds: float) -> AsyncIterator[None]:
    """What is done within takes a whole number of beats, whether it ends well or not."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(seconds_to_beat(loop.time() - begin, seconds))


def seconds_to_beat(elapsed: float, beat: float) -> float:
    """How long an answer that took so long still waits: to the next whole beat; 0 without one."""
    return math.ceil(elapsed / beat) * beat - elapsed if beat else 0.0


def _exposed(exposure: Exposure) -> wire.CeilingBudget:
    ceiling: Ceiling = exposure.ceiling
    epsilon, rho = spelled(ceiling.limit)
    granted_epsilon, granted_rho = spelled(exposure.granted)
    return wire.CeilingBudget(
        id=ceiling.id,
        grants=exposure.grants,
        epsilon=epsilon,
        rho=rho,
        delta=str(ceiling.chance),
        granted_epsilon=granted_epsilon,
        granted_rho=granted_rho,
    )
