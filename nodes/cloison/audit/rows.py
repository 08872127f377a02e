"""What an audit remembers of an entry, one row a kind. Times are Unix milliseconds.

Fields that end in `_key` are keyed 64-bit hashes of digests, 0 where there is none; they compare
equal where the digests do, and say nothing else. Months are `Month.index`.
"""

from typing import NamedTuple, Protocol

NOT_SAID = -1
"""Of `Question.seen`: the entry does not say it, or its federation asks for no witness."""


class Placed(Protocol):
    """Any row: `at` is the entry's index in `ledger`."""

    @property
    def ledger(self) -> str:
        """Its origin."""

    @property
    def at(self) -> int:
        """An index."""


class Place(NamedTuple):
    """Where an entry stands, and when it was written."""

    ledger: str
    at: int
    time: int


class Back(NamedTuple):
    """An entry that says it is older than one before it."""

    ledger: str
    at: int
    time: int
    latest: int


class Question(NamedTuple):
    """A decision of a holder: the question, its facts, the outcome."""

    ledger: str
    at: int
    time: int
    statement_key: int
    requester: str
    holder: str
    activity: str
    purpose: str
    basis: str
    agent: str
    dataset: str
    """`holder/dataset`; of received data, of the body they came from."""
    fields: str
    """Separated by spaces."""
    first: int
    last: int
    granularity: str
    received_for: str
    received_by: str
    case_key: int
    case_type: str
    case_month: int
    case_opened: int
    case_live: int
    """1: a case of this activity, live, that covers every person asked about."""
    persons: int
    cohort: int
    """Persons announced; 0 where they are named."""
    table: str
    permitted: int
    outcome: int
    reason: str
    texts: str
    """The texts of the deciding permits, separated by spaces."""
    provisional: int
    notices: str
    """What the persons are to be told, separated by spaces."""
    flag: str
    set: str
    """Of the policy, hexadecimal."""
    same_set: int
    sealed_key: int
    leaf_key: int
    label_until: int
    seen: int
    """When enough witnesses had last seen this ledger, as known then; 0: never; or `NOT_SAID`."""


class Asked(NamedTuple):
    """A question as its requester wrote it down."""

    ledger: str
    at: int
    time: int
    statement_key: int
    requester: str
    holder: str
    activity: str


class Sight(NamedTuple):
    """One person of one question: found again, that day and at that node, by trace key."""

    ledger: str
    at: int
    time: int
    trace_key: int
    activity: str
    purpose: str
    agent: str
    dataset: str
    first: int
    last: int
    granularity: str
    together: int
    """1: in a batch of a cohort, whose statement names nobody."""


class Received(NamedTuple):
    """An answer as its requester wrote it down."""

    ledger: str
    at: int
    time: int
    statement_key: int
    body: str
    holder: str
    leaf_index: int
    leaf_key: int
    permitted: int
    outcome: int
    sealed_key: int
    label_until: int


class Lost(NamedTuple):
    """A question its requester says it has no answer to, or not the whole."""

    ledger: str
    at: int
    time: int
    statement_key: int
    body: str


class Part(NamedTuple):
    """A batch of a cohort, as its holder or its requester wrote it down."""

    ledger: str
    at: int
    time: int
    body: str
    statement_key: int
    batch: int
    persons: int
    came: int
    """1: written by the requester's node."""
    sealed_key: int
    digests_key: int
    last: int
    leaf_key: int
    """Of the holder's entry: its own, or the one the requester cites."""


class Under(NamedTuple):
    """A case that somebody of a batch was answered about under, as its holder wrote it down."""

    ledger: str
    at: int
    time: int
    statement_key: int
    case_key: int


class Opened(NamedTuple):
    """A case."""

    ledger: str
    at: int
    time: int
    case_key: int
    activity: str
    type: str
    month: int
    until: int
    persons: int


class Renewed(NamedTuple):
    """A case that lives on."""

    ledger: str
    at: int
    time: int
    case_key: int
    until: int


class Closed(NamedTuple):
    """A case that is over."""

    ledger: str
    at: int
    time: int
    case_key: int
    outcome: str


class Told(NamedTuple):
    """A notice given to the persons of a case."""

    ledger: str
    at: int
    time: int
    case_key: int
    notice: str


class Deposit(NamedTuple):
    """An output an activity wrote."""

    ledger: str
    at: int
    time: int
    activity: str
    output: str
    case_key: int
    receipts: int


class Cited(NamedTuple):
    """A receipt an output cites."""

    ledger: str
    at: int
    """Of the deposit."""
    activity: str
    leaf_key: int


class Gone(NamedTuple):
    """Something that was destroyed: an answer, by its statement, or a case's data."""

    ledger: str
    at: int
    time: int
    activity: str
    why: str
    key: int
    releases: int
    """Of a statement, at most: an entry counts the answers to all that it names together."""


class Objection(NamedTuple):
    """A person who objected to an activity."""

    ledger: str
    at: int
    time: int
    activity: str
    trace_key: int


class Failure(NamedTuple):
    """Calls that failed before a decision, in a minute."""

    ledger: str
    at: int
    time: int
    peer: str
    reason: str
    calls: int


class Contested(NamedTuple):
    """A contestation a holder took, or what became of it: told, answered or maintained."""

    ledger: str
    at: int
    time: int
    kind: str
    contestation_key: int
