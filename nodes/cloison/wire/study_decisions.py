"""What a body decides of a study it gives no rows to: every statement that moves rows.

Who joins and who makes pseudonyms hold none of the data: no text read says what they may do but
what the statements themselves ask. So they decide these very statements by their own law, as the
holders do, and take part only if each is permitted here too. Their decisions stand in their
registers: traces hold what is answered from one's own data.
"""

from collections.abc import Sequence
from hashlib import sha256

from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import decided_of
from cloison.exchange.statement import TableQuestion
from cloison.exchange.values import decision_from_proto
from cloison.identity import Peer
from cloison.law.question import Decision
from cloison.statistics.declared import Question
from cloison.v1 import entry_pb2, statement_pb2
from cloison.wire.answering import Heard, decide_population
from cloison.wire.holder import Holder
from cloison.wire.statistics_desk import months_of


def decide_beside(
    holder: Holder,
    peer: Peer,
    signed: Sequence[statement_pb2.SignedStatement],
    question: Question,
) -> list[entry_pb2.Decided]:
    """A decision on each statement of the study.

    Raises:
        InputError: `MALFORMED`: not one of each dataset of the table, for who holds it.
        PeerError: as `Holder.hear_beside`; `NOT_YOURS`: not the activity that speaks.
    """
    limits.check_count("statements", len(signed), 1, len(question.whole.reads()))
    call = holder.call(peer.body, b"", b"")
    heard = [holder.hear_beside(call, one) for one in signed]
    if any(one.statement.question.activity != peer.activity for one in heard):
        raise PeerError("NOT_YOURS", "statement: of another activity than speaks")
    if [_said(one) for one in heard] != _due(question):
        raise InputError("MALFORMED", "statements: not what the study is made of, holder by holder")
    persons = question.table.persons
    return [decided_of(decide_population(call, one, persons)) for one in heard]


def refusal_of(decided: Sequence[entry_pb2.Decided]) -> Decision | None:
    """The first that is no permit."""
    made = (decision_from_proto(one.decision) for one in decided)
    return next((one for one in made if not one.permitted), None)


def hashes_of(decided: Sequence[entry_pb2.Decided]) -> list[bytes]:
    """Of each statement."""
    return [sha256(one.signed.statement).digest() for one in decided]


def _said(heard: Heard) -> tuple[object, ...]:
    asked = heard.statement.question
    return (
        heard.statement.table,
        heard.statement.holder,
        asked.dataset,
        asked.fields,
        asked.first_month,
        asked.last_month,
    )


def _due(question: Question) -> list[tuple[object, ...]]:
    whole = question.whole
    asked = TableQuestion(whole.id, question.period, str(question.epsilon))
    months = months_of(whole, question.period)
    sources = whole.link.sources if whole.link is not None else ()
    fields = whole.reads()
    return [(asked, one.holder, one.dataset, fields[one.dataset], *months) for one in sources]
