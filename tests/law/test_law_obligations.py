"""What the policy demands of a holder, a holder can do: the two rooms read one language."""

from pathlib import Path

import pytest

from cloison.cli.root import find_root, read_policy
from cloison.exchange.obligations import MEETABLE, unmet
from cloison.law import OBLIGATION_KINDS, Decision, Obligation, Outcome, PolicySet

_POLICY = PolicySet.parse(read_policy(find_root(Path(__file__).parent)))
_DUTIES = sorted({duty for rule in _POLICY.rules for duty in rule.obligations}, key=str)


def test_policy_demands_something() -> None:
    assert _DUTIES


@pytest.mark.parametrize("duty", _DUTIES, ids=lambda duty: f"{duty.kind}={duty.value}")
def test_every_obligation_of_the_policy_can_be_met_by_a_node(duty: Obligation) -> None:
    decision = Decision(Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=(duty,))
    assert unmet(decision) is None


def test_kinds_the_law_may_demand_are_those_a_node_can_meet() -> None:
    assert frozenset(OBLIGATION_KINDS) == MEETABLE
