"""A body's `node.toml`: where its node listens. A node's peers are the other bodies' files."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError


class NodeFile(BaseModel):
    """Where a body's node listens.

    Attributes:
        schemes: The social schemes whose monthly resources it holds; empty where it holds none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    schemes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"


def load_node(path: Path) -> NodeFile:
    """The file at `path`; it must stand in the folder of its own id.

    Raises:
        InputError: `BAD_NODE_FILE`: missing, not TOML, an unknown key, another folder's.
    """
    try:
        node = NodeFile.model_validate(tomllib.loads(path.read_text("utf-8")))
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


def load_nodes(root: Path) -> dict[BodyId, NodeFile]:
    """Every body of a federation: the folders of `root/nodes` that hold a `node.toml`, by id.

    Raises:
        InputError: `BAD_NODE_FILE`: one is bad, there is none, or two share a port.
    """
    nodes = [load_node(path) for path in sorted((root / "nodes").glob("*/node.toml"))]
    if not nodes:
        raise InputError("BAD_NODE_FILE", f"node files in `{root / 'nodes'}`: none")
    if len({node.address for node in nodes}) != len(nodes):
        raise InputError("BAD_NODE_FILE", f"node files in `{root / 'nodes'}`: two share a port")
    return {BodyId(node.id): node for node in nodes}
