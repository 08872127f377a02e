"""Step 6: each obligation can be met, or the permit becomes a deny."""

from datetime import datetime

from cloison.law.durations import end_of, is_duration
from cloison.law.question import Decision, Obligation, Outcome

FLAG = "flag"
"""The entry is flagged: it is found by audit without looking for it."""
NOTICE = "notice"
"""The person is told; the queue of notices is a projection of the ledger."""
EXPIRE = "expire"
"""The label ends after so long: `P90D`, `P12M`, `P1Y`."""
HONOUR_OBJECTION = "honour-objection"
"""A person who objected is not answered about."""
MEETABLE = frozenset({FLAG, NOTICE, EXPIRE, HONOUR_OBJECTION})


def unmet(decision: Decision) -> Obligation | None:
    """The first obligation this node cannot meet: an unknown kind, or a value it cannot read."""
    for duty in decision.obligations:
        if duty.kind not in MEETABLE or (duty.kind == EXPIRE and not is_duration(duty.value)):
            return duty
    return None


def refuse_unmet(decision: Decision) -> Decision:
    """The decision itself if all can be met; otherwise a deny that names the obligation."""
    duty = unmet(decision) if decision.permitted else None
    if duty is None:
        return decision
    return Decision(
        outcome=Outcome.DENY,
        reason="OBLIGATION_UNMET",
        rules=decision.rules,
        obligations=(duty,),
        provisional=decision.provisional,
    )


def label_end(decision: Decision, now: datetime) -> datetime | None:
    """When the label ends: the earliest expiry of any obligation; None where none states one."""
    ends = [end_of(duty.value, now) for duty in decision.obligations if duty.kind == EXPIRE]
    return min(ends, default=None)
