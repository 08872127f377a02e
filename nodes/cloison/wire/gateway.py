"""What a program may ask of its own node, and what it gets back.

The interface has two users: the gRPC client of `cloison.wire` and the in-memory one of the tests.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa

from cloison.bodies import BodyId
from cloison.errors import CloisonError
from cloison.exchange.cohort_release import person_releases
from cloison.identity import Nir
from cloison.law.question import Decision, Granularity
from cloison.months import Month
from cloison.v1 import release_pb2


@dataclass(frozen=True, slots=True)
class Member:
    """A person of a case.

    Attributes:
        case_salt: The salt of their digest in the case entry.
        case: The leaf hash of that entry.
    """

    role: str
    nir: Nir
    birth_name: str
    birth_date: date
    case_salt: bytes = b""
    case: bytes = b""


BATCH = "batch"
"""In an agent's place where nobody asks but the program."""


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A live case. `proof` is a serialised `CaseProof`; `reference` names the claim or file.

    `renewal` is the proof of its latest renewal, empty where there was none. Without `leaf_hash`
    there is no case: the body's own files name nobody in the household, or more than one may have.
    """

    reference: str
    leaf_hash: bytes
    proof: bytes
    members: tuple[Member, ...]
    valid_until: datetime
    renewal: bytes = b""


@dataclass(frozen=True, slots=True)
class Received:
    """Which received data a local question is about."""

    holder: BodyId
    purpose: str
    activity: str


@dataclass(frozen=True, slots=True)
class AskFor:
    """One question, before it is signed. Months are both included."""

    holder: BodyId
    dataset: str
    fields: tuple[str, ...]
    first: Month
    last: Month
    granularity: Granularity
    purpose: str
    legal_basis: str
    persons: tuple[Member, ...]
    case: OpenedCase | None = None
    received: Received | None = None
    agent: str = BATCH


@dataclass(frozen=True, slots=True)
class ReceiptRef:
    """Where the decision stands: the holder's ledger, the leaf, the size it was proved under."""

    holder: BodyId
    leaf_index: int
    leaf_hash: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The checked answer. `failure` is set where no decision was reached; then nothing else is.

    `envelopes` are the releases a permitted local question for received data handed back. An answer
    taken from a cohort names its batches in `parts`; `person_receipts` are theirs, one a person.
    `salts` are those of the statement's persons, in order: who contests a line names its person so.
    """

    statement_hash: bytes
    decision: Decision | None
    receipt: ReceiptRef | None
    release: release_pb2.Release | None
    failure: CloisonError | None = None
    envelopes: tuple[release_pb2.Release, ...] = ()
    salts: tuple[bytes, ...] = ()
    parts: tuple[int, ...] = ()
    person_receipts: tuple[ReceiptRef, ...] = ()

    def receipt_of(self, person: int) -> ReceiptRef | None:
        """Where what is said of a person stands; the person by their place in the question."""
        return self.person_receipts[person] if self.person_receipts else self.receipt


@dataclass(frozen=True, slots=True)
class Deposit:
    """An output of the activity about a case, and the answers it rests on; amounts in cents."""

    output: str
    case: OpenedCase
    content: Mapping[str, object]
    cited: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class CasePromise:
    """That every person of a cohort stands in a live case of this type, for this month."""

    type: str
    month: Month


@dataclass(frozen=True, slots=True)
class CohortPart:
    """A batch's checked answer.

    Attributes:
        index: Its place in the cohort.
        members: The batch's persons.
        table: What was released of them, as `CohortRelease.table` states it.
        person_digests: As the entry names the persons.
        salts: Of those digests, as `Reply.salts`.
        receipt: Of the batch's own entry.
    """

    index: int
    members: tuple[Member, ...]
    table: pa.RecordBatch
    person_digests: list[bytes]
    salts: tuple[bytes, ...]
    receipt: ReceiptRef

    def persons(self) -> list[release_pb2.PersonRelease]:
        """The same as a single question's release says it, a person at a time."""
        return person_releases(self.table, self.person_digests)


@dataclass(frozen=True, slots=True)
class Objected:
    """An objection as the node keeps it, and what it destroyed.

    Attributes:
        kept_until: When the node forgets who objected.
        receipt: The entry that says so; the next says what was destroyed, where anything was.
        releases: Releases destroyed; `outputs`: deposits that rested on them.
    """

    purposes: tuple[str, ...]
    kept_until: datetime
    receipt: ReceiptRef
    releases: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Contest:
    """A line of an answer that its person contests.

    Attributes:
        question: What was asked, and `reply` what came.
        person: Place of the person in the question.
        month: Of the line; `source` and `version` as the release names them.
        says: In the person's words.
        amount_cents: What they say is right; None: they give no amount.
    """

    question: AskFor
    reply: Reply
    person: int
    month: Month
    source: str
    version: int
    says: str
    amount_cents: int | None


@dataclass(frozen=True, slots=True)
class CohortReply:
    """The decision on a cohort's statement; parts follow only if it permits."""

    reply: Reply
    parts: Iterator[CohortPart]


@dataclass(frozen=True, slots=True)
class Change:
    """What a holder told of an answer: it would be another now, in these periods.

    Attributes:
        periods: As the answer had them: YYYYMM; YYYY; 0 for what is current; a total's first month.
        statement_hash: Of the question whose answer it was.
        answer: The entry of that answer, under the head the telling was proved under at least.
        told_leaf: The holder's entry that tells it.
    """

    holder: BodyId
    dataset: str
    periods: tuple[int, ...]
    statement_hash: bytes
    answer: ReceiptRef
    told_leaf: int


@dataclass(frozen=True, slots=True)
class ChangedClaim:
    """A claim with changes that no later decision took in.

    Attributes:
        case_leaf_hash: Of its latest case that has a change.
        persons: Role and NIR of each person of that case, in its order.
    """

    reference: str
    month: Month
    case_leaf_hash: bytes
    persons: tuple[tuple[str, Nir], ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The claims with changes; and the holders that could not be asked, with the reason."""

    claims: tuple[ChangedClaim, ...]
    unheard: Mapping[BodyId, CloisonError]


class Gateway(Protocol):
    """A program's door to its own body's node, and to nothing else."""

    @property
    def activity(self) -> str:
        """The activity whose keys sign."""

    def open_cases(
        self, case_type: str, month: Month, references: Sequence[str] = (), most: int = 0
    ) -> Iterator[OpenedCase]:
        """A case per claim or file, as the activity's record says; a live one is given again.

        Where none is named, one for each that the record opens such cases over, at most `most`
        of them (0: all). Households without a claim come once a month, unless they were set aside.
        """

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        """Answers in order; each receipt checked and seal opened, or the reply says why not."""

    def ask_many(
        self,
        question: AskFor,
        persons: Iterator[Member],
        size: int,
        promise: CasePromise | None = None,
    ) -> CohortReply:
        """One statement about `size` persons. `question.persons` is empty."""

    def deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        """Writes outputs of the activity, each with the labels of every answer it cites."""

    def contest(self, contest: Contest) -> ReceiptRef:
        """Passes a contestation on to the line's holder; where it stands in the holder's ledger."""

    def changes(self) -> Changes:
        """Hears the holders, then gives the claims with changes not yet taken in."""

    def close_cases(self, cases: Sequence[OpenedCase], outcome: str) -> None:
        """Closes the cases, each as one of `ClosedAs`."""

    def give_notice(self, cases: Sequence[OpenedCase], notice: str) -> list[ReceiptRef]:
        """Says that the persons of the cases were told what a permit obliged to tell them."""

    def destroy(self, cases: Sequence[OpenedCase], why: str) -> list[ReceiptRef]:
        """What the cases brought is destroyed, and they end; the entry that says so, of each.

        `why` is `no-entitlement` or `set-aside`.
        """
