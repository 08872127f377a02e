"""What an inspection takes away from the federation that just ran."""

from collections import Counter
from pathlib import Path

from cloison.audit import Severity
from cloison.audit.report.writing import EVIDENCE, PAGE, PAPER
from cloison.cli.audit import open_sets
from cloison.cli.audit_report import write_report
from cloison.cli.console import table
from cloison.french import french_count
from demo_steps.stage import Demo

_SHOWN = 6


def inspect(demo: Demo, out: Path) -> dict[str, int]:
    """The report of the ledgers, in a folder that is not there yet; findings by severity."""
    sets = open_sets(demo.place, ())
    report, files = write_report(demo.place, out, (None, None), ((), ()), sets)
    findings = report.examined.findings
    shown = table("severity", "activity", "finding")
    for one in findings[:_SHOWN]:
        shown.add_row(one.severity, one.activity, one.sentence)
    demo.console.print(shown)
    found = Counter(one.severity for one in findings)
    counts = ", ".join(f"{found[severity]} {severity}" for severity in Severity)
    demo.say(f"{french_count(len(findings))} findings ({counts}), {french_count(files)} files")
    demo.say(f"read {out / PAGE} or {out / PAPER}; check {out / EVIDENCE / 'VERIFIER.md'}")
    return {str(severity): found[severity] for severity in Severity}
