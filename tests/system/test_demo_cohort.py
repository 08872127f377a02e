"""A cohort the law permits, across real processes of that day: each person answered and traced.

One text ever opened the monthly resources of the cnav to a whole cohort, for a year: décret
2024-50. The nodes here run with their clock in that year; nothing else is unlike those of today.
"""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.system.conftest import ROOT, Federation, spare
from tests.unsafe.unsafe_clock import UnsafeClock

from cloison.bodies import BodyId
from cloison.cli.federation import has_ended, launch_node, running_pid, start, stop
from cloison.cli.places import NodeAt, Place, read_nodes
from cloison.cli.vkeys import load_vkey
from cloison.errors import PeerError
from cloison.exchange.receipt import Checked, verify_part
from cloison.identity import parse_nir
from cloison.law import Outcome
from cloison.law.question import Decision
from cloison.ledger.reader import EntryReader, LedgerReader
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.programs.persons_file import read_persons
from cloison.programs.targeting import Wish
from cloison.programs.targeting_model import load_model
from cloison.v1 import release_pb2
from cloison.v1.entry_pb2 import CohortPart as PartEntry
from cloison.v1.entry_pb2 import Entry
from cloison.wire import client, cohort_client
from cloison.wire.client import GatewayClient, connect
from cloison.wire.gateway import AskFor, CohortPart, Member, Reply

OPEN_DAY = date(2024, 6, 1)
SCORING = "caf-dmde"
FIRST, LAST = Month.of(2026, 3), Month.of(2026, 4)
LAUNCHER = ROOT / "tests/unsafe/unsafe_clock.py"
STRANGER = Member("applicant", parse_nir("185057500000048"), "Nobody", date(1985, 5, 7))
COHORT_BATCH = 250  # half the limit: the people here fill one such and part of another
INTERRUPTED_BATCHES = 64
WAIT_SECONDS = 30
BOTH_SIDES = ("caf", "cnav")
MOST_GROWN_BYTES = 16_000_000  # for 36,000 persons more: their salts and digests alone are that


@dataclass(frozen=True, slots=True)
class OpenYear:
    """The nodes of caf and cnav while the text is in force, and whom scoring asks about."""

    federation: Federation
    clock: UnsafeClock
    persons: tuple[Member, ...]

    @contextmanager
    def scoring(self) -> Iterator[GatewayClient]:
        """Scoring's door to its own node."""
        address = self.federation.node("caf").address
        with closing(
            connect(self.federation.place.keys, SCORING, ROOT, self.clock, address)
        ) as made:
            yield made

    def question(self) -> AskFor:
        """What scoring wants, about nobody yet."""
        record = self.federation.policy.activities[SCORING]
        return Wish(record, FIRST, LAST, load_model()).question()

    def start(self, nodes: Sequence[NodeAt]) -> None:
        """The nodes, at this clock."""
        start(self.federation.place, nodes, self._launch, within_seconds=60)

    def _launch(self, place: Place, body: BodyId) -> list[str]:
        return launch_node(place, body, (sys.executable, str(LAUNCHER), str(self.clock.days_back)))


@dataclass(frozen=True, slots=True)
class Answered:
    """A cohort's answer as the program got it, and the receipts it checked."""

    reply: Reply
    parts: tuple[CohortPart, ...]
    receipts: tuple[Checked, ...]

    @property
    def decision(self) -> Decision:
        """The decision, which must be there."""
        assert self.reply.decision is not None, self.reply.failure
        return self.reply.decision

    @property
    def people(self) -> list[release_pb2.PersonRelease]:
        """Everybody, in order."""
        return [person for part in self.parts for person in part.persons()]


@contextmanager
def receipts_kept() -> Iterator[list[Checked]]:
    """Every receipt of a batch that the program checks meanwhile."""
    kept: list[Checked] = []

    def keep(*given: Any, **named: Any) -> Checked:
        kept.append(verify_part(*given, **named))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort_client, "verify_part", keep)
        yield kept


def copy_store(loaded: Path, to: Path) -> None:
    """The store of a node that may be running."""
    with closing(sqlite3.connect(loaded)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def whom(people: Path) -> tuple[Member, ...]:
    """Everybody the cnav knows, of temporary number or objecting too; then two it cannot answer."""
    known = [person for (person,) in read_persons(people / "cnav/identities.csv")]
    return (*known, STRANGER, replace(known[0], birth_name="Misspelled"))


@pytest.fixture(scope="module", autouse=True)
def small_batches() -> Iterator[None]:
    """Programs send batches of `COHORT_BATCH`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "BATCH_PERSONS", COHORT_BATCH)
        yield


@pytest.fixture(scope="module")
def open_year(
    federation: Federation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenYear]:
    """Ledgers of their own, the data as they were loaded, two nodes that serve."""
    place = spare(federation, tmp_path_factory.mktemp("open-year"), "caf", "cnav")
    nodes = tuple(read_nodes(place, ["caf", "cnav"]))
    for node in nodes:
        copy_store(federation.node(node.body).folder / "store.sqlite", node.folder / "store.sqlite")
    made = OpenYear(
        replace(federation, place=place, nodes=nodes),
        UnsafeClock.at(OPEN_DAY),
        whom(federation.people),
    )
    made.start(nodes)
    yield made
    stop(nodes)


@pytest.fixture(scope="module")
def answered(open_year: OpenYear) -> Answered:
    """Everybody, asked as one cohort."""
    with open_year.scoring() as program, receipts_kept() as receipts:
        asked = program.ask_many(
            open_year.question(), iter(open_year.persons), len(open_year.persons)
        )
        return Answered(asked.reply, tuple(asked.parts), tuple(receipts))


@pytest.fixture(scope="module")
def single(open_year: OpenYear, answered: Answered) -> list[Reply]:
    """The same persons, each by a question of their own."""
    del answered  # asked before
    question = open_year.question()
    with open_year.scoring() as program:
        return program.ask([replace(question, persons=(one,)) for one in open_year.persons])


def test_cohort_in_the_open_year_is_permitted_with_obligations(answered: Answered) -> None:
    decision = answered.decision
    assert decision.outcome is Outcome.PERMIT_WITH_OBLIGATIONS
    assert decision.text == "decret-2024-50"
    assert {duty.kind for duty in decision.obligations} == {"flag", "notice"}


def test_cohort_batches_hold_everybody_asked(open_year: OpenYear, answered: Answered) -> None:
    count = len(open_year.persons)
    assert count > 300
    sizes = [len(part.members) for part in answered.parts]
    assert sizes == [COHORT_BATCH, count - COHORT_BATCH]


def test_cohort_answers_each_person_as_a_single_question_does(
    answered: Answered, single: list[Reply]
) -> None:
    differing = [
        place
        for place, (person, reply) in enumerate(zip(answered.people, single, strict=True))
        if reply.release and list(person.periods) != list(reply.release.persons[0].periods)
    ]
    declared = {
        record.source
        for person in answered.people
        for period in person.periods
        for record in period.records
    }
    assert differing == []
    assert declared


def test_cohort_labels_as_a_single_question_does(
    open_year: OpenYear, answered: Answered, single: list[Reply]
) -> None:
    label = next(reply.release for reply in single if reply.release).label
    found = [
        Entry.FromString(data).decided
        for _, data in entries(open_year.federation.node("cnav"))
        if Entry.FromString(data).decided.signed.statement
    ]
    (of_cohort,) = (
        one.label
        for one in found
        if sha256(one.signed.statement).digest() == answered.reply.statement_hash
    )
    assert of_cohort == label


def test_cohort_says_nothing_of_whom_a_single_question_is_refused(
    open_year: OpenYear, answered: Answered, single: list[Reply]
) -> None:
    refused = {place for place, reply in enumerate(single) if reply.release is None}
    reasons = {reply.decision and reply.decision.reason for reply in single if not reply.release}
    empty = {place for place, person in enumerate(answered.people) if not person.periods}
    last = len(open_year.persons) - 1
    assert empty == refused
    assert {last - 1, last} < refused
    assert len(refused) < len(single) / 2
    assert reasons == {"PERSON_NOT_ANSWERABLE"}


def entries(node: NodeAt) -> Iterator[tuple[int, bytes]]:
    """All of a node's ledger, as its files are now."""
    reader = EntryReader(node.folder / "ledger/traces")
    return reader.entries(0, reader.size)


def parts(node: NodeAt, statement_hash: bytes) -> list[PartEntry]:
    """A cohort's entries in a node's ledger, in order."""
    read = (Entry.FromString(data) for _, data in entries(node))
    return [one.cohort_part for one in read if one.cohort_part.statement_hash == statement_hash]


@pytest.mark.parametrize(("body", "peer"), [("cnav", "caf"), ("caf", "cnav")])
def test_cohort_has_an_entry_a_batch_in_the_ledgers_of_both(
    open_year: OpenYear, answered: Answered, body: str, peer: str
) -> None:
    found = parts(open_year.federation.node(body), answered.reply.statement_hash)
    places = [(part.batch_index, part.last, part.peer) for part in found]
    assert places == [(0, False, peer), (1, True, peer)]


@pytest.mark.parametrize("body", ["cnav", "caf"])
def test_cohort_entries_name_each_person_by_digest_and_trace_key(
    open_year: OpenYear, answered: Answered, body: str
) -> None:
    """INVARIANT: no release without a trace that each person it is about can find."""
    found = parts(open_year.federation.node(body), answered.reply.statement_hash)
    digests = [list(part.person_digests) for part in found]
    given = [part.person_digests for part in answered.parts]
    people = [[one.nir for one in batch] for batch in batches_of(open_year.persons)]
    assert digests == given
    assert sum(map(len, digests)) == len(open_year.persons)
    assert [len(set(part.trace_keys)) for part in found] == [len(set(some)) for some in people]
    assert [len(part.trace_keys) for part in found] == [len(set(some)) for some in people]


def batches_of(persons: Sequence[Member]) -> Iterator[Sequence[Member]]:
    """As the program sends them."""
    for begin in range(0, len(persons), COHORT_BATCH):
        yield persons[begin : begin + COHORT_BATCH]


def test_cohort_entries_of_both_ledgers_name_the_same_ciphertexts(
    open_year: OpenYear, answered: Answered
) -> None:
    statement_hash = answered.reply.statement_hash
    of_holder, of_requester = (
        [part.sealed_hash for part in parts(open_year.federation.node(body), statement_hash)]
        for body in ("cnav", "caf")
    )
    assert of_holder == of_requester


def test_cohort_receipts_name_the_entries_of_the_holders_ledger(
    open_year: OpenYear, answered: Answered
) -> None:
    kept = {index: leaf_hash(data) for index, data in entries(open_year.federation.node("cnav"))}
    assert len(answered.receipts) == len(answered.parts)
    assert {one.leaf_index: one.leaf_hash for one in answered.receipts}.items() <= kept.items()


def kill(node: NodeAt) -> None:
    """No time to do anything; gone when this returns."""
    pid = running_pid(node)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while not has_ended(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


Drawn = Callable[[int], None]
Received = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What a program had in the end of a cohort whose holder was killed, and what it was told."""

    parts: int
    reason: str
    receipts: tuple[Checked, ...]
    statement_hash: bytes


def interrupt(open_year: OpenYear, drawn: Drawn, received: Received) -> Interrupted:
    """A long cohort; `drawn` is told each person's place, `received` how many batches came.

    The same persons come again and again, each time under a new salt.
    """
    size = INTERRUPTED_BATCHES * COHORT_BATCH

    def persons() -> Iterator[Member]:
        for place, person in enumerate(islice(cycle(open_year.persons), size)):
            drawn(place)
            yield person

    count, reason = 0, ""
    with open_year.scoring() as program, receipts_kept() as receipts:
        asked = program.ask_many(open_year.question(), persons(), size)
        assert asked.reply.decision is not None
        assert asked.reply.decision.permitted
        try:
            for count, _ in enumerate(asked.parts, 1):
                received(count)
        except PeerError as error:
            reason = error.reason
    return Interrupted(count, reason, tuple(receipts), asked.reply.statement_hash)


def test_kill_of_the_holder_in_a_cohort_is_told_and_loses_no_acknowledged_entry(
    open_year: OpenYear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INVARIANT: an acknowledged entry survives a crash; a cut cohort is never taken for whole."""
    monkeypatch.setattr(cohort_client, "_PAUSE_SECONDS", 0.01)
    holder = open_year.federation.node("cnav")

    def received(count: int) -> None:
        if count == 2:
            kill(holder)

    cut = interrupt(open_year, lambda _: None, received)
    open_year.start([holder])
    kept = {index: leaf_hash(data) for index, data in entries(holder)}
    assert cut.reason == "PEER_UNAVAILABLE"
    assert 0 < cut.parts == len(cut.receipts) < INTERRUPTED_BATCHES
    assert {one.leaf_index: one.leaf_hash for one in cut.receipts}.items() <= kept.items()
    check_parts(open_year, cut)
    verify_ledgers(open_year)
    assert ask_anew(open_year) == len(open_year.persons)


@pytest.mark.parametrize("body", ["cnav", "caf"])
def test_cohort_goes_on_where_it_was_once_a_killed_node_serves_again(
    open_year: OpenYear, body: str
) -> None:
    """Each person is asked about once: one decision, one entry a batch in each ledger."""
    node, begun = open_year.federation.node(body), Event()

    def begin_again() -> None:
        open_year.start([node])
        begun.set()

    def received(count: int) -> None:
        if count == 2:
            kill(node)
            Thread(target=begin_again).start()

    whole = interrupt(open_year, lambda _: None, received)
    assert begun.wait(WAIT_SECONDS)
    assert (whole.reason, whole.parts) == ("", INTERRUPTED_BATCHES)
    for side in BOTH_SIDES:
        found = parts(open_year.federation.node(side), whole.statement_hash)
        assert [part.batch_index for part in found] == list(range(INTERRUPTED_BATCHES))
    decided = [
        data
        for _, data in entries(open_year.federation.node("cnav"))
        if whole.statement_hash == sha256(Entry.FromString(data).decided.signed.statement).digest()
    ]
    assert len(decided) == 1
    verify_ledgers(open_year)


def check_parts(open_year: OpenYear, cut: Interrupted) -> None:
    """No ledger says the cohort ended; the requester's has what the holder's has, or less."""
    of_holder, of_requester = (
        parts(open_year.federation.node(body), cut.statement_hash) for body in ("cnav", "caf")
    )
    hashes = [part.sealed_hash for part in of_holder]
    assert not any(part.last for part in (*of_holder, *of_requester))
    assert cut.parts <= len(of_requester) <= len(of_holder)
    assert [part.sealed_hash for part in of_requester] == hashes[: len(of_requester)]


def verify_ledgers(open_year: OpenYear) -> None:
    """Both, from their files and their public keys alone."""
    public = open_year.federation.place.keys / "public/ledgers"
    for node in open_year.federation.nodes:
        vkey = load_vkey(public / f"{node.body}.traces.vkey")
        assert LedgerReader(node.folder / "ledger/traces", vkey).verify().checkpoint.size > 0


def ask_anew(open_year: OpenYear) -> int:
    """How many persons a new cohort is answered about, once the restarted holder is found again."""
    question, persons = open_year.question(), open_year.persons
    deadline = time.monotonic() + WAIT_SECONDS
    with open_year.scoring() as program:
        while program.ask([replace(question, persons=persons[:1])])[0].failure is not None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        asked = program.ask_many(question, iter(persons), len(persons))
        return sum(len(part.members) for part in asked.parts)


def own_memory_bytes(node: NodeAt) -> int:
    """What the node's process holds for itself; pages of files it maps are the system's."""
    status = Path(f"/proc/{running_pid(node)}/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def test_cohort_ten_times_as_large_takes_no_more_memory(open_year: OpenYear) -> None:
    nodes = [node for node in read_nodes(open_year.federation.place) if node.body in BOTH_SIDES]

    def held_after(size: int) -> list[int]:
        persons = islice(cycle(open_year.persons), size)
        with open_year.scoring() as program:
            asked = program.ask_many(open_year.question(), persons, size)
            assert sum(len(part.members) for part in asked.parts) == size
        return [own_memory_bytes(node) for node in nodes]

    held_after(20_000)  # what a process keeps from its first work: caches, the allocator's room
    small, large = held_after(4_000), held_after(40_000)
    grown = [after - before for before, after in zip(small, large, strict=True)]
    assert max(grown) < MOST_GROWN_BYTES
