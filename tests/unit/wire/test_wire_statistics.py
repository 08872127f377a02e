"""Tables over the wire: decided, reserved before drawn, drawn once; and every way round that."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import pyarrow.parquet as pq
import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CNAV,
    DENIS,
    ELSA,
    NOW,
    Aborted,
    Federation,
    Someone,
)
from tests.unit.wire.across import load as load_at

from cloison.bodies import BodyId
from cloison.cli import stats
from cloison.cli.app import run
from cloison.errors import CloisonError, IntegrityError, PeerError
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.statement import TableQuestion
from cloison.identity import load_activity_keys
from cloison.statistics import cells
from cloison.statistics.budget import Loss
from cloison.statistics.cells import count_cells
from cloison.statistics.document import read_document
from cloison.statistics.noise import Mechanism
from cloison.statistics.release import ExactCells, release
from cloison.v1 import entry_pb2, statement_pb2
from cloison.v1 import statistics_service_pb2 as wire
from cloison.wire import statistics_desk
from cloison.wire.holder import Holder
from cloison.wire.holder_channels import load_register
from cloison.wire.statistics_client import Publication, TableReply, build_request
from cloison.wire.statistics_desk import StatisticsDesk
from cloison.wire.statistics_servicers import Statistics, seconds_to_beat

TABLE, DREES = "caf-beneficiaries", BodyId("drees")
ACTIVITY = "drees-statistics"
ACCOUNT = TABLE, 2026
PAID: Mapping[str, tuple[Someone, ...]] = {"ppa": (ANNE, DENIS, ELSA), "rsa": (ANNE,), "al": ()}


def load(
    federation: Federation, people: Mapping[str, Sequence[Someone]], name: str = "stats"
) -> None:
    """As `load_at` the family fund."""
    load_at(federation, CAF, people, name)


class Analyst:
    """A statistical program and the service it asks, beats left out."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.restart()
        self.keys = load_activity_keys(federation.keys / DREES / "activities" / ACTIVITY)
        self.register = load_register(federation.keys, CAF)

    def restart(self) -> None:
        node = self.federation.node(CAF)
        self.desk = StatisticsDesk(node, Holder(node))
        self.service = Statistics(node, self.desk, beat_seconds=0)

    def request(
        self, epsilon: str = "1", period: str = "2026-03", name: str = TABLE, **changed: Any
    ) -> Any:
        record = self.federation.policy.activities[ACTIVITY].model_copy(update=changed)
        table = self.federation.policy.statistics.tables[name]
        asked = TableQuestion(name, period, epsilon)
        return build_request(self.keys, CAF, table, asked, record, self.federation.clock())

    async def send(self, request: wire.PublishRequest) -> wire.PublishResponse:
        context = self.federation.context(DREES, ACTIVITY)
        received = wire.PublishRequest.FromString(request.SerializeToString())
        return await self.service.Publish(received, context)

    def publish(self, epsilon: str = "1", **changed: Any) -> wire.PublishResponse:
        return asyncio.run(self.send(self.request(epsilon, **changed)))

    def refused(self, request: wire.PublishRequest) -> str:
        with pytest.raises(Aborted) as refusal:
            asyncio.run(self.send(request))
        return refusal.value.reason

    @property
    def spent(self) -> Loss:
        return self.desk.account.accounts.spent(ACCOUNT)

    def register_kinds(self) -> list[str]:
        register = self.federation.node(CAF).register
        entries = map(parse_entry, register.entries(0, register.size))
        return [str(entry.WhichOneof("kind")) for entry in entries]


@pytest.fixture
def analyst(federation: Federation) -> Analyst:
    load(federation, PAID)
    return Analyst(federation)


def verified(analyst: Analyst, response: wire.PublishResponse) -> Publication:
    return Publication.verified(
        response.document, response.reserved, response.published, analyst.register
    )


def test_publish_is_decided_reserved_entered_and_verifies_offline(analyst: Analyst) -> None:
    response = analyst.publish()
    content = verified(analyst, response).content
    assert [level["id"] for level in content["levels"]] == [
        "benefit",
        "region-benefit",
        "department-benefit",
    ]
    assert analyst.register_kinds()[-2:] == ["budget_reserved", "table_published"]
    decided = analyst.federation.entries(CAF, "decided")
    assert [len(decided), len(response.decided)] == [2, 2]
    assert analyst.spent == Loss(Fraction(1))


def test_publish_same_question_is_the_stored_answer_and_free(analyst: Analyst) -> None:
    first, second = analyst.publish(), analyst.publish()
    analyst.federation.restart(CAF)
    analyst.restart()
    third = analyst.publish()
    assert first.document == second.document == third.document
    assert [first.kept, second.kept, third.kept] == [False, True, True]
    assert analyst.spent == Loss(Fraction(1))
    assert len(analyst.federation.entries(CAF, "decided")) == 6


def test_publish_stored_answer_stays_when_the_data_change(analyst: Analyst) -> None:
    first = analyst.publish()
    load(analyst.federation, {"al": (DENIS,)}, "later")
    assert analyst.publish().document == first.document


def test_publish_past_the_grant_is_refused_by_how_much_and_nothing_is_read(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst.publish("7/2")
    monkeypatch.setattr(cells, "count_cells", _fail)
    request = analyst.request("1")
    with pytest.raises(Aborted, match="needs ε 1, 1/2 is left, 1/2 too much") as refusal:
        asyncio.run(analyst.send(request))
    assert refusal.value.reason == "BUDGET_EXCEEDED"
    assert analyst.spent == Loss(Fraction(7, 2))


def _fail(*_: object) -> NoReturn:
    raise AssertionError("must not be reached")


def test_publish_at_once_cannot_overspend(analyst: Analyst) -> None:
    epsilons = ["3/2", "8/5", "7/5", "13/10"]

    async def together() -> list[Any]:
        requests = [analyst.send(analyst.request(epsilon)) for epsilon in epsilons]
        return await asyncio.gather(*requests, return_exceptions=True)

    answers = asyncio.run(together())
    refused = [one for one in answers if isinstance(one, Aborted)]
    assert {one.reason for one in refused} == {"BUDGET_EXCEEDED"}
    assert len(refused) == 2
    assert analyst.spent.epsilon <= 4


def test_publish_same_question_at_once_is_drawn_once(analyst: Analyst) -> None:
    async def together() -> list[wire.PublishResponse]:
        return await asyncio.gather(*(analyst.send(analyst.request()) for _ in range(5)))

    answers = asyncio.run(together())
    assert len({one.document for one in answers}) == 1
    assert sorted(one.kept for one in answers) == [False, True, True, True, True]
    assert analyst.spent == Loss(Fraction(1))


def test_publish_reserves_on_disk_before_anything_is_counted(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def counting(*arguments: Any) -> ExactCells:
        seen.append(analyst.register_kinds())
        return count_cells(*arguments)

    monkeypatch.setattr(cells, "count_cells", counting)
    analyst.publish()
    (kinds,) = seen
    assert kinds[-1] == "budget_reserved"


def test_publish_names_the_set_that_decided_it_though_another_is_loaded_meanwhile(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = analyst.federation.node(CAF)
    decided_by = node.policy

    def counting(*arguments: Any) -> ExactCells:
        node.policy = replace(decided_by, hash=b"\x07" * 32)
        return count_cells(*arguments)

    monkeypatch.setattr(cells, "count_cells", counting)
    document = json.loads(analyst.publish().document)
    node.policy = decided_by
    assert document["policy_set"] == decided_by.hash.hex()


@pytest.mark.parametrize(
    "step", ["count_cells", "release", "build_document", "replace_file_durably"]
)
def test_publish_killed_after_the_reservation_wastes_budget_and_leaks_nothing(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(cells if step == "count_cells" else statistics_desk, step, _fail)
        with pytest.raises(Aborted, match="unexpected AssertionError"):
            asyncio.run(analyst.send(analyst.request()))
    analyst.federation.kill(CAF)
    analyst.restart()
    assert analyst.spent == Loss(Fraction(1))
    response = analyst.publish()
    assert not response.kept
    assert analyst.spent == Loss(Fraction(2))
    assert analyst.register_kinds().count("table_published") == 1


def test_publish_register_that_cannot_write_draws_nothing(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst.federation.node(CAF).register._usable = False
    monkeypatch.setattr(cells, "count_cells", _fail)
    with pytest.raises(Aborted) as refusal:
        asyncio.run(analyst.send(analyst.request()))
    assert refusal.value.reason.startswith("LEDGER_")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"purposes": ("control-targeting",)}, "PURPOSE_NOT_DECLARED"),
        ({"legal_bases": ("crpa-l114-8",)}, "BASIS_NOT_DECLARED"),
    ],
)
def test_publish_what_the_law_refuses_is_entered_and_costs_nothing(
    analyst: Analyst, changed: dict[str, Any], reason: str
) -> None:
    response = analyst.publish(**changed)
    assert response.HasField("refusal")
    assert not response.document
    assert response.refusal.reason == reason
    assert analyst.spent == Loss()
    assert len(analyst.federation.entries(CAF, "decided")) == 2


def test_publish_activity_without_tables_in_its_record_is_refused_by_the_law(
    analyst: Analyst,
) -> None:
    keys = load_activity_keys(analyst.federation.keys / CAF / "activities" / "caf-ppa")
    record = analyst.federation.policy.activities["caf-ppa"]
    table = analyst.federation.policy.statistics.tables[TABLE]
    asked = TableQuestion(TABLE, "2026-03", "1")
    request = build_request(keys, CAF, table, asked, record, NOW)
    context = analyst.federation.context(CAF, "caf-ppa")
    response = asyncio.run(analyst.service.Publish(request, context))
    assert response.HasField("refusal")
    assert not response.document


@pytest.mark.parametrize("body", [CAF, CNAV])
def test_service_node_that_is_no_program_is_refused(analyst: Analyst, body: BodyId) -> None:
    context = analyst.federation.context(body)
    calls: Sequence[Callable[[], Any]] = [
        lambda: analyst.service.Publish(analyst.request(), context),
        lambda: analyst.service.Price(wire.PriceRequest(), context),
        lambda: analyst.service.Budget(wire.BudgetRequest(), context),
        lambda: analyst.service.ListTables(wire.ListTablesRequest(), context),
    ]
    for call in calls:
        with pytest.raises(Aborted) as refusal:
            asyncio.run(call())
        assert refusal.value.reason == "NOT_YOURS"


def test_publish_statements_of_another_activity_than_speaks_are_refused(
    analyst: Analyst,
) -> None:
    context = analyst.federation.context(CAF, "caf-ppa")
    with pytest.raises(Aborted) as refusal:
        asyncio.run(analyst.service.Publish(analyst.request(), context))
    assert refusal.value.reason == "NOT_YOURS"


def test_publish_statements_sent_twice_are_refused(analyst: Analyst) -> None:
    request = analyst.request()
    asyncio.run(analyst.send(request))
    assert analyst.refused(request) == "REPLAYED"


def _twice(request: wire.PublishRequest) -> None:
    request.statements[1].CopyFrom(request.statements[0])


def _fewer(request: wire.PublishRequest) -> None:
    del request.statements[1]


def _none(request: wire.PublishRequest) -> None:
    del request.statements[:]


def _swapped(request: wire.PublishRequest) -> None:
    first = statement_pb2.SignedStatement.FromString(request.statements[0].SerializeToString())
    request.statements[0].CopyFrom(request.statements[1])
    request.statements[1].CopyFrom(first)


def _forged(request: wire.PublishRequest) -> None:
    statement = statement_pb2.Statement.FromString(request.statements[0].statement)
    statement.table.epsilon = "1/2"
    request.statements[0].statement = statement.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_twice, "MALFORMED"),
        (_fewer, "MALFORMED"),
        (_none, "MALFORMED"),
        (_swapped, "MALFORMED"),
        (_forged, "BAD_SIGNATURE"),
    ],
)
def test_publish_other_statements_than_the_table_is_made_of_are_refused(
    analyst: Analyst, spoil: Callable[[wire.PublishRequest], None], reason: str
) -> None:
    request = analyst.request()
    spoil(request)
    assert analyst.refused(request) == reason
    assert analyst.spent == Loss()


@pytest.mark.parametrize(
    ("epsilon", "period", "reason"),
    [
        ("0", "2026-03", "BAD_LOSS"),
        ("-1", "2026-03", "MALFORMED"),
        ("nan", "2026-03", "MALFORMED"),
        ("0.5", "2026-03", "MALFORMED"),
        ("2/2", "2026-03", "BAD_FRACTION"),
        ("1", "2026-04", "NOT_LOADED"),
        ("1", "2029-04", "NO_GRANT"),
    ],
)
def test_publish_bad_question_is_refused_and_costs_nothing(
    analyst: Analyst, epsilon: str, period: str, reason: str
) -> None:
    assert analyst.refused(analyst.request(epsilon, period)) == reason
    assert analyst.spent == Loss()


def test_ask_table_statement_by_the_way_of_rows_is_refused(analyst: Analyst) -> None:
    item = statement_pb2.AskItem(statement=analyst.request().statements[0])
    (answer,) = analyst.federation.answer(CAF, DREES, [item])
    assert answer.failure.reason == "MALFORMED"
    assert not answer.sealed_release


def test_publish_kept_document_that_was_altered_is_never_given(analyst: Analyst) -> None:
    analyst.publish()
    (file,) = analyst.desk.account.folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b'"rounded":[', b'"rounded":[ '))
    assert analyst.refused(analyst.request()) == "TABLE_LOST"
    file.unlink()
    assert analyst.refused(analyst.request()) == "TABLE_LOST"
    assert analyst.spent == Loss(Fraction(1))


def test_publication_altered_anywhere_does_not_verify(analyst: Analyst) -> None:
    response = analyst.publish()
    altered = response.document.replace(b'"epsilon":"1"', b'"epsilon":"2"')
    with pytest.raises(IntegrityError, match="not the one its entries are about"):
        Publication.verified(altered, response.reserved, response.published, analyst.register)
    with pytest.raises(PeerError, match="not of a `budget_reserved` entry"):
        Publication.verified(
            response.document, response.published, response.published, analyst.register
        )
    other = load_register(analyst.federation.keys, CNAV)
    with pytest.raises(PeerError) as refusal:
        Publication.verified(response.document, response.reserved, response.published, other)
    assert refusal.value.reason == "BAD_RECEIPT"


def test_account_register_that_does_not_add_up_stops_the_node(analyst: Analyst) -> None:
    forged = entry_pb2.BudgetReserved(
        population=TABLE, year=2026, epsilon="1", rho="0", spent_epsilon="1/2", spent_rho="0"
    )
    node = analyst.federation.node(CAF)
    node.register.append_many([entry_of(forged, NOW)])
    with pytest.raises(CloisonError, match="do not add up"):
        StatisticsDesk(node, Holder(node))


def test_price_is_what_publishing_takes_and_tells_before(analyst: Analyst) -> None:
    question = statement_pb2.TableQuestion(table=TABLE, period="2026-03", epsilon="5")
    context = analyst.federation.context(DREES, ACTIVITY)

    def price() -> wire.PriceResponse:
        return asyncio.run(analyst.service.Price(wire.PriceRequest(question=question), context))

    dear = price()
    assert (dear.epsilon, dear.affordable, dear.mechanism) == ("5", False, "discrete-laplace")
    question.epsilon = "1"
    before = price()
    assert (before.epsilon, before.affordable, before.kept) == ("1", True, False)
    assert all(level.half_width > level.rmse > 0 for level in before.levels)
    analyst.publish()
    after = price()
    assert (after.epsilon, after.kept, after.budget.spent_epsilon) == ("0", True, "1")


def test_budget_tells_grants_and_what_a_person_is_exposed_to(analyst: Analyst) -> None:
    context = analyst.federation.context(DREES, ACTIVITY)
    told = asyncio.run(analyst.service.Budget(wire.BudgetRequest(), context))
    assert {(one.year, one.granted_epsilon, one.date) for one in told.budgets} == {
        (2025, "4", "2025-01-05"),
        (2026, "4", "2026-01-05"),
    }
    (ceiling,) = told.ceilings
    assert (ceiling.granted_epsilon, ceiling.epsilon) == ("18", "18")


@pytest.mark.parametrize(
    ("elapsed", "left"), [(0.25, 1.75), (1.75, 0.25), (2.0, 0.0), (2.5, 1.5), (5.0, 1.0)]
)
def test_seconds_to_beat_answers_leave_on_whole_beats(elapsed: float, left: float) -> None:
    assert seconds_to_beat(elapsed, 2.0) == left
    assert seconds_to_beat(elapsed, 0.0) == 0


def test_publish_damaged_columns_cost_nothing(analyst: Analyst) -> None:
    folder = analyst.federation.node(CAF).store._database.columns_path / "payments"
    for file in folder.iterdir():
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:-1])
    assert analyst.refused(analyst.request()) == "COLUMNS_DAMAGED"
    assert analyst.spent == Loss()


def _inputs(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mechanism, list[int]]]:
    calls: list[tuple[Mechanism, list[int]]] = []

    def recording(exact: ExactCells, plan: Any, cube: Any) -> Any:
        def draw(mechanism: Mechanism, figures: Sequence[int]) -> list[int]:
            calls.append((mechanism, list(figures)))
            return mechanism.draw(figures)

        return release(exact, plan, cube, draw)

    with monkeypatch.context() as patched:
        patched.setattr(statistics_desk, "release", recording)
        analyst.publish()
    return calls


@pytest.mark.parametrize("benefits", [("ppa",), ("al", "rsa"), ("ppa", "rsa", "al")])
def test_publication_on_a_neighbour_differs_at_the_noise_by_no_more_than_declared(
    federation: Federation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    benefits: tuple[str, ...],
) -> None:
    """The whole way, from files loaded to the noise, with one person and without."""
    load(federation, PAID)
    without = _inputs(Analyst(federation), monkeypatch)
    other = Federation(federation.template, tmp_path / "neighbour")
    with_one = {
        name: (*group, *((BRUNO,) if name in benefits else ())) for name, group in PAID.items()
    }
    load(other, with_one)
    try:
        with_person = _inputs(Analyst(other), monkeypatch)
    finally:
        other.close()
    assert [mechanism for mechanism, _ in without] == [mechanism for mechanism, _ in with_person]
    for (mechanism, before), (_, after) in zip(without, with_person, strict=True):
        moved = sum(abs(a - b) for a, b in zip(before, after, strict=True))
        assert moved == len(benefits) <= mechanism.sensitivity


def _reply(response: wire.PublishResponse) -> TableReply:
    return TableReply(
        Publication(
            response.document,
            response.reserved,
            response.published,
            read_document(response.document),
        ),
        None,
        kept=response.kept,
    )


def test_written_publication_verifies_and_its_forms_say_the_same(
    analyst: Analyst, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publication = _reply(analyst.publish()).publication
    assert publication is not None
    written = {path.suffix: path for path in stats._write(tmp_path / "out", publication)}
    keys = str(analyst.federation.keys)
    assert run(["stats", "verify", str(written[".json"]), "--keys", keys, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_epsilon"] == "1"
    rows = pq.read_table(written[".parquet"])
    assert len(rows) == 360
    assert rows.schema.metadata[b"cloison"] == publication.document
    assert len(written[".csv"].read_text("utf-8").splitlines()) == 361
    page = written[".html"].read_text("utf-8")
    assert "Bouches-du-Rhône" in page
    assert "<script" not in page


def test_document_withholds_cells_under_the_threshold_in_every_form(analyst: Analyst) -> None:
    content = read_document(analyst.publish().document)
    for level in content["levels"]:
        for place, rounded in enumerate(level["rounded"]):
            figures = {level[name][place] for name in ("measured", "unrounded", "low", "high")}
            assert rounded is None or rounded >= 11
            assert rounded is not None or figures == {None}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"withheld":', b'"withheld":9'),
        (b'"format":"cloison table 1"', b'"format":"cloison table 2"'),
        (b'"levels":[', b'"levels":[[],'),
        (b'"threshold":11', b'"threshold":"x"'),
        (b'"total":', b'"total":9'),
    ],
)
def test_read_document_that_does_not_hold_together_is_refused(
    analyst: Analyst, old: bytes, new: bytes
) -> None:
    document = analyst.publish().document
    assert old in document
    with pytest.raises(IntegrityError) as refusal:
        read_document(document.replace(old, new, 1))
    assert refusal.value.reason == "BAD_DOCUMENT"
