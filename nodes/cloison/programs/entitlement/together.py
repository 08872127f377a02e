"""Many cases' questions as cohorts: one statement for each shape of question, whoever it is about.

The answers are those of single questions, person by person; where they stand are the entries of
the batches the persons came in.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cloison.errors import CloisonError, PeerError
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, CasePromise, CohortReply, Gateway, ReceiptRef, Reply

FEWEST_PERSONS = 50
"""Fewer are asked about one by one: a cohort has a statement and a stream of its own."""

_VERSION = 1


@dataclass(slots=True)
class _Gathered:
    """A question's answer as it comes, person by person."""

    persons: list[release_pb2.PersonRelease] = field(default_factory=list)
    receipts: list[ReceiptRef] = field(default_factory=list)
    salts: list[bytes] = field(default_factory=list)
    parts: dict[int, None] = field(default_factory=dict)


def ask_together(
    gateway: Gateway, questions: Sequence[AskFor], promise: CasePromise
) -> list[Reply]:
    """A reply for each question, in order; those of a shape too few to matter are asked singly.

    Args:
        gateway: The program's door.
        questions: Each under a case, whose members it names.
        promise: What all those cases are.
    """
    replies: list[Reply | None] = [None] * len(questions)
    shapes: dict[AskFor, list[int]] = defaultdict(list)
    for place, question in enumerate(questions):
        shapes[replace(question, persons=(), case=None)].append(place)
    single: list[int] = []
    for shape, places in shapes.items():
        asked = [questions[place] for place in places]
        if sum(len(one.persons) for one in asked) < FEWEST_PERSONS:
            single += places
            continue
        for place, reply in zip(places, _ask_shape(gateway, shape, asked, promise), strict=True):
            replies[place] = reply
    for place, reply in zip(
        single, gateway.ask([questions[place] for place in single]), strict=True
    ):
        replies[place] = reply
    return [reply for reply in replies if reply is not None]


def _ask_shape(
    gateway: Gateway, shape: AskFor, questions: Sequence[AskFor], promise: CasePromise
) -> list[Reply]:
    persons = [member for question in questions for member in question.persons]
    answered = gateway.ask_many(shape, iter(persons), len(persons), promise)
    reply = answered.reply
    if reply.decision is None or not reply.decision.permitted:
        return [reply] * len(questions)
    gathered = [_Gathered() for _ in questions]
    cut: CloisonError | None = None
    try:
        _gather(answered, questions, gathered)
    except CloisonError as error:
        cut = error
    fields = sorted(shape.fields)
    return [
        _reply(reply, question, one, fields)
        if len(one.persons) == len(question.persons)
        else Reply(reply.statement_hash, None, None, None, cut or _missing())
        for question, one in zip(questions, gathered, strict=True)
    ]


def _gather(
    answered: CohortReply, questions: Sequence[AskFor], gathered: Sequence[_Gathered]
) -> None:
    turns: Iterator[_Gathered] = (
        one for question, one in zip(questions, gathered, strict=True) for _ in question.persons
    )
    for part in answered.parts:
        for person, salt in zip(part.persons(), part.salts, strict=True):
            one = next(turns)
            one.persons.append(person)
            one.salts.append(salt)
            one.receipts.append(part.receipt)
            one.parts[part.index] = None


def _reply(reply: Reply, question: AskFor, one: _Gathered, fields: Sequence[str]) -> Reply:
    release = release_pb2.Release(
        version=_VERSION,
        statement_hash=reply.statement_hash,
        fields=fields,
        persons=one.persons,
    )
    return Reply(
        reply.statement_hash,
        reply.decision,
        one.receipts[0] if question.persons else reply.receipt,
        release,
        salts=tuple(one.salts),
        parts=tuple(one.parts),
        person_receipts=tuple(one.receipts),
    )


def _missing() -> PeerError:
    return PeerError("COHORT_CUT", "cohort: a person is in no batch", "ask anew")
