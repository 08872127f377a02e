"""Traces kept past their end are found; those a bundle, a day or a stopped node holds are not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.federation import ROOT

from cloison.audit.findings import Finding
from cloison.audit.kept import find_kept
from cloison.audit.lines import Line
from cloison.audit.period import Period
from cloison.audit.reading import take
from cloison.audit.run import alarms_of
from cloison.audit.scene import Scene
from cloison.audit.tables import Tables
from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.exchange.entries import parse_entry, started_entry
from cloison.law import PolicySet
from cloison.v1 import entry_pb2

CNAV = BodyId("cnav")
LEDGER = "cnav.cloison.local/traces"
OLD = datetime(2023, 5, 10, 12, tzinfo=UTC)
OVER = datetime(2026, 5, 11, tzinfo=UTC)
"""When 36 months are over for all that was written on the day of `OLD`."""
GRACE = timedelta(hours=24)


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return PolicySet.parse(read_policy(ROOT))


def written(index: int, time: datetime) -> Line:
    entry = parse_entry(started_entry("cloison", bytes(32), time))
    return Line(CNAV, LEDGER, index, index.to_bytes(32, "big"), entry)


def found(
    policy: PolicySet, *lines: Line, until: datetime = datetime(2027, 1, 1, tzinfo=UTC)
) -> list[Finding]:
    tables = Tables(frozenset({CNAV}))
    for line in lines:
        take(tables, line)

    def set_of(_: bytes) -> PolicySet:
        return policy

    return find_kept(Scene(tables, policy, alarms_of(policy), Period.up_to(until), set_of))


def old(first: int, count: int) -> list[Line]:
    return [written(first + number, OLD) for number in range(count)]


def test_kept_past_the_end_of_each_whole_bundle_is_one_finding(policy: PolicySet) -> None:
    last = OVER + GRACE + timedelta(seconds=1)
    (finding,) = found(policy, *old(256, 700), written(956, last))
    assert (finding.code, finding.count) == ("TRACES_KEPT_TOO_LONG", 2)
    assert [one.index for one in finding.evidence] == [256, 512]
    assert "CRPA" in finding.article
    assert "R114-9-7" in finding.sentence


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (256, OVER + GRACE),  # the node still has the day for it
        (255, OVER + timedelta(days=400)),  # of a bundle that something newer is in
        (0, OVER + timedelta(days=400)),
    ],
)
def test_kept_no_longer_than_a_node_can_help_is_no_finding(
    policy: PolicySet, count: int, last: datetime
) -> None:
    assert found(policy, *old(0, count), written(count, last)) == []


def test_kept_by_a_node_that_stopped_is_no_finding(policy: PolicySet) -> None:
    assert found(policy, *old(0, 600)) == []


def test_kept_at_the_end_of_an_earlier_period_is_no_finding_of_it(policy: PolicySet) -> None:
    lines = [*old(0, 256), written(256, OVER), written(257, OVER + timedelta(days=9))]
    assert found(policy, *lines, until=OVER + timedelta(days=1)) == []
    assert len(found(policy, *lines)) == 1


@pytest.mark.parametrize("time_ms", [2**63 - 1, -(2**63)])
def test_kept_with_times_nobody_believes_does_not_end_the_audit(
    policy: PolicySet, time_ms: int
) -> None:
    line = written(3, OLD)
    entry = entry_pb2.Entry()
    entry.CopyFrom(line.entry)
    entry.entry_time_ms = time_ms
    lines = [*old(0, 3), replace(line, entry=entry), *old(4, 252), written(256, OVER + 2 * GRACE)]
    assert len(found(policy, *lines)) == (1 if time_ms < 0 else 0)


def test_kept_without_a_text_that_says_how_long_is_no_finding() -> None:
    files = read_policy(ROOT)
    del files["traces.toml"]
    without = PolicySet.parse(files)
    assert found(without, *old(0, 256), written(256, OVER + timedelta(days=400))) == []
