"""Step 6: each obligation can be met, or the permit becomes a deny."""

import re
from calendar import monthrange
from datetime import datetime, timedelta

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

_DURATION = re.compile(r"P(?:([1-9][0-9]{0,3})([DM])|([1-9][0-9]{0,2})Y)", re.ASCII)
_MONTHS = 12


def unmet(decision: Decision) -> Obligation | None:
    """The first obligation this node cannot meet: an unknown kind, or a value it cannot read."""
    for duty in decision.obligations:
        if duty.kind not in MEETABLE or (
            duty.kind == EXPIRE and _DURATION.fullmatch(duty.value) is None
        ):
            return duty
    return None


def _end(duration: re.Match[str], now: datetime) -> datetime:
    if duration[2] == "D":
        return now + timedelta(days=int(duration[1]))
    months = int(duration[1] or 0) + int(duration[3] or 0) * _MONTHS
    year, month = divmod(now.year * _MONTHS + now.month - 1 + months, _MONTHS)
    last_day = monthrange(year, month + 1)[1]
    return now.replace(year=year, month=month + 1, day=min(now.day, last_day))


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
    values = [duty.value for duty in decision.obligations if duty.kind == EXPIRE]
    ends = [_end(match, now) for match in map(_DURATION.fullmatch, values) if match]
    return min(ends, default=None)
