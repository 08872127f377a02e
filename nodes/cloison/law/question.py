"""What the law is asked, and what it answers: values only.

`Question` and `Facts` are all `decide` may look at; `Decision` is never a bare boolean.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloison.bodies import BodyId
from cloison.months import Month


class Action(StrEnum):
    """What is to be done with the data."""

    ASK = "ask"
    """Answer from data the holder holds."""
    READ_RECEIVED = "read-received"
    """Hand back data the node itself received earlier."""


class Granularity(StrEnum):
    """How fine the answer is; the wire's `Granularity`, in words rules can use."""

    MONTH = "month"
    WINDOW_TOTAL = "window-total"
    YEAR = "year"
    CURRENT = "current"
    TABLE = "table"
    """No record: counts in declared cells, with noise."""


class Outcome(StrEnum):
    """The three outcomes."""

    PERMIT = "permit"
    PERMIT_WITH_OBLIGATIONS = "permit_with_obligations"
    DENY = "deny"

    @property
    def permits(self) -> bool:
        """Whether data may leave, once every obligation is met."""
        return self is not Outcome.DENY


@dataclass(frozen=True, slots=True)
class Question:
    """A question about data, without any person in it.

    Attributes:
        holder: The body whose dataset it is. For `READ_RECEIVED`, the body the data came from.
        requester: The body that asks. For `READ_RECEIVED`, the body that keeps them.
        legal_basis: Id of the text the requester relies on.
        first_month: First month asked, included.
        last_month: Last month asked, included.
        received_for: For `READ_RECEIVED`: the purpose of the exchange the data came by.
        received_by: For `READ_RECEIVED`: the activity that asked them.
    """

    action: Action
    requester: BodyId
    holder: BodyId
    activity: str
    purpose: str
    legal_basis: str
    dataset: str
    fields: tuple[str, ...]
    first_month: Month
    last_month: Month
    granularity: Granularity
    received_for: str = ""
    received_by: str = ""


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What a proved case entry says.

    Attributes:
        type: Case type, as the activity declares it.
        activity: The activity that opened it.
        month: The month the right concerns: it selects windows and amounts, never the texts.
        covers_persons: Every person asked about stands in the case.
        questions_before: Questions already decided under this case by this holder.
    """

    type: str
    activity: str
    month: Month
    opened_time: datetime
    valid_until: datetime
    covers_persons: bool
    questions_before: int


@dataclass(frozen=True, slots=True)
class Witnessing:
    """How long before a decision enough witnesses had last seen what it rests on; no rule sees it.

    Attributes:
        quorum_none: The holder's trust policy asks for no witness: a node alone, or a trial.
        own_seconds: The holder's own ledger; None: never.
        case_seconds: The head its case was proved under; None: no case, or that head never.
    """

    quorum_none: bool
    own_seconds: int | None = None
    case_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The closed list of facts: booleans, counts, dates, one reason; no names.

    Attributes:
        case: The proved case; None where the statement cites none.
        cohort: Many persons under one statement.
        named_agent: The statement names an agent (not `batch`).
        same_policy_set: The peer runs the same policy set.
        persons: Persons in the question.
        hindrance: Why the holder may not answer whatever the rules say, UPPER_SNAKE; empty where
            nothing hinders. No rule sees it.
        witnessing: None in entries older than it: no set that asks for it permits on that.
    """

    case: CaseFacts | None
    cohort: bool
    named_agent: bool
    same_policy_set: bool
    persons: int
    hindrance: str = ""
    witnessing: Witnessing | None = None


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A rule of a text, as cited in an answer."""

    text: str
    rule: str
    article: str
    effect: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the holder must do for a permit: `expire`, `flag`, `honour-objection` or `notice`."""

    kind: str
    value: str
    rule: str


@dataclass(frozen=True, slots=True)
class NearestPermit:
    """A permit that was close on a default deny, and the conditions it lacked."""

    rule: RuleRef
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, with all that made it.

    Attributes:
        reason: `PERMITTED`, `FORBIDDEN`, `NO_TEXT`, `CONDITION_NOT_MET`, `RULE_ERROR`, `UNKNOWN_…`.
        rules: The rules that determined it; empty on a default deny.
        obligations: Of every satisfied permit, in a stable order.
        nearest: On a default deny, the nearest permits first.
        provisional: A rule that decided rests on a text not read whole.
        text: The text of the first deciding permit; empty on a deny, but for one in shadow mode,
            which says what would have permitted.
    """

    outcome: Outcome
    reason: str
    rules: tuple[RuleRef, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    nearest: tuple[NearestPermit, ...] = ()
    provisional: bool = False
    text: str = ""

    @property
    def permitted(self) -> bool:
        """Whether data may leave, once every obligation is met."""
        return self.outcome.permits
