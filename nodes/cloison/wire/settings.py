"""What a node is started with, and how its parts are opened: all must be there, or it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.bodies import BodyId, parse_body
from cloison.errors import StorageError
from cloison.exchange.entries import entry_of, started_entry
from cloison.exchange.index_terms import COUNTED, index_terms
from cloison.exchange.policy_manifest import Quorum
from cloison.exchange.traced import day_number
from cloison.identity import (
    AgentDirectory,
    ledger_origin,
    load_public_activities,
    load_secret,
    witness_name,
)
from cloison.law import PolicySet
from cloison.law.set_difference import opened_promises
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.index import LedgerIndex
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner, NoteVerifier
from cloison.ledger.trust_policy import TrustPolicy
from cloison.ledger.witness import Witness
from cloison.store import Store, load_catalogue, load_nodes
from cloison.wire.days import DayBook
from cloison.wire.destruction import DestructionDesk
from cloison.wire.losses import enter_stopped
from cloison.wire.node import Clock, Heads, Node
from cloison.wire.policy_desk import check_set, require_promise_signer, told_of
from cloison.wire.policy_sets import PolicySets, read_signed
from cloison.wire.retention import RetentionDesk
from cloison.wire.seen import OwnHead, PeerHeads
from cloison.wire.trust import PEERS, load_trust_policy
from cloison.wire.vault import Vault

LOGS = ("traces", "register")
STORE, VAULT, INDEX = "store.sqlite", "vault.sqlite", "ledger/traces.index.sqlite"
DATABASES = (STORE, VAULT, INDEX)
AGENTS = "agents.toml"
SOFTWARE = f"cloison {version('cloison')}"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Where a node finds its parts.

    Attributes:
        root: Holds `policy/` and `nodes/<body>/`.
        keys: As `cloison keys init` makes it.
        state: The node's own folder, `var/<body>`.
        addresses: `host:port` of every body's node, this one's included.
        published: `host:port` of what each body publishes over HTTP; who is not there does not.
        quorum: `peers`: heads count once enough peers cosigned them; `none`: a node alone, a trial.
        persons: `host:port` where this node answers persons; empty: nowhere.
    """

    body: BodyId
    root: Path
    keys: Path
    state: Path
    addresses: Mapping[BodyId, str]
    published: Mapping[BodyId, str] = field(default_factory=dict)
    quorum: str = PEERS
    persons: str = ""

    @property
    def own_keys(self) -> Path:
        """The node's key folder."""
        return self.keys / self.body / "node"


def default_addresses(root: Path) -> dict[BodyId, str]:
    """`host:port` of each body's node. Raises `InputError` (`BAD_NODE_FILE`)."""
    return {body: f"{node.host}:{node.port}" for body, node in load_nodes(root / "nodes").items()}


def create_state(settings: NodeSettings) -> None:
    """The ledgers of a new node, under its folder.

    Raises:
        StorageError: `STATE_EXISTS`: there is a ledger already; it is never made anew.
    """
    ledger = settings.state / "ledger"
    if ledger.exists():
        raise StorageError(
            "STATE_EXISTS", f"ledger `{ledger}`: exists", "a ledger is never made anew"
        )
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in LOGS:
        Log.create(ledger / name, _signer(settings, name)).close()


def quorum_of(keys: Path) -> Quorum:
    """The signers of policy sets that a node trusts: `KEYS/public/signers.toml`.

    Raises:
        StorageError: `NO_SIGNERS`. InputError: `BAD_SIGNERS`, `BAD_VKEY`.
    """
    path = keys / "public" / "signers.toml"
    try:
        return Quorum.parse(path.read_bytes())
    except OSError as error:
        raise StorageError(
            "NO_SIGNERS",
            f"signers `{path}`: {error.strerror}",
            "make the keys with `cloison keys init`, from a root that has `policy/signers`",
        ) from error


def create_node(settings: NodeSettings, folder: Path, clock: Clock) -> None:
    """A new node's ledgers, and the first set it decides by: entered, and kept in its state.

    Nobody was promised anything yet by this node: what the first set opens needs its signer, and
    no notice.

    Args:
        settings: The node's; its state is not there yet.
        folder: A signed set: files and manifest.
        clock: When the entry is written.

    Raises:
        StorageError: `STATE_EXISTS`, `NO_SIGNERS`, `NO_POLICY_SET`.
        InputError, IntegrityError: as `check_set`; then nothing was made.
    """
    quorum = quorum_of(settings.keys)
    checked = check_set(*read_signed(folder), quorum)
    opened = opened_promises(None, checked.policy)
    require_promise_signer(checked, opened, quorum)
    create_state(settings)
    PolicySets(settings.state).keep(checked.signed.note, checked.policy.hash, checked.files)
    told = told_of(checked, None, opened)
    ledger = settings.state / "ledger" / "register"
    with Log.open(ledger, _signer(settings, "register")) as register:
        register.append_many([entry_of(told, clock())])


def open_node(settings: NodeSettings, policy: PolicySet, clock: Clock) -> Node:
    """The node, whole: keys, policy, ledgers, store and vault.

    Raises:
        StorageError, InputError, IntegrityError: what is missing or does not fit, and what to do.
    """
    _require(settings.own_keys, "keys", "run `cloison keys init`")
    _require(settings.state / "ledger" / "traces", "ledger", "run `cloison node init`")
    vault_key = load_secret(settings.own_keys / "vault.key")
    row_secret = load_secret(settings.own_keys / "row.key")
    trust = trust_of(settings)
    traces = Log.open(settings.state / "ledger" / "traces", _signer(settings, "traces"))
    catalogue = load_catalogue(settings.root / "nodes" / settings.body / "catalogue.toml")
    heads = Heads(known_ledgers(settings.keys))
    node = Node(
        body=settings.body,
        policy=policy,
        store=Store.open(settings.state / STORE, catalogue, row_secret, vault_key),
        vault=Vault(settings.state / VAULT, vault_key, settings.body),
        traces=traces,
        register=Log.open(settings.state / "ledger" / "register", _signer(settings, "register")),
        index=LedgerIndex(settings.state / INDEX, traces, index_terms, COUNTED),
        heads=heads,
        peer_heads=PeerHeads(heads.of, trust),
        seen=OwnHead(traces, settings.body, trust),
        activities=load_public_activities(settings.keys / "public" / "activities"),
        agents=AgentDirectory(settings.state / AGENTS, settings.own_keys / "agent.key"),
        row_secret=row_secret,
        witness=open_witness(settings.body, settings.keys, settings.state, clock),
        clock=clock,
    )
    if traces.size > traces.minimum:
        node.last_day = day_number(traces.entry(traces.size - 1))
    node.register.append_many([started_entry(SOFTWARE, policy.hash, clock())])
    DayBook(node).close_all()
    enter_stopped(node)
    DestructionDesk(node).finish()
    RetentionDesk(node).daily()
    return node


def trust_of(settings: NodeSettings) -> TrustPolicy:
    """Whose cosignatures count. Raises `InputError` (`BAD_TRUST_POLICY`, `NO_WITNESS`)."""
    return load_trust_policy(settings.keys, settings.published, settings.quorum)


def open_witness(body: BodyId, keys: Path, state: Path, clock: Clock) -> Witness:
    """A body's witness, of every ledger but its own.

    Raises:
        StorageError: `NO_SECRET`, `WITNESS_LOCKED`, `LEDGER_READ`, `LEDGER_WRITE`.
        IntegrityError: a head it kept was altered.
    """
    seed = load_secret(keys / body / "node" / "witness.key")
    cosigner = Cosigner(witness_name(body), Ed25519PrivateKey.from_private_bytes(seed))
    ledgers = [
        NoteVerifier.parse(path.read_text("ascii").strip())
        for path in sorted((keys / "public" / "ledgers").glob("*.vkey"))
        if not path.name.startswith(f"{body}.")
    ]
    known = {one.name: one for one in ledgers}
    return Witness(state / "witness", cosigner, known, lambda: int(clock().timestamp()))


def _require(path: Path, what: str, hint: str) -> None:
    if not path.is_dir():
        raise StorageError(f"NO_{what.upper()}", f"{what} `{path}`: not there", hint)


def _signer(settings: NodeSettings, log: str) -> NoteSigner:
    _require(settings.own_keys, "keys", "run `cloison keys init`")
    seed = load_secret(settings.own_keys / f"{log}.key")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return NoteSigner(ledger_origin(settings.body, log), key)


def known_ledgers(keys: Path, log: str = "traces") -> dict[BodyId, NoteVerifier]:
    """The verifier key of each body's `traces` ledger, or its `register`; from the public keys."""
    folder = keys / "public" / "ledgers"
    suffix = f".{log}.vkey"
    return {
        parse_body(path.name.removesuffix(suffix)): NoteVerifier.parse(
            path.read_text("ascii").strip()
        )
        for path in sorted(folder.glob(f"*{suffix}"))
    }
