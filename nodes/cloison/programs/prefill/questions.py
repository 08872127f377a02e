"""Whom to ask about whom, read from the activity's record in `policy/`.

One question a person and holder: an answer that cannot be given for one says nothing of the others.
"""

from collections.abc import Sequence

from cloison.errors import InputError
from cloison.identity import is_temporary
from cloison.law.records import Activity as Record
from cloison.law.records import Reads
from cloison.months import Month
from cloison.programs.asking import question_of
from cloison.programs.entitlement.answers import Answer, NotComputable, rows
from cloison.programs.entitlement.inputs import Activity
from cloison.programs.entitlement.needs import MEMBERS, MONTHLY_RESOURCES, months_of
from cloison.wire.gateway import AskFor, OpenedCase

FIELDS = {MEMBERS: ("activity", "schemes"), MONTHLY_RESOURCES: ("mns", "nature", "payer")}
"""What the declaration shows, or is asked by; sorted."""


def own_questions(record: Record, case: OpenedCase, month: Month) -> list[AskFor]:
    """What the body's own files say of each person with a permanent number.

    Raises:
        InputError: `RECORD_INCOMPLETE`.
    """
    (read,) = _reads(record, MEMBERS)
    return [
        question_of(record, read, case, month, member, FIELDS[read.dataset])
        for member in case.members
        if not is_temporary(member.nir)
    ]


def income_questions(
    record: Record, case: OpenedCase, month: Month, own: Sequence[Answer]
) -> list[AskFor]:
    """Of each person the body's own file knows, each holder of their schemes.

    Nobody asks what a child at school earns.
    """
    known = {answer.question.persons[0].nir: answer for answer in own}
    asked = []
    for member in case.members:
        schemes = schemes_of(known.get(member.nir))
        asked += [
            question_of(record, read, case, month, member, FIELDS[read.dataset])
            for read in _reads(record, MONTHLY_RESOURCES)
            if schemes and read.scheme in {None, *schemes}
        ]
    return asked


def schemes_of(own: Answer | None) -> frozenset[str]:
    """The schemes of an earner; none where the own file gives none, or for a child at school."""
    try:
        found = [] if own is None else rows(own)
    except NotComputable:
        return frozenset()
    if len(found) != 1 or found[0].text("activity") == Activity.CHILD:
        return frozenset()
    return frozenset(found[0].text("schemes").split())


def unasked_schemes(record: Record, own: Answer | None) -> frozenset[str]:
    """Schemes of an earner that no holder of the record answers for."""
    holders = {read.scheme for read in _reads(record, MONTHLY_RESOURCES)}
    return frozenset() if None in holders else schemes_of(own) - holders


def is_at_school(own: Answer | None) -> bool:
    """The own file says that this is a child at school."""
    try:
        found = [] if own is None else rows(own)
    except NotComputable:
        return False
    return [row.text("activity") for row in found] == [Activity.CHILD]


def window_of(record: Record, month: Month) -> tuple[Month, Month]:
    """First and last month of the declaration, both included.

    Raises:
        InputError: `RECORD_INCOMPLETE`: its holders do not share one window.
    """
    windows = {months_of(record, read, month) for read in _reads(record, MONTHLY_RESOURCES)}
    if len(windows) != 1:
        raise _incomplete(record, "the holders of incomes do not share one window")
    return windows.pop()


def _reads(record: Record, dataset: str) -> list[Reads]:
    found = [read for read in record.reads if read.dataset == dataset]
    if not found or (dataset == MEMBERS and len(found) != 1):
        raise _incomplete(record, f"it does not read `{dataset}`, or twice")
    if not all(set(FIELDS[dataset]) <= set(read.fields) for read in found):
        raise _incomplete(record, f"`{dataset}` lacks a field")
    return found


def _incomplete(record: Record, why: str) -> InputError:
    return InputError(
        "RECORD_INCOMPLETE",
        f"activity `{record.id}`: its record does not say what to ask: {why}",
        "complete `reads` in policy/activities",
    )
