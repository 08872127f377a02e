"""What ledgers show when they are read together: findings, each with the entries that prove it.

* Reads ledgers and nothing else: no key, no store, no node.
* A finding says what was found, never more; what would settle it is left to who inspects.
* No person is named: evidence is a place in a ledger.
"""

from cloison.audit.findings import Evidence, Finding, Severity
from cloison.audit.lines import Line, read_lines
from cloison.audit.reconcile import Checked, reconcile

__all__ = ["Checked", "Evidence", "Finding", "Line", "Severity", "read_lines", "reconcile"]
