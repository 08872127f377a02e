"""What an inspection takes away: a readable report, its tables, and an evidence pack.

* The same ledgers give the same bytes: no clock is read; the period and the heads date it.
* What is shown is bounded, whatever was found; the tables beside it hold the rest.
* A ledger is another's word: what it says is text in the report, never markup, never a formula.
* No person is named: a table counts, an entry holds keyed hashes.
"""

from cloison.audit.report.report import Report, Source, make_report

__all__ = ["Report", "Source", "make_report"]
