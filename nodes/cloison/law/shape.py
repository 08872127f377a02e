"""A question's shape: what is left of it when nothing that changes no decision is kept.

Dates and cases become booleans and distances, so that a shape just decided is not decided again;
the first month asked alone stays as it is, for a text may open no data older than a month it names.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from cloison.law.entities import received_id
from cloison.law.question import Action, CaseFacts, Facts, Granularity, Question
from cloison.law.slices import Place

_MONTHS_A_YEAR = 12


class CaseShape(NamedTuple):
    """The case as rules see it; where there is none, nothing of it holds."""

    type: str = ""
    live: bool = False
    own: bool = False
    covers_persons: bool = False
    questions_before: int = 0
    months_back_first: int = 0
    months_back_last: int = 0
    years_back_first: int = 0
    years_back_last: int = 0


NO_CASE = CaseShape()


class Shape(NamedTuple):
    """Everything `decide` looks at, but the day."""

    action: Action
    requester: str
    holder: str
    activity: str
    purpose: str
    legal_basis: str
    dataset: str
    fields: tuple[str, ...]
    months: int
    whole_years: bool
    granularity: Granularity
    received_for: str
    received_by: str
    case: CaseShape
    cohort: bool
    named_agent: bool
    same_policy_set: bool
    persons: int
    first_month: int = 0

    @property
    def received(self) -> bool:
        """Whether the question is about received data."""
        return self.action is Action.READ_RECEIVED

    @property
    def place(self) -> Place:
        """What the head of a rule can match."""
        return Place(self.action.value, self.activity, self.holder, self.dataset, self.received)


def blank_shape(place: Place) -> Shape:
    """A shape of that place with nothing else said: for what depends on the place alone."""
    return Shape(
        action=Action(place.action),
        requester="",
        holder=place.holder,
        activity=place.activity,
        purpose="",
        legal_basis="",
        dataset=place.dataset,
        fields=(),
        months=0,
        whole_years=False,
        granularity=Granularity.CURRENT,
        received_for="",
        received_by="",
        case=NO_CASE,
        cohort=False,
        named_agent=False,
        same_policy_set=False,
        persons=0,
    )


def shape_of(
    question: Question, facts: Facts, now: datetime, own: bool, counts: tuple[bool, bool]
) -> Shape:
    """The shape of a question at `now`.

    Args:
        question: What is asked.
        facts: What was gathered about it.
        now: The holder's clock.
        own: The case, if any, was opened by the activity that asks, in a type it declares.
        counts: Whether any rule reads `questions_before`, `persons`; what none reads becomes 0.
    """
    first, last = question.first_month, question.last_month
    case = facts.case
    return Shape(
        question.action,
        question.requester,
        question.holder,
        question.activity,
        question.purpose,
        question.legal_basis,
        question.dataset,
        question.fields,
        *span_of(first.index, last.index),
        question.granularity,
        question.received_for,
        question.received_by,
        NO_CASE if case is None else _case_shape(question, case, now, own, counts[0]),
        facts.cohort,
        facts.named_agent,
        facts.same_policy_set,
        facts.persons if counts[1] else 0,
        first.number,
    )


def _case_shape(
    question: Question, case: CaseFacts, now: datetime, own: bool, counted: bool
) -> CaseShape:
    first, last = question.first_month.index, question.last_month.index
    return CaseShape(
        case.type,
        case.opened_time <= now < case.valid_until,
        own,
        case.covers_persons,
        case.questions_before if counted else 0,
        *spans_from_case(case.month.index, first, last),
    )


def span_of(first: int, last: int) -> tuple[int, bool]:
    """How many months those from `first` to `last` are (as numbers), and whether whole years."""
    return last - first + 1, not (first % _MONTHS_A_YEAR or (last + 1) % _MONTHS_A_YEAR)


def spans_from_case(month: int, first: int, last: int) -> tuple[int, int, int, int]:
    """Months back from a case's month to the first and last month asked, then years back."""
    year = month // _MONTHS_A_YEAR
    return (
        month - first,
        month - last,
        year - first // _MONTHS_A_YEAR,
        year - last // _MONTHS_A_YEAR,
    )


def requests_of(
    shape: Shape, purposes: Sequence[str], attributes: frozenset[str]
) -> list[dict[str, Any]]:
    """The Cedar requests that put `shape` for each purpose to rules that read only `attributes`."""
    if shape.received:
        name = received_id(shape.holder, shape.dataset, shape.received_for, shape.received_by)
        resource = {"type": "Received", "id": name}
    else:
        resource = {"type": "Dataset", "id": f"{shape.holder}/{shape.dataset}"}
    common = {
        "principal": {"type": "Activity", "id": shape.activity},
        "action": {"type": "Action", "id": shape.action.value},
        "resource": resource,
    }
    head, values = _form_of(attributes)
    # Encoded once: only the purpose differs, and it is an id that needs no escaping.
    known = head % tuple([_written(value(shape)) for value in values])
    if "purpose" not in attributes:
        return [{**common, "context": f"{{{known}}}"} for _ in purposes]
    known += "," if known else ""
    return [
        {**common, "context": f'{{{known}"purpose":{_PURPOSE % purpose}}}'} for purpose in purposes
    ]


_CONTEXT = (
    *("fields", "months", "first_month", "whole_years", "granularity"),
    *("cohort", "named_agent", "same_policy_set", "persons"),
)
"""What of a shape rules know under its own name; `case` and `purpose` are put together."""

_PURPOSE = '{"__entity":{"type":"Purpose","id":"%s"}}'
_written = lru_cache(maxsize=4096, typed=True)(json.JSONEncoder(separators=(",", ":")).encode)
"""A value as JSON; remembered, for there are few. By type, since True is 1 and is not."""


@lru_cache(maxsize=4096)
def _form_of(attributes: frozenset[str]) -> tuple[str, tuple[Callable[[Shape], Any], ...]]:
    """The members of a context where rules read only `attributes`, and what fills the gaps.

    No attribute that is read is ever absent; what none reads costs nothing.
    """
    own = [name for name in _CONTEXT if name in attributes]
    members = [f'"{name}":%s' for name in own]
    values = [attrgetter(name) for name in own]
    if "case" in attributes:
        read = [name for name in CaseShape._fields if name in attributes]
        case = ",".join(f'"{name}":%s' for name in read)
        members.append(f'"case":{{{case}}}')
        values += [attrgetter(f"case.{name}") for name in read]
    return ",".join(members), tuple(values)


CONTEXT = frozenset({*_CONTEXT, "case", "purpose", *CaseShape._fields})
"""Every attribute of a context, and of the case in it."""
