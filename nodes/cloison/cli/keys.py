"""`cloison keys`: make a federation's keys, and show what may be shown of them."""

import hashlib
import json
import ssl
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import BodyId, parse_body
from cloison.cli.console import out, table
from cloison.cli.first_set import read_signers, sign_first_set
from cloison.cli.root import find_root
from cloison.errors import InputError, StorageError
from cloison.identity import (
    init_keys,
    load_certificate,
    load_public_activities,
    parse_activity,
)
from cloison.ledger.cosignature import CosignatureVerifier
from cloison.ledger.note import NoteVerifier

app = typer.Typer(help="Keys and certificates of a federation.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A public key, as people compare it by eye."""

    owner: str
    name: str
    use: str
    fingerprint: str


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the keys.")]


@app.command()
def init(
    directory: Folder,
    root: Annotated[Path, typer.Option(help="Folder that holds policy/ and nodes/.")] = Path(),
) -> None:
    """Make the authority, and every node's, activity's and signer's keys. Never overwrites.

    Where `policy/signers` names the signers, they sign the root's `policy/` as the first set.

    Example: cloison keys init var/keys
    """
    base = find_root(root)
    bodies, activities = read_bodies(base), read_activities(base)
    make_keys(directory, base, datetime.now(UTC))
    typer.echo(f"{directory}: keys of {len(bodies)} nodes and {len(activities)} activities")


def make_keys(directory: Path, root: Path, now: datetime) -> None:
    """Every key of a new federation; and its first policy set, where the root names its signers.

    Raises:
        InputError: as `init_keys`; `BAD_SIGNERS`, `BAD_POLICY_FILE`, …: then nothing was made.
        StorageError: `KEYS_WRITE`.
    """
    signers = read_signers(root)
    bodies, activities = read_bodies(root), read_activities(root)
    init_keys(directory, bodies, activities, now, read_overseers(root), signers)
    if signers is not None:
        sign_first_set(directory, root, now.date())


@app.command()
def show(
    directory: Folder,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the fingerprints of a folder's public keys, to compare by another channel.

    Example: cloison keys show var/keys
    """
    prints = list(fingerprints(directory / "public"))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in prints], indent=2))
        return
    rows = table("owner", "name", "use", "fingerprint")
    for one in prints:
        rows.add_row(one.owner, one.name, one.use, one.fingerprint)
    out().print(rows)


def fingerprints(public: Path) -> Iterator[Fingerprint]:
    """Every public key in `DIR/public`, each parsed before it is shown.

    Raises:
        StorageError: `NO_KEYS`, `NO_CERTIFICATE`. InputError: a file is not well formed.
    """
    der = ssl.PEM_cert_to_DER_cert(load_certificate(public / "ca.crt").decode("ascii"))
    yield Fingerprint("authority", "ca.crt", "certificates", hashlib.sha256(der).hexdigest())
    for path in sorted((public / "ledgers").glob("*.vkey")):
        body, _, ledger = path.stem.partition(".")
        vkey = NoteVerifier.parse(path.read_text("utf-8")).vkey
        yield Fingerprint(body, ledger, "ledger", vkey)
    for path in sorted((public / "witnesses").glob("*.vkey")):
        witness = CosignatureVerifier.parse(path.read_text("utf-8"))
        yield Fingerprint(path.stem, "witness", "cosigning", witness.vkey)
    for activity, keys in load_public_activities(public / "activities").items():
        signing = hashlib.sha256(keys.signing_key).hexdigest()[:32]
        yield Fingerprint(keys.body, activity, "signing", signing)
        yield Fingerprint(keys.body, activity, "sealing", keys.sealing_key_id.hex())


def read_bodies(root: Path) -> list[BodyId]:
    """The bodies with a node: the folders that hold a `node.toml`."""
    return [parse_body(path.parent.name) for path in sorted(root.glob("nodes/*/node.toml"))]


def read_activities(root: Path) -> dict[str, BodyId]:
    """The body of each activity, by id, as their files in `policy/activities` say.

    Raises:
        InputError: `BAD_ACTIVITY_FILE`: not TOML, no `body`, or an `id` unlike the file's name.
        StorageError: `NO_ACTIVITY_FILE`: it cannot be read.
    """
    paths = sorted(root.glob("policy/activities/*.toml"))
    return dict(_read_activity(path) for path in paths)


def read_overseers(root: Path) -> list[BodyId]:
    """The bodies that audit, and nothing else, by the record: they witness every ledger."""
    contents = (_content(path) for path in sorted(root.glob("policy/activities/*.toml")))
    return [parse_body(str(one["body"])) for one in contents if one.get("purposes") == ["audit"]]


def _content(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StorageError("NO_ACTIVITY_FILE", f"file `{path}`: {error.strerror}") from error
    except ValueError as error:
        raise InputError("BAD_ACTIVITY_FILE", f"file `{path}`: {error}") from error


def _read_activity(path: Path) -> tuple[str, BodyId]:
    content = _content(path)
    name, body = content.get("id"), content.get("body")
    if name != path.stem or not isinstance(body, str):
        raise InputError(
            "BAD_ACTIVITY_FILE",
            f"file `{path}`: its id is not its name, or it names no body",
            f'write id = "{path.stem}" and body = "…"',
        )
    return parse_activity(path.stem), parse_body(body)
