"""Places gathered under one kind of finding, and made into findings."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloison.audit.findings import MOST_EVIDENCE, Finding, Grade, Severity
from cloison.audit.rows import Placed
from cloison.audit.tables import Tables
from cloison.french import BLANK, THIN, french_count, typeset

PURPOSE_LIMITATION = "RGPD, art. 5, § 1, b (limitation des finalités)"
MINIMISATION = "RGPD, art. 5, § 1, c (minimisation)"
STORAGE_LIMITATION = "RGPD, art. 5, § 1, e (limitation de la conservation); CRPA, art. R114-9-7"
ACCOUNTABILITY = "RGPD, art. 5, § 2 (responsabilité)"
TRACEABILITY = "CRPA, art. R114-9-5 (échanges tracés)"
EMPOWERMENT = "CRPA, art. R114-9-6 (agents habilités)"
MISUSE_LOGS = "CNIL, délib. 2021-122 (analyse des traces)"


def printable(text: str) -> str:
    """The text without what commands a terminal: a ledger is another's word."""
    if text.isprintable():
        return text
    return "".join(one if _may_stand(one) else "\N{REPLACEMENT CHARACTER}" for one in text)


def _may_stand(one: str) -> bool:
    return one.isprintable() or one in {THIN, BLANK}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is always said of a finding of one code.

    Attributes:
        sentence: In French; `{n}` is how often, other braces are words of the finding.
        grade: What it takes to check the evidence.
    """

    code: str
    severity: Severity
    article: str
    sentence: str
    settles: str
    grade: Grade = Grade.LEDGER


_Group = tuple[Kind, str, tuple[tuple[str, str], ...]]


class Gathering:
    """Findings in the making: one a kind, activity and set of words."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._places: dict[_Group, list[tuple[str, int]]] = {}

    def add(self, kind: Kind, activity: str, row: Placed, **words: str) -> None:
        """One more place."""
        group = (kind, activity, tuple(sorted(words.items())))
        self._places.setdefault(group, []).append((row.ledger, row.at))

    def add_all(self, kind: Kind, activity: str, rows: Iterable[Placed], **words: str) -> None:
        """As `add`, of each."""
        for row in rows:
            self.add(kind, activity, row, **words)

    def add_days(
        self, kind: Kind, activity: str, dated: Sequence[tuple[str, Placed]], **words: str
    ) -> None:
        """As `add_all`, of rows with their day: how many days, and how many rows on the worst."""
        counts = Counter(day for day, _ in dated)
        day = min(counts, key=lambda one: (-counts[one], one))
        days = {"days": str(len(counts)), "day": day, "most": french_count(counts[day])}
        self.add_all(kind, activity, (row for _, row in dated), **words, **days)

    def findings(self) -> list[Finding]:
        """One a group."""
        return [self._finding(group, places) for group, places in self._places.items()]

    def _finding(self, group: _Group, places: list[tuple[str, int]]) -> Finding:
        kind, activity, words = group
        sentence = kind.sentence.format(
            n=french_count(len(places)), activity=activity, **dict(words)
        )
        first = sorted(set(places))[:MOST_EVIDENCE]
        return Finding(
            kind.code,
            kind.severity,
            printable(activity),
            kind.article,
            typeset(printable(sentence)),
            len(places),
            tuple(self._tables.evidence(ledger, index, kind.grade) for ledger, index in first),
            kind.settles,
        )
