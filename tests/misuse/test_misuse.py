"""No alarm on honest months; every gross misuse found; and what an audit does of bad input."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.misuse.measure import SPAN, alarms, examined, policy_before, sown
from tests.misuse.plants import plants
from tests.misuse.world import World

from cloison.audit import Examined, Severity
from cloison.law import PolicySet


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return policy_before(without="")


@pytest.fixture(scope="module")
def old() -> PolicySet:
    return policy_before(without="caf-social-action")


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_honest_months_raise_no_alarm(policy: PolicySet, seed: int) -> None:
    found = examined(sown(policy, seed, (), gross=False))
    assert alarms(found) == {}
    assert found.replayed.decisions == found.checked["decided"] > 3000
    assert found.replayed.differing == 0


@pytest.fixture(scope="module")
def gross(policy: PolicySet, old: PolicySet) -> tuple[World, Examined]:
    world = sown(policy, 21, plants(old), gross=True)
    return world, examined(world, old)


def codes(old: PolicySet) -> Iterator[str]:
    return iter(sorted({one.code for one in plants(old)}))


def test_every_gross_misuse_is_found(gross: tuple[World, Examined], old: PolicySet) -> None:
    found = {one.code for one in gross[1].findings}
    assert set(codes(old)) - found == set()


def test_same_ledgers_give_the_same_findings(gross: tuple[World, Examined], old: PolicySet) -> None:
    world, first = gross
    assert examined(world, old) == first


def test_every_finding_says_where_and_what_settles_it(gross: tuple[World, Examined]) -> None:
    found = gross[1]
    for one in found.findings:
        assert one.article
        assert one.settles
        assert one.sentence.endswith(".")
        assert "{" not in one.sentence
        assert "\N{REPLACEMENT CHARACTER}" not in one.sentence
        assert 1 <= len(one.evidence) <= one.count
        for place in one.evidence:
            assert len(bytes.fromhex(place.leaf_hash)) == 32
    assert [one.severity for one in found.findings] == sorted(
        (one.severity for one in found.findings), key=list(Severity).index
    )


def test_period_leaves_out_what_was_before_and_after(
    gross: tuple[World, Examined], old: PolicySet
) -> None:
    world, _ = gross
    before = replace(SPAN, months=SPAN.months - 2)
    found = examined(world, old, before)
    # Who never closed a day did not close those either.
    grave = {one.code for one in found.findings if one.severity is Severity.HIGH}
    assert grave == {"DAYS_NEVER_CLOSED"}


def test_findings_hold_no_trace_key_and_no_pseudonym(gross: tuple[World, Examined]) -> None:
    """A pseudonym joins findings of one agent, in the ledger; a report does not spread it."""
    words = " ".join(one.sentence + one.settles for one in gross[1].findings)
    assert "pppp" not in words
    assert "aaaa" not in words
