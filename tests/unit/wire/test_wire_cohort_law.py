"""A cohort under rules that change, count or end while its stream is open."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from tests.federation import ANNE, CAF, CNAV, DENIS, MONTH, ROOT, Federation, Program, Someone

from cloison.cli.root import read_policy
from cloison.errors import PolicyDenied
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.law import PolicySet
from cloison.v1 import entry_pb2, gateway_service_pb2, release_pb2, statement_pb2
from cloison.wire import questions
from cloison.wire.cohort import RunPersons, part_of, write_persons
from cloison.wire.cohort_cases import prove_cases
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.gateway import OpenedCase

Run = gateway_service_pb2.CohortRun
TEXT = "texts/decret-2025-1288/rules.cedar"
NEXT_DAY = datetime(2026, 6, 17, 9, tzinfo=UTC)
CHANGES_AT_MIDNIGHT = b"""
@id("until-today") @article("x") @until("2026-06-17")
permit (principal == Activity::"caf-ppa", action == Action::"ask", resource in System::"drm")
when { context.cohort };
@id("from-tomorrow") @article("x") @from("2026-06-17") @honour_objection("refuse") @expire("P1D")
permit (principal == Activity::"caf-ppa", action == Action::"ask", resource in System::"drm")
when { context.cohort };
"""
ONCE_A_CASE = b"""
@id("cohort") @article("x")
permit (principal == Activity::"caf-ppa", action == Action::"ask", resource in System::"drm")
when { context.cohort && context.case.live && context.case.covers_persons };
@id("once") @article("x")
forbid (principal == Activity::"caf-ppa", action == Action::"ask", resource)
when { context.case.questions_before >= 1 };
"""


def under(federation: Federation, rules: bytes) -> Program:
    """The prime d'activité's program, where these rules are law as well."""
    files = dict(read_policy(ROOT))
    files[TEXT] += rules
    federation.policy = PolicySet.parse(files)
    return federation.program("caf-ppa")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The federation has few people: batches smaller than the limit."""
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)


class Stream:
    """One cohort, as its holder sees it."""

    def __init__(self, program: Program, case_type: str = "") -> None:
        federation = program.federation
        announced = statement_pb2.Cohort(size=10, batch_persons=1)
        if case_type:
            announced.case_type, announced.case_month = case_type, MONTH.number
        question = replace(program.question(None), persons=())
        built = questions.build_statement(program.keys, question, federation.clock(), announced)
        (item,) = questions.build_items(program.keys, [built])
        holder = federation.holder(CNAV)
        self.program, self.statement = program, item.statement
        self.desk = CohortHolder(federation.node(CNAV), holder, holder.call(CAF, b"", b""))
        self.opened = parse_entry(self.desk.open(item.statement).receipt.entry).decided

    def batch(self, index: int, someone: Someone, case: OpenedCase | None = None) -> Run:
        """A batch of one."""
        persons = RunPersons(
            [someone.nir],
            [someone.birth_name],
            [someone.birth_date.isoformat()],
            [0 if case else -1],
            [case.members[0].case_salt if case else b""],
        )
        cases = [case.leaf_hash] if case else []
        batch = Run(
            index=index,
            persons=write_persons(persons),
            salt_seed=os.urandom(32),
            case_leaf_hashes=cases,
        )
        if case:
            batch.cases.CopyFrom(prove_cases(self.program.federation.node(CAF), cases))
        return batch

    def send(self, batch: Run) -> tuple[release_pb2.Label, entry_pb2.CohortPart]:
        """The label of what the batch brings, opened, and its entry."""
        (answer,) = self.desk.run(batch).batches
        part = parse_entry(answer.receipt.entry).cohort_part
        statement_hash = sha256(self.statement.statement).digest()
        place = part_of(batch.index, last=batch.last)
        plain = self.program.opener.open_plain(answer.sealed_release, statement_hash, place)
        return release_pb2.CohortRelease.FromString(plain).label, part


def test_stream_open_when_its_rule_gains_obligations_is_ended(federation: Federation) -> None:
    stream = Stream(under(federation, CHANGES_AT_MIDNIGHT))
    stream.send(stream.batch(0, DENIS))
    federation.clock.now = NEXT_DAY
    with pytest.raises(PolicyDenied, match="not permitted now as it was when it began"):
        stream.send(stream.batch(1, ANNE))


def test_stream_begun_anew_has_the_new_obligations(federation: Federation) -> None:
    program = under(federation, CHANGES_AT_MIDNIGHT)
    federation.clock.now = NEXT_DAY
    label, _ = (stream := Stream(program)).send(stream.batch(0, ANNE))
    assert label.until_ms > 0


def test_batch_counts_as_a_question_under_each_of_its_cases(federation: Federation) -> None:
    program = under(federation, ONCE_A_CASE)
    case = program.open_case()
    stream = Stream(program, "claim")
    _, part = stream.send(stream.batch(0, ANNE, case))
    (reply,) = program.ask(program.question(case))
    assert list(part.case_leaf_hashes) == [case.leaf_hash]
    assert reply.decision is not None
    assert reply.decision.reason == "FORBIDDEN"


def test_batch_of_a_case_asked_about_before_is_refused_where_the_law_counts(
    federation: Federation,
) -> None:
    program = under(federation, ONCE_A_CASE)
    case = program.open_case()
    program.ask(program.question(case))
    stream = Stream(program, "claim")
    assert stream.opened.decision.reason == "PERMITTED"
    with pytest.raises(PolicyDenied):
        stream.send(stream.batch(0, ANNE, case))
