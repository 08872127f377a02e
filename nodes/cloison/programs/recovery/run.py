"""What was paid, less the right as decided again."""

from dataclasses import dataclass

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.law.policy_set import PolicySet
from cloison.law.records import Activity
from cloison.months import Month
from cloison.programs.asking import output_of
from cloison.programs.entitlement.needs import MONTHLY_RESOURCES, PAYMENTS, months_of
from cloison.programs.named_file.look import Looked, deposit, look_into
from cloison.programs.named_file.record import finding_record
from cloison.wire.gateway import AskFor, Gateway, ReceiptRef, Received


@dataclass(frozen=True, slots=True)
class Undue:
    """An undue payment of one benefit and month; amounts in cents.

    Attributes:
        paid_cents: By the body's own file; None where it was not answered for.
        right_cents: As the agent entered it; None where they did not.
    """

    looked: Looked
    benefit: str
    paid_cents: int | None
    right_cents: int | None
    receipt: ReceiptRef | None = None

    @property
    def undue_cents(self) -> int | None:
        """What was paid beyond the right; None where either is not known."""
        if self.paid_cents is None or self.right_cents is None:
            return None
        return max(0, self.paid_cents - self.right_cents)


def recover(
    gateway: Gateway,
    policy: PolicySet,
    record: Activity,
    month: Month,
    household: str,
    benefit: str,
    agent: str,
    right_cents: int | None,
) -> Undue:
    """Asks the file, and deposits the undue payment where there is one.

    Raises:
        InputError: `UNKNOWN_HOUSEHOLD`, `NO_AGENT`, `UNKNOWN_BENEFIT`.
        PeerError: `AGENT_NOT_EMPOWERED`.
    """
    computing = _computing(policy, record.body, benefit)
    looked = look_into(
        gateway, record, month, household, agent, _received(record, computing, month)
    )
    undue = Undue(looked, benefit, _paid(looked, benefit), right_cents)
    amount = undue.undue_cents
    if not amount:
        return undue
    content = {
        **finding_record(looked),
        "benefit": benefit,
        "paid_cents": undue.paid_cents,
        "right_cents": right_cents,
        "right_entered_by": "agent",
        "undue_cents": amount,
    }
    receipt = deposit(gateway, looked, output_of(record), content)
    return Undue(looked, benefit, undue.paid_cents, right_cents, receipt)


def _computing(policy: PolicySet, body: str, benefit: str) -> Activity:
    for one in policy.activities.values():
        if one.body == body and one.benefit == benefit and "calculation" in one.purposes:
            return one
    raise InputError("UNKNOWN_BENEFIT", f"benefit `{benefit}`: no activity of `{body}` computes it")


def _received(record: Activity, computing: Activity, month: Month) -> list[AskFor]:
    """What the computing activity received, asked of the own node: the law says whether it may."""
    return [
        AskFor(
            holder=BodyId(record.body),
            dataset=read.dataset,
            fields=tuple(sorted(read.fields)),
            first=months_of(record, read, month)[0],
            last=months_of(record, read, month)[1],
            granularity=read.granularity,
            purpose=record.purposes[0],
            legal_basis=read.legal_basis or record.legal_bases[0],
            persons=(),
            received=Received(BodyId(read.holder), "calculation", computing.id),
        )
        for read in record.reads
        if read.dataset == MONTHLY_RESOURCES and read.granularity is not None
    ]


def _paid(looked: Looked, benefit: str) -> int | None:
    """Everything the body paid of the benefit for the month; None where it did not answer.

    Its own file is whole: what is not in it was not paid.
    """
    answers = [one for one in looked.answers if one.question.dataset == PAYMENTS]
    if not answers or not all(one.reply.release is not None for one in answers):
        return None
    found = [
        one.values.get("amount")
        for one in looked.table.data
        if one.dataset == PAYMENTS
        and one.values.get("benefit") == benefit
        and one.period == looked.month.number
    ]
    return sum(cents for cents in found if isinstance(cents, int))
