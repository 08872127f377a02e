"""What a decision costs with ten rules loaded, with the law as it is, and with a thousand.

Rules are added as texts would add them: permits and forbids spread over every activity and dataset
of the register, each with conditions of the kind the law uses. The question is one that CAF's prime
d'activité puts to CNAV. Beside it, Cedar alone is given every rule loaded, as without slices; and
the first month asked, which alone stays in what is remembered, is another each time.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import cedarpy
from rich.console import Console
from tests.bench.processes import ROOT
from tests.bench.section import Section, at_most, interleaved, table_of

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.law import PolicySet, decide
from cloison.law.decide import decide_anew, shaped
from cloison.law.question import Action, CaseFacts, Facts, Granularity, Question
from cloison.law.shape import requests_of
from cloison.law.slices import policy_set
from cloison.months import Month

FEW, MANY = 10, 1_000
_ROUNDS, _TIMES = 15, 200
_NOW = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
_MONTH = Month.of(2026, 6)
_ACTIVITY = "caf-ppa"
_TEXT = """
id = "{id}"
title = "Texte de mesure {id}"
read = "whole"

[in_force]
from = 2020-01-01

[[sources]]
code = "BENCH"
where = "tests/bench/decision.py"
part = "all"
"""
_RULE = """
@id("r{number}")
@article("art. {number}")
{effect} (
  principal == Activity::"{activity}", action == Action::"ask", resource == Dataset::"{dataset}"
)
when {{ context.purpose == Purpose::"{purpose}" }}
when {{ context.case.live && context.case.own && context.case.covers_persons }}
when {{ context.case.months_back_first <= {number} && context.case.months_back_last >= 999 }}
when {{ context.granularity == "month" }};
"""
_RULES_A_TEXT = 10


def measure(folder: Path, console: Console) -> Section:  # noqa: ARG001 - writes nothing
    """All three sizes, and Cedar alone with the largest."""
    present = read_policy(ROOT)
    sets = {
        "few": PolicySet.parse(_with_few(present)),
        "now": PolicySet.parse(present),
        "many": PolicySet.parse(_with_many(present)),
    }
    counts = {name: len(one.rules) for name, one in sets.items()}
    console.print(f"[dim]rules loaded: {counts}[/]", highlight=False)
    costs = interleaved(_sides(sets), _ROUNDS, _TIMES)
    growth = costs["many"] / costs["few"]
    rows = [
        ("decided anew", *(f"{costs[name]:.1f}" for name in sets)),
        ("just decided", *(f"{costs[f'{name}, again']:.2f}" for name in sets)),
        ("just decided, but for the first month", "", "", f"{costs['other months']:.1f}"),
        ("Cedar alone, every rule", "", "", f"{costs['Cedar alone']:.1f}"),
    ]
    return Section(
        "A decision: one question of the prime d'activité",
        (f"medians of {_ROUNDS} interleaved rounds of {_TIMES} decisions",),
        (table_of("µs a decision", ("", *(f"{one} rules" for one in counts.values())), rows),),
        (
            at_most(f"decided anew, {counts['many']:,} rules", 150, costs["many"], " µs"),
            at_most(f"{counts['many']:,} rules to {counts['few']}", 1.2, growth),
            at_most("just decided", 10, costs["many, again"], " µs"),
        ),
        {"rules": counts, "us": {name: round(cost, 2) for name, cost in costs.items()}},
    )


def _sides(sets: dict[str, PolicySet]) -> dict[str, Callable[[int], object]]:
    question, facts = _asked()
    sides: dict[str, Callable[[int], object]] = {}
    for name, policy in sets.items():
        if not decide(policy, question, facts, _NOW).permitted:
            raise RuntimeError("the question of the bench is refused: a fast refusal is no result")
        sides[name] = _anew(policy, question, facts)
        sides[f"{name}, again"] = _again(policy, question, facts)
    sides["other months"] = _other_months(sets["many"], question, facts)
    sides["Cedar alone"] = _cedar(sets["many"], question, facts)
    return sides


def _anew(policy: PolicySet, question: Question, facts: Facts) -> Callable[[int], object]:
    return lambda _: decide_anew(policy, question, facts, _NOW)


def _again(policy: PolicySet, question: Question, facts: Facts) -> Callable[[int], object]:
    return lambda _: decide(policy, question, facts, _NOW)


def _other_months(policy: PolicySet, question: Question, facts: Facts) -> Callable[[int], object]:
    """The same distances, another month each time: a text may name a first month, so it counts."""
    put = []
    for back in range(_TIMES * (_ROUNDS + 1)):
        first, last = question.first_month - back, question.last_month - back
        case = facts.case and replace(facts.case, month=facts.case.month - back)
        asked = replace(question, first_month=first, last_month=last)
        put.append((asked, replace(facts, case=case)))
    return lambda number: decide(policy, *put[number], _NOW)


def _cedar(policy: PolicySet, question: Question, facts: Facts) -> Callable[[int], object]:
    shape, _ = shaped(policy, question, facts, _NOW)
    whole = policy_set(rule.template for rule in policy.rules)
    requests = requests_of(shape, [question.purpose], policy.attributes)
    return lambda _: cedarpy.is_authorized_batch(requests, whole, policy.entities)


def _asked() -> tuple[Question, Facts]:
    question = Question(
        action=Action.ASK,
        requester=BodyId("caf"),
        holder=BodyId("cnav"),
        activity=_ACTIVITY,
        purpose="calculation",
        legal_basis="decret-2025-1288",
        dataset="monthly_resources",
        fields=("mns", "nature"),
        first_month=_MONTH - 4,
        last_month=_MONTH - 2,
        granularity=Granularity.MONTH,
    )
    case = CaseFacts(
        type="claim",
        activity=_ACTIVITY,
        month=_MONTH,
        opened_time=_NOW - timedelta(days=2),
        valid_until=_NOW + timedelta(days=1),
        covers_persons=True,
        questions_before=0,
    )
    return question, Facts(
        case=case, cohort=False, named_agent=False, same_policy_set=True, persons=1
    )


def _with_few(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same set with the rules of one text only: all that the question needs."""
    return {
        path: b"" if path.endswith("/rules.cedar") and "decret-2025-1288" not in path else content
        for path, content in files.items()
    }


def _with_many(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same set with texts added until it holds a thousand rules."""
    policy = PolicySet.parse(files)
    rules = islice(_rules(policy), MANY - len(policy.rules))
    added: dict[str, bytes] = {}
    for start in range(0, MANY - len(policy.rules), _RULES_A_TEXT):
        name = f"bench-{start}"
        added[f"texts/{name}/text.toml"] = _TEXT.format(id=name).encode()
        added[f"texts/{name}/examples.yaml"] = files["texts/loi-78-17/examples.yaml"]
        added[f"texts/{name}/rules.cedar"] = "".join(islice(rules, _RULES_A_TEXT)).encode()
    return {**files, **added}


def _rules(policy: PolicySet) -> Iterator[str]:
    places = [
        (activity.id, f"{holder}/{dataset}", activity.purposes[0])
        for activity in policy.activities.values()
        for holder, dataset in policy.datasets
    ]
    for number, (activity, dataset, purpose) in enumerate(cycle(places)):
        effect = "forbid" if number % _RULES_A_TEXT == 0 else "permit"
        yield _RULE.format(
            number=number, effect=effect, activity=activity, dataset=dataset, purpose=purpose
        )
