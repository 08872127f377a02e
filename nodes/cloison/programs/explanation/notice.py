"""The notice of one case: everything CRPA R311-3-1-2 asks, as values, from one result of a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloison.errors import InputError
from cloison.law.mention import Clause
from cloison.law.policy_set import PolicySet
from cloison.law.records import Activity, Algorithm
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.gather import File
from cloison.programs.entitlement.inputs import Benefit, Household, Role, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Result
from cloison.programs.explanation.data import Table
from cloison.programs.explanation.engine import Engine
from cloison.programs.explanation.expressions import Expression
from cloison.programs.explanation.housing import replay_housing
from cloison.programs.explanation.ppa import replay_ppa
from cloison.programs.explanation.replay import Condition, Parameter, Replay, Step
from cloison.programs.explanation.rsa import replay_rsa
from cloison.programs.explanation.words import person
from cloison.wire.gateway import OpenedCase, ReceiptRef

_REPLAYS: Mapping[Benefit, Callable[[Replay], Expression]] = {
    Benefit.PPA: replay_ppa,
    Benefit.RSA: replay_rsa,
    Benefit.AL: replay_housing,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told of the computation of one benefit for one month.

    Attributes:
        who: How each person of the case is called, applicant first.
        name: Birth name of the applicant.
        amount_cents: None where the case was set aside.
        deposit: Where the body's own ledger holds the result.
        algorithm: Its degree and mode of contribution, from the activity's record.
        clauses: The legal mention, from `policy/mention.toml`.
    """

    activity: Activity
    algorithm: Algorithm
    benefit: Benefit
    month: Month
    reference: str
    name: str
    who: tuple[str, ...]
    made_time: datetime
    legislation: str
    policy_hash: bytes
    amount_cents: int | None
    set_aside: SetAside | None
    deposit: ReceiptRef | None
    table: Table
    parameters: tuple[Parameter, ...]
    conditions: tuple[Condition, ...]
    steps: tuple[Step, ...]
    clauses: tuple[Clause, ...]

    def say(self, clause: Clause) -> str:
        """A sentence of the mention, with what the activity's record says in it."""
        record = self.activity
        return clause.fr.format(activity=record.title, controller=record.controller, dpo=record.dpo)


def make_notice(
    policy: PolicySet, activity: Activity, month: Month, result: Result, now: datetime
) -> Notice:
    """The notice of a result of `entitlement.run`.

    Raises:
        InputError: `RECORD_INCOMPLETE`: the record describes no algorithm, or the policy set has no
            mention. IntegrityError: `PARAMETER_NOT_READ`.
    """
    needs = Needs.of(activity)
    if activity.algorithm == "none" or not policy.mention:
        raise InputError(
            "RECORD_INCOMPLETE",
            f"activity `{activity.id}`: no algorithm in its record, or no mention in `policy/`",
            "complete policy/activities and policy/mention.toml",
        )
    file = result.file
    table, who = Table.of(file), _who(file.case)
    replay = _replay(needs, month, file.household, table, who, result.amount_cents)
    return Notice(
        activity=activity,
        algorithm=activity.algorithm,
        benefit=needs.benefit,
        month=month,
        reference=result.reference,
        name=_name(file),
        who=who,
        made_time=now,
        legislation=openfisca_adapter.legislation(),
        policy_hash=policy.hash,
        amount_cents=result.amount_cents,
        set_aside=result.set_aside,
        deposit=result.receipt,
        table=table,
        parameters=tuple(replay.parameters) if replay else (),
        conditions=tuple(replay.conditions) if replay else (),
        steps=tuple(replay.steps) if replay else (),
        clauses=policy.mention,
    )


def _replay(
    needs: Needs,
    month: Month,
    household: Household | None,
    table: Table,
    who: Sequence[str],
    amount_cents: int | None,
) -> Replay | None:
    if household is None or amount_cents is None:
        return None
    window = needs.window(month)
    engine = Engine(needs.benefit, window, household)
    replay = Replay(engine, window, household, table, who)
    last = _REPLAYS[needs.benefit](replay)
    replay.finish("Montant mensuel", last, amount_cents)
    return replay


def _who(case: OpenedCase) -> tuple[str, ...]:
    """The members in the case's order; children and others are numbered."""
    found: list[str] = []
    for member in case.members:
        same = sum(one.role == member.role for one in case.members[: len(found)])
        found.append(person(member.role, same + 1))
    return tuple(found)


def _name(file: File) -> str:
    applicants = (one for one in file.case.members if one.role == Role.APPLICANT)
    return next((one.birth_name for one in applicants), "")
