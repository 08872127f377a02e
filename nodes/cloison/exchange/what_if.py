"""Past refusals against a draft text: which would have passed, and how many people they were about.

Privacy: people are counted by the trace keys of the ledger that asked, where it is given; they are
the node's own and name nobody. Else by the digests of the statements, which differ at each
question: the count is then of questions about persons, and says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256

from cloison.exchange.conclude import conclude
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import Statement, from_milliseconds, parse_statement
from cloison.exchange.values import decision_from_proto, facts_from_proto
from cloison.law import PolicySet
from cloison.v1 import entry_pb2


@dataclass(slots=True)
class Opened:
    """What a draft would do to the refusals of one activity for one purpose and dataset.

    Attributes:
        refused: Refusals of the time looked at.
        passing: Those that the draft would permit.
        traced: Trace keys of the persons they were about.
        untraced: Person digests of passing questions that no given ledger asked.
        announced: Persons that passing cohorts announced; not told apart from the others.
    """

    activity: str
    purpose: str
    data: str
    refused: int = 0
    passing: int = 0
    traced: set[bytes] = field(default_factory=set)
    untraced: int = 0
    announced: int = 0


def what_if(
    policy: PolicySet, draft: str, since: date, ledgers: Iterable[Iterable[tuple[int, bytes]]]
) -> list[Opened]:
    """The refusals entered on `since` or later, decided again as if the draft had been in force.

    Args:
        policy: A set that holds the draft.
        draft: The id of its text.
        since: First day, included, UTC.
        ledgers: The entries of each, holders' and requesters'.

    Raises:
        IntegrityError: `BAD_ENTRY`. InputError: a statement that cannot be read.
    """
    drafted = policy.as_if_since(draft, since)
    asked: dict[bytes, tuple[bytes, ...]] = {}
    refusals: list[entry_pb2.Entry] = []
    for entry in (parse_entry(data) for entries in ledgers for _, data in entries):
        kind = entry.WhichOneof("kind")
        if kind == "asked":
            statement = sha256(entry.asked.signed.statement).digest()
            asked[statement] = tuple(entry.asked.trace_keys)
        elif kind == "decided" and _refused_since(entry, since):
            refusals.append(entry)
    found: dict[tuple[str, str, str], Opened] = {}
    for entry in refusals:
        _count(found, drafted, draft, entry, asked)
    return [found[key] for key in sorted(found)]


def _refused_since(entry: entry_pb2.Entry, since: date) -> bool:
    late = from_milliseconds(entry.entry_time_ms).date() >= since
    return late and not decision_from_proto(entry.decided.decision).permitted


def _count(
    found: dict[tuple[str, str, str], Opened],
    policy: PolicySet,
    draft: str,
    entry: entry_pb2.Entry,
    asked: dict[bytes, tuple[bytes, ...]],
) -> None:
    statement = parse_statement(entry.decided.signed.statement)
    question = statement.question
    key = (question.activity, question.purpose, f"{question.holder}/{question.dataset}")
    row = found.setdefault(key, Opened(*key))
    row.refused += 1
    if not any(_passes(policy, entry, statement, text) for text in (question.legal_basis, draft)):
        return
    row.passing += 1
    if statement.cohort is not None:
        row.announced += statement.cohort.size
    elif keys := asked.get(statement.hash):
        row.traced.update(keys)
    else:
        row.untraced += len(statement.person_digests)


def _passes(policy: PolicySet, entry: entry_pb2.Entry, statement: Statement, text: str) -> bool:
    question = replace(statement.question, legal_basis=text)
    facts = facts_from_proto(entry.decided.facts)
    return conclude(policy, question, facts, from_milliseconds(entry.entry_time_ms)).permitted


def distinct_people(rows: Iterable[Opened]) -> int:
    """How many different people, of those that can be told apart."""
    return len({key for row in rows for key in row.traced})


def opened_rows(rows: Iterable[Opened]) -> Iterator[dict[str, object]]:
    """What may be shown of each: counts only."""
    for row in rows:
        yield {
            "activity": row.activity,
            "purpose": row.purpose,
            "data": row.data,
            "refused": row.refused,
            "would_pass": row.passing,
            "people": len(row.traced),
            "questions_about_untraced": row.untraced,
            "announced_in_cohorts": row.announced,
        }
