"""What an inspection makes of the ledgers, offline, once the nodes are down."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cloison.audit import Severity
from cloison.cli.audit import open_sets
from cloison.cli.audit_report import write_report
from cloison.cli.audit_shown import print_examined
from demo_steps.stage import Demo
from demo_steps.targeting import SCORING

ATTEMPTS = frozenset({"REFUSED_ATTEMPT", "RECEIVED_ASKED_FOR_ANOTHER_PURPOSE"})
"""What the targeting of this demo must be found to have done."""


def audit_ledgers(demo: Demo) -> Mapping[str, object]:
    """Findings on one screen, and the report they are from; which activity did what."""
    place = demo.place
    until, folder = datetime.now(UTC), place.var / "report"
    report, files = write_report(place, folder, (None, until), ((), ()), open_sets(place, ()))
    found = report.examined
    print_examined(found, report.period, as_json=False)
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
