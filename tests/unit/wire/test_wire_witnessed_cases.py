"""Cases count under heads that enough witnesses saw; answering stops when they are silent."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import grpc
import pytest
from tests.federation import (
    BODIES,
    CAF,
    CNAV,
    MONTH,
    Aborted,
    Federation,
    Program,
    run,
)

from cloison.bodies import BodyId
from cloison.cases.proof import CaseKind, ProvedCase
from cloison.errors import InputError, PeerError
from cloison.exchange.replay import Replayer
from cloison.exchange.statement import to_milliseconds
from cloison.ledger.checkpoint import Checkpoint, sign_checkpoint
from cloison.ledger.note import parse_note
from cloison.ledger.reader import WITNESSED
from cloison.v1 import cases_service_pb2, statement_pb2
from cloison.wire import client, servicers
from cloison.wire.cases import CaseDesk
from cloison.wire.cohort_cases import CohortCases
from cloison.wire.gateway import OpenedCase
from cloison.wire.publishing import _require_reachable, send_heads
from cloison.wire.settings import trust_of
from cloison.wire.witnessing import HeadSender

DAY = timedelta(days=1)


class Witnesses:
    """The witnesses of the four nodes, reached without HTTP; any may be down or never answer."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.down: set[str] = set()
        self.hanging: set[str] = set()
        self._senders: dict[BodyId, HeadSender] = {}

    async def submit(self, url: str, body: bytes) -> tuple[int, bytes]:
        name = url.removeprefix("http://").partition(".")[0]
        await asyncio.sleep(0)
        if name in self.hanging:
            await asyncio.Event().wait()
        if name in self.down or name not in BODIES:
            raise OSError("nobody listens")
        reply = self.federation.node(BodyId(name)).witness.add_checkpoint(body)
        return reply.status, reply.body

    def sender(self, body: BodyId) -> HeadSender:
        if body not in self._senders:
            node, trust = self.federation.node(body), trust_of(self.federation.settings(body))
            seconds = lambda: int(node.clock().timestamp())  # noqa: E731 - one line
            self._senders[body] = HeadSender(
                node.traces, body, trust, node.seen, self.submit, seconds
            )
        return self._senders[body]

    def see(self, *bodies: BodyId) -> None:
        """Each of these sends its head, once."""
        for body in bodies:
            run(self.sender(body).send())

    def open_case(self, reference: str = "C1") -> OpenedCase:
        """A claim's case at caf, with its head witnessed while the program waits."""
        return run(self.opening(reference))

    async def opening(self, reference: str = "C1") -> OpenedCase:
        node, stop = self.federation.node(CAF), asyncio.Event()
        sending = asyncio.create_task(send_heads([self.sender(CAF)], stop))
        request = cases_service_pb2.OpenRequest(
            type="claim", month=MONTH.number, references=[reference]
        )
        try:
            service = servicers.Cases(node, CaseDesk(node))
            context = self.federation.context(CAF, "caf-ppa")
            return client._opened(await anext(service.Open(request, context)))
        finally:
            stop.set()
            await sending
            await self.sender(CAF).close()


@pytest.fixture
def witnesses(federation: Federation) -> Witnesses:
    federation.quorum = "peers"
    return Witnesses(federation)


def reason(program: Program, case: OpenedCase | None) -> str:
    """Of the decision, or of what came before one."""
    (reply,) = program.ask(program.question(case))
    return reply.decision.reason if reply.decision else cast("Any", reply.failure).reason


def test_case_opened_under_a_quorum_is_answered(witnesses: Witnesses, ppa: Program) -> None:
    witnesses.see(CAF, CNAV)
    case = witnesses.open_case()
    assert reason(ppa, case) == "PERMITTED"
    (entry,) = witnesses.federation.entries(CNAV, "decided")
    seen = entry.decided.facts.witnessing
    assert (seen.quorum_none, seen.own_seconds, seen.case_seconds) == (False, 0, 0)


def test_open_case_returns_a_head_over_it_that_enough_saw(witnesses: Witnesses) -> None:
    proof = statement_pb2.CaseProof.FromString(witnesses.open_case().proof)
    seen = witnesses.federation.node(CNAV).peer_heads.of(CAF)(proof.checkpoint)
    assert seen.head.size > proof.leaf_index
    assert seen.seconds == int(witnesses.federation.clock().timestamp())


@pytest.mark.parametrize("trouble", ["down", "hanging"])
def test_open_case_waits_for_no_witness_beyond_the_quorum(
    witnesses: Witnesses, trouble: str
) -> None:
    getattr(witnesses, trouble).add("msa")

    async def both() -> float:
        begun = asyncio.get_running_loop().time()
        await witnesses.opening("C1")
        await witnesses.opening("C2")
        return asyncio.get_running_loop().time() - begun

    assert run(both()) < 4.0  # who hangs is given five seconds each time


def test_open_case_with_too_few_witnesses_is_unavailable_and_later_the_same_case(
    witnesses: Witnesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.wire.seen._REACH_SECONDS", 0.05)
    witnesses.down = {"cnav", "dgfip"}
    with pytest.raises(Aborted) as caught:
        witnesses.open_case()
    assert (caught.value.code, caught.value.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "NOT_WITNESSED",
    )
    witnesses.down.clear()
    case = witnesses.open_case()
    (opened,) = witnesses.federation.entries(CAF, "case_opened")
    proof = statement_pb2.CaseProof.FromString(case.proof)
    assert proof.entry == opened.SerializeToString(deterministic=True)


def unseen(case: OpenedCase, federation: Federation) -> OpenedCase:
    """Its proof under a head that no witness saw, signed by its ledger all the same."""
    node = federation.node(CAF)
    proof = statement_pb2.CaseProof.FromString(case.proof)
    receipt = node.receipt(proof.leaf_index)
    proof.hashes[:] = receipt.hashes
    proof.checkpoint = receipt.checkpoint
    return replace(case, proof=proof.SerializeToString())


def with_lines(case: OpenedCase, keep: Callable[[str], bool]) -> OpenedCase:
    """Its proof's head with some of its signature lines only."""
    proof = statement_pb2.CaseProof.FromString(case.proof)
    note = parse_note(proof.checkpoint)
    lines = tuple(one for one in note.signatures if keep(one.name))
    proof.checkpoint = replace(note, signatures=lines).encode()
    return replace(case, proof=proof.SerializeToString())


def swapped(case: OpenedCase, _: Federation) -> OpenedCase:
    """One witness's cosignature under another's name."""
    proof = statement_pb2.CaseProof.FromString(case.proof)
    note = parse_note(proof.checkpoint)
    own, first, second, *rest = note.signatures
    lines = (own, replace(first, signature=second.signature), second, *rest)
    proof.checkpoint = replace(note, signatures=lines).encode()
    return replace(case, proof=proof.SerializeToString())


BAD_HEADS: dict[str, tuple[Callable[[OpenedCase, Federation], OpenedCase], str]] = {
    "seen by nobody": (unseen, "CASE_NOT_WITNESSED"),
    "seen by one": (
        lambda case, _: with_lines(case, lambda name: name.startswith(("caf.", "cnav."))),
        "CASE_NOT_WITNESSED",
    ),
    "cosignatures swapped": (swapped, "BAD_CASE_PROOF"),
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_case_under_a_head_too_few_saw_is_refused(
    witnesses: Witnesses, ppa: Program, name: str
) -> None:
    witnesses.see(CNAV)
    change, expected = BAD_HEADS[name]
    case = change(witnesses.open_case(), witnesses.federation)
    assert reason(ppa, case) == expected


def test_case_under_a_head_seen_a_day_ago_is_refused_and_opened_again_is_answered(
    witnesses: Witnesses, ppa: Program
) -> None:
    case = witnesses.open_case()
    witnesses.federation.clock.now += DAY
    witnesses.see(CNAV)
    assert reason(ppa, case) == "PERMITTED"
    witnesses.federation.clock.advance(seconds=1)
    assert reason(ppa, case) == "CASE_HEAD_TOO_OLD"
    witnesses.see(CAF)
    assert reason(ppa, witnesses.open_case()) == "PERMITTED"


def test_holder_no_witness_ever_saw_answers_nothing(witnesses: Witnesses, ppa: Program) -> None:
    assert reason(ppa, witnesses.open_case()) == "WITNESSES_SILENT"
    witnesses.see(CNAV)
    assert reason(ppa, witnesses.open_case()) == "PERMITTED"


def test_holder_started_again_remembers_when_it_was_seen(
    witnesses: Witnesses, ppa: Program
) -> None:
    witnesses.see(CNAV)
    case = witnesses.open_case()
    witnesses.federation.restart(CNAV)
    witnesses.federation.clock.advance(hours=20)
    assert reason(ppa, case) == "PERMITTED"


def test_holder_restored_from_a_backup_is_refused_by_witnesses_and_stops_answering(
    witnesses: Witnesses, ppa: Program
) -> None:
    """The kept head is of entries the restored ledger lacks, so it is not taken either."""
    witnesses.see(CNAV)
    node = witnesses.federation.node(CNAV)
    longer = Checkpoint(node.traces.origin, node.traces.size + 5, bytes(32))
    note = sign_checkpoint(longer, node.traces._signer)
    (node.traces.directory / WITNESSED).write_bytes(note)
    witnesses.federation.restart(CNAV)
    assert witnesses.federation.node(CNAV).seen.newest() == b""
    assert reason(ppa, witnesses.open_case()) == "WITNESSES_SILENT"


def test_federation_without_witnesses_says_so_in_each_entry(
    federation: Federation, ppa: Program
) -> None:
    assert reason(ppa, ppa.open_case()) == "PERMITTED"
    (entry,) = federation.entries(CNAV, "decided")
    assert entry.decided.facts.witnessing.quorum_none


def test_proof_from_who_asks_for_no_witness_does_not_pass_who_does(
    witnesses: Witnesses, ppa: Program
) -> None:
    witnesses.see(CNAV)
    case = witnesses.open_case()
    assert reason(ppa, unseen(case, witnesses.federation)) == "CASE_NOT_WITNESSED"


def test_node_whose_witnesses_publish_nowhere_does_not_start(witnesses: Witnesses) -> None:
    settings = replace(witnesses.federation.settings(CAF), published={})
    with pytest.raises(InputError) as caught:
        _require_reachable(CAF, trust_of(settings))
    assert caught.value.reason == "NO_WITNESS"
    assert 'quorum = "none"' in caught.value.hint


def test_replay_tells_apart_what_witnesses_alone_decided(
    witnesses: Witnesses, ppa: Program
) -> None:
    assert reason(ppa, witnesses.open_case()) == "WITNESSES_SILENT"
    witnesses.see(CNAV)
    assert reason(ppa, witnesses.open_case()) == "PERMITTED"
    silent, permitted = witnesses.federation.entries(CNAV, "decided")
    replayer = Replayer(lambda _: witnesses.federation.policy)
    assert [replayer.decided(one) for one in (silent, permitted, silent, permitted)] == [""] * 4
    permitted.decided.facts.witnessing.own_seconds = 86_401
    assert "WITNESSES_SILENT" in replayer.decided(permitted)
    permitted.decided.facts.witnessing.own_seconds = 0
    permitted.decided.facts.witnessing.ClearField("case_seconds")
    assert "CASE_NOT_WITNESSED" in replayer.decided(permitted)


def test_batch_of_cases_no_witness_saw_is_refused(federation: Federation) -> None:
    """The holder of a cohort asks for witnesses; who proves its cases showed them to none."""
    call = federation.holder(CNAV).call(CAF, federation.policy.hash, b"")
    cases = CohortCases(federation.node(CNAV), call)
    now = federation.clock()
    begun = to_milliseconds(now)
    end = to_milliseconds(now + DAY)
    kind = CaseKind("claim", "caf-ppa", MONTH)
    case = ProvedCase(bytes(32), kind, begun, begun, end, (), None)
    seconds = int(now.timestamp())
    cases._node.seen._trust = trust_of(replace(federation.settings(CNAV), quorum="peers"))
    reasons = []
    for seen in (None, seconds - 86_401, seconds - 86_400):
        try:
            cases._require_seen([case._replace(seen_seconds=seen)], now)
            reasons.append("")
        except PeerError as error:
            reasons.append(error.reason)
    assert reasons == ["CASE_NOT_WITNESSED", "CASE_HEAD_TOO_OLD", ""]
