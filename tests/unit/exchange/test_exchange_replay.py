"""A decision just made again alike is remembered; nothing it looked at may differ unseen."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.federation import CNAV, Template
from tests.misuse.world import Asking, World, policies, utc

from cloison.errors import InputError
from cloison.exchange.entries import parse_entry
from cloison.exchange.replay import Replayer
from cloison.law import PolicySet
from cloison.months import Month
from cloison.v1 import entry_pb2, statement_pb2

DAY_MS = 86_400_000


@pytest.fixture
def entry(template: Template) -> entry_pb2.Entry:
    """A permitted question under a case."""
    world = World(template.policy, 3, utc(2026, 3, 2, 9))
    case = world.open("caf-ppa", "review", Month.of(2026, 3), [1])
    world.ask("caf-ppa", "cnav", "monthly_resources", case, [1])
    return decided(world)


def decided(world: World) -> entry_pb2.Entry:
    return parse_entry(world.logs[CNAV, "traces"][-1])


def replayer(*known: PolicySet) -> Replayer:
    return Replayer(policies(*known))


def restate(entry: entry_pb2.Entry, change: Callable[[statement_pb2.Statement], None]) -> None:
    statement = statement_pb2.Statement.FromString(entry.decided.signed.statement)
    change(statement)
    entry.decided.signed.statement = statement.SerializeToString(deterministic=True)


CHANGES: dict[str, Callable[[entry_pb2.Entry], None]] = {
    "outcome": lambda one: setattr(one.decided.decision, "outcome", 3),
    "rule": lambda one: setattr(one.decided.decision.rules[0], "rule", "another"),
    "case over": lambda one: setattr(one.decided.facts.case, "valid_until_ms", one.entry_time_ms),
    "case not yet open": lambda one: setattr(
        one.decided.facts.case, "opened_time_ms", one.entry_time_ms + 1
    ),
    "case of another": lambda one: setattr(one.decided.facts.case, "activity", "caf-rsa"),
    "case of another month": lambda one: setattr(one.decided.facts.case, "month", 202606),
    "hindrance": lambda one: setattr(one.decided.facts, "hindrance", "CASE_CLOSED"),
    "witnesses silent": lambda one: setattr(
        one.decided.facts.witnessing, "own_seconds", 10_000_000
    ),
    "witnesses never": lambda one: one.decided.facts.witnessing.ClearField("own_seconds"),
    "case head never seen": lambda one: one.decided.facts.witnessing.ClearField("case_seconds"),
    "case head too old": lambda one: setattr(
        one.decided.facts.witnessing, "case_seconds", 10_000_000
    ),
    "before the text": lambda one: setattr(one, "entry_time_ms", one.entry_time_ms - 200 * DAY_MS),
    "other months": lambda one: restate(one, lambda s: setattr(s.selection, "first_month", 202401)),
    "other purpose": lambda one: restate(one, lambda s: setattr(s, "purpose", "control-targeting")),
    "nonce too short": lambda one: restate(one, lambda s: setattr(s, "nonce", b"x")),
    "same person twice": lambda one: restate(
        one, lambda s: s.person_digests.extend(s.person_digests)
    ),
    "no statement": lambda one: setattr(one.decided.signed, "statement", b"\xff"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_replayer_that_remembers_sees_what_one_that_does_not_sees(
    change: Callable[[entry_pb2.Entry], None], entry: entry_pb2.Entry, template: Template
) -> None:
    remembering = replayer(template.policy)
    assert remembering.decided(entry) == ""
    assert remembering.decided(entry) == ""
    change(entry)
    said = remembering.decided(entry)
    assert said == replayer(template.policy).decided(entry)
    assert said


def test_replayer_remembers_over_persons_and_times_that_no_rule_looks_at(
    entry: entry_pb2.Entry, template: Template
) -> None:
    remembering = replayer(template.policy)
    assert remembering.decided(entry) == ""
    entry.entry_time_ms += 60_000
    entry.decided.facts.witnessing.case_seconds += 60
    restate(entry, lambda one: setattr(one, "nonce", b"n" * 16))
    assert remembering.decided(entry) == ""
    assert len(remembering._alike) == 1


def test_replayer_without_the_set_says_which(entry: entry_pb2.Entry) -> None:
    with pytest.raises(InputError, match=entry.decided.policy_set.hex()):
        replayer().decided(entry)


def test_refusal_is_made_again(template: Template) -> None:
    world = World(template.policy, 3, utc(2026, 3, 2, 9))
    world.ask("caf-dmde", "cnav", "monthly_resources", None, [1], Asking())
    again = replayer(template.policy)
    one = decided(world)
    assert (again.decided(one), again.decided(one)) == ("", "")
    one.entry_time_ms -= int(timedelta(days=700).total_seconds()) * 1000
    assert "decret-2024-50" in again.decided(one)
