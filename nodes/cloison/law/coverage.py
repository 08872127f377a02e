"""How much of the law its examples hold: every slip in a rule turns an example red.

Rules are answered by the second evaluator, rule by rule, so that a slip costs one rule and not a
decision. What that evaluator makes of every example, unchanged, is first held against Cedar's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cedarpy
from cedarpy import pst

from cloison.errors import IntegrityError
from cloison.law.decide import decide_anew, outside_record, purposes_of, shaped
from cloison.law.entities import policy_entities
from cloison.law.examples import differences, facts_of, noon_of, question_of
from cloison.law.expected import Example
from cloison.law.mutants import Mutant, mutants_of
from cloison.law.policy_set import PolicySet
from cloison.law.prove.idle import Idle
from cloison.law.prove.search import Search
from cloison.law.question import Decision, Outcome
from cloison.law.reference import EvaluationError, Request, World, request_of, satisfied, world_of
from cloison.law.rules import Rule
from cloison.law.shape import requests_of
from cloison.law.slices import policy_set
from cloison.law.verdict import Said, conclusion, verdict_of

_Truths = Mapping[str, bool | None]
"""What each rule of a slice says for one purpose; None where it errs."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many slips there can be, and those that no example sees.

    Attributes:
        refused: Seen by no example, but no policy set: the schema refuses them.
        idle: Seen by none, for there is nothing to see: proved to change no decision.
        survivors: The others that no example sees.
    """

    mutants: int
    refused: tuple[Mutant, ...]
    idle: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]

    @property
    def killed(self) -> int:
        """How many turn an example red."""
        return self.mutants - len(self.refused) - len(self.idle) - len(self.survivors)


def cover(policy: PolicySet) -> Coverage:
    """Every slip in every rule, put to every example.

    An example that is red before any slip sees none, nor does one its activity's record answers.

    Raises:
        IntegrityError: `SECOND_OPINION`: the two evaluators differ on an example.
    """
    trials = list(_trials(policy))
    every = [mutant for rule in policy.rules for mutant in mutants_of(rule)]
    unseen = tuple(one for one in every if not any(trial.sees(one) for trial in trials))
    return Coverage(len(every), (), (), unseen)


def sort_out(policy: PolicySet, found: Coverage) -> Coverage:
    """Of what no example sees, apart: what the schema refuses, what is proved to change nothing."""
    refused = tuple(one for one in found.survivors if not _typed(policy, one))
    idle = Idle(Search(policy))
    nothing = tuple(
        one
        for one in found.survivors
        if one.template is not None and one not in refused and idle.proves(one.rule, one.template)
    )
    left = tuple(one for one in found.survivors if one not in refused and one not in nothing)
    return Coverage(found.mutants, refused, nothing, left)


def _typed(policy: PolicySet, mutant: Mutant) -> bool:
    """Whether the schema would let it into a policy set."""
    if mutant.template is None:
        return True
    written = str(policy_set([mutant.template]))
    return cedarpy.validate_policies(written, policy.schema).validation_passed


def _trials(policy: PolicySet) -> Iterator["_Trial"]:
    world = world_of(policy_entities(policy.purposes, policy.activities, policy.datasets))
    for text, examples in policy.examples.items():
        for example in examples:
            trial = _trial(policy, text, example, world)
            if trial is not None:
                _check(trial)
                if not any(differences(text, example, trial.decision)):
                    yield trial


def _trial(policy: PolicySet, text: str, example: Example, world: World) -> "_Trial | None":
    """The example made ready; None where the record alone answers it."""
    now = noon_of(example)
    question, facts = question_of(policy, example), facts_of(example, now)
    shape, epoch = shaped(policy, question, facts, now)
    if outside_record(policy, shape) is not None:
        return None
    texts = frozenset(policy.activities[shape.activity].legal_bases)
    # Whatever their heads: one that is widened may be about this question.
    day = policy.epoch_day(epoch)
    rules = {
        rule.id: rule
        for rule in policy.rules
        if rule.in_force(day) and (not rule.permits or rule.ref.text in texts)
    }
    asked = requests_of(shape, purposes_of(policy, shape), policy.attributes)
    requests = tuple(map(request_of, asked))
    return _Trial(
        text=text,
        example=example,
        rules=rules,
        requests=requests,
        relied=shape.legal_basis,
        decision=decide_anew(policy, question, facts, now),
        world=world,
        truths=tuple(
            {name: _truth(rule.template, one, world) for name, rule in rules.items()}
            for one in requests
        ),
    )


def _truth(template: pst.Template, request: Request, world: World) -> bool | None:
    try:
        return satisfied(template, request, world)
    except EvaluationError:
        return None


@dataclass(frozen=True, slots=True)
class _Trial:
    """An example, to be decided again with one rule changed.

    Attributes:
        text: The text it stands at.
        rules: Those in force that it may rest on, and every forbid in force.
        requests: One a purpose, the one asked for first.
        relied: The text it relies on.
        decision: What Cedar makes of it.
        truths: What each rule says, for each request.
    """

    text: str
    example: Example
    rules: Mapping[str, Rule]
    requests: tuple[Request, ...]
    relied: str
    decision: Decision
    world: World
    truths: tuple[_Truths, ...]

    def sees(self, mutant: Mutant) -> bool:
        """Whether the example is red with that rule changed.

        One that expects a forbid runs beside a planted permit: the forbid alone closes it.
        """
        name, template = mutant.rule.id, mutant.template
        if name not in self.rules:
            return False
        changed = [
            {**truths, name: template is not None and _truth(template, request, self.world)}
            for truths, request in zip(self.truths, self.requests, strict=True)
        ]
        if changed == list(self.truths):
            return False
        made = self.conclude(changed, planted=self.decision.reason == "FORBIDDEN")
        if made is None:
            nothing = Decision(Outcome.DENY, "NO_TEXT")
            made = nothing if self.decision.permitted else self.decision
        return any(differences(self.text, self.example, made))

    def conclude(self, answers: Sequence[_Truths], *, planted: bool) -> Decision | None:
        """The decision on these answers; None where no rule permits."""
        verdicts = [
            verdict_of(self.rules, _said(self.rules, truths), self.relied, only=not place)
            for place, truths in enumerate(answers)
        ]
        closed = any(verdict.forbids or verdict.errors for verdict in verdicts)
        if planted and not closed:
            return Decision(Outcome.PERMIT, "PERMITTED")
        return conclusion(verdicts)


def _said(rules: Mapping[str, Rule], truths: _Truths) -> Said:
    """As Cedar says it: the forbids that hold, else the permits."""
    holding = [name for name, truth in truths.items() if truth]
    forbids = frozenset(name for name in holding if not rules[name].permits)
    return Said(
        allowed=bool(holding) and not forbids,
        reasons=forbids or frozenset(holding),
        errors=tuple(name for name, truth in truths.items() if truth is None),
    )


def _check(trial: _Trial) -> None:
    made = trial.conclude(trial.truths, planted=False)
    by_rules = trial.decision.reason in {"PERMITTED", "FORBIDDEN", "RULE_ERROR"}
    if made != (trial.decision if by_rules else None):
        ours = made.reason if made else "that nothing permits"
        raise IntegrityError(
            "SECOND_OPINION",
            f"example `{trial.example.name}` of `{trial.text}`: Cedar says "
            f"{trial.decision.reason}, the second evaluator {ours}",
            "one of the two is wrong: report it",
        )
