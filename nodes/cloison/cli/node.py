"""`cloison node`: make a body's state, run its node."""

import asyncio
import gc
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.places import Place, read_nodes, read_published
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.wire.node import Clock, system_clock
from cloison.wire.server import serve
from cloison.wire.settings import NodeSettings, create_state

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
    return NodeSettings(own, base, keys, var / own, known, read_published(place))


@app.command()
def init(
    body: Body,
    root: Root = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
) -> None:
    """Make the ledgers of a new node; never twice.

    Example: cloison node init caf
    """
    settings = settings_of(body, root, keys, var, None)
    create_state(settings)
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
    policy = PolicySet.parse(read_policy(settings.root))
    address = settings.addresses[settings.body]

    def ready() -> None:
        # What stands now stays: to walk through it again and again took 5 % of a cohort's time.
        gc.collect()
        gc.freeze()
        print(f"{settings.body}: ready on {address}", flush=True)

    asyncio.run(serve(settings, policy, clock, ready))
