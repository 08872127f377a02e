"""A body's `node.toml`: where its node listens. The peers of a node are the other bodies' files."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError


class NodeFile(BaseModel):
    """Where a body's node listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    http_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Of its ledgers' heads and tiles, and its witness; None: it publishes nothing over HTTP."""
    person_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where persons ask what was done with their data; None: nowhere."""

    @property
    def body(self) -> BodyId:
        """The body whose node it is."""
        return BodyId(self.id)


def load_node(path: Path) -> NodeFile:
    """The file at `path`; it must stand in the folder of its own id.

    Raises:
        InputError: `BAD_NODE_FILE`: missing, not TOML, an unknown key, another folder's.
    """
    try:
        node = NodeFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("BAD_NODE_FILE", f"node file `{path}`: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError("BAD_NODE_FILE", f"node file `{path}`: {place}: {first['msg']}") from error
    parse_body(node.id)
    if path.parent.name != node.id:
        raise InputError("BAD_NODE_FILE", f"node file `{path}`: is that of `{node.id}`")
    return node


def load_nodes(directory: Path) -> dict[BodyId, NodeFile]:
    """Every body of a federation: the folders of `directory` that hold a `node.toml`, by id.

    Raises:
        InputError: `BAD_NODE_FILE`: one is bad, there is none, or two share a port.
    """
    nodes = [load_node(path) for path in sorted(directory.glob("*/node.toml"))]
    if not nodes:
        raise InputError("BAD_NODE_FILE", f"node files in `{directory}`: none")
    if len({(node.host, node.port) for node in nodes}) != len(nodes):
        raise InputError("BAD_NODE_FILE", f"node files in `{directory}`: two share a port")
    return {node.body: node for node in nodes}
