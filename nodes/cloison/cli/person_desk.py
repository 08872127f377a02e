"""`cloison person issuer|contested|answer|erase`: the local issuer; the operator of a node."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from cloison.cli.console import out, table
from cloison.cli.federation import CALL_SECONDS, channel
from cloison.cli.places import ISSUER_PORT, NodeAt, Place, read_nodes
from cloison.cli.root import find_root
from cloison.cli.vkeys import load_vkey
from cloison.errors import InputError, StorageError
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.identity.secrets import load_private_file
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.v1 import persons_service_pb2, persons_service_pb2_grpc, receipt_pb2
from cloison.wire.issuer import IssuerDesk, load_desk, read_accounts, server_tls
from cloison.wire.node import system_clock
from cloison.wire.refusal import told

Body = Annotated[str, typer.Argument(help="A body whose node runs here.")]
Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Root = Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")]
Addresses = Annotated[Path | None, typer.Option(help='TOML file, BODY = "host:port".')]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def issuer(
    *,
    people: Annotated[list[Path], typer.Option(help="Folder of an `identities.csv`; again.")],
    port: Annotated[int, typer.Option(help="Where it listens, on 127.0.0.1.")] = ISSUER_PORT,
    keys: Keys = Path("var/keys"),
) -> None:
    """Run the local OIDC issuer for synthetic people, until it is told to stop.

    A number and a date of birth sign a person in: for a federation on one machine, nothing else.

    Example: cloison person issuer --people var/people/caf
    """
    desk = load_desk(keys, read_accounts(people), system_clock)
    asyncio.run(_serve(desk, keys, port))


async def _serve(desk: IssuerDesk, keys: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(desk.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_tls(keys)).start()
    except OSError as error:
        await runner.cleanup()
        raise StorageError("PORT_IN_USE", f"port `{port}`: {error.strerror}") from error
    typer.echo(f"issuer: ready on 127.0.0.1:{port}")
    await stop.wait()
    await runner.cleanup()


def contested(
    body: Body,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those answered too.")] = False,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """List the accesses that persons contest at a node, with what they say; names nobody.

    Example: cloison person contested cnav
    """
    place, node = _node(body, keys, var, root, addresses)
    with channel(place, node) as opened, told():
        stub = persons_service_pb2_grpc.PersonDeskServiceStub(opened)
        request = persons_service_pb2.ListContestedRequest(all=everything)
        found = list(stub.ListContested(request, timeout=CALL_SECONDS))
    if as_json:
        rows = [
            {
                "leaf_index": one.leaf_index,
                "contested": one.contested_index,
                "time": _time(one.contested_time_ms).isoformat(),
                "answer_by": _time(one.answer_by_ms).isoformat(),
                "says": one.says,
                "outcome": one.outcome,
            }
            for one in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    shown = table("entry", "contests", "answer by", "outcome", "says", right=("entry", "contests"))
    for one in found:
        until = f"{_time(one.answer_by_ms):%Y-%m-%d}"
        shown.add_row(
            str(one.leaf_index), str(one.contested_index), until, one.outcome or "–", one.says
        )
    out().print(shown)


def answer(
    body: Body,
    index: Annotated[int, typer.Argument(min=0, help="The entry that contests.")],
    *,
    outcome: Annotated[str, typer.Option(help="`justified` or `not-justified`.")],
    says: Annotated[str, typer.Option(help="For the person, in French; in no ledger.")],
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Answer a person who contests an access; they read it when they sign in again.

    Example: cloison person answer cnav 40 --outcome justified --says "Pour votre demande de mai."
    """
    place, node = _node(body, keys, var, root, addresses)
    with channel(place, node) as opened, told():
        stub = persons_service_pb2_grpc.PersonDeskServiceStub(opened)
        request = persons_service_pb2.AnswerContestedRequest(
            leaf_index=index, outcome=outcome, says=says
        )
        receipt = stub.AnswerContested(request, timeout=CALL_SECONDS).receipt
    _entered(_checked(place, node, receipt), as_json=as_json)


def erase(
    body: Body,
    *,
    identity: Annotated[Path, typer.Option(help='A private JSON file, {"nir": …}.')],
    why: Annotated[str, typer.Option(help="`erasure-ordered`, `kept-in-error` or `deceased`.")],
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Erase a person's trace key at a node: nothing tells any more which entries are about them.

    The ledger does not change, and is verified as before. It cannot be undone. Refused while a line
    or an access that they contest waits for an answer. Cases keep them until they are over,
    received data until their labels end.

    Example: cloison person erase caf --identity person.json --why erasure-ordered
    """
    place, node = _node(body, keys, var, root, addresses)
    try:
        nir = str(json.loads(load_private_file(identity))["nir"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("BAD_IDENTITY", f"file `{identity}`: not an identity") from error
    with channel(place, node) as opened, told():
        stub = persons_service_pb2_grpc.PersonDeskServiceStub(opened)
        request = persons_service_pb2.EraseTraceKeyRequest(nir=nir, why=why)
        response = stub.EraseTraceKey(request, timeout=CALL_SECONDS)
    until = _time(response.kept_until_ms) if response.kept_until_ms else None
    shown = None if until is None else until.isoformat()
    _entered(_checked(place, node, response.receipt), as_json=as_json, kept_until=shown)
    if until is not None and not as_json:
        typer.echo(f"a case names them until {until:%Y-%m-%d %H:%M} UTC: erase again after it")


def _node(
    body: str, keys: Path, var: Path, root: Path | None, addresses: Path | None
) -> tuple[Place, NodeAt]:
    place = Place(find_root(root), keys, var, addresses)
    (node,) = read_nodes(place, [body])
    return place, node


def _checked(place: Place, node: NodeAt, receipt: receipt_pb2.Receipt) -> Checked:
    verifier = load_vkey(place.keys / f"public/ledgers/{node.body}.traces.vkey")
    return verify_receipt(receipt, lambda note: verify_checkpoint(note, verifier))


def _entered(checked: Checked, *, as_json: bool, **more: str | None) -> None:
    kind = checked.entry.WhichOneof("kind")
    if as_json:
        typer.echo(json.dumps({"leaf_index": checked.leaf_index, "kind": kind, **more}))
    else:
        typer.echo(f"entered: {kind}, entry {checked.leaf_index}")


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
