"""What an audit finds of single questions it finds of cohorts: by batch, by case, by trace key."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.federation import CAF, CNAV, LAST, MONTH, NOW, ROOT, Federation, Program
from tests.unit.audit.test_audit_reconcile import Ledgers, kinds, line, lines_of
from tests.unit.wire.test_wire_cohort import Cohort, decide_as
from tests.unit.wire.test_wire_cohort_duties import Outreach

from cloison.audit import Finding, Line, Period
from cloison.audit.cases import find_cases
from cloison.audit.labels import find_labels
from cloison.audit.obligations import find_obligations
from cloison.audit.persons import find_persons
from cloison.audit.reading import take
from cloison.audit.receipts import find_lost
from cloison.audit.reconcile import reconcile
from cloison.audit.rows import Closed, Deposit, Lost, Opened, Part, Under
from cloison.audit.run import FAMILIES, OTHERS, alarms_of
from cloison.audit.scene import Scene
from cloison.audit.sweeps import find_sweeps
from cloison.audit.tables import Tables
from cloison.audit.windows import find_windows
from cloison.cases.outcomes import ClosedAs
from cloison.cli.policy import load_policy
from cloison.exchange import limits
from cloison.exchange.entries import entry_of, notice_given_entry
from cloison.law.question import Granularity, Outcome
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2
from cloison.wire import questions

Family = Callable[[Scene], list[Finding]]
DAY_MS = 86_400_000
POLICY = load_policy(ROOT)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)


@pytest.fixture
def outreach(federation: Federation) -> Outreach:
    made = Outreach(federation)
    made.ask_all()
    return made


def ledgers_of(federation: Federation) -> Ledgers:
    return {body: lines_of(federation, body) for body in (CAF, CNAV)}


def tables_of(ledgers: Ledgers) -> Tables:
    tables = Tables(frozenset(ledgers))
    for lines in ledgers.values():
        for one in lines:
            take(tables, one)
    return tables


def scene_of(tables: Tables, days: int = 400) -> Scene:
    until = NOW + timedelta(days=days)
    return Scene(tables, POLICY, alarms_of(POLICY), Period.up_to(until), lambda _: POLICY)


def codes(found: Sequence[Finding]) -> list[tuple[str, int]]:
    return [(one.code, one.count) for one in found]


def owed(ledgers: Ledgers, days: int) -> list[tuple[str, int]]:
    return codes(find_obligations(scene_of(tables_of(ledgers), days))[1])


# --- obligations ---------------------------------------------------------------------------------


def test_person_who_objected_and_is_in_a_batch_is_found(
    federation: Federation, outreach: Outreach
) -> None:
    """Unless what came was destroyed for that: they objected while it was on its way."""
    ledgers = ledgers_of(federation)
    (came,) = kinds(ledgers[CAF], "cohort_part")
    objected = entry_pb2.Objected(
        activity="caf-outreach", trace_keys=came.entry.cohort_part.trace_keys
    )
    ledgers[CAF].append(line(CAF, came.ledger, 0, entry_of(objected, NOW)))
    assert owed(ledgers, 1) == [("OBJECTION_NOT_HONOURED", 1)]
    destroyed = entry_pb2.Destroyed(
        activity="caf-outreach", why="objection", statement_hashes=[outreach.statement_hash]
    )
    ledgers[CAF].append(line(CAF, came.ledger, 99, entry_of(destroyed, NOW)))
    assert owed(ledgers, 1) == []


def test_notice_of_a_cohort_is_due_for_each_case_and_given_case_by_case(
    federation: Federation, outreach: Outreach
) -> None:
    ledgers = ledgers_of(federation)
    assert owed(ledgers, 95) == [("NOTICE_OVERDUE", 1)]
    leaf = outreach.cases[0].leaf_hash
    given = notice_given_entry("caf-outreach", leaf, "first-contact", "batch", [], NOW)
    ledgers[CAF].append(line(CAF, ledgers[CAF][0].ledger, 99, given))
    assert owed(ledgers, 95) == []


@pytest.mark.usefixtures("outreach")
def test_batches_kept_past_their_label_are_found_and_what_never_came_is_not(
    federation: Federation,
) -> None:
    ledgers = ledgers_of(federation)
    late = 372
    assert ("RETENTION_OVERDUE", 1) in owed(ledgers, late)
    cut = {
        body: [one for one in lines if one.entry.WhichOneof("kind") != "cohort_part"]
        for body, lines in ledgers.items()
    }
    assert "RETENTION_OVERDUE" not in dict(owed(cut, late))


def test_one_batch_that_was_destroyed_does_not_stand_for_the_others(
    federation: Federation, outreach: Outreach
) -> None:
    """Of two: the first went for a person; the second when the label ended, or not at all."""
    ledgers, late = ledgers_of(federation), 372
    (came,) = kinds(ledgers[CAF], "cohort_part")
    second = entry_pb2.Entry()
    second.CopyFrom(came.entry)
    second.cohort_part.batch_index = 1
    ledgers[CAF].append(line(CAF, came.ledger, 90, second.SerializeToString(deterministic=True)))
    gone = entry_pb2.Destroyed(
        activity="caf-outreach", statement_hashes=[outreach.statement_hash], releases=1
    )
    for index, kept in ((91, True), (92, False)):
        ledgers[CAF].append(line(CAF, came.ledger, index, entry_of(gone, NOW)))
        assert ("RETENTION_OVERDUE" in dict(owed(ledgers, late))) is kept


# --- cases ---------------------------------------------------------------------------------------


def under_many(federation: Federation, days: Sequence[int], cases: int = 20) -> Tables:
    """As if the cohort's one batch a day had held that many cases, all opened just before."""
    tables = tables_of(ledgers_of(federation))
    (question,) = tables.questions
    place, caf = (question.ledger, question.at), "caf.cloison.local/traces"
    for case in range(1, cases + 1):
        for day in days:
            time = question.time + day * DAY_MS
            tables.under.add(Under(*place, time, question.statement_key, case))
        activity, month = question.activity, question.case_month
        until = question.time + 30 * DAY_MS
        tables.opened.add(
            Opened(caf, 0, question.time - 1000, case, activity, "outreach", month, until, 1)
        )
    return tables


@pytest.mark.usefixtures("outreach")
def test_cases_opened_for_a_cohort_alone_are_found(federation: Federation) -> None:
    tables = under_many(federation, [0])
    assert ("CASES_WITHOUT_DECISION", 21) in codes(find_cases(scene_of(tables)))
    for one in list(tables.opened):
        if 1 <= one.case_key <= 20:  # the key of the cohort's own case is any number
            tables.closed.add(
                Closed(one.ledger, 0, one.time + 5000, one.case_key, ClosedAs.SET_ASIDE)
            )
    assert ("CASES_FOR_A_QUESTION", 20) in codes(find_cases(scene_of(tables)))


@pytest.mark.usefixtures("outreach")
def test_cases_asked_about_in_cohorts_day_after_day_are_found(federation: Federation) -> None:
    tables = under_many(federation, range(6))
    assert ("CASE_FOLLOWED", 120) in codes(find_persons(scene_of(tables)))
    assert "CASE_FOLLOWED" not in dict(codes(find_persons(scene_of(tables, days=3))))


@pytest.mark.usefixtures("outreach")
def test_cases_asked_about_in_cohorts_month_after_month_are_found(federation: Federation) -> None:
    tables = under_many(federation, [0, 31, 62])
    assert ("MONTHLY_INSTEAD_OF_REVIEW", 60) in codes(find_sweeps(scene_of(tables)))


@pytest.mark.usefixtures("outreach")
def test_output_that_cites_no_batch_of_its_case_is_found(federation: Federation) -> None:
    tables = under_many(federation, [0], cases=1)
    ledger = "caf.cloison.local/traces"
    time = next(iter(tables.questions)).time
    tables.deposits.add(Deposit(ledger, 0, time, "caf-outreach", "letter", 1, 0))
    assert codes(find_labels(scene_of(tables))) == [("OUTPUT_WITHOUT_RECEIPTS", 1)]


# --- persons -------------------------------------------------------------------------------------


class Totals(Cohort):
    """A cohort asked for the total of some months."""

    def __init__(self, program: Program, first: int) -> None:
        super().__init__(program)
        self._first = first

    def header(self) -> statement_pb2.SignedStatement:
        cohort = statement_pb2.Cohort(
            size=self.size, batch_persons=1, case_type="claim", case_month=MONTH.number
        )
        question = replace(
            self.program.question(None),
            persons=(),
            first=LAST + self._first,
            granularity=Granularity.WINDOW_TOTAL,
        )
        now = self.program.federation.clock()
        built = questions.build_statement(self.program.keys, question, now, cohort)
        return questions.build_items(self.program.keys, [built])[0].statement


@pytest.fixture
def any_law(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_as(monkeypatch, Outcome.PERMIT)


@pytest.mark.usefixtures("any_law")
@pytest.mark.parametrize("given", [(CAF, CNAV), (CNAV,)])
def test_totals_of_two_cohorts_whose_difference_is_a_month_are_found(
    federation: Federation, given: Sequence[str]
) -> None:
    """By the requester's ledger, and without it by the holder's."""
    for first in (-2, -1):
        cohort = Totals(federation.program("caf-ppa"), first)
        cohort.ask(cohort.plain())
    ledgers = {body: lines for body, lines in ledgers_of(federation).items() if body in given}
    assert codes(find_windows(scene_of(tables_of(ledgers)))) == [("TOTALS_SPLIT", 4)]


# --- both ends -----------------------------------------------------------------------------------


def reconciled(ledgers: Ledgers) -> list[tuple[str, int]]:
    until = NOW + timedelta(days=1)
    return codes(reconcile(tables_of(ledgers), Period.up_to(until), until)[0])


def again(one: Line, index: int) -> Line:
    return replace(one, index=index)


@pytest.mark.usefixtures("outreach")
def test_batch_that_left_twice_is_found(federation: Federation) -> None:
    ledgers = ledgers_of(federation)
    assert reconciled(ledgers) == []
    (left,) = kinds(ledgers[CNAV], "cohort_part")
    ledgers[CNAV].append(again(left, 99))
    assert reconciled(ledgers) == [("DECIDED_TWICE", 1)]


@pytest.mark.usefixtures("outreach")
def test_batch_that_left_without_a_permit_is_found(federation: Federation) -> None:
    ledgers = ledgers_of(federation)
    (decided,) = kinds(ledgers[CNAV], "decided")
    decided.entry.decided.decision.outcome = decision_pb2.OUTCOME_DENY
    assert ("LEFT_WITHOUT_PERMIT", 1) in reconciled(ledgers)
    ledgers[CNAV] = [one for one in ledgers[CNAV] if one is not decided]
    assert ("LEFT_WITHOUT_PERMIT", 1) in reconciled(ledgers)
    assert reconciled({CNAV: ledgers[CNAV]}) == [("LEFT_WITHOUT_PERMIT", 1)]


@pytest.mark.usefixtures("outreach")
def test_batches_that_a_body_says_it_lost_too_often_are_found(federation: Federation) -> None:
    """Its decision came: that the batches did not is its word alone."""
    tables = tables_of(ledgers_of(federation))
    (question,) = tables.questions
    key, ledger = question.statement_key, question.ledger
    tables.lost.add(Lost("caf.cloison.local/traces", 0, question.time, key, CAF))
    for batch in range(1, 21):
        tables.parts.add(Part(ledger, 9, question.time, CNAV, key, batch, 11, 0, 1, 1, 0, batch))
    assert codes(find_lost(scene_of(tables))) == [("ANSWERS_LOST_OFTEN", 20)]


@pytest.mark.usefixtures("outreach")
def test_honest_cohort_is_no_finding_of_any_family(federation: Federation) -> None:
    """But for the text it rests on, which was not read whole."""
    ledgers = ledgers_of(federation)
    scene = scene_of(tables_of(ledgers), days=1)
    found = [one for family in (*FAMILIES, *OTHERS) for one in family(scene)]
    found += find_obligations(scene)[1]
    assert {one.code for one in found} <= {"PROVISIONAL_TEXT_RELIED_ON"}
    assert reconciled(ledgers) == []
