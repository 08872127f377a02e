"""What an inspection makes of the ledgers, offline, once the nodes are down."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cloison.audit import Period, Severity, examine
from cloison.cli.audit import open_sets
from cloison.cli.audit_ledgers import open_ledgers
from cloison.cli.audit_report import write_report
from cloison.cli.audit_shown import print_examined
from demo_steps.stage import Demo
from demo_steps.targeting import SCORING

ATTEMPTS = frozenset({"REFUSED_ATTEMPT", "RECEIVED_ASKED_FOR_ANOTHER_PURPOSE"})
"""What the targeting of this demo must be found to have done."""


def audit_ledgers(demo: Demo) -> Mapping[str, object]:
    """Findings on one screen, then the report of the same ledgers; which activity did what."""
    place = demo.place
    sets = open_sets(place, ())
    until = datetime.now(UTC)
    with open_ledgers(place, (), ()) as opened:
        found = examine(opened.ledgers(), demo.policy, sets, Period.up_to(until))
    print_examined(found, Period.up_to(until), as_json=False)
    folder = place.var / "report"
    _, files = write_report(place, folder, (None, until), ((), ()), sets)
    demo.say(f"report of {files} files: {folder}")
    return {
        "findings": [
            {"code": one.code, "severity": one.severity.value, "activity": one.activity}
            for one in found.findings
        ],
        "replayed": found.replayed.decisions,
        "differing": found.replayed.differing,
        "report": str(folder),
    }


def audit_failures(audit: Mapping[str, Any]) -> Iterator[str]:
    """What does not hold of an audit's summary."""
    found = audit["findings"]
    if not {one["code"] for one in found if one["activity"] == SCORING} >= ATTEMPTS:
        yield "the audit missed what control targeting asked"
    blamed = {one["activity"] for one in found if one["severity"] != Severity.LOW}
    if blamed != {SCORING}:
        yield f"the audit blames {', '.join(sorted(blamed))}"
    if audit["differing"] or not audit["replayed"]:
        yield "a decision made again differs"
