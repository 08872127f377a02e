"""What ledgers show when they are read together: findings, each with the entries that prove it.

* Reads ledgers and nothing else: no key, no store, no node; and the log, never an index of it.
* Ledgers are read once, into columns; each family of findings is a pure function of those columns,
  the thresholds of `policy/audit.toml` and a period.
* A finding says what was found, never more; what would settle it is left to who inspects.
* No person is named: evidence is a place in a ledger.
"""

from cloison.audit.findings import Evidence, Finding, Grade, Severity
from cloison.audit.lines import LedgerFolder, Ledgers, Line
from cloison.audit.period import Period
from cloison.audit.reconcile import Checked, reconcile
from cloison.audit.run import Examined, Replayed, examine
from cloison.audit.series import Series

__all__ = [
    "Checked",
    "Evidence",
    "Examined",
    "Finding",
    "Grade",
    "LedgerFolder",
    "Ledgers",
    "Line",
    "Period",
    "Replayed",
    "Series",
    "Severity",
    "examine",
    "reconcile",
]
