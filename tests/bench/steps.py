"""Where the time of a question goes: each step alone, in one process, while no node runs.

Both nodes' state is opened here as a node opens it; every question is new to them. The steps are
those of `cloison.wire`, called one by one with a stopwatch between; beside them, the whole call.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns

from tests.bench.asking import ACTIVITY, HOLDER, Program
from tests.bench.report import Step

from cloison.bodies import BodyId
from cloison.cli.places import Place
from cloison.cli.root import read_policy
from cloison.exchange.entries import Made, decided_entry
from cloison.exchange.receipt import verify_answer
from cloison.exchange.release import build_release
from cloison.exchange.statement import check_persons, check_time, parse_statement
from cloison.identity import seal_secret
from cloison.law import PolicySet, decide
from cloison.law.decide import _decided
from cloison.v1 import receipt_pb2, statement_pb2
from cloison.wire.answering import Call, Heard, make_facts, make_label, seal
from cloison.wire.gateway import AskFor
from cloison.wire.holder import Holder
from cloison.wire.node import Node, system_clock
from cloison.wire.questions import check_and_open
from cloison.wire.requester import Forward, Requester
from cloison.wire.settings import NodeSettings, open_node
from cloison.wire.vault import utc_day

GROUP = 32
_GROUPS = 8
_SECRET_BYTES = 32
_NANOSECONDS = 1000

Items = Sequence[statement_pb2.AskItem]


@dataclass(slots=True)
class Stopwatch:
    """Times of one side, a list a step; `lap` ends a step and begins the next."""

    side: str
    times: dict[str, list[float]] = field(default_factory=dict)
    _began: int = 0

    def start(self) -> None:
        """What was before is not counted."""
        self._began = perf_counter_ns()

    def lap(self, name: str, questions: int = 1) -> None:
        """The time since the last lap, shared by so many questions, was that step's."""
        spent = perf_counter_ns() - self._began
        self.times.setdefault(name, []).append(spent / _NANOSECONDS / questions)
        self._began = perf_counter_ns()

    def steps(self) -> Iterator[Step]:
        """The median of each step, in the order they were first taken."""
        return (Step(self.side, name, median(times)) for name, times in self.times.items())


@dataclass(frozen=True, slots=True)
class Both:
    """The two nodes, opened here."""

    requester: Node
    holder: Node

    def close(self) -> None:
        """Closes both."""
        self.requester.close()
        self.holder.close()


def open_both(place: Place, requester: BodyId) -> Both:
    """The nodes of `place`, which must not run."""
    policy = PolicySet.parse(read_policy(place.root))

    def opened(body: BodyId) -> Node:
        state = NodeSettings(body, place.root, place.keys, place.var / body, {}, quorum="none")
        return open_node(state, policy, system_clock)

    return Both(opened(requester), opened(HOLDER))


def measure(both: Both, program: Program, asks: Sequence[AskFor]) -> list[Step]:
    """Every step of the program, of its node and of the holder."""
    chosen = [asks[place % len(asks)] for place in range(GROUP * _GROUPS)]
    client, own, holder = Stopwatch("program"), Stopwatch("own node"), Stopwatch("holder")
    for group in _built(client, program, chosen):
        _hold(holder, both, group)
    for group in _built(client, program, chosen):
        _exchange(client, own, holder, both, program, group)
    return [*client.steps(), *own.steps(), *holder.steps()]


def _built(watch: Stopwatch, program: Program, asks: Sequence[AskFor]) -> Iterator[Items]:
    for start in range(0, len(asks), GROUP):
        items = []
        watch.start()
        for ask in asks[start : start + GROUP]:
            items.append(program.build(ask)[1])
            watch.lap("build and sign the statement")
        yield items


def _hold(watch: Stopwatch, both: Both, items: Items) -> None:
    """The holder's steps, as `Holder.answer` takes them."""
    node, holder = both.holder, Holder(both.holder)
    head = both.requester.traces.checkpoint()
    watch.start()
    call = holder.call(both.requester.body, node.policy.hash, head)
    watch.lap("peer's head", GROUP)
    call.secrets[ACTIVITY] = (
        (secret := os.urandom(_SECRET_BYTES)),
        seal_secret(node.activities[ACTIVITY], secret),
    )
    watch.lap("wrap the call's secret", GROUP)
    entries = []
    with node.vault.transaction():
        for item in items:
            heard = _hear(watch, holder, node, call, item)
            entries.append(_answer(watch, holder, node, call, heard, item))
        watch.start()
    watch.lap("vault on disk", GROUP)
    node.traces.append_many(entries)
    watch.lap("ledger on disk, head signed", GROUP)
    node.index.catch_up()
    watch.lap("index", GROUP)
    for place in range(node.traces.size - GROUP, node.traces.size):
        node.receipt(place)
    watch.lap("receipts", GROUP)


def _hear(
    watch: Stopwatch, holder: Holder, node: Node, call: Call, item: statement_pb2.AskItem
) -> Heard:
    watch.start()
    statement = parse_statement(item.statement.statement)
    watch.lap("parse")
    node.index.first("decided", statement.hash)
    watch.lap("asked before?")
    keys = holder._check_activity(statement, item.statement)
    watch.lap("verify the signature")
    check_time(statement, call.now)
    nirs = check_persons(statement.person_digests, item.persons)
    watch.lap("time and digest")
    persons = holder._keep(statement, nirs, item.persons, call.now)
    watch.lap("keep salt and NIR")
    return Heard(statement, item.statement, persons, keys)


def _answer(
    watch: Stopwatch,
    holder: Holder,
    node: Node,
    call: Call,
    heard: Heard,
    item: statement_pb2.AskItem,
) -> bytes:
    statement = heard.statement
    watch.start()
    proved = holder._prove(statement, item)
    watch.lap("case proof")
    before = node.index.count("case", proved.leaf_hash)
    watch.lap("questions before")
    facts = make_facts(call, statement, proved.facts(item.persons, before))
    watch.lap("facts")
    _decided.cache_clear()
    watch.start()
    decide(node.policy, statement.question, facts, call.now)
    watch.lap("decide, not cached")
    decide(node.policy, statement.question, facts, call.now)
    watch.lap("decide, cached")
    facts, decision = holder.decide(call.policy, heard, facts, call.now)
    watch.lap("decide, with person facts")
    data = holder.fetch(heard, call.now)
    watch.lap("fetch")
    label = make_label(statement, decision, call.now)
    release = build_release(statement, label, statement.person_digests, data)
    watch.lap("build the release")
    sealed = seal(call, heard, release.SerializeToString())
    watch.lap("seal")
    kept = receipt_pb2.Answer(sealed_release=sealed).SerializeToString()
    node.vault.keep_answer(statement.hash, kept, call.now)
    watch.lap("keep the answer")
    traced = [person.row_key for person in heard.persons]
    traces = node.vault.trace_keys(traced, utc_day(call.now))
    watch.lap("trace keys")
    made = Made(
        statement,
        heard.signed,
        call.peer,
        facts,
        decision,
        node.policy.hash,
        call.peer_checkpoint_hash,
    )
    entry = decided_entry(made, sealed, label, traces, call.now)
    watch.lap("build the entry")
    return entry


def _exchange(
    client: Stopwatch,
    own: Stopwatch,
    holding: Stopwatch,
    both: Both,
    program: Program,
    items: Items,
) -> None:
    """One call of `GROUP` questions: what the own node, the holder and the program do with it."""
    node, holder = both.requester, Holder(both.holder)
    requester = Requester(node, Holder(node), {HOLDER: None})  # type: ignore[dict-item]
    group: list[Forward] = []
    own.start()
    for item in items:
        group.append(requester._read(ACTIVITY, item))
        own.lap("read and check the statement")
    requester._write_asked(group, node.clock())
    own.lap("`asked` on disk", GROUP)
    holding.start()
    call = holder.call(node.body, both.holder.policy.hash, node.traces.checkpoint())
    answers = holder.answer(call, items)
    holding.lap(f"the call as a whole, {GROUP} questions", GROUP)
    heads = node.heads.of(HOLDER)
    own.start()
    checked = []
    for one, answer in zip(group, answers, strict=True):
        checked.append((answer, verify_answer(answer, one.statement.raw, heads)))
        own.lap("check the receipt")
    requester._write_received(HOLDER, group, checked)
    own.lap("`received` on disk", GROUP)
    client.start()
    for one, answer in zip(group, answers, strict=True):
        check_and_open(program.opener, HOLDER, one.statement.raw, answer, program.heads.of(HOLDER))
        client.lap("check the receipt and open")
