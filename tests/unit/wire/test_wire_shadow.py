"""Shadow mode: what is asked is decided and entered, and nothing leaves, until its day or after."""

from datetime import timedelta
from functools import cache

import pytest
from tests.federation import ANNE, CAF, CNAV, ROOT, Federation, Program
from tests.unit.wire.test_wire_cohort_law import Stream

from cloison.cli.root import read_policy
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.exchange.replay import Replayer
from cloison.exchange.traced import DAY_MS
from cloison.law import PolicySet
from cloison.v1 import decision_pb2

FILE = "activities/caf-ppa.toml"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort's batches may be smaller than the limit."""
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)


@cache
def policy_until(until: str) -> PolicySet:
    files = read_policy(ROOT)
    files[FILE] += f'\n[shadow]\nuntil = {until}\nbeside = "Un échange de fichiers."\n'.encode()
    return PolicySet.parse(files)


def tried(federation: Federation, until: str) -> Program:
    """The prime d'activité, on trial at both nodes."""
    federation.policy = policy_until(until)
    return federation.program("caf-ppa")


def test_question_on_trial_is_entered_with_what_would_have_permitted_it_and_nothing_leaves(
    federation: Federation,
) -> None:
    program = tried(federation, "2099-01-01")
    question = program.question(program.open_case())
    (reply,) = program.ask(question)
    assert reply.decision is not None
    assert (reply.decision.permitted, reply.decision.reason) == (False, "SHADOW")
    assert reply.release is None
    (decided,) = (one.decided for one in federation.entries(CNAV, "decided"))
    assert decided.sealed_hash == b""
    assert {rule.effect for rule in decided.decision.rules} == {"permit"}
    (received,) = (one.received for one in federation.entries(CAF, "received"))
    assert list(received.notices) == []


def test_question_the_law_refuses_keeps_its_reason_on_trial(federation: Federation) -> None:
    program = tried(federation, "2099-01-01")
    (reply,) = program.ask(program.question(None, ANNE.member(), purpose="control-targeting"))
    assert reply.decision is not None
    assert reply.decision.reason == "PURPOSE_NOT_DECLARED"


def test_trial_that_is_over_refuses_all(federation: Federation) -> None:
    """On the very day of its end, with nothing of what would have permitted it."""
    today = federation.clock().date()
    program = tried(federation, f"{today}")
    (reply,) = program.ask(program.question(program.open_case()))
    assert reply.decision is not None
    assert (reply.decision.reason, reply.decision.rules) == ("SHADOW_OVER", ())


def test_own_files_are_not_read_on_trial(federation: Federation) -> None:
    program = tried(federation, "2099-01-01")
    case = program.open_case()
    question = program.question(case, holder=CAF, dataset="members", fields=("role",))
    (reply,) = program.ask(question)
    assert reply.release is None
    assert reply.decision is not None
    assert not reply.decision.permitted


def test_decision_on_trial_replays_and_a_permit_in_its_place_does_not(
    federation: Federation,
) -> None:
    program = tried(federation, "2099-01-01")
    program.ask(program.question(program.open_case()))
    (entry,) = federation.entries(CNAV, "decided")
    replayer = Replayer(lambda _: federation.policy)
    assert replayer.decided(entry) == ""
    entry.decided.decision.outcome = decision_pb2.OUTCOME_PERMIT
    entry.decided.decision.reason = "PERMITTED"
    assert replayer.decided(entry) != ""


def test_cohort_on_trial_ends_with_its_decision(federation: Federation) -> None:
    stream = Stream(tried(federation, "2099-01-01"), "claim")
    assert stream.opened.decision.reason == "SHADOW"
    assert stream.desk.done


def test_what_was_made_again_before_a_trials_end_says_nothing_of_after(
    federation: Federation,
) -> None:
    """Nothing else changed on that day: no text, no rule."""
    program = tried(federation, "2099-01-01")
    program.ask(program.question(program.open_case()))
    (entry,) = federation.entries(CNAV, "decided")
    day = federation.clock().date()
    tomorrow = day + timedelta(days=1)
    policy = policy_until(f"{tomorrow}")
    replayer = Replayer(lambda _: policy)
    assert policy.epoch(day) == policy.epoch(tomorrow)
    assert replayer.decided(entry) == ""
    entry.decided.facts.case.valid_until_ms += 2 * DAY_MS
    entry.entry_time_ms += DAY_MS
    assert "SHADOW_OVER" in replayer.decided(entry)


@pytest.mark.parametrize("line", ["until = 2026-13-01", 'until = "2027-01-01"', ""])
def test_trial_without_a_day_is_refused(line: str) -> None:
    files = read_policy(ROOT)
    files[FILE] += f'\n[shadow]\n{line}\nbeside = "Un échange."\n'.encode()
    with pytest.raises(InputError) as caught:
        PolicySet.parse(files)
    assert caught.value.reason == "BAD_POLICY_FILE"
