"""`cloison node`: make a body's state, run its node."""

import asyncio
import gc
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.first_set import first_set
from cloison.cli.places import (
    Place,
    read_nodes,
    read_person_doors,
    read_published,
    read_quorum,
)
from cloison.cli.root import find_root
from cloison.errors import InputError
from cloison.wire.node import Clock, system_clock
from cloison.wire.policy_sets import loaded_set
from cloison.wire.server import serve
from cloison.wire.settings import NodeSettings, create_node

app = typer.Typer(no_args_is_help=True, help="Make a body's state, run its node.")

Body = Annotated[str, typer.Argument(help="A folder of `nodes/`.")]
Root = Annotated[Path | None, typer.Option(help="Where `policy/` and `nodes/` stand.")]
Keys = Annotated[Path, typer.Option(help="As `cloison keys init` makes it.")]
Var = Annotated[Path, typer.Option(help="Where the bodies' states stand.")]
Addresses = Annotated[
    Path | None,
    typer.Option(help='A TOML file, `body = "host:port"`, of the nodes that listen elsewhere.'),
]


def settings_of(
    body: str, root: Path | None, keys: Path, var: Path, addresses: Path | None
) -> NodeSettings:
    """The settings of one body's node.

    Raises:
        InputError: `BAD_BODY`, `UNKNOWN_BODY`, `BAD_NODE_FILE`, `BAD_ADDRESS`.
    """
    base = find_root(Path.cwd()) if root is None else root
    place = Place(base, keys, var, addresses)
    nodes = read_nodes(place)
    known = {node.body: node.address for node in nodes}
    own = parse_body(body)
    if own not in known:
        raise InputError("BAD_BODY", f"body `{body}`: no node", f"use {', '.join(known)}")
    doors = read_person_doors(place)
    return NodeSettings(
        own,
        base,
        keys,
        var / own,
        known,
        read_published(place),
        read_quorum(place),
        doors.get(own, ""),
    )


@app.command()
def init(
    body: Body,
    root: Root = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    policy: Annotated[
        Path | None, typer.Option(help="A signed policy set (default: that of the keys).")
    ] = None,
) -> None:
    """Make the ledgers of a new node, and enter the law it decides by; never twice.

    Example: cloison node init caf
    """
    settings = settings_of(body, root, keys, var, None)
    create_node(settings, policy or first_set(keys), system_clock)
    print(f"{settings.body}: ledgers made in {settings.state / 'ledger'}")


@app.command()
def run(
    body: Body,
    root: Root = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    addresses: Addresses = None,
) -> None:
    """Run a body's node until it is told to stop.

    Example: cloison node run caf
    """
    run_node(settings_of(body, root, keys, var, addresses), system_clock)


def run_node(settings: NodeSettings, clock: Clock) -> None:
    """Runs the node; one line on stdout when it answers."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    policy = loaded_set(settings.state)
    address = settings.addresses[settings.body]

    def ready() -> None:
        # What stands now stays: to walk through it again and again took 5 % of a cohort's time.
        gc.collect()
        gc.freeze()
        print(f"{settings.body}: ready on {address}", flush=True)

    asyncio.run(serve(settings, policy, clock, ready))
