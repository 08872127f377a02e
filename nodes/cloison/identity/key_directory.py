"""The folder of a federation's keys: made whole, or not at all.

    DIR/ca/                            ca.key ca.crt
    DIR/public/                        ca.crt, ledgers/<body>.{traces,register}.vkey,
                                       witnesses/<body>.vkey, activities/<activity>.toml,
                                       signers.toml issuer.json
    DIR/<body>/node/                   tls.key tls.crt
                                       traces.key register.key witness.key (Ed25519 seeds)
                                       row.key vault.key agent.key (32 random bytes)
    DIR/<body>/activities/<activity>/  signing.key sealing.key tls.key tls.crt
    DIR/issuer/                        signing.jwk tls.key tls.crt: whoever signs persons in
    DIR/signers/                       <name>.key (Ed25519 seeds): whoever signs policy sets

`public/` may be read by all; every other folder is 0700, every other file 0600. A body named only
by activities gets no `node/`; an overseer's holds its `witness.key` alone.
"""

import base64
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, StorageError
from cloison.identity.activity_keys import create_activity_keys, print_public
from cloison.identity.certificates import Authority, Issued
from cloison.identity.names import Peer, parse_activity
from cloison.identity.secrets import SECRET_BYTES, write_new, write_secret
from cloison.identity.sign_in import new_signing_key, public_issuer
from cloison.identity.signers import SignersFile

LEDGERS = ("traces", "register")
NODE_SECRETS = ("row", "vault", "agent")
WITNESS = "witness"
_TAKEN = frozenset({"ca", "public", "signers", "issuer"})
_ISSUER = BodyId("issuer")
_PUBLIC_FOLDER = 0o755
_PUBLIC_FILE = 0o644
_ED25519 = b"\x01"
_COSIGNATURE = b"\x04"


def init_keys(
    directory: Path,
    bodies: Iterable[BodyId],
    activities: Mapping[str, BodyId],
    now: datetime,
    overseers: Iterable[BodyId] = (),
    signers: SignersFile | None = None,
) -> None:
    """Makes every key of a new federation; a crash leaves `directory` as it was.

    Built in a hidden sibling folder, made durable, then renamed; the rename cannot replace a folder
    that holds anything. A killed run may leave the sibling, which nothing reads.

    Args:
        directory: Missing or empty.
        bodies: Those that run a node.
        activities: The body of each activity, by id.
        now: When certificates begin, less a day.
        overseers: Those that run no node and witness the ledgers of all.
        signers: Whoever signs policy sets, by name; None: nobody does here.

    Raises:
        InputError: `KEYS_EXIST`: something is there; nothing was touched. `NO_BODIES`: none
            given. `BAD_BODY`, `BAD_ACTIVITY`.
        StorageError: `KEYS_WRITE`: the disk refused.
    """
    nodes = sorted({_checked_body(body) for body in bodies})
    owners = {parse_activity(name): _checked_body(activities[name]) for name in sorted(activities)}
    if not nodes:
        raise InputError("NO_BODIES", "keys: no body to make keys for", "add nodes/BODY/node.toml")
    watching = sorted({_checked_body(body) for body in overseers} - set(nodes))
    _refuse_existing(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            _build(draft, nodes, owners, now)
            for body in watching:
                _build_witness(draft, body)
            if signers is not None:
                _build_signers(draft, signers)
            _sync_folders(draft)
            draft.rename(directory)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _sync_folder(directory.parent)
    except OSError as error:
        _refuse_existing(directory)
        raise StorageError("KEYS_WRITE", f"keys `{directory}`: {error.strerror}") from error


def ledger_origin(body: BodyId, ledger: str) -> str:
    """The name a ledger signs its checkpoints with: `caf.cloison.local/traces`."""
    return f"{Peer(body).host}/{ledger}"


def witness_name(body: BodyId) -> str:
    """The name a body cosigns heads with: `cnil.cloison.local/witness`."""
    return f"{Peer(body).host}/{WITNESS}"


def verifier_key(name: str, public_key: bytes, kind: bytes = _ED25519) -> str:
    """A C2SP verifier key: `name+hash+base64(type ‖ key)`.

    Source:
        C2SP signed-note, Ed25519 (type 1; 4 for cosignatures); hash: first 4 bytes of
        SHA-256(name ‖ LF ‖ type ‖ key).
    """
    typed = kind + public_key
    digest = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{digest}+{base64.b64encode(typed).decode('ascii')}"


def _checked_body(body: BodyId) -> BodyId:
    if body in _TAKEN:
        raise InputError("BAD_BODY", f"body `{body}`: the name of a folder of keys")
    return parse_body(body)


def _refuse_existing(directory: Path) -> None:
    try:
        empty = not directory.exists() or not any(directory.iterdir())
    except OSError:
        empty = False
    if not empty:
        raise InputError(
            "KEYS_EXIST", f"keys `{directory}`: already there", "choose a new folder; keys are kept"
        )


def _build(
    root: Path, nodes: Iterable[BodyId], owners: Mapping[str, BodyId], now: datetime
) -> None:
    authority = Authority.create(now)
    _folder(root / "public", _PUBLIC_FOLDER)
    _folder(root / "public/ledgers", _PUBLIC_FOLDER)
    _folder(root / "public/witnesses", _PUBLIC_FOLDER)
    _folder(root / "public/activities", _PUBLIC_FOLDER)
    write_new(root / "public/ca.crt", authority.issued.certificate, _PUBLIC_FILE)
    _write_pair(_folder(root / "ca"), "ca", authority.issued)
    for body in nodes:
        _build_node(root, body, authority.issue(Peer(body), now))
    _build_issuer(root, authority.issue(Peer(_ISSUER), now))
    for activity, body in owners.items():
        _build_activity(root, activity, body, authority.issue(Peer(body, activity), now))
    root.chmod(_PUBLIC_FOLDER)


def _build_node(root: Path, body: BodyId, issued: Issued) -> None:
    folder = _folder(root / body / "node")
    _write_pair(folder, "tls", issued)
    for name in NODE_SECRETS:
        write_secret(folder / f"{name}.key", os.urandom(SECRET_BYTES))
    for ledger in LEDGERS:
        private = Ed25519PrivateKey.generate()
        write_secret(folder / f"{ledger}.key", private.private_bytes_raw())
        vkey = verifier_key(ledger_origin(body, ledger), private.public_key().public_bytes_raw())
        public = root / "public/ledgers" / f"{body}.{ledger}.vkey"
        write_new(public, f"{vkey}\n".encode("ascii"), _PUBLIC_FILE)
    _build_witness(root, body)


def _build_witness(root: Path, body: BodyId) -> None:
    private = Ed25519PrivateKey.generate()
    write_secret(_folder(root / body / "node") / f"{WITNESS}.key", private.private_bytes_raw())
    key = private.public_key().public_bytes_raw()
    vkey = verifier_key(witness_name(body), key, _COSIGNATURE)
    public = root / "public/witnesses" / f"{body}.vkey"
    write_new(public, f"{vkey}\n".encode("ascii"), _PUBLIC_FILE)


def _build_signers(root: Path, signers: SignersFile) -> None:
    folder = _folder(root / "signers")
    made = {name: Ed25519PrivateKey.generate() for name in signers.all}
    for name, private in made.items():
        write_secret(folder / f"{name}.key", private.private_bytes_raw())
    vkeys = {
        name: verifier_key(name, private.public_key().public_bytes_raw())
        for name, private in made.items()
    }
    write_new(root / "public/signers.toml", signers.with_keys(vkeys.__getitem__), _PUBLIC_FILE)


def _build_issuer(root: Path, issued: Issued) -> None:
    """The local issuer's: elsewhere its public keys are those of the provider a body trusts."""
    folder = _folder(root / _ISSUER)
    private = new_signing_key()
    write_secret(folder / "signing.jwk", private)
    write_new(root / "public/issuer.json", public_issuer(private), _PUBLIC_FILE)
    _write_pair(folder, "tls", issued)


def _build_activity(root: Path, activity: str, body: BodyId, issued: Issued) -> None:
    folder = _folder(root / body / "activities" / activity)
    public = create_activity_keys(folder, activity, body)
    _write_pair(folder, "tls", issued)
    write_new(root / "public/activities" / f"{activity}.toml", print_public(public), _PUBLIC_FILE)


def _write_pair(folder: Path, name: str, issued: Issued) -> None:
    write_secret(folder / f"{name}.key", issued.key)
    write_secret(folder / f"{name}.crt", issued.certificate)


def _folder(path: Path, mode: int = 0o700) -> Path:
    for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
        missing.mkdir()
        missing.chmod(mode)
    return path


def _sync_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        _sync_folder(Path(folder))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
