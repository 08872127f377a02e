"""A finding: a code, how grave it is, an article, one French sentence, and its evidence."""

from dataclasses import dataclass
from enum import StrEnum

MOST_EVIDENCE = 20
"""Places named of one finding; `count` says how many there are."""


class Severity(StrEnum):
    """How grave a finding is."""

    HIGH = "high"
    """Two ledgers contradict each other, or one contradicts itself or the law."""
    MEDIUM = "medium"
    """Something is missing that should be there, or a pattern that the purpose does not explain."""
    LOW = "low"
    """Something to look at, which honest parties may bring about."""


class Grade(StrEnum):
    """What it takes to check a piece of evidence."""

    LEDGER = "ledger"
    """The ledger alone proves it."""
    VAULT = "vault"
    """The ledger shows where to look; only the body's vault says which person it is."""
    STORE = "on-site store"
    """The ledger shows where to look; only the body's own files say what became of it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in a ledger.

    Attributes:
        ledger: Its origin, as its heads name it.
        index: Of the entry.
        leaf_hash: Hexadecimal: what a proof shows to stand there.
        grade: What it takes to check what the finding says of it.
        note: A signed head, where that is the evidence: `index` is then its size.
    """

    ledger: str
    index: int
    leaf_hash: str
    grade: str = Grade.LEDGER.value
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found.

    Attributes:
        code: UPPER_SNAKE, stable.
        activity: The activity concerned; empty where it cannot be told.
        article: The text that asks for what is missing.
        sentence: In French, for who reads the report.
        count: How often.
        evidence: The first places, at most `MOST_EVIDENCE`; none where what is missing is a file.
        settles: In French: what would settle it.
    """

    code: str
    severity: Severity
    activity: str
    article: str
    sentence: str
    count: int
    evidence: tuple[Evidence, ...]
    settles: str
