"""Examples: the decisions a jurist expects, put to the law and compared."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from cloison.bodies import BodyId
from cloison.law.decide import decide
from cloison.law.expected import Example, ExampleCase, PersonState
from cloison.law.policy_set import PolicySet
from cloison.law.question import Action, CaseFacts, Decision, Facts, Outcome, Question
from cloison.months import Month

_NOON = time(12, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """What an example expects and the law does not answer."""

    text: str
    example: Example
    what: str
    expected: str
    found: str


def run_examples(policy: PolicySet) -> Iterator[tuple[str, Example, tuple[Difference, ...]]]:
    """Every example of every text, with its differences; none where the law answers as expected."""
    for text, examples in policy.examples.items():
        for example in examples:
            yield text, example, tuple(differences(text, example, decide_example(policy, example)))


def decide_example(policy: PolicySet, example: Example) -> Decision:
    """What a holder answers to an example, at noon of its day: the law, then the person's file.

    The person's file is looked at only where the rules permit, with one reason for all.
    """
    now = noon_of(example)
    decision = decide(policy, question_of(policy, example), facts_of(example, now), now)
    if decision.permitted and _barred(example.person, decision):
        return Decision(Outcome.DENY, "PERSON_NOT_ANSWERABLE")
    return decision


def _barred(person: PersonState, decision: Decision) -> bool:
    """Whether a node answers about nobody in that state; an objection counts where a rule says."""
    if person is PersonState.OBJECTED:
        return any(duty.kind == "honour-objection" for duty in decision.obligations)
    return person is not PersonState.ANSWERABLE


def noon_of(example: Example) -> datetime:
    """When an example is decided."""
    return datetime.combine(example.day, _NOON)


def question_of(policy: PolicySet, example: Example) -> Question:
    """The question an example puts; the requester is the activity's body unless it says another."""
    holder, dataset = example.asks.split("/")
    first, last = example.months.split("..")
    activity = policy.activities.get(example.activity)
    requester = example.requester or (activity.body if activity else "unknown")
    received = example.received
    return Question(
        action=Action.READ_RECEIVED if received else Action.ASK,
        requester=BodyId(requester),
        holder=BodyId(holder),
        activity=example.activity,
        purpose=example.purpose,
        legal_basis=example.basis,
        dataset=dataset,
        fields=tuple(sorted(example.fields)),
        first_month=Month.parse(first),
        last_month=Month.parse(last),
        granularity=example.granularity,
        received_for=received.for_ if received else "",
        received_by=received.by if received else "",
    )


def facts_of(example: Example, now: datetime) -> Facts:
    """The facts of an example at `now`."""
    return Facts(
        case=_case_of(example.case, example.activity, now) if example.case else None,
        cohort=example.cohort is not None,
        named_agent=example.named_agent,
        same_policy_set=True,
        persons=example.cohort or example.persons,
    )


def _case_of(case: ExampleCase, activity: str, now: datetime) -> CaseFacts:
    return CaseFacts(
        type=case.type,
        activity=activity if case.own else "another-activity",
        month=Month.parse(case.month),
        opened_time=now - 2 * _DAY,
        valid_until=now + _DAY if case.live else now - _DAY,
        covers_persons=case.covers,
        questions_before=case.questions_before,
    )


def differences(text: str, example: Example, decision: Decision) -> Iterator[Difference]:
    """What the example expects and the decision is not."""
    found = {
        "expect": decision.outcome.value,
        "reason": decision.reason,
        "rules": _listed(f"{ref.text}/{ref.rule}" for ref in decision.rules),
        "obligations": _listed({f"{one.kind}={one.value}" for one in decision.obligations}),
        "provisional": _yes(decision.provisional),
        "nearest": next((f"{n.rule.text}/{n.rule.rule}" for n in decision.nearest), ""),
    }
    expected = {
        "expect": example.expect.value,
        "reason": example.reason,
        "rules": None if example.rules is None else _listed(example.rules),
        "obligations": None if example.obligations is None else _listed(example.obligations),
        "provisional": None if example.provisional is None else _yes(example.provisional),
        "nearest": example.nearest,
    }
    for what, wanted in expected.items():
        if wanted is not None and wanted != found[what]:
            yield Difference(text, example, what, wanted, found[what])


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
