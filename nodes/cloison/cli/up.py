"""`cloison up|down|status`: the nodes and the overseers' witnesses, one process a body."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import BodyId
from cloison.cli.console import messages, out, table
from cloison.cli.federation import health, ledger_size, running_pid, start, stop
from cloison.cli.law_sets import policy_set_of
from cloison.cli.places import NodeAt, Place, read_nodes, read_overseers
from cloison.cli.root import find_root
from cloison.errors import InputError
from cloison.french import french_count

Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Only = Annotated[list[str] | None, typer.Option(help="A body; may be given more than once.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")]
Addresses = Annotated[Path | None, typer.Option(help='TOML file, BODY = "host:port".')]


def up(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    only: Only = None,
    root: Root = None,
    addresses: Addresses = None,
) -> None:
    """Start every node and witness, or those named; all serve on return, or none of them runs.

    Example: cloison up
    """
    place = Place(find_root(root), keys, var, addresses)
    nodes = _processes(place, only or ())
    begin = time.monotonic()
    with messages().status(f"starting {len(nodes)} nodes"):
        unseen = start(place, nodes)
    for node in nodes:
        typer.echo(f"{node.body}: {'witness' if node.witness else 'serving'} on {node.address}")
    if unseen:
        named = ", ".join(unseen)
        typer.echo(
            f"{named}: too few witnesses answer yet; until then questions are refused", err=True
        )
    typer.echo(f"ready in {time.monotonic() - begin:.1f} s", err=True)


def _processes(place: Place, only: Sequence[str]) -> list[NodeAt]:
    """Nodes and overseers, those of `only` where it names any."""
    overseers = [one for one in read_overseers(place) if not only or one.body in only]
    named = [name for name in only if name not in {one.body for one in overseers}]
    return [*overseers, *([] if only and not named else read_nodes(place, named))]


def down(*, var: Var = Path("var"), only: Only = None, root: Root = None) -> None:
    """Stop every node that runs, or those named, and wait until they have ended.

    Example: cloison down
    """
    place = Place(find_root(root), var / "keys", var)
    nodes = read_nodes(place)
    known = {node.body for node in nodes}
    # An overseer is known by what it left: keys may stand elsewhere.
    left = (file.parent for file in var.glob("*/node.pid") if file.parent.name not in known)
    nodes += [NodeAt(BodyId(path.name), "", 0, path, witness=True) for path in left]
    for name in set(only or ()) - {node.body for node in nodes}:
        raise InputError(
            "UNKNOWN_BODY", f"body `{name}`: no such node", f"known: {', '.join(sorted(known))}"
        )
    stopped = stop([node for node in nodes if not only or node.body in only])
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "no node was running")


def status(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
) -> None:
    """Show each node: port, process, health, ledger, policy set. Exit 1 if one does not serve.

    Example: cloison status
    """
    place = Place(find_root(root), keys, var, addresses)
    columns = ("body", "port", "process", "health", "ledger entries", "policy set")
    shown = table(*columns, right=("ledger entries",))
    held: set[bytes] = set()
    all_serve = True
    for node in _processes(place, ()):
        pid = running_pid(node)
        state = "stopped" if pid is None else health(place, node)
        asked = state == "SERVING" and not node.witness
        size = ledger_size(place, node) if asked else None
        law = policy_set_of(place, node) if asked else None
        held |= set() if law is None else {law}
        all_serve = all_serve and state == "SERVING"
        shown.add_row(
            node.body,
            str(node.port),
            "–" if pid is None else str(pid),
            state,
            "–" if size is None else french_count(size),
            "–" if law is None else law.hex()[:12],
        )
    out().print(shown)
    if len(held) > 1:
        typer.echo("these nodes decide by different policy sets: see `cloison law sets`", err=True)
    raise typer.Exit(0 if all_serve else 1)
