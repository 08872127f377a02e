"""Steps 5 and 6 as one pure function of what stands in the entry.

INVARIANT: a `decided` entry is `conclude` of its statement, its facts, its time and the policy set
it names. So every past decision can be decided again, with the same result.
"""

from datetime import datetime

from cloison.exchange.obligations import refuse_unmet
from cloison.exchange.statement import from_milliseconds, parse_statement
from cloison.exchange.values import decision_from_proto, facts_from_proto
from cloison.law import PolicySet, decide
from cloison.law.question import Decision, Facts, Outcome, Question
from cloison.v1 import entry_pb2


def conclude(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> Decision:
    """What a holder decides: a hindrance, else the law, else an obligation it cannot meet."""
    if facts.hindrance:
        return Decision(Outcome.DENY, facts.hindrance)
    return refuse_unmet(decide(policy, question, facts, now))


def decide_again(policy: PolicySet, entry: entry_pb2.Entry) -> tuple[Decision, Decision]:
    """The decision a `decided` entry holds, and the one made again from the rest of it.

    Args:
        policy: The policy set the entry names.
        entry: Of kind `decided`.

    Raises:
        InputError: the statement or the facts cannot be read.
        IntegrityError: `BAD_ENTRY`.
    """
    decided = entry.decided
    question = parse_statement(decided.signed.statement).question
    time = from_milliseconds(entry.entry_time_ms)
    made = conclude(policy, question, facts_from_proto(decided.facts), time)
    return decision_from_proto(decided.decision), made
