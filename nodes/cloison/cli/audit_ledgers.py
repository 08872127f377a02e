"""The ledgers an audit command reads: folders of this machine, or copies asked of running nodes.

A node that does not serve its auditor is a finding, and the audit goes on with the others.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar

import grpc
import typer

from cloison.audit.broken import broken, false_head
from cloison.audit.findings import Finding, Severity
from cloison.audit.heads import (
    Contradiction,
    Kept,
    Witnessed,
    contradictions,
    read_kept,
    read_witnessed,
    witnessed_note,
)
from cloison.audit.lines import EntryError, LedgerFolder, Ledgers
from cloison.bodies import BodyId
from cloison.cli.places import NodeAt, Place, read_nodes, read_overseers, read_published
from cloison.cli.policy import load_policy
from cloison.cli.vkeys import load_vkey
from cloison.cli.witnessed import fetch_note
from cloison.errors import InputError, IntegrityError, PeerError
from cloison.exchange.entries import parse_entry
from cloison.identity import load_certificate, load_tls
from cloison.ledger.note import NoteVerifier
from cloison.ledger.reader import WITNESSED, EntryReader
from cloison.ledger.trust_policy import TrustPolicy, Witness
from cloison.v1 import ledger_service_pb2_grpc
from cloison.wire.ledger_copy import LedgerCopy
from cloison.wire.server import channel_credentials, channel_options
from cloison.wire.trust import AUDITED, load_trust_policy

LOGS = ("traces", "register")
LIVE = "A running node, BODY or BODY=HOST:PORT; may be given more than once (default: folders)."
Node = Annotated[list[str] | None, typer.Option("--node", help=LIVE)]
Addresses = Annotated[
    Path | None, typer.Option(help='With --node: TOML file, BODY = "host:port", [http] the same.')
]
T = TypeVar("T")
_AUDIT = "audit"
_ARTICLE = "RGPD, art. 5, § 2 (responsabilité : pouvoir démontrer)"
_SETTLES = (
    "L'accès de l'auditeur rétabli, ou la copie des registres remise sur place, tenue aux têtes que"
    " les témoins ont cosignées."
)


@dataclass(frozen=True, slots=True)
class LedgerAt:
    """One ledger as an audit reads it.

    Attributes:
        log: `traces` or `register`.
        folder: The node's own, or a copy of what it served.
        verifier: Its key; the name is the ledger's origin.
    """

    body: BodyId
    log: str
    folder: Path
    verifier: NoteVerifier


@dataclass(frozen=True, slots=True)
class Opened:
    """The ledgers, what witnesses keep of them, and what their opening already found.

    Attributes:
        kept: Read before the ledgers: one that grows is never behind its witness.
    """

    places: tuple[LedgerAt, ...]
    kept: tuple[Kept, ...]
    trust: TrustPolicy
    refused: tuple[Finding, ...] = ()

    def read(self) -> "ReadLedgers":
        """Both logs of every body, each held to its newest head; what is not whole is a finding.

        Raises:
            StorageError: as `LedgerFolder`.
        """
        reading = _Reading(self)
        for one in self.places:
            try:
                folder = LedgerFolder(one.body, one.folder, one.verifier)
            except IntegrityError as error:
                reading.refused.append(broken(one.folder, one.verifier, error))
            else:
                reading.logs[one.log][one.body] = folder
                reading.hold_to_witnesses(one, folder)
                reading.hold_to_its_own(one, folder)
        return reading.done()


class _Reading:
    """What opening ledgers found so far."""

    def __init__(self, opened: Opened) -> None:
        self.logs: dict[str, dict[BodyId, LedgerFolder]] = {log: {} for log in LOGS}
        self.refused = list(opened.refused)
        self._opened = opened
        self._witnessed: list[Witnessed] = []
        self._against: list[Contradiction] = []
        self._heads: dict[str, bytes | None] = {}
        self._false: set[tuple[str, str]] = set()

    def hold_to_witnesses(self, one: LedgerAt, folder: LedgerFolder) -> None:
        """What each witness keeps of it: a head of these entries, or another, or none at all."""
        trust = self._opened.trust
        for kept in self._opened.kept:
            try:
                self._against += contradictions(folder.snapshot, one.verifier, kept, trust)
            except IntegrityError as error:
                self.refused.append(false_head(kept.witness, one.verifier, error))
                self._false.add((kept.witness, sha256(folder.origin.encode()).hexdigest()))

    def hold_to_its_own(self, one: LedgerAt, folder: LedgerFolder) -> None:
        """The head that witnesses saw, as the ledger itself shows it."""
        trust, note = self._opened.trust, witnessed_note(one.folder)
        said: Witnessed | Contradiction | None = None
        try:
            said = read_witnessed(folder.snapshot, note, one.verifier, trust)
        except IntegrityError as error:
            self.refused.append(broken(one.folder, one.verifier, error))
        if isinstance(said, Contradiction):
            self._against.append(said)
        if not isinstance(said, Witnessed):
            said, note = Witnessed(folder.origin, 0, 0 if trust.asks else None), None
        self._heads[folder.origin] = note
        if AUDITED in trust.groups:
            self._witnessed.append(said)

    def done(self) -> "ReadLedgers":
        """All of it."""
        opened = self._opened
        kept = tuple(
            one.without({name for who, name in self._false if who == one.witness})
            for one in opened.kept
        )
        found = Ledgers(self.logs["traces"], self.logs["register"], self._witnessed, self._against)
        return ReadLedgers(found, tuple(self.refused), self._heads, kept, opened.places)


@dataclass(frozen=True, slots=True)
class ReadLedgers:
    """Ledgers that lead to their heads.

    Attributes:
        refused: What was found of those that do not, and of those that were not served.
        heads: By origin, the newest head that witnesses saw; None where there is none that holds.
        kept: What witnesses keep, but for what is no head of its ledger.
    """

    ledgers: Ledgers
    refused: tuple[Finding, ...]
    heads: Mapping[str, bytes | None]
    kept: tuple[Kept, ...]
    places: tuple[LedgerAt, ...]

    def look(self, work: Callable[[Ledgers], T]) -> "tuple[T, ReadLedgers]":
        """What work on the ledgers gives; one with what is no entry is left out, and is a finding.

        Raises:
            IntegrityError: of what is no single ledger's.
        """
        try:
            return work(self.ledgers), self
        except EntryError as error:
            place = next((one for one in self.places if one.verifier.name == error.ledger), None)
            if place is None:
                raise
            found = broken(place.folder, place.verifier, error)
            rest = self.ledgers.without(error.ledger)
            return replace(self, ledgers=rest, refused=(*self.refused, found)).look(work)


@contextmanager
def open_ledgers(
    place: Place, only: Sequence[str] = (), nodes: Sequence[str] = ()
) -> Iterator[Opened]:
    """The ledgers of a place; copies live as long as the block.

    Args:
        place: Where keys and state are.
        only: Bodies; all where it names none.
        nodes: Running nodes, `BODY` or `BODY=HOST:PORT`: they are asked, and only they.

    Raises:
        InputError: `UNKNOWN_BODY`, `BAD_VKEY`, `BAD_ADDRESS`; `NODE_AND_ONLY`: both are given.
            `NO_AUDITOR`: the policy has no activity whose one purpose is `audit`.
    """
    trust = load_trust_policy(place.keys, read_published(place))
    if not nodes:
        kept = [
            read_kept(node.body, node.folder / "witness")
            for node in (*read_nodes(place), *read_overseers(place))
        ]
        found = [_at(place, node.body, log) for node in read_nodes(place, only) for log in LOGS]
        yield Opened(tuple(found), tuple(kept), trust)
        return
    if only:
        raise InputError("NODE_AND_ONLY", "--only names folders, --node names nodes", "give one")
    with tempfile.TemporaryDirectory(prefix="cloison-audit-") as folder:
        yield _copied(place, trust, [_node_at(place, one) for one in nodes], Path(folder))


def _at(place: Place, body: BodyId, log: str) -> LedgerAt:
    vkey = load_vkey(place.keys / f"public/ledgers/{body}.{log}.vkey")
    return LedgerAt(body, log, place.var / body / "ledger" / log, vkey)


def _node_at(place: Place, text: str) -> NodeAt:
    body, _, address = text.partition("=")
    (node,) = read_nodes(place, [body])
    if not address:
        return node
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise InputError("BAD_ADDRESS", f"--node `{text}`: not an address", "BODY=HOST:PORT")
    return replace(node, host=host, port=int(port))


def _copied(place: Place, trust: TrustPolicy, nodes: Sequence[NodeAt], folder: Path) -> Opened:
    auditor = _auditor(place)
    kept = tuple(_kept_at(one, trust) for one in trust.witnesses.values() if one.url)
    credentials = channel_credentials(
        load_certificate(place.keys / "public/ca.crt"), load_tls(auditor)
    )
    places: list[LedgerAt] = []
    refused: list[Finding] = []
    for node in nodes:
        options = (*channel_options(node.body), ("grpc.enable_http_proxy", 0))
        with grpc.secure_channel(node.address, credentials, options=options) as channel:
            stub = ledger_service_pb2_grpc.LedgerServiceStub(channel)
            minimum = 0
            for log in reversed(LOGS):  # the register says from where on traces are kept
                one = replace(_at(place, node.body, log), folder=folder / node.body / log)
                seen = fetch_note(f"{trust.logs[one.verifier.name][1]}/checkpoint")
                try:
                    LedgerCopy(stub, log, one.verifier, minimum).write(one.folder)
                except (PeerError, IntegrityError) as error:
                    refused.append(_refusal(one, error))
                    continue
                if seen is not None:
                    (one.folder / WITNESSED).write_bytes(seen)
                places.append(one)
                minimum = _kept_from(one.folder)
    return Opened(tuple(places), kept, trust, tuple(refused))


def _kept_from(register: Path) -> int:
    """The first entry of `traces` still kept, as the newest certificate of a register says."""
    reader = EntryReader(register)
    first = 0
    for _, data in reader.entries(0, reader.size):
        entry = parse_entry(data)
        if entry.WhichOneof("kind") == "traces_pruned":
            first = entry.traces_pruned.first_index
    return first


def _kept_at(witness: Witness, trust: TrustPolicy) -> Kept:
    """What a witness shows of each ledger; nothing where it does not answer."""
    heads = {}
    for origin in trust.logs:
        name = sha256(origin.encode()).hexdigest()
        note = fetch_note(f"{witness.url}/{name}/checkpoint")
        if note is not None:
            heads[name] = note
    return Kept(witness.name, heads, ())


def _auditor(place: Place) -> Path:
    """The key folder of the activity that may read every entry."""
    for activity in load_policy(place.root).activities.values():
        if tuple(activity.purposes) == (_AUDIT,):
            return place.keys / activity.body / "activities" / activity.id
    raise InputError(
        "NO_AUDITOR", "policy: no activity has `audit` as its one purpose", "see policy/activities"
    )


def _refusal(one: LedgerAt, error: PeerError | IntegrityError) -> Finding:
    away = error.reason == "PEER_UNAVAILABLE"
    said = "n'a pas répondu" if away else f"n'a pas remis ses entrées ({error.reason})"
    return Finding(
        code="AUDITOR_NOT_SERVED",
        severity=Severity.MEDIUM if away else Severity.HIGH,
        activity="",
        article=_ARTICLE,
        sentence=f"Le nœud de {one.body} {said} : registre {one.verifier.name}.",
        count=1,
        evidence=(),
        settles=_SETTLES,
    )
