"""A whole federation in one process: four nodes, a few people, programs, and peers that misbehave.

The in-memory peer implements the stub the gateway calls and runs the production servicer behind it,
so that an attack is a few lines: set `before` or `after` of a link, and ask.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import grpc
from stdnum.fr.nir import calc_check_digits

from cloison.bodies import BodyId
from cloison.cli.first_set import first_set
from cloison.cli.keys import make_keys
from cloison.cli.root import read_policy
from cloison.declarations import load_files
from cloison.errors import StorageError
from cloison.exchange import conclude
from cloison.exchange.entries import parse_entry
from cloison.exchange.replay import decisions_of
from cloison.exchange.statement import to_milliseconds
from cloison.identity import (
    ActivityKeys,
    Nir,
    agent_pseudonym,
    load_activity_keys,
    load_secret,
    row_key,
    sign_batch,
)
from cloison.law import PolicySet, decide
from cloison.law.question import Granularity
from cloison.ledger.log import Log
from cloison.months import Month
from cloison.store import NewRecord, SlotName, Store, load_catalogue
from cloison.v1 import (
    cases_service_pb2,
    entry_pb2,
    exchange_service_pb2,
    receipt_pb2,
    statement_pb2,
)
from cloison.wire import calls, client, questions, servicers
from cloison.wire.cases import CaseDesk
from cloison.wire.cohort_requester import CohortRequester
from cloison.wire.contestation_sender import ContestationSender
from cloison.wire.deposits import DepositDesk
from cloison.wire.gateway import AskFor, Member, OpenedCase, Reply
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.policy_sets import FOLDER, PolicySets
from cloison.wire.requester import Requester
from cloison.wire.settings import NodeSettings, create_node, open_node

ROOT = Path(__file__).resolve().parents[1]
CAF, CNAV, DGFIP, MSA = (BodyId(name) for name in ("caf", "cnav", "dgfip", "msa"))
BODIES = (CAF, CNAV, DGFIP, MSA)
NOW = datetime(2026, 6, 16, 9, 30, 5, tzinfo=UTC)
MONTH = Month.parse("2026-06")
FIRST, LAST = MONTH - 4, MONTH - 2
CANARY_CENTS = 173_911_337
"""Every income of these people is this or a little more: found nowhere but in a sealed release."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Someone:
    """A person with a NIR that can belong to nobody (commune 000)."""

    nir: Nir
    birth_name: str
    birth_date: date

    def member(self, case_salt: bytes = b"") -> Member:
        """As a program names them."""
        return Member("applicant", self.nir, self.birth_name, self.birth_date, case_salt)


def _someone(start: str, name: str, birth: str) -> Someone:
    head = f"{start}75000{len(name):03d}"
    return Someone(Nir(head + calc_check_digits(head)), name, date.fromisoformat(birth))


ANNE = _someone("28403", "Anne-Lemy", "1984-03-09")
BRUNO = _someone("18211", "Brunoy", "1982-11-30")
CLEO = _someone("22001", "Cleo", "2020-01-15")
DENIS = _someone("17906", "Denis", "1979-06-01")
TEMPORARY = _someone("79001", "Temporel", "1990-01-02")
DEAD = _someone("14002", "Defunt", "1940-02-11")
NOBODY = _someone("17007", "Inconnu", "1970-07-07")
MISMATCH = _someone("26812", "Traits", "1968-12-24")
ELSA = _someone("29105", "Elsani", "1991-05-20")
"""Known to the family benefits fund, and claims nothing."""
PEOPLE = (ANNE, BRUNO, CLEO, DENIS, TEMPORARY, DEAD, NOBODY, MISMATCH, ELSA)
_CLAIMANTS = {"C1": ANNE, "C2": DENIS, "C3": TEMPORARY, "C4": DEAD, "C5": NOBODY, "C6": MISMATCH}


class UnsafeClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Moves on, by `timedelta`'s arguments."""
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True)
class Template:
    """Keys and loaded stores, made once; each federation works on copies."""

    directory: Path
    policy: PolicySet

    @property
    def keys(self) -> Path:
        return self.directory / "keys"


def make_template(directory: Path) -> Template:
    """Keys of every body and activity; the stores and empty ledgers of the four nodes."""
    policy = PolicySet.parse(read_policy(ROOT))
    make_keys(directory / "keys", ROOT, datetime.now(UTC))
    for body in BODIES:
        settings = _settings(directory / "keys", directory / body, body)
        create_node(settings, first_set(directory / "keys"), UnsafeClock())
        _load(settings, directory / "files" / body)
    return Template(directory, policy)


def _settings(keys: Path, state: Path, body: BodyId, quorum: str = "none") -> NodeSettings:
    published = {one: f"{one}.test" for one in BODIES if quorum != "none"}
    return NodeSettings(body, ROOT, keys, state, {}, published, quorum)


def _load(settings: NodeSettings, files: Path) -> None:
    catalogue = load_catalogue(ROOT / "nodes" / settings.body / "catalogue.toml")
    row = load_secret(settings.own_keys / "row.key")
    vault = load_secret(settings.own_keys / "vault.key")
    store = Store.open(settings.state / "store.sqlite", catalogue, row, vault)
    try:
        files.mkdir(parents=True)
        load_files(store, catalogue, list(_tables(settings.body, files)), NOW)
        if settings.body == CNAV:
            _load_incomes(store, row)
    finally:
        store.close()


def _table(folder: Path, dataset: str, columns: str, rows: Sequence[str]) -> Path:
    path = folder / f"{dataset}.csv"
    lines = [f"# cloison {dataset} 1", columns, *rows, f"# end {len(rows)}"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _tables(body: BodyId, folder: Path) -> Iterator[Path]:
    yield _table(
        folder,
        "identities",
        "nir;birth_name;first_names;birth_date;nir_status;death_date;objection",
        [
            f"{one.nir};{'Autre' if one is MISMATCH else one.birth_name};Prenom;{one.birth_date};"
            f"{'temporary' if one is TEMPORARY else 'permanent'};"
            f"{'2025-01-01' if one is DEAD else ''};0"
            for one in PEOPLE
            if one is not NOBODY
        ],
    )
    if body == CAF:
        yield from _household_tables(folder)
    if body == DGFIP:
        amounts = ";".join([f"{CANARY_CENTS / 100:.2f}"] + ["0.00"] * 10)
        yield _table(
            folder,
            "tax_notices",
            "notice;year;declarant1;declarant2;dependants;parts;rfr;wages1;wages2;pensions1;"
            "pensions2;self_employed1;self_employed2;capital;property;alimony_received;"
            "alimony_paid;version",
            [f"N1;2024;{ANNE.nir};{BRUNO.nir};1;250;{amounts};1"],
        )


def _household_tables(folder: Path) -> Iterator[Path]:
    homes = [(f"H{claim}", one, "applicant") for claim, one in _CLAIMANTS.items()]
    homes += [("HC1", BRUNO, "partner"), ("HC1", CLEO, "child")]
    homes += [("HE", ELSA, "applicant")]
    yield _table(
        folder,
        "members",
        "household;nir;role;birth_name;birth_date;since;until;schemes;activity;unemployed_since;"
        "marital",
        [
            f"{home};{one.nir};{role};{one.birth_name};{one.birth_date};2021-01-01;;general;"
            f"{'child' if role == 'child' else 'employee'};;single"
            for home, one, role in homes
        ],
    )
    yield _table(
        folder,
        "claims",
        "claim;household;applicant;benefit;opened;status",
        [
            f"{claim}{suffix};H{claim};{one.nir};{benefit};2025-09-01;open"
            for claim, one in _CLAIMANTS.items()
            for suffix, benefit in (("", "ppa"), ("L", "al"))
        ],
    )


def _load_incomes(store: Store, row_secret: bytes) -> None:
    months = list((MONTH - 13).to(LAST))
    with store.loading("incomes", b"\x01" * 32, NOW) as loading:
        for place, one in enumerate((ANNE, BRUNO, DENIS, ELSA)):
            for month in months:
                name = SlotName(f"01/{place}", month.number)
                slot = loading.declare("monthly_resources", name, f"dsn-{month}", "normal", 1)
                cents = CANARY_CENTS + place
                payload = (
                    f'["73282932000074","salary",{cents},{cents},{cents},{cents},0,"1",null,null,'
                    '"01"]'
                )
                record = NewRecord(row_key(row_secret, one.nir), month.number, payload)
                loading.append(slot, 0, record)


class Aborted(Exception):  # noqa: N818 - what a servicer's context raises, not an error of ours
    """A call ended with a status."""

    def __init__(self, code: grpc.StatusCode, details: str, reason: str) -> None:
        super().__init__(details)
        self.code, self.details, self.reason = code, details, reason


class UnsafeContext:
    """A servicer's context that says the TLS handshake showed this certificate."""

    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def auth_context(self) -> dict[str, list[bytes]]:
        return {} if self._certificate is None else {"x509_pem_cert": [self._certificate]}

    async def abort(
        self, code: grpc.StatusCode, details: str = "", metadata: Sequence[tuple[str, Any]] = ()
    ) -> NoReturn:
        raise Aborted(code, details, str(dict(metadata).get("reason", "")))


AskRequest = exchange_service_pb2.ExchangeServiceAskRequest
AskResponse = exchange_service_pb2.ExchangeServiceAskResponse
ContestRequest = exchange_service_pb2.ExchangeServiceContestRequest
ContestResponse = exchange_service_pb2.ExchangeServiceContestResponse
ChangesRequest = exchange_service_pb2.ExchangeServiceChangesRequest
ChangesResponse = exchange_service_pb2.ExchangeServiceChangesResponse
ManyRequest = exchange_service_pb2.ExchangeServiceAskManyRequest
ManyResponse = exchange_service_pb2.ExchangeServiceAskManyResponse


@dataclass(slots=True)
class Link:
    """The exchange stub of one body towards another, in memory; messages travel as bytes.

    Attributes:
        before: Changes a request on its way.
        after: Changes a response on its way back.
        before_part: Changes a request of a stream on its way.
        after_part: Changes or drops (None) a response of a stream.
        after_change: Changes what a holder tells of a change.
        down: The peer does not answer; `dies_after`: nor after so many responses of a stream.
        silent_after: After so many responses of a stream, nothing comes and nothing ends.
    """

    federation: "Federation"
    requester: BodyId
    holder: BodyId
    before: Callable[[AskRequest], None] | None = None
    after: Callable[[AskResponse], None] | None = None
    before_part: Callable[[ManyRequest], None] | None = None
    after_part: Callable[[ManyResponse], ManyResponse | None] | None = None
    after_change: Callable[[ChangesResponse], None] | None = None
    down: bool = False
    dies_after: int | None = None
    silent_after: int | None = None
    calls: list[AskRequest] = field(default_factory=list)

    async def Ask(self, request: AskRequest, timeout: float) -> AskResponse:  # noqa: N802, ASYNC109 - gRPC's names
        assert timeout > 0
        await asyncio.sleep(0)
        self._check_up(self.down)
        received = AskRequest.FromString(request.SerializeToString())
        self.calls.append(received)
        if self.before:
            self.before(received)
        context = self.federation.context(self.requester)
        try:
            servicer = servicers.Exchange(*self.federation.holding(self.holder))
            response = await servicer.Ask(received, context)
        except Aborted as error:
            raise _rpc_error(error.code, error.details, error.reason) from error
        sent = AskResponse.FromString(response.SerializeToString())
        if self.after:
            self.after(sent)
        self._check_up(self.down)
        return sent

    async def Contest(self, request: ContestRequest, timeout: float) -> ContestResponse:  # noqa: N802, ASYNC109 - gRPC's names
        assert timeout > 0
        self._check_up(self.down)
        received = ContestRequest.FromString(request.SerializeToString())
        context = self.federation.context(self.requester)
        try:
            servicer = servicers.Exchange(*self.federation.holding(self.holder))
            return await servicer.Contest(received, context)
        except Aborted as error:
            raise _rpc_error(error.code, error.details, error.reason) from error

    async def AskMany(self, requests: AsyncIterator[ManyRequest]) -> AsyncIterator[ManyResponse]:  # noqa: N802 - gRPC's name
        self._check_up(self.down)
        servicer = servicers.Exchange(*self.federation.holding(self.holder))
        context = self.federation.context(self.requester)
        count = 0

        async def travelling() -> AsyncIterator[ManyRequest]:
            async for request in requests:
                received = ManyRequest.FromString(request.SerializeToString())
                if self.before_part:
                    self.before_part(received)
                yield received

        try:
            async for response in servicer.AskMany(travelling(), context):
                changed = self.after_part(response) if self.after_part else response
                if changed is not None:
                    yield changed
                count += 1
                self._check_up(self.dies_after == count)
                if self.silent_after == count:
                    await asyncio.Event().wait()
        except Aborted as error:
            raise _rpc_error(error.code, error.details, error.reason) from error

    async def Changes(self, request: ChangesRequest) -> AsyncIterator[ChangesResponse]:  # noqa: N802 - gRPC's name
        self._check_up(self.down)
        servicer = servicers.Exchange(*self.federation.holding(self.holder))
        received = ChangesRequest.FromString(request.SerializeToString())
        count = 0
        try:
            async for response in servicer.Changes(
                received, self.federation.context(self.requester)
            ):
                sent = ChangesResponse.FromString(response.SerializeToString())
                if self.after_change:
                    self.after_change(sent)
                yield sent
                count += 1
                self._check_up(self.dies_after == count)
        except Aborted as error:
            raise _rpc_error(error.code, error.details, error.reason) from error

    @staticmethod
    def _check_up(down: bool) -> None:
        if down:
            raise _rpc_error(grpc.StatusCode.UNAVAILABLE, "connection refused")


def _rpc_error(code: grpc.StatusCode, details: str, reason: str = "") -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*((("reason", reason),) if reason else ()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details, "")


def _copy(source: str, target: str) -> None:
    """A kept policy set is never written to: it is linked, for there are many files in it."""
    (os.link if f"/{FOLDER}/" in source else shutil.copy2)(source, target)


class Federation:
    """Nodes opened when first needed, on copies of the template's state."""

    def __init__(self, template: Template, directory: Path) -> None:
        self.template = template
        self.policy = template.policy
        self.clock = UnsafeClock()
        self.quorum = "none"
        """Whose cosignatures its nodes ask for; set before the first is opened."""
        self.forged: set[BodyId] = set()
        """Whose ledger a test made hold what no decision led to."""
        self._directory = directory
        self._nodes: dict[BodyId, Node] = {}
        self._requesters: dict[BodyId, Requester] = {}
        self._links: dict[tuple[BodyId, BodyId], Link] = {}

    @property
    def keys(self) -> Path:
        return self.template.keys

    def settings(self, body: BodyId) -> NodeSettings:
        """A body's settings, on its copy of the state."""
        state = self._directory / body
        if not state.exists():
            shutil.copytree(self.template.directory / body, state, copy_function=_copy)
        return _settings(self.keys, state, body, self.quorum)

    def node(self, body: BodyId) -> Node:
        """A body's node, opened if it is not."""
        if body not in self._nodes:
            self._nodes[body] = open_node(self.settings(body), self.policy, self.clock)
        return self._nodes[body]

    def empower(self, body: BodyId, **agents: Sequence[str]) -> None:
        """Writes whom a body empowers for which activities."""
        file = self.settings(body).state / "agents.toml"
        lines = [f"{name} = {list(may)!r}" for name, may in agents.items()]
        file.write_text("\n".join(["[agents]", *lines]) + "\n", "utf-8")
        file.chmod(0o600)

    def pseudonym(self, body: BodyId, agent: str) -> str:
        return agent_pseudonym(load_secret(self.keys / body / "node" / "agent.key"), agent)

    def holding(self, body: BodyId) -> tuple[Node, Holder]:
        return self.node(body), self.holder(body)

    def holder(self, body: BodyId) -> Holder:
        return Holder(self.node(body))

    def link(self, requester: BodyId, holder: BodyId) -> Link:
        """What stands between two nodes."""
        return self._links.setdefault((requester, holder), Link(self, requester, holder))

    def requester(self, body: BodyId) -> Requester:
        """A body's requester side; one a node, as its queues are."""
        if body not in self._requesters:
            peers = {other: self.link(body, other) for other in BODIES if other != body}
            self._requesters[body] = Requester(
                self.node(body), self.holder(body), cast("Any", peers)
            )
        return self._requesters[body]

    def sender(self, body: BodyId) -> ContestationSender:
        peers = {other: self.link(body, other) for other in BODIES if other != body}
        return ContestationSender(self.node(body), cast("Any", peers))

    def cohorts(self, body: BodyId) -> CohortRequester:
        return CohortRequester(self.node(body), self.requester(body), self.holder(body))

    def restart(self, body: BodyId) -> Node:
        """Stops a node and starts it again on the same state."""
        self._nodes.pop(body).close()
        self._requesters.pop(body, None)
        return self.node(body)

    def kill(self, body: BodyId) -> None:
        """A node whose parts are simply let go of, as a killed process lets go."""
        node = self._nodes.pop(body)
        self._requesters.pop(body, None)
        node.index._closed = True
        node.index._database.close()
        node.traces._usable = False
        node.register._usable = False
        node.traces.close()
        node.register.close()
        node.witness.close()
        node.vault.close()
        node.store.close()

    def context(self, body: BodyId, activity: str | None = None) -> calls.Context:
        """A call from this body's node, or from one of its programs."""
        return cast("calls.Context", UnsafeContext(self.certificate(body, activity)))

    def certificate(self, body: BodyId, activity: str | None = None) -> bytes:
        place = self.keys / body / (f"activities/{activity}" if activity else "node")
        return (place / "tls.crt").read_bytes()

    def program(self, activity: str) -> "Program":
        return Program(self, activity)

    def answer(
        self, holder: BodyId, peer: BodyId, items: Sequence[statement_pb2.AskItem]
    ) -> list[receipt_pb2.Answer]:
        """What a holder answers a peer's node, the gateway left out."""
        desk = self.holder(holder)
        return desk.answer(desk.call(peer, self.policy.hash, b""), items)

    def entries(self, body: BodyId, kind: str = "") -> list[entry_pb2.Entry]:
        """A node's traces, of one kind where one is named."""
        return [
            entry
            for entry in map(parse_entry, self.raw_entries(body))
            if kind in ("", entry.WhichOneof("kind"))
        ]

    def raw_entries(self, body: BodyId) -> list[bytes]:
        traces = self.node(body).traces
        return [traces.entry(index) for index in range(traces.minimum, traces.size)]

    def failures(self, body: BodyId) -> dict[str, dict[str, int]]:
        """What is counted and not yet written: reason and count, by peer."""
        found: dict[str, dict[str, int]] = {}
        for (peer, _), counts in self.node(body).failures._counts.items():
            found.setdefault(peer, {}).update(counts)
        return found

    def check_decisions(self) -> None:
        """Every decision of every node opened is the one its entry leads to."""
        if vars(conclude)["decide"] is not decide:
            return  # the test put another law in its place
        for body in self._nodes.keys() - self.forged:
            with suppress(StorageError):  # a test may have stopped its ledger
                for entry in self.entries(body, "decided"):
                    policy = self._set_of(body, entry.decided.policy_set)
                    held, again = conclude.decide_again(policy, entry)
                    assert again == held
                self._check_told(body)
                self._check_studies(body)

    def _set_of(self, body: BodyId, set_hash: bytes) -> PolicySet:
        """The set an entry names: today's, or one the node kept."""
        for policy in (self.policy, self.node(body).policy):
            if set_hash == policy.hash:
                return policy
        return PolicySets(self.settings(body).state).read(set_hash)

    def _check_studies(self, body: BodyId) -> None:
        """What a body that gives no rows decided of a study, before it took part."""
        register = self.node(body).register
        for entry in map(parse_entry, register.entries(0, register.size)):
            for one in decisions_of(entry):
                held, again = conclude.decide_again(self._set_of(body, one.decided.policy_set), one)
                assert again == held

    def _check_told(self, body: BodyId) -> None:
        """Every change was told on a decision that its entry and its question lead to."""
        node = self.node(body)
        for entry in self.entries(body, "change_told"):
            place = node.index.first("decided", entry.change_told.statement_hash)
            assert place is not None
            decided = parse_entry(node.traces.entry(place))
            held, again = conclude.decide_told_again(self.policy, entry, decided)
            assert again == held
            assert held.permitted

    def close(self) -> None:
        for node in self._nodes.values():
            with suppress(StorageError):  # a test may have stopped its ledger
                node.close()
        self._nodes.clear()


class Program:
    """A program of one activity: its keys, its node, and the production client's pure part."""

    def __init__(self, federation: Federation, activity: str) -> None:
        self.federation = federation
        record = federation.policy.activities[activity]
        self.activity, self.body = activity, BodyId(record.body)
        self.keys: ActivityKeys = load_activity_keys(
            federation.keys / record.body / "activities" / activity
        )
        self.opener = questions.Opener(self.keys)

    @property
    def cases(self) -> CaseDesk:
        return CaseDesk(self.federation.node(self.body))

    @property
    def deposits(self) -> DepositDesk:
        return DepositDesk(self.federation.node(self.body))

    def open_case(self, reference: str = "C1", kind: str = "claim") -> OpenedCase:
        (opened,) = self.opened(kind, [reference])
        return client._opened(opened)

    def opened(
        self, kind: str, references: Sequence[str] = ()
    ) -> list[cases_service_pb2.OpenResponse]:
        """What the program is told of the cases it opens."""
        desk = self.cases
        return [desk.told(one) for one in desk.open(self.activity, kind, MONTH, references)]

    def question(self, case: OpenedCase | None, *persons: Member, **changes: Any) -> AskFor:
        """What the prime d'activité asks the pension fund, but for `changes`."""
        plain: dict[str, Any] = {
            "holder": CNAV,
            "dataset": "monthly_resources",
            "fields": ("mns", "nature"),
            "first": FIRST,
            "last": LAST,
            "granularity": Granularity.MONTH,
            "purpose": "calculation",
            "legal_basis": "decret-2025-1288",
            "persons": persons or (case.members[:1] if case else (ANNE.member(),)),
            "case": case,
        }
        return AskFor(**{**plain, **changes})

    def items(self, *asked: AskFor) -> list[statement_pb2.AskItem]:
        now = self.federation.clock()
        built = [questions.build_statement(self.keys, one, now) for one in asked]
        return questions.build_items(self.keys, built)

    def item(self, question: AskFor) -> statement_pb2.AskItem:
        return self.items(question)[0]

    def put(self, *items: statement_pb2.AskItem) -> list[receipt_pb2.Answer]:
        """Through the body's own node."""
        requester = self.federation.requester(self.body)
        return run(requester.ask(self.activity, items))

    def open(self, item: statement_pb2.AskItem, answer: receipt_pb2.Answer) -> Reply:
        holder = BodyId(statement_of(item).holder)
        heads = self.federation.node(self.body).heads.of(holder)
        return questions.check_and_open(
            self.opener, holder, item.statement.statement, answer, heads
        )

    def ask(self, *asked: AskFor) -> list[Reply]:
        """Asked, answered, checked and opened."""
        items = self.items(*asked)
        return [self.open(*pair) for pair in zip(items, self.put(*items), strict=True)]

    def altered(
        self,
        item: statement_pb2.AskItem,
        change: Callable[[statement_pb2.Statement], object],
        *,
        signer: ActivityKeys | None = None,
    ) -> statement_pb2.AskItem:
        """The item with its statement changed and signed again."""
        statement = statement_of(item)
        change(statement)
        copy = statement_pb2.AskItem()
        copy.CopyFrom(item)
        raw = statement.SerializeToString(deterministic=True)
        copy.statement.CopyFrom(signed(signer or self.keys, raw))
        return copy


def signed(keys: ActivityKeys, raw: bytes) -> statement_pb2.SignedStatement:
    """Any bytes under an activity's signature."""
    (part,) = sign_batch(keys, [raw])
    return statement_pb2.SignedStatement(
        statement=raw,
        signature=part.signature,
        batch_index=part.batch_index,
        batch_size=part.batch_size,
        batch_path=part.batch_path,
    )


def statement_of(item: statement_pb2.AskItem) -> statement_pb2.Statement:
    return statement_pb2.Statement.FromString(item.statement.statement)


def signed_at(time: datetime) -> Callable[[statement_pb2.Statement], None]:
    """A change for `Program.altered`."""

    def change(statement: statement_pb2.Statement) -> None:
        statement.signed_time_ms = to_milliseconds(time)

    return change


def fill_disk(log: Log) -> None:
    """Every later write to the ledger meets a device without room."""
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, log._journal._descriptor)
    os.close(full)


def run(awaitable: Awaitable[Result]) -> Result:
    """An awaitable in a loop of its own."""

    async def main() -> Result:
        return await awaitable

    return asyncio.run(main())


@contextmanager
def opened_federation(template: Template, directory: Path) -> Iterator[Federation]:
    federation = Federation(template, directory)
    try:
        yield federation
    finally:
        federation.close()
