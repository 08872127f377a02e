"""What would make a refused question lawful: the fewest changes with which the law permits it.

Each change is one that a body can make: another text it relies on, a case, another purpose of its
record, other months, another form of answer. Every set of changes told was put to the law.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations

from cloison.law.decide import decide_anew
from cloison.law.policy_set import PolicySet
from cloison.law.question import CaseFacts, Facts, Granularity, Question
from cloison.law.records import Activity
from cloison.months import Month

_MOST_CHANGES = 4
_MONTHS_A_YEAR = 12
_DAY = timedelta(days=1)
_FINE = {
    Granularity.MONTH: ("demander mois par mois", "ask month by month"),
    Granularity.WINDOW_TOTAL: ("demander le total de la période", "ask the total of the window"),
    Granularity.YEAR: ("demander par année", "ask by year"),
    Granularity.CURRENT: ("demander l'état présent", "ask the present state"),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """Changes that together make the question lawful, in both languages, and the rule's text."""

    fr: tuple[str, ...]
    en: tuple[str, ...]
    text: str


_Put = tuple[Question, Facts]


@dataclass(frozen=True, slots=True)
class _Change:
    """One thing a body can do otherwise; changes of one kind exclude each other."""

    kind: str
    fr: str
    en: str
    apply: Callable[[Question, Facts], _Put]


def remedies(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> tuple[Remedy, ...]:
    """The smallest sets of changes that make it lawful at `now`; empty where none does."""
    activity = policy.activities.get(question.activity)
    if activity is None or activity.fields_of(question.holder, question.dataset) is None:
        return ()
    if decide_anew(policy, question, facts, now).permitted:
        return ()  # it was refused for what is no law: a proof, a person, silent witnesses
    changes = list(_changes(activity, question, facts, now))
    for size in range(1, _MOST_CHANGES + 1):
        found = tuple(
            made
            for chosen in combinations(changes, size)
            if len({one.kind for one in chosen}) == size
            and (made := _tried(policy, question, facts, now, chosen)) is not None
        )
        if found:
            return found[:3]
    return ()


def _tried(
    policy: PolicySet,
    question: Question,
    facts: Facts,
    now: datetime,
    chosen: tuple[_Change, ...],
) -> Remedy | None:
    for change in chosen:
        question, facts = change.apply(question, facts)
    decision = decide_anew(policy, question, facts, now)
    if not decision.permitted:
        return None
    return Remedy(tuple(one.fr for one in chosen), tuple(one.en for one in chosen), decision.text)


def _changes(
    activity: Activity, question: Question, facts: Facts, now: datetime
) -> Iterator[_Change]:
    """In the order in which they apply: a case before the months that are counted from it."""
    for text in activity.legal_bases:
        if text != question.legal_basis:
            yield _of_question("text", f"se fonder sur {text}", f"rely on {text}", legal_basis=text)
    for purpose in activity.purposes:
        if purpose != question.purpose:
            yield _of_question(
                "purpose", f"la finalité {purpose}", f"the purpose {purpose}", purpose=purpose
            )
    for fine, (fr, en) in _FINE.items():
        if fine is not question.granularity:
            yield _of_question("granularity", fr, en, granularity=fine)
    record = activity.fields_of(question.holder, question.dataset) or frozenset()
    fields = tuple(sorted(record.intersection(question.fields)))
    if fields and fields != question.fields:
        listed = ", ".join(fields)
        yield _of_question(
            "fields", f"les seuls champs {listed}", f"only the fields {listed}", fields=fields
        )
    yield from _crowds(facts)
    yield from _cases(activity, question, facts, now)
    yield from _months(activity, question, facts)


def _of_question(kind: str, fr: str, en: str, **changed: object) -> _Change:
    def apply(question: Question, facts: Facts) -> _Put:
        return replace(question, **changed), facts  # type: ignore[arg-type]  # fields of it

    return _Change(kind, fr, en, apply)


def _of_facts(kind: str, fr: str, en: str, **changed: object) -> _Change:
    def apply(question: Question, facts: Facts) -> _Put:
        return question, replace(facts, **changed)  # type: ignore[arg-type]  # fields of it

    return _Change(kind, fr, en, apply)


def _crowds(facts: Facts) -> Iterator[_Change]:
    if facts.cohort or facts.persons > 1:
        fr, en = "désigner une seule personne", "name one person"
        yield _of_facts("crowd", fr, en, cohort=False, persons=1)
    if not facts.named_agent:
        fr, en = "un agent habilité et désigné", "a named, empowered agent"
        yield _of_facts("agent", fr, en, named_agent=True)


def _cases(
    activity: Activity, question: Question, facts: Facts, now: datetime
) -> Iterator[_Change]:
    for kind in activity.case_types:
        for month in _case_months(activity, question, facts, now):
            made = CaseFacts(kind.type, activity.id, month, now, now + _DAY, True, 0)
            yield _of_facts(
                "case",
                f"un dossier en cours de type {kind.type} ({kind.title}) pour {month}, qui couvre "
                "les personnes",
                f"a live case of type {kind.type} for {month}, covering the persons",
                case=made,
            )


def _case_months(
    activity: Activity, question: Question, facts: Facts, now: datetime
) -> list[Month]:
    """The month of the case there is; else those from which the months asked are the window."""
    if facts.case is not None:
        return [facts.case.month]
    window = next(
        (
            one.window
            for one in activity.reads
            if (one.holder, one.dataset) == (question.holder, question.dataset)
        ),
        None,
    )
    return [question.last_month - window.last if window else Month.from_date(now.date())]


def _months(activity: Activity, question: Question, facts: Facts) -> Iterator[_Change]:
    """The months of the activity's own record, counted from the case's."""
    for reads in activity.reads:
        if (reads.holder, reads.dataset) != (question.holder, question.dataset):
            continue
        if reads.window is not None:
            first, last = reads.window.first, reads.window.last
            yield _counted(first, last, f"de M{first} à M{last}", f"from M{first} to M{last}")
        if reads.years is not None:
            year = f"N{reads.years}" if reads.years else "N"
            yield _whole_year(reads.years, f"l'année {year}, entière", f"the whole year {year}")
    if facts.case is None and question.last_month.index > question.first_month.index:
        fr, en = "le dernier mois seulement", "the last month only"
        yield _of_question("months", fr, en, first_month=question.last_month)


def _counted(first: int, last: int, fr: str, en: str) -> _Change:
    def apply(question: Question, facts: Facts) -> _Put:
        if facts.case is None:
            return question, facts
        month = facts.case.month
        return replace(question, first_month=month + first, last_month=month + last), facts

    words = f"ne demander que les mois {fr} du dossier", f"ask only the months {en} of the case"
    return _Change("months", *words, apply)


def _whole_year(years: int, fr: str, en: str) -> _Change:
    def apply(question: Question, facts: Facts) -> _Put:
        if facts.case is None:
            return question, facts
        start = Month(facts.case.month.index // _MONTHS_A_YEAR * _MONTHS_A_YEAR) + (
            years * _MONTHS_A_YEAR
        )
        last = start + (_MONTHS_A_YEAR - 1)
        return replace(question, first_month=start, last_month=last), facts

    return _Change("months", f"demander {fr}", f"ask {en}", apply)
