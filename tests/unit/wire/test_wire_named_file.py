"""Named files: an agent the body empowered, one file, and what stays behind its bulkhead."""

from typing import Any

import pytest
from tests.federation import CAF, CNAV, DGFIP, MONTH, Federation, Program

from cloison.errors import InputError
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.wire.gateway import AskFor, OpenedCase, Received

CONTROL, RECOVERY = "caf-individual-control", "caf-recovery"


@pytest.fixture
def agent(federation: Federation) -> str:
    federation.empower(CAF, dupont=[CONTROL, RECOVERY], durand=[RECOVERY])
    return federation.pseudonym(CAF, "dupont")


def notices(program: Program, case: OpenedCase, **changes: Any) -> AskFor:
    """What both read of the tax office."""
    plain: dict[str, Any] = {
        "holder": DGFIP,
        "dataset": "tax_notices",
        "fields": ("rfr",),
        "first": Month.of(2024, 1),
        "last": Month.of(2024, 12),
        "granularity": Granularity.YEAR,
        "purpose": program.federation.policy.activities[program.activity].purposes[0],
        "legal_basis": "lpf-l152",
    }
    return program.question(case, **{**plain, **changes})


def outcome(program: Program, question: AskFor) -> str:
    (reply,) = program.ask(question)
    if reply.failure is not None:
        return reply.failure.reason
    assert reply.decision is not None
    return reply.decision.reason


@pytest.mark.parametrize(("activity", "kind"), [(CONTROL, "control-file"), (RECOVERY, "recovery")])
def test_named_file_is_answered_to_an_empowered_agent_with_the_duty_to_tell(
    federation: Federation, agent: str, activity: str, kind: str
) -> None:
    program = federation.program(activity)
    case = program.open_case("HC1", kind)
    (reply,) = program.ask(notices(program, case, agent=agent))
    assert reply.decision is not None
    assert reply.release is not None
    assert [(one.kind, one.value) for one in reply.decision.obligations] == [
        ("flag", program.federation.policy.activities[activity].purposes[0]),
        ("notice", "content-and-origin"),
    ]


@pytest.mark.parametrize("name", ["durand", "nobody"])
def test_named_file_agent_who_is_not_empowered_reaches_no_holder(
    federation: Federation, agent: str, name: str
) -> None:
    assert agent
    program = federation.program(CONTROL)
    case = program.open_case("HC1", "control-file")
    question = notices(program, case, agent=federation.pseudonym(CAF, name))
    assert outcome(program, question) == "AGENT_NOT_EMPOWERED"
    assert federation.entries(CAF, "asked") == []
    assert federation.link(CAF, DGFIP).calls == []
    assert federation.failures(CAF) == {CONTROL: {"AGENT_NOT_EMPOWERED": 1}}


def test_named_file_batch_is_refused_by_the_holder(federation: Federation) -> None:
    program = federation.program(CONTROL)
    case = program.open_case("HC1", "control-file")
    assert outcome(program, notices(program, case)) == "CONDITION_NOT_MET"


@pytest.mark.parametrize("activity", [CONTROL, RECOVERY])
def test_named_file_case_is_opened_over_no_list(federation: Federation, activity: str) -> None:
    program = federation.program(activity)
    kind = program.federation.policy.activities[activity].case_types[0].type
    with pytest.raises(InputError) as caught:
        list(program.cases.open(activity, kind, MONTH, []))
    assert caught.value.reason == "NAME_THE_FILES"


@pytest.mark.parametrize(("activity", "kind"), [(CONTROL, "control-file"), (RECOVERY, "recovery")])
def test_named_file_monthly_resources_have_no_text(
    federation: Federation, agent: str, activity: str, kind: str
) -> None:
    program = federation.program(activity)
    case = program.open_case("HC1", kind)
    purpose = program.federation.policy.activities[activity].purposes[0]
    changes = {"purpose": purpose, "legal_basis": "lpf-l152", "agent": agent}
    assert outcome(program, program.question(case, **changes)) == "NO_TEXT"


def test_recovery_reads_nothing_that_the_calculation_received(
    federation: Federation, agent: str, ppa: Program
) -> None:
    (received,) = ppa.ask(ppa.question(ppa.open_case()))
    assert received.release is not None
    program = federation.program(RECOVERY)
    question = program.question(
        program.open_case("HC1", "recovery"),
        holder=CAF,
        purpose="overpayment-recovery",
        legal_basis="lpf-l152",
        agent=agent,
        received=Received(CNAV, "calculation", "caf-ppa"),
    )
    assert outcome(program, question) == "NO_TEXT"
    (answer,) = program.put(program.item(question))
    assert list(answer.envelopes) == []


def test_recovery_case_is_no_control_file(federation: Federation, agent: str) -> None:
    """A control may not ride on a recovery's case, nor the other way round."""
    recovery, control = federation.program(RECOVERY), federation.program(CONTROL)
    case = recovery.open_case("HC1", "recovery")
    assert outcome(control, notices(control, case, agent=agent)) == "CONDITION_NOT_MET"
