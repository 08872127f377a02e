"""Which questions change outcome between two laws: the same question put to both.

The questions are those of the registers: every activity, for every purpose and text it declares,
before every dataset of its record, asked as its record says (months, granularity), under each case
it may open or none, of one person or of many, data held or received. Where no rule reads which
fields are asked, those of a record change outcome together; else each is asked alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

from cloison.bodies import BodyId
from cloison.law.decide import settle, shaped
from cloison.law.paris import paris_day
from cloison.law.policy_set import PolicySet
from cloison.law.prove.domain import compared_number
from cloison.law.question import Action, CaseFacts, Decision, Facts, Granularity, Outcome, Question
from cloison.law.records import Activity, Reads
from cloison.law.rules import nodes_of
from cloison.law.slices import Place
from cloison.months import Month

_MANY = 1_000_000
_MONTHS_A_YEAR = 12
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Law:
    """A policy set on a day."""

    policy: PolicySet
    now: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """What changes for one body, activity and purpose before one dataset.

    Attributes:
        what: The ways to ask that change outcome, in French: about whom, under which case.
        before: The outcome and the reason under the first law.
        after: Under the second.
        articles: What the second rests on; of a refusal, what the first rested on.
    """

    body: str
    activity: str
    purpose: str
    data: str
    fields: tuple[str, ...]
    what: tuple[str, ...]
    before: str
    after: str
    articles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to ask: about whom, how fine, under which case."""

    words: str
    cohort: bool
    named_agent: bool
    granularity: Granularity
    case_type: str
    received: bool
    window: "_Window"


def compare(first: Law, second: Law) -> tuple[Line, ...]:
    """Every change of outcome, by body, activity, purpose and data."""
    changes = [
        change
        for activity, reads in _records(first.policy, second.policy)
        for purpose in activity.purposes
        for change in _changes(first, second, activity, reads, purpose)
    ]
    lines: dict[tuple[str, ...], Line] = {}
    for one in changes:
        key = (one.body, one.activity, one.purpose, one.data, one.before, one.after)
        known = lines.get(key)
        lines[key] = one if known is None else _joined(known, one)
    return tuple(lines[key] for key in sorted(lines))


def _joined(line: Line, other: Line) -> Line:
    return replace(
        line,
        fields=tuple(dict.fromkeys((*line.fields, *other.fields))),
        what=tuple(dict.fromkeys((*line.what, *other.what))),
        articles=tuple(dict.fromkeys((*line.articles, *other.articles))),
    )


def _records(*policies: PolicySet) -> Iterator[tuple[Activity, Reads]]:
    """Each entry of each record, the last policy's where several have the activity."""
    known = {name: one for policy in policies for name, one in policy.activities.items()}
    for activity in known.values():
        for reads in activity.reads:
            yield activity, reads


def _changes(
    first: Law, second: Law, activity: Activity, reads: Reads, purpose: str
) -> Iterator[Line]:
    if _same_law(first, second, activity, reads):
        return
    told = any("fields" in law.policy.attributes for law in (first, second))
    for fields in [(one,) for one in reads.fields] if told else [reads.fields]:
        for way in _ways(activity, reads, _windows(first.policy, second.policy, reads)):
            before = _answer(first, activity, reads, purpose, fields, way)
            after = _answer(second, activity, reads, purpose, fields, way)
            if before.permitted != after.permitted:
                rules = after.rules if after.permitted else before.rules
                yield Line(
                    body=activity.body,
                    activity=activity.id,
                    purpose=purpose,
                    data=f"{reads.holder}/{reads.dataset}",
                    fields=fields,
                    what=(way.words,),
                    before=_outcome(before),
                    after=_outcome(after),
                    articles=tuple(dict.fromkeys(f"{one.text}, {one.article}" for one in rules)),
                )


def _same_law(first: Law, second: Law, activity: Activity, reads: Reads) -> bool:
    """Whether the same rules, on the same records, would answer: then nothing can change."""
    return _law_of(first, activity, reads) == _law_of(second, activity, reads)


def _law_of(law: Law, activity: Activity, reads: Reads) -> tuple[object, ...]:
    policy, texts = law.policy, frozenset(activity.legal_bases)
    day = policy.epoch_day(policy.epoch(paris_day(law.now)))
    places = (
        Place(action.value, activity.id, reads.holder, reads.dataset, action is not Action.ASK)
        for action in Action
    )
    rules = [policy.slices.slice(place, day, texts).rules.values() for place in places]
    return (
        [[rule.template for rule in found] for found in rules],
        policy.activities.get(activity.id),
        policy.datasets.get((reads.holder, reads.dataset)),
        policy.purposes,
    )


def _outcome(decision: Decision) -> str:
    """`permit` or why not; obligations are no other outcome here."""
    return "permit" if decision.permitted else decision.reason


@dataclass(frozen=True, slots=True)
class _Window:
    """Months from one to another before the case's month, or whole years."""

    first: int
    last: int
    years: bool = False

    def months(self, month: Month) -> tuple[Month, Month]:
        """Those months, counted from a month."""
        if not self.years:
            return month - self.first, month - self.last
        start = month.index // _MONTHS_A_YEAR * _MONTHS_A_YEAR
        last = start - self.last * _MONTHS_A_YEAR + _MONTHS_A_YEAR - 1
        return Month(start - self.first * _MONTHS_A_YEAR), Month(last)


def _windows(before: PolicySet, after: PolicySet, reads: Reads) -> list[_Window]:
    """The month itself, the record's window, and those that rules of either set name."""
    found = {_Window(0, 0): None}
    if reads.window is not None:
        found[_Window(-reads.window.first, -reads.window.last)] = None
    if reads.years is not None:
        found[_Window(-reads.years, -reads.years, years=True)] = None
    for rule in (*before.rules, *after.rules):
        nodes = [node for condition in rule.conditions for node in nodes_of(condition)]
        bounds = dict(pair for node in nodes if (pair := compared_number(node)) is not None)
        for unit in ("months", "years"):
            first, last = (bounds.get(f"{unit}_back_{end}") for end in ("first", "last"))
            if first is not None and last is not None:
                found[_Window(first, last, unit == "years")] = None
    return list(found)


def _ways(activity: Activity, reads: Reads, windows: Sequence[_Window]) -> Iterator[_Way]:
    fine = (reads.granularity,) if reads.granularity else tuple(Granularity)
    cases = ("", *(case.type for case in activity.case_types))
    flags = (False, True)
    for received, cohort, agent, case in product(flags, flags, flags, cases):
        if received and cohort:
            continue  # what was received is handed back one person at a time
        words = "données reçues, " if received else ""
        words += "en nombre" if cohort else "un dossier à la fois"
        for one, window in product(fine, windows):
            yield _Way(words, cohort, agent, one, case, received, window)


def _answer(
    law: Law,
    activity: Activity,
    reads: Reads,
    purpose: str,
    fields: tuple[str, ...],
    way: _Way,
) -> Decision:
    """The best answer on any text the activity relies on."""
    month = Month.from_date(law.now.date())
    first, last = way.window.months(month)
    case = CaseFacts(way.case_type, activity.id, month, law.now, law.now + _DAY, True, 0)
    facts = Facts(
        case=case if way.case_type else None,
        cohort=way.cohort,
        named_agent=way.named_agent,
        same_policy_set=True,
        persons=_MANY if way.cohort else 1,
    )
    question = Question(
        action=Action.READ_RECEIVED if way.received else Action.ASK,
        requester=BodyId(activity.body),
        holder=BodyId(reads.holder),
        activity=activity.id,
        purpose=purpose,
        legal_basis="",
        dataset=reads.dataset,
        fields=fields,
        first_month=first,
        last_month=last,
        granularity=way.granularity,
        received_for=purpose if way.received else "",
        received_by=activity.id if way.received else "",
    )
    made = Decision(Outcome.DENY, "NO_TEXT")
    for basis in activity.legal_bases:
        on_basis = replace(question, legal_basis=basis)
        found = settle(law.policy, *shaped(law.policy, on_basis, facts, law.now))
        if isinstance(found, Decision):
            made = found
            if made.permitted:
                break
    return made
