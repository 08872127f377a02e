"""What a program checks of a cohort's answers: it does not take its own node's word."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

import pytest
from tests.federation import CAF, CNAV, Federation, Program
from tests.unit.wire.test_wire_cohort import Answer, Cohort, decide_as, only

from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import parse_statement
from cloison.identity import parse_nir
from cloison.law.question import Outcome
from cloison.v1 import gateway_service_pb2, receipt_pb2, release_pb2, statement_pb2
from cloison.wire import cohort_client
from cloison.wire.cohort import Batch
from cloison.wire.cohort_client import Batches, CohortStream, PartOpener, open_parts
from cloison.wire.gateway import Member

Request = gateway_service_pb2.GatewayServiceAskManyRequest
Response = gateway_service_pb2.GatewayServiceAskManyResponse
# No commune is numbered 000: this number can be nobody's.
SOMEBODY = Member("", parse_nir("285067500000113"), "Dupont", date(1985, 6, 1))


class Said(list[Response]):
    """A call's answers, as gRPC hands them on."""

    def cancel(self) -> None:
        """Nothing runs."""


class Node:
    """A body's own node: the decision, then what it says of the runs it was sent."""

    def __init__(self, *said: Response) -> None:
        self._said = said

    def AskMany(self, requests: Iterable[Request]) -> Said:  # noqa: N802 - gRPC's
        next(iter(requests))
        return Said(self._said)


class Opening:
    """What is sealed holds: only what the node says beside it is doubted."""

    def open(self, *_: object) -> None:
        """Opened."""


def answered(index: int, *, last: bool) -> Response:
    """One batch answered, its place and flag as the node says."""
    answer = gateway_service_pb2.CohortAnswer(index=index, last=last)
    return Response(run=gateway_service_pb2.CohortRunAnswer(batches=[answer]))


DECIDED = Response(header=receipt_pb2.Answer())


def ask(*said: Response) -> str:
    """Asks that node about two batches of one; why it is given up, if it is."""
    batches = Batches(iter([SOMEBODY] * 2), 2, 1)
    for _ in batches.requests(statement_pb2.SignedStatement()):  # all is sent
        pass
    stream = CohortStream(cast("Any", Node(*said)), statement_pb2.SignedStatement(), batches)
    try:
        stream.header()
        list(open_parts(stream, batches, cast("PartOpener", Opening())))
    except PeerError as error:
        return error.reason
    return ""


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut is not waited out."""
    monkeypatch.setattr(cohort_client, "_TRIES", 2)
    monkeypatch.setattr(cohort_client, "_PAUSE_SECONDS", 0.0)


SAID = {
    "ended before the decision": ((), "COHORT_CUT"),
    "ended without a batch": ((DECIDED,), "COHORT_CUT"),
    "said to be the last before it is": ((DECIDED, answered(0, last=True)), "BAD_ANSWER"),
    "the second before the first": ((DECIDED, answered(1, last=True)), "BAD_ANSWER"),
    "a place nobody asked about": ((DECIDED, answered(7, last=False)), "BAD_ANSWER"),
}


@pytest.mark.parametrize("name", SAID)
def test_cohort_of_a_node_that_ends_it_otherwise_is_refused(name: str) -> None:
    said, reason = SAID[name]
    assert ask(*said) == reason


def test_cohort_of_a_node_that_says_where_it_ends_is_opened() -> None:
    assert ask(DECIDED, answered(0, last=False), answered(1, last=True)) == ""


@dataclass(frozen=True)
class Opened:
    """The first of two batches of one person, as their program gets it from real nodes."""

    opener: PartOpener
    answer: Answer
    digests: list[bytes]

    def again(self, **changes: Any) -> str:
        """Why it is not opened with something else in its place; empty if it is."""
        opener = replace(self.opener, label=changes.pop("label", self.opener.label))
        batch = Batch(changes.pop("index", 0), last=False, first=0, end=1)
        try:
            digests = changes.pop("digests", self.digests)
            opener.open(batch, self.answer, (), digests, [bytes(32)])
        except CloisonError as error:
            return error.reason
        return ""


@pytest.fixture
def opened(federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)
    decide_as(monkeypatch, Outcome.PERMIT)
    cohort = Cohort(ppa)
    header = cohort.header()
    _, first, _ = cohort.ask(cohort.plain(), header)
    statement = parse_statement(header.statement)
    heads = federation.node(CAF).heads.of(CNAV)
    opener = PartOpener(ppa.opener, statement, cohort.open(first)[0], heads)
    part = parse_entry(only(first).receipt.entry).cohort_part
    return Opened(opener, only(first), list(part.person_digests))


def test_batch_is_opened_only_for_its_persons_in_its_place_under_its_label(opened: Opened) -> None:
    assert opened.again() == ""
    assert opened.again(digests=[bytes(32)]) == "BAD_RECEIPT"
    assert opened.again(index=1) == "BAD_RECEIPT"
    assert opened.again(label=release_pb2.Label()) == "BAD_SEAL"
