"""What statements, facts and decisions say, in the words of an audit's columns."""

from functools import lru_cache
from typing import NamedTuple

from cloison.audit.rows import NOT_SAID
from cloison.exchange.obligations import FLAG, NOTICE
from cloison.exchange.statement import GRANULARITY_NUMBERS
from cloison.v1 import decision_pb2, statement_pb2

PERMITS = (decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS)
MOST = (1 << 63) - 1
"""What a column holds; a count above it is no count."""
_GRANULARITIES = {number: one.value for one, number in GRANULARITY_NUMBERS.items()}
_MONTHS_A_YEAR = 12
_NUMBER = 100
_SECOND_MS = 1000


class Selected(NamedTuple):
    """Which data a statement asks."""

    dataset: str
    fields: str
    first: int
    last: int
    granularity: str
    received_for: str
    received_by: str


class Concluded(NamedTuple):
    """What a decision says."""

    permitted: int
    reason: str
    texts: str
    provisional: int
    notices: str
    flag: str


def seen_ms(facts: decision_pb2.Facts, time_ms: int) -> int:
    """When enough witnesses had last seen the ledger of a decision."""
    said = facts.witnessing
    if not facts.HasField("witnessing") or said.quorum_none:
        return NOT_SAID
    if not said.HasField("own_seconds"):
        return 0
    return max(0, time_ms - min(said.own_seconds * _SECOND_MS, MOST))


def is_live(case: decision_pb2.CaseFacts, activity: str, time_ms: int) -> bool:
    """A case of this activity, open then, that covers every person asked about."""
    return (
        case.covers_persons
        and case.activity == activity
        and case.opened_time_ms <= time_ms < case.valid_until_ms
    )


def month_index(number: int) -> int:
    """The index of a `YYYYMM` month; of none, -1."""
    year, month = divmod(number, _NUMBER)
    return year * _MONTHS_A_YEAR + month - 1


@lru_cache(maxsize=8192)
def selected(holder: str, raw: bytes) -> Selected:
    """Of the bytes of a statement's selection, and the body asked."""
    selection = statement_pb2.Selection.FromString(raw)
    received = selection.received
    return Selected(
        f"{received.from_holder or holder}/{selection.dataset}",
        " ".join(selection.fields),
        month_index(selection.first_month),
        month_index(selection.last_month),
        _GRANULARITIES.get(selection.granularity, ""),
        received.received_for,
        received.received_by,
    )


@lru_cache(maxsize=8192)
def concluded(raw: bytes) -> Concluded:
    """Of the bytes of a decision."""
    decision = decision_pb2.Decision.FromString(raw)
    permits = sorted({rule.text for rule in decision.rules if rule.effect == "permit"})
    notices = sorted({duty.value for duty in decision.obligations if duty.kind == NOTICE})
    flags = sorted({duty.value for duty in decision.obligations if duty.kind == FLAG})
    return Concluded(
        int(decision.outcome in PERMITS),
        decision.reason,
        " ".join(permits),
        int(decision.provisional),
        " ".join(notices),
        " ".join(flags),
    )
