"""`cloison law sign|load|sets`: sign a policy set, load it into nodes, see which set each holds."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from cloison.bodies import BodyId
from cloison.cli.console import messages, out, table
from cloison.cli.federation import channel
from cloison.cli.first_set import first_set, load_signers
from cloison.cli.places import NodeAt, Place, read_nodes
from cloison.cli.root import find_root
from cloison.errors import CloisonError, InputError, PolicyDenied, StorageError
from cloison.exchange.entries import parse_entry
from cloison.exchange.policy_manifest import (
    MANIFEST,
    Manifest,
    Quorum,
    sign_manifest,
    verify_manifest,
)
from cloison.exchange.statement import from_milliseconds
from cloison.law import PolicySet
from cloison.law.set_difference import may_open
from cloison.ledger.note import parse_note
from cloison.v1 import entry_pb2, policy_service_pb2, policy_service_pb2_grpc
from cloison.wire.policy_desk import check_law, require_kept
from cloison.wire.policy_sets import read_law_files, read_signed
from cloison.wire.refusal import refusal_of
from cloison.wire.settings import quorum_of
from cloison.wire.status import DENIED, OK, exit_code_of

_LOAD_SECONDS = 300.0
"""What could permit more is proved before it takes effect: seconds, more on a busy machine."""
_SHORT = 12
_BY_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.DATA_LOSS: InputError,
    grpc.StatusCode.UNAVAILABLE: StorageError,
    grpc.StatusCode.PERMISSION_DENIED: PolicyDenied,
}

Folder = Annotated[Path | None, typer.Argument(metavar="DIR", help="Default: the root's policy/.")]
Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Nodes = Annotated[list[str] | None, typer.Option("--node", help="A body; default: every node.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")]
Addresses = Annotated[Path | None, typer.Option(help='TOML file, BODY = "host:port".')]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def sign(
    directory: Folder = None,
    *,
    key: Annotated[list[Path], typer.Option(help="A signer's key; may be given more than once.")],
    keys: Keys = Path("var/keys"),
    after: Annotated[
        Path | None, typer.Option(help="Manifest of the set it follows (default: the last here).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign the policy set of a folder: a new manifest, or one more signature on the same.

    What a node would refuse to load is not signed: its examples are decided, and where it could
    permit more than the federation's first set, its promises are proved (some seconds). Exit 3.

    Example: cloison law sign --key var/keys/signers/ministere.key
    """
    folder = directory or find_root() / "policy"
    quorum = quorum_of(keys)
    files = read_law_files(folder)
    policy = _fit(files, keys, quorum)
    note = _read(folder / MANIFEST) if after is None else b""
    if not (note and _manifest(note).set_hash == policy.hash):
        before = _manifest(_read(after) if after else note or _read(first_set(keys) / MANIFEST))
        note, text = b"", Manifest.of(files, before, datetime.now(UTC).date()).text()
    else:
        text = parse_note(note).text
    note = sign_manifest(text, load_signers(key, quorum), note)
    (folder / MANIFEST).write_bytes(note)
    manifest = Manifest.parse(text)
    names = sorted(one.name for one in parse_note(note).signatures)
    shown = {"policy_set": policy.hash.hex(), "number": manifest.number, "signers": names}
    if as_json:
        typer.echo(json.dumps(shown | {"threshold": quorum.threshold}))
        return
    typer.echo(f"policy set {policy.hash.hex()}, number {manifest.number}")
    typer.echo(f"signed by {', '.join(names)}; it takes {quorum.threshold}")


def _fit(files: Mapping[str, bytes], keys: Path, quorum: Quorum) -> PolicySet:
    """The law of these files, which a node would load: whoever signs need not trust who drafted it.

    The first set is every node's already; what permits no more than it keeps what it keeps.

    Raises:
        InputError: `BAD_POLICY_FILE`, `EXAMPLES_FAIL`; `PROMISE_BROKEN`, with a counterexample.
        IntegrityError: the first set is not the one that was signed.
    """
    first = _first(first_set(keys), quorum)
    policy = check_law(files)
    if first is None or may_open(first, policy):
        with messages().status("proving that the promises are kept"):
            require_kept(files)
    return policy


def _first(folder: Path, quorum: Quorum) -> PolicySet | None:
    """As it was signed; None where a signer has no copy of it."""
    if not folder.is_dir():
        return None
    note, files = read_signed(folder)
    verify_manifest(note, quorum).manifest.check(files)
    return PolicySet.parse(files)


def load(
    directory: Folder = None,
    *,
    node: Nodes = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Load a signed policy set into running nodes; it takes effect at once, without a restart.

    Exit 2 while a set that opens a promise waits for its notice to end; 3 if a node refuses it.

    Example: cloison law load policy --node caf --node cnav
    """
    base = find_root(root)
    place = Place(base, keys, var, addresses)
    note, files = read_signed(directory or base / "policy")
    request = policy_service_pb2.LoadRequest(
        manifest=note,
        files=[
            policy_service_pb2.PolicyFile(path=path, content=content)
            for path, content in files.items()
        ],
    )
    results = [_load(place, one, request) for one in read_nodes(place, node or ())]
    if as_json:
        typer.echo(json.dumps([shown for shown, _ in results]))
    else:
        for shown, _ in results:
            _say(shown)
    raise typer.Exit(max(code for _, code in results))


def sets(
    *,
    node: Nodes = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Show every set each node loaded or announced, and peers that said they hold another.

    Exit 1 if a node does not answer, or does not decide by the set another decides by.

    Example: cloison law sets
    """
    place = Place(find_root(root), keys, var, addresses)
    told = {one.body: _list(place, one) for one in read_nodes(place, node or ())}
    if as_json:
        typer.echo(json.dumps({body: _listed(answer) for body, answer in told.items()}))
    else:
        _show_sets(told)
    held = {answer.policy_set for answer in told.values()}
    differing = any(peer.policy_set not in held for one in told.values() for peer in one.peers)
    raise typer.Exit(1 if len(held) > 1 or (differing and not node) else 0)


def _show_sets(told: Mapping[BodyId, policy_service_pb2.ListSetsResponse]) -> None:
    rows = table("node", "set", "number", "state", "signed by", "changes", right=("changes",))
    for body, answer in told.items():
        for one in _listed_sets(answer):
            rows.add_row(
                body,
                one["policy_set"][:_SHORT],
                str(one["number"]),
                one["state"],
                ", ".join(one["signers"]),
                str(one["change_count"]),
            )
    out().print(rows)
    for body, answer in told.items():
        for peer in answer.peers:
            if peer.policy_set != answer.policy_set:
                said = from_milliseconds(peer.said_time_ms).isoformat(timespec="minutes")
                held = peer.policy_set.hex()[:_SHORT]
                typer.echo(f"{body}: {peer.body} decides by another set, {held} (said {said})")


def policy_set_of(place: Place, node: NodeAt) -> bytes | None:
    """The set a node decides by; None if it does not answer."""
    try:
        return _list(place, node).policy_set
    except CloisonError:
        return None


def _list(place: Place, node: NodeAt) -> policy_service_pb2.ListSetsResponse:
    with _stub(place, node) as stub:
        return stub.ListSets(policy_service_pb2.ListSetsRequest(), timeout=_LOAD_SECONDS)


def _load(
    place: Place, node: NodeAt, request: policy_service_pb2.LoadRequest
) -> tuple[dict[str, object], int]:
    try:
        with _stub(place, node) as stub:
            response = stub.Load(request, timeout=_LOAD_SECONDS)
    except CloisonError as error:
        said = {"reason": error.reason, "message": error.message, "hint": error.hint}
        return {"node": node.body, "state": "refused", **said}, exit_code_of(error)
    told = parse_entry(response.entry).policy_loaded
    state = "loaded before" if response.repeated_load else _state(told)
    shown = {"node": node.body, **_set(told), "state": state, "leaf_index": response.leaf_index}
    return shown, DENIED if state == "announced" else OK


def _say(shown: dict[str, Any]) -> None:
    if shown["state"] == "refused":
        typer.echo(f"{shown['node']}: refused: {shown['message']}", err=True)
        typer.echo(f"  {shown['hint']}\n  [{shown['reason']}]", err=True)
        return
    line = f"{shown['node']}: {shown['state']} {shown['policy_set'][:_SHORT]}"
    typer.echo(f"{line}, number {shown['number']}, register entry {shown['leaf_index']}")
    if shown["state"] == "announced":
        opened = ", ".join(shown["opened_promises"])
        typer.echo(f"  opens {opened}: load it again from {shown['notice_until']} on")
    for change in shown["changes"]:
        typer.echo(f"  {change}")


def _listed(answer: policy_service_pb2.ListSetsResponse) -> dict[str, Any]:
    return {
        "policy_set": answer.policy_set.hex(),
        "sets": _listed_sets(answer),
        "peers": {peer.body: peer.policy_set.hex() for peer in answer.peers},
    }


def _listed_sets(answer: policy_service_pb2.ListSetsResponse) -> list[dict[str, Any]]:
    return [_set(parse_entry(data).policy_loaded) for data in answer.entries]


def _state(told: entry_pb2.PolicyLoaded) -> str:
    return "announced" if told.notice_until_ms else "loaded"


def _set(told: entry_pb2.PolicyLoaded) -> dict[str, Any]:
    until = told.notice_until_ms
    return {
        "policy_set": told.policy_set.hex(),
        "previous": told.previous.hex(),
        "number": told.number,
        "signed": told.signed_day,
        "state": _state(told),
        "signers": list(told.signers),
        "opened_promises": list(told.opened_promises),
        "notice_until": from_milliseconds(until).isoformat() if until else None,
        "change_count": told.change_count,
        "changes": list(told.changes),
    }


@contextmanager
def _stub(place: Place, node: NodeAt) -> Iterator["policy_service_pb2_grpc.PolicyServiceStub"]:
    with channel(place, node) as opened:
        try:
            yield policy_service_pb2_grpc.PolicyServiceStub(opened)
        except grpc.RpcError as error:
            raise _refused(node, error) from error


def _refused(node: NodeAt, error: grpc.RpcError) -> CloisonError:
    """What a node refused, by whose fault it is: a set that does not verify is a bad input."""
    refusal = refusal_of(error)
    if refusal is None:
        message = f"node `{node.body}`: does not answer"
        return StorageError("NODE_UNREACHABLE", message, "start it: `cloison up`")
    return refusal.error(_BY_STATUS)


def _manifest(note: bytes) -> Manifest:
    return Manifest.parse(parse_note(note).text)


def _read(path: Path) -> bytes:
    """A manifest; empty where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StorageError("NO_POLICY_SET", f"manifest `{path}`: {error.strerror}") from error
