"""A ledger is another's word: it may lie, and may neither end the audit nor command a terminal."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from tests.federation import CAF, CNAV, Template
from tests.misuse.traffic import Span, begin_nodes, publish, reviews
from tests.misuse.world import World, policies, utc

from cloison.audit import Examined, Ledgers, Line, Period, examine
from cloison.errors import IntegrityError
from cloison.exchange.entries import started_entry
from cloison.french import BLANK, THIN
from cloison.months import Month
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2

SPAN = Span(Month.of(2026, 3), 1)
MOST = (1 << 64) - 1
LATER = (1 << 63) - 1


@pytest.fixture
def world(template: Template) -> World:
    made = World(template.policy, 4, utc(2026, 3, 1))
    begin_nodes(made)
    reviews(made, SPAN.first, 30)
    made.at(utc(2026, 3, 20), lambda: publish(made, "2026-03", "1/4", "q"))
    made.run()
    return made


def with_changed(world: World, change: Callable[[entry_pb2.Entry], None]) -> Ledgers:
    """Every entry as it is; and once more, changed, at the end of its ledger."""

    def lines(written: Iterable[Line]) -> list[Line]:
        found = list(written)
        changed = []
        for place, one in enumerate(found, len(found)):
            entry = entry_pb2.Entry.FromString(one.entry.SerializeToString())
            change(entry)
            changed.append(replace(one, index=place, entry=entry))
        return found + changed

    honest = world.ledgers()
    return Ledgers(
        {body: lines(written) for body, written in honest.traces.items()},
        {body: lines(written) for body, written in honest.register.items()},
    )


def audit(world: World, ledgers: Ledgers) -> Examined:
    return examine(ledgers, world.policy, policies(world.policy), Period.up_to(SPAN.end))


def restate(entry: entry_pb2.Entry, change: Callable[[statement_pb2.Statement], None]) -> None:
    for kind in (entry.asked, entry.decided):
        if kind.signed.statement:
            statement = statement_pb2.Statement.FromString(kind.signed.statement)
            change(statement)
            kind.signed.statement = statement.SerializeToString(deterministic=True)


def when(kind: str, change: Callable[[entry_pb2.Entry], None]) -> Callable[[entry_pb2.Entry], None]:
    def changing(entry: entry_pb2.Entry) -> None:
        if entry.WhichOneof("kind") == kind:
            change(entry)

    return changing


LIES: dict[str, Callable[[entry_pb2.Entry], None]] = {
    "after every year": lambda one: setattr(one, "entry_time_ms", LATER),
    "before every year": lambda one: setattr(one, "entry_time_ms", -LATER),
    "place past every place": when(
        "received", lambda one: setattr(one.received, "leaf_index", MOST)
    ),
    "cohort of more than there are": lambda one: restate(
        one, lambda said: setattr(said.cohort, "size", MOST)
    ),
    "months without end": lambda one: restate(
        one, lambda said: setattr(said.selection, "last_month", (1 << 32) - 1)
    ),
    "a month that is none": when(
        "decided", lambda one: setattr(one.decided.facts.case, "month", 99)
    ),
    "a name that commands": lambda one: restate(
        one, lambda said: setattr(said, "activity", "caf\x1b[2J{n}[red]")
    ),
    "a label past every time": when(
        "received", lambda one: setattr(one.received.label, "until_ms", LATER)
    ),
    "a fraction that fills memory": when(
        "budget_reserved",
        lambda one: setattr(one.budget_reserved, "spent_epsilon", "1e999999999"),
    ),
    "a population that commands": when(
        "budget_reserved",
        lambda one: one.budget_reserved.MergeFrom(
            entry_pb2.BudgetReserved(population="\x1b[2J", spent_epsilon="9")
        ),
    ),
    "no outcome": when("decided", lambda one: one.decided.ClearField("decision")),
    "nothing at all": when("decided", lambda one: one.decided.facts.Clear()),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_lie_in_a_ledger_neither_ends_the_audit_nor_commands_the_terminal(
    lie: Callable[[entry_pb2.Entry], None], world: World
) -> None:
    found = audit(world, with_changed(world, lie))
    assert found.findings
    for one in found.findings:
        shown = one.sentence.replace(THIN, " ").replace(BLANK, " ") + one.activity
        assert shown.isprintable()


def test_statement_that_is_none_ends_the_audit_and_says_where(world: World) -> None:
    lie = when("decided", lambda one: setattr(one.decided.signed, "statement", b"\xff\xff"))
    with pytest.raises(IntegrityError, match=r"ledger `\w+\.cloison\.local/traces`: entry \d+"):
        audit(world, with_changed(world, lie))


def test_table_given_without_a_budget_is_found(world: World) -> None:
    """A question asked again is free: its table was paid for before."""

    def asked(period: str) -> Ledgers:
        def change(entry: entry_pb2.Entry) -> None:
            restate(entry, lambda said: _ask_table(said, period))
            entry.decided.decision.outcome = decision_pb2.OUTCOME_PERMIT

        return with_changed(world, when("decided", change))

    paid, unpaid = (
        {one.code for one in audit(world, asked(period)).findings} for period in ("2026-03", "2026")
    )
    assert "TABLE_WITHOUT_BUDGET" in unpaid - paid


def test_rows_given_to_a_study_are_paid_for_by_who_joins_them(world: World) -> None:
    def change(entry: entry_pb2.Entry) -> None:
        restate(entry, lambda said: _ask_table(said, "2026"))
        if entry.WhichOneof("kind") == "decided":
            entry.decided.decision.outcome = decision_pb2.OUTCOME_PERMIT

    def given(line: Line) -> Line:
        step = entry_pb2.StudyStep(step="named", table="cnav-income", period="2026")
        return replace(line, entry=entry_pb2.Entry(version=1, study_step=step))

    unpaid = with_changed(world, change)
    joined = {body: [*lines, given(next(iter(lines)))] for body, lines in unpaid.register.items()}
    codes = [
        {one.code for one in audit(world, ledgers).findings}
        for ledgers in (unpaid, Ledgers(unpaid.traces, joined))
    ]
    assert ["TABLE_WITHOUT_BUDGET" in one for one in codes] == [True, False]


def test_study_decision_that_the_law_does_not_give_is_found(world: World) -> None:
    """Who gives no rows to a study has its decisions in its register; they are made again too."""
    honest = world.ledgers()
    (decided, *_) = (one for one in honest.traces[CNAV] if one.entry.HasField("decided"))
    first = next(iter(honest.register[CNAV]))

    def differing(outcome: decision_pb2.Outcome.ValueType) -> int:
        step = entry_pb2.StudyStep(step="opened", decided=[decided.entry.decided])
        step.decided[0].decision.outcome = outcome
        entry = entry_pb2.Entry(
            version=1, entry_time_ms=decided.entry.entry_time_ms, study_step=step
        )
        register = {**honest.register, CNAV: [first, replace(first, entry=entry)]}
        return audit(world, Ledgers(honest.traces, register)).replayed.differing

    said = decided.entry.decided.decision.outcome
    assert (differing(said), differing(decision_pb2.OUTCOME_DENY)) == (0, 1)


def _ask_table(said: statement_pb2.Statement, period: str) -> None:
    if said.holder == CNAV:
        said.table.table, said.table.period = "cnav-income", period


def test_entry_from_the_future_shows_as_a_clock_that_went_back(world: World) -> None:
    ahead = utc(2026, 3, 30)
    world.enter(CAF, started_entry("x", world.policy.hash, ahead))
    world.enter(CAF, started_entry("x", world.policy.hash, utc(2026, 3, 29)))
    (one,) = (
        one for one in audit(world, world.ledgers()).findings if one.code == "CLOCK_WENT_BACK"
    )
    assert (one.count, one.evidence[0].index) == (1, len(world.logs[CAF, "traces"]) - 1)
