"""Where a federation of this machine is: its law, keys, state, and each node's address.

Which bodies there are, and where they listen, is what `nodes/*/node.toml` says; a file of addresses
(`caf = "127.0.0.1:7512"`, and under `[http]` the same for what is published, under `[person]` for
where persons ask) moves them, for tests and for a second federation beside the first.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.store import load_nodes
from cloison.wire.trust import PEERS, QUORUM_NONE

_PORT_DIGITS = 5
ISSUER_PORT = 7430
"""Where the local issuer listens, by whom persons sign in."""
OVERSEER_PORT = 7425
"""Where the first overseer listens: it has no folder in `nodes/`, for it holds no data."""


@dataclass(frozen=True, slots=True)
class Place:
    """A federation on this machine.

    Attributes:
        root: Folder that holds `policy/` and `nodes/`.
        keys: Folder of the keys.
        var: Folder of the nodes' state.
        addresses: A TOML file, `BODY = "host:port"`, and tables `http` and `person` of the same:
            who is not in one publishes nothing, or answers no person. None: as each `node.toml`
            says. `quorum = "none"` in it: no ledger is witnessed.
    """

    root: Path
    keys: Path
    var: Path
    addresses: Path | None = None

    def state_options(self) -> list[str]:
        """Where a command finds law, keys and state; paths made absolute."""
        pairs = (("--root", self.root), ("--keys", self.keys), ("--var", self.var))
        return [part for name, path in pairs for part in (name, str(path.resolve()))]

    def options(self) -> list[str]:
        """The same with the addresses, for a command that reaches nodes."""
        moved = [] if self.addresses is None else ["--addresses", str(self.addresses.resolve())]
        return [*self.state_options(), *moved]


@dataclass(frozen=True, slots=True)
class NodeAt:
    """One process: where it listens and where its state is.

    Attributes:
        witness: It is an overseer's witness, not a node: it listens over HTTP alone.
    """

    body: BodyId
    host: str
    port: int
    folder: Path
    witness: bool = False

    @property
    def address(self) -> str:
        """As gRPC wants it."""
        return f"{self.host}:{self.port}"

    @property
    def pid_file(self) -> Path:
        """Holds the process id while the node runs."""
        return self.folder / "node.pid"

    @property
    def log_file(self) -> Path:
        """What the node printed."""
        return self.folder / "node.log"


def read_nodes(place: Place, only: Sequence[str] = ()) -> list[NodeAt]:
    """The nodes of a federation, in the order of their names; those of `only` where it names any.

    Raises:
        InputError: `UNKNOWN_BODY`: one of `only` has no folder. `BAD_NODE_FILE`, `BAD_ADDRESS`.
    """
    moved = {} if place.addresses is None else read_addresses(place.addresses)
    nodes = load_nodes(place.root / "nodes")
    for name in (*only, *moved):
        if name not in nodes:
            known = ", ".join(nodes)
            raise InputError("UNKNOWN_BODY", f"body `{name}`: no such node", f"known: {known}")
    return [
        NodeAt(body, *moved.get(body, (node.host, node.port)), place.var / body)
        for body, node in nodes.items()
        if not only or body in only
    ]


def read_overseers(place: Place) -> list[NodeAt]:
    """The witnesses of who runs no node. Raises as `read_published`."""
    nodes = load_nodes(place.root / "nodes")
    found = []
    for body, address in read_published(place).items():
        if body not in nodes:
            host, _, port = address.rpartition(":")
            found.append(NodeAt(body, host, int(port), place.var / body, witness=True))
    return found


def read_addresses(path: Path) -> dict[str, tuple[str, int]]:
    """Host and port by body, of a file of addresses. Raises `InputError` (`BAD_ADDRESS`)."""
    content = _read(path)
    content.pop("http", None)
    content.pop("quorum", None)
    content.pop("person", None)
    return {body: _parse_address(path, text) for body, text in content.items()}


def read_published(place: Place) -> dict[BodyId, str]:
    """Where each body publishes over HTTP, `host:port`; overseers, who run no node, included.

    Raises:
        InputError: `BAD_ADDRESS`, `BAD_NODE_FILE`.
    """
    if place.addresses is not None:
        return _read_table(place.addresses, "http")
    nodes = load_nodes(place.root / "nodes")
    published = {
        body: f"{node.host}:{node.http_port}" for body, node in nodes.items() if node.http_port
    }
    witnesses = sorted(path.stem for path in (place.keys / "public/witnesses").glob("*.vkey"))
    overseers = [name for name in witnesses if name not in nodes]
    ports = enumerate(overseers, OVERSEER_PORT)
    return published | {BodyId(name): f"127.0.0.1:{port}" for port, name in ports}


def read_quorum(place: Place) -> str:
    """`peers`, or `none` where the file of addresses says in so many words `quorum = "none"`.

    Raises:
        InputError: `BAD_ADDRESS`: another word.
    """
    said = PEERS if place.addresses is None else _read(place.addresses).get("quorum", PEERS)
    if said not in (PEERS, QUORUM_NONE):
        hint = f"`{PEERS}`, or `{QUORUM_NONE}` for a trial without witnesses"
        raise InputError("BAD_ADDRESS", f"file `{place.addresses}`: `quorum` is neither", hint)
    return str(said)


def read_person_doors(place: Place) -> dict[BodyId, str]:
    """Where each node answers persons, `host:port`.

    Raises:
        InputError: `BAD_ADDRESS`, `BAD_NODE_FILE`.
    """
    if place.addresses is not None:
        return _read_table(place.addresses, "person")
    nodes = load_nodes(place.root / "nodes")
    return {
        body: f"{node.host}:{node.person_port}" for body, node in nodes.items() if node.person_port
    }


def _read_table(path: Path, name: str) -> dict[BodyId, str]:
    listed = _read(path).get(name, {})
    if not isinstance(listed, dict):
        raise InputError("BAD_ADDRESS", f"file `{path}`: `{name}` is not a table")
    found = {body: _parse_address(path, text) for body, text in listed.items()}
    return {BodyId(body): f"{host}:{port}" for body, (host, port) in found.items()}


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("BAD_ADDRESS", f"file `{path}`: {error}") from error


def _parse_address(path: Path, text: object) -> tuple[str, int]:
    host, _, port = str(text).rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        raise InputError("BAD_ADDRESS", f"file `{path}`: `{text}` is not an address", "host:port")
    return host, int(port)
