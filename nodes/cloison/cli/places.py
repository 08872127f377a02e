"""Where a federation of this machine is: its law, keys, state, and each node's address.

Which bodies there are, and where they listen, is what `nodes/*/node.toml` says; a file of addresses
(`caf = "127.0.0.1:7512"`) moves them, for tests and for a second federation beside the first.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.store import load_nodes

_PORT_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A federation on this machine.

    Attributes:
        root: Folder that holds `policy/` and `nodes/`.
        keys: Folder of the keys.
        var: Folder of the nodes' state.
        addresses: A TOML file, `BODY = "host:port"`; None: as each `node.toml` says.
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
    """One node: where it listens and where its state is."""

    body: BodyId
    host: str
    port: int
    folder: Path

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


def read_addresses(path: Path) -> dict[str, tuple[str, int]]:
    """Host and port by body, of a file of addresses. Raises `InputError` (`BAD_ADDRESS`)."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("BAD_ADDRESS", f"file `{path}`: {error}") from error
    return {body: _parse_address(path, text) for body, text in content.items()}


def _parse_address(path: Path, text: object) -> tuple[str, int]:
    host, _, port = str(text).rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        raise InputError("BAD_ADDRESS", f"file `{path}`: `{text}` is not an address", "host:port")
    return host, int(port)
